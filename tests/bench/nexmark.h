// The Nexmark generator: event n, alone, from its number. Same bytes on every machine of one libm.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct nexmark {
    uint64_t events_per_second; // of event time
    int64_t base_ms;            // event time of event 0
    uint64_t uniform_bidders;   // 0: Nexmark's hot bidders; else bidders are uniform over this many
};
enum { NEXMARK_EVENT_MAX = 2048 };
// Writes event n as JSON (no NUL); returns its length. *ret_ms: its event time.
size_t nexmark_event(const struct nexmark *nexmark, uint64_t n, char *out, int64_t *ret_ms);
