// What machine.c, frontier.c and dead_letter.c share.
#pragma once
#include "engine/machine.h"

// The host of one source or node: what it is linked to, and whose it is.
struct post {
    struct k_host host; // first: operators get its address
    struct k_machine *machine;
    const char *name;
    const struct k_links *links; // per output port
    const struct k_edge *outputs;
    enum k_on_error on_error;
    const char *dead_letter_topic;
    struct k_counters counters;
    const struct k_node *node; // NULL for a source
    bool waits;                // it has no instance yet
    void *instance;
    struct k_source *source;
};

struct k_machine {
    const struct k_plan *plan;
    struct k_state *state;
    struct k_machine_owner owner;
    bool outputs_wanted;
    uint32_t shard;
    uint32_t *partitions; // per source
    struct post *posts;   // sources, then nodes
    uint32_t post_count;
    struct k_input *inputs;
    uint32_t input_count;
    uint32_t *first_input; // per source: index of its first input
    struct k_arena arena;
    uint32_t emit_depth; // emissions inside each other; 0: none is under way
    bool gathers;        // some node wants on_flush
    uint32_t feeding;    // source whose records are under way, for dead letters

    // The frontier (frontier.c)
    int64_t clock_us;         // INT64_MIN before the first boundary
    int64_t frontier_us;      // least watermark; INT64_MIN: none
    int64_t open_frontier_us; // that before the input was declared complete: by it tables are read and rows expire
    int64_t work_frontier_us; // the frontier for which work is under way or done
    bool work_pending;        // work at work_frontier_us may be left
    uint32_t work_node;       // nodes before this one have none left
    bool final;
    uint64_t work_units;
    struct k_work_run *work_runs; // since the last boundary
    uint32_t work_run_count, work_run_capacity;
    int64_t *watermarks; // scratch, per input
};

extern const struct k_host_ops machine_host_ops;
bool machine_is_waiting(const struct k_machine *m, const char *name); // as the owner said when it was opened
int machine_open_node(struct post *post, struct k_error *err);
int machine_load_input(struct k_machine *m, const Kappa__Internal__Position__Partition *p, struct k_error *err);
void machine_load_frontier(struct k_machine *m, const Kappa__Internal__Position *position);
void machine_load_counters(struct post *post, const Kappa__Internal__Position *position);
int machine_fail(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *reason, const char *text,
                 struct k_error *err);
int machine_late(struct k_host *host, const struct k_batch *batch, uint32_t row, const char *late_topic,
                 struct k_error *err);
int machine_output(struct k_host *host, const struct k_output *output, struct k_error *err);
