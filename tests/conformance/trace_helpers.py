"""Traces by the program and by its peers: ALE and OpenCV through their Python packages, and Gymnasium. Not a test.

The peers are written from the protocol's definition and share nothing with the program. Gymnasium's classic control
runs in a process of its own, started from this file, because how NumPy computes sines has to be settled before it is
imported: where the processor has AVX-512, NumPy uses its own approximations, which differ from the C library's in the
last bit, and CartPole and Acrobot make a visible difference of that within an episode.
"""

import os
import pickle
import subprocess
import sys
from typing import NamedTuple

AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
if __name__ == "__main__":
    os.environ["NPY_DISABLE_CPU_FEATURES"] = AVX512

import numpy as np


class Trace(NamedTuple):
    observations: np.ndarray  # one row more than the others
    rewards: np.ndarray  # float64
    terminals: np.ndarray  # bool
    truncations: np.ndarray  # bool

    @property
    def steps(self) -> int:
        return len(self.rewards)


def assert_equal(ours: Trace, theirs: Trace) -> None:
    """Bit for bit, naming the first step that differs."""
    assert ours.steps == theirs.steps, f"{ours.steps} steps instead of {theirs.steps}"
    for name in ("rewards", "terminals", "truncations", "observations"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert a.dtype == b.dtype, f"{name}: {a.dtype} instead of {b.dtype}"
        assert a.shape == b.shape, f"{name}: {a.shape} instead of {b.shape}"
        for row in range(len(a)):
            assert np.array_equal(a[row], b[row]), f"{name}[{row}]: {a[row]} instead of {b[row]}"


def program_trace(directory, environment, actions, seed, initial_state=None) -> Trace:
    """What `eaudeqn trace` writes. Continuous actions are an array of floats, whose precision matters."""
    from program import eaudeqn

    continuous = isinstance(actions, np.ndarray) and actions.dtype.kind == "f"
    np.save(directory / "actions.npy", actions if continuous else np.asarray(actions, np.int64))
    more = []
    if initial_state is not None:
        np.save(directory / "state.npy", np.asarray(initial_state, np.float64))
        more = ["--initial-state", directory / "state.npy"]
    output = directory / "trace"
    eaudeqn("trace", environment, "--actions", directory / "actions.npy", "--seed", seed, *more, "--output", output)
    return Trace(*(np.load(output / f"{name}.npy") for name in Trace._fields))


def ale_trace(rom, actions, seed) -> Trace:
    """The Atari protocol on ale_py, NumPy and OpenCV; `rom` as in ale_py.roms."""
    import ale_py
    import cv2

    ale = ale_py.ALEInterface()
    ale.setLoggerMode(ale_py.LoggerMode.Error)
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", 0.25)
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    ale.reset_game()
    meanings = ale.getMinimalActionSet()

    def shrunk(screen):
        return cv2.resize(screen, (84, 84), interpolation=cv2.INTER_AREA)

    screens = [ale.getScreenGrayscale(), np.zeros(ale.getScreenDims(), np.uint8)]
    stack = np.zeros((84, 84, 4), np.uint8)
    stack[:, :, -1] = shrunk(screens[0])
    observations, rewards, terminals = [stack], [], []
    for action in actions:
        reward, over = 0.0, False
        for frame in range(4):
            reward += ale.act(meanings[action])
            if frame >= 2:
                screens[frame - 2] = ale.getScreenGrayscale()
            over = ale.game_over(with_truncation=False)
            if over:
                break
        screens[0] = np.maximum(screens[0], screens[1])
        stack = np.concatenate([stack[:, :, 1:], shrunk(screens[0])[:, :, None]], axis=2)
        observations.append(stack)
        rewards.append(reward)
        terminals.append(over)
        if over:
            break
    return Trace(np.stack(observations), np.array(rewards), np.array(terminals), np.zeros(len(terminals), bool))


def mujoco_trace(environment, state, actions) -> Trace:
    """An episode of a Gymnasium MuJoCo task from `state`, qpos and then qvel."""
    environment.reset(seed=0)
    task = environment.unwrapped
    task.set_state(state[: task.model.nq], state[task.model.nq :])
    observations, rewards, terminals, truncations = [task._get_obs()], [], [], []
    for action in actions:
        observation, reward, terminal, truncated, _ = environment.step(action)
        observations.append(observation)
        rewards.append(float(reward))
        terminals.append(bool(terminal))
        truncations.append(bool(truncated and not terminal))  # the program's rule: the end of the task goes first
        if terminal or truncated:
            break
    return Trace(np.stack(observations), np.array(rewards), np.array(terminals, bool), np.array(truncations, bool))


def gymnasium_traces(task, starts) -> list:
    """Episodes of a Gymnasium task: for each (initial state, policy) the trace and the actions it took. The policy is an
    array of actions, or the name of a function below that chooses by the observation."""
    done = subprocess.run([sys.executable, __file__], input=pickle.dumps((task, starts)), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [(Trace(*trace), actions) for trace, actions in pickle.loads(done.stdout)]


def balance(observation):
    """Keeps CartPole's pole up for 500 steps."""
    position, velocity, angle, angular_velocity = observation
    return int(angle + 0.5 * angular_velocity + 0.05 * position + 0.1 * velocity > 0)


def swing_up(observation):
    """Pushes Acrobot's second link the way it moves, which pumps energy into it until the goal."""
    return 2 if observation[5] > 0 else 0


def rock(observation):
    """Accelerates MountainCar the way it moves, which climbs the hill within some 120 steps."""
    return 2 if observation[1] >= 0 else 0


def play_gymnasium(environment, state, policy):
    environment.reset(seed=0)
    task = environment.unwrapped
    task.state = np.array(state, np.float64)
    if task.spec.id.startswith("Acrobot"):
        first = task._get_ob()
    else:
        first = np.array(state, np.float32)
    choose = globals()[policy] if isinstance(policy, str) else None
    observations, rewards, terminals, truncations, actions = [first], [], [], [], []
    while choose or len(actions) < len(policy):
        action = choose(observations[-1]) if choose else int(policy[len(actions)])
        observation, reward, terminal, truncated, _ = environment.step(action)
        actions.append(action)
        observations.append(observation)
        rewards.append(float(reward))
        terminals.append(terminal)
        truncations.append(truncated and not terminal)  # the program's rule: the end of the task goes first
        if terminal or truncated:
            break
    trace = (np.stack(observations), np.array(rewards), np.array(terminals, bool), np.array(truncations, bool))
    return trace, actions


def main():
    import gymnasium

    assert gymnasium.__version__ == "1.4.0", "the version whose tasks the program promises"
    task, starts = pickle.loads(sys.stdin.buffer.read())
    environment = gymnasium.make(task)
    sys.stdout.buffer.write(pickle.dumps([play_gymnasium(environment, state, policy) for state, policy in starts]))


if __name__ == "__main__":
    main()
