// From the journal's start: each partition's first range must still be there. From a snapshot: what follows its
// offsets.
#include "replay/rebuild.h"

#include <stdlib.h>

#include "engine/journal.h"

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;

enum { PORTION = 256, WAIT_US = 100000, TRIES = 50 };

// The first records that the journal names of each partition.
struct first {
    char *topic;
    uint32_t partition;
    int64_t offset;
};
struct scan {
    struct first *firsts;
    uint32_t count;
    char **topics; // of the last leadership's inputs
    size_t topic_count;
};

static void forget_topics(struct scan *scan)
{
    for (size_t i = 0; i < scan->topic_count; i++) free(scan->topics[i]);
    free(scan->topics);
    scan->topics = NULL;
    scan->topic_count = 0;
}

static void note_leadership(struct scan *scan, const Kappa__Internal__JournalRecord__Leadership *said)
{
    forget_topics(scan);
    scan->topics = k_new_array(char *, said->n_input + 1);
    scan->topic_count = said->n_input;
    for (size_t i = 0; i < said->n_input; i++)
        scan->topics[i] = k_strdup(said->input[i]->topic ? said->input[i]->topic : "");
}

static void note_range(struct scan *scan, const Range *range)
{
    // Without records, or with them in the journal itself, it needs nothing of the source.
    if (range->count == 0 || range->n_record || range->input >= scan->topic_count) return;
    for (uint32_t i = 0; i < scan->count; i++)
        if (scan->firsts[i].partition == range->partition &&
            strcmp(scan->firsts[i].topic, scan->topics[range->input]) == 0) return;
    scan->firsts = k_realloc(scan->firsts, (scan->count + 1) * sizeof *scan->firsts);
    scan->firsts[scan->count++] =
        (struct first){k_strdup(scan->topics[range->input]), range->partition, range->first};
}

static int read_journal(struct k_log *log, const struct k_plan *plan, uint32_t shard, const char *journal, int64_t end,
                        struct scan *scan, uint64_t *ret_records, struct k_error *err)
{
    struct k_reader *reader;
    struct k_journal_point point = {0};
    int code = log->ops->reader_open(log, journal, 0, 0, &reader, err);
    if (code) return code;
    for (int idle = 0; !code && log->ops->position(reader) < end;) {
        const struct k_message *const *messages;
        uint32_t count;
        code = log->ops->fetch(reader, PORTION, 4u << 20, WAIT_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        if (!code && idle > TRIES)
            code = k_fail(err, K_E_UNAVAILABLE, "%s does not come beyond offset %lld", journal,
                          (long long)log->ops->position(reader));
        for (uint32_t i = 0; !code && i < count; i++) {
            Record *record = NULL;
            code = k_journal_decode(messages[i], plan->name, shard, &point, &record, err);
            if (code) break;
            if (record->leadership) note_leadership(scan, record->leadership);
            for (size_t r = 0; r < record->n_range; r++) note_range(scan, record->range[r]);
            kappa__internal__journal_record__free_unpacked(record, NULL);
            ++*ret_records;
        }
    }
    log->ops->reader_close(reader);
    return code;
}

static int check_source(struct k_log *log, const char *topic, uint32_t partition, int64_t needed, struct k_error *err)
{
    int64_t start;
    int code = log->ops->offsets(log, topic, (int32_t)partition, true, &start, NULL, err);
    if (code || needed >= start) return code;
    return k_fail(err, K_E_LOST_RANGE,
                  "topic %s, partition %u: records from offset %lld on are needed, but the log begins at %lld; offsets "
                  "%lld to %lld are lost",
                  topic, partition, (long long)needed, (long long)start, (long long)needed, (long long)start - 1);
}

static int check_start(struct k_log *log, const struct k_plan *plan, uint32_t shard, const char *journal, int64_t start,
                       struct k_rebuild *ret, struct k_error *err)
{
    struct scan scan = {0};
    int code = 0;
    if (start > 0)
        return k_fail(err, K_E_LOST_RANGE, "%s begins at offset %lld; offsets 0 to %lld are lost", journal,
                      (long long)start, (long long)start - 1);
    code = read_journal(log, plan, shard, journal, ret->journal_end, &scan, &ret->records, err);
    for (uint32_t i = 0; !code && i < scan.count; i++)
        code = check_source(log, scan.firsts[i].topic, scan.firsts[i].partition, scan.firsts[i].offset, err);
    for (uint32_t i = 0; i < scan.count; i++) free(scan.firsts[i].topic);
    free(scan.firsts);
    forget_topics(&scan);
    return code;
}

static int check_snapshot(struct k_log *log, const struct k_plan *plan, const char *journal, int64_t start,
                          const Kappa__Internal__Position *snapshot, struct k_rebuild *ret, struct k_error *err)
{
    ret->journal_offset = snapshot->journal_offset;
    if (snapshot->journal_offset < start)
        return k_fail(err, K_E_LOST_RANGE, "it stands at offset %lld of %s, which now begins at %lld",
                      (long long)snapshot->journal_offset, journal, (long long)start);
    if (snapshot->journal_offset > ret->journal_end)
        return k_fail(err, K_E_CONFIG, "it stands at offset %lld of %s, which ends at %lld: it belongs to another one",
                      (long long)snapshot->journal_offset, journal, (long long)ret->journal_end);
    int code = 0;
    for (size_t i = 0; !code && i < snapshot->n_partition; i++) {
        const Kappa__Internal__Position__Partition *p = snapshot->partition[i];
        for (uint32_t s = 0; !code && s < plan->source_count; s++) {
            if (!p->source || strcmp(plan->sources[s].name, p->source) != 0) continue;
            struct k_topic_info info;
            code = log->ops->topic_info(log, plan->sources[s].topic, &info, err);
            // What is compacted lies in the journal.
            if (!code && !info.compacted && p->next >= 0)
                code = check_source(log, plan->sources[s].topic, p->partition, p->next, err);
        }
    }
    return code;
}

int k_rebuild_check(struct k_log *log, const struct k_plan *plan, uint32_t shard,
                    const Kappa__Internal__Position *snapshot, struct k_rebuild *ret, struct k_error *err)
{
    char *journal = k_format("%s.journal.%u", plan->name, shard);
    int64_t start = 0;
    *ret = (struct k_rebuild){0};
    int code = log->ops->offsets(log, journal, 0, true, &start, &ret->journal_end, err);
    if (!code && ret->journal_end == 0)
        code = k_fail(err, K_E_NOT_FOUND, "%s is empty: the pipeline has never run, and there is nothing to rebuild",
                      journal);
    if (!code && snapshot) code = check_snapshot(log, plan, journal, start, snapshot, ret, err);
    else if (!code) code = check_start(log, plan, shard, journal, start, ret, err);
    free(journal);
    return code;
}
