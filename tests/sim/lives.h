// Generations that come and go: a third that begins on the way, and those that are retired, after their hold or because
// somebody asked.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct world;
struct worker;
struct k_control;
struct k_log;
void lives_prepare(struct world *w);
void lives_step(struct world *w);                     // the third begins, perhaps
void lives_note_clock(struct world *w);               // the clock is about to be set, or was
int64_t lives_hold_us(struct world *w);               // of a switch that is asked for; 0: for ever
int lives_retire(struct world *w, struct k_log *log); // somebody asks for a generation's end; an error of that
void lives_watch(struct world *w, const struct k_control *control); // a record that was not seen before
bool lives_are_over(const struct worker *worker); // its overseer knows that its generation is retired
void lives_finish(struct world *w);               // what has not begun by now will not
bool lives_go_on(const struct world *w); // the third has not led yet, or not gone back again, and can
// One that may be asked to lead, and is not: the newest, as long as the third has not led. 0: there is none, or it is
// whoever led before.
uint64_t lives_other(struct world *w);
