"""A graph of every operator there is, its events, and what happens to those who run it: for the proofs that want all of
it (exactly_once.py, uses.py)."""
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


class Faults:
    """Workers, and what happens to them; the order is drawn."""

    def __init__(self, rng, broker, workers, plan, shards):
        self.rng, self.broker, self.workers, self.counts = rng, broker, workers, collections.Counter()
        self.shards = shards
        self.plan = [kind for kind, count in plan.items() for _ in range(count)]
        rng.shuffle(self.plan)
        self.restarted = float("-inf")

    def kill(self):
        worker = self.rng.choice(self.workers)
        self.must_run(worker)
        worker.kill()
        self.died(worker)
        time.sleep(self.rng.uniform(0, 1.5))
        worker.start()

    def died(self, worker):
        """For who wants to see what it left."""

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
        if worker.gave_up() and time.monotonic() - self.restarted < sized(30, 120):
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

    def run(self, feed, name, share=1):
        """Meanwhile the feed goes on from where it is to this share of everything."""
        begin, end = feed.allowed, feed.total * share
        for number, kind in enumerate(self.plan):
            feed.allow((begin + (end - begin) * (number + 1) / (len(self.plan) + 1)) / feed.total)
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0.2, 1))  # in the middle of what the fault before this one began
            else:
                # Three quarters of all events are in this topic.
                reach(self.broker.kafka, name, "in", 0.75 * (begin + (feed.allowed - begin) * 2 / 3), self.shards)
                time.sleep(self.rng.uniform(0, 3))
            getattr(self, kind)()
            self.counts[kind] += 1
            for worker in self.workers:
                self.must_run(worker)
        say(f"order of faults: {' '.join(self.plan[:40])}{' …' if len(self.plan) > 40 else ''}")
