// kappa plan FILE --against: what a changed graph keeps, and what a replay of it would read.
#include "cli/plan_change.h"

#include <stdio.h>

#include "cli/change.h"
#include "cli/kafka.h"
#include "cli/reading.h"
#include "replay/beginning.h"

static int show(struct call *call, const struct plan_change *ask, const struct loaded *old, const struct loaded *new,
                const char *why_all)
{
    struct k_error err = {0};
    struct k_buf out = {0};
    struct reading reading = {
        .options = {.state_dir = ask->state_dir, .rate = ask->rate, .disk_bytes = ask->disk_bytes}};
    struct k_log *log = NULL;
    struct k_starts starts;
    bool noted = false;
    k_starts_init(&starts);
    if (ask->json)
        k_buf_printf(&out, "{\"kind\":\"plan_of_change\",\"from\":\"%s\",\"to\":\"%s\",", old->plan->fingerprint,
                     new->plan->fingerprint);
    bool whole;
    change_print(old->plan, new->plan, why_all, NULL, ask->json, &out, &whole);
    int code = 0;
    if (whole && ask->live && ask->json) reading_print_nothing(&out);
    if (ask->live && !whole) {
        code = kafka_open(call, ask->kafka, &log, &err);
        if (!code) code = k_beginning_choose(log, new->plan, false, &starts, &noted, &err);
        if (noted) reading.starts = &starts;
        if (!code) code = reading_take(log, new->plan, &reading, &err);
        if (!code) reading_print(&reading, new->plan, ask->json, &out);
        if (!code) code = k_cost_check(&reading.cost, &reading.options, &err);
        if (log) log->ops->close(log);
    }
    if (ask->json) k_buf_add_text(&out, "}\n");
    k_params_mask(new->params, &out);
    fwrite(out.data, 1, out.length, stdout);
    fflush(stdout);
    k_buf_fini(&out);
    reading_fini(&reading);
    k_starts_fini(&starts);
    return code ? command_failed(call, code, &err) : 0;
}

int plan_change(struct call *call, const struct plan_change *ask, const struct loaded *new)
{
    struct loaded old = {0};
    struct k_error err = {0};
    const char *why_all = NULL;
    int status = 0;
    if (ask->live) {
        int code = change_load(ask->state_dir, new->plan->name, "live", &old, &why_all, &err);
        if (!code && old.plan->shards != new->plan->shards)
            code = k_fail(&err, K_E_CONFIG, "the pipeline has %u shards, --shards says %u", old.plan->shards,
                          new->plan->shards);
        if (code) status = command_failed(call, code, &err);
    } else {
        status = load_plan(call, ask->against, ask->set, new->plan->shards, &old);
    }
    if (!status) status = show(call, ask, &old, new, why_all);
    loaded_fini(&old);
    return status;
}
