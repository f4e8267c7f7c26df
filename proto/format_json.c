// JSON records: one object a message. Only the fields that the graph reads are decoded.
//
// When is a record well framed? (It is malformed when its framing or a field that is read is.)
// 1. Its strings end and hold no control character (json_quotes.h says what a string is).
// 2. It is one object and nothing behind it: members with string keys, ':' and ',' in their places, as many levels down
//    as the paths of read fields go through.
// 3. A value that nobody reads is a string; or a run of bytes above ' ' without quotes, backslashes and structure (so
//    NaN passes); or an object or array whose brackets match, and inside which nothing else is looked at.
// 4. Nothing lies more than K_JSON_DEPTH_MAX levels deep.
// UTF-8 is checked in the values that are read. Of members with one key the first counts, the others are not read.
// With validate_full the whole record must be JSON before any of this.
//
// The fields that are read form a tree of keys (struct k_json_object), so that paths with a common start are walked
// once. The walk goes from string to string (json_place.h) and looks each key up in a small hash table of its level; a
// string without escapes is handed on as a piece of the message. In front of it stands format_json_template.c, which
// knows what the last record looked like; where it is not sure, this file decides.
#include "proto/format_json.h"

#include <stdlib.h>

#include "proto/format_json_template.h"
#include "proto/json_path.h"
#include "proto/json_plain.h"
#include "proto/json_text.h"

// The look-up of a key is inlined, because whether somebody reads it is hard to foresee, and should be found out once.
#define INLINE static inline __attribute__((always_inline))

static const struct k_str *const no_text = &(struct k_str){"", 0};

static uint8_t key_hash(struct k_str key)
{
    if (key.length == 0) return 0;
    uint32_t first = (uint8_t)key.data[0], middle = (uint8_t)key.data[key.length / 2],
             last = (uint8_t)key.data[key.length - 1];
    return (uint8_t)((key.length * 0x9E3779B1u + first * 0x85EBCA77u + middle * 0xC2B2AE3Du + last * 0x27D4EB2Fu) >>
                     24);
}

// end: of the record that the key stands in, so that a short one is compared as 16 bytes, without branches on its
// length; or NULL.
static inline bool is_key(const struct k_json_member *member, struct k_str key, const char *end)
{
#ifdef __SSE2__
    if (end && key.length <= 16 && end - key.data >= 16) {
        uint32_t bits = (1u << key.length) - 1;
        return member->key.length == key.length && (k_equal16(member->begin, key.data) & bits) == bits;
    }
#endif
    return k_str_equal(member->key, key);
}

INLINE struct k_json_member *member_find(const struct k_json_object *object, struct k_str key, const char *end)
{
    struct k_json_member *member = object->table[key_hash(key)];
    while (member && !is_key(member, key, end)) member = member->next_of_hash;
    return member;
}

static struct k_json_member *member_make(struct k_json_object *object, struct k_str key)
{
    struct k_json_member *member = member_find(object, key, NULL);
    if (member) return member;
    member = k_new(struct k_json_member);
    member->key = (struct k_str){k_strndup(key.data, key.length), key.length};
    memcpy(member->begin, member->key.data, key.length < sizeof member->begin ? key.length : sizeof member->begin);
    member->first_slot = -1;
    struct k_json_member **bucket = &object->table[key_hash(key)];
    member->next_of_hash = *bucket;
    *bucket = member;
    return member;
}

static void object_destroy(struct k_json_object *object)
{
    if (!object) return;
    for (size_t i = 0; i < K_JSON_BUCKETS; i++) {
        for (struct k_json_member *member = object->table[i], *next; member; member = next) {
            next = member->next_of_hash;
            object_destroy(member->object);
            free((char *)member->key.data);
            free(member);
        }
    }
    free(object);
}

static struct k_str record_text(const struct k_json_decoder *json)
{
    return (struct k_str){json->text->begin, (uint32_t)(json->text->end - json->text->begin)};
}

static bool bad_frame(struct k_json_decoder *json, const struct k_json_place *place, const char *wanted)
{
    char excerpt[K_EXCERPT];
    struct k_str rest = {place->at, (uint32_t)(json->text->end - place->at)};
    if (wanted == k_json_too_deep) {
        k_decoder_bad(&json->base, json->row, "depth", "objects and arrays lie more than %d levels deep",
                      K_JSON_DEPTH_MAX);
    } else if (rest.length == 0) {
        k_decoder_bad(&json->base, json->row, "json", "the record ends where %s should be", wanted);
    } else {
        k_decoder_bad(&json->base, json->row, "json", "at byte %u, found %s where %s should be",
                      (uint32_t)(place->at - json->text->begin), k_excerpt(rest, excerpt), wanted);
    }
    return false;
}

static void bad_value(struct k_json_decoder *json, const struct k_slot *slot, struct k_str token, const char *why)
{
    char excerpt[K_EXCERPT];
    const char *path = slot->field->json_path;
    k_decoder_bad(&json->base, json->row, why, "field \"%s\"%s%s: found %s, %s, wanted %s%s", slot->field->name,
                  path ? " at " : "", path ? path : "", k_excerpt(token, excerpt), k_json_what(token),
                  k_type_name(slot->field->type), strcmp(why, "range") == 0 ? " in its range" : "");
}

bool k_json_read_slots_(struct k_json_decoder *json, const struct k_json_member *member, struct k_str token)
{
    bool null = token.length == 4 && memcmp(token.data, "null", 4) == 0;
    for (int32_t i = member->first_slot; i >= 0; i = json->next_slot[i]) {
        struct k_slot *slot = &json->base.slots[i];
        json->found[i] = json->stamp;
        json->found_count++;
        if (null) {
            if (slot->field->not_null) {
                k_decoder_bad(&json->base, json->row, "missing", "field \"%s\" is null", slot->field->name);
                return false;
            }
            k_slot_null(&json->base, slot, json->row);
            continue;
        }
        const char *why = k_scalar_json(token, slot->field->type, json->base.timestamp_unit, json->base.arena,
                                        k_slot_cell(slot, json->row));
        if (why) {
            bad_value(json, slot, token, why);
            return false;
        }
    }
    return true;
}

static bool read_object(struct k_json_decoder *json, struct k_json_object *object, struct k_json_place *place,
                        uint32_t level);

// Does a scalar that is no string end here? With a quote, a backslash or a control character behind it, it is none.
static bool scalar_ends(const struct k_json_text *text, const struct k_json_place *place)
{
    if (place->at == text->end) return true;
    switch (*place->at) {
    case ',':
    case ':':
    case '{':
    case '}':
    case '[':
    case ']': return true;
    default: return k_json_space(*place->at);
    }
}

// Moves behind the value, which somebody reads. level: of the object around it.
static bool read_value(struct k_json_decoder *json, const struct k_json_member *member, struct k_json_place *place,
                       uint32_t level)
{
    struct k_json_place begin = *place;
    char c = k_json_here(json->text, place);
    if (c == '{' && member->first_slot < 0) {
        return level < K_JSON_DEPTH_MAX ? read_object(json, member->object, place, level + 1)
                                        : bad_frame(json, place, k_json_too_deep);
    }
    const char *wanted = k_json_pass_value(json->text, place, level);
    if (wanted) return bad_frame(json, place, wanted);
    bool scalar = c != '"' && c != '{' && c != '[' && member->first_slot >= 0;
    if (scalar && !scalar_ends(json->text, place)) return bad_frame(json, &begin, "a value");
    struct k_str token = {begin.at, (uint32_t)(place->at - begin.at)};
    if (!k_json_read_slots(json, member, token)) return false;
    if (!member->object) return true;
    if (c == '{') return read_object(json, member->object, &begin, level + 1);
    if (token.length == 4 && memcmp(token.data, "null", 4) == 0) return true; // what lies below is NULL too
    char excerpt[K_EXCERPT];
    k_decoder_bad(&json->base, json->row, "type",
                  "key \"%s\": found %s, %s, wanted an object with the fields below it", member->key.data,
                  k_excerpt(token, excerpt), k_json_what(token));
    return false;
}

// Escapes in keys are rare, but mean what they mean.
static __attribute__((noinline)) struct k_json_member *escaped_key_find(struct k_json_decoder *json,
                                                                        struct k_json_object *object,
                                                                        struct k_str token)
{
    struct k_str key;
    if (!memchr(token.data, '\\', token.length)) return NULL;
    if (k_json_string_read(token, json->base.arena, &key) != NULL) return NULL;
    return member_find(object, key, NULL);
}

INLINE struct k_json_member *key_find(struct k_json_decoder *json, struct k_json_object *object, struct k_str token)
{
    struct k_str key = {token.data + 1, token.length - 2};
    struct k_json_member *member = member_find(object, key, json->text->end);
    if (member || __builtin_expect(!json->text->quotes.escapes, 1)) return member;
    return escaped_key_find(json, object, token);
}

struct k_json_member *k_json_key_find(struct k_json_decoder *json, struct k_json_object *object, struct k_str token)
{
    return key_find(json, object, token);
}

// Moves from the opening brace behind the closing one.
static bool read_object(struct k_json_decoder *json, struct k_json_object *object, struct k_json_place *place,
                        uint32_t level)
{
    struct k_json_text *text = json->text;
    place->at++;
    char c = k_json_pass_space(text, place);
    for (bool first = true; c != '}' || !first; first = false) {
        struct k_str key = {place->at, 0};
        if (c != '"') return bad_frame(json, place, "a key");
        k_json_pass_string(text, place);
        key.length = (uint32_t)(place->at - key.data);
        if (k_json_pass_space(text, place) != ':') return bad_frame(json, place, "a colon");
        place->at++;
        k_json_pass_space(text, place);
        // When all is found, nobody reads what is left: the rest is only framing.
        struct k_json_member *member = NULL;
        if (json->found_count < json->read_count) member = key_find(json, object, key);
        if (member && member->seen != json->stamp) {
            member->seen = json->stamp;
            if (!read_value(json, member, place, level)) return false;
        } else {
            const char *wanted = k_json_pass_value(text, place, level);
            if (wanted) return bad_frame(json, place, wanted);
        }
        c = k_json_pass_space(text, place);
        if (c == '}') break;
        if (c != ',') return bad_frame(json, place, "a comma or a closing brace");
        place->at++;
        c = k_json_pass_space(text, place);
    }
    place->at++;
    return true;
}

bool k_json_fill_missing(struct k_json_decoder *json)
{
    for (uint32_t i = 0; i < json->base.schema->count; i++) {
        struct k_slot *slot = &json->base.slots[i];
        if (!slot->read || json->found[i] == json->stamp) continue;
        if (slot->field->not_null) {
            const char *path = slot->field->json_path;
            k_decoder_bad(&json->base, json->row, "missing", "field \"%s\"%s%s is missing", slot->field->name,
                          path ? " at " : "", path ? path : "");
            return false;
        }
        k_slot_null(&json->base, slot, json->row);
    }
    return true;
}

static void read_full(struct k_json_decoder *json)
{
    json->stamp++;
    json->found_count = 0;
    struct k_str record = record_text(json);
    if (k_has_registry_frame(record)) {
        k_decoder_bad_registry(&json->base, json->row, record, "plain JSON");
        return;
    }
    const char *why = json->validate_full ? k_json_check(record) : NULL;
    char excerpt[K_EXCERPT];
    if (why) {
        k_decoder_bad(&json->base, json->row, why, "the record is not valid JSON: %s", k_excerpt(record, excerpt));
        return;
    }
    const char *broken = k_json_text_broken(json->text);
    if (broken) {
        k_decoder_bad(&json->base, json->row, "json", "the record is no JSON object, %s: %s", broken,
                      k_excerpt(record, excerpt));
        return;
    }
    struct k_json_place place = {record.data, json->text->quotes.at};
    if (k_json_pass_space(json->text, &place) != '{') {
        bad_frame(json, &place, "an object");
        return;
    }
    if (!read_object(json, json->root, &place, 1)) return;
    k_json_pass_space(json->text, &place);
    if (place.at < json->text->end) {
        bad_frame(json, &place, "the end of the record");
        return;
    }
    if (json->found_count < json->read_count) k_json_fill_missing(json);
}

static void begin_text(struct k_json_text *text, const struct k_message *message)
{
    k_json_text_begin(text, message->value.data ? message->value : *no_text);
}

static void read_row(struct k_json_decoder *json)
{
    if (json->shapes && k_json_template_row(json->shapes, json)) return;
    uint32_t bad_count = json->base.bad_count;
    read_full(json);
    if (json->shapes && json->base.bad_count == bad_count) k_json_template_learn(json->shapes, json);
}

static void json_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    json->text = &json->texts[0];
    json->row = row;
    begin_text(json->text, message);
    read_row(json);
}

static void json_pair(struct k_decoder *decoder, const struct k_message *const *messages, uint32_t row)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    for (uint32_t i = 0; i < 2; i++) begin_text(&json->texts[i], messages[i]);
    uint32_t known = json->shapes ? k_json_template_pair(json->shapes, json) : 0;
    if (!(known & 1)) known = 0; // what is learned from the first one may take the place of the second one's shape
    for (uint32_t i = 0; i < 2; i++) {
        json->text = &json->texts[i];
        json->row = row + i;
        if (known >> i & 1) k_json_template_read(json->shapes, json);
        else read_row(json);
    }
}

void k_json_full_only(struct k_decoder *decoder)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    k_json_template_destroy(json->shapes);
    json->shapes = NULL;
}

void k_json_plain_only(struct k_decoder *decoder)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    for (uint32_t i = 0; i < 2 * K_JSON_KERNELS; i++)
        (void)k_json_quotes_use(&json->texts[i % 2].quotes, i / 2); // the last one is the plain one
    k_json_template_plain(json->shapes);
}

static void json_destroy(struct k_decoder *decoder)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    object_destroy(json->root);
    for (int i = 0; i < 2; i++) k_json_quotes_fini(&json->texts[i].quotes);
    k_json_template_destroy(json->shapes);
    free(json->next_slot);
    free(json->found);
    k_decoder_fini(decoder);
    free(json);
}

// Puts column i into the tree, at the end of its path.
static void plant(struct k_json_decoder *json, uint32_t i)
{
    const struct k_field *field = json->base.slots[i].field;
    struct k_json_member *member;
    if (!field->json_path) {
        member = member_make(json->root, k_str_of(field->name));
    } else {
        struct k_str path = k_str_of(field->json_path), key;
        char *scratch = k_alloc(path.length + 1);
        size_t at = 0;
        const char *why = NULL;
        struct k_json_object *object = json->root;
        member = NULL;
        while (k_path_next(path, &at, scratch, &key, &why)) {
            if (member && !member->object) member->object = k_new(struct k_json_object);
            if (member) object = member->object;
            member = member_make(object, key);
        }
        K_ASSERT(member && !why); // k_field_parse let it through
        free(scratch);
    }
    json->next_slot[i] = member->first_slot;
    member->first_slot = (int32_t)i;
    struct k_slot *only = json->next_slot[i] < 0 ? &json->base.slots[i] : NULL;
    member->integer = field->type == K_INT64 ? only : NULL;
    member->json = field->type == K_JSON ? only : NULL;
}

static const struct k_format json_format = {
    .name = "json", .row = json_row, .pair = json_pair, .destroy = json_destroy};

int k_decoder_json(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    (void)err; // nothing can be wrong with a JSON source
    struct k_json_decoder *json = k_new(struct k_json_decoder);
    k_decoder_init(&json->base, &json_format, options);
    for (int i = 0; i < 2; i++) k_json_quotes_init(&json->texts[i].quotes);
    json->root = k_new(struct k_json_object);
    json->validate_full = options->validate_full;
    // A template does not look at what nobody reads.
    json->shapes = options->validate_full ? NULL : k_json_template_create();
    uint32_t columns = options->schema->count;
    json->next_slot = k_new_array(int32_t, columns);
    json->found = k_new_array(uint64_t, columns);
    for (uint32_t i = columns; i-- > 0;) {
        if (!json->base.slots[i].read) continue;
        plant(json, i);
        json->read_count++;
    }
    *ret = &json->base;
    return 0;
}
