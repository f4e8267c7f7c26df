// What a state took over from another one's copy, for the shard that runs it (takeover.c).
#pragma once
#include "engine/shard_private.h"

// Before the machine is opened: which nodes wait.
int takeover_open(struct k_shard *shard, struct k_machine_owner *owner, struct k_error *err);
// The position at which a state begins that computes nothing before; NULL: it does not. Once it is loaded, and the
// checkpoint to come will save it, it is dropped.
const Kappa__Internal__Position *takeover_begins(const struct k_shard *shard);
void takeover_drop(struct k_shard *shard);
void takeover_inputs(struct k_shard *shard); // notes which are not read before
// At each boundary: where the copy stands, the nodes that wait go on. K_E_CORRUPT: it does not fit.
int takeover_reach(struct k_shard *shard, struct k_error *err);
int takeover_check_end(const struct k_shard *shard, struct k_error *err); // the journal's: nothing may wait any more
