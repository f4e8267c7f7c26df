// A writer of serving tables, as the engine writes them, for the tests of readers.
#pragma once
#include "state/table.h"
#include "tests/state/support.h"

struct table_writer {
    struct k_state *state;
    struct k_family *family;
};

// DIR with DIR/bank/1/ in it; the directory of one shard in it.
char *make_state_directory(void);
char *shard_directory(const char *top, int shard);

struct k_state *open_writer(const char *directory);
void put_identity(struct k_state *state, uint32_t shard, uint32_t shards);
// Columns balance double, owner string, number int64, open bool, since timestamp, note string; key owner, number.
struct table_writer make_table(struct k_state *state, const char *name, int64_t retention_us);
void put_row(struct table_writer *writer, const char *owner, int64_t number, double balance, int64_t base_us);
// A checkpoint at this journal offset, taken at 42.
void commit(struct k_state *state, int64_t offset, int64_t frontier_us);

// Shards 0 and 2 of 3, with rows of a table "accounts" whose retention is 1000 µs; shard 2 has a table "other" too.
char *make_two_shards(void);
