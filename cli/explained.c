// The graph that a state holds, and where it begins and stands.
#include "cli/explained.h"

#include <stdlib.h>

#include "proto/internal.pb-c.h"

void explained_init(struct explained *e)
{
    *e = (struct explained){0};
    for (uint32_t i = 0; i < EXPLAINED_SHARDS_MAX; i++) e->at[i] = -1;
    k_starts_init(&e->starts);
}

void explained_fini(struct explained *e)
{
    loaded_fini(&e->loaded);
    k_starts_fini(&e->starts);
    free(e->history);
}

int64_t explained_from(const struct explained *e, uint32_t shard)
{
    return shard < e->starts.shards ? e->starts.journal_from[shard] : 0;
}

static int plan_stored(struct explained *e, const Kappa__Internal__Identity *id, struct k_error *err)
{
    if (!id->has_graph_binary)
        return k_fail(err, K_E_CONFIG,
                      "the state does not hold its graph, because that has secret parameters: give it with --file");
    struct k_str bytes = {(const char *)id->graph_binary.data, (uint32_t)id->graph_binary.len};
    return load_binary(bytes, id->shards, &e->loaded, err);
}

static void add_history(struct explained *e, uint32_t source, const Kappa__Internal__Position__Partition *p)
{
    e->history = k_realloc(e->history, (e->history_count + 1) * sizeof *e->history);
    e->history[e->history_count++] = (struct k_explain_history){
        .source = source, .partition = p->partition, .until = p->until, .hash = p->history_hash};
}

// A state that has read history leaves out what lies before its end from then on: where it began stands in the note
// only.
int explained_read_note(struct explained *e, struct k_log *log, struct k_error *err)
{
    if (!e->noted) return 0;
    k_starts_fini(&e->starts);
    k_starts_init(&e->starts);
    return k_starts_read(log, e->loaded.plan->name, e->generation, &e->starts, err);
}

// Where the generation begins, if not with the journal: every shard's position says so of its own partitions.
static int read_starts(struct explained *e, struct k_view *view, uint32_t shard, struct k_error *err)
{
    struct k_arena arena;
    struct k_str bytes = {0};
    const struct k_plan *plan = e->loaded.plan;
    k_arena_init(&arena);
    int code = k_view_meta(view, shard, "position", &arena, &bytes, err);
    Kappa__Internal__Position *position =
        bytes.length ? kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data) : NULL;
    for (size_t i = 0; !code && position && i < position->n_partition; i++) {
        const Kappa__Internal__Position__Partition *p = position->partition[i];
        for (uint32_t s = 0; p->source && s < plan->source_count; s++) {
            if (strcmp(plan->sources[s].name, p->source) != 0) continue;
            if (p->has_begin) k_starts_add(&e->starts, plan->sources[s].topic, (int32_t)p->partition, p->begin);
            if (p->has_until) add_history(e, s, p);
        }
    }
    if (position && position->history)
        code = k_fail(err, K_E_UNAVAILABLE,
                      "shard %u is still reading the history before its journal; it can be explained afterwards",
                      shard);
    e->noted |= e->history_count || (position && position->has_journal_from);
    if (position) kappa__internal__position__free_unpacked(position, NULL);
    k_arena_fini(&arena);
    return code;
}

// Graph and position of a state directory; with --file only the latter is not wanted.
int explained_by_state(struct explained *e, const struct k_reader_options *options, struct k_error *err)
{
    struct k_state_reader *reader = NULL;
    struct k_view *view = NULL;
    struct k_arena arena;
    k_arena_init(&arena);
    int code = k_reader_open(options, &reader, err);
    if (!code) code = k_view_open(reader, &view, err);
    uint32_t count = 0, total = 0;
    const struct k_shard_view *shards = code ? NULL : k_view_shards(view, &count, &total);
    for (uint32_t i = 0; i < count; i++)
        if (shards[i].shard < EXPLAINED_SHARDS_MAX) e->at[shards[i].shard] = shards[i].journal_offset;
    struct k_str bytes = {0};
    if (!code) code = k_view_meta(view, 0, "identity", &arena, &bytes, err);
    Kappa__Internal__Identity *id =
        bytes.data ? kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data) : NULL;
    if (count) e->generation = strtoull(shards[0].generation, NULL, 10);
    if (!code && !id) code = k_fail(err, K_E_CORRUPT, "the state does not say whose it is");
    if (!code) code = plan_stored(e, id, err);
    for (uint32_t i = 0; i < count && !code; i++) code = read_starts(e, view, i, err);
    if (id) kappa__internal__identity__free_unpacked(id, NULL);
    k_view_close(view);
    k_reader_close(reader);
    k_arena_fini(&arena);
    return code;
}
