#!/usr/bin/env python3
# timeout: 150
"""Ten readers scan a table of a running engine while checkpoints of every size happen: each answer is a state at a
commit boundary. Two of three checks need no oracle: a sum over all rows that is zero whenever a whole record is in it,
and that the same position never shows two states; the third counts the rows again at the end."""
import subprocess
import threading

from proof import *

SECONDS, READERS, COMMANDS = sized(10, 60), 8, 2

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Transfer" field: "id int64 not null" field: "amount int64" }
source { name: "transfers" kafka { topic: "${NAME}.in" } format { json {} } schema: "Transfer"
         time { out_of_order: "1m" } }
node { name: "windows" input: "transfers" aggregate { group_by: "id" window { hopping { size: "2s" every: "1s" } }
       emit: ON_UPDATE select: "count(*) AS records" select: "sum(amount) AS total" } }
table { name: "by_window" input: "windows" key: "id" key: "window_start" }
"""
BEGIN_MS, SPAN_MS, IDS = 1767225600000, 20000, 150


def transfers(rng, want):
    while True:
        id, amount, at = rng.randrange(IDS), rng.randrange(-500, 500), BEGIN_MS + rng.randrange(SPAN_MS)
        for start in (at // 1000 * 1000, at // 1000 * 1000 - 1000):
            records, total = want.get((id, start), (0, 0))
            want[id, start] = (records + 1, total + amount)
        yield '{"value":{"id":%d,"amount":%d},"timestamp":%d}' % (id, amount, at)


def time_of(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))


def scan_command(state_dir):
    """One answer of `kappa table scan`, in the form of read_steadily (without the digest)."""
    with subprocess.Popen([KAPPA_PROGRAM, "table", "scan", "by_window", "--state-dir", state_dir, "-o", "jsonl"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        out, err = process.communicate()
    expect(process.returncode, 0, f"status ({err.strip()[-300:]})")
    records, total, rows = [0, 0], [0, 0], 0
    for line in out.splitlines():
        row = json.loads(line)
        half = int(row["window_start"][17:19]) % 2
        records[half] += row["records"]
        total[half] += row["total"]
        rows += 1
    position = int(re.search(r"position 0:(\d+)", err).group(1))
    return {"position": position, "rows": rows, "records": records, "total": total}


def test_readers():
    "ten readers, fresh and long-lived, see only states at commit boundaries, and never go back"
    rng, want = seeded("readers"), {}
    name, graph, state_dir = unique("readers"), write("readers.textproto", GRAPH), scratch("state")
    kafka.create(f"{name}.in")
    worker = Worker("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir,
                    "--memory", "64MiB", "--commit-interval", "20ms", "--checkpoint-interval", "40ms")
    worker.start()
    until(worker.leads, "it leads")
    lines = transfers(rng, want)
    feed = own(subprocess.Popen(kafka.command("produce", f"{name}.in"), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL))
    feed.close = feed.kill
    feed.stdin.write((next(lines) + "\n").encode())
    feed.stdin.flush()
    until(lambda: shard_figures(worker.stats)[-1][0]["checkpoints"] > 1, "there is a checkpoint to read")
    program = os.path.join(BUILD, "tests", "real", "read_steadily")
    readers = [own(subprocess.Popen([program, state_dir, "by_window", str(SECONDS)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)) for _ in range(READERS)]
    answers, problems = [[] for _ in range(READERS + COMMANDS)], []
    end = time.monotonic() + SECONDS

    def listen(reader, into):
        for line in reader.stdout:
            into.append(json.loads(line))

    def ask(into):
        try:
            while time.monotonic() < end:
                into.append(scan_command(state_dir))
        except Exception as problem:  # told below, on the thread of the case
            problems.append(problem)

    threads = [threading.Thread(target=listen, args=(r, a)) for r, a in zip(readers, answers)]
    threads += [threading.Thread(target=ask, args=(a,)) for a in answers[READERS:]]
    for reader in readers:
        reader.close = reader.kill
    for thread in threads:
        thread.start()
    sizes = collections.Counter()
    while time.monotonic() < end:  # from one record to many at once, so that checkpoints are of every size
        size = int(10 ** rng.uniform(0, 4))
        sizes[len(str(size))] += 1
        feed.stdin.write("".join(next(lines) + "\n" for _ in range(size)).encode())
        feed.stdin.flush()
        time.sleep(rng.uniform(0, 0.1))
    feed.stdin.close()
    feed.wait(60)
    for thread in threads:
        thread.join(60)
    for reader in readers:
        expect(reader.wait(60), 0, f"a reader's status ({reader.stderr.read().strip()[-300:]})")
    if problems:
        raise problems[0]
    judge(answers)
    # Not by the worker's lag: what it said of it a second ago may be from between two bursts.
    reach(kafka, name, "in", sum(end.high for end in kafka.ends(f"{name}.in").values()))
    worker.process.stop()
    figures = shard_figures(worker.stats)[-1][0]
    got = {(row["id"], row["window_start"]): (row["records"], row["total"]) for row in map(json.loads, lines_of(
        [KAPPA_PROGRAM, "table", "scan", "by_window", "--state-dir", state_dir, "-o", "jsonl"]))}
    assert got == {(id, time_of(start)): row for (id, start), row in want.items()}, "the table is not what was sent"
    positions = len(set(answer["position"] for reader in answers for answer in reader))
    say(f"{sum(map(len, answers))} answers of {len(answers)} readers, {positions} positions, {figures['checkpoints']}"
        f" checkpoints, {figures['records']} records in bursts of 1 to 10,000")
    assert figures["checkpoints"] > sized(5, 2 * SECONDS), "hardly any checkpoints"  # each syncs the disk


def judge(answers):
    states = {}
    for reader, own_answers in enumerate(answers):
        assert len(own_answers) >= 5, f"reader {reader} got {len(own_answers)} answers only"
        last = None
        for answer in own_answers:
            even, odd = answer["records"]
            assert even == odd and answer["total"][0] == answer["total"][1], f"not at a commit boundary: {answer}"
            if last:
                assert answer["position"] >= last["position"], f"back from {last} to {answer}"
                assert even >= last["records"][0], f"records vanished: from {last} to {answer}"
            last = answer
            shown = (answer["rows"], even, answer["total"][0])
            before = states.setdefault(answer["position"], (shown, answer.get("digest")))
            digest = before[1] or answer.get("digest")
            assert before[0] == shown and (not answer.get("digest") or digest == answer["digest"]), \
                f"position {answer['position']} shows two states: {before} and {answer}"
            states[answer["position"]] = (shown, digest)
    assert len(states) > SECONDS, f"only {len(states)} different positions were seen"


run_cases(globals())
