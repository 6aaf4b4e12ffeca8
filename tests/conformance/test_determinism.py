"""Same seed, same bits: whatever the number of threads, and however often the run was stopped and resumed.

Compared bit for bit: policy.safetensors, metrics.jsonl, and the checkpoint after the last step (the whole state: replay,
optimizers, random streams). Not compared: timing.jsonl and TensorBoard events, which hold wall-clock times.
"""

import json
import signal
import time

import pytest
from program import (
    CARTPOLE,
    PONG,
    Training,
    assert_same_results,
    changed,
    checkpoints,
    eaudeqn,
    eaudeqn_json,
    has_checkpoint,
    one_line_error,
    results,
    train,
)

RUNS = {"cartpole": CARTPOLE, "pong": PONG}
STOPPED = 75


@pytest.fixture(scope="module", params=RUNS)
def uninterrupted(request, tmp_path_factory):
    """(settings, run directory, seconds) of a run with one thread that nobody disturbed."""
    run = tmp_path_factory.mktemp(request.param) / "uninterrupted"
    started = time.monotonic()
    train(RUNS[request.param], run, "--threads", 1)
    return RUNS[request.param], run, time.monotonic() - started


def test_the_run_is_worth_comparing(uninterrupted):
    """Learning, pruning and evaluation must have happened, or equality would be easy."""
    settings, run, _ = uninterrupted
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    updates = [line for line in lines if line["event"] == "target_update"]
    assert len(updates) >= 3
    assert max(max(line["sparsities"]) for line in updates) > 0.2
    assert any(loss for line in updates for loss in line["losses"])
    assert any(line["event"] == "evaluation" for line in lines)
    assert any(line["event"] == "episode" for line in lines)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(uninterrupted, threads, tmp_path):
    settings, reference, _ = uninterrupted
    train(settings, tmp_path / "run", "--threads", threads)
    assert_same_results(tmp_path / "run", reference)


def test_another_seed_is_another_run(uninterrupted, tmp_path):
    settings, reference, _ = uninterrupted
    train(settings, tmp_path / "run", "--seed", 2)
    ours, theirs = results(tmp_path / "run"), results(reference)
    for name in ours:
        assert ours[name] != theirs[name], name


def test_the_same_seed_given_as_an_option_or_a_setting_is_the_same_run(tmp_path):
    short = changed(CARTPOLE, training__steps=900)
    train(short, tmp_path / "option", "--seed", 7)
    train(changed(short, seed=7), tmp_path / "setting")
    assert_same_results(tmp_path / "option", tmp_path / "setting")


def stop_after(settings, run, seconds, number, *more) -> bool:
    """Trains, sends the signal `seconds` later; False when the run had ended by then. Its state must be saved."""
    known = checkpoints(run) if has_checkpoint(run) else []
    with Training(settings, run, *more) as training:
        training.wait_for((run / "config.toml").exists)
        time.sleep(seconds)
        code = training.stop(number)
    if code == 0:
        return False
    assert code == STOPPED, f"exit code {code}; log: {training.log.read_text()[-2000:]}"
    assert "--resume" in training.log.read_text(), "the message says how to go on"
    assert checkpoints(run) != known, "nothing was saved"
    return True


def test_stopped_by_every_signal_and_resumed_equals_uninterrupted(uninterrupted, tmp_path):
    settings, reference, seconds = uninterrupted
    run = tmp_path / "run"
    last = eaudeqn_json("inspect", reference, "--json")["step"]
    steps = [0]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        resume = ["--resume"] if steps[1:] else []
        assert stop_after(settings, run, 0.22 * seconds, number, *resume), "ended before the signal: too short a run"
        steps.append(eaudeqn_json("inspect", run, "--json")["step"])
        assert steps[-2] < steps[-1] < last, f"stopped at steps {steps} of {last}"
    assert not (run / "policy.safetensors").exists() or results(run) != results(reference)
    train(settings, run, "--resume")
    assert_same_results(run, reference)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.7, 0.85])
def test_stopped_anywhere_and_resumed_equals_uninterrupted(part, cartpole_reference, tmp_path):
    settings, reference, seconds = cartpole_reference
    run = tmp_path / "run"
    for _ in range(4):  # a loaded machine may finish early; then stop earlier
        if stop_after(settings, run, part * seconds, signal.SIGTERM):
            break
        part, run = part / 2, tmp_path / f"run_{part}"
    else:
        pytest.fail("the run always ended before the signal")
    train(settings, run, "--resume", "--threads", 2)  # another number of threads than before
    assert_same_results(run, reference)


@pytest.fixture(scope="module")
def cartpole_reference(tmp_path_factory):
    run = tmp_path_factory.mktemp("reference") / "run"
    started = time.monotonic()
    train(CARTPOLE, run)
    return CARTPOLE, run, time.monotonic() - started


def test_resuming_needs_no_settings_said_again(cartpole_reference, tmp_path):
    """The run's own config.toml has them all."""
    settings, reference, seconds = cartpole_reference
    run = tmp_path / "run"
    assert stop_after(settings, run, 0.3 * seconds, signal.SIGTERM)
    eaudeqn("train", run / "config.toml", "--output", run, "--resume")
    assert_same_results(run, reference)


def test_resuming_with_another_config_is_refused(cartpole_reference, tmp_path):
    """It would be a run that no config describes."""
    settings, _, seconds = cartpole_reference
    run = tmp_path / "run"
    assert stop_after(settings, run, 0.3 * seconds, signal.SIGTERM)
    before = results_on_disk(run)
    done = train(changed(settings, training__gamma=0.5), run, "--resume", code=2)
    assert "training.gamma" in one_line_error(done)
    assert results_on_disk(run) == before


def results_on_disk(run) -> dict:
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file()}


def test_resuming_a_finished_run_does_nothing_and_says_so(cartpole_reference):
    settings, run, _ = cartpole_reference
    before = {name: data for name, data in results_on_disk(run).items() if "tfevents" not in name}
    done = train(settings, run, "--resume")
    after = {name: data for name, data in results_on_disk(run).items() if "tfevents" not in name}
    assert "finished" in (done.stdout + done.stderr).lower() or "complete" in (done.stdout + done.stderr).lower()
    assert after == before
