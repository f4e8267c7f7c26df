// Puts the rows of several inputs together.
//
// A row brings its event time, the watermark of its own partition and its weight along, so nothing about time needs to
// be decided here: lateness is judged by what the row brings, and the frontier is one for all sources.
// What needs care is the order. Inputs that come from different sources never have rows of one batch: these pass as
// they are. But where the graph divides and meets again here, a batch comes once on each way, and handing it on as it
// comes would show where the sources' records were cut into batches. Such a union gathers what becomes of one batch
// (union_merge.c), and hands it on as batches of one record would have come: record by record, input by input.
#include "operators/plant.h"
#include "operators/union.h"

struct union_config {
    int32_t **from; // per input and column: the input's column
    bool gathers;
};

struct union_instance {
    struct k_host *host;
    const struct k_node *node;
    const struct union_config *config;
    struct k_union_merge merge;
};

// --- planning ---

struct planning {
    struct k_planner *planner;
    struct k_node *node;
    struct union_config *config;
    bool good;
};

static void refuse(struct planning *p, uint32_t input, const char *why)
{
    k_plan_error(p->planner, p->node->owner, "input", (int)input, K0406,
                 "union \"%s\": %s; a map can bring the inputs "
                 "into one form",
                 p->node->name, why);
    p->good = false;
}

// Input 0 has `wanted`; what is it in another input? -1 after a report.
static int32_t find_column(struct planning *p, uint32_t input, const struct k_field *wanted)
{
    const struct k_edge *first = p->node->inputs[0], *edge = p->node->inputs[input];
    struct k_arena *arena = p->planner->arena;
    int32_t at = k_schema_find(&edge->schema, k_str_of(wanted->name));
    if (at < 0 || edge->schema.fields[at].hidden != wanted->hidden) {
        if (wanted->hidden) return -1; // a system column that not all have is none of the union's
        const char *nearest = k_nearest_column(&edge->schema, wanted->name);
        refuse(p, input,
               k_arena_format(arena, "input \"%s\" has no column \"%s\", which \"%s\" has%s%s%s", edge->name,
                              wanted->name, first->name, nearest ? "; is it \"" : "", nearest ? nearest : "",
                              nearest ? "\"?" : ""));
        return -1;
    }
    if (edge->schema.fields[at].type == wanted->type) return at;
    if (wanted->hidden) return -1;
    refuse(p, input,
           k_arena_format(arena, "column \"%s\" is of type %s in input \"%s\" and of type %s in \"%s\"", wanted->name,
                          k_type_name(edge->schema.fields[at].type), edge->name, k_type_name(wanted->type),
                          first->name));
    return -1;
}

// Columns that the first input does not have.
static void check_more(struct planning *p, uint32_t input)
{
    const struct k_edge *first = p->node->inputs[0], *edge = p->node->inputs[input];
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        const struct k_field *field = &edge->schema.fields[i];
        if (field->hidden || k_schema_find(&first->schema, k_str_of(field->name)) >= 0) continue;
        refuse(p, input,
               k_arena_format(p->planner->arena, "input \"%s\" has a column \"%s\", which \"%s\" has not", edge->name,
                              field->name, first->name));
    }
}

static void plan_columns(struct planning *p, struct k_edge *edge)
{
    const struct k_node *node = p->node;
    const struct k_schema *first = &node->inputs[0]->schema;
    struct k_arena *arena = p->planner->arena;
    edge->schema.fields = k_arena_array(arena, struct k_field, first->count);
    p->config->from = k_arena_array(arena, int32_t *, node->input_count);
    for (uint32_t i = 0; i < node->input_count; i++) p->config->from[i] = k_arena_array(arena, int32_t, first->count);
    for (uint32_t c = 0; c < first->count; c++) {
        struct k_field field = first->fields[c];
        bool everywhere = true;
        field.json_path = NULL;
        for (uint32_t i = 0; i < node->input_count; i++) {
            int32_t at = i ? find_column(p, i, &field) : (int32_t)c;
            p->config->from[i][edge->schema.count] = at;
            if (at < 0) everywhere = false;
            else field.not_null &= node->inputs[i]->schema.fields[at].not_null;
        }
        if (everywhere) edge->schema.fields[edge->schema.count++] = field;
    }
    for (uint32_t i = 1; i < node->input_count; i++) check_more(p, i);
    edge->read = k_arena_zeroed(arena, edge->schema.count + 1);
}

static bool has_source(const struct k_source_plan *const *sources, uint32_t count, const struct k_source_plan *source)
{
    for (uint32_t i = 0; i < count; i++)
        if (sources[i] == source) return true;
    return false;
}

static void plan_sources(struct planning *p, struct k_edge *edge)
{
    const struct k_node *node = p->node;
    uint32_t most = 0, count = 0;
    for (uint32_t i = 0; i < node->input_count; i++) most += node->inputs[i]->source_count;
    const struct k_source_plan **sources = k_arena_array(p->planner->arena, const struct k_source_plan *, most);
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct k_edge *input = node->inputs[i];
        for (uint32_t s = 0; s < input->source_count; s++) {
            if (has_source(sources, count, input->sources[s])) p->config->gathers = true;
            else sources[count++] = input->sources[s];
        }
    }
    edge->sources = sources;
    edge->source_count = count;
}

// What all inputs have in common, column by column: -1 where one differs.
static int32_t common_column(const struct planning *p, const struct k_edge *edge, size_t member)
{
    int32_t column = -1;
    for (uint32_t i = 0; i < p->node->input_count; i++) {
        int32_t of_input = *(const int32_t *)((const char *)p->node->inputs[i] + member), here = -1;
        for (uint32_t c = 0; c < edge->schema.count && of_input >= 0; c++)
            if (p->config->from[i][c] == of_input) here = (int32_t)c;
        if (here < 0 || (i > 0 && here != column)) return -1;
        column = here;
    }
    return column;
}

static void plan_rows(struct planning *p, struct k_edge *edge)
{
    const struct k_node *node = p->node;
    edge->window_start = common_column(p, edge, offsetof(struct k_edge, window_start));
    edge->window_end = common_column(p, edge, offsetof(struct k_edge, window_end));
    if (edge->window_start < 0 || edge->window_end < 0) edge->window_start = edge->window_end = -1;
    edge->partition_column = common_column(p, edge, offsetof(struct k_edge, partition_column));
    edge->keyed_by_partition = edge->partition_column >= 0;
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct k_edge *input = node->inputs[i];
        edge->updating |= input->updating;
        edge->made |= input->made;
        edge->rejoined |= input->rejoined || p->config->gathers;
        if (input->order > edge->order) edge->order = input->order;
        if (input->delay_us > edge->delay_us) edge->delay_us = input->delay_us;
        edge->keyed_by_partition &= input->keyed_by_partition;
    }
    // Keys of differently spread sources do not lie in the same partitions.
    for (uint32_t s = 1; s < edge->source_count; s++)
        if (edge->sources[s]->crc32 != edge->sources[0]->crc32) edge->keyed_by_partition = false;
}

static bool union_plan(struct k_planner *planner, struct k_node *node)
{
    struct k_edge *edge = k_arena_zeroed(planner->arena, sizeof *edge);
    struct planning p = {planner, node, k_arena_zeroed(planner->arena, sizeof(struct union_config)), true};
    edge->name = node->name;
    plan_columns(&p, edge);
    if (!p.good) return false;
    plan_sources(&p, edge);
    plan_rows(&p, edge);
    node->outputs = edge;
    node->output_count = 1;
    node->config = p.config;
    node->gathers = p.config->gathers;
    return true;
}

static void union_read_back(const struct k_node *node)
{
    const struct union_config *config = node->config;
    const struct k_edge *edge = &node->outputs[0];
    for (uint32_t c = 0; c < edge->schema.count; c++)
        for (uint32_t i = 0; i < node->input_count && edge->read[c]; i++)
            node->inputs[i]->read[config->from[i][c]] = true;
}

// --- rows ---

static int union_open(void *instance, const struct k_node *node, struct k_host *host, struct k_error *err)
{
    (void)err;
    struct union_instance *all = instance;
    all->host = host;
    all->node = node;
    all->config = node->config;
    k_union_merge_init(&all->merge, &node->outputs[0]);
    return 0;
}

static int union_on_batch(void *instance, uint32_t port, const struct k_batch *batch, struct k_error *err)
{
    struct union_instance *all = instance;
    const struct k_schema *schema = &all->node->outputs[0].schema;
    const int32_t *from = all->config->from[port];
    struct k_column *columns = k_arena_array(batch->arena, struct k_column, schema->count);
    for (uint32_t c = 0; c < schema->count; c++) columns[c] = batch->columns[from[c]];
    struct k_batch out = *batch;
    out.schema = schema;
    out.columns = columns;
    all->host->counters->processed += batch->selected;
    if (!all->config->gathers || K_OPERATOR_PLANT(union_by_arrival))
        return all->host->ops->emit(all->host, 0, &out, err);
    k_union_merge_take(&all->merge, port, &out);
    return 0;
}

static int union_on_flush(void *instance, struct k_error *err)
{
    struct union_instance *all = instance;
    return k_union_merge_emit(&all->merge, all->host, err);
}

static void union_close(void *instance)
{
    k_union_merge_fini(&((struct union_instance *)instance)->merge);
}

const struct k_operator k_operator_union = {
    .name = "union",
    .doc = "Puts the rows of several inputs together.",
    .inputs_min = 2,
    .inputs_max = UINT32_MAX,
    .plan = union_plan,
    .read_back = union_read_back,
    .instance_size = sizeof(struct union_instance),
    .open = union_open,
    .on_batch = union_on_batch,
    .on_flush = union_on_flush,
    .close = union_close,
};
