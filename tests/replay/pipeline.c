// The pipeline of pipeline.h.
#include "tests/replay/pipeline.h"

#include <stdio.h>

#include "tests/base/test.h"

static void make_generation(struct generation *g, const char *text)
{
    struct k_diags diags = {0};
    struct k_buf why = {0};
    int code = k_graph_read("two.textproto", k_str_of(text), K_FORM_TEXT, &diags, &g->graph);
    if (!code) code = k_plan_make(g->graph, 1, &diags, &g->plan);
    k_diags_print(&diags, &why);
    if (code) fail_msg("%s", why.data);
    k_diags_fini(&diags);
    k_buf_fini(&why);
}

static bool report(void *context, uint32_t shard, struct k_shard_report *ret)
{
    const struct host *host = context;
    struct pipeline *p = host->p;
    uint32_t worker = host->worker;
    if (!p->c.live[worker][shard]) return false;
    k_shard_report(p->c.live[worker][shard], ret);
    return true;
}

static int keep_mark(void *context, struct k_store *store, uint64_t mark, struct k_error *err)
{
    const struct host *host = context;
    struct pipeline *p = host->p;
    uint32_t worker = host->worker;
    (void)store, (void)err;
    if (p->kept[worker] == mark) return 0; // asked again after a crash
    p->kept[worker] = mark;
    k_buf_clear(&p->copies[worker]);
    cluster_dump(&p->c, worker, 0, &p->copies[worker]);
    return 0;
}

void start(struct pipeline *p, uint32_t worker)
{
    struct k_error err;
    p->logs[worker] = k_cloud_connect(p->c.cloud, "overseer");
    struct k_overseer_options options = {.log = p->logs[worker],
                                         .graph = "p",
                                         .generation = worker ? 2 : 1,
                                         .shards = 1,
                                         .report = report,
                                         .context = &p->hosts[worker],
                                         .seed = worker + 1};
    p->hosts[worker] = (struct host){p, worker};
    assert_int_equal(k_overseer_create(&options, &p->overseers[worker], &err), 0);
    p->c.options.orders = k_overseer_orders(p->overseers[worker]);
    p->c.options.generation = worker ? "2" : "1";
    p->c.options.plan = worker ? p->two.plan : p->c.plan;
    p->c.options.keep_mark = keep_mark;
    p->c.options.mark_context = &p->hosts[worker];
    cluster_start(&p->c, worker);
}

void start_from(struct pipeline *p, uint32_t worker, const struct k_start *where)
{
    p->c.options.starts = where;
    p->c.options.start_count = where ? 1 : 0;
    start(p, worker);
}

char *tables_of(struct pipeline *p, uint32_t worker)
{
    struct k_buf text = {0};
    cluster_stop(&p->c, worker);
    cluster_dump(&p->c, worker, 0, &text);
    k_buf_add_char(&text, 0);
    return text.data;
}

void end(struct pipeline *p, uint32_t worker)
{
    if (!p->overseers[worker]) return;
    if (p->c.logs[worker]) cluster_kill(&p->c, worker);
    k_overseer_destroy(p->overseers[worker]);
    p->logs[worker]->ops->close(p->logs[worker]);
    p->overseers[worker] = NULL;
}

void begin(struct pipeline *p, const char *two)
{
    memset(p, 0, sizeof *p);
    cluster_init(&p->c, GRAPH_ONE, 1);
    cluster_topic(&p->c, "t", 1, false);
    cluster_topic(&p->c, "u", 1, false);
    cluster_topic(&p->c, "v", 1, false);
    cluster_prepare(&p->c);
    make_generation(&p->two, two);
    struct k_log *log = k_cloud_connect(p->c.cloud, "command");
    struct k_error err;
    struct k_control control;
    struct k_new_shadow ask = {
        .fingerprint = p->two.plan->fingerprint, .live_fingerprint = p->c.plan->fingerprint, .now_us = 1};
    assert_int_equal(k_control_prepare(log, "p", 1, &err), 0);
    assert_int_equal(k_control_change(log, "p", k_new_shadow, &ask, &control, &err), 0);
    log->ops->close(log);
}

void finish(struct pipeline *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        end(p, w);
        k_buf_fini(&p->copies[w]);
    }
    cluster_fini(&p->c);
    k_plan_destroy(p->two.plan);
    k_graph_destroy(p->two.graph);
}

int step(struct pipeline *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        int64_t wait_us;
        struct k_error err;
        if (p->overseers[w]) assert_int_equal(k_overseer_step(p->overseers[w], &wait_us, &err), 0);
    }
    return cluster_step(&p->c);
}

void run(struct pipeline *p, int64_t us)
{
    for (int64_t until = k_cloud_now(p->c.cloud) + us; k_cloud_now(p->c.cloud) < until;)
        if (step(p)) fail_msg("%s", p->c.error.text);
}

void put(struct pipeline *p, const char *topic, int n)
{
    char value[64];
    snprintf(value, sizeof value, "{\"k\":\"%c\",\"n\":%d}", 'a' + n % 2, n);
    cluster_put(&p->c, topic, 0, n * 1000, NULL, value);
}

void ask(struct pipeline *p, k_control_decide decision, void *context)
{
    struct k_log *log = k_cloud_connect(p->c.cloud, "command");
    struct k_control control;
    struct k_error err = {0};
    int code;
    while (k_control_again(code = k_control_change(log, "p", decision, context, &control, &err))) {
    }
    if (code) fail_msg("%s", err.text);
    log->ops->close(log);
}

void switch_to(struct pipeline *p, uint64_t to)
{
    struct k_switch wish = {.to = to};
    ask(p, k_switch, &wish);
    for (int n = 0; n < 20000 && k_overseer_control(p->overseers[0])->done < wish.seq; n++)
        if (step(p)) fail_msg("%s", p->c.error.text);
    assert_int_equal(k_overseer_control(p->overseers[0])->done, wish.seq);
    assert_int_equal(k_overseer_control(p->overseers[0])->live, wish.target);
}
