// Protobuf records, column by column: each one walks its own way from the record to the field, every time anew.
//
// Types come from the descriptor set, as protobuf-c reads it; what they mean is found here once more. The file's name
// is taken as it is, not from where the graph lies. A message that comes in pieces is read as if these were one:
// protobuf merges by appending.
#include <stdio.h>
#include <stdlib.h>

#include "proto/descriptor.pb-c.h"
#include "tests/reference/decode.h"

typedef Kappa__Descriptor__Field Field;
typedef Kappa__Descriptor__Message Message;

enum { VARINT, BITS64, BYTES, GROUP, GROUP_END, BITS32, GROUPS_MAX = 100, SECONDS = 1, NANOS = 2, REQUIRED = 2 };
#define ALL UINT32_MAX
// Of fields, by their number in descriptor.proto.
enum {
    DOUBLE = 1,
    FLOAT,
    INT64,
    UINT64,
    INT32,
    FIXED64,
    FIXED32,
    BOOL,
    STRING,
    OF_GROUP,
    MESSAGE,
    OF_BYTES,
    UINT32,
    ENUM,
    SFIXED32,
    SFIXED64,
    SINT32,
    SINT64
};

struct step {
    const Message *message;
    const Field *field;
    bool proto3;
    const Kappa__Descriptor__Enum *choices;
};
struct protobuf {
    Kappa__Descriptor__FileSet *set;
    struct step **ways;  // per column, path_lengths of them
    bool *instant;       // per column: its field is a google.protobuf.Timestamp
    struct step time[2]; // seconds and nanos of that
};

// --- types --------------------------------------------------------------------------------------------------------

static const Message *message_in(Message *const *messages, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(messages[i]->name);
        if (strncmp(messages[i]->name, name, length) != 0) continue;
        if (!name[length]) return messages[i];
        if (name[length] != '.') continue;
        const Message *inner = message_in(messages[i]->nested_type, messages[i]->n_nested_type, name + length + 1);
        if (inner) return inner;
    }
    return NULL;
}

// The rest of a full name behind the file's package; NULL: it is of another.
static const char *behind_package(const Kappa__Descriptor__File *file, const char *name)
{
    size_t length = file->package ? strlen(file->package) : 0;
    if (length == 0) return name;
    return strncmp(name, file->package, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

static const Message *find_message(const Kappa__Descriptor__FileSet *set, const char *name, bool *ret_proto3)
{
    for (size_t f = 0; f < set->n_file; f++) {
        const char *rest = behind_package(set->file[f], name);
        const Message *found =
            rest ? message_in(set->file[f]->message_type, set->file[f]->n_message_type, rest) : NULL;
        *ret_proto3 = set->file[f]->syntax && strcmp(set->file[f]->syntax, "proto3") == 0;
        if (found) return found;
    }
    return NULL;
}

static const Kappa__Descriptor__Enum *find_enum(const Kappa__Descriptor__FileSet *set, const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *own = dot ? dot + 1 : name;
    for (size_t f = 0; f < set->n_file; f++) {
        const Kappa__Descriptor__File *file = set->file[f];
        const char *rest = behind_package(file, name);
        for (size_t i = 0; rest && rest == own && i < file->n_enum_type; i++)
            if (strcmp(file->enum_type[i]->name, own) == 0) return file->enum_type[i];
    }
    if (!dot) return NULL;
    char around[512];
    bool proto3;
    snprintf(around, sizeof around, "%.*s", (int)(dot - name), name);
    const Message *message = find_message(set, around, &proto3);
    for (size_t i = 0; message && i < message->n_enum_type; i++)
        if (strcmp(message->enum_type[i]->name, own) == 0) return message->enum_type[i];
    return NULL;
}

static const char *bare_name(const Field *field)
{
    return field->type_name + (field->type_name[0] == '.');
}

static int resolve(struct decoder *decoder, struct protobuf *pb, uint32_t column, const Message *message, bool proto3,
                   struct k_error *err)
{
    uint32_t length = decoder->path_lengths[column];
    for (uint32_t i = 0; i < length; i++) {
        struct step *step = &pb->ways[column][i];
        *step = (struct step){.message = message, .proto3 = proto3};
        for (size_t f = 0; message && f < message->n_field; f++)
            if (k_str_equal(decoder->paths[column][i], k_str_of(message->field[f]->name)))
                step->field = message->field[f];
        if (!step->field) return k_fail(err, K_E_CONFIG, "no field \"%s\"", decoder->paths[column][i].data);
        message = step->field->type == MESSAGE ? find_message(pb->set, bare_name(step->field), &proto3) : NULL;
        if (step->field->type == ENUM) step->choices = find_enum(pb->set, bare_name(step->field));
    }
    pb->instant[column] = message != NULL;
    for (size_t f = 0; message && f < message->n_field; f++)
        if (message->field[f]->number == SECONDS || message->field[f]->number == NANOS)
            pb->time[message->field[f]->number - 1] = (struct step){message, message->field[f], true, NULL};
    return 0;
}

static int read_file(const char *path, struct k_buf *ret, struct k_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return k_fail(err, K_E_CONFIG, "cannot read %s", path);
    for (size_t n = 1; n > 0;) {
        n = fread(k_buf_reserve(ret, 65536), 1, 65536, file);
        ret->length += n;
    }
    fclose(file);
    return 0;
}

int create_protobuf(struct k_arena *arena, struct decoder *decoder, struct k_error *err)
{
    const Kappa__V1__Source__Format__Protobuf *format = decoder->options.format->protobuf;
    uint32_t count = decoder->options.count;
    struct protobuf *pb = decoder->protobuf = k_arena_zeroed(arena, sizeof *pb);
    struct k_buf bytes = {0};
    bool proto3;
    int code = read_file(format->descriptor_set, &bytes, err);
    if (!code) pb->set = kappa__descriptor__file_set__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    k_buf_fini(&bytes);
    if (code) return code;
    const Message *root = pb->set ? find_message(pb->set, format->message, &proto3) : NULL;
    if (!root) return k_fail(err, K_E_CONFIG, "%s has no message %s", format->descriptor_set, format->message);
    decoder->unit = format->timestamp_unit;
    pb->ways = k_arena_zeroed(arena, count * sizeof *pb->ways);
    pb->instant = k_arena_zeroed(arena, count * sizeof *pb->instant);
    for (uint32_t i = 0; i < count && !code; i++) {
        pb->ways[i] = k_arena_zeroed(arena, (decoder->path_lengths[i] + 1) * sizeof *pb->ways[i]);
        code = resolve(decoder, pb, i, root, proto3, err);
    }
    return code;
}

void destroy_protobuf(struct decoder *decoder)
{
    if (decoder->protobuf && decoder->protobuf->set)
        kappa__descriptor__file_set__free_unpacked(decoder->protobuf->set, NULL);
}

// --- the wire -----------------------------------------------------------------------------------------------------

struct piece {
    uint32_t number, kind;
    uint64_t value;
    struct k_str bytes;
};

static bool varint(struct k_str *rest, uint64_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < 10 && i < rest->length; i++) {
        uint64_t digit = (uint8_t)rest->data[i] & 127;
        if (i * 7 < 64) *ret |= digit << (i * 7);
        if ((uint8_t)rest->data[i] & 128) continue;
        *rest = (struct k_str){rest->data + i + 1, rest->length - i - 1};
        return true;
    }
    return false;
}

static bool take_bytes(struct k_str *rest, uint64_t length, struct k_str *ret)
{
    if (length > rest->length) return false;
    *ret = (struct k_str){rest->data, (uint32_t)length};
    *rest = (struct k_str){rest->data + length, rest->length - (uint32_t)length};
    return true;
}

// The next field, whose bytes are gone from *rest. false: the rest is none. depth: groups around it.
static bool next_piece(struct k_str *rest, uint32_t depth, struct piece *ret)
{
    uint64_t tag, length;
    struct piece inner;
    if (!varint(rest, &tag) || tag > UINT32_MAX || tag < 8) return false;
    *ret = (struct piece){.number = (uint32_t)(tag / 8), .kind = tag % 8};
    switch (ret->kind) {
    case VARINT: return varint(rest, &ret->value);
    case BYTES: return varint(rest, &length) && take_bytes(rest, length, &ret->bytes);
    case BITS64:
    case BITS32:
        if (!take_bytes(rest, ret->kind == BITS64 ? 8 : 4, &ret->bytes)) return false;
        for (uint32_t i = 0; i < ret->bytes.length; i++)
            ret->value |= (uint64_t)(uint8_t)ret->bytes.data[i] << (8 * i);
        return true;
    case GROUP:
        if (depth == GROUPS_MAX) return false;
        while (next_piece(rest, depth + 1, &inner))
            if (inner.kind == GROUP_END) return inner.number == ret->number;
        return false;
    case GROUP_END: return depth > 0;
    default: return false;
    }
}

static uint32_t kind_of(const Field *field)
{
    switch (field->type) {
    case DOUBLE:
    case FIXED64:
    case SFIXED64: return BITS64;
    case FLOAT:
    case FIXED32:
    case SFIXED32: return BITS32;
    case STRING:
    case MESSAGE:
    case OF_BYTES: return BYTES;
    case OF_GROUP: return GROUP;
    default: return VARINT;
    }
}

// Whether bytes are a message of which all that is read can be: the one that the first `depth` steps of column `like`
// lead to. only: the column that is read; ALL: each that anybody reads.
static const char *check(const struct decoder *decoder, struct k_str bytes, uint32_t like, uint32_t depth,
                         uint32_t only)
{
    const struct protobuf *pb = decoder->protobuf;
    struct piece piece;
    while (bytes.length) {
        if (!next_piece(&bytes, 0, &piece)) return "protobuf";
        const Field *field = NULL;
        uint32_t inside = ALL; // a column further inside
        for (uint32_t i = 0; i < decoder->options.count; i++) {
            uint32_t length = decoder->path_lengths[i], same = 0;
            if (only == ALL ? !decoder->options.read[i] : i != only) continue;
            while (same < depth && same < length && pb->ways[i][same].field == pb->ways[like][same].field) same++;
            if (same < depth) continue;
            const Field *next = same < length ? pb->ways[i][same].field : NULL;
            if (!next && pb->instant[i] && piece.number <= NANOS) next = pb->time[piece.number - 1].field;
            if (!next || next->number != (int32_t)piece.number) continue;
            field = next;
            if (next->type == MESSAGE) inside = i;
        }
        if (!field) continue;
        if (piece.kind != kind_of(field)) return "type";
        const char *why = inside != ALL ? check(decoder, piece.bytes, inside, depth + 1, only) : NULL;
        if (why) return why;
    }
    return NULL;
}

// What a message says of a field in the end. false: nothing.
static bool gather(const struct step *step, struct k_str bytes, struct k_arena *arena, struct piece *ret)
{
    const Field *field = step->field;
    bool found = false;
    struct piece piece;
    *ret = (struct piece){.bytes = K_STR("")};
    while (bytes.length && next_piece(&bytes, 0, &piece)) {
        const Field *met = NULL;
        for (size_t i = 0; i < step->message->n_field; i++)
            if (step->message->field[i]->number == (int32_t)piece.number) met = step->message->field[i];
        if (!met || piece.kind != kind_of(met)) continue;
        if (met != field) {
            if (!met->has_oneof_index || !field->has_oneof_index || met->oneof_index != field->oneof_index) continue;
            found = false; // another member of the same oneof
            *ret = (struct piece){.bytes = K_STR("")};
            continue;
        }
        struct k_str before = field->type == MESSAGE ? ret->bytes : K_STR("");
        char *all = k_arena_get(arena, (size_t)before.length + piece.bytes.length + 1);
        memcpy(all, before.data, before.length);
        if (piece.bytes.length) memcpy(all + before.length, piece.bytes.data, piece.bytes.length);
        piece.bytes = (struct k_str){all, before.length + piece.bytes.length};
        *ret = piece;
        found = true;
    }
    return found;
}

// --- values -------------------------------------------------------------------------------------------------------

static const char *to_integer(const Field *field, uint64_t value, int64_t *ret)
{
    uint64_t narrow = value & UINT32_MAX;
    switch (field->type) {
    case INT32:
    case ENUM:
    case SFIXED32: *ret = narrow >> 31 ? (int64_t)narrow - (INT64_C(1) << 32) : (int64_t)narrow; return NULL;
    case UINT32:
    case FIXED32: *ret = (int64_t)narrow; return NULL;
    case SINT32: *ret = narrow & 1 ? -(int64_t)(narrow / 2) - 1 : (int64_t)(narrow / 2); return NULL;
    case SINT64: *ret = value & 1 ? -(int64_t)(value / 2) - 1 : (int64_t)(value / 2); return NULL;
    case UINT64:
    case FIXED64: *ret = (int64_t)value; return value >> 63 ? "range" : NULL;
    default: *ret = (int64_t)value; return NULL;
    }
}

static const char *to_instant(const struct decoder *decoder, struct k_str bytes, struct k_arena *arena, int64_t *ret)
{
    struct piece seconds, nanos;
    (void)gather(&decoder->protobuf->time[0], bytes, arena, &seconds);
    (void)gather(&decoder->protobuf->time[1], bytes, arena, &nanos);
    uint32_t fraction = (uint32_t)nanos.value;
    bool over = __builtin_mul_overflow((int64_t)seconds.value, INT64_C(1000000), ret) ||
                __builtin_add_overflow(*ret, (int64_t)fraction / 1000, ret);
    return over || fraction > 999999999 ? "range" : NULL;
}

static const char *to_value(const struct decoder *decoder, uint32_t column, const struct piece *piece,
                            struct k_arena *arena, struct value *ret)
{
    const struct step *step = &decoder->protobuf->ways[column][decoder->path_lengths[column] - 1];
    const char *why;
    float narrow;
    uint32_t bits = (uint32_t)piece->value;
    ret->null = false;
    switch (ret->type) {
    case TYPE_BOOL: ret->b = piece->value != 0; return NULL;
    case TYPE_INT64: return to_integer(step->field, piece->value, &ret->i);
    case TYPE_DOUBLE:
        memcpy(&narrow, &bits, sizeof narrow);
        memcpy(&ret->d, &piece->value, sizeof ret->d);
        if (step->field->type == FLOAT) ret->d = (double)narrow;
        return NULL;
    case TYPE_TIMESTAMP:
        if (step->field->type == MESSAGE) return to_instant(decoder, piece->bytes, arena, &ret->i);
        why = to_integer(step->field, piece->value, &ret->i);
        return why ? why : integer_to_time(ret->i, decoder->unit, &ret->i);
    default: break;
    }
    ret->s = piece->bytes;
    if (step->field->type != ENUM) return ret->type == TYPE_STRING && !utf8_valid(ret->s) ? "utf8" : NULL;
    for (size_t i = 0; i < step->choices->n_value; i++)
        if (step->choices->value[i]->number == (int32_t)bits) {
            ret->s = k_str_of(step->choices->value[i]->name);
            return NULL;
        }
    return "range";
}

// Whether an absent field is NULL and not the zero of its type.
static bool can_be_absent(const struct step *step)
{
    return !step->proto3 || step->field->has_oneof_index || step->field->type == MESSAGE;
}

static const char *take_column(const struct decoder *decoder, uint32_t column, struct k_str bytes,
                               struct k_arena *arena, struct value *ret)
{
    uint32_t length = decoder->path_lengths[column];
    for (uint32_t i = 0; i < length; i++) {
        const struct step *step = &decoder->protobuf->ways[column][i];
        struct piece piece;
        bool last = i + 1 == length;
        if (!gather(step, bytes, arena, &piece)) {
            if (step->field->label == REQUIRED) return "missing";
            if (last && !can_be_absent(step)) return to_value(decoder, column, &piece, arena, ret);
            return decoder->options.columns[column].not_null ? "missing" : NULL;
        }
        if (last) return to_value(decoder, column, &piece, arena, ret);
        bytes = piece.bytes;
    }
    return NULL;
}

// A record in which a field is malformed, read field by field. false: it stays malformed.
static bool mend(const struct decoder *decoder, struct k_str value, struct k_arena *arena, struct value *columns)
{
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        const struct column *column = &decoder->options.columns[i];
        columns[i] = value_null(column->type);
        if (!decoder->options.read[i]) continue;
        const char *why = check(decoder, value, i, 0, i);
        if (why && strcmp(why, "protobuf") == 0) return false;
        if (!why) why = take_column(decoder, i, value, arena, &columns[i]);
        if (why && column->not_null) return false;
        if (why) columns[i] = value_null(column->type);
    }
    return true;
}

const char *decode_protobuf(const struct decoder *decoder, struct k_str value, bool lenient, struct k_arena *arena,
                            struct value *columns)
{
    if (value.length >= 5 && value.data[0] == 0) return "registry";
    const char *why = check(decoder, value, 0, 0, ALL);
    for (uint32_t i = 0; i < decoder->options.count; i++) {
        columns[i] = value_null(decoder->options.columns[i].type);
        if (!why && decoder->options.read[i]) why = take_column(decoder, i, value, arena, &columns[i]);
    }
    return why && lenient && mend(decoder, value, arena, columns) ? NULL : why;
}

bool cut_lengths(struct k_str value, uint32_t *at, struct k_str *ret_record, const char **ret_why)
{
    struct k_str rest = {value.data + *at, value.length - *at};
    uint64_t length;
    *ret_why = NULL;
    if (!rest.length) return false;
    *ret_record = rest;
    if (!varint(&rest, &length) || !take_bytes(&rest, length, ret_record)) {
        *ret_why = "packed";
        rest.length = 0;
    }
    *at = value.length - rest.length;
    return true;
}
