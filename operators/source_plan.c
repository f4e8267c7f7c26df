// Planning a source: its schema, its format (source_format.c) and its time become the edge that consumers read.
#include <stdlib.h>

#include "operators/source.h"

struct reading {
    struct k_planner *planner;
    const Kappa__V1__Source *message;
    struct k_source_plan *plan;
    struct k_source_config *config;
    bool good;
};

static const Kappa__V1__Schema *find_schema(struct reading *r)
{
    const Kappa__V1__Graph *graph = k_graph_message(r->planner->graph);
    const char **names = k_new_array(const char *, graph->n_schema);
    size_t named = 0;
    const Kappa__V1__Schema *found = NULL;
    for (size_t i = 0; i < graph->n_schema && !found; i++) {
        if (!graph->schema[i]->name) continue;
        if (strcmp(graph->schema[i]->name, r->message->schema) == 0) found = graph->schema[i];
        names[named++] = graph->schema[i]->name;
    }
    if (!found) {
        const char *nearest = k_nearest(r->message->schema, names, named);
        k_plan_error(r->planner, r->message, "schema", 0, K0221, "source \"%s\": there is no schema \"%s\"%s%s%s",
                     r->plan->name, r->message->schema, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
        r->good = false;
    }
    free(names);
    return found;
}

// Several sources may share a schema; what is wrong in it is said once, for the first of them.
static bool is_first_user(struct reading *r)
{
    const Kappa__V1__Graph *graph = k_graph_message(r->planner->graph);
    for (size_t i = 0; i < graph->n_source; i++) {
        const Kappa__V1__Source *source = graph->source[i];
        if (source->schema && strcmp(source->schema, r->message->schema) == 0) return source == r->message;
    }
    return true;
}

static bool is_system_name(const char *name)
{
#define X(number, text, type, not_null) \
    if (strcmp(name, text) == 0) return true;
    K_SYSTEM_COLUMNS(X)
#undef X
    return false;
}

static bool read_field(struct reading *r, const Kappa__V1__Schema *schema, uint32_t index, bool loud)
{
    struct k_planner *planner = r->planner;
    struct k_schema *declared = &r->config->declared;
    struct k_field *field = &declared->fields[declared->count];
    size_t offset;
    const char *why;
    if (!k_field_parse(planner->arena, k_str_of(schema->field[index]), field, &offset, &why)) {
        if (loud)
            k_diag_error(planner->diags, k_graph_pos_in(planner->graph, schema, "field", (int)index, offset), K0220,
                         "field \"%s\" of schema \"%s\": %s", schema->field[index], schema->name, why);
        return false;
    }
    bool twice = k_schema_find(declared, k_str_of(field->name)) >= 0;
    if (twice || is_system_name(field->name)) {
        if (loud)
            k_plan_error(planner, schema, "field", (int)index, K0220, "schema \"%s\": %s \"%s\"", schema->name,
                         twice ? "there are two fields named" : "every source has a system column of the name",
                         field->name);
        return false;
    }
    declared->count++;
    return true;
}

static void read_schema(struct reading *r)
{
    if (!r->message->schema || !*r->message->schema) {
        if (!k_graph_is_broken(r->planner->graph, r->message))
            k_plan_error(r->planner, r->message, NULL, -1, K0221,
                         "source \"%s\" has no schema; add  schema: \"NAME\"", r->plan->name);
        r->good = false;
        return;
    }
    const Kappa__V1__Schema *schema = find_schema(r);
    if (!schema) return;
    bool loud = is_first_user(r);
    r->config->declared.fields = k_arena_array(r->planner->arena, struct k_field, schema->n_field + K_SYSTEM_COUNT);
    for (uint32_t i = 0; i < schema->n_field; i++)
        if (!read_field(r, schema, i, loud)) r->good = false;
    if (schema->n_field == 0) {
        if (loud && !k_graph_is_broken(r->planner->graph, schema))
            k_plan_error(r->planner, schema, NULL, -1, K0220,
                         "schema \"%s\" has no field; add one, such as  field: \"id string not null\"", schema->name);
        r->good = false;
    }
}

static void make_edge(struct reading *r)
{
    struct k_edge *edge = &r->plan->edge;
    struct k_field *fields = r->config->declared.fields;
    uint32_t count = r->config->declared.count;
    if (!fields) fields = k_arena_array(r->planner->arena, struct k_field, K_SYSTEM_COUNT);
        // The declared columns are the beginning of the edge's: one array serves both.
#define X(number, text, kind, never_null) \
    fields[count++] = (struct k_field){.name = text, .type = kind, .not_null = never_null, .hidden = true};
    K_SYSTEM_COLUMNS(X)
#undef X
    *edge = (struct k_edge){.name = r->plan->name,
                            .schema = {fields, count},
                            .order = K_PURE,
                            .window_start = -1,
                            .window_end = -1,
                            .partition_column = -1};
    edge->read = k_arena_zeroed(r->planner->arena, count);
    const struct k_source_plan **sources = k_arena_array(r->planner->arena, const struct k_source_plan *, 1);
    sources[0] = r->plan;
    edge->sources = sources;
    edge->source_count = 1;
}

static void read_time(struct reading *r)
{
    struct k_source_plan *plan = r->plan;
    plan->out_of_order_us = 0;
    plan->idle_us = -1;
    plan->max_ahead_us = INT64_C(3600000000);
    const Kappa__V1__Source__Time *time = r->message->time;
    if (!time) return;
    r->good &= k_plan_duration(r->planner, time, "out_of_order", time->out_of_order, 0, &plan->out_of_order_us);
    r->good &= k_plan_duration(r->planner, time, "idle", time->idle, 1, &plan->idle_us);
    r->good &= k_plan_duration(r->planner, time, "max_ahead", time->max_ahead, 0, &plan->max_ahead_us);
    if (!time->expr) return;
    struct k_scope scope = {&plan->edge.schema, plan->name, plan->edge.read};
    struct k_expr *expr = k_expr_compile(r->planner->arena, k_str_of(time->expr), &scope,
                                         k_plan_place(r->planner, time, "expr", 0, 0), r->planner->diags, NULL);
    if (expr && k_expr_type(expr) != K_TIMESTAMP) {
        k_plan_error(r->planner, time, "expr", 0, K0403,
                     "the event time must be of type timestamp; \"%s\" is of type %s", time->expr,
                     k_type_name(k_expr_type(expr)));
        expr = NULL;
    }
    if (!expr) r->good = false;
    r->config->time = expr;
}

static void read_kafka(struct reading *r)
{
    struct k_source_plan *plan = r->plan;
    plan->partition_column = -1;
    const Kappa__V1__Source__Kafka *kafka = r->message->kafka;
    if (r->message->transport_case != KAPPA__V1__SOURCE__TRANSPORT_KAFKA) {
        if (!k_graph_is_broken(r->planner->graph, r->message))
            k_plan_error(r->planner, r->message, NULL, -1, K0207,
                         "source \"%s\" comes from nowhere; add  kafka { topic: \"TOPIC\" }", plan->name);
        r->good = false;
        return;
    }
    if (!kafka->topic || !*kafka->topic) {
        if (!k_graph_is_broken(r->planner->graph, kafka))
            k_plan_error(r->planner, kafka, NULL, -1, K0401, "source \"%s\" needs a topic; add  topic: \"TOPIC\"",
                         plan->name);
        r->good = false;
    }
    plan->topic = kafka->topic;
    plan->crc32 = kafka->has_partitioner && kafka->partitioner == KAPPA__V1__SOURCE__KAFKA__PARTITIONER__CRC32;
    if (!kafka->partitioned_by) {
        if (kafka->has_partitioner) {
            k_plan_error(
                r->planner, kafka, "partitioner", -1, K0409,
                "source \"%s\": partitioner says how partitioned_by is spread, and there is no partitioned_by",
                plan->name);
            r->good = false;
        }
        return;
    }
    int32_t column =
        k_plan_column(r->planner, kafka, "partitioned_by", 0, kafka->partitioned_by, &plan->edge, "partitioned_by");
    if (column < 0) {
        r->good = false;
        return;
    }
    plan->partition_column = plan->edge.partition_column = column;
    plan->edge.keyed_by_partition = true;
    plan->edge.read[column] = true; // each record is checked
}

static void read_key(struct reading *r)
{
    const char *key = r->message->key;
    if (!key) return;
    struct k_source_plan *plan = r->plan;
    int32_t column = k_plan_column(r->planner, r->message, "key", 0, key, &plan->edge, "key");
    bool good = column >= 0 && column < (int32_t)r->config->declared.count;
    if (column >= 0 && !good)
        k_plan_error(r->planner, r->message, "key", 0, K0406,
                     "source \"%s\": key: \"%s\" is a system column; name a field of the schema that holds it",
                     plan->name, key);
    if (good && (!r->config->declared.fields[column].not_null || r->config->declared.fields[column].type == K_JSON)) {
        k_plan_error(r->planner, r->message, "key", 0, K0403,
                     "source \"%s\": its key \"%s\" must be \"not null\" in the schema, and no json", plan->name, key);
        good = false;
    }
    if (!good) {
        r->good = false;
        return;
    }
    plan->edge.is_table = true;
    plan->edge.table_key = (uint32_t)column;
    plan->edge.read[column] = true;
}

bool k_source_plan(struct k_planner *planner, const void *message, struct k_source_plan *ret)
{
    const Kappa__V1__Source *source = message;
    struct k_source_config *config = k_arena_zeroed(planner->arena, sizeof *config);
    ret->name = source->name ? source->name : "";
    ret->message = message;
    ret->config = config;
    config->validate_full = source->has_validate && source->validate == KAPPA__V1__SOURCE__VALIDATE__FULL;
    struct reading r = {planner, source, ret, config, true};
    read_schema(&r);
    bool has_schema = r.good;
    make_edge(&r);
    r.good &= k_source_format_plan(planner, ret->name, source, has_schema, config);
    // Without its schema, columns that the source's expressions name would be reported as unknown: an echo.
    if (!has_schema) return false;
    // To validate a column is to read it.
    if (config->validate_full)
        for (uint32_t i = 0; i < config->declared.count; i++) ret->edge.read[i] = true;
    read_time(&r);
    read_kafka(&r);
    read_key(&r);
    return r.good;
}
