// The protobuf text format → tree. Takes what protoc takes, and goes on after an error so that one wrong
// comma does not hide the next mistake: it skips to what looks like the next field.
//
// Comments are kept: one on the last line of a field belongs to that field, others to the field below
// them, or, when none follows, to the end of their message.
#include "proto/text_lexer.h"

#include <stdlib.h>

struct parser {
    struct k_lexer lexer;
    struct k_reading *reading;
    uint32_t depth;
    bool too_deep;  // gave up; nothing more is reported
    bool cut_short; // an end of file inside a message has been reported
};

static void parse_fields(struct parser *parser, struct k_tree_value *message, char close, struct k_spot opened);

static bool at_end(const struct parser *parser) { return parser->lexer.token.kind == K_TOKEN_END; }

// Reports that something else than the current token was expected.
static void unexpected(struct parser *parser, const char *expected)
{
    const struct k_token *token = &parser->lexer.token;
    if (parser->too_deep || (at_end(parser) && parser->cut_short)) return;
    if (at_end(parser)) {
        parser->cut_short = true;
        k_reading_error(parser->reading, token->at, K0101, "expected %s, but the file ends here", expected);
        return;
    }
    int length = token->text.length > 40 ? 40 : (int)token->text.length;
    while (length > 0 && length < (int)token->text.length && (token->text.data[length] & 0xC0) == 0x80) length--;
    const char *quote = token->kind == K_TOKEN_STRING ? "" : "\"";
    k_reading_error(parser->reading, token->at, K0101, "expected %s, found %s%.*s%s%s", expected, quote, length,
        token->text.data, quote, length < (int)token->text.length ? "…" : "");
}

// Whether the current token is a word that begins a field: ":", "{" or "<" follows.
static bool at_field(const struct parser *parser)
{
    const struct k_lexer *lexer = &parser->lexer;
    if (lexer->token.kind != K_TOKEN_WORD) return false;
    const char *at = lexer->next;
    while (at < lexer->end && (*at == ' ' || *at == '\t')) at++;
    return at < lexer->end && (*at == ':' || *at == '{' || *at == '<');
}

// After an error: on to the next field of the message, or to its closing mark.
static void skip_to_field(struct parser *parser)
{
    uint32_t depth = 0;
    for (; !at_end(parser); k_lexer_next(&parser->lexer)) {
        bool open = k_lexer_at(&parser->lexer, '{') || k_lexer_at(&parser->lexer, '<');
        bool close = k_lexer_at(&parser->lexer, '}') || k_lexer_at(&parser->lexer, '>');
        if (depth == 0 && (close || at_field(parser))) return;
        if (open) depth++;
        if (close) depth--;
    }
}

static void join_comments(struct k_comment **first, struct k_comment *more)
{
    while (*first) first = &(*first)->next;
    *first = more;
}

// Comments that turned up inside a value go above it, the one on its last line behind it.
static void take_notes(struct parser *parser, struct k_notes *notes)
{
    struct k_spot end = parser->lexer.last_end;
    join_comments(&notes->above, k_lexer_take_comments(&parser->lexer, end));
    join_comments(&notes->behind, k_lexer_take_comments(&parser->lexer, (struct k_spot){end.line + 1, 0}));
}

static void parse_string(struct parser *parser, struct k_tree_value *value)
{
    struct k_lexer *lexer = &parser->lexer;
    struct k_arena *arena = &parser->reading->document->arena;
    struct k_buf bytes = {0};
    struct k_span_maker spans = {.arena = arena};
    struct k_spot end = lexer->token.at;
    while (lexer->token.kind == K_TOKEN_STRING) {
        // Strings lie on one line, so the closing quote is at the end of the token.
        end = (struct k_spot){lexer->token.at.line, lexer->token.at.column + lexer->token.text.length - 1};
        k_lexer_unescape(lexer, &bytes, &spans);
        k_lexer_next(lexer);
    }
    value->kind = K_TREE_STRING;
    value->text.data = k_arena_copy(arena, bytes.data ? bytes.data : "", bytes.length);
    value->text.length = (uint32_t)bytes.length;
    value->spans = k_spans_done(&spans, bytes.length, end);
    k_buf_fini(&bytes);
}

// A number or word, with an optional minus.
static bool parse_plain(struct parser *parser, struct k_tree_value *value)
{
    struct k_lexer *lexer = &parser->lexer;
    bool minus = k_lexer_at(lexer, '-');
    if (minus) k_lexer_next(lexer);
    if (lexer->token.kind != K_TOKEN_NUMBER && (lexer->token.kind != K_TOKEN_WORD)) {
        unexpected(parser, minus ? "a number behind \"-\"" : "a value");
        return false;
    }
    if (lexer->token.is_wrong) {
        k_lexer_next(lexer);
        return false;
    }
    value->kind = lexer->token.kind == K_TOKEN_NUMBER ? K_TREE_NUMBER : K_TREE_WORD;
    char *text = k_arena_get(&parser->reading->document->arena, lexer->token.text.length + 2u);
    text[0] = '-'; // blanks may stand behind the sign, but not in the value
    memcpy(text + minus, lexer->token.text.data, lexer->token.text.length);
    text[minus + lexer->token.text.length] = 0;
    value->text = (struct k_str){text, lexer->token.text.length + minus};
    k_lexer_next(lexer);
    return true;
}

static void parse_message(struct parser *parser, struct k_tree_value *value)
{
    struct k_spot opened = parser->lexer.token.at;
    char close = k_lexer_at(&parser->lexer, '{') ? '}' : '>';
    value->kind = K_TREE_MESSAGE;
    if (parser->depth >= K_DEPTH_MAX) {
        k_reading_error(parser->reading, opened, K0109, "messages are nested more than %d levels deep", K_DEPTH_MAX);
        parser->too_deep = true;
        parser->lexer.next = parser->lexer.end;
    }
    parser->depth++;
    k_lexer_next(&parser->lexer);
    parse_fields(parser, value, close, opened);
    parser->depth--;
}

static bool parse_value(struct parser *parser, struct k_tree_value *value);

// The items of a list up to its "]".
static void parse_list(struct parser *parser, struct k_tree_value *list)
{
    struct k_lexer *lexer = &parser->lexer;
    struct k_tree_value **last = &list->items;
    list->kind = K_TREE_LIST;
    k_lexer_next(lexer);
    if (k_lexer_at(lexer, ']')) {
        k_lexer_next(lexer);
        return;
    }
    for (;;) {
        struct k_tree_value *item = k_arena_zeroed(&parser->reading->document->arena, sizeof(*item));
        item->notes.above = k_lexer_take_comments(lexer, lexer->token.at);
        if (k_lexer_at(lexer, '[')) {
            unexpected(parser, "a value");
            skip_to_field(parser);
            return;
        }
        if (!parse_value(parser, item)) {
            skip_to_field(parser);
            return;
        }
        *last = item;
        last = &item->next;
        bool more = k_lexer_at(lexer, ',');
        if (more) k_lexer_next(lexer);
        take_notes(parser, &item->notes);
        if (more) continue;
        if (k_lexer_at(lexer, ']')) {
            k_lexer_next(lexer);
            return;
        }
        unexpected(parser, "\",\" or \"]\" in a list");
        skip_to_field(parser);
        return;
    }
}

static bool parse_value(struct parser *parser, struct k_tree_value *value)
{
    struct k_lexer *lexer = &parser->lexer;
    value->at = lexer->token.at;
    if (k_lexer_at(lexer, '{') || k_lexer_at(lexer, '<')) {
        parse_message(parser, value);
    } else if (k_lexer_at(lexer, '[')) {
        parse_list(parser, value);
    } else if (lexer->token.kind == K_TOKEN_STRING) {
        parse_string(parser, value);
    } else {
        return parse_plain(parser, value);
    }
    return true;
}

// Name, colon and value of one field; NULL when there is no value to go on with.
static struct k_tree_field *parse_field(struct parser *parser)
{
    struct k_lexer *lexer = &parser->lexer;
    struct k_arena *arena = &parser->reading->document->arena;
    struct k_tree_field *field = k_arena_zeroed(arena, sizeof(*field));
    struct k_tree_value *value = k_arena_zeroed(arena, sizeof(*value));
    field->name = lexer->token.text;
    field->name.data = k_arena_copy(arena, field->name.data, field->name.length);
    field->at = lexer->token.at;
    field->value = value;
    value->notes.blank_before = lexer->token.blank_before;
    value->notes.above = k_lexer_take_comments(lexer, field->at);
    k_lexer_next(lexer);
    field->colon = k_lexer_at(lexer, ':');
    if (field->colon) k_lexer_next(lexer);
    bool bracket = k_lexer_at(lexer, '{') || k_lexer_at(lexer, '<') || k_lexer_at(lexer, '[');
    if (!field->colon && !bracket) {
        char *expected = k_format("\":\" or \"{\" behind \"%s\"", field->name.data);
        unexpected(parser, expected);
        free(expected);
        // A forgotten colon is clear enough to go on with; anything else is not.
        if (lexer->token.kind != K_TOKEN_STRING && lexer->token.kind != K_TOKEN_NUMBER) return NULL;
        field->colon = true;
    }
    if (!parse_value(parser, value)) return NULL;
    if (k_lexer_at(lexer, ',') || k_lexer_at(lexer, ';')) k_lexer_next(lexer);
    take_notes(parser, &value->notes);
    return field;
}

// The fields of a message up to its closing mark (0: the end of the file), which is passed.
static void parse_fields(struct parser *parser, struct k_tree_value *message, char close, struct k_spot opened)
{
    struct k_lexer *lexer = &parser->lexer;
    struct k_tree_field **last = &message->fields;
    for (;;) {
        if (lexer->token.kind == K_TOKEN_WORD) {
            struct k_tree_field *field = parse_field(parser);
            if (field) {
                *last = field;
                last = &field->next;
            } else {
                message->broken = true;
                skip_to_field(parser);
            }
            continue;
        }
        message->tail = k_lexer_take_comments(lexer, lexer->token.at);
        if (at_end(parser)) {
            if (close && !parser->too_deep && !parser->cut_short) {
                k_reading_error(parser->reading, opened, K0101, "the \"%c\" that stands here is never closed",
                    close == '}' ? '{' : '<');
                parser->cut_short = true;
            }
            return;
        }
        if (close && (k_lexer_at(lexer, '}') || k_lexer_at(lexer, '>'))) {
            if (!k_lexer_at(lexer, close)) unexpected(parser, close == '}' ? "\"}\"" : "\">\"");
            k_lexer_next(lexer);
            return;
        }
        message->broken = true;
        unexpected(parser, close ? close == '}' ? "the name of a field or \"}\"" : "the name of a field or \">\""
                                 : "the name of a field");
        k_lexer_next(lexer);
        skip_to_field(parser);
    }
}

// Comments above the first field are about the file, not the field, if an empty line separates them from
// it, or if they tell a tool what the file is. They stay on top whatever becomes of the field.
static void take_head(struct k_tree_value *tree)
{
    if (!tree->fields) return;
    struct k_notes *notes = &tree->fields->value->notes;
    struct k_comment **end = &notes->above;
    for (struct k_comment **at = &notes->above; *at; at = &(*at)->next) {
        bool blank_behind = (*at)->next ? (*at)->next->blank_before : notes->blank_before;
        if (blank_behind || strncmp((*at)->text, "# proto-", 8) == 0) end = &(*at)->next;
    }
    if (end == &notes->above) return;
    tree->head = notes->above;
    notes->above = *end;
    *end = NULL;
}

bool k_text_parse(struct k_reading *reading, struct k_tree_value *ret_tree)
{
    struct parser parser = {.reading = reading, .depth = 1};
    *ret_tree = (struct k_tree_value){.kind = K_TREE_MESSAGE, .at = {1, 1}};
    k_lexer_init(&parser.lexer, reading);
    parse_fields(&parser, ret_tree, 0, ret_tree->at);
    take_head(ret_tree);
    return !parser.too_deep;
}
