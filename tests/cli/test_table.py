#!/usr/bin/env python3
"""kappa table: lookups and scans of states that stand still, that somebody writes, and that are not all here."""
import resource
import subprocess

from cli import *

ROW_0 = {"owner": "o000", "number": 0, "balance": 0, "open": True, "since": "2026-01-01T00:00:00Z", "note": {"n": 0},
         "raw": "AP8="}


def test_list():
    "list shows key, columns and retention, and names the position"
    make_state("one")
    done = kappa("table", "list", "--state-dir", "one")
    holds(done.text, "people  owner, number  for ever   owner string not null, number int64 not null, balance double,")
    holds(done.err, "generation 1, position 0:10, as of ", " ago, 1 of 1 shard\n")
    got = document("table", "list", "--state-dir", "one", "-o", "json")
    expect((got["kind"], got["position"], got["shards_total"]), ("tables", "0:10", 1))
    expect((got["tables"][0]["name"], got["tables"][0]["key"], got["tables"][0]["retention_us"]),
           ("people", ["owner", "number"], None))
    expect(got["shards"][0]["taken"], "2026-01-01T00:00:00Z")
    expect(rows("table", "list", "--state-dir", "one", "-o", "jsonl"), got["tables"])


def test_get():
    "get finds a row by its key in all three forms; what is not there is status 1"
    make_state("one")
    got = document("table", "get", "people", "o000", "0", "--state-dir", "one", "-o", "json")
    expect((got["kind"], got["table"], got["row"], got["position"]), ("row", "people", ROW_0, "0:10"))
    assert got["age_ms"] > 0
    expect(rows("table", "get", "people", "o000", "0", "--state-dir", "one", "-o", "jsonl"), [ROW_0])
    text = kappa("table", "get", "people", "o000", "0", "--state-dir", "one").text.splitlines()
    expect(text[0].split(), ["owner", "number", "balance", "open", "since", "note", "raw"])
    expect(text[1].split(), ["o000", "0", "0", "true", "2026-01-01T00:00:00Z", '{"n":0}', "AP8="])
    done = kappa("table", "get", "people", "o000", "1", "--state-dir", "one", status=1)
    expect(done.text, "")
    holds(done.err, "position 0:10", "kappa table get: not found\n")
    kappa("table", "get", "people", "--state-dir", "one", "--", "o000", "-5", status=1)


def test_get_wrong_key():
    "a key of the wrong length or type is a usage error that names the column"
    make_state("one")
    holds(kappa("table", "get", "people", "o000", "--state-dir", "one", status=64).err,
          'the key of table "people" is owner, number: 2 values, not 1')
    holds(kappa("table", "get", "people", "o000", "x", "--state-dir", "one", status=64).err,
          'key column "number" (int64)')
    holds(kappa("table", "get", "peple", "o000", "1", "--state-dir", "one", status=1).err, 'did you mean "people"?')


def test_scan_order_and_bounds():
    "scan gives all rows by key; prefix, from and to cut it"
    make_state("one", count=1000)
    scan = ("table", "scan", "people", "--state-dir", "one", "-o", "jsonl")
    everything = rows(*scan)
    expect(len(everything), 1000)
    keys = [(r["owner"], r["number"]) for r in everything]
    expect(keys, sorted(keys))
    expect(rows(*scan, "--prefix", "o07"), [r for r in everything if r["owner"].startswith("o07")])
    expect(rows(*scan, "--prefix", "o070", "--prefix", "170"), [r for r in everything if r["number"] == 170])
    expect(rows(*scan, "--from", "o098"), [r for r in everything if r["owner"] >= "o098"])
    expect(rows(*scan, "--from", "o098", "--from", "500", "--to", "o099"),
           [r for r in everything if r["owner"] == "o098" and r["number"] >= 500])
    expect(rows(*scan, "--to", "o001"), [r for r in everything if r["owner"] < "o001"])
    expect(rows(*scan, "--limit", "3"), everything[:3])
    holds(kappa(*scan, "--from", "o", "--from", "x", status=64).err, "--from: key column \"number\" (int64)")
    holds(kappa(*scan, "--limit", "0", status=64).err, "--limit")


def test_where():
    "where is an SQL condition: typed, three-valued, before the limit; mistakes are told with their place"
    make_state("one", count=200)
    scan = ("table", "scan", "people", "--state-dir", "one", "-o", "jsonl")
    everything = rows(*scan)
    expect(rows(*scan, "--where", "number % 50 = 7 AND open IS NOT NULL"),
           [r for r in everything if r["number"] % 50 == 7])
    expect(rows(*scan, "--where", "balance >= 40 AND NOT open", "--limit", "2"),
           [r for r in everything if r["balance"] >= 40 and not r["open"]][:2])
    expect(rows(*scan, "--where", "note IS NULL"), [r for r in everything if r["note"] is None])
    holds(kappa(*scan, "--where", "numbr > 1", status=64).err, "--where:1:1: error[K0310]", 'did you mean "number"?')
    holds(kappa(*scan, "--where", "number", status=64).err, "of type int64, not bool")
    holds(kappa(*scan, "--where", "number > ", status=64).err, "--where:1:")
    holds(kappa(*scan, "--where", "10 / number > 1", status=65).err, "division_by_zero", '"number":0')


def test_scan_document():
    "the JSON document has kind, position and rows; a failed scan leaves it without its end"
    make_state("one", count=5)
    got = document("table", "scan", "people", "--state-dir", "one", "-o", "json")
    expect((got["kind"], got["table"], got["generation"], got["position"], len(got["rows"])),
           ("rows", "people", "1", "0:10", 5))
    expect(document("table", "scan", "people", "--state-dir", "one", "-o", "json", "--prefix", "z")["rows"], [])
    broken = kappa("table", "scan", "people", "--state-dir", "one", "-o", "json", "--where", "1 / (number - 3) > 0",
                   status=65)
    assert not broken.text.rstrip().endswith("}]}"), broken.text


def test_shards():
    "shards are merged in order of keys; what is not here is told, and a key of it is status 69 with its shard"
    for shard in (0, 1, 2):
        make_state("three", shard=shard, shards=3, count=600)
    scan = ("table", "scan", "people", "-o", "jsonl", "--state-dir")
    everything = rows(*scan, "three")
    expect(sorted(r["number"] for r in everything), list(range(600)))
    keys = [(r["owner"], r["number"]) for r in everything]
    expect(keys, sorted(keys))
    for shard in (0, 2):
        make_state("two", shard=shard, shards=3, count=600)
    done = kappa(*scan, "two")
    here = [json.loads(line) for line in done.text.splitlines()]
    assert 0 < len(here) < 600
    holds(done.err, "position 0:10,2:10", "2 of 3 shards; rows of the others are not on this machine")
    missing = next(r for r in everything if r not in here)
    key = (missing["owner"], missing["number"])
    holds(kappa("table", "get", "people", *key, "--state-dir", "two", status=69).err,
          "the key belongs to shard 1 of 3, whose state is not on this machine")
    expect(rows("table", "get", "people", *key, "--state-dir", "three", "-o", "jsonl"), [missing])
    absent = (here[0]["owner"], 99999)
    kappa("table", "get", "people", *absent, "--state-dir", "two", status=1)


def test_live_and_wait():
    "a state that somebody writes is read as of its last checkpoint; --wait-for waits, or ends with 75"
    live = Live("live", count=50)
    scan = ("table", "scan", "people", "--state-dir", "live", "-o", "jsonl")
    try:
        expect(len(rows(*scan)), 50)
        live.step()
        expect(len(rows(*scan, "--wait-for", "0:20")), 60)
        expect(len(rows(*scan, "--wait-for", "20")), 60)
        expect(len(rows(*scan, "--wait-for", "in/0:60")), 60)
        holds(kappa(*scan, "--wait-for", "0:30", "--timeout", "100ms", status=75).err, "shard 0 stands at 20 of 30")
        holds(kappa(*scan, "--wait-for", "in/0:61", "--timeout", "100ms", status=75).err,
              "partition in/0 stands at 60 of 61")
        holds(kappa(*scan, "--wait-for", "1:1", "--timeout", "100ms", status=75).err, "shard 1 has no position here")
        waiting = subprocess.Popen([KAPPA, *scan, "--wait-for", "0:40"], cwd=TMP, env=ENV, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        live.step()
        live.step()
        out, _ = waiting.communicate(timeout=30)
        expect((waiting.returncode, len(out.splitlines())), (0, 80))
    finally:
        live.close()
    expect(len(rows(*scan)), 80, "rows after the writer's end")


def test_wait_for_a_state_that_comes():
    "--wait-for also waits for a state directory that is not there yet"
    scan = [KAPPA, "table", "scan", "people", "--state-dir", "later", "-o", "jsonl", "--wait-for", "0:10"]
    waiting = subprocess.Popen(scan, cwd=TMP, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    make_state("later", count=7)
    out, _ = waiting.communicate(timeout=30)
    expect((waiting.returncode, len(out.splitlines())), (0, 7))


def test_wrong_states():
    "no directory, an empty one, and one that is no state are told apart"
    holds(kappa("table", "list", "--state-dir", "nowhere", status=1).err, "nowhere")
    subprocess.run(["mkdir", "-p", path("empty")], check=True)
    holds(kappa("table", "list", "--state-dir", "empty", status=1).err, "holds no graph")
    make_state("one")
    holds(kappa("table", "list", "--state-dir", "one", "--graph", "nobody", status=1).err,
          'no graph "nobody"; there is: people')
    holds(kappa("table", "list", "--state-dir", "one", "--generation", "7", status=1).err, 'no generation "7"')


def test_full_output():
    "an output that cannot be written is status 74 in every form, and ends the scan"
    make_state("one", count=30000)
    for form in ("table", "json", "jsonl"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([KAPPA, "table", "scan", "people", "--state-dir", "one", "-o", form], cwd=TMP,
                                  env=ENV, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        expect(done.returncode, 74, form)
        holds(done.stderr, "standard output cannot be written")


def test_memory():
    "a scan of 300,000 rows holds few of them in memory"
    make_state("many", count=300000)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    scan = subprocess.Popen([KAPPA, "table", "scan", "people", "--state-dir", "many", "-o", "json", "--memory",
                             "16MiB"], cwd=TMP, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    size = peak = 0
    for line in scan.stdout:
        size += len(line)
        if size > 20 << 20 and not peak:
            with open(f"/proc/{scan.pid}/status", encoding="utf-8") as status:
                peak = next(int(l.split()[1]) for l in status if l.startswith("VmHWM:"))
    expect(scan.wait(), 0)
    assert size > 30 << 20, size
    assert 0 < peak < 90 << 10, f"{peak} KiB at its peak (other children: {before} KiB)"


run_cases(globals())
