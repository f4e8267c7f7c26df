// What the tests of expressions share: one input schema, compilation with positions, and values as text.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "operators/expr/expr.h"

// Columns of every type; userId and limit need quotes, j is never NULL, z always is.
static struct k_field test_fields[] = {
    {.name = "i", .type = K_INT64},     {.name = "j", .type = K_INT64, .not_null = true},
    {.name = "d", .type = K_DOUBLE},    {.name = "e", .type = K_DOUBLE},
    {.name = "s", .type = K_STRING},    {.name = "p", .type = K_STRING},
    {.name = "t", .type = K_TIMESTAMP}, {.name = "b", .type = K_BOOL},
    {.name = "c", .type = K_BOOL},      {.name = "z", .type = K_INT64},
    {.name = "js", .type = K_JSON},     {.name = "y", .type = K_BYTES},
    {.name = "userId", .type = K_STRING}, {.name = "limit", .type = K_INT64},
    {.name = "a.id", .type = K_INT64},
};
enum { TEST_FIELDS = sizeof test_fields / sizeof test_fields[0] };
static const struct k_schema test_schema = {test_fields, TEST_FIELDS};
static const struct k_scope test_scope = {.schema = &test_schema, .offers = "parsed"};

static inline struct k_pos test_pos(const void *context, size_t offset)
{
    (void)context;
    return (struct k_pos){"f", 1, (uint32_t)offset + 1};
}
static const struct k_expr_place test_place = {test_pos, NULL};

// The diagnostics as text, in the arena.
static inline const char *test_print(struct k_arena *arena, struct k_diags *diags)
{
    struct k_buf out = {0};
    k_diags_print(diags, &out);
    const char *text = k_arena_copy(arena, out.data ? out.data : "", out.length);
    k_buf_fini(&out);
    return text;
}

// Compiles, and fails the test with the diagnostics if that fails.
static inline struct k_expr *test_compile(struct k_arena *arena, const char *text)
{
    struct k_diags diags = {0};
    struct k_expr *expr = k_expr_compile(arena, k_str_of(text), &test_scope, &test_place, &diags, NULL);
    if (!expr) fail_msg("%s\n%s", text, test_print(arena, &diags));
    k_diags_fini(&diags);
    return expr;
}

// The value as JSON, or "ERROR reason".
static inline const char *test_value(struct k_arena *arena, const struct k_value *value,
                                     const struct k_expr_errors *errors)
{
    struct k_buf out = {0};
    if (errors->count) k_buf_printf(&out, "ERROR %s", errors->items[0].reason);
    else k_value_json(&out, value);
    const char *text = k_arena_copy(arena, out.data, out.length);
    k_buf_fini(&out);
    return text;
}
