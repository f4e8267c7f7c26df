// Tokens of the protobuf text format, and the comments between them.
#pragma once
#include "proto/reading.h"

enum k_token_kind {
    K_TOKEN_END,
    K_TOKEN_WORD,   // a name
    K_TOKEN_NUMBER, // without its sign, with a float's f
    K_TOKEN_STRING, // one piece, with its quotes and escapes
    K_TOKEN_MARK,   // one of { } < > [ ] : , ; -
};

struct k_token {
    enum k_token_kind kind;
    struct k_str text; // in the content
    struct k_spot at;
    bool blank_before; // there is an empty line between it and what stands before it, a comment included
    bool is_wrong;     // a number that has been reported as none
};

struct k_lexer {
    struct k_reading *reading;
    const char *next, *end;
    const char *line_start;
    uint32_t line;
    struct k_token token;       // the current one
    struct k_spot last_end;     // just behind the one before
    struct k_comment *comments; // seen before the current token and taken by nobody yet, in order
    struct k_comment **comments_end;
};

void k_lexer_init(struct k_lexer *lexer, struct k_reading *reading);
// Moves on to the next token. What is no token is reported and skipped.
void k_lexer_next(struct k_lexer *lexer);
// Whether the current token is this mark.
bool k_lexer_at(const struct k_lexer *lexer, char mark);
// Appends the bytes of the current STRING token to bytes, and their spans; reports wrong escapes.
void k_lexer_unescape(struct k_lexer *lexer, struct k_buf *bytes, struct k_span_maker *spans);
// Takes from lexer->comments those that end before `limit`; NULL for none.
struct k_comment *k_lexer_take_comments(struct k_lexer *lexer, struct k_spot limit);
