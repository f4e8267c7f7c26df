// How jemalloc behaves in this program, which is linked with it. It reads this text before main; what stands in the
// environment as MALLOC_CONF comes on top.
//
// Kafka's client allocates a message in one thread and frees it in another; glibc's malloc takes a lock for each of
// these, and jemalloc keeps what was freed by the thread that freed it. On the query that writes every event to a topic
// this is a fifth of all CPU.
#include "cli/allocator.h"

#include <stdio.h>
#include <sys/types.h>

extern const char *malloc_conf;
int mallctl(const char *name, void *old, size_t *old_length, void *new, size_t new_length) __attribute__((weak));

const char *malloc_conf =
    // The threads of a shard and of its client are busy by twos and threes, and mostly live off their own caches. The
    // default, four arenas for each core of the machine, leaves more memory free but not given back, whatever the
    // budget is: with --memory 64MiB two arenas peaked at 70 MiB, four at 77.
    "narenas:2,"
    // What a client fetches is a buffer of up to some MiB, every few milliseconds. Those of 8 MiB and more would be
    // given back to the kernel at once, and be zeroed by it for the next.
    "oversize_threshold:0,"
    // Free memory goes back after a tenth of a second instead of ten: --memory is about what is resident. With 64MiB
    // and ten times as much state a second peaked at 75 to 83 MiB, this at 72.
    "dirty_decay_ms:100,muzzy_decay_ms:0";

// What a transaction of a tenth of a second wrote is freed at its end, and wanted again by the next one. Given back to
// the kernel in between, its pages are zeroed anew each time: a sixth of all CPU of a query that writes much.
void allocator_fit(uint64_t memory_bytes)
{
    enum { MS_A_GIB = 2000, LEAST_MS = 100, MOST_MS = 2000, ARENAS = 2 };
    ssize_t decay_ms = (ssize_t)((memory_bytes >> 20) * MS_A_GIB >> 10);
    if (decay_ms < LEAST_MS) decay_ms = LEAST_MS;
    if (decay_ms > MOST_MS) decay_ms = MOST_MS;
    if (!mallctl) return;
    // Those to come, and those that are there; one that is not there yet refuses, and is one to come.
    (void)mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof decay_ms);
    for (int i = 0; i < ARENAS; i++) {
        char name[40];
        snprintf(name, sizeof name, "arena.%d.dirty_decay_ms", i);
        (void)mallctl(name, NULL, NULL, &decay_ms, sizeof decay_ms);
    }
}
