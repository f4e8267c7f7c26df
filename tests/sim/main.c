// sim: runs seeds, in several processes, and adds up what they did.
//
//   sim --seeds 1..1000 [--store memory|rocks] [--jobs 2] [--time-limit 60s] [--verbose]
//   sim --seeds 7..7 --plant checkpoint_early         one planted bug
//   sim --plants [--seeds 1..2000]                    every planted bug, each until it is caught
//   sim --each --seeds 1..3                           a crash at every call and every write, one at a time
//   sim --uses --seeds 1..5000                        each end once more: followed cold, from a checkpoint, as a job
//
// A seed that fails prints its graph, the first difference and the command that reproduces it. Exit status: 0 all as it
// should be; 1 a seed failed, or a planted bug was not caught.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/options.h"
#include "base/trace.h"
#include "operators/plant.h"
#include "state/plant.h"
#include "base/units.h"

enum { SEEDS, STORE, PLANT, PLANTS, EACH, USES, JOBS, TIME_LIMIT, VERBOSE };
static const struct k_option option_table[] = {
    [SEEDS] = {.name = "seeds", .argument = "A..B", .help = "which seeds to run", .text = "1..1000"},
    [STORE] = {.name = "store", .argument = "memory|rocks", .help = "what disks are made of", .text = "memory"},
    [PLANT] = {.name = "plant", .argument = "NAME", .help = "breaks one rule on purpose", .text = "none"},
    [PLANTS] = {.name = "plants", .help = "runs every planted bug until it is caught"},
    [EACH] = {.name = "each", .help = "one run for each call and each write: the worker dies there, and that is all"},
    [USES] = {.name = "uses", .help = "lets every run end with another use of its journal: cold, capsule, job"},
    [JOBS] = {.name = "jobs", .argument = "N", .help = "how many processes", .text = "2"},
    [TIME_LIMIT] = {.name = "time-limit", .argument = "DURATION", .help = "starts no seed after it", .text = "1h"},
    [VERBOSE] = {.name = "verbose", .help = "shows the graph and what the shards say"},
};

static const char *const plant_names[] = {
    "none",
#define X(name, text) #name,
    K_PLANTS(X) K_OPERATOR_PLANTS(X) K_STATE_PLANTS(X)
#undef X
};
enum { PLANT_COUNT = sizeof plant_names / sizeof *plant_names, JOBS_MAX = 64 };
enum {
    ENGINE_PLANTS = 0
#define X(name, text) +1
    K_PLANTS(X)
#undef X
};
enum {
    OPERATOR_PLANTS = 0
#define X(name, text) +1
    K_OPERATOR_PLANTS(X)
#undef X
};

// Plants a bug by its place among the names.
static void plant(uint32_t which)
{
    uint32_t before = ENGINE_PLANTS + OPERATOR_PLANTS;
    k_planted = which <= ENGINE_PLANTS ? (enum k_plant)which : K_PLANT_NONE;
    k_operator_planted = which > ENGINE_PLANTS && which <= before ? (enum k_operator_plant)(which - ENGINE_PLANTS)
                                                                  : K_OPERATOR_PLANT_NONE;
    k_state_planted = which > before ? (enum k_state_plant)(which - before) : K_STATE_PLANT_NONE;
}

struct settings {
    uint64_t from, to;
    uint32_t store, plant;
    bool plants, each, uses, verbose;
    int64_t jobs, time_limit_us;
};

// What the processes share.
struct board {
    atomic_uint failed; // seeds
    atomic_ullong caught_at; // the first seed that failed; 0: none
    struct {
        uint64_t seed; // under way; 0: none
        struct stats stats;
    } jobs[JOBS_MAX];
};

static void add_stats(struct stats *to, const struct stats *from)
{
    uint64_t *a = (uint64_t *)to;
    const uint64_t *b = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *a; i++) a[i] += b[i];
}

static void say_command(const struct settings *s, uint64_t seed)
{
    unsigned long long number = seed;
    printf("  to see it again: sim%s%s --seeds %llu..%llu --store %s", s->each ? " --each" : "",
           s->uses ? " --uses" : "", number, number, s->store ? "rocks" : "memory");
    if (s->plant) printf(" --plant %s", plant_names[s->plant]);
    printf("\n");
}

// One fault at one place; all 0: the run that counts the places.
struct place {
    bool single;
    uint64_t crash_at, disk_at;
    int disk_fault;
    uint64_t points, writes; // found out
};

static bool run_world(const struct settings *s, uint64_t seed, struct place *place, struct stats *stats, bool quiet)
{
    struct world *world = k_alloc(sizeof *world);
    world_init(world, seed, s->store == 1, s->verbose);
    world->single = place->single;
    world->use_each = s->uses;
    world->crash_at = place->crash_at;
    world->disk_at = place->disk_at;
    world->disk_fault = place->disk_fault;
    bool good = world_run(world);
    if (!good && !quiet) {
        printf("FAIL seed %llu\n%.*s%.*s", (unsigned long long)seed, (int)world->scenario.text.length,
               world->scenario.text.data, (int)world->failure.length, world->failure.data);
        if (place->single)
            printf("  with a crash at point %llu of the calls, or fault %d at write %llu (0: none)\n",
                   (unsigned long long)place->crash_at, place->disk_fault, (unsigned long long)place->disk_at);
        say_command(s, seed);
        fflush(stdout);
    }
    place->points = world->points;
    place->writes = world->writes;
    add_stats(stats, &world->stats);
    world_fini(world);
    free(world);
    return good;
}

// A worker dies at each point of the calls, and at each write, once; some hundred places at most, evenly spread.
static bool run_each(const struct settings *s, uint64_t seed, struct stats *stats)
{
    enum { PLACES_MAX = 400 };
    struct place calm = {.single = true};
    bool good = run_world(s, seed, &calm, stats, false);
    uint64_t stride = 1 + calm.points / PLACES_MAX;
    for (uint64_t at = 1 + seed % stride; at <= calm.points && good; at += stride) {
        struct place place = {.single = true, .crash_at = at};
        good = run_world(s, seed, &place, stats, false);
    }
    for (uint64_t at = 1; at <= 3 * calm.writes && good; at++) {
        struct place place = {.single = true, .disk_at = (at + 2) / 3, .disk_fault = (int)(at % 3)};
        good = run_world(s, seed, &place, stats, false);
    }
    return good;
}

static bool run_seed(const struct settings *s, uint64_t seed, struct stats *stats, bool quiet)
{
    struct place drawn = {.single = false};
    return s->each ? run_each(s, seed, stats) : run_world(s, seed, &drawn, stats, quiet);
}

// --- processes ---

static void run_job(const struct settings *s, struct board *board, int64_t job, int64_t deadline_us)
{
    for (uint64_t seed = s->from + (uint64_t)job; seed <= s->to; seed += (uint64_t)s->jobs) {
        if (k_clock_us(CLOCK_MONOTONIC) > deadline_us) break;
        if (s->plant && board->caught_at) break; // one is enough
        if (board->failed >= 5) break;
        board->jobs[job].seed = seed;
        if (!run_seed(s, seed, &board->jobs[job].stats, s->plant != 0)) {
            board->failed++;
            board->caught_at = seed;
        }
        board->jobs[job].seed = 0;
    }
}

static void run_jobs(const struct settings *s, struct board *board)
{
    int64_t deadline_us = k_clock_us(CLOCK_MONOTONIC) + s->time_limit_us;
    fflush(stdout);
    if (s->from == s->to && !s->plants) { // for a debugger
        run_job(s, board, 0, deadline_us);
        return;
    }
    for (int64_t job = 0; job < s->jobs; job++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("fork");
            exit(1);
        }
        if (pid) continue;
        if (s->plant && !freopen("/dev/null", "w", stderr)) _exit(1); // assertions are expected
        run_job(s, board, job, deadline_us);
        fflush(stdout);
        _exit(0);
    }
    for (int status; wait(&status) > 0;) {}
    for (int64_t job = 0; job < s->jobs; job++) {
        uint64_t seed = board->jobs[job].seed;
        if (!seed) continue; // it died with this seed under way
        board->failed++;
        board->caught_at = seed;
        if (s->plant) continue;
        printf("FAIL seed %llu: the process died (an assertion?)\n", (unsigned long long)seed);
        say_command(s, seed);
    }
}

static struct board *new_board(void)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    K_ASSERT(board != MAP_FAILED);
    return board;
}

// --- what was reached ---

enum detail { NO_DETAIL, ZEROS, ALL };

static uint32_t show_zero(const char *kind, const char *name, uint64_t count, enum detail detail)
{
    if (detail == ALL) printf("  %-6s %-24s %llu\n", kind, name, (unsigned long long)count);
    else if (!count && detail == ZEROS) printf("  never %s %s\n", kind, name);
    return count == 0;
}

// How many things that should have happened did not.
static uint32_t show_stats(const struct stats *t, enum detail detail)
{
    uint32_t missing = 0;
    printf("%llu runs, %llu records, %llu steps, %llu journal records, %llu messages and %llu rows compared\n",
           (unsigned long long)t->runs, (unsigned long long)t->records, (unsigned long long)t->steps,
           (unsigned long long)t->journal_records, (unsigned long long)t->outputs, (unsigned long long)t->table_rows);
    if (t->views)
        printf("%llu views of readers, %llu of them read when a newer checkpoint was there\n",
               (unsigned long long)t->views, (unsigned long long)t->old_views);
#define X(name, text) missing += show_zero("fault", #name, t->faults.name, detail);
    K_FAULTS(X)
#undef X
#define X(name, text) missing += show_zero("event", #name, t->name, detail);
    SIM_EVENTS(X)
#undef X
#define X(name) missing += show_zero("graph", #name, t->features.name, detail);
    SIM_FEATURES(X)
#undef X
    return missing;
}

// Each way to a state, and whether one of them was never gone.
static bool show_uses(const struct stats *t)
{
    const struct {
        const char *name;
        uint64_t count;
    } uses[] = {{"leaders", t->use_lead},       {"standbys", t->use_standby},     {"shadows", t->use_shadow},
                {"recoveries", t->use_recovery}, {"empty disks", t->use_emptied}, {"cold followers", t->use_cold},
                {"capsules", t->use_capsule},    {"bounded replays", t->use_job}, {"rows", t->use_rows}};
    bool all = true;
    printf("states that were the same, byte by byte:");
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        printf(" %llu %s%s", (unsigned long long)uses[i].count, uses[i].name,
               i + 1 < sizeof uses / sizeof *uses ? "," : "\n");
        all &= uses[i].count > 0;
    }
    return all;
}

static int run_all(const struct settings *s)
{
    int64_t began_us = k_clock_us(CLOCK_MONOTONIC);
    struct board *board = new_board();
    struct stats total = {0};
    run_jobs(s, board);
    for (int64_t job = 0; job < s->jobs; job++) add_stats(&total, &board->jobs[job].stats);
    double seconds = (double)(k_clock_us(CLOCK_MONOTONIC) - began_us) / 1e6;
    printf("seeds %llu..%llu, store %s, plant %s: %u failed; %.1f s, %.0f runs a second\n", (unsigned long long)s->from,
           (unsigned long long)s->to, s->store ? "rocks" : "memory", plant_names[s->plant], board->failed, seconds,
           (double)total.runs / seconds);
    // A run of a thousand seeds reaches everything; what it does not reach is not tested.
    bool many = s->to - s->from >= 499 && total.runs == s->to - s->from + 1 && !s->plant && s->store == 0;
    bool full = many && s->to - s->from >= 999 && !s->each && !s->uses;
    uint32_t missing = show_stats(&total, full ? ALL : s->verbose ? ZEROS : NO_DETAIL);
    if (full && missing) printf("%u things never happened\n", missing);
    bool unused = s->uses && !show_uses(&total) && many;
    if (unused) printf("one of them never was\n");
    bool unread = s->store && !s->plant && s->to - s->from >= 9 && (!total.views || !total.old_views);
    if (unread) printf("readers saw nothing\n");
    return board->failed || (full && missing) || unread || unused ? 1 : 0;
}

static int run_plants(struct settings *s)
{
    int missed = 0;
    for (uint32_t which = 1; which < PLANT_COUNT; which++) {
        int64_t began_us = k_clock_us(CLOCK_MONOTONIC);
        struct board *board = new_board();
        struct stats total = {0};
        s->plant = which;
        s->store = which > ENGINE_PLANTS + OPERATOR_PLANTS; // on RocksDB
        plant(which);
        run_jobs(s, board);
        for (int64_t job = 0; job < s->jobs; job++) add_stats(&total, &board->jobs[job].stats);
        double seconds = (double)(k_clock_us(CLOCK_MONOTONIC) - began_us) / 1e6;
        if (board->caught_at)
            printf("ok   %-22s caught at seed %llu, after %llu runs, %.1f s\n", plant_names[which],
                   (unsigned long long)board->caught_at, (unsigned long long)total.runs, seconds);
        else
            printf("FAIL %-22s not caught in %llu runs, %.1f s\n", plant_names[which], (unsigned long long)total.runs,
                   seconds);
        missed += !board->caught_at;
        munmap(board, sizeof *board);
    }
    return missed ? 1 : 0;
}

// --- options ---

static int read_settings(const struct k_options *o, struct settings *s, struct k_error *err)
{
    static const char *const stores[] = {"memory", "rocks"};
    const char *seeds = k_options_text(o, SEEDS);
    char *end;
    s->from = strtoull(seeds, &end, 10);
    if (end == seeds || strncmp(end, "..", 2) != 0)
        return k_options_refuse(o, SEEDS, "two numbers, as in 1..1000", err);
    const char *second = end + 2;
    s->to = strtoull(second, &end, 10);
    if (end == second || *end || s->to < s->from || s->from == 0)
        return k_options_refuse(o, SEEDS, "two numbers from 1 on, as in 1..1000", err);
    int code = k_options_choice(o, STORE, stores, 2, &s->store, err);
    if (!code) code = k_options_choice(o, PLANT, plant_names, PLANT_COUNT, &s->plant, err);
    if (!code) code = k_options_flag(o, PLANTS, &s->plants, err);
    if (!code) code = k_options_flag(o, EACH, &s->each, err);
    if (!code) code = k_options_flag(o, USES, &s->uses, err);
    if (!code) code = k_options_flag(o, VERBOSE, &s->verbose, err);
    if (!code) code = k_options_integer(o, JOBS, 1, JOBS_MAX, &s->jobs, err);
    if (!code) code = k_options_duration(o, TIME_LIMIT, &s->time_limit_us, err);
    return code;
}

int main(int argc, char **argv)
{
    struct k_options options = {0};
    struct k_error err;
    struct settings s = {0};
    uint32_t count = sizeof option_table / sizeof *option_table;
    int code = k_options_parse(&options, option_table, count, argc, argv, NULL, &err);
    if (!code && options.help) {
        struct k_buf help = {0};
        k_options_help(&help, option_table, count, 100);
        printf("%.*s", (int)help.length, help.data);
        k_buf_fini(&help);
        k_options_fini(&options);
        return 0;
    }
    if (!code) code = read_settings(&options, &s, &err);
    if (code) {
        fprintf(stderr, "sim: %s\n", err.text);
        k_options_fini(&options);
        return k_error_status(code);
    }
    k_trace_setup(s.verbose ? K_TRACE_DEBUG : K_TRACE_ERROR, false);
    if (s.plants && !k_options_given(&options, SEEDS)) s.to = 2000;
    if (!s.plants) plant(s.plant);
    int status = s.plants ? run_plants(&s) : run_all(&s);
    k_options_fini(&options);
    return status;
}
