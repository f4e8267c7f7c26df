"""What the tests on a real Kafka share: topics and messages (through ktool), brokers of one's own (through
tests/kafka/kafka), kappa processes, and cases that print "ok NAME" or "FAIL NAME".

A test is an executable file in tests/real:

    #!/usr/bin/env python3
    # timeout: 120
    from kafka_tool import *

    def test_echo():
        "what goes in comes out"          # the case's name
        topic = kafka.create(unique("echo"), partitions=2)
        kafka.produce(topic, [{"key": "a", "value": {"n": 1}}, {"partition": 1, "value": "text"}])
        expect(len(kafka.consume(topic)), 2)

    run_cases(globals())

tests/run gives KAPPA_BROKERS; by hand: KAPPA_BROKERS=$(tests/kafka/kafka up | tail -n 1) tests/real/NAME.
Processes and brokers that a case started are ended when it ends, whatever happened.
"""
import base64
import collections
import inspect
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

__all__ = ["BUILD", "ROOT", "TMP", "Broker", "Kafka", "Kappa", "Message", "expect", "kafka", "kappa", "run_cases",
           "scratch", "unique", "until", "write"]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KAPPA_BUILD") or os.path.join(ROOT, "build")
TMP = os.environ.get("TEST_TMP") or tempfile.mkdtemp(prefix="kappa-test-")
KTOOL = os.path.join(BUILD, "tests", "tools", "ktool")
KAPPA = os.path.join(BUILD, "kappa")
KAFKA = os.path.join(ROOT, "tests", "kafka", "kafka")

# key and value: str, or bytes where they are not UTF-8, or None. timestamp in milliseconds.
Message = collections.namedtuple("Message", "topic partition offset timestamp key value headers")
Ends = collections.namedtuple("Ends", "low stable high")

_numbers = itertools.count(1)
_open = []  # what is to be closed when the case ends, last first


def unique(name):
    """A name that no other test and no other run has."""
    return f"{name}-{os.getpid()}-{next(_numbers)}"


def scratch(name):
    """A new empty directory; gone after a run without failures."""
    path = os.path.join(TMP, unique(name))
    os.makedirs(path)
    return path


def write(name, text):
    """A file of that name and text in a new directory; its path."""
    path = os.path.join(scratch("file"), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def expect(got, want, what="value"):
    """The case fails, and says how, unless both are equal."""
    if got == want:
        return
    if isinstance(got, (list, tuple)) and isinstance(want, (list, tuple)):
        different = [f"  [{i}] got {a!r}, want {b!r}" for i, (a, b) in
                     enumerate(itertools.zip_longest(got, want, fillvalue="nothing")) if a != b]
        raise AssertionError(f"{what}: {len(got)} where {len(want)} are wanted, {len(different)} differ:\n" +
                             "\n".join(different[:10]))
    raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def until(condition, what, timeout_s=30):
    """Asks again and again, until the condition's value is true, and returns that."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.02)


class Kafka:
    """One cluster, seen through ktool. settings: librdkafka's, by file or one by one."""

    def __init__(self, brokers=None, file=None, **settings):
        self.brokers = brokers
        self.options = (["-b", brokers] if brokers else []) + (["-F", file] if file else [])
        for name, value in settings.items():
            self.options += ["-X", f"{name.replace('_', '.')}={value}"]

    def command(self, *words, **options):
        """The command line of ktool for these words."""
        line = [KTOOL] + self.options + [str(w) for w in words]
        for name, value in options.items():
            if value is True:
                line.append("--" + name)
            elif value not in (None, False):
                line += ["--" + name, str(value)]
        return line

    def _run(self, *words, feed=None, **options):
        done = subprocess.run(self.command(*words, **options), input=feed, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace").strip() or f"ktool: status {done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def create(self, topic, partitions=1, **config):
        """Creates the topic; config in Kafka's names with _ for each dot. Returns its name."""
        words = [w for name, value in config.items() for w in ("--config", f"{name.replace('_', '.')}={value}")]
        self._run("create", topic, *words, partitions=partitions)
        return topic

    def delete(self, *topics):
        self._run("delete", *topics)

    def add_partitions(self, topic, total):
        self._run("add-partitions", topic, total)

    def delete_records(self, topic, partition, before):
        """before: the first offset that stays; -1 for none."""
        self._run("delete-records", topic, partition, before)

    def topics(self):
        """Name → number of partitions, without those that the broker makes for itself."""
        return {t["topic"]: t["partitions"] for t in self._run("topics") if not t["topic"].startswith("__")}

    def produce(self, topic, messages, transaction=None, abort=False, every=None):
        """messages: dicts with value and perhaps key, partition, timestamp, headers (pairs); or bare values.
        A value is str, bytes, None, or anything that JSON can say. With transaction (an id), all are committed
        in one transaction or, with every, in one for so many; or aborted. Returns their number."""
        lines = "\n".join(_line(m) for m in messages)
        done = self._run("produce", topic, feed=(lines + "\n").encode() if lines else b"",
                         transaction=transaction, abort=abort, every=every)
        return done[0]["produced"]

    def consume(self, *topics, partition=None, start=None, count=None, uncommitted=False, timeout_s=60):
        """All messages up to the stable end (or until count came), each partition's in order."""
        found = self._run("consume", *topics, **{"partition": partition, "from": start, "count": count,
                                                 "uncommitted": uncommitted, "timeout": int(timeout_s * 1000)})
        return [Message(m["topic"], m["partition"], m["offset"], m.get("timestamp"), _bytes(m, "key"),
                        _bytes(m, "value"), [_header(h) for h in m["headers"]]) for m in found]

    def rows(self, *topics, **options):
        """The JSON values of all messages."""
        return [json.loads(m.value) for m in self.consume(*topics, **options) if m.value is not None]

    def ends(self, topic):
        """Partition → Ends(low, stable, high)."""
        return {e["partition"]: Ends(e["low"], e["stable"], e["high"]) for e in self._run("offsets", topic)}

    def committed(self, group, topic):
        """Partition → the group's offset, -1 where it has none."""
        return {c["partition"]: c["offset"] for c in self._run("committed", group, topic)}


def _line(message):
    if not isinstance(message, dict) or "value" not in message:
        message = {"value": message}
    line = {}
    for name, value in message.items():
        if name in ("key", "value") and isinstance(value, bytes):
            line[name + "_base64"] = base64.b64encode(value).decode()
        elif name in ("key", "value") and value is not None and not isinstance(value, str):
            line[name] = json.dumps(value, separators=(",", ":"))
        elif name == "headers":
            line[name] = [[n, None, base64.b64encode(v).decode()] if isinstance(v, bytes) else [n, v]
                          for n, v in value]
        else:
            line[name] = value
    return json.dumps(line)


def _bytes(message, name):
    return base64.b64decode(message[name + "_base64"]) if name + "_base64" in message else message[name]


def _header(header):
    return (header[0], base64.b64decode(header[2]) if len(header) == 3 else header[1])


class Broker:
    """A broker of one's own, for tests that hurt it. Ended with the case."""

    def __init__(self, *options):
        self.directory = scratch("broker")
        _open.append(self)
        self.address = self._verb("up", "--owner", str(os.getpid()), *options).split()[-1]
        self.kafka = Kafka(self.address)

    def _verb(self, verb, *options):
        # To a file, not a pipe: the broker itself would hold a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run([KAFKA, verb, "--dir", self.directory, *options], stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=output, timeout=120, check=False)
            output.seek(0)
            text = output.read()
        if done.returncode != 0:
            raise RuntimeError(f"kafka {verb}: {text}")
        return text

    def file(self, name):
        """Client settings: "sasl", "guest" (up with --sasl) or "tls" (up with --tls)."""
        return os.path.join(self.directory, name + ".properties")

    def up(self): self._verb("up", "--owner", str(os.getpid()))
    def kill(self): self._verb("kill")
    def restart(self): self._verb("restart")
    def pause(self): self._verb("pause")
    def resume(self): self._verb("resume")
    def close(self): self._verb("down")


def _environment(extra):
    env = {k: v for k, v in os.environ.items() if k != "KAPPA_BUILD"}  # KAPPA_… are kappa's own flags
    env.update({k: str(v) for k, v in (extra or {}).items()})
    return env


def kappa(*arguments, status=0, timeout_s=60, env=None, feed=None):
    """Runs kappa to its end; the case fails unless it ends with this status (None: any). The result has
    returncode, stdout and stderr as text."""
    try:
        done = subprocess.run([KAPPA, *map(str, arguments)], input=feed, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout_s,
                              env=_environment(env), check=False)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"kappa {' '.join(map(str, arguments))}: no end after {timeout_s} s\n"
                             f"{(late.stderr or b'').decode(errors='replace')[-4000:]}") from None
    if status is not None and done.returncode != status:
        raise AssertionError(f"kappa {' '.join(map(str, arguments))}: status {done.returncode}, want {status}\n"
                             f"{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done


class Kappa:
    """A kappa process in the background; killed with the case. Its output is in files."""

    def __init__(self, *arguments, env=None):
        folder = scratch("kappa")
        self.arguments = " ".join(map(str, arguments))
        self.stdout_path, self.stderr_path = os.path.join(folder, "stdout"), os.path.join(folder, "stderr")
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen([KAPPA, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env=_environment(env))
        _open.append(self)

    @property
    def pid(self):
        return self.process.pid

    @property
    def stdout(self):
        return _text(self.stdout_path)

    @property
    def stderr(self):
        return _text(self.stderr_path)

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def wait(self, status=None, timeout_s=60):
        """Waits for its end; the case fails when that is late, or not with the status (None: any)."""
        try:
            got = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"kappa {self.arguments}: no end after {timeout_s} s\n{self.stderr[-4000:]}") from None
        if status is not None and got != status:
            raise AssertionError(f"kappa {self.arguments}: status {got}, want {status}\n{self.stderr[-4000:]}")
        return got

    def stop(self, timeout_s=30):
        """SIGTERM; it has to end in order, with status 0."""
        self.signal(signal.SIGTERM)
        self.wait(0, timeout_s)

    def close(self):
        if self.running():
            try:
                self.signal(signal.SIGCONT)
                self.kill()
            except ProcessLookupError:
                pass


def _text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def run_cases(names):
    """Runs each function test_… of a file in the order of its lines, prints ok or FAIL for each, and exits.
    Words on the command line choose cases by a part of their function's name."""
    cases = sorted((f for n, f in names.items() if n.startswith("test_") and inspect.isfunction(f)),
                   key=lambda f: f.__code__.co_firstlineno)
    chosen = [c for c in cases if not sys.argv[1:] or any(word in c.__name__ for word in sys.argv[1:])]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failures = 0
    for case in chosen:
        name = " ".join((case.__doc__ or case.__name__).split())
        begin = time.monotonic()
        try:
            case()
            print(f"ok {name}", flush=True)
        except Exception as problem:  # a broken case is a failed case, and the next one runs
            failures += 1
            print(f"FAIL {name}: {str(problem).splitlines()[0] if str(problem) else repr(problem)}", flush=True)
            traceback.print_exc(file=sys.stdout)
        finally:
            while _open:
                _open.pop().close()
        print(f"   {time.monotonic() - begin:.1f} s", flush=True)
    if not failures and "TEST_TMP" not in os.environ:
        shutil.rmtree(TMP, ignore_errors=True)
    sys.exit(1 if failures or not chosen else 0)


kafka = Kafka(os.environ["KAPPA_BROKERS"]) if "KAPPA_BROKERS" in os.environ else None
