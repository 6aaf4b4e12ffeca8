"""`train` as a citizen of the shell: its run directory, its output, what it refuses to overwrite."""

import json
import os
import pty
import re
import shlex
import signal
import stat
import subprocess
import time

import pytest
from program import assert_same_results, changed, checkpoints, eaudeqn, one_line_error, program, train


def test_the_run_directory_holds_what_is_documented(finished_run):
    names = {file.name for file in finished_run.iterdir()}
    assert {"config.toml", "metrics.jsonl", "checkpoints", "policy.safetensors"} <= names
    assert any("tfevents" in name for name in names)
    assert 1 <= len(checkpoints(finished_run)) <= 2, "checkpoint.keep = 2"


def test_every_line_of_metrics_is_json_with_event_and_step(finished_run):
    steps = []
    for line in (finished_run / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(event["event"], str) and isinstance(event["step"], int)
        steps.append(event["step"])
    assert steps == sorted(steps) and steps[-1] == 900


def test_target_updates_report_the_population(finished_run):
    updates = [event for event in map(json.loads, (finished_run / "metrics.jsonl").read_text().splitlines())
               if event["event"] == "target_update"]  # fmt: skip
    assert updates
    for event in updates:
        assert 0 <= event["selected"] < 5
        assert len(event["losses"]) == len(event["sparsities"]) == 5
        finite = [loss for loss in event["losses"] if loss is not None]
        assert event["losses"][event["selected"]] == min(finite), "the smallest cumulated loss is chosen"
        assert event["sparsities"][event["selected"]] == event["sparsity"], "the chosen one stays as it is"
        assert min(event["sparsities"]) == event["sparsity"], "the others are pruned copies of it"
        assert max(event["sparsities"]) <= event["sparsity"] + 0.3 + 1e-9, "sparsity.max_speed"
    sparsities = [event["sparsity"] for event in updates]
    assert sparsities == sorted(sparsities), "a pruned weight never comes back"


def test_the_resolved_config_reproduces_the_run(finished_run, tmp_path):
    eaudeqn("train", finished_run / "config.toml", "--output", tmp_path / "again")
    assert_same_results(tmp_path / "again", finished_run)
    assert (tmp_path / "again" / "config.toml").read_bytes() == (finished_run / "config.toml").read_bytes()


def test_the_resolved_config_has_every_key(finished_run):
    text = (finished_run / "config.toml").read_text()
    documented = """
        environment algorithm seed
        training: steps initial_samples gradient_period batch_size learning_rate adam_epsilon gamma n_step epsilon_start
        epsilon_end epsilon_duration target_update_period horizon
        replay: capacity
        network: kind features hidden
        population: networks reset_optimizer selection
        sparsity: method max_noise max_speed final start end period drop_share distribution granularity
        cql: alpha
        dataset: path buffer loaded refresh_period
        evaluation: period episodes epsilon
        checkpoint: period keep
    """
    for word in documented.split():
        if word.endswith(":"):
            assert re.search(rf"^\[{word[:-1]}\]$", text, re.MULTILINE), word
        else:
            assert re.search(rf"^{word} = ", text, re.MULTILINE), word
    assert re.search(r"^steps = 900$", text, re.MULTILINE)


def test_options_are_short_for_settings(small_settings, tmp_path):
    others = list(small_settings)
    for key in ("training.steps=", "seed="):  # what --steps and --seed say
        for at in reversed([i for i, value in enumerate(others) if str(value).startswith(key)]):
            del others[at - 1 : at + 1]
    train([*small_settings, "--set", "seed=4", "--set", "training.steps=700"], tmp_path / "settings")
    train([*others, "--steps", "700", "--seed", "4"], tmp_path / "options")
    assert_same_results(tmp_path / "options", tmp_path / "settings")


def test_another_run_is_not_overwritten(finished_run, small_settings):
    before = {file: file.read_bytes() for file in finished_run.rglob("*") if file.is_file()}
    for settings in (small_settings, changed(small_settings, seed=2)):
        done = train(settings, finished_run, code=None)
        assert done.returncode in (1, 2)
        message = one_line_error(done)
        assert str(finished_run) in message and "--resume" in message and "--output" in message
    assert {file: file.read_bytes() for file in finished_run.rglob("*") if file.is_file()} == before


def test_a_directory_with_other_things_is_not_taken_over(small_settings, tmp_path):
    (tmp_path / "thesis.tex").write_text("three years")
    done = train(small_settings, tmp_path, code=None)
    if done.returncode == 0:
        assert (tmp_path / "thesis.tex").read_text() == "three years"
    else:
        assert str(tmp_path) in one_line_error(done)
        assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_resume_without_a_run_says_so(small_settings, tmp_path):
    """Either there is nothing to resume, or a job script that always says --resume gets its first run."""
    done = train(small_settings, tmp_path / "absent", "--resume", code=None)
    if done.returncode:
        assert str(tmp_path / "absent") in one_line_error(done)
        assert not (tmp_path / "absent").exists()
    else:
        assert (tmp_path / "absent" / "policy.safetensors").exists()


def test_output_goes_into_new_folders(small_settings, tmp_path):
    train(changed(small_settings, training__steps=310), tmp_path / "a" / "b" / "run")
    assert (tmp_path / "a" / "b" / "run" / "policy.safetensors").exists()


def test_an_output_that_cannot_be_made_is_an_error(small_settings, tmp_path):
    (tmp_path / "file").write_text("")
    done = train(small_settings, tmp_path / "file" / "run", code=1)
    assert str(tmp_path / "file") in one_line_error(done)


def test_plain_lines_where_nobody_watches(small_settings, tmp_path):
    done = train(small_settings, tmp_path / "run")
    text = done.stdout + done.stderr
    assert "\x1b" not in text and "\r" not in text
    assert str(tmp_path / "run") in text, "where the results are"


def train_on_a_terminal(settings, run, **variables) -> str:
    master, slave = pty.openpty()
    process = subprocess.Popen([program(), "train", *settings, "--output", str(run)], stdin=slave, stdout=slave,
                               stderr=slave, env={**os.environ, "TERM": "xterm-256color", **variables})  # fmt: skip
    os.close(slave)
    text = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # Linux says EIO when the other side is closed
            break
        if not piece:
            break
        text += piece
    os.close(master)
    assert process.wait(60) == 0
    return text.decode()


def test_no_color_is_respected_on_a_terminal(small_settings, tmp_path):
    text = train_on_a_terminal(small_settings, tmp_path / "run", NO_COLOR="1")
    assert text and not re.search(r"\x1b\[[0-9;]*m", text)


def test_a_terminal_changes_no_result(finished_run, small_settings, tmp_path):
    train_on_a_terminal(small_settings, tmp_path / "run")
    assert_same_results(tmp_path / "run", finished_run)


def test_a_closed_pipe_does_not_lose_the_run(small_settings, finished_run, tmp_path):
    """`eaudeqn train ... | head -1` must not leave half a run that cannot go on."""
    run = tmp_path / "run"
    process = subprocess.Popen([program(), "train", *small_settings, "--output", str(run)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    process.stdout.close()
    process.wait(60)
    train(small_settings, run, "--resume")
    assert_same_results(run, finished_run)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_lend_their_numbers_to_no_file(closed, small_settings, finished_run, tmp_path):
    """What was said about progress once went into metrics.jsonl, which had been opened under the number of stderr."""
    run = tmp_path / "run"
    words = " ".join(shlex.quote(str(word)) for word in [program(), "train", *small_settings, "--output", run])
    assert subprocess.run(["sh", "-c", f"exec {words} {closed}"], timeout=60).returncode == 0
    assert_same_results(run, finished_run)
    lines = (run / "timing.jsonl").read_text().splitlines()
    assert all(json.loads(line)["step"] >= 0 for line in lines)


def test_a_run_is_not_resumed_in_another_place(finished_run, tmp_path):
    """It once began there at step 0, which the user of the run's name cannot have meant."""
    done = eaudeqn("train", finished_run, "--resume", "--output", tmp_path / "other", code=2)
    assert "--output" in one_line_error(done) and not (tmp_path / "other").exists()
    eaudeqn("train", finished_run, "--resume", "--output", f"{finished_run}/.")


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_permissions_that_the_user_asked_for(umask, mode, small_settings, tmp_path):
    run = tmp_path / "run"
    train(changed(small_settings, training__steps=700), run, umask=umask)
    for path in [run, *run.rglob("*")]:
        expected = (0o777 & ~umask) if path.is_dir() else mode
        assert stat.S_IMODE(path.stat().st_mode) == expected, f"{path.relative_to(run)}: {path.stat().st_mode:o}"


def test_a_run_too_short_to_learn_anything_says_so(small_settings, tmp_path):
    learns = train(small_settings, tmp_path / "learns")
    assert "nothing will be learned" not in learns.stderr
    done = train(changed(small_settings, training__steps=200, training__initial_samples=200), tmp_path / "run")
    assert "nothing will be learned: training.steps is 200" in done.stderr


def test_a_setting_that_the_algorithm_does_not_use_is_told(small_settings, tmp_path):
    settings = changed(small_settings, training__steps=700)
    assert "warning" not in train(settings, tmp_path / "plain").stderr
    done = train(changed(settings, sparsity__final=0.5), tmp_path / "run")
    assert "warning: --set sparsity.final=0.5 changes nothing: eaudedqn" in done.stderr
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "plain" / "metrics.jsonl").read_bytes()


def test_resuming_where_there_is_no_run_yet_says_that_it_begins(small_settings, tmp_path):
    assert "no checkpoint there yet: begins at step 0" in train(small_settings, tmp_path / "run", "--resume").stderr


def test_the_command_that_goes_on_can_be_pasted_into_a_shell(small_settings, tmp_path):
    run = tmp_path / "it's a run"
    process = subprocess.Popen([program(), "train", *map(str, small_settings), "--set", "training.steps=1000000", "--output", str(run)],
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    while not run.is_dir() or not (run / "metrics.jsonl").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    command = re.search("go on with: eaudeqn (train .*)", process.communicate(timeout=60)[1]).group(1)
    assert shlex.split(command) == ["train", str(run), "--resume"]
