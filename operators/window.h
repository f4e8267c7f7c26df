// The arithmetic of windows: which ones an instant lies in, and when they are over.
//
// Windows of one size start at the multiples of `every` since 1970; the start belongs to a window, the end does not.
// A window is named by its end. The pane of an instant is the span [start, start + every) around it: all instants of
// a pane lie in the same size / every windows, of which the first ends where the pane ends.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum k_window_kind { K_WINDOW_NONE, K_WINDOW_TUMBLING, K_WINDOW_HOPPING, K_WINDOW_INHERIT };

struct k_window {
    enum k_window_kind kind;
    int64_t size_us, every_us; // tumbling: equal; inherit: 0
    int64_t grace_us;
    uint32_t count;            // windows that an instant lies in: size / every
};

// Windows of an instant; bounded, so that one row cannot mean unbounded work.
enum { K_WINDOWS_MAX = 10000 };

// The end of the instant's pane, which is the end of the first window that it lies in. |time| ≤ 2^61, every ≤ 2^60.
static inline int64_t k_pane_end(const struct k_window *window, int64_t time_us)
{
    int64_t into = time_us % window->every_us;
    if (into < 0) into += window->every_us; // floor, also before 1970
    return time_us - into + window->every_us;
}

// Whether the window is over at this watermark or frontier: a row for it would be late, and it may close.
static inline bool k_window_over(int64_t end_us, int64_t grace_us, int64_t watermark_us)
{
    int64_t last_us;
    if (__builtin_add_overflow(end_us, grace_us, &last_us)) last_us = INT64_MAX;
    return last_us <= watermark_us;
}
