// Comma-separated values as RFC 4180 has them, field by field: the one place that says where a field and a record end.
//
// A quote at the beginning of a field opens it; it then ends with the next quote that is not doubled. A record ends
// with "\n" or "\r\n" outside quotes, or with the text. What is not of this form is said, but read on over in one way,
// so that whoever only cuts records finds the same ends as who reads them.
#pragma once
#include "base/bytes.h"

struct k_csv_field {
    struct k_str text; // without the quotes around; quotes inside are still doubled
    bool quoted, doubled;
    uint32_t end;    // where it stands no more, quotes and all
    bool last;       // of its record
    const char *why; // not NULL: how the field is malformed
};

// Reads the field that begins at *at (≤ length) and moves *at behind it and what ends it.
void k_csv_field(struct k_str text, char delimiter, uint32_t *at, struct k_csv_field *ret);
// Moves *at behind the record that begins there, and *ret_record is it, without its end. Says, as NULL, that all
// fields are well formed, or how one is not.
const char *k_csv_record(struct k_str text, char delimiter, uint32_t *at, struct k_str *ret_record);
// Where the first record of a message begins: some programs put a byte order mark before it.
uint32_t k_csv_begin(struct k_str text);
