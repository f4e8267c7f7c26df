// Whether the difference of a switch can be written: by what both generations' processes say of their keyed sinks.
#include "cli/generation.h"
#include "replay/presence.h"

static const struct k_presence *host_of(const struct k_presences *all, uint64_t generation)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].generation == generation) return &all->items[i];
    return NULL;
}

// The topic of a sink must be shown by the same table in both, by the same key: else what it shows is not known.
static int check_sink(const struct k_presence_sink *sink, const struct k_presence *before, struct k_error *err)
{
    if (!sink->table)
        return k_fail(
            err, K_E_CONFIG,
            "--emit-difference: no table has the rows of sink \"%s\" (topic %s) by its key; it needs one that "
            "reads the same input, with key %s",
            sink->name, sink->topic, sink->key);
    for (uint32_t i = 0; i < before->sink_count; i++) {
        const struct k_presence_sink *old = &before->sinks[i];
        if (strcmp(old->topic, sink->topic) != 0) continue;
        if (strcmp(old->key, sink->key) != 0)
            return k_fail(err, K_E_CONFIG,
                          "--emit-difference: the messages of topic %s had the key (%s) so far, not (%s)",
                          sink->topic, old->key, sink->key);
        if (!old->table || strcmp(old->table, sink->table) != 0)
            return k_fail(err, K_E_CONFIG,
                          "--emit-difference: what topic %s shows so far is not in a table \"%s\" of generation %llu",
                          sink->topic, sink->table, (unsigned long long)before->generation);
    }
    return 0;
}

static int check(const struct k_presences *all, uint64_t from, uint64_t to, struct k_error *err)
{
    const struct k_presence *before = host_of(all, from), *after = host_of(all, to);
    if (!before || !after)
        return k_fail(
            err, K_E_NOT_FOUND,
            "--emit-difference wants copies of both states, and no process that hosts generation %llu has been "
            "heard of in the last %d s",
            (unsigned long long)(before ? to : from), K_PRESENCE_AGE_US / 1000000);
    if (after->sink_count == 0)
        return k_fail(err, K_E_CONFIG, "--emit-difference: generation %llu has no sink with a key",
                      (unsigned long long)to);
    // Half of it would be missing in what the topics show.
    for (uint32_t s = 0; s < before->shard_count; s++)
        if (before->shards[s].difference_seq && !before->shards[s].difference_done)
            return k_fail(
                err, K_E_CONFIG,
                "--emit-difference: that of switch %llu is still being written (kappa replay status); wait for "
                "its end",
                (unsigned long long)before->shards[s].difference_seq);
    int code = 0;
    for (uint32_t i = 0; i < after->sink_count && !code; i++) code = check_sink(&after->sinks[i], before, err);
    return code;
}

int pipeline_check_difference(struct pipeline *pipeline, const struct k_control *control, const struct k_switch *ask,
                              struct k_error *err)
{
    struct k_presences all;
    struct k_control after = *control;
    struct k_switch trial = *ask;
    bool write = false;
    int code = k_switch(&trial, &after, &write, err);
    if (code || !write) return code; // refused, or asked for before
    code = k_presence_read(pipeline->log, pipeline->name, K_PRESENCE_AGE_US, &all, err);
    if (code) return code;
    code = check(&all, control->live, trial.target, err);
    k_presences_fini(&all);
    return code;
}
