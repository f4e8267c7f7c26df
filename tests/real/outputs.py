#!/usr/bin/env python3
# timeout: 180
"""A replay whose outputs go to topics with a suffix: under load, with kills of whoever writes them, they are what the
live generation writes, each once; after the cutover the generation writes to the real topics and no more to these; an
abort removes them, and nothing else. The second graph has one more node and table, which change nothing that comes
out."""
from proof import *

OPTIONS = ["--session-timeout", "2s", "--memory", "96MiB", "--commit-interval", "50ms",
           "--checkpoint-interval", "500ms"]
CHANGED = GRAPH + '''node { name: "negative" input: "events" filter { where: "amount < 0" } }
table { name: "negatives" input: "negative" key: "who" key: "n" }
'''
KEYED = ["closed", "liked", "changes"]


def messages(topic):
    return [(m.partition, m.key, m.value) for m in kafka.consume(topic, timeout_s=120)]


def same(name, outputs):
    """The same messages, each key's in the same order (between keys of different shards there is none); messages
    without a key in any order, in any partition."""
    for output in outputs:
        real, new = messages(f"{name}.{output}"), messages(f"{name}.{output}.new")
        if output in KEYED:
            real.sort(key=lambda m: (m[0], m[1]))
            new.sort(key=lambda m: (m[0], m[1]))
        else:
            real, new = sorted(repr(m[1:]) for m in real), sorted(repr(m[1:]) for m in new)
        if real != new:
            return f"{output}: {len(real)} and {len(new)} messages"
    return ""


def expect_same(name, outputs):
    end = time.monotonic() + 60
    while (differs := same(name, outputs)) and time.monotonic() < end:
        time.sleep(0.5)
    expect(differs, "")


def exactly_once(shards, partitions, total, rounds):
    rng, name, state = seeded(f"{shards} shards"), unique("suffix"), scratch("state")
    make_topics(kafka, name, partitions)
    graphs = [write("one.textproto", GRAPH), write("two.textproto", CHANGED)]
    common = ["--brokers", kafka.brokers, "--set", f"NAME={name}", "--shards", shards, *OPTIONS]
    live = Worker("run", graphs[0], "--generation", "1", "--state-dir", state, *common)
    hosts = [Worker("replay", "start", graphs[1], "--output-suffix", ".new", "--state-dir", folder, *common)
             for folder in (state, scratch("other"))]
    feed = Feed(kafka, f"{name}.in", events(total, rng), total, total / (rounds * 3 + 10))
    feed.allow(1)
    live.start()
    until(live.leads, "it leads", 60)
    hosts[0].start()

    def made():
        hosts[0].must_run()
        return {f"{name}.{o}.new" for o in OUTPUTS} <= set(kafka.topics())

    until(made, "the topics of its outputs are made")
    hosts[1].start()
    expect(kafka.topics()[f"{name}.changes.new"], 3, "partitions, as the real topic has")
    for _ in range(rounds):
        time.sleep(rng.uniform(1, 3))
        host = rng.choice(hosts)
        host.kill()
        time.sleep(rng.uniform(0, 1))
        host.start()
    feed.finish()
    everything = [*OUTPUTS, "dead-letters"]
    expect_same(name, everything)
    counts = {o: len(messages(f"{name}.{o}")) for o in everything}
    assert all(n > 20 for n in counts.values()), counts
    say(f"{rounds} kills; messages: {counts}")
    return rng, name, state, graphs, common, live, hosts


def command(*words, status=0):
    return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=90)


def test_one_shard():
    "one shard: exactly once; after the cutover to the real topics; the abort removes the topics, and no others"
    total = sized(20_000, 500_000)
    rng, name, state, graphs, common, live, hosts = exactly_once(1, 3, total, sized(4, 60))
    before = {o: sorted(map(repr, messages(f"{name}.{o}.new"))) for o in OUTPUTS}
    until(lambda: command("replay", "status", name, "--in-step", 2, status=None).returncode == 0, "in step", 60)
    command("cutover", name, 2, "--reason", "test")
    kafka.produce(f"{name}.in", [json.loads(line) for line in events(2000, rng)])

    def made_by_two():
        return any(dict(m.headers)["kappa"].startswith("2/") for m in kafka.consume(f"{name}.changes"))

    until(made_by_two, "generation 2 writes to the real topics", 60)
    for output in OUTPUTS:
        assert sorted(map(repr, messages(f"{name}.{output}.new"))) == before[output], f"{output}.new has changed"
    command("rollback", name)
    topics = set(kafka.topics())
    gone = {topic for topic in topics if topic.startswith(name) and topic.endswith(".new")} | {f"{name}.outputs.2"}
    would = command("replay", "abort", name, 2, "--dry-run").stdout
    expect({line for line in would.splitlines() if line in topics}, gone)
    command("replay", "abort", name, 2)
    for host in hosts:
        host.process.wait(timeout_s=60)
    until(lambda: not gone & set(kafka.topics()), "the topics are gone", 60)
    expect(topics - set(kafka.topics()), gone)
    live.must_run()


def test_three_shards():
    "three shards: the same"
    _, name, _, _, _, _, hosts = exactly_once(3, 6, sized(20_000, 500_000), sized(3, 60))
    # Nobody hosts it any more: then the command itself removes them, and says so.
    for host in hosts:
        host.kill()
    time.sleep(11)
    removed = command("replay", "abort", name, 2).stdout.splitlines()
    assert f"{name}.changes.new" in removed and f"{name}.outputs.2" in removed, removed
    until(lambda: not [t for t in kafka.topics() if t.startswith(name) and t.endswith(".new")], "they are gone", 30)


def test_refused():
    "a topic that is there already, another generation's suffix, a suffix that is none, another suffix later"
    name, state = unique("refused"), scratch("state")
    make_topics(kafka, name, 1)
    graphs = [write("one.textproto", GRAPH), write("two.textproto", CHANGED)]
    common = ["--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state]
    kafka.produce(f"{name}.in", [json.loads(line) for line in events(100, random.Random(3))])
    kappa("run", graphs[0], *common, "--once")
    kafka.create(f"{name}.late.old")

    def start(suffix, *more, status):
        return kappa("replay", "start", graphs[1], *common, "--output-suffix", suffix, *more, status=status)

    assert f"topic {name}.late.old is there already; choose another suffix" in start(".old", status=78).stderr
    assert "is not 1 to 63 letters, digits" in start("a/b", status=64).stderr
    shown = start(".new", "--dry-run", status=0).stdout
    assert f"topics for its outputs, until it leads:\n" in shown and f"\n{name}.changes.new\n" in shown, shown
    expect([t for t in kafka.topics() if t.startswith(name) and t.endswith(".new")], [])
    start(".new", "--once", status=0)
    assert 'generation 2 has this graph already, and writes its outputs with the suffix ".new"; --new makes another' \
        in start(".other", status=78).stderr
    assert '.new is there already; choose another suffix' in start(".new", "--new", status=78).stderr


run_cases(globals())
