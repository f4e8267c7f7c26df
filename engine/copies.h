// Copies of states as they stood before a switch (k_copies), as directories of hard links in the state directory:
// DIR/.marks/switch-<seq>/<graph>/<generation>/<shard>. So the generations of a difference must share a state
// directory, as for parity.
#pragma once
#include "engine/shard.h"

struct k_copy_place { // whose; all borrowed
    const char *state_dir, *graph, *generation;
    uint32_t shard;
};
extern const struct k_copies k_copies_on_disk; // its context is a struct k_copy_place
