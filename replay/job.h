// A job: a bounded replay into a directory of its own. It touches nothing of the pipeline: no journal, no group, no
// output topic; the shards of a worker lead on a log on the side (aside.h) and end where the windows end.
//
// The directory has a note, JOB, that says what is made there and whether it is complete. A job is made whole or not at
// all: what an interrupted one left is of no use (its journal is gone with its process), so that the same job, begun
// again, removes it and begins anew; another job there is refused, and so is a directory that holds anything else.
// There is no wall clock in a job: partitions are never idle.
#pragma once
#include "engine/worker.h"
#include "replay/place.h"

#define K_JOB_GENERATION "batch"

struct k_job_options {
    const char *directory;
    struct k_plan *plan;      // its sources' idleness is turned off
    const char *from, *until; // as they were typed: the job's name, together with the graph
    bool final;
    uint64_t rate; // records a second; 0: as fast as it goes
};
struct k_job;
// Finds the windows, takes the directory. K_E_CONFIG: it holds something else, or a complete job; K_E_UNAVAILABLE:
// another process is at work there; and what k_place_windows says.
K_CHECKED int k_job_begin(struct k_log *log, const struct k_job_options *options, int64_t now_us, struct k_job **ret,
                          struct k_error *err);
// What makes a worker do it, besides plan, state_dir (the job's directory), once, and the generation: hooks, mute,
// in_order, intervals.
void k_job_worker(struct k_job *job, struct k_worker_options *options);
const struct k_aside_window *k_job_windows(const struct k_job *job, uint32_t *ret_count);
// The worker has come to its end: from now on the directory holds a result.
K_CHECKED int k_job_complete(struct k_job *job, struct k_error *err);
void k_job_destroy(struct k_job *job); // NULL-safe
