"""What comes from outside: downloads that are not what was pinned are refused and leave nothing, names cannot become shell
commands. (Names in pages: tests/conformance/test_report.py. Archives are listed before they are unpacked:
scripts/fetch_ale.sh. Permissions: tests/command_line/test_train.py.)"""

import shutil
import subprocess

import pytest
from hostile import LONG, TINY, eaudeqn, tally
from program import ROOT

FETCHED = {"mujoco": ("mujoco/wheels.txt", "fetch_mujoco.sh"), "ale": ("ale/source.txt", "fetch_ale.sh")}


@pytest.mark.parametrize("what", FETCHED if LONG else ["ale"])
def test_a_download_that_is_not_what_was_pinned_is_refused(what, tmp_path):
    """The real download, against pins in which one digit of every hash is another."""
    pins, script = FETCHED[what]
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    file = tmp_path / "scripts" / pins
    lines = file.read_text().split("sha256:")
    other = [("1" if line[0] == "0" else "0") + line[1:] for line in lines[1:]]
    file.write_text("sha256:".join([lines[0], *other]))
    done = subprocess.run([tmp_path / "scripts" / script, "stamp"], capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert "HASH" in done.stderr.upper() or "HASH" in done.stdout.upper(), done.stdout[-1000:] + done.stderr[-1000:]
    left = [path.name for path in (tmp_path / ".dependencies").iterdir()]
    assert left == [], "something that was refused is kept"
    tally(f"download of {what} with another hash than pinned", 1, "refused, nothing kept")


SHELL = ["$(touch owned)", "`touch owned`", "a;touch owned", "a'touch owned'", 'a"; touch owned; "', "a\nb", "-rf", "a b&c|d>owned"]


@pytest.mark.parametrize("name", SHELL)
def test_a_strange_name_of_a_directory_is_only_a_name(name, tmp_path):
    """A run, its message about how to go on, and a sweep in it."""
    run = tmp_path / name
    settings = [word.replace("training.steps=700", "training.steps=200") for word in TINY]
    eaudeqn("train", *settings, "--output", run, cwd=tmp_path)
    assert (run / "policy.safetensors").is_file()
    assert eaudeqn("inspect", run, cwd=tmp_path).stdout
    sweep = tmp_path / "study.toml"
    sweep.write_text('environments = ["classic/CartPole-v1"]\nalgorithms = ["eaudedqn"]\nseeds = [1]\n[settings]\n'
                     '"training.steps" = 200\n"training.initial_samples" = 100\n"evaluation.period" = 0\n')  # fmt: skip
    folder = tmp_path / f"{name} sweep"
    eaudeqn("sweep", sweep, "--local", 1, "--output", folder, cwd=tmp_path)
    assert list(folder.glob("*/policy.safetensors"))
    assert not list(tmp_path.rglob("owned")), "the name was run as a command"
    tally("shell commands as names of directories", 1, "names")
