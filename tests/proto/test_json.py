#!/usr/bin/env python3
"""Compares the JSON reader and printer with Python's protobuf package: what it prints we read as the same message, what
we print it reads as the same, and JSON that is broken somewhere gets one verdict from both.

test_json.py PROTOC CONVERT SEED [COUNT]: the corpus in right/, then COUNT messages made from SEED, as test_protoc.py.
"""
import os
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError:
    # Debian's package belongs to Debian's Python; the first in the path may be another one.
    if os.environ.get("TEST_JSON_PYTHON") or not os.path.exists("/usr/bin/python3"):
        print("no Python here has the package protobuf")
        sys.exit(77)
    os.execve("/usr/bin/python3", ["/usr/bin/python3", *sys.argv], {**os.environ, "TEST_JSON_PYTHON": "1"})

import glob
import random
import re
import subprocess
import tempfile

from test_protoc import CONVERT, COUNT, HERE, PROTOC, ROOT, SEED, TYPES, convert, kind_of, message, protoc, written


def classes(folder):
    """The message types of the graph's and the test's proto files, by kind."""
    pool, out = descriptor_pool.DescriptorPool(), os.path.join(folder, "types.binpb")
    files = [file for _, file in TYPES.values()]
    subprocess.run([PROTOC, "-I", ROOT, f"--descriptor_set_out={out}", *files], check=True)
    with open(out, "rb") as file:
        for one in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(one)
    return {kind: message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))
            for kind, (name, _) in TYPES.items()}


def theirs(kind, text):
    """What Python reads: the message's bytes, or None and why not."""
    try:
        return json_format.Parse(text, TYPE[kind]()).SerializeToString(deterministic=True), ""
    except (json_format.ParseError, ArithmeticError, UnicodeError, RecursionError, ValueError, TypeError,
            AttributeError) as why:
        return None, repr(why)


def printed(dice, value):
    """Python's JSON of a message, in one of the forms that it has."""
    return json_format.MessageToJson(value, preserving_proto_field_name=dice.random() < 0.5,
                                     use_integers_for_enums=dice.random() < 0.3,
                                     indent=dice.choice([None, 0, 2]), ensure_ascii=dice.random() < 0.5)


def same(kind, ours, bytes_of_theirs):
    """Whether both are one message; JSON has one NaN, and none with a sign, and to Python -0 is an integer, 0."""
    if ours == bytes_of_theirs:
        return True
    both = [json_format.MessageToDict(TYPE[kind].FromString(one)) for one in (ours, bytes_of_theirs)]
    left, right = (re.sub(r"-0\.0(?![0-9])", "0.0", repr(one)) for one in both)
    return left == right and ("NaN" in left or "0.0" in left)


def check(folder, dice, kind, path, expected):
    """Both ways; returns Python's JSON."""
    ours, errors = convert(kind, "json", path)
    read, why = theirs(kind, ours.decode())
    assert read is not None and same(kind, read, expected), (path, why or errors, ours.decode())
    text = printed(dice, TYPE[kind].FromString(expected))
    got, errors = convert(kind, "binary", written(folder, ".their.json", text.encode()))
    assert got is not None and same(kind, got, expected), (errors, text)
    return text


# Where we refuse and Python does not, by our message: it leaves out what is no base64, takes true and "1" for a
# choice (and cuts a fraction off), reads what int() reads, of two values for one field the last, a NUL in a text, and
# an empty list or text for a message without members; true is a number, and so is "inf".
STRICTER = re.compile(r"expected \"\{\", found|is an object: |wants bytes in base64|"
                      r"is text, but byte 0x00|is given twice|"
                      r"has no choice \"(?:true|false| ?-?[0-9]+)\"|"
                      r"(?:_choice|choices)\" of \w+ wants a whole number, not|wants a whole number, not (?:\+|\s)|"
                      r"(?:float|double)s?\" of \w+ wants a number, not a (?:word|string)")
# Where Python refuses, by its message: JSON's mapping has "1e2" for 100 also in quotes.
LOOSER = re.compile(r"invalid literal for int\(\) with base 10: '-?[0-9.]+(?:e[0-9]+)?'")
VALUES = ["0", "-0", "7", "-1", "2147483648", "-2147483649", "4294967295", "18446744073709551616", "3.0", "1.5", "1e2",
          "1e-1", "1e400", "01", "+1", ".5", "true", "false", "null", '""', '"1"', '"-5"', '"1e2"', '"3.0"', '" 1"',
          '"NaN"', '"-Infinity"', '"inf"', "NaN",
          '"ONE"', '"one"', '"true"', '"AA=="', '"_-8="', '"\\u0000"', '"\\ud83d"',
          '"\\ud83d\\ude00"', '"\t"', "{}", "[]", "[0]", '{"an_int32": 1, "anInt32": 2}', '{"text": "a", "number": 1}',
          '{"unknown": 1}', '{"a_bool": true,}']
VALUE = re.compile(r'-?[0-9][0-9.e+-]*|true|false|"(?:[^"\\\\]|\\\\.)*"(?! ?:)|\{\}|\[\]')


def look(value):
    return "a number" if value[0] in "-0123456789" else value[0]


def mutated(dice, text):
    """Another value in the place of one; or characters changed, of which most texts break."""
    places = list(VALUE.finditer(text))
    if places and dice.random() < 0.7:
        place = dice.choice(places)
        alike = [value for value in VALUES if look(value) == look(place[0])]
        return text[:place.start()] + dice.choice(alike if dice.random() < 0.6 else VALUES) + text[place.end():]
    tokens = list(text)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(tokens) + 1)
        new = dice.choice(["", "{", "}", ":", "\"", "0", "e", "[", "]", ",", "-", "\\", " ", "\n", "/", "'", "x", "\f"])
        tokens[at:at + dice.randrange(2)] = [new]
    return "".join(tokens)


def generated(folder, dice):
    accepted = refused = meant = 0
    for turn in range(COUNT):
        path = written(folder, ".in.textproto", message(dice, 0).encode())
        with open(path, "rb") as file:
            expected, errors = protoc("every", file.read())
        assert expected is not None, (turn, errors)
        text = mutated(dice, check(folder, dice, "every", path, expected))
        ours, errors = convert("every", "binary", written(folder, ".wrong.json", text.encode("utf-8", "surrogatepass")))
        read, why = theirs("every", text)
        if (ours is None) != (read is None):
            assert (STRICTER.search(errors) if ours is None else LOOSER.search(why)), (turn, text, errors, why)
            meant += 1
            continue
        assert ours is None or same("every", ours, read), (turn, text, ours, read)
        accepted += ours is not None
        refused += ours is None
    assert accepted > COUNT // 30 and refused > COUNT // 3 and meant < COUNT // 10, (accepted, refused, meant)
    print(f"{COUNT} messages; of as many changed texts {accepted} are right to both, {refused} wrong to both, {meant} "
          f"are of the differences that are meant")


if __name__ == "__main__":
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as work:
        TYPE = classes(work)
        for path in sorted(glob.glob(os.path.join(HERE, "right", "*.textproto"))):
            with open(path, "rb") as file:
                expected, _ = protoc(kind_of(path), file.read())
            check(work, random.Random(SEED), kind_of(path), path, expected)
        generated(work, random.Random(SEED))
    print("equal")
