// The wiring: instances of the plan's operators, what flows between them, what is saved and loaded.
//
// A batch goes through the whole graph before the next one: emit calls the readers' on_batch, depth first. Everything
// that a batch needs lies in one arena that is reset when it is through.
#include "engine/machine_private.h"
#include "engine/shard.h"

#include "base/hash.h"

#include <stdlib.h>

static struct post *post_of(struct k_host *host)
{
    return (struct post *)host;
}

// A batch from which all started has gone through the graph: nodes that gather what came of it speak, those that are
// read before their readers.
static int flush(struct k_machine *m, struct k_error *err)
{
    int code = 0;
    for (uint32_t i = 0; i < m->plan->node_count && code == 0; i++) {
        struct post *post = &m->posts[m->plan->source_count + i];
        if (!post->node->gathers || post->waits) continue;
        code = post->node->type->on_flush(post->instance, err);
        if (code) return k_wrap(err, code, "%s", post->name);
    }
    return code;
}

static int machine_emit(struct k_host *host, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    struct post *post = post_of(host);
    struct k_machine *m = post->machine;
    if (batch->selected == 0) return 0;
    post->counters.out += batch->selected;
    if (m->owner.tap && m->outputs_wanted) m->owner.tap(m->owner.tap_context, post->outputs[port].name, batch);
    const struct k_links *links = &post->links[port];
    m->emit_depth++;
    for (uint32_t i = 0; i < links->count; i++) {
        struct post *reader = &m->posts[m->plan->source_count + links->items[i].node];
        if (reader->waits) continue;
        reader->counters.in += batch->selected;
        int code = reader->node->type->on_batch(reader->instance, links->items[i].port, batch, err);
        if (code) return k_wrap(err, code, "%s", reader->name);
    }
    int code = m->gathers && m->emit_depth == 1 ? flush(m, err) : 0;
    m->emit_depth--;
    return code;
}

const struct k_host_ops machine_host_ops = {
    .emit = machine_emit, .output = machine_output, .fail = machine_fail, .late = machine_late};

static void prepare_post(struct k_machine *m, struct post *post)
{
    post->machine = m;
    post->host = (struct k_host){.ops = &machine_host_ops,
                                 .arena = &m->arena,
                                 .counters = &post->counters,
                                 .state = m->state,
                                 .outputs_wanted = false};
}

int machine_open_node(struct post *post, struct k_error *err)
{
    const struct k_operator *type = post->node->type;
    post->waits = false;
    post->instance = k_alloc(type->instance_size);
    int code = type->open(post->instance, post->node, &post->host, err);
    return code ? k_wrap(err, code, "%s \"%s\"", type->name, post->node->name) : 0;
}

static int open_posts(struct k_machine *m, struct k_error *err)
{
    const struct k_plan *plan = m->plan;
    m->post_count = plan->source_count + plan->node_count;
    m->posts = k_new_array(struct post, m->post_count + 1);
    for (uint32_t i = 0; i < plan->source_count; i++) {
        struct post *post = &m->posts[i];
        const struct k_source_plan *source = &plan->sources[i];
        prepare_post(m, post);
        post->name = source->name;
        post->links = &plan->source_links[i];
        post->outputs = &source->edge;
        post->on_error = source->on_error;
        post->dead_letter_topic = source->dead_letter_topic;
        int code = k_source_open(source, &post->host, &post->source, err);
        if (code) return k_wrap(err, code, "source \"%s\"", source->name);
    }
    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct post *post = &m->posts[plan->source_count + i];
        const struct k_node *node = &plan->nodes[i];
        prepare_post(m, post);
        post->name = node->name;
        post->links = plan->node_links[i];
        post->outputs = node->outputs;
        post->on_error = node->on_error;
        post->dead_letter_topic = node->dead_letter_topic;
        post->node = node;
        m->gathers |= node->gathers;
        post->waits = machine_is_waiting(m, node->name);
        int code = post->waits ? 0 : machine_open_node(post, err);
        if (code) return code;
    }
    return 0;
}

static void make_inputs(struct k_machine *m, const uint32_t *partitions)
{
    const struct k_plan *plan = m->plan;
    m->partitions = k_new_array(uint32_t, plan->source_count + 1);
    m->first_input = k_new_array(uint32_t, plan->source_count + 1);
    uint32_t total = 0;
    for (uint32_t s = 0; s < plan->source_count; s++) total += partitions[s];
    m->inputs = k_new_array(struct k_input, total + 1);
    m->watermarks = k_new_array(int64_t, total + 1);
    for (uint32_t s = 0; s < plan->source_count; s++) {
        m->partitions[s] = partitions[s];
        m->first_input[s] = m->input_count;
        for (uint32_t p = m->shard; p < partitions[s]; p += plan->shards)
            m->inputs[m->input_count++] = (struct k_input){.source = s,
                                                           .partition = p,
                                                           .next = -1,
                                                           .last_offset = -1,
                                                           .clock = {INT64_MIN, INT64_MIN},
                                                           .last_clock_us = INT64_MIN};
    }
}

// Rows of one key from several sources meet in one shard only if their topics are spread over as many partitions.
static int check_partitions(const struct k_plan *plan, const uint32_t *partitions, struct k_error *err)
{
    for (uint32_t i = 0; i < plan->node_count && plan->shards > 1; i++) {
        const struct k_edge *edge = plan->nodes[i].inputs[0];
        for (uint32_t s = 1; edge->keyed_by_partition && s < edge->source_count; s++) {
            const struct k_source_plan *one = edge->sources[0], *other = edge->sources[s];
            uint32_t has = partitions[one - plan->sources], others = partitions[other - plan->sources];
            if (has == others) continue;
            return k_fail(
                err, K_E_CONFIG,
                "\"%s\" with --shards %u puts rows of topic %s (%u partitions) and topic %s (%u partitions) "
                "together by key, but keys lie in the same shard only when both topics have as many partitions",
                plan->nodes[i].name, plan->shards, one->topic, has, other->topic, others);
        }
    }
    return 0;
}

int k_machine_open(const struct k_plan *plan, uint32_t shard, const uint32_t *partitions, struct k_state *state,
                   const struct k_machine_owner *owner, struct k_machine **ret, struct k_error *err)
{
    struct k_machine *m = k_new(struct k_machine);
    m->plan = plan;
    m->shard = shard;
    m->state = state;
    m->owner = *owner;
    m->clock_us = m->frontier_us = m->open_frontier_us = m->work_frontier_us = INT64_MIN;
    k_arena_init(&m->arena);
    make_inputs(m, partitions);
    int code = check_partitions(plan, partitions, err);
    if (!code) code = open_posts(m, err);
    if (code) {
        k_machine_close(m);
        return code;
    }
    *ret = m;
    return 0;
}

void k_machine_close(struct k_machine *m)
{
    if (!m) return;
    for (uint32_t i = 0; m->posts && i < m->post_count; i++) {
        if (m->posts[i].source) k_source_close(m->posts[i].source);
        if (!m->posts[i].instance) continue;
        m->posts[i].node->type->close(m->posts[i].instance);
        free(m->posts[i].instance);
    }
    free(m->posts);
    free(m->inputs);
    free(m->watermarks);
    free(m->work_runs);
    free(m->partitions);
    free(m->first_input);
    k_arena_fini(&m->arena);
    free(m);
}

void k_machine_want_outputs(struct k_machine *m, bool wanted)
{
    m->outputs_wanted = wanted;
    for (uint32_t i = 0; i < m->post_count; i++) m->posts[i].host.outputs_wanted = wanted;
}

struct k_input *k_machine_inputs(struct k_machine *m, uint32_t *ret_count)
{
    *ret_count = m->input_count;
    return m->inputs;
}

int32_t k_machine_find_input(const struct k_machine *m, uint32_t source, uint32_t partition)
{
    if (source >= m->plan->source_count || partition >= m->partitions[source]) return -1;
    if (partition % m->plan->shards != m->shard) return -1;
    return (int32_t)(m->first_input[source] + partition / m->plan->shards);
}

uint64_t k_record_hash(uint64_t before, const struct k_message *message)
{
    int64_t facts[4] = {message->offset, message->timestamp_us, message->has_key ? (int64_t)message->key.length : -1,
                        message->has_value ? (int64_t)message->value.length : -1};
    return k_hash_seeded(facts, sizeof facts, before);
}

// Planted bugs that give a partition a watermark which is not that of its own prefix; nothing in the product.
static void plant_watermark(struct k_machine *m, struct k_input *in, bool behind)
{
    int64_t *watermark_us = &in->clock.watermark_us;
    if (K_PLANT(late_by_clock) && m->clock_us > *watermark_us) *watermark_us = m->clock_us;
    for (uint32_t i = 0; K_PLANT(late_by_mixed) && i < m->input_count; i++)
        if (m->inputs[i].clock.watermark_us > *watermark_us) *watermark_us = m->inputs[i].clock.watermark_us;
    if (K_PLANT(batch_boundary_shows) && behind && in->clock.max_time_us > *watermark_us)
        *watermark_us = in->clock.max_time_us;
}

int k_machine_feed(struct k_machine *m, uint32_t input, const struct k_message *const *messages, uint32_t count,
                   struct k_error *err)
{
    struct k_input *in = &m->inputs[input];
    struct post *post = &m->posts[in->source];
    m->feeding = in->source;
    for (; count > 0 && messages[0]->offset < in->begin; messages++) count--;
    while (count > 0) {
        uint32_t n = count < K_BATCH_ROWS ? count : K_BATCH_ROWS, used;
        plant_watermark(m, in, false);
        int code = k_source_feed(post->source, messages, n, m->partitions[in->source], &in->clock, &used, err);
        plant_watermark(m, in, true);
        k_arena_reset(&m->arena);
        if (code) return k_wrap(err, code, "source \"%s\"", post->name);
        k_state_trim(m->state);
        if (used == 0) continue; // more than a batch in one message
        in->records += used;
        in->last_offset = messages[used - 1]->offset;
        in->last_hash = k_record_hash(0, messages[used - 1]);
        in->touched = true;
        messages += used;
        count -= used;
    }
    return 0;
}

void k_machine_times(struct k_machine *m, uint32_t input, const struct k_message *const *messages, uint32_t count,
                     int64_t *ret_times)
{
    k_source_times(m->posts[m->inputs[input].source].source, messages, count, ret_times);
    k_arena_reset(&m->arena);
}

void *k_machine_instance(struct k_machine *m, uint32_t node)
{
    return m->posts[m->plan->source_count + node].instance;
}

const struct k_counters *k_machine_counters(const struct k_machine *m, uint32_t index, const char **ret_name)
{
    *ret_name = m->posts[index].name;
    return &m->posts[index].counters;
}

uint32_t k_machine_counters_count(const struct k_machine *m)
{
    return m->post_count;
}

int k_machine_check_sums(const struct k_machine *m, struct k_error *err)
{
    for (uint32_t i = 0; i < m->post_count; i++) {
        const struct k_counters *c = &m->posts[i].counters;
        uint64_t sum = c->processed + c->filtered + c->late + c->dropped + c->dead_lettered;
        if (sum == c->in) continue;
        return k_fail(err, K_E_BUG, "\"%s\" took in %llu rows but accounts for %llu", m->posts[i].name,
                      (unsigned long long)c->in, (unsigned long long)sum);
    }
    return 0;
}
