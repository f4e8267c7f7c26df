// Functions that make strings of others: their results are bounded, since what they are given is not.
#include "operators/expr/characters.h"
#include "operators/expr/find.h"
#include "operators/expr/kernels.h"

bool k_made_fits(struct k_call *call, uint32_t row, uint64_t length)
{
    if (length <= K_MADE_MAX) return true;
    k_call_fail(call, row, "overflow", "the result is longer than %d MiB", K_MADE_MAX >> 20);
    return false;
}

void k_kernel_concat(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        uint64_t length = 0;
        for (uint32_t i = 0; i < call->count; i++)
            if (!k_vec_null(&call->args[i], r)) length += K_ARG(call, i, struct k_str, r).length;
        if (!k_made_fits(call, r, length)) continue;
        char *data = k_arena_get(k_call_arena(call), length);
        char *end = data;
        for (uint32_t i = 0; i < call->count; i++) {
            if (k_vec_null(&call->args[i], r)) continue;
            struct k_str text = K_ARG(call, i, struct k_str, r);
            if (text.length) end = mempcpy(end, text.data, text.length);
        }
        out[r] = (struct k_str){data, (uint32_t)length};
    });
}

static char *add(char *end, struct k_str text)
{
    return text.length ? mempcpy(end, text.data, text.length) : end;
}

void k_kernel_concat_ws(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_vec_null(&call->args[0], r)) {
            k_call_valid(call)[r] = 0;
            continue;
        }
        struct k_str between = K_ARG(call, 0, struct k_str, r);
        uint64_t length = 0;
        uint32_t parts = 0;
        for (uint32_t i = 1; i < call->count; i++) {
            if (k_vec_null(&call->args[i], r)) continue;
            length += K_ARG(call, i, struct k_str, r).length + (parts++ ? between.length : 0u);
        }
        if (!k_made_fits(call, r, length)) continue;
        char *data = k_arena_get(k_call_arena(call), length);
        char *end = data;
        parts = 0;
        for (uint32_t i = 1; i < call->count; i++) {
            if (k_vec_null(&call->args[i], r)) continue;
            if (parts++) end = add(end, between);
            end = add(end, K_ARG(call, i, struct k_str, r));
        }
        out[r] = (struct k_str){data, (uint32_t)length};
    });
}

// false: the row was made an error.
static bool replace(struct k_call *call, uint32_t row, struct k_str text, struct k_str from, struct k_str to,
                    struct k_str *ret)
{
    uint64_t found = 0;
    *ret = text;
    if (from.length == 0 || text.length < from.length) return true;
    for (uint32_t at = 0; (at = k_find(text, at, from)) < text.length; at += from.length) found++;
    if (found == 0) return true;
    uint64_t length = text.length - found * from.length + found * to.length;
    if (!k_made_fits(call, row, length)) return false;
    char *data = k_arena_get(k_call_arena(call), length), *end = data;
    uint32_t at = 0;
    for (uint32_t next; (next = k_find(text, at, from)) < text.length; at = next + from.length) {
        end = add(end, (struct k_str){text.data + at, next - at});
        end = add(end, to);
    }
    add(end, (struct k_str){text.data + at, text.length - at});
    *ret = (struct k_str){data, (uint32_t)length};
    return true;
}

void k_kernel_replace(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        replace(call, r, K_ARG(call, 0, struct k_str, r), K_ARG(call, 1, struct k_str, r),
                K_ARG(call, 2, struct k_str, r), &out[r]);
    });
}

void k_kernel_reverse(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        char *data = k_arena_get(k_call_arena(call), text.length);
        for (uint32_t at = 0; at < text.length;) {
            uint32_t one = k_character_length(text, at);
            memcpy(data + text.length - at - one, text.data + at, one);
            at += one;
        }
        out[r] = (struct k_str){data, text.length};
    });
}

// The text again and again, for so many bytes.
static char *add_cycle(char *end, struct k_str text, uint64_t length)
{
    if (text.length == 1) return (char *)memset(end, *text.data, length) + length;
    for (; length > text.length; length -= text.length) end = add(end, text);
    return add(end, (struct k_str){text.data, (uint32_t)length});
}

void k_kernel_repeat(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        int64_t times = K_ARG(call, 1, int64_t, r);
        uint64_t length = 0;
        if (times < 0) times = 0;
        if (__builtin_mul_overflow((uint64_t)text.length, (uint64_t)times, &length)) length = UINT64_MAX;
        if (!k_made_fits(call, r, length)) continue;
        char *data = k_arena_get(k_call_arena(call), length);
        if (length) add_cycle(data, text, length);
        out[r] = (struct k_str){data, (uint32_t)length};
    });
}

static bool pad(struct k_call *call, uint32_t row, struct k_str text, int64_t width, struct k_str fill, bool before,
                struct k_str *ret)
{
    int64_t have = k_characters(text), fill_characters = k_characters(fill);
    *ret = width > have ? text : (struct k_str){text.data, k_character_at(text, width)};
    if (width <= have || fill_characters == 0) return true;
    uint64_t missing = (uint64_t)(width - have), cycles = missing / (uint64_t)fill_characters, padding;
    // Beyond the bound in any case, and within what 64 bits can count.
    if (cycles > K_MADE_MAX) cycles = (uint64_t)K_MADE_MAX + 1;
    padding = cycles * fill.length + k_character_at(fill, (int64_t)(missing % (uint64_t)fill_characters));
    if (!k_made_fits(call, row, text.length + padding)) return false;
    char *data = k_arena_get(k_call_arena(call), text.length + padding), *end = data;
    if (!before) end = add(end, text);
    end = add_cycle(end, fill, padding);
    if (before) add(end, text);
    *ret = (struct k_str){data, (uint32_t)(text.length + padding)};
    return true;
}

static void pad_rows(struct k_call *call, bool before)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str fill = call->count > 2 ? K_ARG(call, 2, struct k_str, r) : K_STR(" ");
        pad(call, r, K_ARG(call, 0, struct k_str, r), K_ARG(call, 1, int64_t, r), fill, before, &out[r]);
    });
}

void k_kernel_pad_left(struct k_call *call)
{
    pad_rows(call, true);
}

void k_kernel_pad_right(struct k_call *call)
{
    pad_rows(call, false);
}
