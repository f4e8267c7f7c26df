// Topics with a suffix: the list of them, making and removing.
#include "replay/suffixed.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/internal.pb-c.h"
#include "replay/control.h"

enum { TOPIC_LENGTH_MAX = 249, FETCH_US = 100000, FETCHES_MAX = 50, TIMEOUT_US = 10000000 };

typedef Kappa__Internal__OutputTopics Topics;

#define TRY(call)                \
    do {                         \
        int code_ = (call);      \
        if (code_) return code_; \
    } while (0)

bool k_suffix_is_good(const char *suffix)
{
    size_t length = strlen(suffix);
    for (const char *c = suffix; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') && !strchr("._-", *c))
            return false;
    return length > 0 && length < K_SUFFIX_SIZE;
}

static bool is_output(const struct k_topic_need *need)
{
    return need->use == K_TOPIC_OUTPUT || need->use == K_TOPIC_DEAD_LETTERS;
}

int k_suffixed_check(struct k_log *log, struct k_plan *plan, const char *suffix, struct k_buf *ret,
                     struct k_error *err)
{
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_output(&needs[i])) continue;
        char topic[600];
        struct k_topic_info info;
        int length = snprintf(topic, sizeof topic, "%s%s", needs[i].topic, suffix);
        if (length > TOPIC_LENGTH_MAX)
            return k_fail(err, K_E_CONFIG, "%s is longer than a topic's name can be", topic);
        int code = log->ops->topic_info(log, topic, &info, err);
        // What is not ours would be mixed with what is, and be removed with it.
        if (!code) return k_fail(err, K_E_CONFIG, "topic %s is there already; choose another suffix", topic);
        if (code != K_E_NOT_FOUND) return code;
        k_buf_printf(ret, "%s\n", topic);
    }
    return 0;
}

static void notes_of(const char *graph, uint64_t generation, char *out, size_t size)
{
    int length = snprintf(out, size, "%s.outputs.%llu", graph, (unsigned long long)generation);
    K_ASSERT(length > 0 && (size_t)length < size);
}

// --- the list

// *ret NULL: there is none.
static int read_list(struct k_log *log, const char *notes, int32_t partition, Topics **ret, struct k_error *err)
{
    int64_t start, end;
    struct k_reader *reader;
    *ret = NULL;
    TRY(log->ops->offsets(log, notes, partition, true, &start, &end, err));
    if (start == end) return 0;
    TRY(log->ops->reader_open(log, notes, partition, start, &reader, err));
    int code = 0;
    for (int i = 0; i < FETCHES_MAX && !code && log->ops->position(reader) < end; i++) {
        const struct k_message *const *messages;
        uint32_t count = 0;
        code = log->ops->fetch(reader, 64, 1 << 20, FETCH_US, &messages, &count, err);
        for (uint32_t m = 0; m < count && !code; m++) {
            if (*ret) kappa__internal__output_topics__free_unpacked(*ret, NULL);
            *ret = kappa__internal__output_topics__unpack(NULL, messages[m]->value.length,
                                                          (const uint8_t *)messages[m]->value.data);
            if (!*ret || (*ret)->version > 1)
                code = k_fail(err, K_E_CORRUPT,
                              "topic %s, partition %d: this is no list of topics that this kappa "
                              "can read",
                              notes, partition);
        }
    }
    if (!code && log->ops->position(reader) < end)
        code = k_fail(err, K_E_TIMEOUT, "topic %s was not read to its end in time", notes);
    log->ops->reader_close(reader);
    if (!code) return 0;
    if (*ret) kappa__internal__output_topics__free_unpacked(*ret, NULL);
    return code;
}

static int write_list(struct k_log *log, const char *graph, uint64_t generation, const char *notes, int32_t partition,
                      char **topics, uint32_t count, struct k_error *err)
{
    char number[24];
    Topics list;
    struct k_buf bytes = {0};
    struct k_producer *producer = NULL;
    bool tainted;
    snprintf(number, sizeof number, "%llu", (unsigned long long)generation);
    kappa__internal__output_topics__init(&list);
    list.has_version = true;
    list.version = 1;
    list.pipeline = (char *)graph;
    list.generation = number;
    list.n_topic = count;
    list.topic = topics;
    size_t size = kappa__internal__output_topics__get_packed_size(&list);
    kappa__internal__output_topics__pack(&list, (uint8_t *)k_buf_reserve(&bytes, size));
    bytes.length += size;
    const struct k_out_message message = {.topic = notes,
                                          .partition = partition,
                                          .key = K_STR("topics"),
                                          .has_key = true,
                                          .value = k_buf_str(&bytes),
                                          .has_value = true,
                                          .timestamp_us = -1};
    int code = log->ops->producer_open(log, notes, TIMEOUT_US, &producer, err);
    if (!code) code = log->ops->begin(producer, err);
    if (!code) code = log->ops->produce(producer, &message, err);
    if (!code) code = log->ops->commit(producer, &tainted, err); // tainted: it is used for nothing more
    log->ops->producer_close(producer);
    k_buf_fini(&bytes);
    return code;
}

// --- making

static int make(struct k_log *log, const struct k_topic_need *need, const char *suffix,
                const struct k_topics_options *options, struct k_error *err)
{
    char topic[600];
    struct k_topic_info info, real;
    snprintf(topic, sizeof topic, "%s%s", need->topic, suffix);
    int code = log->ops->topic_info(log, topic, &info, err);
    if (code != K_E_NOT_FOUND) return code;
    struct k_topic_spec spec = k_topics_spec(need, options);
    code = log->ops->topic_info(log, need->topic, &real, err);
    if (!code) {
        spec.partitions = real.partitions;
        spec.compacted = real.compacted;
        spec.retention_ms = real.retention_ms;
        spec.max_message_bytes = real.max_message_bytes;
    }
    return code && code != K_E_NOT_FOUND ? code : log->ops->topic_create(log, topic, &spec, err);
}

static int prepare_notes(struct k_log *log, const char *notes, int32_t partitions, int32_t replication,
                         struct k_error *err)
{
    struct k_topic_info info;
    int code = log->ops->topic_info(log, notes, &info, err);
    if (code == K_E_NOT_FOUND) {
        const struct k_topic_spec spec = {
            .partitions = partitions, .replication = replication, .compacted = true, .retention_ms = -1};
        TRY(log->ops->topic_create(log, notes, &spec, err));
        code = log->ops->topic_info(log, notes, &info, err);
    }
    if (code || (info.partitions == partitions && info.compacted && !info.deletes)) return code;
    return k_fail(err, K_E_CONFIG, "topic %s must have %d partitions and cleanup.policy=compact, nothing else", notes,
                  partitions);
}

int k_suffixed_prepare(struct k_log *log, struct k_plan *plan, uint64_t generation, const char *suffix,
                       const struct k_topics_options *options, struct k_error *err)
{
    char notes[300];
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs), n = 0;
    int32_t last = (int32_t)plan->shards;
    Topics *list;
    notes_of(plan->name, generation, notes, sizeof notes);
    TRY(prepare_notes(log, notes, last + 1, options->replication, err));
    TRY(read_list(log, notes, last, &list, err));
    int code = 0;
    if (list) {
        kappa__internal__output_topics__free_unpacked(list, NULL);
    } else {
        char **topics = k_new_array(char *, count + 1);
        for (uint32_t i = 0; i < count; i++)
            if (is_output(&needs[i])) topics[n++] = k_format("%s%s", needs[i].topic, suffix);
        code = write_list(log, plan->name, generation, notes, last, topics, n, err);
        for (uint32_t i = 0; i < n; i++) free(topics[i]);
        free(topics);
    }
    for (uint32_t i = 0; i < count && !code; i++)
        if (is_output(&needs[i])) code = make(log, &needs[i], suffix, options, err);
    return code;
}

// --- removing

static int remove_one(struct k_log *log, const char *topic, bool dry_run, struct k_buf *ret, struct k_error *err)
{
    struct k_topic_info info;
    int code = dry_run ? log->ops->topic_info(log, topic, &info, err) : log->ops->topic_delete(log, topic, err);
    if (!code && ret) k_buf_printf(ret, "%s\n", topic);
    return code == K_E_NOT_FOUND ? 0 : code;
}

int k_suffixed_remove(struct k_log *log, const char *graph, uint64_t generation, bool dry_run, struct k_buf *ret,
                      struct k_error *err)
{
    char notes[300];
    struct k_topic_info info;
    Topics *list = NULL;
    notes_of(graph, generation, notes, sizeof notes);
    int code = log->ops->topic_info(log, notes, &info, err);
    if (code) return code == K_E_NOT_FOUND ? 0 : code;
    code = read_list(log, notes, info.partitions - 1, &list, err);
    for (size_t i = 0; !code && list && i < list->n_topic; i++)
        code = remove_one(log, list->topic[i], dry_run, ret, err);
    if (list) kappa__internal__output_topics__free_unpacked(list, NULL);
    // The list goes last: whoever was interrupted begins again.
    return code ? code : remove_one(log, notes, dry_run, ret, err);
}
