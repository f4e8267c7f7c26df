"""What the points of the benchmark share: the programs, the broker's topics, one measured run.

A point (tests/bench/<point>.py) has measure(bench, arguments), which returns what it found as a dictionary, and
show(result), which prints it as a line or a few. tests/bench/run starts a broker and calls them.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KAPPA_BUILD") or os.path.join(ROOT, "build")
NEXMARK = os.path.join(BUILD, "tests", "bench", "nexmark")
KTOOL = os.path.join(BUILD, "tests", "tools", "ktool")
KAPPA = os.path.join(BUILD, "kappa")
LINES_MAX = 1 << 16  # bytes: enough for a few lines of --stats
KAFKA = os.path.join(ROOT, "tests", "kafka", "kafka")


def written_bytes(pid):
    with open(f"/proc/{pid}/io") as file:
        return int(dict(line.split(": ") for line in file)["write_bytes"])


def measure(command):
    """Runs to the end: CPU and wall seconds, peak RSS in bytes, bytes written to disk, what it printed."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        written = 0
        while True:
            # The exit status stays to be collected, so that /proc has the figures of the whole life.
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                break
            try:
                written = written_bytes(process.pid)
            except OSError:
                pass
            time.sleep(0.05)
        wall = time.monotonic() - began
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0)
        err.seek(0)
        if status != 0:
            sys.exit(f"{' '.join(command)} failed ({status}):\n{err.read().decode(errors='replace')}")
        process.returncode = 0
        return {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall, "rss_bytes": usage.ru_maxrss * 1024,
                "written_bytes": written, "output": out.read().decode()}


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def last_figures(stats):
    """What the worker last said; {}: nothing yet."""
    try:
        with open(stats, "rb") as file:
            file.seek(max(0, os.path.getsize(stats) - LINES_MAX))
            lines = file.read().rpartition(b"\n")[0].splitlines()
    except FileNotFoundError:
        return {}
    return json.loads(lines[-1]) if lines else {}


def last_shard(stats):
    """What the worker last said of its first shard; {}: nothing yet."""
    figures = last_figures(stats)
    return figures["shards"][0] if figures else {}


def topics_of(name):
    """What a pipeline of this name, and with an output of this name, has made."""
    return [name, f"{name}.journal.0", f"{name}.dead-letters", f"{name}.control"]


class Running:
    """A pipeline that goes on until it is stopped, with what the operating system has on it."""

    def __init__(self, bench, query, topic, *more, out=None, stats=True):
        self.bench, self.topic, self.query = bench, topic, query
        self.out = out or bench.new_output(query)
        self.state = os.path.join(bench.scratch, f"state-{self.out}")
        self.stats = os.path.join(bench.scratch, f"stats-{self.out}") if stats else None
        self.errors = os.path.join(bench.scratch, f"errors-{self.out}")
        self.more = more
        self.start()

    def start(self):
        # Figures of an earlier process would answer for this one.
        if self.stats and os.path.exists(self.stats):
            os.unlink(self.stats)
        self.spawn(self.bench.command(self.query, self.topic, self.out, self.state, self.stats) + list(self.more))

    def spawn(self, command):
        self.began = time.monotonic()
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)

    def cpu_s(self):
        """In nanoseconds' resolution: ticks are too coarse for a process that does next to nothing."""
        threads = f"/proc/{self.process.pid}/task"
        total_ns = 0
        for thread in os.listdir(threads):
            try:
                with open(f"{threads}/{thread}/schedstat") as file:
                    total_ns += int(file.read().split()[0])
            except FileNotFoundError:
                pass  # a thread that ended meanwhile
        return total_ns / 1e9

    def age_s(self):
        return time.monotonic() - self.began

    def rss_peak(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def written(self):
        return written_bytes(self.process.pid)

    def shard(self):
        return last_shard(self.stats)

    def wait(self, what, condition, timeout_s=600):
        """Until the shard's figures say so."""
        deadline = time.monotonic() + timeout_s
        while True:
            shard = self.shard()
            if shard and condition(shard):
                return shard
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.errors) as errors:
                    sys.exit(f"waiting until {what}: {shard}\n{errors.read()}")
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def finish(self):
        """Stops it, and deletes what it made."""
        self.process.terminate()
        status = self.process.wait(60)
        shutil.rmtree(self.state, ignore_errors=True)
        self.bench.ktool("delete", *topics_of(self.out))
        if status != 0:
            sys.exit(f"kappa run ended with {status}")


class Bench:
    def __init__(self, brokers, events, scratch):
        self.brokers, self.events, self.scratch, self.number = brokers, events, scratch, 0
        self.prepared = {}

    def ktool(self, *arguments):
        return output_of(KTOOL, "-b", self.brokers, *arguments)

    def ensure(self, kind, keys=1000000, events=None):
        """The name of a topic with events, made once: "nexmark", or "uniform" (bidders, of so many)."""
        events = events or self.events
        wanted = (kind, keys if kind == "uniform" else 0, events)
        if wanted not in self.prepared:
            self.number += 1
            topic = self.prepared[wanted] = f"bench-{kind}-{os.getpid()}-{self.number}"
            print(f"{events} events into {topic}", flush=True)
            self.ktool("create", topic, "--partitions", "4")
            self.produce(topic, events, *([keys] if kind == "uniform" else []))
        return self.prepared[wanted]

    def produce(self, topic, events, *more):
        output_of(NEXMARK, "produce", self.brokers, topic, str(events), "10000", *map(str, more))

    def forget(self, topic):
        """Deletes a topic that ensure made: large ones do not stand side by side."""
        self.prepared = {wanted: name for wanted, name in self.prepared.items() if name != topic}
        self.ktool("delete", topic)

    def close(self):
        if self.prepared:
            self.ktool("delete", *self.prepared.values())

    def digest(self, topic):
        return json.loads(output_of(NEXMARK, "digest", self.brokers, topic))

    def drain(self, topic):
        return measure([NEXMARK, "drain", self.brokers, topic])

    def hand(self, query, topic):
        out = self.new_output(query)
        result = measure([NEXMARK, "hand", query, self.brokers, topic, out])
        return self.finish(result, out)

    def engine(self, query, topic):
        out = self.new_output(query)
        state = os.path.join(self.scratch, f"state-{self.number}")
        stats = os.path.join(self.scratch, f"stats-{self.number}")
        result = measure(self.command(query, topic, out, state, stats) + ["--once", "--final"])
        shard = last_shard(stats)
        result.update(commits=shard["commits"], checkpoints=shard["checkpoints"])
        shutil.rmtree(state)
        return self.finish(result, *topics_of(out))

    def command(self, query, topic, out, state, stats, verb=("run",)):
        graph = os.path.join(ROOT, "tests", "bench", "queries", f"{query}.textproto")
        more = ["--stats", stats] if stats else []
        return [KAPPA, *verb, graph, "--brokers", self.brokers, "--state-dir", state, *more,
                "--set", f"NAME={out}", "--set", f"TOPIC={topic}", "--set", f"OUT={out}"]

    def new_output(self, query):
        self.number += 1
        out = f"bench-{query}-{os.getpid()}-{self.number}"
        self.ktool("create", out, "--partitions", "4")
        return out

    def finish(self, result, out, *more):
        result["digest"] = self.digest(out)
        self.ktool("delete", out, *more)
        return result


def spread(values):
    return statistics.median(values), min(values), max(values)
