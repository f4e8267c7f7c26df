// The connection of short commands: little memory, short waits.
#include "cli/kafka.h"

#include "base/trace.h"
#include "engine/topics.h"

#include <stdio.h>
#include <unistd.h>

int kafka_options(struct call *call, uint32_t first, struct k_kafka_options *ret, struct k_error *err)
{
    static char worker[80];
    char host[65] = "worker";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (*c == '.') *c = '-';
    snprintf(worker, sizeof worker, "%s-%ld", host, (long)getpid());
    *ret = (struct k_kafka_options){.brokers = k_options_text(&call->options, first + KAFKA_BROKERS),
                                    .properties_file = k_options_text(&call->options, first + KAFKA_CONFIG),
                                    .worker = worker,
                                    .queue_bytes = 16 << 20,
                                    .readers_expected = 4,
                                    .session_timeout_us = 6000000,
                                    .request_timeout_us = 8000000};
    // The file's own bootstrap.servers count more than our default.
    const struct k_options *o = &call->options;
    if (k_options_given(o, first + KAFKA_CONFIG) && !k_options_given(o, first + KAFKA_BROKERS)) ret->brokers = NULL;
    return k_options_duration(&call->options, first + KAFKA_TIMEOUT, &ret->request_timeout_us, err);
}

int kafka_open(struct call *call, uint32_t first, struct k_log **ret, struct k_error *err)
{
    struct k_kafka_options options;
    int code = kafka_options(call, first, &options, err);
    // A short command ends with one sentence; what librdkafka says on the way is in it.
    k_trace_setup(K_TRACE_ERROR, false);
    return code ? code : k_log_kafka_open(&options, ret, err);
}

// As k_topics_prepare looks at topics, without making any: absent ones are made by run.
int kafka_check_topics(struct k_log *log, struct k_plan *plan, struct k_error *err)
{
    const struct k_topics_options look = {
        .create = false, .absent_is_fine = true, .replication = -1, .partitions = -1};
    return k_topics_prepare(log, plan, &look, err);
}
