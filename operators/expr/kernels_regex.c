// The functions of regular expressions. The pattern is a constant, compiled when the expression is; a text on which
// matching is given up is an error of its row.
#include "operators/expr/characters.h"
#include "operators/expr/kernels.h"
#include "operators/expr/regex.h"

static const char reason[] = "regex";

// What a call of one of these functions has ready.
struct prepared {
    struct k_regex *regex;
    bool global; // regexp_replace: all matches
};

// The pattern is always the second argument.
static struct prepared *prepare(struct k_prepare *call, bool fold)
{
    const struct k_value *pattern = call->constants[1];
    call->argument = 1;
    if (!pattern) {
        call->why = "a regular expression must be a constant: it is compiled once, before the first record";
        return NULL;
    }
    struct prepared *prepared = k_arena_zeroed(call->arena, sizeof *prepared);
    size_t offset;
    const char *why = k_regex_compile(call->arena, pattern->s, fold, &prepared->regex, &offset);
    if (!why) return prepared;
    call->within = offset;
    call->why = k_arena_format(call->arena, "the regular expression is wrong behind \"%.*s\": %s", (int)offset,
                               pattern->s.data ? pattern->s.data : "", why);
    return NULL;
}

const void *k_prepare_regex(struct k_prepare *call)
{
    return prepare(call, false);
}

const void *k_prepare_regex_fold(struct k_prepare *call)
{
    return prepare(call, true);
}

static const char wrong_flags[] =
    "the flags of regexp_replace are a constant of g (each match, not only the first) and i (letters in either case)";

const void *k_prepare_regex_replace(struct k_prepare *call)
{
    bool fold = false, global = false, good = call->count < 4 || call->constants[3];
    struct k_str flags = call->count > 3 && good ? call->constants[3]->s : K_STR("");
    for (uint32_t i = 0; i < flags.length; i++) {
        if (flags.data[i] == 'g') global = true;
        else if (flags.data[i] == 'i') fold = true;
        else good = false;
    }
    if (!good) {
        call->argument = 3;
        call->why = wrong_flags;
        return NULL;
    }
    struct prepared *prepared = prepare(call, fold);
    if (prepared) prepared->global = global;
    return prepared;
}

static const char no_group[] = "there is no group %lld in the regular expression, which has %u; 0 is the whole match";

static bool is_group(const struct k_regex *regex, int64_t group)
{
    return group >= 0 && group <= k_regex_groups(regex);
}

const void *k_prepare_regex_group(struct k_prepare *call)
{
    struct prepared *prepared = prepare(call, false);
    const struct k_value *group = call->constants[2];
    if (!prepared || !group || is_group(prepared->regex, group->i)) return prepared;
    call->argument = 2;
    call->why = k_arena_format(call->arena, no_group, (long long)group->i, k_regex_groups(prepared->regex));
    return NULL;
}

static struct k_regex_run *open_run(const struct k_call *call)
{
    const struct prepared *prepared = call->node->prepared;
    return k_regex_open(prepared->regex);
}

// As k_regex_search; -1 after the row was made an error.
static int search(struct k_call *call, uint32_t row, struct k_regex_run *run, uint32_t start)
{
    int found = k_regex_search(run, start);
    if (found < 0) k_call_fail(call, row, reason, "matching was given up: %s", k_regex_why(run));
    return found;
}

void k_kernel_regex_match(struct k_call *call)
{
    uint8_t *out = call->out;
    struct k_regex_run *run = open_run(call);
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        k_regex_text(run, K_ARG(call, 0, struct k_str, r));
        out[r] = search(call, r, run, 0) > 0;
    });
    k_regex_close(run);
}

void k_kernel_regexp_substr(struct k_call *call)
{
    struct k_str *out = call->out;
    struct k_regex_run *run = open_run(call);
    const struct prepared *prepared = call->node->prepared;
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        int64_t group = call->count > 2 ? K_ARG(call, 2, int64_t, r) : 0;
        if (!is_group(prepared->regex, group)) {
            k_call_fail(call, r, "argument", no_group, (long long)group, k_regex_groups(prepared->regex));
            continue;
        }
        k_regex_text(run, K_ARG(call, 0, struct k_str, r));
        int found = search(call, r, run, 0);
        if (found == 0 || (found > 0 && !k_regex_group(run, (uint32_t)group, &out[r]))) k_call_valid(call)[r] = 0;
    });
    k_regex_close(run);
}

// The replacement of the last match: \& stands for the match, \1 to \9 for what its groups have, \\ for a backslash.
static void add_replacement(struct k_buf *out, const struct k_regex_run *run, struct k_str replacement)
{
    for (uint32_t i = 0; i < replacement.length; i++) {
        char c = replacement.data[i], next = i + 1 < replacement.length ? replacement.data[i + 1] : 0;
        struct k_str part = {replacement.data + i, 1};
        bool is_group = next == '&' || (next >= '1' && next <= '9');
        if (c == '\\' && (is_group || next == '\\')) {
            i++;
            if (is_group && !k_regex_group(run, next == '&' ? 0 : (uint32_t)(next - '0'), &part)) part.length = 0;
        }
        k_buf_add(out, part.data, part.length);
    }
}

// Into out, which is empty. 1 if there was a match, 0 if not, -1 after the row was made an error.
static int replace(struct k_call *call, uint32_t row, struct k_regex_run *run, struct k_str text,
                   struct k_str replacement, struct k_buf *out)
{
    const struct prepared *prepared = call->node->prepared;
    uint32_t copied = 0, start = 0;
    int any = 0;
    k_regex_text(run, text);
    while (start <= text.length) {
        int found = search(call, row, run, start);
        struct k_str match;
        if (found < 0) return -1;
        if (found == 0 || !k_regex_group(run, 0, &match)) break;
        any = 1;
        // \K may put the begin of a match anywhere.
        uint32_t begin = match.data - text.data > copied ? (uint32_t)(match.data - text.data) : copied;
        uint32_t end = (uint32_t)(match.data - text.data) + match.length;
        k_buf_add(out, text.data + copied, begin - copied);
        add_replacement(out, run, replacement);
        copied = end > begin ? end : begin;
        if (!k_made_fits(call, row, out->length)) return -1;
        if (!prepared->global) break;
        // Behind a match of nothing the next one begins a character later.
        start = copied;
        if (end <= begin) start += start < text.length ? k_character_length(text, start) : 1;
    }
    if (!any) return 0;
    k_buf_add(out, text.data + copied, text.length - copied);
    return k_made_fits(call, row, out->length) ? 1 : -1;
}

void k_kernel_regexp_replace(struct k_call *call)
{
    struct k_str *out = call->out;
    struct k_regex_run *run = open_run(call);
    struct k_buf made = {0};
    K_EACH_ROW(call->rows, r, {
        if (k_call_null(call, r)) continue;
        struct k_str text = K_ARG(call, 0, struct k_str, r);
        k_buf_clear(&made);
        if (!text.data) text = K_STR("");
        if (replace(call, r, run, text, K_ARG(call, 2, struct k_str, r), &made) == 1)
            out[r] = (struct k_str){k_arena_copy(k_call_arena(call), made.data ? made.data : "", made.length),
                                    (uint32_t)made.length};
        else out[r] = text;
    });
    k_buf_fini(&made);
    k_regex_close(run);
}
