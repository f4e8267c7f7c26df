// The decoders of lines and raw values, and what all of them share.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tests/reference/decode.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/double_text.h"
#include "base/units.h"

// Bounds that are part of what a pattern means (proto/format.h: bounded match and depth limits, no JIT).
enum { MATCH_STEPS_MAX = 1000000, MATCH_DEPTH_MAX = 50000, MATCH_HEAP_KIB_MAX = 20480 };

// "$.a.\"b c\".d" into its keys; without a path the column's own name.
static int read_path(struct k_arena *arena, const struct column *column, struct k_str **ret, uint32_t *ret_length,
                     struct k_error *err)
{
    const char *at = column->path;
    struct k_str *keys = k_arena_array(arena, struct k_str, (at ? strlen(at) : 0) + 1);
    uint32_t count = 0;
    if (!at) keys[count++] = k_str_of(column->name);
    else if (*at++ != '$') return k_fail(err, K_E_CONFIG, "path \"%s\"", column->path);
    while (at && *at == '.') {
        char *to = k_arena_get(arena, strlen(at) + 1);
        keys[count].data = to;
        if (*++at == '"') {
            for (at++; *at && (*at != '"' || at[1] == '"'); at++) {
                if (*at == '"') at++;
                *to++ = *at;
            }
            if (*at == '"') at++;
        } else {
            while (*at && *at != '.') *to++ = *at++;
        }
        keys[count].length = (uint32_t)(to - keys[count].data);
        count++;
    }
    if (at && (*at || count == 0)) return k_fail(err, K_E_CONFIG, "path \"%s\"", column->path);
    *ret = keys;
    *ret_length = count;
    return 0;
}

static int create_paths(struct k_arena *arena, struct decoder *decoder, struct k_error *err)
{
    uint32_t count = decoder->options.count;
    decoder->paths = k_arena_zeroed(arena, count * sizeof *decoder->paths);
    decoder->path_lengths = k_arena_zeroed(arena, count * sizeof *decoder->path_lengths);
    decoder->matched = k_arena_zeroed(arena, count * sizeof *decoder->matched);
    for (uint32_t i = 0; i < count; i++) {
        int code = read_path(arena, &decoder->options.columns[i], &decoder->paths[i], &decoder->path_lengths[i], err);
        if (code) return code;
    }
    return 0;
}

static int create_line(struct k_arena *arena, struct decoder *decoder, struct k_error *err)
{
    int wrong;
    PCRE2_SIZE offset;
    const char *pattern = decoder->options.format->line->pattern;
    if (!pattern) return k_fail(err, K_E_CONFIG, "a line format has no pattern");
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &wrong, &offset, NULL);
    if (!code) return k_fail(err, K_E_CONFIG, "the pattern \"%s\" is wrong at byte %zu", pattern, offset);
    decoder->code = code;
    decoder->match = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    decoder->context = context;
    pcre2_set_match_limit(context, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(context, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(context, MATCH_HEAP_KIB_MAX);
    PCRE2_SPTR table;
    uint32_t names, size;
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &table);
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &decoder->group_count);
    decoder->groups = k_arena_zeroed(arena, decoder->options.count * (decoder->group_count + 1) * sizeof(int32_t));
    for (uint32_t i = 0; i < decoder->options.count; i++)
        for (uint32_t n = 0; n < names; n++) {
            PCRE2_SPTR entry = table + n * size;
            uint32_t number = (uint32_t)entry[0] << 8 | entry[1];
            bool same = strcmp((const char *)entry + 2, decoder->options.columns[i].name) == 0;
            if (same) decoder->groups[i * (decoder->group_count + 1) + number] = 1;
        }
    return 0;
}

int decoder_create(struct k_arena *arena, const struct decoder_options *options, struct decoder **ret,
                   struct k_error *err)
{
    struct decoder *decoder = k_arena_zeroed(arena, sizeof *decoder);
    int code;
    decoder->options = *options;
    *ret = decoder;
    switch (options->format->kind_case) {
    case KAPPA__V1__SOURCE__FORMAT__KIND_JSON:
        decoder->unit = options->format->json->timestamp_unit;
        return create_paths(arena, decoder, err);
    case KAPPA__V1__SOURCE__FORMAT__KIND_PROTOBUF:
        code = create_paths(arena, decoder, err);
        return code ? code : create_protobuf(arena, decoder, err);
    case KAPPA__V1__SOURCE__FORMAT__KIND_LINE: return create_line(arena, decoder, err);
    case KAPPA__V1__SOURCE__FORMAT__KIND_RAW: return 0;
    case KAPPA__V1__SOURCE__FORMAT__KIND_CSV:
        if (!options->format->csv->header) return 0;
        return k_fail(err, K_E_CONFIG, "csv with a header, which the reference does not know");
    default: return k_fail(err, K_E_CONFIG, "a format that the reference does not know");
    }
}

void decoder_destroy(struct decoder *decoder)
{
    if (!decoder) return;
    destroy_protobuf(decoder);
    pcre2_match_data_free(decoder->match);
    pcre2_match_context_free(decoder->context);
    pcre2_code_free(decoder->code);
}

static struct k_str trim(struct k_str text)
{
    while (text.length && strchr(" \t\r\n", text.data[0]) && text.data[0]) text.data++, text.length--;
    while (text.length && strchr(" \t\r\n", text.data[text.length - 1]) && text.data[text.length - 1]) text.length--;
    return text;
}

static const char *text_to_bool(struct k_str text, struct value *ret)
{
    static const char *const words[] = {"false", "true", "f", "t", "no", "yes", "n", "y", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) != text.length || strncasecmp(words[i], text.data, text.length) != 0) continue;
        *ret = value_bool(i % 2);
        return NULL;
    }
    return "type";
}

static bool is_number(struct k_str text, bool fraction)
{
    bool digits = false;
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9') digits = true;
        else if (!(i == 0 && (c == '-' || c == '+')) && !(fraction && strchr(".eE+-", c))) return false;
    }
    return digits;
}

const char *text_to_column(struct k_str text, enum type type, struct value *ret)
{
    struct k_str bare = trim(text);
    *ret = (struct value){.type = type};
    switch (type) {
    case TYPE_STRING: ret->s = text; return utf8_valid(text) ? NULL : "utf8";
    case TYPE_BYTES: ret->s = text; return NULL;
    case TYPE_BOOL: return text_to_bool(bare, ret);
    case TYPE_TIMESTAMP: return k_time_parse(bare, &ret->i) ? NULL : "type";
    case TYPE_INT64:
        if (value_from_text(bare, type, ret)) return NULL;
        return is_number(bare, false) ? "range" : "type";
    case TYPE_DOUBLE:
        if (value_from_text(bare, type, ret)) return NULL;
        return is_number(bare, true) ? "range" : "type";
    case TYPE_JSON: ret->s = bare; return json_check(bare, 0) ? "type" : NULL;
    case TYPE_NONE:
    case TYPE_INTERVAL: break;
    }
    return "type";
}

static const char *take_text(struct decoder *decoder, uint32_t column, struct k_str text, bool lenient,
                             struct value *ret)
{
    const struct column *c = &decoder->options.columns[column];
    const char *why = text_to_column(text, c->type, ret);
    if (!why) return NULL;
    *ret = value_null(c->type);
    return lenient && !c->not_null ? NULL : why;
}

static const char *decode_line(struct decoder *decoder, struct k_str text, bool lenient, struct value *columns)
{
    if (text.length && text.data[text.length - 1] == '\n') {
        text.length--;
        if (text.length && text.data[text.length - 1] == '\r') text.length--;
    }
    if (!utf8_valid(text)) return "utf8";
    int found = pcre2_match(decoder->code, (PCRE2_SPTR)text.data, text.length, 0, PCRE2_NO_JIT, decoder->match,
                            decoder->context);
    if (found < 1) return "line";
    const PCRE2_SIZE *spans = pcre2_get_ovector_pointer(decoder->match);
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        const struct column *column = &decoder->options.columns[i];
        columns[i] = value_null(column->type);
        if (!decoder->options.read[i]) continue;
        bool there = false;
        for (uint32_t g = 1; g <= decoder->group_count && !there; g++) {
            bool took_part = (int)g < found && spans[2 * g] != PCRE2_UNSET;
            if (!took_part || !decoder->groups[i * (decoder->group_count + 1) + g]) continue;
            there = true;
            struct k_str piece = {text.data + spans[2 * g], (uint32_t)(spans[2 * g + 1] - spans[2 * g])};
            const char *why = take_text(decoder, i, piece, lenient, &columns[i]);
            if (why) return why;
        }
        if (!there && column->not_null) return "missing";
    }
    return NULL;
}

static const char *decode_raw(struct decoder *decoder, struct k_str value, bool lenient, struct value *columns)
{
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        columns[i] = value_null(decoder->options.columns[i].type);
        if (!decoder->options.read[i] || strcmp(decoder->options.columns[i].name, "value") != 0) continue;
        const char *why = take_text(decoder, i, value, lenient, &columns[i]);
        if (why) return why;
    }
    return NULL;
}

const char *decode(struct decoder *decoder, struct k_str value, bool lenient, struct k_arena *arena,
                   struct value *ret_columns)
{
    if (!value.data) value = K_STR("");
    switch (decoder->options.format->kind_case) {
    case KAPPA__V1__SOURCE__FORMAT__KIND_JSON: return decode_json(decoder, value, lenient, arena, ret_columns);
    case KAPPA__V1__SOURCE__FORMAT__KIND_LINE: return decode_line(decoder, value, lenient, ret_columns);
    case KAPPA__V1__SOURCE__FORMAT__KIND_PROTOBUF: return decode_protobuf(decoder, value, lenient, arena, ret_columns);
    case KAPPA__V1__SOURCE__FORMAT__KIND_CSV: return decode_csv(decoder, value, lenient, arena, ret_columns);
    default: return decode_raw(decoder, value, lenient, ret_columns);
    }
}
