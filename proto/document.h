// A document: a protobuf message of any type that a person or program wrote as text, JSON or binary, and
// where each part of it stands in the file. One reader over descriptors serves every message type; graphs
// use it through proto/graph.h.
#pragma once
#include "base/diag.h"
#include "base/error.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

enum k_form { K_FORM_AUTO, K_FORM_TEXT, K_FORM_JSON, K_FORM_BINARY };

enum { K_DEPTH_MAX = 100 }; // messages (in JSON also lists) inside each other, the outermost counted

struct k_document;

// The form that a file has by the ending of its name (.textproto .txtpb .pbtxt .prototxt .json .binpb .pb
// .bin), else by its content. Never K_FORM_AUTO. file may be NULL.
enum k_form k_form_of(const char *file, struct k_str content);

// Reads content as one message of the given type. Everything that is wrong goes to diags, with positions.
// file is shown in positions and not copied: it must outlive diags and the document. content is not kept.
// K_E_CONFIG: something is wrong, and there is no document.
K_CHECKED int k_document_read(const ProtobufCMessageDescriptor *type, const char *file, struct k_str content,
    enum k_form form, struct k_diags *diags, struct k_document **ret_document);

// The same, but where the file can be read at all it hands over a document of what was right in it, so
// that further checks can report everything at once. diags->errors says that it is not sound, and
// k_document_is_broken which messages lack something that was written but could not be read.
K_CHECKED int k_document_read_draft(const ProtobufCMessageDescriptor *type, const char *file,
    struct k_str content, enum k_form form, struct k_diags *diags, struct k_document **ret_document);
bool k_document_is_broken(const struct k_document *document, const void *message);

void k_document_destroy(struct k_document *document); // NULL-safe

// The message, which belongs to the document (never free it by protobuf-c's functions).
const ProtobufCMessage *k_document_message(const struct k_document *document);
const char *k_document_file(const struct k_document *document);

// Where a part of the document was written. message: the document's or one inside it.
//   field NULL             the name that introduces the message (the start of the file for the outermost)
//   field, index -1        the field's name, the first one if the field is repeated
//   field, index i         the value: 0 for a field that is not repeated
// What was not written (a field that is absent) stands where its message is introduced. In a binary
// document line and column are 0.
struct k_pos k_document_pos(
    const struct k_document *document, const void *message, const char *field, int index);
// Where byte `offset` of a string value was written, also behind escapes, in adjacent pieces, and after
// parameters were replaced (then the start of the reference). offset may be the length: just behind.
struct k_pos k_document_pos_in(
    const struct k_document *document, const void *message, const char *field, int index, size_t offset);
