#include "cli/origin.h"

#include "base/json_out.h"
#include "replay/generations.h"

int origin_read(struct k_log *log, const char *graph, const struct k_generation *generation, struct k_starts *starts,
                struct k_error *err)
{
    if (!generation->start[0] || generation->role == K_ROLE_RETIRED) return 0;
    int code = k_starts_read(log, graph, generation->number, starts, err);
    return code == K_E_NOT_FOUND ? 0 : code;
}

void origin_text(const struct k_generation *generation, struct k_buf *out)
{
    const char *start = generation->start;
    if (strcmp(start, K_START_FOUND) == 0) k_buf_printf(out, ", begins with %s", start);
    else if (start[0]) k_buf_printf(out, ", begins as said by %s", start);
    if (generation->suffix[0])
        k_buf_printf(out,
                     generation->role == K_ROLE_SHADOW ? ", outputs to topics with suffix %s until it leads"
                                                       : ", outputs to topics with suffix %s until it led",
                     generation->suffix);
}

void origin_starts_text(const char *graph, const struct k_starts *starts, struct k_buf *out)
{
    const char *topic = NULL;
    for (uint32_t i = 0; i < starts->count; i++) {
        const struct k_start *start = &starts->items[i];
        if (!topic || strcmp(topic, start->topic) != 0)
            k_buf_printf(out, "%s  begins at %s", topic ? "\n" : "", start->topic);
        topic = start->topic;
        k_buf_printf(out, " %d:%lld", start->partition, (long long)start->offset);
        if (start->joins) k_buf_printf(out, " (history up to %lld)", (long long)start->join);
    }
    if (topic) k_buf_add_char(out, '\n');
    for (uint32_t s = 0; starts->journal_from && s < starts->shards; s++)
        if (starts->journal_from[s] > 0)
            k_buf_printf(out, "  begins behind %s.journal.%u %lld, with history before it\n", graph, s,
                         (long long)starts->journal_from[s]);
}

static void json_text(const char *name, const char *text, struct k_buf *out)
{
    k_buf_printf(out, ",\"%s\":", name);
    if (text[0]) k_json_string(out, k_str_of(text));
    else k_buf_add_text(out, "null");
}

void origin_json(const struct k_generation *generation, struct k_buf *out)
{
    json_text("start", generation ? generation->start : "", out);
    json_text("output_suffix", generation ? generation->suffix : "", out);
}

void origin_starts_json(const struct k_starts *starts, struct k_buf *out)
{
    k_buf_add_text(out, ",\"start_offsets\":[");
    for (uint32_t i = 0; i < starts->count; i++) {
        const struct k_start *start = &starts->items[i];
        k_buf_add_text(out, i ? ",{\"topic\":" : "{\"topic\":");
        k_json_string(out, k_str_of(start->topic));
        k_buf_printf(out, ",\"partition\":%d,\"offset\":%lld,\"history_until\":", start->partition,
                     (long long)start->offset);
        if (start->joins) k_buf_printf(out, "%lld}", (long long)start->join);
        else k_buf_add_text(out, "null}");
    }
    k_buf_add_text(out, "],\"start_journals\":[");
    bool any = false;
    for (uint32_t s = 0; starts->journal_from && s < starts->shards; s++) any |= starts->journal_from[s] > 0;
    for (uint32_t s = 0; any && s < starts->shards; s++)
        k_buf_printf(out, "%s%lld", s ? "," : "", (long long)starts->journal_from[s]);
    k_buf_add_char(out, ']');
}
