// Hashes: XXH3 for our own tables and checksums, murmur2 where Kafka's partitioner must be met.
#include "base/hash.h"

#include <stdio.h>

// In line: faster for short inputs, and not the copy that libpg_query happens to export under the same names.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

uint64_t k_hash(const void *data, size_t length)
{
    return XXH3_64bits(data, length);
}

uint64_t k_hash_seeded(const void *data, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, length, seed);
}

uint64_t k_xxh64(const void *data, size_t length)
{
    return XXH64(data, length, 0);
}

// MurmurHash2, 32 bits, with the seed of Kafka's org.apache.kafka.common.utils.Utils.
static uint32_t murmur2(const uint8_t *data, uint32_t length)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ length;
    for (; length >= 4; data += 4, length -= 4) {
        uint32_t k = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    if (length >= 3) h ^= (uint32_t)data[2] << 16;
    if (length >= 2) h ^= (uint32_t)data[1] << 8;
    if (length >= 1) h = (h ^ data[0]) * m;
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

int32_t k_murmur2_partition(struct k_str key, int32_t partitions)
{
    K_ASSERT(partitions > 0);
    // Java's toPositive clears the sign; it does not negate.
    return (int32_t)(murmur2((const uint8_t *)key.data, key.length) & 0x7fffffff) % partitions;
}

void k_hash128_hex(const void *data, size_t length, char ret_text[33])
{
    XXH128_hash_t hash = XXH3_128bits(data, length);
    snprintf(ret_text, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

// CRC-32 as zlib has it (reflected 0x04C11DB7), a nibble at a time: rd_crc32 of librdkafka is the same function.
uint32_t k_crc32(struct k_str data)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < data.length; i++) {
        crc ^= (uint8_t)data.data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

int32_t k_crc32_partition(struct k_str key, int32_t partitions)
{
    K_ASSERT(partitions > 0);
    return (int32_t)(k_crc32(key) % (uint32_t)partitions);
}
