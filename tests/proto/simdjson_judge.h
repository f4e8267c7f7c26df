// What simdjson's own parser, the whole of it, says of a record: the judge of our JSON decoder, which shares with it
// the index of tokens only. Plain C, so that tests need no C++.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum judge_kind {
    JUDGE_ABSENT, JUDGE_NULL, JUDGE_BOOL, JUDGE_INT, JUDGE_UINT, JUDGE_DOUBLE, JUDGE_STRING,
    JUDGE_OTHER // an object or array
};
struct judge_value {
    enum judge_kind kind;
    bool b;
    int64_t i; // also of a number beyond INT64_MAX: its bits
    double d;
    const char *text; // valid until the next record
    size_t length;
};
enum judge_verdict { JUDGE_OBJECT, JUDGE_NOT_JSON, JUDGE_NO_OBJECT, JUDGE_NUMBER };

#ifdef __cplusplus
extern "C" {
#endif
// JUDGE_NUMBER: there is a number that it does not read, be it malformed or too large for 64 bits.
enum judge_verdict judge_read(const char *text, size_t length);
// The first member of the key in the record read last; inside: in the object that the first member of that key is
// (JUDGE_OTHER when it is none, JUDGE_ABSENT when it is null), or NULL for the record itself.
struct judge_value judge_member(const char *inside, const char *key);
#ifdef __cplusplus
}
#endif
