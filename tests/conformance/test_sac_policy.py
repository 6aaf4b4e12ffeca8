"""What an EauDeSAC run ships and records: the actor, with all that is needed to act with it."""

import json

import gymnasium
import numpy as np
import pytest
from peers import flax_forward, read_policy
from program import HOPPER, changed, eaudeqn, eaudeqn_json, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hopper") / "run"
    train(changed(HOPPER, population__selection="random"), directory)  # so that the actor is sparse for certain
    return directory


@pytest.fixture(scope="module")
def policy(run):
    return read_policy(run / "policy.safetensors")


def events(run, kind) -> list:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def test_the_policy_is_the_actor_and_says_how_to_act(policy):
    space = gymnasium.make("Hopper-v5")
    assert policy.architecture["input"] == list(space.observation_space.shape)
    assert policy.architecture["outputs"] == 2 * space.action_space.shape[0]
    actions = json.loads(policy.metadata["actions"])
    np.testing.assert_array_equal(np.float32(actions["low"]), space.action_space.low)
    np.testing.assert_array_equal(np.float32(actions["high"]), space.action_space.high)
    assert json.loads(policy.metadata["preprocessing"])["type"] == "float32"


def test_critics_and_actor_report_their_sparsity_separately(run, policy):
    updates, evaluations = events(run, "target_update"), events(run, "evaluation")
    assert len(updates) >= 10 and evaluations
    for event in updates:
        assert event["critic_sparsity"] == event["sparsity"] == event["sparsities"][event["selected"]]
        assert event["actor_sparsity"] == pytest.approx(event["critic_sparsity"], abs=0.02), "it follows"
    last = evaluations[-1]
    assert last["sparsity"] == last["actor_sparsity"] == pytest.approx(float(policy.metadata["sparsity"]), abs=1e-9)
    assert last["actor_sparsity"] > 0.1
    assert all({"temperature", "entropy"} <= event.keys() for event in events(run, "episode"))


def test_inspect_and_evaluate_take_it(run):
    report = eaudeqn_json("inspect", run, "--json")
    assert (report["environment"], report["algorithm"]) == ("mujoco/Hopper-v5", "eaudesac")
    assert [layer["shape"] for layer in report["layers"]] == [[40, 11], [32, 40], [6, 32]]
    first, again, other = (
        eaudeqn_json("evaluate", run / "policy.safetensors", "--episodes", 3, "--seed", seed, "--json")["returns"]
        for seed in (5, 5, 6)
    )
    assert first == again and first != other


def test_forward_equals_flax(run, policy, tmp_path):
    rows = np.random.default_rng(3).normal(0, 1, (37, 11)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    eaudeqn("forward", run, "--observations", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    ours, theirs = np.load(tmp_path / "y.npy"), flax_forward(policy, rows, np.float64)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_its_mean_action_is_worth_in_gymnasium_what_evaluate_says(run, policy):
    """Start states differ (each draws its own), so means of many episodes are compared, by their standard errors."""
    actions = json.loads(policy.metadata["actions"])
    low, high = (np.array(actions[bound]) for bound in ("low", "high"))
    hopper = gymnasium.make("Hopper-v5")
    theirs = []
    for episode in range(20):
        observation, _ = hopper.reset(seed=episode)
        total, over = 0.0, False
        while not over:
            hidden = observation.astype(np.float32)
            for layer in policy.layers.values():
                hidden = np.maximum(layer.weight @ hidden + layer.bias, -np.inf if layer.name == "dense3" else 0)
            action = low + (np.tanh(hidden[:3]) + 1) / 2 * (high - low)
            observation, reward, terminated, truncated, _ = hopper.step(action.astype(np.float32))
            total, over = total + reward, terminated or truncated
        theirs.append(total)
    ours = eaudeqn_json("evaluate", run, "--episodes", 100, "--json")["returns"]
    error = np.hypot(np.std(ours) / len(ours) ** 0.5, np.std(theirs) / len(theirs) ** 0.5)
    assert abs(np.mean(ours) - np.mean(theirs)) <= 4 * error
