// Planted bugs: each breaks one rule on purpose, to prove that the tests catch it. Only in test builds (K_PLANTED).
#pragma once
#define K_PLANTS(X)                                                                                             \
    X(offset_one_too_many, "a range's next is one too many")                                                    \
    X(checkpoint_early, "state is written before the transaction is known to be committed")                     \
    X(keep_over_revoke, "memory is kept over a revoke with open work")                                          \
    X(retry_doubtful, "a doubtful commit is tried again on the same producer")                                  \
    X(late_by_clock, "lateness by wall clock")                                                                  \
    X(late_by_mixed, "lateness by a watermark that mixes partitions")                                           \
    X(drop_journal_entry, "a follower overlooks a journal record now and then")                                 \
    X(batch_boundary_shows, "state depends on how records were cut into batches")                               \
    X(checkpoint_torn, "a checkpoint is not atomic: position and state are written apart")                      \
    X(skip_journal_end, "take-over without reading the journal to its end")                                     \
    X(keep_after_abort, "memory is kept after an abort")                                                        \
    X(overlook_ticks, "take-over judges the end by source offsets: a record of ticks only is overlooked")       \
    X(ignore_disconnect, "a producer is kept after a commit that was answered on a retry")                      \
    X(not_embedded, "records of compacted topics are only referenced in the journal")                           \
    X(id_per_worker, "the transactional id differs between leaders")                                            \
    X(id_per_generation, "each generation has its own transactional id: the old leader is not fenced")          \
    X(old_control, "a worker leads on an old control record")                                                   \
    X(shadow_ahead, "a shadow reads a source beyond the journal")                                               \
    X(cut_early, "the new generation takes over one entry early")                                               \
    X(done_by_name, "a switch is called complete by the generation's name")                                     \
    X(done_early, "a switch is called complete before the new generation's checkpoint has passed it")           \
    X(control_unread, "control is written without reading it to its end")                                       \
    X(warm_misses, "a warm generation misses a range")                                                          \
    X(difference_twice, "how far a switch's difference is written is not noted")                                \
    X(difference_old, "a switch's difference is written with the values of where the switch stands")           \
    X(back_to_first, "a rollback goes to the first warm generation, whoever led before")                        \
    X(hold_short, "a warm generation is retired before its hold is over")                                       \
    X(taken_unfed, "what is computed does not get what a node gave before that is taken over")                  \
    X(taken_late, "what was taken over goes on one journal record late")                                        \
    X(trim_alive, "the journal is trimmed of records that can still be followed")                              \
    X(history_grows, "history of an added source goes on to where its topic ends now")                         \
    X(history_unmerged, "history is taken one partition after another")
#ifdef K_PLANTED
enum k_plant {
    K_PLANT_NONE,
#define X(name, text) K_PLANT_##name,
    K_PLANTS(X)
#undef X
};
extern enum k_plant k_planted; // chosen at run time
#define K_PLANT(name) (k_planted == K_PLANT_##name)
#else
#define K_PLANT(name) 0
#endif
