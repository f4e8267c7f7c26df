#!/usr/bin/env python3
# timeout: 120
"""What README.md and docs/operations.md show is true: their ```console blocks are typed on a real Kafka and must answer
as they say, the README's graph is the example that it names, and the links lead somewhere."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

import kafka_tool
from kafka_tool import *

KAPPA = os.path.join(BUILD, "kappa")


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_graph():
    "the graph that the README explains is the example, whole and in order"
    example = text_of("docs", "examples", "requests.textproto")
    expect("".join(blocks("textproto", text_of("README.md"))).splitlines(), [l for l in example.splitlines() if l])


def matches(shown, got):
    """… stands for anything in a line; spaces for any number of them."""
    pattern = r".*?".join(r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in shown.split("…"))
    return re.fullmatch(pattern, got) is not None


class Started:
    """What the text started in the background and noted in NAME.pid; ended with the case."""

    def __init__(self, folder):
        self.folder = folder

    def close(self):
        for path in glob.glob(os.path.join(self.folder, "*.pid")):
            with open(path, encoding="utf-8") as file, contextlib.suppress(ProcessLookupError):
                os.kill(int(file.read()), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def type_all(text, at_least):
    """Types the commands of a document, each in a shell of its own, and compares what they print."""
    if not shutil.which("kcat"):
        raise AssertionError("kcat is missing: make setup")
    broker = Broker()
    broker.kafka.create("access", partitions=2)
    environment = {**{k: v for k, v in os.environ.items() if k != "KAPPA_BUILD"}, "KAPPA_BROKERS": broker.address}
    # A short path, wherever the tree lies: kappa wraps what it prints, and the text was written with build/.
    scratch_folder, commands = tempfile.mkdtemp(prefix="t", dir="/tmp"), 0
    kafka_tool._open.append(Started(scratch_folder))
    for block in blocks("console", text):
        for command, shown in re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", block, re.M):
            commands += 1
            typed = re.sub(r"build/(kappa\b)?", lambda m: KAPPA if m.group(1) else scratch_folder + "/", command)
            done = subprocess.run(["bash", "-c", typed], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            got, want = done.stdout.replace(scratch_folder, "build").splitlines(), shown.splitlines()
            if len(got) != len(want) or not all(map(matches, want, got)):
                raise AssertionError(f"$ {command}\n{done.stdout}--- but the text says\n{shown}")
    assert commands >= at_least, f"only {commands} commands were found"


def test_readme():
    "the commands that the README shows answer as it says"
    type_all(text_of("README.md"), 7)


def test_operations():
    "the commands that docs/operations.md shows answer as it says"
    type_all(text_of("docs", "operations.md"), 6)


def test_replay():
    "the commands that docs/replay.md shows answer as it says"
    type_all(text_of("docs", "replay.md"), 14)


def test_config_by_variable():
    "the file of client properties may be named by a variable, as every flag"
    broker = Broker("--sasl")
    broker.kafka.create("access")
    os.chmod(broker.file("sasl"), 0o600)
    graph = os.path.join(ROOT, "docs", "examples", "requests.textproto")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KAPPA_")}
    done = subprocess.run([KAPPA, "validate", graph], env={**environment, "KAPPA_KAFKA_CONFIG": broker.file("sasl")},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    expect((done.returncode, done.stdout), (0, f"{graph}: valid\n"))


def test_links():
    "every file that the documents link to is there, and every directory of the README's tour"
    names = ("operations", "design", "state-format", "journal", "replay")
    documents = [("", "README.md")] + [("docs", f"{name}.md") for name in names]
    for folder, name in documents:
        text = text_of(folder, name)
        for link in re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r"^- `([a-z]+/)`", text, re.M):
            path = os.path.join(ROOT, folder, link)
            assert link.startswith("http") or os.path.exists(path), f"{name}: {link}"


run_cases(globals())
