#!/usr/bin/env python3
"""Prints, as C, the comments of .proto files: a table from the names of messages, fields and choices to their words.

help.py FILE.proto…: reads the few shapes that our files have, one declaration a line, comments above or behind it.
"""
import re
import sys

OPENING = re.compile(r"(message|enum|oneof) (\w+) \{$")
FIELD = re.compile(r"(?:(?:optional|repeated) )?[\w.]+ (\w+) = \d+( \[.*\])?;$")
CHOICE = re.compile(r"(\w+) = -?\d+;$")


def comments_of(path):
    package, scope, words = "", [], []
    with open(path, encoding="utf-8") as file:
        for line in (line.strip() for line in file):
            if line.startswith("//"):
                words.append(line[2:].strip())
                continue
            line, _, behind = line.partition(" //")
            line = line.rstrip()
            if behind:
                words.append(behind.strip())
            opening, field, choice = OPENING.match(line), FIELD.match(line), CHOICE.match(line)
            # A oneof is no part of its fields' names.
            names = [name for kind, name in scope if kind != "oneof"]
            if line.startswith("package "):
                package = line[len("package "):-1]
            elif opening:
                if opening[1] != "oneof":
                    yield ".".join([package] + names + [opening[2]]), " ".join(words)
                scope.append((opening[1], opening[2]))
            elif line == "}":
                scope.pop()
            elif scope and (choice or field):
                yield ".".join([package] + names + [(choice or field)[1]]), " ".join(words)
            elif line and not line.startswith(("syntax", "import")):
                sys.exit("%s: cannot read: %s" % (path, line))
            words = []
    if scope:
        sys.exit("%s: %s is not closed" % (path, scope[-1][1]))


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main():
    table = sorted(pair for path in sys.argv[1:] for pair in comments_of(path) if pair[1])
    print("// Made from the comments of the .proto files by proto/help.py.")
    print('#include "proto/help.h"\n')
    print("const struct k_help k_help_table[] = {")
    for name, words in table:
        print("    {%s, %s}," % (literal(name), literal(words)))
    print("};\nconst size_t k_help_count = sizeof(k_help_table) / sizeof(k_help_table[0]);")


main()
