#!/usr/bin/env python3
"""Verbs that only read and print: fmt, convert, operators, functions, version, completion, --help."""
import os
import re
import subprocess

from cli import *

UGLY = """# what it is for
name:"a"   # its name
source { name: "in" kafka { topic: "t" } format { raw {} } schema: "S" }

schema{name:"S" field:"value string not null"}
"""


def test_fmt_prints_and_keeps_comments():
    "fmt prints the canonical form, keeps comments, and its output is canonical"
    write("ugly.textproto", UGLY)
    text = kappa("fmt", "ugly.textproto").text
    holds(text, "# what it is for\n", 'name: "a"  # its name\n',
          'schema { name: "S" field: "value string not null" }\n')
    expect(read("ugly.textproto").decode(), UGLY, "the file itself")
    write("nice.textproto", text)
    expect(kappa("fmt", "nice.textproto").text, text)
    expect(kappa("fmt", "-", feed=UGLY.encode()).text, text)


def test_fmt_check():
    "fmt --check says which file differs, by status 1, and prints nothing to stdout"
    write("ugly.textproto", UGLY)
    write("nice.textproto", kappa("fmt", "ugly.textproto").text)
    expect(kappa("fmt", "--check", "nice.textproto").err, "")
    done = kappa("fmt", "--check", "nice.textproto", "ugly.textproto", status=1)
    expect((done.text, done.err),
           ("", "ugly.textproto: not in canonical form; kappa fmt --write ugly.textproto changes it\n"))


def test_fmt_write():
    "fmt --write changes files in place, keeps their mode and links, and leaves canonical files alone"
    write("ugly.textproto", UGLY)
    text = kappa("fmt", "ugly.textproto").text
    os.chmod(path("ugly.textproto"), 0o640)
    os.symlink("ugly.textproto", path("link.textproto"))
    expect(kappa("fmt", "--write", "link.textproto").text, "")
    expect(read("ugly.textproto").decode(), text)
    expect(os.stat(path("ugly.textproto")).st_mode & 0o777, 0o640)
    assert os.path.islink(path("link.textproto"))
    before = os.stat(path("ugly.textproto"))
    kappa("fmt", "--write", "ugly.textproto")
    expect(os.stat(path("ugly.textproto")).st_ino, before.st_ino, "inode")
    expect([f for f in os.listdir(TMP) if f.startswith("ugly.textproto.")], [], "files left over")


def test_fmt_wrong():
    "fmt of a wrong graph tells every error and leaves the file; a right one beside it is still printed"
    write("wrong.textproto", 'name: "a"\nnode { nam: "x" filte { } }\n')
    write("right.textproto", 'name: "b"\n')
    done = kappa("fmt", "wrong.textproto", "right.textproto", status=78)
    holds(done.err, 'wrong.textproto:2:8: error[', "wrong.textproto:2:17: error[")
    expect(done.text, 'name: "b"\n')
    kappa("fmt", "--write", "wrong.textproto", status=78)
    expect(read("wrong.textproto"), b'name: "a"\nnode { nam: "x" filte { } }\n')


def test_convert_round_trip():
    "text, JSON and binary turn into each other without loss; lost comments are told"
    write("a.textproto", UGLY)
    done = kappa("convert", "--to", "json", "a.textproto")
    holds(done.err, "comments are left out")
    write("a.json", done.text)
    write("a.binpb", kappa("convert", "--to", "binary", "a.json").stdout)
    text = kappa("convert", "--to", "text", "a.binpb")
    expect(text.err, "")
    write("b.textproto", text.text)
    expect(kappa("convert", "--to", "json", "b.textproto").text, done.text)
    expect(kappa("convert", "--to", "binary", "b.textproto").stdout, read("a.binpb"))


def test_operators():
    "every arm of the graph's oneof is listed as an operator, with its sentence, and described field by field"
    with open(os.path.join(ROOT, "proto", "kappa.proto"), encoding="utf-8") as file:
        proto = file.read()
    arms = re.findall(r"^    [A-Z]\w* (\w+) = \d+;", proto[proto.index("  oneof operator {"):].split("  }\n")[0], re.M)
    assert len(arms) >= 4, arms
    listed = {o["name"]: o["doc"] for o in document("operators", "-o", "json")["operators"]}
    text = kappa("operators").text
    for arm in arms + ["table"]:
        assert listed[arm].endswith("."), arm
        holds(text, f"{arm:<12} {listed[arm]}\n")
        one = document("operators", arm, "-o", "json")
        expect((one["kind"], one["name"], one["summary"]), ("operator", arm, listed[arm]))
        assert one["doc"] and (one["fields"] or arm == "union"), arm  # a union has nothing to say but its inputs
        undocumented = [f["name"] for f in one["fields"] if not f["doc"]]
        expect(undocumented, [], f"fields of {arm} without a comment")
    holds(kappa("operators", "aggregate").text, "  window  (message)\n", "      tumbling  (message, one of several)\n",
          "          size  (string)\n", "      ON_CLOSE\n")
    holds(kappa("operators", "graph").text, "  table  (message, repeated)\n")
    holds(kappa("operators", "filtre", status=1).err, 'did you mean "filter"?')


def test_examples():
    "every operator's page has an example graph that uses it, is valid, and passes its own tests"
    for name in [o["name"] for o in document("operators", "-o", "json")["operators"]]:
        example = document("operators", name, "-o", "json")["example"]
        assert example, f"{name} has no example"
        holds(kappa("operators", name).text, example)
        assert re.search(rf"\b{name} *{{", example), f"the example of {name} does not use it"
        write(f"{name}.textproto", example)
        kappa("validate", "--offline", f"{name}.textproto")
        holds(kappa("test", f"{name}.textproto").text, " 0 failed\n")
        assert kappa("test", f"{name}.textproto").text.count("ok ") >= 1, f"the example of {name} tests nothing"


def test_functions():
    "functions lists signatures with examples, one by name, and the nearest name for a wrong one"
    all_of_them = document("functions", "-o", "json")["functions"]
    assert len(all_of_them) > 50
    assert all(f["signature"] and f["doc"] for f in all_of_them)
    expect([f["signature"] for f in all_of_them if not f["example"] and "bytes" not in f["signature"] and
            "json" not in f["signature"]], [], "functions without an example")
    expect(kappa("functions", "split_part").text.splitlines()[0], "split_part(string, string, int64) → string")
    expect([f["name"] for f in document("functions", "split_part", "-o", "json")["functions"]], ["split_part"])
    holds(kappa("functions", "splitpart", status=1).err, 'did you mean "split_part"?')


def test_version():
    "version names the formats and the libraries; --version is the same"
    versions = document("version", "-o", "json")
    expect(versions["kind"], "version")
    with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as file:
        holds(file.read(), f"version: '{versions['version']}'")
    with open(os.path.join(ROOT, "state", "encoding.h"), encoding="utf-8") as file:
        holds(file.read(), f"K_STATE_FORMAT = {versions['state_format']} ")
    for library in ("librdkafka", "rocksdb", "protobuf-c", "libpg_query"):
        assert re.fullmatch(r"\d+(\.\d+)+", versions["libraries"][library]), versions
    expect(kappa("--version").text, kappa("version").text)


def test_help():
    "every verb of the list explains itself, on stdout, with status 0"
    names = [line[2:16].strip() for line in kappa("--help").text.splitlines() if re.match(r"  [a-z]", line)]
    assert "table scan" in names and "state import" in names and len(names) > 15, names
    for name in names:
        done = kappa(*name.split(), "--help")
        holds(done.text, f"usage: kappa {name}", "--help")
        expect(done.err, "")


def complete(*words):
    """What bash offers for the last of these words."""
    script = kappa("completion", "bash").text
    program = script + """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kappa; printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", program, "bash", "kappa", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    expect((done.returncode, done.stderr), (0, ""))
    return sorted(done.stdout.split())


def test_bash():
    "bash takes the completion and finds verbs, second words, flags, and listed values"
    expect(complete("va"), ["validate"])
    expect(complete("table", ""), ["digest", "get", "list", "scan"])
    expect(complete("table", "scan", "--w"), ["--wait-for", "--where"])
    expect(complete("table", "scan", "-o", ""), ["json", "jsonl", "table"])
    expect(complete("convert", "--to", "j"), ["json"])
    expect(complete("completion", ""), ["--help", "-h", "bash", "fish", "zsh"])
    expect(complete("run", "--state-dir", ""), [], "a directory is bash's own business")


def test_other_shells():
    "zsh and fish, where they are installed, accept theirs; every verb is in both"
    for shell in ("zsh", "fish"):
        script = kappa("completion", shell).text
        holds(script, "scan", "--state-dir" if shell == "zsh" else "-l state-dir", "doctor", "wait-for")
        if not any(os.access(os.path.join(d, shell), os.X_OK) for d in os.environ["PATH"].split(":")):
            continue
        done = subprocess.run([shell, "-n", write(f"script.{shell}", script)], stderr=subprocess.PIPE, text=True,
                              check=False)
        expect((done.returncode, done.stderr), (0, ""), shell)


def test_failing_test():
    "a test that fails says which records could not be processed and why; one that passes does not"
    graph = UGLY.replace("raw {}", "json {}").replace("value string", "value int64") + """
table { name: "kept" input: "in" key: "value" }
test { name: "t" given { source: "in" value: '{"value":"x"}' } given { source: "in" value: '{"value":7}' }
       expect { of: "in" row: '{"value":%d}' } }
"""
    write("fails.textproto", graph % 8)
    holds(kappa("test", "fails.textproto", status=1).text, '  dead letter of "in": ', ': {"value":"x"}\n')
    write("passes.textproto", graph % 7)
    expect(kappa("test", "passes.textproto").text, "ok   a: t\n1 passed, 0 failed\n")


run_cases(globals())
