"""Policies that the safetensors library wrote by docs/policy_format.md, of shapes that no environment here has: what
`forward` and the exported ONNX make of them beside JAX, and which commands refuse them."""

import ctypes
import ctypes.util
import json
import struct

import numpy as np
import onnx
import onnxruntime
import pytest
from jax import lax
from program import eaudeqn, one_line_error
from safetensors.numpy import save

TOLERANCE = 1e-5  # of the largest output: sums of some thousand float32 in another order


def architecture(**changes):
    nature = {"kind": "nature", "features": 8, "width": 1, "hidden": [], "input": [4, 8, 8], "input_type": "uint8", "outputs": 3}
    return {**nature, **changes}


POLICIES = {
    "one_pixel_left": architecture(),
    "one_pixel": architecture(input=[3, 1, 1]),
    "odd_sides": architecture(input=[2, 21, 13], features=5, outputs=1),
    "vector": architecture(kind="mlp", hidden=[7, 1], input=[5], input_type="float32"),
}


def xxh3(content):
    library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return f"{library.XXH3_64bits(content, len(content)):016x}"


def parts(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def shapes(wanted):
    if wanted["kind"] == "mlp":
        sizes = [*wanted["input"], *wanted["hidden"], wanted["outputs"]]
        return {f"dense{i + 1}": (sizes[i + 1], sizes[i]) for i in range(len(sizes) - 1)}
    channels, rows, columns = wanted["input"]
    for stride in (4, 2, 1):
        rows, columns = -(-rows // stride), -(-columns // stride)
    return {"conv1": (32, channels, 8, 8), "conv2": (64, 32, 4, 4), "conv3": (64, 64, 3, 3),
            "dense1": (wanted["features"], 64 * rows * columns), "dense2": (wanted["outputs"], wanted["features"])}  # fmt: skip


def write_policy(file, wanted, environment="classic/CartPole-v1"):
    """Random weights, half of them inactive but in the last layer. Returns the layers with zeros where none is active."""
    random = np.random.default_rng(5)
    layers, tensors, metadata = {}, {}, {}
    for name, shape in shapes(wanted).items():
        weights = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        bias = random.normal(0, 0.1, shape[0]).astype(np.float32)
        tensors[f"{name}.bias"] = bias
        if name == list(shapes(wanted))[-1]:
            tensors[f"{name}.weight"] = weights
        else:
            weights *= random.random(shape) < 0.5
            rows = weights.reshape(shape[0], -1)
            row, column = np.nonzero(rows)
            tensors[f"{name}.values"] = rows[row, column]
            tensors[f"{name}.columns"] = column.astype(np.uint16)
            tensors[f"{name}.row_starts"] = np.append(0, np.cumsum((rows != 0).sum(1))).astype(np.uint32)
            metadata[f"{name}.shape"] = json.dumps(shape)
        layers[name] = (weights, bias)
    metadata |= {"format_version": "1", "layers": json.dumps(list(layers)), "environment": environment, "step": "0",
                 "algorithm": "eaudedqn", "sparsity": "0.5", "architecture": json.dumps(wanted), "preprocessing": "{}",
                 "actions": json.dumps([f"action {i}" for i in range(wanted["outputs"])]), "config": ""}  # fmt: skip
    metadata["data_xxh3"] = xxh3(parts(save(tensors, metadata))[1])
    header = json.dumps(parts(save(tensors, metadata))[0], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    file.write_bytes(save(tensors, metadata | {"metadata_xxh3": xxh3(header.encode())}))
    return layers


def expected_outputs(wanted, layers, observations):
    values = observations.astype(np.float32)
    if wanted["kind"] == "nature":
        values = np.transpose(values / np.float32(255), (0, 3, 1, 2))
        for name, stride in [("conv1", 4), ("conv2", 2), ("conv3", 1)]:
            weights, bias = layers[name]
            precise = lax.conv_general_dilated(values, weights, (stride, stride), "SAME", precision="highest")
            values = np.maximum(np.asarray(precise) + bias[:, None, None], 0)
    values = values.reshape(len(values), -1)
    dense = [name for name in layers if name.startswith("dense")]
    for name in dense:
        weights, bias = layers[name]
        values = values @ weights.T + bias
        if name != dense[-1]:
            values = np.maximum(values, 0)
    return values


def observations_of(wanted, file, count=40):
    random = np.random.default_rng(6)
    shape = [count, *wanted["input"][1:], wanted["input"][0]]
    observations = random.normal(size=shape).astype(np.float32)
    if wanted["input_type"] == "uint8":
        observations = random.integers(0, 256, shape).astype(np.uint8)
    np.save(file, observations)
    return observations


@pytest.mark.parametrize("name", POLICIES)
def test_forward_and_onnx_compute_what_jax_does(name, tmp_path):
    file = tmp_path / "policy.safetensors"
    layers = write_policy(file, POLICIES[name])
    observations = observations_of(POLICIES[name], tmp_path / "x.npy")
    expected = expected_outputs(POLICIES[name], layers, observations)
    eaudeqn("forward", file, "--observations", tmp_path / "x.npy", "--output", tmp_path / "q.npy")
    assert np.abs(np.load(tmp_path / "q.npy") - expected).max() <= TOLERANCE * np.abs(expected).max()
    eaudeqn("export", file, "--format", "onnx", "--output", tmp_path / "policy.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "policy.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx", providers=["CPUExecutionProvider"])
    (outputs,) = session.run(["outputs"], {"observation": observations})
    assert np.abs(outputs - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_images_of_floats_are_refused_by_every_command(tmp_path):
    """`forward` once took their planes for what they were not, and computed something else."""
    file = tmp_path / "policy.safetensors"
    wanted = architecture(input_type="float32")
    write_policy(file, wanted)
    observations_of(wanted, tmp_path / "x.npy")
    forward = ["forward", file, "--observations", tmp_path / "x.npy", "--output", tmp_path / "q.npy"]
    for command in [forward, ["export", file, "--format", "onnx", "--output", tmp_path / "p.onnx"]]:
        error = one_line_error(eaudeqn(*command, code=1))
        assert str(file) in error and "images" in error
    assert not (tmp_path / "q.npy").exists() and not (tmp_path / "p.onnx").exists()


def test_bytes_that_are_no_image_have_no_onnx(tmp_path):
    write_policy(tmp_path / "policy.safetensors", architecture(kind="mlp", hidden=[7], input=[5]))
    done = eaudeqn("export", tmp_path / "policy.safetensors", "--format", "onnx", "--output", tmp_path / "p.onnx", code=1)
    assert "no form in ONNX" in one_line_error(done) and not (tmp_path / "p.onnx").exists()


@pytest.mark.parametrize("size, outputs", [(4, 3), (4, 1), (5, 2)])
def test_a_policy_that_does_not_fit_its_environment_does_not_begin_to_play(size, outputs, tmp_path):
    """CartPole shows four numbers and takes two actions."""
    file = tmp_path / "policy.safetensors"
    write_policy(file, architecture(kind="mlp", hidden=[7], input=[size], input_type="float32", outputs=outputs))
    record = ["dataset", "record", "classic/CartPole-v1", "--policy", file, "--steps", 50, "--output", tmp_path / "data"]
    for command in [["evaluate", file, "--steps", 5, "--epsilon", 1], record]:
        error = one_line_error(eaudeqn(*command, code=1))
        assert str(file) in error and f"({size}) of float32 to {outputs} outputs" in error and "(4)" in error
    assert not (tmp_path / "data").exists()
