// A rehearsal: a graph run on the real shard over the in-memory log and store, for the graph's own tests (`kappa
// test`). The same engine, not a double of it; only the two seams are others.
#pragma once
#include "engine/plan.h"
#include "engine/shard.h"

struct k_rehearsal;

// seed 0: the log hands over records as they are; else it cuts them into batches by the seed, which no result may
// depend on. partitions[i]: of source i's topic. tap sees what flows (see k_machine_owner).
K_CHECKED int k_rehearsal_create(struct k_plan *plan, uint64_t seed, int64_t now_us, const uint32_t *partitions,
                                 void (*tap)(void *context, const char *edge, const struct k_batch *batch),
                                 void *tap_context, struct k_rehearsal **ret, struct k_error *err);
// A message arrives in a source's topic.
void k_rehearsal_send(struct k_rehearsal *rehearsal, const struct k_out_message *message);
// Moves the clock (never back) and lets the engine do all that is due, commits included.
K_CHECKED int k_rehearsal_advance(struct k_rehearsal *rehearsal, int64_t to_us, struct k_error *err);
// What became a dead letter so far, in order, under the graph's own headers (kappa.node, kappa.reason, kappa.error).
void k_rehearsal_dead_letters(struct k_rehearsal *rehearsal,
                              void (*visit)(void *context, const struct k_message *message), void *context);
// For counters.
struct k_machine *k_rehearsal_machine(struct k_rehearsal *rehearsal);
void k_rehearsal_destroy(struct k_rehearsal *rehearsal); // NULL-safe
