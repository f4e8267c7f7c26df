#!/usr/bin/env python3
# timeout: 240
"""Exactly once on real Kafka: workers die at random moments, stand still until their sessions are over, and lose their
broker, while events come in; in the end everything that is to be seen equals what the reference makes of the same
input. The feed is paced by the faults, so that it outlasts them."""
from mixed import *


def run_through(cluster, name, graph, shards, state_dir):
    """What is left is worked off in order, and the input declared complete."""
    stats = os.path.join(scratch("stats"), "stats.jsonl")
    done = kappa("run", graph, "--brokers", cluster.brokers, "--set", f"NAME={name}", "--shards", shards, "--state-dir",
                 state_dir, "--once", "--final", "--stats", stats, *OPTIONS, timeout_s=sized(90, 900))
    say("\n   ".join(done.stderr.splitlines()[-14:]))
    return stats


def judge(cluster, name, graph, partitions, state_dir, stats):
    begin, inputs = time.monotonic(), {}
    for topic in [f"{name}.in", *(f"{name}.{other}" for other in INPUTS)]:
        inputs[topic] = (os.path.join(scratch("input"), "in.jsonl"), partitions)
        save(cluster, topic, inputs[topic][0])
    want = reference_results(graph, name, inputs)
    got = engine_results(cluster, name, MIXED_OUTPUTS, MIXED_TABLES, state_dir, stats)
    got.must_equal(want)
    for topic, column in (("changes", "rows"), ("closed", "window_start")):
        got.must_ascend(f"{name}.{topic}", column)
    for what in MIXED_OUTPUTS:  # a comparison of nothing with nothing would prove nothing
        assert sum(want.topics[f"{name}.{what}"].values()) > 50, f"hardly anything in {name}.{what}"
    assert sum(want.letters.values()) > 50 and all(len(want.tables[t]) > 50 for t in MIXED_TABLES), "hardly any results"
    say(f"equal: {sum(sum(t.values()) for t in want.topics.values())} messages, {sum(want.letters.values())} dead "
        f"letters, {sum(len(t) for t in want.tables.values())} rows, {len(want.counters)} nodes' counters; compared in "
        f"{time.monotonic() - begin:.0f} s")


def test_one_shard():
    "one shard: killed at random moments, and every output, dead letter, counter and row is the reference's"
    rng, kills, total = seeded("one shard"), sized(5, 100), sized(60_000, 2_000_000)
    name, graph, state_dir = unique("once"), write("mixed.textproto", MIXED), scratch("state")
    make_all_topics(kafka, name, 3)
    feed = Feed(kafka, f"{name}.in", all_events(total, rng, name), total, total / (kills * 2.5))
    worker = Worker("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir,
                    *OPTIONS)
    delays = []
    for kill in range(kills):
        feed.allow((kill + 1) / (kills + 1))
        worker.start()
        # The group waits two seconds for the member that died: some kills come before the next one leads. The others
        # wait until it is half way through what was fed: on a slow machine sleeping alone would hit nothing but starts.
        early = rng.random() < 0.25 and kill < kills - 1
        delays.append(rng.uniform(0.05, 2.0) if early else rng.uniform(0.0, 2.5))
        if not early:
            reach(kafka, name, "in", feed.allowed / 2)
        time.sleep(delays[-1])
        worker.kill()
    done = progress(kafka, name, "in")
    say(f"kill -9 after {', '.join(f'{d:.2f}' for d in delays[:20])}{' …' if kills > 20 else ''} s; {done} of {total} "
        "records done by then")
    assert done > total * 0.3, f"only {done} of {total} records were done when the killing ended: it hit nothing"
    feed.finish()
    judge(kafka, name, graph, 3, state_dir, run_through(kafka, name, graph, 1, state_dir))


def test_three_shards():
    "three shards on three processes: kills, zombies and a broker that restarts, and all equals the reference"
    rng, total = seeded("three shards"), sized(60_000, 2_000_000)
    broker = Broker("--heap", "384m")
    name, graph = unique("once"), write("mixed.textproto", MIXED)
    make_all_topics(broker.kafka, name, 6)
    directories = [scratch("state") for _ in range(3)]
    workers = [Worker("run", graph, "--brokers", broker.address, "--set", f"NAME={name}", "--shards", "3",
                      "--state-dir", directory, *OPTIONS) for directory in directories]
    for worker in workers:
        worker.start()
    plan = sized({"kill": 5, "stop": 1, "restart": 1}, {"kill": 100, "stop": 20, "restart": 3})
    feed = Feed(broker.kafka, f"{name}.in", all_events(total, rng, name), total,
                total / (sum(plan.values()) * 2.5))
    faults = Faults(rng, broker, workers, plan, shards=3)
    faults.run(feed, name)
    time.sleep(3)
    done = progress(broker.kafka, name, "in", shards=3)
    say(f"{dict(faults.counts)}; {done} of {total} records done by then")
    assert done > total * 0.3, f"only {done} of {total} records were done when the faults ended: they hit nothing"
    feed.finish()
    for worker in workers[1:]:
        worker.kill()
    workers[0].must_run()
    workers[0].process.stop(60)
    judge(broker.kafka, name, graph, 6, directories[0],
          run_through(broker.kafka, name, graph, 3, directories[0]))


run_cases(globals())
