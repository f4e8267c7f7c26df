// A reader that keeps a state open and scans a table again and again while the engine writes it; readers.py starts
// several. After each scan it prints what it saw as one line of JSON:
//
//     read_steadily STATE_DIR TABLE SECONDS
//
// The table's rows are hopping windows that overlap twice, so each record counts in one window of even number and in
// one of odd number: at every commit boundary both halves are the same sum.
#include <inttypes.h>
#include <kappa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOP_US = 1000000 };

struct seen {
    int64_t rows, records[2], total[2]; // [0] even windows, [1] odd ones
    uint64_t digest;                    // of all rows, in their order
};

static int64_t column(const struct kappa_table *table, const struct kappa_value *values, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0) return values[i].as.integer;
    fprintf(stderr, "read_steadily: no column %s\n", name);
    exit(70);
}

static int see(void *context, const struct kappa_table *table, const struct kappa_value *values)
{
    struct seen *seen = context;
    int64_t start = column(table, values, "window_start"), records = column(table, values, "records");
    int64_t total = column(table, values, "total"), id = column(table, values, "id");
    int half = (int)(start / HOP_US % 2);
    seen->rows++;
    seen->records[half] += records;
    seen->total[half] += total;
    const int64_t parts[] = {id, start, records, total};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        seen->digest = (seen->digest ^ (uint64_t)parts[i]) * 0x9E3779B97F4A7C15u + (seen->digest >> 29);
    return 1;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    kappa_reader *reader;
    if (argc != 4) return 64;
    int result = kappa_open(argv[1], NULL, "live", &reader);
    for (double until = now() + atof(argv[3]); result == KAPPA_OK && now() < until;) {
        struct seen seen = {0};
        result = kappa_scan(reader, argv[2], NULL, see, &seen);
        if (result != KAPPA_OK) break;
        const struct kappa_answer *answer = kappa_last_answer(reader);
        printf("{\"position\":%" PRId64 ",\"rows\":%" PRId64 ",\"records\":[%" PRId64 ",%" PRId64 "],"
               "\"total\":[%" PRId64 ",%" PRId64 "],\"digest\":\"%016" PRIx64 "\"}\n",
               answer->shards[0].journal_offset, seen.rows, seen.records[0], seen.records[1], seen.total[0],
               seen.total[1], seen.digest);
    }
    if (result != KAPPA_OK) fprintf(stderr, "read_steadily: %s\n", kappa_error(reader));
    kappa_close(reader);
    return result;
}
