// Copying what the journal names, for one source or for several.
#include "replay/capsule_spool.h"

#include <errno.h>
#include <stdlib.h>

#include "replay/shelf.h"

enum { PORTION = 256, WAIT_US = 100000, TRIES = 100 };

void k_spool_add_window(struct k_spool *s, struct k_spool_window window)
{
    s->windows = k_realloc(s->windows, (s->window_count + 1) * sizeof *s->windows);
    s->windows[s->window_count++] = window;
    if (s->window_count == 1 || window.from < s->start) s->start = s->written = window.from;
    if (window.from > s->end) s->end = window.from;
}

int k_spool_put(struct k_spool *s, const char *folder, const struct k_message *message, struct k_error *err)
{
    if (!s->file) {
        char *path = k_format("%s/%s.%d", folder, s->topic, s->partition);
        s->file = fopen(path, "wb");
        int code = s->file ? 0 : k_fail(err, K_E_IO, "%s: %s", path, strerror(errno));
        free(path);
        if (code) return code;
    }
    struct k_buf bytes = {0};
    k_shelf_add(&bytes, message);
    bool good = fwrite(bytes.data, 1, bytes.length, s->file) == bytes.length;
    k_buf_fini(&bytes);
    s->records++;
    return good ? 0 : k_fail(err, K_E_IO, "topic %s, partition %d: %s", s->topic, s->partition, strerror(errno));
}

static bool is_named(const struct k_spool *s, int64_t offset)
{
    for (uint32_t i = 0; i < s->window_count; i++)
        if (offset >= s->windows[i].from && offset < s->windows[i].until) return true;
    return false;
}

static int lacks_records(const struct k_spool *s, const struct k_spool_range *range, uint32_t copied,
                         struct k_error *err)
{
    return k_fail(err, K_E_LOST_RANGE,
                  "topic %s, partition %d, offsets %lld to %lld: the journal knows %u records there, the log has %u",
                  s->topic, s->partition, (long long)range->first, (long long)range->next - 1, range->count, copied);
}

static int fetch_more(struct k_spool *s, struct k_log *log, int *idle, struct k_error *err)
{
    s->at = s->count = 0;
    int code = log->ops->fetch(s->reader, PORTION, 4u << 20, WAIT_US, &s->messages, &s->count, err);
    *idle = s->count ? 0 : *idle + 1;
    if (!code && *idle > TRIES)
        code = k_fail(err, K_E_UNAVAILABLE, "topic %s, partition %d: no more records come at offset %lld", s->topic,
                      s->partition, (long long)log->ops->position(s->reader));
    return code;
}

static int copy_own(struct k_spool *s, struct k_log *log, const char *folder, const struct k_spool_range *range,
                    struct k_error *err)
{
    int code = 0;
    if (!s->reader) code = log->ops->reader_open(log, s->topic, s->partition, range->first, &s->reader, err);
    uint32_t copied = 0;
    for (int idle = 0; !code && copied < range->count;) {
        if (s->at == s->count) {
            code = fetch_more(s, log, &idle, err);
            continue;
        }
        const struct k_message *message = s->messages[s->at];
        if (message->offset >= range->next) return lacks_records(s, range, copied, err);
        s->at++;
        if (message->offset < range->first) continue;
        copied++;
        code = k_spool_put(s, folder, message, err);
    }
    return code;
}

// Offsets ascend in the file, so with a range go those before it that another source comes to later.
static int copy_shared(struct k_spool *s, struct k_log *log, const char *folder, const struct k_spool_range *range,
                       struct k_error *err)
{
    int code = 0;
    if (s->written >= range->next) return 0;
    if (!s->reader) code = log->ops->reader_open(log, s->topic, s->partition, s->written, &s->reader, err);
    bool whole = s->written <= range->first;
    uint32_t copied = 0;
    for (int idle = 0; !code && s->written < range->next;) {
        if (s->at == s->count) {
            if (log->ops->position(s->reader) >= range->next) break; // there are but markers left
            code = fetch_more(s, log, &idle, err);
            continue;
        }
        const struct k_message *message = s->messages[s->at];
        if (message->offset >= range->next) break;
        s->at++;
        s->written = message->offset + 1;
        copied += message->offset >= range->first;
        if (is_named(s, message->offset)) code = k_spool_put(s, folder, message, err);
    }
    if (!code && whole && copied < range->count) code = lacks_records(s, range, copied, err);
    if (!code) s->written = range->next;
    return code;
}

int k_spool_copy(struct k_spool *s, struct k_log *log, const char *folder, struct k_spool_range range,
                 struct k_error *err)
{
    return (s->window_count > 1 ? copy_shared : copy_own)(s, log, folder, &range, err);
}

int k_spool_end(struct k_spool *s, struct k_log *log, const char *folder, struct k_error *err)
{
    log->ops->reader_close(s->reader);
    free(s->windows);
    bool good = !s->file || fclose(s->file) == 0;
    return good ? 0 : k_fail(err, K_E_IO, "%s: %s", folder, strerror(errno));
}
