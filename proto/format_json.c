// JSON records: one object a message. Only the fields that the graph reads are decoded.
//
// When is a record well framed? (It is malformed when its framing or a field that is read is.)
// 1. Its strings end and hold no control character (json_index.h says what a string is).
// 2. It is one object and nothing behind it: members with string keys, ':' and ',' in their places, as many levels down
//    as the paths of read fields go through.
// 3. A value that nobody reads is a string; or a run of bytes above ' ' without quotes, backslashes and structure (so
//    NaN passes); or an object or array whose brackets match, and inside which nothing else is looked at.
// 4. Nothing lies more than K_JSON_DEPTH_MAX levels deep.
// UTF-8 is checked in the values that are read. Of members with one key the first counts, the others are not read.
// With validate_full the whole record must be JSON before any of this.
//
// The fields that are read form a tree of keys (struct object), so that paths with a common start are walked once. A
// walk over the tokens of simdjson looks each key up in a small hash table of its level; a string without escapes is
// handed on as a piece of the message. In front of it stands format_json_template.c, which knows what the last record
// looked like; where it is not sure, this file decides.
#include "proto/format_json.h"

#include <stdlib.h>

#include "proto/format_json_template.h"
#include "proto/json_index.h"
#include "proto/json_path.h"
#include "proto/json_plain.h"
#include "proto/json_text.h"

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

static struct k_json_member *member_find(const struct k_json_object *object, struct k_str key, const char *end)
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

struct k_str k_json_token_text(const struct k_json_decoder *json, uint32_t t)
{
    uint32_t begin = json->tokens[t], end = json->tokens[t + 1];
    while (end > begin && k_json_space(json->text.data[end - 1])) end--;
    return (struct k_str){json->text.data + begin, end - begin};
}

static char token_char(const struct k_json_decoder *json, uint32_t t)
{
    return t < json->count ? json->text.data[json->tokens[t]] : 0;
}

static bool bad_frame(struct k_json_decoder *json, uint32_t t, const char *wanted)
{
    char excerpt[K_EXCERPT];
    if (t >= json->count) {
        k_decoder_bad(&json->base, json->row, "json", "the record ends where %s should be", wanted);
        return false;
    }
    uint32_t at = json->tokens[t];
    k_excerpt((struct k_str){json->text.data + at, json->text.length - at}, excerpt);
    k_decoder_bad(&json->base, json->row, "json", "at byte %u, found %s where %s should be", at, excerpt, wanted);
    return false;
}

static bool bad_depth(struct k_json_decoder *json)
{
    k_decoder_bad(&json->base, json->row, "depth", "objects and arrays lie more than %d levels deep",
                  K_JSON_DEPTH_MAX);
    return false;
}

// Moves *t behind the object or array that begins there. level: of the object around it.
static bool skip_nested(struct k_json_decoder *json, uint32_t *t, uint32_t level)
{
    uint32_t depth = level;
    do {
        char c = token_char(json, *t);
        if (c == '{' || c == '[') {
            if (depth == K_JSON_DEPTH_MAX) return bad_depth(json);
            json->closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (json->closing[--depth] != c) return bad_frame(json, *t, "the other closing bracket");
        } else if (*t >= json->count) {
            return bad_frame(json, *t, "a closing bracket");
        }
        (*t)++;
    } while (depth > level);
    return true;
}

// What a scalar that nobody reads may consist of: see rule 3.
static bool unread_scalar(struct k_str token)
{
    for (uint32_t i = 0; i < token.length; i++) {
        uint8_t c = (uint8_t)token.data[i];
        if (c <= ' ' || c == '"' || c == '\\') return false;
    }
    return true;
}

static bool skip_value(struct k_json_decoder *json, uint32_t *t, uint32_t level)
{
    switch (token_char(json, *t)) {
    case '"': (*t)++; return true;
    case '{':
    case '[': return skip_nested(json, t, level);
    case 0:
    case '}':
    case ']':
    case ':':
    case ',': return bad_frame(json, *t, "a value");
    default:
        if (!unread_scalar(k_json_token_text(json, *t))) return bad_frame(json, *t, "a value");
        (*t)++;
        return true;
    }
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

static bool read_object(struct k_json_decoder *json, struct k_json_object *object, uint32_t *t, uint32_t level);

// Moves *t behind the value, which somebody reads. level: of the object around it.
static bool read_value(struct k_json_decoder *json, const struct k_json_member *member, uint32_t *t, uint32_t level)
{
    char c = token_char(json, *t);
    uint32_t begin = *t;
    if (c == 0 || c == '}' || c == ']' || c == ':' || c == ',') return bad_frame(json, *t, "a value");
    struct k_str token;
    if (c == '{' && member->first_slot < 0) {
        return level < K_JSON_DEPTH_MAX ? read_object(json, member->object, t, level + 1) : bad_depth(json);
    } else if (c == '{' || c == '[') {
        if (!skip_nested(json, t, level)) return false;
        uint32_t end = json->tokens[*t - 1] + 1;
        token = (struct k_str){json->text.data + json->tokens[begin], end - json->tokens[begin]};
    } else {
        token = k_json_token_text(json, begin);
        (*t)++;
    }
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

// end: of the record, so that a short key is looked at as 16 bytes, without branches on its length.
static bool has_backslash(struct k_str key, const char *end)
{
#ifdef __SSE2__
    if (key.length <= 16 && end - key.data >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)key.data);
        uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        return found & ((1u << key.length) - 1);
    }
#endif
    return memchr(key.data, '\\', key.length) != NULL;
}

// Escapes in keys are rare, but mean what they mean.
struct k_json_member *k_json_key_find(struct k_json_decoder *json, struct k_json_object *object, struct k_str token)
{
    struct k_str key = {token.data + 1, token.length - 2};
    const char *end = json->text.data + json->text.length;
    struct k_json_member *member = member_find(object, key, end);
    if (member || !has_backslash(key, end)) return member;
    if (k_json_string_read(token, json->base.arena, &key) != NULL) return NULL;
    return member_find(object, key, NULL);
}

// *t stands at the opening brace, and is moved behind the closing one.
static bool read_object(struct k_json_decoder *json, struct k_json_object *object, uint32_t *t, uint32_t level)
{
    uint32_t at = *t + 1;
    if (token_char(json, at) == '}') {
        *t = at + 1;
        return true;
    }
    for (;;) {
        if (token_char(json, at) != '"') return bad_frame(json, at, "a key");
        if (token_char(json, at + 1) != ':') return bad_frame(json, at + 1, "a colon");
        // When all is found, nobody reads what is left: the rest is only framing.
        struct k_json_member *member = NULL;
        if (json->found_count < json->read_count)
            member = k_json_key_find(json, object, k_json_token_text(json, at));
        at += 2;
        if (member && member->seen != json->stamp) {
            member->seen = json->stamp;
            if (!read_value(json, member, &at, level)) return false;
        } else if (!skip_value(json, &at, level)) {
            return false;
        }
        char c = token_char(json, at);
        if (c == '}') break;
        if (c != ',') return bad_frame(json, at, "a comma or a closing brace");
        at++;
    }
    *t = at + 1;
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

static bool check_whole(struct k_json_decoder *json)
{
    const char *why = k_json_check(json->text);
    if (!why) return true;
    char excerpt[K_EXCERPT];
    k_decoder_bad(&json->base, json->row, why, "the record is not valid JSON: %s", k_excerpt(json->text, excerpt));
    return false;
}

static void read_full(struct k_json_decoder *json)
{
    json->stamp++;
    json->found_count = 0;
    if (k_has_registry_frame(json->text)) {
        k_decoder_bad_registry(&json->base, json->row, json->text, "plain JSON");
        return;
    }
    if (json->validate_full && !check_whole(json)) return;
    const char *why = k_json_index_read(json->index, json->text.data, json->text.length, &json->tokens, &json->count);
    if (why) {
        char excerpt[K_EXCERPT];
        k_decoder_bad(&json->base, json->row, "json", "the record is no JSON object, %s: %s", why,
                      k_excerpt(json->text, excerpt));
        return;
    }
    uint32_t t = 0;
    if (token_char(json, 0) != '{') {
        bad_frame(json, 0, "an object");
        return;
    }
    if (!read_object(json, json->root, &t, 1)) return;
    if (t < json->count) {
        bad_frame(json, t, "the end of the record");
        return;
    }
    if (json->found_count < json->read_count) k_json_fill_missing(json);
}

static void json_row(struct k_decoder *decoder, const struct k_message *message, uint32_t row)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    json->text = message->value.data ? message->value : *no_text;
    json->row = row;
    if (json->shapes && k_json_template_row(json->shapes, json)) return;
    uint32_t bad_count = decoder->bad_count;
    read_full(json);
    if (json->shapes && decoder->bad_count == bad_count) k_json_template_learn(json->shapes, json);
}

void k_json_full_only(struct k_decoder *decoder)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    k_json_template_destroy(json->shapes);
    json->shapes = NULL;
}

static void json_destroy(struct k_decoder *decoder)
{
    struct k_json_decoder *json = (struct k_json_decoder *)decoder;
    object_destroy(json->root);
    k_json_index_destroy(json->index);
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
    bool only = json->next_slot[i] < 0 && field->type == K_INT64;
    member->integer = only ? &json->base.slots[i] : NULL;
}

static const struct k_format json_format = {.name = "json", .row = json_row, .destroy = json_destroy};

int k_decoder_json(const struct k_decoder_options *options, struct k_decoder **ret, struct k_error *err)
{
    struct k_json_index *index = k_json_index_create();
    if (!index) return k_fail(err, K_E_UNAVAILABLE, "reading JSON needs a processor with SSE4.2, NEON or VSX");
    struct k_json_decoder *json = k_new(struct k_json_decoder);
    k_decoder_init(&json->base, &json_format, options);
    json->index = index;
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
