#!/usr/bin/env python3
# timeout: 300
"""One budget of memory, and bounded work: state ten times the budget, and windows by the hundred thousand that all
close at one record. Results are counted again here, from what was sent."""
import base64
import subprocess

from proof import *

BUDGET_MIB = sized(64, 256)
PEAK = 1.25  # of the budget
BODY = 1000


def within_budget(peak, what):
    say(f"{what}: peak {peak.get() / 2 ** 20:.0f} MiB of a budget of {BUDGET_MIB} MiB")
    assert peak.get() > 8 << 20, "the peak was not measured"
    assert peak.get() < PEAK * BUDGET_MIB * 2 ** 20, f"{what}: {peak.get() / 2 ** 20:.0f} MiB resident"


STATE = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Item" field: "id int64 not null" field: "weight int64" field: "body string" }
source { name: "items" kafka { topic: "${NAME}.in" } format { json {} } schema: "Item" }
node { name: "by_id" input: "items" aggregate { group_by: "id" select: "count(*) AS rows"
       select: "sum(weight) AS weight" select: "max(body) AS body" } }
table { name: "items_by_id" input: "by_id" key: "id" }
"""


def items(keys, rng, pool, want):
    """Every key once in a random order, and a tenth of them once more while the others come; into want goes what
    must be known of each: rows, weight, the greatest body."""
    order = list(range(keys))
    rng.shuffle(order)
    for position, key in enumerate(order):
        for id in [key] + ([order[rng.randrange(position + 1)]] if rng.random() < 0.1 else []):
            at, weight = rng.randrange(len(pool) - BODY), rng.randrange(1000)
            body = pool[at:at + BODY]
            rows, sum_so_far, best = want.get(id, (0, 0, at))
            want[id] = (rows + 1, sum_so_far + weight, at if body >= pool[best:best + BODY] else best)
            yield f'{{"value":{{"id":{id},"weight":{weight},"body":"{body}"}},"partition":{id % 3}}}'


def test_large_state():
    "keyed state ten times the budget: resident memory stays below 1.25 times the budget, and every row is right"
    rng = seeded("large state")
    # A body lies in the aggregate's state and in the table's row.
    keys = BUDGET_MIB * 10 * 2 ** 20 // (2 * BODY)
    name, graph, state_dir = unique("large"), write("large.textproto", STATE), scratch("state")
    kafka.create(f"{name}.in", partitions=3)
    pool = base64.b64encode(rng.randbytes(6 << 20)).decode()  # nothing that could be compressed to less
    want = {}
    began = time.monotonic()
    producer = subprocess.Popen(kafka.command("produce", f"{name}.in"), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL)
    for line in items(keys, rng, pool, want):
        producer.stdin.write(line.encode() + b"\n")
    producer.stdin.close()
    expect(producer.wait(300), 0, "ktool's status")
    fed = time.monotonic()
    worker = Kappa("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir,
                   "--memory", f"{BUDGET_MIB}MiB", "--once")
    peak = Peak(worker)
    worker.wait(0, sized(200, 1500))
    ran = time.monotonic()
    within_budget(peak, f"{keys} keys, {2 * BODY * keys / 2 ** 20:.0f} MiB of state")
    seen = 0
    for line in lines_of([KAPPA_PROGRAM, "table", "scan", "items_by_id", "--state-dir", state_dir, "-o", "jsonl"]):
        row = json.loads(line)
        rows, weight, at = want[row["id"]]
        if (row["rows"], row["weight"], row["body"]) != (rows, weight, pool[at:at + BODY]):
            raise AssertionError(f"id {row['id']}: {line[:100]}, but {rows} rows and {weight} were sent")
        seen += 1
    expect(seen, keys, "rows")
    say(f"fed in {fed - began:.0f} s, ran {ran - fed:.0f} s, scanned in {time.monotonic() - ran:.0f} s")


CLOSING = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Tick" field: "id int64 not null" field: "v int64" }
source { name: "ticks" kafka { topic: "${NAME}.in" } format { json {} } schema: "Tick" time { out_of_order: "10m" } }
node { name: "minutes" input: "ticks" aggregate { group_by: "id" window { tumbling { size: "1m" } }
       select: "count(*) AS rows" select: "sum(v) AS total" } }
table { name: "closed" input: "minutes" key: "id" key: "window_start" }
sink { name: "out" input: "minutes" kafka { topic: "${NAME}.out" } format { json {} } }
"""
MINUTES = 4


def closed_rows(rows):
    return collections.Counter((row["id"], row["window_start"], row["rows"], row["total"]) for row in rows)


def test_closing():
    """windows by the hundred thousand close at one record: no transaction is longer than a second, and the results
    are exact under kills"""
    rng, windows, kills = seeded("closing"), sized(200_000, 2_000_000), sized(3, 10)
    name, graph, state_dir = unique("closing"), write("closing.textproto", CLOSING), scratch("state")
    kafka.create(f"{name}.in")
    kafka.create(f"{name}.out", partitions=2)
    begin_ms, ids = 1767225600000, windows // MINUTES
    want, lines = collections.Counter(), []
    for minute in range(MINUTES):
        for id in rng.sample(range(ids), ids):
            v = rng.randrange(1000)
            lines.append('{"value":{"id":%d,"v":%d},"timestamp":%d}' % (id, v, begin_ms + minute * 60000 + id % 60000))
            want[id, f"2026-01-01T00:0{minute}:00Z", 1, v] += 1
    done = subprocess.run(kafka.command("produce", f"{name}.in"), input="\n".join(lines).encode() + b"\n", check=True,
                          stdout=subprocess.PIPE)
    expect(json.loads(done.stdout)["produced"], windows)
    worker = Worker("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir,
                    "--memory", f"{BUDGET_MIB}MiB", "--transaction-timeout", "10s", "--session-timeout", "2s")
    longest = []

    def look():
        figures = shard_figures(worker.stats)
        longest.append(max((line[0]["longest_transaction_us"] for line in figures), default=0))

    worker.start()
    peaks = [Peak(worker.process)]
    until(lambda: [f for f in shard_figures(worker.stats)[-1:] if f[0].get("lag") == 0 and f[0]["state"] == "leading"],
          "all windows are open", sized(60, 600))
    expect(kafka.ends(f"{name}.out")[0].high, 0, "messages before anything closed")
    kafka.produce(f"{name}.in", [{"value": {"id": 0, "v": 0}, "timestamp": begin_ms + 3600000}])
    at_kill = []
    for kill in range(kills):
        # The first while it closes; those after it begin to close when the group has waited for the one that died.
        time.sleep(rng.uniform(0.1, 0.7) if kill == 0 else rng.uniform(2.0, 3.2))
        worker.kill()
        look()
        at_kill.append(sum(end.high for end in kafka.ends(f"{name}.out").values()))
        if kill < kills - 1:
            worker.start()
            peaks.append(Peak(worker.process))
    say(f"messages there at each kill -9: {at_kill}")
    stats = os.path.join(scratch("stats"), "stats.jsonl")
    last = Kappa("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir, "--once",
                 "--memory", f"{BUDGET_MIB}MiB", "--transaction-timeout", "10s", "--session-timeout", "2s", "--stats",
                 stats)
    peaks.append(Peak(last))
    last.wait(0, sized(60, 600))
    longest.append(max(line[0]["longest_transaction_us"] for line in shard_figures(stats)))
    say(f"longest transaction of each process: {', '.join(f'{us / 1000:.0f}' for us in longest)} ms")
    assert 0 < max(longest) < 1_000_000, f"a transaction took {max(longest) / 1000:.0f} ms"
    within_budget(max(peaks, key=Peak.get), f"{windows} windows")
    differ("closed windows", closed_rows(kafka.rows(f"{name}.out", timeout_s=300)), want)
    differ("rows of the table", closed_rows(json.loads(line) for line in lines_of(
        [KAPPA_PROGRAM, "table", "scan", "closed", "--state-dir", state_dir, "-o", "jsonl"])), want)


run_cases(globals())
