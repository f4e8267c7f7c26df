#!/usr/bin/env python3
# timeout: 150
"""When the hold of a warm generation is over it is retired, and its state and topics go: whoever hosts it removes them,
and where nobody does, the process that leads."""
from proof import *

GRAPH = '''
name: "${NAME}" param { name: "NAME" }
schema { name: "E" field: "k string not null" field: "n int64 not null" }
source { name: "in" kafka { topic: "${NAME}.in" } format { json {} } schema: "E" }
node { name: "sums" input: "in" aggregate { group_by: "k" select: "sum(n + ${MORE}) AS total" } }
table { name: "totals" input: "sums" key: "k" }
sink { name: "out" input: "sums" key: "k" kafka { topic: "${NAME}.out" } format { json {} } }
'''
HOLD_S = 6


def test_hold():
    "a hold that ends beside a process, and one that ends while nobody hosts the generation"
    name, state = unique("hold"), scratch("state")
    kafka.create(f"{name}.in")
    kafka.create(f"{name}.out")
    workers = {}
    for g in (1, 2, 3):
        graph = write(f"{g}.textproto", GRAPH.replace("${MORE}", str(g)))
        verb = ["run", graph, "--generation", "1"] if g == 1 else ["replay", "start", graph, "--output-suffix", f".{g}"]
        workers[g] = Worker(*verb, "--brokers", kafka.brokers, "--set", f"NAME={name}", "--state-dir", state,
                            "--session-timeout", "2s", "--memory", "64MiB", "--checkpoint-interval", "300ms")

    def command(*words, status=0):
        return kappa(*words, "--brokers", kafka.brokers, status=status, timeout_s=60)

    def is_there(generation):
        return os.path.exists(os.path.join(state, name, str(generation)))

    def topics(generation):
        return {t for t in kafka.topics() if t in (f"{name}.out.{generation}", f"{name}.outputs.{generation}")}

    def take_over(generation):
        workers[generation].start()
        until(lambda: command("replay", "status", name, "--in-step", generation, status=None).returncode == 0,
              f"generation {generation} is in step", 60)
        expect(len(topics(generation)), 2, "topics of its outputs")
        until(lambda: is_there(generation), "it has a state")
        command("cutover", name, generation, "--reason", "test", "--hold", f"{HOLD_S}s")

    kafka.produce(f"{name}.in", [{"value": json.dumps({"k": f"k{n % 10}", "n": n})} for n in range(1000)])
    workers[1].start()
    until(workers[1].leads, "generation 1 leads", 60)
    take_over(2)
    assert is_there(1), "a warm generation has its state"
    workers[1].process.wait(0, 30)
    assert "generation 1 is retired; its state is removed" in workers[1].process.stderr, workers[1].process.stderr
    expect(is_there(1), False, "the state of generation 1")
    take_over(3)
    workers[2].kill()
    until(lambda: not is_there(2), "the state of generation 2 is gone", HOLD_S + 30)
    until(lambda: not topics(2), "its topics are gone", 10)
    workers[3].must_run()
    expect((is_there(3), len(topics(3))), (True, 2), "what generation 3 has")
    workers[3].process.stop()


run_cases(globals())
