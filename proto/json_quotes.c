// Blocks of 64 bytes, each of which becomes words of a bit per byte. The kernels differ in how they make the words, and
// in how they turn the bits of quotes into offsets: with AVX-512 (as from Ice Lake and Zen 4), with AVX2, and with what
// any machine has. They give the same offsets. (simdjson's first stage finds these and all structure between them, in
// four times the time; between strings there is so little that looking at it byte by byte is cheaper.)
#include "proto/json_quotes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum {
    BLOCK = 64,
    ROOM_KEPT = 1 << 18, // more is given back when a shorter text comes
};

// One bit for each byte of a block.
struct words {
    uint64_t quotes, backslashes, controls;
};

struct k_json_kernel {
    const char *(*find)(struct k_json_quotes *quotes, const char *text, uint32_t length);
    bool (*there)(void);
};

// Which bytes are escaped? Each backslash that is not escaped itself escapes the next byte. *carry: whether the first
// byte of the block is escaped, and then that of the next.
static uint64_t escaped_bytes(uint64_t backslashes, uint64_t *carry)
{
    uint64_t escaped = *carry;
    *carry = 0;
    for (uint64_t left = backslashes & ~escaped; left;) {
        uint64_t first = left & -left, next = first << 1;
        if (!next) *carry = 1;
        escaped |= next;
        left &= ~(first | next);
    }
    return escaped;
}

// Which bytes lie in a string, its first quote included? open: a string reaches into the block.
static uint64_t inside_strings(uint64_t quotes, bool open)
{
    for (int i = 1; i < BLOCK; i *= 2) quotes ^= quotes << i;
    return open ? ~quotes : quotes;
}

// The words of the last bytes of a text, fewer than a block. first: of the text.
#define INLINE static inline __attribute__((always_inline))
INLINE struct words last_words(const char *first, const char *at, size_t left, struct words (*words)(const char *))
{
    if ((size_t)(at - first) + left >= BLOCK) { // the last whole block, without the bytes that were seen
        int seen = BLOCK - (int)left;
        struct words word = words(at - seen);
        return (struct words){word.quotes >> seen, word.backslashes >> seen, word.controls >> seen};
    }
    char block[BLOCK];
    memset(block, ' ', BLOCK);
    memcpy(block, at, left);
    return words(block);
}

// A kernel: words makes the words of a block, offsets writes those of the bits (and scribbles up to BLOCK behind them).
INLINE const char *find(struct k_json_quotes *quotes, const char *text, uint32_t length,
                        struct words (*words)(const char *), void (*offsets)(uint32_t *, uint64_t, uint32_t))
{
    uint64_t carry = 0, broken = 0;
    uint32_t count = 0;
    quotes->escapes = false;
    for (size_t at = 0; at < length; at += BLOCK) {
        size_t left = length - at;
        struct words word = left >= BLOCK ? words(text + at) : last_words(text, text + at, left, words);
        if (word.backslashes | carry) {
            word.quotes &= ~escaped_bytes(word.backslashes, &carry);
            quotes->escapes = true;
        }
        if (word.controls) broken |= word.controls & inside_strings(word.quotes, count % 2);
        offsets(quotes->at + count, word.quotes, (uint32_t)at);
        count += (uint32_t)__builtin_popcountll(word.quotes);
    }
    quotes->count = count;
    quotes->at[count] = quotes->at[count + 1] = length;
    if (count % 2) return "a string does not end";
    return broken ? "a string holds a control character" : NULL;
}

// Most blocks have few quotes, and how many is hard to foresee. first: the place of the lowest bit, anything for none.
INLINE void offsets_by_bits(uint32_t *out, uint64_t bits, uint32_t base, uint32_t (*first)(uint64_t))
{
    enum { FEW = 8 };
    int count = __builtin_popcountll(bits);
    for (int i = 0; i < FEW; i++, bits &= bits - 1) out[i] = base + first(bits);
    for (int i = FEW; i < count; i++, bits &= bits - 1) out[i] = base + first(bits);
}

#ifdef __x86_64__
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,bmi,bmi2,popcnt")))
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

INLINE AVX512 struct words words_avx512(const char *block)
{
    __m512i bytes = _mm512_loadu_si512(block);
    return (struct words){_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
                          _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')),
                          _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(' '))};
}

// The places of the bits are packed together, and sixteen widened at once.
INLINE AVX512 void offsets_avx512(uint32_t *out, uint64_t bits, uint32_t base)
{
    static const char places[BLOCK] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                       16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                       32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                       48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i set = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(places));
    __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(set));
    _mm512_storeu_si512(out, _mm512_add_epi32(wide, _mm512_set1_epi32((int)base)));
    if (__builtin_popcountll(bits) <= 16) return;
    char rest[BLOCK];
    _mm512_storeu_si512(rest, set);
    for (int i = 16; i < __builtin_popcountll(bits); i++) out[i] = base + (uint32_t)rest[i];
}

AVX512 static const char *find_avx512(struct k_json_quotes *quotes, const char *text, uint32_t length)
{
    return find(quotes, text, length, words_avx512, offsets_avx512);
}

static bool there_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

INLINE AVX2 uint64_t bits_avx2(const __m256i *halves)
{
    return (uint32_t)_mm256_movemask_epi8(halves[0]) | (uint64_t)(uint32_t)_mm256_movemask_epi8(halves[1]) << 32;
}

INLINE AVX2 struct words words_avx2(const char *block)
{
    __m256i quotes[2], backslashes[2], controls[2];
    for (int i = 0; i < 2; i++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32 * i));
        quotes[i] = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
        backslashes[i] = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
        controls[i] = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    }
    struct words word = {bits_avx2(quotes), 0, 0};
    __m256i special =
        _mm256_or_si256(_mm256_or_si256(backslashes[0], backslashes[1]), _mm256_or_si256(controls[0], controls[1]));
    if (__builtin_expect(_mm256_testz_si256(special, special), 1)) return word;
    word.backslashes = bits_avx2(backslashes);
    word.controls = bits_avx2(controls);
    return word;
}

INLINE AVX2 uint32_t first_avx2(uint64_t bits)
{
    return (uint32_t)_tzcnt_u64(bits);
}

INLINE AVX2 void offsets_avx2(uint32_t *out, uint64_t bits, uint32_t base)
{
    offsets_by_bits(out, bits, base, first_avx2);
}

AVX2 static const char *find_avx2(struct k_json_quotes *quotes, const char *text, uint32_t length)
{
    return find(quotes, text, length, words_avx2, offsets_avx2);
}

static bool there_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}
#endif

#ifdef __SSE2__
INLINE uint64_t bits_sse2(const __m128i *quarters)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(quarters[i]) << 16 * i;
    return bits;
}

INLINE struct words words_any(const char *block)
{
    __m128i quotes[4], backslashes[4], controls[4], special = _mm_setzero_si128();
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
        quotes[i] = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        backslashes[i] = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        controls[i] = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        special = _mm_or_si128(special, _mm_or_si128(backslashes[i], controls[i]));
    }
    struct words word = {bits_sse2(quotes), 0, 0};
    if (__builtin_expect(_mm_movemask_epi8(special) == 0, 1)) return word;
    word.backslashes = bits_sse2(backslashes);
    word.controls = bits_sse2(controls);
    return word;
}
#else
INLINE struct words words_any(const char *block)
{
    struct words word = {0, 0, 0};
    for (int i = 0; i < BLOCK; i++) {
        word.quotes |= (uint64_t)(block[i] == '"') << i;
        word.backslashes |= (uint64_t)(block[i] == '\\') << i;
        word.controls |= (uint64_t)((uint8_t)block[i] < ' ') << i;
    }
    return word;
}
#endif

INLINE uint32_t first_any(uint64_t bits)
{
    return bits ? (uint32_t)__builtin_ctzll(bits) : 0;
}

INLINE void offsets_any(uint32_t *out, uint64_t bits, uint32_t base)
{
    offsets_by_bits(out, bits, base, first_any);
}

static const char *find_any(struct k_json_quotes *quotes, const char *text, uint32_t length)
{
    return find(quotes, text, length, words_any, offsets_any);
}

static bool there_any(void)
{
    return true;
}

static const struct k_json_kernel kernels[K_JSON_KERNELS] = {
#ifdef __x86_64__
    {find_avx512, there_avx512},
    {find_avx2, there_avx2},
#endif
    {find_any, there_any},
};

void k_json_quotes_init(struct k_json_quotes *quotes)
{
    *quotes = (struct k_json_quotes){0};
    for (uint32_t i = 0; !k_json_quotes_use(quotes, i);) i++;
}

void k_json_quotes_fini(struct k_json_quotes *quotes)
{
    free(quotes->at);
}

bool k_json_quotes_use(struct k_json_quotes *quotes, uint32_t i)
{
    if (!kernels[i].there || !kernels[i].there()) return false;
    quotes->kernel = &kernels[i];
    return true;
}

// A quote may be any byte. A longer text gets its room, and the next shorter one gives it back.
static void make_room(struct k_json_quotes *quotes, size_t wanted)
{
    free(quotes->at);
    quotes->room = wanted > ROOM_KEPT ? wanted : wanted * 2;
    quotes->at = k_new_array(uint32_t, quotes->room);
}

const char *k_json_quotes_find(struct k_json_quotes *quotes, const char *text, uint32_t length)
{
    size_t wanted = (size_t)length + BLOCK;
    if (wanted > quotes->room || (quotes->room > 2 * ROOM_KEPT && wanted < ROOM_KEPT)) make_room(quotes, wanted);
    return quotes->kernel->find(quotes, text, length);
}
