#include "tests/state/tables.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"

enum { BUDGET = 8 << 20 };

// A value of a table's family in memory: its bytes.
static void bytes_encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    const struct thing *thing = value;
    k_buf_add(out, thing->text, thing->length);
}
static int bytes_decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context, (void)err;
    thing_set(value, 0, bytes);
    return 0;
}
static void bytes_fini(void *value, const void *context)
{
    (void)context;
    free(((struct thing *)value)->text);
}
static const struct k_family_type bytes_type = {
    .size = sizeof(struct thing), .encode = bytes_encode, .decode = bytes_decode, .fini = bytes_fini};

struct k_state *open_writer(const char *directory)
{
    struct k_error err = {0};
    struct k_store *store;
    struct k_state *state;
    struct k_state_options options = {.cache_bytes = 1 << 20};
    check_ok(k_store_rocks_open(directory, true, BUDGET, &store, &err), &err);
    check_ok(k_state_open(store, &options, &state, &err), &err);
    return state;
}

static void put_message(struct k_state *state, const char *name, const ProtobufCMessage *message)
{
    struct k_buf bytes = {0};
    k_protobuf_pack(message, &bytes);
    k_state_put_meta(state, name, k_buf_str(&bytes));
    k_buf_fini(&bytes);
}

void put_identity(struct k_state *state, uint32_t shard, uint32_t shards)
{
    Kappa__Internal__Identity identity = KAPPA__INTERNAL__IDENTITY__INIT;
    identity.graph = (char *)"bank";
    identity.generation = (char *)"1";
    identity.has_shard = identity.has_shards = identity.has_partitions = true;
    identity.shard = shard;
    identity.shards = shards;
    if (shards > 1) identity.partitioned_by = (char *)"owner";
    identity.partitions = 8;
    put_message(state, "identity", &identity.base);
}

struct table_writer make_table(struct k_state *state, const char *name, int64_t retention_us)
{
    static const struct { const char *name; enum k_type type; } columns[] = {
        {"balance", K_DOUBLE}, {"owner", K_STRING}, {"number", K_INT64},
        {"open", K_BOOL}, {"since", K_TIMESTAMP}, {"note", K_STRING}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    Kappa__Internal__TableInfo__Column described[COLUMNS], *pointers[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        kappa__internal__table_info__column__init(&described[i]);
        described[i].name = (char *)columns[i].name;
        described[i].has_type = true;
        described[i].type = columns[i].type;
        pointers[i] = &described[i];
    }
    uint32_t key[] = {1, 2};
    Kappa__Internal__TableInfo info = KAPPA__INTERNAL__TABLE_INFO__INIT;
    info.name = (char *)name;
    info.n_column = COLUMNS;
    info.column = pointers;
    info.n_key = 2;
    info.key = key;
    info.has_retention_us = retention_us >= 0;
    info.retention_us = retention_us;
    char *meta = k_format("table/%s", name);
    put_message(state, meta, &info.base);
    struct table_writer writer = {.state = state};
    struct k_error err = {0};
    check_ok(k_state_family(state, meta, &bytes_type, NULL, &writer.family, &err), &err);
    k_family_write_only(writer.family);
    free(meta);
    return writer;
}

void put_row(struct table_writer *writer, const char *owner, int64_t number, double balance, int64_t base_us)
{
    struct k_value values[] = {{.type = K_DOUBLE, .d = balance}, {.type = K_STRING, .s = k_str_of(owner)},
                               {.type = K_INT64, .i = number},   {.type = K_BOOL, .b = true},
                               {.type = K_TIMESTAMP, .i = 7},    {.null = true}};
    struct k_buf key = {0}, row = {0};
    k_key_add_value(&key, &values[1]);
    k_key_add_value(&key, &values[2]);
    k_table_row_encode_values(&row, base_us, values, sizeof values / sizeof *values);
    struct k_str one = k_buf_str(&key);
    void *value;
    struct k_error err = {0};
    check_ok(k_family_find(writer->family, K_FIND_BLIND, 1, NULL, &one, &value, NULL, &err), &err);
    thing_set(value, 0, k_buf_str(&row));
    k_family_dirty(writer->family, value);
    k_buf_fini(&key);
    k_buf_fini(&row);
}

void commit(struct k_state *state, int64_t offset, int64_t frontier_us)
{
    Kappa__Internal__Position position = KAPPA__INTERNAL__POSITION__INIT;
    position.has_journal_offset = position.has_sequence = position.has_frontier_us = position.has_taken_us = true;
    position.journal_offset = offset;
    position.sequence = (uint64_t)offset;
    position.frontier_us = frontier_us;
    position.taken_us = 42;
    uint8_t bytes[128];
    size_t size = kappa__internal__position__pack(&position, bytes);
    struct k_error err = {0};
    check_ok(k_state_checkpoint(state, (struct k_str){(const char *)bytes, (uint32_t)size}, &err), &err);
}

char *make_state_directory(void)
{
    char *top = make_directory(), *graph = k_format("%s/bank", top), *generation = k_format("%s/bank/1", top);
    assert_int_equal(mkdir(graph, 0777), 0);
    assert_int_equal(mkdir(generation, 0777), 0);
    free(graph);
    free(generation);
    return top;
}

char *shard_directory(const char *top, int shard) { return k_format("%s/bank/1/%d", top, shard); }

// Shards 0 and 2 of 3; rows spread by hand.
char *make_two_shards(void)
{
    char *top = make_state_directory();
    for (int shard = 0; shard < 3; shard += 2) {
        char *directory = shard_directory(top, shard);
        struct k_state *state = open_writer(directory);
        put_identity(state, (uint32_t)shard, 3);
        // Families are numbered in the order in which each shard declares them.
        struct table_writer first = {0}, accounts;
        if (shard == 2) first = make_table(state, "other", -1);
        accounts = make_table(state, "accounts", 1000);
        put_row(&accounts, shard ? "bea" : "ann", 1, 1, K_TABLE_NEVER);
        put_row(&accounts, shard ? "bea" : "ann", -7, 2, 5000);  // gone from frontier 6000 on
        put_row(&accounts, shard ? "bo" : "ann", 12, 3, 5001);
        put_row(&accounts, shard ? "carl" : "b", 3, 4, K_TABLE_NEVER);
        if (shard == 2) put_row(&first, "x", 9, 0, K_TABLE_NEVER);
        commit(state, 10 + shard, shard ? 6000 : 5999);
        k_state_destroy(state);
        free(directory);
    }
    return top;
}
