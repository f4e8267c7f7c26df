#!/usr/bin/env python3
# timeout: 240
"""Exactly once on real Kafka: workers die at random moments, stand still until their sessions are over, and lose their
broker, while events come in; in the end everything that is to be seen equals what the reference makes of the same
input. The feed is paced by the faults, so that it outlasts them."""
import base64
import signal

from proof import *

# And a join with a table that goes on changing: a compacted topic, so that its records are in the journal.
JOINED = GRAPH + """
schema { name: "User" field: "who string not null" field: "city string not null" field: "moves int64" }
source { name: "users" kafka { topic: "${NAME}.users" partitioned_by: "who" } format { json {} } schema: "User"
         key: "who" time { out_of_order: "2s" } }
node { name: "homes" input: "priced" input: "users" join { type: LEFT on: "priced.who = users.who" select: "priced.n"
       select: "priced.who" select: "coalesce(users.city, 'nowhere') AS city" select: "users.moves"
       late_topic: "${NAME}.strangers" } }
node { name: "residents" input: "priced" input: "users" join { on: "priced.who = users.who" select: "priced.who"
       select: "users.city" select: "priced.amount" } }
node { name: "cities" input: "residents" aggregate { group_by: "who" group_by: "city" window { tumbling { size: "1m" } }
       select: "count(*) AS rows" select: "sum(amount) AS total" } }
table { name: "cities_by_user" input: "cities" key: "who" key: "city" key: "window_start" }
sink { name: "moved" input: "homes" kafka { topic: "${NAME}.homes" } format { json {} } key: "who" }
"""
# And what the two before have not: other formats, packed and not, and the operators that put ways together or apart.
MIXED = JOINED + r"""
schema { name: "Reading" field: "who string not null" field: "n int64" field: "what string" field: "level double" }
schema { name: "Note" field: "value string not null" }
schema { name: "Item" field: "who string not null" field: "n int64 at $.more.n" }
source { name: "readings" kafka { topic: "${NAME}.readings" partitioned_by: "who" } format { csv { delimiter: ";" } }
         schema: "Reading" time { out_of_order: "4s" } }
source { name: "log" kafka { topic: "${NAME}.log" partitioned_by: "who" } schema: "Reading" time { out_of_order: "4s" }
         format { packed { line { pattern: "^(?<who>\\w+) (?<what>/\\S*) (?<n>\\d+)( (?<level>[0-9.]+))?$" } } } }
schema { name: "Buyer" field: "who string not null at $.name" field: "n int64 at $.age"
         field: "what string at $.parent.name" }
source { name: "buyers" kafka { topic: "${NAME}.buyers" partitioned_by: "who" } schema: "Buyer"
         format { packed { protobuf { descriptor_set: "TYPES" message: "shop.Buyer" } } } time { out_of_order: "4s" } }
source { name: "notes" kafka { topic: "${NAME}.notes" } format { raw {} } schema: "Note" time { out_of_order: "4s" } }
node { name: "from_readings" input: "readings" map { select: "*" set: "at = _timestamp" } }
node { name: "from_log" input: "log" map { select: "*" set: "at = _timestamp" } policy { on_error: DROP } }
node { name: "from_buyers" input: "buyers" map { select: "who" select: "n" select: "what" select: "n / 4.0 AS level"
       select: "_timestamp AS at" } }
node { name: "alike" input: "from_readings" input: "from_log" input: "from_buyers" union {} }
node { name: "dated" input: "alike" event_time { expr: "at - interval '2 seconds'" behind: "2s" } }
node { name: "levels" input: "dated" aggregate { group_by: "who" window { tumbling { size: "1m" } } grace: "1s"
       select: "first(n) AS began" select: "last(what) AS ended" select: "count(DISTINCT what) AS kinds"
       select: "stddev(level) AS spread" select: "var_pop(n) AS square" late_topic: "${NAME}.tardy" } }
node { name: "kinds" input: "priced" aggregate { group_by: "who" select: "count(DISTINCT kind) AS kinds"
       select: "variance(amount) AS spread" select: "last(amount) AS latest" } }
node { name: "lists" input: "notes" map { select: "value::json AS list" select: "_index AS nth" } }
node { name: "items" input: "lists" flatten { field: "list" schema: "Item" } }
table { name: "levels_by_user" input: "levels" key: "who" key: "window_start" }
table { name: "kinds_by_user" input: "kinds" key: "who" }
sink { name: "levels_out" input: "levels" kafka { topic: "${NAME}.levels" } format { json {} } key: "who" }
sink { name: "items_out" input: "items" kafka { topic: "${NAME}.items" } format { json {} } }
""".replace("TYPES", os.path.join(BUILD, "tests", "proto", "types.binpb"))
# As long as the test runs the broker may not compact: the reference reads the topic when all is done.
INPUTS = {"users": {"cleanup_policy": "compact", "min_compaction_lag_ms": 86400000}, "readings": {}, "log": {},
          "buyers": {}, "notes": {}}
MIXED_OUTPUTS = [*OUTPUTS, "homes", "strangers", "levels", "tardy", "items"]
MIXED_TABLES = [*TABLES, "cities_by_user", "levels_by_user", "kinds_by_user"]


def make_all_topics(cluster, name, partitions):
    make_topics(cluster, name, partitions)
    for topic, config in INPUTS.items():
        cluster.create(f"{name}.{topic}", partitions=partitions, **config)
    for output in MIXED_OUTPUTS[len(OUTPUTS):]:
        cluster.create(f"{name}.{output}", partitions=3)


def user_change(rng, who, number, draw):
    """A row of the table, or a tombstone."""
    user = {"who": who, "city": rng.choice("abcde"), "moves": number}
    if 0.03 <= draw < 0.04:
        del user["city"]
    return None if 0.04 <= draw < 0.2 else user


def reading(rng, who, number, draw):
    """A record of comma-separated values; some are malformed."""
    if draw < 0.01:
        return rng.choice([f"{who};1", f'{who};1;"open;2', f"{who};many;x;1", ";1;x;2"])
    what = rng.choice(["", "x", '"a;b"', '"two\nlines"', '"q""q"', "ü"])
    return f"{who};{rng.choice(['', number % 100])};{what};{rng.choice(['', rng.randrange(1000) / 8])}"


def log_lines(rng, who, number, draw):
    """Up to four lines in a message, sometimes none; some are malformed."""
    lines = [f"{who} /{rng.choice('abc')} {number % 100 + i}{rng.choice(['', ' 0.5', ' 7'])}"
             for i in range(rng.randrange(5))]
    if lines and draw < 0.02:
        lines[-1] = rng.choice(["", "nothing", f"{who} /a 1" + "0" * 30])
    return rng.choice(["\n", "\r\n"]).join(lines)


def field(number, value):
    """A field of a protobuf message, of bytes or a number below 128."""
    if isinstance(value, int):
        return bytes([number * 8, value])
    return bytes([number * 8 + 2, len(value)]) + value


def buyers(rng, who, number, draw):
    """Up to three messages shop.Buyer, each behind its length; some are malformed."""
    value = b""
    for _ in range(rng.randrange(4)):
        buyer = field(1, who.encode()) + rng.choice([b"", field(2, number % 100)]) + field(3, b"nobody reads it")
        buyer += rng.choice([b"", field(4, field(2, 5)),
                             field(4, field(1, b"p")) + field(4, field(1, "ü".encode()))])
        value += bytes([len(buyer)]) + buyer
    if value and draw < 0.02:
        value = rng.choice([value[:-1], value + b"\x7f", value + b"\x03" + field(2, b"x"), value + b"\x01\x0b"])
    return value


def note(rng, who, number, draw):
    """A list of objects as it is; some are none, or hold something else."""
    if draw < 0.03:
        return rng.choice(["[", "7", '[{"who":1}]', "[]", "null"])
    return json.dumps([{"who": who, "more": {"n": number + i}} for i in range(rng.randrange(4))])


def all_events(count, rng, name):
    """The events, and one line in four of the other topics; of each every partition has some, or all would wait."""
    others, users = events(count, rng), 300  # of as many users as events() has
    kinds = [("users", user_change), ("readings", reading), ("log", log_lines), ("buyers", buyers), ("notes", note)]
    for n in range(count):
        if rng.random() >= 0.25:
            yield next(others)
            continue
        at, who = BEGIN_MS + n * 75 * STEP_MS // 100 - rng.randrange(1900), f"u{rng.randrange(users)}"
        (topic, make), draw = rng.choice(kinds), rng.random()
        if draw < 0.03:
            at -= rng.randrange(5000, 60000)  # too late
        line, value = {"topic": f"{name}.{topic}", "key": who, "timestamp": at}, make(rng, who, n, rng.random())
        if isinstance(value, bytes):
            yield json.dumps({**line, "value_base64": base64.b64encode(value).decode()})
        else:
            yield json.dumps({**line, "value": value})


OPTIONS = ["--session-timeout", "2s", "--memory", "96MiB", "--commit-interval", "100ms",
           "--checkpoint-interval", "500ms"]


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


class Faults:
    """Three workers, and what happens to them; the order is drawn."""

    def __init__(self, rng, broker, workers, plan):
        self.rng, self.broker, self.workers, self.counts = rng, broker, workers, collections.Counter()
        self.plan = [kind for kind, count in plan.items() for _ in range(count)]
        rng.shuffle(self.plan)
        self.restarted = float("-inf")

    def kill(self):
        worker = self.rng.choice(self.workers)
        self.must_run(worker)
        worker.kill()
        time.sleep(self.rng.uniform(0, 1.5))
        worker.start()

    def stop(self):
        # One that leads: only then what wakes is a zombie that believes that it still does.
        worker = self.rng.choice(until(lambda: [w for w in self.workers if w.leads()], "somebody leads", 60))
        worker.must_run()
        self.counts["zombies that led"] += worker.leads() > 0
        worker.process.signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(2.5, 5))  # its session is over, another leads: what wakes is a zombie
        worker.process.signal(signal.SIGCONT)

    def must_run(self, worker):
        """But one that was started without a broker gave up after ten seconds: its supervisor starts it again."""
        if worker.gave_up() and time.monotonic() - self.restarted < 30:
            worker.start()
        worker.must_run()

    def restart(self):
        if self.rng.random() < 0.5:
            self.broker.restart()
        else:
            self.broker.kill()
            time.sleep(self.rng.uniform(0, 2))
            self.broker.up()
        self.restarted = time.monotonic()

    def run(self, feed, name):
        for number, kind in enumerate(self.plan):
            feed.allow((number + 1) / (len(self.plan) + 1))
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0.2, 1))  # in the middle of what the fault before this one began
            else:
                reach(self.broker.kafka, name, "in", feed.allowed / 2, shards=3)
                time.sleep(self.rng.uniform(0, 3))
            getattr(self, kind)()
            self.counts[kind] += 1
            for worker in self.workers:
                self.must_run(worker)
        say(f"order of faults: {' '.join(self.plan[:40])}{' …' if len(self.plan) > 40 else ''}")


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
    faults = Faults(rng, broker, workers, plan)
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
