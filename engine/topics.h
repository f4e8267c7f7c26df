// The topics that a pipeline needs, before it runs: made when absent, checked when they exist, never silently
// different.
#pragma once
#include "engine/log.h"
#include "engine/plan.h"

struct k_topics_options {
    bool create;            // make what is absent (else say what is missing)
    bool absent_is_fine;    // without create: what run would make need not be there yet
    int32_t replication;    // of topics that are made; -1: the broker's default
    int32_t partitions;     // of outputs whose sink does not say; -1: the broker's default
};
// What a topic is made like, if it is absent.
struct k_topic_spec k_topics_spec(const struct k_topic_need *need, const struct k_topics_options *options);
// Whether a table keeps rows longer than a source's topic keeps records, so that older ones could not be computed
// again. *ret_table: one that does; ret_kept (appended, empty when it does not matter): how much the topic keeps, in
// words.
bool k_topics_outlived(const struct k_plan *plan, const struct k_topic_info *info, const char **ret_table,
                       struct k_buf *ret_kept);
#define K_TOPICS_OUTLIVED_HINT \
    "What is older can only come from an export: run with --snapshot-dir, or raise the topic's retention."
// Sources must exist, and keep what they have at least as a topic that deletes or compacts (both is a source that
// loses records unseen: refused with the reason). Outputs and dead letters are made when absent. Journals are made
// with one partition, cleanup by delete, and no retention; one that exists and differs is refused. All findings at
// once are in the text of the error.
K_CHECKED int k_topics_prepare(struct k_log *log, struct k_plan *plan, const struct k_topics_options *options,
                               struct k_error *err);
