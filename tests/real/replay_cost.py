#!/usr/bin/env python3
# timeout: 120
"""What a replay is said to cost before it begins: bytes against those that were written, time against the rate that the
journal shows or that was asked for, disk against what the live state takes; and what has too little disk is refused."""
import shutil

from proof import *

GRAPH_TEXT = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Event" field: "k string not null" field: "n int64 not null" }
source { name: "in" kafka { topic: "${NAME}.in" } format { json {} } schema: "Event" }
node { name: "sums" input: "in" aggregate { group_by: "k" select: "sum(n) AS total" } }
table { name: "totals" input: "sums" key: "k" }
"""
OPTIONS = ["--memory", "64MiB", "--session-timeout", "2s"]


class Pipeline:
    def __init__(self, records):
        self.name, self.state = unique("cost"), scratch("state")
        self.graphs = [write("one.textproto", GRAPH_TEXT), write("two.textproto", GRAPH_TEXT.replace("(n)", "(n + 1)"))]
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}", "--state-dir", self.state]
        kafka.create(f"{self.name}.in", partitions=2)
        kafka.produce(f"{self.name}.in", records)
        kappa("run", self.graphs[0], *self.common, *OPTIONS, "--once", timeout_s=90)

    def plan(self, *options, status=0):
        done = kappa("plan", self.graphs[1], "--against", "live", *self.common, "-o", "json", *options, status=status)
        return json.loads(done.stdout)

    def dry(self, *options, status=0):
        return kappa("replay", "start", self.graphs[1], *self.common, "--dry-run", *options, status=status)


def record(n, size):
    value = json.dumps({"k": f"k{n % 50}", "n": n, "pad": "x" * size})
    return {"partition": n % 2, "key": f"key{n % 7}", "value": value}


def size_of(records):
    return sum(len(r["key"]) + len(r["value"]) for r in records)


def test_bytes():
    "a short log is measured exactly, a long one nearly, and the text says which"
    short = [record(n, n) for n in range(200)]
    p = Pipeline(short)
    got = p.plan()
    expect((got["exact"], got["bytes"], got["records"]), (True, size_of(short), 200))
    lines = p.dry().stdout.splitlines()
    assert lines[-3].startswith("to read: at most 200 records of the sources, ") and "about" not in lines[-3], lines
    many = [record(n, 100 + n % 100) for n in range(20000)]
    p = Pipeline(many)
    got = p.plan()
    expect((got["exact"], got["records"]), (False, 20000))
    assert abs(got["bytes"] / size_of(many) - 1) < 0.1, (got["bytes"], size_of(many))
    assert "records of the sources, about " in p.dry().stdout.splitlines()[-3]


def test_time():
    "the time is unknown where a journal shows no second of work, else reckoned by its rate, or by one that is given"
    p = Pipeline([record(n, 10) for n in range(100)])
    got = p.plan("--rate", 50)
    expect(got["seconds"], 2.0)
    assert "time: at least 2s, at 50 records a second\n" in p.dry("--rate", 50).stdout
    if got["measured_rate"] is None:  # it was done within a second
        expect(p.plan()["seconds"], None)
        assert "time: unknown" in p.dry().stdout
    # 1000 records a second for four seconds.
    live = Kappa("run", p.graphs[0], *p.common, *OPTIONS)
    feed = Feed(kafka, f"{p.name}.in", iter(json.dumps(record(n, 10)) for n in range(4000)), 4000, 1000)
    feed.allow(1)
    feed._thread.join(30)
    feed.finish()
    live.stop(30)
    got = p.plan()
    assert 500 < got["measured_rate"] < 5000, got
    assert abs(got["seconds"] - got["records"] / got["measured_rate"]) < 0.2, got
    assert f"at {got['measured_rate']:.0f} records a second, the most that the journals show" in p.dry().stdout


def test_disk():
    "the disk is what the live state takes; a replay that has less is refused with the bytes, and nothing is made"
    p = Pipeline([record(n, 10) for n in range(3000)])
    live = os.path.join(p.state, p.name, "1")
    takes = sum(os.lstat(os.path.join(folder, file)).st_blocks * 512
                for folder, _, files in os.walk(live) for file in files)
    got = p.plan()
    expect(got["disk_needed"], takes)
    expect(got["disk_there"], 0)
    assert abs(got["disk_free"] - shutil.disk_usage(p.state).free) < 1 << 30, got
    needed = 1 << 50
    words = f"{needed} bytes of disk are needed (as --disk says), and "
    for done in (p.dry("--disk", "1024TiB", status=74),
                 kappa("replay", "start", p.graphs[1], *p.common, "--disk", "1024TiB", status=74)):
        assert words in done.stderr, done.stderr
        free = int(done.stderr.split(words)[1].split()[0])
        assert f": {needed - free} too few" in done.stderr, done.stderr
    expect(json.loads(kappa("plan", p.graphs[1], "--against", "live", *p.common, "-o", "json", "--disk", "1024TiB",
                            status=74).stdout)["disk_needed"], needed)
    kappa("replay", "status", p.name, "--brokers", kafka.brokers, status=1)  # there is no other generation
    # Where the live state is not, nobody knows; what is there of an own state counts.
    other = kappa("replay", "start", p.graphs[1], *p.common[:-1], scratch("other"), "--dry-run").stdout
    assert "disk: unknown, the live generation's state is not in " in other, other
    kappa("replay", "start", p.graphs[1], *p.common, *OPTIONS, "--once", timeout_s=60)
    assert " of it are there; " in p.dry().stdout.splitlines()[-1]


run_cases(globals())
