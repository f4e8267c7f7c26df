#!/usr/bin/env python3
"""Counts the demo's topics again, one record after the other, and compares with what the engine made of them.

    demo/recount.py --brokers B --state-dir D

Shares no code with the engine: the records come from Kafka by ktool, the arithmetic is Python's, and the engine's rows
are what `kappa table scan` prints. The engine must have been told that the input is complete (run --once --final).
Compared are all rows of all tables, every message of the output topics, and the dead letters one by one; not numbers of
rows only. Exit 0: identical; 1: not.
"""
import argparse
import base64
import collections
import datetime
import json
import math
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("KAPPA_BUILD") or os.path.join(ROOT, "build")
KTOOL = os.path.join(BUILD, "tests", "tools", "ktool")
KAPPA = os.path.join(BUILD, "kappa")
SECOND = 1000000  # time is in microseconds since 1970
EPOCH = datetime.datetime(1970, 1, 1)
OUT_OF_ORDER = SECOND // 2

PACKAGE_LINE = re.compile(
    r"^(?P<at>\S+ \S+) (?P<action>[a-z]+)(?: (?P<state>[a-z-]+))? (?P<package>[^ ]+)(?: (?P<version>\S+)){0,2}$")


def consume(brokers, topic):
    """(partition, offset, value as bytes or None, headers) of every committed message."""
    done = subprocess.run([KTOOL, "-b", brokers, "consume", topic], stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        m = json.loads(line)
        value = base64.b64decode(m["value_base64"]) if "value_base64" in m else m["value"].encode()
        yield m["partition"], m["offset"], value, {h[0]: h[1] for h in m["headers"]}


def time_of(text):
    """Microseconds of YYYY-MM-DD HH:MM:SS; ValueError if no calendar has it."""
    return (datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S") - EPOCH) // datetime.timedelta(microseconds=1)


class Recount:
    """What the tables and topics must hold: name → list of rows."""

    def __init__(self, brokers):
        self.tables, self.dead, self.records, self.late = {}, set(), {}, []
        for topic, method in (("demo.dpkg", self._dpkg), ("demo.apt", self._apt), ("demo.logs", self._logs),
                              ("demo.samples", self._samples)):
            messages = list(consume(brokers, topic))
            self.records[topic] = len(messages)
            method(topic, messages)

    def _readable(self, topic, messages):
        for partition, offset, value, _ in messages:
            try:
                yield (topic, partition, offset), value.decode()
            except UnicodeDecodeError:
                self.dead.add((topic, partition, offset))

    def _dpkg(self, topic, messages):
        days, packages = {}, {}
        for place, line in self._readable(topic, messages):
            found = PACKAGE_LINE.match(line)
            try:
                at = time_of(found["at"]) if found else None
            except ValueError:
                at = None
            if at is None:
                self.dead.add(place)
                continue
            action = found["action"]
            if action in ("install", "upgrade", "remove", "purge"):
                day = days.setdefault(at - at % (86400 * SECOND), collections.Counter())
                day[{"install": "installed", "upgrade": "upgraded"}.get(action, "removed")] += 1
            elif action == "status":
                before = packages.get(found["package"])
                packages[found["package"]] = {"state": found["state"], "version": found["version"],
                                              "since": max(at, before["since"]) if before else at}
        self.tables["packages_per_day"] = [{"day": d, **{k: c[k] for k in ("installed", "upgraded", "removed")}}
                                           for d, c in days.items()]
        self.tables["packages"] = [{"package": p, **row} for p, row in packages.items()]
        states = collections.Counter(row["state"] for row in packages.values())
        self.tables["package_states"] = [{"state": s, "packages": n} for s, n in states.items()]

    def _apt(self, topic, messages):
        runs = {}
        for place, text in self._readable(topic, messages):
            fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", text, re.M))
            begin = re.match(r"(\S+) +(\S+)", fields.get("Start-Date", ""))
            if not begin or not text.startswith("Start-Date"):
                self.dead.add(place)
                continue
            started = time_of(" ".join(begin.groups()))
            ended = re.match(r"\S+ +(\S+)", fields.get("End-Date", ""))
            runs[started] = {"started": started, "ended": ended[1] if ended else "cut off",
                             "command": fields.get("Commandline", "unattended")}
        self.tables["apt_runs"] = list(runs.values())

    def _logs(self, topic, messages):
        files = {}
        for _, text in self._readable(topic, messages):
            file, _, line = text.partition("\t")
            row = files.setdefault(file, {"file": file, "lines": 0, "troubled": 0, "longest": 0})
            row["lines"] += 1
            row["troubled"] += "error" in line.lower() or "fail" in line.lower()
            row["longest"] = max(row["longest"], len(line))
        self.tables["log_files"] = list(files.values())

    def _samples(self, topic, messages):
        watermark = {}  # of each partition, from the samples before this one
        levels, now, rates = collections.defaultdict(list), {}, collections.defaultdict(list)
        for place, text in self._readable(topic, messages):
            try:
                s = json.loads(text)
            except ValueError:
                s = {}
            if not all(isinstance(s.get(n), int) for n in ("at", "value")):
                self.dead.add(place)
                continue
            at, item, passed = s["at"] * 1000, (s["metric"], s["item"]), watermark.get(place[1], -math.inf)
            watermark[place[1]] = max(passed, at - OUT_OF_ORDER)
            if s["kind"] == "gauge":
                if s["of"] == 0:
                    self.dead.add(place)
                    continue
                percent = round(1000.0 * s["value"] / s["of"]) / 10.0
                now[item] = max(now.get(item, (-1, 0)), (at, percent), key=lambda p: (p[0], -p[1]))
                self._put(levels, item, at, percent, 2 * SECOND, passed, s)
            else:
                self._put(rates, item, at, s["value"], 4 * SECOND, passed, s)
        self.tables["now"] = [{"metric": m, "item": i, "percent": p, "at": at} for (m, i), (at, p) in now.items()]
        self.tables["levels"] = [
            self._window(key, 2, {"samples": len(v), "least": min(v), "most": max(v),
                                  "mean": round(10 * (math.fsum(v) / len(v))) / 10.0})
            for key, v in levels.items()]
        self.tables["rates"] = [self._window(key, 4, {"samples": len(v), "counted": max(v) - min(v)})
                                for key, v in rates.items()]

    def _put(self, windows, item, at, value, size, watermark, sample):
        """Into each window of the size, one every 2 s, unless its partition has passed the window's end."""
        last = at - at % (2 * SECOND)
        open_windows = [start for start in range(last, at - size, -2 * SECOND) if start + size > watermark]
        for start in open_windows:
            windows[item + (start,)].append(value)
        if not open_windows:
            self.late.append({"of": None, **sample, "at": at})

    @staticmethod
    def _window(key, seconds, row):
        metric, item, start = key
        return {"metric": metric, "item": item, "window_start": start, "window_end": start + seconds * SECOND, **row}


# --- the engine's side ------------------------------------------------------------------------------

def as_numbers(row):
    """RFC 3339 → microseconds, and 1.0 → 1, so that both sides compare as values and not as spellings."""
    def number(value):
        if isinstance(value, float) and value.is_integer():
            return int(value)
        found = isinstance(value, str) and re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z", value)
        return time_of(f"{found[1]} {found[2]}") + int((found[3] or "0").ljust(6, "0")) if found else value
    return {name: number(value) for name, value in row.items()}


def scan(state_dir, table):
    done = subprocess.run([KAPPA, "table", "scan", table, "--state-dir", state_dir, "--graph", "demo", "-o", "jsonl"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"recount: kappa table scan {table}: {done.stderr.decode().strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(ours, theirs):
    """Both ways, as multisets: what is there twice is found, too."""
    a, b = (collections.Counter(json.dumps(as_numbers(row), sort_keys=True) for row in rows)
            for rows in (ours, theirs))
    return [f"only recounted:  {row}" for row in (a - b).elements()] + \
           [f"only the engine: {row}" for row in (b - a).elements()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--state-dir", required=True)
    given = parser.parse_args()
    recount = Recount(given.brokers)
    checks = [(f"table {name}", rows, scan(given.state_dir, name)) for name, rows in recount.tables.items()]
    for topic, rows in (("demo.activity", [row for row in recount.tables["rates"] if row["counted"] > 0]),
                        ("demo.late", recount.late)):
        checks.append((f"topic {topic}", rows, [json.loads(value) for _, _, value, _ in consume(given.brokers, topic)]))
    checks.append(("topic demo.dead-letters", [{"from": list(place)} for place in recount.dead],
                   [{"from": [h["kappa.topic"], int(h["kappa.partition"]), int(h["kappa.offset"])]}
                    for _, _, _, h in consume(given.brokers, "demo.dead-letters")]))
    wrong = 0
    for name, ours, theirs in checks:
        found = differences(ours, theirs)
        wrong += bool(found)
        print(f"{name:<26} {len(theirs):>7} rows   {'DIFFERENT' if found else 'identical'}")
        for line in found[:5]:
            print(f"    {line}")
    print(f"{sum(recount.records.values())} records recounted: "
          f"{'identical' if not wrong else f'{wrong} of {len(checks)} DIFFER'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
