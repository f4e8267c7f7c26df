// kappa state export: a copy of the state with its position, to keep elsewhere.
//
// A state at rest is exported as a hard-linked checkpoint: no data moves where links are possible. One that an engine
// writes at the moment is copied from a view, which is one commit boundary; the engine is not disturbed. Either is made
// under a name with ".part" and renamed when it is whole and its position was read back.
#include "cli/facts.h"
#include "cli/shard_dirs.h"
#include "base/directory.h"
#include "base/units.h"
#include "state/store.h"

#include <stdlib.h>

enum { STATE_DIR, GRAPH, GENERATION, MEMORY, DRY_RUN, YES };
static const struct k_option options[] = {
    [STATE_DIR] = OPTION_STATE_DIR,
    [GRAPH] = {.name = "graph", .argument = "NAME", .help = "only this graph"},
    [GENERATION] = {.name = "generation", .argument = "G", .help = "only this generation"},
    [MEMORY] = {.name = "memory", .argument = "SIZE", .help = "budget for opening a state", .text = "64MiB"},
    [DRY_RUN] = OPTION_DRY_RUN,
    [YES] = OPTION_YES,
};

// *ret_how says in a word what was done.
static int export_state(const char *from, const char *to, uint64_t memory_bytes, const char **ret_how,
                        struct k_error *err)
{
    struct k_store *store;
    int code = k_store_rocks_open(from, false, memory_bytes, &store, err);
    if (!code) {
        *ret_how = "checkpoint";
        code = store->ops->export_to(store, to, err);
        store->ops->close(store);
        return code;
    }
    // Somebody writes it, or it may only be read.
    if (code != K_E_UNAVAILABLE && code != K_E_DENIED) return code;
    const struct k_reader_options options = {.state_dir = from, .memory_bytes = memory_bytes};
    struct k_state_reader *reader = NULL;
    struct k_view *view = NULL;
    *ret_how = "copy of a state in use";
    code = k_reader_open(&options, &reader, err);
    if (!code) code = k_view_open(reader, &view, err);
    if (!code) code = k_view_copy(view, 0, to, memory_bytes, err);
    k_view_close(view);
    k_reader_close(reader);
    return code;
}

// What was exported must say whose it is and where it stands, else it could not be imported.
static int read_back(const char *path, int64_t *ret_offset, uint64_t *ret_bytes, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = path};
    struct facts facts = {0};
    int code = facts_open(&options, &facts, err);
    if (!code && (!facts.shards[0].identity || !facts.shards[0].position))
        code = k_fail(err, K_E_NOT_FOUND, "the state has no checkpoint yet");
    if (!code) {
        *ret_offset = facts.shards[0].position->journal_offset;
        *ret_bytes = facts.shards[0].disk_bytes;
    }
    facts_close(&facts);
    return code;
}

static int export_shard(const struct shard_dir *from, const char *root, uint64_t memory_bytes, struct k_error *err)
{
    char *above = k_format("%s/%s/%s", root, from->graph, from->generation);
    char *to = k_format("%s/%u", above, from->shard), *part = k_format("%s.part", to);
    const char *how = "";
    int64_t offset = 0;
    uint64_t bytes = 0;
    int code = k_directories_make(above, 0777, err);
    if (!code) code = export_state(from->path, part, memory_bytes, &how, err);
    if (!code) code = read_back(part, &offset, &bytes, err);
    if (!code) code = k_path_rename(part, to, err);
    if (code) {
        k_tree_remove(part);
        code = k_wrap(err, code, "%s", from->path);
    } else {
        struct k_buf size = {0};
        k_size_print(&size, bytes);
        printf("%s: journal offset %lld, %s, %s\n", to, (long long)offset, size.data, how);
        k_buf_fini(&size);
    }
    free(above);
    free(part);
    free(to);
    return code;
}

static int export_all(struct call *call, const struct shard_dirs *dirs, const char *root, uint64_t memory_bytes,
                      bool dry_run)
{
    struct k_error err = {0};
    for (uint32_t i = 0; i < dirs->count; i++) {
        const struct shard_dir *from = &dirs->items[i];
        if (dry_run) {
            printf("would export %s to %s/%s/%s/%u\n", from->path, root, from->graph, from->generation, from->shard);
            continue;
        }
        int code = export_shard(from, root, memory_bytes, &err);
        if (!code) continue;
        k_tree_remove(root); // it was empty before
        return command_failed(call, code, &err);
    }
    return 0;
}

static int run(struct call *call)
{
    uint64_t memory_bytes = 64 << 20;
    bool dry_run = false, yes = false;
    struct k_error err = {0};
    struct shard_dirs dirs = {0};
    int code = k_options_size(&call->options, MEMORY, &memory_bytes, &err);
    if (!code) code = k_options_flag(&call->options, DRY_RUN, &dry_run, &err);
    if (!code) code = k_options_flag(&call->options, YES, &yes, &err); // nothing that exists changes: never asked
    if (code) return command_misused(call, &err);
    const char *root = call->options.operands[0];
    code = shard_dirs_find(k_options_text(&call->options, STATE_DIR), k_options_text(&call->options, GRAPH),
                           k_options_text(&call->options, GENERATION), &dirs, &err);
    int status = code ? command_failed(call, code, &err) : 0;
    if (!status && !is_vacant(root)) {
        fprintf(stderr, "kappa %s: %s is not empty; an export goes into a new directory\n", call->command->name,
                root);
        status = 1;
    }
    if (!status) status = export_all(call, &dirs, root, memory_bytes, dry_run);
    shard_dirs_fini(&dirs);
    return status;
}

const struct command command_state_export = {
    .name = "state export",
    .operands = "DIR",
    .doc = "export states with their positions into a new directory",
    .more =
        "Of a stopped engine: hard links where the file system allows, so that it takes no time and no room. Of a\n"
        "running one: a copy as of its last checkpoint (run --snapshot-dir makes hard-linked ones meanwhile). The\n"
        "export has the form of a state directory: kappa table --state-dir DIR reads it.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
