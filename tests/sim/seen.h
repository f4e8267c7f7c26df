// What the graphs of the simulator have in them, and what its runs did; each is counted, and none may be 0 over a
// full run.
#pragma once

#define SIM_FEATURES(X)                                                                                     \
    X(filter) X(map) X(route) X(union_of_sources) X(union_of_ways) X(flatten) X(event_time)                \
    X(join_inner) X(join_left) X(join_late_topic) X(join_behind_join)                                       \
    X(number_key) X(compacted_table) X(table_removals)                                                      \
    X(aggregate_unbounded) X(aggregate_tumbling) X(aggregate_hopping) X(aggregate_inherit)                  \
    X(aggregate_over_updates) X(on_close) X(on_update) X(grace) X(late_topic) X(where)                      \
    X(count_star) X(count) X(sum) X(avg) X(min) X(max) X(arg_min) X(arg_max)                           \
    X(variance) X(count_distinct) X(first_last)                                                                        \
    X(table) X(retention) X(keyed_sink) X(unkeyed_sink) X(updating_sink)                                    \
    X(json) X(line) X(raw) X(csv) X(protobuf) X(packed)                                                           \
    X(two_sources) X(idle) X(two_shards) X(compacted_source) X(crc32)                \
    X(system_columns) X(validate_full) X(drop)                                                              \
    X(drop_policy) X(pass_null_policy) X(dead_letter_topic) X(dead_letters) X(late_rows)                      \
    X(changed_expression) X(added_aggregate) X(added_node) X(removed_node) X(changed_window)     \
    X(changed_idle) X(removed_source)

// What a run did besides the log's own faults; each is counted, and none may be 0 over a full run.
#define SIM_EVENTS(X)                                                                                   \
    X(worker_killed, "kill -9 between two steps")                                                       \
    X(worker_crashed, "a worker died inside a call")                                                    \
    X(worker_stopped, "a worker stopped in order and came back")                                        \
    X(worker_paused, "a worker was not scheduled for longer than its session")                          \
    X(call_paused, "a worker stood still inside a call while others went on")                           \
    X(disk_full, "no room for a checkpoint")                                                            \
    X(disk_error, "a checkpoint failed with an I/O error")                                              \
    X(disk_crashed, "the machine died at a checkpoint")                                                 \
    X(disk_lost, "a worker came back with an empty disk")                                               \
    X(clock_set, "the clock on the wall was set")                                                       \
    X(foreign_abort, "a producer of a source aborted a transaction")                                    \
    X(final_under_faults, "the input was declared final while faults went on")                          \
    X(interleaved, "the same input in another interleaving gave the same results")                      \
    X(follower, "a worker that only follows came to the end")                                           \
    X(takeover, "a leadership began")                                                                   \
    X(reset, "a shard threw its memory away")                                                           \
    X(followed, "records were read again after a takeover")                                              \
    X(trimmed, "journal records that nobody could follow any more were cut off")                        \
    X(switch_asked, "another generation was asked to lead")                                             \
    X(switch_lost, "whoever asked for it died on the way, or did not hear how it ended")                \
    X(switch_turned, "a switch was asked for while another was under way")                              \
    X(switch_done, "a switch was completed")                                                            \
    X(switch_taken_back, "a switch that did not come to its end was taken back")                        \
    X(switch_back, "a switch was asked for that goes back")                                             \
    X(switch_back_third, "from the third generation to whichever led before it")                        \
    X(led_again, "a generation led again that had led before")                                          \
    X(third_began, "a third generation began while the second led and the first was warm")              \
    X(third_led, "it led")                                                                              \
    X(retired_hold, "a generation was retired because its hold was over")                               \
    X(retired_asked, "one was retired because somebody asked")                                          \
    X(worker_retired, "a process of such a one ended")                                                  \
    X(difference_asked, "a switch was asked for with its difference")                                   \
    X(difference_copied, "a state was copied as it stood before a switch")                              \
    X(difference_done, "a switch's difference was written to its end, and there was none")              \
    X(difference_written, "a switch's difference was written to its end, and had rows")                  \
    X(difference_rows, "a row of a difference was found beside what its generation writes anyhow")     \
    X(difference_consumer, "who reads a topic over switches and differences has the last generation's table") \
    X(made_by_either, "it was open which generation brings out what was left at a switch")              \
    X(mark_asked, "somebody asked for a mark")                                                          \
    X(mark_judged, "a copy of a state at a mark was compared with the reference there")                 \
    X(mark_changed, "one of a generation that differs")                                                 \
    X(mark_died, "a worker died while it kept a copy at a mark")                                        \
    X(take_asked, "a generation's first process asked for a copy of the live one's state")              \
    X(take_made, "a shard's state was begun with such a copy")                                          \
    X(take_whole, "and with nothing to compute")                                                        \
    X(take_unread, "or with a source that is not read before the copy's place")                         \
    X(take_died, "the process died while it made its states of copies, or between two")                 \
    X(take_given_up, "it got no copy, or one that does not fit, and computed everything")               \
    X(take_judged, "a state that was begun with a copy was compared with the reference at the end")     \
    X(use_lead, "a state of the end was its leader's")                                                  \
    X(use_standby, "it was one that never led")                                                         \
    X(use_shadow, "it was another generation's, which never led")                                       \
    X(use_recovery, "its process had died on the way")                                                  \
    X(use_emptied, "it was made anew on an empty disk")                                                 \
    X(use_cold, "another process came to the same by following from the beginning")                     \
    X(use_capsule, "or from an older checkpoint, within the bounds of what is there")                   \
    X(use_job, "or as a bounded replay, in the order of event time")                                    \
    X(use_rows, "a row of a table was compared so, byte by byte")                                       \
    X(suffixed, "a generation wrote to topics with a suffix until it led")                              \
    X(suffixed_messages, "a message of those was judged")                                               \
    X(suffixed_ended, "they ended where it led")                                                        \
    X(started_later, "a partition in which a generation began later than the journal")                  \
    X(left_out, "a record that such a generation leaves out")                                           \
    X(added_source, "the second generation's graph has a source that the first one's lacks")            \
    X(journal_cut, "journals were cut off, and the second generation began with history before them")   \
    X(cut_same, "a table that kappa plan does not name for that came out as the live one's, byte by byte") \
    X(cut_named, "it names one")                                                                        \
    X(history_fed, "a record of history was told to the reference, in its order")                       \
    X(changed_graph, "the other generation's graph was a corrected one")                                \
    X(foreign_graph, "the other generation's graph was another by name")

// How another process comes to the state of the end (uses.h).
#define SIM_USES(X) X(cold, "a cold follower") X(capsule, "a follower from a checkpoint") X(job, "a bounded replay")
