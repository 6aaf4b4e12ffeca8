"""Twenty updates of SAC on a population of twin critics, masked or pruned on the way by EauDeSAC or PolyPruneSAC, equal JAX
and optax: losses, selections, weights, masks.

sac_probe runs the program's agent with fixed batches and writes everything that goes in and comes out, the policy's noise
included. Here the same is done with jax.grad on losses written down as in Haarnoja et al. 2018, gradients times masks, and
optax.adam, in float64; and pruning as docs/algorithms.md and docs/deviations.md define it, by the peer's own weights.

Bounds, relative: losses, entropies and temperatures 1e-5; weights 1e-5 of max(|w|, root mean square of w's layer), each;
and since twenty steps move most weights by little, the movement of each tensor 1e-4 in the Euclidean norm. At a kink, ReLU's
or that of the smaller of two twins, rounding would decide. The seeds are such that stay away from all of them, by several times
what float32 and float64 are apart, and select more than one critic; the first two tests show both.
"""

import json
import os
import subprocess
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from program import probe_program

jax.config.update("jax_enable_x64", True)

# Case of the probe: seed.
CASES = {"masked": 11, "eaudesac": 17, "polyprunesac": 11}
TOLERANCE = 1e-5
LAYERS = ("dense1", "dense2", "dense3")
TWINS = (0, 1)


class Probe:
    def __init__(self, directory: Path):
        self.directory = directory
        self.config = json.loads((directory / "config.json").read_text())

    def load(self, name) -> np.ndarray:
        return np.load(self.directory / f"{name}.npy")

    def network(self, when, name) -> dict:
        """{layer: (weight (out, in), bias)} in float64."""
        return {
            layer: tuple(self.load(f"{when}.{name}.{layer}.{part}").astype(np.float64) for part in ("weight", "bias"))
            for layer in LAYERS
        }

    def mask(self, when, name) -> dict:
        masks = {layer: self.load(f"mask.{when}.{name}.{layer}").astype(np.float64) for layer in LAYERS}
        return {layer: (mask, np.ones(len(mask))) for layer, mask in masks.items()}

    def state(self, when) -> dict:
        critics = range(self.config["critics"])
        return {
            "critics": [[self.network(when, f"critic.{k}.{twin}") for twin in TWINS] for k in critics],
            "target": [self.network(when, f"target.{twin}") for twin in TWINS],
            "actor": self.network(when, "actor"),
        }

    def masks(self, when) -> dict:
        critics = range(self.config["critics"])
        return {
            "critics": [[self.mask(when, f"critic.{k}.{twin}") for twin in TWINS] for k in critics],
            "actor": self.mask(when, "actor"),
        }

    def batch(self, update) -> dict:
        names = ("observations", "next_observations", "actions", "rewards", "discounts")
        batch = {name: self.load(f"batch.{update}.{name}").astype(np.float64) for name in names}
        batch["noise"], batch["next_noise"] = (
            self.load(f"noise.{update}.{when}").astype(np.float64) for when in ("now", "next")
        )
        return batch


def mlp(network, x):
    """Outputs, and the smallest distance of a hidden unit from ReLU's kink."""
    distance = jnp.inf
    for layer in LAYERS[:-1]:
        weight, bias = network[layer]
        x = x @ weight.T + bias
        distance = jnp.minimum(distance, jnp.abs(x).min())
        x = jax.nn.relu(x)
    weight, bias = network[LAYERS[-1]]
    return x @ weight.T + bias, distance


def policy(actor, observations, noise):
    outputs, distance = mlp(actor, observations)
    mean, raw = jnp.split(outputs, 2, axis=1)
    deviation = jnp.exp(-20 + 11 * (1 + jnp.tanh(raw)))
    u = mean + deviation * noise
    action = jnp.tanh(u)
    density = jax.scipy.stats.norm.logpdf(u, mean, deviation) - jnp.log(1 - action**2)
    return action, density.sum(axis=1), distance


def smaller_value(twins, observations, actions):
    values, distances = zip(*(mlp(twin, jnp.concatenate([observations, actions], axis=1)) for twin in twins))
    first, second = values[0][:, 0], values[1][:, 0]
    distance = jnp.minimum(distances[0], distances[1])
    return jnp.minimum(first, second), jnp.minimum(distance, jnp.abs(first - second).min())


def multiplied(network, mask):
    return jax.tree.map(jnp.multiply, network, mask)


def pruned_mask(network, sparsity) -> dict:
    """Of each layer the floor(s n) weights of the smallest magnitude become inactive, but never all; those that are
    inactive are 0, so they come first."""
    masks = {}
    for layer, (weight, bias) in network.items():
        mask = np.ones(weight.size)
        count = min(int(np.floor(sparsity * weight.size)), weight.size - 1)
        mask[np.argsort(np.abs(np.asarray(weight)).ravel(), kind="stable")[:count]] = 0
        masks[layer] = (mask.reshape(weight.shape), np.ones(len(bias)))
    return masks


def sparsity_of(mask) -> float:
    return sum((weight == 0).sum() for weight, _ in mask.values()) / sum(weight.size for weight, _ in mask.values())


class Peer:
    """The same updates in JAX: `state` at the end, and what happened on the way."""

    def __init__(self, probe: Probe):
        self.config = probe.config
        self.state, self.masks = probe.state("initial"), probe.masks("initial")
        self.exponents = list(probe.load("exponent"))
        config = self.config
        epsilon = config["adam_epsilon"]
        self.critic_adam = optax.adam(config["learning_rate"], eps=epsilon)
        self.actor_adam = optax.adam(config["actor_learning_rate"], eps=epsilon)
        self.temperature_adam = optax.adam(config["temperature_learning_rate"], eps=epsilon)
        self.log_temperature = jnp.asarray(np.log(probe.load("temperature")[0]))
        self.adam = {
            "critics": [self.critic_adam.init(critic) for critic in self.state["critics"]],
            "actor": self.actor_adam.init(self.state["actor"]),
            "temperature": self.temperature_adam.init(self.log_temperature),
        }
        self.averages = np.zeros(config["critics"])
        self.prunings = 0
        self.losses, self.selected, self.temperatures, self.entropies = [], [], [float(probe.load("temperature")[0])], []
        self.distances = []
        self.critic_step, self.actor_step = jax.jit(self.critic_step), jax.jit(self.actor_step)
        self.target_values = jax.jit(self.target_values)
        for update in range(config["updates"]):
            self.update(probe.batch(update))
            self.prune(update)

    def target_values(self, actor, target, log_temperature, batch):
        action, log_probability, near = policy(actor, batch["next_observations"], batch["next_noise"])
        value, also_near = smaller_value(target, batch["next_observations"], action)
        y = batch["rewards"] + batch["discounts"] * (value - jnp.exp(log_temperature) * log_probability)
        return y, jnp.minimum(near, also_near)

    def critic_step(self, critic, adam, mask, batch, y):
        pairs = jnp.concatenate([batch["observations"], batch["actions"]], axis=1)

        def loss(twins):
            outputs, distances = zip(*(mlp(twin, pairs) for twin in twins))
            return sum(jnp.mean((output[:, 0] - y) ** 2) for output in outputs), jnp.minimum(*distances)

        (value, distance), gradient = jax.value_and_grad(loss, has_aux=True)(critic)
        change, adam = self.critic_adam.update(multiplied(gradient, mask), adam)
        return value, optax.apply_updates(critic, change), adam, distance

    def actor_step(self, actor, adam, mask, critic, log_temperature, batch):
        def loss(parameters):
            action, log_probability, near = policy(parameters, batch["observations"], batch["noise"])
            value, also_near = smaller_value(critic, batch["observations"], action)
            entropy = -log_probability.mean()
            return -jnp.exp(log_temperature) * entropy - value.mean(), (entropy, jnp.minimum(near, also_near))

        gradient, (entropy, distance) = jax.grad(loss, has_aux=True)(actor)
        change, adam = self.actor_adam.update(multiplied(gradient, mask), adam)
        return optax.apply_updates(actor, change), adam, entropy, distance

    def update(self, batch):
        state, tau = self.state, self.config["tau"]
        y, distance = self.target_values(state["actor"], state["target"], self.log_temperature, batch)
        self.distances.append(distance)
        losses = []
        for k, critic in enumerate(state["critics"]):
            loss, state["critics"][k], self.adam["critics"][k], distance = self.critic_step(
                critic, self.adam["critics"][k], self.masks["critics"][k], batch, y
            )
            losses.append(float(loss))
            self.distances.append(distance)
        self.averages = (1 - tau) * self.averages + tau * np.array(losses)
        psi = int(np.argmin(self.averages))
        selected = state["critics"][psi]
        state["target"] = jax.tree.map(lambda old, new: (1 - tau) * old + tau * new, state["target"], selected)
        state["actor"], self.adam["actor"], entropy, distance = self.actor_step(
            state["actor"], self.adam["actor"], self.masks["actor"], selected, self.log_temperature, batch
        )
        self.distances.append(distance)
        target_entropy = -self.config["target_entropy_scale"] * self.config["actions"]
        gradient = jax.grad(lambda log: jnp.exp(log) * (entropy - target_entropy))(self.log_temperature)
        change, self.adam["temperature"] = self.temperature_adam.update(gradient, self.adam["temperature"])
        self.log_temperature = optax.apply_updates(self.log_temperature, change)
        self.losses.append(losses)
        self.selected.append(psi)
        self.entropies.append(float(entropy))
        self.temperatures.append(float(jnp.exp(self.log_temperature)))

    def prune(self, step):
        period, schedule = self.config["target_update_period"], self.config["schedule"]
        if self.config["case"] == "eaudesac" and step > 0 and step % period == 0:
            self.replace_others(step)
        end = schedule["end"] + schedule["period"]  # the first event at or after the end arrives
        if self.config["case"] == "polyprunesac" and schedule["start"] <= step < end and step % schedule["period"] == 0:
            self.follow_the_schedule(step)

    def replace_others(self, step):
        """The other critics become copies of critic psi, each pruned to its own next sparsity; the actor gets that of psi."""
        state, config, exponents = self.state, self.config, self.exponents.pop(0)
        psi = int(np.argmin(self.averages))
        sparsity = np.mean([sparsity_of(mask) for mask in self.masks["critics"][psi]])
        base = 1 - config["target_update_period"] / (config["steps"] - step)
        assert np.flatnonzero(np.isnan(exponents)).tolist() == [psi]
        for k in range(config["critics"]):
            if k != psi:
                wanted = min(1 - (1 - sparsity) * base ** exponents[k], sparsity + config["max_speed"])
                self.masks["critics"][k] = [pruned_mask(twin, wanted) for twin in state["critics"][psi]]
                state["critics"][k] = multiplied(state["critics"][psi], self.masks["critics"][k])
            self.adam["critics"][k] = self.critic_adam.init(state["critics"][k])
        self.averages[:] = 0
        self.prune_actor(sparsity)
        self.prune_target()

    def follow_the_schedule(self, step):
        schedule = self.config["schedule"]
        left = max(schedule["end"] - step, 0) / (schedule["end"] - schedule["start"])
        sparsity = schedule["final"] * (1 - left**3)
        for k, critic in enumerate(self.state["critics"]):
            self.masks["critics"][k] = [pruned_mask(twin, sparsity) for twin in critic]
            self.state["critics"][k] = multiplied(critic, self.masks["critics"][k])
            self.adam["critics"][k] = self.with_active_moments(self.adam["critics"][k], self.masks["critics"][k])
        self.prune_actor(sparsity)
        self.prune_target()

    def prune_actor(self, sparsity):
        self.masks["actor"] = pruned_mask(self.state["actor"], sparsity)
        self.state["actor"] = multiplied(self.state["actor"], self.masks["actor"])
        self.adam["actor"] = self.with_active_moments(self.adam["actor"], self.masks["actor"])
        self.prunings += 1

    def prune_target(self):
        """It keeps the weights that some critic has."""
        some = jax.tree.map(lambda *masks: np.max(masks, axis=0), *self.masks["critics"])
        self.state["target"] = multiplied(self.state["target"], some)

    @staticmethod
    def with_active_moments(adam, mask):
        moments, *rest = adam
        return (moments._replace(mu=multiplied(moments.mu, mask), nu=multiplied(moments.nu, mask)), *rest)


@pytest.fixture(scope="module", params=CASES)
def probe(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    command = [probe_program("sac_probe"), directory, request.param, "--seed", str(CASES[request.param])]
    subprocess.run(command, check=True, timeout=60)
    return Probe(directory)


@pytest.fixture(scope="module")
def peer(probe):
    return Peer(probe)


def tensors(state) -> dict:
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def test_the_probe_is_the_case_that_is_asked_for(probe):
    case = probe.config["case"]
    assert (probe.config["critics"], probe.config["updates"]) == (1 if case == "polyprunesac" else 3, 20)
    before, after = (
        [sparsity_of(twin) for twins in probe.masks(when)["critics"] for twin in twins] for when in ("initial", "final")
    )
    if case == "masked":
        assert before == after and min(before) > 0.2 and max(before) > 0.8
    else:
        assert max(before) == 0 and sparsity_of(probe.masks("initial")["actor"]) == 0
        assert max(after) > 0.4 and sparsity_of(probe.masks("final")["actor"]) > 0.1
    if case != "polyprunesac":
        assert len(set(probe.load("selected").tolist())) > 1, "one critic is always selected: little is compared"
    discounts = np.concatenate([probe.batch(u)["discounts"] for u in range(20)])
    assert (discounts == 0).any() and (discounts > 0.9).any()


def test_the_probe_keeps_away_from_kinks(peer):
    assert min(map(float, peer.distances)) > 1e-6, "choose another seed"


def test_losses_selections_entropies_and_temperatures_are_those_of_jax(probe, peer):
    np.testing.assert_array_equal(probe.load("selected"), peer.selected)
    np.testing.assert_allclose(probe.load("loss"), peer.losses, rtol=TOLERANCE)
    np.testing.assert_allclose(probe.load("entropy"), peer.entropies, rtol=TOLERANCE)
    np.testing.assert_allclose(probe.load("temperature"), peer.temperatures, rtol=TOLERANCE)


def test_every_weight_and_its_movement_are_those_of_jax(probe, peer):
    initial, ours, theirs = tensors(probe.state("initial")), tensors(probe.state("final")), tensors(peer.state)
    assert len(ours) == len(theirs) == 6 * (probe.config["critics"] * 2 + 2 + 1)
    for name, expected in theirs.items():
        scale = np.maximum(np.abs(expected), np.sqrt(np.mean(expected**2)))
        worst = (np.abs(ours[name] - expected) / scale).max()
        assert worst <= TOLERANCE, f"{name} is off by {worst:.1e}"
        moved, error = np.linalg.norm(expected - initial[name]), np.linalg.norm(ours[name] - expected)
        assert moved > 0, f"{name} never moved"
        assert error <= 10 * TOLERANCE * moved, f"{name} is off by {error:.1e} of {moved:.1e}"


def test_every_mask_is_that_of_the_peers_own_weights(probe, peer):
    assert peer.prunings == {"masked": 0, "eaudesac": 3, "polyprunesac": 4}[probe.config["case"]]
    ours, theirs = tensors(probe.masks("final")), tensors(peer.masks)
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        np.testing.assert_array_equal(ours[name], expected, err_msg=name)


def test_inactive_weights_stay_exactly_zero(probe):
    final, masks = probe.state("final"), probe.masks("final")
    pairs = [(final["actor"], masks["actor"])]
    pairs += [(final["critics"][k][twin], masks["critics"][k][twin]) for k in range(probe.config["critics"]) for twin in TWINS]
    for network, mask in pairs:
        assert all((network[layer][0][mask[layer][0] == 0] == 0).all() for layer in LAYERS)


@pytest.mark.parametrize("probe", ["masked"], indirect=True)
def test_a_forgotten_entropy_would_be_seen(probe):
    """A negative control: without it in y the losses are others."""

    class Forgetful(Peer):
        def target_values(self, actor, target, log_temperature, batch):
            return super().target_values(actor, target, -jnp.inf, batch)

    assert np.abs(np.array(Forgetful(probe).losses) / probe.load("loss") - 1).max() > 1000 * TOLERANCE
