"""Replay: what an event costs when a shadow follows the journal of a pipeline, beside what it cost live over the same
topic, and as a share of the raw drain; and the latency of a live pipeline (kc) with a replay beside it at half
speed."""
import os
import shutil
import statistics
import subprocess

from bench import KAPPA, Running, last_figures, measure as measured, output_of, spread, topics_of
from latency import WARM_UP_S, pace

QUERIES = {"q5": "nexmark", "kc": "uniform"}
RATIO_MIN = 1.0
P99_RATIO_MAX = 1.5
SPARE = 1.2
KEYS = 1000000  # so many that each output shows the time of its own event: a hot key's is the latest of its batch
# Everything, and another generation also where the graph is the same.
START = ("replay", "start", "--full", "--new")


def timed(bench, query, topic, out, verb):
    """A process that takes all there is, and ends."""
    state, stats = os.path.join(bench.scratch, f"state-{out}"), os.path.join(bench.scratch, f"stats-{out}-{verb[0]}")
    result = measured(bench.command(query, topic, out, state, stats, verb) + ["--once"])
    result["nodes"] = last_figures(stats)["nodes"]
    return result


def compare(bench, query, pairs):
    """Each round a new pipeline and a new shadow of it, between two drains."""
    topic = bench.ensure(QUERIES[query])
    lives, shadows, drains = [], [], [bench.drain(topic)]
    for _ in range(pairs):
        out = bench.new_output(query)
        lives.append(timed(bench, query, topic, out, ("run",)))
        shadows.append(timed(bench, query, topic, out, START))
        drains.append(bench.drain(topic))
        shutil.rmtree(os.path.join(bench.scratch, f"state-{out}"))
        bench.ktool("delete", *topics_of(out))
    result = {"query": query, "events": bench.events,
              "ratio": spread([live["cpu_s"] / shadow["cpu_s"] for live, shadow in zip(lives, shadows)]),
              "of_drain": spread([drain["cpu_s"] / shadow["cpu_s"] for drain, shadow in zip(drains, shadows)]),
              # Each node has taken and given as much as it did live.
              "right": all(live["nodes"] == shadow["nodes"] for live, shadow in zip(lives, shadows))}
    for name, runs in (("live", lives), ("replay", shadows), ("drain", drains)):
        result[name] = {"kilo_events_per_cpu_s": spread([bench.events / run["cpu_s"] / 1000 for run in runs]),
                        "events_per_s": bench.events / statistics.median(run["wall_s"] for run in runs),
                        "rss_bytes": max(run["rss_bytes"] for run in runs)}
    return result


class Shadow(Running):
    """A generation beside a pipeline that runs; to be retired before the pipeline ends."""

    def __init__(self, live, generation, rate):
        self.generation = generation
        self.command = [*START, "--rate", str(rate)]
        super().__init__(live.bench, live.query, live.topic, out=live.out)

    def start(self):
        self.stats = f"{self.stats}-{self.generation}"
        command = self.bench.command(self.query, self.topic, self.out, self.state, self.stats, self.command)
        self.spawn(command)

    def finish(self):
        output_of(KAPPA, "replay", "abort", self.out, str(self.generation), "--brokers", self.bench.brokers)
        if self.process.wait(60) != 0:
            raise RuntimeError("kappa replay start failed")


def beside(bench, arguments, full_speed):
    """Rounds without and with a replay of the events that the pipeline took before."""
    topic = bench.new_output("history")
    rate = int(full_speed / 2)
    history = int(rate * (arguments.seconds + 2 * WARM_UP_S) * SPARE)  # a replay is not to be done before the round
    bench.produce(topic, history, KEYS)
    live = Running(bench, "kc_time", topic)
    live.wait("it is at the head", lambda shard: shard["state"] == "leading" and shard.get("lag") == 0)
    rounds, busy = {False: [], True: []}, True
    for pair in range(arguments.pairs):
        for with_replay in [False, True] if pair % 2 == 0 else [True, False]:
            shadow = Shadow(live, pair + 2, rate) if with_replay else None
            if shadow:
                shadow.wait("it follows", lambda shard: shard["records"] > 0)
            rounds[with_replay].append(pace(bench, topic, live.out, arguments, "bids", KEYS))
            if shadow:
                busy &= shadow.shard()["records"] < history
                shadow.finish()
    live.finish()
    bench.ktool("delete", topic)
    result = {"rate": arguments.rate, "seconds": arguments.seconds, "replay_rate": rate, "ratio_max": P99_RATIO_MAX,
              "busy": busy}
    for name, runs in (("without", rounds[False]), ("with", rounds[True])):
        result[name] = {key: spread([run[key] for run in runs]) for key in ("p50_ms", "p99_ms", "max_ms")}
    result["p99_ratio"] = result["with"]["p99_ms"][0] / result["without"]["p99_ms"][0]
    result["right"] = all(run["came"] == run["expected"] for side in rounds.values() for run in side)
    return result


def measure(bench, arguments):
    queries = [compare(bench, query, arguments.pairs) for query in QUERIES]
    latency = beside(bench, arguments, queries[-1]["replay"]["events_per_s"])
    return {"queries": queries, "latency": latency, "ratio_min": RATIO_MIN,
            "right": all(result["right"] for result in queries + [latency]) and latency["busy"]}


def three(values, form):
    median, low, high = values
    return f"{median:{form}} ({low:{form}}–{high:{form}})"


def show(result):
    print("replay; thousand events per CPU second (lowest–highest):")
    for q in result["queries"]:
        sides = "  ".join(f"{name} {three(q[name]['kilo_events_per_cpu_s'], '.0f')}"
                          for name in ("drain", "live", "replay"))
        print(f"  {q['query']}, {q['events']} events: {sides}; replay/live {three(q['ratio'], '.2f')} (wanted: "
              f"{result['ratio_min']:.1f}), {three(q['of_drain'], '.2f')} of the drain; replay "
              f"{q['replay']['events_per_s'] / 1000:.0f} thousand a second, RSS {q['replay']['rss_bytes'] >> 20} MiB; "
              f"counters {'equal' if q['right'] else 'DIFFER'}")
    latency = result["latency"]
    print(f"live latency (kc) at {latency['rate']} events/s, {latency['seconds']:.0f} s a round; milliseconds:")
    for name in ("without", "with"):
        print(f"  {name:7} a replay  " + "  ".join(f"{key[:-3]} {three(values, '.0f')}"
                                                   for key, values in latency[name].items()))
    print(f"  the replay at {latency['replay_rate']} events/s, half of its speed"
          f"{'' if latency['busy'] else ' (AT ITS END BEFORE THE ROUND WAS)'}; p99 {latency['p99_ratio']:.2f} of that "
          f"without (wanted: at most {latency['ratio_max']:.1f}); "
          f"{'each event came out once' if latency['right'] else 'EVENTS ARE MISSING OR DOUBLED'}")
