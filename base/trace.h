// Diagnostics of the running process ("log" means the event log here): one line an event, to stderr,
// as text or JSON lines. Thread-safe. Quiet by default (warn).
#pragma once
#include <stdbool.h>

enum k_trace_level { K_TRACE_ERROR, K_TRACE_WARN, K_TRACE_INFO, K_TRACE_DEBUG };
void k_trace_setup(enum k_trace_level level, bool json);
// "error" | "warn" | "info" | "debug"
bool k_trace_level_parse(const char *name, enum k_trace_level *ret_level);
bool k_trace_on(enum k_trace_level level);
// component: "shard 0", "kafka", …; the text is one sentence without a final newline. Secrets never go in.
void k_trace(enum k_trace_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
