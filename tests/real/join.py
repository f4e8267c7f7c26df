#!/usr/bin/env python3
# timeout: 240
"""A stream joined with a table, at full size larger than memory, on real Kafka: the table is a compacted topic that
goes on changing, records come in disorder and some too late, workers die. Every row that comes out is compared with a
recount made here while the input is drawn: the reference keeps whole results as text, ten million of which do not fit
beside the rest, and a recount that shares no code even with it judges both.

How it is counted again: event time is cut into blocks. The records of a block come in an order of their own, none
further behind another than out_of_order allows, and no block begins before the one before it has ended. A block ends
with a record of each partition that moves its watermark to the end, and then come those that are late on purpose. So
the others, sorted by time, table before stream, are what the join has to see."""
import array
import subprocess

from proof import *

ORDERS, KEYS = sized(60_000, 10_000_000), sized(30_000, 5_000_000)
BUDGET_MIB = sized(64, 256)
PEAK = 1.25  # of the budget, as in memory.py
PARTITIONS = 3
BLOCK_MS, OUT_OF_ORDER_MS, TICK_MS = 10_000, 2_000, 20  # times are multiples of TICK_MS, so that many are equal
ORDERS_A_BLOCK = sized(1_000, 10_000)
NONE, LATE, UNSEEN = 0, -1, -2  # in place of a version

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Order" field: "n int64 not null" field: "customer int64" }
schema { name: "Customer" field: "id int64 not null" field: "version int64 not null" field: "name string" }
source { name: "orders" kafka { topic: "${NAME}.orders" } format { json {} } schema: "Order"
         time { out_of_order: "2s" } }
source { name: "customers" kafka { topic: "${NAME}.customers" } format { json {} } schema: "Customer" key: "id"
         time { out_of_order: "2s" } }
node { name: "joined" input: "orders" input: "customers" join { type: TYPE on: "orders.customer = customers.id"
       select: "orders.n" select: "customers.version" select: "customers.name" late_topic: "${NAME}.late" } }
sink { name: "out" input: "joined" kafka { topic: "${NAME}.out" } format { json {} } }
"""


class Input:
    """Draws both topics as lines for ktool, and counts again what has to come out of each order."""

    def __init__(self, rng, orders, keys):
        self.rng, self.keys = rng, keys
        self.blocks = orders // ORDERS_A_BLOCK
        self.now = array.array("i", bytes(4 * (keys + keys // 8 + 1)))  # key → version, NONE: there is none
        self.want = array.array("i", bytes(4 * self.blocks * (ORDERS_A_BLOCK + PARTITIONS + 8)))  # by order
        self.orders, self.versions, self.tombstones, self.nulls = 0, 0, 0, 0
        self.late_versions, self.late_orders, self.late_tombstones = set(), set(), 0

    def customer(self, key, time_ms, gone=False):
        """A change of the table: its line, and the version that is the table's after it."""
        partition = key % PARTITIONS
        if gone:
            self.tombstones += 1
            return f'{{"key":"{key}","value":null,"timestamp":{time_ms},"partition":{partition}}}\n', NONE
        self.versions += 1
        return (f'{{"key":"{key}","value":{{"id":{key},"version":{self.versions},"name":"c{key}"}},'
                f'"timestamp":{time_ms},"partition":{partition}}}\n'), self.versions

    def order(self, key, time_ms, partition):
        n, self.orders = self.orders, self.orders + 1
        customer = "null" if key is None else key
        return (f'{{"value":{{"n":{n},"customer":{customer}}},"timestamp":{time_ms},"partition":{partition}}}\n'), n

    def table(self):
        """The table before anything is joined: every key once, in no order of keys, times ascending."""
        order = list(range(self.keys))
        self.rng.shuffle(order)
        for at in range(0, self.keys, 10_000):
            lines = []
            for i, key in enumerate(order[at:at + 10_000], at):
                line, self.now[key] = self.customer(key, BEGIN_MS - 600_000 + i * 500_000 // self.keys)
                lines.append(line)
            yield "".join(lines)

    def block(self, number):
        """(lines of the table's topic, lines of the stream's)"""
        rng, begin = self.rng, BEGIN_MS + number * BLOCK_MS
        ticks, last = (BLOCK_MS - 1000) // TICK_MS, begin + BLOCK_MS - TICK_MS
        both = [], []  # (place in its topic, line)
        seen = []      # (time, side, place, key, version or order): as the join has to see it

        def put(side, time_ms, key, line, what):
            place = time_ms + rng.randrange(OUT_OF_ORDER_MS - 1) + rng.random()
            both[side].append((place, line))
            seen.append((time_ms, side, place, key, what))

        # One in a hundred keys of the whole changes on the way.
        hot = [rng.randrange(len(self.now) - 1) for _ in range(max(4, self.keys // 100 // self.blocks))]
        for key in hot:
            time_ms = begin + rng.randrange(ticks) * TICK_MS
            put(0, time_ms, key, *self.customer(key, time_ms, rng.random() < 0.5))
        for _ in range(ORDERS_A_BLOCK):
            draw = rng.random()
            key = rng.choice(hot) if draw < 0.1 else rng.randrange(len(self.now) - 1) if draw < 0.995 else None
            self.nulls += key is None
            time_ms = begin + rng.randrange(ticks) * TICK_MS
            put(1, time_ms, key, *self.order(key, time_ms, rng.randrange(PARTITIONS)))
        tables, streams = ([line for _, line in sorted(side)] for side in both)
        for partition in range(PARTITIONS):  # the block's end, then what is late
            key = rng.randrange(self.keys // PARTITIONS) * PARTITIONS + partition
            line, version = self.customer(key, last)
            tables.append(line)
            seen.append((last, 0, last + 9999, key, version))
            line, n = self.order(key, last, partition)
            streams.append(line)
            seen.append((last, 1, last + 9999, key, n))
        self.late(number, hot, begin, tables, streams)
        for time_ms, side, _, key, what in sorted(seen, key=lambda row: row[:3]):
            if side == 0:
                self.now[key] = what
            else:
                self.want[what] = NONE if key is None else self.now[key]
        return "".join(tables), "".join(streams)

    def late(self, number, hot, begin, tables, streams):
        if number % 5:
            return
        gone = number % 10 == 5
        line, version = self.customer(hot[0], begin, gone)
        tables.append(line)
        if gone:
            self.late_tombstones += 1
        else:
            self.late_versions.add(version)
        line, n = self.order(hot[0], begin, 0)
        streams.append(line)
        self.want[n] = LATE
        self.late_orders.add(n)


class Producers:
    """Both topics, written in the background no further than allowed: the table first, then block by block."""

    def __init__(self, cluster, name, drawn):
        self.drawn, self.allowed, self.sent, self.problem, self.ended = drawn, 0.0, 0, None, False
        self.processes = [subprocess.Popen(cluster.command("produce", f"{name}.{topic}"), stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE) for topic in ("customers", "orders")]
        own(self)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            for lines in self.drawn.table():
                self.processes[0].stdin.write(lines.encode())
            while self.sent < self.drawn.blocks and not self.ended:
                if self.sent >= self.allowed * self.drawn.blocks:
                    time.sleep(0.02)
                    continue
                for process, lines in zip(self.processes, self.drawn.block(self.sent)):
                    process.stdin.write(lines.encode())
                    process.stdin.flush()
                self.sent += 1
        except Exception as problem:  # told by whoever waits for the end
            self.problem = problem

    def finish(self):
        self.allowed = 1.0
        self.thread.join(sized(60, 1800))
        if self.thread.is_alive() or self.problem:
            raise AssertionError(f"the feed got stuck after {self.sent} blocks: {self.problem}")
        counts = [json.loads(process.communicate(timeout=120)[0])["produced"] for process in self.processes]
        expect(counts, [self.drawn.versions + self.drawn.tombstones, self.drawn.orders])

    def close(self):
        self.ended = True
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.thread.join(10)


OUT = re.compile(rb'"value":"\{\\"n\\":(\d+),\\"version\\":(\d+|null),\\"name\\":(?:\\"c(\d+)\\"|null)\}"')


def judge_rows(cluster, name, drawn, left):
    """Every order comes out once, with the version that the recount says, or not at all."""
    got, wrong, rows = array.array("i", [UNSEEN]) * len(drawn.want), [], 0
    for line in lines_of(cluster.command("consume", f"{name}.out", timeout=300000)):
        found = OUT.search(line)
        if not found:
            raise AssertionError(f"no row of the join: {line[:200]}")
        n, version = int(found[1]), NONE if found[2] == b"null" else int(found[2])
        rows += 1
        if got[n] != UNSEEN or version != drawn.want[n] or (version == NONE) != (found[3] is None) or n >= drawn.orders:
            wrong.append(f"order {n}: {found[0].decode()}, but the recount has {drawn.want[n]}; came before: {got[n]}")
        got[n] = version
    for n in range(drawn.orders):
        comes = drawn.want[n] != LATE and (left or drawn.want[n] != NONE)
        if comes != (got[n] != UNSEEN):
            wrong.append(f"order {n}: {'is missing' if comes else 'should not be there'} ({drawn.want[n]})")
    assert not wrong, f"{len(wrong)} wrong: {'; '.join(wrong[:5])}"
    return rows


def judge_late(cluster, name, drawn):
    orders, versions, tombstones = set(), set(), 0
    for row in cluster.rows(f"{name}.late"):
        if "n" in row:
            orders.add(row["n"])
        elif row["version"] is None:
            tombstones += 1
        else:
            versions.add(row["version"])
    expect((orders, versions, tombstones), (drawn.late_orders, drawn.late_versions, drawn.late_tombstones), "late rows")
    assert orders and versions and tombstones, "nothing was late"


def judge_counters(stats, drawn, left):
    with open(stats, encoding="utf-8") as file:
        counters = json.loads(file.readlines()[-1])["nodes"]["joined"]
    late = len(drawn.late_orders) + len(drawn.late_versions) + drawn.late_tombstones
    filtered = 0 if left else drawn.nulls
    all_in = drawn.versions + drawn.tombstones + drawn.orders
    expect({k: counters[k] for k in ("in", "late", "filtered", "processed", "dropped", "dead_lettered")},
           {"in": all_in, "late": late, "filtered": filtered, "processed": all_in - late - filtered, "dropped": 0,
            "dead_lettered": 0}, "counters of the join")


def join(type, orders, keys, kills):
    rng, left, name = seeded(f"join {type}"), type == "LEFT", unique("join")
    graph, state_dir = write("join.textproto", GRAPH.replace("TYPE", type)), scratch("state")
    # As long as the test runs the broker may not compact: what it took away nobody could have read, nor recounted.
    kafka.create(f"{name}.customers", partitions=PARTITIONS, cleanup_policy="compact", min_compaction_lag_ms=86400000)
    kafka.create(f"{name}.orders", partitions=PARTITIONS)
    for output in ("out", "late"):
        kafka.create(f"{name}.{output}", partitions=2)
    began = time.monotonic()
    drawn = Input(rng, orders, keys)
    feed = Producers(kafka, name, drawn)
    options = ["--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir, "--memory",
               f"{BUDGET_MIB}MiB", "--session-timeout", "2s", "--checkpoint-interval", sized("500ms", "5s")]
    worker, peaks, at_kill = Worker("run", graph, *options), [], []
    for kill in range(kills):
        worker.start()
        peaks.append(Peak(worker.process))
        feed.allowed = (kill + 1) / (kills + 1)
        until(lambda: feed.sent >= feed.allowed * drawn.blocks or feed.problem, "the feed goes on", sized(60, 1800))
        # The group waits two seconds for the one that died: some are killed before they lead. The others got on.
        if rng.random() < 0.2 and kill < kills - 1:
            time.sleep(rng.uniform(0.2, 2))
        else:
            reach(kafka, name, "orders", at_kill[-1] + 1 if at_kill else 1)
            time.sleep(rng.uniform(0, sized(1.5, 38)))
        worker.kill()
        at_kill.append(progress(kafka, name, "orders"))
    feed.finish()
    fed = time.monotonic()
    stats = os.path.join(scratch("stats"), "stats.jsonl")
    last = Kappa("run", graph, *options, "--once", "--final", "--stats", stats)
    peaks.append(Peak(last))
    last.wait(0, sized(90, 3000))
    ran = time.monotonic()
    peak = max(p.get() for p in peaks)
    rows = judge_rows(kafka, name, drawn, left)
    judge_late(kafka, name, drawn)
    judge_counters(stats, drawn, left)
    say(f"{type}: of {drawn.orders} orders {rows} came out, as recounted, beside a table of {keys} keys with "
        f"{drawn.tombstones} tombstones and {drawn.versions - keys} changes; orders done at each kill -9: {at_kill}")
    say(f"peak {peak / 2 ** 20:.0f} MiB of a budget of {BUDGET_MIB} MiB; fed after {fed - began:.0f} s, ran on for "
        f"{ran - fed:.0f} s, compared in {time.monotonic() - ran:.0f} s")
    assert 8 << 20 < peak < PEAK * BUDGET_MIB * 2 ** 20, f"{peak / 2 ** 20:.0f} MiB resident"
    assert 0 < at_kill[-1] < drawn.orders, f"the kills hit nothing: {at_kill}"
    matched = sum(v > NONE for v in drawn.want[:drawn.orders])
    assert drawn.orders * 0.1 < matched < drawn.orders * 0.95, f"{matched} of {drawn.orders} orders have a match"


def test_left():
    "a left join with a table that changes, killed: every order comes with what the table said at its time"
    join("LEFT", ORDERS, KEYS, sized(3, 12))


def test_inner():
    "an inner join, killed: only what has a match comes out"
    join("INNER", ORDERS // sized(3, 10), KEYS // sized(3, 10), sized(1, 3))


run_cases(globals())
