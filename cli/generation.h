// What the verbs about generations share: which pipeline, its control record, and waiting for a switch.
#pragma once
#include "cli/kafka.h"
#include "cli/load.h"
#include "replay/generations.h"

// In a verb's table of options, first of all.
enum { GENERATION_SET, GENERATION_KAFKA, GENERATION_OPTION_COUNT = GENERATION_KAFKA + KAFKA_OPTION_COUNT };
#define GENERATION_OPTIONS [GENERATION_SET] = OPTION_SET, KAFKA_OPTION_TABLE(GENERATION_KAFKA)

struct pipeline {
    struct loaded loaded; // of a graph's file
    const char *name;
    struct k_log *log;
};
// The first operand: a graph's file, or the name of a pipeline. Connects. On failure the error is told, and the exit
// status returned; pipeline_close in every case.
int pipeline_open(struct call *call, struct pipeline *ret);
void pipeline_close(struct pipeline *pipeline);

// The record; K_E_NOT_FOUND: the pipeline has none, so that it has no other generations.
K_CHECKED int pipeline_control(struct pipeline *pipeline, struct k_control *ret, struct k_error *err);
// Waits until the switch is complete, at most timeout_us. K_E_TIMEOUT: it is not yet; K_E_NOT_FOUND: it was taken back,
// or another came.
K_CHECKED int pipeline_await(struct pipeline *pipeline, uint64_t seq, uint64_t target, int64_t timeout_us,
                             struct k_control *ret, struct k_error *err);
// K_E_NOT_FOUND: the generation is not in step with the journals (or nobody hosts it); the text says how far it is.
K_CHECKED int pipeline_in_step(struct pipeline *pipeline, uint64_t generation, struct k_error *err);
// Whether the difference of such a switch could be written: K_E_CONFIG or K_E_NOT_FOUND says what is in the way.
K_CHECKED int pipeline_check_difference(struct pipeline *pipeline, const struct k_control *control,
                                        const struct k_switch *ask, struct k_error *err);
// Asks for the switch, if the generation that is to lead is in step, and waits for its end. Returns the exit status.
int pipeline_switch(struct call *call, struct pipeline *pipeline, struct k_switch *ask, int64_t timeout_us);
