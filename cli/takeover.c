// A mark, the copies at it, and what is made of them. Below DIR/.marks/taken/ states are made whole; from there each is
// renamed to its place, so that none is ever there half made. One process at a time does so in a state directory; what
// another left, who died over it, goes.
#include "cli/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/units.h"
#include "cli/change.h"
#include "cli/parity_mark.h"
#include "cli/shard_dirs.h"
#include "state/store.h"

enum { MEMORY = 16 << 20 };
static const int64_t MARK_US = 20000000, LOCK_US = 30000000;

static void give_up(struct takeover *t, const char *why)
{
    k_join_cut(t->why_not, sizeof t->why_not, 0, why);
}

// The shards of the live generation that a process on this machine keeps up to date.
static int find_shards(struct takeover *t, struct k_error *err)
{
    struct shard_dirs dirs = {0};
    char generation[24];
    snprintf(generation, sizeof generation, "%llu", (unsigned long long)t->from);
    int code = shard_dirs_find(t->state_dir, t->new->name, generation, &dirs, err);
    t->shards = k_new_array(uint32_t, dirs.count + 1);
    for (uint32_t i = 0; i < dirs.count && !code; i++)
        if (k_store_rocks_is_open(dirs.items[i].path, NULL)) t->shards[t->shard_count++] = dirs.items[i].shard;
    if (!code && t->shard_count < t->new->shards)
        code = k_fail(err, K_E_NOT_FOUND, "generation %s, which lives, is not hosted with state directory %s",
                      generation, t->state_dir);
    shard_dirs_fini(&dirs);
    return code;
}

void takeover_decide(struct takeover *t, const char *state_dir, const struct k_plan *plan,
                     const struct k_control *control)
{
    struct k_error err = {0};
    struct k_change change;
    const char *why_all = NULL;
    char generation[24];
    *t = (struct takeover){.state_dir = state_dir, .new = plan, .from = control->live, .lock = -1};
    k_arena_init(&t->arena);
    snprintf(generation, sizeof generation, "%llu", (unsigned long long)t->from);
    char *path = k_format("%s/%s/%s", state_dir, plan->name, generation);
    int code = access(path, F_OK) == 0 ? change_load(state_dir, plan->name, generation, &t->old, &why_all, &err)
                                       : k_fail(&err, K_E_NOT_FOUND, "generation %s, which lives, has no state in %s",
                                                generation, state_dir);
    free(path);
    if (!code && t->old.plan->shards != plan->shards)
        code = k_fail(&err, K_E_CONFIG, "the number of shards is another");
    if (!code) {
        k_change_make(t->old.plan, plan, why_all, &t->arena, &change);
        k_taking_decide(t->old.plan, plan, &change, &t->arena, &t->taking);
        if (t->taking.why_not) give_up(t, t->taking.why_not);
        else code = find_shards(t, &err);
    }
    if (code) give_up(t, err.text);
}

static int make_one(struct takeover *t, const char *copies, uint32_t shard, const struct k_starts *starts,
                    struct k_error *err)
{
    char *from = k_format("%s/%s/%llu/%u", copies, t->new->name, (unsigned long long)t->from, shard);
    char *to = k_format("%s/%u", t->place, shard);
    struct k_store *store = NULL;
    int code = k_directories_make(t->place, 0700, err);
    if (!code) code = k_path_rename(from, to, err);
    if (!code) code = k_store_rocks_open(to, false, MEMORY, &store, err);
    if (!code)
        code = k_takeover_make(store, t->old.plan, t->new, &t->taking, starts ? starts->items : NULL,
                               starts ? starts->count : 0, err);
    if (store) store->ops->close(store);
    free(from);
    free(to);
    return code;
}

// Whoever has it is through soon: it waits for a mark, and makes what is small. Nobody waits for one that was stopped.
static int take_lock(struct takeover *t, const char *path, struct k_error *err)
{
    int64_t until_us = k_clock_us(CLOCK_MONOTONIC) + LOCK_US;
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->lock < 0) return k_fail(err, K_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    while (flock(t->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return k_fail(err, K_E_IO, "%s cannot be locked: %s", path, strerror(errno));
        if (k_clock_us(CLOCK_MONOTONIC) >= until_us)
            return k_fail(err, K_E_TIMEOUT, "another process that takes over holds %s", path);
        struct timespec pause = {.tv_nsec = 50000000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int begin(struct takeover *t, struct k_error *err)
{
    char *marks = k_format("%s/.marks", t->state_dir), *lock = k_format("%s/taken.lock", marks);
    int code = k_directories_make(marks, 0700, err);
    if (!code) code = take_lock(t, lock, err);
    if (!code) t->place = k_format("%s/taken", marks);
    if (!code) k_tree_remove(t->place);
    free(marks);
    free(lock);
    return code;
}

static void end(struct takeover *t)
{
    if (t->place) k_tree_remove(t->place);
    free(t->place);
    t->place = NULL;
    if (t->lock >= 0) close(t->lock);
    t->lock = -1;
}

void takeover_prepare(struct takeover *t, struct k_log *log, const struct k_starts *starts)
{
    struct k_error err = {0};
    char generation[24], *copies = NULL;
    if (t->why_not[0]) return;
    snprintf(generation, sizeof generation, "%llu", (unsigned long long)t->from);
    struct parity_mark mark = {
        .state_dir = t->state_dir, .graph = t->new->name, .generations = {generation}, .timeout_us = MARK_US};
    int code = begin(t, &err);
    if (!code) code = parity_mark_with(log, &mark, &copies, &err);
    for (uint32_t i = 0; i < t->shard_count && !code; i++) code = make_one(t, copies, t->shards[i], starts, &err);
    if (copies) parity_mark_end(&mark, false);
    free(copies);
    if (!code) return;
    end(t);
    give_up(t, err.text);
}

bool takeover_is_placed(const char *state_dir, const struct k_plan *plan, uint64_t generation)
{
    bool all = generation > 0;
    for (uint32_t s = 0; s < plan->shards && all; s++) {
        char *path = k_format("%s/%s/%llu/%u", state_dir, plan->name, (unsigned long long)generation, s);
        all = access(path, F_OK) == 0;
        free(path);
    }
    return all;
}

int takeover_place(struct takeover *t, uint64_t generation, struct k_error *err)
{
    int code = 0;
    if (t->why_not[0] || !t->place) return 0;
    for (uint32_t i = 0; i < t->shard_count && !code; i++) {
        char *above = k_format("%s/%s/%llu", t->state_dir, t->new->name, (unsigned long long)generation);
        char *from = k_format("%s/%u", t->place, t->shards[i]), *to = k_format("%s/%u", above, t->shards[i]);
        code = k_directories_make(above, 0700, err);
        // What is there already goes on as it began.
        if (!code && access(to, F_OK) != 0) code = k_path_rename(from, to, err);
        free(above);
        free(from);
        free(to);
    }
    end(t);
    return code;
}

void takeover_say(const struct takeover *t, const char *command)
{
    if (t->why_not[0]) {
        fprintf(stderr, "kappa %s: everything is computed: %s\n", command, t->why_not);
        return;
    }
    uint32_t taken = 0, with_state = 0;
    for (uint32_t n = 0; n < t->new->node_count; n++) {
        with_state += t->new->nodes[n].state != NULL;
        taken += t->new->nodes[n].state && t->taking.items[n].how == K_TAKING_OVER;
    }
    fprintf(stderr, "kappa %s: of %u nodes and tables with state, %u are taken over from generation %llu%s\n",
            command, with_state, taken, (unsigned long long)t->from,
            t->taking.whole ? "; nothing is read again" : "");
}

void takeover_fini(struct takeover *t)
{
    if (!t->new) return; // nobody asked
    end(t);
    free(t->shards);
    loaded_fini(&t->old);
    k_arena_fini(&t->arena);
}
