// Where a generation begins, and where its outputs go until it leads: as its pipeline's control record and the note of
// its starts say it, for people and as JSON.
#pragma once
#include "replay/control.h"
#include "replay/starts.h"

// The note of a generation that does not simply begin with the journal; starts: initialized, empty. None is read of one
// that has none, or that is retired: then nothing is added. An interrupted beginning (there is no note) is no error.
K_CHECKED int origin_read(struct k_log *log, const char *graph, const struct k_generation *generation,
                          struct k_starts *starts, struct k_error *err);
// ", begins as said by --to-offset 100, outputs to topics with suffix .new until it leads". Of one that begins with the
// journal, and makes no outputs until it leads: nothing.
void origin_text(const struct k_generation *generation, struct k_buf *out);
// A line for each topic, and for the journals: "  begins at in 0:100 1:100". None: nothing.
void origin_starts_text(const char *graph, const struct k_starts *starts, struct k_buf *out);
// ,"start":null,"output_suffix":null    NULL: the control record was not asked, or does not know it.
void origin_json(const struct k_generation *generation, struct k_buf *out);
// ,"start_offsets":[…],"start_journals":[…]    The latter is empty where no journal is begun in its middle.
void origin_starts_json(const struct k_starts *starts, struct k_buf *out);
