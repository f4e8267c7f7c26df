// The structural index of a JSON text: where its brackets, colons, commas, strings and scalars begin. It is the first
// stage of simdjson, and the whole of what we use of it; json_index.cc is the only file that knows the library. (Plain
// types only, for the headers of base are C.)
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
#define K_NO_THROW noexcept
extern "C" {
#else
#define K_NO_THROW
#endif

struct k_json_index;

// NULL when the processor has none of simdjson's vector kernels: its scalar one draws the borders of malformed tokens
// otherwise, and so would give other verdicts than the machines that lead or follow with this one.
struct k_json_index *k_json_index_create(void) K_NO_THROW;
void k_json_index_destroy(struct k_json_index *index) K_NO_THROW; // NULL-safe

// Finds the tokens of the text: ascending offsets, and behind the last one the length. They belong to the index until
// the next call. A quote begins or ends a string unless an odd number of backslashes stands before it. A scalar token
// is a run of bytes without white space and structure. Reads no byte beyond the text.
// Returns NULL, or the static sentence why there is no index: the text is empty, a string does not end, or holds a
// control character. Bytes that are not UTF-8 do not matter here.
const char *k_json_index_read(struct k_json_index *index, const char *text, size_t length,
                              const uint32_t **ret_tokens, uint32_t *ret_count) K_NO_THROW;

#ifdef __cplusplus
}
#endif
