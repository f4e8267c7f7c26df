// Rate, lag and an honest estimate. The rate is that of the last ten seconds; the lag is asked of the broker by
// offsets, so it counts transaction markers too and may stay above 0 by a few.
#include "cli/progress.h"

#include "base/json_out.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 10, NODES_MAX = 512 };

struct progress {
    struct progress_options options;
    const struct k_plan *plan;
    struct k_worker *worker;
    FILE *stats;
    int64_t started_us, ticked_us;
    uint64_t records[WINDOW]; // at the last ten seconds
    uint32_t ticks;
    bool shown;
};

int progress_read(struct call *call, uint32_t progress, uint32_t stats, struct progress_options *ret,
                  struct k_error *err)
{
    static const char *const choices[] = {"auto", "yes", "no"};
    uint32_t choice = 0;
    int code = k_options_choice(&call->options, progress, choices, 3, &choice, err);
    bool terminal = isatty(STDERR_FILENO);
    ret->line = choice != 2 && terminal;
    ret->plain = choice == 1 && !terminal;
    ret->stats = k_options_text(&call->options, stats);
    return code;
}

int progress_start(const struct progress_options *options, const struct k_plan *plan, struct k_worker *worker,
                   struct progress **ret, struct k_error *err)
{
    *ret = NULL;
    FILE *stats = NULL;
    if (options->stats && !(stats = fopen(options->stats, "a")))
        return k_fail(err, K_E_IO, "--stats: %s: %s", options->stats, strerror(errno));
    struct progress *p = k_new(struct progress);
    *p = (struct progress){.options = *options, .plan = plan, .worker = worker, .stats = stats};
    p->started_us = p->ticked_us = k_clock_us(CLOCK_MONOTONIC);
    *ret = p;
    return 0;
}

struct sums {
    uint64_t records, commits, checkpoints, resets;
    int64_t lag;
    uint32_t leading, shards;
    bool stalled;
    char trouble[256];
};

static struct sums add_up(struct k_worker *worker)
{
    struct sums s = {.shards = k_worker_shards(worker)};
    for (uint32_t i = 0; i < s.shards; i++) {
        struct k_shard_report r;
        k_worker_report(worker, i, &r);
        s.records += r.records;
        s.commits += r.commits;
        s.checkpoints += r.checkpoints;
        s.resets += r.resets;
        s.leading += r.state == K_SHARD_LEAD;
        s.stalled |= r.stalled;
        s.lag = s.lag < 0 || r.lag_records < 0 ? -1 : s.lag + r.lag_records;
        if (r.trouble[0]) memcpy(s.trouble, r.trouble, sizeof s.trouble);
    }
    return s;
}

static void show_line(struct progress *p, const struct sums *s, double rate)
{
    char eta[64] = "";
    if (s->lag > 0 && rate > 1) snprintf(eta, sizeof eta, ", %.0f s to go", (double)s->lag / rate);
    char lag[64] = "";
    if (s->lag >= 0) snprintf(lag, sizeof lag, ", %lld behind", (long long)s->lag);
    fprintf(stderr, "%s%s: %llu records, %.0f/s%s%s, leading %u of %u shards%s%.100s%s",
            p->options.line ? "\r\033[K" : "", p->plan->name, (unsigned long long)s->records, rate, lag, eta,
            s->leading, s->shards, s->trouble[0] ? " — " : "", s->trouble, p->options.line ? "" : "\n");
    fflush(stderr);
    p->shown = true;
}

static void write_counters(struct progress *p, struct k_buf *out)
{
    struct k_counters counters[NODES_MAX];
    const char *names[NODES_MAX];
    uint32_t n = k_worker_counters(p->worker, counters, names, NODES_MAX);
    k_buf_add_text(out, ",\"nodes\":{");
    for (uint32_t i = 0; i < n; i++) {
        const struct k_counters *c = &counters[i];
        if (i) k_buf_add_char(out, ',');
        k_json_string(out, k_str_of(names[i]));
        k_buf_printf(out,
                     ":{\"in\":%llu,\"processed\":%llu,\"filtered\":%llu,\"late\":%llu,\"dropped\":%llu,\"dead_"
                     "lettered\":%llu,\"out\":%llu}",
                     (unsigned long long)c->in, (unsigned long long)c->processed, (unsigned long long)c->filtered,
                     (unsigned long long)c->late, (unsigned long long)c->dropped,
                     (unsigned long long)c->dead_lettered, (unsigned long long)c->out);
    }
    k_buf_add_char(out, '}');
}

static void write_figures(const struct k_state_figures *f, struct k_buf *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"cache_bytes", f->cache_bytes},
        {"dirty_bytes", f->dirty_bytes},
        {"cache_entries", f->entries},
        {"cache_hits", f->hits},
        {"cache_misses", f->misses},
        {"cache_absent", f->absent},
        {"store_memory_bytes", f->store_memory_bytes},
        {"store_disk_bytes", f->store_disk_bytes},
        {"store_level0_files", f->store_level0_files},
        {"store_debt_bytes", f->store_debt_bytes},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        k_buf_printf(out, ",\"%s\":%llu", figures[i].name, (unsigned long long)figures[i].value);
}

static void write_shards(struct progress *p, struct k_buf *out)
{
    k_buf_add_text(out, ",\"shards\":[");
    for (uint32_t i = 0; i < k_worker_shards(p->worker); i++) {
        struct k_shard_report r;
        k_worker_report(p->worker, i, &r);
        k_buf_printf(out,
                     "%s{\"shard\":%u,\"state\":\"%s\",\"records\":%llu,\"commits\":%llu,\"checkpoints\":%llu,"
                     "\"leaderships\":%llu,"
                     "\"resets\":%llu,\"followed_after_takeover\":%llu,\"longest_transaction_us\":%lld,"
                     "\"stalled\":%s,\"trouble\":",
                     i ? "," : "", i, k_shard_state_name(r.state), (unsigned long long)r.records,
                     (unsigned long long)r.commits, (unsigned long long)r.checkpoints,
                     (unsigned long long)r.leaderships, (unsigned long long)r.resets,
                     (unsigned long long)r.records_followed_after_takeover, (long long)r.longest_transaction_us,
                     r.stalled ? "true" : "false");
        k_json_string(out, k_str_of(r.trouble));
        write_figures(&r.figures, out);
        if (r.lag_records >= 0) k_buf_printf(out, ",\"lag\":%lld", (long long)r.lag_records);
        k_buf_add_char(out, '}');
    }
    k_buf_add_char(out, ']');
}

static void write_stats(struct progress *p, double rate)
{
    struct k_buf out = {0};
    k_buf_add_text(&out, "{\"kind\":\"stats\",\"time\":");
    k_json_time(&out, k_clock_us(CLOCK_REALTIME));
    k_buf_add_text(&out, ",\"graph\":");
    k_json_string(&out, k_str_of(p->plan->name));
    k_buf_printf(&out, ",\"records_per_second\":%.0f", rate);
    write_shards(p, &out);
    write_counters(p, &out);
    k_buf_add_text(&out, "}\n");
    fwrite(out.data, 1, out.length, p->stats);
    fflush(p->stats);
    k_buf_fini(&out);
}

static void tick(struct progress *p)
{
    struct sums s = add_up(p->worker);
    uint32_t slot = p->ticks % WINDOW, span = p->ticks < WINDOW ? p->ticks + 1 : WINDOW;
    uint64_t before = p->ticks < WINDOW ? 0 : p->records[slot];
    double rate = (double)(s.records - before) / span;
    p->records[slot] = s.records;
    p->ticks++;
    if (p->options.line || (p->options.plain && p->ticks % WINDOW == 1)) show_line(p, &s, rate);
    if (p->stats) write_stats(p, rate);
}

void progress_tick(struct progress *p)
{
    if (!p || k_clock_us(CLOCK_MONOTONIC) - p->ticked_us < 1000000) return;
    p->ticked_us += 1000000;
    tick(p);
}

void progress_end(struct progress *p)
{
    if (!p) return;
    if (p->stats) {
        tick(p);
        fclose(p->stats);
    }
    if (p->options.line && p->shown) fputs("\r\033[K", stderr);
    free(p);
}

int progress_totals(const struct k_plan *plan, struct k_worker *worker, FILE *out)
{
    struct k_counters counters[NODES_MAX];
    const char *names[NODES_MAX];
    uint32_t n = k_worker_counters(worker, counters, names, NODES_MAX);
    int status = 0;
    fprintf(out, "%-24s %12s = %12s + %10s + %8s + %8s + %13s\n", plan->name, "in", "processed", "filtered", "late",
            "dropped", "dead-lettered");
    for (uint32_t i = 0; i < n; i++) {
        const struct k_counters *c = &counters[i];
        fprintf(out, "  %-22s %12llu = %12llu + %10llu + %8llu + %8llu + %13llu\n", names[i],
                (unsigned long long)c->in, (unsigned long long)c->processed, (unsigned long long)c->filtered,
                (unsigned long long)c->late, (unsigned long long)c->dropped, (unsigned long long)c->dead_lettered);
        if (c->in == c->processed + c->filtered + c->late + c->dropped + c->dead_lettered) continue;
        fprintf(out, "kappa run: the sums of \"%s\" do not hold; this is a bug\n", names[i]);
        status = k_error_status(K_E_BUG);
    }
    return status;
}
