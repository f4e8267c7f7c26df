#!/bin/bash
# timeout: 180
# The demo, as people run it: to its end, and stopped by Ctrl-C; nothing may be left of either. And the recount that it
# relies on can say no.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
output=$TEST_TMP/output
failed=0

check() { # NAME COMMAND…
    if "${@:2}"; then echo "ok $1"; else echo "FAIL $1"; failed=1; fi
}
leftovers() { # what the demo started and wrote
    pgrep -f -- "$KAPPA_BUILD/demo/" || ls -A "$KAPPA_BUILD/demo" | grep -vx lock
}
nothing_left() { ! leftovers; }

"$root/demo/run" >"$output" 2>&1
status=$?
check "the demo ends with 0" [ "$status" = 0 ]
check "an independent recount is identical" grep -qE '^ +[0-9]{3,} records recounted: identical$' "$output"
check "it was killed twice, and came back" [ "$(grep -c 'commits again' "$output")" = 2 ]
check "a changed graph is built beside it and compared" \
    grep -q '^ *report [0-9]*: generations 1 and 2 differ in 2 of 8 tables' "$output"
typed() { # the commands that docs/replay.md shows of the demo, in its output
    sed -n '/^### With the logs/,/^## /s/^\$ //p' "$root/docs/replay.md" >"$TEST_TMP/typed"
    [ "$(wc -l <"$TEST_TMP/typed")" = 7 ] || return 1
    while read -r line; do
        pattern=$(printf '%s' "$line" | sed 's/[.[\*^$]/\\&/g; s/…/[^ ]*/g')
        grep -q "^ *\$ $pattern\$" "$output" || { echo "not typed: $line"; return 1; }
    done <"$TEST_TMP/typed"
}
check "what the tutorial says that it types" typed
check "it leads, and the first one again" bash -c 'grep -q "generation 2 is live since switch 1 " "$1" &&
    grep -q "generation 1 is live since switch 2 " "$1" && grep -q "generation 2 is retired" "$1"' - "$output"
took=$(sed -n 's/^ *\([0-9]*\) s  That was it$/\1/p' "$output")
check "it took less than 90 s after set-up (${took:-?} s)" [ "${took:-90}" -lt 90 ]
check "every record was counted once" grep -q 'each was counted once' "$output"
check "the dead letters are shown with their reasons" grep -q '^ *dpkg .*line: the pattern does not match' "$output"
check "in a pipe it is plain" bash -c '! grep -q "$(printf "\033")" "$1"' - "$output"
check "nothing is left of it" nothing_left
[ $failed = 0 ] || tail -n 60 "$output"

# From Python, because a shell has what it puts into the background ignore SIGINT.
python3 - "$root/demo/run" "$output" <<'P'
import signal, subprocess, sys, time
with open(sys.argv[2], "wb") as output:
    demo = subprocess.Popen([sys.argv[1]], stdout=output, stderr=output, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
deadline = time.monotonic() + 60
while b"kappa run" not in open(sys.argv[2], "rb").read() and time.monotonic() < deadline and demo.poll() is None:
    time.sleep(0.1)
demo.send_signal(signal.SIGINT)
sys.exit(0 if demo.wait(30) == 130 else 1)
P
check "Ctrl-C ends it" [ $? = 0 ]
check "nothing is left of that, either" nothing_left

difference() {
    PYTHONPATH=$root/demo PYTHONDONTWRITEBYTECODE=1 python3 -c \
        'from recount import differences as d
a, b = {"n": 1, "t": "2026-01-01T00:00:00Z"}, {"n": 2, "t": "2026-01-01T00:00:00Z"}
assert not d([a, b], [b, a]) and not d([{"n": 1.0}], [{"n": 1}])
assert d([a], [b]) and d([a], [a, a]) and d([a, b], [a]) and d([], [a]) and d([{"n": 1}], [{"n": "1"}])'
}
check "the recount finds rows that differ, lack, or stand twice" difference
exit $failed
