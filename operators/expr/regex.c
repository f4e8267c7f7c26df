// Regular expressions. The pattern runs in pcre2's interpreter, not its JIT, whose bounds are others, if it is there at
// all: where matching is given up is part of what an expression means, and must be the same in every replay.
//
// pcre2's own limit counts steps from one place of the text, so a text of n characters can cost n times as much, and
// one step may look through all of the text. Hence two ways:
// 1. Short texts run at full speed with a limit that leaves STEPS_MAX steps for all places together.
// 2. Longer texts, and those that need more, run with a callout before each item of the pattern, which counts the
//    items and the bytes between them: WORK_MAX for the whole text, and some for each byte of it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "operators/expr/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

enum {
    SHORT_MAX = 4096,     // bytes of a text that may run without being counted
    STEPS_MAX = 4000000,  // of such a text
    WORK_MAX = 20000000,  // of a text that is counted: items tried and bytes passed
    WORK_PER_BYTE = 8,    // and this, so that no text is too long for a pattern that only passes over it
    DEPTH_MAX = 50000,    // nested backtracking points, as for the format "line"
    HEAP_KIB_MAX = 20480, // the same
};

struct k_regex {
    pcre2_code *plain, *counted;
    uint32_t groups;
};

struct k_regex_run {
    const struct k_regex *regex;
    pcre2_general_context *memory;
    pcre2_match_context *plain, *counted;
    pcre2_match_data *match;
    struct k_str text;
    uint64_t work, work_max;
    size_t position; // where the last callout was
    bool is_counted; // the text is in way 2
    int code;        // of the last search
};

static void *from_arena(size_t size, void *arena)
{
    return k_arena_get(arena, size);
}

static void to_arena(void *memory, void *arena)
{
    (void)memory, (void)arena; // the arena lives as long as the pattern
}

static void *from_heap(size_t size, void *unused)
{
    (void)unused;
    return k_alloc(size); // which never fails
}

static void to_heap(void *memory, void *unused)
{
    (void)unused;
    free(memory);
}

static const char *message_of(struct k_arena *arena, int code)
{
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(code, text, sizeof text);
    return k_arena_copy(arena, (const char *)text, strlen((const char *)text));
}

const char *k_regex_compile(struct k_arena *arena, struct k_str pattern, bool fold, struct k_regex **ret_regex,
                            size_t *ret_offset)
{
    struct k_regex *regex = k_arena_zeroed(arena, sizeof *regex);
    pcre2_compile_context *context =
        pcre2_compile_context_create(pcre2_general_context_create(from_arena, to_arena, arena));
    // No PCRE2_UCP: what \w and \d match must not follow the Unicode version of the library.
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | (fold ? PCRE2_CASELESS : 0);
    int code;
    PCRE2_SIZE offset;
    PCRE2_SPTR text = (PCRE2_SPTR)(pattern.length ? pattern.data : "");
    regex->plain = pcre2_compile(text, pattern.length, options, &code, &offset, context);
    if (regex->plain)
        regex->counted = pcre2_compile(text, pattern.length, options | PCRE2_AUTO_CALLOUT, &code, &offset, context);
    if (!regex->counted) {
        *ret_offset = offset;
        return message_of(arena, code);
    }
    pcre2_pattern_info(regex->plain, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    *ret_regex = regex;
    return NULL;
}

uint32_t k_regex_groups(const struct k_regex *regex)
{
    return regex->groups;
}

// Called before each item of the pattern.
static int count(pcre2_callout_block *block, void *data)
{
    struct k_regex_run *run = data;
    size_t at = block->current_position;
    run->work += 1 + (at > run->position ? at - run->position : run->position - at);
    run->position = at;
    return run->work > run->work_max ? PCRE2_ERROR_MATCHLIMIT : 0;
}

static pcre2_match_context *limits(struct k_regex_run *run)
{
    pcre2_match_context *context = pcre2_match_context_create(run->memory);
    pcre2_set_depth_limit(context, DEPTH_MAX);
    pcre2_set_heap_limit(context, HEAP_KIB_MAX);
    return context;
}

struct k_regex_run *k_regex_open(const struct k_regex *regex)
{
    struct k_regex_run *run = k_new(struct k_regex_run);
    run->regex = regex;
    run->memory = pcre2_general_context_create(from_heap, to_heap, NULL);
    run->match = pcre2_match_data_create_from_pattern(regex->plain, run->memory);
    run->plain = limits(run);
    run->counted = limits(run);
    pcre2_set_match_limit(run->counted, WORK_MAX);
    pcre2_set_callout(run->counted, count, run);
    return run;
}

void k_regex_close(struct k_regex_run *run)
{
    pcre2_match_context_free(run->counted);
    pcre2_match_context_free(run->plain);
    pcre2_match_data_free(run->match);
    pcre2_general_context_free(run->memory);
    free(run);
}

void k_regex_text(struct k_regex_run *run, struct k_str text)
{
    run->text = text.data ? text : K_STR(""); // the same place as the caller has, where there is one
    run->work = 0;
    run->work_max = WORK_MAX + (uint64_t)WORK_PER_BYTE * text.length;
    run->is_counted = text.length > SHORT_MAX;
    if (!run->is_counted) pcre2_set_match_limit(run->plain, STEPS_MAX / (text.length + 1));
}

static int search(struct k_regex_run *run, uint32_t start)
{
    const struct k_regex *regex = run->regex;
    run->position = start;
    return pcre2_match(run->is_counted ? regex->counted : regex->plain, (PCRE2_SPTR)run->text.data, run->text.length,
                       start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, run->match,
                       run->is_counted ? run->counted : run->plain);
}

int k_regex_search(struct k_regex_run *run, uint32_t start)
{
    K_ASSERT(start <= run->text.length);
    run->code = search(run, start);
    if (run->code == PCRE2_ERROR_MATCHLIMIT && !run->is_counted) {
        run->is_counted = true;
        run->code = search(run, start);
    }
    if (run->code == PCRE2_ERROR_NOMATCH) return 0;
    return run->code > 0 ? 1 : -1;
}

const char *k_regex_why(const struct k_regex_run *run)
{
    switch (run->code) {
    case PCRE2_ERROR_MATCHLIMIT: return "it takes too many steps";
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT: return "it has too many ways to go back to";
    default: return "it loops or nests too deep";
    }
}

bool k_regex_group(const struct k_regex_run *run, uint32_t group, struct k_str *ret_part)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(run->match);
    if (group > run->regex->groups || ends[2 * group] == PCRE2_UNSET) return false;
    PCRE2_SIZE begin = ends[2 * group], end = ends[2 * group + 1];
    if (begin > end) begin = end; // \K inside a lookahead can make a match that ends before it begins
    *ret_part = (struct k_str){run->text.data + begin, (uint32_t)(end - begin)};
    return true;
}
