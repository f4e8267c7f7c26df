#!/usr/bin/env python3
"""kappa state: show, export and import, and kappa status without a broker."""
import glob
import os
import shutil

from cli import *


def all_rows(folder):
    return rows("table", "scan", "people", "--state-dir", folder, "-o", "jsonl")


def test_show():
    "show prints identity, positions and counters; the sums are checked"
    make_state("one", count=42)
    got = document("state", "show", "--state-dir", "one", "-o", "json")
    expect((got["kind"], got["graph"], got["generation"], got["shards_total"], got["sums_hold"]),
           ("state", "people", "1", 1, True))
    shard = got["shards"][0]
    expect((shard["journal_offset"], shard["sequence"], shard["partitions"][0]["next"]), (10, 10, 42))
    expect(got["counters"], [{"node": "in", "in": 42, "processed": 42, "filtered": 0, "late": 0, "dropped": 0,
                              "dead_lettered": 0, "out": 0}])
    assert shard["disk_bytes"] > 1000
    holds(kappa("state", "show", "--state-dir", "one").text, "graph people, generation 1", "offset 10", "the sums hold")
    make_state("bad", sums="bad")
    holds(kappa("state", "show", "--state-dir", "bad").text, "THE SUMS DO NOT HOLD")
    make_state("new", position="none")
    holds(kappa("state", "show", "--state-dir", "new").text, "no checkpoint yet")


def test_status():
    "status without the broker: 0 when the sums hold, 1 when not; the graph by name, by file, or the only one"
    make_state("one")
    expect(document("status", "people", "--offline", "--state-dir", "one", "-o", "json")["kind"], "status")
    expect(document("status", "--offline", "--state-dir", "one", "-o", "json")["sums_hold"], True)
    write("people.textproto", """name: "people"
        schema { name: "S" field: "value string not null" }
        source { name: "in" kafka { topic: "t" } format { raw {} } schema: "S" }
        sink { name: "out" input: "in" kafka { topic: "u" } format { json {} } }""")
    holds(kappa("status", "people.textproto", "--offline", "--state-dir", "one").err, "another version of the graph")
    make_state("bad", sums="bad")
    kappa("status", "--offline", "--state-dir", "bad", status=1)
    holds(kappa("status", "nobody", "--offline", "--state-dir", "one", status=1).err, 'no graph "nobody"')


def test_status_without_broker():
    "status with a broker that is not there shows what it has, and ends with 69"
    graph = write("graph.textproto", """name: "people"
        schema { name: "S" field: "value string not null" }
        source { name: "in" kafka { topic: "t" } format { raw {} } schema: "S" }
        sink { name: "out" input: "in" kafka { topic: "u" } format { json {} } }""")
    write("graph.binpb", kappa("convert", "--to", "binary", graph).stdout)
    make_state("stored", graph_binary=path("graph.binpb"))
    done = kappa("status", "people", "--state-dir", "stored", "--brokers", "127.0.0.1:1", "--request-timeout", "300ms",
                 status=69)
    holds(done.err, "127.0.0.1:1")
    holds(done.text, "the sums hold")
    make_state("unknown")
    holds(kappa("status", "people", "--state-dir", "unknown", "--request-timeout", "300ms", status=78).err,
          "which topic source \"in\" reads")


def test_export_import():
    "what is exported, and imported elsewhere, is the same state; an export is itself readable"
    for shard in (0, 1):
        make_state("two", shard=shard, shards=2, count=500)
    before = all_rows("two")
    done = kappa("state", "export", "kept", "--state-dir", "two")
    holds(done.text, "kept/people/1/0: journal offset 10, ", "kept/people/1/1: journal offset 10, ", ", checkpoint\n")
    expect(all_rows("kept"), before)
    expect(all_rows("two"), before, "the exported state")
    done = kappa("state", "import", "kept", "--state-dir", "back", "--yes")
    holds(done.text, "back/people/1/0: journal offset 10, ")
    expect(all_rows("back"), before)
    expect(glob.glob(path("**", "*.part"), recursive=True), [], "half-made copies")


def test_export_is_linked():
    "the export of a stopped state shares its data with it; an import shares none"
    make_state("one", count=5000)
    kappa("state", "export", "kept", "--state-dir", "one")
    tables = glob.glob(path("kept/people/1/0/*.sst"))
    assert tables and all(os.stat(t).st_nlink == 2 for t in tables), [(t, os.stat(t).st_nlink) for t in tables]
    kappa("state", "import", "kept", "--state-dir", "back", "--yes")
    tables = glob.glob(path("back/people/1/0/*.sst"))
    assert tables and all(os.stat(t).st_nlink == 1 for t in tables), tables


def test_export_of_a_live_state():
    "a state in use is exported as of one checkpoint, again and again, and the writer goes on"
    live = Live("live", count=50)
    try:
        for step in range(4):
            if step:
                live.step()
            done = kappa("state", "export", f"kept{step}", "--state-dir", "live")
            holds(done.text, f"journal offset {10 + 10 * step}, ", "copy of a state in use")
            expect(len(all_rows(f"kept{step}")), 50 + 10 * step)
    finally:
        live.close()
    kappa("state", "import", "kept2", "--state-dir", "back2", "--yes")
    expect(len(all_rows("back2")), 70)


def test_export_refuses():
    "an export goes into an empty directory only, and a failed one leaves nothing"
    make_state("one")
    os.makedirs(path("full"))
    write("full/x", "x")
    holds(kappa("state", "export", "full", "--state-dir", "one", status=1).err, "is not empty")
    expect(os.listdir(path("full")), ["x"])
    make_state("new", position="none")
    holds(kappa("state", "export", "none", "--state-dir", "new", status=1).err, "has no checkpoint yet")
    assert not os.path.exists(path("none"))
    kappa("state", "export", "some", "--state-dir", "nowhere", status=1)
    kappa("state", "export", "some", "--state-dir", "one", "--graph", "nobody", status=1)
    assert not os.path.exists(path("some"))
    holds(kappa("state", "export", "some", "--state-dir", "one", "--dry-run").text, "would export one/people/1/0")
    assert not os.path.exists(path("some"))


def test_import_asks():
    "import needs --yes where nobody can be asked; --dry-run does nothing; nothing is overwritten"
    make_state("one")
    kappa("state", "export", "kept", "--state-dir", "one")
    holds(kappa("state", "import", "kept", "--state-dir", "back", status=64).err, "needs --yes")
    holds(kappa("state", "import", "kept", "--state-dir", "back", "--dry-run").text,
          "would import kept/people/1/0 as back/people/1/0, journal offset 10")
    assert not os.path.exists(path("back"))
    kappa("state", "import", "kept", "--state-dir", "back", "--yes")
    make_state("back", count=200)
    holds(kappa("state", "import", "kept", "--state-dir", "back", "--yes", status=1).err, "never overwritten")
    expect(len(all_rows("back")), 200)


def test_import_checks_identity():
    "import refuses what lies in a wrong place, has no identity, or was made by other operators"
    make_state("other", graph="plants")
    holds(kappa("state", "import", "other", "--state-dir", "back", "--yes", status=65).err,
          'it says that it is graph "plants"')
    make_state("future", semantics=99)
    holds(kappa("state", "import", "future", "--state-dir", "back", "--yes", status=78).err, "semantics version 99")
    make_state("nobody", identity="none")
    holds(kappa("state", "import", "nobody", "--state-dir", "back", "--yes", status=65).err, "does not say whose it is")
    assert not os.path.exists(path("back", "people", "1", "0"))


def test_import_refuses_live():
    "a state that is in use is not imported from, because its files would be copied half"
    live = Live("live")
    try:
        holds(kappa("state", "import", "live", "--state-dir", "back", "--yes", status=69).err, "is in use by process")
    finally:
        live.close()
    assert not os.path.exists(path("back", "people", "1", "0"))


def test_import_finds_damage():
    "a flipped bit anywhere in the data is found before the import is taken for good"
    make_state("one", count=3000)
    kappa("state", "export", "kept", "--state-dir", "one")
    for name in glob.glob(path("kept/people/1/0/*.sst")):
        shutil.copy(name, name + ".new")  # not the exported state's own file
        os.rename(name + ".new", name)
        with open(name, "r+b") as file:
            file.seek(os.path.getsize(name) // 3)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
    done = kappa("state", "import", "kept", "--state-dir", "back", "--yes", status=65)
    holds(done.err, "kept/people/1/0")
    assert not os.path.exists(path("back/people/1/0")) and not os.path.exists(path("back/people/1/0.part"))


def test_import_of_snapshots():
    "of the directory of --snapshot-dir the newest whole snapshot is taken"
    make_state("old", count=10)
    make_state("new", count=20)
    for source, name in (("old", "20260101T000000Z"), ("new", "20260102T000000Z"), ("old", "20260103T000000Z.part")):
        os.makedirs(path("snapshots/people/1/0"), exist_ok=True)
        shutil.copytree(path(source, "people/1/0"), path("snapshots/people/1/0", name))
    kappa("state", "import", "snapshots", "--state-dir", "restored", "--yes")
    expect(len(all_rows("restored")), 20)


run_cases(globals())
