"""The trained policies of zoo/ do what their cards say: sparsity, size, and the same returns from the same seed."""

import json

import pytest

from program import ROOT, eaudeqn_json

CARDS = sorted((ROOT / "zoo").glob("*.json"))
# Of the card's, from the first one on: enough to see that they are the same.
EPISODES = {"atari": 2, "mujoco": 2, "classic": 10}


def test_there_are_some():
    assert CARDS


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.stem)
def test_a_policy_is_as_its_card_says(file):
    card = json.loads(file.read_text())
    policy = file.with_suffix(".safetensors")
    assert policy.stat().st_size == card["bytes"] < 1_500_000
    inspected = eaudeqn_json("inspect", policy, "--json")
    for key in ("environment", "algorithm", "step"):
        assert inspected[key] == card[key]
    assert inspected["active"] == card["active_weights"]
    count = EPISODES[card["environment"].split("/")[0]]
    played = eaudeqn_json("evaluate", policy, "--episodes", count, "--seed", card["seed"], "--json")
    assert played["sparsity"] == card["policy_sparsity"]
    assert played["epsilon"] == card["epsilon"]
    assert played["returns"] == pytest.approx(card["returns"][:count], rel=1e-9)


def test_the_page_lists_every_card():
    page = (ROOT / "zoo" / "README.md").read_text()
    for file in CARDS:
        card = json.loads(file.read_text())
        assert f"({file.stem}.safetensors)" in page and f"{card['mean_return']:.1f}" in page
