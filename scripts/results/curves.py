"""Curves of runs, a few kB each, in docs/results/curves: they stay when the runs go, so that a page can grow over days and machines."""

import datetime
import json
import statistics
import tomllib
from pathlib import Path

import common

CONFIGS = common.ROOT / "configs"
CURVES = common.ROOT / "docs" / "results" / "curves"
INTERVAL = 50_000  # steps of an Atari run between two points of its curve
ITERATION = 250_000  # steps between two points of the published curves of Atari; whole INTERVALs


def task_of(environment: str) -> str:
    """hopper of mujoco/Hopper-v5"""
    return environment.split("/")[1].split("-")[0].lower()


def keep(directory: Path, environment: str) -> None:
    """Writes the run's curve: what it was, and its evaluations; of an Atari run its training returns."""
    config = tomllib.loads((directory / "config.toml").read_text())
    if config["environment"] != environment:
        raise SystemExit(f"{directory}: a run of {config['environment']}, not of {environment}")
    timing = common.timings(directory)
    points = training_returns(directory) if environment.startswith("atari/") else evaluations(directory)
    if not timing or not points:
        raise SystemExit(f"{directory}: has no point of its curve yet, so there is nothing to keep")
    curve = {
        "environment": environment, "algorithm": config["algorithm"], "seed": config["seed"], "steps": config["training"]["steps"],
        "threads": timing[-1]["threads"], "machine": common.machine(), "date": datetime.date.today().isoformat(),
        "steps_per_second": round(statistics.median(line["steps_per_second"] for line in timing if line["steps_per_second"] > 0)),
        "points": points,
    }  # fmt: skip
    name = f"{environment.split('/')[1]}_{curve['algorithm']}_seed{curve['seed']}.json"
    if settings := other_settings(config):
        curve["settings"] = ", ".join(settings)
        name = name.replace("_seed", "_" + "_".join(setting.replace(".", "-") for setting in settings) + "_seed")
    if "features" in config["network"] and config["network"]["kind"] != "mlp":
        curve["features"] = config["network"]["features"]
        name = name.replace("_seed", f"_F{curve['features']}_seed")
    common.write_record(CURVES / name, curve)


def changed_settings(config: dict) -> dict:
    """What a run's config has other than the one that ships."""
    family, task = config["environment"].split("/")
    names = [f"{family}/{task}_{config['algorithm']}", f"{family}/{config['algorithm']}"]
    settings = shipped(next(name for name in names if (CONFIGS / f"{name}.toml").exists()))
    own = {key: config[key.split(".")[0]][key.split(".")[1]] for key in settings}
    return {key: own[key] for key, value in settings.items() if own[key] != value}


def other_settings(config: dict) -> list[str]:
    """Of these the ones that make another curve and are not named by it anyway."""
    named = {"training.steps", "network.features"}
    # How often a run saves changes nothing, nor does evaluating where the curve is of training returns.
    unseen = ("checkpoint.", "evaluation.") if config["environment"].startswith("atari/") else ("checkpoint.",)
    changed = changed_settings(config)
    return [f"{key}={json.dumps(value)}" for key, value in changed.items() if key not in named and not key.startswith(unseen)]


def shipped(name: str) -> dict:
    """section.key: value of the config of that name, with what it is based on."""
    table = tomllib.loads((CONFIGS / f"{name}.toml").read_text())
    settings = shipped(table["base"]) if "base" in table else {}
    for section, keys in table.items():
        if isinstance(keys, dict):
            settings.update({f"{section}.{key}": value for key, value in keys.items()})
    return settings


def label(curve: dict) -> str:
    """The algorithm, and what was set otherwise: curves of one label differ by their seeds."""
    return ", ".join([curve["algorithm"]] + ([curve["settings"]] if "settings" in curve else []))


def evaluations(directory: Path) -> list[list[float]]:
    """[step, mean return, sparsity of the critics, of the actor]"""
    kept = ("step", "mean_return", "critic_sparsity", "actor_sparsity")
    return [[round(event[key], 4) for key in kept] for event in common.events(directory, "evaluation")]


def training_returns(directory: Path) -> list[list]:
    """[step, mean training return of the INTERVAL before it or None, episodes of that, sparsity of the selected network]"""
    episodes, updates = common.events(directory, "episode"), common.events(directory, "target_update")
    # Timing is written at target updates, the last of which may come before the end of the run.
    last = max(line["step"] for line in common.timings(directory)[-1:] + common.events(directory, "evaluation")[-1:])
    points = []
    for end in range(INTERVAL, last + 1, INTERVAL):
        returns = [episode["return"] for episode in episodes if end - INTERVAL < episode["step"] <= end]
        mean = round(statistics.fmean(returns), 4) if returns else None
        sparsity = [0.0] + [update["sparsity"] for update in updates if update["step"] <= end]
        points.append([end, mean, len(returns), round(sparsity[-1], 4)])
    return points


def iterations(curve: dict) -> list[float]:
    """Mean training return of the steps of each whole ITERATION, as the published curves have it."""
    means = []
    for end in range(ITERATION, curve["points"][-1][0] + 1, ITERATION):
        points = [point for point in curve["points"] if end - ITERATION < point[0] <= end and point[2]]
        means.append(sum(mean * episodes for _, mean, episodes, _ in points) / sum(point[2] for point in points))
    return means


def finished(curve: dict) -> bool:
    return curve["points"][-1][0] == curve["steps"]


def final(curve: dict) -> float:
    return statistics.fmean(value for _, value, *_ in curve["points"][-5:])


def every() -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(CURVES.glob("*.json"))]


def of_environment(environment: str) -> list[dict]:
    return [curve for curve in every() if curve["environment"] == environment]
