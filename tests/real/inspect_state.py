#!/usr/bin/env python3
# timeout: 180
"""The verbs that look inside a pipeline, beside an engine that runs: table, status, dlq list, state export and
import."""
import json
import os

from kafka_tool import *


def graph(name, topic):
    return write("graph.textproto", f"""name: "{name}"
        schema {{ name: "S" field: "k string not null" field: "n int64 not null" }}
        source {{ name: "in" schema: "S" kafka {{ topic: "{topic}" partitioned_by: "k" }} format {{ json {{}} }} }}
        node {{ name: "sums" input: "in"
               aggregate {{ group_by: "k" select: "sum(n) AS total" select: "count(*) AS rows" }} }}
        table {{ name: "totals" input: "sums" key: "k" }}""")


def numbers(first, count):
    return [{"key": f"k{i % 7}", "value": {"k": f"k{i % 7}", "n": i}} for i in range(first, first + count)]


def command(*words, status=0):
    return kappa(*words, status=status, env={"KAPPA_BROKERS": kafka.brokers})


def start(file, state, *words):
    return Kappa("run", file, "--state-dir", state, *words, env={"KAPPA_BROKERS": kafka.brokers})


def totals(state, *words):
    lines = command("table", "scan", "totals", "--state-dir", state, "-o", "jsonl", *words).stdout.splitlines()
    return {row["k"]: (row["total"], row["rows"]) for row in map(json.loads, lines)}


def wanted(count):
    found = {}
    for i in range(count):
        total, rows = found.get(f"k{i % 7}", (0, 0))
        found[f"k{i % 7}"] = (total + i, rows + 1)
    return found


def all_read(topic):
    """--wait-for: everything that is in the topic now."""
    return [w for p, ends in kafka.ends(topic).items() if ends.stable
            for w in ("--wait-for", f"in/{p}:{ends.stable}")]


def test_read_your_writes():
    "while the engine runs, a scan that waits for the source's end shows all that was written, over several shards"
    topic, name, state = kafka.create(unique("in"), partitions=4, retention_ms=-1), unique("g"), scratch("state")
    file = graph(name, topic)
    engine = start(file, state, "--shards", "2", "--checkpoint-interval", "50ms")
    for step in range(1, 6):
        kafka.produce(topic, numbers((step - 1) * 500, 500))
        expect(totals(state, *all_read(topic)), wanted(step * 500), f"step {step}")
    one = json.loads(command("table", "get", "totals", "k3", "--state-dir", state, "-o", "json").stdout)
    expect((one["row"]["rows"], one["shards_total"], len(one["shards"])), (wanted(2500)["k3"][1], 2, 2))
    assert 0 <= one["age_ms"] < 60000, one
    engine.stop()
    expect(totals(state), wanted(2500), "after the end")


def test_status():
    "status counts the lag to the committed ends, by file and by name, and the sums hold"
    topic, name, state = kafka.create(unique("in"), partitions=2, retention_ms=-1), unique("g"), scratch("state")
    file = graph(name, topic)
    kafka.produce(topic, numbers(0, 100))
    command("run", file, "--once", "--state-dir", state)
    kafka.produce(topic, numbers(100, 40), transaction=unique("t"))

    def lag(*words):
        got = json.loads(command("status", *words, "--state-dir", state, "-o", "json").stdout)
        expect((got["kind"], got["graph"], got["sums_hold"]), ("status", name, True))
        shard = got["shards"][0]
        assert shard["journal_end"] >= shard["journal_offset"] > 0, shard
        return sum(p["lag"] for p in shard["partitions"]), {c["node"]: c["in"] for c in got["counters"]}

    behind, counters = lag(file)
    # One marker of the transaction a partition.
    expect((behind, counters["in"]), (42, 100))
    expect(lag(name), (behind, counters))
    command("run", file, "--once", "--state-dir", state)
    behind, counters = lag(file)
    # What stands behind the last record are markers, and no record moves the position over them.
    assert 0 <= behind <= 2, behind
    expect(counters["in"], 140)
    assert "the sums hold" in command("status", name, "--state-dir", state).stdout


def test_dead_letters():
    "dlq list shows each dead letter once, in order, with its origin and reason"
    topic, name, state = kafka.create(unique("in"), partitions=3, retention_ms=-1), unique("g"), scratch("state")
    file = graph(name, topic)
    sent = []
    for i in range(30):
        bad = i % 3 == 0
        sent.append({"partition": i % 2, "key": f"k{i}", "timestamp": 1767225600000 + i * 1000,
                     "value": (b"\xff\xfe" if i == 9 else f"garbage {i} " + "x" * 100) if bad else {"k": "a", "n": i}})
    plain = file.replace("graph.textproto", "plain.textproto")
    with open(file, encoding="utf-8") as source, open(plain, "w", encoding="utf-8") as target:
        target.write(source.read().replace(' partitioned_by: "k"', ""))
    kafka.produce(topic, sent)
    command("run", plain, "--once", "--state-dir", state)
    letters = json.loads(command("dlq", "list", plain, "-o", "json").stdout)
    expect((letters["kind"], letters["more"], len(letters["dead_letters"])), ("dead_letters", False, 10))
    got = letters["dead_letters"]
    # The engine took partition by partition, or in turns; each partition's are in order.
    for p in (0, 1):
        expect([l["key"] for l in got if l["partition"] == p], [f"k{i}" for i in range(0, 30, 3) if i % 2 == p])
    got.sort(key=lambda letter: letter["time"])
    expect([letter["key"] for letter in got], [f"k{i}" for i in range(0, 30, 3)])
    expect(got[0]["time"], "2026-01-01T00:00:00Z")
    expect((got[1]["node"], got[1]["topic"], got[1]["partition"], got[1]["offset"]), ("in", topic, 1, 1))
    assert all(letter["reason"] and letter["error"] for letter in got)
    expect((got[3]["value_base64"], "value" in got[3]), ("//4=", False))
    expect(got[2]["value"], "garbage 6 " + "x" * 100)
    lines = command("dlq", "list", "--topic", f"{name}.dead-letters", "-o", "jsonl").stdout.splitlines()
    expect(sorted(map(json.loads, lines), key=lambda letter: letter["time"]), got)
    late = command("dlq", "list", plain, "-o", "jsonl", "--from", "2026-01-01T00:00:20Z").stdout.splitlines()
    expect(sorted(json.loads(line)["key"] for line in late), ["k21", "k24", "k27"])
    first = command("dlq", "list", plain, "-o", "json", "--limit", "4")
    expect((json.loads(first.stdout)["more"], len(json.loads(first.stdout)["dead_letters"])), (True, 4))
    assert "more than --limit 4" in first.stderr
    table = command("dlq", "list", plain).stdout.splitlines()
    expect((len(table), table[0].split()), (11, ["time", "node", "reason", "source", "key", "value", "error"]))
    assert sum(f"{topic}/1:1 " in line and "…" in line for line in table) == 1, table
    command("dlq", "list", "--topic", "nowhere", status=1)
    foreign = kafka.create(unique("foreign"))
    kafka.produce(foreign, [{"value": "x", "headers": [("kappa.partition", "no number"), ("kappa.node", None)]}])
    letter = json.loads(command("dlq", "list", "--topic", foreign, "-o", "jsonl").stdout)
    expect((letter["partition"], letter["offset"], letter["node"], letter["key"]), (None, None, "", None))


def test_export_import():
    "a state that was exported while the engine ran goes on elsewhere, and ends as if nothing had happened"
    topic, name, state = kafka.create(unique("in"), partitions=2, retention_ms=-1), unique("g"), scratch("state")
    file, kept, back = graph(name, topic), os.path.join(scratch("kept"), "x"), scratch("back")
    engine = start(file, state, "--checkpoint-interval", "50ms")
    kafka.produce(topic, numbers(0, 1000))
    totals_then = None
    until(lambda: os.path.isdir(os.path.join(state, name)), "the state begins")
    totals_then = totals(state, *all_read(topic))
    done = command("state", "export", kept, "--state-dir", state)
    assert "copy of a state in use" in done.stdout, done.stdout
    expect(totals(kept), totals_then)
    kafka.produce(topic, numbers(1000, 1000))
    expect(totals(state, *all_read(topic)), wanted(2000))
    engine.stop()
    command("state", "import", kept, "--state-dir", back, "--yes")
    expect(totals(back), wanted(1000))
    command("run", file, "--once", "--state-dir", back)
    expect(totals(back), wanted(2000))
    counters = json.loads(command("status", file, "--state-dir", back, "-o", "json").stdout)["counters"]
    expect({c["node"]: c["in"] for c in counters}["in"], 2000)


def test_snapshots():
    "the newest of the engine's own snapshots is imported and goes on"
    topic, name, state = kafka.create(unique("in"), partitions=2, retention_ms=-1), unique("g"), scratch("state")
    file, snapshots, back = graph(name, topic), scratch("snapshots"), scratch("back")
    engine = start(file, state, "--checkpoint-interval", "50ms", "--snapshot-dir", snapshots, "--snapshot-interval",
                   "1s")
    kafka.produce(topic, numbers(0, 700))

    def whole():
        folder = os.path.join(snapshots, name, "1", "0")
        return os.path.isdir(folder) and [n for n in os.listdir(folder) if not n.endswith(".part")]

    until(whole, "a snapshot")
    engine.stop()
    command("state", "import", snapshots, "--state-dir", back, "--yes")
    command("run", file, "--once", "--state-dir", back)
    expect(totals(back), wanted(700))


run_cases(globals())
