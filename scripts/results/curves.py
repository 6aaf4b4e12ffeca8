"""Curves of runs, a few kB each, in docs/results/curves: they stay when the runs go, so that a page can grow over days and machines."""

import datetime
import json
import statistics
import tomllib
from pathlib import Path

import common

CURVES = common.ROOT / "docs" / "results" / "curves"
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


def every() -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(CURVES.glob("*.json"))]


def of_environment(environment: str) -> list[dict]:
    return [curve for curve in every() if curve["environment"] == environment]
