// The cache against a model: random operations on random families, with evictions, checkpoints, failures, reopenings
// and crashes, over both stores. The model is what the cache shall be: a sorted array per family, one copy of it as of
// the last checkpoint.
#include <stdio.h>
#include <stdlib.h>

#include "tests/state/support.h"

enum { FAMILIES = 3, STEPS = 6000, KEY_MAX = 12 };

struct item {
    int64_t segment;
    char key[KEY_MAX];
    uint32_t key_length;
    int64_t number;
    char text[24];
    uint32_t text_length;
};

struct model {
    struct item *items;
    uint32_t count, capacity;
};

struct trial {
    uint64_t random;
    bool rocks;
    char *directory;
    struct k_memory_disk *disk;
    int next_fault; // 0: none; handed to one apply
    bool fault_writes;
    struct k_state *state;
    struct k_family *families[FAMILIES];
    struct model models[FAMILIES], saved[FAMILIES];
    int64_t position;
    uint64_t cache_bytes;
    uint32_t keys, segments;
};

static uint64_t below(struct trial *trial, uint64_t n) { return k_random_below(&trial->random, n); }

static int compare_place(const struct item *item, int64_t segment, struct k_str key)
{
    if (item->segment != segment) return item->segment < segment ? -1 : 1;
    return k_str_compare((struct k_str){item->key, item->key_length}, key);
}

static uint32_t model_place(const struct model *model, int64_t segment, struct k_str key, bool *ret_found)
{
    uint32_t low = 0, high = model->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (compare_place(&model->items[middle], segment, key) < 0) low = middle + 1;
        else high = middle;
    }
    *ret_found = low < model->count && compare_place(&model->items[low], segment, key) == 0;
    return low;
}

static struct item *model_find(struct model *model, int64_t segment, struct k_str key)
{
    bool found;
    uint32_t at = model_place(model, segment, key, &found);
    return found ? &model->items[at] : NULL;
}

static struct item *model_make(struct model *model, int64_t segment, struct k_str key)
{
    bool found;
    uint32_t at = model_place(model, segment, key, &found);
    if (!found) {
        if (model->count == model->capacity) {
            model->capacity = model->capacity ? model->capacity * 2 : 16;
            model->items = k_realloc(model->items, model->capacity * sizeof *model->items);
        }
        memmove(model->items + at + 1, model->items + at, (model->count - at) * sizeof *model->items);
        model->count++;
        model->items[at] = (struct item){.segment = segment, .key_length = key.length};
        memcpy(model->items[at].key, key.data, key.length);
    }
    return &model->items[at];
}

static void model_remove(struct model *model, struct item *item)
{
    uint32_t at = (uint32_t)(item - model->items);
    memmove(item, item + 1, (model->count - at - 1) * sizeof *item);
    model->count--;
}

static void model_copy(struct model *to, const struct model *from)
{
    free(to->items);
    *to = (struct model){.count = from->count, .capacity = from->count};
    to->items = k_new_array(struct item, from->count);
    if (from->count > 0) memcpy(to->items, from->items, from->count * sizeof *from->items);
}

static int fault(void *context, bool *ret_written)
{
    struct trial *trial = context;
    int code = trial->next_fault;
    *ret_written = trial->fault_writes;
    trial->next_fault = 0;
    return code;
}

static void open_state(struct trial *trial)
{
    struct k_error err = {0};
    struct k_store *store;
    if (trial->rocks) check_ok(k_store_rocks_open(trial->directory, true, 8 << 20, &store, &err), &err);
    else check_ok(k_store_memory_open(trial->disk, fault, trial, &store, &err), &err);
    struct k_state_options options = {.cache_bytes = trial->cache_bytes};
    check_ok(k_state_open(store, &options, &trial->state, &err), &err);
    for (int f = 0; f < FAMILIES; f++) {
        char name[16];
        snprintf(name, sizeof name, "family %d", f);
        check_ok(k_state_family(trial->state, name, &thing_type, NULL, &trial->families[f], &err), &err);
    }
    // Writing only is only a hint about who stays in memory.
    k_family_write_only(trial->families[FAMILIES - 1]);
    int64_t position = -1;
    struct k_str stored = k_state_position(trial->state);
    if (stored.length == 8) memcpy(&position, stored.data, 8);
    assert_int_equal(position, trial->position);
}

static struct k_str random_key(struct trial *trial, char key[KEY_MAX])
{
    // Few distinct keys of all lengths, the empty one too, many with a common beginning.
    uint64_t number = below(trial, trial->keys);
    const char *begin = number % 3 ? "k" : "";
    int length = number % 7 == 0 ? 0 : snprintf(key, KEY_MAX, "%s%llu", begin, (unsigned long long)number);
    return (struct k_str){key, (uint32_t)length};
}

static int64_t random_segment(struct trial *trial)
{
    uint64_t n = below(trial, trial->segments);
    return n == 0 ? INT64_MIN : n == 1 ? INT64_MAX : n == 2 ? -5 : (int64_t)n * 1000;
}

static void check_thing(const struct item *item, const struct thing *thing)
{
    assert_int_equal(item->number, thing->number);
    assert_int_equal(item->text_length, thing->length);
    if (thing->length) assert_memory_equal(item->text, thing->text, thing->length);
}

static void change(struct trial *trial, struct k_family *family, struct item *item, struct thing *thing)
{
    item->number = (int64_t)k_random(&trial->random);
    item->text_length = (uint32_t)below(trial, sizeof item->text);
    memset(item->text, 'a' + (int)below(trial, 26), sizeof item->text);
    thing_set(thing, item->number, (struct k_str){item->text, item->text_length});
    k_family_dirty(family, thing);
}

static void find_some(struct trial *trial, int f)
{
    enum { MANY = 150 };
    struct k_family *family = trial->families[f];
    struct model *model = &trial->models[f];
    uint32_t n = (uint32_t)below(trial, below(trial, 4) ? 8 : MANY);
    char bytes[MANY][KEY_MAX];
    struct k_str keys[MANY] = {0};
    int64_t segments[MANY] = {0};
    void *values[MANY];
    bool created[MANY], absent[MANY];
    enum k_find how = (enum k_find)below(trial, 3);
    int64_t all = random_segment(trial);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = random_key(trial, bytes[i]);
        segments[i] = below(trial, 2) ? all : random_segment(trial);
        absent[i] = !model_find(model, segments[i], keys[i]);
    }
    struct k_error err = {0};
    check_ok(k_family_find(family, how, n, segments, keys, values, created, &err), &err);
    for (uint32_t i = 0; i < n; i++) {
        struct item *item = model_find(model, segments[i], keys[i]);
        bool first = true;
        for (uint32_t j = 0; j < i && first; j++) first = segments[j] != segments[i] || !k_str_equal(keys[j], keys[i]);
        if (how == K_FIND) {
            assert_false(created[i]);
            assert_int_equal(values[i] != NULL, item != NULL);
            if (item) check_thing(item, values[i]);
            if (item && below(trial, 2)) change(trial, family, item, values[i]);
            continue;
        }
        assert_non_null(values[i]);
        if (how == K_FIND_OR_CREATE) assert_int_equal(created[i], absent[i] && first);
        if (!item) item = model_make(model, segments[i], keys[i]);
        // Blind: what was in the store may show or not; the caller overwrites.
        if (how == K_FIND_BLIND) change(trial, family, item, values[i]);
        else check_thing(item, values[i]);
        if (below(trial, 2)) change(trial, family, item, values[i]);
    }
}

static void remove_some(struct trial *trial, int f)
{
    struct k_error err = {0};
    for (uint64_t n = below(trial, 12); n > 0; n--) {
        char bytes[KEY_MAX];
        int64_t segment = random_segment(trial);
        struct k_str key = random_key(trial, bytes);
        check_ok(k_family_remove(trial->families[f], segment, key, &err), &err);
        struct item *item = model_find(&trial->models[f], segment, key);
        if (item) model_remove(&trial->models[f], item);
    }
}

static void check_first_segment(struct trial *trial, int f)
{
    struct k_error err = {0};
    int64_t segment = 0;
    bool found;
    check_ok(k_family_first_segment(trial->families[f], &segment, &found, &err), &err);
    assert_int_equal(found, trial->models[f].count > 0);
    if (found) assert_int_equal(segment, trial->models[f].items[0].segment);
}

struct visiting {
    struct trial *trial;
    struct model *model;
    int64_t segment;
    int64_t stop_after; // visits; -1: never
};

static int visit(void *context, struct k_str key, void *value, struct k_error *err)
{
    struct visiting *visiting = context;
    if (visiting->stop_after >= 0 && visiting->stop_after-- == 0) return k_fail(err, K_E_RETRY, "stop");
    // In order: it is the least key that the model has in this segment.
    bool found;
    uint32_t at = model_place(visiting->model, visiting->segment, K_STR(""), &found);
    assert_true(at < visiting->model->count);
    struct item *item = &visiting->model->items[at];
    assert_int_equal(compare_place(item, visiting->segment, key), 0);
    check_thing(item, value);
    model_remove(visiting->model, item);
    return 0;
}

static void take_some(struct trial *trial, int f)
{
    struct model *model = &trial->models[f];
    struct visiting visiting = {.trial = trial, .model = model, .segment = random_segment(trial), .stop_after = -1};
    if (model->count > 0 && below(trial, 2)) visiting.segment = model->items[0].segment;
    if (below(trial, 4) == 0) visiting.stop_after = (int64_t)below(trial, 20);
    uint32_t max = (uint32_t)below(trial, 30), before = model->count, taken;
    struct k_error err = {0};
    int rc = k_family_take(trial->families[f], visiting.segment, max, visit, &visiting, &taken, &err);
    assert_true(rc == 0 || rc == K_E_RETRY);
    assert_int_equal(taken, before - model->count);
    bool found;
    uint32_t at = model_place(model, visiting.segment, K_STR(""), &found);
    bool left = at < model->count && model->items[at].segment == visiting.segment;
    if (rc == 0 && taken < max) assert_false(left);
    if (rc == 0 && left) assert_int_equal(taken, max);
}

static void checkpoint(struct trial *trial)
{
    struct k_error err = {0};
    int64_t position = trial->position + 1;
    if (!trial->rocks && below(trial, 4) == 0) trial->next_fault = below(trial, 2) ? K_E_DISK_FULL : K_E_IO;
    int expected = trial->next_fault;
    int rc = k_state_checkpoint(trial->state, (struct k_str){(const char *)&position, 8}, &err);
    assert_int_equal(rc, expected);
    if (rc) return;
    trial->position = position;
    for (int f = 0; f < FAMILIES; f++) model_copy(&trial->saved[f], &trial->models[f]);
    struct k_state_figures figures;
    k_state_figures(trial->state, &figures);
    assert_int_equal(figures.dirty_entries, 0);
    assert_int_equal(figures.dirty_bytes, 0);
}

// The process dies, perhaps in the middle of a checkpoint that reaches the disk or not, and starts again.
static void restart(struct trial *trial)
{
    struct k_error err = {0};
    if (!trial->rocks && below(trial, 2)) {
        int64_t position = trial->position + 1;
        trial->next_fault = K_E_CRASHED;
        trial->fault_writes = below(trial, 2);
        struct k_str bytes = {(const char *)&position, 8};
        assert_int_equal(k_state_checkpoint(trial->state, bytes, &err), K_E_CRASHED);
        if (trial->fault_writes) {
            trial->position = position;
            for (int f = 0; f < FAMILIES; f++) model_copy(&trial->saved[f], &trial->models[f]);
        }
    }
    k_state_destroy(trial->state);
    for (int f = 0; f < FAMILIES; f++) model_copy(&trial->models[f], &trial->saved[f]);
    open_state(trial);
}

static void check_all(struct trial *trial)
{
    struct k_error err = {0};
    for (int f = 0; f < FAMILIES; f++) {
        for (uint32_t i = 0; i < trial->models[f].count; i++) {
            struct item *item = &trial->models[f].items[i];
            struct k_str key = {item->key, item->key_length};
            void *value;
            check_ok(k_family_find(trial->families[f], K_FIND, 1, &item->segment, &key, &value, NULL, &err), &err);
            assert_non_null(value);
            check_thing(item, value);
        }
        check_first_segment(trial, f);
        while (trial->models[f].count > 0) {
            uint32_t taken;
            struct visiting visiting = {trial, &trial->models[f], trial->models[f].items[0].segment, -1};
            check_ok(k_family_take(trial->families[f], visiting.segment, 7, visit, &visiting, &taken, &err), &err);
            check_first_segment(trial, f);
        }
    }
    checkpoint(trial);
}

static void run_trial(uint64_t seed, bool rocks)
{
    struct trial trial = {.random = seed, .rocks = rocks, .position = -1};
    trial.cache_bytes = below(&trial, 2) ? 3000 + below(&trial, 40000) : 1 << 30;
    trial.keys = 5 + (uint32_t)below(&trial, 300);
    trial.segments = 1 + (uint32_t)below(&trial, 9);
    if (rocks) trial.directory = make_directory();
    else trial.disk = k_memory_disk_create();
    open_state(&trial);
    for (int step = 0; step < (rocks ? STEPS / 4 : STEPS); step++) {
        int f = (int)below(&trial, FAMILIES);
        uint64_t choice = below(&trial, 40);
        if (choice == 0) checkpoint(&trial);
        else if (choice == 1 && below(&trial, rocks ? 10 : 3) == 0) restart(&trial);
        else if (choice < 9) remove_some(&trial, f);
        else if (choice < 16) take_some(&trial, f);
        else if (choice < 20) check_first_segment(&trial, f);
        else find_some(&trial, f);
        if (below(&trial, 3) == 0) k_state_trim(trial.state);
    }
    check_all(&trial);
    k_state_destroy(trial.state);
    for (int f = 0; f < FAMILIES; f++) {
        free(trial.models[f].items);
        free(trial.saved[f].items);
    }
    k_memory_disk_destroy(trial.disk);
    if (rocks) remove_directory(trial.directory);
}

static void test_model_memory(void **unused)
{
    (void)unused;
    uint64_t seed = test_seed("cache over the memory store");
    for (uint64_t i = 0; i < 40; i++) run_trial(seed + i, false);
}

static void test_model_rocks(void **unused)
{
    (void)unused;
    uint64_t seed = test_seed("cache over RocksDB");
    for (uint64_t i = 0; i < 6; i++) run_trial(seed + i, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_memory),
        cmocka_unit_test(test_model_rocks),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
