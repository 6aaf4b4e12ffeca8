"""The Python package, installed from the tree with pip: the program's outputs bit for bit, its errors, threads, MuJoCo's
mean actions, and a real game played through Gymnasium."""

import json
import os
import shutil
import subprocess
import sys
import threading

import ale_py
import gymnasium
import numpy as np
import pytest
from deployed import BUILD, forward, pong_policy, same_bits, sparsity_of, traced
from gymnasium.wrappers import AtariPreprocessing
from program import HOPPER, ROOT, changed, train
from safetensors import safe_open

sys.path.insert(0, str(ROOT / "tests" / "lint"))
from files import project_files  # noqa: E402


def pip_install(tree, site, **variables):
    """With what is installed here: nothing is fetched."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index",
               "--target", site, tree]  # fmt: skip
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def eaudeqn(tmp_path_factory):
    """The package as `pip install .` leaves it, around the library of the build under test."""
    site = tmp_path_factory.mktemp("site")
    pip_install(ROOT, site, EAUDEQN_LIBRARY=str(BUILD / "libeaudeqn.so"))
    wheel = next(site.glob("eaudeqn-*.dist-info/WHEEL")).read_text()
    assert "Tag: py3-none-linux" in wheel
    sys.path.insert(0, str(site))
    try:
        import eaudeqn as package
    finally:
        sys.path.remove(str(site))
    assert package.__file__.startswith(str(site))
    return package


@pytest.fixture(scope="module")
def pong(tmp_path_factory):
    return pong_policy(tmp_path_factory.mktemp("pong"))


@pytest.fixture(scope="module")
def hopper(tmp_path_factory):
    run = tmp_path_factory.mktemp("hopper") / "run"
    train(changed(HOPPER, training__steps=300, evaluation__period=0), run)
    return run / "policy.safetensors"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return traced("atari/Pong", tmp_path_factory.mktemp("frames"), 70)


def test_forward_is_that_of_the_program_bit_for_bit_in_every_batch(eaudeqn, pong, frames, tmp_path):
    policy = eaudeqn.Policy.load(pong)
    expected = forward(pong, frames, tmp_path)
    for batch in (70, 1, 3, 5, 33):
        assert same_bits(policy.forward(frames[:batch]), expected[:batch]), batch
    assert policy.forward(frames[:0]).shape == (0, 6)
    assert same_bits(policy.forward(frames[::2]), expected[::2]), "rows that do not lie side by side"
    assert [policy.act(frame) for frame in frames] == expected.argmax(1).tolist()


def test_vectors_of_any_precision(eaudeqn, cartpole_run, tmp_path):
    policy = eaudeqn.Policy.load(str(cartpole_run / "policy.safetensors"))
    rows = np.random.default_rng(1).normal(0, 1, (40, 4))
    expected = forward(cartpole_run, rows.astype(np.float32), tmp_path)
    assert same_bits(policy.forward(rows), expected)
    assert policy.act(rows[7]) == policy.act(rows[7].tolist()) == expected[7].argmax()


def test_the_policy_says_what_the_file_says(eaudeqn, pong):
    """safetensors' own reader is the reference."""
    policy = eaudeqn.Policy.load(pong)
    with safe_open(pong, framework="numpy") as file:
        metadata = file.metadata()
        layers = json.loads(metadata["layers"])
        active = sum(file.get_slice(f"{name}.{'weight' if f'{name}.weight' in file.keys() else 'values'}").get_shape()[0]
                     for name in layers if f"{name}.values" in file.keys())  # fmt: skip
        dense = [np.prod(file.get_tensor(f"{name}.weight").shape) for name in layers if f"{name}.weight" in file.keys()]
    assert policy.active_weights == active + sum(dense)
    assert dict(policy.metadata).items() <= metadata.items()
    assert {"environment", "algorithm", "step", "config", "architecture"} <= policy.metadata.keys()
    assert (policy.environment, policy.algorithm, policy.step) == ("atari/Pong", "eaudedqn", 240)
    assert policy.sparsity == pytest.approx(sparsity_of(pong), abs=1e-12) and 0 < policy.sparsity < 1
    assert (policy.observation_shape, policy.observation_dtype) == ((84, 84, 4), np.uint8)
    assert (policy.actions, policy.outputs, policy.continuous) == (6, 6, False)
    assert policy.action_names == tuple(json.loads(metadata["actions"]))
    assert policy.action_bounds[0].shape == (0,)
    assert repr(policy) == f"<eaudeqn.Policy atari/Pong eaudedqn sparsity {policy.sparsity:.4f}>"


def test_a_real_game_through_gymnasium(eaudeqn, pong, tmp_path):
    """An episode's first 600 steps by a session fed with new frames, as a user plays; the actions are those of the
    largest outputs of whole stacks kept by hand."""
    gymnasium.register_envs(ale_py)
    game = AtariPreprocessing(gymnasium.make("ALE/Pong-v5", frameskip=1), noop_max=0, frame_skip=4)
    policy = eaudeqn.Policy.load(pong)
    session = policy.session()
    assert [str(name) for name in game.unwrapped.get_action_meanings()] == list(policy.action_names)
    frame, _ = game.reset(seed=1)
    session.reset()
    stack, stacks, actions, points = np.zeros((84, 84, 4), np.uint8), [], [], 0.0
    for _ in range(600):
        stack = np.concatenate([stack[:, :, 1:], frame[:, :, None]], axis=2)
        stacks.append(stack)
        actions.append(session.act_on_frame(frame))
        frame, reward, terminated, truncated, _ = game.step(actions[-1])
        points += abs(reward)
        assert not truncated
        if terminated:
            break
    assert points >= 3, "a game was on"
    assert actions == forward(pong, np.stack(stacks), tmp_path).argmax(1).tolist()
    session.reset()
    assert session.act_on_frame(stacks[0][:, :, 3]) == actions[0], "a new episode begins with a black stack"


def test_continuous_actions_move_hopper(eaudeqn, hopper):
    policy = eaudeqn.Policy.load(hopper)
    space = gymnasium.make("Hopper-v5")
    assert policy.continuous and policy.actions == 0 and policy.outputs == 2 * space.action_space.shape[0]
    np.testing.assert_array_equal(policy.action_bounds, (space.action_space.low, space.action_space.high))
    observation, _ = space.reset(seed=2)
    for _ in range(15):
        action = policy.act(observation)
        means = policy.forward(observation[None])[0, : len(action)]
        assert action.dtype == np.float32
        np.testing.assert_allclose(action, np.tanh(means), atol=1e-6)
        observation, *_ = space.step(action)


def test_threads_share_a_policy(eaudeqn, pong, frames):
    policy = eaudeqn.Policy.load(pong)
    expected = policy.forward(frames)
    results = [None] * 4

    def work(number):
        results[number] = np.concatenate([policy.forward(frames[i : i + 10]) for i in range(0, 70, 10)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same_bits(result, expected) for result in results)


def test_wrong_calls_are_errors_that_say_what_is_wrong(eaudeqn, pong, cartpole_run, frames, tmp_path):
    image, vector = eaudeqn.Policy.load(pong), eaudeqn.Policy.load(cartpole_run / "policy.safetensors")
    for call, said in [
        (lambda: image.act(frames[0] / 255), r"got float64 \(84, 84, 4\), wants uint8 \(84, 84, 4\)"),
        (lambda: image.act(frames[0].transpose(2, 0, 1)), r"got uint8 \(4, 84, 84\)"),
        (lambda: image.forward(frames[0]), r"wants uint8 \(84, 84, 84, 4\)"),
        (lambda: image.session().act_on_frame(frames[0]), r"the frame: .* wants uint8 \(84, 84\)"),
        (lambda: vector.act(["a"] * 4), "wants float32"),
        (lambda: vector.act([0, np.nan, 0, 0]), "number 1 is NaN or infinite"),
        (lambda: vector.act([0, 1e300, 0, 0]), "number 1 is NaN or infinite"),
        (lambda: eaudeqn.Policy.load(f"{pong}\0ignored"), "embedded null byte"),
        (lambda: vector.forward(3.0), "the observations: got"),
        (lambda: vector.session().reset(), "no frames"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
    with pytest.raises(OSError, match="absent"):
        eaudeqn.Policy.load(tmp_path / "absent")
    content = bytearray(pong.read_bytes())
    for name, bad in {"cut": content[:-1], "long": content + b"x", "flipped": content[:-9] + b"?" + content[-8:]}.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(OSError, match=f"{name}: not a valid policy file"):
            eaudeqn.Policy.load(tmp_path / name)


def test_pip_builds_it_from_a_clean_tree(pong, frames, tmp_path):
    """Where nothing was built before and no other file lies about: setup.py compiles the library itself."""
    for path in project_files():
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / "tree" / path)
    pip_install(tmp_path / "tree", tmp_path / "site")
    expected = forward(pong, frames, tmp_path)
    use = ("import sys, numpy, eaudeqn; policy = eaudeqn.Policy.load(sys.argv[1]);"
           "numpy.save(sys.argv[3], policy.forward(numpy.load(sys.argv[2]))); print(eaudeqn.__file__)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", use, pong, tmp_path / "x.npy", tmp_path / "theirs.npy"], check=True,
                          capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})  # fmt: skip
    assert done.stdout.startswith(str(tmp_path / "site"))
    assert same_bits(np.load(tmp_path / "theirs.npy"), expected)
