// The functions of regular expressions. The pattern is a constant, compiled when the expression is; a text on which
// matching is given up is an error of its row.
#include "base/error.h"
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
