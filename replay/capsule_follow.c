// Running a capsule: each shard follows its journal on a shelf, to the end, and takes its checkpoint there.
#include <stdlib.h>
#include <unistd.h>

#include "base/directory.h"
#include "engine/shard.h"
#include "engine/worker.h"
#include "replay/capsule.h"

enum { TRIES = 1000 };

struct following_of {
    const char *directory;
    uint64_t store_bytes;
};

static int open_store(void *context, struct k_store **ret, struct k_error *err)
{
    struct following_of *f = context;
    return k_store_rocks_open(f->directory, true, f->store_bytes, ret, err);
}

// Steps until the journal has no more, then stops in order.
static int step_through(struct k_shard *shard, const struct k_log *shelf, const char *journal, struct k_error *err)
{
    uint32_t idle = 0;
    while (k_shard_state(shard) != K_SHARD_STOPPED) {
        int64_t wait_us;
        int code = k_shard_step(shard, &wait_us, err);
        if (code) return code;
        bool drained = k_shelf_drained(shelf, journal, 0);
        if (drained) k_shard_stop(shard);
        idle = wait_us > 0 && !drained ? idle + 1 : 0;
        // Nothing ever comes later on a shelf.
        if (idle < TRIES) continue;
        struct k_shard_report report;
        k_shard_report(shard, &report);
        return k_fail(err, K_E_CORRUPT, "the capsule lacks records that its journal names%s%s",
                      report.trouble[0] ? ": " : "", report.trouble);
    }
    return 0;
}

static int follow_shard(const struct k_capsule *c, const struct k_plan *plan, const char *unpacked,
                        const char *directory, uint32_t number, uint64_t memory_bytes, uint64_t *records,
                        struct k_error *err)
{
    struct k_shelf_partition *partitions = k_new_array(struct k_shelf_partition, c->partition_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        if (c->partitions[i].shard != number) continue;
        partitions[count] = c->partitions[i].at;
        if (c->partitions[i].records)
            partitions[count].path = k_format("%s/%u/%s.%d", unpacked, number, partitions[count].topic,
                                              partitions[count].partition);
        count++;
    }
    char *own = k_format("%s/%s/capsule/%u", directory, c->graph, number);
    char *state = k_format("%s/%u/state", unpacked, number), *journal = k_format("%s.journal.%u", c->graph, number);
    struct k_budget budget = k_budget_of(memory_bytes, 1);
    struct following_of context = {own, budget.store_bytes};
    struct k_log *shelf = k_shelf_open(c->topics, c->topic_count, partitions, count);
    const struct k_shard_options options = {.plan = plan,
                                            .shard = number,
                                            .log = shelf,
                                            .worker = "capsule",
                                            .generation = "capsule",
                                            .open_store = open_store,
                                            .store_context = &context,
                                            .state = {.cache_bytes = budget.cache_bytes},
                                            .commit_interval_us = 1000000,
                                            .checkpoint_interval_us = 10000000,
                                            .transaction_timeout_us = 10000000,
                                            .step_budget_us = 200000};
    struct k_shard *shard = NULL;
    int code = k_directories_make_above(own, 0700, err);
    if (!code && access(own, F_OK) == 0) code = k_fail(err, K_E_CONFIG, "%s is there already", own);
    if (!code && c->has_state[number]) code = k_path_rename(state, own, err);
    if (!code) code = k_shard_create(&options, &shard, err);
    if (!code) code = step_through(shard, shelf, journal, err);
    if (!code) {
        struct k_shard_report report;
        k_shard_report(shard, &report);
        *records += report.records;
    }
    k_shard_destroy(shard);
    shelf->ops->close(shelf);
    for (uint32_t i = 0; i < count; i++) free((char *)partitions[i].path);
    free(partitions);
    free(journal);
    free(state);
    free(own);
    return code;
}

int k_capsule_follow(const struct k_capsule *c, const struct k_plan *plan, const char *unpacked, const char *directory,
                     uint64_t memory_bytes, uint64_t *ret_records, struct k_error *err)
{
    *ret_records = 0;
    if (strcmp(c->fingerprint, plan->fingerprint) != 0)
        return k_fail(err, K_E_CORRUPT, "the capsule's graph is not the one that its note names");
    if (c->semantics != K_SEMANTICS)
        return k_fail(err, K_E_CONFIG,
                      "the capsule was made by operators of semantics version %u, these are version %d", c->semantics,
                      K_SEMANTICS);
    int code = 0;
    for (uint32_t i = 0; !code && i < c->shards; i++)
        code = follow_shard(c, plan, unpacked, directory, i, memory_bytes, ret_records, err);
    return code;
}
