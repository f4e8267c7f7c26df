// One worker, one shard, a perfect broker, a disk in memory. Time moves only when the test says so, but for single
// microseconds that let commits come due.
#include "engine/rehearsal.h"

#include "engine/log_memory.h"
#include "engine/topics.h"

#include <stdlib.h>

enum { QUIET_STEPS = 4, STEPS_MAX = 1000000 };

struct k_rehearsal {
    struct k_plan *plan;
    struct k_cloud *cloud;
    struct k_log *log;
    struct k_memory_disk *disk;
    struct k_shard *shard;
};

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    struct k_rehearsal *r = context;
    return k_store_memory_open(r->disk, NULL, NULL, ret, err);
}

static int make_sources(struct k_rehearsal *r, const struct k_plan *plan, const uint32_t *partitions,
                        struct k_error *err)
{
    for (uint32_t i = 0; i < plan->source_count; i++) {
        bool known = false;
        for (uint32_t j = 0; j < i; j++) known |= strcmp(plan->sources[i].topic, plan->sources[j].topic) == 0;
        struct k_topic_spec spec = {.partitions = (int32_t)partitions[i], .replication = -1, .retention_ms = -1};
        int code = known ? 0 : k_cloud_create_topic(r->cloud, plan->sources[i].topic, &spec, err);
        if (code) return code;
    }
    return 0;
}

// Steps until nothing has moved for a while.
static int settle(struct k_rehearsal *r, struct k_error *err)
{
    uint32_t quiet = 0;
    for (uint32_t step = 0; quiet < QUIET_STEPS; step++) {
        int64_t wait_us;
        int code = k_shard_step(r->shard, &wait_us, err);
        if (code) return code;
        if (step > STEPS_MAX) return k_fail(err, K_E_BUG, "the graph does not come to rest");
        bool leading = k_shard_state(r->shard) == K_SHARD_LEAD;
        quiet = leading && wait_us > 0 ? quiet + 1 : 0;
        if (wait_us > 0) k_cloud_advance(r->cloud, 1);
    }
    return 0;
}

int k_rehearsal_create(struct k_plan *plan, uint64_t seed, int64_t now_us, const uint32_t *partitions,
                       void (*tap)(void *context, const char *edge, const struct k_batch *batch), void *tap_context,
                       struct k_rehearsal **ret, struct k_error *err)
{
    struct k_rehearsal *r = k_new(struct k_rehearsal);
    struct k_fault_rates rates = {.fetch_short = seed ? 3 : 0};
    r->plan = plan;
    r->cloud = k_cloud_create(seed, &rates, now_us);
    r->log = k_cloud_connect(r->cloud, "test");
    r->disk = k_memory_disk_create();
    struct k_topics_options topics = {.create = true, .replication = -1, .partitions = 1};
    struct k_shard_options options = {.plan = plan,
                                      .log = r->log,
                                      .worker = "test",
                                      .generation = "1",
                                      .open_store = open_store,
                                      .store_context = r,
                                      .state = {.cache_bytes = 64 << 20},
                                      .commit_interval_us = 1,
                                      .checkpoint_interval_us = 1000000,
                                      .transaction_timeout_us = 10000000,
                                      .step_budget_us = 200000,
                                      .can_lead = true,
                                      .tap = tap,
                                      .tap_context = tap_context};
    int code = make_sources(r, plan, partitions, err);
    if (!code) code = k_topics_prepare(r->log, plan, &topics, err);
    if (!code) code = k_shard_create(&options, &r->shard, err);
    if (!code) code = settle(r, err);
    if (code) {
        k_rehearsal_destroy(r);
        return code;
    }
    *ret = r;
    return 0;
}

void k_rehearsal_send(struct k_rehearsal *r, const struct k_out_message *message)
{
    k_cloud_produce(r->cloud, message);
}

// The clock on the wall jumps; the broker's own timers (sessions, transactions) do not notice.
int k_rehearsal_advance(struct k_rehearsal *r, int64_t to_us, struct k_error *err)
{
    int code = settle(r, err);
    if (code || to_us <= k_cloud_now(r->cloud)) return code;
    k_cloud_set_clock(r->cloud, to_us);
    return settle(r, err);
}

void k_rehearsal_dead_letters(struct k_rehearsal *r, void (*visit)(void *context, const struct k_message *message),
                              void *context)
{
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(r->plan, &needs);
    for (uint32_t i = 0; i < count; i++) // each has one partition here
        if (needs[i].use == K_TOPIC_DEAD_LETTERS) k_cloud_read(r->cloud, needs[i].topic, 0, visit, context);
}

struct k_machine *k_rehearsal_machine(struct k_rehearsal *r)
{
    return k_shard_machine(r->shard);
}

void k_rehearsal_destroy(struct k_rehearsal *r)
{
    if (!r) return;
    k_shard_destroy(r->shard);
    if (r->log) r->log->ops->close(r->log);
    k_cloud_destroy(r->cloud);
    k_memory_disk_destroy(r->disk);
    free(r);
}
