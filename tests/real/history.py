#!/usr/bin/env python3
# timeout: 300
"""Journals that begin in the middle: cut by hand at half, or trimmed. A new generation reads what lies before as
history: pure nodes come out as live, the others are named beforehand; it survives kills; what is gone is refused."""
from proof import *

OPTIONS = ["--memory", "96MiB", "--session-timeout", "2s", "--commit-interval", "20ms",
           "--checkpoint-interval", "100ms"]
GRAPH_TEXT = SUMMED + """table { name: "last" input: "in" key: "k" }
sink { name: "out" input: "tens" kafka { topic: "${NAME}.out" } format { json {} } }
"""
PURE = ("totals", "windows")
COUNT = 15000  # of each partition


def record(partition, n):
    at = BEGIN_MS + n * 100 + n * 7919 % 501
    return {"partition": partition, "timestamp": at, "key": f"k{n % 97}",
            "value": json.dumps({"k": f"k{n % 97}", "n": n, "ts": at})}


class Pipeline:
    """Two partitions; a new leadership begins at the middle."""

    def __init__(self, *options, shards=1):
        self.name, self.state, self.count = unique("history"), scratch("state"), 0
        self.shards = shards
        text = GRAPH_TEXT if shards == 1 else GRAPH_TEXT.replace('.in" }', '.in" partitioned_by: "k" }')
        self.graph = write("graph.textproto", text)
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}"]
        self.options = [*self.common, *OPTIONS, *options, "--shards", shards]
        self.journal = f"{self.name}.journal.0"
        kafka.create(f"{self.name}.in", partitions=2)
        kafka.create(f"{self.name}.out", partitions=1)
        for part in range(1, 7): # each is a leadership
            if part == 4:
                self.middles = [kafka.ends(f"{self.name}.journal.{s}")[0].stable for s in range(shards)]
                self.middle = self.middles[0]
            self.run(COUNT * part // 6)

    def produce(self, until):
        records = [record(p, n) for n in range(self.count, until) for p in range(2)]
        for one in records if self.shards > 1 else ():
            del one["partition"]  # by the key
        kafka.produce(f"{self.name}.in", records)
        self.count = until

    def run(self, until):
        self.produce(until)
        kappa("run", self.graph, *self.options, "--state-dir", self.state, "--once", timeout_s=90)

    def start(self, *words, status=0):
        return kappa("replay", "start", self.graph, *self.options, "--state-dir", self.state, *words, status=status,
                     timeout_s=90)

    def must_be_as_live(self, generation):
        must_be_same(PURE, (self.state, "--generation", generation), (self.state, "--generation", 1))


def test_cut_at_half():
    "with the journal cut off at half, pure nodes are as live, and the others are named"
    p = Pipeline()
    kafka.delete_records(p.journal, 0, p.middle // 2 * 2)
    shown = p.start("--new", "--dry-run").stdout
    assert f'a new generation would follow the journals of "{p.name}", with history before them\n' in shown, shown
    assert f"begins   behind offset {p.middle} of topic {p.journal}\n" in shown, shown
    assert f"history  topic {p.name}.in, partition 1: offsets 0 to {COUNT // 2 - 1}, before the journal" in shown, shown
    differs = [line.split() for line in shown.splitlines() if line.startswith("differs ")]
    named = [words[2].rstrip(",") for words in differs]
    say(f"named: {named}")
    expect(named, ["last"])
    p.start("--new", "--once")
    p.must_be_as_live(2)
    # It is a generation like any: started again, in step, compared, and it leads.
    p.run(COUNT + 1000)
    p.start("--generation", 2, "--once")
    p.must_be_as_live(2)


def test_shards():
    "each of two journals is cut where it is, and each shard has its history"
    p = Pipeline(shards=2)
    for shard, middle in enumerate(p.middles):
        kafka.delete_records(f"{p.name}.journal.{shard}", 0, middle // (2 + shard))
    shown = p.start("--new", "--dry-run").stdout
    begins = [line for line in shown.splitlines() if line.startswith("begins   behind offset ")]
    expect(len(begins), 2)
    p.start("--new", "--once")
    p.must_be_as_live(2)


def test_kills():
    "a process that dies while it reads history goes on from its checkpoint; another comes to the same state"
    rng, p = seeded("kills"), Pipeline()
    kafka.delete_records(p.journal, 0, p.middle // 2 * 2)
    shadow = Worker("replay", "start", p.graph, *p.options, "--state-dir", p.state, "--new", "--rate", "6000",
                    "--output-suffix", ".new")
    shadow.start()
    until(lambda: "reading history" in kappa("replay", "status", p.name, "--brokers", kafka.brokers,
                                             status=None).stdout, "it reads history", 60)
    shadow.arguments = ["replay", "start", p.graph, *p.options, "--state-dir", p.state, "--generation", "2", "--rate",
                        "6000"]
    for round in range(6):
        time.sleep(rng.uniform(0.3, 1.5))
        shadow.must_run()
        shadow.kill()
        shadow.start()
    until(lambda: kappa("replay", "status", p.name, "--brokers", kafka.brokers, "--in-step", 2,
                        status=None).returncode == 0, "in step", 90)
    shadow.must_run()
    shadow.process.stop(30)
    p.start("--generation", 2, "--once") # nobody leads: it was in step with what it had heard of last
    p.must_be_as_live(2)
    # What it sent to the topic with the suffix is what the live one sent, once.
    expect(sorted(m.value for m in kafka.consume(f"{p.name}.out.new")),
           sorted(m.value for m in kafka.consume(f"{p.name}.out")))


def test_trimmed():
    "a journal that was trimmed takes no generation away: --to-earliest begins with what is there"
    p = Pipeline("--journal-trim-interval", "1s", "--journal-keep", "0s")
    for partition in range(2):
        kafka.delete_records(f"{p.name}.in", partition, COUNT // 3)
    leader = Worker("run", p.graph, *p.options, "--state-dir", p.state)
    leader.start()
    until(lambda: kafka.ends(p.journal)[0].low > 0, "the journal is trimmed", 60)
    leader.process.stop(30)
    done = p.start("--new", status=65)
    assert f"topic {p.name}.in, partition 0: the log begins at offset {COUNT // 3}, and {p.journal} was cut off" in \
        done.stderr, done.stderr
    done = p.start("--new", "--to-offset", COUNT // 3 - 1, status=65)
    assert f"--to-offset is offset {COUNT // 3 - 1}, but the log begins at {COUNT // 3}" in done.stderr, done.stderr
    p.start("--new", "--to-earliest", "--once")
    into = scratch("job")
    kappa("run", p.graph, *p.common, "--into", into, timeout_s=90)
    must_be_same(PURE, (p.state, "--generation", 2), (into,))


def test_refused():
    "a topic that is another one, has more partitions, or is compacted by now, is refused with the numbers"
    p = Pipeline()
    topic = f"{p.name}.in"

    def again(count, **config):
        kafka.delete(topic)
        until(lambda: topic not in kafka.topics(), "the topic goes")
        kafka.create(topic, partitions=2, **config)
        kafka.produce(topic, [record(i, n) for n in range(count) for i in range(2)])

    again(COUNT)  # the same records, once more: nothing is wrong
    p.start("--new", "--dry-run")
    again(10)
    done = p.start("--new", status=65)
    assert f"topic {topic}, partition " in done.stderr and " ends at offset 10, and the journal has read it up to " in \
        done.stderr, done.stderr
    kafka.produce(topic, [record(i, n + 1) for n in range(COUNT) for i in range(2)])
    done = p.start("--new", status=65)
    assert " records there, the log now shows others; the topic was deleted and made anew" in done.stderr, done.stderr
    again(COUNT, cleanup_policy="compact", min_compaction_lag_ms=86400000)
    done = p.start("--new", status=78)
    assert f"topic {topic} is compacted by now, but the journal from offset 0 on only names its records" in \
        done.stderr, done.stderr
    again(COUNT)
    kafka.add_partitions(topic, 3)
    done = p.start("--new", status=78)
    assert f"topic {topic} has 3 partitions, and the journal knows 2" in done.stderr, done.stderr


ADDED_TEXT = GRAPH_TEXT.replace("node { name: \"sums\" input: \"in\"", """
source { name: "more" kafka { topic: "${NAME}.more" } format { json {} } schema: "Event"
         time { expr: "ts" max_ahead: "3650d" } }
node { name: "both" input: "in" input: "more" union {} }
node { name: "sums" input: "both\"""").replace('"tens" input: "in"', '"tens" input: "both"')


def test_added():
    "a source is added: its history first; it counts each record once, through kills, cutovers and rollbacks"
    rng, p = seeded("added"), Pipeline()
    more = kafka.create(f"{p.name}.more", partitions=2)
    sent = 0

    def produce(count):
        nonlocal sent
        kafka.produce(more, [record(n % 2, n) for n in range(sent, sent + count)])
        kafka.produce(f"{p.name}.in", [record(n % 2, p.count + n // 2) for n in range(count)])
        p.count += count // 2
        sent += count

    def command(*words, status=0):
        return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=60)

    def settled(generation):
        return lambda: command("replay", "status", p.name, "--in-step", generation, status=None).returncode == 0

    def counted(generation):
        lines = kappa("table", "scan", "totals", "--state-dir", p.state, "--generation", generation, "-o", "jsonl")
        return sum(json.loads(line)["rows"] for line in lines.stdout.splitlines())

    produce(5000)
    added = write("added.textproto", ADDED_TEXT)
    live = Worker("run", p.graph, "--generation", "1", *p.options, "--state-dir", p.state)
    live.start()
    until(lambda: live.leads() == 1, "it leads", 30)
    shown = kappa("plan", added, *p.common, "--against", "live", "--state-dir", p.state).stdout
    assert "add      source more: what topic" in shown, shown
    assert f"history  topic {more}, partition 1: offsets 0 to 2499, before the journal\n" in shown, shown
    shadow = Worker("replay", "start", added, *p.options, "--state-dir", p.state)
    shadow.start()
    until(settled(2), "in step", 60)
    for round in range(3):
        produce(1000)
        time.sleep(rng.uniform(0, 1))
        shadow.kill()
        shadow.start()
        until(settled(2), "in step again", 60)
        command("cutover", p.name, 2, "--reason", "test")
        produce(1000)
        if round == 1:
            live.kill()
            live.start()
        until(settled(1), "the old one is in step", 60)
        command("rollback", p.name)
    command("cutover", p.name, 2, "--reason", "test")
    until(lambda: counted(2) == sent + 2 * p.count, "all is counted", 60)
    for worker in (live, shadow):
        worker.must_run()
        worker.process.stop(30)
    into = scratch("job")
    kappa("run", added, *p.common, "--into", into, timeout_s=90)
    must_be_same(PURE, (p.state, "--generation", 2), (into,))


run_cases(globals())
