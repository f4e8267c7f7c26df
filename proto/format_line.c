// Lines of text, taken apart by a regular expression whose named groups are the columns. The only user of pcre2 here.
//
// A line is UTF-8 as a whole: that is its framing. The pattern runs in pcre2's interpreter (its JIT has other limits)
// with bounds that are part of what a pattern means, so that every machine gives up at the same place.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "proto/decoder.h"
#include "proto/json_text.h"
#include "proto/scalar.h"

enum {
    MATCH_STEPS_MAX = 1000000, // internal match calls for one line
    MATCH_DEPTH_MAX = 50000,   // nested backtracking points
    MATCH_HEAP_KIB_MAX = 20480,
};

// The groups that fill one column: usually one; more when the pattern repeats a name with (?J).
struct line_slot {
    uint32_t *groups;
    uint32_t count;
};

struct line_decoder {
    struct k_decoder base;
    pcre2_code *code;
    pcre2_match_context *context;
    pcre2_match_data *match;
    struct line_slot *slots; // schema->count; empty for columns that are not read
};

static pcre2_code *compile(const char *pattern, size_t *ret_offset, struct k_error *err)
{
    int code;
    PCRE2_SIZE offset;
    // No PCRE2_UCP: what \w and \d match must not follow the Unicode version of the library.
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (compiled) return compiled;
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(code, text, sizeof text);
    *ret_offset = offset;
    (void)k_fail(err, K_E_CONFIG, "the pattern is wrong at byte %zu: %s", offset, (const char *)text);
    return NULL;
}

// The table of named groups: entries of `size` bytes, a group number in two bytes and then the name.
struct names {
    PCRE2_SPTR table;
    uint32_t count, size;
};

static struct names names_of(const pcre2_code *code)
{
    struct names names = {0};
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &names.table);
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &names.count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &names.size);
    return names;
}

static const char *name_at(const struct names *names, uint32_t i)
{
    return (const char *)names->table + (size_t)i * names->size + 2;
}

static uint32_t group_at(const struct names *names, uint32_t i)
{
    PCRE2_SPTR entry = names->table + (size_t)i * names->size;
    return (uint32_t)entry[0] << 8 | entry[1];
}

int k_line_groups(const char *pattern, struct k_arena *arena, const char ***ret_names, uint32_t *ret_count,
                  size_t *ret_offset, struct k_error *err)
{
    pcre2_code *code = compile(pattern, ret_offset, err);
    if (!code) return K_E_CONFIG;
    struct names names = names_of(code);
    const char **list = k_arena_array(arena, const char *, names.count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < names.count; i++) {
        const char *name = name_at(&names, i);
        // The table is sorted by name, so a repeated one stands beside its like.
        if (count > 0 && strcmp(list[count - 1], name) == 0) continue;
        list[count++] = k_arena_copy(arena, name, strlen(name));
    }
    pcre2_code_free(code);
    *ret_names = list;
    *ret_count = count;
    return 0;
}

static struct k_str without_line_end(struct k_str line)
{
    if (line.length && line.data[line.length - 1] == '\n') {
        line.length--;
        if (line.length && line.data[line.length - 1] == '\r') line.length--;
    }
    return line;
}

static void bad_match(struct line_decoder *line, struct k_str text, int code, uint32_t row)
{
    char excerpt[K_EXCERPT];
    k_excerpt(text, excerpt);
    if (code == PCRE2_ERROR_NOMATCH) {
        k_decoder_bad(&line->base, row, "line", "the pattern does not match the line: %s", excerpt);
        return;
    }
    PCRE2_UCHAR why[256];
    pcre2_get_error_message(code, why, sizeof why);
    k_decoder_bad(&line->base, row, "line", "matching was given up, %s: %s", (const char *)why, excerpt);
}

// false: the group did not take part in the match.
static bool group_text(const struct line_decoder *line, uint32_t slot, struct k_str text, struct k_str *ret_group)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(line->match);
    for (uint32_t i = 0; i < line->slots[slot].count; i++) {
        uint32_t group = line->slots[slot].groups[i];
        PCRE2_SIZE begin = ends[2 * group], end = ends[2 * group + 1];
        // \K inside a lookahead can make a match that ends before it begins.
        if (begin == PCRE2_UNSET || begin > end) continue;
        *ret_group = (struct k_str){text.data + begin, (uint32_t)(end - begin)};
        return true;
    }
    return false;
}

static bool read_slot(struct line_decoder *line, uint32_t i, struct k_str text, uint32_t row)
{
    struct k_slot *slot = &line->base.slots[i];
    const struct k_field *field = slot->field;
    struct k_str group;
    if (!group_text(line, i, text, &group)) {
        if (field->not_null) {
            k_decoder_bad(&line->base, row, "missing", "group \"%s\" took no part in the match", field->name);
            return false;
        }
        k_slot_null(&line->base, slot, row);
        return true;
    }
    const char *why = k_scalar_text(group, field->type, line->base.arena, k_slot_cell(slot, row));
    if (!why) return true;
    char excerpt[K_EXCERPT];
    k_decoder_bad(&line->base, row, why, "group \"%s\": found \"%s\", wanted %s%s", field->name,
                  k_excerpt(group, excerpt), k_type_name(field->type),
                  strcmp(why, "range") == 0 ? " in its range" : "");
    return false;
}

static void line_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct line_decoder *line = (struct line_decoder *)decoder;
    struct k_str text = without_line_end(message->value);
    if (!text.data) text = K_STR("");
    if (!k_utf8_valid(text.data, text.length)) {
        char excerpt[K_EXCERPT];
        k_decoder_bad(decoder, row, "utf8", "the line is not UTF-8: %s", k_excerpt(text, excerpt));
        return;
    }
    int code = pcre2_match(line->code, (PCRE2_SPTR)text.data, text.length, 0, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                           line->match, line->context);
    if (code < 0) {
        bad_match(line, text, code, row);
        return;
    }
    for (uint32_t i = 0; i < decoder->schema->count; i++) {
        if (decoder->slots[i].read && !read_slot(line, i, text, row)) return;
    }
}

static void line_destroy(struct k_decoder *decoder)
{
    struct line_decoder *line = (struct line_decoder *)decoder;
    for (uint32_t i = 0; i < decoder->schema->count; i++) free(line->slots[i].groups);
    free(line->slots);
    pcre2_match_data_free(line->match);
    pcre2_match_context_free(line->context);
    pcre2_code_free(line->code);
    k_decoder_fini(decoder);
    free(line);
}

static const struct k_format line_format = {.name = "line", .row = line_row, .destroy = line_destroy};

// Every declared column must have a group, read or not: a misspelt one is found before it is used.
static int bind_columns(struct line_decoder *line, struct k_error *err)
{
    struct names names = names_of(line->code);
    const struct k_schema *schema = line->base.schema;
    for (uint32_t i = 0; i < schema->count; i++) {
        struct line_slot *slot = &line->slots[i];
        slot->groups = k_new_array(uint32_t, names.count);
        for (uint32_t j = 0; j < names.count; j++) {
            if (strcmp(name_at(&names, j), schema->fields[i].name) == 0) {
                slot->groups[slot->count++] = group_at(&names, j);
            }
        }
        if (slot->count == 0) {
            return k_fail(err, K_E_CONFIG, "the pattern has no group named \"%s\"; write (?<%s>…)",
                          schema->fields[i].name, schema->fields[i].name);
        }
    }
    return 0;
}

int k_decoder_line(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    size_t offset;
    K_ASSERT(options->pattern);
    pcre2_code *code = compile(options->pattern, &offset, err);
    if (!code) return K_E_CONFIG;
    struct line_decoder *line = k_new(struct line_decoder);
    k_decoder_init(&line->base, &line_format, options);
    line->slots = k_new_array(struct line_slot, options->schema->count);
    line->code = code;
    line->match = pcre2_match_data_create_from_pattern(code, NULL);
    line->context = pcre2_match_context_create(NULL);
    int status = line->match && line->context ? bind_columns(line, err)
                                              : k_fail(err, K_E_NO_MEMORY, "no memory for matching lines");
    if (status < 0) {
        line_destroy(&line->base);
        return status;
    }
    pcre2_set_match_limit(line->context, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(line->context, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(line->context, MATCH_HEAP_KIB_MAX);
    *ret = &line->base;
    return 0;
}
