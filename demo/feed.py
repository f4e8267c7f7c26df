"""What the demo feeds: this machine's logs (history) and its counters (now), with a few records that are wrong on
purpose.

Owns one ktool process that produces; a thread writes to it, the history evenly over a given time and the counters four
times a second. Nothing here knows of the engine: it goes on while that is dead, as the world does.
"""
import base64
import gzip
import json
import os
import re
import subprocess
import threading
import time

PACKAGE_LOG = "/var/log/dpkg.log"
TICK_S = 0.25
HISTORY_LINES_MAX = 20000  # of the package log; the newest
LOG_LINES_MAX = 2000  # of each other log; the newest
LATE_S = 60


def _text(path):
    """The lines of a log, gzipped or not; none if it cannot be read."""
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            return file.read().decode(errors="replace").splitlines()
    except (OSError, EOFError):
        return []


def _rotated(path):
    """A log and what was rotated away of it, oldest first."""
    folder, name = os.path.split(path)
    found = []
    for other in os.listdir(folder) if os.path.isdir(folder) else []:
        match = re.fullmatch(re.escape(name) + r"(?:\.(\d+))?(?:\.gz)?", other)
        if match:
            found.append((-int(match.group(1) or 0), os.path.join(folder, other)))
    return [path for _, path in sorted(found)]


class Tail:
    """A log that grows: each call of lines() gives the whole lines that came since the last one."""

    def __init__(self, path):
        self._path, self._read = path, 0

    def lines(self):
        try:
            if os.path.getsize(self._path) < self._read:
                self._read = 0  # it was rotated
            with open(self._path, "rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
        except OSError:
            return []
        if not whole:
            return []
        self._read += len(whole) + 1
        return [line for line in whole.decode(errors="replace").split("\n") if line]


def dpkg_lines(tail):
    old = [line for path in _rotated(PACKAGE_LOG) if path != PACKAGE_LOG for line in _text(path) if line]
    return (old + tail.lines())[-HISTORY_LINES_MAX:]


def apt_runs():
    text = "\n".join(line for path in _rotated("/var/log/apt/history.log") for line in _text(path))
    return [run.strip() for run in text.split("\n\n") if run.strip()]


def log_lines():
    """FILE, a tab, the line; of every text in /var/log that is not fed otherwise, and of the kernel."""
    lines = []
    for folder, _, names in os.walk("/var/log"):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or re.match(r"(dpkg|history)\.log", name) or \
                    not re.search(r"\.(log|err)$|^(syslog|messages|kern\.log|auth\.log|daemon\.log)$", name):
                continue
            lines += [(path, line) for line in _text(path)[-LOG_LINES_MAX:]]
    try:
        done = subprocess.run(["dmesg"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5, check=False)
        lines += [("kernel", line) for line in done.stdout.decode(errors="replace").splitlines()[-LOG_LINES_MAX:]]
    except (OSError, subprocess.TimeoutExpired):
        pass
    return [f"{path}\t{line}" for path, line in lines if line and "\t" not in path]


# --- counters ---------------------------------------------------------------------------------------

def _lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []


class Machine:
    """Samples of /proc. A gauge is a value out of another; a counter only grows."""

    def __init__(self):
        self._cpu = {}

    def samples(self):
        yield from self._processors()
        yield from self._memory()
        yield from self._network()
        yield from self._disks()

    def _processors(self):
        for words in map(str.split, _lines("/proc/stat")):
            if re.fullmatch(r"cpu\d+", words[0]):
                total = sum(map(int, words[1:9]))
                busy = total - int(words[4]) - int(words[5])
                before = self._cpu.get(words[0])
                self._cpu[words[0]] = busy, total
                if before and total > before[1] and busy >= before[0]:
                    yield "gauge", "cpu", words[0], busy - before[0], total - before[1]
            elif words[0] in ("ctxt", "intr", "processes"):
                yield "counter", "kernel", {"ctxt": "switches", "intr": "interrupts"}.get(words[0], words[0]), \
                    int(words[1]), None

    def _memory(self):
        kib = {words[0].rstrip(":"): int(words[1]) for words in map(str.split, _lines("/proc/meminfo"))}
        if kib.get("MemTotal"):
            yield "gauge", "memory", "RAM", kib["MemTotal"] - kib.get("MemAvailable", 0), kib["MemTotal"]
        if kib.get("SwapTotal"):
            yield "gauge", "memory", "swap", kib["SwapTotal"] - kib["SwapFree"], kib["SwapTotal"]
        disk = os.statvfs("/")
        if disk.f_blocks:
            yield "gauge", "disk", "/", disk.f_blocks - disk.f_bavail, disk.f_blocks

    def _network(self):
        for line in _lines("/proc/net/dev")[2:]:
            name, _, figures = line.partition(":")
            figures = figures.split()
            yield "counter", "net", name.strip() + " in", int(figures[0]), None
            yield "counter", "net", name.strip() + " out", int(figures[8]), None

    def _disks(self):
        for words in map(str.split, _lines("/proc/diskstats")):
            if re.fullmatch(r"(sd[a-z]|vd[a-z]|xvd[a-z]|nvme\d+n\d+|mmcblk\d+)", words[2]):
                yield "counter", "disk", words[2] + " read", int(words[5]) * 512, None
                yield "counter", "disk", words[2] + " written", int(words[9]) * 512, None


def _sample(at_ms, kind, metric, item, value, of):
    value = {"at": at_ms, "kind": kind, "metric": metric, "item": item, "value": value}
    return value if of is None else {**value, "of": of}


def _message(topic, value, key=None):
    message = {"topic": topic}
    if key is not None:
        message["key"] = key
    if isinstance(value, bytes):
        message["value_base64"] = base64.b64encode(value).decode()
    else:
        message["value"] = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(message) + "\n"


# --- the feed ---------------------------------------------------------------------------------------

class Feed:
    """Feeds from start() to stop(). `planned` says how much history there is, `counts` how many
    records each topic was given."""

    def __init__(self, ktool, brokers, history_s, spawn):
        self._packages = Tail(PACKAGE_LOG)
        self._history = [("demo.dpkg", line) for line in dpkg_lines(self._packages)]
        self._history += [("demo.apt", run) for run in apt_runs()]
        self._history += [("demo.logs", line) for line in log_lines()]
        self.planned = {topic: sum(1 for other, _ in self._history if other == topic)
                        for topic in ("demo.dpkg", "demo.apt", "demo.logs")}
        # What is wrong on purpose: no package line; a day that no calendar has; no UTF-8; no paragraph of apt's.
        wrong = [("demo.dpkg", "-- the dog ate the rest of this line --"),
                 ("demo.dpkg", "2026-02-30 25:61:00 install kappa:all <none> 1"),
                 ("demo.logs", b"/var/log/broken\tcaf\xe9 au lait"), ("demo.apt", "Start-Date: soon")]
        self.wrong = len(wrong) + 3
        # Topics take turns, so that all tables fill from the beginning; each topic's order stays.
        place = {}
        keyed = []
        for topic, line in self._history:
            place[topic] = place.get(topic, 0) + 1
            keyed.append((place[topic] / (self.planned[topic] + 1), topic, line))
        keyed += [(0.1 + 0.2 * i, topic, line) for i, (topic, line) in enumerate(wrong)]
        self._history = [(topic, line) for _, topic, line in sorted(keyed, key=lambda k: k[0])]
        self.counts = dict.fromkeys((*self.planned, "demo.samples"), 0)
        self._history_s = history_s
        self._machine = Machine()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ktool = spawn([ktool, "-b", brokers, "produce"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.failure = None

    def start(self):
        self._thread.start()

    def stop(self):
        """Feeds what is left of the history, and returns when the broker has all of it."""
        self._stop.set()
        self._thread.join()
        self._ktool.stdin.close()
        said = self._ktool.stdout.read().decode()
        if self._ktool.wait() != 0 or json.loads(said)["produced"] != sum(self.counts.values()):
            raise RuntimeError(f"ktool did not deliver everything: {said.strip()}")

    def _put(self, topic, value, key=None):
        self._ktool.stdin.write(_message(topic, value, key).encode())
        self.counts[topic] += 1

    def _tick(self, number):
        at_ms = time.time_ns() // 1000000
        for sample in self._machine.samples():
            self._put("demo.samples", _sample(at_ms, *sample), sample[1])
        if number == 8:  # three more that are wrong: cut short, no number, nothing of nothing
            whole = json.dumps(_sample(at_ms, "gauge", "cpu", "cpu0", 1, 2))
            self._put("demo.samples", whole[:40], "cpu")
            self._put("demo.samples", {**_sample(at_ms, "gauge", "cpu", "cpu0", 1, 2), "value": "plenty"}, "cpu")
            self._put("demo.samples", _sample(at_ms, "gauge", "memory", "swap", 0, 0), "memory")
        if number == 40:  # and one whose windows are closed long since
            self._put("demo.samples", _sample(at_ms - LATE_S * 1000, "counter", "net", "lo in", 1, None), "net")

    def _run(self):
        try:
            begin, fed, number = time.monotonic(), 0, 0
            while not self._stop.is_set() or fed < len(self._history) or number <= 40:
                share = 1 if self._stop.is_set() else min(1, (time.monotonic() - begin) / self._history_s)
                while fed < share * len(self._history):
                    self._put(*self._history[fed])
                    fed += 1
                if fed == len(self._history):  # and what is installed meanwhile
                    for line in self._packages.lines():
                        self._put("demo.dpkg", line)
                self._tick(number)
                self._ktool.stdin.flush()
                number += 1
                self._stop.wait(max(0, begin + number * TICK_S - time.monotonic()))
        except (OSError, ValueError) as problem:
            self.failure = problem
