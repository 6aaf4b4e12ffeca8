#!/usr/bin/env python3
"""Writes docs/results/<task>.md about one MuJoCo task: scripts/results/mujoco.py ENVIRONMENT [--reference FILE] [RUN...]

The curve of each run is kept in docs/results/curves, a few kB each: evaluation returns and sparsities as far as the run went.
The page shows every curve of the task that is there, so that it can grow over days and machines.
"""

import argparse
import datetime
import json
import statistics
import tomllib
from pathlib import Path

import common

CURVES = common.ROOT / "docs" / "results" / "curves"
SHOWN_EVERY = 50_000  # steps
KEPT = ("step", "mean_return", "critic_sparsity", "actor_sparsity")


def task_of(environment: str) -> str:
    """hopper of mujoco/Hopper-v5"""
    return environment.removeprefix("mujoco/").split("-")[0].lower()


def keep(directory: Path, environment: str) -> None:
    """Writes the run's curve."""
    config = tomllib.loads((directory / "config.toml").read_text())
    if config["environment"] != environment:
        raise SystemExit(f"{directory}: a run of {config['environment']}, not of {environment}")
    timing, evaluations = common.timings(directory), common.events(directory, "evaluation")
    if not timing or not evaluations:
        raise SystemExit(f"{directory}: has no evaluation yet, so there is no curve to keep")
    curve = {
        "environment": environment, "algorithm": config["algorithm"], "seed": config["seed"], "steps": config["training"]["steps"],
        "threads": timing[-1]["threads"], "machine": common.machine(), "date": datetime.date.today().isoformat(),
        "steps_per_second": round(statistics.median(line["steps_per_second"] for line in timing)),
        "evaluations": [[round(event[key], 4) for key in KEPT] for event in evaluations],
    }  # fmt: skip
    CURVES.mkdir(exist_ok=True)
    file = CURVES / f"{environment.removeprefix('mujoco/')}_{curve['algorithm']}_seed{curve['seed']}.json"
    file.write_text(json.dumps(curve, indent=1).replace("\n   ", " ").replace("\n  ]", "]") + "\n")


def finished(curve: dict) -> bool:
    return curve["evaluations"][-1][0] == curve["steps"]


def final(curve: dict) -> float:
    return statistics.fmean(evaluation[1] for evaluation in curve["evaluations"][-5:])


def row(curve: dict, shown: range) -> str:
    returns = {step: mean_return for step, mean_return, *_ in curve["evaluations"]}
    points = " | ".join(f"{returns[step]:.0f}" if step in returns else "-" for step in shown)
    done, _, critic, actor = curve["evaluations"][-1]
    return (
        f"| {curve['algorithm']} | {curve['seed']} | {done} | {points} | {final(curve):.0f} | {critic:.3f} | {actor:.3f} "
        f"| {curve['steps_per_second']} | {curve['threads']} | {curve['machine']} | {curve['date']} |"
    )


def means(curves: list[dict]) -> str:
    lines = []
    for algorithm in dict.fromkeys(curve["algorithm"] for curve in curves):
        finals = [final(curve) for curve in curves if curve["algorithm"] == algorithm and finished(curve)]
        if finals:
            lines.append(f"- {algorithm}: {statistics.fmean(finals):.0f} over {len(finals)} finished runs ({min(finals):.0f} to {max(finals):.0f})")
    return "\n".join(lines)


def reference(file: str, task: str, steps: int) -> str:
    """A sentence about published SAC runs of the task at the same step: mean and range."""
    published = json.loads(Path(file).read_text())
    curves = published["envs"][task]
    index = curves["steps"].index(steps)
    values = [run[index] for run in curves["runs"]]
    return (
        f"Published SAC at step {steps}: {statistics.fmean(values):.0f} ({min(values):.0f} to {max(values):.0f}, {len(values)} runs; "
        f"{published['source']})."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", help="mujoco/Hopper-v5, ...")
    parser.add_argument("--reference", help="shared curves of SAC, mujoco_sac.json")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run directories whose curves are to be kept")
    arguments = parser.parse_intermixed_args()
    for run in arguments.runs:
        keep(run, arguments.environment)
    task = task_of(arguments.environment)
    curves = [json.loads(file.read_text()) for file in sorted(CURVES.glob(f"{arguments.environment.removeprefix('mujoco/')}_*.json"))]
    if not curves:
        parser.error(f"no run was given, and docs/results/curves has none of {arguments.environment}")
    steps = curves[0]["steps"]
    if any(curve["steps"] != steps for curve in curves):
        parser.error("the curves are of runs of different lengths; they are kept in docs/results/curves")
    shown = range(SHOWN_EVERY, steps + 1, SHOWN_EVERY)
    unfinished = sum(not finished(curve) for curve in curves)
    state = f"All {len(curves)} runs are finished."
    if unfinished:
        state = f"{unfinished} of {len(curves)} runs are not finished: their rows end early, and nothing is concluded from them."
    common.write_page(
        f"{task}.md",
        f"""# {arguments.environment}: {' and '.join(dict.fromkeys(curve['algorithm'] for curve in curves))}

{state}
Returns are means of 10 episodes with the mean action. "last five" is the mean of a run's last five evaluations, with the
sparsities of the last one. Steps/s is the median of a run; other programs may have run beside it. The
CPU is that of the machine on which the curve was kept.

Command, for each row: `eaudeqn train {arguments.environment} --algorithm ALGORITHM --seed SEED --steps {steps} --threads THREADS`;
page by `scripts/results/mujoco.py {arguments.environment} RUN...`, which keeps the curves in `curves/`.

| algorithm | seed | steps done | {' | '.join(f"{step // 1000}k" for step in shown)} | last five | critic sparsity | actor sparsity | steps/s | threads | CPU | kept on |
{'|---' * (10 + len(shown))}|
{chr(10).join(row(curve, shown) for curve in curves)}

Mean of "last five", finished runs only:

{means(curves) or '- none yet'}

{reference(arguments.reference, task, steps) if arguments.reference else ''}
""",
    )


if __name__ == "__main__":
    main()
