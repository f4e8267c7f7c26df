// kappa state import: brings an export (or the newest snapshots) back as working state.
//
// Files are copied, not linked: a backup shall not be damaged together with what was made from it. Each copy is made
// under a name with ".part", read from end to end, and renamed only then. What is there is never overwritten.
#include "cli/facts.h"
#include "base/directory.h"
#include "cli/shard_dirs.h"
#include "operators/operator.h"
#include "state/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { STATE_DIR, GRAPH, GENERATION, DRY_RUN, YES };
static const struct k_option options[] = {
    [STATE_DIR] = OPTION_STATE_DIR,
    [GRAPH] = {.name = "graph", .argument = "NAME", .help = "only this graph"},
    [GENERATION] = {.name = "generation", .argument = "G", .help = "only this generation"},
    [DRY_RUN] = OPTION_DRY_RUN,
    [YES] = OPTION_YES,
};

// What would be imported: where from, and whose it says it is.
struct import {
    const struct shard_dir *from;
    char *target;
    int64_t journal_offset;
};

static int fail_errno(struct k_error *err, const char *path)
{
    int code = errno == ENOSPC || errno == EDQUOT ? K_E_DISK_FULL : errno == EACCES ? K_E_DENIED : K_E_IO;
    return k_fail(err, code, "%s: %s", path, strerror(errno));
}

// A file that an engine writes at the moment would be copied half.
static int check_at_rest(const char *directory, struct k_error *err)
{
    long process;
    if (!k_store_rocks_is_open(directory, &process)) return 0;
    return k_fail(err, K_E_UNAVAILABLE,
                  "it is in use by process %ld; import takes states at rest, such as kappa state export makes",
                  process);
}

// Whose is it, and is it what its place says?
static int judge(const struct shard_dir *from, const char *root, struct import *ret, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = from->path};
    struct facts facts = {0};
    int code = check_at_rest(from->path, err);
    if (!code) code = facts_open(&options, &facts, err);
    const struct facts_shard *shard = facts.shards;
    if (!code && (!shard->identity || !shard->position || !shard->identity->graph || !shard->identity->generation))
        code = k_fail(err, K_E_CORRUPT, "it does not say whose it is, or where it stands");
    if (!code && (strcmp(shard->identity->graph, from->graph) != 0 || shard->identity->shard != from->shard ||
                  strcmp(shard->identity->generation, from->generation) != 0))
        code = k_fail(err, K_E_CORRUPT,
                      "it says that it is graph \"%s\", generation %s, shard %u: it lies in a wrong place",
                      shard->identity->graph, shard->identity->generation, shard->identity->shard);
    if (!code && shard->identity->semantics != K_SEMANTICS)
        code = k_fail(err, K_E_CONFIG,
                      "it was made by operators of semantics version %u, these are version %d: it could not be run",
                      shard->identity->semantics, K_SEMANTICS);
    if (!code) {
        ret->from = from;
        ret->target = k_format("%s/%s/%s/%u", root, from->graph, from->generation, from->shard);
        ret->journal_offset = shard->position->journal_offset;
    }
    facts_close(&facts);
    return code ? k_wrap(err, code, "%s", from->path) : 0;
}

static int copy_file(const char *from, const char *to, struct k_error *err)
{
    int in = open(from, O_RDONLY), out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL, 0644), code = 0;
    if (in < 0) return fail_errno(err, from);
    if (out < 0) code = fail_errno(err, to);
    for (ssize_t n = 1; !code && n > 0;) {
        n = sendfile(out, in, NULL, 16 << 20);
        if (n < 0) code = fail_errno(err, to);
    }
    if (!code && fsync(out) != 0) code = fail_errno(err, to);
    close(in);
    if (out >= 0) close(out);
    return code;
}

static int copy_files(const char *from, const char *to, struct k_error *err)
{
    int code = k_directories_make(to, 0777, err);
    DIR *dir = opendir(from);
    if (!dir) return fail_errno(err, from);
    const struct dirent *entry;
    while (!code && (entry = readdir(dir))) {
        const char *name = entry->d_name;
        // RocksDB's lock and its own diagnostics belong to the place, not to the state.
        if (name[0] == '.' || strcmp(name, "LOCK") == 0 || strncmp(name, "LOG", 3) == 0) continue;
        char *source = k_format("%s/%s", from, name), *copy = k_format("%s/%s", to, name);
        code = copy_file(source, copy, err);
        free(source);
        free(copy);
    }
    closedir(dir);
    return code;
}

// A damaged file shows when it is read, and not before: so everything is read.
static int verify(const char *path, struct k_view_size *ret, struct k_error *err)
{
    const struct k_reader_options options = {.state_dir = path, .one_view = true};
    struct k_state_reader *reader = NULL;
    struct k_view *view = NULL;
    int code = k_reader_open(&options, &reader, err);
    if (!code) code = k_view_open(reader, &view, err);
    if (!code) code = k_view_verify(view, 0, ret, err);
    k_view_close(view);
    k_reader_close(reader);
    return code;
}

static int import_one(const struct import *import, struct k_error *err)
{
    struct k_view_size size = {0};
    char *part = k_format("%s.part", import->target);
    k_tree_remove(part); // of an import that was interrupted
    int code = copy_files(import->from->path, part, err);
    if (!code) code = verify(part, &size, err);
    if (!code && rename(part, import->target) != 0) code = fail_errno(err, import->target);
    if (code) k_tree_remove(part);
    else
        printf("%s: journal offset %lld, %llu keys\n", import->target, (long long)import->journal_offset,
               (unsigned long long)size.keys);
    free(part);
    return code ? k_wrap(err, code, "%s", import->from->path) : 0;
}

static int import_all(struct call *call, const struct import *imports, uint32_t count, bool yes, bool dry_run)
{
    struct k_error err = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (is_vacant(imports[i].target)) continue;
        fprintf(stderr, "kappa %s: %s is not empty; state is never overwritten: move it away first\n",
                call->command->name, imports[i].target);
        return 1;
    }
    for (uint32_t i = 0; i < count && dry_run; i++)
        printf("would import %s as %s, journal offset %lld\n", imports[i].from->path, imports[i].target,
               (long long)imports[i].journal_offset);
    if (dry_run) return 0;
    char *what = k_format("import %u shard%s into %s", count, count == 1 ? "" : "s",
                          k_options_text(&call->options, STATE_DIR));
    int status = output_confirm(call, yes, what);
    free(what);
    for (uint32_t i = 0; i < count && !status; i++) {
        int code = import_one(&imports[i], &err);
        if (code) status = command_failed(call, code, &err);
    }
    return status;
}

static int run(struct call *call)
{
    bool dry_run = false, yes = false;
    struct k_error err = {0};
    struct shard_dirs dirs = {0};
    int code = k_options_flag(&call->options, DRY_RUN, &dry_run, &err);
    if (!code) code = k_options_flag(&call->options, YES, &yes, &err);
    if (code) return command_misused(call, &err);
    code = shard_dirs_find(call->options.operands[0], k_options_text(&call->options, GRAPH),
                           k_options_text(&call->options, GENERATION), &dirs, &err);
    struct import *imports = k_new_array(struct import, dirs.count + 1);
    for (uint32_t i = 0; i < dirs.count && !code; i++)
        code = judge(&dirs.items[i], k_options_text(&call->options, STATE_DIR), &imports[i], &err);
    int status = code ? command_failed(call, code, &err) : import_all(call, imports, dirs.count, yes, dry_run);
    for (uint32_t i = 0; i < dirs.count; i++) free(imports[i].target);
    free(imports);
    shard_dirs_fini(&dirs);
    return status;
}

const struct command command_state_import = {
    .name = "state import",
    .operands = "DIR",
    .doc = "bring exported states back as working state",
    .more = "DIR is what kappa state export made, or the directory of run --snapshot-dir, of which the newest "
            "snapshots are\n"
            "taken. The engine that is started on it then follows the journal from the export's position on.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run};
