// The C face of simdjson's first stage. No exception leaves: what is called is noexcept, and the functions are.
//
// The vector kernels (x86 with SSE4.2, AVX2 or AVX-512; NEON; VSX) share one algorithm over blocks of 64 bytes and give
// the same index on every machine. They copy the last block of a text, so no padding is needed behind it.
#include "proto/json_index.h"

#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <new>

using simdjson::internal::dom_parser_implementation;

struct k_json_index {
    std::unique_ptr<dom_parser_implementation> kernel;
};

namespace {
// What an index keeps between records. A larger text gets its room, and the next smaller one gives it back.
const size_t kept_capacity = 1 << 18;

[[noreturn]] void no_memory()
{
    std::fputs("kappa: out of memory for the index of a JSON record\n", stderr);
    std::abort();
}

void make_room(dom_parser_implementation &kernel, size_t length)
{
    size_t wanted = length > kept_capacity ? length : kept_capacity;
    if (kernel.capacity() == wanted) return;
    if (kernel.set_capacity(wanted) != simdjson::SUCCESS) no_memory();
}
} // namespace

extern "C" struct k_json_index *k_json_index_create(void) noexcept
{
    const simdjson::implementation *best = nullptr;
    for (const simdjson::implementation *one : simdjson::get_available_implementations()) {
        // They are listed from the widest to the scalar one, whose name is "fallback".
        if (!best && one->supported_by_runtime_system() && one->name() != "fallback") best = one;
    }
    if (!best) return nullptr;
    k_json_index *index = new (std::nothrow) k_json_index;
    // Levels are counted by the caller; the kernel's own limit is for stages that are not used.
    if (!index || best->create_dom_parser_implementation(kept_capacity, 1, index->kernel) != simdjson::SUCCESS) {
        no_memory();
    }
    return index;
}

extern "C" void k_json_index_destroy(struct k_json_index *index) noexcept
{
    delete index;
}

extern "C" const char *k_json_index_read(struct k_json_index *index, const char *text, size_t length,
                                         const uint32_t **ret_tokens, uint32_t *ret_count) noexcept
{
    dom_parser_implementation &kernel = *index->kernel;
    if (length == 0) return "it is empty";
    make_room(kernel, length);
    switch (kernel.stage1(reinterpret_cast<const uint8_t *>(text), length, simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS:
    case simdjson::UTF8_ERROR: // found last, when the index is complete; what is read of it is checked piece by piece
        break;
    case simdjson::EMPTY: return "it is empty";
    case simdjson::UNCLOSED_STRING: return "a string does not end";
    case simdjson::UNESCAPED_CHARS: return "a string holds a control character";
    default: return "it has no structure";
    }
    *ret_tokens = kernel.structural_indexes.get();
    *ret_count = kernel.n_structural_indexes;
    return nullptr;
}
