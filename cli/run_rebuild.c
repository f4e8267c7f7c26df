// kappa run --rebuild: the check for each shard, and the copy of the export that it starts from.
#include "cli/run_rebuild.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/directory.h"
#include "cli/shard_dirs.h"
#include "replay/preflight.h"
#include "replay/rebuild.h"
#include "state/reader.h"

enum { COPY_BYTES = 64 << 20 };

// An export of a shard, opened.
struct export {
    const char *path;
    struct k_state_reader *reader;
    struct k_view *view;
    Kappa__Internal__Position *position;
};

static void export_close(struct export *e)
{
    if (e->position) kappa__internal__position__free_unpacked(e->position, NULL);
    k_view_close(e->view);
    k_reader_close(e->reader);
    *e = (struct export){0};
}

static int export_open(const char *path, const struct k_plan *plan, struct export *ret, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = path, .one_view = true};
    struct k_arena arena;
    struct k_str identity = {0}, position = {0};
    k_arena_init(&arena);
    *ret = (struct export){.path = path};
    int code = k_reader_open(&options, &ret->reader, err);
    if (!code) code = k_view_open(ret->reader, &ret->view, err);
    if (!code) code = k_view_meta(ret->view, 0, "identity", &arena, &identity, err);
    if (!code) code = k_view_meta(ret->view, 0, "position", &arena, &position, err);
    Kappa__Internal__Identity *id =
        identity.data ? kappa__internal__identity__unpack(NULL, identity.length, (const uint8_t *)identity.data) : NULL;
    if (position.length)
        ret->position =
            kappa__internal__position__unpack(NULL, position.length, (const uint8_t *)position.data);
    if (!code && (!id || !ret->position))
        code = k_fail(err, K_E_CORRUPT, "it does not say whose it is and where it stands");
    if (!code && (!id->fingerprint || strcmp(id->fingerprint, plan->fingerprint) != 0))
        code = k_fail(err, K_E_CONFIG, "it was made by another version of graph \"%s\"", plan->name);
    if (!code && id->semantics != K_SEMANTICS)
        code = k_fail(err, K_E_CONFIG, "it was made by operators of semantics version %u, these are version %d",
                      id->semantics, K_SEMANTICS);
    if (id) kappa__internal__identity__free_unpacked(id, NULL);
    k_arena_fini(&arena);
    return code;
}

static int put_export(const struct export *e, const char *directory, struct k_error *err)
{
    char *part = k_format("%s.part", directory);
    int code = k_directories_make_above(directory, 0777, err);
    k_tree_remove(part);
    if (!code) code = k_view_copy(e->view, 0, part, COPY_BYTES, err);
    if (!code) code = k_path_rename(part, directory, err);
    free(part);
    return code;
}

// A generation that does not simply begin with the journal is built again as it was the first time.
static int check_beginning(struct k_log *log, const struct k_worker_options *w, struct k_rebuild *ret,
                           struct k_error *err)
{
    const struct k_starts starts = {.items = (struct k_start *)w->starts,
                                    .count = w->start_count,
                                    .journal_from = (int64_t *)w->journal_from,
                                    .shards = w->plan->shards};
    struct k_preflight found;
    int code = k_preflight(log, w->plan, &starts, &found, err);
    if (!code) *ret = (struct k_rebuild){.records = found.journal_records};
    if (!code) k_preflight_fini(&found);
    return code;
}

// The newest export of a shard, if there is one that the journal can be followed from; else the journal's start.
static int rebuild_shard(struct k_log *log, const struct k_worker_options *w, uint32_t shard, const char *export_path,
                         const char *directory, struct k_error *err)
{
    struct k_rebuild way;
    char why[sizeof err->text] = "";
    if (export_path) {
        struct export export = {0};
        int code = export_open(export_path, w->plan, &export, err);
        if (!code) code = k_rebuild_check(log, w->plan, shard, export.position, &way, err);
        if (!code) {
            fprintf(stderr, "kappa run: shard %u is rebuilt from %s, at journal offset %lld of %lld\n", shard,
                    export_path, (long long)way.journal_offset, (long long)way.journal_end);
            code = put_export(&export, directory, err);
            export_close(&export);
            return code;
        }
        export_close(&export);
        if (code == K_E_UNAVAILABLE || code == K_E_DENIED || code == K_E_NOT_FOUND) return code;
        memcpy(why, err->text, sizeof why);
        fprintf(stderr, "kappa run: shard %u: %s is of no use: %s\n", shard, export_path, why);
    }
    int code = w->start_count || w->journal_from ? check_beginning(log, w, &way, err)
                                                 : k_rebuild_check(log, w->plan, shard, NULL, &way, err);
    if (code)
        return k_wrap(err, code, "shard %u cannot be rebuilt from the journal's start%s", shard,
                      code != K_E_LOST_RANGE || w->snapshot_dir ? "" : " (with --snapshot-dir, from an export)");
    fprintf(stderr, "kappa run: shard %u is rebuilt from the journal's start, %llu records\n", shard,
            (unsigned long long)way.records);
    return 0;
}

int run_rebuild(struct k_log *log, const struct k_worker_options *w, struct k_error *err)
{
    struct shard_dirs exports = {0};
    struct k_error ignored = {0};
    // No export at all is fine: then it is the journal's start.
    if (w->snapshot_dir && shard_dirs_find(w->snapshot_dir, w->plan->name, w->generation, &exports, &ignored))
        exports.count = 0;
    int code = 0;
    char *generation = k_format("%s/%s/%s", w->state_dir, w->plan->name, w->generation);
    if (!is_vacant(generation))
        code = k_fail(err, K_E_CONFIG,
                      "%s holds a state already, and nothing is ever wiped: --rebuild wants a --state-dir without one "
                      "(move the old one away, or name another)",
                      generation);
    for (uint32_t i = 0; !code && i < w->plan->shards; i++) {
        const char *export = NULL;
        for (uint32_t e = 0; e < exports.count; e++)
            if (exports.items[e].shard == i) export = exports.items[e].path;
        char *directory = k_format("%s/%u", generation, i);
        code = rebuild_shard(log, w, i, export, directory, err);
        free(directory);
    }
    free(generation);
    shard_dirs_fini(&exports);
    return code;
}
