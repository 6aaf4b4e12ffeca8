#!/usr/bin/env python3
"""Measures how the update's time follows the threads, K, F and the runs beside it, and how much memory a run takes.

    bench/scaling.py                          measure and print, about five minutes on an idle machine
    bench/scaling.py --document               also put the tables into docs/performance.md
    bench/scaling.py --sparsities 0.95 --rounds 1 --tables threads,together

Updates are `eaudeqn bench update`: network nature, F = 512, K = 5, batch 32, all processors, but for what a table
varies. Every round starts the program anew for each case, one case after the other, so that what else slows the machine
slows all of them. Runs beside each other keep to a processor each and work at the same time. Memory is the peak
resident set of a real run, `eaudeqn train atari/Pong`, from its first step through its first updates and its
checkpoint, and what the replay grows to by the bytes per transition that `eaudeqn bench replay` sees.
"""

import argparse
import concurrent.futures
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from occasion import (
    BUILD, Occasion, add_options, check_options, median_and_least, numbers, publish, run_json, run_script, several,
    table_head,
)  # fmt: skip

PROCESSORS = sorted(os.sched_getaffinity(0))
TABLES = ("threads", "networks", "features", "together", "memory")
NETWORKS = range(1, 10)
FEATURES = (32, 128, 512, 1024, 2048)
REPLAY_CAPACITY = 1_000_000  # of the released configuration
MEMORY_INITIAL, MEMORY_STEPS = 2000, 2040  # random steps, all steps: ten updates


def update_times(options, threads, sparsities, networks=5, features=512):
    """(about, {sparsity: milliseconds of each update}) of one start of the program."""
    command = [BUILD / "eaudeqn", "bench", "update", "--networks", networks, "--features", features, "--json"]
    command += ["--threads", threads, "--repeats", options.repeats, "--sparsity", ",".join(map(str, sparsities))]
    (about,) = run_json(command)
    return about, {row["sparsity"]: row["milliseconds"] for row in about["rows"]}


def update_times_on(processor, options, sparsity):
    """The same of one thread on one processor; to be called in a thread of its own, which stays there too."""
    os.sched_setaffinity(0, [processor])  # of this thread, and of the program that it starts
    return update_times(options, 1, [sparsity])


class Cases:
    """{(table, value, sparsity): milliseconds}, gathered round by round."""

    def __init__(self, options):
        self.options, self.times, self.about = options, {}, None

    def add(self, table, value, times):
        for sparsity, milliseconds in times.items():
            self.times.setdefault((table, value, sparsity), []).extend(milliseconds)

    def measure(self, table, value, **shape):
        print(f"  {table} {value} ...", file=sys.stderr)
        self.about, times = update_times(self.options, sparsities=self.options.sparsities, **shape)
        self.add(table, value, times)

    def round(self):
        most = len(PROCESSORS)
        if "threads" in self.options.tables:
            for threads in range(1, most + 1):
                self.measure("threads", threads, threads=threads)
        if "networks" in self.options.tables:
            for networks in self.options.networks:
                self.measure("networks", networks, networks=networks, threads=most)
        if "features" in self.options.tables:
            for features in self.options.features:
                self.measure("features", features, features=features, threads=most)
        if "together" in self.options.tables:
            for sparsity in self.options.sparsities:
                self.together(sparsity)

    def together(self, sparsity):
        """One run with all processors, then as many runs as processors, at the same time."""
        print(f"  side by side, sparsity {sparsity} ...", file=sys.stderr)
        self.about, times = update_times(self.options, len(PROCESSORS), [sparsity])
        self.add("together", 1, times)
        with concurrent.futures.ThreadPoolExecutor(len(PROCESSORS)) as pool:
            runs = [pool.submit(update_times_on, processor, self.options, sparsity) for processor in PROCESSORS]
            for run in runs:
                self.add("together", len(PROCESSORS), run.result()[1])

    def median(self, table, value, sparsity):
        return statistics.median(self.times[table, value, sparsity])


def shape_table(cases, table, values, name, last):
    """A row per value; the last columns hold what `last` says, of medians."""
    sparsities = cases.options.sparsities
    heads = [f"sparsity {s:g}" for s in sparsities] + [f"{s:g}: {last}" for s in sparsities]
    lines = table_head(name, *heads)
    for value in values:
        cells = [median_and_least(cases.times[table, value, s]) for s in sparsities]
        for s in sparsities:
            median = cases.median(table, value, s)
            if last == "per network":
                cells.append(f"{median / value:.3g}")
            elif last == "faster":
                cells.append(f"{cases.median(table, values[0], s) / median:.2f}")
            else:
                cells.append(f"{median / cases.median(table, values[0], s):.2f}")
        lines.append(f"| {value} | " + " | ".join(cells) + " |")
    return lines


def together_table(cases):
    """Updates per second of all runs together: every run takes its median time, all the while."""
    most = len(PROCESSORS)
    lines = table_head("sparsity", "runs", "threads each", "ms per update", "updates/s in all", "updates/s per core")
    for sparsity in cases.options.sparsities:
        for runs in sorted({1, most}):
            rate = runs * 1e3 / cases.median("together", runs, sparsity)
            times = median_and_least(cases.times["together", runs, sparsity])
            lines.append(f"| {sparsity:g} | {runs} | {most // runs} | {times} | {rate:.3g} | {rate / most:.3g} |")
    return lines


def peak_memory(command):
    """Bytes: the largest resident set of a command."""
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(list(map(str, command)), stdin=nothing, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"eaudeqn train failed with {process.returncode}: {said.read().decode()[-500:]}")
    return usage.ru_maxrss * 1024


def run_memory(algorithm, settings, features):
    """Of a short real run, its checkpoint included."""
    values = {
        "training.initial_samples": MEMORY_INITIAL, "training.steps": MEMORY_STEPS, "training.horizon": 100,
        "network.features": features, "evaluation.episodes": 1, "evaluation.period": 0,
        "sparsity.distribution": "uniform", **settings,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="scaling") as folder:
        command = [BUILD / "eaudeqn", "train", "atari/Pong", "--algorithm", algorithm, "--threads", len(PROCESSORS)]
        command += ["--output", pathlib.Path(folder) / "run"]
        command += [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        return peak_memory(command)


def memory_table(features):
    """Several networks learn from dense beginnings only; one network can have a fixed mask from the start."""
    print("  memory ...", file=sys.stderr)
    (replay,) = run_json([BUILD / "eaudeqn", "bench", "replay", "--transitions", 5000, "--repeats", 1, "--json"])
    full = replay["bytes_per_transition"] * (REPLAY_CAPACITY - MEMORY_STEPS)
    lines = table_head("run", "peak memory, MB", "with a full replay, MB")
    for name, algorithm, settings in (
        ("five networks, dense", "eaudedqn", {}),
        ("one network, dense", "dqn", {}),
        ("one network, 0.9 sparse", "staticdqn", {"sparsity.final": 0.9}),
        ("one network, 0.95 sparse", "staticdqn", {"sparsity.final": 0.95}),
    ):
        peak = run_memory(algorithm, settings, features)
        lines.append(f"| {name} | {peak / 1e6:.0f} | {(peak + full) / 1e6:.0f} |")
    lines += [
        "",
        f"Replay: {replay['bytes_per_transition']:.0f} bytes a transition of random play; full: {REPLAY_CAPACITY:,}.",
    ]
    return lines


def page(options, occasion, cases, memory):
    about = cases.about or {"isa": "what there is", "build": "the release build"}
    most = several(len(PROCESSORS), "thread")
    lines = [
        *occasion.header(about, f"{most} where nothing else is said"),
        "",
        f"Milliseconds of an update, median (minimum) of {several(options.rounds * options.repeats, 'update')} in "
        f"{several(options.rounds, 'round')}; nature, F = 512, K = 5, batch 32, but for what a table varies.",
    ]
    if "threads" in options.tables:
        lines += ["", *shape_table(cases, "threads", range(1, len(PROCESSORS) + 1), "threads", "faster")]
    if "networks" in options.tables:
        lines += ["", *shape_table(cases, "networks", options.networks, "K", "per network")]
    if "features" in options.tables:
        lines += ["", *shape_table(cases, "features", options.features, "F", "times the first")]
    if "together" in options.tables:
        lines += ["", "Runs side by side:", "", *together_table(cases)]
    if memory:
        lines += ["", f"Memory of a run of atari/Pong, F = 512, {most}:", "", *memory]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=",".join(TABLES), help="some of %(default)s")
    parser.add_argument("--sparsities", type=numbers, default=[0, 0.9, 0.95], help="0,0.9,0.95")
    parser.add_argument("--networks", type=numbers, default=list(NETWORKS), help="values of K; 1,2, ... 9")
    parser.add_argument("--features", type=numbers, default=list(FEATURES), help="values of F; 32,128,512,1024,2048")
    parser.add_argument("--repeats", type=int, default=4, help="updates a case and round (%(default)s)")
    add_options(parser, rounds=3)
    options = parser.parse_args()
    check_options(parser, options, "scaling")
    options.tables = options.tables.split(",")
    for name in options.tables:
        if name not in TABLES:
            parser.error(f"no table {name!r}; there are {', '.join(TABLES)}")
    occasion = Occasion()
    cases = Cases(options)
    for turn in range(options.rounds):
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
        cases.round()
    memory = memory_table(512) if "memory" in options.tables else []
    publish(options, "scaling", page(options, occasion, cases, memory))


if __name__ == "__main__":
    run_script(main)
