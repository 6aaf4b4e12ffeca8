"""`eaudeqn trace` on the MuJoCo tasks against Gymnasium 1.4.0 on the same version of MuJoCo: whole episodes bit for bit,
and where episodes start."""

import re

import gymnasium
import mujoco
import numpy as np
import pytest
from program import ROOT, eaudeqn, one_line_error
from trace_helpers import assert_equal, mujoco_trace, program_trace

TASKS = ["Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "Swimmer-v5", "Walker2d-v5"]
NEVER_TERMINAL = {"HalfCheetah-v5", "Swimmer-v5"}
NORMAL_VELOCITIES = {"Ant-v5", "HalfCheetah-v5"}
STEPS = 1200  # compared of each task, over episodes of each kind below


@pytest.fixture(scope="module", params=TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def environment(task, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("mujoco_log"))  # where MuJoCo would write MUJOCO_LOG.TXT
        with gymnasium.make(task) as environment:
            yield environment


def start(environment, random, scale):
    """qpos and qvel, off the model's own state by `scale` at most."""
    task = environment.unwrapped
    offset = random.uniform(-scale, scale, task.model.nq + task.model.nv)
    return np.concatenate([task.init_qpos, task.init_qvel]) + offset


# Name: (offset of the start state, actions (steps, dimensions) from (random, low, high)).
KINDS = {
    "random": (0.005, lambda random, low, high: random.uniform(low, high, (1000, len(low))).astype(np.float32)),
    "random in double": (0.01, lambda random, low, high: random.uniform(low, high, (1000, len(low)))),
    "weak": (0.005, lambda random, low, high: 0.1 * random.uniform(low, high, (1100, len(low))).astype(np.float32)),
    "held": (0.05, lambda random, low, high: np.repeat(random.uniform(low, high, (40, len(low))), 25, axis=0)),
    "bounds": (0.1, lambda random, low, high: np.where(random.random((1000, len(low))) < 0.5, low, high)),
    "beyond the bounds": (0.02, lambda random, low, high: 3 * random.uniform(low, high, (1000, len(low)))),
    "still": (0.001, lambda random, low, high: np.zeros((1100, len(low)), np.float32)),
}


def test_peers_are_the_versions_that_the_program_is_built_on():
    pinned = dict(re.findall(r"^(\w+)==(\S+) ", (ROOT / "scripts/mujoco/wheels.txt").read_text(), re.MULTILINE))
    assert pinned == {"mujoco": mujoco.__version__, "gymnasium": gymnasium.__version__}


def test_episodes(task, environment, tmp_path):
    random = np.random.default_rng(TASKS.index(task))
    low, high = environment.action_space.low, environment.action_space.high
    compared = dict.fromkeys(KINDS, 0)
    episodes, terminals, truncations = 0, 0, 0
    while sum(compared.values()) < STEPS or min(compared.values()) == 0:
        for kind, (scale, choose) in KINDS.items():
            state, actions = start(environment, random, scale), choose(random, low, high)
            ours = program_trace(tmp_path, f"mujoco/{task}", actions, seed=episodes, initial_state=state)
            assert_equal(ours, mujoco_trace(environment, state, actions))
            assert ours.observations.dtype == np.float64
            assert ours.observations.shape == (ours.steps + 1, *environment.observation_space.shape)
            compared[kind] += ours.steps
            episodes += 1
            terminals += int(ours.terminals[-1])
            truncations += int(ours.truncations[-1])
    assert (terminals == 0) == (task in NEVER_TERMINAL)
    if task in NEVER_TERMINAL | {"Ant-v5"}:
        assert truncations >= 1, "the time limit was never compared"


def test_a_state_so_unstable_that_mujoco_resets_it(task, environment, tmp_path):
    """MuJoCo then clears the controls as well, from which Gymnasium's Humanoid takes its cost."""
    random = np.random.default_rng(3)
    state = start(environment, random, 0)
    state += random.normal(0, 200, len(state))
    space = environment.action_space
    actions = random.uniform(space.low, space.high, (1, *space.shape))
    for typed in (actions, actions.astype(np.float32)):
        ours = program_trace(tmp_path, f"mujoco/{task}", typed, seed=1, initial_state=state)
        assert_equal(ours, mujoco_trace(environment, state, typed))


def test_starts_have_gymnasiums_distributions(task, environment, tmp_path):
    """The middle and spread of each element; the unit tests look at the whole distribution."""
    ours = np.stack([program_trace(tmp_path, f"mujoco/{task}", [], seed).observations[0] for seed in range(24)])
    theirs = np.stack([environment.reset(seed=seed)[0] for seed in range(400)])
    drawn = environment.unwrapped.observation_structure
    drawn = drawn["qpos"] + drawn["qvel"]
    velocity = np.arange(drawn) >= environment.unwrapped.observation_structure["qpos"]
    noise = environment.unwrapped._reset_noise_scale
    deviation = np.where(velocity & (task in NORMAL_VELOCITIES), noise, noise / np.sqrt(3))
    assert np.allclose(theirs[:, :drawn].std(axis=0), deviation, rtol=0.25), "what is known of the peer"
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0))[:drawn] < 5 * deviation / np.sqrt(24)).all()
    assert np.allclose(ours[:, :drawn].std(axis=0), deviation, rtol=0.6)
    bounded = ~velocity if task in NORMAL_VELOCITIES else np.full(drawn, True)
    centre = np.concatenate([environment.unwrapped.init_qpos, environment.unwrapped.init_qvel])[-drawn:]
    assert (np.abs(ours[:, :drawn] - centre)[:, bounded] <= noise + 1e-15).all()
    again = program_trace(tmp_path, f"mujoco/{task}", [], seed=7).observations[0]
    assert np.array_equal(again, ours[7])


def test_every_task_is_listed():
    words = eaudeqn("list", "environments").stdout.split()
    assert [word for word in words if word.startswith("mujoco/")] == [f"mujoco/{task}" for task in TASKS]


def test_wrong_use_is_refused_with_one_line(tmp_path):
    arrays = {"good": np.zeros((5, 3)), "narrow": np.zeros((5, 2)), "flat": np.zeros(15), "integers": np.arange(5),
              "nan": np.where(np.arange(15) == 7, np.nan, 0.0).reshape(5, 3), "state": np.zeros(11)}  # fmt: skip
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values)

    def error(actions, *more, environment="mujoco/Hopper-v5", code=2):
        return one_line_error(eaudeqn("trace", environment, "--actions", tmp_path / f"{actions}.npy",
                                      "--output", tmp_path / "trace", *more, code=code))  # fmt: skip

    for wrong in ("narrow", "flat", "integers"):
        assert "(steps, 3)" in error(wrong)
    assert "index 2" in error("nan")
    assert "takes 12" in error("good", "--initial-state", tmp_path / "state.npy")
    assert "mujoco/Hopper-v5" in error("good", environment="mujoco/Hoper-v5")
    assert "mujoco/Walker2d-v5" in error("good", environment="walker2d")
    assert not (tmp_path / "trace").exists()


def test_a_damaged_model_is_named(tmp_path):
    np.save(tmp_path / "actions.npy", np.zeros((1, 3)))
    (tmp_path / "hopper.xml").write_text("<mujoco>")
    done = eaudeqn("trace", "mujoco/Hopper-v5", "--actions", tmp_path / "actions.npy", "--output", tmp_path / "trace",
                   code=1, environment={"EAUDEQN_MUJOCO_MODELS": str(tmp_path)})  # fmt: skip
    assert str(tmp_path / "hopper.xml") in one_line_error(done)
