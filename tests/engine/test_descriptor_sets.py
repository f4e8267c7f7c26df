#!/usr/bin/env python3
"""Descriptor sets belong to a graph: they are found beside it, wherever the command is typed, and what is in them is
part of its fingerprint. Messages of their types are read, alone and several to a message.

    test_descriptor_sets.py KAPPA TYPES
"""
import json
import os
import subprocess
import sys
import tempfile

GRAPH = """
name: "g"
schema { name: "Order" field: "id int64 not null" field: "color string" field: "buyer string at $.buyer.name" }
source { name: "orders" kafka { topic: "o" } schema: "Order"
         format { protobuf { descriptor_set: "types.binpb" message: "shop.Order" } } }
schema { name: "Buyer" field: "name string" field: "age int64" }
source { name: "buyers" kafka { topic: "b" } schema: "Buyer"
         format { packed { protobuf { descriptor_set: "types.binpb" message: "shop.Buyer" } } } }
node { name: "numbered" input: "buyers" map { select: "*" select: "_index AS i" select: "_offset AS o" } }
table { name: "t" input: "orders" key: "id" }
sink { name: "s" input: "numbered" kafka { topic: "out" } format { json {} } }
test { name: "messages, alone and in one"
  given { source: "orders" value_bytes: "\\x08\\x96\\x01\\x20\\x01\\x1a\\x04\\x0a\\x02Bo" }
  given { source: "orders" value_bytes: "\\x00\\x00\\x00\\x00\\x07\\x08\\x01" }
  given { source: "buyers" value_bytes: "\\x04\\x0a\\x02Bo\\x00\\x01\\x08\\x02\\x10\\x05\\x7fx" }
  given { source: "buyers" value_bytes: "" }
  given { source: "buyers" value_bytes: "\\x02\\x10\\x06" }
  expect { of: "orders" row: '{"id":150,"color":"RED","buyer":"Bo"}' dead_letters: 1 }
  expect { of: "numbered" row: '{"name":"Bo","age":null,"i":0,"o":0}' row: '{"name":"","age":null,"i":1,"o":0}'
           row: '{"name":"","age":5,"i":3,"o":0}' row: '{"name":"","age":6,"i":0,"o":2}' }
  expect { of: "buyers" dead_letters: 2 } }
"""


def main():
    kappa, types = os.path.abspath(sys.argv[1]), open(sys.argv[2], "rb").read()
    print("1..4")
    failed = 0

    def check(number, what, good, said=""):
        nonlocal failed
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
        if not good:
            print("".join(f"# {line}\n" for line in said.splitlines()), end="")

    def run(*words, cwd=None):
        ran = subprocess.run([kappa, *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return ran.returncode, ran.stdout.decode()

    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "g.textproto")
        with open(path, "w") as file:
            file.write(GRAPH)
        with open(os.path.join(place, "types.binpb"), "wb") as file:
            file.write(types)

        def fingerprint(*words, cwd=None):
            status, said = run("plan", "-o", "json", *words, cwd=cwd)
            return json.loads(said)["fingerprint"] if status == 0 else said

        status, said = run("test", path)
        check(1, "The graph's own test.", status == 0, said)
        here, beside = fingerprint(path, cwd="/"), fingerprint("g.textproto", cwd=place)
        check(2, "The set is found from anywhere.", len(here) == 32 and here == beside, f"{here}\n{beside}")
        with open(os.path.join(place, "types.binpb"), "wb") as file:
            file.write(types.replace(b"weight", b"height"))  # a field that nobody reads
        other = fingerprint(path)
        check(3, "Another set is another graph.", len(other) == 32 and other != here, f"{here}\n{other}")
        os.remove(os.path.join(place, "types.binpb"))
        status, said = run("validate", "--offline", path)
        check(4, "Without its set the graph is invalid.", status == 78 and "No such file" in said, said)
    return 1 if failed else 0


sys.exit(main())
