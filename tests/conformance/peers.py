"""The peers that the engine is compared with: Flax networks, optax Adam, and a reader of policy files that shares no
code with the program. Not a test. Everything follows the published formats: docs/policy_format.md.

Letters: B = batch, C = channels, H = rows, W = columns, A = actions, K = networks.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import safe_open

# float64 is the reference that tells whose rounding is whose; float32 arrays stay float32.
jax.config.update("jax_enable_x64", True)


@dataclass
class Layer:
    name: str
    weight: np.ndarray  # (out, in, rows, columns) or (out, in); zero where inactive
    bias: np.ndarray  # (out)
    active: int  # weights stored in the file
    compressed: bool


@dataclass
class Policy:
    metadata: dict
    architecture: dict
    layers: dict = field(default_factory=dict)  # by name, in network order


def network_order(name: str):
    """conv1, conv2, ..., conv15, dense1, dense2."""
    kind = name.rstrip("0123456789")
    return (["conv", "dense"].index(kind), int(name[len(kind):]))


def read_policy(file: Path) -> Policy:
    """Reads with the safetensors package and expands compressed rows, checking that they are well formed."""
    with safe_open(str(file), framework="numpy") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    policy = Policy(metadata, json.loads(metadata["architecture"]))
    names = sorted({name.rsplit(".", 1)[0] for name in tensors}, key=network_order)
    for name in names:
        bias = tensors.pop(f"{name}.bias")
        scales = tensors.pop(f"{name}.scales", None)  # of format version 2
        compressed = f"{name}.values" in tensors
        if compressed:
            active = len(tensors[f"{name}.values"])
            weight = expand_rows(tensors, name, json.loads(metadata[f"{name}.shape"]))
        else:
            weight = tensors.pop(f"{name}.weight")
            active = weight.size
        if scales is not None:
            assert weight.dtype == np.int8 and scales.dtype == np.float32
            weight = weight * scales.reshape(-1, *[1] * (weight.ndim - 1))
        assert weight.dtype == np.float32 and bias.dtype == np.float32
        policy.layers[name] = Layer(name, weight, bias, active, compressed)
    assert not tensors, f"tensors that belong to no layer: {sorted(tensors)}"
    return policy


def columns_of_gaps(gaps: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Byte by byte, as docs/policy_format.md tells it."""
    assert gaps.dtype == np.uint8
    columns, bytes_left = [], iter(gaps.tolist())
    for count in np.diff(starts.astype(np.int64)):
        column = 0
        for _ in range(count):
            while (gap := next(bytes_left)) == 255:
                column += 255
            columns.append(column + gap)
            column = columns[-1] + 1
    assert next(bytes_left, None) is None, "gaps that belong to no weight"
    return np.array(columns, np.int64)


def expand_rows(tensors: dict, name: str, shape: list) -> np.ndarray:
    values = tensors.pop(f"{name}.values")
    starts = tensors.pop(f"{name}.row_starts")
    out, row_size = shape[0], int(np.prod(shape[1:]))
    assert starts.dtype == np.uint32 and starts.shape == (out + 1,)
    if values.dtype == np.int8:
        columns = columns_of_gaps(tensors.pop(f"{name}.gaps"), starts).astype(np.uint16 if row_size <= 65536 else np.uint32)
    else:
        columns = tensors.pop(f"{name}.columns")
    assert columns.dtype == (np.uint16 if row_size <= 65536 else np.uint32)
    assert starts[0] == 0 and starts[-1] == len(values) == len(columns)
    weight = np.zeros((out, row_size), values.dtype)
    for row in range(out):
        mine = slice(int(starts[row]), int(starts[row + 1]))
        assert (np.diff(columns[mine].astype(np.int64)) > 0).all(), f"{name}: columns of row {row} not ascending"
        weight[row, columns[mine]] = values[mine]
    return weight.reshape(shape)


# `units`: what is left of each class of units, in the order of docs/policy_format.md; empty: all.


class Nature(nn.Module):
    features: int
    outputs: int
    units: tuple = ()

    @nn.compact
    def __call__(self, x):  # (B, H, W, C), already divided by 255
        left = iter(self.units)
        for i, (channels, kernel, stride) in enumerate([(32, 8, 4), (64, 4, 2), (64, 3, 1)], 1):
            x = nn.relu(nn.Conv(next(left, channels), (kernel, kernel), (stride, stride), padding="SAME", name=f"conv{i}")(x))
        x = x.reshape(len(x), -1)
        x = nn.relu(nn.Dense(next(left, self.features), name="dense1")(x))
        return nn.Dense(self.outputs, name="dense2")(x)


class Impala(nn.Module):
    features: int
    outputs: int
    width: int
    units: tuple = ()

    @nn.compact
    def __call__(self, x):  # (B, H, W, C), already divided by 255
        convolutions = 0
        left = iter(self.units)

        def conv(y, channels):
            nonlocal convolutions
            convolutions += 1
            return nn.Conv(channels, (3, 3), padding="SAME", name=f"conv{convolutions}")(y)

        for channels in (16 * self.width, 32 * self.width, 32 * self.width):
            tied = next(left, channels)
            x = nn.max_pool(conv(x, tied), (3, 3), strides=(2, 2), padding="SAME")
            for _ in range(2):
                x = x + conv(nn.relu(conv(nn.relu(x), next(left, channels))), tied)
        x = nn.relu(x).reshape(len(x), -1)
        x = nn.relu(nn.Dense(next(left, self.features), name="dense1")(x))
        return nn.Dense(self.outputs, name="dense2")(x)


class Mlp(nn.Module):
    hidden: tuple
    outputs: int

    @nn.compact
    def __call__(self, x):  # (B, n), or (B, H, W, C), read in the order channel, row, column
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for i, size in enumerate(self.hidden, 1):
            x = nn.relu(nn.Dense(size, name=f"dense{i}")(x))
        return nn.Dense(self.outputs, name=f"dense{len(self.hidden) + 1}")(x)


def flax_network(architecture: dict) -> nn.Module:
    kind, outputs = architecture["kind"], architecture["outputs"]
    units = tuple(architecture.get("units", ()))
    if kind == "nature":
        return Nature(architecture["features"], outputs, units)
    if kind == "impala":
        return Impala(architecture["features"], outputs, architecture["width"], units)
    assert kind == "mlp", kind
    return Mlp(units or tuple(architecture["hidden"]), outputs)


def network_input(observations: np.ndarray, dtype=np.float32) -> np.ndarray:
    """Bytes are divided by 255, the rest is taken as it is."""
    return observations.astype(dtype) / 255 if observations.dtype == np.uint8 else observations.astype(dtype)


def to_flax(weight: np.ndarray, channels: int | None = None) -> np.ndarray:
    """A weight in the file's order as a Flax kernel. `channels`: of the features that a dense layer flattens, whose
    order is channel, row, column in the file and row, column, channel in Flax; None for a dense layer on a vector."""
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)  # (rows, columns, in, out)
    if channels is None:
        return weight.T
    out, inputs = weight.shape
    side = round((inputs // channels) ** 0.5)
    assert channels * side * side == inputs
    return weight.reshape(out, channels, side, side).transpose(2, 3, 1, 0).reshape(inputs, out)


def flattened_channels(weights: dict) -> dict:
    """Per layer name the `channels` argument of to_flax: only the first dense layer behind convolutions has one."""
    names = sorted(weights, key=network_order)
    last_convolution = [name for name in names if weights[name].ndim == 4][-1:]
    behind = {"dense1": weights[last_convolution[0]].shape[0]} if last_convolution else {}
    return {name: behind.get(name) for name in names}


def flax_parameters(weights: dict, biases: dict, dtype=np.float32) -> dict:
    """{"params": ...} from arrays by layer name in the file's order."""
    channels = flattened_channels(weights)
    return {
        "params": {
            name: {
                "kernel": jnp.asarray(to_flax(weights[name], channels[name]), dtype),
                "bias": jnp.asarray(biases[name], dtype),
            }
            for name in weights
        }
    }


def flax_forward(policy: Policy, observations: np.ndarray, dtype=np.float32) -> np.ndarray:
    """(B, A): what Flax makes of the policy's weights."""
    weights = {name: layer.weight for name, layer in policy.layers.items()}
    biases = {name: layer.bias for name, layer in policy.layers.items()}
    network = flax_network(policy.architecture)
    parameters = flax_parameters(weights, biases, dtype)
    outputs = jax.jit(network.apply)(parameters, network_input(observations, dtype))
    assert outputs.dtype == dtype
    return np.asarray(outputs)
