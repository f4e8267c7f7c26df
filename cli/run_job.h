// The part of `kappa run` that is for jobs: --from P --until P --into DIR.
#pragma once
#include "cli/output.h"
#include "replay/job.h"

#define RUN_JOB_OPTIONS(FROM, UNTIL, INTO, RATE, OUTPUT)                                                             \
    [FROM] = {.name = "from",                                                                                        \
              .argument = "PLACE",                                                                                   \
              .help = "with --into: where in the sources it begins: " K_PLACE_WORDS " (default earliest)"},          \
    [UNTIL] = {.name = "until", .argument = "PLACE", .help = "with --into: where it ends (default latest)"},         \
    [INTO] = {.name = "into",                                                                                        \
              .argument = "DIR",                                                                                     \
              .help = "a job: only the part of the log between --from and --until, its tables into this directory, " \
                      "no outputs, and the end"},                                                                    \
    [RATE] = {.name = "rate", .argument = "N", .help = "with --into: at most so many records a second"},             \
    [OUTPUT] = {                                                                                                     \
        .name = "output",                                                                                            \
        .letter = 'o',                                                                                               \
        .argument = "text|json",                                                                                     \
        .help = "with --into: form of the result",                                                                   \
        .text = "text",                                                                                              \
    }

struct run_job {
    struct k_job *job; // NULL before begin
    struct k_job_options options;
    bool wanted, json;
};
// indices: of the five options above. others: options that make no sense with --into, ended by -1.
K_CHECKED int run_job_read(struct call *call, const uint32_t indices[5], const int *others, struct run_job *ret,
                           struct k_error *err);
K_CHECKED int run_job_begin(struct run_job *job, struct k_log *log, struct k_worker_options *worker,
                            struct k_error *err);
// The worker has ended well; stopped: because it was asked to. Prints the result. Returns the exit status.
int run_job_end(struct call *call, struct run_job *job, bool stopped);
void run_job_fini(struct run_job *job);
