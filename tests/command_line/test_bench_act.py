"""bench act: what its JSON says, and that an action costs less where fewer weights are active."""

import json

import pytest
from peers import read_policy
from program import eaudeqn, eaudeqn_json, one_line_error


def bench(*arguments):
    return eaudeqn_json("bench", "act", *arguments, "--json")


def test_the_json_has_the_documented_keys():
    report = bench("--features", 32, "--sparsity", "0,0.9", "--repeats", 7)
    assert {"cpu", "isa", "threads", "build", "network", "features", "mode", "rows"} <= set(report)
    assert (report["network"], report["features"], report["threads"]) == ("nature", 32, 1)
    assert [row["sparsity"] for row in report["rows"]] == pytest.approx([0, 0.9], abs=1e-3)
    for row in report["rows"]:
        assert len(row["microseconds"]) == 7
        assert row["microseconds_min"] == min(row["microseconds"]) > 0
        assert row["microseconds_median"] == sorted(row["microseconds"])[3]


@pytest.mark.parametrize("mode", ["deployed", "training"])
def test_the_cost_of_an_action_follows_the_density(mode):
    rows = bench("--mode", mode, "--sparsity", "0,0.99", "--repeats", 100)["rows"]
    # Measured: 14 to 20 times.
    assert rows[0]["microseconds_min"] > 4 * rows[1]["microseconds_min"]


@pytest.mark.parametrize("mode", ["deployed", "training", "batch"])
def test_every_kind_of_network_acts_in_every_mode(mode):
    for network in ("nature", "impala", "mlp"):
        report = bench("--network", network, "--features", 16, "--mode", mode, "--sparsity", 0.5, "--repeats", 2)
        assert report["mode"] == mode


def test_a_policy_is_measured_as_it_is(finished_run):
    report = bench("--policy", finished_run, "--repeats", 3)
    policy = read_policy(finished_run / "policy.safetensors")
    assert report["network"] == json.loads(policy.metadata["architecture"])["kind"]
    assert len(report["rows"]) == 1
    assert report["rows"][0]["sparsity"] == pytest.approx(float(policy.metadata["sparsity"]), abs=1e-6)


def test_a_policy_has_its_own_sparsity(finished_run):
    done = eaudeqn("bench", "act", "--policy", finished_run, "--sparsity", 0.5, code=2)
    assert "--sparsity" in one_line_error(done)


def test_people_get_a_table():
    text = eaudeqn("bench", "act", "--features", 16, "--sparsity", "0.9", "--repeats", 2).stdout
    assert "0.900" in text and "us" in text
