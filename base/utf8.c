// One decoder of lengths for everyone. Runs of ASCII, which most text is, are stepped over many bytes at a time.
#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const uint64_t HIGH_BITS = 0x8080808080808080u;

uint32_t k_utf8_length(const char *text, size_t length)
{
    const uint8_t *c = (const uint8_t *)text;
    if (length == 0) return 0;
    if (c[0] < 0x80) return 1;
    if (c[0] < 0xC2 || c[0] > 0xF4) return 0;
    uint32_t count = c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : 4;
    if (count > length) return 0;
    for (uint32_t i = 1; i < count; i++)
        if ((c[i] & 0xC0) != 0x80) return 0;
    if (c[0] == 0xE0 && c[1] < 0xA0) return 0;  // overlong
    if (c[0] == 0xED && c[1] >= 0xA0) return 0; // surrogates
    if (c[0] == 0xF0 && c[1] < 0x90) return 0;  // overlong
    if (c[0] == 0xF4 && c[1] >= 0x90) return 0; // beyond U+10FFFF
    return count;
}

bool k_utf8_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
#ifdef __SSE2__
        while (length - at >= 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
            if (_mm_movemask_epi8(bytes)) break;
            at += 16;
        }
        if (at == length) break;
#endif
        uint64_t word;
        if (length - at >= sizeof word && (memcpy(&word, text + at, sizeof word), !(word & HIGH_BITS))) {
            at += sizeof word;
            continue;
        }
        uint32_t step = k_utf8_length(text + at, length - at);
        if (!step) return false;
        at += step;
    }
    return true;
}

void k_utf8_add(struct k_buf *buf, uint32_t point)
{
    if (point < 0x80) {
        k_buf_add_char(buf, (char)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    k_buf_add_char(buf, (char)(lead[more] | point >> (6 * more)));
    while (more--) k_buf_add_char(buf, (char)(0x80 | (point >> (6 * more) & 0x3F)));
}
