#!/usr/bin/env python3
# timeout: 120
"""kappa run --rebuild: a state that is lost comes back as it was, from the journal's start or an export, or the way
there is refused with the exact offsets that are gone."""
import shutil

from proof import *

EVENTS = 6000


class Setting:
    """A pipeline with two goes of events behind it, an export from between them, and a copy of its state."""

    def __init__(self, case):
        self.rng, self.name, self.graph, self.state = seeded(case), unique("rebuild"), graph_file(), scratch("state")
        make_topics(kafka, self.name, 2)
        self.lines = events(2 * EVENTS, self.rng)
        self.feed()
        self.run(self.state)
        self.kept = os.path.join(scratch("export"), "kept")
        kappa("state", "export", self.kept, "--state-dir", self.state)
        self.between = [ends.stable for _, ends in sorted(kafka.ends(f"{self.name}.in").items())]
        self.feed()
        self.run(self.state)

    def feed(self):
        kafka.produce(f"{self.name}.in", [json.loads(next(self.lines)) for _ in range(EVENTS)])

    def run(self, state, *words, status=0):
        return kappa("run", self.graph, "--set", f"NAME={self.name}", "--brokers", kafka.brokers, "--state-dir", state,
                     "--once", *words, status=status)

    def must_equal(self, state):
        same = json.loads(kappa("parity", self.state, state, "-o", "json").stdout)
        expect((same["equal"], same["same_position"], len(same["tables"])), (True, True, len(TABLES)))


def test_from_the_start():
    "a lost state is made anew from the journal's start, byte for byte, at the same place, and goes on leading"
    s = Setting("from_the_start")
    shutil.copytree(s.state, os.path.join(lost := scratch("lost"), "old"))
    done = s.run(anew := scratch("anew"), "--rebuild")
    assert "shard 0 is rebuilt from the journal's start, " in done.stderr, done.stderr
    # Who led it last stands one leadership further on; the old state follows.
    s.run(s.state)
    s.must_equal(anew)
    expect(os.listdir(lost), ["old"])


def test_nothing_is_wiped():
    "where a state is, --rebuild refuses and touches nothing; it goes neither with --into nor without a journal"
    s = Setting("nothing_is_wiped")
    before = kappa("table", "digest", "--state-dir", s.state, "-o", "jsonl").stdout
    done = s.run(s.state, "--rebuild", status=78)
    assert f"{s.state}/{s.name}/1 holds a state already, and nothing is ever wiped" in done.stderr, done.stderr
    expect(kappa("table", "digest", "--state-dir", s.state, "-o", "jsonl").stdout, before)
    name = unique("never")
    make_topics(kafka, name, 1)
    done = kappa("run", s.graph, "--set", f"NAME={name}", "--brokers", kafka.brokers, "--state-dir", scratch("none"),
                 "--rebuild", "--once", status=1)
    assert f"{name}.journal.0 is empty: the pipeline has never run" in done.stderr, done.stderr
    assert "--rebuild makes no sense with --into" in kappa("run", s.graph, "--set", "NAME=x", "--into", "x",
                                                           "--rebuild", status=64).stderr


def test_from_an_export():
    "a source that was cut names the offsets that are lost; with an export from behind the cut it works"
    s = Setting("from_an_export")
    for partition, offset in enumerate(s.between):
        kafka.delete_records(f"{s.name}.in", partition, offset)
    done = s.run((anew := scratch("anew")), "--rebuild", status=65)
    cut = s.between[0]
    assert f"shard 0 cannot be rebuilt from the journal's start (with --snapshot-dir, from an export): topic " \
        f"{s.name}.in, partition 0: records from offset 0 on are needed, but the log begins at {cut}; offsets 0 to " \
        f"{cut - 1} are lost" in done.stderr, done.stderr
    assert not os.path.exists(os.path.join(anew, s.name)), "something was made"
    done = s.run(anew, "--rebuild", "--snapshot-dir", s.kept)
    assert f"shard 0 is rebuilt from {s.kept}/{s.name}/1/0, at journal offset" in done.stderr, done.stderr
    s.run(s.state)
    s.must_equal(anew)
    # Cut further, the export is of no use either, and both reasons are told.
    kafka.delete_records(f"{s.name}.in", 0, cut + 10)
    done = s.run(scratch("anew"), "--rebuild", "--snapshot-dir", s.kept, status=65)
    assert f"{s.kept}/{s.name}/1/0 is of no use: topic {s.name}.in, partition 0: records from offset {cut} on are " \
        f"needed, but the log begins at {cut + 10}; offsets {cut} to {cut + 9} are lost" in done.stderr, done.stderr


run_cases(globals())
