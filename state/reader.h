// Reading the serving tables of one generation of a graph, from a live or stopped state directory, without disturbing
// whoever writes it.
//
// A reader covers the shard directories DIR/<graph>/<generation>/<shard>/ that are present on this machine. A view is
// one moment of each of them: always a commit boundary, position and rows from the same iterator, never older than a
// view before. Rows that are expired at the shard's frontier are left out, whether or not they are removed yet.
// Not thread-safe: one reader for one thread.
#pragma once
#include "state/store.h"
#include "state/table.h"

struct k_state_reader;
struct k_view;

struct k_reader_options {
    const char *state_dir;  // as given to `kappa run`; or the directory of one shard
    const char *graph;      // NULL: the only one there
    const char *generation; // NULL or "live": the one that DIR/<graph>/LIVE names, else the only one there
    uint64_t memory_bytes;  // for all shards together; 0: 64 MiB
    bool one_view;          // no second will be opened: what nobody writes is then opened so that all damage shows
};

// K_E_NOT_FOUND: no such graph, generation, or no shard of it (the text lists what is there). K_E_USAGE: there are
// several and none was named. K_E_CORRUPT: not a state of kappa.
int k_reader_open(const struct k_reader_options *options, struct k_state_reader **ret, struct k_error *err) K_CHECKED;
void k_reader_close(struct k_state_reader *reader); // NULL-safe; views must be closed before
// Whether a reader of the live generation was opened before another one became that, which one system call tells. It
// goes on to read its own; who wants the live one opens it anew.
bool k_reader_is_past(struct k_state_reader *reader);

// Where an answer comes from: one shard, as of its last checkpoint.
struct k_shard_view {
    uint32_t shard;
    const char *generation;
    int64_t journal_offset; // the next that it will follow; -1: no checkpoint with a position yet
    uint64_t sequence;
    int64_t frontier_us; // INT64_MIN: none yet
    int64_t taken_us;    // when the checkpoint was taken; INT64_MIN: not known
};

// A table, as the state itself describes it. Lives as long as the view.
struct k_table_info {
    const char *name;
    struct k_schema schema; // all columns
    const uint32_t *key;    // indices of the key columns
    uint32_t key_count;
    int64_t retention_us; // -1: for ever
};

// Moves every shard forward to what has been written by now, and looks at it.
int k_view_open(struct k_state_reader *reader, struct k_view **ret, struct k_error *err) K_CHECKED;
void k_view_close(struct k_view *view); // NULL-safe
// Whether anything has been written since the view was opened, so that a new one would be newer. The view stays as it
// is.
int k_view_moved(struct k_view *view, bool *ret_moved, struct k_error *err) K_CHECKED;
// The shards that the view covers, ascending; *ret_total: how many the pipeline has.
const struct k_shard_view *k_view_shards(const struct k_view *view, uint32_t *ret_count, uint32_t *ret_total);

// What a shard of the view notes beside its rows: "identity" or "position" (messages of proto/internal.proto), as of
// the view. index as in k_view_shards. The bytes lie in the arena; data NULL: there is no such note.
int k_view_meta(struct k_view *view, uint32_t index, const char *name, struct k_arena *arena, struct k_str *ret_value,
                struct k_error *err) K_CHECKED;
const char *k_view_directory(const struct k_view *view, uint32_t index); // as long as the reader

// Reads everything of a shard, so that damage anywhere shows (K_E_CORRUPT).
struct k_view_size {
    uint64_t keys, bytes;
};
int k_view_verify(struct k_view *view, uint32_t index, struct k_view_size *ret, struct k_error *err) K_CHECKED;
// Writes a shard, as the view shows it, into a state directory of its own, which must not exist yet: an export of a
// state that somebody else writes at the moment. On failure half of it may be there.
int k_view_copy(struct k_view *view, uint32_t index, const char *directory, uint64_t memory_bytes,
                struct k_error *err) K_CHECKED;

// All tables, by name.
int k_view_tables(struct k_view *view, const struct k_table_info *const **ret_tables, uint32_t *ret_count,
                  struct k_error *err) K_CHECKED;
// One table. K_E_NOT_FOUND: the text has the nearest name, or all of them.
int k_view_table(struct k_view *view, const char *name, const struct k_table_info **ret,
                 struct k_error *err) K_CHECKED;
// Key values from the texts that people type, in key order: count may be less than the table's key_count where a scan
// takes it. The values lie in the arena. K_E_USAGE names the column.
int k_view_key(const struct k_table_info *table, const char *const *texts, uint32_t count, struct k_arena *arena,
               struct k_value *ret_values, struct k_error *err) K_CHECKED;

// One row: ret_values has room for all columns; strings are valid until the next call on this view. *ret_found false:
// no such row. K_E_UNAVAILABLE: no such row here, and the key belongs to a shard that is not here.
int k_view_get(struct k_view *view, const struct k_table_info *table, const struct k_value *key, bool *ret_found,
               struct k_value *ret_values, struct k_error *err) K_CHECKED;

struct k_scan {
    const struct k_value *prefix; // rows whose first key columns are these
    uint32_t prefix_count;
    bool prefix_begins; // the last of them is a string, and only what the column's text begins with
    const struct k_value *from; // the first rows whose key is at or behind this one (some first columns of it)
    uint32_t from_count;
    const struct k_value *to; // and before this one
    uint32_t to_count;
    uint64_t limit; // rows; 0: all
};
// Visits rows in key order, over all shards of the view. values are valid during the visit; false ends the scan.
typedef bool (*k_row_visit)(void *context, const struct k_value *values, const struct k_shard_view *shard);
int k_view_scan(struct k_view *view, const struct k_table_info *table, const struct k_scan *scan, k_row_visit visit,
                void *context, struct k_error *err) K_CHECKED;
