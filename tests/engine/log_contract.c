// The contract of the log seam: the list of its cases, and the tools that they share.
#include "tests/engine/log_contract_private.h"

#include "base/memory.h"

void contract_note(struct log_contract *c, int line, const char *condition, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(c->failure, sizeof c->failure, "line %d: %s ", line, condition);
    if (length < (int)sizeof c->failure)
        vsnprintf(c->failure + length, sizeof c->failure - (size_t)length, format, arguments);
    va_end(arguments);
}

int contract_topic(struct log_contract *c, struct k_log *log, int32_t partitions, struct k_error *err)
{
    return log->ops->topic_create(
        log, c->topic, &(struct k_topic_spec){.partitions = partitions, .replication = 1, .retention_ms = -1}, err);
}

struct k_out_message contract_message(struct log_contract *c, int32_t partition, const char *value)
{
    return (struct k_out_message){.topic = c->topic,
                                  .partition = partition,
                                  .value = k_str_of(value),
                                  .has_value = true,
                                  .timestamp_us = 1700000000000000};
}

int contract_put(struct log_contract *c, struct k_log *log, struct k_producer *producer, int32_t partition,
                 const char *value, struct k_error *err)
{
    struct k_out_message out = contract_message(c, partition, value);
    return log->ops->produce(producer, &out, err);
}

int contract_write(struct log_contract *c, struct k_log *log, struct k_producer *producer, const char *values,
                   struct k_error *err)
{
    int code = log->ops->begin(producer, err);
    char *copy = k_strdup(values), *rest = copy;
    for (char *value; code == 0 && (value = strsep(&rest, " ")) != NULL;)
        code = contract_put(c, log, producer, 0, value, err);
    free(copy);
    bool tainted = false;
    return code == 0 ? log->ops->commit(producer, &tainted, err) : code;
}

int contract_producer(struct log_contract *c, struct k_log *log, struct k_producer **ret, struct k_error *err)
{
    return log->ops->producer_open(log, c->topic, 10 * SECOND, ret, err);
}

int contract_read(struct log_contract *c, struct k_log *log, struct k_reader *reader, uint32_t wanted, int64_t until,
                  uint32_t batch, char *out, size_t capacity, struct k_error *err)
{
    size_t length = 0;
    uint32_t seen = 0;
    out[0] = '\0';
    int64_t deadline = log->ops->now_us(log) + TIMEOUT_US;
    while (seen < wanted && log->ops->position(reader) < until && log->ops->now_us(log) < deadline) {
        const struct k_message *const *messages;
        uint32_t count;
        int code = log->ops->fetch(reader, batch, 1 << 20, 100000, &messages, &count, err);
        if (code != 0) return code;
        for (uint32_t i = 0; i < count; i++)
            length += (size_t)snprintf(out + length, capacity - length, "%s%.*s", seen++ ? " " : "",
                                       (int)messages[i]->value.length, messages[i]->value.data);
        if (count == 0) c->pass(c, 10000);
    }
    return 0;
}

int contract_await_end(struct log_contract *c, struct k_log *log, bool committed, int64_t wanted, struct k_error *err)
{
    int64_t end = -1;
    for (int i = 0; i < 200; i++) {
        int code = log->ops->offsets(log, c->topic, 0, committed, NULL, &end, err);
        if (code != 0) return code;
        if (end == wanted) return 0;
        c->pass(c, 10000);
    }
    return k_fail(err, K_E_BUG, "the end is %lld, and should be %lld", (long long)end, (long long)wanted);
}

static const struct {
    const char *name;
    void (*run)(struct log_contract *c);
} cases[] = {
    {"topics", contract_case_topics},
    {"whole-messages", contract_case_whole_messages},
    {"every-message-has-its-own-header", contract_case_every_message_has_its_own_header},
    {"markers-at-the-end", contract_case_markers_at_the_end},
    {"open-and-aborted-are-invisible", contract_case_open_and_aborted_are_invisible},
    {"tracked-offsets", contract_case_tracked_offsets},
    {"the-predecessor-is-fenced", contract_case_the_predecessor_is_fenced},
    {"lost-ranges", contract_case_lost_ranges},
    {"batches-and-seeks", contract_case_batches_and_seeks},
    {"one-member-leads", contract_case_one_member_leads},
    {"a-session-ends", contract_case_a_session_ends},
};

int log_contract_run(struct log_contract *contract)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (contract->only != NULL && strstr(cases[i].name, contract->only) == NULL) continue;
        contract->name = cases[i].name;
        contract->failure[0] = '\0';
        snprintf(contract->topic, sizeof contract->topic, "%s-%s", contract->unique, cases[i].name);
        cases[i].run(contract);
        if (contract->failure[0] == '\0') {
            printf("ok %s\n", cases[i].name);
        } else {
            printf("FAIL %s: %s\n", cases[i].name, contract->failure);
            failed++;
        }
        fflush(stdout);
    }
    return failed;
}
