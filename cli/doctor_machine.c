// The machine's side of the preflight: memory, files, disk, and the state that is there already.
#include "cli/doctor.h"

#include "base/directory.h"
#include "base/units.h"
#include "cli/machine_limits.h"
#include "cli/shard_dirs.h"
#include "engine/worker.h"
#include "state/store.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>

enum {
    TRIAL_BYTES = 8 << 20, // of a store that is made and removed
    FILES_WANTED = 4096,   // below, RocksDB closes and opens files all the time
    DISK_MIN = 64 << 20,   // less is as good as none
    DISK_WANTED = 1 << 30,
};

static void add_size(char *out, size_t size, uint64_t bytes)
{
    struct k_buf text = {0};
    k_size_print(&text, bytes);
    snprintf(out, size, "%s", text.data);
    k_buf_fini(&text);
}

static void check_memory(struct doctor *d)
{
    char where[300], wanted[32], limit[32], advice[64];
    uint64_t bytes = limits_memory_bytes("", where, sizeof where);
    add_size(wanted, sizeof wanted, d->memory_bytes);
    add_size(limit, sizeof limit, bytes);
    snprintf(advice, sizeof advice, "Give --memory at least %lluMiB.",
             (unsigned long long)k_budget_least(d->shards) >> 20);
    if (d->memory_bytes < k_budget_least(d->shards))
        doctor_fail(d, "memory", K_E_CONFIG, advice,
                    "--memory %s is too little for %u shard%s", wanted, d->shards, d->shards == 1 ? "" : "s");
    else if (d->memory_bytes > bytes)
        doctor_fail(d, "memory", K_E_CONFIG, "Lower --memory, or raise the limit.",
                    "--memory %s is more than the %s that there are (%s)", wanted, limit, where);
    else if (d->memory_bytes > bytes / 5 * 4)
        doctor_warn(d, "memory", "Leave a fifth for code, libraries and threads.",
                    "--memory %s is nearly all of the %s that there are (%s)", wanted, limit, where);
    else doctor_ok(d, "memory", "--memory %s of %s", wanted, limit);
}

static void check_files(struct doctor *d)
{
    uint64_t files = limits_files();
    if (files < FILES_WANTED)
        doctor_warn(d, "files", "Raise it: ulimit -n 65536, or LimitNOFILE of the service.",
                    "a process may open %llu files; %d are wanted", (unsigned long long)files, FILES_WANTED);
    else doctor_ok(d, "files", "a process may open %llu files", (unsigned long long)files);
}

// The state directory, or what is there of the path to it. Allocated.
static char *nearest_directory(const char *path)
{
    char *at = path[0] == '/' ? k_strdup(path) : k_format("./%s", path);
    struct stat status;
    while (stat(at, &status) != 0) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at) {
            free(at);
            return k_strdup(slash ? "/" : ".");
        }
        *slash = '\0';
    }
    return at;
}

static void check_disk(struct doctor *d, const char *directory)
{
    struct statfs fs;
    char room_text[32], wanted_text[32];
    uint64_t wanted = 0;
    for (uint32_t i = 0; d->facts && i < d->facts->shard_count; i++) wanted += d->facts->shards[i].disk_bytes;
    if (wanted < DISK_WANTED) wanted = DISK_WANTED;
    if (statfs(directory, &fs) != 0) {
        doctor_fail(d, "disk", K_E_IO, "Choose another --state-dir.", "%s: %s", directory, strerror(errno));
        return;
    }
    uint64_t room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    add_size(room_text, sizeof room_text, room);
    add_size(wanted_text, sizeof wanted_text, wanted);
    if (room < DISK_MIN)
        doctor_fail(d, "disk", K_E_DISK_FULL, "Make room, or choose another --state-dir.", "%s free under %s",
                    room_text, directory);
    else if (room < wanted)
        doctor_warn(d, "disk", "Compaction may need as much as the state, beside it.",
                    "%s free under %s; %s are wanted", room_text, directory, wanted_text);
    else doctor_ok(d, "disk", "%s free under %s", room_text, directory);
    if (fs.f_type == TMPFS_MAGIC)
        doctor_warn(d, "disk", "After a reboot the state is computed again from the journal's start.",
                    "%s lies in memory (tmpfs)", directory);
}

// Makes a state, as run would, and takes it away again.
static void check_state_dir(struct doctor *d)
{
    char *directory = nearest_directory(d->state_dir), *trial = k_format("%s/.kappa-doctor-XXXXXX", directory);
    struct stat status;
    struct k_error err = {0};
    struct k_store *store;
    int code = 0;
    if (stat(directory, &status) == 0 && !S_ISDIR(status.st_mode)) {
        doctor_fail(d, "state directory", K_E_CONFIG, "Choose another --state-dir.", "%s is no directory", directory);
    } else if (!mkdtemp(trial)) {
        code = errno == EACCES || errno == EPERM || errno == EROFS ? K_E_DENIED
               : errno == ENOSPC || errno == EDQUOT                ? K_E_DISK_FULL
                                                                   : K_E_IO;
        doctor_fail(d, "state directory", code, "Choose another --state-dir, or change its owner.",
                    "nothing can be written under %s: %s", directory, strerror(errno));
    } else {
        char *state = k_format("%s/state", trial);
        code = k_store_rocks_open(state, true, TRIAL_BYTES, &store, &err);
        if (!code) store->ops->close(store);
        k_tree_remove(trial);
        if (code)
            doctor_fail(d, "state directory", code,
                        code == K_E_CONFIG ? "Raise the limit: ulimit -n 65536." : "Choose another --state-dir.",
                        "no state can be made under %s: %s", directory, err.text);
        else doctor_ok(d, "state directory", "state can be made under %s", directory);
        free(state);
        check_disk(d, directory);
    }
    free(trial);
    free(directory);
}

// Does the state that is there belong to this graph, and do its sums hold?
static void check_state(struct doctor *d)
{
    const struct facts_shard *shard = &d->facts->shards[0];
    const char *fingerprint = shard->identity ? shard->identity->fingerprint : NULL;
    if (shard->identity && shard->identity->semantics != K_SEMANTICS)
        doctor_fail(d, "state", K_E_CONFIG, "Run it with the kappa that made it.",
                    "it was made by operators of semantics version %u, these are version %d",
                    shard->identity->semantics, K_SEMANTICS);
    else if (shard->identity && shard->identity->shards != d->shards)
        doctor_fail(d, "state", K_E_CONFIG, "The number of shards is fixed for the life of a pipeline.",
                    "it has %u shards, --shards is %u", shard->identity->shards, d->shards);
    else if (fingerprint && strcmp(fingerprint, d->plan->fingerprint) != 0)
        doctor_fail(d, "state", K_E_CONFIG,
                    "Run the graph that made it, or give this one another name or --state-dir.",
                    "%s was made by another version of the graph", shard->directory);
    else if (!d->facts->sums_hold)
        doctor_fail(d, "state", K_E_BUG, "Report it; kappa state show has the numbers.",
                    "its counters' sums do not hold");
    else doctor_ok(d, "state", "%u of %u shards are here", d->facts->shard_count, d->facts->shards_total);
}

void doctor_machine(struct doctor *d)
{
    check_memory(d);
    check_files(d);
    check_state_dir(d);
    if (d->facts) check_state(d);
}
