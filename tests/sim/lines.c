// Lists of lines, to compare what came out as text.
#include "tests/sim/lines.h"

#include <stdlib.h>

#include "base/json_out.h"

void lines_add(struct lines *lines, struct k_buf *text)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity ? lines->capacity * 2 : 64;
        lines->items = k_realloc(lines->items, lines->capacity * sizeof *lines->items);
    }
    lines->items[lines->count++] = k_strndup(text->data ? text->data : "", text->length);
    k_buf_clear(text);
}

void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_lines(struct lines *lines)
{
    if (lines->count) qsort(lines->items, lines->count, sizeof *lines->items, by_text);
}

// A line is "key<TAB>value". Sorts by key alone, and keeps the order of each key's lines.
void lines_sort_by_key(struct lines *lines)
{
    for (size_t i = 1; i < lines->count; i++) { // few and nearly sorted runs: insertion is stable and enough
        char *line = lines->items[i];
        size_t length = strcspn(line, "\t"), at = i;
        while (at > 0) {
            const char *before = lines->items[at - 1];
            size_t other = strcspn(before, "\t");
            int order = strncmp(before, line, other < length ? other : length);
            if (order < 0 || (order == 0 && other <= length)) break;
            lines->items[at] = lines->items[at - 1];
            at--;
        }
        lines->items[at] = line;
    }
}

// Keeps the last line of each key, and of those only the ones with a value.
void lines_keep_last(struct lines *lines)
{
    lines_sort_by_key(lines);
    size_t kept = 0;
    for (size_t i = 0; i < lines->count; i++) {
        size_t length = strcspn(lines->items[i], "\t");
        bool last = i + 1 == lines->count || strncmp(lines->items[i], lines->items[i + 1], length + 1) != 0;
        bool gone = strcmp(lines->items[i] + length, "\t-") == 0;
        if (last && !gone) lines->items[kept++] = lines->items[i];
        else free(lines->items[i]);
    }
    lines->count = kept;
}

static void say_difference(struct world *w, const char *what, const struct lines *got, const struct lines *wanted,
                           const char *only_got, const char *only_wanted)
{
    world_fail(w, "%s: %zu lines, the reference has %zu:\n  only the engine:    %s\n  only the reference: %s", what,
               got->count, wanted->count, only_got ? only_got : "(nothing)", only_wanted ? only_wanted : "(nothing)");
}

// Both in the same order: the first difference, line by line.
void lines_compare_in_order(struct world *w, const char *what, const struct lines *got, const struct lines *wanted)
{
    for (size_t i = 0; i < got->count || i < wanted->count; i++) {
        const char *a = i < got->count ? got->items[i] : NULL, *b = i < wanted->count ? wanted->items[i] : NULL;
        if (a && b && strcmp(a, b) == 0) continue;
        say_difference(w, what, got, wanted, a, b);
        return;
    }
}

// As multisets: the first line that only one of both has, of each.
void lines_compare(struct world *w, const char *what, struct lines *got, struct lines *wanted)
{
    const char *only_got = NULL, *only_wanted = NULL;
    sort_lines(got);
    sort_lines(wanted);
    for (size_t i = 0, j = 0; i < got->count || j < wanted->count;) {
        int order = i == got->count ? 1 : j == wanted->count ? -1 : strcmp(got->items[i], wanted->items[j]);
        if (order < 0 && !only_got) only_got = got->items[i];
        if (order > 0 && !only_wanted) only_wanted = wanted->items[j];
        i += order <= 0;
        j += order >= 0;
    }
    if (only_got || only_wanted) say_difference(w, what, got, wanted, only_got, only_wanted);
}

static void message_text(struct k_buf *text, bool has_key, struct k_str key, bool has_value, struct k_str value)
{
    if (has_key) k_json_string(text, key);
    else k_buf_add_text(text, "null");
    k_buf_add_text(text, "\t");
    if (has_value) k_json_string(text, value);
    else k_buf_add_text(text, "-");
}

void lines_add_message(struct lines *lines, bool has_key, struct k_str key, bool has_value, struct k_str value)
{
    struct k_buf text = {0};
    message_text(&text, has_key, key, has_value, value);
    lines_add(lines, &text);
    k_buf_fini(&text);
}

struct k_str lines_header(const struct k_message *message, const char *name)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (k_str_equal(message->headers[i].name, k_str_of(name))) return message->headers[i].value;
    return K_STR("-");
}

void lines_add_letter(struct lines *lines, const struct k_message *letter)
{
    static const char *const names[] = {"kappa.node", "kappa.reason", "kappa.topic", "kappa.partition",
                                        "kappa.offset"};
    struct k_buf text = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct k_str value = lines_header(letter, names[i]);
        k_buf_add(&text, value.data, value.length);
        k_buf_add_char(&text, ' ');
    }
    message_text(&text, letter->has_key, letter->key, letter->has_value, letter->value);
    lines_add(lines, &text);
    k_buf_fini(&text);
}

void lines_add_reference_letter(struct lines *lines, const struct reference_dead_letter *letter)
{
    struct k_buf text = {0};
    k_buf_printf(&text, "%s %s ", letter->node, letter->reason);
    if (letter->topic)
        k_buf_printf(&text, "%s %d %lld ", letter->topic, letter->partition, (long long)letter->offset);
    else k_buf_add_text(&text, "- - - ");
    message_text(&text, letter->has_key, letter->key, letter->has_value, letter->value);
    lines_add(lines, &text);
    k_buf_fini(&text);
}
