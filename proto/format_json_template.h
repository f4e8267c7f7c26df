// The fast way through a JSON record that looks like one of the last ones: the same keys in the same order, with the
// same white space. Never decides that a record is malformed in its framing: where it is not sure, it says so.
#pragma once
#include "proto/format_json.h"

struct k_json_template;
struct k_json_template *k_json_template_create(void);
void k_json_template_destroy(struct k_json_template *shapes); // NULL-safe

// Reads json->text into json->row. false: not one of the known shapes; nothing was written, the full reader decides.
// true: the row is done, good or (because of the value of a field that is read) bad, exactly as the full reader would
// have had it.
bool k_json_template_row(struct k_json_template *shapes, struct k_json_decoder *json);

// Have the two json->texts known shapes, those that were last the first and the second of a pair? Bit 0 for the first,
// bit 1 for the second: then k_json_template_read, with json->text and json->row set to it, makes the row as above.
// Where a bit is not set, the other ways are still to be tried. Learning makes the bits void.
uint32_t k_json_template_pair(struct k_json_template *shapes, struct k_json_decoder *json);
void k_json_template_read(struct k_json_template *shapes, struct k_json_decoder *json);

// The full reader has just read json->text and found it good: its shape may be worth remembering.
void k_json_template_learn(struct k_json_template *shapes, struct k_json_decoder *json);

// Uses only what every processor has. NULL-safe.
void k_json_template_plain(struct k_json_template *shapes);
// How many records were read this way.
uint64_t k_json_template_matched(const struct k_json_template *shapes);
