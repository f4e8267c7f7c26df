#!/usr/bin/env python3
# timeout: 400
"""Replay = live: one pipeline of every operator, live under load with kills, zombies and a broker that restarts; then
the same journal followed in every way there is: each comes to the same tables, byte by byte, and the same outputs.

Each use is compared where the pipeline came to rest, at the end of its input and at half of it. A bounded replay merges
its inputs by event time: so what the plan calls journalled (a table whose last writer wins) is left out there, there is
one shard, and no source has `idle`, of which a job knows nothing. With the journal cut off at half, what may differ is
named before, word by word, and everything else has to be the same."""
import hashlib
import shutil

from mixed import *

# And what the others have not: a join with a table whose topic keeps everything, so that it is sorted also where the
# journal is cut off.
ALL = MIXED + """
source { name: "ratings" kafka { topic: "${NAME}.readings" partitioned_by: "who" } format { csv { delimiter: ";" } }
         schema: "Reading" key: "who" time { out_of_order: "4s" } }
node { name: "rated" input: "priced" input: "ratings" join { type: LEFT on: "priced.who = ratings.who"
       select: "priced.who" select: "priced.n" select: "ratings.level" } }
node { name: "ratios" input: "rated" aggregate { group_by: "who" select: "count(*) AS rows"
       select: "sum(level) AS level" select: "arg_max(n, level) AS best" } }
table { name: "ratios_by_user" input: "ratios" key: "who" }
sink { name: "rated_out" input: "rated" kafka { topic: "${NAME}.rated" } format { json {} } key: "who" }
"""
# A table whose rows come from several partitions; there can be none such with several shards.
LATEST = 'table { name: "latest_by_amount" input: "priced" key: "amount" }\n'
ALL_OUTPUTS = [*MIXED_OUTPUTS, "rated"]
ALL_TABLES = [*MIXED_TABLES, "ratios_by_user"]
JOURNALLED = {"latest_by_amount"}
COMPACTED = "topic NAME.users is compacted, and has not all that was"
LATEST_DIFFERS = ("table latest_by_amount", "it depends on the order of partitions, which only the journal knew")
DIFFERS = [("join homes", COMPACTED), ("join residents", COMPACTED),
           ("aggregate cities", 'its input "residents" may differ'),
           ("table cities_by_user", 'its input "cities" may differ'),
           LATEST_DIFFERS, ("kafka moved", 'its input "homes" may differ')]
# The same for a graph that is changed, so that a source may be idle: whatever waits for event time.
IDLE = ('time { out_of_order: "4s" } }', 'time { out_of_order: "4s" idle: "1s" } }', 1)
WAITS = 'it waits for event time, and source "readings" could be idle'
DIFFERS_IDLE = [("aggregate minutes", WAITS), ("aggregate hops", WAITS),
                ("aggregate favourites", 'its input "hops" may differ'), *DIFFERS[:3], ("aggregate levels", WAITS),
                ("join rated", WAITS), ("aggregate ratios", 'its input "rated" may differ'),
                ("table minutes_by_user", 'its input "minutes" may differ'),
                ("table favourite_by_user", 'its input "favourites" may differ'), DIFFERS[3],
                ("table levels_by_user", 'its input "levels" may differ'),
                ("table ratios_by_user", 'its input "ratios" may differ'), DIFFERS[4],
                ("kafka closed", 'its input "minutes" may differ'),
                ("kafka liked", 'its input "favourites" may differ'),
                DIFFERS[5], ("kafka levels_out", 'its input "levels" may differ'),
                ("kafka rated_out", 'its input "rated" may differ')]
DIFFERING_TABLES, DIFFERING_OUTPUTS = {"cities_by_user", "latest_by_amount"}, {"homes", "strangers"}


# --- what is compared

def show(state, *where, status=0):
    shown = kappa("state", "show", "--state-dir", state, *where, "-o", "json", status=status)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def tables_of(state, *where):
    """Of each table its rows, kappa's digest of it, and a hash of what a scan prints."""
    found, places = {}, ("--state-dir", state, *map(str, where))
    for table in json.loads(kappa("table", "digest", *places, "-o", "json", timeout_s=300).stdout)["tables"]:
        rows, printed = 0, hashlib.sha256()
        for line in lines_of([KAPPA_PROGRAM, "table", "scan", table["table"], *places, "-o", "jsonl"]):
            printed.update(line)
            rows += 1
        expect(rows, table["rows"], f"rows that a scan of {table['table']} shows")
        found[table["table"]] = (rows, table["digest"], printed.hexdigest())
    return found


def counts(shown):
    """Where a state stands, and what it has counted; without what only the journal gives it."""
    partitions = sorted((p["source"], p["partition"], p["next"], p["records"], p["latest_event"], p["watermark"])
                        for shard in shown["shards"] for p in shard["partitions"])
    counters = sorted((c["node"], c["in"], c["processed"], c["filtered"], c["late"], c["dropped"], c["dead_lettered"],
                       c["out"]) for c in shown["counters"])
    assert shown["sums_hold"]
    return partitions, [(shard["frontier"], shard["work_pending"]) for shard in shown["shards"]], counters


def standing_of(state, *where):
    return counts(show(state, *where))


def messages(cluster, topics):
    for line in lines_of(cluster.command("consume", *topics, timeout=300000)):
        m = json.loads(line)
        yield (m["topic"], m["partition"], m.get("key", m.get("key_base64")), m.get("value", m.get("value_base64")))


class Written:
    """What a topic holds: of each partition and of each key what was written, in order; and all of it, in any order."""

    def __init__(self, cluster, topic):
        self.cluster, self.topic, self.count, self.bag = cluster, topic, 0, 0
        self.keys, self.partitions = collections.defaultdict(bytes), collections.defaultdict(bytes)

    def add(self, partition, key, value):
        what = hashlib.sha256(repr((key, value)).encode()).digest()
        self.count += 1
        self.bag = (self.bag + int.from_bytes(what, "big")) % (1 << 256)
        self.partitions[partition] = hashlib.sha256(self.partitions[partition] + what).digest()
        self.keys[key] = hashlib.sha256(self.keys[key] + what).digest()

    def read(self):
        return collections.Counter((key, value) for _, _, key, value in messages(self.cluster, [self.topic]))

    def must_equal(self, other, ordered):
        """ordered: "partition" (all of it came in one order), "key" (only of each key), or None."""
        kept = {"partition": "partitions", "key": "keys", None: "bag"}[ordered]
        if self.count == other.count and getattr(self, kept) == getattr(other, kept):
            return
        differ(f"topic {self.topic}, compared with {other.topic}", self.read(), other.read())
        raise AssertionError(f"topic {self.topic} has the messages of {other.topic} in another order")


# --- live

class Seeing(Faults):
    """Keeps what the first one that dies leaves behind."""
    left = None

    def died(self, worker):
        if not self.left:
            self.left = scratch("left")
            shutil.copytree(worker.state, self.left, dirs_exist_ok=True)


class Live:
    """The pipeline, which came to rest at half of its input, and at the end of it."""

    def __init__(self, case, shards, partitions, total, plans):
        began, self.rng, self.shards = time.monotonic(), seeded(case), shards
        self.broker = Broker("--heap", "384m")
        self.kafka, self.name = self.broker.kafka, unique("uses")
        self.text = ALL + (LATEST if shards == 1 else "")
        self.graph = write("all.textproto", self.text)
        self.names = [*ALL_TABLES, *(JOURNALLED if shards == 1 else ())]
        self.common = ["--brokers", self.broker.address, "--set", f"NAME={self.name}", "--shards", shards]
        self.topics = [f"{self.name}.{topic}" for topic in ("in", *INPUTS)]
        self.journals = [f"{self.name}.journal.{shard}" for shard in range(shards)]
        make_all_topics(self.kafka, self.name, partitions)
        self.kafka.create(f"{self.name}.rated", partitions=3)
        workers = [self.worker() for _ in range(max(2, shards))]
        feed = Feed(self.kafka, f"{self.name}.in", all_events(total, self.rng, self.name), total,
                    total / (sum(sum(plan.values()) for plan in plans) * 2.5))
        for worker in workers:
            worker.start()
        self.under_faults(workers, plans[0], feed, 0.5)
        self.half = os.path.join(scratch("half"), "export")
        kappa("state", "export", self.half, "--state-dir", workers[0].state, timeout_s=300)
        self.middles = [self.kafka.ends(journal)[0].stable for journal in self.journals]
        self.left = self.under_faults(workers, plans[1], feed, 1)
        self.stop(workers)
        self.state = workers[0].state
        self.tables, self.standing = tables_of(self.state), standing_of(self.state)
        self.outputs = self.written()
        say(f"live: {time.monotonic() - began:.1f} s")

    def worker(self, *words, state=None):
        state = state or scratch("state")
        worker = Worker(*(words or ("run", self.graph)), *self.common, *OPTIONS, "--state-dir", state)
        worker.state = state
        return worker

    def under_faults(self, workers, plan, feed, share):
        """Up to this share of all events, all of which are read in the end. Whoever comes behind the last fault only
        follows, as long as who leads is well."""
        faults = Seeing(self.rng, self.broker, workers, plan, self.shards)
        faults.run(feed, self.name, share)
        say(f"up to {share:.0%}: {dict(faults.counts)}")
        if share == 1:
            self.standby = self.worker()
            self.standby.start()
            until(lambda: shard_figures(self.standby.stats), "the standby follows", 60)
            feed.finish()
        feed.allow(share)
        count = int(feed.total * share)
        until(lambda: sum(self.ends().values()) >= count, "all is sent", sized(60, 600))
        self.rest(workers)
        return faults.left

    def ends(self):
        """Of each partition of the sources. A broker that was just restarted may not know them yet."""
        try:
            return {(topic, p): e.stable for topic in self.topics for p, e in self.kafka.ends(topic).items()}
        except RuntimeError:
            return {}

    def rest(self, workers):
        """They have read all there is, and have nothing left to do."""
        ends = until(self.ends, "the broker knows the topics", 60)

        def rests():
            for worker in workers:
                worker.must_run()
            time.sleep(0.1)
            shown = [show(worker.state, status=None) for worker in workers]
            if not all(s and len(s["shards"]) == self.shards for s in shown):
                return False
            done = not any(shard["work_pending"] for s in shown for shard in s["shards"])
            return done and all(self.places(s) == ends for s in shown) and len({repr(counts(s)) for s in shown}) == 1

        until(rests, f"it has read all there is: {ends}", sized(60, 900))

    def places(self, shown):
        """Up to where a state has read each partition."""
        topics = {"events": "in", "ratings": "readings"}
        return {(f"{self.name}.{topics.get(p['source'], p['source'])}", p["partition"]): p["next"]
                for shard in shown["shards"] for p in shard["partitions"]}

    def stop(self, workers):
        """Those who follow first, so that nobody takes over from who stops."""
        self.rest([self.standby, *workers])
        led = [shard["state"] for shards in shard_figures(self.standby.stats) for shard in shards
               if shard["state"] in ("leading", "catching up")]
        expect(led, [], "what the standby did besides following")
        for worker in sorted((self.standby, *workers), key=lambda worker: worker.leads()):
            worker.must_run()
            worker.process.stop(60)

    def written(self, suffix=""):
        """By output; the topics have this suffix."""
        names = {f"{self.name}.{output}{suffix}": output for output in (*ALL_OUTPUTS, "dead-letters")}
        found = {output: Written(self.kafka, topic) for topic, output in names.items()}
        for topic, *message in messages(self.kafka, names):
            found[names[topic]].add(*message)
        return found

    def once(self, *words, state):
        kappa(*words, *self.common, *OPTIONS, "--state-dir", state, "--once", timeout_s=sized(90, 900))


# --- the uses: each comes to a state, or to several, at the end or at half, by a way of its own

def recovery(live):
    """What the first one that died left behind goes on from its last checkpoint."""
    live.once("run", live.graph, state=live.left)
    yield "what a kill left", live.left


def standby(live):
    yield "who only followed", live.standby.state


def replay(live):
    """A new generation along the whole journal, computed anew; it makes the outputs once more, elsewhere."""
    live.once("replay", "start", live.graph, "--new", "--full", "--output-suffix", ".again", state=live.state)
    yield "generation 2", live.state, "--generation", 2
    again = live.written(".again")
    for output, written in again.items():
        ordered = "partition" if live.shards == 1 else "key"
        written.must_equal(live.outputs[output], ordered if output in KEYED else None)
    # Both at work, compared at a mark.
    hosts = [live.worker(state=live.state),
             live.worker("replay", "start", live.graph, "--generation", "2", state=live.state)]
    for host in hosts:
        host.start()
    until(lambda: kappa("replay", "status", live.name, "--brokers", live.broker.address, "--in-step", 2,
                        status=None).returncode == 0, "generation 2 is in step", 60)
    said = kappa("parity", live.name, 1, 2, "--state-dir", live.state, "--brokers", live.broker.address,
                 timeout_s=300).stdout
    assert "report 1: generations 1 and 2 are equal\n" in said, said
    expect(len(re.findall(": equal, ", said)), len(live.names), "tables that parity compared")
    for host in reversed(hosts):
        host.must_run()
        host.process.stop(60)


def rebuild(live):
    """A state that is lost is made anew from the journal's start."""
    anew = scratch("anew")
    live.once("run", live.graph, "--rebuild", state=anew)
    yield "rebuilt", anew


def capsule(live):
    """In files, with no broker: from the journal's start, and from half."""
    for what, words in (("a whole capsule", ()), ("a capsule from half", ("--from", live.half))):
        path, into = os.path.join(scratch("capsule"), "c"), scratch("into")
        kappa("capsule", "create", path, "--state-dir", live.state, "--generation", 1, "--brokers",
              live.broker.address, *words, timeout_s=sized(90, 900))
        got = json.loads(kappa("capsule", "run", path, "--into", into, "-o", "json", timeout_s=sized(90, 900),
                               env={"KAPPA_BROKERS": "127.0.0.1:1"}).stdout)
        expect((got["equal"], len(got["tables"])), (True, len(live.names)), what)
        yield what, into


def bounded(live):
    """Jobs over the whole log, and over the first half."""
    half = write("half.csv", "".join(f"{topic},{partition},{max(0, offset)}\n"
                                     for (topic, partition), offset in live.places(show(live.half)).items()))
    for what, words in (("a job", ()), ("a job over the first half", ("--until", half))):
        into = scratch("job")
        kappa("run", live.graph, *live.common, "--into", into, *words, timeout_s=sized(90, 900))
        yield what, into


def cut(live):
    """With the journal cut off at half, and what lies before it merged as history. What may differ is named before."""
    for journal, middle in zip(live.journals, live.middles):
        live.kafka.delete_records(journal, 0, middle)
    for graph, differing in ((live.graph, DIFFERS), (write("idle.textproto", live.text.replace(*IDLE)), DIFFERS_IDLE)):
        shown = kappa("replay", "start", graph, "--new", "--dry-run", "--state-dir", live.state, *live.common).stdout
        assert f'would follow the journals of "{live.name}", with history before them\n' in shown, shown
        begins = re.findall(r"^begins   behind offset (\d+) of topic (.*)$", shown, re.M)
        expect([topic for _, topic in begins], live.journals, "journals that begin later")
        assert all(int(begin) >= middle for (begin, _), middle in zip(begins, live.middles)), shown
        differs = re.findall(r"^differs  (.*), perhaps: (.*)$", shown, re.M)
        expect(differs, [(node, why.replace("NAME", live.name)) for node, why in differing
                         if live.shards == 1 or (node, why) != LATEST_DIFFERS], "what is said to differ")
    live.once("replay", "start", live.graph, "--new", "--output-suffix", ".cut", state=live.state)
    yield "history and half of the journal", live.state, "--generation", 3
    after = live.written(".cut")
    for output in sorted(after.keys() - DIFFERING_OUTPUTS):
        after[output].must_equal(live.outputs[output], "key" if output in KEYED else None)


def must_have_all_operators(graph):
    known = json.loads(kappa("operators", "-o", "json").stdout)["operators"]
    used = re.findall(r"^(\w+) \w+$", kappa("plan", graph, "--set", "NAME=x").stdout, re.M)
    expect({o["name"] for o in known} - set(used), set(), "operators that the pipeline lacks")


USES = [recovery, standby, replay, rebuild, capsule, bounded, cut]
KEYED = {"closed", "liked", "changes", "homes", "levels", "rated"}


def all_come_to_the_same(live, uses):
    half = tables_of(live.half), standing_of(live.half)
    counted = {output: written.count for output, written in live.outputs.items()}
    say(f"messages: {counted}")
    for what, count in (*counted.items(), *((name, table[0]) for name, table in live.tables.items())):
        assert count > 10, f"hardly anything in {what}: {count}"
    for use in uses:
        began = time.monotonic()
        for what, *where in use(live):
            tables, standing = half if "first half" in what else (live.tables, live.standing)
            got = tables_of(*where)
            expect(got.keys(), set(live.names), what)
            without = {bounded: JOURNALLED, cut: DIFFERING_TABLES}.get(use, set())
            expect({name: table for name, table in got.items() if name not in without},
                   {name: table for name, table in tables.items() if name not in without}, what)
            expect(standing_of(*where), standing, what)
            indeed = sorted(name for name in without & got.keys() if got[name] != tables[name])
            say(f"{what}: {sum(table[0] for table in got.values())} rows" +
                (f"; of those that may differ, these do: {indeed}" if without else ""))
        say(f"{use.__name__}: {time.monotonic() - began:.1f} s")
    for output, written in live.written().items():
        written.must_equal(live.outputs[output], "partition")


def test_one_shard():
    "one shard: replay, recovery, standby, rebuild, capsule and bounded replay come to the tables and outputs of live"
    most = {"kill": 50, "stop": 10, "restart": 2}
    live = Live("one shard", 1, 3, sized(10_000, 2_000_000),
                sized(({"restart": 1}, {"kill": 1, "stop": 1}), (most, most)))
    must_have_all_operators(live.graph)
    all_come_to_the_same(live, USES)


if FULL:
    def test_three_shards():
        "three shards: the same, but for bounded replays"
        most = {"kill": 15, "stop": 4, "restart": 1}
        live = Live("three shards", 3, 6, 300_000, (most, most))
        all_come_to_the_same(live, [use for use in USES if use is not bounded])


run_cases(globals())
