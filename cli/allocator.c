// How jemalloc behaves in this program, which is linked with it. It reads this text before main; what stands in the
// environment as MALLOC_CONF comes on top.
//
// Kafka's client allocates a message in one thread and frees it in another; glibc's malloc takes a lock for each of
// these, and jemalloc keeps what was freed by the thread that freed it. On the query that writes every event to a topic
// this is a fifth of all CPU.
#include <jemalloc/jemalloc.h>

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
