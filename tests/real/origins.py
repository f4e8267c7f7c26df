#!/usr/bin/env python3
# timeout: 120
"""What kappa replay status and kappa status say of where a generation begins: with the journal, at offsets, behind a
cut journal, with a copy of another generation's state; and of topics for its outputs until it leads."""
import re

from proof import *

OPTIONS = ["--memory", "64MiB", "--session-timeout", "2s", "--commit-interval", "50ms",
           "--checkpoint-interval", "200ms"]
GRAPH_TEXT = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Event" field: "k string not null" field: "n int64 not null" }
source { name: "in" kafka { topic: "${NAME}.in" } format { json {} } schema: "Event" }
node { name: "sums" input: "in" aggregate { group_by: "k" select: "sum(n) AS total" } }
node { name: "shown" input: "sums" map { select: "k" select: "total" } }
table { name: "totals" input: "sums" key: "k" }
sink { name: "out" input: "shown" key: "k" kafka { topic: "${NAME}.out" } format { json {} } }
"""
LATER = GRAPH_TEXT.replace("sum(n)", "sum(n * 2)")
COPIED = GRAPH_TEXT.replace('select: "k" select: "total"', 'select: "k" select: "total + 1 AS total"')


class Pipeline:
    """Generation 1, hosted, and 300 records in each of two partitions."""

    def __init__(self):
        self.name, self.state, self.workers = unique("origins"), scratch("state"), []
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}", "--state-dir", self.state]
        kafka.create(f"{self.name}.in", partitions=2)
        self.host("run", GRAPH_TEXT, "--generation", "1")
        self.produce(0, 300)
        self.until(lambda: kappa("table", "get", "totals", "k6", "--state-dir", self.state,
                                 status=None).returncode == 0, "it has a checkpoint")

    def produce(self, begin, end):
        kafka.produce(f"{self.name}.in", [{"partition": p, "value": json.dumps({"k": f"k{n % 7}", "n": n})}
                                          for n in range(begin, end) for p in range(2)])

    def host(self, verb, text, *words):
        worker = Worker(*verb.split(), write(f"graph{len(self.workers)}.textproto", text), *self.common, *OPTIONS,
                        *words)
        worker.start()
        self.workers.append(worker)

    def until(self, condition, what):
        def look():
            for worker in self.workers:
                worker.must_run()
            return condition()

        until(look, what, 60)

    def host_in_step(self, number, text, *words):
        self.host("replay start", text, *words)
        self.until(lambda: kappa("replay", "status", self.name, "--in-step", number, "--brokers", kafka.brokers,
                                 status=None).returncode == 0, f"generation {number} is in step")
        self.until(lambda: self.shards(number)[0]["journal_offset"], f"generation {number} has a checkpoint")

    def text(self, *words):
        return kappa(*words, self.name, "--brokers", kafka.brokers).stdout

    def generations(self):
        status = json.loads(self.text("replay", "status", "-o", "json"))
        return {g["generation"]: g for g in status["generations"]}

    def status(self, number, *words):
        return json.loads(self.text("status", "--state-dir", self.state, "--generation", number, "-o", "json", *words))

    def shards(self, number):
        return self.status(number, "--offline")["shards"]

    def stop(self):
        for worker in self.workers:
            worker.process.stop(60)


def origin(document):
    return {name: document[name] for name in document if name.startswith("start") or name == "output_suffix"}


def test_begin():
    "with the journal, at an offset with a suffix, and with a copy: each is said of the right one, and of no other"
    p = Pipeline()
    p.host_in_step(2, COPIED)
    p.host_in_step(3, LATER, "--to-offset", "100", "--output-suffix", ".new")
    found = p.generations()
    plain = {"start": None, "start_offsets": [], "start_journals": [], "output_suffix": None}
    offsets = [{"topic": f"{p.name}.in", "partition": n, "offset": 100, "history_until": None} for n in range(2)]
    assert all(g["fingerprint"] for g in found.values()), found
    expect([origin(found[n]) for n in (1, 3, 2)],
           [plain, {**plain, "start": "--to-offset 100", "start_offsets": offsets, "output_suffix": ".new"}, plain])
    expect([[shard["taken_from"] for host in found[n]["hosts"] for shard in host["shards"]] for n in (1, 3, 2)],
           [[None], [None], [1]])
    text = p.text("replay", "status")
    for line in (r"generation 1, live, graph \w{8}",
                 r"generation 3, shadow, graph \w{8}, begins as said by --to-offset 100, outputs to topics with suffix "
                 r"\.new until it leads\n  begins at " + re.escape(p.name) + r"\.in 0:100 1:100",
                 r"generation 2, shadow, graph \w{8}\n  \S+ shard 0: .* behind, begun with a copy of generation 1"):
        assert re.search(rf"^{line}$", text, re.M), (line, text)
    expect(text.count("copy of"), 1)

    said = {n: p.status(n) for n in (1, 3, 2)}
    expect([(said[n]["role"], said[n]["start"], said[n]["output_suffix"]) for n in said],
           [("live", None, None), ("shadow", "--to-offset 100", ".new"), ("shadow", None, None)])
    expect([[q["begin"] for q in said[n]["shards"][0]["partitions"]] for n in said],
           [[None, None], [100, 100], [None, None]])
    expect([said[n]["shards"][0]["taken_from"] for n in said], [None, None, 1])
    assert 0 < said[2]["shards"][0]["taken_at"] <= said[2]["shards"][0]["journal_offset"], said[2]
    without = p.status(3, "--offline")  # who does not ask the broker knows it by the state alone
    expect((without["role"], without["start"], without["shards"][0]["partitions"][0]["begin"]), (None, None, 100))
    text = {n: p.text("status", "--state-dir", p.state, "--generation", n) for n in said}
    assert "\nit is live\n" in text[1] and "copy" not in text[1], text[1]
    assert "\nit is shadow, begins as said by --to-offset 100, outputs to topics with suffix .new until it leads\n" in \
        text[3] and re.search(r"^in +0 +0 .* at 100$", text[3], re.M), text[3]
    assert re.search(r"^  begun with +a copy of generation 1 at journal offset \d+$", text[2], re.M), text[2]
    p.stop()


def test_history():
    "where the journal was cut off: behind which record, and how far the history goes"
    p = Pipeline()
    p.workers[0].process.stop(60)
    middle = kafka.ends(f"{p.name}.journal.0")[0].stable
    p.workers[0].start()
    p.produce(300, 400)
    until(lambda: sum(q["next"] for q in p.shards(1)[0]["partitions"]) == 800, "it has read all, and saved it", 60)
    kafka.delete_records(f"{p.name}.journal.0", 0, middle)
    p.host_in_step(2, LATER)
    found, said = p.generations()[2], p.status(2)
    expect(found["start"], "the journals, with history before them")
    expect([(o["partition"], o["offset"]) for o in found["start_offsets"]], [(0, 0), (1, 0)])
    assert found["start_journals"] and found["start_journals"][0] >= middle, found
    expect((said["start"], said["shards"][0]["begins_behind"]), (found["start"], found["start_journals"][0]))
    expect([q["history_until"] for q in said["shards"][0]["partitions"]], [300, 300])
    text = p.text("replay", "status")
    assert f", begins with the journals, with history before them\n  begins at {p.name}.in 0:0 1:0\n  begins behind " \
        f"{p.name}.journal.0 {found['start_journals'][0]}, with history before it\n" in text, text
    text = p.text("status", "--state-dir", p.state, "--generation", 2)
    assert f"\n  begins       behind journal offset {found['start_journals'][0]}, with history before it\n" in \
        text, text
    expect(len(re.findall(r" history up to 300$", text, re.M)), 2)
    p.stop()


run_cases(globals())
