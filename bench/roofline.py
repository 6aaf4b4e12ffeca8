#!/usr/bin/env python3
"""Shows how close each kernel comes to what the machine can do: a roofline.

    bench/roofline.py                       measure and print, about two minutes on an idle machine
    bench/roofline.py --document            also put the tables into docs/performance.md and the picture beside them
    bench/roofline.py --densities 1,0.1     fewer densities

Build first: scripts/build.sh release --tests roofline_cases (or any build with EAUDEQN_TESTS or EAUDEQN_BENCHMARKS).

Work is counted from the algorithm, not from counters:

  useful work   2 x active weights x output positions x batch for the outputs of a layer, as much for the gradient of
                its weights and for that of its input; ADAM_OPERATIONS for each active weight in Adam. What pruned
                weights would cost does not count.
  bytes moved   every array that the pass needs, once: see traffic(). What a cache too small makes it read again does
                not count, so the rates are lower bounds.
  the roof      the time that the machine needs at least: for the work at its measured FMA peak, or for the bytes at the
                bandwidth measured at the next smaller working set, a power of two, whichever is longer. Bytes that are
                both read and written go at the rate of a stream that is changed in place, the rest at that of reading.

One thread, one layer alone, again and again, so its arrays are where the roof supposes them; a whole update moves them
in and out. The input gradient is the difference of two measured passes, with and without it. A share above 100 % says
that memory gave the pass more than it gave the measured stream, or noise.
"""

import argparse
import statistics
import sys

from occasion import (
    BUILD, Occasion, add_options, check_options, numbers, publish, run_json, run_script, several, table_head,
)  # fmt: skip
from roofline_picture import write_picture

ADAM_OPERATIONS = 14  # m: 3, v: 4, direction: 5, step: 2; divisions and the root count like additions
PASSES = ["forward", "weight gradient", "input gradient", "adam"]
MEGABYTE = 1024


def traffic(case):
    """(bytes read, bytes written) by one pass over a layer, each array once. Floats and indices have four bytes."""
    compact = case["compact"]
    stored = 4 * (case["active"] if compact else case["weights"])
    index = 4 * case["active"] if compact else 0  # the offset beside each stored weight
    mask = 0 if compact or case["active"] == case["weights"] else case["weights"]  # bytes; of the dense form
    inputs = case["batch"] * case["inputs"] * (1 if case["bytes"] else 4)
    outputs = 4 * case["batch"] * case["outputs"]
    return {
        "forward": (inputs + stored + index, outputs),
        "weight gradient": (inputs + outputs + index + mask, stored),
        "input gradient": (outputs + stored + index + inputs, inputs),  # reads the inputs for the derivative of ReLU
        "adam": (4 * stored, 3 * stored),  # gradient, weights and two moments; all but the gradient are written
    }[case["pass"]]


def operations(case):
    if case["pass"] == "adam":
        return ADAM_OPERATIONS * case["active"]
    return 2 * case["active"] * case["positions"] * case["batch"]


class Peaks:
    """What the machine can do at most: {threads: GFLOP/s}, {(stream, threads, kilobytes): GB/s}."""

    def __init__(self):
        self.fma, self.streams = {}, {}

    def add(self, line):
        if line["peak"] == "fma":
            best, key, value = self.fma, line["threads"], line["gflops"]
        else:
            best, key = self.streams, (line["peak"], line["threads"], line["kilobytes"])
            value = line["gigabytes_per_second"]
        best[key] = max(best.get(key, 0), value)

    def sizes(self, threads):
        """Working sets of each thread that were measured, in kilobytes, ascending."""
        return sorted({kilobytes for _, count, kilobytes in self.streams if count == threads})

    def level(self, size):
        """The largest measured working set of one thread that is not larger than `size` bytes, in kilobytes."""
        sizes = self.sizes(1)
        return max((kilobytes for kilobytes in sizes if kilobytes * 1024 <= size), default=sizes[0])


def roof(work, read, written, held, peaks):
    """(seconds at least, what limits) of one thread; `held` bytes are the working set."""
    level = peaks.level(held)
    both = min(read, written)
    moving = 2 * both / peaks.streams["update", 1, level] + (read - both) / peaks.streams["read", 1, level]
    moving += (written - both) / peaks.streams["update", 1, level]
    computing = work / peaks.fma[1]
    if computing >= moving:
        return computing * 1e-9, "FMA"
    return moving * 1e-9, f"{size_name(level)} bandwidth"


def size_name(kilobytes):
    return f"{kilobytes // MEGABYTE} MB" if kilobytes >= MEGABYTE else f"{kilobytes} KB"


def measure(program, densities, rounds):
    """(peaks, about, cases): each case with "times", the smallest of each round, in microseconds."""
    peaks, cases, about = Peaks(), {}, None
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds} ...", file=sys.stderr)
        about, *lines = run_json([program, "--peaks"])
        for line in lines:
            peaks.add(line)
        for case in run_json([program, "--kernels", *densities])[1:]:
            key = case["layer"], case["pass"], case["density"]
            cases.setdefault(key, {**case, "times": []})["times"].append(case["microseconds"])
    return peaks, about, separate(cases)


def separate(cases):
    """Input gradients in place of whole backward passes."""
    result = []
    for (layer, name, density), case in cases.items():
        if name != "backward":
            result.append(case)
            continue
        weights = cases[layer, "weight gradient", density]["times"]
        # Round by round for the median; the least of each for the least, which noise cannot make too small.
        times = [whole - part for whole, part in zip(case["times"], weights)]
        result.append({**case, "pass": "input gradient", "times": times, "least": min(case["times"]) - min(weights)})
    return sorted(result, key=lambda case: (case["layer"], PASSES.index(case["pass"]), -case["density"]))


def judge(case, peaks):
    """Rates of the least time and the share of the roof; None where the difference of two times is only noise."""
    least = case.get("least", min(case["times"]))
    if least <= 0:
        return None
    read, written = traffic(case)
    work, seconds = operations(case), least * 1e-6
    held = read if case["pass"] == "adam" else read + written  # Adam works in place
    at_least, limit = roof(work, read, written, held, peaks)
    return {
        "least": least,
        "median": statistics.median(case["times"]),
        "gflops": work / seconds * 1e-9,
        "gigabytes": (read + written) / seconds * 1e-9,
        "intensity": work / (read + written),
        "share": at_least / seconds,
        "limit": limit,
    }


def peak_table(peaks):
    threads = sorted(peaks.fma)
    names = [several(count, "thread") for count in threads]
    lines = table_head("measured peak", *names)
    lines.append("| FMA, GFLOP/s | " + " | ".join(f"{peaks.fma[count]:.0f}" for count in threads) + " |")
    for kilobytes in peaks.sizes(threads[-1]):
        for stream, name in (("read", "read"), ("update", "read and written in place")):
            cells = [f"{peaks.streams[stream, count, kilobytes]:.3g}" for count in threads]
            lines.append(f"| {size_name(kilobytes)} a thread, {name}, GB/s | " + " | ".join(cells) + " |")
    return lines


def summary_table(cases, verdicts):
    densities = sorted({case["density"] for case in cases}, reverse=True)
    lines = table_head("layer, pass", *(f"density {density:g}" for density in densities))
    rows = {}
    for case, verdict in zip(cases, verdicts):
        cell = "-" if verdict is None else f"{verdict['gflops']:.3g} ({100 * verdict['share']:.0f} %)"
        rows.setdefault(f"{case['layer']}, {case['pass']}", {})[case["density"]] = cell
    for name, cells in rows.items():
        lines.append(f"| {name} | " + " | ".join(cells.get(density, "-") for density in densities) + " |")
    return lines


def detail_table(cases, verdicts):
    lines = table_head(
        "layer", "pass", "density", "form", "least us", "median us", "GFLOP/s", "GB/s", "FLOP/byte", "of the roof",
        "limit",
    )  # fmt: skip
    for case, v in zip(cases, verdicts):
        form = "compact" if case["compact"] else "dense"
        start = f"| {case['layer']} | {case['pass']} | {case['density']:g} | {form} "
        if v is None:
            lines.append(start + "| - " * 7 + "|")
            continue
        lines.append(
            start + f"| {v['least']:.4g} | {v['median']:.4g} | {v['gflops']:.3g} | {v['gigabytes']:.3g} | "
            f"{v['intensity']:.3g} | {100 * v['share']:.0f} % | {v['limit']} |"
        )
    return lines


def page(occasion, about, rounds, peaks, cases, verdicts):
    nearest = peaks.streams["read", 1, peaks.sizes(1)[0]]
    return [
        *occasion.header(about, "1 thread where nothing else is said"),
        "",
        f"The best of {several(rounds, 'round')}. How work, bytes and roof are counted: `bench/roofline.py --help`.",
        "",
        *peak_table(peaks),
        "",
        "Useful GFLOP/s (share of the roof), batch 32; convolutions and dense layer of the nature network, F = 512:",
        "",
        *summary_table(cases, verdicts),
        "",
        "A compact kernel that loads an input for each multiply-add moves 2 bytes from the first-level cache per "
        f"useful FLOP, which the streams above bound at {nearest / 2:.0f} GFLOP/s; the roof leaves that out.",
        "",
        "![Roofline](images/roofline.svg)",
        "",
        "<details><summary>Every number</summary>",
        "",
        *detail_table(cases, verdicts),
        "",
        "</details>",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--densities", type=numbers, default=[1, 0.5, 0.1, 0.05, 0.01], help="1,0.5,0.1,0.05,0.01")
    add_options(parser, rounds=5)
    options = parser.parse_args()
    check_options(parser, options, "roofline")
    if not all(0 < density <= 1 for density in options.densities):
        parser.error("densities lie between 0 and 1")
    occasion = Occasion()
    peaks, about, cases = measure(BUILD / "roofline_cases", options.densities, options.rounds)
    verdicts = [judge(case, peaks) for case in cases]
    publish(options, "roofline", page(occasion, about, options.rounds, peaks, cases, verdicts))
    if options.document:
        points = [
            (case["pass"], case["density"], verdict["intensity"], verdict["gflops"])
            for case, verdict in zip(cases, verdicts)
            if verdict
        ]
        roofs = [(size_name(size), peaks.streams["read", 1, size]) for size in peaks.sizes(max(peaks.fma))]
        picture = options.document.parent / "images" / "roofline.svg"
        picture.parent.mkdir(exist_ok=True)
        write_picture(picture, peaks.fma[1], roofs, points)


if __name__ == "__main__":
    run_script(main)
