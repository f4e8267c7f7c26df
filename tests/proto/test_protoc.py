#!/usr/bin/env python3
"""Compares the graph reader and printer with protoc: the same bytes for right texts, one verdict for wrong ones.

test_protoc.py PROTOC CONVERT SEED [COUNT]: reads right/*, then COUNT texts made from SEED, which is printed, and as
many that are broken somewhere.
"""
import glob
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROTOC, CONVERT, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3])
COUNT = int(sys.argv[4]) if len(sys.argv) > 4 else 150
TYPES = {"graph": ("kappa.v1.Graph", "proto/kappa.proto"), "every": ("kappa.test.Every", "tests/proto/every.proto")}
# What protoc takes and kappa refuses on purpose: text that is no text, numbers beyond their type.
STRICTER = ("[K0108]", "is no number of")


def protoc(kind, text):
    name, proto = TYPES[kind]
    done = subprocess.run([PROTOC, "-I", ROOT, "--encode=" + name, proto], input=text, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None, done.stderr.decode(errors="replace")


def convert(kind, form, path):
    done = subprocess.run([CONVERT, kind, form, path], capture_output=True, check=False)
    assert done.returncode in (0, 78), (done.returncode, done.stderr)
    return done.stdout if done.returncode == 0 else None, done.stderr.decode(errors="replace")


def written(folder, ending, content):
    path = os.path.join(folder, "x" + ending)
    with open(path, "wb") as file:
        file.write(content)
    return path


def check_forms(folder, kind, path, expected):
    """The binary form of path is `expected`, and stays so through each form; protoc reads what we print."""
    ours, errors = convert(kind, "binary", path)
    assert ours == expected, (path, errors, ours, expected)
    text, _ = convert(kind, "text", path)
    assert protoc(kind, text)[0] == expected, (path, text)
    for form, ending in (("text", ".textproto"), ("json", ".json"), ("binary", ".binpb")):
        printed, _ = convert(kind, form, path)
        copy = written(folder, ending, printed)
        again, errors = convert(kind, "binary", copy)
        assert again == expected, (path, form, errors, printed)
        assert convert(kind, form, copy)[0] == printed, (path, form)


def kind_of(path):
    return "every" if ".every." in path else "graph"


def corpus(folder):
    texts = sorted(glob.glob(os.path.join(HERE, "right", "*.textproto")))
    jsons = sorted(glob.glob(os.path.join(HERE, "right", "*.json")))
    assert len(texts) >= 5 and len(jsons) >= 2
    for path in texts:
        with open(path, "rb") as file:
            expected, errors = protoc(kind_of(path), file.read())
        assert expected, errors
        check_forms(folder, kind_of(path), path, expected)
    for path in jsons:
        with open(path[:-len(".json")].replace(".every", "") + ".same" + (".every" if ".every." in path else "") +
                  ".textproto", "rb") as file:
            expected, errors = protoc(kind_of(path), file.read())
        assert expected, errors
        check_forms(folder, kind_of(path), path, expected)


def literal(dice, raw):
    """A string literal for some bytes, each byte in a random notation; sometimes in pieces."""
    if len(raw) > 1 and dice.random() < 0.2:
        cut = dice.randrange(1, len(raw))
        return literal(dice, raw[:cut]) + dice.choice([" ", "\n", " # c\n"]) + literal(dice, raw[cut:])
    quote = dice.choice("\"'")
    out = []
    for byte in raw:
        how = dice.random()
        if how < 0.1:
            out.append("\\%03o" % byte)
        elif how < 0.2:
            out.append("\\x%02x" % byte)
        elif chr(byte) == quote or byte in b"\\":
            out.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            out.append("\\%03o" % byte)
    return quote + "".join(out) + quote


def scalar(dice, name):
    if "double" in name or "float" in name:
        return dice.choice(["inf", "-nan", "nan", "-INF", "1e3f", "-.5", "0", "-0", "7f",
                            "%r" % dice.uniform(-1e6, 1e6), "%de%d" % (dice.randrange(99), dice.randrange(-30, 30))])
    if "bool" in name or name == "truth":
        return dice.choice(["true", "false", "t", "f", "True", "False", "0", "1"])
    if "choice" in name:
        return dice.choice(["ZERO", "ONE", "MINUS", "0", "1", "-5", "0x1"])
    if "bytes" in name:
        return literal(dice, bytes(dice.randrange(256) for _ in range(dice.randrange(6))))
    if "string" in name or name in ("text", "with_default"):
        return literal(dice, "".join(dice.choice("ab'\"\\\n\té漢😀") for _ in range(dice.randrange(6))).encode())
    least = 0 if "uint" in name or "a_fixed" in name else -(1 << 31)
    value = dice.choice([0, 1, least, dice.randrange(least, 1 << 31)])
    sign, size = ("-" if value < 0 else ""), abs(value)
    return sign + dice.choice(["", " "] if sign else [""]) + dice.choice(["%d", "0x%x", "0%o", "0X%X"]) % size


SINGULAR = ["an_int32", "a_sint32", "a_sfixed32", "an_int64", "a_sint64", "a_sfixed64", "a_uint32", "a_fixed32",
            "a_uint64", "a_fixed64", "a_float", "a_double", "a_bool", "a_choice", "a_string", "some_bytes", "inner",
            "with_default", "number_with_default"]
REPEATED = ["int32s", "int64s", "uint64s", "doubles", "bools", "choices", "strings", "byteses", "inners"]
EITHER = ["text", "number", "message", "truth"]


def message(dice, depth):
    names = dice.sample(SINGULAR, dice.randrange(5)) + dice.choices(REPEATED, k=dice.randrange(4))
    names += dice.sample(EITHER, dice.randrange(2))
    dice.shuffle(names)
    out = []
    for name in names:
        gap = dice.choice(["", " ", "\n", "# c\n", "\t"])
        nested = name in ("inner", "inners", "message")
        if nested and depth > 4:
            continue

        def value():
            if not nested:
                return scalar(dice, name)
            open_, close = dice.choice(["{}", "<>"])
            return open_ + message(dice, depth + 1) + close
        if name in REPEATED and dice.random() < 0.3:
            text = "[" + ("," + gap).join(value() for _ in range(dice.randrange(4))) + "]"
        else:
            text = value()
        # An empty list may stand without a colon only where a message could.
        out.append(name + gap + ("" if nested and dice.random() < 0.5 else ":") + gap + text)
        out.append(dice.choice([" ", "\n", ", ", ";", " # c\n"]))
    return "".join(out)


def mutated(dice, text):
    tokens = list(text)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(tokens) + 1)
        new = dice.choice(["", "{", "}", ":", "\"", "0", "e", "[", ",", ";", "-", "\\", " x ", ">", " ", "\n", "\f"])
        tokens[at:at + dice.randrange(2)] = list(new)
    return "".join(tokens)


def generated(folder, dice):
    accepted = refused = 0
    for turn in range(COUNT):
        text = message(dice, 0).encode()
        expected, errors = protoc("every", text)
        assert expected is not None, (turn, errors, text.decode())
        path = written(folder, ".in.textproto", text)
        ours, errors = convert("every", "binary", path)
        assert ours == expected, (turn, errors, text.decode())
        wrong = mutated(dice, text.decode()).encode()
        expected, theirs = protoc("every", wrong)
        ours, errors = convert("every", "binary", written(folder, ".in.textproto", wrong))
        if ours is None and expected is not None and any(mark in errors for mark in STRICTER):
            continue
        assert ours == expected, (turn, wrong.decode(), "protoc: " + theirs, "kappa: " + errors)
        accepted += ours is not None
        refused += ours is None
    assert accepted > COUNT // 30 and refused > COUNT // 3, (accepted, refused)
    print(f"{COUNT} texts, {accepted} broken ones that are still right, {refused} that are wrong")


if __name__ == "__main__":
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as work:
        corpus(work)
        generated(work, random.Random(SEED))
    print("equal")
