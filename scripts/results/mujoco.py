#!/usr/bin/env python3
"""Writes docs/results/<task>.md about one MuJoCo task: scripts/results/mujoco.py ENVIRONMENT [--reference FILE] [RUN...]

The curve of each run is kept in docs/results/curves, a few kB each: evaluation returns and sparsities as far as the run went.
The page shows every curve of the task that is there, so that it can grow over days and machines. What stands above and below
its marks stays.
"""

import argparse
import json
import statistics
from pathlib import Path

import common
import pictures
from curves import final, finished, keep, label, of_environment, task_of

SHOWN_EVERY = 50_000  # steps
BEGIN, END = "<!-- runs:begin -->", "<!-- runs:end -->"


def row(curve: dict, shown: range) -> str:
    returns = {step: mean_return for step, mean_return, *_ in curve["points"]}
    points = " | ".join(f"{returns[step]:.0f}" if step in returns else "-" for step in shown)
    done, _, critic, actor = curve["points"][-1]
    return (
        f"| {label(curve)} | {curve['seed']} | {done} | {points} | {final(curve):.0f} | {critic:.3f} | {actor:.3f} "
        f"| {curve['steps_per_second']} | {curve['threads']} | {curve['machine']} | {curve['date']} |"
    )


def means(curves: list[dict]) -> str:
    lines = []
    for kind in dict.fromkeys(map(label, curves)):
        finals = [final(curve) for curve in curves if label(curve) == kind and finished(curve)]
        if finals:
            lines.append(f"- {kind}: {statistics.fmean(finals):.0f} over {len(finals)} finished runs ({min(finals):.0f} to {max(finals):.0f})")
    return "\n".join(lines)


def reference(published: dict, task: str, steps: int) -> str:
    """A sentence about published SAC runs of the task at the same step: mean and range."""
    curves = published["envs"][task]
    index = curves["steps"].index(steps)
    values = [run[index] for run in curves["runs"]]
    return (
        f"Published SAC at step {steps}: {statistics.fmean(values):.0f} ({min(values):.0f} to {max(values):.0f}, {len(values)} runs; "
        f"{published['source']})."
    )


def draw(task: str, curves: list[dict], published: dict | None) -> str:
    """Returns and sparsities over the steps; the lines that show the picture."""
    figure, (returns, sparsity) = pictures.panels(1, 2, width=4.4, height=3.2)
    if published:
        steps = [step for step in published["envs"][task]["steps"] if step <= curves[0]["steps"]]
        runs = [list(zip(steps, run)) for run in published["envs"][task]["runs"]]
        pictures.mean_and_range(returns, runs, "SAC, published (training return)", color="gray", linestyle="--", linewidth=1)
    for kind in dict.fromkeys(map(label, curves)):
        rows = [curve["points"] for curve in curves if label(curve) == kind]
        text = f"{kind}, {len(rows)} run{'s' if len(rows) > 1 else ''}"
        colour = pictures.mean_and_range(returns, [[(row[0], row[1]) for row in run] for run in rows], text).get_color()
        pictures.mean_and_range(sparsity, [[(row[0], row[2]) for row in run] for run in rows], f"{kind}, critics", color=colour)
        pictures.mean_and_range(sparsity, [[(row[0], row[3]) for row in run] for run in rows], f"{kind}, actor", color=colour, linestyle=":")
    returns.set_ylabel("return")
    sparsity.set(ylabel="sparsity", ylim=(0, 1))
    for axes in (returns, sparsity):
        pictures.count_steps(axes)
        axes.legend()
    file = pictures.save(figure, f"{task}.svg")
    return f"![Learning curves and sparsities](../images/{file.name})\n\nMeans of the runs, as far as all of them went; the bands reach from the lowest to the highest.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", help="mujoco/Hopper-v5, ...")
    parser.add_argument("--reference", help="shared curves of SAC, mujoco_sac.json")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run directories whose curves are to be kept")
    arguments = parser.parse_intermixed_args()
    for run in arguments.runs:
        keep(run, arguments.environment)
    task = task_of(arguments.environment)
    curves = of_environment(arguments.environment)
    if not curves:
        parser.error(f"no run was given, and docs/results/curves has none of {arguments.environment}")
    steps = curves[0]["steps"]
    if any(curve["steps"] != steps for curve in curves):
        parser.error("the curves are of runs of different lengths; they are kept in docs/results/curves")
    published = json.loads(Path(arguments.reference).read_text()) if arguments.reference else None
    shown = range(SHOWN_EVERY, steps + 1, SHOWN_EVERY)
    unfinished = sum(not finished(curve) for curve in curves)
    state = f"{len(curves)} run{'s' if len(curves) > 1 else ''}, all finished."
    if unfinished:
        state = f"{unfinished} of {len(curves)} runs are not finished: their rows end early, and nothing is concluded from them."
    runs = f"""{state}
Returns are means of 10 episodes with the mean action. "last five" is the mean of a run's last five evaluations, with the
sparsities of the last one. Steps/s is the median of a run; other programs may have run beside it. The
CPU is that of the machine on which the curve was kept.

Command, for each row: `eaudeqn train {arguments.environment} --algorithm ALGORITHM --seed SEED --steps {steps} --threads THREADS`,
with `--set KEY=VALUE` where the row has one;
page by `scripts/results/mujoco.py {arguments.environment} RUN...`, which keeps the curves in `curves/`.

{draw(task, curves, published)}
| algorithm | seed | steps done | {' | '.join(f"{step // 1000}k" for step in shown)} | last five | critic sparsity | actor sparsity | steps/s | threads | CPU | kept on |
{'|---' * (10 + len(shown))}|
{chr(10).join(row(curve, shown) for curve in curves)}

Mean of "last five", finished runs only:

{means(curves) or '- none yet'}

{reference(published, task, steps) if published else ''}"""
    page = common.ROOT / "docs" / "results" / f"{task}.md"
    text = page.read_text() if page.exists() else ""
    if BEGIN not in text:
        text = f"# {arguments.environment}\n\n{BEGIN}\n{END}\n"
    common.write_page(page.name, common.with_section(text, BEGIN, END, runs.rstrip()))


if __name__ == "__main__":
    main()
