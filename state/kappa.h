/* libkappa: reads the serving tables of a kappa graph from its state directory, live or stopped.
 *
 * A reader covers the shards whose state lies on this machine. Every call that reads answers from one moment of each
 * shard, always at a commit boundary, and says which (struct kappa_answer). Rows past their retention are left out.
 * The writing process is never disturbed; nothing is written into its directory.
 *
 * A reader is for one thread at a time. Link with -lkappa (pkg-config libkappa). What this header promises stays
 * compatible within one major version; structs may grow at their end.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What calls return: 0, or one of these. kappa_error() has the sentence. */
enum kappa_result {
    KAPPA_OK = 0,
    KAPPA_NOT_FOUND = 1,   /* no such state, table or row */
    KAPPA_USAGE = 2,       /* a wrong call: the name is ambiguous, a key does not fit its columns */
    KAPPA_CORRUPT = 3,     /* damaged, not a state of kappa, or of a newer format */
    KAPPA_UNAVAILABLE = 4, /* the row's shard is not on this machine; or the state was removed, or replaced by another
                              one, since the reader was opened, which is of no use then but to be closed */
    KAPPA_IO = 5           /* the system refused */
};

/* Types of columns; the numbers are those of the stored format. */
enum kappa_type {
    KAPPA_BOOL = 1,
    KAPPA_INT64 = 2,
    KAPPA_DOUBLE = 3,
    KAPPA_STRING = 4,
    KAPPA_BYTES = 5,
    KAPPA_TIMESTAMP = 6, /* microseconds since 1970 UTC */
    KAPPA_JSON = 7
};

struct kappa_value {
    enum kappa_type type;
    int is_null;
    union {
        int boolean;
        int64_t integer; /* int64, timestamp */
        double real;
        struct {
            const char *data; /* not NUL-terminated */
            size_t length;
        } text; /* string, bytes, json */
    } as;
};

struct kappa_column {
    const char *name;
    enum kappa_type type;
    int not_null;
};

struct kappa_table {
    const char *name;
    const struct kappa_column *columns; /* in the order of a row's values */
    size_t column_count;
    const size_t *key; /* indices of the key columns, in key order */
    size_t key_count;
    int64_t retention_us; /* -1: rows are kept for ever */
};

/* One shard's part of an answer, as of its last checkpoint. */
struct kappa_shard {
    uint32_t shard;
    const char *generation;
    int64_t journal_offset; /* the next record of the shard's journal that it will follow; -1: none yet */
    int64_t frontier_us;    /* event time up to which the shard is complete; INT64_MIN: none yet */
    int64_t taken_us;       /* when the checkpoint was taken, wall clock; INT64_MIN: not known */
};

/* Where an answer comes from. If shard_count < shards_total, rows of the other shards are missing. */
struct kappa_answer {
    const struct kappa_shard *shards; /* ascending */
    size_t shard_count;
    size_t shards_total;
};

typedef struct kappa_reader kappa_reader;

/* Opens DIR/<graph>/<generation>/: state_dir as given to `kappa run --state-dir`. graph NULL: the only one there.
 * generation NULL or "live": the one that is live, looked up again by each call that reads. *ret_reader is set on
 * failure too (unless memory ran out: NULL), only for kappa_error, and is to be closed. */
int kappa_open(const char *state_dir, const char *graph, const char *generation, kappa_reader **ret_reader);
void kappa_close(kappa_reader *reader); /* NULL-safe */

/* The sentence about the last call that failed. Valid until the next call. */
const char *kappa_error(const kappa_reader *reader);

/* Where the last answer came from. Valid until the next call that reads. */
const struct kappa_answer *kappa_last_answer(const kappa_reader *reader);

/* All tables, by name. Valid until the next call that reads. */
int kappa_tables(kappa_reader *reader, const struct kappa_table **ret_tables, size_t *ret_count);

/* One row by its whole key, each key column as text ("42", "true", "2026-01-01T00:00:00Z"; strings as they are).
 * ret_values: the columns in order, valid until the next call that reads. KAPPA_NOT_FOUND: there is no such row. */
int kappa_get(kappa_reader *reader, const char *table, const char *const *key, size_t key_count,
              const struct kappa_table **ret_table, const struct kappa_value **ret_values);

/* Which rows a scan visits, in key order. Zero-initialised: all. */
struct kappa_range {
    const char *const *prefix; /* rows whose first key columns are these */
    size_t prefix_count;
    int prefix_begins; /* nonzero: the last of them, a string column, is only what its text begins with */
    const char *const *from; /* from this key on, of which some first columns are enough */
    size_t from_count;
    const char *const *to; /* up to but without this one */
    size_t to_count;
    uint64_t limit; /* rows; 0: all */
};

/* Called for each row; table and values are valid during the call, which must not read from the same reader
 * (KAPPA_USAGE). Nonzero goes on, 0 ends the scan. */
typedef int (*kappa_row)(void *context, const struct kappa_table *table, const struct kappa_value *values);

/* range NULL: all rows. */
int kappa_scan(kappa_reader *reader, const char *table, const struct kappa_range *range, kappa_row row, void *context);

#ifdef __cplusplus
}
#endif
