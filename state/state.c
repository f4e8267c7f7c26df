// The working state as a whole: opening it over a store, its families by name, meta entries, figures.
#include <stdlib.h>

#include "state/cache.h"
#include "state/encoding.h"

#define FAMILY_META "family/"

static int read_position(struct k_state *state, struct k_error *err)
{
    struct k_str key = K_STR("\0position"), value;
    int rc = state->store->ops->get(state->store, 1, &key, &state->arena, &value, err);
    if (rc) return rc;
    k_buf_add(&state->position, value.data, value.length);
    return 0;
}

static struct k_family *family_create(struct k_state *state, const char *name, size_t length, uint32_t number)
{
    struct k_family *family = k_new(struct k_family);
    family->state = state;
    family->name = k_strndup(name, length);
    family->number = number;
    family->empty_below = INT64_MIN;
    if (state->family_count == state->family_capacity) {
        state->family_capacity = state->family_capacity ? state->family_capacity * 2 : 8;
        state->families = k_realloc(state->families, state->family_capacity * sizeof *state->families);
    }
    state->families[state->family_count++] = family;
    if (number >= state->next_number) state->next_number = number + 1;
    return family;
}

// The families that the store knows; they wait here, without a type, until they are declared.
static int read_families(struct k_state *state, struct k_error *err)
{
    struct k_store_iterator *iterator;
    struct k_str from = K_STR("\0" FAMILY_META), to = K_STR("\0family0"), key, value; // 0 is the byte behind /
    int rc = state->store->ops->iterate(state->store, from, to, &iterator, err);
    if (rc) return rc;
    struct k_error failure = {0};
    while (failure.code == 0 && state->store->ops->next(iterator, &key, &value, &failure)) {
        uint32_t number;
        if (value.length != sizeof number) {
            k_fail(&failure, K_E_CORRUPT, "the number of a family has %u bytes", value.length);
            break;
        }
        memcpy(&number, value.data, sizeof number);
        family_create(state, key.data + from.length, key.length - from.length, __builtin_bswap32(number));
    }
    state->store->ops->iterate_end(iterator);
    if (failure.code && err) *err = failure;
    return failure.code;
}

int k_state_open(struct k_store *store, const struct k_state_options *options, struct k_state **ret,
                 struct k_error *err)
{
    struct k_state *state = k_new(struct k_state);
    state->store = store;
    state->options = *options;
    state->next_number = 1;
    k_arena_init(&state->arena);
    k_arena_init(&state->checkpoint_arena);
    int rc = read_position(state, err);
    if (rc == 0) rc = read_families(state, err);
    if (rc) {
        k_state_destroy(state);
        return k_wrap(err, rc, "opening the state");
    }
    *ret = state;
    return 0;
}

void k_state_destroy(struct k_state *state)
{
    if (!state) return;
    for (uint32_t i = 0; i < state->family_count; i++) k_family_destroy(state->families[i]);
    for (uint32_t i = 0; i < state->meta_count; i++) {
        free(state->meta[i].name);
        k_buf_fini(&state->meta[i].value);
    }
    K_ASSERT(state->held == 0 && state->slab_count == 0); // the accounting was true
    state->store->ops->close(state->store);
    k_buf_fini(&state->position);
    k_arena_fini(&state->arena);
    k_arena_fini(&state->checkpoint_arena);
    free(state->families);
    free(state->meta);
    free(state->of_key);
    free(state->hashes);
    free(state->tags);
    free(state->fresh);
    free(state);
}

struct k_str k_state_position(const struct k_state *state) { return k_buf_str(&state->position); }

static struct k_pending_meta *pending_meta(struct k_state *state, const char *name)
{
    struct k_pending_meta *meta = NULL;
    for (uint32_t i = 0; i < state->meta_count && !meta; i++)
        if (strcmp(state->meta[i].name, name) == 0) meta = &state->meta[i];
    if (!meta) {
        state->meta = k_realloc(state->meta, (state->meta_count + 1) * sizeof *state->meta);
        meta = &state->meta[state->meta_count++];
        *meta = (struct k_pending_meta){.name = k_strdup(name)};
    }
    k_buf_clear(&meta->value);
    meta->remove = false;
    return meta;
}

void k_state_put_meta(struct k_state *state, const char *name, struct k_str value)
{
    k_buf_add(&pending_meta(state, name)->value, value.data, value.length);
}

int k_state_get_meta(struct k_state *state, const char *name, struct k_arena *arena, struct k_str *ret_value,
                     struct k_error *err)
{
    for (uint32_t i = 0; i < state->meta_count; i++) {
        if (strcmp(state->meta[i].name, name) != 0) continue;
        *ret_value = (struct k_str){0};
        if (state->meta[i].remove) return 0;
        struct k_str value = k_buf_str(&state->meta[i].value);
        *ret_value = (struct k_str){k_arena_copy(arena, value.data, value.length), value.length};
        return 0;
    }
    size_t length = strlen(name) + 1;
    char *key = k_arena_zeroed(arena, length);
    memcpy(key + 1, name, length - 1);
    struct k_str stored = {key, (uint32_t)length};
    return state->store->ops->get(state->store, 1, &stored, arena, ret_value, err);
}

static struct k_family *known_family(struct k_state *state, const char *name)
{
    for (uint32_t i = 0; i < state->family_count; i++)
        if (strcmp(state->families[i]->name, name) == 0) return state->families[i];
    return NULL;
}

static void put_number(struct k_state *state, const struct k_family *family)
{
    uint32_t number = __builtin_bswap32(family->number);
    char *meta = k_format(FAMILY_META "%s", family->name);
    k_state_put_meta(state, meta, (struct k_str){(const char *)&number, sizeof number});
    free(meta);
}

static struct k_family *new_family(struct k_state *state, const char *name)
{
    struct k_family *family = family_create(state, name, strlen(name), state->next_number);
    put_number(state, family);
    return family;
}

int k_state_uncover(struct k_state *state, const char *prefix, struct k_error *err)
{
    size_t length = strlen(prefix);
    for (uint32_t i = 0; i < state->family_count; i++) {
        struct k_family *family = state->families[i];
        if (strncmp(family->name, prefix, length) != 0) continue;
        if (known_family(state, family->name + length))
            return k_fail(err, K_E_CORRUPT, "the state has family \"%s\" twice", family->name + length);
        char *old = k_format(FAMILY_META "%s", family->name), *name = k_strdup(family->name + length);
        pending_meta(state, old)->remove = true;
        free(old);
        free(family->name);
        family->name = name;
        put_number(state, family);
    }
    return 0;
}

int k_state_family(struct k_state *state, const char *name, const struct k_family_type *type, const void *context,
                   struct k_family **ret, struct k_error *err)
{
    struct k_family *family = known_family(state, name);
    if (family && family->type) {
        K_ASSERT(family->type == type && family->context == context); // two owners of one family
        *ret = family;
        return 0;
    }
    if (family) {
        int rc = k_family_learn_segments(family, err);
        if (rc) return k_wrap(err, rc, "family \"%s\"", name);
    } else {
        family = new_family(state, name);
    }
    family->type = type;
    family->context = context;
    uint32_t value = (type->size + 7) & ~7u;
    family->owned_offset = type->owned_bytes ? value : 0;
    K_ASSERT(!type->owned_bytes || value > 0); // offset 0 means none
    family->key_offset = value + (type->owned_bytes ? 8 : 0);
    family->scratch = k_alloc(type->size);
    *ret = family;
    return 0;
}

void k_family_write_only(struct k_family *family) { family->write_only = true; }

struct k_store *k_state_store(struct k_state *state) { return state->store; }

uint64_t k_state_dirty_bytes(const struct k_state *state)
{
    return state->figures.dirty_bytes;
}

void k_state_figures(struct k_state *state, struct k_state_figures *ret)
{
    *ret = state->figures;
    ret->cache_bytes = state->held;
    ret->entries = 0;
    for (uint32_t f = 0; f < state->family_count; f++) {
        const struct k_family *family = state->families[f];
        for (uint32_t i = 0; i < family->segment_count; i++) ret->entries += k_segment_live(family->segments[i]);
    }
    ret->store_memory_bytes = state->store->ops->memory_used(state->store);
    ret->store_disk_bytes = state->store->ops->disk_used(state->store);
    state->store->ops->pressure(state->store, &ret->store_level0_files, &ret->store_debt_bytes);
}
