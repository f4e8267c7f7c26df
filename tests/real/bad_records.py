#!/usr/bin/env python3
# timeout: 180
"""One record in a hundred is garbage, each piece bad in a way of its own, and some values are of 10 MB: nothing stops,
each bad record is in the dead letters once, untouched and with its reason, and what the rest adds up to is right."""
import base64
import calendar
import subprocess

from proof import *

COUNT = sized(20_000, 1_000_000)
HUGE = sized(2, 10)
HUGE_BYTES = 10_000_000
PARTITIONS = 3
BUDGET_MIB = 128
CUT_BEYOND, CUT_TO = 900_000, 65_536  # docs/operations.md: larger dead letters carry their beginning

GRAPH = """
name: "${NAME}"
param { name: "NAME" }
schema { name: "Sale" field: "n int64 not null" field: "who string not null" field: "cents int64 not null"
         field: "weight double" field: "sold timestamp" field: "note json" }
source { name: "sales" kafka { topic: "${NAME}.in" } format { json {} } schema: "Sale" }
node { name: "by_who" input: "sales" aggregate { group_by: "who" select: "count(*) AS sales"
       select: "sum(cents) AS cents" select: "sum(n) AS numbers" select: "max(weight) AS heaviest"
       select: "max(sold) AS latest" select: "count(note) AS notes" } }
table { name: "sales_by_who" input: "by_who" key: "who" }
"""


def sale(n, rng):
    return {"n": n, "who": f"w{rng.randrange(500)}", "cents": rng.randrange(-100_000, 100_000),
            "weight": rng.randrange(1000) / 8, "sold": BEGIN_MS + n, "note": {"a": [n, None]}}


def truncated(record, rng):
    value = said(record)
    return value[:rng.randrange(len(value))], "json"


def wrong_type(record, rng):
    column, value = rng.choice([("n", "many"), ("n", 1.5), ("who", 7), ("cents", {}), ("cents", True),
                                ("weight", [1]), ("sold", "yesterday"), ("who", ["a"])])
    return said({**record, column: value}), "type"


def no_object(record, rng):
    return said(rng.choice([[record], "text", 5, None, True])), "json"


def missing(record, rng):
    column = rng.choice(["n", "who", "cents"])
    if rng.random() < 0.5:
        return said({**record, column: None}), "missing"
    return said({name: value for name, value in record.items() if name != column}), "missing"


def invalid_utf8(record, rng):
    # A lone continuation, an overlong /, a surrogate, a character beyond the last, a sequence that breaks off.
    wrong = rng.choice([b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
    return said(record).replace(b'"who":"w', b'"who":"w' + wrong), "utf8"


def long_number(record, rng):
    column = rng.choice(["n", "cents"])
    return said({**record, column: rng.choice([-1, 1]) * (10 ** 39 + rng.randrange(10 ** 39))}), "range"


def deep(record, rng):
    opened, closed = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return said({**record, "note": 0}).replace(b'"note":0', b'"note":' + opened * 10_000 + b"1" + closed * 10_000), \
        "depth"


GARBAGE = [truncated, wrong_type, no_object, missing, invalid_utf8, long_number, deep]


def said(value):
    return json.dumps(value, separators=(",", ":")).encode()


def huge(record, kind):
    """A value of 10 MB, and its reason; None where nothing is wrong with it."""
    filler = b"0123456789abcdef" * (HUGE_BYTES // 16)
    note = said({**record, "note": 0}).replace(b'"note":0', b'"note":"' + filler + b'"')
    return [(note, None), (note[:-2], "json"), (note.replace(b'"cents":', b'"cents":"a","c":'), "type"),
            (said(record)[:-1] + b',"x":' + b"[" * HUGE_BYTES, "depth"),
            (note.replace(b"9ab", b"9\xffb", 1), "utf8")][kind % 5]


class Sent:
    """What was sent: the dead letters that must come of it, and what the rest adds up to."""

    def __init__(self):
        self.next_offset, self.bad, self.sums, self.kinds = [0] * PARTITIONS, {}, {}, collections.Counter()

    def line(self, value, reason, kind, record):
        partition = record["n"] % PARTITIONS
        offset = self.next_offset[partition]
        self.next_offset[partition] += 1
        self.kinds[kind] += 1
        if reason:
            self.bad[partition, offset] = reason, value, kind
        else:
            sums = self.sums.setdefault(record["who"], [0, 0, 0, -1.0, 0, 0])
            for i, part in enumerate((1, record["cents"], record["n"])):
                sums[i] += part
            sums[3], sums[4] = max(sums[3], record["weight"]), max(sums[4], record["sold"])
            sums[5] += record["note"] is not None
        return b'{"partition":%d,"timestamp":%d,"value_base64":"%s"}\n' % (partition, BEGIN_MS,
                                                                           base64.b64encode(value))


def produce(topic, rng, sent):
    """COUNT records, HUGE values of 10 MB among them, evenly."""
    every = COUNT // HUGE
    feed = subprocess.Popen(Kafka(kafka.brokers, message_max_bytes=11_000_000).command("produce", topic),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for n in range(COUNT):
        record = sale(n, rng)
        if n % every == every // 2:
            value, reason = huge(record, n // every)
            kind = "10 MB"
        elif rng.random() < 0.01:
            bad = rng.choice(GARBAGE)
            (value, reason), kind = bad(record, rng), bad.__name__
        else:
            value, reason, kind = said(record), None, "right"
        feed.stdin.write(sent.line(value, reason, kind, record))
    feed.stdin.close()
    expect((feed.wait(300), json.loads(feed.stdout.read())["produced"]), (0, COUNT), "ktool")


def check_letters(topic, source, sent):
    """Each bad record is there once, as it was and with its reason; and nothing else is."""
    seen = set()
    for letter in kafka.consume(topic, timeout_s=120):
        headers = dict(letter.headers)
        place = int(headers["kappa.partition"]), int(headers["kappa.offset"])
        assert place in sent.bad, f"a letter of {place}, which is right: {headers}"
        assert place not in seen, f"two letters of {place}"
        seen.add(place)
        reason, value, kind = sent.bad[place]
        expect((headers["kappa.reason"], headers["kappa.topic"], headers["kappa.node"]), (reason, source, "sales"),
               f"what the letter of {kind} says ({value[:100]!r}: {headers['kappa.error']})")
        assert headers["kappa.error"], f"the letter of {kind} at {place} does not say what is wrong"
        cut = headers.get("kappa.cut-from-bytes")
        expect(cut, str(len(value)) if len(value) > CUT_BEYOND else None, "from how much it was cut")
        got = letter.value if isinstance(letter.value, bytes) else letter.value.encode()
        assert got == (value[:CUT_TO] if cut else value), f"the letter of {kind} at {place} carries something else"
    lost = {place: sent.bad[place][2] for place in sent.bad if place not in seen}
    assert not lost, f"{len(lost)} bad records have no letter: {list(lost.items())[:5]}"


def sums_of(row):
    latest = row["latest"]  # 2026-01-01T00:00:00.123Z
    seconds, _, fraction = latest.rstrip("Z").partition(".")
    at = calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1000 + int((fraction + "000")[:3])
    return [row["sales"], row["cents"], row["numbers"], row["heaviest"], at, row["notes"]]


def test_bad_records():
    "nothing stops, each bad record is a dead letter with its reason, and the sums hold"
    rng, sent = seeded("bad records"), Sent()
    name, graph, state_dir = unique("bad"), write("bad.textproto", GRAPH), scratch("state")
    source = kafka.create(f"{name}.in", partitions=PARTITIONS, max_message_bytes=11_000_000)
    began = time.monotonic()
    produce(source, rng, sent)
    fed = time.monotonic()
    stats = os.path.join(scratch("stats"), "stats")
    worker = Kappa("run", graph, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state_dir,
                   "--memory", f"{BUDGET_MIB}MiB", "--stats", stats, "--once")
    peak = Peak(worker)
    worker.wait(0, sized(60, 900))
    ran = time.monotonic()
    say(", ".join(f"{count} {kind}" for kind, count in sorted(sent.kinds.items())))
    assert len(sent.kinds) == len(GARBAGE) + 2, f"not every kind of garbage occurred: {sent.kinds}"
    check_letters(f"{name}.dead-letters", source, sent)
    rows = {row["who"]: sums_of(row) for row in map(json.loads, lines_of(
        [KAPPA_PROGRAM, "table", "scan", "sales_by_who", "--state-dir", state_dir, "-o", "jsonl"]))}
    wrong = {who: (rows.get(who), sums) for who, sums in sent.sums.items() if rows.get(who) != sums}
    assert not wrong and len(rows) == len(sent.sums), f"{len(wrong)} rows are wrong: {list(wrong.items())[:3]}"
    with open(stats, encoding="utf-8") as file:
        counted = json.loads(file.read().splitlines()[-1])["nodes"]["sales"]
    expect((counted["in"], counted["processed"], counted["dead_lettered"], counted["dropped"]),
           (COUNT, COUNT - len(sent.bad), len(sent.bad), 0), "what the source counted")
    assert 8 << 20 < peak.get() < 1.25 * BUDGET_MIB * 2 ** 20, f"{peak.get() / 2 ** 20:.0f} MiB of {BUDGET_MIB}"
    say(f"{COUNT} records, {len(sent.bad)} dead letters; peak {peak.get() / 2 ** 20:.0f} MiB; fed in "
        f"{fed - began:.0f} s, ran {ran - fed:.0f} s, checked in {time.monotonic() - ran:.0f} s")


run_cases(globals())
