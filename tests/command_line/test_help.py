"""--help teaches: every command and option is there, with words and not only names."""

import re

import pytest
from program import eaudeqn

OPTIONS = {
    "train": ["--algorithm", "--seed", "--steps", "--set", "--output", "--resume", "--threads"],
    "evaluate": ["--episodes", "--steps", "--epsilon", "--seed", "--json"],
    "inspect": ["--json"],
    "export": ["--format", "--output", "--weights", "--observations", "--prefix", "--json"],
    "forward": ["--observations", "--output"],
    "trace": ["--actions", "--seed", "--initial-state", "--output"],
    "dataset record": ["--policy", "--steps", "--output", "--epsilon", "--seed"],
    "dataset replay": ["--output"],
    "sweep": ["--local", "--slurm", "--status", "--output", "--threads", "--json"],
    "list": [],
}
POSITIONALS = {"train": "classic/CartPole-v1|atari/Pong|config.toml", "list": "environments|algorithms"}


def test_the_top_level_names_every_command_and_the_exit_codes():
    text = eaudeqn("--help").stdout
    for command in (words.split()[0] for words in OPTIONS):
        assert re.search(rf"^\s+{command}\b +\S+", text, re.MULTILINE), f"{command} is not described"
    assert "75" in text, "exit codes, of which 75 is the one nobody guesses"


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_is_described(command):
    text = eaudeqn(*command.split(), "--help").stdout
    lines = text.splitlines()
    for option in OPTIONS[command]:
        at = [i for i, line in enumerate(lines) if re.match(rf"\s+(-\w, ?)?{option}\b", line)]
        assert at, f"{command} --help does not list {option}"
        described = re.sub(r"--?[\w-]+|[A-Z]{2,}|\{.*?\}|\[.*?\]", "", lines[at[0]] + (lines + [""])[at[0] + 1])
        assert len(re.findall(r"[a-z]{2,}", described)) >= 3, f"{option} is listed without a word about it"
    if command in POSITIONALS:
        assert re.search(POSITIONALS[command], text), "what to write for the argument"


@pytest.mark.parametrize("command", OPTIONS)
def test_help_goes_to_standard_output_and_asks_for_nothing_else(command):
    done = eaudeqn(*command.split(), "--help")
    assert done.stdout and not done.stderr


def test_the_version_is_told():
    assert re.search(r"\d+\.\d+\.\d+", eaudeqn("--version").stdout)


def test_no_command_at_all_is_bad_usage_that_shows_the_way():
    done = eaudeqn(code=2)
    assert "--help" in done.stderr or "train" in done.stderr


def test_listed_names_are_those_that_train_takes(small_settings, tmp_path):
    environments = eaudeqn("list", "environments").stdout.split()
    atari = [name for name in environments if name.startswith("atari/")]
    assert len(atari) >= 100
    published = "BeamRider MsPacman Qbert Pong Enduro SpaceInvaders Assault CrazyClimber Boxing VideoPinball"
    assert {f"atari/{game}" for game in published.split()} <= set(atari)
    classic = {name for name in environments if name.startswith("classic/")}
    assert {"classic/CartPole-v1", "classic/Acrobot-v1", "classic/MountainCar-v0"} <= classic
    algorithms = eaudeqn("list", "algorithms").stdout.split()
    methods = ["", "distill", "eaude", "polyprune", "rigl", "set", "static"]
    assert {method + family for family in ("dqn", "cql", "sac") for method in methods} <= set(algorithms)
    for name in sorted(classic):
        output = tmp_path / name.split("/")[1]
        eaudeqn("train", name, *small_settings[1:], "--set", "training.steps=330", "--output", output)
