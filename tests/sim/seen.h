// What the graphs of the simulator have in them; each is counted, and none may be 0 over a full run.
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
    X(drop_policy) X(pass_null_policy) X(dead_letter_topic) X(dead_letters) X(late_rows)
