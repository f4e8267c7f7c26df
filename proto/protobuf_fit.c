// Which field of a protobuf message a column is, and whether it fits.
#include "base/diag.h"
#include "proto/format_protobuf.h"
#include "proto/json_path.h"

#include <stdlib.h>

bool k_pb_is_timestamp(const struct k_pb_field *field)
{
    return field->type == K_PB_MESSAGE && strcmp(field->message->name, "google.protobuf.Timestamp") == 0;
}

// The column type that is made for a field; K_NO_TYPE: none is.
static enum k_type natural_type(const struct k_pb_field *field)
{
    switch (field->type) {
    case K_PB_DOUBLE:
    case K_PB_FLOAT: return K_DOUBLE;
    case K_PB_BOOL: return K_BOOL;
    case K_PB_STRING:
    case K_PB_ENUM: return K_STRING;
    case K_PB_BYTES: return K_BYTES;
    case K_PB_MESSAGE: return k_pb_is_timestamp(field) ? K_TIMESTAMP : K_NO_TYPE;
    case K_PB_GROUP: return K_NO_TYPE;
    case K_PB_INT64:
    case K_PB_UINT64:
    case K_PB_INT32:
    case K_PB_FIXED64:
    case K_PB_FIXED32:
    case K_PB_UINT32:
    case K_PB_SFIXED32:
    case K_PB_SFIXED64:
    case K_PB_SINT32:
    case K_PB_SINT64: break;
    }
    return K_INT64;
}

bool k_pb_fits(const struct k_pb_field *field, enum k_type type)
{
    enum k_type natural = natural_type(field);
    if (natural == type && natural != K_NO_TYPE) return true;
    if (type == K_INT64) return field->type == K_PB_ENUM;
    if (type == K_TIMESTAMP) return natural == K_INT64;
    return type == K_BYTES && field->type == K_PB_STRING;
}

static int no_such_field(const struct k_pb_message *message, const struct k_field *column, struct k_str name,
                         struct k_error *err)
{
    const char **names = k_new_array(const char *, message->count + 1);
    for (uint32_t i = 0; i < message->count; i++) names[i] = message->fields[i].name;
    char *wanted = k_strndup(name.data, name.length);
    const char *nearest = k_nearest(wanted, names, message->count);
    int code =
        k_fail(err, K_E_CONFIG, "column \"%s\": message %s has no field \"%s\"%s%s%s", column->name, message->name,
               wanted, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(wanted);
    free(names);
    return code;
}

static int does_not_fit(const struct k_pb_message *message, const struct k_pb_field *field,
                        const struct k_field *column, struct k_error *err)
{
    enum k_type natural = natural_type(field);
    if (field->repeated)
        return k_fail(err, K_E_CONFIG,
                      "column \"%s\": field \"%s\" of message %s is %s, and a column holds one value", column->name,
                      field->name, message->name, field->message && field->message->map_entry ? "a map" : "repeated");
    if (natural == K_NO_TYPE)
        return k_fail(err, K_E_CONFIG,
                      "column \"%s\": field \"%s\" is a message, %s; name a field inside it, such as  at $.%s.%s",
                      column->name, field->name, field->message->name, field->name,
                      field->message->count ? field->message->fields[0].name : "FIELD");
    return k_fail(
        err, K_E_CONFIG,
        "column \"%s\" is of type %s, which does not fit field \"%s\" of message %s, of type %s; write  %s %s",
        column->name, k_type_name(column->type), field->name, message->name,
        field->message ? field->message->name : k_pb_type_name(field->type), column->name, k_type_name(natural));
}

static int step(const struct k_pb_message **message, const struct k_field *column, struct k_str name, bool last,
                const struct k_pb_field **ret, struct k_error *err)
{
    const struct k_pb_field *field = k_pb_field_named(*message, name);
    if (!field) return no_such_field(*message, column, name, err);
    if (field->repeated || (last && !k_pb_fits(field, column->type)))
        return does_not_fit(*message, field, column, err);
    if (!last && field->type != K_PB_MESSAGE)
        return k_fail(err, K_E_CONFIG,
                      "column \"%s\": field \"%s\" of message %s is of type %s, and has no fields inside",
                      column->name, field->name, (*message)->name, k_pb_type_name(field->type));
    *message = field->message;
    *ret = field;
    return 0;
}

int k_pb_resolve(const struct k_pb_message *message, const struct k_field *column, const struct k_pb_field **ret,
                 uint32_t *ret_count, struct k_error *err)
{
    *ret_count = 1;
    if (!column->json_path) return step(&message, column, k_str_of(column->name), true, ret, err);
    struct k_str path = k_str_of(column->json_path), key;
    char *scratch = k_alloc(path.length + 1);
    size_t at = 0;
    const char *why = NULL;
    int code = 0;
    *ret_count = 0;
    while (!code && k_path_next(path, &at, scratch, &key, &why)) {
        K_ASSERT(*ret_count < K_PATH_KEYS_MAX); // k_field_parse let it through
        code = step(&message, column, key, at == path.length, &ret[*ret_count], err);
        ++*ret_count;
    }
    free(scratch);
    return code;
}
