// Topics with a suffix: the list of them, making and removing.
#include "replay/suffixed.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"
#include "replay/control.h"
#include "replay/note.h"

enum { TOPIC_LENGTH_MAX = 249 };

typedef Kappa__Internal__OutputTopics Topics;

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
    struct k_buf bytes = {0};
    *ret = NULL;
    int code = k_note_read(log, notes, partition, &bytes, err);
    if (!code && bytes.length) {
        *ret = kappa__internal__output_topics__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        if (!*ret || (*ret)->version > 1)
            code = k_fail(err, K_E_CORRUPT, "topic %s, partition %d: no list of topics that this kappa can read",
                          notes, partition);
    }
    k_buf_fini(&bytes);
    if (!code || !*ret) return code;
    kappa__internal__output_topics__free_unpacked(*ret, NULL);
    *ret = NULL;
    return code;
}

static int write_list(struct k_log *log, const char *graph, uint64_t generation, const char *notes, int32_t partition,
                      char **topics, uint32_t count, struct k_error *err)
{
    char number[24];
    Topics list;
    struct k_buf bytes = {0};
    snprintf(number, sizeof number, "%llu", (unsigned long long)generation);
    kappa__internal__output_topics__init(&list);
    list.has_version = true;
    list.version = 1;
    list.pipeline = (char *)graph;
    list.generation = number;
    list.n_topic = count;
    list.topic = topics;
    k_protobuf_pack(&list.base, &bytes);
    int code = k_note_write(log, notes, partition, "topics", k_buf_str(&bytes), err);
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

int k_suffixed_prepare(struct k_log *log, struct k_plan *plan, uint64_t generation, const char *suffix,
                       const struct k_topics_options *options, struct k_error *err)
{
    char notes[300];
    const struct k_topic_need *needs;
    uint32_t count = k_plan_topics(plan, &needs), n = 0;
    int32_t last = (int32_t)plan->shards;
    Topics *list;
    notes_of(plan->name, generation, notes, sizeof notes);
    K_TRY(k_note_prepare(log, notes, last + 1, options->replication, err));
    K_TRY(read_list(log, notes, last, &list, err));
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
    bool there;
    int code = k_note_remove(log, topic, dry_run, &there, err);
    if (there && ret) k_buf_printf(ret, "%s\n", topic);
    return code;
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
