// The engine's expressions and the reference's, side by side over random texts: two programs that were written apart
// must say the same of every row, down to the reason of a failure. The seed is printed with what differs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "operators/expr/expr.h"
#include "tests/reference/expr.h"

enum { TEXTS = 40000, ROWS = 12, COLUMNS = 8 };

static const struct {
    const char *name;
    enum k_type engine;
    enum type own;
} table[COLUMNS] = {
    {"i", K_INT64, TYPE_INT64},   {"j", K_INT64, TYPE_INT64},   {"d", K_DOUBLE, TYPE_DOUBLE},
    {"e", K_DOUBLE, TYPE_DOUBLE}, {"s", K_STRING, TYPE_STRING}, {"u", K_STRING, TYPE_STRING},
    {"b", K_BOOL, TYPE_BOOL},     {"t", K_TIMESTAMP, TYPE_TIMESTAMP},
};

// --- texts: what each type can be made of; a capital alone stands for any text of its type --------------------------
// The names of units are of u: what functions make may be an abbreviation, which the reference does not know.

static const char *const forms[] = {
    "I=i", "I=j", "I=7", "I=-3", "I=0", "I=9223372036854775807", "I=(I + I)", "I=(I - I)", "I=(I * I)", "I=(I / I)",
    "I=I % I", "I=-I", "I=length(S)", "I=octet_length(S)", "I=mod(I, I)", "I=COALESCE(I, I)", "I=NULLIF(I, I)",
    "I=CASE WHEN B THEN I ELSE I END", "I=CASE I WHEN I THEN I WHEN I THEN I END", "I=D::int64", "I=S::int64",
    "I=B::int64", "I=I", "I=i", "I=j", "I=NULL::int64", "I='12'::int64",
    "D=d", "D=e", "D=2.5", "D=1e300", "D=(D + D)", "D=(D - D)", "D=(D * D)", "D=(D / D)", "D=(D + I)", "D=(I / D)",
    "D=D % D", "D=-D", "D=I::double", "D=S::double", "D=COALESCE(D, I)", "D=CASE WHEN B THEN D WHEN B THEN I END",
        "D=d",
    "D='NaN'::double", "D='-Infinity'::double",
    "I=abs(I)", "D=abs(D)", "D=sign(D)", "D=round(D)", "D=trunc(D)", "D=floor(D)", "D=ceil(I)", "D=ceiling(D)",
    "D=sqrt(D)", "D=date_part('hour', T)", "D=date_part('week', T)", "D=date_part('isoyear', T)",
    "D=date_part('doy', T)", "D=date_part('dow', T)", "D=date_part('epoch', T)", "D=date_part('second', T)",
    "D=date_part(u, T)", "D=date_part('isodow', T)", "D=date_part('year', T)", "D=date_part('quarter', T)",
    "T=date_bin('15 min', T, T)", "T=date_bin(V, T, TIMESTAMP '2026-01-01')",
    "S=btrim(S)", "S=btrim(S, S)", "S=ltrim(S)", "S=ltrim(S, 'a ')", "S=rtrim(S, S)", "S=left(S, I)", "S=right(S, I)",
    "S=replace(S, S, S)", "S=replace(S, 'a', 'äb')", "S=reverse(S)", "S=repeat(S, I % 5)", "S=repeat(S, I)",
    "S=lpad(S, I % 9, S)", "S=rpad(S, 5)", "S=rpad(S, I % 12, S)", "I=strpos(S, S)", "B=starts_with(S, S)",
    "S=s", "S=u", "S='abc'", "S='x%_'", "S=''", "S=(S || S)", "S=lower(S)", "S=upper(S)", "S=split_part(S, S, I)",
    "S=split_part(S, ',', 2)", "S=substring(S, I)", "S=substring(S, I, I)", "S=substring(S FROM 2 FOR 3)",
    "S=I::string", "S=D::string", "S=T::string", "S=B::string", "S=COALESCE(S, S)", "S=NULLIF(S, S)",
    "S=CASE WHEN B THEN S END", "S=s", "S=u", "S=CASE S WHEN 'a' THEN S ELSE 'z' END",
    "B=b", "B=true", "B=NULL", "B=(B AND B)", "B=(B OR B)", "B=B AND B OR B", "B=NOT B", "B=(I = I)", "B=(I < D)",
    "B=(D >= D)", "B=(S <> S)", "B=(S < S)", "B=(T <= T)", "B=(B = B)", "B=I IS NULL", "B=S IS NOT NULL", "B=B IS TRUE",
    "B=B IS NOT FALSE", "B=B IS UNKNOWN", "B=(I IS DISTINCT FROM I)", "B=(S IS NOT DISTINCT FROM S)",
        "B=I IN (I, 1, I)",
    "B=S NOT IN ('a', S)", "B=I BETWEEN I AND D", "B=S NOT BETWEEN S AND S", "B=S LIKE 'a%'", "B=S LIKE S",
    "B=S NOT LIKE '%b_'", "B=S LIKE S ESCAPE '!'", "B=S::bool", "B=I::bool", "B=COALESCE(B, B)", "B=b",
    "B=(i > '5')", "B=(t > '2026-01-01')", "B=(T - T > INTERVAL '1 hour')", "B=D NOT IN (I, D)", "B=1 < I AND I < 9",
    "T=t", "T=TIMESTAMP '2026-02-28 12:30:15.25'", "T=date_trunc('hour', T)", "T=date_trunc('week', T)",
    "T=date_trunc('month', T)", "T=date_trunc(u, T)", "T=(T + V)", "T=(T - V)", "T=COALESCE(T, T)",
    "T=CASE WHEN B THEN T ELSE T END", "T=t", "T=(V + T)", "T=S::timestamp", "T=date_trunc('year', T)",
    "V=INTERVAL '1 day'", "V=INTERVAL '1 month 3 days'", "V=INTERVAL '-01:30:00.5'", "V=(T - T)", "V=INTERVAL '90 s'",
};

static void grow(struct k_buf *out, char type, int depth, uint64_t *seed)
{
    uint32_t count = sizeof forms / sizeof forms[0];
    const char *form = NULL;
    // Deep inside only what is short, so that texts end.
    for (int tries = 0; !form || (depth > 3 && strpbrk(form, "IDSBTV") && tries < 60); tries++) {
        uint32_t at = (uint32_t)k_random_below(seed, count);
        while (forms[at][0] != type) at = (at + 1) % count;
        form = forms[at] + 2;
    }
    bool quoted = false;
    for (; *form; form++) {
        bool alone = !isalnum((unsigned char)form[-1]) && !isalnum((unsigned char)form[1]);
        quoted ^= *form == '\'';
        if (!quoted && alone && strchr("IDSBTV", *form)) grow(out, *form, depth + 1, seed);
        else k_buf_add_char(out, *form);
    }
}

// --- rows ----------------------------------------------------------------------------------------------------------

static void make_row(struct k_value *engine, struct value *own, uint64_t *seed)
{
    static const int64_t ints[] = {0, 1, -1, 2, 5, 7, 100, -20, INT64_MAX, INT64_MIN, 4611686018427387904};
    static const double doubles[] = {0, -0.0, 1, 2.5, -2.5, 3.5, 1e15, 123456.789, 1e-5, 1e300, -1e300, 5e-324,
        INFINITY, NAN};
    static const char *const strings[] = {"", "a", "abc", "a,b,,c", "h\xC3\xA4user", "12", " -7 ", "1e3", "t", "no",
        "x%_",
                                          "a\\", "hour", "2026-01-01", "2026-03-04 05:06:07.5",
                                              "\xE2\x82\xAC\xF0\x9F\x98\x80",
                                          "\xC4\xB0stanbul", "\xC3\x9F"};
    static const int64_t times[] = {0, -1, 1767225845123456, 951782400000000, 1772236800000000, INT64_MAX, INT64_MIN};
    for (int c = 0; c < COLUMNS; c++) {
        engine[c] = (struct k_value){.type = table[c].engine};
        own[c] = (struct value){.type = table[c].own};
        if (k_random_below(seed, 6) == 0) {
            engine[c].null = own[c].null = true;
            continue;
        }
        switch (table[c].own) {
        case TYPE_INT64: own[c].i = engine[c].i = ints[k_random_below(seed, sizeof ints / sizeof ints[0])]; break;
        case TYPE_DOUBLE: own[c].d = engine[c].d = doubles[k_random_below(seed,
            sizeof doubles / sizeof doubles[0])]; break;
        case TYPE_STRING:
            own[c].s = engine[c].s = k_str_of(strings[k_random_below(seed, sizeof strings / sizeof strings[0])]);
            break;
        case TYPE_BOOL: own[c].b = engine[c].b = k_random_below(seed, 2); break;
        default: own[c].i = engine[c].i = times[k_random_below(seed, sizeof times / sizeof times[0])]; break;
        }
    }
}

struct pair {
    struct k_arena arena;
    struct k_expr *engine;
    struct expr *own;
    struct k_schema schema;
};

// False when the engine refuses the text: it also refuses what fails for every row, which the reference does not.
static bool compile(struct pair *pair, const char *text, uint64_t seed)
{
    struct k_scope scope = {&pair->schema, "in", NULL};
    struct column columns[COLUMNS];
    struct scope own = {columns, COLUMNS, NULL};
    struct k_diags diags = {0};
    struct k_error err = {0};
    const char *name;
    for (int c = 0; c < COLUMNS; c++) columns[c] = (struct column){.name = table[c].name, .type = table[c].own};
    pair->engine = k_expr_compile(&pair->arena, k_str_of(text), &scope, NULL, &diags, NULL);
    k_diags_fini(&diags);
    if (!pair->engine) return false;
    if (expr_compile(&pair->arena, text, &own, &pair->own, &name, &err))
        fail_msg("seed %llu: %s: %s", (unsigned long long)seed, text, err.text);
    return true;
}

static void compare(struct pair *pair, const char *text, uint64_t seed, uint64_t *random)
{
    struct k_value engine_row[COLUMNS];
    struct value own_row[COLUMNS];
    struct k_buf theirs = {0}, ours = {0};
    struct k_expr_errors errors = {0};
    const char *reason = NULL;
    make_row(engine_row, own_row, random);
    struct k_value engine = k_expr_eval_row(pair->engine, &pair->schema, engine_row, &pair->arena, &errors);
    struct value own = expr_eval(pair->own, own_row, &pair->arena, &reason);
    if (errors.count) k_buf_add_text(&theirs, errors.items[0].reason);
    else k_value_json(&theirs, &engine);
    if (reason) k_buf_add_text(&ours, reason);
    else value_json(&ours, &own);
    if (!k_str_equal(k_buf_str(&theirs), k_buf_str(&ours))) {
        k_buf_add_text(&ours, "  for");
        for (int c = 0; c < COLUMNS; c++) {
            k_buf_printf(&ours, "  %s ", table[c].name);
            value_json(&ours, &own_row[c]);
        }
        fail_msg("seed %llu: %s: the engine says %s, the reference %s", (unsigned long long)seed, text, theirs.data,
                 ours.data);
    }
    k_buf_fini(&theirs);
    k_buf_fini(&ours);
}

static void test_expressions(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, compiled = 0;
    struct k_field fields[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) fields[c] = (struct k_field){.name = table[c].name, .type = table[c].engine};
    for (uint64_t seed = first; seed < first + (given ? 1 : TEXTS); seed++) {
        uint64_t random = seed * 7919;
        struct k_buf text = {0};
        struct pair pair = {.schema = {fields, COLUMNS}};
        k_arena_init(&pair.arena);
        grow(&text, "IDSBT"[k_random_below(&random, 5)], 0, &random);
        if (compile(&pair, text.data, seed)) {
            compiled++;
            for (int row = 0; row < ROWS; row++) compare(&pair, text.data, seed, &random);
        }
        k_arena_fini(&pair.arena);
        k_buf_fini(&text);
    }
    assert_true(given || compiled > TEXTS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expressions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
