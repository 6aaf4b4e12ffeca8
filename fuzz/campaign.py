#!/usr/bin/env python3
"""Searches with every target of the fuzz build, or those named: fuzz/campaign.py [--runs N | --seconds S] [TARGET...]

A target runs until it has executed N inputs or the time is over; a finding ends it and this with exit code 1, its input
beside what was found in build/found/TARGET. New inputs stay there, and the next call goes on from them. `--document` puts what
was executed, and what that took of a processor, into fuzz/README.md.
"""

import argparse
import datetime
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGETS = ("policy", "config", "archive", "checkpoint", "npy", "sweep", "metrics")
BEGIN, END = "<!-- campaign:begin -->", "<!-- campaign:end -->"
LONG = 10_000_000


def search(target, options):
    """(inputs executed, processor seconds, what the target said if it ended with a finding)"""
    found = ROOT / "build" / "found" / target
    found.mkdir(parents=True, exist_ok=True)
    limit = f"-max_total_time={options.seconds}" if options.seconds else f"-runs={options.runs}"
    before = os.times()
    # A leak is a finding as well; an input that takes longer than a minute is one, too.
    done = subprocess.run([ROOT / "build" / "fuzz" / "fuzz" / f"{target}_fuzz", limit, "-print_final_stats=1", "-rss_limit_mb=4096",
                           "-timeout=60", f"-artifact_prefix={found}/", found, ROOT / "fuzz" / "corpus" / target],
                          cwd=found, capture_output=True, text=True, errors="replace")  # fmt: skip
    after = os.times()
    executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return int(executed[-1]) if executed else 0, seconds, done.stderr if done.returncode != 0 else None


def processor():
    with open("/proc/cpuinfo") as file:
        return re.search(r"model name\s*:\s*(.*)", file.read()).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=LONG, help="inputs for each (%(default)s: the long form)")
    parser.add_argument("--seconds", type=int, help="time for each, instead of --runs")
    parser.add_argument("--document", action="store_true", help="put the table into fuzz/README.md")
    options = parser.parse_args()
    if set(options.targets) - set(TARGETS):
        parser.error(f"the targets are {', '.join(TARGETS)}")
    rows, findings = [], 0
    for target in options.targets or TARGETS:
        executed, seconds, said = search(target, options)
        rate = executed / seconds if seconds else 0
        long = f"{LONG / rate / 3600:.1f}" if rate else "-"
        rows.append(f"| {target} | {executed} | {seconds:.0f} | {rate:.0f} | {long} | {'none' if said is None else '**yes**'} |")
        print(rows[-1], flush=True)
        if said is not None:
            findings += 1
            print(said[-5000:], file=sys.stderr)
    if options.document:
        text = "\n".join([f"On {datetime.date.today().isoformat()}, {processor()}:", "",
                          "| target | inputs executed | processor seconds | per second | hours for 10 million | findings |",
                          "|---|---|---|---|---|---|", *rows])  # fmt: skip
        page = ROOT / "fuzz" / "README.md"
        before, rest = page.read_text().split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
