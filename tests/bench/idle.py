"""A pipeline with nothing to do: its share of a core, what it writes to disk, what it sends to the brokers."""
import json
import time

from bench import Running

SHARE_MAX = 0.005  # of a core
SETTLE_S = 15      # it leads, and its first checkpoint is behind it


def broker_offsets(bench, *topics):
    """How many offsets the topics have used, markers of transactions included."""
    return sum(json.loads(line)["high"] for topic in topics for line in bench.ktool("offsets", topic).splitlines())


def measure(bench, arguments):
    source = bench.new_output("idle")
    running = Running(bench, "q5", source, stats=False)  # which would be something to do
    time.sleep(SETTLE_S)
    topics = (running.out, f"{running.out}.journal.0")
    began, cpu_s, written = time.monotonic(), running.cpu_s(), running.written()
    records = broker_offsets(bench, *topics)
    assert broker_offsets(bench, topics[1]) > 0, "it has not begun to lead"
    time.sleep(arguments.seconds)
    cpu_s, written = running.cpu_s() - cpu_s, running.written() - written
    result = {"seconds": time.monotonic() - began, "cpu_s": cpu_s, "written_bytes": written,
              "records": broker_offsets(bench, *topics) - records, "share_max": SHARE_MAX}
    result["share"] = cpu_s / result["seconds"]
    running.finish()
    bench.ktool("delete", source)
    return result


def show(result):
    print(f"idle for {result['seconds']:.0f} s: {result['share']:.2%} of a core (wanted: less than {SHARE_MAX:.1%}), "
          f"{result['written_bytes']} bytes written to disk, {result['records']} records to the brokers")
