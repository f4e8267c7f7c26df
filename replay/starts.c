// The note of a generation's starts.
#include "replay/starts.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"
#include "replay/note.h"

typedef Kappa__Internal__Starts Note;
typedef Kappa__Internal__Starts__Partition Partition;

void k_starts_init(struct k_starts *starts)
{
    *starts = (struct k_starts){0};
    k_arena_init(&starts->arena);
}

void k_starts_fini(struct k_starts *starts)
{
    free(starts->items);
    free(starts->journal_from);
    k_arena_fini(&starts->arena);
    *starts = (struct k_starts){0};
}

void k_starts_add(struct k_starts *starts, const char *topic, int32_t partition, int64_t offset)
{
    starts->items = k_realloc(starts->items, (starts->count + 1) * sizeof *starts->items);
    starts->items[starts->count++] =
        (struct k_start){.topic = k_arena_copy(&starts->arena, topic, strlen(topic)),
                         .partition = partition,
                         .offset = offset};
}

struct k_start *k_starts_find(const struct k_starts *starts, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < starts->count; i++)
        if (starts->items[i].partition == partition && strcmp(starts->items[i].topic, topic) == 0)
            return &starts->items[i];
    return NULL;
}

static void topic_of(const char *graph, uint64_t generation, char *out, size_t size)
{
    int length = snprintf(out, size, "%s.start.%llu", graph, (unsigned long long)generation);
    K_ASSERT(length > 0 && (size_t)length < size);
}

int k_starts_write(struct k_log *log, const char *graph, uint64_t generation, int32_t replication,
                   const struct k_starts *starts, struct k_error *err)
{
    char topic[300];
    struct k_buf bytes = {0};
    struct k_arena arena;
    Note note;
    k_arena_init(&arena);
    topic_of(graph, generation, topic, sizeof topic);
    kappa__internal__starts__init(&note);
    note.has_version = note.has_generation = true;
    note.version = 1;
    note.pipeline = (char *)graph;
    note.generation = generation;
    note.n_partition = starts->count;
    note.partition = k_arena_array(&arena, Partition *, starts->count + 1);
    for (uint32_t i = 0; i < starts->count; i++) {
        Partition *p = note.partition[i] = k_arena_get(&arena, sizeof *p);
        kappa__internal__starts__partition__init(p);
        p->topic = (char *)starts->items[i].topic;
        p->has_partition = p->has_offset = true;
        p->partition = (uint32_t)starts->items[i].partition;
        p->offset = starts->items[i].offset;
        p->has_join = starts->items[i].joins;
        p->join = starts->items[i].join;
    }
    note.n_journal_from = starts->journal_from ? starts->shards : 0;
    note.journal_from = starts->journal_from;
    k_protobuf_pack(&note.base, &bytes);
    int code = k_note_prepare(log, topic, 1, replication, err);
    if (!code) code = k_note_write(log, topic, 0, "start", k_buf_str(&bytes), err);
    k_buf_fini(&bytes);
    k_arena_fini(&arena);
    return code;
}

int k_starts_read(struct k_log *log, const char *graph, uint64_t generation, struct k_starts *starts,
                  struct k_error *err)
{
    char topic[300];
    struct k_buf bytes = {0};
    Note *note = NULL;
    topic_of(graph, generation, topic, sizeof topic);
    int code = k_note_read(log, topic, 0, &bytes, err);
    if (code == K_E_NOT_FOUND || (!code && !bytes.length))
        code = k_fail(err, K_E_NOT_FOUND,
                      "where generation %llu begins was never written to topic %s: whoever made it was interrupted; "
                      "retire it (kappa replay abort), and make another",
                      (unsigned long long)generation, topic);
    if (!code) note = kappa__internal__starts__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!code && (!note || note->version > 1 || note->generation != generation))
        code = k_fail(err, K_E_CORRUPT, "topic %s does not hold what this kappa can read", topic);
    for (size_t i = 0; !code && i < note->n_partition; i++) {
        const Partition *p = note->partition[i];
        k_starts_add(starts, p->topic, (int32_t)p->partition, p->offset);
        starts->items[i].joins = p->has_join;
        starts->items[i].join = p->join;
    }
    if (!code && note->n_journal_from) {
        starts->shards = (uint32_t)note->n_journal_from;
        starts->journal_from = k_new_array(int64_t, starts->shards);
        memcpy(starts->journal_from, note->journal_from, starts->shards * sizeof *starts->journal_from);
    }
    if (note) kappa__internal__starts__free_unpacked(note, NULL);
    k_buf_fini(&bytes);
    return code;
}

int k_starts_remove(struct k_log *log, const char *graph, uint64_t generation, struct k_error *err)
{
    char topic[300];
    topic_of(graph, generation, topic, sizeof topic);
    return k_note_remove(log, topic, false, NULL, err);
}
