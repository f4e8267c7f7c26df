// Reading what a state directory says of itself.
#include "cli/facts.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

static uint64_t disk_bytes(const char *directory)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        struct stat status;
        char *path = k_format("%s/%s", directory, entry->d_name);
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) bytes += (uint64_t)status.st_blocks * 512;
        free(path);
    }
    if (dir) closedir(dir);
    return bytes;
}

static int read_shard(struct facts *facts, uint32_t index, struct k_error *err)
{
    struct facts_shard *shard = &facts->shards[index];
    struct k_str identity = {0}, position = {0}, takeover = {0};
    int code = k_view_meta(facts->view, index, "identity", &facts->arena, &identity, err);
    if (!code) code = k_view_meta(facts->view, index, "position", &facts->arena, &position, err);
    if (!code) code = k_view_meta(facts->view, index, "takeover", &facts->arena, &takeover, err);
    if (code) return code;
    shard->directory = k_view_directory(facts->view, index);
    shard->disk_bytes = disk_bytes(shard->directory);
    shard->journal_end = -1;
    if (identity.data)
        shard->identity = kappa__internal__identity__unpack(NULL, identity.length, (const uint8_t *)identity.data);
    if (position.length) // empty: the state is new
        shard->position = kappa__internal__position__unpack(NULL, position.length, (const uint8_t *)position.data);
    if (takeover.data)
        shard->takeover = kappa__internal__takeover__unpack(NULL, takeover.length, (const uint8_t *)takeover.data);
    if ((identity.data && !shard->identity) || (position.length && !shard->position) ||
        (takeover.data && (!shard->takeover || !shard->takeover->position)))
        return k_fail(err, K_E_CORRUPT, "\"%s\": its notes are damaged", shard->directory);
    return 0;
}

static void add_counters(struct facts *facts, const Kappa__Internal__Position__Counters *from)
{
    uint32_t i = 0;
    const char *name = from->node ? from->node : "";
    while (i < facts->counter_count && strcmp(facts->counters[i].node, name) != 0) i++;
    struct facts_counters *to = &facts->counters[i];
    if (i == facts->counter_count) {
        *to = (struct facts_counters){.node = name};
        facts->counter_count++;
    }
    to->in += from->in;
    to->processed += from->processed;
    to->filtered += from->filtered;
    to->late += from->late;
    to->dropped += from->dropped;
    to->dead_lettered += from->dead_lettered;
    to->out += from->out;
    // Each shard for itself: what one has too many may not make good what another lacks.
    facts->sums_hold &=
        from->in == from->processed + from->filtered + from->late + from->dropped + from->dead_lettered;
}

static void gather(struct facts *facts)
{
    size_t partitions = 0, counters = 0;
    for (uint32_t i = 0; i < facts->shard_count; i++) {
        const Kappa__Internal__Position *position = facts->shards[i].position;
        partitions += position ? position->n_partition : 0;
        counters += position ? position->n_counters : 0;
    }
    facts->partitions = k_arena_array(&facts->arena, struct facts_partition, partitions + 1);
    facts->counters = k_arena_array(&facts->arena, struct facts_counters, counters + 1);
    facts->sums_hold = true;
    for (uint32_t i = 0; i < facts->shard_count; i++) {
        const Kappa__Internal__Position *position = facts->shards[i].position;
        for (size_t p = 0; position && p < position->n_partition; p++)
            facts->partitions[facts->partition_count++] = (struct facts_partition){
                .at = position->partition[p], .shard = i, .end = -1, .rate = -1, .growth = -1};
        for (size_t c = 0; position && c < position->n_counters; c++) add_counters(facts, position->counters[c]);
    }
}

int facts_open(const struct k_reader_options *options, struct facts *ret, struct k_error *err)
{
    struct k_reader_options once = *options;
    once.one_view = true;
    *ret = (struct facts){0};
    k_arena_init(&ret->arena);
    int code = k_reader_open(&once, &ret->reader, err);
    if (!code) code = k_view_open(ret->reader, &ret->view, err);
    if (!code) {
        const struct k_shard_view *views = k_view_shards(ret->view, &ret->shard_count, &ret->shards_total);
        ret->shards = k_new_array(struct facts_shard, ret->shard_count);
        for (uint32_t i = 0; i < ret->shard_count && !code; i++) {
            ret->shards[i].view = &views[i];
            code = read_shard(ret, i, err);
        }
    }
    if (!code) gather(ret);
    return code;
}

void facts_close(struct facts *facts)
{
    for (uint32_t i = 0; i < facts->shard_count && facts->shards; i++) {
        struct facts_shard *shard = &facts->shards[i];
        if (shard->identity) kappa__internal__identity__free_unpacked(shard->identity, NULL);
        if (shard->position) kappa__internal__position__free_unpacked(shard->position, NULL);
        if (shard->takeover) kappa__internal__takeover__free_unpacked(shard->takeover, NULL);
    }
    free(facts->generation);
    free(facts->shards);
    k_view_close(facts->view);
    k_reader_close(facts->reader);
    k_arena_fini(&facts->arena);
    *facts = (struct facts){0};
}

// By the times of the two checkpoints, not of the looks: those are what the positions stand for.
static void measure(const struct facts *facts, struct facts_partition *now, const struct facts *earlier,
                    const struct facts_partition *then, int64_t passed_us)
{
    const Kappa__Internal__Position *last = facts->shards[now->shard].position,
                                    *first = earlier->shards[then->shard].position;
    int64_t took_us = last->taken_us - first->taken_us;
    if (took_us <= 0 || passed_us <= 0 || now->end < 0 || then->end < 0) return;
    now->rate = (double)(now->at->next - then->at->next) * 1e6 / (double)took_us;
    now->growth = (double)(now->end - then->end) * 1e6 / (double)passed_us;
}

void facts_measure(struct facts *facts, const struct facts *earlier, int64_t passed_us)
{
    for (uint32_t i = 0; i < facts->partition_count; i++)
        for (uint32_t j = 0; j < earlier->partition_count; j++) {
            struct facts_partition *now = &facts->partitions[i];
            const struct facts_partition *then = &earlier->partitions[j];
            if (now->at->partition == then->at->partition && now->at->source && then->at->source &&
                strcmp(now->at->source, then->at->source) == 0)
                measure(facts, now, earlier, then, passed_us);
        }
}

double facts_eta(const struct facts_partition *p)
{
    int64_t lag = p->end - (p->at->next < 0 ? 0 : p->at->next);
    if (p->end >= 0 && lag <= 0) return 0;
    if (p->rate < 0) return -1;
    return p->rate > p->growth ? (double)lag / (p->rate - p->growth) : INFINITY;
}

const char *facts_graph(const struct facts *facts)
{
    const Kappa__Internal__Identity *identity = facts->shards[0].identity;
    return identity && identity->graph ? identity->graph : "";
}
