#!/usr/bin/env python3
"""Counts instructions and cache misses of fixed small pieces of work and compares them with committed figures.

    bench/instructions.py            count, compare, print a table; exit code 1 if something differs by too much
    bench/instructions.py --write    count and write bench/instructions.json

Times on shared machines are noise; counts by `valgrind --tool=callgrind` are the same on every machine that has AVX2
(valgrind has no AVX-512, so a processor that has it runs the AVX2 kernels here too). The cases are
bench/instruction_cases.cc. First-level misses are those of a simulated 32 KB cache of eight ways.

The figures belong to one compiler. Another version of it generates other code: then only counts that are FOREIGN_EXCESS
or more above the figures fail. tests/performance runs this in CI; nothing here measures time.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
FIGURES = HERE / "instructions.json"
BUILD = pathlib.Path(os.environ.get("EAUDEQN_BUILD") or ROOT / "build" / "release")

# Relative differences that pass. Counts repeat to within 0.1 %, misses to within 1 % (they depend on where the heap
# lies); the rest is room for changes that do not matter.
TOLERANCE = {"instructions": 0.03, "misses": 0.10}
FOREIGN_EXCESS = 0.30
# A case of so few is not judged by them: a handful more is not a share worth anything.
FEWEST = {"instructions": 0, "misses": 2000}

INSTRUCTION_SET = "AVX2"


def compiler_family(build):
    """"GCC 12" of "GCC 12.2.0, optimised"."""
    return re.match(r"\w+ \d+", build).group()


def count(program=None):
    """{"compiler", "cases": {name: {"instructions", "misses"}}} of this build."""
    program = program or BUILD / "instruction_cases"
    if not program.is_file():
        raise RuntimeError(
            f"no program at {program}: install the package valgrind (./test does), then "
            "scripts/build.sh release --tests instruction_cases"
        )
    with tempfile.TemporaryDirectory(prefix="instructions") as folder:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--cache-sim=yes", "--I1=32768,8,64",
                   "--D1=32768,8,64", "--LL=8388608,16,64", f"--callgrind-out-file={folder}/out", str(program)]  # fmt: skip
        # Where the stack begins depends on the environment; an empty one makes it the same everywhere.
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr[-2000:]}")
        instruction_set, build = done.stdout.splitlines()
        if instruction_set != INSTRUCTION_SET:
            raise RuntimeError(f"counts are for {INSTRUCTION_SET}, but on this processor valgrind runs {instruction_set}")
        cases = dict(parse_dump(file) for file in sorted(pathlib.Path(folder).glob("out.*"), key=dump_number))
    return {"compiler": compiler_family(build), "cases": cases}


def dump_number(file):
    return int(file.suffix[1:])


def parse_dump(file):
    """(name, counts) of one dump."""
    text = file.read_text()
    name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE).group(1)
    events = re.search(r"^events: (.*)$", text, re.MULTILINE).group(1).split()
    totals = re.search(r"^(?:summary|totals): (.*)$", text, re.MULTILINE).group(1).split()
    numbers = dict(zip(events, map(int, totals)))
    return name, {"instructions": numbers["Ir"], "misses": numbers.get("D1mr", 0) + numbers.get("D1mw", 0)}


def compare(measured, figures):
    """Complaints, one line each."""
    foreign = measured["compiler"] != figures["compiler"]
    complaints = []
    for name in sorted(figures["cases"].keys() ^ measured["cases"].keys()):
        where = "the figures" if name in figures["cases"] else "the program"
        complaints.append(f"{name}: only in {where}")
    for name, expected in figures["cases"].items():
        for kind, tolerance in TOLERANCE.items():
            if name not in measured["cases"]:
                continue
            ours, theirs = measured["cases"][name][kind], expected[kind]
            if max(ours, theirs) < FEWEST[kind]:
                continue
            change = ours / max(theirs, 1) - 1
            if change > (FOREIGN_EXCESS if foreign else tolerance):
                complaints.append(f"{name}: {change:+.1%} {kind}, {ours:,} instead of {theirs:,}: WORSE")
            elif change < -tolerance and not foreign:
                complaints.append(f"{name}: {change:+.1%} {kind}, {ours:,} instead of {theirs:,}: better")
    return complaints


def explanation(measured, figures):
    """What a person should make of complaints."""
    lines = [
        "More instructions or misses mean slower code on every machine, unless they buy something else: look at what",
        "changed in src/engine/kernels and its callers (callgrind_annotate shows where they are), measure with",
        "`eaudeqn bench update` and kernels_bench. If the change is meant, or better, so that it cannot be lost again:",
        "bench/instructions.py --write, and commit bench/instructions.json with the reason.",
    ]
    if measured["compiler"] != figures["compiler"]:
        lines.append(
            f"The figures are those of {figures['compiler']}, this build is {measured['compiler']}'s: only excesses of "
            f"{FOREIGN_EXCESS:.0%} count."
        )
    return "\n".join(lines)


def table(measured, figures):
    lines = [f"{'':44} {'instructions':>14} {'change':>8} {'misses':>10} {'change':>8}"]
    for name, counts in measured["cases"].items():
        cells = []
        for kind, width in (("instructions", 14), ("misses", 10)):
            old = figures["cases"].get(name, {}).get(kind) if figures else None
            change = f"{counts[kind] / old - 1:+.2%}" if old else "-"
            cells.append(f"{counts[kind]:>{width},} {change:>8}")
        lines.append(f"{name:44} {' '.join(cells)}")
    return "\n".join(lines)


def write(measured):
    """One line per case, so that a change of the figures reads well."""
    lines = [f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in measured["cases"].items()]
    FIGURES.write_text(
        "{\n"
        f'"compiler": {json.dumps(measured["compiler"])},\n'
        f'"instruction_set": {json.dumps(INSTRUCTION_SET)},\n'
        '"cases": {\n' + ",\n".join(lines) + "\n}\n}\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the counts to bench/instructions.json")
    options = parser.parse_args()
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else None
    try:
        measured = count()
    except (RuntimeError, OSError) as error:
        sys.exit(f"instructions.py: {error}")
    print(table(measured, figures))
    if options.write:
        write(measured)
        print(f"written to {FIGURES.relative_to(ROOT)}")
        return
    if figures is None:
        sys.exit(f"no {FIGURES.relative_to(ROOT)} yet: run this with --write")
    complaints = compare(measured, figures)
    if complaints:
        sys.exit("\n".join(["", *complaints, "", explanation(measured, figures)]))


if __name__ == "__main__":
    main()
