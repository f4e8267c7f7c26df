// Whether the topics are still those that the journal read: the first records that it names behind the beginning, of
// each partition, are compared by count and hash.
#include "replay/preflight_records.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/journal.h"

enum { JOURNAL = 64, FETCH = 256, FETCH_US = 200000, IDLE_MAX = 25 };

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Range Range;
typedef Kappa__Internal__JournalRecord__Input Input;

// A partition whose first range has been compared.
struct compared {
    const char *topic; // of the plan
    uint32_t partition;
};
struct comparing {
    struct k_log *log;
    const struct k_plan *plan;
    const struct k_starts *starts;
    Record *lister; // says what the numbers of inputs mean; owned
    Input **inputs;
    size_t input_count;
    struct compared *items;
    uint32_t count;
};

static int differs(const char *topic, const Range *range, uint32_t count, struct k_error *err)
{
    return k_fail(
        err, K_E_LOST_RANGE,
        "topic %s, partition %u, offsets %lld to %lld: the journal knows %u records there, the log now shows "
        "%s; the topic was deleted and made anew, cut, or compacted",
        topic, range->partition, (long long)range->first, (long long)range->next - 1, range->count,
        count == range->count ? "others" : "another number");
}

static int compare(struct comparing *c, const char *topic, const Range *range, struct k_error *err)
{
    struct k_reader *reader;
    uint32_t seen = 0;
    uint64_t hash = 0;
    int64_t end;
    int code = c->log->ops->offsets(c->log, topic, (int32_t)range->partition, true, NULL, &end, err);
    if (!code && end < range->next)
        return k_fail(
            err, K_E_LOST_RANGE,
            "topic %s, partition %u ends at offset %lld, and the journal has read it up to %lld: the topic was "
            "deleted and made anew, or cut",
            topic, range->partition, (long long)end, (long long)range->next);
    if (!code) code = c->log->ops->reader_open(c->log, topic, (int32_t)range->partition, range->first, &reader, err);
    if (code) return code;
    bool through = false;
    for (int idle = 0; !code && !through && idle < IDLE_MAX && c->log->ops->position(reader) < range->next;) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = c->log->ops->fetch(reader, FETCH, 4u << 20, FETCH_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        for (uint32_t i = 0; i < count && !through; i++) {
            through = messages[i]->offset >= range->next;
            if (through) break;
            hash = k_record_hash(hash, messages[i]);
            seen++;
        }
    }
    if (!code && !through && c->log->ops->position(reader) < range->next)
        code = k_fail(err, K_E_TIMEOUT, "topic %s, partition %u shows no record", topic, range->partition);
    c->log->ops->reader_close(reader);
    return code || (seen == range->count && hash == range->hash) ? code : differs(topic, range, seen, err);
}

static const char *topic_of(const struct comparing *c, const Range *range)
{
    if (range->input >= c->input_count) return NULL;
    const Input *input = c->inputs[range->input];
    for (uint32_t s = 0; s < c->plan->source_count && input->source && input->topic; s++)
        if (strcmp(c->plan->sources[s].name, input->source) == 0 &&
            strcmp(c->plan->sources[s].topic, input->topic) == 0)
            return c->plan->sources[s].topic;
    return NULL;
}

static int take_range(struct comparing *c, const Range *range, struct k_error *err)
{
    const char *topic = topic_of(c, range);
    if (!topic || range->count == 0 || range->n_record) return 0;
    const struct k_start *start = c->starts ? k_starts_find(c->starts, topic, (int32_t)range->partition) : NULL;
    if (start && start->offset > range->first) return 0; // it may be gone
    for (uint32_t i = 0; i < c->count; i++)
        if (c->items[i].partition == range->partition && strcmp(c->items[i].topic, topic) == 0) return 0;
    c->items = k_realloc(c->items, (c->count + 1) * sizeof *c->items);
    c->items[c->count++] = (struct compared){topic, range->partition};
    return compare(c, topic, range, err);
}

// Takes over the record.
static int take_record(struct comparing *c, Record *record, bool first, struct k_error *err)
{
    int code = 0;
    if (record->leadership || record->n_input) {
        if (c->lister) kappa__internal__journal_record__free_unpacked(c->lister, NULL);
        c->lister = record;
        c->inputs = record->leadership ? record->leadership->input : record->input;
        c->input_count = record->leadership ? record->leadership->n_input : record->n_input;
    }
    // Behind the record that a state begins with; its own ranges are history.
    for (size_t i = 0; i < record->n_range && !first && !code; i++) code = take_range(c, record->range[i], err);
    if (record != c->lister) kappa__internal__journal_record__free_unpacked(record, NULL);
    return code;
}

int preflight_records(struct k_log *log, const struct k_plan *plan, uint32_t shard, int64_t from, int64_t end,
                      const struct k_starts *starts, struct k_error *err)
{
    char topic[300];
    struct k_reader *reader;
    struct comparing c = {.log = log, .plan = plan, .starts = starts};
    snprintf(topic, sizeof topic, "%s.journal.%u", plan->name, shard);
    int code = log->ops->reader_open(log, topic, 0, from, &reader, err);
    if (code) return code;
    for (uint32_t taken = 0, idle = 0;
         !code && taken < JOURNAL && idle < IDLE_MAX && log->ops->position(reader) < end;) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, JOURNAL, 4u << 20, FETCH_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        for (uint32_t i = 0; i < count && !code; i++) {
            Record *record = kappa__internal__journal_record__unpack(NULL, messages[i]->value.length,
                                                                     (const uint8_t *)messages[i]->value.data);
            if (record) code = take_record(&c, record, taken == 0, err);
            taken++;
        }
    }
    log->ops->reader_close(reader);
    if (c.lister) kappa__internal__journal_record__free_unpacked(c.lister, NULL);
    free(c.items);
    return code;
}
