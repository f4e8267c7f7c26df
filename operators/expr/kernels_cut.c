// Parts of strings, and where they are: trim, left, right, position and their kin. What they give borrows from what
// they are given. Positions and lengths are characters.
#include "operators/expr/characters.h"
#include "operators/expr/find.h"
#include "operators/expr/kernels.h"

// The characters that are to be trimmed.
struct set {
    struct k_str characters;
    bool ascii[128];
    bool has_more; // than ASCII
};

static void fill_set(struct set *set, struct k_str characters)
{
    *set = (struct set){.characters = characters};
    for (uint32_t i = 0; i < characters.length; i++) {
        unsigned char c = (unsigned char)characters.data[i];
        if (c < 128) set->ascii[c] = true;
        else set->has_more = true;
    }
}

// Whether the character in the text, so many bytes long, is in the set.
static bool is_member(const struct set *set, const char *character, uint32_t length)
{
    if ((unsigned char)*character < 128) return set->ascii[(unsigned char)*character];
    if (!set->has_more) return false;
    struct k_str all = set->characters;
    for (uint32_t at = 0; at < all.length;) {
        uint32_t one = k_character_length(all, at);
        if (one == length && memcmp(all.data + at, character, length) == 0) return true;
        at += one;
    }
    return false;
}

static struct k_str trim(struct k_str text, const struct set *set, bool left, bool right)
{
    while (left && text.length) {
        uint32_t one = k_character_length(text, 0);
        if (!is_member(set, text.data, one)) break;
        text = (struct k_str){text.data + one, text.length - one};
    }
    while (right && text.length) {
        uint32_t last = text.length - 1;
        while (last > 0 && k_is_inside(text.data[last])) last--;
        if (!is_member(set, text.data + last, text.length - last)) break;
        text.length = last;
    }
    return text;
}

static void trim_rows(struct k_call *call, bool left, bool right)
{
    struct k_str *out = call->out;
    struct set set;
    bool one_set = call->count < 2 || call->args[1].constant;
    if (call->count < 2) fill_set(&set, K_STR(" "));
    else if (one_set && !k_vec_null(&call->args[1], 0)) fill_set(&set, K_ARG(call, 1, struct k_str, 0));
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        if (!one_set) fill_set(&set, K_ARG(call, 1, struct k_str, r));
        out[r] = trim(K_ARG(call, 0, struct k_str, r), &set, left, right);
    });
}

void k_kernel_trim_both(struct k_call *call)
{
    trim_rows(call, true, true);
}

void k_kernel_trim_left(struct k_call *call)
{
    trim_rows(call, true, false);
}

void k_kernel_trim_right(struct k_call *call)
{
    trim_rows(call, false, true);
}

// The text cut in two before a character: the one that a count from the left, or if negative from the right, ends at.
static uint32_t split_at(struct k_str text, int64_t count)
{
    return count >= 0 ? k_character_at(text, count) : k_character_at(text, k_characters(text) + count);
}

void k_kernel_left(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        out[r] = (struct k_str){text.data, split_at(text, K_ARG(call, 1, int64_t, r))};
    });
}

void k_kernel_right(struct k_call *call)
{
    struct k_str *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        int64_t count = K_ARG(call, 1, int64_t, r);
        // The last n characters are what is behind all but n. The least number has no negative.
        uint32_t at = count == 0 || count == INT64_MIN ? text.length : split_at(text, -count);
        out[r] = at < text.length ? (struct k_str){text.data + at, text.length - at} : K_STR("");
    });
}

static int64_t position(struct k_str text, struct k_str what)
{
    if (what.length == 0) return 1;
    uint32_t found = k_find(text, 0, what);
    return found < text.length ? k_characters((struct k_str){text.data, found}) + 1 : 0;
}

void k_kernel_position(struct k_call *call)
{
    int64_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        out[r] = position(K_ARG(call, 0, struct k_str, r), K_ARG(call, 1, struct k_str, r));
    });
}

void k_kernel_starts_with(struct k_call *call)
{
    uint8_t *out = call->out;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        struct k_str begin = K_ARG(call, 1, struct k_str, r);
        out[r] =
            text.length >= begin.length && (begin.length == 0 || memcmp(text.data, begin.data, begin.length) == 0);
    });
}
