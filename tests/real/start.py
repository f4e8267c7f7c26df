#!/usr/bin/env python3
# timeout: 180
"""A replay that begins later than the journal, in Kafka's words: its tables are those of a job over the same part of
the log; it goes on behind the live one, takes over, and comes back after a kill; what lies before may be gone; what
cannot be so is refused with the exact offsets."""
from proof import *

OPTIONS = ["--memory", "64MiB", "--session-timeout", "2s", "--commit-interval", "50ms",
           "--checkpoint-interval", "500ms"]
CHANGED = SUMMED.replace("sum(n)", "sum(n * 2)")
COUNT = 600  # of each partition


def record(partition, n):
    at = BEGIN_MS + n * 1000
    return {"partition": partition, "timestamp": at,
            "value": json.dumps({"k": f"k{partition}-{n % 7}", "n": n, "ts": at})}


class Pipeline:
    """Two partitions, two generations."""

    def __init__(self, count=COUNT):
        self.name, self.state, self.count = unique("start"), scratch("state"), count
        self.graphs = [write("one.textproto", SUMMED), write("two.textproto", CHANGED)]
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}"]
        kafka.create(f"{self.name}.in", partitions=2)
        self.produce(0, count)
        kappa("run", self.graphs[0], *self.common, *OPTIONS, "--state-dir", self.state, "--once", timeout_s=90)

    def produce(self, begin, end):
        kafka.produce(f"{self.name}.in", [record(p, n) for n in range(begin, end) for p in range(2)])

    def start(self, *words, status=0, state=None):
        return kappa("replay", "start", self.graphs[1], *self.common, *OPTIONS, "--state-dir", state or self.state,
                     *words, status=status, timeout_s=90)

    def rows(self, generation):
        """How many records the table has counted, by key."""
        lines = kappa("table", "scan", "totals", "--state-dir", self.state, "--generation", generation, "-o", "jsonl")
        return {row["k"]: row["rows"] for row in map(json.loads, lines.stdout.splitlines())}

    def must_equal_job(self, generation, *place):
        """The tables of a job over the same part of the log."""
        into = scratch("job")
        kappa("run", self.graphs[1], *self.common, "--into", into, *place, timeout_s=90)
        must_be_same(("totals", "windows"), (self.state, "--generation", generation), (into,))

    def offsets(self, *pairs):
        return write("offsets.csv", "".join(f"{self.name}.in,{p},{o}\n" for p, o in pairs))


def test_words():
    "each of Kafka's words begins where it says, and holds what a job over that part of the log does"
    p = Pipeline()
    file = p.offsets((0, 123), (1, 456))
    same = p.offsets((0, 100), (1, 100))
    at = "2026-01-01T00:05:00.500Z"
    for generation, (words, job) in enumerate(((("--to-offset", 100), ("--from", same)),
                                               (("--from-file", file), ("--from", file)),
                                               (("--to-datetime", at), ("--from", at)),
                                               (("--by-duration", "1s"), ("--from", "1s")),
                                               (("--to-earliest",), ())), 2):
        p.start(*words, "--new", "--once")
        p.must_equal_job(generation, *job)
    shown = p.start("--to-datetime", at, "--new", "--dry-run").stdout
    assert f"begins   topic {p.name}.in, partition 1: offset 301\n" in shown, shown
    assert "to read: at most 598 records of the sources, " in shown, shown
    # Generation 2 is there, and is hosted again with the words that made it, or with none.
    p.start("--to-offset", 100, "--generation", 2, "--once")
    p.start("--generation", 2, "--once")
    assert "generation 2 has this graph already, and begins as said by --to-offset 100; --new makes another" in \
        p.start("--to-earliest", "--generation", 2, status=78).stderr


def test_what_is_gone():
    "what lies before the start may be gone; a start that is gone, or not there yet, is refused with its offsets"
    p = Pipeline()
    kafka.delete_records(f"{p.name}.in", 1, 50)
    done = p.start(status=65)
    assert f"topic {p.name}.in, partition 1: the journal begins at offset 0, the log now at 50; offsets 0 to 49 are " \
        "gone" in done.stderr, done.stderr
    done = p.start("--to-offset", 49, status=65)
    assert f"topic {p.name}.in, partition 1: --to-offset is offset 49, but the log begins at 50; offsets 49 to 49 " \
        "are lost" in done.stderr, done.stderr
    done = p.start("--to-offset", 601, status=78)
    assert "--to-offset is offset 601, but the log ends at 600" in done.stderr, done.stderr
    done = p.start("--from-file", p.offsets((0, 5)), status=78)
    assert "partition 1: --from-file has no offset for it; every partition needs one" in done.stderr, done.stderr
    for words, what in ((("--to-offset", "x"), '--to-offset: "x" is not an offset'),
                        (("--to-datetime", "now"), '--to-datetime: "now" is not a time'),
                        (("--to-offset", 1, "--by-duration", "1h"),
                         "--to-offset and --by-duration contradict each other"),
                        (("--from-file", "/absent"), '--from-file: "/absent" cannot be read')):
        assert what in p.start(*words, status=64).stderr, what
    p.start("--to-earliest", "--once")
    p.must_equal_job(2)
    expect(p.rows(2)["k1-1"], len([n for n in range(50, COUNT) if n % 7 == 1]))
    # It is gone with the generation.
    assert f"{p.name}.start.2" in kafka.topics()
    time.sleep(11)
    kappa("replay", "abort", p.name, 2, "--brokers", kafka.brokers)
    until(lambda: f"{p.name}.start.2" not in kafka.topics(), "its starts are removed", 30)


def test_it_takes_over():
    "it follows the live one, survives kills, leads, and is followed; cutover wants a report or a reason as always"
    rng, p = seeded("it takes over"), Pipeline()
    live = Worker("run", p.graphs[0], "--generation", "1", *p.common, *OPTIONS, "--state-dir", p.state)
    shadow = Worker("replay", "start", p.graphs[1], *p.common, *OPTIONS, "--state-dir", p.state, "--to-offset", 333)
    live.start()
    shadow.start()

    def command(*words, status=0):
        return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=60)

    def in_step():
        shadow.must_run()
        return command("replay", "status", p.name, "--in-step", 2, status=None).returncode == 0

    until(in_step, "in step", 60)
    assert "nobody has compared generations 1 and 2" in command("cutover", p.name, 2, status=78).stderr
    for round in range(3):
        p.produce(p.count + round * 50, p.count + (round + 1) * 50)
        time.sleep(rng.uniform(0, 1))
        shadow.kill()
        shadow.start()
    until(in_step, "in step again", 60)
    command("cutover", p.name, 2, "--reason", "test")
    p.produce(p.count + 150, p.count + 300)
    command("rollback", p.name)
    p.produce(p.count + 300, p.count + 400)
    command("cutover", p.name, 2, "--reason", "test")
    p.produce(p.count + 400, p.count + 500)
    until(lambda: sum(p.rows(2).values()) == 2 * (COUNT + 500 - 333), "all is counted", 60)
    for worker in (live, shadow):
        worker.must_run()
        worker.process.stop(30)
    p.must_equal_job(2, "--from", p.offsets((0, 333), (1, 333)))
    # What is explained, and what can be put into a capsule, begins there, too.
    made = json.loads(kappa("explain", "totals", "k1-5", "--state-dir", p.state, "--generation", 2, "--brokers",
                            kafka.brokers, "--limit", 1000, "-o", "json").stdout)
    offsets = [event["offset"] for event in made["events"] if event["kind"] == "record"]
    expect(offsets, [n for n in range(333, p.count + 500) if n % 7 == 5])
    done = kappa("capsule", "create", os.path.join(scratch("capsule"), "c"), "--state-dir", p.state, "--generation", 2,
                 "--brokers", kafka.brokers, status=78)
    assert "its capsule has to begin with a checkpoint" in done.stderr, done.stderr


run_cases(globals())
