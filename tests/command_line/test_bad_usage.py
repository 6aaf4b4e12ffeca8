"""What a user mistypes: exit code 2, one line that names the place, what is allowed, and what was probably meant."""

import re

import numpy as np
import pytest
from program import eaudeqn, one_line_error

PONG = ["train", "atari/Pong", "--steps", "1"]


def refused(*arguments) -> str:
    """The error line; nothing may be on standard output, nor more on standard error."""
    done = eaudeqn(*arguments, code=2, timeout=20)
    assert done.stdout == ""
    message = one_line_error(done)
    assert done.stderr.strip() == message
    return message


@pytest.mark.parametrize("arguments, said", [
    (["trian"], "trian"),
    (["train"], "required"),
    (["train", "classic/CartPole-v1", "--learning-rate", "1"], "--learning-rate"),
    (["train", "classic/CartPole-v1", "--seed"], "--seed"),
    (["train", "classic/CartPole-v1", "--seed", "one"], "--seed"),
    (["train", "classic/CartPole-v1", "--steps", "-5"], "steps"),
    (["train", "classic/CartPole-v1", "--threads", "0"], "threads"),
    (["train", "classic/CartPole-v1", "--set", "training.gamma"], "training.gamma"),
    (["train", "classic/CartPole-v1", "--seed", "3", "--set", "seed=4"], "--seed 3 and --set seed=4"),
    (["train", "classic/CartPole-v1", "--steps", "9", "--set", "training.steps = 8"], "--steps 9"),
    (["inspect"], ""),
    (["list", "games"], "games"),
])  # fmt: skip
def test_wrong_arguments_are_named(arguments, said, tmp_path):
    done = eaudeqn(*arguments, code=2, timeout=20, cwd=tmp_path)
    assert done.stdout == ""
    assert said.lower() in one_line_error(done).lower()
    assert list(tmp_path.iterdir()) == [], "a refused command leaves nothing behind"


UNKNOWN_KEYS = [("training.gama", "training.gamma"), ("training.learningrate", "training.learning_rate"),
                ("sparsity.max_sped", "sparsity.max_speed"), ("populaton.networks", "population.networks"),
                ("network.feature", "network.features"), ("environmnt", "environment")]  # fmt: skip


@pytest.mark.parametrize("key, meant", UNKNOWN_KEYS)
def test_an_unknown_key_is_named_with_the_nearest_one(key, meant, tmp_path):
    message = refused(*PONG, "--set", f"{key}=1", "--output", tmp_path / "run")
    assert key.split(".")[0] in message and meant in message.replace("[", "").replace("] ", ".").replace("]", ".")
    assert not (tmp_path / "run").exists()


OUT_OF_RANGE = ["training.gamma=1.5", "training.gamma=-0.1", "training.batch_size=0", "training.learning_rate=-1",
                "training.epsilon_start=2", "training.target_update_period=0", "training.gradient_period=0",
                "training.horizon=-1", "training.n_step=0", "replay.capacity=0", "population.networks=0",
                "sparsity.max_speed=-0.5", "sparsity.max_noise=-1", "evaluation.epsilon=1.01",
                "evaluation.episodes=-1", "checkpoint.keep=0", "network.features=0", "seed=-1",
                "training.learning_rate=nan", "training.adam_epsilon=inf"]  # fmt: skip


@pytest.mark.parametrize("setting", OUT_OF_RANGE)
def test_a_value_out_of_range_is_named_with_what_is_allowed(setting, tmp_path):
    key, value = setting.split("=")
    message = refused(*PONG, "--set", setting, "--output", tmp_path / "run")
    assert key in message, "the key"
    assert value in message, "the value"
    assert re.search(r"\d", message.replace(value, "").replace(key, "")), f"the allowed range: {message}"
    assert not (tmp_path / "run").exists()


CHOICES = [("network.kind=resnet", ["nature", "impala", "mlp"]),
           ("population.selection=best", ["smallest_loss", "random"]),
           ("sparsity.distribution=gaussian", ["uniform", "erk", "global"]),
           ("algorithm=ppo", ["dqn", "eaudedqn"])]  # fmt: skip


@pytest.mark.parametrize("setting, allowed", CHOICES)
def test_a_wrong_choice_is_named_with_all_choices(setting, allowed, tmp_path):
    key, value = setting.split("=")
    message = refused(*PONG, "--set", setting, "--output", tmp_path / "run")
    for word in [key, value, *allowed]:
        assert word in message, f"{word!r} is not in: {message}"


WRONG_TYPES = ["training.gamma=high", "training.batch_size=1.5", "population.reset_optimizer=maybe", "network.hidden=64",
               "network.hidden=[64,x]", "training.batch_size=true"]  # fmt: skip


@pytest.mark.parametrize("setting", WRONG_TYPES)
def test_a_wrong_type_is_named_with_the_right_one(setting, tmp_path):
    key, value = setting.split("=")
    message = refused(*PONG, "--set", setting, "--output", tmp_path / "run")
    assert key in message
    assert re.search(r"number|integer|true or false|boolean|list|array", message), message


FILES = {
    "[training]\ngama = 0.9\n": ["training.gama", "training.gamma"],
    "[training]\ngamma = 1.5\n": ["training.gamma", "1.5"],
    "[training]\ngamma = 'high'\n": ["training.gamma", "number"],
    "[training]\ngamma = = 1\n": [":2:"],
    "[network]\nkind = 'resnet'\n": ["network.kind", "resnet", "nature"],
    "[trainning]\ngamma = 0.9\n": ["trainning", "training"],
    "environment = 'atari/Pongg'\n": ["atari/Pongg", "atari/Pong"],
}


@pytest.mark.parametrize("text", FILES)
def test_mistakes_in_a_config_file_are_named_with_the_file(text, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    message = refused("train", file, "--output", tmp_path / "run")
    assert "mine.toml" in message, message
    for part in FILES[text]:
        assert part in message or (part == ":2:" and "line 2" in message), f"{part!r} is not in: {message}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name, meant", [
    ("atari/Pongg", "atari/Pong"), ("atari/pong", "atari/Pong"), ("atari/SpaceInvader", "atari/SpaceInvaders"),
    ("classic/CartPole", "classic/CartPole-v1"), ("Pong", "atari/Pong"), ("CartPole-v1", "classic/CartPole-v1"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["train", "trace"])
def test_an_unknown_environment_lists_close_names(command, name, meant, tmp_path):
    more = ["--actions", tmp_path / "a.npy", "--seed", 1] if command == "trace" else []
    np.save(tmp_path / "a.npy", np.zeros(3, np.int32))
    message = refused(command, name, *more, "--output", tmp_path / "run")
    assert name in message and re.search(rf"{re.escape(meant)}\b", message), message


def test_a_missing_config_file_is_named(tmp_path):
    done = eaudeqn("train", tmp_path / "absent.toml", "--output", tmp_path / "run", code=None)
    assert done.returncode in (1, 2)
    assert "absent.toml" in one_line_error(done)


def test_a_network_that_cannot_read_the_observations_is_refused(tmp_path):
    message = refused("train", "classic/CartPole-v1", "--set", "network.kind=nature", "--output", tmp_path / "run")
    assert "network.kind" in message and "mlp" in message
