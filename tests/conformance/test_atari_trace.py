"""`eaudeqn trace` on Atari games against ALE, NumPy and OpenCV from their Python packages, bit for bit."""

import ale_py
import numpy as np
import pytest
from program import eaudeqn, one_line_error
from trace_helpers import ale_trace, assert_equal, program_trace

# Breakout has a paddle, Air Raid a screen of 250 rows; the others are of the published ten.
LONG = {"Pong": "pong", "Breakout": "breakout", "MsPacman": "ms_pacman", "AirRaid": "air_raid"}
STEPS = 5000
NO_SINGLE_PLAYER_GAME = {"combat", "joust", "maze_craze", "warlords"}
ROMS = sorted(set(ale_py.roms.get_all_rom_ids()) - NO_SINGLE_PLAYER_GAME)


def game(rom):
    """Gymnasium's name of a game."""
    return rom.title().replace("_", "")


def number_of_actions(rom):
    ale = ale_py.ALEInterface()
    ale.setLoggerMode(ale_py.LoggerMode.Error)
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    return len(ale.getMinimalActionSet())


def test_peer_is_the_version_that_the_program_is_built_on():
    assert ale_py.__version__ == "0.12.1"


@pytest.mark.parametrize("name", LONG)
def test_episodes_with_sticky_actions(name, tmp_path):
    random = np.random.default_rng(1)
    actions_of_game = number_of_actions(LONG[name])
    compared, seed, ends, points = 0, 0, 0, 0.0
    while compared < STEPS:
        # Actions are held for some steps: sticking shows only where actions change, play gets further where they stay.
        actions = np.repeat(random.integers(0, actions_of_game, STEPS), random.integers(1, 8, STEPS))
        actions = actions[: STEPS - compared]
        ours = program_trace(tmp_path, f"atari/{name}", actions, seed)
        assert_equal(ours, ale_trace(LONG[name], actions, seed))
        assert ours.observations.shape == (ours.steps + 1, 84, 84, 4)
        assert not ours.truncations.any()
        compared += ours.steps
        ends += int(ours.terminals[-1])
        points += float(np.abs(ours.rewards).sum())
        seed += 1
    assert ends >= 1, "no episode came to its end"
    assert points > 0, "no reward was seen"


@pytest.mark.parametrize("rom", ROMS)
def test_every_game(rom, tmp_path):
    actions = np.random.default_rng(2).integers(0, number_of_actions(rom), 25)
    ours = program_trace(tmp_path, f"atari/{game(rom)}", actions, seed=2**31 - 1)
    assert_equal(ours, ale_trace(rom, actions, seed=2**31 - 1))


def test_every_game_is_listed():
    words = eaudeqn("list", "environments").stdout.split()
    assert sorted(word for word in words if word.startswith("atari/")) == sorted(f"atari/{game(rom)}" for rom in ROMS)


def test_seeds_decide_which_actions_stick(tmp_path):
    actions = np.arange(100) // 3 % 6
    one = program_trace(tmp_path, "atari/Pong", actions, seed=1)
    again = program_trace(tmp_path, "atari/Pong", actions, seed=1)
    other = program_trace(tmp_path, "atari/Pong", actions, seed=2)
    assert_equal(one, again)
    assert not np.array_equal(one.observations, other.observations)


def test_wrong_use_is_refused_with_one_line(tmp_path):
    np.save(tmp_path / "actions.npy", np.array([0, 1, 6]))
    arguments = ["--actions", tmp_path / "actions.npy", "--seed", 0, "--output", tmp_path / "trace"]
    assert "index 2" in one_line_error(eaudeqn("trace", "atari/Pong", *arguments, code=2))
    assert "atari/Pong" in one_line_error(eaudeqn("trace", "atari/Pongg", *arguments, code=2))
