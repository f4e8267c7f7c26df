#!/usr/bin/env python3
# timeout: 300
"""The short form of each point of the benchmark: that it still runs, that its figures are there and that its outputs
are right. No time is judged here."""
import subprocess

from proof import *


def bench(*options):
    """What tests/bench/run found, and what it printed."""
    file = os.path.join(scratch("bench"), "result.json")
    done = subprocess.run([os.path.join(ROOT, "tests", "bench", "run"), "--brokers", kafka.brokers, "--json", file,
                           *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env={**os.environ, "KAPPA_BUILD": BUILD})
    expect(done.returncode, 0, f"status ({done.stdout[-600:]})")
    with open(file, encoding="utf-8") as text:
        return json.load(text), done.stdout


def point(name, *options):
    result, text = bench("--point", name, *options)
    return result["points"][name], text


def test_query():
    "a query by hand and by the engine: equal outputs"
    result, text = bench("--query", "q5", "--pairs", "1", "--events", "50000")
    (q5,) = result["results"]
    assert q5["equal_outputs"] and q5["output"]["events"] > 0 and "outputs equal" in text, text
    assert all(q5[side]["kilo_events_per_cpu_s"][0] > 0 for side in ("drain", "hand", "engine")), q5


def test_idle():
    "idle"
    got, text = point("idle", "--seconds", "1")
    assert got["share"] > 0 and got["records"] == 0 and "of a core" in text, text


def test_catchup():
    "catch-up"
    got, text = point("catchup", "--events", "50000")
    assert got["cpu_s"] > 0 and got["checkpoints"] > 0 and "checkpoints" in text, text
    assert got["right"] and got["cpu_share"] > 0 and "outputs equal" in text, text


def test_recovery():
    "recovery"
    got, text = point("recovery", "--events", "50000", "--session-s", "2")
    assert got["seconds"] > 0 and got["cpu_s"] > 0 and "no lag" in text, text


def test_latency():
    "latency: each event comes out once, of echo and engine"
    got, text = point("latency", "--pairs", "1", "--seconds", "2", "--rate", "2000")
    assert got["right"] and "each event came out once" in text, text
    for side in ("echo", "engine"):
        assert 0 < got[side]["p50_ms"][0] <= got[side]["p99_ms"][0] <= got[side]["max_ms"][0], got


def test_growth():
    "growth: equal outputs, and the figures of the cache count every lookup"
    got, text = point("growth", "--keys", "100,300000", "--events", "200000", "--memory-mib", "64")
    few, many = got["runs"]
    assert few["right"] and many["right"] and text.count("outputs equal") == 2, text
    for run in (few, many):
        assert run["rss_bytes"] > 0 and run["disk_bytes"] > 0 and run["cpu_ns"] > 0, run
        expect(run["lookups"], run["events"] // 50 * 46, "lookups, one for each bid")
    expect(few["miss_rate"], 0.0)  # all of it is in the cache
    assert 0 < many["miss_rate"] < 1, many


def test_reader():
    "the reader's side: rows are found while q5 runs"
    got, text = point("reader", "--pairs", "1", "--events", "200000")
    assert got["right"] and "outputs equal" in text, text
    assert got["gets"] > 1000 and got["absent"] == 0, got  # no row of this table ever goes
    assert 0 < got["p50_us"][0] <= got["p99_us"][0] <= got["max_us"][0], got


def test_replay():
    "replay: the same counters as live, and each event comes out once with a replay beside"
    got, text = point("replay", "--pairs", "1", "--events", "100000", "--seconds", "2", "--rate", "2000")
    assert got["right"] and text.count("counters equal") == 2 and "each event came out once" in text, text
    expect([q["query"] for q in got["queries"]], ["q5", "kc"])
    for q in got["queries"]:
        assert all(q[name]["kilo_events_per_cpu_s"][0] > 0 for name in ("drain", "live", "replay")), q
    latency = got["latency"]
    assert latency["busy"], text
    assert all(0 < latency[side]["p50_ms"][0] <= latency[side]["p99_ms"][0] for side in ("without", "with")), latency


run_cases(globals())
