#!/usr/bin/env python3
# timeout: 150
"""kappa cutover --emit-difference on a real Kafka: under load, with a kill -9 of who writes it, whoever consumes the
keyed topic arrives at the new generation's table, and each row that differs and rests is written once; and back."""
import re
import signal

from proof import *

KEYS = 30_000
GRAPH = '''
name: "${NAME}" param { name: "NAME" }
schema { name: "E" field: "k string not null" field: "n int64 not null" }
source { name: "in" kafka { topic: "${NAME}.in" } format { json {} } schema: "E" }
node { name: "sums" input: "in" aggregate { group_by: "k" select: "sum(n) AS total" } }
table { name: "totals" input: "sums" key: "k" }
sink { name: "out" input: "sums" key: "k" kafka { topic: "${NAME}.out" } format { json {} } }
'''
# Those whose n is a multiple of 3 come out equal.
CHANGED = GRAPH.replace("sum(n) AS total", "sum(n - n % 3) AS total")
# A sink whose rows no table has.
UNKNOWN = CHANGED + '''
node { name: "renamed" input: "sums" map { select: "k AS key" select: "total" } }
sink { name: "more" input: "renamed" key: "key" kafka { topic: "${NAME}.more" } format { json {} } }
'''


class Pair:
    """Generation 1 and 2 of a pipeline, a process each, in one state directory."""

    def __init__(self, changed):
        self.name, self.state = unique("difference"), scratch("state")
        kafka.create(f"{self.name}.in", partitions=2)
        kafka.create(f"{self.name}.out", partitions=2)
        self.graphs = {1: write("one.textproto", GRAPH), 2: write("two.textproto", changed)}
        self.common = ["--brokers", kafka.brokers, "--set", f"NAME={self.name}", "--state-dir", self.state,
                       "--session-timeout", "2s", "--memory", "96MiB"]
        self.workers = {1: Worker("run", self.graphs[1], "--generation", "1", *self.common),
                        2: Worker("replay", "start", self.graphs[2], *self.common)}

    def put(self, numbers):
        kafka.produce(f"{self.name}.in", ({"partition": n % 2, "value": json.dumps({"k": f"k{n % KEYS}", "n": n})}
                                          for n in numbers))

    def command(self, *words, status=0):
        return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=90)

    def start(self):
        """Both follow what is there."""
        self.put(range(KEYS))
        self.workers[1].start()
        until(lambda: self.command("replay", "start", self.graphs[2], "--dry-run", *self.common[2:],
                                   status=None).returncode == 0, "there is a journal", 60)
        self.workers[2].start()
        until(lambda: self.command("replay", "status", self.name, "--in-step", 2, status=None).returncode == 0,
              "generation 2 is in step", 60)

    def difference(self, generation):
        """What the leader of a generation says of it; None: nobody leads."""
        status = json.loads(self.command("replay", "status", self.name, "-o", "json").stdout)
        for g in status["generations"]:
            for host in g["hosts"] if g["generation"] == generation else []:
                for shard in host["shards"]:
                    if shard["state"] == "leading":
                        return shard["difference"]
        return None

    def shown(self):
        """What a consumer of the topic has in the end, and how many messages of each key there are."""
        last, count = {}, collections.Counter()
        for message in kafka.consume(f"{self.name}.out", timeout_s=120):
            last[message.key] = message.value
            count[message.key] += 1
        return {key: json.loads(value)["total"] for key, value in last.items() if value is not None}, count

    def table(self, generation):
        return {row["k"]: row["total"] for row in
                map(json.loads, kappa("table", "scan", "totals", "--state-dir", self.state, "--generation", generation,
                                      "-o", "jsonl", timeout_s=90).stdout.splitlines())}

    def eta(self):
        """Unknown until it was measured while the records wait for a process that stands still; then there is none."""
        def partitions(*words):
            status = json.loads(self.command("status", self.name, "--state-dir", self.state, "--generation", "1", "-o",
                                             "json", *words).stdout)
            return [(p["lag"] > 0, p["eta_seconds"], p["closing"]) for p in status["shards"][0]["partitions"]]
        self.workers[1].process.signal(signal.SIGSTOP)
        self.put(range(2))
        waiting = [(True, None, None)] * 2
        expect((partitions(), partitions("--over", "1s")), (waiting, waiting), "lag, ETA and whether it comes closer")
        self.workers[1].process.signal(signal.SIGCONT)
        until(lambda: partitions("--over", "1s") == [(False, 0, True)] * 2, "all is read", 60)

    def stop(self):
        for worker in self.workers.values():
            worker.process.stop(60)


def rest(pair, generation):
    """What the generation says of it then; on a slow machine it may count as absent a moment later."""
    def written():
        said = pair.difference(generation)
        return said if said and said["done"] else None

    return until(written, "the difference is written", 90)


def test_there_and_back():
    "a kill -9 in the middle: what differs and rests is written once, and the topic shows the new table; and back"
    pair = Pair(CHANGED)
    pair.start()
    _, before = pair.shown()
    found = [json.loads(line) for line in
             pair.command("parity", pair.name, "1", "2", "--state-dir", pair.state, "--table", "totals", "--limit", "7",
                          "-o", "jsonl", status=1).stdout.splitlines()]
    expect([(d["table"], d["difference"]) for d in found], [("totals", "changed")] * 7)
    for d in found:
        n = int(d["key"]["k"][1:])
        expect((d["left"]["total"], d["right"]["total"]), (n, n - n % 3), f"the values of k{n}")
    told = pair.command("parity", pair.name, "1", "2", "--state-dir", pair.state, "--limit", "1", status=1).stdout
    report = re.search(r"^report (\d+): ", told, re.M)[1]

    def kept(*words):
        return [json.loads(line) for line in kappa("parity", pair.name, "--report", report, "--state-dir", pair.state,
                                                   *words).stdout.splitlines()]
    expect((kept("--limit", "7"), len(kept("--table", "totals", "--limit", "5000")), kept("--table", "total")),
           (found, 1000, []), "the keys of the report")
    kappa("parity", pair.name, "--report", "77", "--state-dir", pair.state, status=65)
    pair.command("cutover", pair.name, 2, "--accept", report, "--emit-difference")
    pair.put(range(KEYS, KEYS + 3000))  # these change meanwhile
    killed = until(lambda: pair.difference(2), "it is begun", 30)
    pair.workers[2].kill()
    say(f"killed when it said {killed['written']} messages of {killed['compared']} keys")
    pair.workers[2].start()
    said = rest(pair, 2)
    pair.put(range(KEYS, KEYS + 1000))
    expect(said["compared"], KEYS, "keys compared")
    differing = [n for n in range(KEYS) if n % 3]
    expect(said["written"], len(differing), "messages of the difference")
    quiet = [f"k{n}" for n in differing if n >= 3000]
    until(lambda: pair.table(1)["k999"] == 2 * (KEYS + 999) + 999, "generation 1 has followed", 60)
    got, after = pair.shown()
    expect(got, pair.table(2), "what the topic shows")
    wrong = [k for k in quiet if after[k] - before[k] != 1]
    expect(wrong[:5], [], "rows that rest, and were not written once")
    pair.command("rollback", pair.name, "--emit-difference")
    rest(pair, 1)
    expect(pair.shown()[0], pair.table(1), "what the topic shows after the rollback")
    pair.eta()
    pair.stop()
    # Copies are of no use any more.
    left = [path for path, _, files in os.walk(os.path.join(pair.state, ".marks"))
            if any(not file.startswith("asked.") for file in files)]
    expect(left, [], "what is left of the copies")


def test_refused():
    "a sink whose rows no table has is named, and so is a generation that nobody hosts"
    pair = Pair(UNKNOWN)
    kafka.create(f"{pair.name}.more")
    pair.start()
    done = pair.command("cutover", pair.name, 2, "--reason", "test", "--emit-difference", status=78)
    assert 'no table has the rows of sink "more"' in done.stderr and "with key key" in done.stderr, done.stderr
    done = pair.command("cutover", pair.name, 2, "--reason", "test", "--emit-difference", "--dry-run", status=78)
    assert 'no table has the rows of sink "more"' in done.stderr, done.stderr
    pair.command("cutover", pair.name, 2, "--reason", "test")
    expect(pair.difference(2), None)
    pair.workers[1].process.stop(60)
    time.sleep(12)  # until it counts as absent
    done = pair.command("rollback", pair.name, "--emit-difference", status=None)
    assert done.returncode and "generation 1" in done.stderr, done.stderr
    pair.workers[2].process.stop(60)


def test_damage():
    "bytes that flipped on a generation's disk are told as the checksum error that it is; there is no report of it"
    pair = Pair(CHANGED)
    pair.start()

    def saved():  # at first it has no state, and who asks is told so
        done = kappa("table", "scan", "totals", "--state-dir", pair.state, "--generation", 2, "-o", "jsonl",
                     status=None, timeout_s=90)
        return done.stdout.count("\n") == KEYS

    until(saved, "generation 2 has saved all keys", 90)
    folder = os.path.join(pair.state, pair.name, "2", "0")
    file = max((os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".sst")), key=os.path.getsize)
    with open(file, "r+b") as rotten:
        for tenth in range(1, 9):  # only a part of it is rows of the table, the rest is the aggregate's
            at = os.path.getsize(file) * tenth // 10
            rotten.seek(at)
            byte = rotten.read(1)[0]
            rotten.seek(at)
            rotten.write(bytes([byte ^ 1]))
    for form in ("table", "json"):
        done = pair.command("parity", pair.name, 1, 2, "--state-dir", pair.state, "-o", form, "--timeout", "20s",
                            status=None)
        said = done.stderr
        if done.returncode == 75:  # generation 2 met them first, when it compacted, and stopped
            assert "generation 2 has not come to the mark" in said, said
            expect(pair.workers[2].process.wait(65, 30), 65)
            said = pair.workers[2].process.stderr
        else:
            expect(done.returncode, 65, said)
        assert "checksum mismatch" in said and os.path.basename(file) in said, said
        expect(done.stdout, "")
    expect(json.loads(pair.command("replay", "status", pair.name, "-o", "json").stdout)["reports"], [])
    left = [os.path.join(folder, file) for place in (".reports", ".marks")
            for folder, _, files in os.walk(os.path.join(pair.state, place)) for file in files
            if not file.startswith("asked.")]
    expect(left, [], "what is left of the report and of the copies")
    refused = pair.command("cutover", pair.name, 2, status=78)
    assert "nobody has compared generations 1 and 2" in refused.stderr, refused.stderr
    for worker in pair.workers.values():
        if worker.process.running():
            worker.process.stop(60)


run_cases(globals())
