"""`eaudeqn forward` computes what Flax computes from the same policy file, for the three networks, sparse and dense.

The bound is 1e-5 of the largest |Q| of the batch. Relative to the largest and not to each Q, because a Q near zero is
the difference of large partial sums, whose rounding does not shrink with it. Flax in float64 is the reference as well:
there the only rounding is ours, so a bound that held by two errors cancelling would fail here.
"""

import numpy as np
import pytest
from peers import flax_forward, read_policy
from program import eaudeqn, train

BATCHES = [1, 5, 32, 33]  # batch 1 (what deployment runs), less than a vector, whole vectors, whole vectors and a rest
TOLERANCE = 1e-5

SHORT = ["--set", "training.steps=120", "--set", "training.initial_samples=39", "--set", "training.gradient_period=8",
         "--set", "training.target_update_period=20", "--set", "training.batch_size=8",
         "--set", "training.horizon=60", "--set", "replay.capacity=200",
         "--set", "evaluation.period=0", "--set", "evaluation.episodes=1", "--set", "checkpoint.period=0"]  # fmt: skip
DENSE = [*SHORT, "--algorithm", "dqn"]
# Selection at random makes the policy sparse within a few target updates, which the smallest loss need not.
SPARSE = [*SHORT, "--seed", "3", "--set", "population.networks=3", "--set", "population.selection=random",
          "--set", "sparsity.max_speed=0.3"]  # fmt: skip
PONG, CARTPOLE, ACROBOT = "atari/Pong", "classic/CartPole-v1", "classic/Acrobot-v1"
NATURE = ["--set", "network.features=32"]
IMPALA = [*NATURE, "--set", "network.kind=impala"]
POLICIES = {
    "nature sparse": [PONG, *SPARSE, *NATURE],
    "nature dense": [PONG, *DENSE, *NATURE],
    "impala sparse": [PONG, *SPARSE, *IMPALA],
    "impala wide dense": [PONG, *DENSE, *IMPALA, "--set", "network.width=2", "--set", "training.steps=60"],
    "mlp sparse": [CARTPOLE, *SPARSE, "--set", "network.hidden=[64,48]"],
    "mlp dense": [CARTPOLE, *DENSE, "--set", "network.hidden=[40]"],
    "mlp of three sparse layers": [ACROBOT, *SPARSE, "--set", "network.hidden=[33,7,65]"],
}


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory):
    """Trains each policy once."""
    trained = {}

    def train_once(name):
        if name not in trained:
            run = tmp_path_factory.mktemp(name.replace(" ", "_")) / "run"
            train(POLICIES[name], run)
            trained[name] = run
        return trained[name] / "policy.safetensors"

    return train_once


def traced_observations(environment, actions, directory):
    np.save(directory / "actions.npy", np.asarray(actions, np.int32))
    eaudeqn("trace", environment, "--actions", directory / "actions.npy", "--seed", 3, "--output", directory / "trace")
    return np.load(directory / "trace" / "observations.npy")


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    """33 rows of each kind: real ones, random ones and the two extremes."""
    random = np.random.default_rng(5)
    directory = tmp_path_factory.mktemp("observations")
    pong = traced_observations(PONG, random.integers(0, 6, 90), directory)
    assert pong.shape == (91, 84, 84, 4) and pong.dtype == np.uint8
    noise = random.integers(0, 256, (12, 84, 84, 4), dtype=np.uint8)
    extremes = np.stack([np.zeros_like(pong[0]), np.full_like(pong[0], 255)])
    frames = np.concatenate([pong[-2:], noise, extremes, pong[:17]])
    vectors = random.normal(0, 1, (33, 6)).astype(np.float32)
    cartpole = traced_observations(CARTPOLE, [0, 1] * 6, directory)
    vectors[: len(cartpole), :4] = cartpole
    return {PONG: frames, CARTPOLE: vectors[:, :4].copy(), ACROBOT: vectors}


@pytest.mark.parametrize("name", POLICIES)
def test_the_policy_is_of_the_kind_that_its_test_is_about(name, policy_file):
    policy = read_policy(policy_file(name))
    convolutions = {"nature": 3, "impala": 15, "mlp": 0}[name.split()[0]]
    assert sum(layer.weight.ndim == 4 for layer in policy.layers.values()) == convolutions
    compressed = [layer.compressed for layer in policy.layers.values()]
    assert all(compressed) if "sparse" in name else not any(compressed)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", POLICIES)
def test_forward_equals_flax(name, batch, policy_file, observations, tmp_path):
    file = policy_file(name)
    rows = observations[POLICIES[name][0]][:batch]
    np.save(tmp_path / "x.npy", rows)
    eaudeqn("forward", file, "--observations", tmp_path / "x.npy", "--output", tmp_path / "q.npy")
    ours = np.load(tmp_path / "q.npy")

    policy = read_policy(file)
    assert ours.dtype == np.float32
    assert ours.shape == (batch, policy.architecture["outputs"])
    for dtype in (np.float32, np.float64):
        theirs = flax_forward(policy, rows, dtype)
        scale = np.abs(theirs).max()
        assert scale > 1e-3, "a network that says nothing proves nothing"
        assert np.abs(ours - theirs).max() <= TOLERANCE * scale, dtype


@pytest.mark.parametrize("name", ["nature sparse", "mlp sparse"])
def test_a_row_does_not_depend_on_its_batch(name, policy_file, observations, tmp_path):
    rows = observations[POLICIES[name][0]]
    outputs = {}
    for batch in (7, 33):
        np.save(tmp_path / "x.npy", rows[:batch])
        eaudeqn("forward", policy_file(name), "--observations", tmp_path / "x.npy", "--output", tmp_path / "q.npy")
        outputs[batch] = np.load(tmp_path / "q.npy")
    assert np.abs(outputs[7] - outputs[33][:7]).max() <= TOLERANCE * np.abs(outputs[33]).max()


def test_the_order_of_rows_columns_and_channels_matters_to_the_comparison(policy_file, observations):
    """A negative control: the wrong flatten order, or frames transposed, is far outside the tolerance."""
    policy = read_policy(policy_file("nature sparse"))
    rows = observations[PONG][:5]
    right = flax_forward(policy, rows)
    scale = np.abs(right).max()
    assert np.abs(flax_forward(policy, rows.transpose(0, 2, 1, 3)) - right).max() > 100 * TOLERANCE * scale
    dense = policy.layers["dense1"]
    dense.weight = dense.weight.reshape(-1, 64, 11, 11).transpose(0, 2, 3, 1).reshape(dense.weight.shape)
    assert np.abs(flax_forward(policy, rows) - right).max() > 100 * TOLERANCE * scale
