// Memory: three lifetimes (process, shard, batch), and arenas for the last two.
//
// k_new and friends abort with a clear message when the system has no memory: a kill is only a crash
// (recovery is the same), and no caller could do better. Our own code calls none of them per record.
#pragma once
#include <stddef.h>
#include <stdint.h>

void *k_alloc(size_t size);                       // zeroed; size 0 gives a unique pointer
void *k_alloc_array(size_t count, size_t size);   // the same; an overflowing product is out of memory
void *k_realloc(void *memory, size_t size);       // new part not zeroed
char *k_strdup(const char *text);                 // text may be NULL: NULL
char *k_strndup(const char *text, size_t length); // copies exactly length bytes and adds a NUL
char *k_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define k_new(type) ((type *)k_alloc(sizeof(type)))
#define k_new_array(type, n) ((type *)k_alloc_array((size_t)(n), sizeof(type)))

// An arena: bump allocation, everything freed at once. init/fini on the caller's memory.
struct k_arena_block;
struct k_arena {
    struct k_arena_block *head; // the block that is being filled; older ones behind it
    char *at, *end;             // free part of head
    size_t used;                // bytes handed out since the last reset
    size_t held;                // bytes held from malloc
};
void k_arena_init(struct k_arena *arena);
void k_arena_fini(struct k_arena *arena);  // NULL-safe, also on a zeroed struct
// Forgets all that was handed out; keeps one block of the largest size for the next round.
void k_arena_reset(struct k_arena *arena);
void *k_arena_grow_(struct k_arena *arena, size_t size); // slow path of k_arena_get
// Up to the next multiple of 16; nothing is rounded to 16, so that each pointer is unique. A size that
// wraps around comes out smaller than it was.
static inline size_t k_arena_round_(size_t size) { return (size + 15 + (size == 0)) & ~(size_t)15; }
// size bytes, aligned to 16, not zeroed, valid until reset or fini.
static inline void *k_arena_get(struct k_arena *arena, size_t size)
{
    size_t rounded = k_arena_round_(size);
    if (rounded < size || (size_t)(arena->end - arena->at) < rounded) return k_arena_grow_(arena, size);
    void *memory = arena->at;
    arena->at += rounded;
    arena->used += rounded;
    return memory;
}
// count * size bytes; an overflowing product is out of memory.
void *k_arena_get_array(struct k_arena *arena, size_t count, size_t size);
#define k_arena_array(arena, type, n) ((type *)k_arena_get_array(arena, (size_t)(n), sizeof(type)))
void *k_arena_zeroed(struct k_arena *arena, size_t size);
char *k_arena_copy(struct k_arena *arena, const void *data, size_t length); // adds a NUL behind the copy
char *k_arena_format(struct k_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
