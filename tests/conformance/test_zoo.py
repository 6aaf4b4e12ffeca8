"""The trained policies of zoo/ do what their cards say: sparsity, size, and the same returns from the same seed."""

import json
import sys

import pytest

from program import ROOT, eaudeqn_json

sys.path.append(str(ROOT / "scripts" / "results"))  # last: mujoco.py there is not the package that Gymnasium imports

import int8  # noqa: E402

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
    assert inspected["trained_sparsity"] == pytest.approx(card["sparsity"], rel=1e-9)
    count = EPISODES[card["environment"].split("/")[0]]
    played = eaudeqn_json("evaluate", policy, "--episodes", count, "--seed", card["seed"], "--json")
    assert played["sparsity"] == card["policy_sparsity"]
    assert played["epsilon"] == card["epsilon"]
    assert played["trained_sparsity"] == inspected["trained_sparsity"]
    assert played["returns"] == pytest.approx(card["returns"][:count], rel=1e-9)


def test_eight_bits_choose_the_same_actions_in_a_game_of_its_own():
    """The short form of what docs/deploy.md has a table of, where more is given and 99 % are reached."""
    measured = int8.measure(ROOT / "zoo" / "pong.safetensors", steps=3000, games=3)
    assert measured["observations"] > 2900 and measured["distinct"] == 6
    assert measured["fitted"] >= 0.985 > 0.95 > measured["plain"]


def test_the_page_lists_every_card():
    page = (ROOT / "zoo" / "README.md").read_text()
    for file in CARDS:
        card = json.loads(file.read_text())
        assert f"({file.stem}.safetensors)" in page and f"{card['mean_return']:.1f}" in page
