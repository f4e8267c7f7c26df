#!/usr/bin/env python3
# timeout: 120
"""Capsules: a state and all that made it in one file, and that state again from the file alone, with no broker."""
import subprocess
import tarfile

from proof import *

EVENTS = sized(6000, 500_000)
NO_BROKER = {"KAPPA_BROKERS": "127.0.0.1:1"}


class Setting:
    """A pipeline with two goes of events, an export from between them; with a transactional writer's markers."""

    def __init__(self, case):
        self.rng, self.name, self.graph, self.state = seeded(case), unique("capsule"), graph_file(), scratch("state")
        make_topics(kafka, self.name, 2)
        self.lines = events(2 * EVENTS, self.rng)
        self.feed(transaction=None)
        self.run()
        self.kept = os.path.join(scratch("export"), "kept")
        kappa("state", "export", self.kept, "--state-dir", self.state)
        self.feed(transaction=unique("writer"))
        self.run()
        self.folder = scratch("capsule")

    def feed(self, transaction):
        kafka.produce(f"{self.name}.in", [json.loads(next(self.lines)) for _ in range(EVENTS)], transaction=transaction,
                      every=EVENTS // 7 if transaction else None)

    def run(self):
        kappa("run", self.graph, "--set", f"NAME={self.name}", "--brokers", kafka.brokers, "--state-dir", self.state,
              "--once", timeout_s=300)

    def create(self, name, *words, status=0):
        path = os.path.join(self.folder, name)
        return path, kappa("capsule", "create", path, "--state-dir", self.state, "--brokers", kafka.brokers, *words,
                           status=status, timeout_s=300)


def run_capsule(path, *words, status=0):
    done = kappa("capsule", "run", path, *words, "-o", "json", env=NO_BROKER, status=status, timeout_s=300)
    return json.loads(done.stdout) if status in (0, 1) else done


def test_from_the_start():
    "a capsule from the journal's start gives the same state, bit for bit, after everything else is gone"
    s = Setting("from_the_start")
    path, done = s.create("whole.capsule")
    assert f"{2 * EVENTS} records that they name" in done.stdout, done.stdout
    want = json.loads(kappa("table", "digest", "--state-dir", s.state, "-o", "json").stdout)
    kafka.delete(f"{s.name}.in", f"{s.name}.journal.0")
    got = run_capsule(path, "--into", (into := scratch("into")))
    expect((got["kind"], got["equal"], got["records"]), ("capsule", True, 2 * EVENTS))
    expect([(t["table"], t["rows"], t["digest"]) for t in got["tables"]],
           [(t["table"], t["rows"], t["digest"]) for t in want["tables"]])
    same = json.loads(kappa("parity", s.state, into, "-o", "json").stdout)
    expect((same["equal"], same["same_position"]), (True, True))
    expect(os.listdir(into), [s.name])
    say(f"{os.path.getsize(path)} bytes for {2 * EVENTS} records")
    # Little memory, and other batches with it.
    expect(run_capsule(path, "--memory", "64MiB")["equal"], True)


def test_from_an_export():
    "from an export on, only what came after it is in the file"
    s = Setting("from_an_export")
    path, done = s.create("rest.capsule", "--from", s.kept)
    assert f"{EVENTS} records that they name" in done.stdout, done.stdout
    got = run_capsule(path)
    expect((got["equal"], got["records"], {t["table"] for t in got["tables"]}), (True, EVENTS, set(TABLES)))


def repack(path, change):
    """The capsule once more, with its contents changed on the way."""
    folder, other = scratch("unpacked"), path + ".changed"
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", folder], check=True)
    change(folder)
    subprocess.run(["tar", "--zstd", "-cf", other, "-C", folder, *sorted(os.listdir(folder))], check=True)
    return other


def test_damage():
    "a changed, shortened or foreign capsule is told as what it is, and what lies outside is never touched"
    s = Setting("damage")
    path, _ = s.create("good.capsule")

    def shorten(folder):
        name = os.path.join(folder, "0", f"{s.name}.in.0")
        os.truncate(name, os.path.getsize(name) // 2)

    def lie(folder):
        with open(os.path.join(folder, "capsule"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(folder, "capsule"), "w", encoding="utf-8") as file:
            file.write(re.sub(r"^(digest \d+ )..", r"\g<1>00", text, flags=re.M))

    def swap(folder):
        name = os.path.join(folder, "0", f"{s.name}.in.0")
        with open(name, "rb") as file:
            data = file.read()
        with open(name, "wb") as file:
            file.write(data.replace(b'"amount":', b'"amount" :', 1))

    done = run_capsule(repack(path, shorten), status=65)
    assert "ends within a record" in done.stderr or "lacks records" in done.stderr or "the log now shows" in \
        done.stderr, done.stderr
    expect(run_capsule(repack(path, lie), status=1)["equal"], False)
    assert "damaged" in run_capsule(repack(path, swap), status=65).stderr
    with open(os.path.join(s.folder, "half"), "wb") as file, open(path, "rb") as whole:
        file.write(whole.read()[:os.path.getsize(path) // 2])
    assert "half: " in run_capsule(os.path.join(s.folder, "half"), status=65).stderr
    outside = os.path.join(s.folder, "outside.tar")
    with tarfile.open(outside, "w") as tar:
        member = tarfile.TarInfo("../escaped")
        tar.addfile(member)
    done = run_capsule(outside, status=65)
    assert 'holds "../escaped", which no capsule does' in done.stderr, done.stderr
    assert not os.path.exists(os.path.join(s.folder, "escaped"))
    assert "is no capsule" in run_capsule(write("text", "hello\n"), status=65).stderr


def test_wrong_use():
    "a file that is there is not overwritten, records that are gone cannot be put in, and a directory must be empty"
    s = Setting("wrong_use")
    path, _ = s.create("one.capsule")
    assert f"{path} is there already" in s.create("one.capsule", status=78)[1].stderr
    assert "No such file" in run_capsule(os.path.join(s.folder, "none"), status=65).stderr
    assert f"{s.state} is not empty" in run_capsule(path, "--into", s.state, status=78).stderr
    kafka.delete_records(f"{s.name}.in", 0, 10)
    other, done = s.create("late.capsule", status=65)
    assert f'topic "{s.name}.in" partition 0: offset 0 is not in the log, which has 10 to' in done.stderr, done.stderr
    assert not os.path.exists(other)


run_cases(globals())
