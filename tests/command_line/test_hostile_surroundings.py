"""What the program does where its output goes elsewhere than into a new file, where it is misspelled, and where a command
that saves nothing is stopped."""

import os
import signal
import stat
import subprocess
import threading
import time

import pytest

from program import changed, eaudeqn, eaudeqn_json, one_line_error, program, train


@pytest.fixture(scope="module")
def run(small_settings, tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "run"
    train(small_settings, directory)
    return directory


def test_a_link_stays_and_what_it_points_to_is_replaced(run, tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    eaudeqn("export", run, "--format", "onnx", "--output", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert len((tmp_path / "target").read_bytes()) > 1000


def test_a_link_to_nothing_yet_stays_too(run, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("../second")
    (tmp_path / "second").symlink_to("target")
    eaudeqn("export", run, "--format", "onnx", "--output", tmp_path / "folder" / "link")
    assert (tmp_path / "folder" / "link").is_symlink() and (tmp_path / "second").is_symlink()
    assert len((tmp_path / "target").read_bytes()) > 1000


def test_standard_output_may_be_the_file_a_pipe_or_a_file(run, tmp_path):
    """Once a pipe had no canonical path, and a file was replaced behind the back of what else was written to it."""
    words = ["export", run, "--format", "onnx"]
    eaudeqn(*words, "--output", tmp_path / "named")
    expected = (tmp_path / "named").read_bytes()
    command = [program(), *map(str, words), "--output"]
    piped = subprocess.run([*command, "/dev/stdout"], capture_output=True, check=True, cwd=tmp_path).stdout
    assert piped.startswith(expected) and piped[len(expected):].startswith(b"wrote /dev/stdout")
    with open(tmp_path / "redirected", "wb") as file:
        file.write(b"before")
        file.flush()
        subprocess.run([*command, "/proc/self/fd/1"], stdout=file, check=True, cwd=tmp_path)
    content = (tmp_path / "redirected").read_bytes()
    assert content.startswith(b"before" + expected + b"wrote ")


def test_c_into_a_pipe_is_the_header_alone(run, tmp_path):
    for output in ("/dev/stdout", "/dev/null"):
        done = eaudeqn("export", run, "--format", "c", "--output", output, cwd=tmp_path)
        assert f"wrote {output}:" in done.stdout
        assert not os.path.exists(output + "_main.c")


def test_a_pipe_is_written_to_and_stays_one(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    eaudeqn("export", run, "--format", "onnx", "--output", tmp_path / "pipe")
    reader.join(timeout=30)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert len(received[0]) > 1000


@pytest.mark.parametrize("arguments", [["list", "algorithms"], ["--version"], ["evaluate", "RUN", "--json"]])
def test_standard_output_that_cannot_be_written_is_a_failure(arguments, run):
    command = [program(), *(str(run) if word == "RUN" else word for word in arguments)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: standard output: cannot be written: No space left on device\n"


def test_what_saves_nothing_stops_at_once():
    process = subprocess.Popen([program(), "bench", "act", "--network", "mlp", "--repeats", "1000000"],
                               stdout=subprocess.DEVNULL)  # fmt: skip
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["trian", "atari/Pong"], ["no command trian", "did you mean train?"]),
        (["train", "atari/Pong", "--stpes", "10"], ["no option --stpes", "did you mean --steps?", "eaudeqn train --help"]),
        (["bench"], ["wants one of update, act", "eaudeqn bench --help"]),
        (["bench", "updaet"], ["bench has no command updaet", "did you mean update?"]),
        (["dataset"], ["wants one of record, replay", "eaudeqn dataset --help"]),
        (["train", "zoo/pong.safetensors"], ["a policy cannot be trained on", "run directory"]),
        (["train", "atari/Pong", "--set", "environment=atari/Boxing"], ["atari/Pong and --set environment", "both say it"]),
        (["train", "atari/Pong", "--seed", "2147483648"], ["from 0 to 2147483647"]),
        (["evaluate", "zoo/pong.safetensors", "--seed", "18446744073709551616"], ["too large"]),
        (["train", "atari/Pong", "--steps", "0"], ["training.steps", "[1, 1000000000000]"]),
        (["train", "atari/Pong", "--algorithm", "eaudqn"], ["did you mean atari/eaudedqn?"]),
        (["train", "runs/none", "--resume"], ["runs/none: no such run directory"]),
        (["train", "/tmp", "--resume"], ["/tmp: no run there"]),
        (["bench", "act", "--sparsity", "nan"], ["wants a number in [0, 1], got nan"]),
    ],
)
def test_misspelled_command_lines_are_explained(arguments, parts):
    message = one_line_error(eaudeqn(*arguments, code=2))
    for part in parts:
        assert part in message


def test_an_algorithm_for_a_run_that_has_one_is_refused(run):
    assert "is a run that has one" in one_line_error(eaudeqn("train", run, "--resume", "--algorithm", "dqn", code=2))


def test_a_changed_config_is_named_and_no_checkpoint_is_blamed(small_settings, tmp_path):
    run = tmp_path / "run"
    train(changed(small_settings, training__steps=500), run)
    config = run / "config.toml"
    config.write_text(config.read_text().replace("gamma = 0.99", "gamma = 0.5"))
    message = one_line_error(eaudeqn("train", run, "--resume", "--quiet", code=2))
    assert "training.gamma = 0.5 here, 0.99 there" in message and "rm " not in message


def test_a_finished_run_without_its_metrics_fails_in_a_sweep(tmp_path):
    (tmp_path / "sweep.toml").write_text(
        'seeds = [1]\nenvironments = ["classic/CartPole-v1"]\nalgorithms = ["dqn"]\n'
        '[settings]\n"training.steps" = 300\n"training.initial_samples" = 50\n"evaluation.episodes" = 1\n'
        '"checkpoint.period" = 100\n"evaluation.period" = 0\n'
    )
    sweep = ["sweep", tmp_path / "sweep.toml", "--output", tmp_path / "out", "--local", 1]
    eaudeqn(*sweep)
    [metrics] = (tmp_path / "out").glob("*/metrics.jsonl")
    metrics.write_text("")
    done = eaudeqn(*sweep, code=1)
    assert "damaged" in done.stdout + done.stderr


def test_a_report_takes_the_file_of_a_sweep(tmp_path):
    (tmp_path / "study.toml").write_text(
        'seeds = [1]\nenvironments = ["classic/CartPole-v1"]\nalgorithms = ["dqn"]\n'
        '[settings]\n"training.steps" = 200\n"training.initial_samples" = 50\n"evaluation.episodes" = 1\n'
    )
    eaudeqn("sweep", "study.toml", "--local", 1, cwd=tmp_path)
    assert len(eaudeqn_json("report", "study.toml", "--json", cwd=tmp_path)["runs"]) == 1
