// What the kernels share: the loops over rows, and their declarations for the table in functions.c.
//
// A loop is written once for each shape of its arguments (column or constant, dense rows or a list), so that the
// compiler can vectorise it; the body sees a and b and puts out[r].
#pragma once
#include "operators/expr/program.h"

#define K_EACH_ROW(rows, r, ...)                                                                  \
    do {                                                                                          \
        if ((rows).dense) {                                                                       \
            for (uint32_t r = (rows).first, end_ = r + (rows).count; r < end_; r++) { __VA_ARGS__ } \
        } else {                                                                                  \
            for (uint32_t k_ = 0; k_ < (rows).count; k_++) { uint32_t r = (rows).list[k_]; __VA_ARGS__ } \
        }                                                                                         \
    } while (0)

#define K_UNARY_OVER_(rows_, call, A, R, ...)                             \
    do {                                                            \
        const A *pa_ = (call)->args[0].column.data;                 \
        R *restrict out = (call)->out;                              \
        if ((call)->args[0].constant) {                             \
            A a = pa_[0];                                           \
            K_EACH_ROW(rows_, r, __VA_ARGS__);                      \
        } else {                                                    \
            K_EACH_ROW(rows_, r, { A a = pa_[r]; __VA_ARGS__ });    \
        }                                                           \
    } while (0)

#define K_BINARY_OVER_(rows_, call, A, B, R, ...)                                        \
    do {                                                                         \
        const A *pa_ = (call)->args[0].column.data;                              \
        const B *pb_ = (call)->args[1].column.data;                              \
        R *restrict out = (call)->out;                                           \
        bool ca_ = (call)->args[0].constant, cb_ = (call)->args[1].constant;     \
        if (ca_ && cb_) {                                                        \
            A a = pa_[0];                                                        \
            B b = pb_[0];                                                        \
            K_EACH_ROW(rows_, r, __VA_ARGS__);                                   \
        } else if (ca_) {                                                        \
            A a = pa_[0];                                                        \
            K_EACH_ROW(rows_, r, { B b = pb_[r]; __VA_ARGS__ });                 \
        } else if (cb_) {                                                        \
            B b = pb_[0];                                                        \
            K_EACH_ROW(rows_, r, { A a = pa_[r]; __VA_ARGS__ });                 \
        } else {                                                                 \
            K_EACH_ROW(rows_, r, { A a = pa_[r]; B b = pb_[r]; __VA_ARGS__ });   \
        }                                                                        \
    } while (0)

// Over the rows; and, where the body computes numbers of numbers and makes no errors, over all that may be computed.
#define K_UNARY_LOOP(call, ...) K_UNARY_OVER_((call)->rows, call, __VA_ARGS__)
#define K_BINARY_LOOP(call, ...) K_BINARY_OVER_((call)->rows, call, __VA_ARGS__)
#define K_UNARY_WIDE(call, ...) K_UNARY_OVER_((call)->wide, call, __VA_ARGS__)
#define K_BINARY_WIDE(call, ...) K_BINARY_OVER_((call)->wide, call, __VA_ARGS__)

// The value of an argument at a row, for kernels whose work dwarfs the look-up.
#define K_ARG(call, i, T, r) (((const T *)(call)->args[i].column.data)[k_vec_row(&(call)->args[i], (r))])

// kernels_number.c
#define K_NUMBER_KERNELS(X) \
    X(int64_add) X(int64_subtract) X(int64_multiply) X(int64_divide) X(int64_modulo) X(int64_negate) X(int64_identity) \
    X(double_add) X(double_subtract) X(double_multiply) X(double_divide) X(double_modulo) X(double_negate)
// kernels_math.c
#define K_MATH_KERNELS(X)                                                                                       \
    X(int64_abs) X(double_abs) X(double_round) X(double_trunc) X(double_floor) X(double_ceil) X(double_sign)    \
    X(double_cbrt) X(double_sqrt) X(double_exp) X(double_ln) X(double_log) X(double_power)                      \
    X(double_round_places) X(double_trunc_places) X(int64_round_places) X(int64_trunc_places)
// kernels_compare.c: for each type
#define K_COMPARE_KERNELS(X, type) X(type##_eq) X(type##_ne) X(type##_lt) X(type##_le) X(type##_gt) X(type##_ge)
#define K_ALL_COMPARE_KERNELS(X)                                                            \
    K_COMPARE_KERNELS(X, bool) K_COMPARE_KERNELS(X, int64) K_COMPARE_KERNELS(X, double)     \
    K_COMPARE_KERNELS(X, string) K_COMPARE_KERNELS(X, interval)
#define K_TEST_KERNELS(X)                                                                        \
    X(is_null) X(is_not_null) X(is_true) X(is_not_true) X(is_false) X(is_not_false) X(logic_not)
// kernels_string.c, like.c
#define K_STRING_KERNELS(X) \
    X(string_concat) X(string_lower) X(string_upper) X(string_length) X(string_bytes) X(split_part) X(substring_2) \
    X(substring_3) X(like) X(ilike) X(like_escape)
// kernels_text.c
#define K_TEXT_KERNELS(X) \
    X(concat) X(concat_ws) X(replace) X(reverse) X(repeat) X(pad_left) X(pad_right)
// kernels_cut.c
#define K_CUT_KERNELS(X) \
    X(trim_both) X(trim_left) X(trim_right) X(left) X(right) X(position) X(starts_with)
// kernels_digest.c
#define K_DIGEST_KERNELS(X) X(md5) X(sha256) X(xxhash)
// kernels_regex.c
#define K_REGEX_KERNELS(X) X(regex_match) X(regexp_substr) X(regexp_replace)
// kernels_choice.c
#define K_CHOICE_KERNELS(X) X(greatest) X(least)
// kernels_bits.c
#define K_BITS_KERNELS(X) X(bits_and) X(bits_or) X(bits_xor) X(bits_left) X(bits_right) X(bits_not)
// kernels_time.c
#define K_TIME_KERNELS(X)                                                                       \
    X(date_trunc) X(timestamp_add) X(timestamp_add_swapped) X(timestamp_subtract) X(timestamp_difference)
// kernels_interval.c
#define K_INTERVAL_KERNELS(X)                                                                       \
    X(interval_add) X(interval_subtract) X(interval_negate) X(interval_multiply)                    \
    X(interval_multiply_swapped) X(interval_divide) X(to_timestamp) X(date_bin)
// kernels_extract.c
#define K_EXTRACT_KERNELS(X) X(extract_timestamp) X(extract_interval)
// kernels_json.c
#define K_JSON_KERNELS(X)                                                                           \
    X(json_member) X(json_member_text) X(json_element) X(json_element_text) X(json_path)            \
    X(json_path_text) X(json_typeof) X(json_array_length)
// cast.c
#define K_CAST_KERNELS(X)                                                                                        \
    X(cast_bool_int64) X(cast_bool_string) X(cast_int64_bool) X(cast_int64_double) X(cast_int64_string)          \
    X(cast_double_int64) X(cast_double_string) X(cast_timestamp_string) X(cast_json_string) X(cast_string_any)

#define X(name) void k_kernel_##name(struct k_call *call);
K_NUMBER_KERNELS(X)
K_MATH_KERNELS(X)
K_ALL_COMPARE_KERNELS(X)
K_TEST_KERNELS(X)
K_STRING_KERNELS(X)
K_TEXT_KERNELS(X)
K_CUT_KERNELS(X)
K_DIGEST_KERNELS(X)
K_REGEX_KERNELS(X)
K_CHOICE_KERNELS(X)
K_BITS_KERNELS(X)
K_TIME_KERNELS(X)
K_INTERVAL_KERNELS(X)
K_EXTRACT_KERNELS(X)
K_JSON_KERNELS(X)
K_CAST_KERNELS(X)
#undef X

// The longest string that a function makes of others, in bytes. A part of a string, and the same string in other
// letters, may be longer: they are bounded by what they are made of.
enum { K_MADE_MAX = 16 << 20 };
// Whether a string of so many bytes may be made; else the row is an error.
bool k_made_fits(struct k_call *call, uint32_t row, uint64_t length);
// In small letters, by Unicode's simple mapping; in the arena.
struct k_str k_string_lower(struct k_arena *arena, struct k_str text);
// A double for people, in the caller's bytes; K_DOUBLE_TEXT + 1 of them.
const char *k_double_show(double value, char *text);

// Checks of constant arguments.
const char *k_check_like(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_like_escape(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_split_part(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_substring(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_date_bin(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_extract_timestamp(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_extract_interval(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_json_path(const struct k_value *const *constants, uint32_t *ret_argument);
const char *k_check_date_trunc(const struct k_value *const *constants, uint32_t *ret_argument);

// What is made of constant arguments.
const void *k_prepare_regex(struct k_prepare *call);
const void *k_prepare_regex_fold(struct k_prepare *call);
const void *k_prepare_regex_group(struct k_prepare *call);
const void *k_prepare_regex_replace(struct k_prepare *call);

// Whether the word, in any letters, is one of the names, which stand between blanks.
bool k_is_among(struct k_str word, const char *names);
// INTERVAL '1 day 02:30:00' as PostgreSQL writes it. false: not one.
bool k_interval_parse(struct k_str text, struct k_interval *ret_interval);
// For comparison: months of 30 days of 24 hours, as PostgreSQL has it.
__extension__ typedef __int128 k_int128_;
static inline k_int128_ k_interval_span(struct k_interval interval)
{
    return ((k_int128_)interval.months * 30 + interval.days) * 86400000000 + interval.us;
}
