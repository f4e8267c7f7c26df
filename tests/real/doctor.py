#!/usr/bin/env python3
# timeout: 180
"""kappa doctor against real brokers: each check of the broker's side is made to fail. tests/cli/test_doctor.py has the
machine's side."""
import json

from kafka_tool import *


def graph(name, topic, retention="1h"):
    keep = f' retention: "{retention}"' if retention else ""
    return write("graph.textproto", f"""name: "{name}"
        schema {{ name: "S" field: "k string not null" field: "n int64 not null" }}
        source {{ name: "in" kafka {{ topic: "{topic}" }} format {{ json {{}} }} schema: "S" }}
        table {{ name: "latest" input: "in" key: "k"{keep} }}
        sink {{ name: "out" input: "in" kafka {{ topic: "{name}.out" }} format {{ json {{}} }} key: "k" }}""")


def doctor(*words, status=0, env=None):
    """check → (worst verdict, all its texts)"""
    env = env or {"KAPPA_BROKERS": kafka.brokers}
    done = kappa("doctor", *words, "-o", "json", "--request-timeout", "4s", status=status, env=env)
    found = {}
    for check in json.loads(done.stdout)["checks"]:
        verdict, text = found.get(check["check"], ("ok", ""))
        worse = max(verdict, check["verdict"], key=["ok", "warn", "fail"].index)
        found[check["check"]] = (worse, text + check["text"] + "\n")
    return found


def has(found, check, verdict, *parts):
    expect(found[check][0], verdict, f"{check}: {found[check][1]}")
    for part in parts:
        assert part in found[check][1], f"{part!r} is not in {found[check][1]!r}"


def messages(count):
    return [{"key": f"k{i}", "value": {"k": f"k{i}", "n": i}} for i in range(count)]


def run_once(file, state):
    kappa("run", file, "--once", "--state-dir", state, "--brokers", kafka.brokers)


def test_good():
    "all is well before a run and after it, and doctor makes no topic"
    topic = kafka.create(unique("good"), partitions=2, retention_ms=-1)
    name, state = unique("g"), scratch("state")
    file = graph(name, topic)
    before = kafka.topics()
    found = doctor(file, "--state-dir", state)
    expect({check: verdict for check, (verdict, _) in found.items() if verdict != "ok" and check != "disk"}, {})
    has(found, "create topics", "ok", "3 would be made")
    expect(kafka.topics(), before)
    kafka.produce(topic, messages(50))
    run_once(file, state)
    found = doctor(file, "--state-dir", state)
    expect({check: verdict for check, (verdict, _) in found.items() if verdict != "ok" and check != "disk"}, {})
    has(found, "create topics", "ok", "all topics are there")
    has(found, "position", "ok", "still has what the state needs")
    has(doctor(), "create topics", "ok", "allowed")
    has(doctor(file, "--state-dir", scratch("none")), "position", "ok", "can be computed from the journal's beginning")


def test_source_topics():
    "a source that is not there, or that compacts and deletes, fails"
    name = unique("g")
    has(doctor(graph(name, "nowhere"), status=69), "topics", "fail", "source topic nowhere does not exist")
    topic = kafka.create(unique("both"), cleanup_policy="compact,delete")
    has(doctor(graph(name, topic), status=78), "topics", "fail", "both compacts and deletes")


def test_retention():
    "a source that keeps less than the tables warns"
    topic = kafka.create(unique("short"), retention_ms=3600000)
    has(doctor(graph(unique("g"), topic, "2h")), "retention", "warn", f"{topic} keeps only 1h, table \"latest\"")
    has(doctor(graph(unique("g"), topic, None)), "retention", "warn", "keeps only 1h")
    has(doctor(graph(unique("g"), topic, "30m")), "retention", "ok", "keeps 1h, as long as the tables")
    topic = kafka.create(unique("small"), retention_ms=-1, retention_bytes=1048576)
    has(doctor(graph(unique("g"), topic, "30m")), "retention", "warn", "keeps only 1 MiB")


def test_journal():
    "a journal that forgets, compacts, or has several partitions fails"
    topic, name = kafka.create(unique("in"), retention_ms=-1), unique("g")
    kafka.create(f"{name}.journal.0", partitions=2, retention_ms=1000)
    found = doctor(graph(name, topic), status=78)
    has(found, "topics", "fail", "has 2 partitions", "retention.ms=-1")
    name = unique("g")
    kafka.create(f"{name}.journal.0", cleanup_policy="compact", retention_ms=-1)
    has(doctor(graph(name, topic), status=78), "topics", "fail", "is compacted")


def test_lost_range():
    "a source, or a journal, that no longer has what the state needs next fails with 65"
    topic = kafka.create(unique("lost"), retention_ms=-1)
    name, state = unique("g"), scratch("state")
    file = graph(name, topic)
    kafka.produce(topic, messages(10))
    run_once(file, state)
    kafka.produce(topic, messages(10))
    kafka.delete_records(topic, 0, 15)
    has(doctor(file, "--state-dir", state, status=65), "position", "fail", f"needs {topic} partition 0 from offset 10",
        "now begins at 15")
    has(doctor(file, "--state-dir", scratch("none")), "position", "warn", "cannot be computed again")
    topic = kafka.create(unique("kept"), retention_ms=-1)
    name, state = unique("g"), scratch("state")
    file = graph(name, topic)
    kafka.produce(topic, messages(10))
    run_once(file, state)
    kafka.delete_records(f"{name}.journal.0", 0, -1)
    has(doctor(file, "--state-dir", state, status=65), "position", "fail", f"needs {name}.journal.0 partition 0")


def test_made_anew():
    "a source topic that was deleted and made anew fails with 65"
    topic = kafka.create(unique("anew"), retention_ms=-1)
    name, state = unique("g"), scratch("state")
    file = graph(name, topic)
    kafka.produce(topic, messages(10))
    run_once(file, state)
    kafka.delete(topic)
    until(lambda: topic not in kafka.topics(), "the topic goes")
    kafka.create(topic, retention_ms=-1)
    kafka.produce(topic, messages(3))
    has(doctor(file, "--state-dir", state, status=65), "position", "fail", "offset 10 of", "which ends at 3")


def test_transaction_timeout():
    "a transaction timeout beyond the broker's bound fails"
    has(doctor("--transaction-timeout", "2h", status=78), "transactions", "fail", "timeout")


def test_replication():
    "more replicas than brokers fail, before a topic is made"
    topic = kafka.create(unique("in"), retention_ms=-1)
    before = kafka.topics()
    found = doctor(graph(unique("g"), topic), "--replication", "3", status=78)
    has(found, "create topics", "fail", "eplication factor")
    expect(kafka.topics(), before)


def test_security():
    "a wrong password, a user without rights, and a distrusted broker fail with 77; the right user passes"
    broker = Broker("--sasl", "--tls")
    topic = broker.kafka.create("in", retention_ms=-1)
    file = graph("secure", topic)

    def as_user(properties, status):
        # The brokers are those of the file.
        return doctor(file, "--kafka-config", properties, "--state-dir", scratch("state"), status=status,
                      env={"KAPPA_BROKERS": ""})

    found = as_user(broker.file("sasl"), 0)
    expect({check: verdict for check, (verdict, _) in found.items() if verdict == "fail"}, {})
    found = as_user(broker.file("guest"), 77)
    has(found, "broker", "ok", "this client is accepted")
    has(found, "transactions", "fail", "do not allow")
    has(found, "create topics", "fail", "do not allow")
    has(found, "groups", "fail", "do not allow")
    has(found, "topics", "fail", "do not allow")
    with open(broker.file("sasl"), encoding="utf-8") as properties:
        wrong = write("wrong.properties", properties.read().replace("sasl.password=", "sasl.password=x"))
    found = as_user(wrong, 77)
    has(found, "broker", "fail", "refused this client")
    assert "transactions" not in found, "without a broker nothing more is asked"
    with open(broker.file("tls"), encoding="utf-8") as properties:
        distrust = write("distrust.properties",
                         "\n".join(l for l in properties.read().split("\n") if "ssl.ca" not in l))
    has(as_user(distrust, 77), "broker", "fail", "refused this client")


def test_no_answer():
    "a broker that accepts connections and says nothing fails with 69 within the time given"
    broker = Broker()
    broker.pause()
    has(doctor(status=69, env={"KAPPA_BROKERS": broker.address}), "broker", "fail", broker.address)
    broker.resume()


run_cases(globals())
