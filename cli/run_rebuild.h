// The part of `kappa run` that is for --rebuild: a state that is lost or suspect, made anew from the journal.
#pragma once
#include "cli/command.h"
#include "engine/worker.h"

#define RUN_REBUILD_OPTION                                                                                           \
    {                                                                                                                \
        .name = "rebuild",                                                                                           \
        .help = "the state is lost or suspect: make it anew in an empty --state-dir, from the newest export in "     \
                "--snapshot-dir or the journal's start, then go on as always; refused if the log no longer reaches " \
                "back"                                                                                               \
    }
// Checks that every shard can be rebuilt, puts exports into place, and says on stderr from where each one starts.
// Changes nothing that is there.
K_CHECKED int run_rebuild(struct k_log *log, const struct k_worker_options *worker, struct k_error *err);
