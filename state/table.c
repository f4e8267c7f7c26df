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

int32_t k_table_shard_of(const struct k_value *value, bool crc32, uint32_t partitions, uint32_t shards)
{
    K_ASSERT(partitions > 0 && partitions <= INT32_MAX && shards > 0);
    if (value->null) return -1;
    struct k_buf text = {0};
    struct k_str key = k_key_text(value, &text);
    int32_t partition =
        crc32 ? k_crc32_partition(key, (int32_t)partitions) : k_murmur2_partition(key, (int32_t)partitions);
    k_buf_fini(&text);
    return (int32_t)((uint32_t)partition % shards);
}
