// bench_state DIR KEYS EVENTS CACHE_MIB STORE_MIB: what an update of a count costs in the state alone, without Kafka.
//
// KEYS counts, keyed by an integer as kc's bidders are, are hit uniformly, EVENTS times, in batches, with
// checkpoints when the engine would take them. (kappa plan shows what cache and store get of a budget.) Prints CPU
// nanoseconds an event: lookups (with the store's), checkpoints, trimming, and what other threads took (compaction);
// and at the end what was resident at the worst moment, and who had it (with jemalloc preloaded).
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/units.h"
#include "state/encoding.h"
#include "state/state.h"

enum { BATCH = 2048, DIRTY_SHARE = 4 /* engine/checkpoint.c */, KEY_BYTES = 9, REPORTS = 8 };
enum { LOOKUPS, CHECKPOINTS, TRIMMING, PHASES };

static void encode(const void *value, const void *context, struct k_buf *out)
{
    (void)context;
    k_buf_add(out, value, sizeof(int64_t));
}

static int decode(struct k_str bytes, const void *context, void *value, struct k_error *err)
{
    (void)context;
    if (bytes.length != sizeof(int64_t)) return k_fail(err, K_E_CORRUPT, "a count of %u bytes", bytes.length);
    memcpy(value, bytes.data, bytes.length);
    return 0;
}

static const struct k_family_type counts_type = {.size = sizeof(int64_t), .encode = encode, .decode = decode};

struct spent {
    int64_t find_us, checkpoint_us, trim_us, process_us;
};

// Looks every few milliseconds at what is resident: the peak is within a checkpoint or a compaction, and short.
struct watch {
    struct k_store *store;
    atomic_int phase; // what the main thread does
    atomic_bool ended;
    _Atomic uint64_t held; // by the cache, as it was last asked
    struct moment {
        uint64_t resident, allocated, active, held, store;
    } peaks[PHASES];
};

int mallctl(const char *name, void *old, size_t *old_length, void *new, size_t new_length) __attribute__((weak));

static uint64_t resident_bytes(void)
{
    unsigned long long size, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%llu %llu", &size, &pages) != 2) pages = 0;
    if (file) fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t allocator_says(const char *name)
{
    size_t value = 0, length = sizeof value;
    return mallctl && mallctl(name, &value, &length, NULL, 0) == 0 ? value : 0;
}

static void *look(void *argument)
{
    struct watch *watch = argument;
    static const struct timespec pause = {.tv_nsec = 5000000};
    while (!atomic_load(&watch->ended)) {
        nanosleep(&pause, NULL);
        struct moment *peak = &watch->peaks[atomic_load(&watch->phase)], now = {.resident = resident_bytes()};
        if (now.resident <= peak->resident) continue;
        uint64_t epoch = 1;
        if (mallctl) (void)mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
        now.allocated = allocator_says("stats.allocated");
        now.active = allocator_says("stats.active");
        now.held = atomic_load(&watch->held);
        now.store = watch->store->ops->memory_used(watch->store);
        *peak = now;
    }
    return NULL;
}

static void show_peaks(const struct watch *watch)
{
    static const char *const names[PHASES] = {"lookups", "checkpoints", "trimming"};
    for (int i = 0; i < PHASES; i++) {
        const struct moment *m = &watch->peaks[i];
        printf("%s: at most %" PRIu64 " MiB resident; then %" PRIu64 " allocated, %" PRIu64
               " in active pages, %" PRIu64 " the cache's by its own count, %" PRIu64 " the store's\n",
               names[i], m->resident >> 20, m->allocated >> 20, m->active >> 20, m->held >> 20, m->store >> 20);
    }
}

static void check(int code, const struct k_error *err)
{
    if (code == 0) return;
    fprintf(stderr, "bench_state: %s\n", err->text);
    exit(1);
}

static void update(struct k_family *family, uint64_t *seed, uint64_t keys)
{
    static char bytes[BATCH][KEY_BYTES];
    static struct k_str names[BATCH];
    static void *values[BATCH];
    struct k_error err = {0};
    for (uint32_t i = 0; i < BATCH; i++) {
        bytes[i][0] = 0x12;
        k_key_put_i64(bytes[i] + 1, (int64_t)k_random_below(seed, keys));
        names[i] = (struct k_str){bytes[i], KEY_BYTES};
    }
    check(k_family_find(family, K_FIND_OR_CREATE, BATCH, NULL, names, values, NULL, &err), &err);
    for (uint32_t i = 0; i < BATCH; i++) {
        ++*(int64_t *)values[i];
        k_family_dirty(family, values[i]);
    }
}

static void report(struct k_state *state, uint64_t events, const struct spent *now, struct spent *last,
                   uint64_t since, struct k_state_figures *before)
{
    struct k_state_figures f;
    k_state_figures(state, &f);
    double n = (double)(events - since) / 1000;
    int64_t mine =
        now->find_us + now->checkpoint_us + now->trim_us - last->find_us - last->checkpoint_us - last->trim_us;
    printf("%9" PRIu64 " events: find %5.0f, checkpoints %4.0f, trim %4.0f, other threads %5.0f ns; misses %.0f %%; "
           "%" PRIu64 " checkpoints; disk %" PRIu64 " MiB, store %" PRIu64 " MiB, level 0 %u, debt %" PRIu64 " MiB\n",
           events, (double)(now->find_us - last->find_us) / n, (double)(now->checkpoint_us - last->checkpoint_us) / n,
           (double)(now->trim_us - last->trim_us) / n, (double)(now->process_us - last->process_us - mine) / n,
           100.0 * (double)(f.misses - before->misses) / (n * 1000), f.checkpoints, f.store_disk_bytes >> 20,
           f.store_memory_bytes >> 20, f.store_level0_files, f.store_debt_bytes >> 20);
    fflush(stdout);
    *last = *now;
    *before = f;
}

int main(int argc, char **argv)
{
    if (argc != 6) return fprintf(stderr, "usage: bench_state DIR KEYS EVENTS CACHE_MIB STORE_MIB\n"), 2;
    uint64_t keys = strtoull(argv[2], NULL, 10), events = strtoull(argv[3], NULL, 10), seed = 1, since = 0;
    uint64_t cache = strtoull(argv[4], NULL, 10) << 20, room = strtoull(argv[5], NULL, 10) << 20;
    struct k_error err = {0};
    struct k_store *store;
    struct k_state *state;
    struct k_family *family;
    check(k_store_rocks_open(argv[1], true, room, &store, &err), &err);
    struct k_state_options options = {.cache_bytes = cache};
    check(k_state_open(store, &options, &state, &err), &err);
    check(k_state_family(state, "counts", &counts_type, NULL, &family, &err), &err);
    struct spent spent = {0}, last = {0};
    struct k_state_figures before = {0};
    struct watch watch = {.store = store};
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, look, &watch) != 0) return 1;
    int64_t began_us = k_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t done = 0; done < events; done += BATCH) {
        atomic_store(&watch.phase, LOOKUPS);
        int64_t t0 = k_clock_us(CLOCK_THREAD_CPUTIME_ID);
        update(family, &seed, keys);
        int64_t t1 = k_clock_us(CLOCK_THREAD_CPUTIME_ID);
        atomic_store(&watch.phase, CHECKPOINTS);
        if (k_state_dirty_bytes(state) >= options.cache_bytes / DIRTY_SHARE)
            check(k_state_checkpoint(state, K_STR("position"), &err), &err);
        int64_t t2 = k_clock_us(CLOCK_THREAD_CPUTIME_ID);
        atomic_store(&watch.phase, TRIMMING);
        k_state_trim(state);
        spent.find_us += t1 - t0;
        spent.checkpoint_us += t2 - t1;
        spent.trim_us += k_clock_us(CLOCK_THREAD_CPUTIME_ID) - t2;
        spent.process_us = k_clock_us(CLOCK_PROCESS_CPUTIME_ID) - began_us;
        if (done / BATCH % 16 == 0) {
            struct k_state_figures figures;
            k_state_figures(state, &figures);
            atomic_store(&watch.held, figures.cache_bytes);
        }
        if (done + BATCH - since < events / REPORTS) continue;
        report(state, done + BATCH, &spent, &last, since, &before);
        since = done + BATCH;
    }
    atomic_store(&watch.ended, true);
    pthread_join(watcher, NULL);
    show_peaks(&watch);
    k_state_destroy(state);
    return 0;
}
