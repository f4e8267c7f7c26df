// kappa plan: what the engine would do with a graph. Types on every edge, what is read of each record, what is
// remembered and what bounds it, how repeatable each result is, which topics are needed.
#include "cli/kafka.h"
#include "cli/plan_change.h"
#include "cli/reading.h"

#include "base/json_out.h"
#include "base/units.h"

#include <stdio.h>

enum { SET, SHARDS, OUTPUT, AGAINST, RATE, DISK, STATE_DIR, KAFKA_OPTIONS };
static const struct k_option options[] = {
    [SET] = OPTION_SET,
    [SHARDS] = OPTION_SHARDS,
    [OUTPUT] =
        {.name = "output", .letter = 'o', .argument = "text|json", .help = "form of the output", .text = "text"},
    [AGAINST] = {.name = "against",
                 .argument = "live|FILE",
                 .help = "instead, what a replay of this graph keeps of the live generation's, or of another file's"},
    [RATE] = {.name = "rate",
              .argument = "N",
              .help = "with --against live: how long it takes at N records a second; default: at the rate that the "
                      "journals show"},
    [DISK] = OPTION_DISK,
    [STATE_DIR] = OPTION_STATE_DIR,
    KAFKA_OPTION_TABLE(KAFKA_OPTIONS),
};

static const char *order_name(enum k_order order)
{
    switch (order) {
    case K_PURE: return "pure";
    case K_SORTED: return "sorted";
    default: return "journalled";
    }
}

static void print_schema(struct k_buf *out, const struct k_edge *edge)
{
    const char *separator = "";
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        const struct k_field *f = &edge->schema.fields[i];
        if (f->hidden && !edge->read[i]) continue;
        k_buf_printf(out, "%s%s %s%s", separator, f->name, k_type_name(f->type), f->not_null ? " not null" : "");
        separator = ", ";
    }
}

static void print_reads(struct k_buf *out, const struct k_edge *edge)
{
    const char *separator = "";
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        if (!edge->read[i]) continue;
        k_buf_printf(out, "%s%s", separator, edge->schema.fields[i].name);
        separator = ", ";
    }
    if (!*separator) k_buf_add_text(out, "nothing");
}

static void print_source(struct k_buf *out, const struct k_source_plan *s)
{
    k_buf_printf(out, "source %s\n  topic    %s\n  rows     ", s->name, s->topic);
    print_schema(out, &s->edge);
    k_buf_add_text(out, "\n  reads    ");
    print_reads(out, &s->edge);
    k_buf_add_text(out, "\n  time     out of order by up to ");
    k_duration_print(out, s->out_of_order_us);
    if (s->idle_us < 0) k_buf_add_text(out, "; a partition that stands still holds windows open (no idle)");
    else {
        k_buf_add_text(out, "; idle after ");
        k_duration_print(out, s->idle_us);
    }
    k_buf_add_text(out, "; at most ");
    k_duration_print(out, s->max_ahead_us);
    k_buf_add_text(out, " ahead\n");
}

static void print_node(struct k_buf *out, const struct k_node *n)
{
    k_buf_printf(out, "%s %s\n  input    ", n->type->name, n->name);
    for (uint32_t i = 0; i < n->input_count; i++) k_buf_printf(out, "%s%s", i ? ", " : "", n->inputs[i]->name);
    k_buf_add_text(out, "\n");
    for (uint32_t i = 0; i < n->output_count; i++) {
        const struct k_edge *e = &n->outputs[i];
        k_buf_printf(out, "  rows     %s%s", n->output_count > 1 ? e->name : "", n->output_count > 1 ? ": " : "");
        print_schema(out, e);
        k_buf_printf(out, "\n           %s, %s", order_name(e->order), e->updating ? "updating" : "append-only");
        if (e->delay_us > 0) {
            k_buf_add_text(out, ", behind the frontier by ");
            k_duration_print(out, e->delay_us);
        }
        k_buf_add_text(out, "\n");
    }
    if (n->output_count == 0)
        k_buf_printf(out, "  order    %s\n", order_name(n->journalled ? K_JOURNALLED : n->inputs[0]->order));
    k_buf_printf(out, "  state    %s\n", n->state ? n->state : "none");
}

static void print_text(struct k_buf *out, struct k_plan *plan)
{
    k_buf_printf(out, "graph %s\n  fingerprint %s, semantics %d, shards %u\n", plan->name, plan->fingerprint,
                 K_SEMANTICS, plan->shards);
    for (uint32_t i = 0; i < plan->source_count; i++) print_source(out, &plan->sources[i]);
    for (uint32_t i = 0; i < plan->node_count; i++) print_node(out, &plan->nodes[i]);
    static const char *const uses[] = {"source, must exist", "output", "dead letters", "journal"};
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs);
    k_buf_add_text(out, "topics\n");
    for (uint32_t i = 0; i < count; i++) k_buf_printf(out, "  %-40s %s\n", needs[i].topic, uses[needs[i].use]);
}

static void json_edge(struct k_buf *out, const struct k_edge *edge)
{
    k_buf_add_text(out, "{\"name\":");
    k_json_string(out, k_str_of(edge->name));
    k_buf_add_text(out, ",\"columns\":[");
    const char *separator = "";
    for (uint32_t i = 0; i < edge->schema.count; i++) {
        const struct k_field *f = &edge->schema.fields[i];
        k_buf_printf(out, "%s{\"name\":", separator);
        k_json_string(out, k_str_of(f->name));
        k_buf_printf(out, ",\"type\":\"%s\",\"not_null\":%s,\"hidden\":%s,\"read\":%s}", k_type_name(f->type),
                     f->not_null ? "true" : "false", f->hidden ? "true" : "false", edge->read[i] ? "true" : "false");
        separator = ",";
    }
    k_buf_printf(out, "],\"order\":\"%s\",\"updating\":%s,\"delay_us\":%lld}", order_name(edge->order),
                 edge->updating ? "true" : "false", (long long)edge->delay_us);
}

static void print_json(struct k_buf *out, struct k_plan *plan)
{
    k_buf_add_text(out, "{\"kind\":\"plan\",\"graph\":");
    k_json_string(out, k_str_of(plan->name));
    k_buf_printf(out, ",\"fingerprint\":\"%s\",\"semantics\":%d,\"shards\":%u,\"sources\":[", plan->fingerprint,
                 K_SEMANTICS, plan->shards);
    for (uint32_t i = 0; i < plan->source_count; i++) {
        k_buf_printf(out, "%s{\"topic\":", i ? "," : "");
        k_json_string(out, k_str_of(plan->sources[i].topic));
        k_buf_printf(out, ",\"out_of_order_us\":%lld,\"idle_us\":%lld,\"rows\":",
                     (long long)plan->sources[i].out_of_order_us, (long long)plan->sources[i].idle_us);
        json_edge(out, &plan->sources[i].edge);
        k_buf_add_char(out, '}');
    }
    k_buf_add_text(out, "],\"nodes\":[");
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct k_node *n = &plan->nodes[i];
        k_buf_printf(out, "%s{\"name\":", i ? "," : "");
        k_json_string(out, k_str_of(n->name));
        k_buf_printf(out, ",\"operator\":\"%s\",\"inputs\":[", n->type->name);
        for (uint32_t j = 0; j < n->input_count; j++) {
            if (j) k_buf_add_char(out, ',');
            k_json_string(out, k_str_of(n->inputs[j]->name));
        }
        k_buf_add_text(out, "],\"state\":");
        if (n->state) k_json_string(out, k_str_of(n->state));
        else k_buf_add_text(out, "null");
        k_buf_add_text(out, ",\"outputs\":[");
        for (uint32_t j = 0; j < n->output_count; j++) {
            if (j) k_buf_add_char(out, ',');
            json_edge(out, &n->outputs[j]);
        }
        k_buf_add_text(out, "]}");
    }
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs);
    static const char *const uses[] = {"source", "output", "dead_letters", "journal"};
    k_buf_add_text(out, "],\"topics\":[");
    for (uint32_t i = 0; i < count; i++) {
        k_buf_printf(out, "%s{\"topic\":", i ? "," : "");
        k_json_string(out, k_str_of(needs[i].topic));
        k_buf_printf(out, ",\"use\":\"%s\"}", uses[needs[i].use]);
    }
    k_buf_add_text(out, "]}\n");
}

static int run(struct call *call)
{
    static const char *const forms[] = {"text", "json"};
    int64_t shards = 1, rate = 0;
    uint64_t disk_bytes = 0;
    uint32_t form = 0;
    struct k_error err = {0};
    int code = k_options_integer(&call->options, SHARDS, 1, 1024, &shards, &err);
    if (!code) code = k_options_choice(&call->options, OUTPUT, forms, 2, &form, &err);
    if (!code) code = k_options_integer(&call->options, RATE, 1, INT64_MAX / 1000000, &rate, &err);
    if (!code) code = k_options_size(&call->options, DISK, &disk_bytes, &err);
    const char *against = k_options_text(&call->options, AGAINST);
    bool live = against && strcmp(against, "live") == 0;
    if (!code && !live && (rate || disk_bytes))
        code = k_fail(&err, K_E_USAGE, "--%s goes with --against live", rate ? "rate" : "disk");
    if (code) return command_misused(call, &err);
    struct loaded loaded;
    int status = load_plan(call, call->options.operands[0], SET, (uint32_t)shards, &loaded);
    if (status) return status;
    const struct plan_change ask = {.against = against,
                                    .live = live,
                                    .rate = (uint64_t)rate,
                                    .disk_bytes = disk_bytes,
                                    .json = form == 1,
                                    .state_dir = k_options_text(&call->options, STATE_DIR),
                                    .set = SET,
                                    .kafka = KAFKA_OPTIONS};
    if (against) {
        status = plan_change(call, &ask, &loaded);
        loaded_fini(&loaded);
        return status;
    }
    struct k_buf out = {0};
    if (form == 1) print_json(&out, loaded.plan);
    else print_text(&out, loaded.plan);
    k_params_mask(loaded.params, &out);
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
    loaded_fini(&loaded);
    return 0;
}

const struct command command_plan = {.name = "plan",
                                     .operands = "FILE",
                                     .doc = "show the typed plan of a graph: rows, reads, state, order, topics",
                                     .more =
                                         "With --against: keep (nothing that its rows depend on has changed; a\n"
                                         "comparison must find it equal, though a replay computes it again),\n"
                                         "rebuild, remove or refuse, each with its reason. Against live it looks in\n"
                                         "--state-dir for the live graph and asks the broker what is to be read.",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1,
                                     .run = run};
