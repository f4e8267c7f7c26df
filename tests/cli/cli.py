"""What the tests of the command line share: running kappa, states without an engine (make_state), and cases.

A test is started as  test_NAME.py KAPPA MAKE_STATE [WORD…]  and prints TAP; words choose cases by their names. No
broker is needed or asked: KAPPA_… of the environment is taken away.
"""
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KAPPA, MAKE_STATE = (os.path.abspath(word) for word in sys.argv[1:3])
TMP = tempfile.mkdtemp(prefix="kappa-cli-")
ENV = {name: value for name, value in os.environ.items() if not name.startswith("KAPPA_")}


def path(*parts):
    """A name inside the case's own directory, which is empty at its start."""
    return os.path.join(TMP, *parts)


def write(name, text):
    with open(path(name), "wb" if isinstance(text, bytes) else "w") as file:
        file.write(text)
    return path(name)


def read(name):
    with open(path(name), "rb") as file:
        return file.read()


def kappa(*words, status=0, feed=None, env=None, prefix=()):
    """Runs kappa in the run's directory; the case fails unless it ends with this status (None: with any)."""
    done = subprocess.run([*prefix, KAPPA, *map(str, words)], cwd=TMP, input=feed, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**ENV, **(env or {})}, timeout=60, check=False)
    if not feed or isinstance(feed, bytes):
        done.text = done.stdout.decode(errors="replace")
    done.err = done.stderr.decode(errors="replace")
    if status is not None and done.returncode != status:
        raise AssertionError(f"kappa {' '.join(map(str, words))}: status {done.returncode}, want {status}\n"
                             f"{done.stdout[-3000:].decode(errors='replace')}{done.err[-3000:]}")
    return done


def document(*words, **options):
    """The JSON that kappa prints."""
    return json.loads(kappa(*words, **options).text)


def rows(*words, **options):
    """The JSON lines that kappa prints."""
    return [json.loads(line) for line in kappa(*words, **options).text.splitlines()]


def make_state(folder, shard=0, shards=1, count=100, **options):
    words = [MAKE_STATE, path(folder), shard, shards, count, *(f"{n}={v}" for n, v in options.items())]
    subprocess.run([str(word) for word in words], check=True, timeout=120)
    return path(folder)


class Live:
    """A state that a process holds open, as an engine does."""

    def __init__(self, folder, count=100):
        self.process = subprocess.Popen([MAKE_STATE, path(folder), "0", "1", str(count), "live=yes"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "written\n"

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


def expect(got, want, what="value"):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def holds(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is not in:\n{text}")


def run_cases(names):
    cases = sorted((f for n, f in names.items() if n.startswith("test_") and inspect.isfunction(f)),
                   key=lambda f: f.__code__.co_firstlineno)
    cases = [c for c in cases if not sys.argv[3:] or any(word in c.__name__ for word in sys.argv[3:])]
    failures = 0
    print(f"1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        name = " ".join((case.__doc__ or case.__name__).split())
        try:
            shutil.rmtree(TMP, ignore_errors=True)
            os.mkdir(TMP)
            case()
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # a broken case is a failed case, and the next one runs
            failures += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    shutil.rmtree(TMP, ignore_errors=True)
    sys.exit(1 if failures or not cases else 0)
