// Makes the table.
#include "operators/expr/text_table.h"

struct k_text_table k_text_table_make(struct k_arena *arena, const struct k_str *texts, uint32_t count)
{
    uint32_t bits = 4;
    while (1u << bits < 2 * count) bits++;
    struct k_text_table table = {.texts = texts, .shift = 64 - bits};
    table.slots = k_arena_zeroed(arena, sizeof(uint32_t) << bits);
    for (uint32_t i = 0; i < count; i++) {
        if (k_text_table_find(&table, texts[i]) != UINT32_MAX) continue;
        uint32_t slot = (uint32_t)(k_text_hash_(texts[i]) >> table.shift);
        while (table.slots[slot]) slot = (slot + 1) & ((1u << bits) - 1);
        table.slots[slot] = i + 1;
        table.lengths |= UINT64_C(1) << k_text_length_(texts[i]);
    }
    return table;
}
