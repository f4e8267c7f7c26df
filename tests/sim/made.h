// What came out at the topics, told by who made it: the generation, the shard and the journal record that each message
// names, beside what the references of all graphs have made up to there.
#pragma once
#include "tests/sim/lines.h"
#include "tests/sim/walk.h"

struct judging { // of a whole run
    struct world *w;
    struct walk walks[GENERATIONS_MAX][SHARDS_MAX]; // by generation - 1
};
static inline struct walk *judging_walk(struct judging *j, uint64_t generation, uint32_t shard)
{
    return &j->walks[generation - 1][shard];
}

// A message as a line (of dead letters with what is wrong; see lines_add_message).
struct made {
    const char *line;
    size_t key_length;   // of the line's key
    uint64_t generation; // of who made it; of the reference's: that of its graph
    uint32_t shard;
    uint64_t record; // the engine's: the journal record that it names; the reference's: at which it was made
    uint32_t at;     // its place in the topic
    bool extra;      // it lies at a record at which a difference was written
};
struct mades { // zeroed is empty
    struct made *items;
    uint32_t count, capacity;
    struct lines lines; // owns the text
};
void mades_fini(struct mades *mades);
void mades_sort(struct mades *mades);                         // by line, then at
void mades_sort_by_key(struct mades *mades);                  // by key, then at
static inline const char *made_value(const struct made *made) // NULL: of no message; a tombstone, too, shows nothing
{
    return !made || strcmp(made->line + made->key_length, "\t-") == 0 ? "-" : made->line + made->key_length + 1;
}
// What the engine wrote to a topic (number as in walk_topic), of this suffix.
void made_read(struct judging *j, uint32_t topic, const char *suffix, struct mades *ret);
// What the walk's reference made for it.
void made_by_reference(struct judging *j, const struct walk *walk, uint32_t topic, struct mades *ret);
// The record behind `record` at which nothing of its work is left, or itself: there at the latest its rows are out.
uint64_t made_until(const struct walk *walk, uint64_t record);
