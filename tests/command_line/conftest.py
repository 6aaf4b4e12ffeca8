"""What the command-line tests share: the helpers of tests/conformance and one small finished run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

from program import CARTPOLE, changed, train  # noqa: E402

SMALL = changed(
    CARTPOLE,
    training__steps=900,
    training__target_update_period=100,
    network__hidden="[32,32]",
    checkpoint__period=400,
    evaluation__period=0,
    sparsity__max_speed=0.1,
    seed=2,  # ends with a sparse network selected
)


@pytest.fixture(scope="session")
def small_settings():
    """Arguments of `train` for a run of a fraction of a second."""
    return list(SMALL)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, small_settings):
    """A finished sparse CartPole run. Tests only read it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    train(small_settings, run)
    return run
