// Putting a capsule together: the journal from the one checkpoint to the other, and of the sources what it names.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/journal.h"
#include "replay/capsule.h"
#include "replay/capsule_spool.h"

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;
typedef Kappa__Internal__Position Position;

enum { PORTION = 256, WAIT_US = 100000, TRIES = 100, COPY_BYTES = 64 << 20 };

struct gathering {
    const struct k_capsule_making *making;
    struct k_capsule *capsule;
    uint32_t shard;
    char *folder; // of the shard
    struct k_spool *spools;
    uint32_t spool_count;
    char **inputs; // topics by their number in the journal
    size_t input_count;
    const Position *begin, *end; // begin: NULL, or that of the checkpoint
};

static int write_file(const char *directory, const char *name, struct k_str bytes, struct k_error *err)
{
    char *path = k_format("%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(bytes.data, 1, bytes.length, file) == bytes.length;
    if (file) good &= fclose(file) == 0;
    int code = good ? 0 : k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
    free(path);
    return code;
}

static struct k_spool *spool_of(struct gathering *g, const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < g->spool_count; i++)
        if (g->spools[i].partition == partition && strcmp(g->spools[i].topic, topic) == 0) return &g->spools[i];
    return NULL;
}

static void take_inputs(struct gathering *g, const Kappa__Internal__JournalRecord__Leadership *said)
{
    for (size_t i = 0; i < g->input_count; i++) free(g->inputs[i]);
    free(g->inputs);
    g->inputs = k_new_array(char *, said->n_input + 1);
    g->input_count = said->n_input;
    for (size_t i = 0; i < said->n_input; i++)
        g->inputs[i] = k_strdup(said->input[i]->topic ? said->input[i]->topic : "");
}

static int copy_record(struct gathering *g, const Record *record, struct k_error *err)
{
    if (record->leadership) take_inputs(g, record->leadership);
    int code = 0;
    for (size_t r = 0; !code && r < record->n_range; r++) {
        const Range *range = record->range[r];
        if (range->input >= g->input_count) continue;
        struct k_spool *s = spool_of(g, g->inputs[range->input], (int32_t)range->partition);
        if (!s) continue; // the graph does not read it
        if (range->next > s->end) s->end = range->next;
        const struct k_spool_range wanted = {range->first, range->next, range->count};
        if (range->count && !range->n_record) code = k_spool_copy(s, g->making->log, g->folder, wanted, err);
    }
    for (size_t i = 0; i < record->n_at_end; i++) {
        if (record->at_end[i]->input >= g->input_count) continue;
        struct k_spool *s = spool_of(g, g->inputs[record->at_end[i]->input], (int32_t)record->at_end[i]->partition);
        if (s && record->at_end[i]->next > s->end) s->end = record->at_end[i]->next;
    }
    return code;
}

static int copy_journal(struct gathering *g, struct k_spool *journal, struct k_journal_point point, int64_t until,
                        struct k_error *err)
{
    struct k_log *log = g->making->log;
    struct k_reader *reader;
    journal->start = point.offset;
    journal->end = until;
    int code = log->ops->reader_open(log, journal->topic, 0, point.offset, &reader, err);
    if (code) return code;
    for (int idle = 0; !code && log->ops->position(reader) < until;) {
        const struct k_message *const *messages;
        uint32_t count;
        code = log->ops->fetch(reader, PORTION, 4u << 20, WAIT_US, &messages, &count, err);
        if (code) k_wrap(err, code, "%s from offset %lld", journal->topic, (long long)point.offset);
        idle = count ? 0 : idle + 1;
        if (!code && idle > TRIES)
            code = k_fail(err, K_E_UNAVAILABLE, "%s does not come beyond offset %lld", journal->topic,
                          (long long)log->ops->position(reader));
        for (uint32_t i = 0; !code && i < count && messages[i]->offset < until; i++) {
            Record *record = NULL;
            code = k_journal_decode(messages[i], g->making->plan->name, g->shard, &point, &record, err);
            if (!code) code = k_spool_put(journal, g->folder, messages[i], err);
            if (!code) code = copy_record(g, record, err);
            if (record) kappa__internal__journal_record__free_unpacked(record, NULL);
        }
    }
    log->ops->reader_close(reader);
    return code;
}

// Where the source stood in this position; NULL stands for the journal's start.
static int64_t stood_at(const Position *position, const char *source, int32_t partition)
{
    for (size_t i = 0; position && i < position->n_partition; i++) {
        const Kappa__Internal__Position__Partition *p = position->partition[i];
        if (p->partition == (uint32_t)partition && p->source && strcmp(p->source, source) == 0 && p->next > 0)
            return p->next;
    }
    return 0;
}

static void add_spool(struct gathering *g, const char *topic, int32_t partition)
{
    const struct k_plan *plan = g->making->plan;
    struct k_spool *spool = &g->spools[g->spool_count++];
    *spool = (struct k_spool){.topic = topic, .partition = partition};
    for (uint32_t s = 0; s < plan->source_count; s++) {
        const struct k_source_plan *source = &plan->sources[s];
        if (strcmp(source->topic, topic) != 0) continue;
        k_spool_add_window(spool, (struct k_spool_window){stood_at(g->begin, source->name, partition),
                                                          stood_at(g->end, source->name, partition)});
    }
}

// Every partition of the graph's sources has its place, whether or not the journal names it.
static int make_spools(struct gathering *g, struct k_error *err)
{
    const struct k_plan *plan = g->making->plan;
    struct k_capsule *c = g->capsule;
    for (uint32_t s = 0; s < plan->source_count; s++) {
        if (spool_of(g, plan->sources[s].topic, 0)) continue;
        struct k_topic_info info;
        int code = g->making->log->ops->topic_info(g->making->log, plan->sources[s].topic, &info, err);
        if (code) return code;
        bool known = false;
        for (uint32_t t = 0; t < c->topic_count; t++)
            known |= strcmp(c->topics[t].topic, plan->sources[s].topic) == 0;
        if (!known) {
            c->topics = k_realloc(c->topics, (c->topic_count + 1) * sizeof *c->topics);
            c->topics[c->topic_count++] =
                (struct k_shelf_topic){plan->sources[s].topic, info.partitions, info.compacted};
        }
        g->spools = k_realloc(g->spools, (g->spool_count + (uint32_t)info.partitions + 1) * sizeof *g->spools);
        for (int32_t p = 0; p < info.partitions; p++) add_spool(g, plan->sources[s].topic, p);
    }
    return 0;
}

static int position_of(struct k_view *view, uint32_t shard, Position **ret, uint32_t *ret_index, struct k_error *err)
{
    uint32_t count, total;
    const struct k_shard_view *shards = k_view_shards(view, &count, &total);
    struct k_arena arena;
    struct k_str bytes = {0};
    k_arena_init(&arena);
    int code = k_fail(err, K_E_CONFIG, "shard %u of %u is not here: a capsule holds all of them", shard, total);
    for (uint32_t i = 0; i < count; i++) {
        if (shards[i].shard != shard) continue;
        *ret_index = i;
        code = k_view_meta(view, i, "position", &arena, &bytes, err);
    }
    if (!code && !bytes.length) code = k_fail(err, K_E_CONFIG, "shard %u has no checkpoint yet", shard);
    if (!code) *ret = kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!code && !*ret) code = k_fail(err, K_E_CORRUPT, "the position of shard %u is damaged", shard);
    k_arena_fini(&arena);
    return code;
}

static void note_spools(struct gathering *g)
{
    struct k_capsule *c = g->capsule;
    c->partitions = k_realloc(c->partitions, (c->partition_count + g->spool_count + 1) * sizeof *c->partitions);
    for (uint32_t i = 0; i < g->spool_count; i++) {
        const struct k_spool *s = &g->spools[i];
        c->partitions[c->partition_count++] = (struct k_capsule_partition){
            .shard = g->shard,
            .at = {k_arena_copy(&c->arena, s->topic, strlen(s->topic)), s->partition, NULL, s->start, s->end},
            .records = s->records};
    }
}

static int gather_shard(struct gathering *g, struct k_error *err)
{
    const struct k_capsule_making *m = g->making;
    const struct k_plan *plan = m->plan;
    Position *begin = NULL, *end = NULL;
    struct k_journal_point point = {0};
    uint32_t index = 0;
    int code = position_of(m->end, g->shard, &end, &index, err);
    if (!code && m->begin) code = position_of(m->begin, g->shard, &begin, &index, err);
    for (size_t i = 0; !code && !begin && i < end->n_partition; i++)
        if (end->partition[i]->has_begin || end->partition[i]->has_until || end->has_journal_from)
            code =
                k_fail(err, K_E_CONFIG,
                       "the generation does not begin with the journal (source \"%s\", partition %u, offset %lld): "
                       "its capsule has to begin with a checkpoint",
                       end->partition[i]->source, end->partition[i]->partition, (long long)end->partition[i]->begin);
    if (!code && mkdir(g->folder, 0700) != 0) code = k_fail(err, K_E_IO, "%s: %s", g->folder, strerror(errno));
    if (!code && begin) {
        point = (struct k_journal_point){.offset = begin->journal_offset,
                                         .sequence = begin->sequence,
                                         .chain = begin->chain,
                                         .epoch = begin->leader_epoch};
        if (begin->journal_offset > end->journal_offset)
            code = k_fail(err, K_E_CONFIG,
                          "the checkpoint to begin with stands at journal offset %lld, behind the "
                          "state's own, %lld",
                          (long long)begin->journal_offset, (long long)end->journal_offset);
        char *state = k_format("%s/state", g->folder);
        if (!code) code = k_view_copy(m->begin, index, state, COPY_BYTES, err);
        free(state);
        g->capsule->has_state[g->shard] = true;
    }
    // By default the journal's numbers are those of the graph itself, until a leadership says otherwise.
    g->inputs = k_new_array(char *, plan->source_count + 1);
    g->input_count = plan->source_count;
    for (uint32_t i = 0; i < plan->source_count; i++) g->inputs[i] = k_strdup(plan->sources[i].topic);
    if (!code && begin && begin->leadership) take_inputs(g, begin->leadership);
    g->begin = begin;
    g->end = end;
    if (!code) code = make_spools(g, err);
    char *topic = k_format("%s.journal.%u", plan->name, g->shard);
    g->spools = k_realloc(g->spools, (g->spool_count + 1) * sizeof *g->spools);
    g->spools[g->spool_count] = (struct k_spool){.topic = topic};
    if (!code) code = copy_journal(g, &g->spools[g->spool_count], point, end->journal_offset, err);
    g->spool_count++;
    if (!code) note_spools(g);
    for (uint32_t i = 0; i < g->spool_count; i++) {
        struct k_error ignored = {0};
        int ended = k_spool_end(&g->spools[i], m->log, g->folder, code ? &ignored : err);
        if (!code) code = ended;
    }
    for (size_t i = 0; i < g->input_count; i++) free(g->inputs[i]);
    free(g->inputs);
    free(g->spools);
    free(topic);
    if (begin) kappa__internal__position__free_unpacked(begin, NULL);
    if (end) kappa__internal__position__free_unpacked(end, NULL);
    return code;
}

static int note_digests(struct k_view *view, struct k_capsule *c, struct k_error *err)
{
    const struct k_table_info *const *tables;
    uint32_t count;
    int code = k_view_tables(view, &tables, &count, err);
    c->digests = k_new_array(struct k_capsule_digest, count + 1);
    for (uint32_t i = 0; !code && i < count; i++) {
        struct k_table_digest digest;
        code = k_table_digest(view, tables[i], &digest, err);
        if (code) break;
        c->digests[c->digest_count++] =
            (struct k_capsule_digest){k_arena_copy(&c->arena, tables[i]->name, strlen(tables[i]->name)), digest.all};
        k_table_digest_fini(&digest);
    }
    return code;
}

int k_capsule_gather(const struct k_capsule_making *making, struct k_capsule *ret, struct k_error *err)
{
    const struct k_plan *plan = making->plan;
    k_capsule_init(ret);
    ret->graph = plan->name;
    ret->fingerprint = plan->fingerprint;
    ret->semantics = K_SEMANTICS;
    ret->shards = plan->shards;
    ret->has_state = k_new_array(bool, plan->shards);
    struct k_buf bytes = {0};
    k_graph_canonical(plan->message, &bytes);
    int code = write_file(making->directory, "graph", k_buf_str(&bytes), err);
    for (uint32_t i = 0; !code && i < plan->shards; i++) {
        struct gathering g = {.making = making, .capsule = ret, .shard = i};
        g.folder = k_format("%s/%u", making->directory, i);
        code = gather_shard(&g, err);
        free(g.folder);
    }
    if (!code) code = note_digests(making->end, ret, err);
    k_buf_clear(&bytes);
    if (!code) k_capsule_note(ret, &bytes);
    if (!code) code = write_file(making->directory, "capsule", k_buf_str(&bytes), err);
    k_buf_fini(&bytes);
    if (code) k_capsule_fini(ret);
    return code;
}
