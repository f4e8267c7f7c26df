// Writing `<graph>.progress`.
#include "replay/presence_private.h"

#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"

#include <stdio.h>

enum { KEEP_MS = 3600000, TIMEOUT_US = 10000000 };

typedef Kappa__Internal__Progress Progress;

void presence_topic(const char *graph, char *out, size_t size)
{
    int length = snprintf(out, size, "%s.progress", graph);
    K_ASSERT(length > 0 && (size_t)length < size);
}

int k_presence_prepare(struct k_log *log, const char *graph, int32_t replication, struct k_error *err)
{
    char topic[300];
    struct k_topic_info info;
    const struct k_topic_spec spec = {.partitions = 1, .replication = replication, .retention_ms = KEEP_MS};
    presence_topic(graph, topic, sizeof topic);
    int code = log->ops->topic_info(log, topic, &info, err);
    return code == K_E_NOT_FOUND ? log->ops->topic_create(log, topic, &spec, err) : code;
}

static Kappa__Internal__Progress__Shard *encode_shard(uint32_t number, const struct k_shard_report *report,
                                                      struct k_arena *arena)
{
    Kappa__Internal__Progress__Shard *to = k_arena_get(arena, sizeof *to);
    kappa__internal__progress__shard__init(to);
    to->has_shard = to->has_offset = to->has_saved_offset = to->has_records = true;
    to->shard = number;
    to->offset = report->offset;
    to->saved_offset = report->saved_offset;
    to->records = report->records;
    to->state = (char *)k_shard_state_name(report->state);
    to->trouble = report->trouble[0] ? (char *)report->trouble : NULL;
    to->taken_from = report->taken_from[0] ? (char *)report->taken_from : NULL;
    if (!report->difference_seq) return to;
    to->has_difference_seq = to->has_difference_compared = to->has_difference_written = to->has_difference_done =
        true;
    to->difference_seq = report->difference_seq;
    to->difference_compared = report->difference_compared;
    to->difference_written = report->difference_written;
    to->difference_done = report->difference_done;
    to->difference_waits = report->difference_waits[0] ? (char *)report->difference_waits : NULL;
    return to;
}

static Kappa__Internal__Progress__Sink *encode_sink(const struct k_plan *plan, const struct k_node *node,
                                                    struct k_arena *arena)
{
    const Kappa__V1__Sink *message = node->owner;
    Kappa__Internal__Progress__Sink *to = k_arena_get(arena, sizeof *to);
    kappa__internal__progress__sink__init(to);
    int32_t table = k_plan_table_of_sink(plan, node);
    to->name = (char *)node->name;
    to->topic = (char *)node->topics[0];
    to->n_key = message->n_key;
    to->key = message->key;
    to->table = table >= 0 ? (char *)plan->nodes[table].name : NULL;
    return to;
}

static void encode(const struct k_plan *plan, const char *worker, uint64_t generation, int64_t now_us,
                   const struct k_shard_report *reports, struct k_buf *out)
{
    Progress progress;
    struct k_arena arena;
    k_arena_init(&arena);
    kappa__internal__progress__init(&progress);
    progress.pipeline = (char *)plan->name;
    progress.worker = (char *)worker;
    progress.has_generation = progress.has_time_us = true;
    progress.generation = generation;
    progress.time_us = now_us;
    progress.shard = k_arena_array(&arena, Kappa__Internal__Progress__Shard *, plan->shards);
    for (uint32_t s = 0; s < plan->shards; s++)
        progress.shard[progress.n_shard++] = encode_shard(s, &reports[s], &arena);
    progress.sink = k_arena_array(&arena, Kappa__Internal__Progress__Sink *, plan->node_count);
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (k_plan_is_keyed_sink(&plan->nodes[i]))
            progress.sink[progress.n_sink++] = encode_sink(plan, &plan->nodes[i], &arena);
    k_protobuf_pack(&progress.base, out);
    k_arena_fini(&arena);
}

int k_presence_say(struct k_log *log, const struct k_plan *plan, const char *worker, uint64_t generation,
                   const struct k_shard_report *reports, struct k_producer **producer, struct k_error *err)
{
    char topic[300], id[400];
    struct k_buf bytes = {0};
    presence_topic(plan->name, topic, sizeof topic);
    snprintf(id, sizeof id, "%s.%s", topic, worker);
    encode(plan, worker, generation, log->ops->now_us(log), reports, &bytes);
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
