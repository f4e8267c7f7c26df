"""What the proofs on a real Kafka share: their size, a graph that goes through every operator with its events, a feed
at a pace, workers that die and come back, and the comparison with the reference (tests/reference), which shares no
code with the engine but the reader of graphs.

Size: TEST_SIZE=full is what `make prove` runs; anything else is the short form of `make test`.
"""
import collections
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

import kafka_tool
from kafka_tool import *

FULL = os.environ.get("TEST_SIZE") == "full"
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
KAPPA_PROGRAM = os.path.join(BUILD, "kappa")
REFERENCE = os.path.join(BUILD, "tests", "reference", "kappa-reference")


def own(thing):
    """Closed when the case ends, whatever happened."""
    kafka_tool._open.append(thing)
    return thing


def sized(short, full):
    return full if FULL else short


def say(text):
    """A line that is no verdict; the runner shows it when something fails."""
    print(f"   {text}", flush=True)


def seeded(what):
    """A random generator of this run; printed, so that TEST_SEED=… draws the same again."""
    say(f"{what}: TEST_SEED={SEED}")
    return random.Random(f"{SEED} {what}")


# --- a graph that goes through everything -----------------------------------------------------------

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Event" field: "n int64 not null" field: "who string not null" field: "kind string"
         field: "amount int64" field: "ts timestamp not null" }
source { name: "events" kafka { topic: "${NAME}.in" partitioned_by: "who" } format { json {} } schema: "Event"
         time { expr: "ts" out_of_order: "5s" } }
node { name: "wanted" input: "events" filter { where: "kind <> 'noise'" } }
node { name: "priced" input: "wanted" map { select: "*" set: "share = 1000 / amount"
         set: "label = upper(kind) || ':' || who" } }
node { name: "sorts" input: "priced" route { case { name: "big" when: "amount >= 600" }
         case { name: "small" when: "amount < 60" } } }
node { name: "minutes" input: "sorts.big" aggregate { group_by: "who" window { tumbling { size: "1m" } } grace: "3s"
         select: "count(*) AS rows" select: "sum(amount) AS total" select: "min(n) AS first"
         late_topic: "${NAME}.late" } }
node { name: "hops" input: "sorts.else" aggregate { group_by: "who" group_by: "kind"
         window { hopping { size: "60s" every: "20s" } } select: "count(*) AS rows" select: "avg(amount) AS mean" } }
node { name: "favourites" input: "hops" aggregate { group_by: "who" window { inherit {} }
         select: "arg_max(kind, rows) AS kind" select: "max(rows) AS most" } }
node { name: "totals" input: "priced" aggregate { group_by: "who" select: "count(*) AS rows"
         select: "sum(amount) AS total" select: "count(*) FILTER (WHERE kind = 'a') AS a" } }
table { name: "totals_by_user" input: "totals" key: "who" }
table { name: "minutes_by_user" input: "minutes" key: "who" key: "window_start" }
table { name: "favourite_by_user" input: "favourites" key: "who" key: "window_start" }
sink { name: "small" input: "sorts.small" kafka { topic: "${NAME}.small" } format { json {} } }
sink { name: "closed" input: "minutes" kafka { topic: "${NAME}.closed" } format { json {} } key: "who" }
sink { name: "liked" input: "favourites" kafka { topic: "${NAME}.liked" } format { json {} }
       key: "who" key: "window_start" }
sink { name: "changes" input: "totals" kafka { topic: "${NAME}.changes" } format { json {} } key: "who" }
"""
OUTPUTS = ["small", "closed", "liked", "changes", "late"]  # topics, behind the graph's name
TABLES = ["totals_by_user", "minutes_by_user", "favourite_by_user"]
BEGIN_MS = 1767225600000  # 2026-01-01
STEP_MS = 10  # of event time, from one event to the next


def graph_file():
    return write("proof.textproto", GRAPH)


def make_topics(cluster, name, partitions):
    """The source and the outputs, with several partitions each."""
    cluster.create(f"{name}.in", partitions=partitions)
    for output in OUTPUTS:
        cluster.create(f"{name}.{output}", partitions=3)


def events(count, rng, users=300):
    """Lines for ktool: what the graph takes, disordered, with late, malformed, failing and far-future records."""
    kinds = ["a", "a", "b", "c", "d", "noise", "noise", None]
    for n in range(count):
        at = BEGIN_MS + n * STEP_MS - rng.randrange(4000)
        user = f"u{int(users * rng.random() ** 2)}"
        draw = rng.random()
        timestamp = at
        if draw < 0.02:
            at -= rng.randrange(10000, 200000)  # too late for its window, now and then
        elif draw < 0.0205:
            at += 2 * 3600 * 1000  # beyond max_ahead
        kind = kinds[rng.randrange(len(kinds))]
        event = {"n": n, "who": user, "kind": kind, "amount": rng.randrange(1000), "ts": at}
        value = json.dumps(event, separators=(",", ":"))
        if 0.0205 <= draw < 0.0215:
            del event[rng.choice(["n", "who", "ts"])]
            value = json.dumps(event, separators=(",", ":"))
        elif 0.0215 <= draw < 0.0225:
            value = value[:rng.randrange(len(value))]
        elif 0.0225 <= draw < 0.0228:
            value = None
        yield json.dumps({"key": user, "value": value, "timestamp": timestamp})


class Feed:
    """Events into a topic, in the background, no faster than allow() and the pace say."""

    def __init__(self, cluster, topic, lines, total, per_second):
        self.total, self.per_second, self.sent, self.allowed, self.problem = total, per_second, 0, 0, None
        self._lines, self._ended = lines, False
        self._process = subprocess.Popen(cluster.command("produce", topic), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        own(self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begin, since = time.monotonic(), 0
        try:
            while self.sent < self.total and not self._ended:
                room = min(self.allowed, int((time.monotonic() - begin) * self.per_second) + since) - self.sent
                if room <= 0:
                    time.sleep(0.02)
                    # Time in which nothing was allowed is not made up for in one burst.
                    begin, since = time.monotonic(), self.sent
                    time.sleep(0.02)
                    continue
                lines = [next(self._lines) for _ in range(min(room, 2000, self.total - self.sent))]
                self._process.stdin.write(("\n".join(lines) + "\n").encode())
                self._process.stdin.flush()
                self.sent += len(lines)
            self._process.stdin.close()
        except Exception as problem:  # told by whoever waits for the end
            self.problem = problem

    def allow(self, share):
        """So much of everything may be sent by now (0 to 1)."""
        self.allowed = max(self.allowed, min(self.total, int(self.total * share)))

    def finish(self, timeout_s=600):
        """Sends the rest, and waits until the brokers have acknowledged it."""
        self.allow(1)
        self.per_second = 1e9
        self._thread.join(timeout_s)
        if self._thread.is_alive() or self.problem:
            raise AssertionError(f"the feed got stuck after {self.sent} events: {self.problem}")
        out, err = self._process.communicate(timeout=timeout_s) if not self._process.stdin.closed else (
            self._process.stdout.read(), self._process.stderr.read())
        self._process.wait(timeout_s)
        expect(self._process.returncode, 0, f"ktool's status ({err.decode(errors='replace')})")
        expect(json.loads(out)["produced"], self.total, "events that were acknowledged")

    def close(self):
        self._ended = True
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join(10)


class Worker:
    """One process of a pipeline with its own state directory, started again and again."""

    def __init__(self, *arguments):
        self.stats = os.path.join(scratch("stats"), "stats.jsonl")  # of the process that runs now
        self.arguments = (*arguments, "--stats", self.stats)
        self.process = None

    def start(self):
        if os.path.exists(self.stats):
            os.remove(self.stats)
        self.process = Kappa(*self.arguments)

    def leads(self):
        """How many shards it led a second ago, at most."""
        figures = shard_figures(self.stats)
        return sum(shard["state"] == "leading" for shard in figures[-1]) if figures else 0

    def gave_up(self):
        return not self.process.running() and self.process.process.returncode == 69

    def must_run(self):
        if not self.process.running():
            raise AssertionError(f"a worker ended by itself: status {self.process.process.returncode}, "
                                 f"{' '.join(self.process.stderr[-1500:].split())}")

    def kill(self):
        self.must_run()
        self.process.kill()
        if "runtime error" in self.process.stderr or "assertion" in self.process.stderr:
            raise AssertionError(self.process.stderr[-1500:])


def progress(cluster, name, topic, shards=1):
    """How many records of an input the groups' offsets count as done."""
    def look():
        try:
            return [sum(max(0, offset) for shard in range(shards)
                        for offset in cluster.committed(f"{name}.shard.{shard}", f"{name}.{topic}").values())]
        except RuntimeError:
            return None  # a broker that was just restarted does not know the groups yet

    return until(look, "the broker knows the groups", 60)[0]


def reach(cluster, name, topic, records, shards=1):
    """Until so many are done: who kills by the clock alone hits nothing but starts on a slow machine."""
    until(lambda: progress(cluster, name, topic, shards) >= records, f"{records:.0f} records are done", sized(90, 900))


class Peak:
    """The greatest resident size that a process ever had, as the kernel counts it; also of one that was killed."""

    def __init__(self, process):
        self.process, self.bytes = process, 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while self.process.running():
                with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.M)
                if found:
                    self.bytes = max(self.bytes, int(found.group(1)) * 1024)
                time.sleep(0.02)
        except OSError:
            pass  # it is gone

    def get(self):
        self._thread.join(1)
        return self.bytes


def shard_figures(stats):
    """Of each line that a worker wrote to its --stats file: what it said of its shards."""
    if not os.path.exists(stats):
        return []
    with open(stats, encoding="utf-8") as file:
        return [json.loads(line)["shards"] for line in file if line.endswith("}\n")]


# --- generations of a small graph ----------------------------------------------------------------------

EVENT = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Event" field: "k string not null" field: "n int64 not null" field: "ts timestamp not null" }
"""
# Of a topic ${NAME}.in: what has no window, and what waits for one.
SUMMED = EVENT + """source { name: "in" kafka { topic: "${NAME}.in" } format { json {} } schema: "Event"
         time { expr: "ts" max_ahead: "3650d" } }
node { name: "sums" input: "in" aggregate { group_by: "k" select: "count(*) AS rows" select: "sum(n) AS total" } }
node { name: "tens" input: "in" aggregate { group_by: "k" window { tumbling { size: "10s" } }
       select: "sum(n) AS total" } }
table { name: "totals" input: "sums" key: "k" }
table { name: "windows" input: "tens" key: "k" key: "window_start" }
"""


def table_digests(folder, *options):
    """Of each table of a state: how many rows, and the digest of them all."""
    got = json.loads(kappa("table", "digest", "--state-dir", folder, *options, "-o", "json").stdout)
    return {table["table"]: (table["rows"], table["digest"]) for table in got["tables"]}


def must_be_same(tables, one, other):
    """These tables of two states, each of them what table_digests takes."""
    here, there = table_digests(*one), table_digests(*other)
    for table in tables:
        expect(here[table], there[table], table)


# --- comparison with the reference --------------------------------------------------------------------

def lines_of(command):
    """The lines of a command's output, one after the other; it has to end with status 0."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        errors = []
        drain = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
        drain.start()
        yield from process.stdout
        drain.join(10)
    if process.returncode != 0:
        raise AssertionError(f"{os.path.basename(command[0])} {' '.join(command[1:])}: status {process.returncode}, "
                             f"{errors[0].decode(errors='replace')[-2000:] if errors else ''}")


def save(cluster, topic, path):
    """The topic's records, as lines of JSON, into a file."""
    with open(path, "wb") as file:
        subprocess.run(cluster.command("consume", topic, timeout=300000), stdout=file, check=True)


def table_rows(table, *options):
    return [json.loads(line) for line in lines_of([KAPPA_PROGRAM, "table", "scan", table, *options, "-o", "jsonl"])]


def canonical(row):
    return json.dumps(row, sort_keys=True, separators=(",", ":"))


def differ(what, got, want):
    """Two multisets: the case fails with what is missing and what is too much."""
    if got == want:
        return
    missing, excess = want - got, got - want
    raise AssertionError(f"{what}: {sum(missing.values())} missing, {sum(excess.values())} too many\n"
                         f"  missing: {list(missing.items())[:5]}\n  too many: {list(excess.items())[:5]}")


class Results:
    """What a run left behind: messages by topic, dead letters, rows of tables, counters by node."""

    def __init__(self):
        self.topics = collections.defaultdict(collections.Counter)  # (key, value) → how often
        self.keyed = collections.defaultdict(lambda: collections.defaultdict(list))  # topic → key → values in order
        self.letters = collections.Counter()
        self.tables = collections.defaultdict(collections.Counter)
        self.counters = {}

    def message(self, topic, key, value):
        self.topics[topic][key, value] += 1
        if key is not None:
            self.keyed[topic][key].append(value)

    def must_equal(self, reference):
        for topic in sorted(self.topics.keys() | reference.topics.keys()):
            differ(f"topic {topic}", self.topics[topic], reference.topics[topic])
        differ("dead letters", self.letters, reference.letters)
        for table in sorted(self.tables.keys() | reference.tables.keys()):
            differ(f"table {table}", self.tables[table], reference.tables[table])
        expect(self.counters, reference.counters, "counters")

    def must_ascend(self, topic, column):
        """Each key's messages came in the order of a column that never repeats under it. (The reference shows what
        there must be, sorted; what a column says about the order needs no reference.)"""
        for key, values in self.keyed[topic].items():
            numbers = [json.loads(value)[column] for value in values]
            for before, after in zip(numbers, numbers[1:]):
                if not before < after:
                    raise AssertionError(f"topic {topic}, key {key!r}: {column} {after!r} came after {before!r}")


def reference_results(graph, name, inputs, *options):
    """inputs: topic → (file as save() writes it, partitions)."""
    command = [REFERENCE, graph, "--set", f"NAME={name}", *options]
    for topic, (path, partitions) in inputs.items():
        command += ["--input", f"{topic}={path}", "--partitions", f"{topic}={partitions}"]
    results = Results()
    for line in lines_of(command):
        row = json.loads(line)
        if "message" in row:
            results.message(row["message"], row["key"], row["value"])
        elif "dead_letter" in row:
            results.letters[row["topic"], row["partition"], row["offset"], row["node"], row["reason"],
                            *(kafka_tool._bytes(row, part) for part in ("key", "value"))] += 1
        elif "table" in row:
            results.tables[row["table"]][canonical(row["row"])] += 1
        else:
            results.counters[row.pop("counters")] = row
    return results


def engine_results(cluster, name, outputs, tables, state_dir, stats):
    results = Results()
    for output in outputs:
        for line in lines_of(cluster.command("consume", f"{name}.{output}", timeout=300000)):
            message = json.loads(line)
            results.message(f"{name}.{output}", message["key"], message["value"])
    for letter in cluster.consume(f"{name}.dead-letters", timeout_s=300):
        headers = dict(letter.headers)
        results.letters[headers["kappa.topic"], int(headers["kappa.partition"]), int(headers["kappa.offset"]),
                        headers["kappa.node"], headers["kappa.reason"], letter.key, letter.value] += 1
    for table in tables:
        for line in lines_of([KAPPA_PROGRAM, "table", "scan", table, "--state-dir", state_dir, "-o", "jsonl"]):
            results.tables[table][canonical(json.loads(line))] += 1
    with open(stats, encoding="utf-8") as file:
        results.counters = json.loads(file.readlines()[-1])["nodes"]
    return results
