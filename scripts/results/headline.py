#!/usr/bin/env python3
"""Writes README's table of what was measured, from the pages of docs/ and the curves and cards that they are made of.

Nothing is measured here: a figure changes when its page does.
"""

import argparse
import json
import re
import statistics

import common
import curves

README = common.ROOT / "README.md"
BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"
ZEROS = ("0 %", "90 %", "95 %", "99 %")


def read(page: str) -> str:
    return (common.ROOT / "docs" / page).read_text()


def cells(line: str) -> list[str]:
    """Of a line of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def ratios(machine: str, heading: str, zeros_of: tuple[str, ...] = ZEROS) -> str:
    """Of the table that follows the heading in a machine's tables."""
    rows = []
    for line in machine.split(heading, 1)[1].splitlines():
        if line.startswith("|"):
            rows.append(cells(line))
        elif rows:
            break
    ratio_of = {row[0]: row[rows[0].index("ratio")] for row in rows[2:]}
    return " / ".join(f"{float(ratio_of[zeros]):.1f}" for zeros in zeros_of)


def speed() -> list[tuple[str, str, str]]:
    """By processor, as docs/performance.md has its tables of peers."""
    page = "[performance](docs/performance.md)"
    at = f"at {', '.join(ZEROS)} zeros"
    rows = []
    peers = read("performance.md").split("<!-- peers:begin -->")[1].split("<!-- peers:end -->")[0]
    for machine in peers.split("### ")[1:]:
        cpu = machine.partition("\n")[0]
        update = ratios(machine, "**Update of K = 5 networks, nature, F = 512, batch 32, 2 threads**")
        critics = ratios(machine, "**Update of K = 5 twin critics 256-256, observation 11, action 3, batch 256, 2 threads**", ZEROS[:3])
        action = ratios(machine, "**One greedy action, nature, F = 512, from bytes to the action, 1 thread**")
        rows += [
            (f"A gradient step of five Atari networks beside the fastest of PyTorch and JAX with masks, {at}; {cpu}", f"{update} times as fast", page),
            (f"The same of five twin critics of SAC, at {', '.join(ZEROS[:3])} zeros; {cpu}", f"{critics} times as fast", page),
            (f"An action from an image beside ONNX Runtime, one thread, {at}; {cpu}", f"{action} times as fast", page),
        ]
    return rows


def files() -> tuple[str, str, str]:
    smaller = re.findall(r"^- \w+ file against the dense .*?: ([\d.]+) times", read("deploy.md"), re.MULTILINE)
    what = "A policy file of 95 % zeros, placed at random, beside the dense one: in f32, in 8 bits"
    return what, " / ".join(smaller) + " times smaller", "[deploy](docs/deploy.md)"


def cartpole() -> tuple[str, str, str]:
    text = read("results/cartpole.md")
    able, seeds = re.search(r"`smallest_loss`: (\d+) of (\d+) seeds", text).groups()
    mean, zeros = re.search(r"mean return ([\d.]+), mean sparsity ([\d.]+)\.", text).groups()
    result = f"return {float(mean):.0f} of 500 with {100 * float(zeros):.0f} % zeros; {able} of {seeds} seeds play it"
    return "EauDeQN on CartPole-v1", result, "[cartpole](docs/results/cartpole.md)"


def mujoco() -> list[tuple[str, str, str]]:
    """Tasks of which all runs of SAC and EauDeSAC that are kept are finished."""
    rows = []
    for environment in sorted({curve["environment"] for curve in curves.every()}):
        of_task = curves.of_environment(environment)
        sparse, dense = ([curve for curve in of_task if curves.label(curve) == name] for name in ("eaudesac", "sac"))
        if not sparse or not dense or not all(map(curves.finished, sparse + dense)):
            continue
        zeros = statistics.fmean(curve["points"][-1][3] for curve in sparse)
        own, rival = (statistics.fmean(map(curves.final, kind)) for kind in (sparse, dense))
        task = curves.task_of(environment)
        rows.append((
            f"EauDeSAC on {environment}, {sparse[0]['steps']:,} steps, {len(sparse)} seeds",
            f"return {own:.0f} with {100 * zeros:.0f} % zeros in the actor; dense SAC: {rival:.0f}",
            f"[{task}](docs/results/{task}.md)",
        ))  # fmt: skip
    return rows


def cost() -> tuple[str, str, str]:
    """Of the Atari run of the page of costs."""
    table = [cells(line) for line in read("results/cost.md").splitlines() if line.startswith("|")]
    run = dict(zip(table[0], next(row for row in table if row[0].startswith("atari/"))))
    what = f"A training run from its first pruning to its end, beside one with masks ({run['run']}, {run['network']}, to {100 * float(run['sparsity at the end']):.0f} % zeros)"
    return what, f"{run['times']} times as fast; {run['x at 0.9']} times where 90 % are gone", "[cost](docs/results/cost.md)"


def pong() -> tuple[str, str, str]:
    card = json.loads((common.ROOT / "zoo" / "pong.json").read_text())
    what = f"A small Pong player ({card['algorithm']}, {card['step']:,} steps, {card['hours']:.1f} h on one thread)"
    return what, f"return {card['mean_return']:.1f} with {100 * card['sparsity']:.0f} % zeros, {card['bytes'] / 1000:.0f} kB", "[zoo](zoo/)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether README has what the pages say; exit code 1 if not")
    check = parser.parse_args().check
    rows = "\n".join(f"| {what} | {result} | {page} |" for what, result, page in [*speed(), cost(), files(), cartpole(), *mujoco(), pong()])
    readme = README.read_text()
    written = common.with_section(readme, BEGIN, END, f"| what | measured | where |\n|---|---|---|\n{rows}")
    if not check:
        README.write_text(written)
        print("wrote README.md")
    elif written != readme:
        raise SystemExit("README.md: its table is not what the pages of docs/ say; run scripts/results/headline.py")


if __name__ == "__main__":
    main()
