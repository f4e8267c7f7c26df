#!/usr/bin/env python3
"""Wrong graphs, word by word: each wrong/NAME.textproto through `kappa validate --offline`, whose stderr must be
wrong/NAME.expected and whose exit status 78. With UPDATE=1 in the environment the expected texts are written anew.

    test_wrong.py KAPPA TYPES    the descriptor set that graphs name types.binpb
"""
import os
import shutil
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrong")


def main():
    kappa = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(sys.argv[2], os.path.join(place, "types.binpb"))
        return check(kappa, place)


def check(kappa, place):
    names = sorted(n[:-len(".textproto")] for n in os.listdir(FOLDER) if n.endswith(".textproto"))
    print(f"1..{len(names)}")
    failed = 0
    for number, name in enumerate(names, 1):
        shutil.copy(os.path.join(FOLDER, name + ".textproto"), place)
        ran = subprocess.run([kappa, "validate", "--offline", name + ".textproto"], cwd=place, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=60)
        found, path = ran.stderr.decode(), os.path.join(FOLDER, name + ".expected")
        if os.environ.get("UPDATE"):
            with open(path, "w") as file:
                file.write(found)
        with open(path) as file:
            expected = file.read()
        good = found == expected and ran.returncode == 78 and expected and not ran.stdout
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            failed += 1
            print(f"# exit {ran.returncode}\n# expected:\n" + "".join("#   " + l for l in expected.splitlines(True)) +
                  "# found:\n" + "".join("#   " + l for l in found.splitlines(True)))
    return 1 if failed else 0


sys.exit(main())
