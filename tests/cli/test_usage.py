#!/usr/bin/env python3
"""What kappa says when it is used wrongly, word for word.

test_usage.py KAPPA MAKE_STATE: runs each "$ kappa …" of usage.golden and compares status, stdout and stderr. With
KAPPA_GOLDEN=write it writes what it got instead; read the difference before committing it.
"""
import os
import re
import shlex
import subprocess

from cli import *

GOLDEN = os.path.join(HERE, "usage.golden")


def blocks():
    with open(GOLDEN, encoding="utf-8") as file:
        text = file.read()
    head, *rest = re.split(r"^\$ ", text, flags=re.M)
    return head, ["$ " + block for block in rest]


def run(command):
    words = shlex.split(command)
    env = dict(ENV)
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        env[name] = value
    assert words[0] == "kappa", words
    done = subprocess.run([KAPPA, *words[1:]], cwd=TMP, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    lines = [f"$ {command}", f"status {done.returncode}"]
    for name, output in (("out", done.stdout), ("err", done.stderr)):
        # What librdkafka says in between depends on time, and so does an age.
        output = re.sub(r" \(after \d+ms in state CONNECT(, \d+ identical error\(s\) suppressed)?\)", "", output)
        output = re.sub(r"^\S+Z warn kafka: .*\n", "", output, flags=re.M)
        output = re.sub(r"\(\d+\S+ ago\)", "(long ago)", output)
        lines += [f"{name} {line}".rstrip() for line in output.splitlines()]
    return "\n".join(lines) + "\n\n"


def test_golden():
    "wrong use of every verb, word for word"
    write("good.textproto", 'name: "good"\nschema { name: "S" field: "value string not null" }\n'
          'source { name: "in" kafka { topic: "t" } format { raw {} } schema: "S" }\n'
          'sink { name: "out" input: "in" kafka { topic: "u" } format { json {} } }\n')
    write("file", "")
    make_state("state")
    head, wanted = blocks()
    got = [run(block.splitlines()[0][2:]) for block in wanted]
    if os.environ.get("KAPPA_GOLDEN") == "write":
        with open(GOLDEN, "w", encoding="utf-8") as file:
            file.write(head + "".join(got))
        return
    assert len(wanted) > 30, len(wanted)
    different = [(w, g) for w, g in zip(wanted, got) if w.strip() != g.strip()]
    if different:
        raise AssertionError("\n".join(f"want:\n{w}got:\n{g}" for w, g in different))


def test_every_verb():
    "every verb refuses an unknown flag with 64 and says where to find help"
    names = [line[2:16].strip() for line in kappa("--help").text.splitlines() if re.match(r"  [a-z]", line)]
    for name in names:
        done = kappa(*name.split(), "--nonsense", status=64)
        expect(done.text, "")
        holds(done.err, f"kappa {name}: unknown flag \"--nonsense\"", f"kappa {name} --help")


def on_terminal(*words, **env):
    """What a terminal at stderr gets."""
    master, slave = os.openpty()
    subprocess.run([KAPPA, *words], cwd=TMP, env={**ENV, "TERM": "xterm", **env}, stderr=slave,
                   stdout=subprocess.DEVNULL, timeout=60, check=False)
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    return text


def test_color():
    "errors are coloured on a terminal or if asked for, and never if not wanted"
    write("bad.textproto", 'name: "bad"\nnodee {}\n')
    words = ("validate", "--offline", "bad.textproto")
    red = "\033[1;31merror[K0102]:\033[0m"
    plain = kappa(*words, status=78).err
    assert "\033" not in plain and "bad.textproto:2:1: error[K0102]: " in plain, plain
    for more in (("--color", "always"), ("--color=always",)):
        colored = kappa(*words, *more, status=78, env={"NO_COLOR": "1"}).err
        assert red in colored and re.sub("\033\\[[0-9;]*m", "", colored) == plain, colored
    assert red in kappa(*words, status=78, env={"KAPPA_COLOR": "always"}).err
    assert "\033[1;31mkappa fmt:\033[0m unknown" in kappa("--color", "always", "fmt", "--frob", status=64).err
    expect(kappa("validate", "--", "--color", status=65).err.count("--color"), 1)
    assert red in on_terminal(*words)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"KAPPA_COLOR": "never"}):
        assert "\033" not in on_terminal(*words, **env), env
    holds(kappa(*words, "--color", "purple", status=64).err, '--color: "purple" is not auto, always or never')
    holds(kappa(*words, "--color", status=64).err, "--color needs a word")


run_cases(globals())
