"""inspect, evaluate and forward on real runs and policies, and on damaged ones."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from peers import read_policy
from program import checkpoints, eaudeqn, eaudeqn_json, one_line_error, train


@pytest.fixture(params=["run", "policy"])
def subject(request, finished_run):
    return finished_run if request.param == "run" else finished_run / "policy.safetensors"


def test_inspect_json_has_the_documented_keys_and_right_sums(subject, finished_run):
    report = eaudeqn_json("inspect", subject, "--json")
    assert {"environment", "algorithm", "step", "sparsity", "parameters", "active", "bytes", "layers"} <= set(report)
    assert (report["environment"], report["algorithm"], report["step"]) == ("classic/CartPole-v1", "eaudedqn", 900)

    policy = read_policy(finished_run / "policy.safetensors")
    assert [layer["name"] for layer in report["layers"]] == list(policy.layers)
    for layer in report["layers"]:
        file = policy.layers[layer["name"]]
        assert layer["shape"] == list(file.weight.shape)
        assert layer["parameters"] == file.weight.size
        assert layer["active"] == file.active
        assert layer["sparsity"] == pytest.approx(1 - file.active / file.weight.size, abs=1e-12)
        assert layer["units"] == file.weight.shape[0]
    assert 0 < report["sparsity"] < 1, "a sparse policy, or the test shows little"

    weights = sum(layer.weight.size for layer in policy.layers.values())
    active = sum(layer.active for layer in policy.layers.values())
    assert report["sparsity"] == pytest.approx(1 - active / weights, abs=1e-12)
    assert report["sparsity"] == pytest.approx(float(policy.metadata["sparsity"]), abs=1e-6)
    biases = sum(layer.bias.size for layer in policy.layers.values())
    assert (report["parameters"], report["active"]) in [(weights, active), (weights + biases, active + biases)]
    assert 0 < report["bytes"] <= os.path.getsize(finished_run / "policy.safetensors")


def test_inspect_counts_the_units_that_an_output_depends_on(tmp_path):
    sparse = ["--algorithm", "staticdqn", "--set", "network.features=64", "--set", "sparsity.final=0.97"]
    train(["atari/Pong", *sparse, "--steps", 20, "--set", "training.horizon=20", "--set", "evaluation.episodes=1"], tmp_path / "run")
    layers = eaudeqn_json("inspect", tmp_path / "run", "--json")["layers"]
    weights = [layer.weight for layer in read_policy(tmp_path / "run" / "policy.safetensors").layers.values()]
    read = np.ones(layers[-1]["units"], dtype=bool)
    for index in reversed(range(len(layers))):
        assert layers[index]["read_units"] == np.count_nonzero(read)
        if index > 0:  # a unit is read if a row that is read has a weight for it: for any pixel of an image's channel
            read = (weights[index][read].reshape(np.count_nonzero(read), len(weights[index - 1]), -1) != 0).any(axis=(0, 2))
    assert any(layer["read_units"] < layer["units"] for layer in layers), "or this shows little"
    assert "`eaudeqn export` leaves them out" in eaudeqn("inspect", tmp_path / "run").stdout


def test_inspect_shows_people_the_same_numbers(subject):
    report = eaudeqn_json("inspect", subject, "--json")
    text = eaudeqn("inspect", subject).stdout
    for layer in report["layers"]:
        line = next(line for line in text.splitlines() if re.search(rf"\b{layer['name']}\b", line))
        assert str(layer["active"]) in line.replace(",", "")
        assert all(str(size) in line for size in layer["shape"])


def test_evaluate_json_has_the_documented_keys(subject):
    report = eaudeqn_json("evaluate", subject, "--episodes", 7, "--seed", 5, "--json")
    assert {"episodes", "mean_return", "returns", "sparsity"} <= set(report)
    assert report["episodes"] == len(report["returns"]) == 7
    assert report["mean_return"] == pytest.approx(sum(report["returns"]) / 7)
    assert all(1 <= value <= 500 and value == int(value) for value in report["returns"]), "CartPole pays 1 a step"
    assert report["sparsity"] == eaudeqn_json("inspect", subject, "--json")["sparsity"]


def test_evaluate_is_a_function_of_its_seed(subject):
    options = ["--episodes", 10, "--epsilon", 0.5, "--json"]
    first = eaudeqn("evaluate", subject, *options, "--seed", 5).stdout
    assert eaudeqn("evaluate", subject, *options, "--seed", 5).stdout == first
    assert json.loads(eaudeqn("evaluate", subject, *options, "--seed", 6).stdout)["returns"] != json.loads(first)["returns"]


def test_a_run_and_its_policy_evaluate_alike(finished_run):
    options = ["--episodes", 5, "--seed", 1, "--json"]
    run, policy = (eaudeqn_json("evaluate", subject, *options)
                   for subject in (finished_run, finished_run / "policy.safetensors"))  # fmt: skip
    assert run["returns"] == policy["returns"]


def test_epsilon_one_plays_at_random(subject):
    """A random CartPole policy lasts about 22 steps; the mean of 200 episodes is within 3."""
    report = eaudeqn_json("evaluate", subject, "--episodes", 200, "--epsilon", 1, "--seed", 1, "--json")
    assert 19 < report["mean_return"] < 25


def test_json_is_all_there_is_on_standard_output(subject):
    for command in (["inspect", subject, "--json"], ["evaluate", subject, "--episodes", 1, "--json"]):
        assert isinstance(json.loads(eaudeqn(*command).stdout), dict)


def test_evaluate_writes_nothing_into_the_run(finished_run):
    before = {file: file.stat().st_mtime_ns for file in finished_run.rglob("*")}
    eaudeqn("evaluate", finished_run, "--episodes", 1)
    eaudeqn("inspect", finished_run)
    assert {file: file.stat().st_mtime_ns for file in finished_run.rglob("*")} == before


def flip(position):
    def damage(data):
        data[position if position >= 0 else len(data) + position] ^= 0x41
        return data

    return damage


DAMAGES = {
    "header length": flip(1),
    "header text": flip(20),
    "last weight": flip(-2),
    "a byte of the data": flip(-400),
    "cut short": lambda data: data[:-10],
    "half": lambda data: data[: len(data) // 2],
    "more behind": lambda data: data + b"\0",
    "empty": lambda data: data[:0],
    "something else": lambda data: b"PK\x03\x04 this is no policy",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_policy_is_refused_by_name(name, finished_run, tmp_path):
    file = tmp_path / "damaged.safetensors"
    file.write_bytes(DAMAGES[name](bytearray((finished_run / "policy.safetensors").read_bytes())))
    np.save(tmp_path / "x.npy", np.zeros((2, 4), np.float32))
    for command in (["inspect", file], ["evaluate", file, "--episodes", 1],
                    ["forward", file, "--observations", tmp_path / "x.npy", "--output", tmp_path / "q.npy"]):  # fmt: skip
        done = eaudeqn(*command, code=1, timeout=20)
        assert "damaged.safetensors" in one_line_error(done)
        assert done.stdout == ""
    assert not (tmp_path / "q.npy").exists()


@pytest.mark.parametrize("command", ["inspect", "evaluate", "forward"])
def test_a_missing_policy_is_named(command, tmp_path):
    more = ["--observations", "x.npy", "--output", "q.npy"] if command == "forward" else []
    done = eaudeqn(command, tmp_path / "absent.safetensors", *more, code=1, cwd=tmp_path)
    assert "absent.safetensors" in one_line_error(done)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    message = one_line_error(eaudeqn("inspect", tmp_path, code=1))
    assert str(tmp_path) in message and "neither a run directory" in message


def test_another_file_of_a_run_is_not_taken_for_a_damaged_policy(finished_run):
    for file in (finished_run / "config.toml", finished_run / "metrics.jsonl", checkpoints(finished_run)[0]):
        assert "no policy; give the run directory" in one_line_error(eaudeqn("inspect", file, code=1))


@pytest.mark.parametrize("array, said", [
    (np.zeros((3, 5), np.float32), "4"),
    (np.zeros(4, np.float32), "4"),
    (np.zeros((0, 4), np.float32), ""),
    (np.full((2, 4), np.nan, np.float32), ""),
    (np.zeros((2, 84, 84, 4), np.uint8), "4"),
])  # fmt: skip
def test_forward_refuses_what_the_network_cannot_read(array, said, finished_run, tmp_path):
    np.save(tmp_path / "x.npy", array)
    done = eaudeqn("forward", finished_run / "policy.safetensors", "--observations", tmp_path / "x.npy",
                   "--output", tmp_path / "q.npy", code=None)  # fmt: skip
    if array.size == 0 and done.returncode == 0:  # no rows in, no rows out is right too
        assert np.load(tmp_path / "q.npy").shape == (0, 2)
        return
    if np.isnan(array).any() and done.returncode == 0:  # NaN in, NaN out is right too
        assert np.isnan(np.load(tmp_path / "q.npy")).all()
        return
    assert done.returncode in (1, 2)
    message = one_line_error(done)
    assert "x.npy" in message and said in message
    assert not (tmp_path / "q.npy").exists()


def test_trace_refuses_actions_that_do_not_exist(tmp_path):
    np.save(tmp_path / "a.npy", np.array([0, 1, 2], np.int32))
    done = eaudeqn("trace", "classic/CartPole-v1", "--actions", tmp_path / "a.npy", "--seed", 1,
                   "--output", tmp_path / "trace", code=None)  # fmt: skip
    assert done.returncode in (1, 2)
    assert re.search(r"\b2\b", one_line_error(done))


def test_a_run_can_be_moved(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "elsewhere")
    ours = eaudeqn_json("inspect", tmp_path / "elsewhere", "--json")
    assert ours == eaudeqn_json("inspect", finished_run, "--json")
