// Places in the log: reading what people write, and asking the broker where that is.
#include "replay/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"

enum { FETCH_US = 100000, FETCHES_MAX = 50 };

void k_place_fini(struct k_place *place)
{
    for (uint32_t i = 0; i < place->offset_count; i++) free(place->offsets[i].topic);
    free(place->offsets);
    *place = (struct k_place){0};
}

// One field of a line, with or without quotes; *at moves behind the comma.
static struct k_str take_field(const char **at)
{
    const char *begin = *at, *end = begin + strcspn(begin, ",\r\n");
    *at = *end == ',' ? end + 1 : end;
    while (begin < end && (*begin == ' ' || *begin == '"')) begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '"')) end--;
    return (struct k_str){begin, (uint32_t)(end - begin)};
}

static bool read_number(struct k_str text, int64_t high, int64_t *ret)
{
    if (text.length == 0 || text.length > 18) return false;
    *ret = 0;
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        *ret = *ret * 10 + (text.data[i] - '0');
    }
    return *ret <= high;
}

static int read_line(struct k_place *place, const char *line, const char *path, uint32_t number, struct k_error *err)
{
    const char *at = line;
    struct k_str topic = take_field(&at), partition = take_field(&at), offset = take_field(&at);
    int64_t p = 0, o = 0;
    if (topic.length == 0 && partition.length == 0) return 0;
    if (topic.length > 0 && topic.data[0] == '#') return 0;
    if (number == 1 && k_str_equal(partition, K_STR("partition"))) return 0; // a heading
    if (topic.length == 0 || !read_number(partition, INT32_MAX, &p) || !read_number(offset, INT64_MAX, &o) ||
        (*at && *at != '\n' && *at != '\r'))
        return k_fail(err, K_E_DATA, "%s:%u: a line is topic,partition,offset", path, number);
    place->offsets = k_realloc(place->offsets, (place->offset_count + 1) * sizeof *place->offsets);
    place->offsets[place->offset_count++] =
        (struct k_place_offset){k_strndup(topic.data, topic.length), (int32_t)p, o};
    return 0;
}

static int read_file(const char *path, struct k_place *place, struct k_error *err)
{
    FILE *file = fopen(path, "r");
    if (!file && place->name)
        return k_fail(err, K_E_USAGE, "%s: \"%s\" cannot be read: %s", place->name, path, strerror(errno));
    if (!file)
        return k_fail(err, K_E_USAGE, "\"%s\" is neither a place in the log nor a file (%s); a place is %s", path,
                      strerror(errno), K_PLACE_WORDS);
    char *line = NULL;
    size_t capacity = 0;
    int code = 0;
    for (uint32_t number = 1; !code && getline(&line, &capacity, file) >= 0; number++)
        code = read_line(place, line, path, number, err);
    free(line);
    fclose(file);
    if (!code && place->offset_count == 0) code = k_fail(err, K_E_DATA, "%s: there is no offset in it", path);
    return code;
}

int k_place_parse(const char *text, int64_t now_us, struct k_place *ret, struct k_error *err)
{
    int64_t duration_us;
    *ret = (struct k_place){0};
    if (strcmp(text, "earliest") == 0) ret->kind = K_PLACE_EARLIEST;
    else if (strcmp(text, "latest") == 0) ret->kind = K_PLACE_LATEST;
    else if (k_time_parse(k_str_of(text), &ret->time_us)) ret->kind = K_PLACE_TIME;
    else if (k_duration_parse(k_str_of(text), &duration_us)) {
        ret->kind = K_PLACE_TIME;
        ret->time_us = now_us - duration_us;
    } else {
        ret->kind = K_PLACE_OFFSETS;
        int code = read_file(text, ret, err);
        if (code) k_place_fini(ret);
        return code;
    }
    return 0;
}

int k_place_of(enum k_place_word word, const char *text, int64_t now_us, struct k_place *ret, struct k_error *err)
{
    static const char *const names[] = {"--to-earliest", "--to-offset", "--to-datetime", "--by-duration",
                                        "--from-file"};
    static const char *const wanted[] = {"", "an offset", "a time like 2026-01-01T00:00:00Z",
                                         "a duration like 1h or PT1H", ""};
    struct k_place place = {.name = names[word]};
    int64_t duration_us = 0;
    bool good = true;
    switch (word) {
    case K_TO_EARLIEST: place.kind = K_PLACE_EARLIEST; break;
    case K_TO_OFFSET:
        place.kind = K_PLACE_OFFSET;
        good = read_number(k_str_of(text), INT64_MAX, &place.offset);
        break;
    case K_TO_DATETIME:
        place.kind = K_PLACE_TIME;
        good = k_time_parse(k_str_of(text), &place.time_us);
        break;
    case K_BY_DURATION:
        place.kind = K_PLACE_TIME;
        good = k_duration_parse(k_str_of(text), &duration_us);
        place.time_us = now_us - duration_us;
        break;
    case K_FROM_FILE: {
        place.kind = K_PLACE_OFFSETS;
        int code = read_file(text, &place, err);
        if (code) k_place_fini(&place);
        if (code) return code;
        break;
    }
    }
    if (!good) return k_fail(err, K_E_USAGE, "%s: \"%s\" is not %s", names[word], text, wanted[word]);
    *ret = place;
    return 0;
}

// The broker's index may point to a record before the time, in a batch with one behind it; and what it has indexed by
// another clock need not be in order. So what comes before the time is passed over.
static int pass_earlier(struct k_log *log, const struct k_aside_window *has, int64_t time_us, int64_t *offset,
                        struct k_error *err)
{
    struct k_reader *reader;
    if (*offset >= has->until) return 0;
    int code = log->ops->reader_open(log, has->topic, has->partition, *offset, &reader, err);
    if (code) return code;
    bool found = false;
    for (int idle = 0; !code && !found && idle < FETCHES_MAX && log->ops->position(reader) < has->until;) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, 256, 1 << 20, FETCH_US, &messages, &count, err);
        idle = count ? 0 : idle + 1;
        for (uint32_t i = 0; i < count && !found; i++) {
            found = messages[i]->timestamp_us >= time_us;
            if (found) *offset = messages[i]->offset;
        }
    }
    if (!code && !found && log->ops->position(reader) >= has->until) *offset = has->until;
    else if (!code && !found)
        code = k_fail(err, K_E_TIMEOUT, "topic %s, partition %d shows no record", has->topic, has->partition);
    log->ops->reader_close(reader);
    return code;
}

static int in_bounds(const struct k_aside_window *has, const char *what, int64_t offset, struct k_error *err)
{
    if (offset < has->from)
        return k_fail(err, K_E_LOST_RANGE,
                      "topic %s, partition %d: %s is offset %lld, but the log begins at %lld; offsets %lld to %lld "
                      "are lost",
                      has->topic, has->partition, what, (long long)offset, (long long)has->from, (long long)offset,
                      (long long)has->from - 1);
    if (offset > has->until)
        return k_fail(err, K_E_CONFIG, "topic %s, partition %d: %s is offset %lld, but the log ends at %lld",
                      has->topic, has->partition, what, (long long)offset, (long long)has->until);
    return 0;
}

// Where one partition is cut. What the log has: [start, end).
static int resolve(struct k_log *log, const struct k_place *place, const char *what, const struct k_aside_window *has,
                   int64_t *ret, struct k_error *err)
{
    switch (place->kind) {
    case K_PLACE_EARLIEST: *ret = has->from; return 0;
    case K_PLACE_LATEST: *ret = has->until; return 0;
    case K_PLACE_TIME: {
        int code = k_log_kafka_offset_at(log, has->topic, has->partition, place->time_us, ret, err);
        return code ? code : pass_earlier(log, has, place->time_us, ret, err);
    }
    case K_PLACE_OFFSET: *ret = place->offset; return in_bounds(has, what, *ret, err);
    case K_PLACE_OFFSETS: break;
    }
    for (uint32_t i = 0; i < place->offset_count; i++) {
        const struct k_place_offset *o = &place->offsets[i];
        if (o->partition != has->partition || strcmp(o->topic, has->topic) != 0) continue;
        *ret = o->offset;
        return in_bounds(has, what, *ret, err);
    }
    return k_fail(err, K_E_CONFIG, "topic %s, partition %d: %s has no offset for it; every partition needs one",
                  has->topic, has->partition, what);
}

static int window_of(struct k_log *log, const struct k_place *from, const struct k_place *until,
                     struct k_aside_window *window, struct k_error *err)
{
    struct k_aside_window has = *window;
    int code = log->ops->offsets(log, has.topic, has.partition, true, &has.from, &has.until, err);
    if (!code) code = resolve(log, from, from->name ? from->name : "--from", &has, &window->from, err);
    if (!code) code = resolve(log, until, until->name ? until->name : "--until", &has, &window->until, err);
    if (code) return code;
    // Times may stand in another order than offsets; then there is nothing between them.
    bool times = from->kind == K_PLACE_TIME || until->kind == K_PLACE_TIME;
    if (window->from > window->until && times) window->until = window->from;
    if (window->from <= window->until) return 0;
    return k_fail(err, K_E_CONFIG, "topic %s, partition %d: --from is offset %lld, behind --until, offset %lld",
                  has.topic, has.partition, (long long)window->from, (long long)window->until);
}

int k_place_windows(struct k_log *log, const struct k_plan *plan, const struct k_place *from,
                    const struct k_place *until, struct k_aside_window **ret_windows, uint32_t *ret_count,
                    struct k_error *err)
{
    struct k_aside_window *windows = NULL;
    uint32_t count = 0;
    int code = 0;
    for (uint32_t s = 0; !code && s < plan->source_count; s++) {
        const char *topic = plan->sources[s].topic;
        bool known = false;
        for (uint32_t i = 0; i < s; i++) known |= strcmp(plan->sources[i].topic, topic) == 0;
        struct k_topic_info info;
        if (!known) code = log->ops->topic_info(log, topic, &info, err);
        if (code) k_wrap(err, code, "source \"%s\"", plan->sources[s].name);
        if (code || known) continue;
        windows = k_realloc(windows, (count + (uint32_t)info.partitions) * sizeof *windows);
        for (int32_t p = 0; !code && p < info.partitions; p++) {
            windows[count] = (struct k_aside_window){.topic = topic, .partition = p};
            code = window_of(log, from, until, &windows[count++], err);
        }
    }
    if (code) {
        free(windows);
        return code;
    }
    *ret_windows = windows;
    *ret_count = count;
    return 0;
}
