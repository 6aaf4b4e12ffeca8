"""Datasets of `eaudeqn dataset record` and `dataset replay` read with NumPy, and datasets that NumPy wrote learnt from by
the program."""

import gzip
import json

import gymnasium
import numpy as np
import pytest
from program import eaudeqn, one_line_error

ENTRIES = 600
PADDING = 3  # entries of zeros before each episode, as Dopamine's replay buffer writes them
STORED = {"observation": np.uint8, "action": np.int32, "reward": np.float32, "terminal": np.uint8}
SMALL = ["--set", "training.steps=40", "--set", "training.target_update_period=10", "--set", "network.features=16",
         "--set", "evaluation.period=0", "--set", "evaluation.episodes=1", "--set", "training.horizon=30",
         "--set", "dataset.buffer=150", "--set", "dataset.loaded=2", "--set", "dataset.refresh_period=10",
         "--quiet"]  # fmt: skip


def file(folder, part, number=0):
    return folder / f"{'$store$_' if part in STORED else ''}{part}_ckpt.{number}.gz"


def load(folder, part, number=0):
    with gzip.open(file(folder, part, number), "rb") as stream:
        return np.load(stream, allow_pickle=False)


def save(folder, part, array, number=0):
    with gzip.open(file(folder, part, number), "wb") as stream:
        np.save(stream, array, allow_pickle=False)


def random_dataset(folder, number=0, entries=400, seed=1):
    """A dataset of Pong's shape that only NumPy had a hand in, without the optional files."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    save(folder, "observation", random.integers(0, 256, (entries, 84, 84), np.uint8), number)
    save(folder, "action", random.integers(0, 6, entries).astype(np.int32), number)
    save(folder, "reward", random.normal(size=entries).astype(np.float32), number)
    save(folder, "terminal", (random.random(entries) < 0.02).astype(np.uint8), number)


def train(folder, output, code=0):
    return eaudeqn("train", "atari/Pong", "--algorithm", "eaudecql", *SMALL, "--set", f"dataset.path={folder}",
                   "--output", output, code=code)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Real ALE, a random policy."""
    folder = tmp_path_factory.mktemp("dataset") / "pong"
    eaudeqn("dataset", "record", "atari/Pong", "--policy", "random", "--steps", ENTRIES, "--seed", 3, "--output", folder)
    return folder


def test_numpy_reads_what_the_program_wrote(recorded):
    arrays = {part: load(recorded, part) for part in STORED}
    assert {part: array.dtype for part, array in arrays.items()} == {p: np.dtype(t) for p, t in STORED.items()}
    assert arrays["observation"].shape == (ENTRIES, 84, 84)
    assert all(arrays[part].shape == (ENTRIES,) for part in ("action", "reward", "terminal"))
    assert load(recorded, "add_count").shape == () and load(recorded, "add_count") == ENTRIES
    assert load(recorded, "invalid_range").tolist() == [ENTRIES - 1, 0, 1, 2, 3]
    assert set(np.unique(arrays["action"])) == set(range(6))
    assert set(np.unique(arrays["reward"])) <= {-1.0, 0.0, 1.0} and arrays["reward"].min() == -1
    assert not arrays["observation"][:PADDING].any(), "an episode begins with zeros"
    assert arrays["observation"][PADDING:].any(axis=(1, 2)).all()


def test_the_frames_are_those_of_the_environment_under_the_recorded_actions(recorded, tmp_path):
    # The program's own trace is proved against ALE in test_atari_trace.py; here the same seed must give the same frames.
    again = tmp_path / "again"
    eaudeqn("dataset", "record", "atari/Pong", "--policy", "random", "--steps", ENTRIES, "--seed", 3, "--output", again)
    other = tmp_path / "other"
    eaudeqn("dataset", "record", "atari/Pong", "--policy", "random", "--steps", ENTRIES, "--seed", 4, "--output", other)
    for part in STORED:
        assert file(again, part).read_bytes() == file(recorded, part).read_bytes()
    assert not np.array_equal(load(other, "action"), load(recorded, "action"))
    frames = load(recorded, "observation")[PADDING:].astype(int)
    moving = np.abs(np.diff(frames, axis=0)).sum(axis=(1, 2)) > 0
    assert moving.mean() > 0.8, "frames follow each other in time"


def test_the_program_learns_from_what_it_wrote(recorded, tmp_path):
    train(recorded, tmp_path / "run")
    assert (tmp_path / "run" / "policy.safetensors").exists()


def test_the_program_learns_from_what_numpy_wrote(tmp_path):
    folder = tmp_path / "numpy" / "replay_logs"
    folder.parent.mkdir()
    random_dataset(folder)
    random_dataset(folder, number=7, entries=250, seed=2)
    save(folder, "invalid_range", np.array([249.0, 0, 1, 2, 3]), 7)
    train(folder.parent, tmp_path / "run")
    once = (tmp_path / "run" / "policy.safetensors").read_bytes()
    train(folder.parent, tmp_path / "again")
    # The path is the same, so the config is, and with it every byte.
    assert (tmp_path / "again" / "policy.safetensors").read_bytes() == once


def test_a_broken_dataset_is_refused_by_the_name_of_its_file(tmp_path):
    def refused(part, words, change):
        folder = tmp_path / f"broken{len(list(tmp_path.iterdir()))}"
        random_dataset(folder, entries=60)
        change(folder)
        line = one_line_error(train(folder, folder / "run", code=1))
        assert str(file(folder, part)) in line and words in line, line

    def cut(path, rest):
        path.write_bytes(path.read_bytes()[:rest])

    refused("observation", "cut short", lambda folder: cut(file(folder, "observation"), -100))
    refused("terminal", "cut short", lambda folder: cut(file(folder, "terminal"), -5))
    for lost in (1, 4, 8):  # of the checksum and the size behind all data
        refused("observation", "checksum is missing", lambda folder: cut(file(folder, "observation"), -lost))
    refused("action", "damaged", lambda folder: file(folder, "action").open("ab").write(b"more"))
    refused("action", "i8", lambda folder: save(folder, "action", np.zeros(60, np.int64)))
    refused("observation", "(60, 84, 80)", lambda folder: save(folder, "observation", np.zeros((60, 84, 80), np.uint8)))
    refused("reward", "59", lambda folder: save(folder, "reward", np.zeros(59, np.float32)))
    refused("action", "action 6", lambda folder: save(folder, "action", np.full(60, 6, np.int32)))
    refused("terminal", "cannot be opened", lambda folder: file(folder, "terminal").unlink())
    refused("reward", "not a gzip file", lambda folder: np.save(file(folder, "reward").open("wb"), np.zeros(60)))


def test_without_a_dataset_the_error_says_how_to_make_one(tmp_path):
    line = one_line_error(train("", tmp_path / "run", code=2))
    assert "dataset.path" in line and "dataset record" in line


ONLINE = ["--quiet", "--set", "training.initial_samples=100", "--set", "evaluation.period=0", "--set", "evaluation.episodes=1"]


def episodes_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["length"], line["return"]) for line in lines if line["event"] == "episode"]


def test_what_a_run_has_seen_becomes_a_dataset_from_its_first_step_to_its_last(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "data"
    steps = 900
    eaudeqn("train", "classic/CartPole-v1", "--algorithm", "dqn", *ONLINE, "--steps", steps, "--output", run)
    said = eaudeqn("dataset", "replay", run, "--output", folder)
    assert f"{steps} steps" in said.stdout + said.stderr
    arrays = {part: load(folder, part) for part in STORED}
    assert all(len(array) == steps for array in arrays.values())
    # The episodes are those that the run told of, in its order.
    ends = np.flatnonzero(arrays["terminal"])
    assert np.diff(ends, prepend=-1).tolist() == [length for length, _ in episodes_of(run)]
    returns = [part.sum() for part in np.split(arrays["reward"], ends + 1)[:-1]]
    assert returns == [value for _, value in episodes_of(run)]
    # Each action leads to the next observation, as Gymnasium computes it.
    with gymnasium.make("CartPole-v1") as environment:
        environment.reset(seed=0)
        for i in range(steps - 1):
            if arrays["terminal"][i]:
                environment.reset()
                continue
            environment.unwrapped.state = tuple(arrays["observation"][i].astype(float))
            observation, *_ = environment.step(int(arrays["action"][i]))
            np.testing.assert_allclose(arrays["observation"][i + 1], observation, rtol=1e-5, atol=1e-6)
    learned = tmp_path / "learned"
    eaudeqn("train", "classic/CartPole-v1", "--algorithm", "eaudecql", "--quiet", "--steps", 300, "--set",
            f"dataset.path={folder}", "--set", "dataset.buffer=200", "--set", "evaluation.period=0", "--output", learned)  # fmt: skip
    assert (learned / "policy.safetensors").exists()


def test_the_frames_of_a_run_are_written_behind_the_zeros_that_begin_each_episode(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "data"
    eaudeqn("train", "atari/Pong", "--algorithm", "dqn", *ONLINE, "--steps", 95, "--set", "training.horizon=40", "--set",
            "replay.capacity=95", "--set", "network.features=8", "--output", run)  # fmt: skip
    eaudeqn("dataset", "replay", run, "--output", folder, "--quiet")
    frames, terminal = load(folder, "observation"), load(folder, "terminal")
    assert len(frames) == 95 + 3 * PADDING and np.flatnonzero(terminal).tolist() == [42, 85], "truncated is over too"
    for start in (0, 43, 86):
        assert not frames[start : start + PADDING].any() and frames[start + PADDING].any()


def test_a_run_whose_replay_forgot_its_beginning_gives_its_newest_episodes_and_says_so(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "data"
    eaudeqn("train", "classic/CartPole-v1", "--algorithm", "dqn", *ONLINE, "--steps", 900, "--set", "replay.capacity=200",
            "--output", run)  # fmt: skip
    said = eaudeqn("dataset", "replay", run, "--output", folder)
    text = said.stdout + said.stderr
    assert "900 steps" in text and "replay.capacity" in text
    lengths = [length for length, _ in episodes_of(run)]
    rest = 900 - sum(lengths)  # of the episode that goes on
    newest = []
    while rest + sum(newest) + lengths[-1 - len(newest)] <= 200:
        newest.insert(0, lengths[-1 - len(newest)])
    terminal = load(folder, "terminal")
    assert newest and np.diff(np.flatnonzero(terminal), prepend=-1).tolist() == newest
    assert len(terminal) == rest + sum(newest)


def test_a_run_without_a_replay_of_frames_is_refused(tmp_path, recorded):
    def refused(run, code, words):
        line = one_line_error(eaudeqn("dataset", "replay", run, "--output", tmp_path / "none", code=code))
        assert str(run) in line and words in line, line
        assert not (tmp_path / "none").exists()

    refused(tmp_path / "missing", 1, "config.toml")
    assert not (tmp_path / "missing").exists()
    train(recorded, tmp_path / "offline")
    refused(tmp_path / "offline", 2, "eaudecql")
    sac = tmp_path / "sac"
    eaudeqn("train", "mujoco/Hopper-v5", "--algorithm", "sac", *ONLINE, "--steps", 50, "--output", sac)
    refused(sac, 2, "sac")
