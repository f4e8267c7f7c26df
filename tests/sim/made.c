#include "tests/sim/made.h"

#include <stdio.h>
#include <stdlib.h>

void mades_fini(struct mades *m)
{
    free(m->items);
    lines_free(&m->lines);
    *m = (struct mades){0};
}

static int by_line(const void *a, const void *b)
{
    const struct made *x = a, *y = b;
    int order = strcmp(x->line, y->line);
    if (order) return order;
    if (x->extra != y->extra) return x->extra - y->extra;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_key(const void *a, const void *b)
{
    const struct made *x = a, *y = b;
    size_t least = x->key_length < y->key_length ? x->key_length : y->key_length;
    int order = memcmp(x->line, y->line, least);
    if (order) return order;
    if (x->key_length != y->key_length) return x->key_length < y->key_length ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

void mades_sort(struct mades *m)
{
    if (m->count) qsort(m->items, m->count, sizeof *m->items, by_line);
}

void mades_sort_by_key(struct mades *m)
{
    if (m->count) qsort(m->items, m->count, sizeof *m->items, by_key);
}

// Takes the line that was added last to m->lines.
static void add(struct mades *m, struct made made)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 64;
        m->items = k_realloc(m->items, m->capacity * sizeof *m->items);
    }
    made.line = m->lines.items[m->lines.count - 1];
    made.key_length = strcspn(made.line, "\t");
    made.at = m->count;
    m->items[m->count++] = made;
}

// --- the engine's

struct reading_made {
    struct judging *j;
    const char *topic;
    bool letters;
    struct mades *ret;
};

// A message names generation, shard and journal record of who made it.
static void visit(void *context, const struct k_message *message)
{
    struct reading_made *r = context;
    struct world *w = r->j->w;
    if (r->letters && scenario_is_loose(&w->scenario, lines_header(message, "kappa.node"))) return;
    struct k_str header = lines_header(message, "kappa");
    char text[64];
    unsigned generation, shard;
    unsigned long long record;
    snprintf(text, sizeof text, "%.*s", (int)header.length, header.data);
    bool good = sscanf(text, "%u/%u/%llu", &generation, &shard, &record) == 3 && shard < w->scenario.shards &&
                generation >= 1 && generation <= w->generations.count &&
                record < judging_walk(r->j, 1, shard)->count;
    if (!good) {
        world_fail(w, "a message of topic %s says that \"%s\" made it", r->topic, text);
        return;
    }
    if (r->letters) lines_add_letter(&r->ret->lines, message);
    else lines_add_message(&r->ret->lines, message->has_key, message->key, message->has_value, message->value);
    add(r->ret, (struct made){.generation = generation,
                              .shard = shard,
                              .record = record,
                              .extra = judging_walk(r->j, 1, shard)->records[record].has_difference});
}

void made_read(struct judging *j, uint32_t number, const char *suffix, struct mades *ret)
{
    char topic[64];
    snprintf(topic, sizeof topic, "%s%s", walk_topic(j->w, number), suffix);
    struct reading_made reading = {j, topic, number + 1 == walk_topic_count(j->w), ret};
    for (int32_t p = 0; p < PARTITIONS_MAX; p++) k_cloud_read(j->w->cloud, topic, p, visit, &reading);
}

// --- the reference's

static uint64_t record_of(const struct walk *walk, uint32_t topic, uint32_t index, uint64_t from)
{
    while (from < walk->count && walk->records[from].made[topic] <= index) from++;
    return from;
}

void made_by_reference(struct judging *j, const struct walk *walk, uint32_t topic, struct mades *ret)
{
    uint32_t count;
    uint64_t record = 0;
    struct made made = {.generation = walk->generation, .shard = walk->shard};
    if (topic + 1 == walk_topic_count(j->w)) {
        const struct reference_dead_letter *letters = reference_dead_letters(walk->reference, &count);
        for (uint32_t i = 0; i < count; i++) {
            record = made.record = record_of(walk, topic, i, record);
            if (scenario_is_loose(walk->scenario, k_str_of(letters[i].node))) continue;
            lines_add_reference_letter(&ret->lines, &letters[i]);
            add(ret, made);
        }
        return;
    }
    const struct reference_message *m = reference_topic(walk->reference, walk_topic(j->w, topic), &count);
    for (uint32_t i = 0; i < count; i++) {
        record = made.record = record_of(walk, topic, i, record);
        lines_add_message(&ret->lines, m[i].has_key, m[i].key, m[i].has_value, m[i].value);
        add(ret, made);
    }
}

uint64_t made_until(const struct walk *walk, uint64_t record)
{
    while (record + 1 < walk->count && walk->records[record].work_left) record++;
    return record;
}
