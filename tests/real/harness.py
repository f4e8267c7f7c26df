#!/usr/bin/env python3
# timeout: 180
"""Proves the tools that the other tests here trust: ktool, kafka_tool.py and tests/kafka/kafka. None of it
touches the engine; if something fails here, read no further."""
import time

from kafka_tool import *


def test_round_trip():
    "keys, values, headers and times come back as they went in"
    topic = kafka.create(unique("round"), partitions=3)
    sent = [{"partition": 0, "key": "k", "value": 'é😀\n"\\', "timestamp": 1000,
             "headers": [("h", "x"), ("h", "y"), ("none", None), ("bin", b"\xff\x00")]},
            {"partition": 1, "key": b"\xfe", "value": b"\x00\xff", "timestamp": 4102444800000},
            {"partition": 2, "key": "", "value": ""}, {"partition": 2, "key": "gone", "value": None}]
    expect(kafka.produce(topic, sent), 4)
    got = kafka.consume(topic)
    expect([(m.partition, m.offset, m.key, m.value) for m in got],
           [(0, 0, "k", 'é😀\n"\\'), (1, 0, b"\xfe", b"\x00\xff"), (2, 0, "", ""), (2, 1, "gone", None)])
    expect([m.timestamp for m in got[:2]], [1000, 4102444800000])
    expect(got[0].headers, [("h", "x"), ("h", "y"), ("none", None), ("bin", b"\xff\x00")])


def test_old_records_stay():
    "a record of 1970 outlives the broker's checks of retention"
    topic = kafka.create(unique("old"), segment_bytes=1048576)
    kafka.produce(topic, [{"value": "x" * 1000, "timestamp": i} for i in range(3000)])
    time.sleep(5)  # the broker looks every 2 s, and nothing tells when it did
    expect(len(kafka.consume(topic)), 3000)


def test_partitioner():
    "a key's partition is the one that Java's murmur2 gives"
    topic = kafka.create(unique("murmur"), partitions=10)
    kafka.produce(topic, [{"key": k, "value": k} for k in ("kafka", "giberish123456789", "1234567890")])
    # The hashes are those of librdkafka's own unit test, which took them from Java.
    where = {m.key: m.partition for m in kafka.consume(topic)}
    expect(where["kafka"], (0xd067cf64 & 0x7fffffff) % 10)
    expect(where["giberish123456789"], (0x8f552b0c & 0x7fffffff) % 10)


def test_transactions():
    "read_committed hides what was aborted, and an end with markers behind it is reached"
    topic = kafka.create(unique("transactions"))
    id = unique("id")
    kafka.produce(topic, ["a", "b"], transaction=id)
    kafka.produce(topic, ["no"], transaction=id, abort=True)
    kafka.produce(topic, ["c", "d", "e"], transaction=id, every=2)
    expect([m.value for m in kafka.consume(topic)], ["a", "b", "c", "d", "e"])
    expect([m.value for m in kafka.consume(topic, uncommitted=True)], ["a", "b", "no", "c", "d", "e"])
    ends = kafka.ends(topic)[0]
    # 6 messages and 4 markers
    expect((ends.low, ends.stable, ends.high), (0, 10, 10))


def test_speed():
    "200,000 records go through in a few seconds"
    topic = kafka.create(unique("speed"), partitions=4)
    begin = time.monotonic()
    expect(kafka.produce(topic, ({"partition": i % 4, "value": '{"n":%d}' % i} for i in range(200000))), 200000)
    expect(sum(row["n"] for row in kafka.rows(topic)), 200000 * 199999 // 2)
    took = time.monotonic() - begin
    assert took < 60, f"{took:.1f} s"


def test_deletion():
    "deleted records and topics are gone, added partitions are there"
    topic = kafka.create(unique("deletion"), partitions=2)
    kafka.produce(topic, [{"partition": 0, "value": str(i)} for i in range(10)])
    kafka.delete_records(topic, 0, 7)
    expect([m.value for m in kafka.consume(topic)], ["7", "8", "9"])
    expect(kafka.ends(topic)[0].low, 7)
    kafka.add_partitions(topic, 5)
    expect(kafka.topics()[topic], 5)
    expect(set(kafka.committed(unique("group"), topic).values()), {-1})
    kafka.delete(topic)
    until(lambda: topic not in kafka.topics(), "the topic goes")


def refused(action):
    try:
        action()
    except RuntimeError as why:
        return str(why)
    raise AssertionError("it was not refused")


def test_security():
    "a wrong password, a guest without rights, and an unknown authority are refused; the right ones are not"
    broker = Broker("--sasl", "--tls")
    broker.kafka.create("t")
    Kafka(file=broker.file("sasl")).produce("t", ["by sasl"])
    Kafka(file=broker.file("tls")).produce("t", ["by tls"])
    expect([m.value for m in broker.kafka.consume("t")], ["by sasl", "by tls"])
    assert "authorization failed" in refused(lambda: Kafka(file=broker.file("guest")).consume("t")).lower()
    with open(broker.file("sasl"), encoding="utf-8") as file:
        wrong = write("wrong.properties", file.read().replace("sasl.password=", "sasl.password=x"))
    line = Kafka(file=wrong, message_timeout_ms=2000)
    assert "refused" in refused(lambda: line.produce("t", ["no"]))
    with open(broker.file("tls"), encoding="utf-8") as file:
        distrust = write("distrust.properties", "\n".join(l for l in file.read().split("\n") if "ssl.ca" not in l))
    assert "refused" in refused(lambda: Kafka(file=distrust, message_timeout_ms=2000).produce("t", ["no"]))
    expect(len(broker.kafka.consume("t")), 2)


def test_killed_broker():
    "a broker that was killed comes back at the same address with what was acknowledged"
    broker = Broker()
    broker.kafka.create("t")
    broker.kafka.produce("t", [str(i) for i in range(1000)])
    broker.kill()
    address = broker.address
    broker.up()
    expect(Broker._verb(broker, "status").split()[1], address)
    expect([m.value for m in broker.kafka.consume("t")], [str(i) for i in range(1000)])


run_cases(globals())
