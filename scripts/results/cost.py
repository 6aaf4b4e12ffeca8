#!/usr/bin/env python3
"""Writes docs/results/cost.md, what training costs while weights go: scripts/results/cost.py [RUN...]

What each run says of its cost is kept in docs/results/costs, a few kB each: steps, rates and sparsities. The page shows every one
that is there. What stands above and below its marks stays.
"""

import argparse
import datetime
import json
import statistics
import tomllib
from pathlib import Path

import common
import pictures
from curves import changed_settings

COSTS = common.ROOT / "docs" / "results" / "costs"
BEGIN, END = "<!-- cost:begin -->", "<!-- cost:end -->"
STRETCHES = 24  # of a run, from its first update to its end: one median of rates each
LEVELS = [0.25, 0.5, 0.75, 0.9]


def keep(directory: Path) -> None:
    """Writes the run's stretches: [first step, last step, median steps/s, mean sparsity of the networks that learn]"""
    config = tomllib.loads((directory / "config.toml").read_text())
    if config["network"]["kind"] != "mlp" and config["sparsity"]["distribution"] != "uniform":
        raise SystemExit(f"{directory}: where layers differ in sparsity and weights in how often they are used, work cannot be told from these")
    first, last = config["training"]["initial_samples"], config["training"]["steps"]
    updates, timing = common.events(directory, "target_update"), common.timings(directory)
    bounds = [first + (last - first) * i // STRETCHES for i in range(STRETCHES + 1)]
    points = []
    for begin, end in zip(bounds, bounds[1:]):
        rates = [line["steps_per_second"] for line in timing if begin < line["step"] <= end and line["steps_per_second"] > 0]
        sparsities = [statistics.fmean(update["sparsities"]) for update in updates if begin < update["step"] <= end]
        if not rates or not sparsities:
            raise SystemExit(f"{directory}: no rate between steps {begin} and {end}: is the run finished?")
        points.append([begin, end, round(statistics.median(rates), 2), round(statistics.fmean(sparsities), 4)])
    policy = json.loads(common.run("inspect", str(directory), "--json"))
    cost = {
        "environment": config["environment"], "algorithm": config["algorithm"], "seed": config["seed"], "steps": last,
        "network": f"nature, F = {config['network']['features']}" if config["network"]["kind"] == "nature" else "x".join(map(str, config["network"]["hidden"])),
        "networks": config["population"]["networks"], "threads": timing[-1]["threads"], "machine": common.machine(),
        "date": datetime.date.today().isoformat(), "command": command(config),
        "policy": {key: policy[key] for key in ("parameters", "active", "bytes", "flops")}, "stretches": points,
    }  # fmt: skip
    name = f"{config['environment'].split('/')[1]}_{cost['algorithm']}_seed{cost['seed']}.json"
    common.write_record(COSTS / name, cost)


def command(config: dict) -> str:
    run = f"eaudeqn train {config['environment']} --algorithm {config['algorithm']} --seed {config['seed']} --steps {config['training']['steps']}"
    changed = {key: value for key, value in changed_settings(config).items() if key != "training.steps"}
    return run + "".join(f" --set {key}={json.dumps(value)}" for key, value in changed.items())


def dense_rate(cost: dict) -> float:
    """Of the stretches before the first pruning."""
    return statistics.median(rate for *_, rate, sparsity in cost["stretches"] if sparsity == 0)


def pruning(cost: dict) -> list[list[float]]:
    """The stretches from the first pruning on."""
    return [stretch for stretch in cost["stretches"] if stretch[3] > 0]


def hours(cost: dict, rate_of) -> float:
    """Of the steps from the first pruning on."""
    return sum((end - begin) / rate_of(rate) for begin, end, rate, _ in pruning(cost)) / 3600


def work(cost: dict) -> float:
    """Multiply-adds of learning from the first pruning on, as a share of those with masks."""
    steps = sum(end - begin for begin, end, *_ in pruning(cost))
    return sum((end - begin) * (1 - sparsity) for begin, end, _, sparsity in pruning(cost)) / steps


def rate_at(cost: dict, level: float) -> str:
    """How many times the dense rate, where the sparsity is next to `level` and not farther than 0.1."""
    near = min(pruning(cost), key=lambda stretch: abs(stretch[3] - level))
    return f"{near[2] / dense_rate(cost):.1f}" if abs(near[3] - level) <= 0.1 else "-"


def row(cost: dict) -> str:
    dense, took = hours(cost, lambda _: dense_rate(cost)), hours(cost, lambda rate: rate)
    levels = " | ".join(rate_at(cost, level) for level in LEVELS)
    return (
        f"| {cost['environment']}, {cost['algorithm']} | {cost['seed']} | {cost['network']} | {dense_rate(cost):.0f} | {levels} "
        f"| {took:.2f} | {dense:.2f} | {dense / took:.1f} | {100 * work(cost):.0f} % | {cost['stretches'][-1][3]:.3f} "
        f"| {cost['policy']['bytes'] / 1000:.0f} | {cost['policy']['parameters'] * 4 / 1000:.0f} | {cost['machine']} | {cost['date']} |"
    )


def draw(costs: list[dict]) -> None:
    figure, (speed, time) = pictures.panels(1, 2, width=4.4, height=3.4)
    kinds = list(dict.fromkeys(kind(cost) for cost in costs))
    for cost in costs:
        style = {"color": f"C{kinds.index(kind(cost))}"}
        label = kind(cost) if cost is next(other for other in costs if kind(other) == kind(cost)) else None
        speed.scatter([s for *_, s in cost["stretches"]], [rate / dense_rate(cost) for *_, rate, _ in cost["stretches"]], s=12, label=label, **style)
        begin = cost["stretches"][0][0]
        spans = [(end - first) / rate / dense_span(cost) for first, end, rate, _ in cost["stretches"]]
        shares = [(end - begin) / (cost["steps"] - begin) for _, end, *_ in cost["stretches"]]
        time.plot([0, *shares], [0, *[sum(spans[: i + 1]) for i in range(len(spans))]], label=label, **style)
    ideal = [i / 100 for i in range(91)]
    speed.plot(ideal, [1 / (1 - s) for s in ideal], color="gray", linestyle="--", linewidth=1, label="1 / (1 - sparsity)")
    speed.axhline(1, color="black", linewidth=1, label="masks")
    speed.set(title="Steps a second beside the dense network's", xlabel="mean sparsity of the networks", ylabel="times", ylim=(0, 9))
    speed.legend(loc="upper left")
    time.plot([0, 1], [0, 1], color="black", linewidth=1, label="masks")
    time.set(title="Time of the run", xlabel="share of the steps", ylabel="share of what masks take", xlim=(0, 1), ylim=(0, 1))
    time.legend(loc="upper left")
    pictures.save(figure, "cost.svg")


def kind(cost: dict) -> str:
    return f"{cost['environment'].split('/')[1]}, {cost['algorithm']}"


def dense_span(cost: dict) -> float:
    """Seconds that the learning steps take at the dense rate."""
    return (cost["steps"] - cost["stretches"][0][0]) / dense_rate(cost)


def section(costs: list[dict]) -> str:
    rows = "\n".join(map(row, costs))
    levels = " | ".join(f"x at {level}" for level in LEVELS)
    commands = "\n".join(f"    {cost['command']} --threads {cost['threads']}" for cost in costs)
    return f"""{commands}

Page by `scripts/results/cost.py RUN...`, which keeps what it needs of each run in `costs/`. A run's learning steps are cut into
{STRETCHES} stretches; the rate of one is the median of the run's own timing in it, everything included: environment, acting, replay,
updates, saving. Other programs ran beside. "dense": steps/s before the first pruning, which is what masks would go on to cost;
"x at": how many times that at the sparsity named. "hours": from the first pruning to the end, at these medians, and at the dense rate.
"work": multiply-adds of learning in that time as a share of what masks take. File: of the policy that ships, and its weights dense.

| run | seed | network | dense, steps/s | {levels} | hours | with masks | times | work | sparsity at the end | file, kB | dense, kB | CPU | kept on |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}

![Speed and time](../images/cost.svg)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", help="run directories to keep the costs of")
    for directory in parser.parse_args().runs:
        keep(directory)
    costs = [json.loads(file.read_text()) for file in sorted(COSTS.glob("*.json"))]
    draw(costs)
    page = common.ROOT / "docs" / "results" / "cost.md"
    text = page.read_text() if page.exists() else f"# What training costs while weights go\n\n{BEGIN}\n{END}\n"
    common.write_page("cost.md", common.with_section(text, BEGIN, END, section(costs)))


if __name__ == "__main__":
    main()
