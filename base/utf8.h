// UTF-8, well-formed as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
#pragma once
#include "base/bytes.h"

// The length of the first character of text (1 to 4), 0 if there is none or it is broken.
uint32_t k_utf8_length(const char *text, size_t length);
bool k_utf8_valid(const char *text, size_t length);
// Appends a code point as UTF-8 (a surrogate too: the caller's check of the whole finds it).
void k_utf8_add(struct k_buf *buf, uint32_t code_point);
