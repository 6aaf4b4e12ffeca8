"""What the durability tests share: how much to try, the preloaded library of faults, small runs of every family."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

from program import CARTPOLE, HOPPER, PONG, changed, eaudeqn  # noqa: E402

# The nights' form of the campaign, as `./test durability --long` asks for; else the short one of continuous integration.
LONG = os.environ.get("EAUDEQN_CAMPAIGN") == "long"
SEED = int(os.environ.get("EAUDEQN_CAMPAIGN_SEED", "1"))

# A run of a fraction of a second with everything in it: saves, target updates, an evaluation, evictions from the replay.
TINY = changed(CARTPOLE, training__steps=700, training__initial_samples=100, training__target_update_period=60,
               replay__capacity=300, network__hidden="[16,16]", evaluation__period=300, evaluation__episodes=1,
               checkpoint__period=150)  # fmt: skip


def draws(name: str) -> random.Random:
    """Random numbers of one test: the same in every call, others for another EAUDEQN_CAMPAIGN_SEED."""
    return random.Random(f"{name} {SEED}")


def tally(fault: str, times: int, outcome: str) -> None:
    """A row for docs/reliability.md, which scripts/results/reliability.py writes: what was tried, how often, what happened.
    Only what a test has just seen."""
    record = os.environ.get("EAUDEQN_CAMPAIGN_RECORD")
    if record:
        with open(record, "a") as file:
            file.write(json.dumps({"fault": fault, "times": times, "outcome": outcome}) + "\n")


def build_faults(directory: Path) -> Path:
    library = directory / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def faults(library: Path, **settings) -> dict:
    """The environment of a process that meets faults: faults(library, call="write", at=3, errno=28)."""
    variables = {f"FAULT_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    return {"LD_PRELOAD": str(library), **variables}


def inside_a_save(run: Path) -> bool:
    """Whether a checkpoint is being written: its temporary file stands beside the finished ones."""
    return any(run.glob("checkpoints/.*.unfinished"))


def write_dataset(folder: Path, entries: int = 300, seed: int = 1, **replaced) -> None:
    """A dataset of Pong's shape in the format of the DQN Replay Dataset; `replaced` arrays take the place of drawn ones."""
    numbers = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "observation": numbers.integers(0, 256, (entries, 84, 84), np.uint8),
        "action": numbers.integers(0, 6, entries).astype(np.int32),
        "reward": numbers.normal(size=entries).astype(np.float32),
        "terminal": (numbers.random(entries) < 0.02).astype(np.uint8),
        **replaced,
    }
    for part, array in arrays.items():
        with gzip.open(folder / f"$store$_{part}_ckpt.0.gz", "wb") as stream:
            np.save(stream, array, allow_pickle=False)


def offline(dataset: Path) -> list:
    """Settings of a short offline run."""
    settings = ["atari/Pong", "--algorithm", "eaudecql", "--set", f"dataset.path={dataset}"]
    return changed(settings, training__steps=90, training__target_update_period=10, training__batch_size=16,
                   training__horizon=30, network__features=16, population__networks=3, sparsity__max_speed=0.3,
                   evaluation__period=0, evaluation__episodes=1, dataset__buffer=120, dataset__loaded=2,
                   dataset__refresh_period=20, checkpoint__period=20)  # fmt: skip


def families(directory: Path) -> dict:
    """Small runs of every family: {name: settings}."""
    write_dataset(directory / "dataset")
    return {"classic": changed(CARTPOLE, checkpoint__period=100), "atari": changed(PONG, checkpoint__period=20),
            "mujoco": changed(HOPPER, checkpoint__period=40), "offline": offline(directory / "dataset")}  # fmt: skip


__all__ = ["LONG", "SEED", "TINY", "build_faults", "draws", "eaudeqn", "families", "faults", "inside_a_save", "offline", "tally", "write_dataset"]
