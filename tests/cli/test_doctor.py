#!/usr/bin/env python3
"""kappa doctor without a broker: each check of the machine is made to fail. tests/real/doctor.py has the broker's."""
import os
import subprocess

from cli import *

GRAPH = """name: "people"
schema { name: "S" field: "value string not null" }
source { name: "in" kafka { topic: "t" } format { raw {} } schema: "S" }
sink { name: "out" input: "in" kafka { topic: "u" } format { json {} } }
"""


def verdicts(*words, status=0, **options):
    """check → (verdict, text), the worst of each check."""
    done = document("doctor", "--offline", "-o", "json", *words, status=status, **options)
    expect((done["kind"], done["status"]), ("doctor", status))
    found = {}
    for check in sorted(done["checks"], key=lambda c: ["ok", "warn", "fail"].index(c["verdict"])):
        found[check["check"]] = (check["verdict"], check["text"])
        if check["verdict"] == "fail":
            assert check["advice"], check
    return found


def failed(found, check, *parts):
    expect(found[check][0], "fail", check)
    holds(found[check][1], *parts)


def test_good():
    "on this machine all is well, in both forms"
    write("graph.textproto", GRAPH)
    found = verdicts("graph.textproto", "--memory", "64MiB", "--state-dir", "new")
    expect({check for check, (verdict, _) in found.items() if verdict == "fail"}, set())
    expect(set(found), {"graph", "memory", "files", "state directory", "disk"})
    holds(kappa("doctor", "--offline", "--memory", "64MiB").text, "ok    memory            --memory 64 MiB of ")
    assert not os.path.exists(path("new")) and not [f for f in os.listdir(TMP) if "doctor" in f], "left-overs"


def test_memory():
    "a budget beyond the machine's memory, and one that is too small, fail; one that leaves nothing over warns"
    failed(verdicts("--memory", "100TiB", status=78), "memory", "100 TiB is more than")
    limit = verdicts("--memory", "64MiB")["memory"][1].split(" of ")[1].replace(" ", "")
    expect(verdicts("--memory", limit)["memory"][0], "warn")
    failed(verdicts("--memory", "1MiB", status=78), "memory", "1 MiB is too little for 1 shard")
    failed(verdicts("--memory", "95MiB", "--shards", "3", status=78), "memory", "too little for 3 shards")


def test_files():
    "a low limit of open files warns, and a lower one fails, as it would fail the run"
    found = verdicts(prefix=("bash", "-c", 'ulimit -n 2000; exec "$@"', "bash"))
    expect((found["files"][0], found["state directory"][0]), ("warn", "ok"))
    found = verdicts(status=78, prefix=("bash", "-c", 'ulimit -n 100; exec "$@"', "bash"))
    failed(found, "state directory", "may open 100 files", "at least 512")


def test_state_directory():
    "a state directory that is a file, lies under one, or may not be written fails"
    write("file", "")
    failed(verdicts("--state-dir", "file", status=78), "state directory", "file is no directory")
    failed(verdicts("--state-dir", "file/below", status=78), "state directory", "file is no directory")
    os.makedirs(path("closed"))
    os.chmod(path("closed"), 0o555)
    # The superuser may write anywhere; /proc, nobody.
    closed, status = (path("closed"), 77) if os.geteuid() else ("/proc/kappa", None)
    done = subprocess.run([KAPPA, "doctor", "--offline", "--state-dir", closed], env=ENV, stdout=subprocess.PIPE,
                          text=True, check=False)
    assert done.returncode == status or (status is None and done.returncode in (74, 77)), done
    holds(done.stdout, "FAIL  state directory")


def test_disk():
    "a disk without room fails"
    os.makedirs(path("small"))
    line = 'mount -t tmpfs -o size=200k tmpfs "$0" && exec "$@"'
    own = ("unshare", "--mount", "--map-root-user", "sh", "-c", line, path("small"))
    if subprocess.run([*own, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print("# no file system can be mounted here")
        return
    found = verdicts("--state-dir", "small/state", status=74, prefix=own)
    failed(found, "disk", "200 KiB free under ./small")
    own = tuple(word.replace("200k", "100m") for word in own)
    found = verdicts("--state-dir", "small/state", prefix=own)
    expect(found["disk"][0], "warn")
    texts = [c["text"] for c in document("doctor", "--offline", "-o", "json", "--state-dir", "small/state",
                                         prefix=own)["checks"] if c["check"] == "disk"]
    expect(texts, ["100 MiB free under ./small; 1 GiB are wanted", "./small lies in memory (tmpfs)"])


def test_graph():
    "a wrong graph is a finding, and the other checks go on"
    write("wrong.textproto", GRAPH.replace("schema: \"S\"", "schema: \"T\""))
    found = verdicts("wrong.textproto", status=78)
    failed(found, "graph", "wrong.textproto is no valid graph")
    expect(found["memory"][0], "ok")


def test_state():
    "a state of another version, of other operators, of other shards, or with wrong sums is found"
    write("graph.textproto", GRAPH)
    make_state("fingerprint")
    found = verdicts("graph.textproto", "--state-dir", "fingerprint", status=78)
    failed(found, "state", "another version of the graph")
    make_state("semantics", semantics=99)
    failed(verdicts("graph.textproto", "--state-dir", "semantics", status=78), "state", "semantics version 99")
    make_state("shards", shards=2)
    failed(verdicts("graph.textproto", "--state-dir", "shards", status=78), "state", "it has 2 shards")
    right = document("plan", "graph.textproto", "-o", "json")["fingerprint"]
    make_state("right", fingerprint=right)
    expect(verdicts("graph.textproto", "--state-dir", "right")["state"], ("ok", "1 of 1 shards are here"))
    make_state("sums", fingerprint=right, sums="bad")
    failed(verdicts("graph.textproto", "--state-dir", "sums", status=70), "state", "sums do not hold")
    os.makedirs(path("damaged/people/1/0"))
    write("damaged/people/1/0/CURRENT", "MANIFEST-000099\n")
    found = verdicts("graph.textproto", "--state-dir", "damaged", status=74)
    failed(found, "state", "damaged/people/1/0")


def test_no_broker():
    "a broker that is not there fails with 69, after what can be known without it"
    done = kappa("doctor", "--brokers", "127.0.0.1:1", "--request-timeout", "300ms", status=69)
    holds(done.text, "ok    memory", "FAIL  broker", "127.0.0.1:1", "Connection refused", "Check --brokers")


run_cases(globals())
