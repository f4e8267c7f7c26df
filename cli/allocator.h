// How the allocator of this program behaves. See allocator.c.
#pragma once
#include <stdint.h>

// Free memory is kept the longer the larger the budget is. Without jemalloc (sanitizers bring an allocator of their
// own) it does nothing.
void allocator_fit(uint64_t memory_bytes);
