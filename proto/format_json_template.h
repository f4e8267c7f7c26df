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

// The full reader has just read json->text and found it good: its shape may be worth remembering.
void k_json_template_learn(struct k_json_template *shapes, struct k_json_decoder *json);

// How many records were read this way.
uint64_t k_json_template_matched(const struct k_json_template *shapes);
