// Quantities as people write them: durations, sizes, instants; and clocks.
#pragma once
#include "base/bytes.h"

#include <time.h>

// "250us", "100ms", "90s", "5m", "2h", "7d", "1h30m"; ISO 8601 ("PT1M30S", "P7D"; no months, no years).
// A fraction is read where the result is whole ("1.5h"); "0" needs no unit. Result in microseconds, never
// negative. false: not a duration, or too large.
bool k_duration_parse(struct k_str text, int64_t *ret_us);
// The shortest exact form with one or more units: 90000000 → "1m30s"; 0 → "0s".
void k_duration_print(struct k_buf *out, int64_t us);

// "64MiB", "1.5GiB", "500kB", "4096", "10MB"; one blank before the unit is read. Result in bytes.
bool k_size_parse(struct k_str text, uint64_t *ret_bytes);
void k_size_print(struct k_buf *out, uint64_t bytes); // "1.5 GiB", for people

// RFC 3339 ("2026-01-01T00:00:07Z", fraction up to 9 digits cut to microseconds, offsets; a space for the
// T and a missing offset (= UTC) are read too). Result in microseconds since 1970-01-01T00:00:00Z.
bool k_time_parse(struct k_str text, int64_t *ret_us);
// "2026-01-01T00:00:07Z", with 3 or 6 digits of fraction only where needed. Years beyond 0000–9999 are
// printed with a sign, as ISO 8601 has it. Writes at most K_TIME_TEXT bytes with no NUL; returns the length.
enum { K_TIME_TEXT = 40 };
size_t k_time_print(char *out, int64_t us);

int64_t k_clock_us(clockid_t clock); // what one of the system's clocks shows; CLOCK_MONOTONIC, mostly

// Proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
struct k_civil { int64_t year; int32_t month, day, hour, minute, second, microsecond; };
struct k_civil k_civil_of(int64_t us);
int64_t k_civil_us(const struct k_civil *civil); // fields may lie outside their range and are carried; saturates
