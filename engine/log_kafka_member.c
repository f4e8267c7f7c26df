// Membership of a group whose only job is to name a leader.
//
// A member subscribes to a topic of one partition and never reads it: what it is assigned is answered with an empty
// assignment. States: WAITING --assigned--> ASSIGNED --revoked or lost--> LOST (told once) --> WAITING. The group's
// metadata are copied at the moment of the assignment and used until it is lost, so that a member that was replaced
// while its thread stood still is refused by the broker: librdkafka's metadata of that later moment may be those of
// nobody, and the broker takes offsets from nobody.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/trace.h"
#include "engine/log_kafka.h"
#include "base/units.h"

enum {
    HEARTBEAT_US = 500000,  // what settled fastest; bounded by a third of the session
    POLL_US = 30000000,     // a thread that does not poll for so long has lost its place
    LEAVE_US = 2000000,
};

struct k_member {
    struct k_kafka *kafka;
    struct k_kafka_handle handle;
    char *group, *topic;
    bool lost;                                    // to be told by the next poll
    rd_kafka_consumer_group_metadata_t *metadata; // not NULL: assigned
};

static void drop(struct k_member *member)
{
    if (member->metadata == NULL) return;
    rd_kafka_consumer_group_metadata_destroy(member->metadata);
    member->metadata = NULL;
    member->lost = true;
}

// Called inside rd_kafka_consumer_poll, on the thread that polls.
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *partitions,
                         void *opaque)
{
    struct k_kafka_handle *handle = opaque;
    struct k_member *member = (struct k_member *)((char *)handle - offsetof(struct k_member, handle));
    drop(member);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (partitions->cnt > 0) member->metadata = rd_kafka_consumer_group_metadata(rk);
        // Assigned to nothing: this client never fetches the topic.
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        rd_kafka_assign(rk, none);
        rd_kafka_topic_partition_list_destroy(none);
    } else {
        rd_kafka_assign(rk, NULL);
    }
}

int k_kafka_member_join(struct k_log *log, const char *group, const char *topic, const char *rank,
                        struct k_member **ret, struct k_error *err)
{
    struct k_kafka *kafka = k_kafka_of(log);
    int32_t partitions;
    int code = k_kafka_partitions(kafka, topic, &partitions, err);
    if (code != 0) return code;

    struct k_member *member = k_new(struct k_member);
    member->kafka = kafka;
    member->group = k_strdup(group);
    member->topic = k_strdup(topic);
    char *client = k_format("%s-%s", rank, kafka->worker);
    rd_kafka_conf_t *conf = k_kafka_conf(kafka, client);
    free(client);
    k_kafka_set(conf, "group.id", group);
    // cooperative-sticky aborts the process in 2.0.2; range orders by client.id, where the rank stands first.
    k_kafka_set(conf, "partition.assignment.strategy", "range");
    k_kafka_set(conf, "enable.auto.commit", "false");
    k_kafka_set(conf, "enable.auto.offset.store", "false");
    k_kafka_set(conf, "auto.offset.reset", "error");
    k_kafka_set_int(conf, "session.timeout.ms", k_kafka_ms(kafka->session_timeout_us));
    k_kafka_set_int(conf, "heartbeat.interval.ms",
                    k_kafka_ms(k_kafka_min(HEARTBEAT_US, kafka->session_timeout_us / 3)));
    k_kafka_set_int(conf, "max.poll.interval.ms", k_kafka_ms(k_kafka_max(POLL_US, kafka->session_timeout_us)));
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    code = k_kafka_handle_open(&member->handle, kafka, RD_KAFKA_CONSUMER, conf, err);
    if (code == 0) {
        rd_kafka_poll_set_consumer(member->handle.rk);
        rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
        rd_kafka_resp_err_t answer = rd_kafka_subscribe(member->handle.rk, topics);
        rd_kafka_topic_partition_list_destroy(topics);
        if (answer != RD_KAFKA_RESP_ERR_NO_ERROR)
            code = k_kafka_fail(kafka, &member->handle, err, answer, NULL, "joining group \"%s\"", group);
    }
    if (code != 0) {
        k_kafka_member_leave(member);
        return code;
    }
    *ret = member;
    return 0;
}

int k_kafka_member_poll(struct k_member *member, enum k_membership *ret, struct k_error *err)
{
    int code = 0;
    rd_kafka_message_t *message;
    while (code == 0 && (message = rd_kafka_consumer_poll(member->handle.rk, 0)) != NULL) {
        int kind = k_kafka_code(message->err);
        // What passes by itself (a broker that restarts) librdkafka sees to; what does not is the caller's to know.
        if (kind == K_E_DENIED || kind == K_E_CONFIG || kind == K_E_NOT_FOUND)
            code = k_kafka_fail(member->kafka, &member->handle, err, message->err, rd_kafka_message_errstr(message),
                                "group \"%s\" on topic \"%s\"", member->group, member->topic);
        else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            k_trace(K_TRACE_INFO, "kafka", "group \"%s\": %s", member->group, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    if (code == 0 && atomic_exchange(&member->handle.refused, false))
        code = k_kafka_fail(member->kafka, &member->handle, err, RD_KAFKA_RESP_ERR__AUTHENTICATION, NULL,
                            "group \"%s\"", member->group);
    if (code != 0) return code;
    *ret = member->lost ? K_MEMBER_LOST : member->metadata != NULL ? K_MEMBER_ASSIGNED : K_MEMBER_WAITING;
    member->lost = false;
    return 0;
}

const rd_kafka_consumer_group_metadata_t *k_kafka_member_metadata(const struct k_member *member)
{
    return member->lost ? NULL : member->metadata;
}

// Tells the group, so that it need not wait for the session's end; but waits for no broker longer than LEAVE_US
// (closing can hang in 2.0.2, #4527).
static void say_goodbye(struct k_member *member)
{
    rd_kafka_t *rk = member->handle.rk;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(rk, queue);
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + LEAVE_US;
    while (error == NULL && !rd_kafka_consumer_closed(rk) && k_clock_us(CLOCK_MONOTONIC) < deadline_us) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20);
        if (event == NULL) continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) rd_kafka_assign(rk, NULL);
        rd_kafka_event_destroy(event);
    }
    if (error != NULL) rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
}

void k_kafka_member_leave(struct k_member *member)
{
    if (member == NULL) return;
    if (member->handle.rk != NULL) {
        say_goodbye(member);
        k_kafka_handle_close(&member->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    if (member->metadata != NULL) rd_kafka_consumer_group_metadata_destroy(member->metadata);
    free(member->group);
    free(member->topic);
    free(member);
}
