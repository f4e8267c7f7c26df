// Hashes and seeded random numbers: the same bits on every machine.
#pragma once
#include "base/bytes.h"

uint64_t k_hash(const void *data, size_t length);                       // XXH3, 64 bits
uint64_t k_hash_seeded(const void *data, size_t length, uint64_t seed); // XXH3 with a seed
uint64_t k_xxh64(const void *data, size_t length);                     // XXH64 with seed 0, as other programs have it
// XXH3, 128 bits, as 32 hexadecimal digits and a NUL: for fingerprints.
void k_hash128_hex(const void *data, size_t length, char ret_text[33]);
// The partition that Java's and librdkafka's murmur2 partitioners give to a key.
int32_t k_murmur2_partition(struct k_str key, int32_t partitions);
// CRC-32 as zlib, gzip and Python's zlib.crc32 compute it.
uint32_t k_crc32(struct k_str data);
// The partition in which a producer that uses librdkafka's "consistent" partitioner puts a key.
int32_t k_crc32_partition(struct k_str key, int32_t partitions);

// splitmix64 (Steele, Lea, Flood 2014). The seed is the whole state.
static inline uint64_t k_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
__extension__ typedef unsigned __int128 k_uint128_;
// Uniform in [0, n), n > 0.
static inline uint64_t k_random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)(((k_uint128_)k_random(state) * n) >> 64);
}
