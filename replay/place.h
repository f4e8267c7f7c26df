// Places in the log, in Kafka's own words: where a replay begins and where it ends.
#pragma once
#include "engine/plan.h"
#include "replay/aside.h"

#define K_PLACE_WORDS                                                                                 \
    "earliest, latest, a time (2026-01-01T00:00:00Z), a duration before now (1h, PT1H), or a CSV file " \
    "with lines topic,partition,offset as kafka-consumer-groups.sh exports them"

enum k_place_kind { K_PLACE_EARLIEST, K_PLACE_LATEST, K_PLACE_TIME, K_PLACE_OFFSET, K_PLACE_OFFSETS };
struct k_place_offset {
    char *topic;
    int32_t partition;
    int64_t offset;
};
struct k_place {
    enum k_place_kind kind;
    const char *name; // of the flag, for messages; NULL: --from or --until
    int64_t time_us;  // the first record at or behind it, in every partition
    int64_t offset;   // in every partition
    struct k_place_offset *offsets;
    uint32_t offset_count;
};
// K_E_USAGE: it is none of K_PLACE_WORDS; K_E_DATA: a line of the file is wrong.
K_CHECKED int k_place_parse(const char *text, int64_t now_us, struct k_place *ret, struct k_error *err);
// One of Kafka's words for it, as kafka-consumer-groups.sh --reset-offsets has them, and what stands behind it (NULL
// for earliest). K_E_USAGE, K_E_DATA.
enum k_place_word { K_TO_EARLIEST, K_TO_OFFSET, K_TO_DATETIME, K_BY_DURATION, K_FROM_FILE };
K_CHECKED int k_place_of(enum k_place_word word, const char *text, int64_t now_us, struct k_place *ret,
                         struct k_error *err);
void k_place_fini(struct k_place *place); // also of a zeroed struct

// The windows from one place to another of every partition that the plan's sources read. The log must be Kafka's if a
// place is a time. K_E_CONFIG: a place lies outside of what the log has, or behind the other; K_E_LOST_RANGE: the log
// no longer has what lies behind `from`. The caller frees *ret_windows; topics are borrowed from the plan.
K_CHECKED int k_place_windows(struct k_log *log, const struct k_plan *plan, const struct k_place *from,
                              const struct k_place *until, struct k_aside_window **ret_windows, uint32_t *ret_count,
                              struct k_error *err);
