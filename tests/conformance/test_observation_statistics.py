"""sac.normalize_observations against numpy: the statistics are those of the observations that training acted on, and what
ships says to raw observations what the actor of the checkpoint says to normalized ones.

Seen from outside: a checkpoint after every step holds the observation that is acted on next, the statistics, and the actor.
"""

import json
import sys

import numpy as np
import pytest
from peers import read_policy
from program import HOPPER, ROOT, changed, checkpoints, eaudeqn, eaudeqn_json, train

sys.path.insert(0, str(ROOT / "tests" / "durability"))

import archive  # noqa: E402

STEPS = 260
SMALLEST_DEVIATION = 0.01  # docs/deviations.md


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("normalized") / "run"
    train(changed(HOPPER, sac__normalize_observations="true", training__steps=STEPS, population__selection="random",
                  training__target_update_period=15, evaluation__period=0, checkpoint__period=1, checkpoint__keep=STEPS), directory)  # fmt: skip
    return directory


@pytest.fixture(scope="module")
def states(run):
    """The sections of each checkpoint, from that after the first step on."""
    return [archive.read(file) for file in checkpoints(run)]


def doubles(state, name) -> np.ndarray:
    return np.frombuffer(state[f"observation_statistics/{name}"], "<f8")


@pytest.fixture(scope="module")
def observations(states):
    """In the order in which they were acted on; the last one has not been yet. The first one is older than any checkpoint,
    but it was then the mean of all."""
    first = doubles(states[0], "mean")
    return np.stack([first, *(np.frombuffer(state["observation"], "<f4").astype(np.float64) for state in states)])


def test_they_are_those_of_numpy_after_every_step(run, states, observations):
    assert len(states) == STEPS
    events = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    assert sum(event["event"] == "episode" for event in events) >= 5, "first observations of episodes count as well"
    for steps, state in enumerate(states, 1):
        seen = observations[:steps]
        assert int.from_bytes(state["observation_statistics/count"], "little") == steps
        np.testing.assert_allclose(doubles(state, "mean"), seen.mean(axis=0), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(doubles(state, "squares"), steps * seen.var(axis=0), rtol=1e-9, atol=1e-13)


def layer(state, name) -> tuple:
    bias = np.frombuffer(state[f"actor/{name}/bias"], "<f4").astype(np.float64)
    weight = np.frombuffer(state[f"actor/{name}/weights"], "<f4").astype(np.float64)
    return weight.reshape(len(bias), -1), bias


def deviation(observations) -> np.ndarray:
    return np.maximum(observations.std(axis=0), SMALLEST_DEVIATION)


def test_what_ships_reads_raw_observations(run, states, observations, tmp_path):
    seen = observations[:STEPS]
    hidden = (seen - seen.mean(axis=0)) / deviation(seen)
    for name in ("dense1", "dense2", "dense3"):
        weight, bias = layer(states[-1], name)
        hidden = hidden @ weight.T + bias
        hidden = hidden if name == "dense3" else np.maximum(hidden, 0)
    np.save(tmp_path / "x.npy", seen.astype(np.float32))
    eaudeqn("forward", run, "--observations", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert np.abs(np.load(tmp_path / "y.npy") - hidden).max() <= 1e-5 * np.abs(hidden).max()
    assert np.std(hidden, axis=0).min() > 1e-3, "all outputs are alike: little is compared"


def test_its_first_layer_alone_is_another_and_as_sparse(run, states, observations):
    policy = read_policy(run / "policy.safetensors")
    seen = observations[:STEPS]
    weight, _ = layer(states[-1], "dense1")
    assert 0.05 < np.mean(weight == 0) < 1
    np.testing.assert_allclose(policy.layers["dense1"].weight, weight / deviation(seen), rtol=1e-6)
    np.testing.assert_array_equal(policy.layers["dense1"].weight == 0, weight == 0)
    for name in ("dense2", "dense3"):
        np.testing.assert_array_equal(policy.layers[name].weight, layer(states[-1], name)[0])
    assert "first layer" in json.loads(policy.metadata["preprocessing"])["normalization"]


def test_every_way_to_run_it_takes_it(run, tmp_path):
    """Evaluation, and the exports, of which test_export.py compares the outputs with those of `forward`."""
    first, again = (eaudeqn_json("evaluate", run, "--episodes", 2, "--seed", 5, "--json")["returns"] for _ in range(2))
    assert first == again
    assert eaudeqn_json("inspect", run, "--json")["sparsity"] > 0.05
    for form, name in (("c", "actor.h"), ("onnx", "actor.onnx"), ("safetensors", "actor.safetensors")):
        eaudeqn("export", run, "--format", form, "--output", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0


def test_without_the_key_nothing_of_it_is_there(tmp_path):
    train(changed(HOPPER, training__steps=150), tmp_path / "run")
    assert not [name for name in archive.read(checkpoints(tmp_path / "run")[-1]) if "statistics" in name]
    assert "normalization" not in read_policy(tmp_path / "run" / "policy.safetensors").metadata["preprocessing"]
