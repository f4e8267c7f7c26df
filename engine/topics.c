// Preparing topics. All findings are gathered, because people fix several at once.
#include "engine/topics.h"

#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    JOURNAL_RECORD_BYTES = 64 << 20, // as much as the producer sends
    AROUND_BYTES = 64 << 10,         // what a journal record has around the one that it embeds
};

struct findings {
    struct k_buf text;
    uint32_t count;
    int code;
};

__attribute__((format(printf, 3, 4))) static void find(struct findings *f, int code, const char *format, ...)
{
    char line[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (f->count++) k_buf_add_text(&f->text, "; ");
    else f->code = code;
    k_buf_add_text(&f->text, line);
}

// embedded: bytes of the largest record that a compacted source may hold, which the journal must take whole.
static void check_journal(struct findings *f, const char *topic, const struct k_topic_info *info, int64_t embedded)
{
    if (embedded && info->max_message_bytes < embedded + AROUND_BYTES)
        find(f, K_E_CONFIG,
             "journal %s takes records of %lld bytes, and a compacted source, whose records are embedded in it, may "
             "have "
             "some of %lld; set max.message.bytes=%d on the journal",
             topic, (long long)info->max_message_bytes, (long long)embedded, JOURNAL_RECORD_BYTES);
    if (info->partitions != 1)
        find(f, K_E_CONFIG, "journal %s has %d partitions, it must have 1", topic, info->partitions);
    if (info->compacted) find(f, K_E_CONFIG, "journal %s is compacted; it needs cleanup.policy=delete", topic);
    if (info->retention_ms != -1)
        find(f, K_E_CONFIG, "journal %s keeps records for %lld ms only; it needs retention.ms=-1", topic,
             (long long)info->retention_ms);
    if (info->retention_bytes != -1)
        find(f, K_E_CONFIG, "journal %s keeps %lld bytes only; it needs retention.bytes=-1", topic,
             (long long)info->retention_bytes);
}

static void check_existing(struct findings *f, const struct k_topic_need *need, const struct k_topic_info *info,
                           int64_t embedded)
{
    switch (need->use) {
    case K_TOPIC_JOURNAL: check_journal(f, need->topic, info, embedded); break;
    case K_TOPIC_SOURCE:
        if (info->compacted && info->deletes)
            find(f, K_E_CONFIG,
                 "source topic %s both compacts and deletes (cleanup.policy=compact,delete), so that keys vanish "
                 "without a tombstone",
                 need->topic);
        break;
    case K_TOPIC_OUTPUT:
        if (need->partitions > 0 && need->partitions != info->partitions)
            find(f, K_E_CONFIG, "topic %s has %d partitions, the graph says %d; change one of them", need->topic,
                 info->partitions, need->partitions);
        break;
    case K_TOPIC_DEAD_LETTERS: break;
    }
}

struct k_topic_spec k_topics_spec(const struct k_topic_need *need, const struct k_topics_options *options)
{
    struct k_topic_spec spec = {.partitions = need->partitions > 0 ? need->partitions : options->partitions,
                                .replication = options->replication};
    if (need->use == K_TOPIC_JOURNAL || need->use == K_TOPIC_DEAD_LETTERS) spec.retention_ms = -1;
    if (need->use == K_TOPIC_JOURNAL) spec.max_message_bytes = JOURNAL_RECORD_BYTES;
    return spec;
}

static void make(struct k_log *log, struct findings *f, const struct k_topic_need *need,
                 const struct k_topics_options *options)
{
    struct k_topic_spec spec = k_topics_spec(need, options);
    struct k_error error = {0};
    int code = log->ops->topic_create(log, need->topic, &spec, &error);
    if (code) find(f, code, "topic %s could not be made: %s", need->topic, error.text);
}

// The longest that a table keeps rows: INT64_MAX for ever, -1 no table.
static int64_t longest_retention_us(const struct k_plan *plan, const char **ret_table)
{
    int64_t longest = -1;
    for (size_t i = 0; i < plan->message->n_table; i++) {
        const Kappa__V1__Table *table = plan->message->table[i];
        int64_t us = INT64_MAX;
        if (table->retention && !k_duration_parse(k_str_of(table->retention), &us)) us = INT64_MAX;
        if (us > longest) {
            longest = us;
            *ret_table = table->name;
        }
    }
    return longest;
}

bool k_topics_outlived(const struct k_plan *plan, const struct k_topic_info *info, const char **ret_table,
                       struct k_buf *ret_kept)
{
    int64_t longest = longest_retention_us(plan, ret_table);
    if (!info->deletes || longest < 0) return false;
    if (info->retention_ms >= 0) k_duration_print(ret_kept, info->retention_ms * 1000);
    if (info->retention_bytes >= 0) {
        if (ret_kept->length) k_buf_add_text(ret_kept, " or ");
        k_size_print(ret_kept, (uint64_t)info->retention_bytes);
    }
    if (info->retention_bytes >= 0) return true; // nobody knows how long that lasts
    return info->retention_ms >= 0 && info->retention_ms < longest / 1000;
}

int k_topics_prepare(struct k_log *log, struct k_plan *plan, const struct k_topics_options *options,
                     struct k_error *err)
{
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs);
    struct findings f = {0};
    // First everything is looked at, so that nothing is made for a pipeline that cannot run.
    bool *absent = k_new_array(bool, count + 1);
    int64_t embedded = 0;
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) {
        struct k_topic_info info;
        struct k_error error = {0};
        int found = log->ops->topic_info(log, needs[i].topic, &info, &error);
        if (found == K_E_NOT_FOUND) {
            absent[i] = true;
            if (needs[i].use == K_TOPIC_SOURCE)
                find(&f, K_E_UNAVAILABLE, "source topic %s does not exist; make it, or mend its name in the graph",
                     needs[i].topic);
            else if (!options->create && !options->absent_is_fine)
                find(&f, K_E_UNAVAILABLE, "topic %s does not exist", needs[i].topic);
        } else if (found) {
            code = k_fail(err, found, "%s", error.text);
        } else {
            if (needs[i].use == K_TOPIC_SOURCE && info.compacted && info.max_message_bytes > embedded)
                embedded = info.max_message_bytes;
            check_existing(&f, &needs[i], &info, embedded);
        }
    }
    for (uint32_t i = 0; i < count && !code && !f.count && options->create; i++)
        if (absent[i]) make(log, &f, &needs[i], options);
    if (!code && f.count) code = k_fail(err, f.code, "%s", f.text.data);
    k_buf_fini(&f.text);
    free(absent);
    return code;
}
