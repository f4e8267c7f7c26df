// Access to single values of a batch, for the places that are not vectorised.
#include "proto/batch.h"

#include "base/error.h"

struct k_value k_column_value(const struct k_column *column, uint32_t row)
{
    struct k_value value = {.type = column->type};
    // A column that nobody reads was not decoded: its values are not known, which SQL calls NULL.
    if (!column->data || k_column_null(column, row)) {
        value.null = true;
        return value;
    }
    switch (column->type) {
    case K_NO_TYPE: value.null = true; return value;
    case K_BOOL: value.b = column->b[row] != 0; return value;
    case K_INT64:
    case K_TIMESTAMP: value.i = column->i[row]; return value;
    case K_DOUBLE: value.d = column->d[row]; return value;
    case K_STRING:
    case K_BYTES:
    case K_JSON: value.s = column->s[row]; return value;
    case K_INTERVAL: value.interval = column->interval[row]; return value;
    }
    K_ASSERT(!"a type outside the table");
}
