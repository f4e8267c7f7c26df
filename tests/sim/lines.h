// Lists of lines, to compare what came out as text. A line that is a message is "key<TAB>value", both as JSON; a value
// that is not there is "-".
#pragma once
#include "tests/reference/reference.h"
#include "tests/sim/sim.h"

struct lines { // zeroed is empty
    char **items;
    size_t count, capacity;
};
void lines_free(struct lines *lines);
void lines_add(struct lines *lines, struct k_buf *text); // copies, and clears text
void lines_add_message(struct lines *lines, bool has_key, struct k_str key, bool has_value, struct k_str value);
// The same of a dead letter, behind what is wrong with it: the engine's, and the reference's.
void lines_add_letter(struct lines *lines, const struct k_message *letter);
void lines_add_reference_letter(struct lines *lines, const struct reference_dead_letter *letter);
// A header of a message; "-": it has none of that name.
struct k_str lines_header(const struct k_message *message, const char *name);
void lines_sort_by_key(struct lines *lines); // keeps the order of each key's lines
void lines_keep_last(struct lines *lines);   // of each key, and of those only the ones with a value
// The world fails with the first difference: in this order, or as multisets (sorts both).
void lines_compare_in_order(struct world *w, const char *what, const struct lines *got, const struct lines *wanted);
void lines_compare(struct world *w, const char *what, struct lines *got, struct lines *wanted);
