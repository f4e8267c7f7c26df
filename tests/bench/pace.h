// Latency: events that come at a pace, and a raw echo to compare an engine with. Both take the arguments of the process
// and return its exit status; anything that fails ends it.
#pragma once

// nexmark echo QUERY BROKERS TOPIC OUTPUT COMMIT_MS: reads, transforms and writes exactly once, with the offsets in the
// transaction, until SIGTERM. What a careful C programmer has with librdkafka alone.
int pace_echo(int argc, char **argv);

// nexmark pace BROKERS TOPIC OUTPUT RATE SECONDS WARM_UP_S (all|bids) UNIFORM_BIDDERS: sends events at RATE a second,
// without waiting for anything, and reads OUTPUT from its end, where one message is expected for each event (or each
// bid) that shows its date_time. Prints how many came, and of those sent after the warm-up how many milliseconds passed
// from the time at which they should have been sent until they were read, committed.
int pace(int argc, char **argv);
