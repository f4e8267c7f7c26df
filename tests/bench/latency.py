"""End-to-end latency at a pace: from the time at which an event should have been sent until a read_committed consumer
has its output, through the engine (q0: every event to a topic, exactly once) and through a raw echo in C with the same
transactions (tests/bench/pace.c), in alternating rounds, each over topics of its own."""
import json
import signal
import statistics
import subprocess

from bench import NEXMARK, Running, output_of

COMMIT_MS = 100
P99_RATIO_MAX = 2.0
WARM_UP_S = 2


def pace(bench, topic, out, arguments, kind="all", keys=0):
    """What nexmark prints, once all has come out. keys: of the bidders, uniform; 0: as Nexmark has them."""
    command = [NEXMARK, "pace", bench.brokers, topic, out, str(arguments.rate), str(arguments.seconds),
               str(WARM_UP_S), kind, str(keys)]
    return json.loads(output_of(*command))


def through_echo(bench, topic, arguments):
    out = bench.new_output("echo")
    process = subprocess.Popen([NEXMARK, "echo", "q0", bench.brokers, topic, out, str(COMMIT_MS)],
                               stdout=subprocess.DEVNULL)
    try:
        result = pace(bench, topic, out, arguments)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    if status != 0:
        raise RuntimeError(f"the echo ended with {status}")
    result["digest"] = bench.digest(out)
    bench.ktool("delete", out)
    return result


def through_engine(bench, topic, arguments):
    running = Running(bench, "q0", topic, "--commit-interval", f"{COMMIT_MS}ms")
    running.wait("it leads", lambda shard: shard["state"] == "leading")
    result = pace(bench, topic, running.out, arguments)
    result["digest"] = bench.digest(running.out)
    running.finish()
    return result


def measure(bench, arguments):
    sides = {"echo": [], "engine": []}
    through = {"echo": through_echo, "engine": through_engine}
    for pair in range(arguments.pairs):
        for side in ["echo", "engine"] if pair % 2 == 0 else ["engine", "echo"]:
            topic = bench.new_output("latency")
            sides[side].append(through[side](bench, topic, arguments))
            bench.ktool("delete", topic)
    result = {"rate": arguments.rate, "seconds": arguments.seconds, "rounds": arguments.pairs, "commit_ms": COMMIT_MS,
              "ratio_max": P99_RATIO_MAX}
    for name, runs in sides.items():
        result[name] = {key: [run[key] for run in runs] for key in ("p50_ms", "p99_ms", "max_ms")}
    result["p99_ratio"] = statistics.median(result["engine"]["p99_ms"]) / statistics.median(result["echo"]["p99_ms"])
    # Outputs of two rounds differ in their times; that each event came out once shows in the counts.
    result["right"] = all(run["came"] == run["sent"] == run["digest"]["events"]
                          for runs in sides.values() for run in runs)
    return result


def show(result):
    print(f"latency at {result['rate']} events/s, commits every {result['commit_ms']} ms, {result['rounds']} rounds of "
          f"{result['seconds']:.0f} s; milliseconds, median (lowest–highest):")
    for name in ("echo", "engine"):
        parts = [f"{what} {statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"
                 for what, values in ((key[:-3], values) for key, values in result[name].items())]
        print(f"  {name:6}  {'  '.join(parts)}")
    verdict = "each event came out once" if result["right"] else "EVENTS ARE MISSING OR DOUBLED"
    print(f"  p99 of the engine is {result['p99_ratio']:.2f} of the echo's (wanted: at most "
          f"{result['ratio_max']:.1f}); {verdict}")
