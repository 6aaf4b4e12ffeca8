"""What several conformance tests share: one short training run."""

import pytest
from program import train

# The next target is drawn at random, so that within a few updates it is a pruned network and the policy file holds
# compressed layers; which network's loss is smallest does not matter to the files' formats.
SETTINGS = [
    "classic/CartPole-v1",
    "--steps", "3000",
    "--set", "training.initial_samples=499",
    "--set", "training.target_update_period=500",
    "--set", "population.selection=random",
    "--set", "evaluation.period=0",
]  # fmt: skip


@pytest.fixture(scope="session")
def cartpole_run(tmp_path_factory):
    """The directory of a finished EauDeQN run of 3,000 steps on CartPole. Tests read it and change nothing in it."""
    run = tmp_path_factory.mktemp("cartpole") / "run"
    train(SETTINGS, run)
    return run
