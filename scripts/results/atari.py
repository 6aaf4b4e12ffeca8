#!/usr/bin/env python3
"""Writes docs/results/<game>_curves.md about one Atari game: scripts/results/atari.py ENVIRONMENT --reference FILE [RUN...]

The curve of each run is kept in docs/results/curves, a few kB each: training returns and sparsities as far as the run went.
The page shows every curve of the game that is there, beside published runs of dense DQN at the same step.
"""

import argparse
import json
import statistics
from pathlib import Path

import common
import pictures
from curves import INTERVAL, ITERATION, iterations, keep, label, of_environment, task_of


def row(curve: dict, columns: int) -> str:
    means = iterations(curve)
    cells = " | ".join([f"{mean:.1f}" for mean in means] + ["-"] * (columns - len(means)))
    return (
        f"| {label(curve)}, F = {curve['features']} | {curve['seed']} | {curve['points'][-1][0]} | {cells} | {curve['points'][-1][3]:.3f} "
        f"| {curve['steps_per_second']} | {curve['threads']} | {curve['machine']} | {curve['date']} |"
    )


def verdict(curve: dict, runs: list[list[float]]) -> str:
    """How a run of dense DQN lies to the published ones at each step."""
    means, outside = iterations(curve), []
    for index, value in enumerate(means):
        theirs = [run[index] for run in runs]
        low, high = min(theirs), max(theirs)
        if not low <= value <= high:
            deviations = (value - statistics.fmean(theirs)) / statistics.stdev(theirs)
            outside.append(
                f"{value:.1f} at {ITERATION * (index + 1):,} steps, where theirs are {low:.1f} to {high:.1f} "
                f"({abs(deviations):.1f} standard deviations {'above' if deviations > 0 else 'below'} their mean)"
            )
    if not means:
        return "not yet as far as the first published point"
    if not outside:
        return "within the range of the published runs " + ("at its one point" if len(means) == 1 else f"at each of its {len(means)} points")
    return "**outside the range of the published runs**: " + "; ".join(outside)


def beside(curve: dict, dense: list[dict]) -> str:
    """A sparse run's last whole interval beside the same one of dense DQN."""
    end, value, _, sparsity = [point for point in curve["points"] if point[0] % INTERVAL == 0][-1]
    others = [(other["seed"], point[1]) for other in dense for point in other["points"] if point[0] == end]
    text = f"- {label(curve)}, seed {curve['seed']}: {value:.1f} in the {INTERVAL:,} steps before {end:,}, with {100 * sparsity:.0f} % zeros"
    return text + "".join(f"; dqn, seed {seed}: {other:.1f}" for seed, other in others) + "."


def draw(task: str, curves: list[dict], runs: list[list[float]]) -> str:
    figure, (returns, sparsity) = pictures.panels(1, 2, width=4.4, height=3.2)
    last = max(curve["points"][-1][0] for curve in curves)
    published = [[(ITERATION * (i + 1), value) for i, value in enumerate(run) if ITERATION * (i + 1) <= last] for run in runs]
    pictures.mean_and_range(returns, published, "dense DQN, published", color="gray", linestyle="--", linewidth=1)
    for kind in dict.fromkeys((label(curve), curve["features"]) for curve in curves):
        rows = [curve["points"] for curve in curves if (label(curve), curve["features"]) == kind]
        text = f"{kind[0]}, F = {kind[1]}, {len(rows)} run{'s' if len(rows) > 1 else ''}"
        colour = pictures.mean_and_range(returns, [[(point[0], point[1]) for point in run if point[2]] for run in rows], text).get_color()
        pictures.mean_and_range(sparsity, [[(point[0], point[3]) for point in run] for run in rows], text, color=colour)
    returns.set_ylabel("training return")
    sparsity.set(ylabel="sparsity", ylim=(0, 1))
    for axes in (returns, sparsity):
        pictures.count_steps(axes)
        axes.legend()
    return f"![Training returns and sparsities](../images/{pictures.save(figure, f'{task}_curves.svg').name})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", help="atari/Pong, ...")
    parser.add_argument("--reference", type=Path, required=True, help="published curves of dense DQN, atari_dqn.json")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run directories whose curves are to be kept")
    arguments = parser.parse_intermixed_args()
    for run in arguments.runs:
        keep(run, arguments.environment)
    curves = of_environment(arguments.environment)
    if not curves:
        parser.error(f"no run was given, and docs/results/curves has none of {arguments.environment}")
    published = json.loads(arguments.reference.read_text())
    game = arguments.environment.split("/")[1]
    runs = published["games"][game]["runs"]
    columns = max(len(iterations(curve)) for curve in curves)
    ends = [ITERATION * (i + 1) for i in range(columns)]
    ranges = " | ".join(
        f"{statistics.fmean(run[i] for run in runs):.1f} ({min(run[i] for run in runs):.1f} to {max(run[i] for run in runs):.1f})"
        for i in range(columns)
    )
    dense = [curve for curve in curves if label(curve) == "dqn"]
    lines = [f"- dqn, seed {curve['seed']}: {verdict(curve, runs)}." for curve in dense]
    lines += [beside(curve, dense) for curve in curves if label(curve) != "dqn"]
    task = task_of(arguments.environment)
    common.write_page(
        f"{task}_curves.md",
        f"""# {arguments.environment}: {', '.join(dict.fromkeys(curve['algorithm'] for curve in curves))}

The released configuration (`configs/atari/`) in all but its horizon, which is what --steps says. Each figure is the mean training return
of the {ITERATION:,} agent steps before the step above it, sticky actions, unclipped, as the published ones are
({published['source']}).
The picture has a point of ours for every {INTERVAL:,} steps. Sparsity is that of the network selected last. Steps/s is the median of a
run; other programs may have run beside it. The CPU is that of the machine on which the curve was kept.

A sixth run of the same kind lies outside the range of five others one time in three. One difference is known: epsilon falls from step
0 on here, in the published runs after the 20,000 initial samples ([deviations](../deviations.md)), so ours act a little less at random
in the first 270,000 steps, and alike after them.

Command, for each row: `eaudeqn train {arguments.environment} --algorithm ALGORITHM --seed SEED --steps {max(curve['steps'] for curve in curves)} --threads THREADS`,
with `--set KEY=VALUE` where the row has one; page by `scripts/results/atari.py {arguments.environment} --reference FILE RUN...`, which keeps the curves in `curves/`.

| algorithm | seed | steps done | {' | '.join(f"{end // 1000:,}k" for end in ends)} | sparsity | steps/s | threads | CPU | kept on |
{'|---' * (8 + max(columns, 1))}|
{chr(10).join(row(curve, columns) for curve in curves)}
| dense DQN, published | 5 runs | | {ranges} | 0 | | | | |

{chr(10).join(lines)}

{draw(task, curves, runs)}
""",
    )


if __name__ == "__main__":
    main()
