// Single values: the readers of scalar.c, with errors as sentences.
#include "proto/parse_value.h"

#include "proto/json_text.h"
#include "proto/scalar.h"

// A cell of a column, any type.
union cell {
    uint8_t b;
    int64_t i;
    double d;
    struct k_str s;
};

static struct k_value value_of(enum k_type type, const union cell *cell)
{
    struct k_column column = {.type = type, .data = cell};
    return k_column_value(&column, 0);
}

static int fail(struct k_error *err, const char *why, const char *what, struct k_str text, enum k_type type)
{
    char excerpt[K_EXCERPT];
    return k_fail(err, K_E_DATA, "found %s%s%s, wanted %s%s", k_excerpt(text, excerpt), what ? ", " : "",
                  what ? what : "", k_type_name(type), strcmp(why, "range") == 0 ? " in its range" : "");
}

int k_value_parse_json(struct k_str json, const struct k_field *field, enum k_time_unit unit, struct k_arena *arena,
                       struct k_value *ret, struct k_error *err)
{
    struct k_str token = k_json_trim(json);
    if (k_str_equal(token, K_STR("null"))) {
        if (field->not_null) return k_fail(err, K_E_DATA, "field \"%s\" is null", field->name);
        *ret = (struct k_value){.type = field->type, .null = true};
        return 0;
    }
    union cell cell;
    const char *why = k_scalar_json(token, field->type, unit, arena, &cell);
    if (why) {
        (void)fail(err, why, k_json_what(token), token, field->type);
        return k_wrap(err, K_E_DATA, "field \"%s\"", field->name);
    }
    *ret = value_of(field->type, &cell);
    return 0;
}

int k_value_parse_text(struct k_str text, enum k_type type, struct k_arena *arena, struct k_value *ret,
                       struct k_error *err)
{
    union cell cell;
    if (!text.data) text = K_STR("");
    const char *why = k_scalar_text(text, type, arena, &cell);
    if (why) return fail(err, why, NULL, text, type);
    *ret = value_of(type, &cell);
    return 0;
}
