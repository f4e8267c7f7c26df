// Trimming: a journal is cut at its beginning, where nobody can follow it any more.
//
// A record is dead when the sources have lost all the records that it names. (What is embedded, or not named at all,
// says nothing either way.) Nobody passes a dead record, so nobody misses what lies before one. (A generation that
// begins later passes it over, but can as well begin behind a later journal record.) From time to time the leader
// reads its journal from the start, through the reader that it followed with and does not need now, up to the first
// record that lives, that is younger than journal_keep, or that its own checkpoint has not passed.
//
// Invariants
// 1. What is cut lies below a dead record: all who could follow before, can follow after.
// 2. The journal goes on to begin with a record that lists the leader's inputs and says where they stand, so that a new
//    state can begin behind it.
// 3. Nothing depends on it: whatever goes wrong, the next pass begins anew. One that trims and leads no more does no
//    harm, since dead records do not come to life.
#include "engine/shard_private.h"

#include "base/trace.h"

#include <stdlib.h>

typedef Kappa__Internal__JournalRecord Record;
typedef Kappa__Internal__JournalRecord__Input Input;

enum { STEP_RECORDS = 256, STEP_QUESTIONS = 8 };

// Where a partition of a source begins now, as asked in this pass.
struct log_start {
    char *topic;
    int32_t partition;
    int64_t offset;
};

void trim_drop(struct k_shard *shard)
{
    struct trimming *t = &shard->trimming;
    for (uint32_t i = 0; i < t->start_count; i++) free(t->starts[i].topic);
    free(t->starts);
    if (t->lister) kappa__internal__journal_record__free_unpacked(t->lister, NULL);
    shard->options.log->ops->reader_close(t->reader);
    *t = (struct trimming){.began_us = t->began_us, .listed_us = t->listed_us};
}

bool trim_lists_inputs(struct k_shard *shard, int64_t clock_us)
{
    struct trimming *t = &shard->trimming;
    if (!shard->options.trim_interval_us || clock_us - t->listed_us < shard->options.trim_interval_us) return false;
    t->listed_us = clock_us;
    return true;
}

// *ret -1: not asked, there were enough questions in this step.
static int start_of(struct k_shard *shard, const Input *input, int32_t partition, uint32_t *questions, int64_t *ret,
                    struct k_error *err)
{
    struct trimming *t = &shard->trimming;
    *ret = -1;
    for (uint32_t i = 0; i < t->start_count; i++)
        if (t->starts[i].partition == partition && strcmp(t->starts[i].topic, input->topic) == 0)
            return *ret = t->starts[i].offset, 0;
    if ((*questions)++ >= STEP_QUESTIONS) return 0;
    struct k_log *log = shard->options.log;
    TRY(log->ops->offsets(log, input->topic, partition, true, ret, NULL, err));
    t->starts = k_realloc(t->starts, (t->start_count + 1) * sizeof *t->starts);
    t->starts[t->start_count++] = (struct log_start){k_format("%s", input->topic), partition, *ret};
    return 0;
}

enum verdict { DEAD, ALIVE, SAYS_NOTHING, UNDECIDED };

static int judge(struct k_shard *shard, const Record *record, uint32_t *questions, enum verdict *ret,
                 struct k_error *err)
{
    const Record *lister = shard->trimming.lister;
    size_t count = !lister ? 0 : lister->leadership ? lister->leadership->n_input : lister->n_input;
    Input **inputs = !lister ? NULL : lister->leadership ? lister->leadership->input : lister->input;
    *ret = SAYS_NOTHING;
    for (size_t i = 0; i < record->n_range; i++) {
        const Kappa__Internal__JournalRecord__Range *range = record->range[i];
        if (range->count == 0 || range->n_record > 0) continue;
        int64_t start = 0;
        bool known = range->input < count && inputs[range->input]->topic;
        if (known) TRY(start_of(shard, inputs[range->input], (int32_t)range->partition, questions, &start, err));
        if (start < 0) return *ret = UNDECIDED, 0;
        *ret = known && start >= range->next && (*ret == SAYS_NOTHING || *ret == DEAD) ? DEAD : ALIVE;
    }
    return 0;
}

static int begin(struct k_shard *shard, struct k_error *err)
{
    struct trimming *t = &shard->trimming;
    struct k_log *log = shard->options.log;
    t->began_us = shard_now(shard);
    TRY(log->ops->offsets(log, shard->journal_topic, 0, true, &t->start, NULL, err));
    if (t->start >= shard->saved_offset) return 0;
    TRY(log->ops->reader_open(log, shard->journal_topic, 0, t->start, &t->reader, err));
    t->cut = t->listed = t->start;
    t->under_way = true;
    return 0;
}

static int end(struct k_shard *shard, struct k_error *err)
{
    struct k_log *log = shard->options.log;
    int64_t start = shard->trimming.start, cut = shard->trimming.cut;
    trim_drop(shard);
    if (cut <= start) return 0;
    TRY(log->ops->delete_records(log, shard->journal_topic, 0, cut, err));
    shard->report.trimmed_records += (uint64_t)(cut - start);
    k_trace(K_TRACE_INFO, "shard", "%u: %s is cut below offset %lld: the sources have lost what it names there",
            shard->options.shard, shard->journal_topic, (long long)cut);
    return 0;
}

// Judges one record of the pass. *ret_more: what comes next is to be judged, too.
static int step_record(struct k_shard *shard, const struct k_message *message, uint32_t *questions, bool *ret_more,
                       struct k_error *err)
{
    struct trimming *t = &shard->trimming;
    *ret_more = false;
    bool young = message->offset >= shard->saved_offset ||
                 message->timestamp_us > shard_now(shard) - shard->options.journal_keep_us;
    Record *record = young || !message->has_value
                         ? NULL
                         : kappa__internal__journal_record__unpack(NULL, message->value.length,
                                                                   (const uint8_t *)message->value.data);
    if (!record) return end(shard, err);
    if (record->leadership || record->n_input) {
        if (t->lister) kappa__internal__journal_record__free_unpacked(t->lister, NULL);
        size_t count;
        t->lister = record;
        if (k_journal_inputs(record, &count)) t->listed = message->offset;
    }
    enum verdict verdict;
    int code = judge(shard, record, questions, &verdict, err);
    if (record != t->lister) kappa__internal__journal_record__free_unpacked(record, NULL);
    if (code) return code;
    if (verdict == UNDECIDED) return 0;
    if (K_PLANT(trim_alive)) verdict = DEAD;
    if (verdict == ALIVE) return end(shard, err);
    if (verdict == DEAD) t->cut = t->listed;
    t->at++;
    *ret_more = true;
    return 0;
}

static int step(struct k_shard *shard, struct k_error *err)
{
    struct trimming *t = &shard->trimming;
    struct k_log *log = shard->options.log;
    if (!t->under_way) return begin(shard, err);
    if (t->at == t->count) {
        if (log->ops->position(t->reader) >= shard->saved_offset) return end(shard, err);
        t->at = t->count = 0;
        return log->ops->fetch(t->reader, STEP_RECORDS, 4u << 20, 0, &t->messages, &t->count, err);
    }
    bool more = true;
    uint32_t questions = 0;
    while (more && t->at < t->count) TRY(step_record(shard, t->messages[t->at], &questions, &more, err));
    return 0;
}

int trim_step(struct k_shard *shard)
{
    const struct k_shard_options *o = &shard->options;
    if (!o->trim_interval_us) return 0;
    if (!shard->trimming.began_us) shard->trimming.began_us = shard_now(shard); // not in the haste of taking over
    if (!shard->trimming.under_way && shard_since(shard, shard->trimming.began_us) < o->trim_interval_us) return 0;
    struct k_error err = {0};
    int code = step(shard, &err);
    if (!code) return 0;
    trim_drop(shard);
    if (code != K_E_CRASHED)
        k_trace(K_TRACE_WARN, "shard", "%u: %s is not trimmed for now: %s", o->shard, shard->journal_topic, err.text);
    return code == K_E_CRASHED ? code : 0;
}
