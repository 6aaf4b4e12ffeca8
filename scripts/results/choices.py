#!/usr/bin/env python3
"""Writes docs/results/choices.md from the sweep of docs/results/choices.toml: what each setting of EauDeQN does.

    eaudeqn sweep docs/results/choices.toml --local 2
    scripts/results/choices.py runs/choices
"""

import argparse
import statistics
import tomllib
from pathlib import Path

import common
import pictures

LAST = 3  # evaluations whose mean is a run's return: one alone says little, as CartPole forgets


def flat(config: dict) -> dict:
    """A config's settings by their dotted names."""
    flattened = {}
    for key, value in config.items():
        flattened |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flattened


class Run:
    """What the page says of one run."""

    def __init__(self, directory: Path):
        self.settings = flat(tomllib.loads((directory / "config.toml").read_text()))
        self.seed = self.settings.pop("seed")
        evaluations = common.events(directory, "evaluation")
        if evaluations[-1]["step"] != self.settings["training.steps"]:
            raise SystemExit(f"{directory} is not finished: run the sweep to its end")
        self.final = statistics.fmean(evaluation["mean_return"] for evaluation in evaluations[-LAST:])
        self.updates = common.events(directory, "target_update")
        self.sparsity = self.updates[-1]["sparsity"]

    def curve(self) -> list[tuple[int, float]]:
        """For pictures: every fifth target update."""
        return [(update["step"], update["sparsity"]) for update in self.updates[::5]]

    def refusals(self) -> list[tuple[int, bool]]:
        """After each target update but the first: whether the network that was not pruned won."""
        pairs = zip(self.updates, self.updates[1:])
        return [(update["step"], update["sparsity"] == before["sparsity"]) for before, update in pairs]

    def refused(self) -> float:
        return statistics.fmean(refused for _, refused in self.refusals())

    def reaches(self, sparsity: float) -> int | None:
        return next((update["step"] for update in self.updates if update["sparsity"] >= sparsity), None)

    def work(self) -> float:
        """The multiply-adds of learning, as a share of those of as many dense networks of this size."""
        return statistics.fmean(1 - sparsity for update in self.updates for sparsity in update["sparsities"])


class Variant:
    """The runs of one config, and how it differs from the first one's."""

    def __init__(self, runs: list[Run], base: dict):
        self.runs = sorted(runs, key=lambda run: run.seed)
        self.changed = {key: value for key, value in runs[0].settings.items() if value != base[key]}

    def name(self) -> str:
        return ", ".join(f"{key} = {spelled(value)}" for key, value in self.changed.items()) or "the config as it is"

    def label(self) -> str:
        """For pictures."""
        return ", ".join(f"{key.split('.')[1]} {spelled(value)}" for key, value in self.changed.items()) or "the config as it is"

    def row(self) -> str:
        def each(form: str, values) -> str:
            return " / ".join("-" if value is None else format(value, form) for value in values)

        runs = self.runs
        compares = runs[0].settings["population.networks"] > 1
        refused = f"{100 * statistics.fmean(run.refused() for run in runs):.0f} %" if compares else "-"
        return (
            f"| {self.name()} | {statistics.fmean(run.final for run in runs):.0f} | {each('.0f', (run.final for run in runs))} "
            f"| {statistics.fmean(run.sparsity for run in runs):.3f} | {each('.3f', (run.sparsity for run in runs))} "
            f"| {each(',', (run.reaches(0.5) for run in runs))} | {refused} "
            f"| {100 * statistics.fmean(run.work() for run in runs):.0f} % |"
        )


def spelled(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def read(directory: Path) -> list[Variant]:
    """The config as it is comes first, the others in the order of the sweep's file."""
    runs = [Run(file.parent) for file in sorted(directory.glob("*/config.toml"))]
    base = flat(tomllib.loads((common.ROOT / "configs" / "classic" / "eaudedqn.toml").read_text()))
    together: dict[str, list[Run]] = {}
    for run in runs:
        run.settings = {key: run.settings[key] for key in base if key != "seed"}
        together.setdefault(repr(run.settings), []).append(run)
    variants = [Variant(group, base) for group in together.values()]
    return sorted(variants, key=lambda variant: [ORDER.index(key) for key in variant.changed] + [0])


PANELS = {
    "How many networks (K)": ["population.networks"],
    "How far a pruned copy may go (U_max)": ["sparsity.max_noise"],
    "How fast (S_max)": ["sparsity.max_speed"],
    "Where the zeros are": ["sparsity.distribution", "sparsity.granularity"],
    "How large the network is": ["network.hidden"],
    "Selection; Adam begins anew": ["population.selection", "population.reset_optimizer"],
}
ORDER = [key for keys in PANELS.values() for key in keys]


def draw_sparsities(variants: list[Variant]) -> None:
    figure, all_axes = pictures.panels(2, 3)
    for axes, (title, keys) in zip(all_axes, PANELS.items()):
        for variant in variants:
            if variant.changed and not set(variant.changed) & set(keys) or variant.runs[0].settings["population.networks"] == 1:
                continue
            style = {} if variant.changed else {"color": "black"}
            pictures.mean_and_range(axes, [run.curve() for run in variant.runs], variant.label(), **style)
        axes.set(title=title, ylabel="sparsity", ylim=(0, 1))
        pictures.count_steps(axes)
        axes.legend()
    pictures.save(figure, "choices_sparsity.svg")


def draw_returns(variants: list[Variant]) -> None:
    figure, (returns, refusals) = pictures.panels(1, 2, width=5, height=4.4)
    for i, variant in enumerate(variants):
        style = {"color": "black", "marker": "*", "s": 90, "zorder": 3} if not variant.changed else {"color": f"C{i % 10}", "marker": "osD^v"[i // 4 % 5]}
        returns.scatter([run.sparsity for run in variant.runs], [run.final for run in variant.runs], label=variant.label(), alpha=0.8, **style)
    returns.set(title="Every run", xlabel="final sparsity", ylabel="return", xlim=(-0.03, 1.03))
    figure.legend(*returns.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    base = variants[0].runs
    shares = [[(step, 100 * share) for step, share in binned(run.refusals())] for run in base]
    pictures.mean_and_range(refusals, shares, "target updates that refuse pruning, %", color="C3")
    pictures.mean_and_range(refusals, [[(step, 100 * sparsity) for step, sparsity in run.curve()] for run in base], "sparsity, %", color="black")
    refusals.set(ylim=(0, 100), title="The config as it is")
    pictures.count_steps(refusals)
    refusals.legend()
    pictures.save(figure, "choices_returns.svg")


def binned(refusals: list[tuple[int, bool]], width: int = 20_000) -> list[tuple[float, float]]:
    """The share of refusals in each stretch of steps, at its middle."""
    stretches: dict[int, list[bool]] = {}
    for step, refused in refusals:
        stretches.setdefault((step - 1) // width, []).append(refused)
    return [((stretch + 0.5) * width, statistics.fmean(refused)) for stretch, refused in stretches.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", type=Path, help="the sweep's directory")
    variants = read(parser.parse_args().runs)
    draw_sparsities(variants)
    draw_returns(variants)
    rows = "\n".join(variant.row() for variant in variants)
    seeds = sorted({run.seed for variant in variants for run in variant.runs})
    page = common.ROOT / "docs" / "results" / "choices.md"
    written = page.read_text().split(BEGIN)[0] if page.exists() else "# What each choice of EauDeQN does\n\n"
    common.write_page("choices.md", f"""{written}{BEGIN}
Runs: `eaudeqn sweep docs/results/choices.toml --local 2`; page: `scripts/results/choices.py runs/choices`. Everything below this line
is written by it. CPU of the machine that wrote it: {common.machine()}; one thread a run. Seeds {', '.join(map(str, seeds))}.

Return: the mean of a run's last {LAST} greedy evaluations of 20 episodes; 500 is the most there is. Refused: target updates in which the
network that was not pruned had the smallest loss, so that sparsity stayed. Work: multiply-adds of learning as a share of
what the same number of networks takes whose zeros are masks.

| changed | return | by seed | sparsity | by seed | half of the weights gone at step | refused | work |
|---|---|---|---|---|---|---|---|
{rows}

![Sparsity over the steps](../images/choices_sparsity.svg)

![Return and sparsity of every run; refusals over the steps](../images/choices_returns.svg)
""")


BEGIN = "<!-- choices:begin -->"

if __name__ == "__main__":
    main()
