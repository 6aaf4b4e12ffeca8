#!/usr/bin/env python3
"""Writes docs/results/<task>.md from run directories of one MuJoCo task: evaluation returns and sparsities as far as they went.

usage: scripts/results/mujoco.py --page NAME [--reference mujoco_sac.json] RUN_DIRECTORY...
"""

import argparse
import json
import statistics
import tomllib
from pathlib import Path

import common

SHOWN_EVERY = 50_000  # steps


def row(directory: Path) -> tuple[str, str, float, int]:
    """One run: (table row, algorithm, its final score, steps missing)."""
    config = tomllib.loads((directory / "config.toml").read_text())
    evaluations = common.events(directory, "evaluation")
    timing = common.timings(directory)
    done, planned = evaluations[-1]["step"], config["training"]["steps"]
    shown = {e["step"]: e for e in evaluations if e["step"] % SHOWN_EVERY == 0}
    curve = " | ".join(
        f"{shown[step]['mean_return']:.0f}" if step in shown else "-" for step in range(SHOWN_EVERY, planned + 1, SHOWN_EVERY)
    )
    last = evaluations[-5:]
    final = statistics.fmean(e["mean_return"] for e in last)
    text = (
        f"| {config['algorithm']} | {config['seed']} | {done} | {curve} | {final:.0f} | {last[-1]['critic_sparsity']:.3f} "
        f"| {last[-1]['actor_sparsity']:.3f} | {statistics.median(t['steps_per_second'] for t in timing):.0f} |"
    )
    return text, config["algorithm"], final, planned - done


def reference(file: str, task: str, planned: int) -> str:
    """A sentence about published SAC runs of the task at the same step: mean and range."""
    published = json.loads(Path(file).read_text())
    curves = published["envs"][task]
    index = curves["steps"].index(planned)
    values = [run[index] for run in curves["runs"]]
    return (
        f"Published SAC at step {planned}: {statistics.fmean(values):.0f} ({min(values):.0f} to {max(values):.0f}, {len(values)} runs; "
        f"{published['source']})."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", required=True)
    parser.add_argument("--reference")
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    directories = [Path(run) for run in arguments.runs]
    config = tomllib.loads((directories[0] / "config.toml").read_text())
    planned = config["training"]["steps"]
    rows = [row(directory) for directory in directories]
    means = []
    for algorithm in dict.fromkeys(r[1] for r in rows):
        finals = [r[2] for r in rows if r[1] == algorithm and r[3] == 0]
        if finals:
            means.append(f"- {algorithm}: {statistics.fmean(finals):.0f} over {len(finals)} finished runs ({min(finals):.0f} to {max(finals):.0f})")
    published = ""
    if arguments.reference:
        task = config["environment"].removeprefix("mujoco/").split("-")[0].lower()
        published = reference(arguments.reference, task, planned)
    unfinished = sum(r[3] > 0 for r in rows)
    state = f"All {len(rows)} runs are finished."
    if unfinished:
        state = f"{unfinished} of {len(rows)} runs are not finished: their columns end early, and nothing is concluded from them."
    steps = " | ".join(f"{step // 1000}k" for step in range(SHOWN_EVERY, planned + 1, SHOWN_EVERY))
    columns = "|---" * (7 + planned // SHOWN_EVERY) + "|"
    threads = sorted({line["threads"] for directory in directories for line in common.timings(directory)})
    common.write_page(
        f"{arguments.page}.md",
        f"""# {config['environment']}: {' and '.join(dict.fromkeys(r[1] for r in rows))}

{state}
Returns are means of 10 episodes with the mean action. "last five" is the mean of a run's last five evaluations, with the
sparsities of the last one. Steps/s is the median of a run, two runs side by side on a machine that others used.

Command, for each row: `eaudeqn train {config['environment']} --algorithm ALGORITHM --seed SEED --steps {planned} --threads 1`;
page by `scripts/results/mujoco.py --page {arguments.page} RUN...`.
CPU: {common.machine()}; threads: {', '.join(map(str, threads))}.

| algorithm | seed | steps done | {steps} | last five | critic sparsity | actor sparsity | steps/s |
{columns}
{chr(10).join(r[0] for r in rows)}

Mean of "last five", finished runs only:

{chr(10).join(means)}

{published}
""",
    )


if __name__ == "__main__":
    main()
