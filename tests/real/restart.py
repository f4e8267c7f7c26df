#!/usr/bin/env python3
# timeout: 180
"""Coming back with much state: the source is cut below the last checkpoint, so that nothing can be computed again
from its beginning, and the worker is killed. It processes again within three seconds of the group handing the shard
over; so does a warm standby. The journal is trimmed of what nobody can follow any more, and of nothing else."""
import datetime
import subprocess
import threading

from proof import *

KEYS = sized(100_000, 1_000_000)
WITHIN_S = 3

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Hit" field: "id int64 not null" field: "v int64" }
source { name: "hits" kafka { topic: "${NAME}.in" } format { json {} } schema: "Hit" }
node { name: "by_id" input: "hits" aggregate { group_by: "id" select: "count(*) AS hits" select: "sum(v) AS total"
       select: "max(v) AS most" } }
node { name: "marks" input: "by_id" filter { where: "id < 0" } }
table { name: "hits_by_id" input: "by_id" key: "id" }
sink { name: "out" input: "marks" kafka { topic: "${NAME}.out" partitions: 1 } format { json {} } key: "id" }
"""
PARTITIONS = 2


class Setting:
    """A pipeline with KEYS keys of state behind a checkpoint, its source cut just below that checkpoint."""

    def __init__(self, rng):
        self.name, self.graph = unique("restart"), write("restart.textproto", GRAPH)
        self.rng, self.want, self.marks = rng, {}, 0
        kafka.create(f"{self.name}.in", partitions=PARTITIONS)
        self.feed(range(KEYS))
        self.workers = [self.worker()]
        self.workers[0].start()
        self.settled(self.workers[0])

    def worker(self):
        return Worker("run", self.graph, "--brokers", kafka.brokers, "--set", f"NAME={self.name}", "--state-dir",
                      scratch("state"), "--session-timeout", "2s", "--checkpoint-interval", "3s", "--log-level",
                      "debug", "--journal-trim-interval", "1s", "--journal-keep", "0s")

    def feed(self, ids):
        lines = []
        for id in ids:
            v = self.rng.randrange(1000)
            hits, total, most = self.want.get(id, (0, 0, 0))
            self.want[id] = (hits + 1, total + v, max(most, v))
            lines.append('{"value":{"id":%d,"v":%d},"partition":%d}' % (id, v, id % PARTITIONS))
        subprocess.run(kafka.command("produce", f"{self.name}.in"), input="\n".join(lines).encode() + b"\n",
                       check=True, stdout=subprocess.DEVNULL)

    def mark(self):
        """A record whose result is a message; how many there are."""
        self.marks += 1
        self.feed([-self.marks])
        return self.marks

    def seen(self):
        """How many marks came out."""
        return len(kafka.consume(f"{self.name}.out")) if f"{self.name}.out" in kafka.topics() else 0

    def settled(self, worker):
        """Everything is read and checkpointed."""
        until(lambda: [f for f in shard_figures(worker.stats)[-1:] if f[0].get("lag") == 0 and
                       f[0]["dirty_bytes"] == 0 and f[0]["checkpoints"]], "all is read and saved", sized(60, 300))

    def cut(self):
        """Everything below the checkpoint is gone from the source."""
        for partition in range(PARTITIONS):
            kafka.delete_records(f"{self.name}.in", partition, -1)

    def journal(self):
        return kafka.ends(f"{self.name}.journal.0")[0]

    def behind_the_checkpoint(self):
        """Some records more, seen in the results; the worker can hardly have saved them yet. How many."""
        self.feed(self.rng.randrange(KEYS) for _ in range(3000))
        wanted = self.mark()
        until(lambda: self.seen() >= wanted, "the mark comes out")
        return 3001

    def finish(self, worker):
        arguments = list(worker.arguments)
        arguments[arguments.index("--log-level") + 1] = "warn"
        kappa(*arguments, "--once", timeout_s=sized(60, 300))

    def must_be_right(self, worker):
        directory = worker.arguments[worker.arguments.index("--state-dir") + 1]
        got = {}
        for line in lines_of([KAPPA_PROGRAM, "table", "scan", "hits_by_id", "--state-dir", directory, "-o", "jsonl"]):
            row = json.loads(line)
            got[row["id"]] = (row["hits"], row["total"], row["most"])
        differ("rows", collections.Counter(got.items()), collections.Counter(self.want.items()))


def moment(worker, move):
    """When the worker's log said so, in seconds; None while it has not."""
    found = re.findall(r"^(\S+)Z debug shard: 0: " + re.escape(move), worker.process.stderr, re.M)
    if not found:
        return None
    return datetime.datetime.fromisoformat(found[-1]).replace(tzinfo=datetime.timezone.utc).timestamp()


class Next:
    """The moment when the next message comes to a topic."""

    def __init__(self, topic):
        self.at = None
        self._process = own(subprocess.Popen(kafka.command(
            "consume", topic, count=1, timeout=100000, **{"from": kafka.ends(topic)[0].stable}),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        self._process.close = self._process.kill
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        if self._process.stdout.readline():
            self.at = time.time()


def take_over(setting, worker, come, most):
    """The worker is given the shard, and the result of a record that waited comes in time."""
    handed = until(lambda: moment(worker, "standby -> taking over"), "the group hands over", 30)
    until(lambda: come.at, "it processes", 30)
    leads = moment(worker, "catching up -> leading")
    figures = until(lambda: [f[0] for f in shard_figures(worker.stats)[-1:] if f[0]["leaderships"]], "statistics")[0]
    say(f"{len(setting.want)} keys: leads {leads - handed:.3f} s after the group handed over, the first new result "
        f"came after {come.at - handed:.3f} s; {figures['followed_after_takeover']} records were followed since "
        f"the state was opened, all of them above its checkpoint: the source has nothing else ({most} came since)")
    assert come.at - handed < WITHIN_S, f"processing again only {come.at - handed:.2f} s after the hand-over"
    assert figures["followed_after_takeover"] <= most, "more was read again than there is"
    expect(figures["resets"], 0, "resets")


def test_restart():
    "kill -9 with much state and a source that is cut: processing again within 3 s, nothing wiped, every row right"
    setting = Setting(seeded("restart"))
    worker = setting.workers[0]
    expect(setting.journal().low, 0, "start of the journal while the source has everything")
    setting.cut()
    after = setting.behind_the_checkpoint()
    until(lambda: setting.mark() and setting.journal().low, "the journal is trimmed", 30)
    until(lambda: setting.seen() >= setting.marks, "the marks come out")
    say(f"the journal, which ends at {setting.journal().stable}, begins at {setting.journal().low}")
    after += setting.marks - 1
    worker.kill()
    come = Next(f"{setting.name}.out")
    setting.mark()
    worker.start()
    take_over(setting, worker, come, after)
    worker.process.stop()
    setting.must_be_right(worker)


def test_standby():
    "the same by a warm standby: it takes over from a leader that was killed, and its rows are right"
    setting = Setting(seeded("standby"))
    leader, standby = setting.workers[0], setting.worker()
    standby.start()
    until(lambda: moment(standby, "following -> standby"), "the standby is in step", sized(60, 300))
    setting.settled(standby)
    setting.cut()
    after = setting.behind_the_checkpoint()
    until(lambda: [f for f in shard_figures(standby.stats)[-1:] if f[0]["state"] == "standby" and
                   f[0]["records"] >= KEYS + after], "the standby has followed")
    leader.kill()
    come = Next(f"{setting.name}.out")
    setting.mark()
    take_over(setting, standby, come, KEYS + after)
    leader.start()  # now the standby: it must find its state as it was, and follow
    until(lambda: moment(leader, "following -> standby"), "the one that died is in step again")
    # Its coming moves the group, so whoever led may be following again just now: whoever stops, stops where it stands.
    for worker in (standby, leader):
        worker.process.stop()
    for worker in (standby, leader):
        setting.finish(worker)
        setting.must_be_right(worker)


run_cases(globals())
