"""What an event of kc costs when there are more and more keys, under one --memory: CPU, memory, disk, the share of
lookups that the cache could not answer, and how far compaction was behind at its worst. Keys are uniform, so nothing
is hot; the program by hand, which has all of them in one hash table, stands beside it. The outputs must be equal."""
from bench import Running
from catchup import at_head

PER_KEY = 2  # events at least, so that most keys occur, and occur again


class Watch:
    """Figures of every second of a run. The second half is what a long run would go on with."""

    def __init__(self, running, events):
        self.running, self.events, self.samples = running, events, []

    def __call__(self, shard):
        if not self.samples or shard != self.samples[-1]["shard"]:
            self.samples.append({**shard, "shard": shard, "cpu_s": self.running.cpu_s()})
        return at_head(shard)

    def later_half(self):
        """Between the first figures behind the middle and the last."""
        last = self.samples[-1]
        middle = next((s for s in self.samples if s["records"] >= self.events / 2), last)
        return middle, last

    def peak(self, name):
        return max(sample[name] for sample in self.samples)


def lookups(shard):
    return shard["cache_hits"] + shard["cache_misses"] + shard["cache_absent"]


def miss_rate(since, until):
    """Of the lookups between, those that read the store."""
    number = lookups(until) - lookups(since)
    return (until["cache_misses"] - since["cache_misses"]) / number if number else 0.0


def grown(bench, keys, memory_mib):
    events = max(bench.events, PER_KEY * keys)
    topic = bench.ensure("uniform", keys, events)
    by_hand = bench.hand("kc", topic)
    running = Running(bench, "kc", topic, "--memory", f"{memory_mib}MiB")
    watch = Watch(running, events)
    last = running.wait("it is at the head", watch, timeout_s=600 + events / 10000)
    cpu_s, wall_s = running.cpu_s(), running.age_s()
    nothing = {"cache_hits": 0, "cache_misses": 0, "cache_absent": 0}
    middle, end = watch.later_half()
    later = end["records"] - middle["records"]
    result = {"keys": keys, "events": events, "cpu_ns": cpu_s / events * 1e9, "wall_s": wall_s,
              "hand_cpu_ns": by_hand["cpu_s"] / events * 1e9, "hand_rss_bytes": by_hand["rss_bytes"],
              "later_cpu_ns": (end["cpu_s"] - middle["cpu_s"]) / later * 1e9 if later else None,
              "lookups": lookups(last), "miss_rate": miss_rate(nothing, last),
              "later_miss_rate": miss_rate(middle, end),
              "rss_bytes": running.rss_peak(), "disk_bytes": last["store_disk_bytes"],
              "disk_peak_bytes": watch.peak("store_disk_bytes"), "written_bytes": running.written(),
              "level0_files_peak": watch.peak("store_level0_files"), "debt_peak_bytes": watch.peak("store_debt_bytes"),
              "checkpoints": last["checkpoints"], "commits": last["commits"]}
    result["right"] = bench.digest(running.out) == by_hand["digest"]
    running.finish()
    bench.forget(topic)
    return result


def measure(bench, arguments):
    runs = [grown(bench, keys, arguments.memory_mib) for keys in arguments.keys]
    return {"memory_mib": arguments.memory_mib, "runs": runs, "right": all(run["right"] for run in runs)}


def show(result):
    print(f"growth (kc, --memory {result['memory_mib']}MiB); CPU in nanoseconds an event; \"later\" is the second half "
          "of a run:")
    for run in result["runs"]:
        later = f"{run['later_cpu_ns']:.0f}" if run["later_cpu_ns"] else "–"
        print(f"  {run['keys']:>9} keys, {run['events']} events: {run['cpu_ns']:.0f} ns, later {later} "
              f"(by hand {run['hand_cpu_ns']:.0f}); misses {run['miss_rate']:.1%}, later {run['later_miss_rate']:.1%}; "
              f"RSS {run['rss_bytes'] >> 20} MiB (by hand {run['hand_rss_bytes'] >> 20}); disk "
              f"{run['disk_bytes'] >> 20} MiB, at most {run['disk_peak_bytes'] >> 20}, written "
              f"{run['written_bytes'] >> 20}; level 0: at most {run['level0_files_peak']} files, debt at most "
              f"{run['debt_peak_bytes'] >> 20} MiB; {run['checkpoints']} checkpoints; "
              f"outputs {'equal' if run['right'] else 'DIFFER'}")
