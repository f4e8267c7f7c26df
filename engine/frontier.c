// Event time: watermarks of partitions, the frontier of the shard, and the work that the frontier allows.
//
// Definitions (W(p), F, idleness) are those of docs/design.md. Everything here happens at commit boundaries, from facts
// that the journal holds, so that a follower computes the same.
// The order of work: for one frontier, node after node in plan order; a node is asked only when those before it have
// nothing left, so that rows which one node gives at a close reach the next before it closes. A newer frontier waits
// until the older one is done. The cursor is in the state itself: what was worked off is gone from it.
#include "engine/machine_private.h"

#include <stdlib.h>

static int64_t minus(int64_t a, int64_t b)
{
    if (a == INT64_MAX || a == INT64_MIN) return a;
    int64_t result;
    return __builtin_sub_overflow(a, b, &result) ? INT64_MIN : result;
}

// The watermarks that these facts give, into m->watermarks; returns the frontier.
static int64_t watermarks_at(struct k_machine *m, int64_t clock_us, const struct k_at_end *ends, uint32_t end_count,
                             bool final)
{
    for (uint32_t i = 0; i < m->input_count; i++)
        m->watermarks[i] = final ? INT64_MAX : m->inputs[i].clock.watermark_us;
    if (final) return INT64_MAX;
    bool empty_idle = false;
    for (uint32_t e = 0; e < end_count; e++) {
        struct k_input *in = &m->inputs[ends[e].input];
        const struct k_source_plan *source = &m->plan->sources[in->source];
        if (source->idle_us < 0 || in->touched || in->last_clock_us == INT64_MIN) continue;
        int64_t rest_us = clock_us - in->last_clock_us;
        if (rest_us < source->idle_us) continue;
        if (in->clock.max_time_us == INT64_MIN) {
            empty_idle = true;
            continue;
        }
        int64_t watermark = minus(in->clock.max_time_us, source->out_of_order_us - rest_us);
        if (watermark > m->watermarks[ends[e].input]) m->watermarks[ends[e].input] = watermark;
    }
    // An idle partition that never had a record has no event time of its own: it goes along with the others.
    if (empty_idle) {
        int64_t others = INT64_MAX;
        for (uint32_t i = 0; i < m->input_count; i++) {
            bool empty = m->inputs[i].clock.max_time_us == INT64_MIN;
            if (!empty && m->watermarks[i] < others) others = m->watermarks[i];
        }
        for (uint32_t e = 0; e < end_count && others != INT64_MAX; e++) {
            struct k_input *in = &m->inputs[ends[e].input];
            const struct k_source_plan *source = &m->plan->sources[in->source];
            if (source->idle_us < 0 || in->clock.max_time_us != INT64_MIN || in->last_clock_us == INT64_MIN) continue;
            if (clock_us - in->last_clock_us >= source->idle_us && others > m->watermarks[ends[e].input])
                m->watermarks[ends[e].input] = others;
        }
    }
    int64_t frontier = INT64_MAX;
    for (uint32_t i = 0; i < m->input_count; i++)
        if (m->watermarks[i] < frontier) frontier = m->watermarks[i];
    return m->input_count ? frontier : INT64_MIN;
}

static int64_t node_frontier(const struct k_node *node, int64_t frontier_us)
{
    int64_t delay_us = 0;
    for (uint32_t i = 0; i < node->input_count; i++)
        if (node->inputs[i]->delay_us > delay_us) delay_us = node->inputs[i]->delay_us;
    return minus(frontier_us, delay_us);
}

// A follower gets all the work of a transaction at once; the cache is trimmed in between all the same.
enum { SLICE = 4096 };

static void note_run(struct k_machine *m, const char *node, uint64_t units, bool begins)
{
    struct k_work_run *last = m->work_run_count ? &m->work_runs[m->work_run_count - 1] : NULL;
    if (last && !begins && last->node == node) {
        last->units += units;
        return;
    }
    if (m->work_run_count == m->work_run_capacity) {
        m->work_run_capacity = m->work_run_capacity ? m->work_run_capacity * 2 : 16;
        m->work_runs = k_realloc(m->work_runs, m->work_run_capacity * sizeof *m->work_runs);
    }
    m->work_runs[m->work_run_count++] = (struct k_work_run){node, units, begins};
}

const struct k_work_run *k_machine_work_runs(const struct k_machine *m, uint32_t *ret_count)
{
    *ret_count = m->work_run_count;
    return m->work_runs;
}

static void begin_work(struct k_machine *m)
{
    m->work_frontier_us = m->frontier_us;
    m->work_pending = true;
    m->work_node = 0;
    note_run(m, NULL, 0, true);
}

// Up to max units of one node. *ret_units less than max: it has none left.
static int work_node(struct k_machine *m, struct post *post, uint64_t max, uint64_t *ret_units, struct k_error *err)
{
    uint64_t units = 0;
    int64_t frontier_us = node_frontier(post->node, m->work_frontier_us);
    int code = post->node->type->on_frontier(post->instance, frontier_us, max, &units, err);
    k_arena_reset(&m->arena);
    if (code) return k_wrap(err, code, "%s", post->name);
    K_ASSERT(units <= max);
    if (units) note_run(m, post->name, units, false);
    if (units && m->owner.unit) code = m->owner.unit(m->owner.unit_context, err);
    if (code) return code;
    k_state_trim(m->state);
    m->work_units += units;
    *ret_units = units;
    return 0;
}

// The work at one frontier, at most max_work units of it; work_pending is false when none is left.
static int work_on(struct k_machine *m, uint64_t max_work, uint64_t *done, struct k_error *err)
{
    while (*done < max_work && m->work_pending) {
        if (m->work_node == m->plan->node_count) {
            m->work_pending = false;
            continue;
        }
        struct post *post = &m->posts[m->plan->source_count + m->work_node];
        if (!post->node->frontier || post->waits) {
            m->work_node++;
            continue;
        }
        uint64_t units = 0, slice = m->owner.unit ? 1 : SLICE;
        uint64_t wanted = max_work - *done < slice ? max_work - *done : slice;
        int code = work_node(m, post, wanted, &units, err);
        if (code) return code;
        *done += units;
        if (units < wanted) m->work_node++;
    }
    return 0;
}

int k_machine_work(struct k_machine *m, uint64_t max_work, uint64_t *ret_work, struct k_error *err)
{
    uint64_t done = 0;
    *ret_work = 0;
    while (done < max_work) {
        if (!m->work_pending) {
            if (m->work_frontier_us >= m->frontier_us) break;
            begin_work(m);
        }
        int code = work_on(m, max_work, &done, err);
        if (code) return code;
    }
    *ret_work = done;
    return 0;
}

// Whether a node would find work at this frontier (of the shard).
static int is_due(struct k_machine *m, uint32_t node, int64_t frontier_us, bool *ret_due, struct k_error *err)
{
    struct post *post = &m->posts[m->plan->source_count + node];
    int64_t next_us = INT64_MAX;
    int code = 0;
    if (post->node->frontier && !post->waits && post->node->type->next_frontier)
        code = post->node->type->next_frontier(post->instance, &next_us, err);
    *ret_due = next_us != INT64_MAX && next_us <= node_frontier(post->node, frontier_us);
    return code;
}

// Whether a node that this one hears of, through others or not, has work left at the frontier under way.
static int is_early(struct k_machine *m, uint32_t node, bool *ret_early, struct k_error *err)
{
    bool *wanted = k_new_array(bool, node + 1); // nodes whose rows reach it
    int code = 0;
    wanted[node] = true;
    *ret_early = false;
    for (uint32_t i = node; i-- > 0 && !code && !*ret_early;) {
        for (uint32_t port = 0; port < m->plan->nodes[i].output_count; port++)
            for (uint32_t l = 0; l < m->plan->node_links[i][port].count; l++) {
                uint32_t reader = m->plan->node_links[i][port].items[l].node;
                wanted[i] |= reader <= node && wanted[reader];
            }
        if (wanted[i]) code = is_due(m, i, m->work_frontier_us, ret_early, err);
    }
    free(wanted);
    return code;
}

int k_machine_work_like(struct k_machine *m, const struct k_work_run *run, struct k_error *err)
{
    uint64_t done = 0;
    if (run->begins) { // so the other has nothing left of the frontier before
        int code = work_on(m, UINT64_MAX, &done, err);
        if (code) return code;
        if (m->work_frontier_us < m->frontier_us) begin_work(m);
    }
    for (uint32_t i = 0; i < m->plan->node_count && run->node && m->work_pending; i++) {
        struct post *post = &m->posts[m->plan->source_count + i];
        if (!post->node->frontier || post->waits || strcmp(post->name, run->node) != 0) continue;
        // The other has nothing left before this node. Where this graph has, the node is not what it is there, and
        // would pass over rows that are still to come: what it has to do waits for its turn.
        bool early;
        int code = is_early(m, i, &early, err);
        if (code) return code;
        if (early) break;
        uint64_t units = 1, slice = m->owner.unit ? 1 : SLICE;
        for (uint64_t left = run->units; left > 0 && units > 0; left -= units) {
            code = work_node(m, post, left < slice ? left : slice, &units, err);
            if (code) return code;
        }
    }
    m->work_node = 0; // nodes before it may have some left
    return 0;
}

int k_machine_boundary(struct k_machine *m, int64_t clock_us, const struct k_at_end *ends, uint32_t end_count,
                       bool final, uint64_t max_work, uint64_t *ret_work, struct k_error *err)
{
    K_ASSERT(clock_us >= m->clock_us);
    m->clock_us = clock_us;
    m->work_run_count = 0;
    for (uint32_t i = 0; i < m->input_count; i++) {
        struct k_input *in = &m->inputs[i];
        // A partition that is still empty counts its rest from the first boundary of the journal.
        if (in->touched || (in->last_clock_us == INT64_MIN && in->until == 0)) in->last_clock_us = clock_us;
    }
    // One whose history was taken, from the first boundary that speaks of it: before, nobody knew what comes behind.
    for (uint32_t e = 0; e < end_count; e++)
        if (m->inputs[ends[e].input].last_clock_us == INT64_MIN) m->inputs[ends[e].input].last_clock_us = clock_us;
    if (!m->final) {
        int64_t open = watermarks_at(m, clock_us, ends, end_count, false);
        if (open > m->open_frontier_us) m->open_frontier_us = open;
    }
    if (final) m->final = true;
    int64_t frontier = watermarks_at(m, clock_us, ends, end_count, m->final);
    for (uint32_t i = 0; i < m->input_count; i++) {
        m->inputs[i].clock.watermark_us = m->watermarks[i];
        m->inputs[i].touched = false;
    }
    if (frontier > m->frontier_us) m->frontier_us = frontier;
    return k_machine_work(m, max_work, ret_work, err);
}

int k_machine_due(struct k_machine *m, int64_t clock_us, const struct k_at_end *ends, uint32_t end_count,
                  bool *ret_due, struct k_error *err)
{
    *ret_due = false;
    // Its rest begins with the boundary that says that it has one.
    for (uint32_t e = 0; e < end_count; e++) {
        const struct k_input *in = &m->inputs[ends[e].input];
        *ret_due |= in->last_clock_us == INT64_MIN && m->plan->sources[in->source].idle_us >= 0;
    }
    int64_t frontier = watermarks_at(m, clock_us, ends, end_count, m->final);
    if (frontier < m->frontier_us) frontier = m->frontier_us;
    for (uint32_t i = 0; i < m->plan->node_count && !*ret_due; i++) {
        int code = is_due(m, i, frontier, ret_due, err);
        if (code) return code;
    }
    return 0;
}

bool k_machine_is_settled(const struct k_machine *m)
{
    return !m->work_pending && m->work_frontier_us >= m->frontier_us;
}

bool k_machine_is_final(const struct k_machine *m)
{
    return m->final;
}

int64_t k_machine_frontier(const struct k_machine *m)
{
    return m->frontier_us;
}

int64_t k_machine_clock(const struct k_machine *m)
{
    return m->clock_us;
}

int k_machine_tidy(struct k_machine *m, struct k_error *err)
{
    for (uint32_t i = 0; i < m->plan->node_count; i++) {
        struct post *post = &m->posts[m->plan->source_count + i];
        if (!post->node->type->tidy || post->waits) continue;
        int code = post->node->type->tidy(post->instance, node_frontier(post->node, m->open_frontier_us), err);
        if (code) return k_wrap(err, code, "%s", post->name);
    }
    return 0;
}
