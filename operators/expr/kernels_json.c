// Access to json: members, elements, paths, and the text of a value. A json value is its text as it came, checked when
// it was read; a result is the part of that text, so nothing is built or copied but strings with escapes.
//
// Of members with the same key the last counts. What is not there, and what is looked for in a value that cannot have
// it, is NULL.
#include "operators/expr/kernels.h"

#include <ctype.h>
#include <strings.h>

#include "proto/json_text.h"
#include "proto/json_walk.h"

// Where a kernel looks: the value of a row, and where results and errors go.
struct look {
    struct k_call *call;
    struct k_arena *arena;
    uint32_t row;
};

static bool broken(struct look *look, const struct k_elements *walk)
{
    if (walk->broken) k_call_fail(look->call, look->row, "json", "the text is no JSON");
    return walk->broken;
}

static bool is_key(struct look *look, struct k_str token, struct k_str wanted)
{
    struct k_str key = {token.data + 1, token.length - 2};
    if (memchr(key.data, '\\', key.length)) {
        // An escape is never shorter than what it means.
        if (key.length <= wanted.length || k_json_string_read(token, look->arena, &key)) return false;
    }
    return k_str_equal(key, wanted);
}

static bool find_member(struct look *look, struct k_str json, struct k_str wanted, struct k_str *ret)
{
    struct k_elements walk;
    struct k_str key, value;
    bool found = false;
    if (!k_members_begin(json, &walk)) return false;
    while (k_members_next(&walk, &key, &value)) {
        if (!is_key(look, key, wanted)) continue;
        *ret = value;
        found = true;
    }
    return !broken(look, &walk) && found;
}

enum { CUT = 64 }; // elements at a time

static uint64_t count_elements(struct k_elements walk)
{
    struct k_str some[CUT];
    uint64_t count = 0;
    while (walk.more) count += k_elements_next(&walk, some, CUT);
    return count;
}

static bool find_element(struct look *look, struct k_str json, int64_t index, struct k_str *ret)
{
    struct k_elements walk;
    struct k_str some[CUT];
    if (!k_elements_begin(json, &walk)) return false;
    if (index < 0) {
        index += (int64_t)count_elements(walk);
        if (index < 0) return false;
    }
    for (int64_t at = 0; walk.more;) {
        uint32_t count = k_elements_next(&walk, some, CUT);
        if (index < at + count) {
            *ret = some[index - at];
            return true;
        }
        at += count;
    }
    broken(look, &walk);
    return false;
}

// The result: a json value as it stands, or its text, where a string loses its quotes and null is NULL.
static bool put(struct look *look, struct k_str value, bool as_text)
{
    struct k_str *out = look->call->out;
    if (as_text && value.length == 4 && value.data[0] == 'n') return false;
    if (as_text && value.length > 0 && value.data[0] == '"') {
        const char *why = k_json_string_read(value, look->arena, &out[look->row]);
        if (why) k_call_fail(look->call, look->row, why, "a string of the JSON text cannot be read");
        return !why;
    }
    out[look->row] = value;
    return true;
}

#define ACCESS_KERNEL(name, T, find, as_text)                                                       \
    void k_kernel_##name(struct k_call *call)                                                       \
    {                                                                                               \
        struct look look = {call, k_call_arena(call), 0};                                           \
        K_EACH_ROW(call->rows, r, {                                                                 \
            if (k_call_null(call, r)) continue;                                                     \
            struct k_str found;                                                                     \
            look.row = r;                                                                           \
            bool good = find(&look, K_ARG(call, 0, struct k_str, r), K_ARG(call, 1, T, r), &found); \
            if (!good || !put(&look, found, as_text)) k_call_valid(call)[r] = 0;                    \
        });                                                                                         \
    }
ACCESS_KERNEL(json_member, struct k_str, find_member, false)
ACCESS_KERNEL(json_member_text, struct k_str, find_member, true)
ACCESS_KERNEL(json_element, int64_t, find_element, false)
ACCESS_KERNEL(json_element_text, int64_t, find_element, true)

// --- paths ---

// A path, as PostgreSQL writes an array of texts: {a,"b c",0}. A step is a key or the number of an element, as the
// value wants it.
struct step {
    struct k_str key;
    bool is_index;
    int64_t index;
};
struct path {
    struct step *steps;
    uint32_t count;
    bool has_null; // a step that is NULL leads nowhere
};

static const char bad_path[] = "a path is written as '{key,0,\"another key\"}'";

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *in)
{
    while (in->at < in->end && isspace((unsigned char)*in->at)) in->at++;
}

// As the number of an element: an integer of 32 bits, as PostgreSQL reads it.
static bool read_index(struct k_str text, int64_t *ret)
{
    struct cursor in = {text.data, text.data + text.length};
    int64_t value = 0;
    skip_blanks(&in);
    bool negative = in.at < in.end && *in.at == '-';
    if (negative || (in.at < in.end && *in.at == '+')) in.at++;
    if (in.at == in.end) return false;
    for (; in.at < in.end; in.at++) {
        if (*in.at < '0' || *in.at > '9') return false;
        value = value * 10 + (*in.at - '0');
        if (value > INT32_MAX) return false;
    }
    *ret = negative ? -value : value;
    return true;
}

// A step up to the comma or brace behind it. A backslash takes the next character as it is.
static bool read_step(struct cursor *in, struct k_arena *arena, struct path *path)
{
    char *out = k_arena_get(arena, (size_t)(in->end - in->at) + 1), *to = out, *kept = out;
    bool quoted = in->at < in->end && *in->at == '"', escaped = false;
    if (quoted) in->at++;
    for (; in->at < in->end; in->at++) {
        char c = *in->at;
        if (quoted ? c == '"' : c == ',' || c == '}') break;
        if (!quoted && (c == '"' || c == '{')) return false;
        if (c == '\\') {
            escaped = true;
            if (++in->at == in->end) return false;
        }
        *to++ = *in->at;
        // Blanks at the end of a bare step do not belong to it, unless a backslash stands before them.
        if (quoted || c == '\\' || !isspace((unsigned char)c)) kept = to;
    }
    if (in->at == in->end) return false;
    if (quoted) {
        in->at++;
        skip_blanks(in);
        if (in->at == in->end || (*in->at != ',' && *in->at != '}')) return false;
    }
    struct k_str step = {out, (uint32_t)(kept - out)};
    if (!quoted && step.length == 0) return false;
    if (!quoted && !escaped && step.length == 4 && strncasecmp(step.data, "null", 4) == 0) path->has_null = true;
    struct step *next = &path->steps[path->count++];
    *next = (struct step){.key = step};
    next->is_index = read_index(step, &next->index);
    return true;
}

// false: no path. In the arena.
static bool read_path(struct k_str text, struct k_arena *arena, struct path *ret)
{
    struct cursor in = {text.data, text.data + text.length};
    skip_blanks(&in);
    if (in.at == in.end || *in.at++ != '{') return false;
    size_t commas = 0;
    for (const char *at = in.at; at < in.end; at++) commas += *at == ',';
    *ret = (struct path){.steps = k_arena_array(arena, struct step, commas + 1)};
    skip_blanks(&in);
    bool more = in.at < in.end && *in.at != '}';
    while (more) {
        if (!read_step(&in, arena, ret)) return false;
        more = *in.at == ',';
        if (more) in.at++;
        skip_blanks(&in);
    }
    if (in.at == in.end || *in.at++ != '}') return false;
    skip_blanks(&in);
    return in.at == in.end;
}

static bool follow(struct look *look, struct k_str json, const struct path *path, struct k_str *ret)
{
    struct k_str value = k_json_trim(json);
    if (path->has_null) return false;
    for (uint32_t i = 0; i < path->count; i++) {
        const struct step *step = &path->steps[i];
        bool array = value.length && value.data[0] == '[';
        if (array && !step->is_index) return false;
        if (!(array ? find_element(look, value, step->index, &value) : find_member(look, value, step->key, &value)))
            return false;
    }
    *ret = value;
    return true;
}

static void follow_all(struct k_call *call, bool as_text)
{
    struct look look = {call, k_call_arena(call), 0};
    bool constant = call->args[1].constant, good = false;
    struct path path;
    if (constant) good = read_path(K_ARG(call, 1, struct k_str, 0), look.arena, &path);
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str found;
        look.row = r;
        if (!constant) good = read_path(K_ARG(call, 1, struct k_str, r), look.arena, &path);
        if (!good) k_call_fail(call, r, "cast", "%s", bad_path);
        else if (!follow(&look, K_ARG(call, 0, struct k_str, r), &path, &found) || !put(&look, found, as_text))
            k_call_valid(call)[r] = 0;
    });
}

void k_kernel_json_path(struct k_call *call)
{
    follow_all(call, false);
}
void k_kernel_json_path_text(struct k_call *call)
{
    follow_all(call, true);
}

const char *k_check_json_path(const struct k_value *const *constants, uint32_t *ret_argument)
{
    *ret_argument = 1;
    if (!constants[1]) return NULL;
    struct k_arena arena;
    struct path path;
    k_arena_init(&arena);
    bool good = read_path(constants[1]->s, &arena, &path);
    k_arena_fini(&arena);
    return good ? NULL : bad_path;
}

// --- about a value ---

void k_kernel_json_typeof(struct k_call *call)
{
    K_UNARY_LOOP(call, struct k_str, struct k_str, {
        if (k_call_null(call, r)) continue;
        struct k_str value = k_json_trim(a);
        switch (value.length ? value.data[0] : 0) {
        case '{': out[r] = K_STR("object"); break;
        case '[': out[r] = K_STR("array"); break;
        case '"': out[r] = K_STR("string"); break;
        case 't':
        case 'f': out[r] = K_STR("boolean"); break;
        case 'n': out[r] = K_STR("null"); break;
        default: out[r] = K_STR("number"); break;
        }
    });
}

void k_kernel_json_array_length(struct k_call *call)
{
    K_UNARY_LOOP(call, struct k_str, int64_t, {
        struct k_elements walk;
        if (k_call_null(call, r)) continue;
        if (k_elements_begin(a, &walk)) out[r] = (int64_t)count_elements(walk);
        else k_call_fail(call, r, "argument", "json_array_length of a value that is no array");
    });
}
