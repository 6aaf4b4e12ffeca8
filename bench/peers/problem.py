"""The problems that the contestants solve, as numpy arrays: weights, masks and one batch, the same for every contestant
with the same seed. No framework here; every peer turns the arrays into its own layout.

Letters: K = networks, B = batch, F = features. Weights are in PyTorch's order: (out, in, rows, columns), (out, in).
A dense layer behind convolutions counts its inputs by channel, row, column.
"""

import numpy as np

ACTIONS = 6
SIDE = 84  # of an observation: (84, 84, 4) bytes
CHANNELS = 4
HIDDEN = (256, 256)  # of a critic
LEARNING_RATE, ADAM_EPSILON, DISCOUNT = 6.25e-5, 1.5e-4, 0.99
SAC_LEARNING_RATE, SAC_ADAM_EPSILON = 1e-3, 1e-8
SEED = 1

# Nature: (channels, kernel, stride) of each convolution. Impala: channels of each stack.
NATURE = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
IMPALA = (16, 32, 32)
# Both end with 11 rows and 11 columns.
FINAL_SIDE = 11


def shapes(network, features):
    """Shape of each weight by layer name, in network order."""
    result, channels = {}, CHANNELS
    if network == "nature":
        for out, kernel, _ in NATURE:
            result[f"conv{len(result) + 1}"] = (out, channels, kernel, kernel)
            channels = out
    elif network == "impala":
        for out in IMPALA:
            for inputs in (channels, out, out, out, out):
                result[f"conv{len(result) + 1}"] = (out, inputs, 3, 3)
            channels = out
    else:
        raise ValueError(f"network {network!r}: use nature or impala")
    result["dense1"] = (features, channels * FINAL_SIDE * FINAL_SIDE)
    result["dense2"] = (ACTIONS, features)
    return result


def critic_shapes(observation, actions):
    sizes = (observation + actions, *HIDDEN, 1)
    return {f"dense{i}": (sizes[i], sizes[i - 1]) for i in range(1, len(sizes))}


def parameters(layers, sparsity, stream):
    """(weights, masks) of one network: Xavier uniform, then the floor(sparsity n) smallest of each layer are zero."""
    weights, masks = {}, {}
    for name, shape in layers.items():
        area = int(np.prod(shape[2:]))
        bound = np.sqrt(6 / ((shape[0] + shape[1]) * area))
        weight = stream.uniform(-bound, bound, shape).astype(np.float32)
        zeros = min(int(sparsity * weight.size), weight.size - 1)
        mask = np.ones(shape, np.float32)
        mask.reshape(-1)[np.argpartition(np.abs(weight), zeros, axis=None)[:zeros]] = 0
        weights[name], masks[name] = weight * mask, mask
    return weights, masks


def population(layers, networks, sparsity):
    """[(weights, masks)] of the K online networks."""
    return [parameters(layers, sparsity, np.random.default_rng((SEED, k))) for k in range(networks)]


def target(layers, sparsity, which=0):
    return parameters(layers, sparsity, np.random.default_rng((SEED, 1000 + which)))[0]


def target_pair(layers, sparsity):
    return [target(layers, sparsity, which) for which in range(2)]


def batch(size):
    """Transitions of images, as a replay memory hands them out."""
    stream = np.random.default_rng((SEED, 2000))
    images = (size, SIDE, SIDE, CHANNELS)
    return {
        "observations": stream.integers(0, 256, images, np.uint8),
        "next_observations": stream.integers(0, 256, images, np.uint8),
        "actions": stream.integers(0, ACTIONS, size, np.int32),
        "rewards": stream.uniform(-1, 1, size).astype(np.float32),
        "discounts": np.full(size, DISCOUNT, np.float32),
    }


def critic_batch(size, observation, actions):
    """Transitions of vectors. The next actions and their entropy bonus come from the actor, which is not measured."""
    stream = np.random.default_rng((SEED, 3000))
    draw = lambda *shape: stream.uniform(-1, 1, (size, *shape)).astype(np.float32)  # noqa: E731
    return {
        "observations": draw(observation),
        "actions": draw(actions),
        "next_observations": draw(observation),
        "next_actions": draw(actions),
        "entropy_bonus": draw(),
        "rewards": draw(),
        "discounts": np.full(size, DISCOUNT, np.float32),
    }


def observation():
    """One raw observation, (1, 84, 84, 4) bytes."""
    return batch(1)["observations"]


def rows_first(weight):
    """A weight of the first dense layer behind convolutions, its inputs counted by row, column, channel instead."""
    out, inputs = weight.shape
    return np.ascontiguousarray(
        weight.reshape(out, -1, FINAL_SIDE, FINAL_SIDE).transpose(0, 2, 3, 1).reshape(out, inputs)
    )
