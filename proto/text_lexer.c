// The lexer of the protobuf text format: what protoc's tokenizer takes, token by token, with comments kept.
#include "proto/text_lexer.h"

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_octal(char c) { return c >= '0' && c <= '7'; }
static int hex_of(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static struct k_spot spot_of(const struct k_lexer *lexer, const char *at)
{
    return (struct k_spot){lexer->line, (uint32_t)(at - lexer->line_start) + 1};
}

void k_lexer_init(struct k_lexer *lexer, struct k_reading *reading)
{
    struct k_str content = reading->content;
    *lexer = (struct k_lexer){.reading = reading, .next = content.data, .end = content.data + content.length,
        .line_start = content.data, .line = 1, .last_end = {1, 1}};
    lexer->comments_end = &lexer->comments;
    // A byte order mark is what some editors leave; it is not part of the text.
    if (content.length >= 3 && memcmp(content.data, "\xEF\xBB\xBF", 3) == 0) {
        lexer->next += 3;
        lexer->line_start += 3;
    }
    k_lexer_next(lexer);
}

static void keep_comment(struct k_lexer *lexer, const char *start, const char *end, bool blank_before)
{
    while (end > start && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t')) end--;
    struct k_comment *comment = k_arena_zeroed(&lexer->reading->document->arena, sizeof(*comment));
    comment->text = k_arena_copy(&lexer->reading->document->arena, start, (size_t)(end - start));
    comment->at = spot_of(lexer, start);
    comment->blank_before = blank_before;
    lexer->reading->document->comment_count++;
    *lexer->comments_end = comment;
    lexer->comments_end = &comment->next;
}

// Skips white space and comments; tells whether an empty line stands right before what follows.
static bool skip_space(struct k_lexer *lexer)
{
    uint32_t line_of_last = lexer->last_end.line; // of the token or comment before
    while (lexer->next < lexer->end) {
        char c = *lexer->next;
        if (c == '\n') {
            lexer->line++;
            lexer->line_start = ++lexer->next;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f') {
            lexer->next++;
        } else if (c == '#') {
            const char *start = lexer->next;
            const char *newline = memchr(start, '\n', (size_t)(lexer->end - start));
            lexer->next = newline ? newline : lexer->end;
            keep_comment(lexer, start, lexer->next, lexer->line > line_of_last + 1);
            line_of_last = lexer->line;
        } else {
            break;
        }
    }
    return lexer->line > line_of_last + 1;
}

// The end of the number at start, by the rules of protoc; reports what looks like a number but is none.
static const char *number_end(struct k_lexer *lexer, const char *start)
{
    const char *at = start, *end = lexer->end;
    const char *wrong = NULL;
    if (*at == '0' && end - at > 1 && (at[1] == 'x' || at[1] == 'X')) {
        at += 2;
        const char *digits = at;
        while (at < end && hex_of(*at) >= 0) at++;
        if (at == digits) wrong = "\"0x\" must be followed by hexadecimal digits";
    } else if (*at == '0' && end - at > 1 && is_digit(at[1])) {
        while (at < end && is_octal(*at)) at++;
        if (at < end && (is_digit(*at) || *at == '.')) wrong = "a number that begins with 0 is octal";
    } else {
        while (at < end && is_digit(*at)) at++;
        if (at < end && *at == '.') at++;
        while (at < end && is_digit(*at)) at++;
        if (at < end && (*at == 'e' || *at == 'E')) {
            at++;
            if (at < end && (*at == '+' || *at == '-')) at++;
            const char *digits = at;
            while (at < end && is_digit(*at)) at++;
            if (at == digits) wrong = "\"e\" must be followed by an exponent";
        }
        if (at < end && (*at == 'f' || *at == 'F')) at++;
    }
    if (!wrong && at < end && (is_letter(*at) || is_digit(*at) || *at == '.'))
        wrong = "there must be a space behind a number";
    while (at < end && (is_letter(*at) || is_digit(*at) || *at == '.')) at++;
    lexer->token.is_wrong = wrong != NULL;
    if (wrong)
        k_reading_error(lexer->reading, spot_of(lexer, start), K0101, "wrong number \"%.*s\": %s",
            (int)(at - start), start, wrong);
    return at;
}

static const char *string_end(struct k_lexer *lexer, const char *start)
{
    const char *at = start + 1;
    while (at < lexer->end && *at != *start && *at != '\n')
        at += *at == '\\' && lexer->end - at > 1 && at[1] != '\n' ? 2 : 1;
    if (at < lexer->end && *at == *start) return at + 1;
    k_reading_error(lexer->reading, spot_of(lexer, start), K0101,
        "the string that begins here is not closed on its line");
    return at;
}

void k_lexer_next(struct k_lexer *lexer)
{
    struct k_token *token = &lexer->token;
    lexer->last_end = spot_of(lexer, lexer->next);
    bool skipped_garbage = false;
    for (;;) {
        bool blank_before = skip_space(lexer);
        const char *start = lexer->next, *at = start;
        token->at = spot_of(lexer, start);
        token->blank_before = blank_before;
        token->is_wrong = false;
        if (at == lexer->end) {
            token->kind = K_TOKEN_END;
        } else if (is_letter(*at)) {
            token->kind = K_TOKEN_WORD;
            while (at < lexer->end && (is_letter(*at) || is_digit(*at))) at++;
        } else if (is_digit(*at) || (*at == '.' && lexer->end - at > 1 && is_digit(at[1]))) {
            token->kind = K_TOKEN_NUMBER;
            at = number_end(lexer, start);
        } else if (*at == '"' || *at == '\'') {
            token->kind = K_TOKEN_STRING;
            at = string_end(lexer, start);
        } else if (*at && strchr("{}<>[]:,;-", *at)) {
            token->kind = K_TOKEN_MARK;
            at++;
        } else {
            // One report for a run of such bytes: a binary file would give thousands.
            uint32_t length = k_utf8_length(at, (size_t)(lexer->end - at));
            if (!skipped_garbage && (unsigned char)*at < ' ')
                k_reading_error(lexer->reading, token->at, K0101, "a control character (0x%02x) stands here",
                    (unsigned)(unsigned char)*at);
            else if (!skipped_garbage && length == 0)
                k_reading_error(lexer->reading, token->at, K0101, "a byte (0x%02x) that is not UTF-8 stands here",
                    (unsigned)(unsigned char)*at);
            else if (!skipped_garbage)
                k_reading_error(lexer->reading, token->at, K0101, "unexpected \"%.*s\"%s", (int)length, at,
                    *at == '/' ? "; a comment begins with #" : "");
            skipped_garbage = true;
            lexer->next += length ? length : 1;
            continue;
        }
        token->text = (struct k_str){start, (uint32_t)(at - start)};
        lexer->next = at;
        return;
    }
}

bool k_lexer_at(const struct k_lexer *lexer, char mark)
{
    return lexer->token.kind == K_TOKEN_MARK && lexer->token.text.data[0] == mark;
}

// Up to `most` hexadecimal digits.
static uint32_t hex_digits(const char **at, const char *end, int most, int *ret_count)
{
    uint32_t value = 0;
    *ret_count = 0;
    for (; *ret_count < most && *at < end && hex_of(**at) >= 0; ++*ret_count)
        value = value << 4 | (uint32_t)hex_of(*(*at)++);
    return value;
}

// \uXXXX and \UXXXXXXXX, the u itself already passed; a pair of surrogates is one character.
static const char *unescape_unicode(const char **at, const char *end, bool big, struct k_buf *bytes)
{
    int count;
    uint32_t point = hex_digits(at, end, big ? 8 : 4, &count);
    if (count != (big ? 8 : 4)) return big ? "\\U needs eight hexadecimal digits" : "\\u needs four hexadecimal digits";
    if (point > 0x10FFFF) return "\\U goes up to 0010ffff";
    if (point >= 0xD800 && point < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        const char *behind = *at + 2;
        uint32_t low = hex_digits(&behind, end, 4, &count);
        if (count == 4 && low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
            *at = behind;
        }
    }
    k_utf8_add(bytes, point);
    return NULL;
}

// One escape, *at behind its backslash. NULL, or what is wrong with it.
static const char *unescape(const char **at, const char *end, struct k_buf *bytes)
{
    static const char letters[] = "abfnrtv\\?'\"", meant[] = "\a\b\f\n\r\t\v\\?'\"";
    if (*at == end) return NULL; // only in a piece that is not closed, which has been reported
    char c = *(*at)++;
    const char *simple = c ? strchr(letters, c) : NULL;
    if (simple) {
        k_buf_add_char(bytes, meant[simple - letters]);
        return NULL;
    }
    if (is_octal(c)) {
        int value = c - '0';
        for (int i = 0; i < 2 && *at < end && is_octal(**at); i++) value = value * 8 + (*(*at)++ - '0');
        k_buf_add_char(bytes, (char)value);
        return NULL;
    }
    if (c == 'x') {
        int count;
        uint32_t value = hex_digits(at, end, 2, &count);
        if (count == 0) return "\\x needs hexadecimal digits";
        k_buf_add_char(bytes, (char)value);
        return NULL;
    }
    if (c == 'u' || c == 'U') return unescape_unicode(at, end, c == 'U', bytes);
    return "there is no such escape; a backslash itself is written \\\\";
}

void k_lexer_unescape(struct k_lexer *lexer, struct k_buf *bytes, struct k_span_maker *spans)
{
    struct k_str piece = lexer->token.text;
    const char *start = piece.data, *at = start + 1, *end = start + piece.length;
    if (piece.length > 1 && end[-1] == *start) end--; // an unclosed piece has been reported
    while (at < end) {
        struct k_spot spot = {lexer->token.at.line, lexer->token.at.column + (uint32_t)(at - start)};
        uint32_t offset = (uint32_t)bytes->length;
        if (*at != '\\') {
            const char *escape = memchr(at, '\\', (size_t)(end - at));
            const char *run_end = escape ? escape : end;
            k_spans_add(spans, offset, spot, false);
            k_buf_add(bytes, at, (size_t)(run_end - at));
            at = run_end;
            continue;
        }
        const char *escape = at++;
        const char *wrong = unescape(&at, end, bytes);
        if (wrong)
            k_reading_error(lexer->reading, spot, K0101, "wrong escape \"%.*s\" in a string: %s",
                (int)(at - escape), escape, wrong);
        if (bytes->length > offset) k_spans_add(spans, offset, spot, true);
    }
}

struct k_comment *k_lexer_take_comments(struct k_lexer *lexer, struct k_spot limit)
{
    struct k_comment *first = lexer->comments, **last = &lexer->comments;
    while (*last && ((*last)->at.line < limit.line ||
                        ((*last)->at.line == limit.line && (*last)->at.column < limit.column)))
        last = &(*last)->next;
    struct k_comment *rest = *last;
    if (rest == first) return NULL;
    *last = NULL;
    lexer->comments = rest;
    if (!rest) lexer->comments_end = &lexer->comments;
    return first;
}
