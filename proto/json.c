// JSON (RFC 8259) → tree. After an error it goes on behind the next comma or at the closing bracket.
// null members are left out: they mean "absent".
#include "proto/reading.h"

struct parser {
    struct k_reading *reading;
    const char *at, *end;
    const char *line_start;
    uint32_t line;
    uint32_t depth;
    bool stopped; // nested too deeply, or at an end that came too early; nothing more is reported
};

static bool parse_value(struct parser *parser, struct k_tree_value *value);

static struct k_spot spot_of(const struct parser *parser)
{
    return (struct k_spot){parser->line, (uint32_t)(parser->at - parser->line_start) + 1};
}

static void skip_space(struct parser *parser)
{
    for (; parser->at < parser->end; parser->at++) {
        char c = *parser->at;
        if (c == '\n') {
            parser->line++;
            parser->line_start = parser->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

// The next byte that is no white space; 0 at the end (a NUL byte is as unexpected as the end).
static char look(struct parser *parser)
{
    skip_space(parser);
    return parser->at < parser->end ? *parser->at : 0;
}

static void unexpected(struct parser *parser, const char *expected)
{
    if (parser->stopped) return;
    struct k_spot at = spot_of(parser);
    size_t left = (size_t)(parser->end - parser->at);
    uint32_t length = k_utf8_length(parser->at, left);
    if (left == 0) {
        parser->stopped = true;
        k_reading_error(parser->reading, at, K0101, "expected %s, but the file ends here", expected);
    } else if (length == 0 || (unsigned char)*parser->at < ' ') {
        k_reading_error(parser->reading, at, K0101, "expected %s, found byte 0x%02x", expected,
            (unsigned)(unsigned char)*parser->at);
    } else {
        k_reading_error(parser->reading, at, K0101, "expected %s, found \"%.*s\"", expected, (int)length, parser->at);
    }
}

// Past the string that begins here, or to the end of its line if it is not closed.
static void skip_string(struct parser *parser)
{
    parser->at++;
    while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\n')
        parser->at += *parser->at == '\\' && parser->end - parser->at > 1 && parser->at[1] != '\n' ? 2 : 1;
    if (parser->at < parser->end && *parser->at == '"') parser->at++;
}

// After an error: on to the next comma of this object or list, or to its closing bracket.
static void skip_to_comma(struct parser *parser)
{
    uint32_t depth = 0;
    for (char c; (c = look(parser)) || parser->at < parser->end;) {
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        if (c == '"') skip_string(parser);
        else parser->at++;
    }
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The four digits of \uXXXX at `at`; -1 if they are not there.
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        if (hex_of(at[i]) < 0) return -1;
        value = value << 4 | hex_of(at[i]);
    }
    return value;
}

// One escape, at its backslash. NULL, or what is wrong.
static const char *unescape(struct parser *parser, struct k_buf *bytes)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    parser->at++;
    char c = parser->at < parser->end ? *parser->at : 0;
    const char *simple = c ? strchr(letters, c) : NULL;
    if (simple) {
        parser->at++;
        k_buf_add_char(bytes, meant[simple - letters]);
        return NULL;
    }
    if (c != 'u') return "there is no such escape in JSON; a backslash itself is written \\\\";
    int32_t point = hex4(++parser->at, parser->end);
    if (point < 0) return "\\u needs four hexadecimal digits";
    parser->at += 4;
    if (point >= 0xD800 && point < 0xDC00 && parser->end - parser->at >= 6 && parser->at[0] == '\\' &&
        parser->at[1] == 'u') {
        int32_t low = hex4(parser->at + 2, parser->end);
        if (low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            parser->at += 6;
        }
    }
    k_utf8_add(bytes, (uint32_t)point);
    return NULL;
}

static void parse_string(struct parser *parser, struct k_tree_value *value)
{
    struct k_arena *arena = &parser->reading->document->arena;
    struct k_buf bytes = {0};
    struct k_span_maker spans = {.arena = arena};
    struct k_spot opened = spot_of(parser);
    parser->at++;
    while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\n') {
        struct k_spot spot = spot_of(parser);
        uint32_t offset = (uint32_t)bytes.length;
        if (*parser->at == '\\') {
            const char *wrong = unescape(parser, &bytes);
            if (wrong) k_reading_error(parser->reading, spot, K0101, "wrong escape in a string: %s", wrong);
            if (bytes.length > offset) k_spans_add(&spans, offset, spot, true);
            continue;
        }
        if ((unsigned char)*parser->at < ' ')
            k_reading_error(parser->reading, spot, K0101, "a control character (0x%02x) in a string is written \\u%04x",
                (unsigned)(unsigned char)*parser->at, (unsigned)(unsigned char)*parser->at);
        k_spans_add(&spans, offset, spot, false);
        k_buf_add_char(&bytes, *parser->at++);
    }
    struct k_spot end = spot_of(parser);
    if (parser->at < parser->end && *parser->at == '"') parser->at++;
    else k_reading_error(parser->reading, opened, K0101, "the string that begins here is not closed on its line");
    value->kind = K_TREE_STRING;
    value->text.data = k_arena_copy(arena, bytes.data ? bytes.data : "", bytes.length);
    value->text.length = (uint32_t)bytes.length;
    value->spans = k_spans_done(&spans, bytes.length, end);
    k_buf_fini(&bytes);
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

// The end of the number at `at` by JSON's grammar; NULL if it is none.
static const char *number_end(const char *at, const char *end)
{
    if (at < end && *at == '-') at++;
    const char *digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1)) return NULL;
    if (at < end && *at == '.') {
        digits = at + 1;
        at = skip_digits(digits, end);
        if (at == digits) return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        digits = at;
        at = skip_digits(digits, end);
        if (at == digits) return NULL;
    }
    return at;
}

// A number, true, false or null: whatever runs up to the next mark or blank.
static bool parse_plain(struct parser *parser, struct k_tree_value *value)
{
    const char *start = parser->at, *at = start;
    while (at < parser->end && (*at & 0x80 || strchr("+-._", *at) || (*at >= '0' && *at <= '9') ||
                                   (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z')) && *at)
        at++;
    struct k_str text = {start, (uint32_t)(at - start)};
    if (k_str_equal(text, K_STR("true")) || k_str_equal(text, K_STR("false")) || k_str_equal(text, K_STR("null"))) {
        value->kind = K_TREE_WORD;
    } else if (text.length && number_end(start, at) == at) {
        value->kind = K_TREE_NUMBER;
    } else if (text.length) {
        k_reading_error(parser->reading, spot_of(parser), K0101,
            "\"%.*s%s\" is no JSON value; strings stand in double quotes",
            text.length > 40 ? 40 : (int)text.length, start, text.length > 40 ? "…" : "");
        parser->at = at;
        return false;
    } else {
        unexpected(parser, "a value");
        return false;
    }
    value->text = (struct k_str){k_arena_copy(&parser->reading->document->arena, start, text.length), text.length};
    parser->at = at;
    return true;
}

static bool is_null(const struct k_tree_value *value)
{
    return value->kind == K_TREE_WORD && k_str_equal(value->text, K_STR("null"));
}

// One `"name": value`; adds it at *last unless it is null. false after an error.
static bool parse_member(struct parser *parser, struct k_tree_field **last)
{
    struct k_arena *arena = &parser->reading->document->arena;
    if (look(parser) != '"') {
        unexpected(parser, "a member's name in double quotes");
        return false;
    }
    struct k_tree_field *field = k_arena_zeroed(arena, sizeof(*field));
    struct k_tree_value *name = k_arena_zeroed(arena, sizeof(*name));
    field->value = k_arena_zeroed(arena, sizeof(*field->value));
    field->colon = true;
    field->at = spot_of(parser);
    parse_string(parser, name);
    field->name = name->text;
    if (look(parser) != ':') {
        unexpected(parser, "\":\"");
        return false;
    }
    parser->at++;
    if (!parse_value(parser, field->value)) return false;
    if (!is_null(field->value)) *last = field;
    return true;
}

// The members or items between the brackets; the opening one is passed already.
static void parse_inside(struct parser *parser, struct k_tree_value *value, char close, struct k_spot opened)
{
    struct k_tree_field **last_field = &value->fields;
    struct k_tree_value **last_item = &value->items;
    bool first = true;
    for (char c; (c = look(parser)) != close || !first; first = false) {
        bool fine;
        if (!first && c == close) {
            k_reading_error(parser->reading, spot_of(parser), K0101, "there is a comma before \"%c\"", close);
            break;
        }
        if (close == '}') {
            fine = parse_member(parser, last_field);
            if (*last_field) last_field = &(*last_field)->next;
        } else {
            struct k_tree_value *item = k_arena_zeroed(&parser->reading->document->arena, sizeof(*item));
            fine = parse_value(parser, item);
            if (fine) {
                *last_item = item;
                last_item = &item->next;
            }
        }
        if (fine && look(parser) != ',' && look(parser) != close) {
            unexpected(parser, close == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"");
            value->broken = true;
            if (look(parser) == '"' || look(parser) == '{') continue; // only the comma was forgotten
            fine = false;
        }
        if (!fine) {
            value->broken = true;
            skip_to_comma(parser);
        }
        if (look(parser) != ',') break;
        parser->at++;
    }
    if (look(parser) == close) {
        parser->at++;
    } else if (!parser->stopped) {
        k_reading_error(parser->reading, opened, K0101, "the \"%c\" that stands here is never closed",
            close == '}' ? '{' : '[');
        parser->stopped = true;
        parser->at = parser->end;
    }
}

static bool parse_value(struct parser *parser, struct k_tree_value *value)
{
    char c = look(parser);
    value->at = spot_of(parser);
    if (c == '"') {
        parse_string(parser, value);
        return true;
    }
    if (c != '{' && c != '[') return parse_plain(parser, value);
    if (parser->depth >= K_DEPTH_MAX) {
        k_reading_error(parser->reading, value->at, K0109, "objects and lists are nested more than %d levels deep",
            K_DEPTH_MAX);
        parser->stopped = true;
        parser->at = parser->end;
        return false;
    }
    parser->depth++;
    parser->at++;
    value->kind = c == '{' ? K_TREE_MESSAGE : K_TREE_LIST;
    parse_inside(parser, value, c == '{' ? '}' : ']', value->at);
    parser->depth--;
    return true;
}

bool k_json_parse(struct k_reading *reading, struct k_tree_value *ret_tree)
{
    struct k_str content = reading->content;
    struct parser parser = {.reading = reading, .at = content.data, .end = content.data + content.length,
        .line_start = content.data, .line = 1};
    if (content.length >= 3 && memcmp(content.data, "\xEF\xBB\xBF", 3) == 0) {
        parser.at += 3;
        parser.line_start += 3;
    }
    *ret_tree = (struct k_tree_value){.kind = K_TREE_MESSAGE, .at = {1, 1}};
    if (look(&parser) != '{') {
        unexpected(&parser, "\"{\"");
        return false;
    }
    if (!parse_value(&parser, ret_tree)) return false;
    if (!parser.stopped && (look(&parser) || parser.at < parser.end)) unexpected(&parser, "the end of the file");
    return true;
}
