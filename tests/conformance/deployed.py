"""What the tests of the library and of the Python package share: policies and real observations. Not a test."""

import json
import os
from pathlib import Path

import numpy as np
from program import PONG, changed, eaudeqn, train

BUILD = Path(os.environ.get("EAUDEQN_BUILD") or Path(__file__).resolve().parents[2] / "build" / "release")


def pong_policy(directory: Path) -> Path:
    """Pruned: the next target is drawn at random, and after some updates not the densest one."""
    train(changed(PONG, population__selection="random", training__target_update_period=20,
                  sparsity__max_speed=0.02, seed=3), directory / "pong")
    return directory / "pong" / "policy.safetensors"


def traced(environment: str, directory: Path, count: int) -> np.ndarray:
    """Real raw observations, `count` rows of which no two neighbours come from one lucky pattern of actions."""
    actions = np.random.default_rng(1).integers(0, 2, count - 1).astype(np.int32)
    np.save(directory / "actions.npy", actions)
    eaudeqn("trace", environment, "--actions", directory / "actions.npy", "--seed", 4, "--output", directory / "trace")
    return np.load(directory / "trace" / "observations.npy")


def forward(policy: Path, observations: np.ndarray, directory: Path) -> np.ndarray:
    np.save(directory / "x.npy", observations)
    eaudeqn("forward", policy, "--observations", directory / "x.npy", "--output", directory / "q.npy")
    return np.load(directory / "q.npy")


def same_bits(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def sparsity_of(policy: Path) -> float:
    return json.loads(eaudeqn("inspect", policy, "--json").stdout)["sparsity"]
