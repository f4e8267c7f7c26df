#!/usr/bin/env python3
# timeout: 180
"""Bounded replays: jobs over a part of the log, beside the pipeline. What a job computes over the whole log is what
the pipeline computed live, kills or not; over a part of it, what a job over just these records computes."""
import csv
import signal

from proof import *

EVENTS = sized(30_000, 2_000_000)
PARTITIONS = 3

# The last n of each k, whichever partition it came from: only an order by event time gives it twice alike.
LAST = EVENT + """source { name: "in" kafka { topic: "${NAME}" } format { json {} } schema: "Event"
         time { expr: "ts" max_ahead: "365d" } }
table { name: "last" input: "in" key: "k" }
"""


def job(graph, name, into, *options, **more):
    done = kappa("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--into", into, "-o", "json",
                 *options, timeout_s=sized(60, 900), **more)
    return json.loads(done.stdout) if more.get("status", 0) == 0 else done


def window(document, partition):
    return [(w["from"], w["until"]) for w in document["windows"] if w["partition"] == partition][0]


def last_rows(folder):
    lines = kappa("table", "scan", "last", "--state-dir", folder, "-o", "jsonl").stdout.splitlines()
    return {row["k"]: row["n"] for row in map(json.loads, lines)}


def test_replay_is_live():
    "a job over the whole log gives bit for bit the tables that the pipeline has, after kills, and so does one by one"
    rng, name, graph = seeded("replay_is_live"), unique("live"), graph_file()
    make_topics(kafka, name, PARTITIONS)
    arguments = ("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--session-timeout", "2s")
    states = [scratch("live"), scratch("live")]
    workers = [Worker(*arguments, "--state-dir", state) for state in states]
    feed = Feed(kafka, f"{name}.in", events(EVENTS, rng), EVENTS, EVENTS)
    for worker in workers:
        worker.start()
    for number, share in enumerate((0.2, 0.5, 0.8)):
        feed.allow(share)
        until(lambda: feed.sent >= int(EVENTS * share), "events are sent", sized(60, 600))
        workers[number % 2].kill()
        workers[number % 2].start()
    feed.finish()
    for worker in workers:
        worker.kill()
    kappa(*arguments, "--state-dir", states[0], "--once", timeout_s=sized(60, 900))
    whole, slow = scratch("job"), scratch("job")
    document = job(graph, name, whole)
    expect({t["table"] for t in document["tables"]}, set(TABLES))
    assert document["rows"] > 100, document
    same = json.loads(kappa("parity", states[0], whole, "-o", "json", timeout_s=300).stdout)
    expect((same["equal"], same["same_position"], len(same["tables"])), (True, True, len(TABLES)))
    digests = json.loads(kappa("table", "digest", "--state-dir", whole, "-o", "json").stdout)
    expect((digests["rows"], digests["digest"]), (document["rows"], document["digest"]))
    # Another cut into batches and commits, and little memory.
    expect(job(graph, name, slow, "--memory", "64MiB", "--shards", "1")["digest"], document["digest"])
    say(f"{EVENTS} events, {document['rows']} rows, digest {document['digest'][:16]}")


def test_a_part_of_the_log():
    "offsets, times and words cut the log where they say; what lies outside is not read"
    name, graph = unique("part"), write("last.textproto", LAST)
    kafka.create(name, partitions=2)
    began = BEGIN_MS
    kafka.produce(name, [{"partition": p, "timestamp": began + i * 1000,
                          "value": json.dumps({"k": f"{p}-{i % 5}", "n": i, "ts": began + i * 1000})}
                         for i in range(100) for p in range(2)])
    offsets = os.path.join(scratch("offsets"), "from.csv")
    with open(offsets, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([(name, 0, 40), (name, 1, 90)])
    got = job(graph, name, (into := scratch("job")), "--from", offsets)
    expect((window(got, 0), window(got, 1)), ((40, 100), (90, 100)))
    expect(last_rows(into), {f"{p}-{i % 5}": i for p in range(2) for i in range(95, 100)})
    got = job(graph, name, (into := scratch("job")), "--from", "2026-01-01T00:00:10Z", "--until",
              "2026-01-01T00:00:12.5Z")
    expect((window(got, 0), window(got, 1)), ((10, 13), (10, 13)))
    expect(last_rows(into), {f"{p}-{i % 5}": i for p in range(2) for i in (10, 11, 12)})
    expect(job(graph, name, scratch("job"), "--from", "latest")["rows"], 0)
    expect(job(graph, name, scratch("job"), "--from", "PT1H")["rows"], 0)
    kafka.delete_records(name, 0, 50)
    done = job(graph, name, scratch("job"), "--from", offsets, status=65)
    assert f"topic {name}, partition 0: --from is offset 40, but the log begins at 50; offsets 40 to 49 are lost" in \
        done.stderr, done.stderr
    with open(offsets, "w", encoding="utf-8") as file:
        file.write(f"{name},0,60\n")
    assert f"topic {name}, partition 1: --from has no offset for it" in \
        job(graph, name, scratch("job"), "--from", offsets, status=78).stderr
    with open(offsets, "w", encoding="utf-8") as file:
        file.write(f"topic,partition,offset\n{name},0,60\n{name},1,101\n")
    assert "--until is offset 101, but the log ends at 100" in \
        job(graph, name, scratch("job"), "--until", offsets, status=78).stderr
    assert f"--from is offset 100, behind --until, offset 60" in \
        job(graph, name, scratch("job"), "--from", "latest", "--until",
            write("until.csv", f"{name},0,60\n{name},1,60\n"), status=78).stderr


def test_by_event_time():
    "inputs are merged by event time, then input, then offset, so that a job gives the same result every time"
    rng, name, graph = seeded("by_event_time"), unique("order"), write("last.textproto", LAST)
    kafka.create(name, partitions=4)
    records = [{"partition": rng.randrange(4), "k": f"k{rng.randrange(20)}", "n": n,
                "ts": BEGIN_MS + rng.randrange(2000)} for n in range(5000)]
    kafka.produce(name, [{"partition": r["partition"], "value": json.dumps({f: r[f] for f in ("k", "n", "ts")})}
                         for r in records])
    # The definition, word for word: of the partitions' next records, the one with the least time, then partition.
    queues = [[r for r in records if r["partition"] == p] for p in range(4)]
    want = {}
    while any(queues):
        p = min((q[0]["ts"], i) for i, q in enumerate(queues) if q)[1]
        record = queues[p].pop(0)
        want[record["k"]] = record["n"]
    digests = set()
    for options in ((), ("--memory", "64MiB"), ("--rate", "20000")):
        digests.add(job(graph, name, (into := scratch("job")), *options)["digest"])
        expect(last_rows(into), want)
    expect(len(digests), 1)


def test_beside_the_pipeline():
    "a job makes no topic, joins no group, writes to no output; a rate holds it back, and it ends by itself"
    name, graph = unique("beside"), graph_file()
    make_topics(kafka, name, 2)
    kafka.produce(f"{name}.in", [json.loads(line) for line in events(3000, random.Random(1))])
    before = {topic: n for topic, n in kafka.topics().items() if topic.startswith(name)}
    began = time.monotonic()
    job(graph, name, scratch("job"), "--rate", "1000")
    took = time.monotonic() - began
    assert 2.5 < took < 8, f"3000 records at 1000 a second took {took:.1f} s"
    expect({topic: n for topic, n in kafka.topics().items() if topic.startswith(name)}, before)
    expect([len(kafka.consume(f"{name}.{output}")) for output in OUTPUTS], [0] * len(OUTPUTS))


def test_interrupted():
    "a job that was killed is begun again by the same command; another one, or a complete one, is refused"
    name, graph, into = unique("killed"), graph_file(), scratch("job")
    make_topics(kafka, name, 2)
    kafka.produce(f"{name}.in", [json.loads(line) for line in events(4000, random.Random(2))])
    words = ("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--into", into)
    process = Kappa(*words, "--rate", "500")
    until(lambda: os.path.isdir(os.path.join(into, name, "batch", "0")), "the job has begun")
    done = kappa(*words, status=69)
    assert f"another process is at work in {into}" in done.stderr, done.stderr
    process.kill()
    assert f'{into} belongs to another job: it has "until latest", this one is "until 1h"' in \
        kappa(*words, "--until", "1h", status=78).stderr
    result = json.loads(kappa(*words, "-o", "json").stdout)
    expect(result["digest"], job(graph, name, scratch("job"))["digest"])
    assert f"{into} holds the complete result of this job" in kappa(*words, status=78).stderr
    write_into = scratch("other")
    with open(os.path.join(write_into, "precious"), "w", encoding="utf-8") as file:
        file.write("mine")
    done = kappa(*words[:-1], write_into, status=78)
    assert "is not empty, and no job made what is in it" in done.stderr, done.stderr
    # Asked to stop, it says that there is no result.
    process = Kappa(*words[:-1], (stopped := scratch("job")), "--rate", "500")
    until(lambda: os.path.isdir(os.path.join(stopped, name, "batch", "0")), "the job has begun")
    process.signal(signal.SIGTERM)
    process.wait(1, 30)
    assert f"{stopped} holds no result" in process.stderr, process.stderr


def test_wrong_use():
    "options that belong together are asked for, those that do not are refused, and a place that is none says so"
    graph = graph_file()
    for words, what in ((("--from", "earliest"), "--from goes with --into DIR"),
                        (("--rate", "5"), "--rate goes with --into DIR"),
                        (("--into", "x", "--once"), "--once makes no sense with --into"),
                        (("--into", "x", "--state-dir", "y"), "--state-dir makes no sense with --into")):
        done = kappa("run", graph, "--set", "NAME=x", *words, status=64)
        assert what in done.stderr, done.stderr
    name = unique("wrong")
    make_topics(kafka, name, 1)
    done = job(graph, name, scratch("job"), "--from", "yesterday", status=64)
    assert '"yesterday" is neither a place in the log nor a file' in done.stderr, done.stderr
    done = job(graph, unique("absent"), scratch("job"), status=1)
    assert "source \"events\"" in done.stderr, done.stderr


run_cases(globals())
