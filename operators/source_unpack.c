// Messages that hold several records become messages of one: the rows of a batch. What is said of a message, its key,
// its place, its time, is said of each of its records.
//
// A message may hold more records than a batch has rows. Where a batch ends inside it is remembered and seen by nobody:
// the next one begins with the record behind.
#include "operators/source.h"

struct cutting {
    const struct k_packing *packing;
    struct k_unpacking *at;
    struct k_message *room;
    struct k_unpacked *to;
};

static void add(struct cutting *c, const struct k_message *message, struct k_str value, const char *why)
{
    struct k_message *record = &c->room[c->to->count];
    *record = *message;
    record->value = value;
    record->whole = message;
    record->index = c->at->index++;
    c->to->records[c->to->count] = record;
    c->to->reasons[c->to->count] = why ? "packed" : NULL;
    c->to->texts[c->to->count++] = why;
}

// true: the message is used up.
static bool cut(struct cutting *c, const struct k_message *message)
{
    struct k_str record;
    const char *why;
    if (!message->has_value) {
        if (c->to->count == K_BATCH_ROWS) return false;
        add(c, message, (struct k_str){0}, NULL);
        return true;
    }
    while (c->to->count < K_BATCH_ROWS) {
        if (!k_unpack(c->packing, message->value, &c->at->at, &record, &why)) return true;
        add(c, message, record, why);
    }
    return false;
}

void k_source_unpack(const struct k_packing *packing, struct k_unpacking *unpacking,
                     const struct k_message *const *messages, uint32_t count, struct k_arena *arena,
                     struct k_unpacked *ret, uint32_t *ret_used)
{
    *ret = (struct k_unpacked){.records = k_arena_array(arena, const struct k_message *, K_BATCH_ROWS),
                               .reasons = k_arena_array(arena, const char *, K_BATCH_ROWS),
                               .texts = k_arena_array(arena, const char *, K_BATCH_ROWS)};
    struct cutting c = {packing, unpacking, k_arena_array(arena, struct k_message, K_BATCH_ROWS), ret};
    uint32_t used = 0;
    while (used < count && cut(&c, messages[used])) {
        *unpacking = (struct k_unpacking){0};
        used++;
    }
    *ret_used = used;
}
