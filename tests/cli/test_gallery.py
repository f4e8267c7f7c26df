#!/usr/bin/env python3
"""docs/gallery: every graph of it passes its own tests, says what it is for, and stands in the list."""
import glob
import os
import re

from cli import *

FOLDER = os.path.join(ROOT, "docs", "gallery")
GRAPHS = sorted(glob.glob(os.path.join(FOLDER, "*.textproto")))


def text_of(file):
    with open(file, encoding="utf-8") as opened:
        return opened.read()


def test_graphs_pass():
    "every graph passes its tests, however its input is cut into batches"
    for seed in (0, 1, 2, 3):
        for file in GRAPHS:
            done = kappa("test", "--seed", seed, file)
            carried = len(re.findall(r"^ok   ", done.text, re.M))
            assert carried >= 1 and done.text.endswith(f"\n{carried} passed, 0 failed\n"), f"{file}: {done.text}"


def test_tests_can_fail():
    "each of these tests fails when one of the rows that it expects is left out, and when one is expected twice"
    for file in GRAPHS:
        graph = document("convert", "--to", "json", file)
        for test in graph["test"]:
            expected = [one for one in test["expect"] if one.get("row")]
            assert expected, f"{file}: {test['name']} expects no row"
            for one in expected:
                right = one["row"]
                for wrong, said in ((right[:-1], "gave, unexpected (1 times)"),
                                    (right + right[-1:], "did not give (1 times)")):
                    if wrong:
                        one["row"] = wrong
                        write("wrong.json", json.dumps(graph))
                        holds(kappa("test", "wrong.json", status=1).text, f'"{one["of"]}" {said}')
                one["row"] = right


def test_list():
    "the list has one line for every graph, in order, and nothing else"
    assert len(GRAPHS) >= 10, GRAPHS
    listed = re.findall(r"^- \[(\w+)\]\((\w+)\.textproto\): \S.*$", text_of(os.path.join(FOLDER, "README.md")), re.M)
    expect([name for name, _ in listed], [os.path.basename(file).removesuffix(".textproto") for file in GRAPHS])
    expect([file for _, file in listed], [name for name, _ in listed])
    expect(sorted(os.listdir(FOLDER)), sorted(["README.md"] + [os.path.basename(file) for file in GRAPHS]))


def test_openings():
    "each graph says who has the job, what comes in and out, and how to run it, with tables that it has"
    for file in GRAPHS:
        name = os.path.relpath(file, ROOT)
        opening = re.match(r"(?:#.*\n)+", text_of(file))
        assert opening, f"{name} opens with no comment"
        holds(opening.group(), "# Who has this job: ", "\n# In: ", "\n# Out: ",
              f"\n# Run it: kappa run {name} --brokers ")
        tables = [table["name"] for table in document("convert", "--to", "json", file).get("table", [])]
        for table in re.findall(r"kappa table (?:get|scan) (\S+)", opening.group()):
            assert table in tables, f"{name}: its text asks for a table {table}"


def test_side_by_side():
    "all may run on one cluster: no two have a name or an output in common, or read the same topic"
    graphs = [document("convert", "--to", "json", file) for file in GRAPHS]
    names = [graph["name"] for graph in graphs]
    expect(len(set(names)), len(names), "names")
    for kind in ("source", "sink"):
        topics = [topic for graph in graphs for topic in {part["kafka"]["topic"] for part in graph.get(kind, [])}]
        expect(sorted(topics), sorted(set(topics)), f"topics of a {kind}")


def test_all_is_looked_at():
    "no graph warns, and its tests look at the rows of each table and sink, or at others that get the same"
    for file in GRAPHS:
        expect(kappa("validate", "--offline", file).err, "", file)
        graph = document("convert", "--to", "json", file)
        outputs = graph.get("table", []) + graph.get("sink", [])
        takes = {output["name"]: output["input"] for output in outputs}
        looked = {takes.get(e["of"], e["of"]) for test in graph["test"] for e in test["expect"] if e.get("row")}
        for output in outputs:
            assert output["input"] in looked, f"{file}: no test looks at the rows of {output['name']}"


run_cases(globals())
