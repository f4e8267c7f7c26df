// bench_reader STATE_DIR TABLE RATE: looks rows of a live table up through libkappa, RATE gets a second, until SIGTERM.
//
// The keys are those of the rows that were there at the start (of 200,000 at most), drawn at random. Every get looks at
// the state as it is by then. Prints one JSON line: gets, seconds, the gets that found nothing, the percentiles of how
// long a get took, and the 99th of how late it was done, in µs: who has to wait for gets before it, for a core, or
// until half a millisecond's are due together, is late from when it should have begun; and the CPU time of a get, all
// catching up included.
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/hash.h"
#include "state/kappa.h"

enum { KEYS_MAX = 200000, KEY_COLUMNS_MAX = 4, TEXT_MAX = 48, GETS_MAX = 1 << 26, WAIT_S = 60, GROUP_NS = 500000 };

struct key {
    char texts[KEY_COLUMNS_MAX][TEXT_MAX];
};
struct keys {
    struct key *items;
    size_t count, columns;
};

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
    (void)signal;
    ended = 1;
}

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void write_text(const struct kappa_value *value, char *out)
{
    if (value->type == KAPPA_TIMESTAMP) {
        time_t seconds = (time_t)(value->as.integer / 1000000);
        struct tm parts;
        strftime(out, TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    } else if (value->type == KAPPA_INT64) {
        snprintf(out, TEXT_MAX, "%" PRId64, value->as.integer);
    } else {
        fprintf(stderr, "bench_reader: keys are integers and whole seconds only\n");
        exit(1);
    }
}

static int keep(void *context, const struct kappa_table *table, const struct kappa_value *values)
{
    struct keys *keys = context;
    if (table->key_count > KEY_COLUMNS_MAX) {
        fprintf(stderr, "bench_reader: too wide a key\n");
        exit(1);
    }
    keys->columns = table->key_count;
    struct key *key = &keys->items[keys->count++];
    for (size_t i = 0; i < table->key_count; i++) write_text(&values[table->key[i]], key->texts[i]);
    return 1;
}

static _Noreturn void die(const kappa_reader *reader)
{
    fprintf(stderr, "bench_reader: %s\n", kappa_error(reader));
    exit(1);
}

static bool get(kappa_reader *reader, const char *name, const struct keys *keys, uint64_t *seed)
{
    const struct key *key = &keys->items[k_random_below(seed, keys->count)];
    const char *texts[KEY_COLUMNS_MAX];
    for (size_t i = 0; i < keys->columns; i++) texts[i] = key->texts[i];
    const struct kappa_table *table;
    const struct kappa_value *values;
    int result = kappa_get(reader, name, texts, keys->columns, &table, &values);
    if (result != KAPPA_OK && result != KAPPA_NOT_FOUND) die(reader);
    return result == KAPPA_OK;
}

// The state may just be coming into being, and its first checkpoints without rows: waits until there are some.
static kappa_reader *open_table(const char *directory, const char *name, struct keys *keys)
{
    const struct kappa_range range = {.limit = KEYS_MAX};
    for (int64_t until = now_ns() + WAIT_S * (int64_t)1000000000; !ended;) {
        kappa_reader *reader;
        int result = kappa_open(directory, NULL, "live", &reader);
        if (result == KAPPA_OK) result = kappa_scan(reader, name, &range, keep, keys);
        if (result == KAPPA_OK && keys->count > 0) return reader;
        if (result != KAPPA_OK && now_ns() > until) die(reader);
        kappa_close(reader);
        if (now_ns() > until) break;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    fprintf(stderr, "bench_reader: table %s has no rows\n", name);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 4 || atof(argv[3]) <= 0) {
        fprintf(stderr, "bench_reader STATE_DIR TABLE RATE\n");
        return 64;
    }
    signal(SIGTERM, on_end);
    struct keys keys = {.items = calloc(KEYS_MAX, sizeof *keys.items)};
    kappa_reader *reader = open_table(argv[1], argv[2], &keys);
    uint32_t *took_us = malloc(GETS_MAX * sizeof *took_us), *late_us = malloc(GETS_MAX * sizeof *late_us);
    uint64_t gets = 0, absent = 0, seed = 1;
    double used_us = cpu_us();
    int64_t began = now_ns(), step = (int64_t)(1e9 / atof(argv[3]));
    for (int64_t due = began; !ended && gets < GETS_MAX; due += step) {
        int64_t early = due - now_ns();
        if (early > 0) { // a sleep for each would cost half as much as the get
            early += GROUP_NS;
            nanosleep(&(struct timespec){early / 1000000000, early % 1000000000}, NULL);
        }
        int64_t from = now_ns();
        absent += !get(reader, argv[2], &keys, &seed);
        int64_t to = now_ns();
        took_us[gets] = (uint32_t)((to - from) / 1000);
        late_us[gets++] = (uint32_t)((to - due) / 1000);
    }
    used_us = cpu_us() - used_us;
    double seconds = (double)(now_ns() - began) / 1e9;
    qsort(took_us, gets, sizeof *took_us, by_size);
    qsort(late_us, gets, sizeof *late_us, by_size);
    printf("{\"gets\":%" PRIu64 ",\"seconds\":%.3f,\"absent\":%" PRIu64 ",\"keys\":%zu,\"p50_us\":%u,\"p99_us\":%u,"
           "\"max_us\":%u,\"late_p99_us\":%u,\"cpu_us\":%.2f}\n",
           gets, seconds, absent, keys.count, took_us[gets / 2], took_us[gets * 99 / 100], took_us[gets - 1],
           late_us[gets * 99 / 100], used_us / (double)gets);
    kappa_close(reader);
    free(took_us);
    free(late_us);
    free(keys.items);
    return 0;
}
