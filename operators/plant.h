// Planted bugs in operators: each breaks one rule on purpose, to prove that the tests catch it. Only in test builds
// (K_PLANTED); those of the engine are in engine/shard.h.
#pragma once

#define K_OPERATOR_PLANTS(X)                                                                       \
    X(union_by_arrival, "a union hands on what comes as it comes, where the graph divided before") \
    X(dated_not_held, "rows are dated anew without the watermark being held back by as much as the frontier") \
    X(flatten_in_part, "of a row that failed for one of its elements the others are handed on") \
    X(spread_keeps_taken, "a variance forgets to take the squares back of rows that are taken back") \
    X(distinct_once, "count(DISTINCT) forgets that a value can go again") \
    X(end_by_arrival, "first and last go by the order in which rows come") \
    X(join_ahead, "a join reads the table ahead of the sorter's order")                            \
    X(join_stream_first, "of a stream's and a table's row of one event time the stream's comes first") \
    X(join_keeps_removed, "a tombstone of a join's table is not applied")                          \
    X(join_null_key, "a left join loses rows whose key is NULL")                                   \
    X(sorter_no_partition, "the sorter does not look at the partition that a row comes from")
#ifdef K_PLANTED
enum k_operator_plant {
    K_OPERATOR_PLANT_NONE,
#define X(name, text) K_OPERATOR_PLANT_##name,
    K_OPERATOR_PLANTS(X)
#undef X
};
extern enum k_operator_plant k_operator_planted; // chosen at run time
#define K_OPERATOR_PLANT(name) (k_operator_planted == K_OPERATOR_PLANT_##name)
#else
#define K_OPERATOR_PLANT(name) 0
#endif
