// Where something lies in a text. Bytes, which is safe in UTF-8, as no character is inside another.
#pragma once
#include "base/bytes.h"

// The place of the first such byte at or behind `at`, which is at most the length of the text; or this length.
uint32_t k_find_byte(struct k_str text, uint32_t at, char byte);
// The place of `what`, which is not empty, at or behind `at`, which is at most the length of the text; or this length.
uint32_t k_find(struct k_str text, uint32_t at, struct k_str what);
// The n-th part, n from 1, between bytes of this kind; false: there are fewer.
bool k_find_part(struct k_str text, char byte, uint64_t n, struct k_str *ret_part);
