// What the benchmarks of single parts measure with.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

// Seconds of CPU that this process has used.
static inline double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline int measure_ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// Sorts the values. Of an even number it is the greater one of the two in the middle.
static inline double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, measure_ascending);
    return values[count / 2];
}
