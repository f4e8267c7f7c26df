// Readers and the consumers they live on: what log_kafka_reader.c and log_kafka_consumer.c share.
#pragma once
#include "base/memory.h"
#include "engine/log_kafka.h"

struct k_kafka_consumer {
    struct k_kafka_consumer *next;
    struct k_kafka_handle handle;
    pthread_t thread;         // who has readers here
    bool patient;             // for readers that rest
    struct k_reader *readers; // under kafka->lock
    atomic_llong woken_us, listened_us;
};

struct k_reader {
    struct k_kafka *kafka;
    struct k_kafka_consumer *consumer;
    struct k_reader *next;
    char *topic;
    int32_t partition;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_partition_list_t *asked; // one element, for rd_kafka_position

    rd_kafka_message_t **raw;
    struct k_message *messages;
    const struct k_message **pointers;
    uint32_t capacity, at, count;
    struct k_arena headers;

    int64_t position, end; // end: where librdkafka last saw the stable end; -1: not yet
    bool without_headers;
    bool read; // a message was handed out since the start or the last seek
    int lost;  // K_E_LOST_RANGE until a seek
    struct k_error lost_text;
    size_t mean_bytes; // of a message, of late
    size_t length;     // of the queue after the last pop
    int64_t grown_us;  // when the queue was last seen to have grown; the start at first
};

// What librdkafka holds for a queued message besides its value.
enum { K_KAFKA_OP_BYTES = 320 };

// The consumer for a reader of the partition by the calling thread; NULL: err says why. Under kafka->lock.
struct k_kafka_consumer *k_kafka_consumer_for(struct k_kafka *kafka, const char *topic, int32_t partition,
                                              bool patient, struct k_error *err);
// Whether the topic has the partition; what is known stays known, so that a hundred readers ask once.
int k_kafka_check_partition(struct k_kafka *kafka, const char *topic, int32_t partition, struct k_error *err);
// Makes the queue wake up whoever waits; and no longer.
void k_kafka_watch(struct k_kafka *kafka, rd_kafka_queue_t *queue);
void k_kafka_unwatch(rd_kafka_queue_t *queue);
// Wakes librdkafka's threads for the reader's consumer if a full queue has sent them to sleep.
void k_kafka_wake_brokers(struct k_reader *reader, int64_t now_us);
