#include "operators/sorter.h"

#include "operators/plant.h"
#include "state/encoding.h"

enum { HEAD = 25, BUCKET_US = 100000 };

static void encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    k_buf_add_varint(out, *(const uint64_t *)value);
}

static int decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context;
    if (k_get_varint(bytes.data, bytes.length, value) == bytes.length && bytes.length > 0) return 0;
    return k_fail(err, K_E_CORRUPT, "a row that waits to be put in order has %u bytes as its number", bytes.length);
}

int k_sorter_open(struct k_sorter *sorter, struct k_state *state, const char *family, struct k_error *err)
{
    static const struct k_family_type type = {.size = sizeof(uint64_t), .encode = encode, .decode = decode};
    *sorter = (struct k_sorter){0};
    return k_state_family(state, family, &type, NULL, &sorter->family, err);
}

static int64_t bucket_of(int64_t time_us)
{
    int64_t into = time_us % BUCKET_US;
    return time_us - into - (into < 0 ? BUCKET_US : 0); // floor, also before 1970
}

static struct k_str key_of(uint8_t side, int64_t time_us, const struct k_message *message, struct k_str bytes,
                           struct k_arena *arena)
{
    char *key = k_arena_get(arena, HEAD + (size_t)bytes.length);
    int64_t offset = message ? message->offset : -1;
    uint32_t partition = __builtin_bswap32((message ? (uint32_t)message->partition : UINT32_MAX) ^ 1u << 31);
    if (K_OPERATOR_PLANT(sorter_no_partition)) partition = 0;
    uint32_t number = __builtin_bswap32(message ? message->index : 0);
    k_key_put_i64(key, time_us);
    key[8] = (char)side;
    memcpy(key + 9, &partition, 4);
    k_key_put_i64(key + 13, offset);
    memcpy(key + 21, &number, 4);
    if (bytes.length) memcpy(key + HEAD, bytes.data, bytes.length);
    return (struct k_str){key, HEAD + bytes.length};
}

int k_sorter_add(struct k_sorter *sorter, uint8_t side, const struct k_batch *batch, const uint32_t *rows,
                 const struct k_str *bytes, uint32_t count, struct k_error *err)
{
    if (count == 0) return 0;
    struct k_str *keys = k_arena_array(batch->arena, struct k_str, count);
    int64_t *segments = k_arena_array(batch->arena, int64_t, count);
    void **values = k_arena_array(batch->arena, void *, count);
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_us = batch->time[rows[i]];
        K_ASSERT(!k_sorter_late(batch, rows[i]));
        segments[i] = bucket_of(time_us);
        keys[i] = key_of(side, time_us, batch->origin ? batch->origin[rows[i]] : NULL, bytes[i], batch->arena);
        if (sorter->next_known && time_us < sorter->next_us) sorter->next_us = time_us;
    }
    int code = k_family_find(sorter->family, K_FIND_OR_CREATE, count, segments, keys, values, NULL, err);
    if (code) return code;
    for (uint32_t i = 0; i < count; i++) {
        ++*(uint64_t *)values[i];
        k_family_dirty(sorter->family, values[i]);
    }
    return 0;
}

struct taking {
    struct k_sorter *sorter;
    int64_t frontier_us;
    struct k_arena *arena;
    struct k_sorted *rows;
    uint32_t count;
};

static int take(void *context, struct k_str key, void *value, struct k_error *err)
{
    struct taking *t = context;
    if (key.length < HEAD)
        return k_fail(err, K_E_CORRUPT, "a row that waits to be put in order has a key of %u bytes", key.length);
    int64_t time_us = k_key_get_i64(key.data);
    if (time_us >= t->frontier_us) {
        t->sorter->next_us = time_us;
        t->sorter->next_known = true;
        return K_TAKE_ENOUGH;
    }
    t->rows[t->count++] =
        (struct k_sorted){.time_us = time_us,
                          .side = (uint8_t)key.data[8],
                          .times = *(const uint64_t *)value,
                          .bytes = {k_arena_copy(t->arena, key.data + HEAD, key.length - HEAD), key.length - HEAD}};
    return 0;
}

int k_sorter_take(struct k_sorter *sorter, int64_t frontier_us, uint32_t max, struct k_arena *arena,
                  struct k_sorted *ret_rows, uint32_t *ret_count, struct k_error *err)
{
    struct taking t = {sorter, frontier_us, arena, ret_rows, 0};
    int code = 0;
    *ret_count = 0;
    while (t.count < max) {
        int64_t segment;
        bool found;
        uint32_t taken;
        code = k_family_first_segment(sorter->family, &segment, &found, err);
        if (code) return code;
        sorter->next_known = !found;
        sorter->next_us = INT64_MAX;
        if (!found || segment >= frontier_us) break;
        code = k_family_take(sorter->family, segment, max - t.count, take, &t, &taken, err);
        if (code) break;
    }
    *ret_count = t.count;
    return code == K_TAKE_ENOUGH ? 0 : code;
}

int k_sorter_next(struct k_sorter *sorter, int64_t *ret_us, struct k_error *err)
{
    if (!sorter->next_known) {
        // Nothing lies before the beginning of time, so that this only looks.
        struct k_sorted none;
        int64_t segment;
        bool found;
        uint32_t taken;
        int code = k_family_first_segment(sorter->family, &segment, &found, err);
        if (code) return code;
        struct taking t = {sorter, INT64_MIN, NULL, &none, 0};
        sorter->next_us = INT64_MAX;
        sorter->next_known = true;
        code = found ? k_family_take(sorter->family, segment, 1, take, &t, &taken, err) : 0;
        if (code && code != K_TAKE_ENOUGH) return code;
    }
    *ret_us = sorter->next_us == INT64_MAX ? INT64_MAX : sorter->next_us + 1;
    return 0;
}
