#!/usr/bin/env python3
"""Prints, as C, the example graphs of the operators: examples.py examples/NAME.textproto…"""
import os
import sys


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main():
    print("// Made from operators/examples by operators/examples.py.")
    print('#include "operators/examples.h"\n')
    print("const struct k_example k_examples[] = {")
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        print('    {"%s",' % os.path.basename(path)[:-len(".textproto")])
        print("\n".join("     " + literal(line) for line in lines) + "},")
    print("};\nconst size_t k_example_count = sizeof(k_examples) / sizeof(k_examples[0]);")


main()
