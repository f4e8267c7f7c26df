// Which of some constant texts a text is: for IN, and for CASE that compares one value with one text after the other.
#pragma once
#include "base/hash.h"
#include "base/memory.h"

// Read-only once made; an open hash table, at most half full.
struct k_text_table {
    const struct k_str *texts; // borrowed
    uint32_t *slots;           // 1 + the number of a text; 0: free
    uint32_t shift;            // 64 - log2 of the count of slots
    uint64_t lengths;          // a bit for each length of a text; the last one for 63 and more
};
struct k_text_table k_text_table_make(struct k_arena *arena, const struct k_str *texts, uint32_t count);

// Of the length and, in short texts, of two words that overlap.
static inline uint64_t k_text_hash_(struct k_str text)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t words = 0;
    if (text.length > 16) return k_hash(text.data, text.length);
    if (text.length >= 8) words = k_load8(text.data) ^ (k_load8(text.data + text.length - 8) * odd);
    else if (text.length >= 4) words = k_load4(text.data) | (uint64_t)k_load4(text.data + text.length - 4) << 32;
    else
        for (uint32_t i = 0; i < text.length; i++) words = words << 8 | (unsigned char)text.data[i];
    return (words + text.length) * odd;
}

static inline uint32_t k_text_length_(struct k_str text)
{
    return text.length < 63 ? text.length : 63;
}

// The number of the first text that is this one; UINT32_MAX: none is.
static inline uint32_t k_text_table_find(const struct k_text_table *table, struct k_str text)
{
    if (!(table->lengths >> k_text_length_(text) & 1)) return UINT32_MAX;
    uint32_t last = (uint32_t)(UINT64_MAX >> table->shift);
    for (uint32_t slot = (uint32_t)(k_text_hash_(text) >> table->shift);; slot = (slot + 1) & last) {
        uint32_t number = table->slots[slot] - 1;
        if (number == UINT32_MAX) return number;
        struct k_str other = table->texts[number];
        if (k_str_equal(other, text)) return number;
    }
}
