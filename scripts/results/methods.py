#!/usr/bin/env python3
"""Writes docs/results/<study>.md from the sweep of docs/results/<study>.toml: returns, sparsity, time and speed of each method.
"""

import argparse
import statistics
import tomllib
from pathlib import Path

import common


def method(config: dict) -> str:
    unit = config.get("sparsity", {}).get("granularity") == "unit"
    return config["algorithm"] + (" (whole units)" if unit else "")


def row(directory: Path) -> dict:
    config = tomllib.loads((directory / "config.toml").read_text())
    evaluations = common.events(directory, "evaluation")
    assert evaluations[-1]["step"] == config["training"]["steps"], f"{directory} is not finished"
    updates = common.events(directory, "target_update")[-1]["updates"]
    seconds = common.wall_seconds(directory)
    return {
        "method": method(config),
        "seed": config["seed"],
        "epsilon": config["evaluation"]["epsilon"],
        "curve": [(e["step"], e["mean_return"]) for e in evaluations],
        "last": evaluations[-1]["returns"],
        "sparsity": evaluations[-1]["sparsity"],
        "seconds": seconds,
        "updates": updates,
        "threads": {line["threads"] for line in common.timings(directory)},
    }


def table(rows: list[dict]) -> str:
    steps = [step for step, _ in rows[0]["curve"]]
    lines = [
        "| method | seed | " + " | ".join(f"{step:,}" for step in steps) + " | last, lowest to highest | sparsity | wall time, min | updates/s |",
        "|---" * (6 + len(steps)) + "|",
    ]
    for r in rows:
        curve = " | ".join(f"{value:.1f}" for _, value in r["curve"])
        lines.append(
            f"| {r['method']} | {r['seed']} | {curve} | {min(r['last']):.0f} to {max(r['last']):.0f} | {r['sparsity']:.3f} "
            f"| {r['seconds'] / 60:.1f} | {r['updates'] / r['seconds']:.1f} |"
        )
    return "\n".join(lines)


def by_method(rows: list[dict]) -> str:
    """Over the seeds; nothing where there is only one."""
    if len({r["seed"] for r in rows}) == 1:
        return ""
    lines = ["| method | seeds | last evaluation, mean of the seeds | lowest and highest seed | sparsity |", "|---" * 5 + "|"]
    for name in sorted({r["method"] for r in rows}):
        seeds = [r for r in rows if r["method"] == name]
        last = [r["curve"][-1][1] for r in seeds]
        sparsity = statistics.fmean(r["sparsity"] for r in seeds)
        lines.append(f"| {name} | {len(seeds)} | {statistics.fmean(last):.1f} | {min(last):.1f} and {max(last):.1f} | {sparsity:.3f} |")
    return "\n".join(lines) + "\n\n"


def closing(rows: list[dict]) -> str:
    if len({r["seed"] for r in rows}) > 1:
        return ""
    best = max(rows, key=lambda r: r["curve"][-1][1])
    return (
        f"\nHighest last evaluation: {best['method']} with {best['curve'][-1][1]:.1f}. 1 seed(s): a difference of\n"
        "a few points between two rows says nothing.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="the name of the page and of the sweep file beside it")
    parser.add_argument("sweep", type=Path, metavar="SWEEP_DIRECTORY")
    arguments = parser.parse_args()
    study, sweep = arguments.study, arguments.sweep
    rows = sorted((row(run.parent) for run in sweep.glob("*/config.toml")), key=lambda r: (r["method"], r["seed"]))
    file = common.ROOT / "docs" / "results" / f"{study}.toml"
    comment = [line.removeprefix("#") for line in file.read_text().splitlines() if line.startswith("#")]
    about = "\n".join(line.strip() for line in comment if not line.startswith("   "))
    commands = "\n".join("    " + line.strip() for line in comment if line.startswith("   "))
    spread = statistics.median(statistics.stdev(r["last"]) for r in rows)
    threads = ", ".join(str(count) for count in sorted(set().union(*(r["threads"] for r in rows))))
    common.write_page(
        f"{study}.md",
        f"""# {file.stem.replace('_', ' ').capitalize()}

{about}

{commands}

Evaluation returns at epsilon {rows[0]['epsilon']:g}, means of {len(rows[0]['last'])} episodes, after the number of steps above the column; the median standard
deviation of one evaluation's episodes is {spread:.1f}. Sparsity is that of the network that ships, at the end. Wall time holds
everything: acting, learning, evaluating, saving; several runs side by side on a machine that did other work too, so
times compare roughly. Updates are gradient steps of each network: with K = 5 each trains five networks.
CPU: {common.machine()}; threads of a run: {threads}.

{by_method(rows)}{table(rows)}
{closing(rows)}""",
    )


if __name__ == "__main__":
    main()
