// Shards opened for reading, and views of them.
#include "state/reader.h"

#include <stdlib.h>

#include "base/directory.h"
#include "state/plant.h"
#include "state/reader_private.h"

#ifdef K_PLANTED
enum k_state_plant k_state_planted = K_STATE_PLANT_NONE;
#endif

enum {
    MEMORY_DEFAULT = 64 << 20,
    CATCH_UPS = 5,     // looks until a view is as new as the last one
};

static int make_scratch(struct k_reader_shard *shard, struct k_error *err)
{
    const char *base = getenv("TMPDIR");
    shard->scratch = k_format("%s/kappa-reader-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(shard->scratch)) return 0;
    int rc = k_fail(err, K_E_IO, "cannot make a scratch directory \"%s\"", shard->scratch);
    free(shard->scratch);
    shard->scratch = NULL;
    return rc;
}

static int read_identity(struct k_reader_shard *shard, struct k_error *err)
{
    struct k_str key = K_STR("\0identity"), value;
    struct k_arena arena;
    k_arena_init(&arena);
    int rc = shard->store->ops->get(shard->store, 1, &key, &arena, &value, err);
    if (rc == 0 && value.data) {
        shard->identity = kappa__internal__identity__unpack(NULL, value.length, (const uint8_t *)value.data);
        if (!shard->identity) rc = k_fail(err, K_E_CORRUPT, "\"%s\": its identity is damaged", shard->directory);
        else if (shard->identity->has_shard) shard->number = shard->identity->shard;
    }
    k_arena_fini(&arena);
    return rc;
}

static int open_shard(struct k_reader_shard *shard, bool moves, uint64_t memory_bytes, struct k_error *err)
{
    int rc = make_scratch(shard, err);
    if (rc == 0)
        rc = k_store_rocks_open_reader(shard->directory, shard->scratch, moves, memory_bytes, &shard->store, err);
    return rc ? rc : read_identity(shard, err);
}

int k_reader_open(const struct k_reader_options *options, struct k_state_reader **ret, struct k_error *err)
{
    struct k_state_reader *reader = k_new(struct k_state_reader);
    int rc = k_reader_find(reader, options, err);
    uint64_t memory_bytes = options->memory_bytes ? options->memory_bytes : MEMORY_DEFAULT;
    for (uint32_t i = 0; rc == 0 && i < reader->shard_count; i++)
        rc = open_shard(&reader->shards[i], !options->one_view, memory_bytes / reader->shard_count, err);
    if (rc) {
        k_reader_close(reader);
        return rc;
    }
    *ret = reader;
    return 0;
}

void k_reader_close(struct k_state_reader *reader)
{
    if (!reader) return;
    K_ASSERT(reader->views == 0);
    for (uint32_t i = 0; i < reader->shard_count; i++) {
        struct k_reader_shard *shard = &reader->shards[i];
        if (shard->store) shard->store->ops->close(shard->store);
        if (shard->scratch) k_tree_remove(shard->scratch);
        if (shard->identity) kappa__internal__identity__free_unpacked(shard->identity, NULL);
        free(shard->scratch);
        free(shard->directory);
    }
    free(reader->shards);
    free(reader->generation);
    free(reader->live.path);
    free(reader);
}

int k_view_value(struct k_view *view, uint32_t shard, struct k_str key, struct k_str *ret_value, struct k_error *err)
{
    const struct k_store_ops *ops = view->reader->shards[shard].store->ops;
    struct k_store_iterator *iterator = view->iterators[shard];
    struct k_error failure = {0};
    struct k_str found, value;
    ops->seek(iterator, key);
    *ret_value = (struct k_str){0};
    if (ops->next(iterator, &found, &value, &failure) && k_str_equal(found, key)) *ret_value = value;
    if (failure.code && err) *err = failure;
    return failure.code;
}

// The one whose directory was chosen, else the one that the state itself names.
static const char *generation_of(const struct k_state_reader *reader, uint32_t shard)
{
    const Kappa__Internal__Identity *identity = reader->shards[shard].identity;
    if (reader->generation) return reader->generation;
    return identity && identity->generation ? identity->generation : "";
}

static int read_position(struct k_view *view, uint32_t shard, struct k_error *err)
{
    const struct k_state_reader *reader = view->reader;
    struct k_shard_view *out = &view->shards[shard];
    *out = (struct k_shard_view){.shard = reader->shards[shard].number, .generation = generation_of(reader, shard),
                                 .journal_offset = -1, .frontier_us = INT64_MIN, .taken_us = INT64_MIN};
    struct k_str value;
    int rc = k_view_value(view, shard, K_STR("\0position"), &value, err);
    if (rc || !value.data) return rc;
    Kappa__Internal__Position *position =
        kappa__internal__position__unpack(NULL, value.length, (const uint8_t *)value.data);
    if (!position)
        return k_fail(err, K_E_CORRUPT, "\"%s\": its position is damaged", reader->shards[shard].directory);
    if (position->has_journal_offset) out->journal_offset = position->journal_offset;
    if (position->has_frontier_us) out->frontier_us = position->frontier_us;
    if (position->has_taken_us) out->taken_us = position->taken_us;
    out->sequence = position->sequence;
    kappa__internal__position__free_unpacked(position, NULL);
    return 0;
}

static int catch_up(struct k_state_reader *reader, uint32_t shard, struct k_error *err)
{
    bool moved = false;
    int rc = k_store_rocks_catch_up(reader->shards[shard].store, &moved, err);
    reader->moves += moved;
    return rc;
}

// An iterator over the shard as of now, which is no older than the last one.
static int look(struct k_view *view, uint32_t shard, struct k_error *err)
{
    struct k_reader_shard *of = &view->reader->shards[shard];
    const struct k_store_ops *ops = of->store->ops;
    for (int attempt = 0; attempt < CATCH_UPS; attempt++) {
        int rc = catch_up(view->reader, shard, err);
        struct k_str first = {"", 0}, end = {0};
        if (rc == 0) rc = ops->iterate(of->store, first, end, &view->iterators[shard], err);
        if (rc == 0 && !of->identity) rc = read_identity(of, err); // it comes with the first checkpoint
        if (rc == 0) rc = read_position(view, shard, err);
        if (rc) return rc;
        const struct k_shard_view *now = &view->shards[shard];
        if (now->journal_offset >= of->seen_offset && now->sequence >= of->seen_sequence) {
            of->seen_offset = now->journal_offset;
            of->seen_sequence = now->sequence;
            return 0;
        }
        ops->iterate_end(view->iterators[shard]);
        view->iterators[shard] = NULL;
    }
    return k_fail(err, K_E_UNAVAILABLE, "the state in \"%s\" went back behind what was read before: it was replaced; "
                  "open it again", of->directory);
}

int k_view_rows(struct k_view *view, uint32_t shard, struct k_str from, struct k_error *err)
{
    struct k_store *store = view->reader->shards[shard].store;
    int rc = 0;
    if (K_STATE_PLANT(rows_of_another_look)) {
        store->ops->iterate_end(view->iterators[shard]);
        rc = catch_up(view->reader, shard, err);
        if (rc == 0)
            rc = store->ops->iterate(store, (struct k_str){"", 0}, (struct k_str){0}, &view->iterators[shard], err);
    }
    if (rc == 0) store->ops->seek(view->iterators[shard], from);
    return rc;
}

int k_view_open(struct k_state_reader *reader, struct k_view **ret, struct k_error *err)
{
    struct k_view *view = k_new(struct k_view);
    view->reader = reader;
    reader->views++;
    k_arena_init(&view->arena);
    k_arena_init(&view->answer);
    view->shards = k_new_array(struct k_shard_view, reader->shard_count);
    view->iterators = k_new_array(struct k_store_iterator *, reader->shard_count);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < reader->shard_count; i++) rc = look(view, i, err);
    if (rc) {
        k_view_close(view);
        return rc;
    }
    view->moves = reader->moves;
    *ret = view;
    return 0;
}

int k_view_moved(struct k_view *view, bool *ret_moved, struct k_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < view->reader->shard_count; i++) rc = catch_up(view->reader, i, err);
    *ret_moved = view->reader->moves != view->moves;
    return rc;
}

void k_view_close(struct k_view *view)
{
    if (!view) return;
    struct k_state_reader *reader = view->reader;
    for (uint32_t i = 0; i < reader->shard_count; i++)
        reader->shards[i].store->ops->iterate_end(view->iterators[i]);
    reader->views--;
    k_arena_fini(&view->arena);
    k_arena_fini(&view->answer);
    free(view->iterators);
    free(view->shards);
    free(view);
}

const struct k_shard_view *k_view_shards(const struct k_view *view, uint32_t *ret_count, uint32_t *ret_total)
{
    const struct k_state_reader *reader = view->reader;
    const Kappa__Internal__Identity *identity = reader->shards[0].identity;
    *ret_count = reader->shard_count;
    *ret_total = identity && identity->has_shards ? identity->shards : reader->shard_count;
    return view->shards;
}
