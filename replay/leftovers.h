// What retired generations leave in a state directory. A process removes its own when it is told; of a generation that
// nobody hosted just then, whoever follows the control record over the same state directory does.
#pragma once
#include "replay/control.h"

// Removes the state of a generation. Not while anybody has it open.
void k_generation_remove(const char *state_dir, const char *graph, uint64_t generation);
// Removes the state of all retired generations but own, unless a process has it open, and then the topics that they had
// for themselves. Says so in the trace; what could not be removed is tried again by the next call.
void k_leftovers_remove(struct k_log *log, const char *state_dir, const char *graph, uint64_t own,
                        const struct k_control *control);
