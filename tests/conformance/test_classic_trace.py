"""`eaudeqn trace` on classic control against Gymnasium 1.4.0: whole episodes bit for bit, and where episodes start."""

import numpy as np
import pytest
from program import eaudeqn, one_line_error
from trace_helpers import assert_equal, gymnasium_traces, program_trace

RANDOM = np.random.default_rng(3)


def random_actions(count, steps=600):
    return RANDOM.integers(0, count, steps)


# Per task (initial state, policy): random and constant actions, goals reached, time limits, and the edges of the state.
EPISODES = {
    "CartPole-v1": [
        *((RANDOM.uniform(-0.05, 0.05, 4), random_actions(2)) for _ in range(10)),
        *((RANDOM.uniform(-0.05, 0.05, 4), "balance") for _ in range(3)),
        ((0, 0, 0, 0), np.ones(600, int)),
        ((2.3, 1.5, 0.05, -0.1), random_actions(2)),  # leaves the track
        ((-2.3, -1.5, -0.05, 0.1), random_actions(2)),
        ((0, 0, 0.2, 1.0), random_actions(2)),  # falls at once
    ],
    "Acrobot-v1": [
        *((RANDOM.uniform(-0.1, 0.1, 4), random_actions(3)) for _ in range(5)),
        *((RANDOM.uniform(-0.1, 0.1, 4), "swing_up") for _ in range(3)),
        ((0.05, 0, 0, 0), np.ones(600, int)),  # no torque: the time limit
        ((1.5, 3.0, 4.0, 3.0), random_actions(3)),  # angles beyond pi
        ((0.5, -2.5, 12.5, -28.0), random_actions(3)),  # both speed limits
    ],
    "MountainCar-v0": [
        *(((RANDOM.uniform(-0.6, -0.4), 0), random_actions(3)) for _ in range(5)),
        *(((RANDOM.uniform(-0.6, -0.4), 0), "rock") for _ in range(3)),
        ((-1.19, -0.06), random_actions(3)),  # the left wall
        ((0.4, 0.069), np.full(600, 2)),  # the goal at the speed limit
        ((-0.5, 0), np.ones(600, int)),
    ],
}
TIME_LIMITS = {"CartPole-v1": 500, "Acrobot-v1": 500, "MountainCar-v0": 200}


@pytest.mark.parametrize("task", EPISODES)
def test_episodes(task, tmp_path):
    ends = {"terminal": 0, "truncated": 0}
    for (state, _), (theirs, actions) in zip(EPISODES[task], gymnasium_traces(task, EPISODES[task]), strict=True):
        # More actions than the episode has: the program must stop by itself where Gymnasium did.
        ours = program_trace(tmp_path, f"classic/{task}", [*actions, 0, 0, 0], seed=0, initial_state=state)
        assert_equal(ours, theirs)
        assert ours.observations.dtype == np.float32
        if ours.truncations[-1]:
            assert ours.steps == TIME_LIMITS[task]
        ends["terminal"] += int(ours.terminals[-1])
        ends["truncated"] += int(ours.truncations[-1])
    assert min(ends.values()) >= 1, f"one kind of end was never compared: {ends}"


@pytest.mark.parametrize("task, low, high", [
    ("CartPole-v1", [-0.05] * 4, [0.05] * 4),
    ("Acrobot-v1", [np.cos(0.1), -0.1, np.cos(0.1), -0.1, -0.1, -0.1], [1, 0.1, 1, 0.1, 0.1, 0.1]),
    ("MountainCar-v0", [-0.6, 0], [-0.4, 0]),
])  # fmt: skip
def test_starts_are_drawn_within_gymnasiums_bounds(task, low, high, tmp_path):
    starts = np.stack([program_trace(tmp_path, f"classic/{task}", [], seed).observations[0] for seed in range(12)])
    assert (starts >= np.float32(low)).all() and (starts <= np.float32(high)).all()
    drawn = np.float32(low) != np.float32(high)
    for column in starts[:, drawn].T:
        assert len(np.unique(column)) >= 11, "seeds give the same start"
    again = program_trace(tmp_path, f"classic/{task}", [], seed=7).observations[0]
    assert np.array_equal(again, starts[7])


def test_wrong_use_is_refused_with_one_line(tmp_path):
    for name, values in {"good": [0, 1], "bad": [0, 2], "state": [0.0, 0.0, 0.0], "pairs": [[0, 1], [1, 0]]}.items():
        np.save(tmp_path / f"{name}.npy", np.array(values))

    def error(actions, *more):
        return one_line_error(eaudeqn("trace", "classic/CartPole-v1", "--actions", tmp_path / actions, "--seed", 0,
                                      "--output", tmp_path / "trace", *more, code=2))  # fmt: skip

    assert "index 1" in error("bad.npy")
    assert "the shape is (2, 2); classic/CartPole-v1 takes (steps)" in error("pairs.npy")
    assert "takes 4" in error("good.npy", "--initial-state", tmp_path / "state.npy")
    assert not (tmp_path / "trace").exists()
