// The simulator: a whole cluster of workers on the in-memory log, driven by one seed, judged by the reference.
//
// One seed draws everything: the graph (graph.c), the input (input.c), the cluster, its schedule and its faults
// (world.c). When all is healed and final, what was committed is compared with the reference (judge.c), which is fed
// in the order that the journal tells. The same seed and commit give the same run.
#pragma once
#include "base/hash.h"
#include "engine/log_memory.h"
#include "engine/plan.h"
#include "engine/shard.h"
#include "tests/sim/disk.h"
#include "tests/sim/generations.h"
#include "tests/sim/seen.h"
#include "tests/sim/uses.h"

struct stats { // of any number of runs; all uint64_t, so that they add up as an array
    uint64_t runs, records, steps, journal_records, outputs, table_rows;
    uint64_t views, old_views; // of readers; those at a position that was no longer the newest
#define X(name, text) uint64_t name;
    SIM_EVENTS(X)
#undef X
    struct k_fault_counts faults;
    struct {
#define X(name) uint64_t name;
        SIM_FEATURES(X)
#undef X
    } features;
};

enum {
    SOURCES_MAX = 3,
    SINKS_MAX = 24,
    TABLES_MAX = 8,
    LOOSE_MAX = 48,
    PARTITIONS_MAX = 4, SHARDS_MAX = 2,
    FIRST_WORKERS_MAX = 3, // of generation 1
    WORKERS_MAX = 6
};
enum source_kind { SOURCE_JSON, SOURCE_LINE, SOURCE_RAW, SOURCE_CSV, SOURCE_PROTOBUF, SOURCE_DIM };
struct sim_source {
    char name[16], topic[16];
    enum source_kind kind;
    int32_t partitions;
    bool packed, compacted; // packed: several records in a message
    bool partitioned; // by column k
    bool crc32;       // with librdkafka's default partitioner
    bool table;       // it has a key, which is int64 or text
    bool number_key;
};
struct sim_sink {
    char name[16], topic[16];
    bool keyed, updating;
    bool ordered; // messages of one key come in the order of the input: only stateless nodes lie before it
};
// --- graph.c ---
struct scenario {
    struct k_buf text;
    struct k_graph *graph;
    struct k_plan *plan;
    uint32_t shards;
    bool idle;
    bool shown; // rather sinks with keys, and tables beside them: what a switch's difference is about
    struct sim_source sources[SOURCES_MAX];
    uint32_t source_count;
    struct sim_sink sinks[SINKS_MAX];
    uint32_t sink_count;
    char late_topics[SINKS_MAX][16];
    uint32_t late_count;
    char tables[TABLES_MAX][16];
    bool overwritten[TABLES_MAX]; // what it holds depends on the order of the rows: the last in the journal's wins
    uint32_t table_count;
    const char *dead_letters;
    // Names of nodes, tables and sinks of whose input only the net is fixed: an aggregate ON_UPDATE over rows that
    // come in the order of a window's close. How often a row changes on its way is then open.
    char loose[LOOSE_MAX][16];
    uint32_t loose_count;
};
bool scenario_is_loose(const struct scenario *scenario, struct k_str name);
bool scenario_reads(const struct scenario *scenario, const char *source);
// Draws a graph. false: the engine or the reader refused it, a failure of this generator or of the engine; `why`: why.
bool scenario_draw(struct scenario *scenario, uint64_t *random, bool shown, struct stats *stats, struct k_buf *why);
void scenario_fini(struct scenario *scenario);
// --- input.c ---
struct record {
    int64_t offset, timestamp_us;
    struct k_str key, value; // arena
    bool has_key, has_value;
};
struct records { // committed ones of a partition, in offset order
    struct record *items;
    uint32_t count, capacity;
};
struct input {
    struct k_arena arena;
    struct k_cloud *cloud;
    const struct scenario *scenario;
    uint64_t *random;
    struct k_log *log; // of a producer that belongs to other people
    int64_t time_us[SOURCES_MAX][PARTITIONS_MAX];
    bool quiet[SOURCES_MAX][PARTITIONS_MAX]; // stands still for now
    struct records records[SOURCES_MAX][PARTITIONS_MAX];
    uint32_t key_count;
    bool coarse; // event times are whole seconds, so that many are equal
    uint64_t made, removals; // messages, and of them those that remove rows of a table
};
void input_init(struct input *input, const struct scenario *scenario, struct k_cloud *cloud, uint64_t *random);
// Writes a few records to one partition, alone or in a transaction. The faults' rates must be off, here and below.
void input_write(struct input *input, uint32_t count, struct stats *stats);
// Everything written is visible to readers from now on, so that a run with --once sees all of it.
void input_settle(struct input *input);
void input_fini(struct input *input);
// --- world.c ---
struct taking { // over from another generation (taking.c)
    uint64_t mark, live; // asked for, and of whose copies; 0: not yet
    int64_t asked_us, not_before_us;
    uint64_t from[SHARDS_MAX]; // whose copy a shard began with; 0: none
    bool begun, given_up;      // it is decided; everything is computed, as no copy was to be had
};
struct worker {
    char name[16];
    struct k_log *log; // NULL: the process is not there
    struct k_shard *shards[SHARDS_MAX];
    bool shard_done[SHARDS_MAX];
    struct disk disks[SHARDS_MAX];
    struct copy_place places[SHARDS_MAX];
    uint64_t generation;
    struct taking taking;
    struct k_overseer *overseer; // NULL: the pipeline has no other generations; stepped again at overseer_at_us
    int64_t overseer_at_us, down_until_us, paused_until_us;
    bool stopping, done;
    uint64_t led;       // leaderships
    bool died, emptied; // its process, its disk: at some time
    bool gone;          // its generation is retired, or never began; it is done then, and has no state
    bool in_call;  // stands still inside a call: nothing else may be done with it
    bool follower; // never leads, and does not know when it is through: it is stopped then
};
struct world {
    uint64_t seed, random;
    bool rocks, verbose;
    struct scenario scenario; // the whole; a generation may have less of it (generations.h)
    struct input input;
    struct k_cloud *cloud;
    struct k_fault_rates rates;
    struct { // one in n
        uint32_t kill, stop, pause, call_pause, clock, full, error, disk_crash, lose_disk, command;
    } own;
    struct generations generations;
    struct uses uses;
    bool use_each; // every run ends with another use of its journal
    // One fault at one place instead of drawn ones (main.c, --each).
    bool single;
    uint64_t crash_at;               // point of the log's calls (k_cloud_crash_at); 0: none
    uint64_t disk_at;                // write to a disk, counted from 1; 0: none
    enum { WRITE_LOST, WRITE_DONE, WRITE_REFUSED } disk_fault; // the machine dies before or after it; no room
    uint64_t points, writes; // how many there were
    bool healed, once;
    int64_t elapsed_us; // cloud time, without what was set
    uint64_t steps;
    struct worker workers[WORKERS_MAX];
    uint32_t worker_count;
    struct reading reading;
    struct k_shard_options options;
    struct stats stats;
    struct k_buf failure; // empty: none
};
void world_init(struct world *world, uint64_t seed, bool rocks, bool verbose); // faults are drawn, unless single is set
bool world_run(struct world *world); // false: the text is in world->failure
void world_fini(struct world *world);
void world_without_faults(struct world *w); // of the log, until:
void world_with_faults(struct world *w);
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
// --- worker.c ---
// Lets the worker do one step, or starts its process when it is time. Returns how long nothing will be due.
int64_t worker_step(struct world *w, struct worker *worker);
void worker_kill(struct world *w, struct worker *worker); // kill -9; it comes back later
void worker_stop(struct world *w, struct worker *worker); // asks it to stop in order
void worker_retire(struct world *w, struct worker *worker); // its generation is no more: it ends, and its state goes
void worker_end(struct worker *worker, bool killed);      // frees the process
bool worker_is_through(struct world *w, struct worker *worker); // it has followed to the end of a complete journal
// --- judge.c ---
void judge(struct world *world);

static inline bool one_in(uint64_t *random, uint32_t n) { return n && k_random_below(random, n) == 0; }
static inline int64_t between(uint64_t *random, int64_t low, int64_t high)
{
    return low + (int64_t)k_random_below(random, (uint64_t)(high - low + 1));
}
