// Readers that rest: at their ends for a while they move to a patient consumer, and back with the first message.
// Nothing may be lost, doubled or late on the way.
#include <stdlib.h>
#include <string.h>

#include "engine/log_kafka_reader.h"
#include "tests/real/log_kafka.h"

#include "base/units.h"

enum { PARTITIONS = 2, RESTED_US = 3500000, FIRST = 100, SECOND_LOT = 5000 };

struct resting {
    struct k_log *log;
    struct k_producer *producer;
    struct k_reader *readers[PARTITIONS];
    char topic[96];
    uint32_t written, next; // numbers, in partition 0
    bool ordered;
    int code;
    struct k_error err;
};

static void write_lot(struct resting *r, uint32_t count, bool aborted)
{
    struct k_log *log = r->log;
    bool tainted;
    if (r->code == 0) r->code = log->ops->begin(r->producer, &r->err);
    for (uint32_t i = 0; r->code == 0 && i < count; i++) {
        char text[16];
        int length = snprintf(text, sizeof text, "%u", r->written + i);
        r->code = log->ops->produce(r->producer,
                                    &(struct k_out_message){.topic = r->topic,
                                                            .partition = 0,
                                                            .value = {text, (uint32_t)length},
                                                            .has_value = true,
                                                            .timestamp_us = -1},
                                    &r->err);
    }
    if (r->code != 0) return;
    r->code = aborted ? log->ops->abort(r->producer, &r->err) : log->ops->commit(r->producer, &tainted, &r->err);
    if (!aborted) r->written += count;
}

// Fetches as a shard does, until all that was written has come, and for at_least_us; at most for 20 s.
static void pump(struct resting *r, int64_t at_least_us)
{
    int64_t begun = k_clock_us(CLOCK_MONOTONIC), now = begun;
    while (r->code == 0 && now - begun < 20 * SECOND && (now - begun < at_least_us || r->next < r->written)) {
        for (int p = 0; r->code == 0 && p < PARTITIONS; p++) {
            const struct k_message *const *messages;
            uint32_t count;
            r->code = r->log->ops->fetch(r->readers[p], 7, 1 << 20, 0, &messages, &count, &r->err);
            for (uint32_t i = 0; r->code == 0 && i < count; i++)
                r->ordered &= p == 0 && strtoul(messages[i]->value.data, NULL, 10) == r->next++;
        }
        if (at_least_us > 0 && r->next == r->written) r->log->ops->wait(r->log, r->readers, PARTITIONS, 100000);
        now = k_clock_us(CLOCK_MONOTONIC);
    }
}

static void check(struct resting *r, const char *name, int resting, int64_t position)
{
    int rests = 0;
    for (int p = 0; r->code == 0 && p < PARTITIONS; p++) rests += r->readers[p]->consumer->patient;
    int64_t stands = r->code == 0 ? r->log->ops->position(r->readers[0]) : -1;
    bool at_end = r->code == 0 && r->log->ops->at_end(r->readers[0]);
    report(name,
           r->code == 0 && r->ordered && r->next == r->written && rests == resting && stands == position && at_end,
           "%u of %u, %s, %d of %d rest (%d), position %lld (%lld)%s %s", r->next, r->written,
           r->ordered ? "in order" : "OUT OF ORDER", rests, PARTITIONS, resting, (long long)stands,
           (long long)position, at_end ? "" : ", NOT AT ITS END", r->err.text);
}

void resting(void)
{
    struct resting r = {.log = open_log(options()), .ordered = true};
    struct k_log *log = r.log;
    struct k_topic_spec spec = {.partitions = PARTITIONS, .replication = 1, .retention_ms = -1};
    snprintf(r.topic, sizeof r.topic, "%s-rest", unique);
    r.code = log->ops->topic_create(log, r.topic, &spec, &r.err);
    if (r.code == 0) r.code = log->ops->producer_open(log, r.topic, 10 * SECOND, &r.producer, &r.err);
    for (int p = 0; r.code == 0 && p < PARTITIONS; p++)
        r.code = log->ops->reader_open(log, r.topic, p, 0, &r.readers[p], &r.err);
    int64_t position = FIRST + 1; // behind a marker
    write_lot(&r, FIRST, false);
    pump(&r, SECOND);
    check(&r, "awake-at-first", 0, position);
    pump(&r, RESTED_US);
    check(&r, "rests", PARTITIONS, position);
    write_lot(&r, 5, true);
    pump(&r, SECOND);
    check(&r, "rests-over-what-was-aborted", PARTITIONS, position += 6);

    write_lot(&r, 1, false);
    int64_t begun = k_clock_us(CLOCK_MONOTONIC);
    pump(&r, 0);
    int64_t late = k_clock_us(CLOCK_MONOTONIC) - begun;
    report("woken-from-rest", late < SECOND / 2, "%lld us after the commit", (long long)late);
    write_lot(&r, SECOND_LOT, false);
    pump(&r, SECOND);
    check(&r, "awake-again", 1, position += SECOND_LOT + 3);
    pump(&r, RESTED_US);
    check(&r, "rests-again", PARTITIONS, position);

    // Back, read a little, and on from there: what either consumer remembers of later offsets is forgotten.
    if (r.code == 0) r.code = log->ops->seek(r.readers[0], 50, &r.err);
    r.next = 50;
    pump(&r, RESTED_US + SECOND);
    check(&r, "rests-after-a-seek", PARTITIONS, position);
    if (r.code == 0) r.code = log->ops->seek(r.readers[0], FIRST - 1, &r.err);
    r.next = FIRST - 1;
    write_lot(&r, 10, false);
    pump(&r, SECOND);
    check(&r, "all-after-a-seek", 1, position + 11);
    for (int p = 0; p < PARTITIONS; p++) log->ops->reader_close(r.readers[p]);
    log->ops->producer_close(r.producer);
    log->ops->close(log);
}
