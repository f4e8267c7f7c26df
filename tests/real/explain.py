#!/usr/bin/env python3
# timeout: 120
"""kappa explain: the records that made a row, found by following the journal, against what the records themselves
say."""
import collections

from proof import *

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Hit" field: "path string not null" field: "status int64 not null" field: "ts timestamp not null" }
source { name: "access" kafka { topic: "${NAME}.in" } format { json {} } schema: "Hit" time { expr: "ts" } }
node { name: "errors" input: "access" filter { where: "status >= 500" } }
node { name: "per_minute" input: "errors" aggregate { group_by: "path" window { tumbling { size: "1m" } }
       select: "count(*) AS errors" select: "max(status) AS worst" } }
node { name: "totals" input: "per_minute" aggregate { group_by: "path" select: "sum(errors) AS errors" } }
table { name: "by_minute" input: "per_minute" key: "path" key: "window_start" }
table { name: "total_of" input: "totals" key: "path" }
table { name: "last" input: "access" key: "path" }
"""
JOIN = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Order" field: "id int64 not null" field: "customer string" }
schema { name: "Customer" field: "id string not null" field: "name string not null" }
source { name: "orders" kafka { topic: "${NAME}.orders" } format { json {} } schema: "Order" }
source { name: "customers" kafka { topic: "${NAME}.customers" } format { json {} } schema: "Customer" key: "id" }
node { name: "named" input: "orders" input: "customers" join { type: LEFT on: "orders.customer = customers.id"
       select: "orders.*" select: "customers.name" } }
table { name: "orders_by_id" input: "named" key: "id" }
"""
RECORDS = 400


class Setting:
    """A pipeline that has read RECORDS requests in two goes; positions: the journal's offset after the first."""

    def __init__(self, rng):
        self.name, self.graph, self.state = unique("explain"), write("explain.textproto", GRAPH), scratch("state")
        kafka.create(f"{self.name}.in", partitions=2)
        self.records, self.made = [], 0
        for half in range(2):
            self.feed(rng)
            self.run()
            if half == 0:
                self.middle = json.loads(self.table("list", "-o", "json").stdout)["position"]

    def feed(self, rng):
        new = []
        for n in range(RECORDS // 2):
            at = BEGIN_MS + self.made * 1000
            self.made += 1
            new.append({"partition": rng.randrange(2), "timestamp": at, "value": json.dumps(
                {"path": rng.choice("abc"), "status": rng.choice([200, 500, 501, 502]), "ts": at})})
        kafka.produce(f"{self.name}.in", new)
        self.records += new

    def run(self):
        kappa("run", self.graph, "--set", f"NAME={self.name}", "--brokers", kafka.brokers, "--state-dir", self.state,
              "--once")

    def table(self, *words):
        return kappa("table", *words, "--state-dir", self.state)

    def explain(self, *words, status=0):
        done = kappa("explain", *words, "--state-dir", self.state, "--brokers", kafka.brokers, "-o", "json",
                     "--limit", "100000", status=status)
        return json.loads(done.stdout) if status == 0 else done

    def errors(self, path, minute=None, records=None):
        """What the records say: (partition, offset) of each error of a path, in a minute."""
        ends, found = collections.Counter(), []
        for record in records or self.records:
            value = json.loads(record["value"])
            where = (record["partition"], ends[record["partition"]])
            ends[record["partition"]] += 1
            if value["path"] == path and value["status"] >= 500:
                if minute is None or (value["ts"] - BEGIN_MS) // 60000 == minute:
                    found.append(where)
        return sorted(found)


def records_of(document):
    return sorted((e["partition"], e["offset"]) for e in document["events"]
                  if e["kind"] == "record" and e["contributes"])


def test_a_window():
    "a window's row comes of exactly the records in the window that passed the filter, and of the work that closed it"
    s = Setting(seeded("a_window"))
    for path in "abc":
        got = s.explain("by_minute", path, "2026-01-01T00:01:00Z")
        expect(records_of(got), s.errors(path, 1))
        expect((got["kind"], got["records"], got["row"]["errors"]), ("explanation", len(s.errors(path, 1)),
                                                                     len(s.errors(path, 1))))
        values = [json.loads(e["value"]) for e in got["events"] if e["kind"] == "record"]
        expect({v["path"] for v in values}, {path})
        expect(max(v["status"] for v in values), got["row"]["worst"])
        work = [e for e in got["events"] if e["kind"] == "work"]
        expect([(e["before"], e["after"]) for e in work], [(None, got["row"])])
        expect({w for e in got["events"] if e["kind"] == "record" for w in e["wrote"]}, {"aggregate/per_minute"})


def test_through_two_aggregates():
    "what goes through two aggregates is followed through both, and each change of the row is shown"
    s = Setting(seeded("through_two_aggregates"))
    minutes = {e["window_start"]: e["errors"] for e in map(json.loads, s.table(
        "scan", "by_minute", "--prefix", "a", "-o", "jsonl").stdout.splitlines())}
    got = s.explain("total_of", "a")
    expect(got["row"]["errors"], sum(minutes.values()))
    expect(records_of(got), sorted(w for m in range(len(minutes)) for w in s.errors("a", m)))
    changes = [e for e in got["events"] if "after" in e]
    expect(len(changes), len(minutes))
    expect([c["before"] for c in changes], [None] + [c["after"] for c in changes[:-1]])
    expect(changes[-1]["after"], got["row"])


def test_the_last_one_wins():
    "of records that replace each other only the last contributes; the others are shown as changes"
    s = Setting(seeded("the_last_one_wins"))
    got = s.explain("last", "b")
    expect(got["records"], 1)
    expect(len(got["events"]), sum(json.loads(r["value"])["path"] == "b" for r in s.records))
    expect(got["events"][-1]["after"], got["row"])
    expect(json.loads(got["events"][-1]["value"])["status"], got["row"]["status"])


def test_in_the_past():
    "--at shows the row as it was at a position, and what had made it by then"
    s = Setting(seeded("in_the_past"))
    then, now = s.explain("total_of", "c", "--at", s.middle), s.explain("total_of", "c")
    assert then["row"]["errors"] < now["row"]["errors"], (then["row"], now["row"])
    assert set(records_of(then)) < set(records_of(now))
    expect(set(records_of(then)) - set(s.errors("c", records=s.records[:RECORDS // 2])), set())
    done = s.explain("total_of", "c", "--at", "0:9999999", status=78)
    assert f"--at is offset 9999999, but {s.name}.journal.0 ends at" in done.stderr, done.stderr
    assert "is not an offset, SHARD:OFFSET, or a time" in s.explain("total_of", "c", "--at", "x", status=64).stderr


def test_what_cannot_be_explained():
    "a row that never was, a wrong table or key, and records that are gone say so; the pipeline does not notice"
    s = Setting(seeded("what_cannot_be_explained"))
    before = {t: kafka.ends(t)[0] for t in kafka.topics() if t.startswith(f"{s.name}.journal")}
    assert "no record has ever made this row" in s.explain("last", "nobody", status=1).stderr
    assert 'did you mean "last"?' in s.explain("lst", "a", status=1).stderr
    assert 'the key of table "by_minute" has 2 columns, not 1' in s.explain("by_minute", "a", status=64).stderr
    assert 'key column "window_start" (timestamp)' in s.explain("by_minute", "a", "soon", status=64).stderr
    expect({t: kafka.ends(t)[0] for t in before}, before)
    kafka.delete_records(f"{s.name}.in", 0, 5)
    done = s.explain("last", "a", status=65)
    assert f"topic {s.name}.in, partition 0" in done.stderr and "lost" in done.stderr, done.stderr


def test_history():
    "of a generation with history before a journal that was cut off, those records are told, too; or that they went"
    s = Setting(seeded("history"))
    half = {p: sum(r["partition"] == p for r in s.records[:RECORDS // 2]) for p in range(2)}
    kafka.delete_records(f"{s.name}.journal.0", 0, int(s.middle.split(":")[1]))
    changed = write("changed.textproto", GRAPH.replace("max(status)", "min(status)"))
    common = ["--set", f"NAME={s.name}", "--brokers", kafka.brokers, "--state-dir", s.state]
    later = write("later.csv", "".join(f"{s.name}.in,{p},{half[p] // 2}\n" for p in half))
    for generation, begins, words in ((2, {0: 0, 1: 0}, ()),
                                      (3, {p: half[p] // 2 for p in half}, ("--new", "--from-file", later))):
        kappa("replay", "start", changed, *common, "--once", *words)
        rows = [json.loads(line) for line in s.table("scan", "by_minute", "--prefix", "a", "--generation", generation,
                                                     "-o", "jsonl").stdout.splitlines()]
        assert len(rows) > 2, rows
        for row in rows[:2] + rows[-2:]:
            got = s.explain("by_minute", "a", row["window_start"], "--generation", generation)
            minute = (json.loads(got["events"][0]["value"])["ts"] - BEGIN_MS) // 60000
            expect(records_of(got), [w for w in s.errors("a", minute) if w[1] >= begins[w[0]]])
            expect((got["row"], got["records"]), (row, row["errors"]))
    done = s.explain("last", "a", "--generation", 2, "--at", s.middle, status=78)
    assert "but the generation begins behind offset" in done.stderr, done.stderr
    kafka.delete_records(f"{s.name}.in", 0, 5)
    done = s.explain("last", "a", "--generation", 2, status=65)
    assert f"topic {s.name}.in, partition 0: the state needs records from offset 0 on, but the log begins at 5" in \
        done.stderr, done.stderr
    assert s.explain("last", "a", "--generation", 3)["row"]
    # As long as before, but not the same.
    kafka.delete(f"{s.name}.in")
    until(lambda: f"{s.name}.in" not in kafka.topics(), "it is gone", 30)
    kafka.create(f"{s.name}.in", partitions=2)
    s.records[RECORDS // 2 - 10]["value"] += " "
    kafka.produce(f"{s.name}.in", s.records)
    done = s.explain("last", "a", "--generation", 3, status=65)
    assert f"topic {s.name}.in, partition" in done.stderr and "some are gone since" in done.stderr, done.stderr


def test_a_join():
    "a joined row comes of the record of the stream and of the record that the table had at its time, and no other"
    name, state, graph = unique("join"), scratch("state"), write("join.textproto", JOIN)
    for topic in ("orders", "customers"):
        kafka.create(f"{name}.{topic}")
    kafka.produce(f"{name}.customers", [{"key": c, "timestamp": BEGIN_MS + t, "value": json.dumps({"id": c, "name": n})}
                                        for t, c, n in ((0, "c1", "Ann"), (1, "c2", "Bob"), (20, "c1", "Anna"))])
    kafka.produce(f"{name}.orders", [{"timestamp": BEGIN_MS + t, "value": json.dumps({"id": i, "customer": c})}
                                     for t, i, c in ((10, 1, "c1"), (11, 2, "c2"), (30, 3, "c1"), (31, 4, "c9"))])
    kappa("run", graph, "--set", f"NAME={name}", "--brokers", kafka.brokers, "--state-dir", state, "--once", "--final")
    for order, want in ((1, [("customers", 0), ("orders", 0)]), (2, [("customers", 1), ("orders", 1)]),
                        (3, [("customers", 2), ("orders", 2)]), (4, [("orders", 3)])):
        got = json.loads(kappa("explain", "orders_by_id", order, "--state-dir", state, "--brokers", kafka.brokers,
                               "-o", "json").stdout)
        made = sorted((e["source"], e["offset"]) for e in got["events"] if e["kind"] == "record" and e["contributes"])
        expect(made, want, f"order {order}, {got['row']}")


run_cases(globals())
