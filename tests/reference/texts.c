// Functions of strings, by another way than the engine's: a string is taken apart into an array of its characters,
// and what is made is a list of characters that is put together at the end.
#include "tests/reference/expr.h"

#define MADE_MAX (16u << 20) // bytes of a string that is made of others

struct list {
    struct k_str *items; // one character each
    uint64_t count, room;
};

static void add(struct list *list, struct k_arena *arena, struct k_str character)
{
    if (list->count == list->room) {
        uint64_t room = list->room ? list->room * 2 : 16;
        struct k_str *items = k_arena_array(arena, struct k_str, room);
        for (uint64_t i = 0; i < list->count; i++) items[i] = list->items[i];
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = character;
}

static struct list take_apart(struct k_arena *arena, struct k_str text)
{
    struct list list = {0};
    for (uint32_t at = 0; at < text.length;) {
        uint32_t length = utf8_length(text.data[at]);
        add(&list, arena, (struct k_str){text.data + at, length});
        at += length;
    }
    return list;
}

static void add_all(struct list *list, struct k_arena *arena, const struct list *more, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to && i < more->count; i++) add(list, arena, more->items[i]);
}

static struct value put_together(struct k_arena *arena, const struct list *list)
{
    struct k_buf text = {0};
    for (uint64_t i = 0; i < list->count; i++) k_buf_add(&text, list->items[i].data, list->items[i].length);
    struct k_str all = {k_arena_copy(arena, text.data ? text.data : "", text.length), (uint32_t)text.length};
    k_buf_fini(&text);
    return value_string(all);
}

static bool same(struct k_str a, struct k_str b)
{
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static bool is_one_of(const struct list *set, struct k_str character)
{
    for (uint64_t i = 0; i < set->count; i++)
        if (same(set->items[i], character)) return true;
    return false;
}

// Whether `what` stands at this character.
static bool stands_at(const struct list *text, const struct list *what, uint64_t at)
{
    if (at + what->count > text->count) return false;
    for (uint64_t i = 0; i < what->count; i++)
        if (!same(text->items[at + i], what->items[i])) return false;
    return true;
}

static int64_t position(const struct list *text, const struct list *what)
{
    for (uint64_t at = 0; at + what->count <= text->count; at++)
        if (stands_at(text, what, at)) return (int64_t)at + 1;
    return 0;
}

// Of a negative count, all but so many at the other end.
static uint64_t wanted(const struct list *text, int64_t count)
{
    int64_t have = (int64_t)text->count;
    if (count < 0) return count < -have ? 0 : (uint64_t)(have + count);
    return count > have ? text->count : (uint64_t)count;
}

static struct list trimmed(const struct list *text, const struct list *set, bool left, bool right)
{
    struct list rest = *text;
    while (left && rest.count && is_one_of(set, *rest.items)) rest.items++, rest.count--;
    while (right && rest.count && is_one_of(set, rest.items[rest.count - 1])) rest.count--;
    return rest;
}

static struct list replaced(struct k_arena *arena, const struct list *text, const struct list *from,
                            const struct list *to)
{
    struct list out = {0};
    for (uint64_t at = 0; at < text->count;) {
        if (from->count && stands_at(text, from, at)) {
            add_all(&out, arena, to, 0, to->count);
            at += from->count;
        } else {
            add(&out, arena, text->items[at++]);
        }
    }
    return out;
}

// So many characters, of the text again and again; false: more bytes than may be made, with those that there are.
static bool cycled(struct k_arena *arena, const struct list *text, uint64_t count, uint64_t bytes, struct list *out)
{
    if (text->count == 0) return true;
    if (count / text->count > MADE_MAX) return false; // each has a byte at least
    for (uint64_t i = 0; i < count; i++) {
        struct k_str character = text->items[i % text->count];
        bytes += character.length;
        if (bytes > MADE_MAX) return false;
        add(out, arena, character);
    }
    return true;
}

static struct value padded(const struct value *args, uint32_t count, bool before, struct k_arena *arena,
                           const char **reason)
{
    struct list text = take_apart(arena, args[0].s), out = {0};
    struct list fill = take_apart(arena, count > 2 ? args[2].s : K_STR(" "));
    uint64_t width = args[1].i < 0 ? 0 : (uint64_t)args[1].i;
    bool fits = true;
    if (width <= text.count) text.count = width;
    if (!before) add_all(&out, arena, &text, 0, text.count);
    if (width > text.count && fill.count) fits = cycled(arena, &fill, width - text.count, args[0].s.length, &out);
    if (before) add_all(&out, arena, &text, 0, text.count);
    if (fits) return put_together(arena, &out);
    *reason = "overflow";
    return value_null(TYPE_STRING);
}

static struct value repeated(const struct value *args, struct k_arena *arena, const char **reason)
{
    struct list text = take_apart(arena, args[0].s), out = {0};
    uint64_t count = 0, times = args[1].i < 0 ? 0 : (uint64_t)args[1].i;
    if (__builtin_mul_overflow(text.count, times, &count)) count = UINT64_MAX;
    if (cycled(arena, &text, count, 0, &out)) return put_together(arena, &out);
    *reason = "overflow";
    return value_null(TYPE_STRING);
}

bool text_call(const char *name, const struct value *args, uint32_t count, struct k_arena *arena, struct value *ret,
               const char **reason)
{
    bool is_trim = strlen(name) == 5 && strcmp(name + 1, "trim") == 0, is_pad = strcmp(name + 1, "pad") == 0;
    if (is_pad) {
        *ret = padded(args, count, *name == 'l', arena, reason);
        return true;
    }
    if (strcmp(name, "repeat") == 0) {
        *ret = repeated(args, arena, reason);
        return true;
    }
    struct list text = args[0].type == TYPE_STRING ? take_apart(arena, args[0].s) : (struct list){0}, out = {0};
    struct list other = count > 1 && args[1].type == TYPE_STRING ? take_apart(arena, args[1].s) : (struct list){0};
    if (is_trim) {
        if (count == 1) other = take_apart(arena, K_STR(" "));
        out = trimmed(&text, &other, *name != 'r', *name != 'l');
    } else if (strcmp(name, "left") == 0) {
        add_all(&out, arena, &text, 0, wanted(&text, args[1].i));
    } else if (strcmp(name, "right") == 0) {
        add_all(&out, arena, &text, text.count - wanted(&text, args[1].i), text.count);
    } else if (strcmp(name, "reverse") == 0) {
        for (uint64_t i = text.count; i > 0; i--) add(&out, arena, text.items[i - 1]);
    } else if (strcmp(name, "replace") == 0) {
        struct list to = take_apart(arena, args[2].s);
        out = replaced(arena, &text, &other, &to);
    } else if (strcmp(name, "strpos") == 0) {
        *ret = value_int(position(&text, &other));
        return true;
    } else if (strcmp(name, "starts_with") == 0) {
        *ret = value_bool(stands_at(&text, &other, 0));
        return true;
    } else {
        return false;
    }
    *ret = put_together(arena, &out);
    return true;
}
