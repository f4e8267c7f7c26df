// The path of a field inside a JSON record: "$.a.b", "$.\"user agent\".name". Objects only; no wildcards, no indices.
#pragma once
#include "base/bytes.h"

enum { K_PATH_KEYS_MAX = 32 };

// Reads the double-quoted text at *at (text.data[*at] is the quote; "" inside is one quote) into ret_name, which must
// have room for text.length bytes, and moves *at behind the closing quote. false: there is none.
bool k_quoted_read(struct k_str text, size_t *at, char *ret_name, uint32_t *ret_length);

// The next key of the path. Start with *at = 0. The key borrows from the path or from scratch (room for path.length
// bytes). false: the end, or, when *ret_why was set (a static sentence), an error at *at.
bool k_path_next(struct k_str path, size_t *at, char *scratch, struct k_str *ret_key, const char **ret_why);
