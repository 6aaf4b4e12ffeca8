"""policy.safetensors as others see it: opened with the safetensors package, nothing of this program's own reader."""

import json
import shutil
import struct

import numpy as np
import pytest
from program import eaudeqn, eaudeqn_json, one_line_error
from safetensors import safe_open


@pytest.fixture(scope="module")
def opened(cartpole_run):
    """(metadata, tensors by name)."""
    with safe_open(str(cartpole_run / "policy.safetensors"), framework="numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def decode(metadata, tensors, name):
    """A layer's weights as docs/policy_format.md reads them, zeros where inactive; and the number of active ones."""
    if f"{name}.weight" in tensors:
        return tensors[f"{name}.weight"], tensors[f"{name}.weight"].size
    shape = json.loads(metadata[f"{name}.shape"])
    starts = tensors[f"{name}.row_starts"].astype(np.int64)
    rows = np.repeat(np.arange(shape[0]), np.diff(starts))
    weight = np.zeros((shape[0], int(np.prod(shape[1:]))), np.float32)
    weight[rows, tensors[f"{name}.columns"]] = tensors[f"{name}.values"]
    return weight.reshape(shape), len(tensors[f"{name}.values"])


def layer_names(metadata):
    return json.loads(metadata["layers"])


def test_layers_are_those_of_the_architecture_in_network_order(opened):
    metadata, tensors = opened
    architecture = json.loads(metadata["architecture"])
    assert architecture["kind"] == "mlp"
    assert architecture["input"] == [4] and architecture["outputs"] == 2
    sizes = [4, *architecture["hidden"], 2]
    names = layer_names(metadata)
    assert names == [f"dense{i}" for i in range(1, len(sizes))]
    for name, inputs, outputs in zip(names, sizes[:-1], sizes[1:], strict=True):
        assert decode(metadata, tensors, name)[0].shape == (outputs, inputs)
        assert tensors[f"{name}.bias"].shape == (outputs,)


def test_tensors_are_exactly_the_documented_ones(opened):
    metadata, tensors = opened
    expected = {}
    for name in layer_names(metadata):
        expected[f"{name}.bias"] = np.float32
        if f"{name}.shape" in metadata:
            expected |= {f"{name}.values": np.float32, f"{name}.columns": np.uint16, f"{name}.row_starts": np.uint32}
        else:
            expected[f"{name}.weight"] = np.float32
    assert {name: tensor.dtype.type for name, tensor in tensors.items()} == expected


def test_compressed_rows_are_well_formed_and_there_are_some(opened):
    metadata, tensors = opened
    compressed = [name for name in layer_names(metadata) if f"{name}.shape" in metadata]
    assert compressed, "the run ended with a dense policy and tests nothing here"
    for name in compressed:
        out, *rest = json.loads(metadata[f"{name}.shape"])
        values, columns, starts = (tensors[f"{name}.{part}"] for part in ("values", "columns", "row_starts"))
        assert starts.shape == (out + 1,) and starts[0] == 0 and starts[-1] == len(values) == len(columns)
        assert len(values) < out * np.prod(rest)
        assert columns.max() < np.prod(rest)
        for begin, end in zip(starts[:-1].astype(int), starts[1:].astype(int), strict=True):
            assert (np.diff(columns[begin:end].astype(int)) > 0).all()


def test_numbers_are_finite_and_not_all_zero(opened):
    metadata, tensors = opened
    for name in layer_names(metadata):
        weight, _ = decode(metadata, tensors, name)
        assert np.isfinite(weight).all() and np.isfinite(tensors[f"{name}.bias"]).all()
        assert np.abs(weight).max() > 0


def test_sparsity_is_the_share_of_inactive_weights(opened, cartpole_run):
    metadata, tensors = opened
    layers = {name: decode(metadata, tensors, name) for name in layer_names(metadata)}
    total = sum(weight.size for weight, _ in layers.values())
    active = sum(active for _, active in layers.values())
    sparsity = 1 - active / total
    assert 0 < sparsity < 1
    assert float(metadata["sparsity"]) == pytest.approx(sparsity, abs=1e-6)

    inspected = eaudeqn_json("inspect", cartpole_run / "policy.safetensors", "--json")
    assert inspected["parameters"] == total and inspected["active"] == active
    assert inspected["sparsity"] == pytest.approx(sparsity, abs=1e-6)
    shown = [(layer["name"], layer["parameters"], layer["active"]) for layer in inspected["layers"]]
    assert shown == [(name, weight.size, active) for name, (weight, active) in layers.items()]


def test_the_policy_is_the_last_selected_network(opened, cartpole_run):
    metadata, _ = opened
    lines = [json.loads(line) for line in (cartpole_run / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["event"] == "target_update"][-1]
    assert float(metadata["sparsity"]) == pytest.approx(last["sparsity"], abs=1e-6)


def test_metadata_says_what_is_needed_to_run_it(opened, cartpole_run):
    metadata, _ = opened
    assert metadata["format_version"] == "1"
    assert metadata["environment"] == "classic/CartPole-v1"
    assert metadata["algorithm"] == "eaudedqn"
    assert metadata["step"] == "3000"
    assert metadata["config"] == (cartpole_run / "config.toml").read_text()
    assert len(json.loads(metadata["actions"])) == 2
    assert isinstance(json.loads(metadata["preprocessing"]), dict)


def test_tensors_are_aligned_and_side_by_side(cartpole_run):
    content = (cartpole_run / "policy.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"]
    end = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
        assert entry["data_offsets"][0] == end
        assert end % (2 if entry["dtype"] == "U16" else 4) == 0
        end = entry["data_offsets"][1]
    assert 8 + length + end == len(content)


def test_forward_computes_what_numpy_computes_from_the_file(opened, cartpole_run, tmp_path):
    metadata, tensors = opened
    observations = np.random.default_rng(5).normal(size=(7, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", observations)
    eaudeqn("forward", cartpole_run / "policy.safetensors", "--observations", tmp_path / "x.npy",
            "--output", tmp_path / "q.npy")  # fmt: skip

    outputs = observations.astype(np.float64)
    names = layer_names(metadata)
    for name in names:
        outputs = outputs @ decode(metadata, tensors, name)[0].T.astype(np.float64) + tensors[f"{name}.bias"]
        if name != names[-1]:
            outputs = np.maximum(outputs, 0)
    # Rounding of float32 sums over at most 256 terms, relative to the largest output.
    np.testing.assert_allclose(np.load(tmp_path / "q.npy"), outputs, rtol=0, atol=1e-5 * np.abs(outputs).max())


@pytest.mark.parametrize("damage", ["flipped weight", "flipped metadata", "truncated", "extended"])
def test_a_damaged_file_is_one_clear_error(cartpole_run, tmp_path, damage):
    file = tmp_path / "damaged.safetensors"
    shutil.copy(cartpole_run / "policy.safetensors", file)
    content = bytearray(file.read_bytes())
    if damage == "flipped weight":
        content[-100] ^= 1
    elif damage == "flipped metadata":
        content[content.index(b"CartPole")] ^= 1
    elif damage == "truncated":
        del content[-1:]
    else:
        content += b"\0"
    file.write_bytes(content)
    done = eaudeqn("inspect", file, code=1)
    assert str(file) in one_line_error(done)
