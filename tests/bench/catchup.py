"""An engine that was down while events came: how fast it reaches the head (kc: state, and every update to a topic), how
far apart its checkpoints are meanwhile, and which share that is of the rate of the benchmark (--once over the same
topic, which is the same work without the waiting for a group and for the next event)."""
import datetime
import json

from bench import Running

QUERY, KIND = "kc", "uniform"
TIMES = 4          # as many events as the queries have: 20 million
CHECKPOINT_S = 10  # at least one in so long
SHARE_MIN = 0.9


def at_head(shard):
    return shard["state"] == "leading" and shard.get("lag") == 0


def longest_without_checkpoint_s(stats):
    """From the figures that come every second: the longest time for which their number stood still."""
    longest, since, count, time = 0.0, None, 0, None
    with open(stats) as file:
        for line in file.read().rpartition("\n")[0].splitlines():
            record = json.loads(line)
            time = datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00"))
            if since is None or record["shards"][0]["checkpoints"] != count:
                since, count = time, record["shards"][0]["checkpoints"]
            longest = max(longest, (time - since).total_seconds())
    return longest


def measure(bench, arguments):
    events = TIMES * bench.events
    topic = bench.ensure(KIND, events=events)
    rate = bench.engine(QUERY, topic)
    running = Running(bench, QUERY, topic)
    shard = running.wait("it is at the head", at_head, timeout_s=600 + events / 10000)
    cpu_s, wall_s = running.cpu_s(), running.age_s()
    result = {"events": events, "cpu_s": cpu_s, "wall_s": wall_s, "commits": shard["commits"],
              "checkpoints": shard["checkpoints"], "kilo_events_per_cpu_s": events / cpu_s / 1000,
              "kilo_events_per_s": events / wall_s / 1000, "share_min": SHARE_MIN,
              "bench_kilo_events_per_cpu_s": events / rate["cpu_s"] / 1000,
              "bench_kilo_events_per_s": events / rate["wall_s"] / 1000,
              "cpu_share": rate["cpu_s"] / cpu_s, "wall_share": rate["wall_s"] / wall_s,
              "longest_without_checkpoint_s": longest_without_checkpoint_s(running.stats),
              "right": bench.digest(running.out) == rate["digest"]}
    running.finish()
    bench.forget(topic)
    return result


def show(result):
    print(f"catch-up ({QUERY}) over {result['events']} events: {result['kilo_events_per_cpu_s']:.0f} thousand a CPU "
          f"second, {result['kilo_events_per_s']:.0f} thousand a second; {result['checkpoints']} checkpoints, at most "
          f"{result['longest_without_checkpoint_s']:.0f} s apart (wanted: {CHECKPOINT_S}), {result['commits']} commits")
    print(f"  of the bench rate ({result['bench_kilo_events_per_cpu_s']:.0f} and "
          f"{result['bench_kilo_events_per_s']:.0f}) {result['cpu_share']:.2f} by CPU, {result['wall_share']:.2f} by "
          f"time (wanted: {result['share_min']}); outputs {'equal' if result['right'] else 'DIFFER'}")
