// Where a generation begins, as replay start is told: in Kafka's words, for every partition of the sources.
#pragma once
#include "cli/command.h"
#include "replay/control.h"
#include "replay/place.h"
#include "replay/starts.h"

// Side by side in a verb's table of options, in the order of enum k_place_word.
enum { START_PLACE_OPTION_COUNT = 5 };
#define START_PLACE_OPTIONS(first)                                                                                \
    [(first) + K_TO_EARLIEST] = {.name = "to-earliest",                                                           \
                                 .help = "begin with the earliest records that the sources' topics have; default: " \
                                         "where the pipeline's journal begins"},                                  \
    [(first) + K_TO_OFFSET] = {.name = "to-offset",                                                               \
                               .argument = "N",                                                                   \
                               .help = "begin at this offset in every partition"},                                \
    [(first) + K_TO_DATETIME] = {.name = "to-datetime",                                                           \
                                 .argument = "TIME",                                                              \
                                 .help = "begin in each partition with the first record at or behind this time"}, \
    [(first) + K_BY_DURATION] = {.name = "by-duration",                                                           \
                                 .argument = "DURATION",                                                          \
                                 .help = "the same, so long before now"},                                         \
    [(first) + K_FROM_FILE] = {.name = "from-file",                                                               \
                               .argument = "FILE",                                                                \
                               .help = "begin where lines topic,partition,offset say, as "                        \
                                       "kafka-consumer-groups.sh exports them"}

struct start_place {
    bool given;
    char words[K_START_SIZE]; // as it was typed
    struct k_place place;
    struct k_starts starts; // once resolved
};
// At most one of them. K_E_USAGE, K_E_DATA. Ends with start_place_fini in every case.
K_CHECKED int start_place_read(struct call *call, uint32_t first, struct start_place *ret, struct k_error *err);
void start_place_fini(struct start_place *place);
// Asks the broker for the offsets. K_E_LOST_RANGE, K_E_CONFIG: outside of what it has.
K_CHECKED int start_place_resolve(struct k_log *log, const struct k_plan *plan, struct start_place *place,
                                  struct k_error *err);
// A line a partition, and one for each journal behind whose beginning it begins.
void start_place_print(const char *graph, const struct k_starts *starts, struct k_buf *out);
