"""Compares the speed of this program with what everybody else uses, in one run on one machine (bench/peers/run).

Contestants take turns, in another order each round, and only one computes at a time, so that whatever else slows the
machine slows all of them. Each keeps to the same processors. A contestant that is not there or fails is reported as
missing with its message. Results go to a JSON file with every sample; --document also puts the tables into
docs/performance.md, in the place of those of the same processor.

It measures time only: agree.py checks that the peers compute the same.
"""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import statistics
import sys

from contestants import Peer, Program
from tables import document_machine, tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

UPDATE_TARGETS = {0: 1.5, 0.5: 3, 0.9: 9, 0.95: 15, 0.99: 35}
ACT_TARGETS = {0.9: 4, 0.95: 8, 0.99: 15}
SAC_TARGETS = {0: 1.3, 0.9: 5, 0.95: 8}

ZEROS = (0, 0.9, 0.95, 0.99)


def update(network, features, sparsities=ZEROS):
    return {
        "title": f"Update of K = 5 networks, {network}, F = {features}, batch 32",
        "ours": ["update", "--network", network, "--features", str(features), "--networks", "5", "--batch", "32"],
        "request": {"network": network, "features": features, "networks": 5, "batch": 32},
        "peers": {"torch": "update_torch.py", "jax": "update_jax.py"},
        "sparsities": sparsities,
        "targets": UPDATE_TARGETS,
    }


def act(threads=None):
    return {
        "title": "One greedy action, nature, F = 512, from bytes to the action",
        "ours": ["act", "--network", "nature", "--features", "512"],
        "request": {"network": "nature", "features": 512},
        "peers": {"onnxruntime": "act_onnxruntime.py", "torch": "act_torch.py", "jax": "act_jax.py"},
        "sparsities": ZEROS,
        "targets": ACT_TARGETS if threads == 1 else {},
        "threads": threads,
        "more_repeats": 20,
    }


def sac(observation, actions):
    sizes = ["--observation", str(observation), "--actions", str(actions)]
    return {
        "title": f"Update of K = 5 twin critics 256-256, observation {observation}, action {actions}, batch 256",
        "ours": ["update", "--kind", "sac", *sizes, "--networks", "5", "--batch", "256"],
        "request": {"observation": observation, "actions": actions, "networks": 5, "batch": 256},
        "peers": {"torch": "sac_update_torch.py", "jax": "sac_update_jax.py"},
        "sparsities": ZEROS,
        "targets": SAC_TARGETS,
        "more_repeats": 4,
    }


CASES = {
    "nature": update("nature", 512, (0, 0.5, 0.9, 0.95, 0.99)),
    "nature-small": update("nature", 32),
    "nature-large": update("nature", 2048),
    "impala": update("impala", 512),
    "act": act(1),
    "act-threads": act(),
    "sac-small": sac(11, 3),
    "sac-large": sac(348, 17),
}


def measure(contestants, case, sparsity, threads, rounds, repeats):
    """{name: summary} of all contestants at one sparsity. Each is first asked once for nothing: what it prepares and
    compiles is not measured."""
    request = {**case["request"], "sparsity": sparsity, "threads": threads}
    samples, missing, about = {}, {}, {}
    for turn in range(rounds + 1):
        order = [c for c in contestants if c.name not in missing]
        order = order[turn % len(order) :] + order[: turn % len(order)] if order else []
        for contestant in order:
            answer = contestant.ask(request, 1 if turn == 0 else repeats)
            if "error" in answer:
                missing[contestant.name] = answer["error"]
                print(f"  {contestant.name} is missing: {answer['error']}", file=sys.stderr)
            elif turn > 0:
                samples.setdefault(contestant.name, []).extend(answer["milliseconds"])
                about[contestant.name] = {key: value for key, value in answer.items() if key != "milliseconds"}
    result = {}
    for contestant in contestants:
        name = contestant.name
        if name in missing:
            result[name] = {"missing": missing[name]}
        else:
            times = samples[name]
            result[name] = {**about[name], "median": statistics.median(times), "min": min(times), "samples": times}
    return result


def judge(measured, target):
    """The row of a table: who is the fastest peer, and how often our time goes into its time."""
    there = {name: result for name, result in measured.items() if "missing" not in result}
    ours = there.pop("eaudeqn", None)
    row = {"contestants": measured, "target": target, "fastest_peer": None, "ratio": None, "ratio_of_minima": None}
    if there:
        row["fastest_peer"] = min(there, key=lambda name: there[name]["median"])
    if ours and there:
        row["ratio"] = there[row["fastest_peer"]]["median"] / ours["median"]
        row["ratio_of_minima"] = min(peer["min"] for peer in there.values()) / ours["min"]
    row["met"] = None if target is None or row["ratio"] is None else row["ratio"] >= target
    return row


def run_case(name, options):
    case = CASES[name]
    threads = case.get("threads") or options.threads
    repeats = options.repeats * case.get("more_repeats", 1)
    processors = sorted(os.sched_getaffinity(0))[:threads]
    contestants = [Program(options.program, case["ours"], processors)]
    for peer, script in case["peers"].items():
        contestants.append(Peer(peer, HERE / script, processors, options.output.parent / f"{name}.{peer}.log"))
    print(f"{name}: {case['title']}, {threads} threads", file=sys.stderr)
    rows = []
    try:
        for sparsity in case["sparsities"]:
            measured = measure(contestants, case, sparsity, threads, options.rounds, repeats)
            row = {"sparsity": sparsity, **judge(measured, case["targets"].get(sparsity))}
            rows.append(row)
            times = {who: f"{r['median']:.4g} ms" for who, r in measured.items() if "missing" not in r}
            ratio = "no ratio" if row["ratio"] is None else f"{row['ratio']:.2f} times"
            print(f"  {sparsity}: {times}, {ratio}", file=sys.stderr)
    finally:
        for contestant in contestants:
            contestant.close()
    return {"case": name, "title": case["title"], "threads": threads, "repeats": repeats, "rows": rows}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split(" (")[0] + ".", prog="bench/peers/run")
    parser.add_argument("--check", action="store_true", help="check that all compute the same, and no more; as the only option")
    parser.add_argument("--install", action="store_true", help="install the peers, and no more; as the only option")
    parser.add_argument("--cases", default=",".join(CASES), help="some of %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="updates per turn; actions 20 times (%(default)s)")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))), help="(%(default)s)")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/eaudeqn")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/peers/peers.json", help="every sample")
    parser.add_argument("--document", action="store_true", help="put the tables into docs/performance.md, for this processor")
    options = parser.parse_args()
    options.cases = options.cases.split(",")
    for name in options.cases:
        if name not in CASES:
            parser.error(f"no case {name!r}; there are {', '.join(CASES)}")
    if min(options.rounds, options.repeats, options.threads) < 1:
        parser.error("rounds, repeats and threads are at least 1")
    if options.threads > len(os.sched_getaffinity(0)):
        parser.error(f"{options.threads} threads, but only {len(os.sched_getaffinity(0))} processors")
    return options


def machine():
    """Processor and vector instructions, as the kernel names them. A virtual machine's model name can be the same for
    several generations, so family and model number are part of the name."""
    fields = dict(
        (part.strip() for part in line.split(":", 1))
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if ":" in line
    )
    cpu = fields.get("model name", "unknown processor")
    if "cpu family" in fields and "model" in fields:
        cpu += f", family {fields['cpu family']} model {fields['model']}"
    flags = set(fields.get("flags", "").split())
    isa = next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "unknown")
    return {"cpu": cpu, "isa": isa, "processors": len(os.sched_getaffinity(0))}


def main():
    options = parse_arguments()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    results = {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(
            ["bench/peers/run", "--cases", ",".join(options.cases), "--rounds", str(options.rounds), "--repeats",
             str(options.repeats), "--threads", str(options.threads)]  # fmt: skip
        ),
        **machine(),
        "load_average_before": os.getloadavg()[0],
        "rounds": options.rounds,
        "cases": [],
    }
    for name in options.cases:
        results["cases"].append(run_case(name, options))
        options.output.write_text(json.dumps(results, indent=1) + "\n")
    text = tables(results)
    print(text)
    if options.document:
        document_machine(ROOT / "docs/performance.md", "peers", f"{results['cpu']} ({results['isa']})", text)
    rows = [row for case in results["cases"] for row in case["rows"]]
    if any("missing" in result for row in rows for result in row["contestants"].values()):
        sys.exit("some contestants are missing: the tables say which")


if __name__ == "__main__":
    main()
