// Making a copy of one generation's state into the beginning of another's: what is taken over stays where it lies,
// under a name that nobody asks for yet; the rest goes; a note says what waits, and for which place of the journal.
#include "replay/takeover.h"

#include <stdlib.h>

#include "operators/operator.h"
#include "proto/internal.pb-c.h"

typedef Kappa__Internal__Takeover Takeover;
typedef Kappa__Internal__Position Position;
typedef Kappa__Internal__Identity Identity;

#define TAKEN "taken/"
struct making {
    struct k_store *copy;
    const struct k_plan *old, *new;
    const struct k_taking *taking;
    const struct k_start *starts;
    uint32_t start_count;
    struct k_arena arena;
    struct k_write *writes;
    size_t write_count, write_capacity;
};

static void add(struct making *m, struct k_write write)
{
    if (m->write_count == m->write_capacity) {
        m->write_capacity = m->write_capacity ? m->write_capacity * 2 : 64;
        m->writes = k_realloc(m->writes, m->write_capacity * sizeof *m->writes);
    }
    m->writes[m->write_count++] = write;
}

// 0x00 and the two words.
static struct k_str meta_key(struct making *m, const char *kind, struct k_str name)
{
    size_t length = strlen(kind), all = 1 + length + name.length;
    char *key = k_arena_zeroed(&m->arena, all + 1);
    memcpy(key + 1, kind, length);
    if (name.length) memcpy(key + 1 + length, name.data, name.length);
    return (struct k_str){key, (uint32_t)all};
}

static struct k_str copied(struct making *m, struct k_str bytes)
{
    return (struct k_str){k_arena_copy(&m->arena, bytes.data, bytes.length), bytes.length};
}

// --- families

static const struct k_taking_item *item_of(const struct making *m, const char *name)
{
    for (uint32_t i = 0; i < m->taking->count; i++)
        if (strcmp(m->taking->items[i].name, name) == 0) return &m->taking->items[i];
    return NULL;
}

static bool is_taken(const struct making *m, struct k_str family)
{
    for (uint32_t n = 0; n < m->new->node_count; n++) {
        const struct k_node *node = &m->new->nodes[n];
        if (m->taking->items[n].how != K_TAKING_OVER) continue;
        for (size_t f = 0; f < sizeof node->families / sizeof *node->families && node->families[f]; f++)
            if (k_str_equal(family, k_str_of(node->families[f]))) return true;
    }
    return false;
}

static struct k_str entries_of(struct making *m, uint32_t number)
{
    uint32_t big = __builtin_bswap32(number);
    char *key = k_arena_get(&m->arena, 1 + sizeof big);
    key[0] = 1;
    memcpy(key + 1, &big, sizeof big);
    return (struct k_str){key, 1 + sizeof big};
}

static int take_family(struct making *m, struct k_str key, struct k_str name, struct k_str value, struct k_error *err)
{
    uint32_t number;
    if (value.length != sizeof number)
        return k_fail(err, K_E_CORRUPT, "the number of a family has %u bytes", value.length);
    if (name.length >= strlen(TAKEN) && memcmp(name.data, TAKEN, strlen(TAKEN)) == 0)
        return k_fail(err, K_E_CONFIG, "it has not come to the place where it takes over from another generation");
    memcpy(&number, value.data, sizeof number);
    number = __builtin_bswap32(number);
    add(m, (struct k_write){.key = copied(m, key), .remove = true});
    if (is_taken(m, name))
        add(m, (struct k_write){.key = meta_key(m, "family/" TAKEN, name), .value = copied(m, value)});
    else add(m, (struct k_write){.key = entries_of(m, number), .to = entries_of(m, number + 1), .remove = true});
    return 0;
}

static int take_all(struct making *m, const char *kind, struct k_error *err)
{
    struct k_store_iterator *iterator;
    struct k_error failure = {0};
    struct k_str from = meta_key(m, kind, K_STR("/")), to = meta_key(m, kind, K_STR("0")), key, value;
    K_TRY(m->copy->ops->iterate(m->copy, from, to, &iterator, err));
    int code = 0;
    while (!code && m->copy->ops->next(iterator, &key, &value, &failure)) {
        struct k_str name = {key.data + from.length, key.length - from.length};
        // The table's own note comes again when it is opened.
        if (strcmp(kind, "table") == 0) add(m, (struct k_write){.key = copied(m, key), .remove = true});
        else code = take_family(m, key, name, value, err);
    }
    m->copy->ops->iterate_end(iterator);
    if (!code && failure.code) *err = failure;
    return code ? code : failure.code;
}

// --- the copy's position

static const struct k_source_plan *kept_source(const struct making *m, const char *name)
{
    for (uint32_t s = 0; s < m->new->source_count &&name; s++)
        if (strcmp(m->new->sources[s].name, name) == 0 && m->taking->kept_sources[s]) return &m->new->sources[s];
    return NULL;
}

static int check_begin(const struct making *m, const struct k_source_plan *source,
                       const Kappa__Internal__Position__Partition *p, struct k_error *err)
{
    int64_t begin = 0;
    bool joins = p->until > 0;
    for (uint32_t i = 0; i < m->start_count; i++) {
        if ((uint32_t)m->starts[i].partition != p->partition || strcmp(m->starts[i].topic, source->topic) != 0)
            continue;
        joins |= m->starts[i].joins;
        begin = m->starts[i].offset;
    }
    // What the sources still have of it is another thing at another time.
    if (joins) return k_fail(err, K_E_CONFIG, "one of the two begins with history from before its journal");
    if (begin == p->begin) return 0;
    return k_fail(err, K_E_CONFIG, "it begins at another offset in topic %s, partition %u", source->topic,
                  p->partition);
}

static int cut_position(struct making *m, Position *position, struct k_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < position->n_partition; i++) {
        const struct k_source_plan *source = kept_source(m, position->partition[i]->source);
        if (!source) continue;
        K_TRY(check_begin(m, source, position->partition[i], err));
        position->partition[n++] = position->partition[i];
    }
    position->n_partition = n;
    n = 0;
    for (size_t i = 0; i < position->n_counters; i++) {
        const char *name = position->counters[i]->node ? position->counters[i]->node : "";
        const struct k_taking_item *item = item_of(m, name);
        if (item ? item->how == K_TAKING_OVER : kept_source(m, name) != NULL)
            position->counters[n++] = position->counters[i];
    }
    position->n_counters = n;
    if (!m->taking->same_sources) position->has_frontier_us = false;
    return 0;
}

static int check_position(const Position *p, struct k_error *err)
{
    if (p->version > 1)
        return k_fail(err, K_E_CORRUPT, "its position is in version %u; use a newer kappa", p->version);
    if (!p->leadership) return k_fail(err, K_E_CONFIG, "an older kappa wrote its position, without who leads there");
    if (p->work_pending) return k_fail(err, K_E_CONFIG, "it stands in the middle of frontier work");
    return 0;
}

static int note(struct making *m, const Position *position, const char *generation, struct k_error *err)
{
    Takeover t;
    kappa__internal__takeover__init(&t);
    Position cut = *position;
    cut.partition = k_arena_array(&m->arena, Kappa__Internal__Position__Partition *, position->n_partition + 1);
    cut.counters = k_arena_array(&m->arena, Kappa__Internal__Position__Counters *, position->n_counters + 1);
    memcpy(cut.partition, position->partition, position->n_partition * sizeof *cut.partition);
    memcpy(cut.counters, position->counters, position->n_counters * sizeof *cut.counters);
    K_TRY(cut_position(m, &cut, err));
    t.has_version = t.has_whole = true;
    t.version = 1;
    t.generation = (char *)generation;
    t.position = &cut;
    t.whole = m->taking->whole;
    t.waiting = k_arena_array(&m->arena, char *, m->taking->count + 1);
    for (uint32_t i = 0; i < m->taking->count; i++)
        if (m->taking->items[i].how != K_TAKING_COMPUTE) t.waiting[t.n_waiting++] = (char *)m->taking->items[i].name;
    t.unread = k_arena_array(&m->arena, char *, m->new->source_count + 1);
    for (uint32_t i = 0; i < m->new->source_count; i++)
        if (m->taking->sources[i].how == K_TAKING_OVER) t.unread[t.n_unread++] = (char *)m->new->sources[i].name;
    size_t size = kappa__internal__takeover__get_packed_size(&t);
    char *bytes = k_arena_get(&m->arena, size + 1);
    kappa__internal__takeover__pack(&t, (uint8_t *)bytes);
    add(m, (struct k_write){.key = meta_key(m, "takeover", K_STR("")), .value = {bytes, (uint32_t)size}});
    return 0;
}

static int check_identity(const struct making *m, const Identity *id, struct k_error *err)
{
    if (!id->fingerprint || strcmp(id->fingerprint, m->old->fingerprint) != 0 || id->semantics != K_SEMANTICS)
        return k_fail(err, K_E_CONFIG, "it was made by another graph, or by another version of the operators");
    return 0;
}

static int get(struct making *m, const char *kind, struct k_str *ret, struct k_error *err)
{
    struct k_str key = meta_key(m, kind, K_STR(""));
    K_TRY(m->copy->ops->get(m->copy, 1, &key, &m->arena, ret, err));
    if (!ret->data) return k_fail(err, K_E_CONFIG, "it has no %s", kind);
    add(m, (struct k_write){.key = key, .remove = true});
    return 0;
}

static int take_notes(struct making *m, struct k_error *err)
{
    struct k_str bytes;
    K_TRY(get(m, "identity", &bytes, err));
    Identity *id = kappa__internal__identity__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
    int code = id ? check_identity(m, id, err) : k_fail(err, K_E_CORRUPT, "its identity is damaged");
    Position *position = NULL;
    if (!code) code = get(m, "position", &bytes, err);
    if (!code) {
        position = kappa__internal__position__unpack(NULL, bytes.length, (const uint8_t *)bytes.data);
        code = position ? check_position(position, err) : k_fail(err, K_E_CORRUPT, "its position is damaged");
    }
    if (!code) code = note(m, position, id->generation, err);
    if (position) kappa__internal__position__free_unpacked(position, NULL);
    if (id) kappa__internal__identity__free_unpacked(id, NULL);
    return code;
}

int k_takeover_make(struct k_store *copy, const struct k_plan *old, const struct k_plan *new,
                    const struct k_taking *taking, const struct k_start *starts, uint32_t start_count,
                    struct k_error *err)
{
    K_ASSERT(!taking->why_not);
    struct making m = {
        .copy = copy, .old = old, .new = new, .taking = taking, .starts = starts, .start_count = start_count};
    k_arena_init(&m.arena);
    int code = take_notes(&m, err);
    if (!code) code = take_all(&m, "family", err);
    if (!code) code = take_all(&m, "table", err);
    if (!code) code = copy->ops->apply(copy, m.writes, m.write_count, err);
    free(m.writes);
    k_arena_fini(&m.arena);
    return code;
}
