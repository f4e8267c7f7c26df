// What a replay would read, how long it would take, and on how much disk: for plan --against live and replay start.
#pragma once
#include "cli/command.h"
#include "replay/cost.h"

#define OPTION_DISK                                                                                                \
    {                                                                                                              \
        .name = "disk", .argument = "SIZE",                                                                        \
        .help =                                                                                                    \
            "how much disk the new state will take; default: as much as the live generation's, where that is here" \
    }

struct reading {
    const struct k_starts *starts; // NULL: from the journal's beginning
    struct k_preflight found;
    struct k_cost_options options;
    struct k_cost cost;
};
// Looks, and measures; options but live must be set. On failure there is nothing to be freed.
K_CHECKED int reading_take(struct k_log *log, const struct k_plan *plan, struct reading *reading,
                           struct k_error *err);
void reading_fini(struct reading *reading);
// Lines of text, or members of a JSON object, each with a comma before it.
void reading_print(const struct reading *reading, const struct k_plan *plan, bool json, struct k_buf *out);
void reading_print_nothing(struct k_buf *out); // the members, where nothing would be read
