#include "tests/base/test.h"

#include "tests/engine/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/topics.h"

enum { STEPS_MAX = 200000 };
static const int64_t START_US = 1767225600000000; // 2026-01-01

void cluster_plan(struct cluster *c, const char *graph, uint32_t shards)
{
    struct k_diags diags = {0};
    struct k_buf why = {0};
    k_plan_destroy(c->plan);
    k_graph_destroy(c->graph);
    c->plan = NULL;
    c->graph = NULL;
    int code = k_graph_read("test.textproto", k_str_of(graph), K_FORM_TEXT, &diags, &c->graph);
    if (!code) code = k_plan_make(c->graph, shards, &diags, &c->plan);
    k_diags_print(&diags, &why);
    if (code) fail_msg("%s", why.data);
    k_diags_fini(&diags);
    k_buf_fini(&why);
    c->shards = shards;
    c->options.plan = c->plan;
}

static int disk_fault(void *context, bool *ret_written)
{
    const struct cluster_disk *disk = context;
    *ret_written = false;
    return disk->full ? K_E_DISK_FULL : 0;
}

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    struct cluster_disk *disk = context;
    return k_store_memory_open(disk->memory, disk_fault, disk, ret, err);
}

void cluster_init(struct cluster *c, const char *graph, uint32_t shards)
{
    *c = (struct cluster){.cloud = k_cloud_create(1, NULL, START_US)};
    assert_true(shards <= SHARDS);
    for (uint32_t w = 0; w < WORKERS; w++)
        for (uint32_t s = 0; s < SHARDS; s++) c->disks[w][s].memory = k_memory_disk_create();
    c->options = (struct k_shard_options){.generation = "1",
                                          .open_store = open_store,
                                          .state = {.cache_bytes = 4 << 20},
                                          .commit_interval_us = 100000,
                                          .checkpoint_interval_us = 1000000,
                                          .transaction_timeout_us = 10000000,
                                          .step_budget_us = 200000,
                                          .can_lead = true};
    cluster_plan(c, graph, shards);
}

static void end_process(struct cluster *c, uint32_t worker)
{
    if (!c->logs[worker]) return;
    for (uint32_t s = 0; s < SHARDS; s++) {
        k_shard_destroy(c->live[worker][s]);
        c->live[worker][s] = NULL;
    }
    c->logs[worker]->ops->close(c->logs[worker]);
    c->logs[worker] = NULL;
}

void cluster_fini(struct cluster *c)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        end_process(c, w);
        for (uint32_t s = 0; s < SHARDS; s++) k_memory_disk_destroy(c->disks[w][s].memory);
    }
    k_cloud_destroy(c->cloud);
    k_plan_destroy(c->plan);
    k_graph_destroy(c->graph);
    k_buf_fini(&c->text);
}

void cluster_topic(struct cluster *c, const char *topic, int32_t partitions, bool compacted)
{
    struct k_error err;
    struct k_topic_spec spec = {.partitions = partitions, .compacted = compacted, .retention_ms = -1};
    assert_int_equal(k_cloud_create_topic(c->cloud, topic, &spec, &err), 0);
}

void cluster_prepare(struct cluster *c)
{
    struct k_error err = {0};
    struct k_topics_options options = {.create = true, .replication = -1, .partitions = 1};
    struct k_log *log = k_cloud_connect(c->cloud, "prepare");
    int code = k_topics_prepare(log, c->plan, &options, &err);
    log->ops->close(log);
    if (code) fail_msg("%s", err.text);
}

void cluster_start(struct cluster *c, uint32_t worker)
{
    static const char *const names[WORKERS] = {"a", "b", "c"};
    assert_null(c->logs[worker]);
    c->logs[worker] = k_cloud_connect(c->cloud, names[worker]);
    for (uint32_t s = 0; s < c->shards; s++) {
        struct k_shard_options options = c->options;
        struct k_error err;
        options.shard = s;
        options.log = c->logs[worker];
        options.worker = names[worker];
        options.store_context = &c->disks[worker][s];
        assert_int_equal(k_shard_create(&options, &c->live[worker][s], &err), 0);
    }
}

void cluster_kill(struct cluster *c, uint32_t worker)
{
    k_log_memory_crash(c->logs[worker]); // so that nothing of what is freed says good-bye
    end_process(c, worker);
}

void cluster_stop(struct cluster *c, uint32_t worker)
{
    for (uint32_t s = 0; s < c->shards; s++) k_shard_stop(c->live[worker][s]);
    for (uint32_t s = 0; s < c->shards; s++) cluster_until(c, worker, s, K_SHARD_STOPPED);
    end_process(c, worker);
}

void cluster_lose_disk(struct cluster *c, uint32_t worker)
{
    assert_null(c->logs[worker]);
    for (uint32_t s = 0; s < SHARDS; s++) {
        k_memory_disk_destroy(c->disks[worker][s].memory);
        c->disks[worker][s].memory = k_memory_disk_create();
    }
}

// *ret_wait_us: how long nothing will be due.
static int step_all(struct cluster *c, int64_t *ret_wait_us)
{
    *ret_wait_us = 100000;
    for (uint32_t w = 0; w < WORKERS; w++)
        for (uint32_t s = 0; s < SHARDS; s++) {
            struct k_shard *shard = c->live[w][s];
            int64_t wait_us;
            if (!shard || k_shard_state(shard) == K_SHARD_STOPPED) continue;
            int code = k_shard_step(shard, &wait_us, &c->error);
            if (code) return code;
            if (wait_us < *ret_wait_us) *ret_wait_us = wait_us;
        }
    return 0;
}

int cluster_step(struct cluster *c)
{
    int64_t wait_us;
    int code = step_all(c, &wait_us);
    if (!code && wait_us > 0) k_cloud_advance(c->cloud, wait_us);
    return code;
}

int cluster_run(struct cluster *c, int64_t us)
{
    int64_t waited_us = 0, wait_us;
    for (int n = 0; waited_us < us; n++) {
        assert_true(n < STEPS_MAX);
        int code = step_all(c, &wait_us);
        if (code) return code;
        if (wait_us <= 0) continue;
        k_cloud_advance(c->cloud, wait_us);
        waited_us += wait_us;
    }
    return 0;
}

void cluster_until(struct cluster *c, uint32_t worker, uint32_t shard, enum k_shard_state state)
{
    for (int n = 0; k_shard_state(c->live[worker][shard]) != state; n++) {
        int code = cluster_step(c);
        if (code) fail_msg("%s", c->error.text);
        if (n > STEPS_MAX) {
            struct k_shard_report report = cluster_report(c, worker, shard);
            fail_msg("still %s: %s", k_shard_state_name(report.state), report.trouble);
        }
    }
}

struct k_shard_report cluster_report(struct cluster *c, uint32_t worker, uint32_t shard)
{
    struct k_shard_report report;
    k_shard_report(c->live[worker][shard], &report);
    k_shard_figures(c->live[worker][shard], &report.figures);
    return report;
}

int64_t cluster_put(struct cluster *c, const char *topic, int32_t partition, int64_t time_us, const char *key,
                    const char *value)
{
    struct k_out_message message = {.topic = topic, .partition = partition, .timestamp_us = time_us,
                                    .key = k_str_of(key), .has_key = key != NULL,
                                    .value = k_str_of(value), .has_value = value != NULL};
    return k_cloud_produce(c->cloud, &message);
}

static void add_value(void *context, const struct k_message *message)
{
    struct k_buf *text = context;
    if (message->has_value) k_buf_add(text, message->value.data, message->value.length);
    else k_buf_add_char(text, '-');
    k_buf_add_char(text, ' ');
}

const char *cluster_read(struct cluster *c, const char *topic, int32_t partition)
{
    k_buf_clear(&c->text);
    k_buf_add_text(&c->text, "");
    k_cloud_read(c->cloud, topic, partition, add_value, &c->text);
    return k_buf_str(&c->text).length ? c->text.data : "";
}

static struct k_store *look_at(struct cluster *c, uint32_t worker, uint32_t shard)
{
    struct k_store *store;
    struct k_error err;
    assert_int_equal(k_store_memory_open(c->disks[worker][shard].memory, NULL, NULL, &store, &err), 0);
    return store;
}

Kappa__Internal__Position *cluster_position(struct cluster *c, uint32_t worker, uint32_t shard)
{
    struct k_store *store = look_at(c, worker, shard);
    struct k_arena arena;
    struct k_error err;
    struct k_str key = K_STR("\0position"), value;
    k_arena_init(&arena);
    assert_int_equal(store->ops->get(store, 1, &key, &arena, &value, &err), 0);
    Kappa__Internal__Position *position =
        value.length ? kappa__internal__position__unpack(NULL, value.length, (const uint8_t *)value.data) : NULL;
    k_arena_fini(&arena);
    store->ops->close(store);
    return position;
}

void cluster_dump(struct cluster *c, uint32_t worker, uint32_t shard, struct k_buf *out)
{
    struct k_store *store = look_at(c, worker, shard);
    struct k_store_iterator *iterator;
    struct k_error err = {0};
    struct k_str from = K_STR("\1"), to = K_STR("\377\377\377\377\377"), key, value;
    assert_int_equal(store->ops->iterate(store, from, to, &iterator, &err), 0);
    while (store->ops->next(iterator, &key, &value, &err)) {
        for (uint32_t i = 0; i < key.length; i++) k_buf_printf(out, "%02x", (unsigned char)key.data[i]);
        k_buf_add_char(out, '=');
        for (uint32_t i = 0; i < value.length; i++) k_buf_printf(out, "%02x", (unsigned char)value.data[i]);
        k_buf_add_char(out, '\n');
    }
    assert_int_equal(err.code, 0);
    store->ops->iterate_end(iterator);
    store->ops->close(store);
}
