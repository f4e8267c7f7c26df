#!/usr/bin/env python3
# timeout: 180
"""docs/gallery on a real Kafka: what each graph's own tests say of the engine's model of a log is true of a broker. The
messages of each test are produced, the graph runs over them to the end, and its tables, topics and counters are read
and compared with what the test expects. Only names of topics are changed, so that every test has topics of its own."""
import collections
import decimal
import glob
import json
import os
from datetime import datetime, timezone

from kafka_tool import *

GRAPHS = sorted(glob.glob(os.path.join(ROOT, "docs", "gallery", "*.textproto")))
FIRST_TIME = "2026-01-01T00:00:00Z"  # of a message that says none, as kappa test has it


def milliseconds(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp() * 1000)


def renamed(graph, prefix):
    """The graph with a name and topics of its own."""
    graph = json.loads(json.dumps(graph))
    graph["name"] = f"{prefix}-{graph['name']}"
    for part in graph["source"] + graph.get("sink", []):
        part["kafka"]["topic"] = f"{prefix}-{part['kafka']['topic']}"
    for node in graph.get("node", []):
        aggregate = node.get("aggregate", node.get("join", {}))
        if "late_topic" in aggregate:
            aggregate["late_topic"] = f"{prefix}-{aggregate['late_topic']}"
    for part in [graph] + graph["source"] + graph.get("node", []):
        if "dead_letter_topic" in part.get("policy", {}):
            part["policy"]["dead_letter_topic"] = f"{prefix}-{part['policy']['dead_letter_topic']}"
    return graph


def produce(graph, test):
    """The test's messages, in its order, at its times."""
    at, messages = FIRST_TIME, collections.defaultdict(list)
    for given in test["given"]:
        at = given.get("at", at)
        message = {"partition": given.get("partition", 0), "timestamp": milliseconds(at), "value": given.get("value"),
                   "headers": [(h["name"], h.get("value")) for h in given.get("header", [])]}
        if "key" in given:
            message["key"] = given["key"]
        messages[given["source"]].append(message)
    for source in graph["source"]:
        mine = messages[source["name"]]
        kafka.create(source["kafka"]["topic"], partitions=1 + max([m["partition"] for m in mine], default=0))
        kafka.produce(source["kafka"]["topic"], mine)


def number(text):
    return ["number", str(decimal.Decimal(text).normalize())]  # 2 and 2.0 are one, and no digit is lost


def rows_of(lines):
    """In an order that depends on the values alone."""
    rows = (json.loads(line, parse_int=number, parse_float=number) for line in lines)
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def last_of_each(rows, key):
    return list({json.dumps([json.loads(row)[column] for column in key]): row for row in rows}.values())


def compare(graph, state, expected):
    """What one expectation says of rows, in each table and topic that gets them; how many were compared."""
    outputs = graph.get("table", []) + graph.get("sink", [])
    given = {output["name"]: output["input"] for output in outputs}.get(expected["of"], expected["of"])
    want = expected.get("row", [])
    compared = 0
    for table in graph.get("table", []) if want else []:
        if table["input"] == given:
            got = kappa("table", "scan", table["name"], "--state-dir", state, "-o", "jsonl").stdout.splitlines()
            expect(rows_of(got), rows_of(last_of_each(want, table["key"])), f"table {table['name']}")
            compared += 1
    for sink in graph.get("sink", []) if want else []:
        if sink["input"] == given:
            messages = kafka.consume(sink["kafka"]["topic"])
            if "raw" in sink["format"]:
                expect(sorted(m.value for m in messages), sorted(v for row in want for v in json.loads(row).values()),
                       f"sink {sink['name']}")
            else:
                expect(rows_of(m.value for m in messages), rows_of(want), f"sink {sink['name']}")
            compared += 1
    return compared


def dead_letters(graph, of):
    policies = [part.get("policy", {}) for part in [graph] + graph["source"] + graph.get("node", [])]
    topics = {policy["dead_letter_topic"] for policy in policies if "dead_letter_topic" in policy}
    topics |= {f"{graph['name']}.dead-letters"}
    found = [dict(m.headers) for t in topics & set(kafka.topics()) for m in kafka.consume(t)]
    return [headers for headers in found if headers["kappa.node"] == of]


def play(graph, test):
    prefix, state = unique("gallery"), scratch("state")
    graph = renamed(graph, prefix)
    produce(graph, test)
    file = write("graph.json", json.dumps(graph))
    done = kappa("run", file, "--brokers", kafka.brokers, "--state-dir", state, "--once", "--final")
    compared = 0
    for expected in test["expect"]:
        compared += compare(graph, state, expected)
        if "dead_letters" in expected:
            letters = dead_letters(graph, expected["of"])
            expect(len(letters), int(expected["dead_letters"]), f"dead letters of {expected['of']}: {letters}")
        if "late" in expected:
            came = late(done.stderr, graph["name"], expected["of"])
            expect(came, int(expected["late"]), f"late rows of {expected['of']}")
    assert compared, "the test looks at no table and no topic"


def late(report, graph, name):
    """From what the run says at its end."""
    lines = [line.replace("=", "").replace("+", "").split() for line in report.splitlines()]
    header = next(words for words in lines if words[:2] == [graph, "in"])
    row = next(words for words in lines if words[:1] == [name])
    return int(row[header.index("late")])


def test_redrive_and_back():
    "what dead_letters.textproto rejects, redrive.textproto repairs and sends back, and it passes, once"
    prefix, states = unique("gallery"), [scratch("state"), scratch("state")]
    graphs = [renamed(json.loads(kappa("convert", "--to", "json", file).stdout), prefix) for file in GRAPHS
              if os.path.basename(file) in ("dead_letters.textproto", "redrive.textproto")]
    files = [write("graph.json", json.dumps(graph)) for graph in graphs]
    kafka.create(f"{prefix}-payments-in")
    kafka.produce(f"{prefix}-payments-in", [
        {"id": "p1", "partner": "north", "amount": "12.50"}, {"id": "p2", "partner": "south", "amount": "3,50"},
        {"id": "p3", "partner": "south"}, "<payment/>", {"id": "p4", "partner": "south", "amount": "1,2,3"}])
    for which in (0, 1, 0, 1, 0):
        kappa("run", files[which], "--brokers", kafka.brokers, "--state-dir", states[which], "--once", "--final")
    expect(sorted((row["id"], row["cents"]) for row in kafka.rows(f"{prefix}-payments-checked")),
           [("p1", 1250), ("p2", 350)])
    expect(sorted((row["id"], row["reason"]) for row in kafka.rows(f"{prefix}-payments-given-up")),
           [("p3", "missing"), ("p4", "cast")])


def case_of(file):
    def case():
        graph = json.loads(kappa("convert", "--to", "json", file).stdout)
        for test in graph["test"]:
            play(graph, test)
    case.__doc__ = f"{os.path.basename(file)} does on Kafka what its tests say"
    return case


for path in GRAPHS:
    name = "test_" + os.path.basename(path).removesuffix(".textproto")
    globals()[name] = case_of(path)
    globals()[name].__name__ = name

run_cases(globals())
