// Messages that hold several records: where each record begins and ends.
#pragma once
#include "base/bytes.h"

enum k_packing_kind {
    K_PACKING_NONE,    // the message is the record
    K_PACKING_LINES,   // each ends with "\n" or "\r\n"
    K_PACKING_CSV,     // the same, but not inside quotes; behind a header, if there is one
    K_PACKING_LENGTHS, // before each its length, as a varint; an empty one is a record too
};

struct k_packing {
    enum k_packing_kind kind;
    char delimiter; // csv
    bool header;    // csv
};

// The next record at *at (0 at first) of a message's value, without what separates it from the next; moves *at on.
// Empty lines are no records. false: there is none left. *ret_why: NULL, or how the message is broken from here on, and
// then the record is all that is left of it.
bool k_unpack(const struct k_packing *packing, struct k_str value, uint32_t *at, struct k_str *ret_record,
              const char **ret_why);
