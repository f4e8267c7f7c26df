// The machine's part of a position: what a checkpoint saves beside the state, and loads again.
#include "engine/machine_private.h"

static Kappa__Internal__Position__Partition *save_input(const struct k_machine *m, const struct k_input *in,
                                                        struct k_arena *arena)
{
    Kappa__Internal__Position__Partition *p = k_arena_get(arena, sizeof *p);
    kappa__internal__position__partition__init(p);
    p->source = (char *)m->plan->sources[in->source].name;
    p->has_partition = p->has_next = p->has_records = true;
    p->partition = in->partition;
    p->next = in->next;
    p->records = in->records;
    p->has_max_time_us = in->clock.max_time_us != INT64_MIN;
    p->max_time_us = in->clock.max_time_us;
    p->has_watermark_us = in->clock.watermark_us != INT64_MIN;
    p->watermark_us = in->clock.watermark_us;
    p->has_last_clock_us = in->last_clock_us != INT64_MIN;
    p->last_clock_us = in->last_clock_us;
    p->has_last_offset = p->has_last_hash = in->last_offset >= 0;
    p->last_offset = in->last_offset;
    p->last_hash = in->last_hash;
    p->has_begin = in->begin > 0;
    p->begin = in->begin;
    p->has_until = p->has_history_hash = in->until > 0;
    p->until = in->until;
    p->history_hash = in->history_hash;
    return p;
}

static Kappa__Internal__Position__Counters *save_counters(const struct post *post, struct k_arena *arena)
{
    Kappa__Internal__Position__Counters *c = k_arena_get(arena, sizeof *c);
    kappa__internal__position__counters__init(c);
    c->node = (char *)post->name;
    c->has_in = c->has_processed = c->has_filtered = c->has_late = c->has_dropped = c->has_dead_lettered =
        c->has_out = true;
    c->in = post->counters.in;
    c->processed = post->counters.processed;
    c->filtered = post->counters.filtered;
    c->late = post->counters.late;
    c->dropped = post->counters.dropped;
    c->dead_lettered = post->counters.dead_lettered;
    c->out = post->counters.out;
    return c;
}

void k_machine_save(const struct k_machine *m, struct k_arena *arena, Kappa__Internal__Position *position)
{
    position->n_partition = m->input_count;
    position->partition = k_arena_get(arena, (m->input_count + 1) * sizeof *position->partition);
    for (uint32_t i = 0; i < m->input_count; i++) position->partition[i] = save_input(m, &m->inputs[i], arena);
    position->n_counters = m->post_count;
    position->counters = k_arena_get(arena, (m->post_count + 1) * sizeof *position->counters);
    for (uint32_t i = 0; i < m->post_count; i++) position->counters[i] = save_counters(&m->posts[i], arena);
    position->has_clock_us = m->clock_us != INT64_MIN;
    position->clock_us = m->clock_us;
    position->has_frontier_us = m->open_frontier_us != INT64_MIN;
    position->frontier_us = m->open_frontier_us;
    position->has_work_frontier_us = m->work_frontier_us != INT64_MIN;
    position->work_frontier_us = m->work_frontier_us;
    position->has_work_pending = position->has_final = position->has_work_units = true;
    position->work_pending = m->work_pending;
    position->final = m->final;
    position->work_units = m->work_units;
}

int machine_load_input(struct k_machine *m, const Kappa__Internal__Position__Partition *p, struct k_error *err)
{
    for (uint32_t s = 0; s < m->plan->source_count; s++) {
        if (!p->source || strcmp(m->plan->sources[s].name, p->source) != 0) continue;
        int32_t index = k_machine_find_input(m, s, p->partition);
        if (index < 0) break;
        struct k_input *in = &m->inputs[index];
        in->next = p->next;
        in->records = p->records;
        in->clock.max_time_us = p->has_max_time_us ? p->max_time_us : INT64_MIN;
        in->clock.watermark_us = p->has_watermark_us ? p->watermark_us : INT64_MIN;
        in->last_clock_us = p->has_last_clock_us ? p->last_clock_us : INT64_MIN;
        in->last_offset = p->has_last_offset ? p->last_offset : -1;
        in->last_hash = p->last_hash;
        in->begin = p->begin;
        in->until = p->until;
        in->history_hash = p->history_hash;
        return 0;
    }
    return k_fail(err, K_E_CORRUPT, "the state knows partition %u of source \"%s\", which does not exist here",
                  p->partition, p->source ? p->source : "");
}

void machine_load_counters(struct post *post, const Kappa__Internal__Position *position)
{
    for (size_t i = 0; i < position->n_counters; i++) {
        const Kappa__Internal__Position__Counters *c = position->counters[i];
        if (!c->node || strcmp(post->name, c->node) != 0) continue;
        post->counters = (struct k_counters){.in = c->in,
                                             .processed = c->processed,
                                             .filtered = c->filtered,
                                             .late = c->late,
                                             .dropped = c->dropped,
                                             .dead_lettered = c->dead_lettered,
                                             .out = c->out};
    }
}

void machine_load_frontier(struct k_machine *m, const Kappa__Internal__Position *position)
{
    m->open_frontier_us = position->has_frontier_us ? position->frontier_us : INT64_MIN;
    m->frontier_us = position->final ? INT64_MAX : m->open_frontier_us;
    m->work_frontier_us = position->has_work_frontier_us ? position->work_frontier_us : INT64_MIN;
    m->work_pending = position->work_pending;
    m->work_node = 0;
}

int k_machine_load(struct k_machine *m, const Kappa__Internal__Position *position, struct k_error *err)
{
    for (size_t i = 0; i < position->n_partition; i++) {
        int code = machine_load_input(m, position->partition[i], err);
        if (code) return code;
    }
    for (uint32_t p = 0; p < m->post_count; p++) machine_load_counters(&m->posts[p], position);
    m->clock_us = position->has_clock_us ? position->clock_us : INT64_MIN;
    machine_load_frontier(m, position);
    m->final = position->final;
    m->work_units = position->work_units;
    return 0;
}
