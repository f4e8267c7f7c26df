// The canonical form of a document: fields in the order of their numbers, two blanks a level, a message on
// one line where it fits into 100 columns. What is printed reads back as the same message.
#pragma once
#include "proto/document.h"

enum { K_PRINT_COLUMNS = 100 };

// Appends the document in a form (not K_FORM_AUTO). Text keeps comments, each with the field that it is
// about, and single empty lines; JSON and binary cannot: see k_document_has_comments.
void k_print(const struct k_document *document, enum k_form form, struct k_buf *out);

// Whether a text document had comments, which a caller may not want to lose.
bool k_document_has_comments(const struct k_document *document);

// Appends one string as the text form writes it, with its quotes: double ones, or single ones where that
// saves escapes. bytes: the string is not text, so that everything beyond ASCII is escaped.
void k_print_text_string(struct k_buf *out, struct k_str text, bool bytes);
