// Reading, following and changing the control record on a log. What a change may be is generations.c's matter.
#include "replay/control.h"
#include "replay/note.h"

#include "engine/shard.h"

#include "base/hash.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FETCH_US = 100000, IDLE_MAX = 50, TIMEOUT_US = 10000000, PAUSE_US = 200000 };

static void topic_of(const char *graph, char *out, size_t size)
{
    int length = snprintf(out, size, "%s.control", graph);
    K_ASSERT(length > 0 && (size_t)length < size);
}

int k_control_prepare(struct k_log *log, const char *graph, int32_t replication, struct k_error *err)
{
    char topic[300];
    topic_of(graph, topic, sizeof topic);
    return k_note_prepare(log, topic, 1, replication, err);
}

// The last record among some messages, if any.
static int take_last(const struct k_message *const *messages, uint32_t count, const char *graph, bool *ret_some,
                     struct k_control *control, struct k_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!messages[i]->has_value) continue; // nobody writes a tombstone; a pipeline may be deleted so one day
        K_TRY(k_control_decode(messages[i]->value, graph, control, err));
        *ret_some = true;
    }
    return 0;
}

int k_control_read(struct k_log *log, const char *graph, struct k_control *ret, struct k_error *err)
{
    char topic[300];
    int64_t start, end;
    topic_of(graph, topic, sizeof topic);
    k_control_init(ret);
    int code = log->ops->offsets(log, topic, 0, true, &start, &end, err);
    if (code) return code == K_E_NOT_FOUND ? 0 : code;
    if (start == end) return 0;
    struct k_reader *reader;
    K_TRY(log->ops->reader_open(log, topic, 0, start, &reader, err));
    bool some = false;
    // The topic is compacted, but not what the broker still writes to: there may be many.
    for (int idle = 0; idle < IDLE_MAX && !code && log->ops->position(reader) < end;) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, 64, 1 << 20, FETCH_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        if (!code) code = take_last(messages, count, graph, &some, ret, err);
    }
    if (!code && log->ops->position(reader) < end)
        code = k_fail(err, K_E_RETRY, "topic %s was not read to its end in time", topic);
    log->ops->reader_close(reader);
    return code == K_E_LOST_RANGE ? K_E_RETRY : code; // compacted or trimmed under our hands
}

static int write_record(struct k_log *log, struct k_producer *producer, const char *graph,
                        const struct k_control *control, struct k_error *err)
{
    char topic[300];
    struct k_buf bytes = {0};
    topic_of(graph, topic, sizeof topic);
    k_control_encode(control, graph, &bytes);
    int code = k_note_send(log, producer, topic, 0, graph, k_buf_str(&bytes), err);
    k_buf_fini(&bytes);
    return code;
}

int k_control_change(struct k_log *log, const char *graph, k_control_decide decide, void *context,
                     struct k_control *ret, struct k_error *err)
{
    char id[300];
    struct k_producer *producer = NULL;
    bool write = false;
    topic_of(graph, id, sizeof id);
    int code = 0;
    if (K_PLANT(control_unread)) code = k_control_read(log, graph, ret, err);
    if (!code) code = log->ops->producer_open(log, id, TIMEOUT_US, &producer, err);
    // Only now: what another writer committed until it was fenced is below the end that is read to.
    if (!code && !K_PLANT(control_unread)) code = k_control_read(log, graph, ret, err);
    if (!code) code = decide(context, ret, &write, err);
    if (!code && write) {
        ret->revision++;
        code = write_record(log, producer, graph, ret, err);
    }
    log->ops->producer_close(producer);
    return code;
}

bool k_control_again(int code)
{
    return code == K_E_RETRY || code == K_E_FENCED || code == K_E_ABORTED || code == K_E_DOUBTFUL ||
           code == K_E_UNAVAILABLE || code == K_E_TIMEOUT;
}

int k_control_change_now(struct k_log *log, const char *graph, k_control_decide decide, void *context,
                         int64_t timeout_us, struct k_control *ret, struct k_error *err)
{
    int64_t until_us = k_clock_us(CLOCK_MONOTONIC) + timeout_us;
    uint64_t random = (uint64_t)k_clock_us(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32;
    for (;;) {
        int code = k_control_change(log, graph, decide, context, ret, err);
        if (!k_control_again(code)) return code;
        if (k_clock_us(CLOCK_MONOTONIC) >= until_us) {
            if (code == K_E_UNAVAILABLE) return code;
            return k_wrap(err, K_E_TIMEOUT, "the control record could not be changed in time");
        }
        // Two that fence each other without end come apart by chance.
        int64_t pause_us = PAUSE_US / 4 + (int64_t)k_random_below(&random, PAUSE_US);
        struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
}

int k_control_poll(struct k_control_watch *watch, bool *ret_changed, struct k_error *err)
{
    struct k_log *log = watch->log;
    char topic[300];
    *ret_changed = false;
    topic_of(watch->graph, topic, sizeof topic);
    if (!watch->reader) {
        int64_t start;
        if (!watch->control.live) k_control_init(&watch->control);
        K_TRY(log->ops->offsets(log, topic, 0, true, &start, NULL, err));
        K_TRY(log->ops->reader_open(log, topic, 0, start, &watch->reader, err));
    }
    const struct k_message *const *messages;
    uint32_t count = 0;
    uint64_t before = watch->control.revision;
    int code = log->ops->fetch(watch->reader, 64, 1 << 20, 0, &messages, &count, err);
    bool some = false;
    struct k_control control;
    if (!code) code = take_last(messages, count, watch->graph, &some, &control, err);
    // Never back: a reader that was opened anew begins with older records.
    if (!code && some && control.revision > before) {
        watch->control = control;
        *ret_changed = true;
    }
    if (code) k_control_unwatch(watch);
    return code == K_E_LOST_RANGE ? K_E_RETRY : code;
}

void k_control_unwatch(struct k_control_watch *watch)
{
    watch->log->ops->reader_close(watch->reader);
    watch->reader = NULL;
}
