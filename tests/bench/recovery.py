"""From kill -9 to no lag: kc with up to a million keys is killed at the head of its topic, before the checkpoint that
would hold its last events, and started again. Time and CPU are those of the second process."""
from bench import Running
from catchup import at_head


def measure(bench, arguments):
    running = Running(bench, "kc", bench.ensure("uniform"), "--session-timeout", f"{arguments.session_s}s")
    before = running.wait("it is at the head", at_head)
    running.kill()
    running.start()
    after = running.wait("it is at the head again", lambda shard: at_head(shard) and shard["leaderships"] > 0)
    result = {"events": bench.events, "session_s": arguments.session_s, "seconds": running.age_s(),
              "cpu_s": running.cpu_s(), "checkpoints_before": before["checkpoints"],
              "followed": after["followed_after_takeover"]}
    running.finish()
    return result


def show(result):
    print(f"recovery (kc, {result['events']} events) from kill -9 to no lag: {result['seconds']:.1f} s and "
          f"{result['cpu_s']:.2f} CPU s, with a session timeout of {result['session_s']} s")
