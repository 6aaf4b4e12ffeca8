"""Same seed, same bits: whatever the number of threads, and however often the run was stopped and resumed.

Compared bit for bit: policy.safetensors, metrics.jsonl, and the checkpoint after the last step (the whole state: replay,
optimizers, random streams). Not compared: timing.jsonl and TensorBoard events, which hold wall-clock times.
"""

import json
import signal

import pytest
from program import (
    CARTPOLE,
    HOPPER,
    PONG,
    Training,
    assert_same_results,
    changed,
    checkpoints,
    eaudeqn,
    eaudeqn_json,
    has_checkpoint,
    last_step,
    one_line_error,
    results,
    step_of,
    train,
)

RUNS = {
    "cartpole": CARTPOLE,
    "pong": PONG,
    "hopper": HOPPER,
    "hopper normalized": changed(HOPPER, sac__normalize_observations="true", population__selection="random"),
}
STOPPED = 75


@pytest.fixture(scope="module", params=RUNS)
def uninterrupted(request, tmp_path_factory):
    """(settings, run directory) of a run with one thread that nobody disturbed."""
    run = tmp_path_factory.mktemp(request.param) / "uninterrupted"
    train(RUNS[request.param], run, "--threads", 1)
    return RUNS[request.param], run


def test_the_run_is_worth_comparing(uninterrupted):
    """Learning, pruning and evaluation must have happened, or equality would be easy."""
    _, run = uninterrupted
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    updates = [line for line in lines if line["event"] == "target_update"]
    assert len(updates) >= 3
    assert max(max(line["sparsities"]) for line in updates) > 0.2
    assert any(loss for line in updates for loss in line["losses"])
    assert any(line["event"] == "evaluation" for line in lines)
    assert any(line["event"] == "episode" for line in lines)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(uninterrupted, threads, tmp_path):
    settings, reference = uninterrupted
    train(settings, tmp_path / "run", "--threads", threads)
    assert_same_results(tmp_path / "run", reference)


def test_another_seed_is_another_run(uninterrupted, tmp_path):
    settings, reference = uninterrupted
    train(settings, tmp_path / "run", "--seed", 2)
    ours, theirs = results(tmp_path / "run"), results(reference)
    for name in ours:
        assert ours[name] != theirs[name], name


def test_the_same_seed_given_as_an_option_or_a_setting_is_the_same_run(tmp_path):
    short = changed(CARTPOLE, training__steps=900)
    train(short, tmp_path / "option", "--seed", 7)
    train(changed(short, seed=7), tmp_path / "setting")
    assert_same_results(tmp_path / "option", tmp_path / "setting")


def stop_at(settings, run, step, number, *more) -> bool:
    """Trains until `step` and sends the signal; False when the run had ended by then. Its state must be saved."""
    known = checkpoints(run) if has_checkpoint(run) else []
    with Training(settings, run, *more) as training:
        training.wait_for(lambda: (run / "config.toml").exists() and last_step(run) >= step)
        code = training.stop(number)
    if code == 0:
        return False
    assert code == STOPPED, f"exit code {code}; log: {training.log.read_text()[-2000:]}"
    assert "--resume" in training.log.read_text(), "the message says how to go on"
    assert checkpoints(run) != known, "nothing was saved"
    return True


def stopped_run(settings, directory, step, number=signal.SIGTERM):
    """A run stopped near `step`. A loaded machine may let it end before the signal comes; then it is tried again."""
    for attempt in range(5):
        run = directory / f"run_{attempt}"
        if stop_at(settings, run, step, number):
            return run
    pytest.fail("the run always ended before the signal")


def test_stopped_by_every_signal_and_resumed_equals_uninterrupted(uninterrupted, tmp_path):
    settings, reference = uninterrupted
    last = eaudeqn_json("inspect", reference, "--json")["step"]
    run = stopped_run(settings, tmp_path, 0.2 * last, signal.SIGTERM)
    steps = [step_of(checkpoints(run)[-1])]
    for part, number in ((0.45, signal.SIGINT), (0.7, signal.SIGUSR1)):
        assert stop_at(settings, run, part * last, number, "--resume"), "the run ended before the signal"
        steps.append(step_of(checkpoints(run)[-1]))
    assert 0 < steps[0] < steps[1] < steps[2] < last
    train(settings, run, "--resume")
    assert_same_results(run, reference)


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    run = tmp_path_factory.mktemp("cartpole") / "run"
    train(CARTPOLE, run)
    return run


@pytest.mark.parametrize("step", [-1, 1, 300, 1499, 2600, 3600])
def test_stopped_anywhere_and_resumed_equals_uninterrupted(step, cartpole, tmp_path):
    """From before the first step on; resumed with another number of threads."""
    run = stopped_run(CARTPOLE, tmp_path, step)
    train(CARTPOLE, run, "--resume", "--threads", 2)
    assert_same_results(run, cartpole)


def test_resuming_needs_no_settings_said_again(cartpole, tmp_path):
    """The run's own config.toml has them all."""
    run = stopped_run(CARTPOLE, tmp_path, 1000)
    eaudeqn("train", run, "--resume")
    assert_same_results(run, cartpole)


def test_resuming_with_another_config_is_refused(tmp_path):
    """It would be a run that no config describes."""
    run = stopped_run(CARTPOLE, tmp_path, 1000)
    before = results_on_disk(run)
    done = train(changed(CARTPOLE, training__gamma=0.5), run, "--resume", code=2)
    assert "training.gamma" in one_line_error(done)
    assert results_on_disk(run) == before


def results_on_disk(run) -> dict:
    """All but the lock, which names the process that last held it."""
    return {str(file.relative_to(run)): file.read_bytes()
            for file in run.rglob("*") if file.is_file() and file.name != ".lock"}  # fmt: skip


def test_resuming_a_finished_run_does_nothing_and_says_so(cartpole):
    before = results_on_disk(cartpole)
    done = train(CARTPOLE, cartpole, "--resume")
    said = (done.stdout + done.stderr).lower()
    assert "finished" in said or "complete" in said or "nothing to do" in said, said
    assert results_on_disk(cartpole) == before
