#!/usr/bin/env python3
# timeout: 240
"""What people get for bad input and a bad world: a message that names the thing, within seconds, an exit status that
says what kind it is, and a state that is never wiped. What passes by itself is waited for."""
import hashlib
import socket
import subprocess
import threading

from proof import *

GRAPH = """
name: "NAME"
schema { name: "Click" field: "who string not null" field: "n int64" }
source { name: "clicks" kafka { topic: "NAME.in" } format { json {} } schema: "Click" }
node { name: "real" input: "clicks" filter { where: "n >= 0" } }
node { name: "by_who" input: "real" aggregate { group_by: "who" select: "count(*) AS clicks"
       select: "sum(n) AS total" } }
table { name: "clicks_by_who" input: "by_who" key: "who" }
sink { name: "out" input: "by_who" kafka { topic: "NAME.out" partitions: 1 } format { json {} } key: "who" }
"""


class Pipeline:
    """A graph of a name of its own, and how to run it."""

    def __init__(self, cluster, partitions=1, make=True, **config):
        self.cluster, self.name = cluster, unique("refusal")
        self.graph = write("graph.textproto", GRAPH.replace("NAME", self.name))
        self.topic, self.state_dir = f"{self.name}.in", scratch("state")
        if make:
            cluster.create(self.topic, partitions, **config)

    def line(self, *more, brokers=None, graph=None, state_dir=None):
        return ["run", graph or self.graph, "--brokers", brokers or self.cluster.brokers, "--state-dir",
                state_dir or self.state_dir, "--memory", "64MiB", "--session-timeout", "2s", *more]

    def click(self, count, who=7, partition=0, large=False):
        return self.cluster.produce(self.topic, [{"value": {"who": large_name(i % who) if large else f"w{i % who}",
                                                            "n": i}, "partition": partition} for i in range(count)])

    def once(self, status=0, **options):
        return kappa(*self.line("--once", **options), status=status, timeout_s=60)

    def table(self, state_dir=None):
        return {row["who"]: (row["clicks"], row["total"]) for row in map(json.loads, lines_of(
            [KAPPA_PROGRAM, "table", "scan", "clicks_by_who", "--state-dir", state_dir or self.state_dir, "-o",
             "jsonl"]))}


def large_name(number):
    """440 characters that do not compress well."""
    return "".join(hashlib.sha256(b"%d %d" % (number, part)).hexdigest()[:55] for part in range(8))


def clicks_of(rows):
    """What the table must hold after these (who, n)."""
    want = {}
    for who, n in rows:
        clicks, total = want.get(who, (0, 0))
        want[who] = (clicks + 1, total + n)
    return want


def says(done, *wanted):
    text = done.stderr if isinstance(done.stderr, str) else done.stderr()
    for word in wanted:
        assert word in text, f'"{word}" is not in what it said: {text[-600:]}'


def refused(pipeline, status, *wanted, within_s=10, **options):
    begin = time.monotonic()
    done = pipeline.once(status=status, **options)
    took = time.monotonic() - begin
    assert took < within_s, f"it took {took:.1f} s"
    says(done, *wanted)
    return done


def test_no_broker():
    "nobody listens, or somebody who is no Kafka: 69 within 10 s, naming the address and what shows more"
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    mute = f"127.0.0.1:{listener.getsockname()[1]}"

    def answer():
        while True:
            try:
                client, _ = listener.accept()
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                client.close()
            except OSError:
                return

    threading.Thread(target=answer, daemon=True).start()
    pipeline = Pipeline(kafka)
    begin = time.monotonic()
    runs = [(address, Kappa(*pipeline.line("--once", brokers=address, state_dir=scratch("state"))))
            for address in ("127.0.0.1:1", mute)]
    for address, run in runs:
        run.wait(69, 30)
        assert time.monotonic() - begin < 10, f"it took {time.monotonic() - begin:.1f} s"
        says(run, address, "doctor")
    listener.close()
    expect(f"{pipeline.name}.journal.0" in kafka.topics(), False, "a topic was made")


def test_topic_missing():
    "a source topic that does not exist: 69, named; nothing is made in Kafka or on disk"
    pipeline = Pipeline(kafka, make=False)
    refused(pipeline, 69, pipeline.topic)
    expect([t for t in kafka.topics() if t.startswith(pipeline.name)], [], "topics that were made")
    expect(os.listdir(pipeline.state_dir), [], "what is in the state directory")


def test_rights():
    "a wrong password, and a user without rights: 77 within 10 s, named; a run that worked waits for its broker"
    broker = Broker("--sasl")
    pipeline = Pipeline(broker.kafka)
    pipeline.click(50)
    with open(broker.file("sasl"), encoding="utf-8") as file:
        wrong = write("wrong.properties", file.read().replace("sasl.password=", "sasl.password=x"))
    for path in (wrong, broker.file("guest"), broker.file("sasl")):
        os.chmod(path, 0o600)
    sasl = re.search(r"bootstrap.servers=(\S+)", open(broker.file("sasl"), encoding="utf-8").read()).group(1)

    def line(path):
        return ["run", pipeline.graph, "--brokers", sasl, "--kafka-config", path, "--state-dir", scratch("state"),
                "--memory", "64MiB", "--once"]
    begin = time.monotonic()
    runs = [(Kappa(*line(wrong)), "uthentication"), (Kappa(*line(broker.file("guest"))), pipeline.topic)]
    for run, word in runs:
        run.wait(77, 30)
        assert time.monotonic() - begin < 10, f"it took {time.monotonic() - begin:.1f} s"
        says(run, word, sasl)
    kappa(*line(broker.file("sasl")))
    # The same broker, gone for a while.
    worker = Worker(*pipeline.line())
    worker.start()
    until(worker.leads, "it leads")
    expect(len(until(lambda: len(broker.kafka.consume(f"{pipeline.name}.out")) == 50 and [1], "the first fifty")), 1)
    broker.kill()
    time.sleep(5)
    worker.must_run()
    broker.up()
    pipeline.click(30)
    until(lambda: len(broker.kafka.consume(f"{pipeline.name}.out")) == 80, "it goes on", 60)
    worker.must_run()
    worker.process.stop()
    expect(pipeline.table(), clicks_of([(f"w{i % 7}", i) for n in (50, 30) for i in range(n)]), "the table")


def test_foreign_state():
    "a state of another graph, or of the same one before a change: 78, and says which; nothing is lost"
    pipeline, other = Pipeline(kafka), Pipeline(kafka)
    pipeline.click(20)
    pipeline.once()
    before = pipeline.table()
    with open(pipeline.graph, encoding="utf-8") as file:
        text = file.read()
    changed = write("graph.textproto", text.replace("n >= 0", "n >= 5"))
    refused(pipeline, 78, 'node "real"', graph=changed)
    gone = write("graph.textproto", text.replace('"by_who"', '"per_person"'))
    refused(pipeline, 78, '"by_who"', graph=gone)
    expect(pipeline.table(), before, "the table")
    os.rename(os.path.join(pipeline.state_dir, pipeline.name), os.path.join(other.state_dir, other.name))
    refused(other, 78, pipeline.name, other.name)
    os.rename(os.path.join(other.state_dir, other.name), os.path.join(pipeline.state_dir, pipeline.name))
    pipeline.click(5)
    pipeline.once()
    expect(pipeline.table(), clicks_of([(f"w{i % 7}", i) for n in (20, 5) for i in range(n)]), "the table afterwards")


def test_locked_state():
    "a state directory that another process uses: refused, and says by whom; the other goes on"
    pipeline = Pipeline(kafka)
    pipeline.click(20)
    worker = Worker(*pipeline.line())
    worker.start()
    until(worker.leads, "it leads")
    done = pipeline.once(status=None)
    assert done.returncode not in (0, 70), f"status {done.returncode}"
    says(done, "in use", str(worker.process.pid))
    pipeline.click(10)
    until(lambda: len(kafka.consume(f"{pipeline.name}.out")) == 30, "the first goes on")
    worker.process.stop()


def test_lost_range():
    "retention passed the position that the state needs: 65, naming topic, partition and the lost range"
    pipeline = Pipeline(kafka, partitions=2)
    pipeline.click(30, partition=1)
    pipeline.once()
    before = pipeline.table()
    pipeline.click(30, partition=1)
    kafka.delete_records(pipeline.topic, 1, 42)
    for _ in range(2):  # the second time, too
        refused(pipeline, 65, pipeline.topic, "partition 1", "30", "41")
    expect(pipeline.table(), before, "the table")


def test_recreated_topic():
    "a source that was deleted and made anew is noticed: before a start, shorter than before, and while it runs"
    for count in (40, 10):
        pipeline = Pipeline(kafka)
        pipeline.click(30)
        pipeline.once()
        kafka.delete(pipeline.topic)
        until(lambda: pipeline.topic not in kafka.topics(), "the topic goes")
        kafka.create(pipeline.topic)
        kafka.produce(pipeline.topic, [{"value": {"who": "new", "n": i}} for i in range(count)])
        refused(pipeline, 65, pipeline.topic, "partition 0")
    pipeline = Pipeline(kafka)
    pipeline.click(30)
    worker = Worker(*pipeline.line())
    worker.start()
    until(lambda: f"{pipeline.name}.out" in kafka.topics() and len(kafka.consume(f"{pipeline.name}.out")) == 30,
          "the first thirty")
    kafka.delete(pipeline.topic)
    until(lambda: pipeline.topic not in kafka.topics(), "the topic goes")
    kafka.create(pipeline.topic)
    kafka.produce(pipeline.topic, [{"value": {"who": "new", "n": i}} for i in range(40)])
    worker.process.wait(65, 30)
    says(worker.process, pipeline.topic)
    assert not any(json.loads(m.value)["who"] == "new" for m in kafka.consume(f"{pipeline.name}.out")), "it read on"


def test_tables_outlive_the_source():
    "a table that keeps rows longer than its source keeps records is told of at each start, unless exports are kept"
    word = "keeps rows longer than source topic"
    for config, more, told in [({"retention_ms": 3600000}, [], True), ({"retention_bytes": 1 << 30}, [], True),
                               ({"retention_ms": 3600000}, ["--snapshot-dir", scratch("snapshots")], False),
                               ({"retention_ms": -1}, [], False)]:
        pipeline = Pipeline(kafka, **config)
        done = kappa(*pipeline.line("--once", *more), timeout_s=60)
        expect(word in done.stderr, told)
        if told:
            says(done, '"clicks_by_who"', pipeline.topic, "--snapshot-dir")


def test_partitions_added():
    "partitions added to a source: refused at the next start, with the numbers; nothing is lost"
    pipeline = Pipeline(kafka, partitions=2)
    pipeline.click(20)
    pipeline.once()
    before = pipeline.table()
    kafka.add_partitions(pipeline.topic, 3)
    refused(pipeline, 78, "partitions", "2", "3")
    expect(pipeline.table(), before, "the table")


def test_wrong_topics():
    "a journal that would be deleted, or has two partitions; a source that both compacts and deletes: 78, named"
    pipeline = Pipeline(kafka)
    kafka.create(f"{pipeline.name}.journal.0", retention_ms=3600000)
    refused(pipeline, 78, f"{pipeline.name}.journal.0", "retention.ms", "3600000")
    pipeline = Pipeline(kafka)
    kafka.create(f"{pipeline.name}.journal.0", partitions=2, cleanup_policy="compact", retention_ms=-1)
    refused(pipeline, 78, f"{pipeline.name}.journal.0", "2 partitions", "cleanup.policy")
    pipeline = Pipeline(kafka, cleanup_policy="compact,delete")
    refused(pipeline, 78, pipeline.topic, "compact")
    expect([t for t in kafka.topics() if t.startswith(f"{pipeline.name}.") and t != pipeline.topic], [],
           "topics that were made")


def test_compacted_source():
    "the records of a compacted source vanish, yet an empty state directory follows to the same table"
    broker = Broker("--set", "log.cleaner.backoff.ms=200")
    pipeline = Pipeline(broker.kafka, cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio="0.001",
                        max_compaction_lag_ms=200, delete_retention_ms=100)
    worker = Worker(*pipeline.line())
    worker.start()  # it reads them before the cleaner comes
    until(worker.leads, "it leads")
    for at in range(0, 500, 100):
        broker.kafka.produce(pipeline.topic, [{"key": f"w{n % 5}", "value": {"who": f"w{n % 5}", "n": n}}
                                              for n in range(at, at + 100)])

    def clicks():
        return sum(clicks for clicks, _ in pipeline.table().values())
    until(lambda: clicks() >= 400, "the table counts them")
    worker.process.stop()
    before, total = pipeline.table(), clicks()

    def vanished():  # a new record closes the segment, so that the cleaner may touch it
        broker.kafka.produce(pipeline.topic, [{"key": "w0", "value": {"who": "w0", "n": -1}}])
        time.sleep(0.3)
        return len(broker.kafka.consume(pipeline.topic)) < 200
    until(vanished, "the cleaner removes records", 60)
    left = [json.loads(m.value)["n"] for m in broker.kafka.consume(pipeline.topic)]
    fresh = Worker(*pipeline.line(state_dir=scratch("state")))
    fresh.start()
    directory = fresh.arguments[fresh.arguments.index("--state-dir") + 1]
    until(fresh.leads, "an empty directory leads")
    fresh.process.stop()
    after = pipeline.table(directory)
    # What came since counts nowhere: "real" keeps n >= 0.
    expect(after, before, "the table in an empty directory")
    say(f"{total} records counted; of those {sum(n >= 0 for n in left)} are left in the source")


def test_disk_full():
    "no room on the disk: it stops reading, keeps what it has, and goes on by itself when there is room"
    pipeline = Pipeline(kafka)
    folder = pipeline.state_dir
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)

    class Mount:
        def close(self):
            subprocess.run(["umount", "-l", folder], check=False)
    own(Mount())
    ballast = os.path.join(folder, "ballast")
    with open(ballast, "wb") as file:
        file.write(b"x" * (40 << 20))
    worker = Worker(*pipeline.line("--checkpoint-interval", "200ms"))
    worker.start()
    until(worker.leads, "it leads")
    rounds, keys = 3, 20000
    for _ in range(rounds):
        pipeline.click(keys, who=keys, large=True)

    def figures():
        return (shard_figures(worker.stats) or [[{}]])[-1][0]
    def rests():
        """A compaction may still make some room; in the end nothing moves any more."""
        before = figures()
        time.sleep(3)
        worker.must_run()
        after = figures()
        return before.get("stalled") and after["stalled"] and before["records"] == after["records"] and after
    later = until(rests, "it says that there is no room, and reads no more", 60)
    assert later["records"] < rounds * keys, "it had read everything before the disk was full"
    assert later["trouble"], "it does not say why"
    say(f"after {later['records']} of {rounds * keys} records: {later['trouble']}")
    os.remove(ballast)
    try:
        until(lambda: figures().get("lag") == 0 and not figures()["stalled"], "it goes on", 60)
    finally:
        say(f"then: {figures()}")
    worker.process.stop()
    want = clicks_of([(large_name(i), i) for _ in range(rounds) for i in range(keys)])
    got = pipeline.table()
    expect(len(got), keys, "rows")
    assert got == want, "the table is not what was sent"


run_cases(globals())
