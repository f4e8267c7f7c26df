// The facts of a state directory, for people and as JSON.
#include "cli/facts.h"

#include "base/units.h"
#include "cli/origin.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

// --- for people

static void add_time(struct k_buf *out, bool has, int64_t us)
{
    char text[K_TIME_TEXT];
    if (!has || us == INT64_MIN) k_buf_add_text(out, "none");
    else if (us == INT64_MAX) k_buf_add_text(out, "end of the input");
    else k_buf_add(out, text, k_time_print(text, us));
}

static void add_age(struct k_buf *out, int64_t taken_us)
{
    k_buf_add_text(out, " (");
    output_age(out, k_clock_us(CLOCK_REALTIME) - taken_us);
    k_buf_add_text(out, " ago)");
}

static void print_shard(const struct facts *facts, const struct facts_shard *shard, FILE *out)
{
    struct k_buf text = {0};
    k_buf_printf(&text, "shard %u of %u   %s, ", shard->view->shard, facts->shards_total, shard->directory);
    k_size_print(&text, shard->disk_bytes);
    const Kappa__Internal__Position *at = shard->position;
    if (at && at->has_journal_from)
        k_buf_printf(&text, "\n  begins       behind journal offset %" PRId64 ", with history before it",
                     at->journal_from);
    if (shard->takeover)
        k_buf_printf(&text, "\n  begun with   a copy of generation %s at journal offset %" PRId64,
                     shard->takeover->generation ? shard->takeover->generation : "?",
                     shard->takeover->position->journal_offset);
    if (!at) {
        k_buf_add_text(&text, "\n  no checkpoint yet\n");
    } else {
        k_buf_printf(&text, "\n  journal      offset %" PRId64 ", sequence %" PRIu64 ", leadership %" PRIu64,
                     at->journal_offset, at->sequence, at->leader_epoch);
        if (shard->journal_end >= 0)
            k_buf_printf(&text, "; the journal ends at %" PRId64 ", %" PRId64 " further", shard->journal_end,
                         shard->journal_end - at->journal_offset);
        k_buf_add_text(&text, "\n  checkpoint   ");
        add_time(&text, at->has_taken_us, at->taken_us);
        if (at->has_taken_us) add_age(&text, at->taken_us);
        k_buf_add_text(&text, "\n  frontier     ");
        add_time(&text, at->has_frontier_us, at->frontier_us);
        if (at->work_pending) k_buf_add_text(&text, ", work is pending");
        k_buf_add_char(&text, '\n');
    }
    fwrite(text.data, 1, text.length, out);
    k_buf_fini(&text);
}

static void print_eta(struct columns *columns, double eta_s)
{
    struct k_buf text = {0};
    if (eta_s < 0) k_buf_add_text(&text, "unknown");
    else if (isinf(eta_s)) k_buf_add_text(&text, "never");
    else if (eta_s == 0) k_buf_add_text(&text, "0s");
    else k_duration_print(&text, (int64_t)(eta_s + 1) * 1000000);
    columns_cell(columns, k_buf_str(&text));
    k_buf_fini(&text);
}

static void print_partitions(const struct facts *facts, FILE *out)
{
    static const char *const headings[] = {"source", "partition", "shard",   "next",         "end",      "lag",
                                           "ETA",    "records",   "latest event", "watermark", "begins"};
    static const bool right[] = {false, true, true, true, true, true, true, true, false, false, false};
    bool later = false; // most begin with the journal, and have nothing to say of it
    for (uint32_t i = 0; i < facts->partition_count; i++)
        later |= facts->partitions[i].at->has_until || facts->partitions[i].at->has_begin;
    struct columns *columns = columns_create(out, headings, right, later ? 11 : 10);
    struct k_buf text = {0};
    for (uint32_t i = 0; i < facts->partition_count; i++) {
        const struct facts_partition *p = &facts->partitions[i];
        columns_cell(columns, k_str_of(p->at->source ? p->at->source : ""));
        columns_printf(columns, "%u", p->at->partition);
        columns_printf(columns, "%u", facts->shards[p->shard].view->shard);
        columns_printf(columns, "%" PRId64, p->at->next);
        // -1: nothing was fed yet.
        int64_t next = p->at->next < 0 ? 0 : p->at->next;
        if (p->end < 0) {
            columns_cell(columns, K_STR(""));
            columns_cell(columns, K_STR(""));
            columns_cell(columns, K_STR(""));
        } else {
            columns_printf(columns, "%" PRId64, p->end);
            columns_printf(columns, "%" PRId64, p->end - next);
            print_eta(columns, facts_eta(p));
        }
        columns_printf(columns, "%" PRIu64, p->at->records);
        k_buf_clear(&text);
        add_time(&text, p->at->has_max_time_us, p->at->max_time_us);
        columns_cell(columns, k_buf_str(&text));
        k_buf_clear(&text);
        add_time(&text, p->at->has_watermark_us, p->at->watermark_us);
        columns_cell(columns, k_buf_str(&text));
        if (p->at->has_until) columns_printf(columns, "history up to %" PRId64, p->at->until);
        else if (p->at->has_begin) columns_printf(columns, "at %" PRId64, p->at->begin);
        else if (later) columns_cell(columns, K_STR(""));
    }
    columns_end(columns);
    k_buf_fini(&text);
}

static void print_counters(const struct facts *facts, FILE *out)
{
    static const char *const headings[] = {"node",   "in",        "= processed",     "+ filtered",
                                           "+ late", "+ dropped", "+ dead-lettered", "out"};
    static const bool right[] = {false, true, true, true, true, true, true, true};
    struct columns *columns = columns_create(out, headings, right, 8);
    for (uint32_t i = 0; i < facts->counter_count; i++) {
        const struct facts_counters *c = &facts->counters[i];
        const uint64_t numbers[] = {c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered, c->out};
        columns_cell(columns, k_str_of(c->node));
        for (uint32_t n = 0; n < 7; n++) columns_printf(columns, "%" PRIu64, numbers[n]);
    }
    columns_end(columns);
    fprintf(out, "%s\n", facts->sums_hold ? "the sums hold" : "THE SUMS DO NOT HOLD: this is a bug of kappa");
}

void facts_print_text(const struct facts *facts, FILE *out)
{
    const Kappa__Internal__Identity *identity = facts->shards[0].identity;
    fprintf(out, "graph %s, generation %s, fingerprint %s, semantics %u\n", facts_graph(facts),
            facts->shards[0].view->generation, identity && identity->fingerprint ? identity->fingerprint : "unknown",
            identity ? identity->semantics : 0);
    if (facts->generation) {
        struct k_buf origin = {0};
        origin_text(facts->generation, &origin);
        fprintf(out, "it is %s%s\n", k_role_name(facts->generation->role), origin.length ? origin.data : "");
        k_buf_fini(&origin);
    }
    for (uint32_t i = 0; i < facts->shard_count; i++) print_shard(facts, &facts->shards[i], out);
    if (facts->shard_count < facts->shards_total)
        fprintf(out, "%u of %u shards are on this machine\n", facts->shard_count, facts->shards_total);
    fputc('\n', out);
    print_partitions(facts, out);
    fputc('\n', out);
    print_counters(facts, out);
}

// --- as JSON

static void json_time(struct k_buf *out, const char *name, bool has, int64_t us)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (!has || us == INT64_MIN) k_buf_add_text(out, "null");
    else if (us == INT64_MAX) k_buf_add_text(out, "\"end\"");
    else k_json_time(out, us);
}

static void json_optional(struct k_buf *out, const char *name, bool has, int64_t value)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (has) k_json_int(out, value);
    else k_buf_add_text(out, "null");
}

static void json_shard(const struct facts *facts, uint32_t index, struct k_buf *out)
{
    const struct facts_shard *shard = &facts->shards[index];
    const Kappa__Internal__Position *at = shard->position;
    k_buf_printf(out, "{\"shard\":%u,\"directory\":", shard->view->shard);
    k_json_string(out, k_str_of(shard->directory));
    k_buf_printf(out, ",\"disk_bytes\":%" PRIu64, shard->disk_bytes);
    json_optional(out, "journal_offset", at != NULL, at ? at->journal_offset : 0);
    json_optional(out, "journal_end", shard->journal_end >= 0, shard->journal_end);
    json_optional(out, "sequence", at != NULL, at ? (int64_t)at->sequence : 0);
    json_optional(out, "leader_epoch", at != NULL, at ? (int64_t)at->leader_epoch : 0);
    json_optional(out, "begins_behind", at && at->has_journal_from, at ? at->journal_from : 0);
    if (shard->takeover)
        k_buf_printf(out, ",\"taken_from\":%llu,\"taken_at\":%" PRId64,
                     strtoull(shard->takeover->generation ? shard->takeover->generation : "0", NULL, 10),
                     shard->takeover->position->journal_offset);
    else k_buf_add_text(out, ",\"taken_from\":null,\"taken_at\":null");
    json_time(out, "taken", at && at->has_taken_us, at ? at->taken_us : 0);
    json_optional(out, "age_ms", at && at->has_taken_us, at ? (k_clock_us(CLOCK_REALTIME) - at->taken_us) / 1000 : 0);
    json_time(out, "frontier", at && at->has_frontier_us, at ? at->frontier_us : 0);
    k_buf_printf(out, ",\"work_pending\":%s,\"final\":%s,\"partitions\":[", at && at->work_pending ? "true" : "false",
                 at && at->final ? "true" : "false");
    const char *separator = "";
    for (uint32_t i = 0; i < facts->partition_count; i++) {
        const struct facts_partition *p = &facts->partitions[i];
        if (p->shard != index) continue;
        k_buf_printf(out, "%s{\"source\":", separator);
        k_json_string(out, k_str_of(p->at->source ? p->at->source : ""));
        k_buf_printf(out, ",\"partition\":%u", p->at->partition);
        json_optional(out, "begin", p->at->has_begin, p->at->begin);
        json_optional(out, "history_until", p->at->has_until, p->at->until);
        k_buf_printf(out, ",\"next\":%" PRId64, p->at->next);
        json_optional(out, "end", p->end >= 0, p->end);
        json_optional(out, "lag", p->end >= 0, p->end - (p->at->next < 0 ? 0 : p->at->next));
        double eta_s = p->end >= 0 ? facts_eta(p) : -1;
        if (eta_s < 0 || isinf(eta_s)) k_buf_add_text(out, ",\"eta_seconds\":null");
        else k_buf_printf(out, ",\"eta_seconds\":%.1f", eta_s);
        k_buf_printf(out, ",\"closing\":%s", eta_s < 0 ? "null" : isinf(eta_s) ? "false" : "true");
        k_buf_printf(out, ",\"records\":%" PRIu64, p->at->records);
        json_time(out, "latest_event", p->at->has_max_time_us, p->at->max_time_us);
        json_time(out, "watermark", p->at->has_watermark_us, p->at->watermark_us);
        k_buf_add_char(out, '}');
        separator = ",";
    }
    k_buf_add_text(out, "]}");
}

void facts_print_json(const struct facts *facts, const char *kind, FILE *file)
{
    const Kappa__Internal__Identity *identity = facts->shards[0].identity;
    struct k_buf out = {0};
    k_buf_printf(&out, "{\"kind\":\"%s\",\"graph\":", kind);
    k_json_string(&out, k_str_of(facts_graph(facts)));
    k_buf_add_text(&out, ",\"generation\":");
    k_json_string(&out, k_str_of(facts->shards[0].view->generation));
    const struct k_generation *generation = facts->generation;
    k_buf_add_text(&out, ",\"role\":");
    if (generation) k_json_string(&out, k_str_of(k_role_name(generation->role)));
    else k_buf_add_text(&out, "null");
    origin_json(generation, &out);
    k_buf_add_text(&out, ",\"fingerprint\":");
    k_json_string(&out, k_str_of(identity && identity->fingerprint ? identity->fingerprint : ""));
    k_buf_printf(&out, ",\"semantics\":%u,\"shards_total\":%u,\"shards\":[", identity ? identity->semantics : 0,
                 facts->shards_total);
    for (uint32_t i = 0; i < facts->shard_count; i++) {
        if (i) k_buf_add_char(&out, ',');
        json_shard(facts, i, &out);
    }
    k_buf_add_text(&out, "],\"counters\":[");
    for (uint32_t i = 0; i < facts->counter_count; i++) {
        const struct facts_counters *c = &facts->counters[i];
        k_buf_printf(&out, "%s{\"node\":", i ? "," : "");
        k_json_string(&out, k_str_of(c->node));
        k_buf_printf(&out,
                     ",\"in\":%" PRIu64 ",\"processed\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"late\":%" PRIu64
                     ",\"dropped\":%" PRIu64 ",\"dead_lettered\":%" PRIu64 ",\"out\":%" PRIu64 "}",
                     c->in, c->processed, c->filtered, c->late, c->dropped, c->dead_lettered, c->out);
    }
    k_buf_printf(&out, "],\"sums_hold\":%s}\n", facts->sums_hold ? "true" : "false");
    fwrite(out.data, 1, out.length, file);
    k_buf_fini(&out);
}
