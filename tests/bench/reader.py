"""The reader's side: gets of single rows over the reader library (tests/bench/reader.c, 20,000 a second) beside a q5
that catches up and whose counts are a table, and what they cost the engine: the same catch-up with and without, in
turn."""
import json
import os
import shutil
import signal
import statistics
import subprocess
import time

from bench import BUILD, Running, spread
from catchup import at_head

READER = os.path.join(BUILD, "tests", "bench", "bench_reader")
RATE = 20000
P99_US_MAX = 1000
SHARE_MIN = 0.9
READS_S = 2  # at least; a short run is at its head before
# Tables move only with checkpoints, and with a backlog these are rare: every second for both sides.
CHECKPOINTS = ["--backlog-checkpoint-interval", "1s"]


def catch_up(bench, topic, reads):
    """What the engine had done when it was at the head; and what the reader printed, or None."""
    running = Running(bench, "q5_table", topic, *CHECKPOINTS)
    reader = None
    if reads:
        reader = subprocess.Popen([READER, running.state, "counts", str(RATE)], stdout=subprocess.PIPE)
    began = time.monotonic()
    running.wait("it is at the head", at_head)
    wall_s, cpu_s = running.age_s(), running.cpu_s()
    answers = None
    if reads:
        time.sleep(max(0, began + READS_S - time.monotonic()))
        reader.send_signal(signal.SIGTERM)
        answers = json.loads(reader.communicate(timeout=60)[0])
    result = {"wall_s": wall_s, "cpu_s": cpu_s, "digest": bench.digest(running.out)}
    running.finish()
    return result, answers


def measure(bench, arguments):
    topic = bench.ensure("nexmark")
    sides, answers = {False: [], True: []}, []
    for pair in range(arguments.pairs):
        for reads in [False, True] if pair % 2 == 0 else [True, False]:
            run, answer = catch_up(bench, topic, reads)
            sides[reads].append(run)
            answers += [answer] if answer else []
    result = {"events": bench.events, "pairs": arguments.pairs, "rate_wanted": RATE, "p99_us_max": P99_US_MAX,
              "share_min": SHARE_MIN,
              "gets_per_s": spread([a["gets"] / a["seconds"] for a in answers]),
              "gets": sum(a["gets"] for a in answers), "absent": sum(a["absent"] for a in answers)}
    for name in ("p50_us", "p99_us", "max_us", "late_p99_us", "cpu_us"):
        result[name] = spread([a[name] for a in answers])
    for name, reads in (("without", False), ("with", True)):
        result[name] = {"kilo_events_per_s": spread([bench.events / run["wall_s"] / 1000 for run in sides[reads]]),
                        "kilo_events_per_cpu_s": spread([bench.events / run["cpu_s"] / 1000 for run in sides[reads]])}
    for share, of in (("wall_share", "wall_s"), ("cpu_share", "cpu_s")):
        result[share] = spread([a[of] / b[of] for a, b in zip(sides[False], sides[True])])
    result["right"] = len({json.dumps(run["digest"], sort_keys=True) for side in sides.values() for run in side}) == 1
    return result


def show(result):
    def three(name, of=result):
        median, low, high = of[name]
        return f"{median:.0f} ({low:.0f}–{high:.0f})"

    def share(name):
        median, low, high = result[name]
        return f"{median:.2f} ({low:.2f}–{high:.2f})"
    print(f"reader beside q5 over {result['events']} events, {result['pairs']} pairs: {three('gets_per_s')} gets a "
          f"second (wanted: {result['rate_wanted']}); microseconds: p50 {three('p50_us')}, p99 {three('p99_us')} "
          f"(wanted: less than {result['p99_us_max']}), most {three('max_us')}; late by, p99, {three('late_p99_us')}; "
          f"CPU of a get {three('cpu_us')}")
    for name in ("without", "with"):
        side = result[name]
        print(f"  engine {name:7}  {three('kilo_events_per_s', side)} thousand events a second, "
              f"{three('kilo_events_per_cpu_s', side)} a CPU second")
    print(f"  with reads it reaches {share('wall_share')} of its speed and {share('cpu_share')} by CPU (wanted: "
          f"{result['share_min']}); outputs {'equal' if result['right'] else 'DIFFER'}")
