// Writing JSON: escapes, numbers that round-trip. Reading is elsewhere (graphs: proto/, records: proto/).
#pragma once
#include "base/bytes.h"

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void k_json_string(struct k_buf *out, struct k_str text);
// The shortest decimal that reads back to the same double; integral values up to 2^53 without exponent.
// NaN and infinities, which JSON lacks, as the strings "NaN", "Infinity", "-Infinity".
void k_json_double(struct k_buf *out, double value);
void k_json_int(struct k_buf *out, int64_t value);
void k_json_time(struct k_buf *out, int64_t us);         // RFC 3339, in quotes
void k_json_base64(struct k_buf *out, struct k_str bytes); // in quotes
