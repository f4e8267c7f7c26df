// kappa replay status: the generations of a pipeline, who hosts them, and how far they are.
#include "cli/generation.h"
#include "cli/origin.h"
#include "cli/output.h"
#include "replay/presence.h"

#include "base/json_out.h"
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { IN_STEP = GENERATION_OPTION_COUNT, OUTPUT };
static const struct k_option options[] = {
    GENERATION_OPTIONS,
    [IN_STEP] = {.name = "in-step",
                 .argument = "N",
                 .help = "only say by the exit status whether generation N is in step: 0 yes, 1 no"},
    [OUTPUT] = OPTION_OUTPUT_TEXT,
};

struct shown {
    struct pipeline *pipeline;
    struct k_control control;
    struct k_presences presences;
    struct k_starts starts[K_GENERATIONS_MAX]; // of each generation of control
    int64_t *ends; // of the journals
    uint32_t shards;
    int64_t now_us;
};

static int gather(struct shown *s, struct k_error *err)
{
    struct k_log *log = s->pipeline->log;
    int code = pipeline_control(s->pipeline, &s->control, err);
    if (!code) code = k_presence_read(log, s->pipeline->name, K_PRESENCE_AGE_US, &s->presences, err);
    for (uint32_t i = 0; i < s->control.generation_count && !code; i++)
        code = origin_read(log, s->pipeline->name, &s->control.generations[i], &s->starts[i], err);
    if (code) return code;
    s->now_us = log->ops->now_us(log);
    for (uint32_t i = 0; i < s->presences.count; i++)
        if (s->presences.items[i].shard_count > s->shards) s->shards = s->presences.items[i].shard_count;
    s->ends = k_new_array(int64_t, s->shards + 1);
    for (uint32_t i = 0; i < s->shards && !code; i++) {
        char *journal = k_format("%s.journal.%u", s->pipeline->name, i);
        code = log->ops->offsets(log, journal, 0, true, NULL, &s->ends[i], err);
        free(journal);
    }
    return code;
}

static int64_t behind(const struct shown *s, const struct k_presence *p, uint32_t shard)
{
    int64_t left = s->ends[shard] - p->shards[shard].offset;
    return left > 0 ? left : 0;
}

static bool leads(const struct k_presence_shard *at)
{
    return strcmp(at->state, k_shard_state_name(K_SHARD_LEAD)) == 0;
}

static void print_eta(const struct shown *s, const struct k_presence *p, uint32_t shard)
{
    double eta_s = k_presence_eta(&s->presences, p, shard, behind(s, p, shard));
    if (leads(&p->shards[shard])) return;
    if (eta_s < 0) {
        printf(", ETA unknown");
    } else if (eta_s > 0 && isinf(eta_s)) {
        printf(", ETA never: it is not faster than the journal grows");
    } else if (eta_s > 0) {
        struct k_buf text = {0};
        k_duration_print(&text, (int64_t)(eta_s + 1) * 1000000);
        printf(", ETA %s", text.data);
        k_buf_fini(&text);
    }
}

static void print_difference(const struct k_presence_shard *at)
{
    if (!at->difference_seq || !leads(at)) return;
    printf("    difference of switch %llu: %llu keys compared, %llu messages written%s%s%s\n",
           (unsigned long long)at->difference_seq, (unsigned long long)at->difference_compared,
           (unsigned long long)at->difference_written, at->difference_done ? ", done" : "",
           at->difference_waits[0] ? " - waits: " : "", at->difference_waits);
}

static void print_shard(const struct shown *s, const struct k_presence *p, uint32_t shard)
{
    const struct k_presence_shard *at = &p->shards[shard];
    printf("  %s shard %u: %s, %lld of %lld journal offsets, %lld behind", p->worker, shard, at->state,
           (long long)at->offset, (long long)s->ends[shard], (long long)behind(s, p, shard));
    print_eta(s, p, shard);
    if (at->taken_from[0]) printf(", begun with a copy of generation %s", at->taken_from);
    printf("%s%s\n", at->trouble[0] ? " - " : "", at->trouble);
    print_difference(at);
}

static void print_report(const struct k_parity_report *r)
{
    char time[K_TIME_TEXT + 1];
    time[k_time_print(time, r->time_us)] = 0;
    printf("report %llu, %s: generations %llu and %llu ", (unsigned long long)r->mark, time,
           (unsigned long long)r->left, (unsigned long long)r->right);
    if (r->differing)
        printf("differ in %u of %u tables, first in %s: %llu keys changed, %llu only in %llu, %llu only in %llu\n",
               r->differing, r->tables, r->first, (unsigned long long)r->changed, (unsigned long long)r->only_left,
               (unsigned long long)r->left, (unsigned long long)r->only_right, (unsigned long long)r->right);
    else printf("are equal in %u tables\n", r->tables);
}

static void json_reports(const struct k_control *c, struct k_buf *out)
{
    k_buf_add_text(out, ",\"reports\":[");
    for (uint32_t i = 0; i < c->parity_count; i++) {
        const struct k_parity_report *r = &c->parities[i];
        k_buf_printf(out, "%s{\"report\":%llu,\"time\":", i ? "," : "", (unsigned long long)r->mark);
        k_json_time(out, r->time_us);
        k_buf_printf(out,
                     ",\"left\":%llu,\"right\":%llu,\"tables\":%u,\"differing\":%u,\"changed\":%llu,"
                     "\"only_left\":%llu,\"only_right\":%llu}",
                     (unsigned long long)r->left, (unsigned long long)r->right, r->tables, r->differing,
                     (unsigned long long)r->changed, (unsigned long long)r->only_left,
                     (unsigned long long)r->only_right);
    }
    k_buf_add_char(out, ']');
}

static void print_generation(const struct shown *s, const struct k_generation *g, const struct k_starts *starts)
{
    struct k_buf out = {0};
    k_buf_printf(&out, "generation %llu, %s, graph ", (unsigned long long)g->number, k_role_name(g->role));
    if (g->fingerprint[0]) k_buf_printf(&out, "%.8s", g->fingerprint);
    else k_buf_add_text(&out, "not noted");
    origin_text(g, &out);
    k_buf_add_char(&out, '\n');
    origin_starts_text(s->pipeline->name, starts, &out);
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

static void print_text(const struct shown *s)
{
    const struct k_control *c = &s->control;
    printf("pipeline %s: generation %llu is live", s->pipeline->name, (unsigned long long)c->live);
    if (!k_control_is_settled(c))
        printf("; switch %llu to generation %llu is under way", (unsigned long long)c->seq,
               (unsigned long long)c->target);
    printf("%s%s%s\n", c->reason[0] ? " (" : "", c->reason, c->reason[0] ? ")" : "");
    if (c->report) printf("switch %llu by report %llu\n", (unsigned long long)c->seq, (unsigned long long)c->report);
    for (uint32_t i = 0; i < c->parity_count; i++) print_report(&c->parities[i]);
    for (uint32_t i = 0; i < c->generation_count; i++) {
        const struct k_generation *g = &c->generations[i];
        print_generation(s, g, &s->starts[i]);
        for (uint32_t p = 0; p < s->presences.count; p++) {
            const struct k_presence *at = &s->presences.items[p];
            if (at->generation != g->number) continue;
            for (uint32_t shard = 0; shard < at->shard_count; shard++) print_shard(s, at, shard);
        }
    }
}

// null: not known; a rate or ETA that is not finite is not known, either, but "closing" then says false.
static void json_rates(const struct shown *s, const struct k_presence *p, uint32_t shard, struct k_buf *out)
{
    double rate = k_presence_rate(&p->shards[shard]);
    double eta_s = k_presence_eta(&s->presences, p, shard, behind(s, p, shard));
    k_buf_add_text(out, ",\"offsets_per_second\":");
    if (rate < 0) k_buf_add_text(out, "null");
    else k_buf_printf(out, "%.1f", rate);
    k_buf_add_text(out, ",\"eta_seconds\":");
    if (eta_s < 0 || isinf(eta_s)) k_buf_add_text(out, "null");
    else k_buf_printf(out, "%.1f", eta_s);
    k_buf_printf(out, ",\"closing\":%s", eta_s < 0 ? "null" : isinf(eta_s) ? "false" : "true");
}

static void json_difference(const struct k_presence_shard *p, struct k_buf *out)
{
    k_buf_add_text(out, ",\"difference\":");
    if (!p->difference_seq) {
        k_buf_add_text(out, "null");
        return;
    }
    k_buf_printf(out, "{\"switch\":%llu,\"compared\":%llu,\"written\":%llu,\"done\":%s,\"waits\":",
                 (unsigned long long)p->difference_seq, (unsigned long long)p->difference_compared,
                 (unsigned long long)p->difference_written, p->difference_done ? "true" : "false");
    k_json_string(out, k_str_of(p->difference_waits));
    k_buf_add_char(out, '}');
}

static void json_host(const struct shown *s, const struct k_presence *at, struct k_buf *out)
{
    k_buf_add_text(out, "{\"worker\":");
    k_json_string(out, k_str_of(at->worker));
    k_buf_printf(out, ",\"age_ms\":%lld,\"shards\":[", (long long)((s->now_us - at->time_us) / 1000));
    for (uint32_t shard = 0; shard < at->shard_count; shard++) {
        const struct k_presence_shard *p = &at->shards[shard];
        k_buf_printf(out,
                     "%s{\"shard\":%u,\"state\":\"%s\",\"journal_offset\":%lld,\"journal_end\":%lld,\"behind\":%lld,"
                     "\"records\":%llu,\"trouble\":",
                     shard ? "," : "", shard, p->state, (long long)p->offset, (long long)s->ends[shard],
                     (long long)behind(s, at, shard), (unsigned long long)p->records);
        k_json_string(out, k_str_of(p->trouble));
        if (p->taken_from[0]) k_buf_printf(out, ",\"taken_from\":%llu", strtoull(p->taken_from, NULL, 10));
        else k_buf_add_text(out, ",\"taken_from\":null");
        json_rates(s, at, shard, out);
        json_difference(p, out);
        k_buf_add_char(out, '}');
    }
    k_buf_add_text(out, "]}");
}

static void print_json(const struct shown *s)
{
    const struct k_control *c = &s->control;
    struct k_buf out = {0};
    k_buf_add_text(&out, "{\"kind\":\"generations\",\"pipeline\":");
    k_json_string(&out, k_str_of(s->pipeline->name));
    k_buf_printf(&out, ",\"live\":%llu,\"target\":%llu,\"switch\":%llu,\"complete\":%s,\"reason\":",
                 (unsigned long long)c->live, (unsigned long long)c->target, (unsigned long long)c->seq,
                 k_control_is_settled(c) ? "true" : "false");
    k_json_string(&out, k_str_of(c->reason));
    if (c->report) k_buf_printf(&out, ",\"report\":%llu", (unsigned long long)c->report);
    json_reports(c, &out);
    k_buf_add_text(&out, ",\"generations\":[");
    for (uint32_t i = 0; i < c->generation_count; i++) {
        const struct k_generation *g = &c->generations[i];
        bool first = true;
        k_buf_printf(&out,
                     "%s{\"generation\":%llu,\"role\":\"%s\",\"fingerprint\":\"%s\",\"hold_until\":", i ? "," : "",
                     (unsigned long long)g->number, k_role_name(g->role), g->fingerprint);
        if (g->hold_until_us) k_json_time(&out, g->hold_until_us);
        else k_buf_add_text(&out, "null");
        origin_json(g, &out);
        origin_starts_json(&s->starts[i], &out);
        k_buf_add_text(&out, ",\"hosts\":[");
        for (uint32_t p = 0; p < s->presences.count; p++) {
            if (s->presences.items[p].generation != g->number) continue;
            if (!first) k_buf_add_char(&out, ',');
            first = false;
            json_host(s, &s->presences.items[p], &out);
        }
        k_buf_add_text(&out, "]}");
    }
    k_buf_add_text(&out, "]}\n");
    fwrite(out.data, 1, out.length, stdout);
    k_buf_fini(&out);
}

static int show(struct call *call, struct pipeline *pipeline, bool json)
{
    struct k_error err = {0};
    struct shown shown = {.pipeline = pipeline};
    for (uint32_t i = 0; i < K_GENERATIONS_MAX; i++) k_starts_init(&shown.starts[i]);
    int code = gather(&shown, &err);
    if (!code && json) print_json(&shown);
    else if (!code) print_text(&shown);
    for (uint32_t i = 0; i < K_GENERATIONS_MAX; i++) k_starts_fini(&shown.starts[i]);
    free(shown.ends);
    k_presences_fini(&shown.presences);
    return code ? command_failed(call, code, &err) : 0;
}

static int run(struct call *call)
{
    struct k_error err = {0};
    int64_t in_step = 0;
    bool json = false;
    int code = k_options_integer(&call->options, IN_STEP, 1, INT64_MAX, &in_step, &err);
    if (!code) code = output_is_json(call, OUTPUT, &json, &err);
    if (code) return command_misused(call, &err);
    struct pipeline pipeline;
    int status = pipeline_open(call, &pipeline);
    if (!status && in_step) {
        code = pipeline_in_step(&pipeline, (uint64_t)in_step, &err);
        if (code) status = command_failed(call, code, &err);
    } else if (!status) {
        status = show(call, &pipeline, json);
    }
    pipeline_close(&pipeline);
    return status;
}

const struct command command_replay_status = {
    .name = "replay status",
    .operands = "GRAPH",
    .doc = "show a pipeline's generations, who hosts them, and how far each is behind",
    .more =
        "Positions and ends are journal offsets, which count transaction markers too. ETA: how far it is behind, by\n"
        "its rate in the last half minute less that at which the journal grows; unknown until it was heard of twice.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
