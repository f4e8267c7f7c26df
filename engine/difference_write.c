// Writing the difference of a switch: the leader's part, a portion in each transaction.
//
// For each keyed sink, in the plan's order, the copies of its table are walked side by side; each key in which they
// differ is written as the row is now, or as a tombstone where there is none. The sink writes it as any row of its own,
// through an instance beside the one in the graph, so that its counters say nothing of this.
#include "engine/shard_private.h"
#include "operators/table.h"
#include "state/table_walk.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAIT_US = 1000000, BATCH_ROWS = 256 };

struct difference_work {
    struct k_host host; // first: of the sink's instance
    struct k_shard *shard;
    struct k_store *copies[2]; // of who led before, and of this generation
    Kappa__V1__Graph *before;  // of who led before; NULL: the state does not say (it has secret parameters)
    struct k_table_walk *walk;
    int32_t sink, table; // the plan's nodes under way; -1: none
    void *instance;      // of the sink
    struct k_counters counters;
    struct k_arena arena;                           // of the batch
    struct k_arena gathered;                        // keys
    struct k_str keys[BATCH_ROWS], old[BATCH_ROWS]; // old: for the planted bug
    uint32_t count;
    uint32_t failed[BATCH_ROWS], failed_count; // rows of the batch that the sink cannot write
};

static int on_output(struct k_host *host, const struct k_output *output, struct k_error *err)
{
    struct difference_work *work = (struct difference_work *)host;
    work->shard->difference.written++;
    return lead_output(work->shard, output, err);
}

static int on_fail(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason,
                   const char *text, struct k_error *err)
{
    (void)batch, (void)reason, (void)text, (void)err;
    struct difference_work *work = (struct difference_work *)host;
    K_ASSERT(work->failed_count < BATCH_ROWS);
    work->failed[work->failed_count++] = row;
    return 0;
}

static const struct k_host_ops host_ops = {.output = on_output, .fail = on_fail};

static void end_sink(struct difference_work *work)
{
    k_table_walk_close(work->walk);
    work->walk = NULL;
    if (work->instance) work->shard->options.plan->nodes[work->sink].type->close(work->instance);
    free(work->instance);
    work->instance = NULL;
    work->sink = work->table = -1;
}

void difference_work_end(struct k_shard *shard)
{
    struct difference_work *work = shard->difference.work;
    shard->difference.work = NULL;
    if (!work) return;
    end_sink(work);
    for (int i = 0; i < 2; i++)
        if (work->copies[i]) work->copies[i]->ops->close(work->copies[i]);
    if (work->before) kappa__v1__graph__free_unpacked(work->before, NULL);
    k_arena_fini(&work->arena);
    k_arena_fini(&work->gathered);
    free(work);
}

// A copy of another place is one of an attempt that came to nothing.
static int check_copy(const struct k_shard *shard, struct k_store *copy, const char *generation, struct k_error *err)
{
    struct k_arena arena;
    struct k_str bytes;
    k_arena_init(&arena);
    int code = k_store_note(copy, "position", &arena, &bytes, err);
    if (!code) {
        Kappa__Internal__Position *position =
            kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        if (!position || position->sequence != shard->difference.sequence)
            code = k_fail(err, K_E_NOT_FOUND, "the copy of generation %s does not stand at the switch", generation);
        if (position) kappa__internal__position__free_unpacked(position, NULL);
    }
    k_arena_fini(&arena);
    return code;
}

static int read_graph(struct difference_work *work, struct k_error *err)
{
    struct k_str bytes;
    int code = k_store_note(work->copies[0], "identity", &work->arena, &bytes, err);
    if (code || !bytes.data) return code;
    Kappa__Internal__Identity *identity =
        kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!identity) return k_fail(err, K_E_CORRUPT, "the copy does not say whose it is");
    if (identity->has_graph_binary)
        work->before = kappa__v1__graph__unpack(NULL, identity->graph_binary.len, identity->graph_binary.data);
    kappa__internal__identity__free_unpacked(identity, NULL);
    return 0;
}

static int open_work(struct k_shard *shard, struct k_error *err)
{
    const struct k_shard_options *o = &shard->options;
    struct difference *d = &shard->difference;
    struct difference_work *work = d->work = k_new(struct difference_work);
    work->shard = shard;
    work->sink = work->table = -1;
    k_arena_init(&work->arena);
    k_arena_init(&work->gathered);
    work->host = (struct k_host){.ops = &host_ops,
                                 .arena = &work->arena,
                                 .counters = &work->counters,
                                 .state = shard->store,
                                 .outputs_wanted = true};
    for (int i = 0; i < 2; i++) {
        const char *generation = i ? o->generation : d->from;
        TRY(o->copies->open(o->copies_context, d->seq, generation, &work->copies[i], err));
        TRY(check_copy(shard, work->copies[i], generation, err));
    }
    return read_graph(work, err);
}

// Whether who led before wrote this topic, by key. If not, it shows nothing yet, whatever table there was.
static bool shown_before(const struct difference_work *work, const char *topic)
{
    const Kappa__V1__Graph *graph = work->before;
    if (!graph) return true;
    for (size_t i = 0; i < graph->n_sink; i++) {
        const Kappa__V1__Sink *sink = graph->sink[i];
        if (sink->n_key && sink->kafka && sink->kafka->topic && strcmp(sink->kafka->topic, topic) == 0) return true;
    }
    return false;
}

// The keyed sink behind this one (-1: the first); -1: there is none.
static int32_t next_sink(const struct k_plan *plan, int32_t after)
{
    for (uint32_t i = (uint32_t)(after + 1); i < plan->node_count; i++)
        if (k_plan_is_keyed_sink(&plan->nodes[i])) return (int32_t)i;
    return -1;
}

static int32_t find_sink(const struct k_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (k_plan_is_keyed_sink(&plan->nodes[i]) && strcmp(plan->nodes[i].name, name) == 0) return (int32_t)i;
    return -1;
}

static int begin_sink(struct difference_work *work, int32_t sink, struct k_error *err)
{
    const struct k_plan *plan = work->shard->options.plan;
    const struct k_node *node = &plan->nodes[sink];
    int32_t table = k_plan_table_of_sink(plan, node);
    if (table < 0) return k_fail(err, K_E_CONFIG, "no table has the rows of sink \"%s\" by its key", node->name);
    work->instance = k_alloc(node->type->instance_size);
    work->sink = sink;
    work->table = table;
    TRY(node->type->open(work->instance, node, &work->host, err));
    struct k_store *left = shown_before(work, node->topics[0]) ? work->copies[0] : NULL;
    return k_table_walk_open(left, work->copies[1], plan->nodes[table].name, &work->walk, err);
}

// Opens what is needed to go on.
static int prepare(struct k_shard *shard, struct k_error *err)
{
    struct difference *d = &shard->difference;
    const struct k_plan *plan = shard->options.plan;
    if (!d->work) TRY(open_work(shard, err));
    if (d->work->sink >= 0) return 0;
    int32_t sink = d->sink ? find_sink(plan, d->sink) : next_sink(plan, -1);
    if (sink < 0 && d->sink)
        return k_fail(err, K_E_CORRUPT, "the journal names sink \"%s\", which has no key", d->sink);
    if (sink < 0) return 0; // no sink is keyed: it is through at once
    TRY(begin_sink(d->work, sink, err));
    if (d->some) k_table_walk_seek(d->work->walk, k_buf_str(&d->after));
    return 0;
}

// Writes the keys gathered, as their rows are now.
static int flush(struct difference_work *work, struct k_error *err)
{
    struct k_shard *shard = work->shard;
    const struct k_node *node = &shard->options.plan->nodes[work->sink];
    if (work->count == 0) return 0;
    struct table *table = k_machine_instance(shard->machine, (uint32_t)work->table);
    struct k_str *rows = k_arena_array(&work->arena, struct k_str, work->count);
    struct k_batch batch;
    TRY(k_table_find(table, work->keys, work->count, &work->arena, rows, err));
    if (K_PLANT(difference_old)) rows = work->old;
    TRY(k_table_rows(table, work->keys, rows, work->count, k_machine_frontier(shard->machine), &work->arena, &batch,
                     err));
    TRY(node->type->on_batch(work->instance, 0, &batch, err));
    // A row that cannot be written takes back what the topic shows of it.
    uint32_t failed = work->failed_count;
    work->failed_count = 0;
    int8_t *gone = k_arena_get(&work->arena, work->count);
    memset(gone, -1, work->count);
    batch.weight = gone;
    batch.selection = work->failed;
    batch.selected = failed;
    if (failed) TRY(node->type->on_batch(work->instance, 0, &batch, err));
    work->count = 0;
    k_arena_reset(&work->arena);
    k_arena_reset(&work->gathered);
    k_state_trim(shard->store);
    return 0;
}

static void note_key(struct difference *d, struct k_str key)
{
    d->some = true;
    k_buf_clear(&d->after);
    k_buf_add(&d->after, key.data, key.length);
    d->compared++;
}

// Behind the last key of a sink's table: the next sink, or the end.
static void finish_sink(struct k_shard *shard)
{
    struct difference *d = &shard->difference;
    const struct k_plan *plan = shard->options.plan;
    int32_t sink = d->work->sink < 0 ? -1 : next_sink(plan, d->work->sink);
    end_sink(d->work);
    free(d->sink);
    d->sink = sink < 0 ? NULL : k_strdup(plan->nodes[sink].name);
    d->some = false;
    d->done = sink < 0;
}

static void gather(struct difference_work *work, const struct k_table_step *step)
{
    struct k_arena *arena = &work->gathered;
    work->keys[work->count] = (struct k_str){k_arena_copy(arena, step->key.data, step->key.length), step->key.length};
    if (K_PLANT(difference_old))
        work->old[work->count] =
            step->right.data
                ? (struct k_str){k_arena_copy(arena, step->right.data, step->right.length), step->right.length}
                : (struct k_str){NULL, 0};
    work->count++;
}

// One portion of keys, and of those that differ, one batch. An error in *why is of the copies, that in *err of the
// state or the log.
static int write_some(struct k_shard *shard, uint64_t *keys, uint32_t rows, struct k_error *why, struct k_error *err)
{
    struct difference_work *work = shard->difference.work;
    struct k_table_step step = {0};
    for (; *keys && work->count < rows && !step.end; --*keys) {
        if (k_table_walk_next(work->walk, &step, why)) break;
        if (step.end) continue;
        if (step.differs) gather(work, &step);
        note_key(&shard->difference, step.key);
    }
    TRY(flush(work, err));
    if (step.end) finish_sink(shard);
    return 0;
}

static int write_portion(struct k_shard *shard, struct k_error *why, struct k_error *err)
{
    struct difference *d = &shard->difference;
    uint32_t most = shard->options.difference_rows ? shard->options.difference_rows : K_DIFFERENCE_ROWS;
    uint64_t keys = (uint64_t)most * K_DIFFERENCE_KEYS_PER_ROW, until = d->written + most;
    int64_t began_us = shard_now(shard);
    if (d->work->sink < 0) {
        finish_sink(shard); // no sink is keyed
        return 0;
    }
    free(d->sink);
    d->sink = k_strdup(shard->options.plan->nodes[d->work->sink].name);
    while (!why->code && keys && d->written < until && d->work->sink >= 0 &&
           shard->output_bytes < lead_output_limit(shard) &&
           shard_since(shard, began_us) < shard->options.step_budget_us / 2) {
        uint64_t left = until - d->written;
        TRY(write_some(shard, &keys, left < BATCH_ROWS ? (uint32_t)left : BATCH_ROWS, why, err));
    }
    return 0;
}

bool difference_is_due(struct k_shard *shard)
{
    const struct difference *d = &shard->difference;
    const struct k_shard_options *o = &shard->options;
    if (!d->seq || d->done || d->seq != shard->seq || !o->copies || !o->orders || o->mute || shard->stopping)
        return false;
    // The switch may still be taken back; and the rows of one boundary are those behind all of its work.
    if (atomic_load(&o->orders->done) < d->seq || !k_machine_is_settled(shard->machine)) return false;
    return !d->waits_at_us || shard_since(shard, d->waits_at_us) >= WAIT_US;
}

// What is in the way of the copies is for people, and no reason to stop the pipeline: it is said, and tried again.
static void wait_for_copies(struct k_shard *shard, const struct k_error *why)
{
    shard->difference.waits_at_us = shard_now(shard);
    k_join_cut(shard->report.difference_waits, sizeof shard->report.difference_waits, 0, why->text);
    difference_work_end(shard);
}

int difference_write(struct k_shard *shard, bool *ret_moved, struct k_error *err)
{
    struct difference *d = &shard->difference;
    struct k_error why = {0};
    *ret_moved = false;
    if (!difference_is_due(shard)) return 0;
    shard->report.difference_waits[0] = 0;
    d->waits_at_us = 0;
    if (!prepare(shard, &why)) {
        *ret_moved = true;
        TRY(write_portion(shard, &why, err));
    }
    if (why.code) wait_for_copies(shard, &why);
    return 0;
}
