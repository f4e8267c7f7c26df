// Process memory that aborts when there is none, and arenas for batches and shards.
//
// An arena is a chain of blocks, newest first; head is the one that is being filled. Invariants: at and
// end lie in head (or are NULL without one) and are 16-aligned; held is the sum of all block sizes.
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

// Blocks double from the first size to the last, so that a big batch needs few of them and a small one
// little memory; a single larger request gets a block of its own size. The sizes are with the header: powers of two are
// what allocators have without a rest, and a header on top of 1 MiB would take a quarter more.
enum { BLOCK_FIRST = 4096, BLOCK_LAST = 1 << 20 };

struct k_arena_block {
    struct k_arena_block *next;
    size_t size; // of data
    _Alignas(16) char data[];
};

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "kappa: out of memory: the system refused %zu bytes\n", size);
    fflush(stderr);
    abort();
}

void *k_alloc(size_t size)
{
    // calloc(0) may answer NULL; one byte makes the pointer unique.
    void *memory = calloc(1, size ? size : 1);
    if (memory == NULL) out_of_memory(size);
    return memory;
}

void *k_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) out_of_memory(SIZE_MAX);
    return k_alloc(total);
}

void *k_realloc(void *memory, size_t size)
{
    void *grown = realloc(memory, size ? size : 1);
    if (grown == NULL) out_of_memory(size);
    return grown;
}

char *k_strdup(const char *text)
{
    return text ? k_strndup(text, strlen(text)) : NULL;
}

char *k_strndup(const char *text, size_t length)
{
    if (length == SIZE_MAX) out_of_memory(length);
    char *copy = malloc(length + 1);
    if (copy == NULL) out_of_memory(length + 1);
    if (length > 0) memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *k_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) out_of_memory(0);
    return text;
}

void k_arena_init(struct k_arena *arena)
{
    *arena = (struct k_arena){0};
}

static void free_blocks(struct k_arena_block *block)
{
    while (block != NULL) {
        struct k_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void k_arena_fini(struct k_arena *arena)
{
    if (arena == NULL) return;
    free_blocks(arena->head);
    *arena = (struct k_arena){0};
}

static void fill_from(struct k_arena *arena, struct k_arena_block *block)
{
    arena->head = block;
    arena->at = block->data;
    arena->end = block->data + block->size;
}

void k_arena_reset(struct k_arena *arena)
{
    struct k_arena_block *largest = arena->head, **link_of_largest = &arena->head;
    for (struct k_arena_block **link = &arena->head; *link != NULL; link = &(*link)->next) {
        if ((*link)->size > largest->size) {
            largest = *link;
            link_of_largest = link;
        }
    }
    arena->used = 0;
    if (largest == NULL) return;
    *link_of_largest = largest->next;
    free_blocks(arena->head);
    largest->next = NULL;
    arena->held = largest->size;
    fill_from(arena, largest);
}

void *k_arena_grow_(struct k_arena *arena, size_t size)
{
    size_t rounded = k_arena_round_(size);
    if (rounded < size || rounded > PTRDIFF_MAX - sizeof(struct k_arena_block)) out_of_memory(size);
    size_t whole = arena->head == NULL ? BLOCK_FIRST : (arena->head->size + sizeof(struct k_arena_block)) * 2;
    if (whole > BLOCK_LAST) whole = BLOCK_LAST;
    size_t block_size = whole - sizeof(struct k_arena_block);
    if (block_size < rounded) block_size = rounded;
    // Block sizes are multiples of 16 from here on, and malloc aligns to 16.
    struct k_arena_block *block = malloc(sizeof *block + block_size);
    if (block == NULL) out_of_memory(block_size);
    block->next = arena->head;
    block->size = block_size;
    arena->held += block_size;
    fill_from(arena, block);
    void *memory = arena->at;
    arena->at += rounded;
    arena->used += rounded;
    return memory;
}

void *k_arena_get_array(struct k_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) out_of_memory(SIZE_MAX);
    return k_arena_get(arena, total);
}

void *k_arena_zeroed(struct k_arena *arena, size_t size)
{
    void *memory = k_arena_get(arena, size);
    memset(memory, 0, size);
    return memory;
}

char *k_arena_copy(struct k_arena *arena, const void *data, size_t length)
{
    if (length == SIZE_MAX) out_of_memory(length);
    char *copy = k_arena_get(arena, length + 1);
    if (length > 0) memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

char *k_arena_format(struct k_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    K_ASSERT(length >= 0);
    char *text = k_arena_get(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
