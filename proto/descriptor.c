// Reads descriptor sets. The only user of protobuf-c's types for them: others see the structs of descriptor.h.
//
// Two passes: the first gives every message and enum a place and its full name, the second links fields to them.
#include "proto/descriptor.h"

#include <stdlib.h>

#include "proto/descriptor.pb-c.h"
#include "proto/wire.h"

typedef Kappa__Descriptor__File File;
typedef Kappa__Descriptor__Message Message;
typedef Kappa__Descriptor__Field Field;
typedef Kappa__Descriptor__Enum Enum;

enum { NESTING_MAX = 64, LABEL_REQUIRED = 2, LABEL_REPEATED = 3, NUMBER_MAX = (1 << 29) - 1 };

const char *k_pb_type_name(enum k_pb_type type)
{
    static const char *const names[] = {"?",       "double",   "float",    "int64",  "uint64",  "int32", "fixed64",
                                        "fixed32", "bool",     "string",   "group",  "message", "bytes", "uint32",
                                        "enum",    "sfixed32", "sfixed64", "sint32", "sint64"};
    return names[type];
}

// protobuf-c unpacks by recursion: how deep message types lie inside each other is looked at before. They are the
// fields 1 of a set (files), 4 of a file, 3 of a message.
static const char *check_nesting(struct k_str bytes, uint32_t depth)
{
    if (depth > NESTING_MAX) return "message types lie too deep inside each other";
    const char *at = bytes.data, *end = at + bytes.length;
    while (at < end) {
        struct k_wire field;
        const char *why = k_wire_next(&at, end, &field);
        bool inner = field.number == (depth == 0 ? 1 : depth == 1 ? 4 : 3);
        if (!why && inner && field.type == K_WIRE_BYTES) why = check_nesting(field.bytes, depth + 1);
        if (why) return why;
    }
    return NULL;
}

struct linking {
    struct k_arena *arena;
    struct k_pb_set *set;
    struct k_error *err;
    const File *file;
    struct k_pb_message **order; // as they are met
    uint32_t messages, enums;    // met so far
};

static const char *full_name(struct linking *l, const char *scope, const char *name)
{
    if (!name) name = "";
    return *scope ? k_arena_format(l->arena, "%s.%s", scope, name) : k_arena_copy(l->arena, name, strlen(name));
}

static void count_types(const Message *message, struct k_pb_set *set)
{
    set->message_count++;
    set->enum_count += (uint32_t)message->n_enum_type;
    for (size_t i = 0; i < message->n_nested_type; i++) count_types(message->nested_type[i], set);
}

static void add_enum(struct linking *l, const Enum *from, const char *scope)
{
    struct k_pb_enum *to = k_arena_zeroed(l->arena, sizeof *to);
    to->name = full_name(l, scope, from->name);
    to->values = k_arena_array(l->arena, struct k_pb_value, from->n_value);
    for (size_t i = 0; i < from->n_value; i++) {
        struct k_pb_value value = {full_name(l, "", from->value[i]->name), from->value[i]->number};
        uint32_t at = to->count++;
        for (; at > 0 && to->values[at - 1].number > value.number; at--) to->values[at] = to->values[at - 1];
        to->values[at] = value;
    }
    l->set->enums[l->enums++] = to;
}

static void add_message(struct linking *l, const Message *from, const char *scope)
{
    struct k_pb_message *to = k_arena_zeroed(l->arena, sizeof *to);
    to->name = full_name(l, scope, from->name);
    to->oneof_count = (uint32_t)from->n_oneof_decl;
    to->map_entry = from->options && from->options->map_entry;
    l->order[l->messages++] = to;
    for (size_t i = 0; i < from->n_enum_type; i++) add_enum(l, from->enum_type[i], to->name);
    for (size_t i = 0; i < from->n_nested_type; i++) add_message(l, from->nested_type[i], to->name);
}

static int compare_messages(const void *a, const void *b)
{
    return strcmp((*(struct k_pb_message *const *)a)->name, (*(struct k_pb_message *const *)b)->name);
}

static int compare_enums(const void *a, const void *b)
{
    return strcmp((*(struct k_pb_enum *const *)a)->name, (*(struct k_pb_enum *const *)b)->name);
}

static int compare_fields(const void *a, const void *b)
{
    const struct k_pb_field *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

const struct k_pb_message *k_pb_find(const struct k_pb_set *set, const char *name)
{
    struct k_pb_message wanted = {.name = name}, *key = &wanted;
    if (set->message_count == 0) return NULL;
    struct k_pb_message **found =
        bsearch(&key, set->messages, set->message_count, sizeof *set->messages, compare_messages);
    return found ? *found : NULL;
}

static const struct k_pb_enum *find_enum(const struct k_pb_set *set, const char *name)
{
    struct k_pb_enum wanted = {.name = name}, *key = &wanted;
    if (set->enum_count == 0) return NULL;
    struct k_pb_enum **found = bsearch(&key, set->enums, set->enum_count, sizeof *set->enums, compare_enums);
    return found ? *found : NULL;
}

static int link_type(struct linking *l, const struct k_pb_message *of, const Field *from, struct k_pb_field *to)
{
    const char *name = from->type_name ? from->type_name : "";
    if (*name == '.') name++;
    if (to->type == K_PB_MESSAGE || to->type == K_PB_GROUP) to->message = k_pb_find(l->set, name);
    if (to->type == K_PB_ENUM) to->enumeration = find_enum(l->set, name);
    bool needs = to->type == K_PB_MESSAGE || to->type == K_PB_GROUP || to->type == K_PB_ENUM;
    if (!needs || to->message || to->enumeration) return 0;
    return k_fail(l->err, K_E_CONFIG,
                  "the type \"%s\" of %s.%s is not in the descriptor set; make it with protoc's --include_imports",
                  name, of->name, to->name);
}

static int link_field(struct linking *l, const struct k_pb_message *of, const Field *from, struct k_pb_field *to)
{
    to->name = full_name(l, "", from->name);
    if (from->number < 1 || from->number > NUMBER_MAX || from->type < K_PB_DOUBLE || from->type > K_PB_SINT64)
        return k_fail(l->err, K_E_CONFIG, "%s.%s has no number or type that a field may have", of->name, to->name);
    bool proto3 = l->file->syntax && strcmp(l->file->syntax, "proto3") == 0;
    to->number = (uint32_t)from->number;
    to->type = (enum k_pb_type)from->type;
    to->repeated = from->label == LABEL_REPEATED;
    to->required = from->label == LABEL_REQUIRED;
    to->oneof = -1;
    if (from->has_oneof_index && !from->proto3_optional) {
        if (from->oneof_index < 0 || (uint32_t)from->oneof_index >= of->oneof_count)
            return k_fail(l->err, K_E_CONFIG, "%s.%s names a oneof that there is not", of->name, to->name);
        to->oneof = from->oneof_index;
    }
    to->has_presence = !to->repeated && (!proto3 || from->proto3_optional || to->oneof >= 0 ||
                                         to->type == K_PB_MESSAGE || to->type == K_PB_GROUP);
    return link_type(l, of, from, to);
}

static int link_message(struct linking *l, const Message *from)
{
    struct k_pb_message *to = l->order[l->messages++];
    to->fields = k_arena_zeroed(l->arena, from->n_field * sizeof *to->fields);
    for (size_t i = 0; i < from->n_field; i++) {
        int code = link_field(l, to, from->field[i], &to->fields[to->count++]);
        if (code) return code;
    }
    if (to->count) qsort(to->fields, to->count, sizeof *to->fields, compare_fields);
    for (uint32_t i = 1; i < to->count; i++)
        if (to->fields[i].number == to->fields[i - 1].number)
            return k_fail(l->err, K_E_CONFIG, "%s has two fields of the number %u", to->name, to->fields[i].number);
    for (size_t i = 0; i < from->n_nested_type; i++) {
        int code = link_message(l, from->nested_type[i]);
        if (code) return code;
    }
    return 0;
}

static int link_set(struct linking *l, const Kappa__Descriptor__FileSet *files)
{
    struct k_pb_set *set = l->set;
    for (size_t f = 0; f < files->n_file; f++) {
        const File *file = files->file[f];
        if (file->syntax && strcmp(file->syntax, "proto2") != 0 && strcmp(file->syntax, "proto3") != 0)
            return k_fail(l->err, K_E_CONFIG, "%s is written in \"%s\"; proto2 and proto3 are supported",
                          file->name ? file->name : "a file", file->syntax);
        set->enum_count += (uint32_t)file->n_enum_type;
        for (size_t i = 0; i < file->n_message_type; i++) count_types(file->message_type[i], set);
    }
    l->order = k_arena_array(l->arena, struct k_pb_message *, set->message_count);
    set->messages = k_arena_array(l->arena, struct k_pb_message *, set->message_count);
    set->enums = k_arena_array(l->arena, struct k_pb_enum *, set->enum_count);
    for (size_t f = 0; f < files->n_file; f++) {
        const File *file = files->file[f];
        const char *package = file->package ? file->package : "";
        for (size_t i = 0; i < file->n_enum_type; i++) add_enum(l, file->enum_type[i], package);
        for (size_t i = 0; i < file->n_message_type; i++) add_message(l, file->message_type[i], package);
    }
    memcpy(set->messages, l->order, set->message_count * sizeof *set->messages);
    if (set->message_count) qsort(set->messages, set->message_count, sizeof *set->messages, compare_messages);
    if (set->enum_count) qsort(set->enums, set->enum_count, sizeof *set->enums, compare_enums);
    l->messages = 0;
    for (size_t f = 0; f < files->n_file; f++) {
        l->file = files->file[f];
        for (size_t i = 0; i < l->file->n_message_type; i++) {
            int code = link_message(l, l->file->message_type[i]);
            if (code) return code;
        }
    }
    return 0;
}

int k_pb_read(struct k_str bytes, struct k_arena *arena, struct k_pb_set *ret, struct k_error *err)
{
    const char *why = bytes.length ? check_nesting(bytes, 0) : "it is empty";
    Kappa__Descriptor__FileSet *files = NULL;
    if (!why) files = kappa__descriptor__file_set__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    if (!files || files->n_file == 0) {
        if (files) kappa__descriptor__file_set__free_unpacked(files, NULL);
        return k_fail(err, K_E_CONFIG,
                      "it is no descriptor set (%s); make one with  protoc --descriptor_set_out=FILE "
                      "--include_imports YOUR.proto",
                      why ? why : "it holds no file");
    }
    *ret = (struct k_pb_set){0};
    struct linking l = {.arena = arena, .set = ret, .err = err};
    int code = link_set(&l, files);
    kappa__descriptor__file_set__free_unpacked(files, NULL);
    return code;
}

const struct k_pb_field *k_pb_field_named(const struct k_pb_message *message, struct k_str name)
{
    for (uint32_t i = 0; i < message->count; i++)
        if (k_str_equal(k_str_of(message->fields[i].name), name)) return &message->fields[i];
    return NULL;
}

const char *k_pb_enum_name(const struct k_pb_enum *enumeration, int32_t number)
{
    uint32_t low = 0, high = enumeration->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (enumeration->values[middle].number < number) low = middle + 1;
        else high = middle;
    }
    bool found = low < enumeration->count && enumeration->values[low].number == number;
    return found ? enumeration->values[low].name : NULL;
}

bool k_pb_enum_number(const struct k_pb_enum *enumeration, struct k_str name, int32_t *ret)
{
    for (uint32_t i = 0; i < enumeration->count; i++) {
        if (!k_str_equal(k_str_of(enumeration->values[i].name), name)) continue;
        *ret = enumeration->values[i].number;
        return true;
    }
    return false;
}
