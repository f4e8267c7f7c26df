#!/usr/bin/env python3
"""kappa table digest and kappa parity. The digest is computed here once more, from docs/state-format.md and with
nothing but Python's own library."""
import base64
import datetime
import hashlib
import os
import random
import shutil
import struct
import time
import zlib

from cli import *

ROWS = int(os.environ.get("KAPPA_TEST_ROWS", "1000000"))
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
SPAN = 4096
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


# --- docs/state-format.md, once more

def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


NUMBER = {"bool": 1, "int64": 2, "double": 3, "string": 4, "bytes": 5, "timestamp": 6, "json": 7}


def plain(kind, value):
    """What a table scan prints, as the value that it stands for."""
    if kind == "timestamp":
        moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (moment - EPOCH) // datetime.timedelta(microseconds=1)
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "json":
        return json.dumps(value, separators=(",", ":")).encode()
    return value.encode() if kind == "string" else value


def in_key(kind, value):
    if value is None:
        return b"\x01"
    tag, value = bytes([0x10 + NUMBER[kind]]), plain(kind, value)
    if kind in ("string", "bytes", "json"):
        return tag + value.replace(b"\0", b"\0\xff") + b"\0\0"
    if kind in ("int64", "timestamp"):
        return tag + struct.pack(">Q", value + (1 << 63))
    if kind == "bool":
        return tag + bytes([value])
    bits = struct.unpack(">Q", struct.pack(">d", value + 0.0))[0]
    return tag + struct.pack(">Q", bits ^ ((1 << 64) - 1 if bits >> 63 else 1 << 63))


def in_row(kind, value):
    if value is None:
        return b"\x01"
    tag, value = bytes([0x10 + NUMBER[kind]]), plain(kind, value)
    if kind in ("string", "bytes", "json"):
        return tag + varint(len(value)) + value
    if kind in ("int64", "timestamp"):
        return tag + zigzag(value)
    return tag + (bytes([value]) if kind == "bool" else struct.pack("<d", value))


def digests(folder, name="people"):
    """Rows, sum, and the same of each range, from what `table list` and `table scan` print."""
    table = [t for t in rows("table", "list", "--state-dir", folder, "-o", "jsonl") if t["name"] == name][0]
    kinds = {c["name"]: c["type"] for c in table["columns"]}
    ranges = [[0, 0]]
    for row in rows("table", "scan", name, "--state-dir", folder, "-o", "jsonl"):
        key = b"".join(in_key(kinds[c], row[c]) for c in table["key"])
        columns = varint(len(kinds)) + b"".join(in_row(kinds[c], row[c]) for c in kinds)
        text = b"".join(varint(len(part)) + part for part in (name.encode(), key, columns))
        if zlib.crc32(key) % SPAN == 0:
            ranges.append([0, 0])
        ranges[-1][0] += 1
        ranges[-1][1] = (ranges[-1][1] + int.from_bytes(hashlib.sha256(text).digest(), "big")) % (1 << 256)
    return (sum(r[0] for r in ranges), sum(r[1] for r in ranges) % (1 << 256), ranges)


# --- cases

def test_digest_by_another_program():
    "a digest, and those of its ranges, are what another program computes from the document"
    make_state("one", count=20000)
    count, total, ranges = digests("one")
    got = document("table", "digest", "--state-dir", "one", "--ranges", "-o", "json")
    expect((got["kind"], got["position"]), ("digests", "0:10"))
    expect((got["tables"][0]["rows"], int(got["tables"][0]["digest"], 16)), (count, total))
    expect([[r["rows"], int(r["digest"], 16)] for r in got["tables"][0]["ranges"]], ranges)
    assert len(ranges) > 2
    expect((got["rows"], got["digest"]), (20000, got["tables"][0]["digest"]))
    text = kappa("table", "digest", "people", "--state-dir", "one").text.split()
    expect(text, ["table", "rows", "digest", "people", "20000", f"{total:064x}"])
    expect(rows("table", "digest", "--state-dir", "one", "-o", "jsonl"),
           [{"table": "people", "rows": 20000, "digest": f"{total:064x}"}])


def test_shards_do_not_show():
    "a digest does not depend on how rows are spread over shards, nor on how they lie on the disk"
    make_state("one", count=3000)
    for shard in range(3):
        make_state("three", shard=shard, shards=3, count=3000)
    one, three = (document("table", "digest", "--state-dir", d, "-o", "json") for d in ("one", "three"))
    expect(three["tables"], one["tables"])
    expect(three["shards_total"], 3)


def test_digest_wrong_use():
    "a wrong name is not found, with the nearest; --ranges wants a form that can hold them"
    make_state("one")
    holds(kappa("table", "digest", "peple", "--state-dir", "one", status=1).err, 'did you mean "people"?')
    holds(kappa("table", "digest", "--ranges", "--state-dir", "one", status=64).err, "--ranges goes with -o json")


def flip_byte(file, at):
    """As a disk that rots does."""
    with open(file, "r+b") as rotten:
        rotten.seek(at)
        byte = rotten.read(1)[0]
        rotten.seek(at)
        rotten.write(bytes([byte ^ 1]))


def largest_file(folder):
    """Of rows, in shard 0."""
    top = path(folder, "people", "1", "0")
    return max((os.path.join(top, name) for name in os.listdir(top) if name.endswith(".sst")), key=os.path.getsize)


def test_equal():
    "a million equal keys are equal, quickly"
    make_state("a", count=ROWS)
    shutil.copytree(path("a"), path("b"))
    began, before = time.monotonic(), os.times()
    done = kappa("parity", "a", "b")
    lasted, after = time.monotonic() - began, os.times()
    worked = sum(after[2:4]) - sum(before[2:4])
    print(f"# {ROWS} keys compared in {lasted:.2f} s, of which it worked {worked:.2f} s")
    holds(done.text, f"table people: equal, {ROWS} rows, digest ")
    assert worked < 10, worked  # on a machine that has time for it; tests/prove looks at the clock


def test_equal_forms():
    "what is equal is said so in each form, and no range is read again"
    make_state("a", count=20000)
    shutil.copytree(path("a"), path("b"))
    got = document("parity", "a", "b", "-o", "json")
    expect((got["kind"], got["equal"], got["same_position"]), ("parity", True, True))
    expect((got["tables"][0]["ranges_read"], got["tables"][0]["left"]), (0, got["tables"][0]["right"]))
    expect(rows("parity", "a", "b", "-o", "jsonl"), [])


def test_one_byte():
    "one byte in one value of a million is found and named by its key, with both values; only its range is read again"
    make_state("a", count=ROWS)
    shutil.copytree(path("a"), path("b"))
    number = random.randrange(ROWS)
    make_state("b", count=0, flip=number)  # through the store: what is on the disk is as good as before
    key = {"owner": "o%03d" % (number % 100), "number": number}
    done = kappa("parity", "a", "b", status=1)
    holds(done.text, "table people:\n  - {\"owner\":\"%(owner)s\",\"number\":%(number)d," % key,
          '"raw":"AP8="}\n  + {', '"raw":"AP4="}\n',
          f"table people: different, {ROWS} and {ROWS} rows: 1 changed, 0 only in a, 0 only in b\n")
    one = document("parity", "a", "b", "-o", "json", status=1)["tables"][0]
    expect((one["changed"], one["only_left"], one["only_right"], one["ranges_read"]), (1, 0, 0, 1))
    assert one["ranges"] > 1
    expect([(k["difference"], k["key"]) for k in one["keys"]], [("changed", key)])
    left, right = one["keys"][0]["left"], one["keys"][0]["right"]
    expect((left["raw"], right["raw"], {**left, "raw": ""}), ("AP8=", "AP4=", {**right, "raw": ""}))


def test_pairs_do_not_cancel():
    "two rows that have each other's value differ, for a digest holds a key and its value together"
    make_state("a", count=1000)
    make_state("b", count=1000, swapped=500)
    got = document("parity", "a", "b", "-o", "json", status=1)["tables"][0]
    expect((got["changed"], got["left"]["rows"], got["right"]["rows"]), (2, 1000, 1000))


def test_rows_that_one_side_lacks():
    "rows of one side only are told apart, in any number, also at the ends and where ranges begin"
    make_state("a", count=9000)
    make_state("none", count=0, next=9000)
    for number in (0, 5, 8999):
        make_state(f"without-{number}", count=9000, without=number)
        got = rows("parity", "a", f"without-{number}", "-o", "jsonl", "--table", "people", status=1)
        expect([(k["difference"], k["key"]["number"], k["right"]) for k in got], [("only_left", number, None)])
    # The rows at which ranges begin are as likely as others to be the ones that are missing.
    firsts = document("table", "digest", "--state-dir", "a", "--ranges", "-o", "json")["tables"][0]["ranges"]
    for first in [r["first"] for r in firsts if r["first"]][:3]:
        make_state("cut", count=9000, without=first[1])
        got = rows("parity", "cut", "a", "-o", "jsonl", status=1)
        expect([(k["difference"], k["key"]["number"], k["left"]) for k in got], [("only_right", first[1], None)])
        shutil.rmtree(path("cut"))
    got = document("parity", "a", "none", "-o", "json", "--limit", "9000", status=1)["tables"][0]
    expect((got["only_left"], got["only_right"], got["changed"], len(got["keys"])), (9000, 0, 0, 9000))
    keys = [(k["key"]["owner"], k["key"]["number"]) for k in got["keys"]]
    expect(keys, sorted(set(keys)))
    done = kappa("parity", "a", "none", "--limit", "3", status=1)
    holds(done.text, "  … and 8997 more\n", "9000 only in a, 0 only in none")


def test_positions_that_differ():
    "states at different positions are refused, with both positions; --any-position compares them"
    make_state("a", count=100)
    make_state("b", count=110)
    done = kappa("parity", "a", "b", status=65)
    holds(done.err, "a: shard 0 of 1 at journal 10 (in/0:100); b: shard 0 of 1 at journal 10 (in/0:110)")
    got = document("parity", "a", "b", "--any-position", "-o", "json", status=1)
    expect((got["same_position"], got["tables"][0]["only_right"]), (False, 10))


def test_damage():
    "a flipped byte on the disk is told as the checksum error that it is, with its file; nothing is said of tables"
    make_state("a", count=50000)
    kappa("state", "export", "kept", "--state-dir", "a")  # has its rows in files, which are those of the state itself
    shutil.copytree(path("kept"), path("b"))
    expect(document("parity", "a", "b", "-o", "json")["equal"], True)
    file = largest_file("b")
    flip_byte(file, os.path.getsize(file) // 3)
    for words, side in (("a", "b"), "right: "), (("b", "a"), "left: "):
        for form in ("table", "json", "jsonl"):
            done = kappa("parity", *words, "-o", form, status=65)
            holds(done.err, side, "checksum mismatch", os.path.relpath(file, TMP))
            expect(done.text, "")
    holds(kappa("table", "digest", "--state-dir", "b", status=65).err, "checksum mismatch")


def test_damage_anywhere():
    "wherever a byte of a file of rows is flipped, it is no difference: an error, unless nobody needs that byte"
    make_state("a", count=20000)
    kappa("state", "export", "kept", "--state-dir", "a")
    whole = largest_file("kept")
    size, found = os.path.getsize(whole), 0
    for part in range(30):
        at = random.randrange(size * part // 30, size * (part + 1) // 30)
        shutil.copytree(path("kept"), path("b"))
        flip_byte(largest_file("b"), at)
        done = kappa("parity", "a", "b", status=None)
        if done.returncode == 0 and part > 20:  # a filter, say
            holds(done.text, "table people: equal")
        else:
            expect((done.returncode, done.text), (65, ""), f"byte {at} of {size} flipped, and {done.err}")
            found += 1
        shutil.rmtree(path("b"))
    assert found > 20, found


def test_wrong_use():
    "what is missing, unknown or not a state is named"
    make_state("a")
    holds(kappa("parity", "a", status=64).err, "DIR1 DIR2")
    holds(kappa("parity", "a", "nowhere", status=65).err, "nowhere: ")
    holds(kappa("parity", "a", "a", "--table", "peple", status=65).err, 'did you mean "people"?')
    holds(kappa("parity", "a", "a", "--limit", "0", status=64).err, "--limit")


random.seed(SEED)
print(f"# TEST_SEED={SEED}")
run_cases(globals())
