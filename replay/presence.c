// Writing and reading `<graph>.progress`.
#include "replay/presence.h"

#include "proto/internal.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

enum { FETCH_US = 100000, FETCHES_MAX = 30, LOOK_BACK = 1024, KEEP_MS = 3600000, TIMEOUT_US = 10000000 };

typedef Kappa__Internal__Progress Progress;

#define TRY(call)                \
    do {                         \
        int code_ = (call);      \
        if (code_) return code_; \
    } while (0)

static void topic_of(const char *graph, char *out, size_t size)
{
    int length = snprintf(out, size, "%s.progress", graph);
    K_ASSERT(length > 0 && (size_t)length < size);
}

int k_presence_prepare(struct k_log *log, const char *graph, int32_t replication, struct k_error *err)
{
    char topic[300];
    struct k_topic_info info;
    const struct k_topic_spec spec = {.partitions = 1, .replication = replication, .retention_ms = KEEP_MS};
    topic_of(graph, topic, sizeof topic);
    int code = log->ops->topic_info(log, topic, &info, err);
    return code == K_E_NOT_FOUND ? log->ops->topic_create(log, topic, &spec, err) : code;
}

static void encode(const char *graph, const char *worker, uint64_t generation, int64_t now_us,
                   const struct k_shard_report *reports, uint32_t shards, struct k_buf *out)
{
    Progress progress;
    kappa__internal__progress__init(&progress);
    Kappa__Internal__Progress__Shard *all = k_new_array(Kappa__Internal__Progress__Shard, shards + 1);
    Kappa__Internal__Progress__Shard **pointers = k_new_array(Kappa__Internal__Progress__Shard *, shards + 1);
    progress.pipeline = (char *)graph;
    progress.worker = (char *)worker;
    progress.has_generation = progress.has_time_us = true;
    progress.generation = generation;
    progress.time_us = now_us;
    for (uint32_t s = 0; s < shards; s++) {
        Kappa__Internal__Progress__Shard *to = pointers[s] = &all[s];
        kappa__internal__progress__shard__init(to);
        to->has_shard = to->has_offset = to->has_saved_offset = to->has_records = true;
        to->shard = s;
        to->offset = reports[s].offset;
        to->saved_offset = reports[s].saved_offset;
        to->records = reports[s].records;
        to->state = (char *)k_shard_state_name(reports[s].state);
        to->trouble = reports[s].trouble[0] ? (char *)reports[s].trouble : NULL;
    }
    progress.n_shard = shards;
    progress.shard = pointers;
    size_t size = kappa__internal__progress__get_packed_size(&progress);
    kappa__internal__progress__pack(&progress, (uint8_t *)k_buf_reserve(out, size));
    out->length += size;
    free(all);
    free(pointers);
}

int k_presence_say(struct k_log *log, const char *graph, const char *worker, uint64_t generation,
                   const struct k_shard_report *reports, uint32_t shards, struct k_producer **producer,
                   struct k_error *err)
{
    char topic[300], id[400];
    struct k_buf bytes = {0};
    topic_of(graph, topic, sizeof topic);
    snprintf(id, sizeof id, "%s.%s", topic, worker);
    encode(graph, worker, generation, log->ops->now_us(log), reports, shards, &bytes);
    struct k_out_message message = {.topic = topic,
                                    .partition = 0,
                                    .value = k_buf_str(&bytes),
                                    .has_value = true,
                                    .key = k_str_of(worker),
                                    .has_key = true,
                                    .timestamp_us = -1};
    bool tainted = false;
    int code = *producer ? 0 : log->ops->producer_open(log, id, TIMEOUT_US, producer, err);
    if (!code) code = log->ops->begin(*producer, err);
    if (!code) code = log->ops->produce(*producer, &message, err);
    if (!code) code = log->ops->commit(*producer, &tainted, err);
    if (code || tainted) {
        log->ops->producer_close(*producer);
        *producer = NULL;
    }
    k_buf_fini(&bytes);
    return code;
}

// --- reading ---

static struct k_presence *place_of(struct k_presences *all, uint64_t generation, const char *worker)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].generation == generation && strcmp(all->items[i].worker, worker) == 0)
            return &all->items[i];
    all->items = k_realloc(all->items, (all->count + 1) * sizeof *all->items);
    struct k_presence *new = &all->items[all->count++];
    *new = (struct k_presence){.generation = generation};
    snprintf(new->worker, sizeof new->worker, "%s", worker);
    return new;
}

static void take(struct k_presences *all, const Progress *progress)
{
    uint32_t count = progress->n_shard < K_PRESENCE_SHARDS_MAX ? (uint32_t)progress->n_shard : K_PRESENCE_SHARDS_MAX;
    struct k_presence *to = place_of(all, progress->generation, progress->worker ? progress->worker : "");
    to->time_us = progress->time_us;
    to->shard_count = count;
    free(to->shards);
    to->shards = k_new_array(struct k_presence_shard, count + 1);
    for (uint32_t s = 0; s < count; s++) {
        const Kappa__Internal__Progress__Shard *from = progress->shard[s];
        to->shards[s] = (struct k_presence_shard){
            .offset = from->offset, .saved_offset = from->saved_offset, .records = from->records};
        snprintf(to->shards[s].state, sizeof to->shards[s].state, "%s", from->state ? from->state : "");
        snprintf(to->shards[s].trouble, sizeof to->shards[s].trouble, "%.127s", from->trouble ? from->trouble : "");
    }
}

static int compare(const void *a, const void *b)
{
    const struct k_presence *left = a, *right = b;
    int order = (left->generation > right->generation) - (left->generation < right->generation);
    return order ? order : strcmp(left->worker, right->worker);
}

static void drop_old(struct k_presences *all, int64_t now_us, int64_t max_age_us)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        if (now_us - all->items[i].time_us > max_age_us) free(all->items[i].shards);
        else all->items[kept++] = all->items[i];
    }
    all->count = kept;
    if (kept) qsort(all->items, kept, sizeof *all->items, compare);
}

int k_presence_read(struct k_log *log, const char *graph, int64_t max_age_us, struct k_presences *ret,
                    struct k_error *err)
{
    char topic[300];
    int64_t start, end;
    *ret = (struct k_presences){0};
    topic_of(graph, topic, sizeof topic);
    int code = log->ops->offsets(log, topic, 0, true, &start, &end, err);
    if (code == K_E_NOT_FOUND || (!code && start == end)) return 0;
    if (code) return code;
    struct k_reader *reader;
    TRY(log->ops->reader_open(log, topic, 0, end - start > LOOK_BACK ? end - LOOK_BACK : start, &reader, err));
    for (int i = 0; i < FETCHES_MAX && !code && log->ops->position(reader) < end; i++) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, LOOK_BACK, 4 << 20, FETCH_US, &messages, &count, err);
        for (uint32_t m = 0; m < count && !code; m++) {
            const struct k_str value = messages[m]->value;
            Progress *progress = kappa__internal__progress__unpack(NULL, value.length, (const uint8_t *)value.data);
            if (progress) take(ret, progress);
            if (progress) kappa__internal__progress__free_unpacked(progress, NULL);
        }
    }
    log->ops->reader_close(reader);
    drop_old(ret, log->ops->now_us(log), max_age_us);
    if (code) k_presences_fini(ret);
    return code;
}

void k_presences_fini(struct k_presences *presences)
{
    for (uint32_t i = 0; i < presences->count; i++) free(presences->items[i].shards);
    free(presences->items);
    *presences = (struct k_presences){0};
}

static int behind_of(struct k_log *log, const char *graph, const struct k_presence *presence, int64_t *ret,
                     struct k_error *err)
{
    static const enum k_shard_state up[] = {K_SHARD_FOLLOW, K_SHARD_STANDBY, K_SHARD_FENCE, K_SHARD_CATCH_UP,
                                            K_SHARD_LEAD};
    *ret = 0;
    for (uint32_t s = 0; s < presence->shard_count; s++) {
        char journal[300];
        int64_t end;
        bool is_up = false;
        for (size_t i = 0; i < sizeof up / sizeof *up; i++)
            is_up |= strcmp(presence->shards[s].state, k_shard_state_name(up[i])) == 0;
        if (!is_up) { // its position says nothing yet
            *ret = INT64_MAX;
            return 0;
        }
        snprintf(journal, sizeof journal, "%s.journal.%u", graph, s);
        TRY(log->ops->offsets(log, journal, 0, true, NULL, &end, err));
        int64_t behind = end - presence->shards[s].offset;
        if (behind > *ret) *ret = behind;
    }
    return 0;
}

int k_presence_behind(struct k_log *log, const char *graph, uint64_t generation, int64_t *ret, struct k_error *err)
{
    struct k_presences all;
    int64_t least = INT64_MAX;
    int code = k_presence_read(log, graph, K_PRESENCE_AGE_US, &all, err);
    for (uint32_t i = 0; i < all.count && !code; i++) {
        int64_t behind;
        if (all.items[i].generation != generation) continue;
        code = behind_of(log, graph, &all.items[i], &behind, err);
        if (!code && behind < least) least = behind;
    }
    k_presences_fini(&all);
    if (!code && least == INT64_MAX)
        code = k_fail(err, K_E_NOT_FOUND, "no process that hosts generation %llu has been heard of in the last %d s",
                      (unsigned long long)generation, K_PRESENCE_AGE_US / 1000000);
    *ret = least;
    return code;
}
