"""The networks in Flax, and their weights from problem.py's arrays. Imports jax: only after worker.hold_to."""

import flax.linen as nn
import jax.numpy as jnp
import problem


class Nature(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):  # (B, rows, columns, channels) floats
        for i, (channels, kernel, stride) in enumerate(problem.NATURE, 1):
            x = nn.relu(nn.Conv(channels, (kernel, kernel), (stride, stride), padding="SAME", name=f"conv{i}")(x))
        x = nn.relu(nn.Dense(self.features, name="dense1")(x.reshape(len(x), -1)))
        return nn.Dense(problem.ACTIONS, name="dense2")(x)


class Impala(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):  # (B, rows, columns, channels) floats
        names = (f"conv{i}" for i in range(1, 100))
        for channels in problem.IMPALA:
            x = nn.Conv(channels, (3, 3), padding="SAME", name=next(names))(x)
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
            for _ in range(2):
                inner = nn.Conv(channels, (3, 3), padding="SAME", name=next(names))(nn.relu(x))
                x = x + nn.Conv(channels, (3, 3), padding="SAME", name=next(names))(nn.relu(inner))
        x = nn.relu(x).reshape(len(x), -1)
        x = nn.relu(nn.Dense(self.features, name="dense1")(x))
        return nn.Dense(problem.ACTIONS, name="dense2")(x)


class Critic(nn.Module):
    @nn.compact
    def __call__(self, x):  # (B, observation + action)
        for i, size in enumerate(problem.HIDDEN, 1):
            x = nn.relu(nn.Dense(size, name=f"dense{i}")(x))
        return nn.Dense(1, name=f"dense{len(problem.HIDDEN) + 1}")(x)[:, 0]


def network(kind, features):
    return Nature(features) if kind == "nature" else Impala(features)


def kernel(name, weight, images):
    """A weight, or its mask, as Flax stores it. `images`: of a network with convolutions."""
    if weight.ndim == 4:
        return jnp.asarray(weight.transpose(2, 3, 1, 0))
    return jnp.asarray((problem.rows_first(weight) if images and name == "dense1" else weight).T)


def variables(weights):
    """What network.apply takes: the weights, and biases of zero."""
    images = "conv1" in weights
    layers = {
        name: {"kernel": kernel(name, weight, images), "bias": jnp.zeros(weight.shape[0])}
        for name, weight in weights.items()
    }
    return {"params": layers}


def mask_tree(masks):
    """Masks by layer name; nothing masks a bias."""
    images = "conv1" in masks
    return {name: kernel(name, mask, images) for name, mask in masks.items()}


def masked(gradients, masks):
    """Gradients in the shape of `variables`, those of weights times masks."""
    layers = {
        name: {"kernel": layer["kernel"] * masks[name], "bias": layer["bias"]}
        for name, layer in gradients["params"].items()
    }
    return {"params": layers}
