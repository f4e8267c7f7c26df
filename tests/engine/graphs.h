// Graphs that several tests of the engine run.
#pragma once

// Keeps the last n of each k.
#define GRAPH_TABLE                                                                                   \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"            \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"               \
    "table { name: \"last\" input: \"in\" key: \"k\" }\n"                                             \
    "sink { name: \"out\" input: \"in\" kafka { topic: \"o\" } format { json {} } }\n"

// The same, changed in one word.
#define GRAPH_OTHER                                                                                   \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" field: \"n int64\" }\n"            \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" }\n"               \
    "table { name: \"last\" input: \"in\" key: \"n\" }\n"                                             \
    "sink { name: \"out\" input: \"in\" kafka { topic: \"o\" } format { json {} } }\n"

// Counts by second of event time (the message's timestamp). TIME: the source's time clause.
#define GRAPH_WINDOWS(TIME)                                                                           \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" }\n"                               \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" " TIME " }\n"      \
    "node { name: \"counts\" input: \"in\" aggregate { group_by: \"k\"\n"                             \
    "       window { tumbling { size: \"1s\" } } select: \"count(*) AS c\" } }\n"                     \
    "node { name: \"short\" input: \"counts\" map { select: \"k\" select: \"c\" } }\n"                \
    "sink { name: \"out\" input: \"short\" kafka { topic: \"o\" } format { json {} } }\n"

// Counts by k, for several shards.
#define GRAPH_SPREAD                                                                                  \
    "name: \"p\" schema { name: \"E\" field: \"k string not null\" }\n"                               \
    "source { name: \"in\" kafka { topic: \"t\" partitioned_by: \"k\" } format { json {} } schema: \"E\" }\n" \
    "node { name: \"counts\" input: \"in\" aggregate { group_by: \"k\" select: \"count(*) AS c\" } }\n" \
    "table { name: \"latest\" input: \"counts\" key: \"k\" }\n"                                       \
    "sink { name: \"out\" input: \"counts\" key: \"k\" kafka { topic: \"o\" } format { json {} } }\n"

// Passes n on, in the order in which it is fed. TIME: more of the source.
#define GRAPH_ORDER(TIME)                                                                              \
    "name: \"p\" schema { name: \"E\" field: \"n int64 not null\" field: \"ts timestamp not null\" }\n"   \
    "source { name: \"in\" kafka { topic: \"t\" } format { json {} } schema: \"E\" " TIME " }\n"        \
    "node { name: \"short\" input: \"in\" map { select: \"n\" } }\n"                                  \
    "sink { name: \"out\" input: \"short\" kafka { topic: \"o\" } format { json {} } }\n"
