// What retired generations leave in a state directory. A process removes its own when it is told; of a generation that
// nobody hosted just then, whoever follows the control record over the same state directory does.
#pragma once
#include "replay/control.h"

// Removes the state of a generation. Not while anybody has it open.
void k_generation_remove(const char *state_dir, const char *graph, uint64_t generation);
// Removes the topics that it had for itself: of its outputs, and of where it began.
K_CHECKED int k_generation_remove_topics(struct k_log *log, const char *graph, uint64_t generation,
                                         struct k_error *err);
// Removes topics and state of all retired generations but own whose state is there and not open in any process. Says so
// in the trace; what could not be removed is tried again by the next call.
void k_leftovers_remove(struct k_log *log, const char *state_dir, const char *graph, uint64_t own,
                        const struct k_control *control);
