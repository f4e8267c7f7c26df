// The rows of serving tables, as bytes.
#include "state/table.h"

#include "base/hash.h"

enum { BASE = 8 };

void k_table_row_encode(struct k_buf *out, int64_t expiry_base_us, const struct k_column *const *columns,
                        uint32_t count, uint32_t row)
{
    k_key_add_i64(out, expiry_base_us);
    k_row_encode(out, columns, count, row);
}

void k_table_row_encode_values(struct k_buf *out, int64_t expiry_base_us, const struct k_value *values,
                               uint32_t count)
{
    k_key_add_i64(out, expiry_base_us);
    k_buf_add_varint(out, count);
    for (uint32_t i = 0; i < count; i++) k_row_add_value(out, &values[i]);
}

int k_table_row_decode(struct k_str bytes, uint32_t count, int64_t *ret_expiry_base_us, struct k_value *ret_values,
                       struct k_error *err)
{
    if (bytes.length < BASE) return k_fail(err, K_E_CORRUPT, "a table's row of %u bytes is too short", bytes.length);
    struct k_str row = {bytes.data + BASE, bytes.length - BASE};
    int rc = ret_values ? k_row_decode(row, count, ret_values, err) : 0;
    if (rc == 0) *ret_expiry_base_us = k_key_get_i64(bytes.data);
    return rc;
}

bool k_table_row_expired(int64_t expiry_base_us, int64_t retention_us, int64_t frontier_us)
{
    if (expiry_base_us == K_TABLE_NEVER || retention_us < 0) return false;
    int64_t end_us;
    if (__builtin_add_overflow(expiry_base_us, retention_us, &end_us)) return false;
    return end_us <= frontier_us;
}

// CRC-32 as zlib has it, bit by bit: librdkafka's "consistent" partitioner. Once a lookup, so it needs no table.
static uint32_t crc32_of(struct k_str data)
{
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < data.length; i++) {
        crc ^= (uint8_t)data.data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

int32_t k_table_shard_of(const struct k_value *value, bool crc32, uint32_t partitions, uint32_t shards)
{
    K_ASSERT(partitions > 0 && partitions <= INT32_MAX && shards > 0);
    if (value->null) return -1;
    struct k_buf text = {0};
    struct k_str key;
    if (value->type == K_STRING || value->type == K_BYTES || value->type == K_JSON) {
        key = value->s;
    } else {
        k_value_json(&text, value);
        key = k_buf_str(&text);
        // What JSON has no number for comes in quotes, which no producer puts around a key.
        if (key.length >= 2 && key.data[0] == '"') key = (struct k_str){key.data + 1, key.length - 2};
    }
    uint32_t partition =
        crc32 ? crc32_of(key) % partitions : (uint32_t)k_murmur2_partition(key, (int32_t)partitions);
    k_buf_fini(&text);
    return (int32_t)(partition % shards);
}
