// What the parts of the reader share: the tree that a parser makes, the places that the builder notes, and
// the document that holds both. Only proto/ includes this.
//
//   text.c, json.c   bytes → tree: syntax, comments, positions; they know no message type
//   build.c          tree → message: names, types, ranges, by the descriptor; notes the places
//   binary.c         bytes → message: depth, unpack, unknown fields
//   places.c         the places: (message, field, index) → position, spans, notes
//
// Everything lives in the document's arena.
#pragma once
#include "base/utf8.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "proto/codes.h"
#include "proto/document.h"

struct k_spot {
    uint32_t line, column; // as in struct k_pos
};

// A run of a string's bytes, from offset to the next span's: they stand in the file one by one from `at`,
// or, if folded, all came from what starts there (an escape, a parameter).
struct k_span {
    uint32_t offset;
    struct k_spot at;
    bool folded;
};
struct k_spans {
    const struct k_span *items; // in the order of their offsets, the first 0; empty for an empty string
    uint32_t count;
    uint32_t length;   // of the string
    struct k_spot end; // just behind its last byte in the file
};

struct k_comment {
    const char *text; // from the # on, without the newline
    struct k_spot at;
    bool blank_before; // there was an empty line before it
    struct k_comment *next;
};
// The comments of a value: above it, and behind it on its last line.
struct k_notes {
    struct k_comment *above, *behind;
    bool blank_before; // there was an empty line before the field (and after the comments above it)
};

enum k_tree_kind { K_TREE_MESSAGE, K_TREE_LIST, K_TREE_STRING, K_TREE_NUMBER, K_TREE_WORD };

struct k_tree_value {
    enum k_tree_kind kind;
    struct k_spot at;
    struct k_str text;    // STRING: its bytes, escapes resolved; NUMBER, WORD: as written, with any "-"
    struct k_spans spans; // STRING
    struct k_tree_field *fields;  // MESSAGE
    struct k_comment *head;       // the outermost MESSAGE: comments about the file as a whole
    struct k_comment *tail;       // MESSAGE: comments behind its last field
    bool broken;                  // MESSAGE: something in it could not be read
    struct k_tree_value *items;   // LIST
    struct k_tree_value *next;    // in a list
    struct k_notes notes;
};

struct k_tree_field {
    struct k_str name;
    struct k_spot at;
    bool colon; // text: written with a colon, which scalars need
    struct k_tree_value *value;
    struct k_tree_field *next;
};

// Where one value was written. index 0 of an introduced message also has an entry with field 0, index -1
// under the message itself.
struct k_place {
    const void *message;
    uint32_t field; // number; 0: the message itself
    int32_t index;
    struct k_spot name, value;
    struct k_spans spans;
    const struct k_notes *notes;    // NULL: none
    const struct k_comment *tail;   // field 0: comments behind the message's last field
    bool broken;                    // field 0: see k_document_is_broken
};
struct k_places {
    struct k_place *items;
    uint32_t count, capacity;
    uint32_t *slots; // a hash table of item index + 1; a power of two, at most half full
    uint32_t slot_count;
};
// Notes a place; the newest of equal keys is found. The pointer is valid until the next add.
struct k_place *k_places_add(struct k_places *places, struct k_place place);
struct k_place *k_places_find(
    const struct k_places *places, const void *message, uint32_t field, int32_t index);
void k_places_fini(struct k_places *places);

struct k_document {
    struct k_arena arena;
    const char *file;
    enum k_form form;
    bool is_draft; // read with errors
    ProtobufCMessage *message;
    const struct k_comment *head; // comments about the file as a whole
    uint32_t comment_count;
    struct k_places places;
};

// What parsing and building go through: where errors go, and what they are about.
struct k_reading {
    struct k_document *document;
    struct k_str content;
    struct k_diags *diags;
    uint32_t errors; // of this reading
};
void k_reading_error(struct k_reading *reading, struct k_spot at, const char *code, const char *format, ...)
    K_PRINTF(4, 5);

// The whole content as one MESSAGE value. Errors are in the diagnostics; false: there is nothing to build
// from, true: a tree of what could be read.
bool k_text_parse(struct k_reading *reading, struct k_tree_value *ret_tree);
bool k_json_parse(struct k_reading *reading, struct k_tree_value *ret_tree);
// Makes the document's message from the tree; errors are in the diagnostics.
void k_build(struct k_reading *reading, const ProtobufCMessageDescriptor *type, const struct k_tree_value *tree);
// Sets the document's message from binary content. false: it cannot be read.
bool k_binary_parse(struct k_reading *reading, const ProtobufCMessageDescriptor *type);

// Collects the spans of a string while it is read.
struct k_span_maker {
    struct k_arena *arena;
    struct k_span *items;
    uint32_t count, capacity;
};
// The next bytes, from offset on, stand at `at`. Runs that continue each other become one span.
void k_spans_add(struct k_span_maker *maker, uint32_t offset, struct k_spot at, bool folded);
struct k_spans k_spans_done(const struct k_span_maker *maker, size_t length, struct k_spot end);
// Where byte offset stands; start: the place of an empty string.
struct k_spot k_spans_at(const struct k_spans *spans, struct k_spot start, size_t offset);

// A scalar of a tree → *destination, a value of the field in a message's struct; strings go to the arena.
// Wrong ones are reported: `what` says which field it is ("field "name" of node "a""). build.c's other half.
bool k_build_scalar(struct k_reading *reading, const ProtobufCFieldDescriptor *field,
    const struct k_tree_value *value, const char *what, void *destination);
// How many values a field has: 0 or 1 if it is not repeated.
size_t k_field_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
// The address of one of them in the message's struct (of a pointer for strings and messages), and its size.
void *k_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t index);
size_t k_field_size(const ProtobufCFieldDescriptor *field);

// JSON's half of k_print.
void k_print_json(const ProtobufCMessage *message, struct k_buf *out);
