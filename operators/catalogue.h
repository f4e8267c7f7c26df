// The catalogue: the one list of operators. A new operator is its file, its test and one line here; the build, the
// table of operators and the tests read this list and no other.
#pragma once
#include "operators/operator.h"

#define K_OPERATORS(X) \
    X(filter)          \
    X(map)             \
    X(route)           \
    X(union)           \
    X(flatten)         \
    X(event_time)      \
    X(join)            \
    X(aggregate)       \
    X(table)           \
    X(kafka)

#define X(name) extern const struct k_operator k_operator_##name;
K_OPERATORS(X)
#undef X
