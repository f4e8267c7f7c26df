// Bytes, time and disk in words: what is not known is said to be so, and an estimate says "about".
#include "cli/reading.h"

#include <math.h>

#include "base/json_out.h"
#include "base/units.h"
#include "replay/beginning.h"
#include "replay/control.h"
#include "replay/past.h"

int reading_take(struct k_log *log, const struct k_plan *plan, struct reading *r, struct k_error *err)
{
    struct k_control control;
    int code = k_control_read(log, plan->name, &control, err);
    if (code) return code;
    r->options.live = control.live;
    code = k_preflight(log, plan, r->starts, &r->found, err);
    if (!code) code = k_cost_measure(log, plan, &r->found, &r->options, &r->cost, err);
    if (code) k_preflight_fini(&r->found);
    return code;
}

void reading_fini(struct reading *r)
{
    k_preflight_fini(&r->found);
}

static void print_bytes(const struct reading *r, uint64_t bytes, struct k_buf *out)
{
    if (!r->cost.exact) k_buf_add_text(out, "about ");
    k_size_print(out, bytes);
}

static void print_time(const struct reading *r, struct k_buf *out)
{
    const struct k_cost *c = &r->cost;
    k_buf_add_text(out, "time: ");
    if (c->seconds < 0) {
        k_buf_add_text(out,
                       "unknown, the journals show no second of work to measure it by; --rate N says how fast\n");
        return;
    }
    k_buf_add_text(out, r->options.rate ? "at least " : "about ");
    k_duration_print(out, (int64_t)ceil(c->seconds) * 1000000);
    if (r->options.rate) k_buf_printf(out, ", at %llu records a second", (unsigned long long)r->options.rate);
    else k_buf_printf(out, ", at %.0f records a second, the most that the journals show", c->measured);
    k_buf_add_char(out, '\n');
}

static void print_disk(const struct reading *r, struct k_buf *out)
{
    const struct k_cost *c = &r->cost;
    if (c->disk_known) {
        k_buf_add_text(out, "disk: ");
        k_size_print(out, c->disk_needed);
        k_buf_add_text(out, r->options.disk_bytes ? ", as --disk says" : ", as the live generation's state takes");
    } else {
        k_buf_printf(out, "disk: unknown, the live generation's state is not in %s", r->options.state_dir);
    }
    if (c->disk_there) {
        k_buf_add_text(out, "; ");
        k_size_print(out, c->disk_there);
        k_buf_add_text(out, " of it are there");
    }
    k_buf_add_text(out, "; ");
    k_size_print(out, c->disk_free);
    k_buf_add_text(out, " are free\n");
}

static void print_json(const struct reading *r, struct k_buf *out)
{
    const struct k_cost *c = &r->cost;
    k_buf_printf(out, ",\"records\":%llu,\"journal_records\":%llu,\"bytes\":%llu,\"journal_bytes\":%llu,\"exact\":%s",
                 (unsigned long long)r->found.records, (unsigned long long)r->found.journal_records,
                 (unsigned long long)c->bytes, (unsigned long long)c->journal_bytes, c->exact ? "true" : "false");
    if (c->measured > 0) k_buf_printf(out, ",\"measured_rate\":%.1f", c->measured);
    else k_buf_add_text(out, ",\"measured_rate\":null");
    if (c->seconds >= 0) k_buf_printf(out, ",\"seconds\":%.1f", c->seconds);
    else k_buf_add_text(out, ",\"seconds\":null");
    if (c->disk_known) k_buf_printf(out, ",\"disk_needed\":%llu", (unsigned long long)c->disk_needed);
    else k_buf_add_text(out, ",\"disk_needed\":null");
    k_buf_printf(out, ",\"disk_there\":%llu,\"disk_free\":%llu", (unsigned long long)c->disk_there,
                 (unsigned long long)c->disk_free);
}

void reading_print_nothing(struct k_buf *out)
{
    k_buf_add_text(out, ",\"records\":0,\"journal_records\":0,\"bytes\":0,\"journal_bytes\":0,\"exact\":true,"
                        "\"measured_rate\":null,\"seconds\":0.0,\"disk_needed\":0,\"disk_there\":0,\"may_differ\":[]");
}

// What is read as history, and which nodes that may show in.
static void print_past(const struct reading *r, const struct k_plan *plan, bool json, struct k_buf *out)
{
    struct k_arena arena;
    struct k_past past = {0};
    bool cut = false;
    k_arena_init(&arena);
    for (uint32_t s = 0; r->starts && r->starts->journal_from && s < r->starts->shards; s++)
        cut |= r->starts->journal_from[s] > 0;
    if (cut) k_past_make(plan, &r->found, &arena, &past);
    if (json) k_buf_add_text(out, ",\"may_differ\":[");
    for (uint32_t i = 0; i < r->found.range_count && !json; i++) {
        const struct k_preflight_range *range = &r->found.ranges[i];
        if (range->history)
            k_buf_printf(out, "history  topic %s, partition %d: offsets %lld to %lld, before the journal\n",
                         range->topic, range->partition, (long long)range->from, (long long)range->end - 1);
    }
    for (uint32_t i = 0; i < past.count; i++) {
        const struct k_past_item *item = &past.items[i];
        if (json) {
            k_buf_printf(out, "%s{\"name\":", i ? "," : "");
            k_json_string(out, k_str_of(item->name));
            k_buf_printf(out, ",\"kind\":\"%s\",\"reason\":", item->kind);
            k_json_string(out, k_str_of(item->reason));
            k_buf_add_char(out, '}');
        } else {
            k_buf_printf(out, "differs  %s %s, perhaps: %s\n", item->kind, item->name, item->reason);
        }
    }
    if (json) k_buf_add_char(out, ']');
    k_arena_fini(&arena);
}

void reading_print(const struct reading *r, const struct k_plan *plan, bool json, struct k_buf *out)
{
    print_past(r, plan, json, out);
    if (json) {
        print_json(r, out);
        return;
    }
    k_buf_printf(out, "to read: at most %llu records of the sources, ", (unsigned long long)r->found.records);
    print_bytes(r, r->cost.bytes, out);
    k_buf_printf(out, ", by %llu of the journals, ", (unsigned long long)r->found.journal_records);
    print_bytes(r, r->cost.journal_bytes, out);
    k_buf_add_char(out, '\n');
    print_time(r, out);
    print_disk(r, out);
}
