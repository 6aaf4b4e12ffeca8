#!/usr/bin/env python3
"""Searches with every target of the fuzz build, or those named: fuzz/campaign.py [--runs N | --seconds S] [--jobs J] [TARGET...]

A target runs until it has executed N inputs or the time is over; a finding ends it and makes the exit code 1, its input
beside what was found in build/found/TARGET. New inputs stay there, and the next call goes on from them. What was executed
and what that took of a processor stays in build/found/TARGET.json; `--document` puts that of all targets into fuzz/README.md.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGETS = ("checkpoint", "npy", "config", "metrics", "policy", "archive", "sweep")  # the slowest first
BEGIN, END = "<!-- campaign:begin -->", "<!-- campaign:end -->"
LONG = 10_000_000
# Bytes. Longer texts take longer and hold more of the same: a line of metrics has up to 300, a sweep file needs about 200,
# the seed with every key of a config has 1070. Of changes to a checkpoint no more than 16 of 5 bytes are read.
LONGEST = {"metrics": 512, "sweep": 512, "config": 1536, "checkpoint": 80}
INTERRUPTED = 72  # libFuzzer's exit code
FOUND = ROOT / "build" / "found"
# Memories of where things were allocated and long waits before memory is used again would take half of the time. Memory that
# is used after a megabyte was freed since may go unnoticed; ASAN_OPTIONS takes the place of this.
FAST = "malloc_context_size=0:quarantine_size_mb=1"


def search(target, options):
    """Runs one target; leaves its report in build/found and what it said, if it ended with a finding, on the error output."""
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    limit = f"-max_total_time={options.seconds}" if options.seconds else f"-runs={options.runs}"
    # A leak is a finding as well; an input that takes longer than a minute is one, too. Weighing inputs by the rarity of what
    # they reach (entropic) would take half of the time.
    command = [ROOT / "build" / "fuzz" / "fuzz" / f"{target}_fuzz", limit, "-entropic=0", "-print_final_stats=1", "-rss_limit_mb=4096",
               "-timeout=60", f"-artifact_prefix={found}/", found, ROOT / "fuzz" / "corpus" / target]  # fmt: skip
    if target in LONGEST:
        command.insert(1, f"-max_len={LONGEST[target]}")
    log = FOUND / f"{target}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=found, stdout=output, stderr=output, env={"ASAN_OPTIONS": FAST, **os.environ})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace")
    executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    report = {"target": target, "executed": int(executed[-1]) if executed else 0, "seconds": usage.ru_utime + usage.ru_stime,
              "finding": process.returncode not in (0, INTERRUPTED), "date": datetime.date.today().isoformat(), "processor": processor()}  # fmt: skip
    (FOUND / f"{target}.json").write_text(json.dumps(report))
    print(row(report), flush=True)
    if report["finding"]:
        print(said[-5000:], file=sys.stderr)
    return report


def row(report):
    rate = report["executed"] / report["seconds"] if report["seconds"] else 0
    long = f"{LONG / rate / 3600:.1f}" if rate else "-"
    return (f"| {report['target']} | {report['executed']} | {report['seconds']:.0f} | {rate:.0f} | {long} | "
            f"{'**yes**' if report['finding'] else 'none'} | {report['date']} | {report['processor']} |")  # fmt: skip


def processor():
    with open("/proc/cpuinfo") as file:
        return re.search(r"model name\s*:\s*(.*)", file.read()).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=LONG, help="inputs for each (%(default)s: the long form)")
    parser.add_argument("--seconds", type=int, help="time for each, instead of --runs")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (%(default)s)")
    parser.add_argument("--document", action="store_true", help="put the table into fuzz/README.md; with --runs 0 nothing is executed")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("at least one job")
    if set(options.targets) - set(TARGETS):
        parser.error(f"the targets are {', '.join(TARGETS)}")
    reports = []
    if options.runs or options.seconds:
        chosen = [target for target in TARGETS if target in (options.targets or TARGETS)]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            reports = list(pool.map(lambda target: search(target, options), chosen))
    if options.document:
        document()
    sys.exit(1 if any(report["finding"] for report in reports) else 0)


def document():
    rows = [row(json.loads(file.read_text())) for target in TARGETS if (file := FOUND / f"{target}.json").exists()]
    text = "\n".join(["| target | inputs executed | processor seconds | per second | hours for 10 million | findings | on | processor |",
                      "|---|---|---|---|---|---|---|---|", *rows])  # fmt: skip
    page = ROOT / "fuzz" / "README.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
