// kappa plan FILE --against: see plan_change.c.
#pragma once
#include "cli/load.h"

struct plan_change {
    const char *against; // "live", or another graph's file
    bool live, json;
    const char *state_dir;
    uint64_t rate, disk_bytes; // see k_cost_options
    uint32_t set, kafka; // indices of --set and of the first of Kafka's options
};
// Returns the exit status.
int plan_change(struct call *call, const struct plan_change *ask, const struct loaded *new);
