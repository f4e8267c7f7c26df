// Reading `<graph>.progress`.
#include "replay/presence_private.h"

#include "base/units.h"
#include "proto/internal.pb-c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FETCH_US = 100000, FETCHES_MAX = 30, LOOK_BACK = 1024, SAMPLES_US = 30000000 };

typedef Kappa__Internal__Progress Progress;

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

static void drop(struct k_presence *presence)
{
    for (uint32_t i = 0; i < presence->sink_count; i++) {
        free(presence->sinks[i].name);
        free(presence->sinks[i].topic);
        free(presence->sinks[i].key);
        free(presence->sinks[i].table);
    }
    free(presence->sinks);
    free(presence->shards);
    presence->sinks = NULL;
    presence->shards = NULL;
    presence->sink_count = presence->shard_count = 0;
}

static void add_sample(struct k_presence_shard *to, int64_t time_us, int64_t offset)
{
    // A process that begins anew stands further back.
    if (to->sample_count && offset < to->samples[to->sample_count - 1].offset) to->sample_count = 0;
    uint32_t old = 0;
    while (old < to->sample_count &&
           (time_us - to->samples[old].time_us > SAMPLES_US || to->sample_count - old == K_PRESENCE_SAMPLES))
        old++;
    memmove(to->samples, to->samples + old, (to->sample_count - old) * sizeof *to->samples);
    to->sample_count -= old;
    to->samples[to->sample_count++] = (struct k_presence_sample){time_us, offset};
}

static void take_shard(struct k_presence_shard *to, int64_t time_us, const Kappa__Internal__Progress__Shard *from)
{
    struct k_presence_shard before = *to;
    *to = (struct k_presence_shard){.offset = from->offset,
                                    .saved_offset = from->saved_offset,
                                    .records = from->records,
                                    .difference_seq = from->difference_seq,
                                    .difference_compared = from->difference_compared,
                                    .difference_written = from->difference_written,
                                    .difference_done = from->difference_done};
    memcpy(to->samples, before.samples, sizeof to->samples);
    to->sample_count = before.sample_count;
    add_sample(to, time_us, from->offset);
    snprintf(to->state, sizeof to->state, "%s", from->state ? from->state : "");
    snprintf(to->trouble, sizeof to->trouble, "%.127s", from->trouble ? from->trouble : "");
    snprintf(to->difference_waits, sizeof to->difference_waits, "%.127s",
             from->difference_waits ? from->difference_waits : "");
    snprintf(to->taken_from, sizeof to->taken_from, "%.31s", from->taken_from ? from->taken_from : "");
}

static void take_sink(struct k_presence_sink *to, const Kappa__Internal__Progress__Sink *from)
{
    struct k_buf key = {0};
    for (size_t i = 0; i < from->n_key; i++) k_buf_printf(&key, "%s%s", i ? ", " : "", from->key[i]);
    *to = (struct k_presence_sink){.name = k_strdup(from->name ? from->name : ""),
                                   .topic = k_strdup(from->topic ? from->topic : ""),
                                   .key = k_strdup(key.data ? key.data : ""),
                                   .table = from->table ? k_strdup(from->table) : NULL};
    k_buf_fini(&key);
}

static void take(struct k_presences *all, const Progress *progress)
{
    uint32_t count = progress->n_shard < K_PRESENCE_SHARDS_MAX ? (uint32_t)progress->n_shard : K_PRESENCE_SHARDS_MAX;
    struct k_presence *to = place_of(all, progress->generation, progress->worker ? progress->worker : "");
    to->time_us = progress->time_us;
    struct k_presence_shard *shards = k_new_array(struct k_presence_shard, count + 1);
    for (uint32_t s = 0; s < count; s++) {
        if (s < to->shard_count) shards[s] = to->shards[s];
        take_shard(&shards[s], progress->time_us, progress->shard[s]);
    }
    drop(to);
    to->shards = shards;
    to->shard_count = count;
    to->sinks = k_new_array(struct k_presence_sink, progress->n_sink + 1);
    for (size_t i = 0; i < progress->n_sink; i++) take_sink(&to->sinks[to->sink_count++], progress->sink[i]);
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
        if (now_us - all->items[i].time_us > max_age_us) drop(&all->items[i]);
        else all->items[kept++] = all->items[i];
    }
    all->count = kept;
    if (kept) qsort(all->items, kept, sizeof *all->items, compare);
}

static int take_some(struct k_log *log, struct k_reader *reader, struct k_presences *all, struct k_error *err)
{
    const struct k_message *const *messages;
    uint32_t count;
    K_TRY(log->ops->fetch(reader, LOOK_BACK, 4 << 20, FETCH_US, &messages, &count, err));
    for (uint32_t m = 0; m < count; m++) {
        const struct k_str value = messages[m]->value;
        Progress *progress = kappa__internal__progress__unpack(NULL, value.length, (const uint8_t *)value.data);
        if (progress) take(all, progress);
        if (progress) kappa__internal__progress__free_unpacked(progress, NULL);
    }
    return 0;
}

int k_presence_read(struct k_log *log, const char *graph, int64_t max_age_us, struct k_presences *ret,
                    struct k_error *err)
{
    char topic[300];
    int64_t start, end;
    *ret = (struct k_presences){0};
    presence_topic(graph, topic, sizeof topic);
    int code = log->ops->offsets(log, topic, 0, true, &start, &end, err);
    if (code == K_E_NOT_FOUND || (!code && start == end)) return 0;
    if (code) return code;
    struct k_reader *reader;
    K_TRY(log->ops->reader_open(log, topic, 0, end - start > LOOK_BACK ? end - LOOK_BACK : start, &reader, err));
    for (int i = 0; i < FETCHES_MAX && !code && log->ops->position(reader) < end; i++)
        code = take_some(log, reader, ret, err);
    log->ops->reader_close(reader);
    drop_old(ret, log->ops->now_us(log), max_age_us);
    if (code) k_presences_fini(ret);
    return code;
}

void k_presences_fini(struct k_presences *presences)
{
    for (uint32_t i = 0; i < presences->count; i++) drop(&presences->items[i]);
    free(presences->items);
    *presences = (struct k_presences){0};
}

double k_presence_rate(const struct k_presence_shard *shard)
{
    if (shard->sample_count < 2) return -1;
    const struct k_presence_sample *first = shard->samples, *last = &shard->samples[shard->sample_count - 1];
    int64_t took_us = last->time_us - first->time_us;
    return took_us > 0 ? (double)(last->offset - first->offset) * 1e6 / (double)took_us : -1;
}

double k_presence_eta(const struct k_presences *all, const struct k_presence *presence, uint32_t shard,
                      int64_t behind)
{
    double rate = k_presence_rate(&presence->shards[shard]), growth = 0;
    if (behind <= K_IN_STEP_OFFSETS) return 0;
    if (rate < 0) return -1;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct k_presence *other = &all->items[i];
        if (shard >= other->shard_count) continue;
        const struct k_presence_shard *at = &other->shards[shard];
        if (strcmp(at->state, k_shard_state_name(K_SHARD_LEAD)) != 0) continue;
        growth = k_presence_rate(at);
        if (growth < 0) return -1;
    }
    return rate > growth ? (double)behind / (rate - growth) : INFINITY;
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
        K_TRY(log->ops->offsets(log, journal, 0, true, NULL, &end, err));
        int64_t behind = end - presence->shards[s].offset;
        if (behind > *ret) *ret = behind;
    }
    return 0;
}

// Of the process of the generation that is closest; INT64_MAX: there is none, or none that is up.
static int least_behind(struct k_log *log, const char *graph, const struct k_presences *all, uint64_t generation,
                        int64_t *ret, struct k_error *err)
{
    *ret = INT64_MAX;
    for (uint32_t i = 0; i < all->count; i++) {
        int64_t behind;
        if (all->items[i].generation != generation) continue;
        K_TRY(behind_of(log, graph, &all->items[i], &behind, err));
        if (behind < *ret) *ret = behind;
    }
    return 0;
}

int k_presence_behind(struct k_log *log, const char *graph, uint64_t generation, int64_t *ret, struct k_error *err)
{
    struct k_presences all;
    int code = k_presence_read(log, graph, K_PRESENCE_AGE_US, &all, err);
    if (!code) code = least_behind(log, graph, &all, generation, ret, err);
    k_presences_fini(&all);
    if (!code && *ret == INT64_MAX)
        code = k_fail(err, K_E_NOT_FOUND, "no process that hosts generation %llu has been heard of in the last %d s",
                      (unsigned long long)generation, K_PRESENCE_AGE_US / 1000000);
    return code;
}

int k_presence_hear(struct k_log *log, const char *graph, uint64_t generation, int64_t *ret, struct k_error *err)
{
    char topic[300];
    int64_t end;
    struct k_reader *reader;
    struct k_presences all = {0};
    presence_topic(graph, topic, sizeof topic);
    *ret = INT64_MAX;
    int code = log->ops->offsets(log, topic, 0, true, NULL, &end, err);
    if (!code) code = log->ops->reader_open(log, topic, 0, end, &reader, err);
    if (!code) {
        int64_t until_us = k_clock_us(CLOCK_MONOTONIC) + K_PRESENCE_HEAR_US;
        while (!code && *ret > K_IN_STEP_OFFSETS && k_clock_us(CLOCK_MONOTONIC) < until_us) {
            code = take_some(log, reader, &all, err);
            if (!code) code = least_behind(log, graph, &all, generation, ret, err);
        }
        log->ops->reader_close(reader);
    }
    k_presences_fini(&all);
    if (code == K_E_NOT_FOUND || (!code && *ret == INT64_MAX))
        code = k_fail(err, K_E_NOT_FOUND,
                      "no process that hosts generation %llu and is up was heard of for %d s; is one running?",
                      (unsigned long long)generation, K_PRESENCE_HEAR_US / 1000000);
    return code;
}
