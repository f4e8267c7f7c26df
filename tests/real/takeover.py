#!/usr/bin/env python3
# timeout: 300
"""Minimal replay on a real Kafka: what does not change is taken over from a copy of the live generation's state, also
while it is killed on its way; the tables are those of a generation that computed everything; where nothing is computed,
nothing is read; and where there is no copy, everything is computed."""
import fcntl

from proof import *

OPTIONS = ["--memory", "64MiB", "--session-timeout", "2s", "--commit-interval", "50ms",
           "--checkpoint-interval", "300ms"]
SOURCES = EVENT + """source { name: "stream" kafka { topic: "${NAME}.in" } format { json {} } schema: "Event"
         time { expr: "ts" max_ahead: "3650d" out_of_order: "5s" } }
"""
SUMS = """
node { name: "odd" input: "stream" filter { where: "n % 3 <> 0" } }
node { name: "sums" input: "odd" aggregate { group_by: "k" window { hopping { size: "20s" every: "5s" } }
       select: "sum(n) AS total" select: "count(DISTINCT n) AS many" } }
table { name: "totals" input: "sums" key: "k" key: "window_start" }
"""
COUNTS = """
node { name: "counts" input: "stream" aggregate { group_by: "k" select: "count(*) AS rows" select: "max(n) AS most" } }
table { name: "ever" input: "counts" key: "k" }
"""
SINK = """
node { name: "shown" input: "counts" map { select: "k" select: "rows" } }
sink { name: "out" input: "shown" key: "k" kafka { topic: "${NAME}.out" } format { json {} } }
"""
MORE = """
source { name: "more" kafka { topic: "${NAME}.more" } format { json {} } schema: "Event"
         time { expr: "ts" max_ahead: "3650d" } }
table { name: "news" input: "more" key: "k" }
"""
ONE = SOURCES + SUMS + COUNTS + SINK
CHANGES = {  # the changed graph, the lines that say what would be done, and how much of the state is taken over
    "a sink": (ONE.replace('select: "rows"', 'select: "rows * 2 AS rows"'),
               ["keep     aggregate sums (taken over)", "keep     table ever (taken over)",
                "rebuild  map shown: its definition is another (begins there)", "nothing is read again"],
               "of 4 nodes and tables with state, 4 are taken over from generation 1; nothing is read again"),
    "an expression": (ONE.replace("n % 3", "n % 4"),
                      ["rebuild  filter odd: its definition is another", "keep     aggregate counts (taken over)"],
                      "of 4 nodes and tables with state, 2 are taken over from generation 1"),
    "a table that reads what is kept": (ONE + 'table { name: "again" input: "sums" key: "k" }\n',
                                        ['keep     aggregate sums (computed: "again" needs what it gave before)',
                                         "keep     table totals (taken over)"],
                                        "of 5 nodes and tables with state, 3 are taken over from generation 1"),
    "a source": (ONE + MORE, ["add      source more: ", "keep     table ever (taken over)",
                              'rebuild  aggregate sums: it waits for every source, and there is a new one'],
                 "of 5 nodes and tables with state, 2 are taken over from generation 1"),
    "less": (SOURCES + SUMS, ["remove   aggregate counts: the new graph does not have it", "nothing is read again"],
             "of 2 nodes and tables with state, 2 are taken over from generation 1; nothing is read again"),
}
PARTITIONS = 3


class Pipeline:
    """Generation 1, hosted, and records."""

    def __init__(self, count):
        self.name, self.state, self.count = unique("takeover"), scratch("state"), 0
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}"]
        self.live = Worker("run", write("one.textproto", ONE), "--generation", "1", *self.common, *OPTIONS,
                           "--state-dir", self.state)
        self.shadows = []
        kafka.create(f"{self.name}.in", partitions=PARTITIONS)
        kafka.create(f"{self.name}.more", partitions=1)
        kafka.produce(f"{self.name}.more", [
            {"partition": 0, "timestamp": BEGIN_MS + n, "value": json.dumps({"k": f"m{n % 30}", "n": n,
                                                                             "ts": BEGIN_MS + n})}
            for n in range(200)])
        self.produce(count)
        self.live.start()
        until(lambda: progress(kafka, self.name, "in") == self.count * PARTITIONS, "generation 1 has read all", 60)
        until(lambda: kappa("table", "scan", "ever", "--state-dir", self.state, status=None).returncode == 0,
              "it has a checkpoint", 30)

    def produce(self, count):
        rng = random.Random(self.count)
        records = []
        for n in range(self.count, self.count + count):
            for p in range(PARTITIONS):
                at = BEGIN_MS + n * 250 - rng.randrange(8000)  # some are late
                records.append({"partition": p, "timestamp": max(at, BEGIN_MS),
                                "value": json.dumps({"k": f"k{rng.randrange(40)}", "n": n, "ts": max(at, BEGIN_MS)})})
        kafka.produce(f"{self.name}.in", records)
        self.count += count

    def arguments(self, graph, *words):
        return ["replay", "start", write("two.textproto", graph), *self.common, *OPTIONS, "--state-dir", self.state,
                *words]

    def shadow(self, graph, *words):
        worker = Worker(*self.arguments(graph, *words))
        worker.start()
        self.shadows.append(worker)
        return worker

    def command(self, *words, status=0):
        return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=90)

    def in_step(self, generation):
        for worker in (self.live, *self.shadows):
            worker.must_run()
        return self.command("replay", "status", self.name, "--in-step", generation, status=None).returncode == 0

    def wait(self, *generations):
        for generation in generations:
            until(lambda: self.in_step(generation), f"generation {generation} is in step", 60)

    def parity(self, left, right, status=0):
        return self.command("parity", self.name, left, right, "--state-dir", self.state, status=status).stdout

    def end(self):
        for worker in (self.live, *self.shadows):
            worker.must_run()
            worker.process.stop(30)


def copies(*directories):
    """Of states at marks: nobody waits for them any more."""
    marks = [os.path.join(directory, ".marks") for directory in directories]
    return [f"{path}/{name}" for path in marks if os.path.exists(path) for name in os.listdir(path) if name.isdigit()]


def test_changes():
    "for several changes the tables of a minimal replay equal those of a full one, before and after a cutover"
    rng = seeded("changes")
    for what, (graph, lines, said) in CHANGES.items():
        p = Pipeline(1500)
        shown = kappa(*p.arguments(graph, "--dry-run")).stdout
        for line in lines:
            assert line in shown, f"{what}: {line}: {shown}"
        minimal, told = p.shadow(graph), ""
        if what == "a source":  # who dies before it has noted where it begins leaves nothing to go on with
            until(lambda: "generation 2" in minimal.process.stderr, "it is made", 30)
        for _ in range(3):
            time.sleep(rng.uniform(0, 0.7))
            minimal.kill()
            told += minimal.process.stderr
            minimal.start()
        p.wait(2)  # before there is another of this graph
        told += minimal.process.stderr
        assert said in told, told
        full = p.shadow(graph, "--new", "--full")
        p.produce(300)
        p.wait(2, 3)
        assert "are equal" in p.parity(2, 3), what
        p.command("cutover", p.name, 2, "--reason", "test")
        p.produce(300)
        p.wait(1, 3)
        assert "are equal" in p.parity(2, 3), what
        assert "everything is computed: that was asked for" in full.process.stderr, full.process.stderr
        assert not os.path.exists(f"{p.state}/.marks/taken"), "it is left from making states"
        p.end()
        expect(copies(p.state), [], "copies that are left")
        say(f"{what}: equal, {p.count * PARTITIONS} records")


def stats_of(worker):
    """Each line that it wrote: the records that its shard was fed, and the rows that reached each node."""
    if not os.path.exists(worker.stats):
        return []
    with open(worker.stats, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.endswith("}\n")]
    return [(line["shards"][0]["records"], {name: node["in"] for name, node in line["nodes"].items()})
            for line in lines]


def test_what_is_computed():
    "until the place of the copy nothing reaches what was taken over; then it goes on from there"
    p = Pipeline(1500)
    shadow = p.shadow(CHANGES["an expression"][0], "--rate", "1500")
    p.wait(2)
    p.produce(100)
    p.wait(2)
    until(lambda: stats_of(shadow)[-1][1]["counts"] == 1600 * PARTITIONS, "all is counted", 30)
    p.end()
    lines = stats_of(shadow)
    before = [nodes for records, nodes in lines if 0 < records < 1500 * PARTITIONS]
    assert before, lines
    for nodes in before:
        expect((nodes["counts"], nodes["ever"], nodes["shown"]), (0, 0, 0), "what waits")
        assert nodes["odd"] > 0, nodes


def test_nothing_is_read():
    "where nothing is computed, nothing is read again, and nothing need be there; what needs it is refused"
    p = Pipeline(1500)
    for partition in range(PARTITIONS):
        kafka.delete_records(f"{p.name}.in", partition, 1000)
    changed = CHANGES["a sink"][0]
    gone = f"topic {p.name}.in, partition 0: the journal begins at offset 0, the log now at 1000"
    assert gone in kappa(*p.arguments(changed, "--full"), status=65).stderr
    assert gone in kappa(*p.arguments(CHANGES["an expression"][0]), status=65).stderr
    assert gone in kappa(*p.arguments(changed, "--output-suffix", ".new"), status=65).stderr
    live = ["--against", "live", "--state-dir", p.state, *p.common, "-o", "json"]
    plan = json.loads(kappa("plan", write("two.textproto", changed), *live).stdout)
    expect((plan["records"], plan["taking"]["whole"]), (0, True), "what kappa plan says would be read")
    expect({item["name"]: item["replay"] for item in plan["change"] if item["name"] in ("ever", "shown", "stream")},
           {"ever": "taken over", "shown": "begins there", "stream": "taken over"}, "what it says of nodes")
    other = scratch("other")
    refused = kappa(*p.arguments(changed)[:-1], other, status=65).stderr
    assert f"computed: generation 1, which lives, has no state in {other}\n" in refused and gone in refused, refused
    shadow = p.shadow(changed)
    p.wait(2)
    p.produce(200)
    p.wait(2)
    assert "are equal" in p.parity(1, 2)
    shadow.kill()
    shadow.start()  # its state says what it needs
    p.command("cutover", p.name, 2, "--reason", "test")
    p.produce(300)  # of each key some
    p.wait(1)
    assert "are equal" in p.parity(1, 2)
    p.end()
    expect(shadow.process.stderr.count("of 4 nodes"), 0, "taken over once")
    last = {m.key: json.loads(m.value)["rows"] for m in kafka.consume(f"{p.name}.out") if m.value}
    rows = kappa("table", "scan", "ever", "--state-dir", p.state, "-o", "jsonl").stdout.splitlines()
    expect(last, {row["k"]: row["rows"] * 2 for row in map(json.loads, rows)}, "the topic, since it leads")


def test_a_journal_that_was_cut():
    "where nothing is read again, the journal need not reach back either; a replay of everything is refused"
    p = Pipeline(600)
    p.produce(100)
    until(lambda: progress(kafka, p.name, "in") == p.count * PARTITIONS, "all is read", 30)
    kafka.delete_records(f"{p.name}.journal.0", 0, 2)
    changed = CHANGES["a sink"][0]
    shown = kappa(*p.arguments(changed, "--dry-run")).stdout
    assert "nothing is read again" in shown and "with history before them" not in shown, shown
    refused = kappa(*p.arguments(changed, "--full"), status=65).stderr
    assert f"{p.name}.journal.0 begins at offset 2, and no record in it says where its inputs stand" in refused, refused
    shadow = p.shadow(changed)
    p.produce(100)
    p.wait(2)
    assert "are equal" in p.parity(1, 2)
    p.command("cutover", p.name, 2, "--reason", "test")
    p.produce(100)
    p.wait(1)
    assert "are equal" in p.parity(1, 2)
    p.end()
    assert "nothing is read again" in shadow.process.stderr, shadow.process.stderr


def test_no_copy():
    "with another state directory, or while nobody hosts the live generation here, everything is computed and equal"
    p, other = Pipeline(600), scratch("other")
    changed = CHANGES["an expression"][0]
    here = p.shadow(changed)
    there = Worker(*p.arguments(changed)[:-1], other)
    there.start()
    p.shadows.append(there)
    p.wait(2)
    said = there.process.stderr
    assert f"everything is computed: generation 1, which lives, has no state in {other}\n" in said, said
    assert "are taken over from generation 1" in here.process.stderr, here.process.stderr
    p.end()
    expect(copies(p.state, other), [], "copies that are left")
    digests = []
    for directory in (p.state, other):
        kappa(*p.arguments(changed, "--once")[:-2], directory, "--once", "--generation", 2)
        digests.append(table_digests(directory, "--generation", 2))
    expect(digests[0], digests[1], "tables of one that took over and of one that computed")
    expect(len(digests[0]), 2, "tables")
    done = kappa(*p.arguments(CHANGES["a table that reads what is kept"][0], "--once"))
    assert f"everything is computed: generation 1, which lives, is not hosted with state directory {p.state}" in \
        done.stderr, done.stderr


def test_another_takes_over():
    "a process that was stopped while it makes such states is not waited for without end"
    p = Pipeline(300)
    os.makedirs(f"{p.state}/.marks", exist_ok=True)
    with open(f"{p.state}/.marks/taken.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shadow = p.shadow(CHANGES["a sink"][0])
        p.wait(2)
    p.end()
    assert "everything is computed: another process that takes over holds " in shadow.process.stderr, \
        shadow.process.stderr


run_cases(globals())
