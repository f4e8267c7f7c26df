// Makes states for the tests of the command line: what an engine would have left behind, without one.
//
// make_state DIR SHARD SHARDS ROWS [NAME=VALUE]…: DIR/people/1/SHARD with the table "people", rows 0 … ROWS - 1 of
// which those are written that belong to the shard. NAME=VALUE:
//   semantics, fingerprint, graph, shard   what the identity says, other than it should
//   partitions=N                           the source has so many (default 8)
//   position=none, identity=none           leaves it out
//   sums=bad                               counters of which one row is missing
//   graph_binary=FILE                      what the identity holds of its graph
//   flip=N                                 of the state that is there already, one bit of row N's value is changed, as
//                                          the store reads and writes it; nothing else is done
//   swapped=N                              rows N and N + 1 have each other's balance
//   without=N                              leaves row N out
//   next=N                                 the source's offset that comes next (default ROWS)
//   live=yes                               then for each line on stdin ten more rows and a checkpoint, answered by a
//                                          line; at its end the state is closed
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/operator.h"
#include "proto/internal.pb-c.h"
#include "proto/protobuf.h"
#include "state/state.h"
#include "state/table.h"

typedef Kappa__Internal__Identity Identity;
typedef Kappa__Internal__Position Position;

// A row of the table in memory: its bytes.
struct bytes {
    char *data;
    uint32_t length;
};
static void encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    const struct bytes *bytes = value;
    k_buf_add(out, bytes->data, bytes->length);
}
static int decode(struct k_str from, const void *context, void *value, struct k_error *err)
{
    (void)context, (void)err;
    *(struct bytes *)value = (struct bytes){k_strndup(from.data, from.length), from.length};
    return 0;
}
static void fini(void *value, const void *context)
{
    (void)context;
    free(((struct bytes *)value)->data);
}
static const struct k_family_type type = {
    .size = sizeof(struct bytes), .encode = encode, .decode = decode, .fini = fini};

static int option_count;
static char **option_texts;
static const char *option(const char *name, const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 0; i < option_count; i++)
        if (strncmp(option_texts[i], name, length) == 0 && option_texts[i][length] == '=')
            return option_texts[i] + length + 1;
    return otherwise;
}

static void must(int code, const struct k_error *err)
{
    if (!code) return;
    fprintf(stderr, "make_state: %s\n", err->text);
    exit(1);
}

static void put_meta(struct k_state *state, const char *name, const void *message)
{
    struct k_buf bytes = {0};
    k_protobuf_pack(message, &bytes);
    k_state_put_meta(state, name, k_buf_str(&bytes));
    k_buf_fini(&bytes);
}

struct maker {
    struct k_state *state;
    struct k_family *family;
    uint32_t shard, shards, partitions;
    int64_t rows;     // made so far, of all shards
    uint64_t written; // of this shard
    int64_t journal_offset;
};

static void put_identity(const struct maker *m)
{
    struct k_buf graph = {0};
    Identity identity = KAPPA__INTERNAL__IDENTITY__INIT;
    identity.graph = (char *)option("graph", "people");
    identity.generation = (char *)"1";
    identity.has_shard = identity.has_shards = identity.has_semantics = identity.has_partitions = true;
    identity.shard = (uint32_t)atoi(option("shard", "-1"));
    if (identity.shard == UINT32_MAX) identity.shard = m->shard;
    identity.shards = m->shards;
    const char *semantics = option("semantics", NULL);
    identity.semantics = semantics ? (uint32_t)atoi(semantics) : K_SEMANTICS;
    identity.fingerprint = (char *)option("fingerprint", "0123456789abcdef0123456789abcdef");
    identity.partitions = m->partitions;
    if (m->shards > 1) identity.partitioned_by = (char *)"owner";
    const char *file = option("graph_binary", NULL);
    FILE *in = file ? fopen(file, "rb") : NULL;
    while (in && !feof(in)) graph.length += fread(k_buf_reserve(&graph, 4096), 1, 4096, in);
    if (in) fclose(in);
    identity.has_graph_binary = in != NULL;
    identity.graph_binary = (ProtobufCBinaryData){graph.length, (uint8_t *)graph.data};
    put_meta(m->state, "identity", &identity);
    k_buf_fini(&graph);
}

// (owner string, number int64) → balance double, open bool, since timestamp, note json, raw bytes
static const struct {
    const char *name;
    enum k_type type;
} columns[] = {{"owner", K_STRING},    {"number", K_INT64}, {"balance", K_DOUBLE}, {"open", K_BOOL},
               {"since", K_TIMESTAMP}, {"note", K_JSON},    {"raw", K_BYTES}};
enum { COLUMNS = sizeof columns / sizeof *columns, KEY = 2 };

static void put_table(const struct maker *m)
{
    Kappa__Internal__TableInfo__Column described[COLUMNS], *pointers[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        kappa__internal__table_info__column__init(&described[i]);
        described[i].name = (char *)columns[i].name;
        described[i].has_type = described[i].has_not_null = true;
        described[i].type = columns[i].type;
        described[i].not_null = i < KEY;
        pointers[i] = &described[i];
    }
    uint32_t key[] = {0, 1};
    Kappa__Internal__TableInfo info = KAPPA__INTERNAL__TABLE_INFO__INIT;
    info.name = (char *)"people";
    info.n_column = COLUMNS;
    info.column = pointers;
    info.n_key = KEY;
    info.key = key;
    put_meta(m->state, "table/people", &info);
}

static void print_owner(char ret[32], int64_t number)
{
    snprintf(ret, 32, "o%03d", (int)(number % 100));
}

static void put_row(struct maker *m, int64_t number)
{
    if (number == atoll(option("without", "-1"))) return;
    int64_t swapped = atoll(option("swapped", "-1")), money = number;
    if (swapped >= 0 && (number == swapped || number == swapped + 1)) money = 2 * swapped + 1 - number;
    char owner[32], note[64];
    print_owner(owner, number);
    snprintf(note, sizeof note, "{\"n\":%lld}", (long long)number);
    struct k_value values[COLUMNS] = {{.type = K_STRING, .s = k_str_of(owner)},
                                      {.type = K_INT64, .i = number},
                                      {.type = K_DOUBLE, .d = (double)money / 4},
                                      {.type = K_BOOL, .b = number % 2 == 0},
                                      {.type = K_TIMESTAMP, .i = 1767225600000000 + number * 1000000},
                                      {.type = K_JSON, .s = k_str_of(note), .null = number % 10 == 9},
                                      {.type = K_BYTES, .s = K_STR("\x00\xff")}};
    if (m->shards > 1 && k_table_shard_of(&values[0], false, m->partitions, m->shards) != (int32_t)m->shard) return;
    struct k_buf key = {0}, row = {0};
    for (int i = 0; i < KEY; i++) k_key_add_value(&key, &values[i]);
    k_table_row_encode_values(&row, K_TABLE_NEVER, values, COLUMNS);
    struct k_str bytes = k_buf_str(&key);
    struct k_error err = {0};
    void *value;
    must(k_family_find(m->family, K_FIND_BLIND, 1, NULL, &bytes, &value, NULL, &err), &err);
    fini(value, NULL);
    decode(k_buf_str(&row), NULL, value, &err);
    k_family_dirty(m->family, value);
    k_buf_fini(&key);
    k_buf_fini(&row);
    m->written++;
}

static void checkpoint(struct maker *m)
{
    Kappa__Internal__Position__Partition partition = KAPPA__INTERNAL__POSITION__PARTITION__INIT,
                                         *partitions[] = {&partition};
    Kappa__Internal__Position__Counters counters = KAPPA__INTERNAL__POSITION__COUNTERS__INIT, *all[] = {&counters};
    Position position = KAPPA__INTERNAL__POSITION__INIT;
    partition.source = (char *)"in";
    partition.has_partition = partition.has_next = partition.has_records = true;
    partition.partition = m->shard;
    partition.next = atoll(option("next", "-1"));
    if (partition.next < 0) partition.next = m->rows;
    partition.records = m->written;
    counters.node = (char *)"in";
    counters.has_in = counters.has_processed = true;
    counters.in = m->written + (strcmp(option("sums", ""), "bad") == 0);
    counters.processed = m->written;
    position.has_version = position.has_journal_offset = position.has_sequence = position.has_taken_us = true;
    position.version = 1;
    position.journal_offset = m->journal_offset;
    position.sequence = (uint64_t)m->journal_offset;
    position.has_frontier_us = true;
    position.frontier_us = 1767225600000000 + m->rows * 1000000;
    position.taken_us = 1767225600000000;
    position.n_partition = position.n_counters = 1;
    position.partition = partitions;
    position.counters = all;
    struct k_buf bytes = {0};
    struct k_error err = {0};
    if (strcmp(option("position", ""), "none") != 0) k_protobuf_pack(&position.base, &bytes);
    must(k_state_checkpoint(m->state, k_buf_str(&bytes), &err), &err);
    k_buf_fini(&bytes);
}

// The last byte of a row belongs to its last column, raw: it can be read as well as before, and is another one.
static void flip(struct k_store *store, int64_t number)
{
    struct k_arena arena;
    struct k_error err = {0};
    struct k_str family_key = K_STR("\0family/table/people"), family, value;
    char owner[32];
    print_owner(owner, number);
    const struct k_value values[KEY] = {{.type = K_STRING, .s = k_str_of(owner)}, {.type = K_INT64, .i = number}};
    struct k_buf key = {0};
    k_arena_init(&arena);
    must(store->ops->get(store, 1, &family_key, &arena, &family, &err), &err);
    k_buf_add_char(&key, 1);
    k_buf_add(&key, family.data, family.length);
    k_key_add_i64(&key, 0);
    for (int i = 0; i < KEY; i++) k_key_add_value(&key, &values[i]);
    struct k_write write = {.key = k_buf_str(&key)};
    must(store->ops->get(store, 1, &write.key, &arena, &value, &err), &err);
    if (!value.data) {
        fprintf(stderr, "make_state: there is no row %lld\n", (long long)number);
        exit(1);
    }
    char *bytes = k_arena_copy(&arena, value.data, value.length);
    bytes[value.length - 1] ^= 1;
    write.value = (struct k_str){bytes, value.length};
    must(store->ops->apply(store, &write, 1, &err), &err);
    k_buf_fini(&key);
    k_arena_fini(&arena);
}

static void add_rows(struct maker *m, int64_t rows)
{
    for (int64_t end = m->rows + rows; m->rows < end; m->rows++) {
        put_row(m, m->rows);
        if (m->rows % 50000 == 49999) checkpoint(m);
    }
    m->journal_offset += 10;
    checkpoint(m);
}

int main(int argc, char **argv)
{
    if (argc < 5) return 64;
    option_count = argc - 5;
    option_texts = argv + 5;
    struct maker m = {.shard = (uint32_t)atoi(argv[2]), .shards = (uint32_t)atoi(argv[3])};
    m.partitions = (uint32_t)atoi(option("partitions", "8"));
    struct k_error err = {0};
    struct k_store *store;
    struct k_state_options options = {.cache_bytes = 64 << 20};
    char *directory = k_format("%s/people/1/%u", argv[1], m.shard), line[64];
    must(k_store_rocks_open(directory, true, 32 << 20, &store, &err), &err);
    if (option("flip", NULL)) {
        flip(store, atoll(option("flip", NULL)));
        store->ops->close(store);
        free(directory);
        return 0;
    }
    must(k_state_open(store, &options, &m.state, &err), &err);
    must(k_state_family(m.state, "table/people", &type, NULL, &m.family, &err), &err);
    k_family_write_only(m.family);
    if (strcmp(option("identity", ""), "none") != 0) put_identity(&m);
    put_table(&m);
    add_rows(&m, atoll(argv[4]));
    bool live = strcmp(option("live", ""), "yes") == 0;
    if (live) puts("ready");
    fflush(stdout);
    while (live && fgets(line, sizeof line, stdin)) {
        add_rows(&m, 10);
        puts("written");
        fflush(stdout);
    }
    k_state_destroy(m.state);
    free(directory);
    return 0;
}
