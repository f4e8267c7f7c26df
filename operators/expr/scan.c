// The look at an expression's tokens before anything recursive sees the text.
//
// PostgreSQL's own scanner cuts the text, so that no string, quoted name or comment is understood differently here
// and there. Its result is flat. From it follows a bound on the depth that the grammar can build: within one level
// of parentheses (or CASE … END) and between commas, AND, OR and the keywords of CASE, every level of the tree needs
// a token of its own. Only a text with a small bound goes on to the parser, whose output functions recurse.
#include "operators/expr/ast.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

#include "proto/codes.h"

enum {
    LEVELS_MAX = 200,   // parentheses, brackets and CASE inside each other
    WEIGHT_MAX = 1000,  // bound of the depth of the grammar's tree
    NAME_MAX_BYTES = 63 // PostgreSQL cuts longer names without a word
};

void k_expr_report(struct k_expr_report *report, size_t offset, const char *code, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    k_format_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    struct k_pos pos = {0};
    const struct k_expr_place *place = report->place;
    if (place && place->pos) pos = place->pos(place->context, offset);
    k_diag_error(report->diags, pos, code, "%s", text);
    report->errors++;
}

// One level: the segment that is open (its tokens stand on top of the deepest level closed in it), and the deepest
// segment before it.
struct level {
    uint32_t tokens, inner, deepest;
    uint32_t betweens; // BETWEENs whose AND is still to come: that AND ends no segment
};

struct depth {
    struct level levels[LEVELS_MAX];
    uint32_t count;
};

static bool depth_open(struct depth *depth)
{
    if (depth->count == LEVELS_MAX) return false;
    depth->levels[depth->count++] = (struct level){0};
    return true;
}

static void depth_cut(struct level *level)
{
    uint32_t whole = level->tokens + level->inner;
    if (whole > level->deepest) level->deepest = whole;
    level->tokens = level->inner = level->betweens = 0;
}

static void depth_close(struct depth *depth)
{
    if (depth->count <= 1) return; // an unbalanced text: the parser says so
    struct level *level = &depth->levels[--depth->count], *outer = level - 1;
    depth_cut(level);
    uint32_t whole = level->deepest + 2;
    if (whole > outer->inner) outer->inner = whole;
}

static bool depth_token(struct depth *depth, PgQuery__Token token)
{
    struct level *level = &depth->levels[depth->count - 1];
    switch ((int)token) {
    case PG_QUERY__TOKEN__ASCII_40: // (
    case PG_QUERY__TOKEN__ASCII_91: // [
    case PG_QUERY__TOKEN__CASE: return depth_open(depth);
    case PG_QUERY__TOKEN__ASCII_41: // )
    case PG_QUERY__TOKEN__ASCII_93: // ]
    case PG_QUERY__TOKEN__END_P: depth_close(depth); break;
    case PG_QUERY__TOKEN__AND:
        if (level->betweens == 0) depth_cut(level);
        else level->betweens--;
        break;
    case PG_QUERY__TOKEN__ASCII_44: // ,
    case PG_QUERY__TOKEN__OR:
    case PG_QUERY__TOKEN__WHEN:
    case PG_QUERY__TOKEN__THEN:
    case PG_QUERY__TOKEN__ELSE: depth_cut(level); break;
    case PG_QUERY__TOKEN__BETWEEN: level->betweens++; // and it is a token
    // fall through
    default: level->tokens++; break;
    }
    level = &depth->levels[depth->count - 1];
    return level->tokens + level->inner <= WEIGHT_MAX;
}

static bool check_bytes(struct k_expr_report *report)
{
    struct k_str text = report->text;
    if (text.length > K_EXPR_TEXT_MAX) {
        k_expr_report(report, 0, K0302, "the expression has %u bytes; at most %d are allowed", text.length,
                      K_EXPR_TEXT_MAX);
        return false;
    }
    for (size_t at = 0; at < text.length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length =
            utf8proc_iterate((const uint8_t *)text.data + at, (utf8proc_ssize_t)(text.length - at), &c);
        if (length <= 0 || c == 0) {
            k_expr_report(report, at, K0301, c == 0 && length > 0 ? "an expression cannot hold a NUL character"
                                                                  : "the expression is not UTF-8");
            return false;
        }
        at += (size_t)length;
    }
    return true;
}

static bool check_token(struct k_expr_report *report, struct depth *depth, const PgQuery__ScanToken *token)
{
    size_t offset = (size_t)token->start;
    switch ((int)token->token) {
    case PG_QUERY__TOKEN__SQL_COMMENT:
    case PG_QUERY__TOKEN__C_COMMENT:
        k_expr_report(report, offset, K0301, "an expression has no comments; write them in the graph, behind #");
        return false;
    case PG_QUERY__TOKEN__ASCII_59:
        k_expr_report(report, offset, K0301, "one expression is expected, without \";\"");
        return false;
    case PG_QUERY__TOKEN__IDENT:
        if (token->end - token->start > NAME_MAX_BYTES + (report->text.data[offset] == '"' ? 2 : 0)) {
            k_expr_report(report, offset, K0301, "a name in an expression has at most %d bytes", NAME_MAX_BYTES);
            return false;
        }
        break;
    default: break;
    }
    if (!depth_token(depth, token->token)) {
        k_expr_report(report, offset, K0302, "the expression is nested too deeply here");
        return false;
    }
    return true;
}

size_t k_expr_cursor(struct k_str text, int cursor)
{
    size_t at = 0;
    for (int left = cursor - 1; left > 0 && at < text.length; left--) {
        at++;
        while (at < text.length && ((unsigned char)text.data[at] & 0xC0) == 0x80) at++;
    }
    return at;
}

static bool begins_clause(PgQuery__Token token)
{
    switch ((int)token) {
    case PG_QUERY__TOKEN__DISTINCT:
    case PG_QUERY__TOKEN__INTO:
    case PG_QUERY__TOKEN__FROM:
    case PG_QUERY__TOKEN__WHERE:
    case PG_QUERY__TOKEN__GROUP_P:
    case PG_QUERY__TOKEN__HAVING:
    case PG_QUERY__TOKEN__WINDOW:
    case PG_QUERY__TOKEN__ORDER:
    case PG_QUERY__TOKEN__LIMIT:
    case PG_QUERY__TOKEN__OFFSET:
    case PG_QUERY__TOKEN__FETCH:
    case PG_QUERY__TOKEN__FOR:
    case PG_QUERY__TOKEN__UNION:
    case PG_QUERY__TOKEN__INTERSECT:
    case PG_QUERY__TOKEN__EXCEPT: return true;
    default: return false;
    }
}

static bool check_tokens(struct k_expr_report *report, const PgQuery__ScanResult *scan, struct k_scan *ret_scan)
{
    struct depth depth = {.count = 1};
    depth.levels[0] = (struct level){0};
    bool clause = false;
    *ret_scan = (struct k_scan){0};
    for (size_t i = 0; i < scan->n_tokens; i++) {
        const PgQuery__ScanToken *token = scan->tokens[i];
        if (!check_token(report, &depth, token)) return false;
        if (clause || depth.count > 1 || !begins_clause(token->token)) continue;
        clause = true;
        ret_scan->clause_offset = (size_t)token->start;
    }
    if (scan->n_tokens == 0) {
        k_expr_report(report, 0, K0301, "the expression is empty");
        return false;
    }
    const PgQuery__ScanToken *first = scan->tokens[0], *last = scan->tokens[scan->n_tokens - 1];
    if (first->token == PG_QUERY__TOKEN__ALL) {
        k_expr_report(report, (size_t)first->start, K0301, "ALL is not part of an expression");
        return false;
    }
    ret_scan->first_offset = (size_t)first->start;
    ret_scan->last_offset = (size_t)last->start;
    ret_scan->has_as = scan->n_tokens >= 2 && scan->tokens[scan->n_tokens - 2]->token == PG_QUERY__TOKEN__AS;
    return true;
}

bool k_expr_scan(struct k_expr_report *report, struct k_scan *ret_scan)
{
    if (!check_bytes(report)) return false;
    PgQueryScanResult result = pg_query_scan(report->text.data);
    bool good = false;
    if (result.error) {
        k_expr_report(report, k_expr_cursor(report->text, result.error->cursorpos), K0300, "%s", result.error->message);
    } else {
        PgQuery__ScanResult *scan =
            pg_query__scan_result__unpack(NULL, result.pbuf.len, (const uint8_t *)result.pbuf.data);
        if (scan) good = check_tokens(report, scan, ret_scan);
        else k_expr_report(report, 0, K0300, "the expression cannot be read");
        pg_query__scan_result__free_unpacked(scan, NULL);
    }
    pg_query_free_scan_result(result);
    return good;
}
