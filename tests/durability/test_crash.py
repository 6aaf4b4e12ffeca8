"""kill -9 at any moment, also inside a save: the resumed run ends with the bits of the run that nobody disturbed.

The short form kills 30 times, the long one 320. Moments are drawn: EAUDEQN_CAMPAIGN_SEED draws others.
"""

import shutil
import signal
import time

import archive
import pytest
from hostile import LONG, TINY, draws, families, inside_a_save, tally
from program import (
    CARTPOLE,
    Training,
    assert_same_results,
    changed,
    checkpoints,
    eaudeqn,
    has_checkpoint,
    last_step,
    one_line_error,
    train,
)

KILLS = {"classic": 12, "atari": 6, "mujoco": 6, "offline": 6}
if LONG:
    KILLS = {"classic": 120, "atari": 80, "mujoco": 60, "offline": 60}

# Saves so often that kills fall into saves too.
SETTINGS = changed(CARTPOLE, checkpoint__period=100)
STEPS = 4000


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The run directory of the undisturbed run."""
    run = tmp_path_factory.mktemp("reference") / "run"
    train(SETTINGS, run)
    return run


def killed_after(settings, run, seconds, wait_for_save=False) -> bool:
    """Trains for so long, with wait_for_save until the next save is seen as well, then kills; False when the run had ended."""
    resume = ["--resume"] if (run / "config.toml").exists() else []
    with Training(settings, run, *resume) as training:
        time.sleep(seconds)
        while wait_for_save and not inside_a_save(run) and training.process.poll() is None:
            pass  # a save takes milliseconds: no sleep
        code = training.stop(signal.SIGKILL)
    assert code in (0, -signal.SIGKILL), f"exit code {code}; log: {training.log.read_text()[-2000:]}"
    return code == -signal.SIGKILL


@pytest.mark.parametrize("family", KILLS)
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(family, settings, tmp_path):
    """Moments are drawn over the whole run, so some are in the start and in what follows a resumption; two of three wait for
    the next save."""
    start = time.monotonic()
    train(settings[family], tmp_path / "reference")
    whole = time.monotonic() - start
    moments = draws(f"kills {family}")
    kills, inside_saves, attempt = 0, 0, 0
    while kills < KILLS[family]:
        attempt += 1
        assert attempt < 10 * KILLS[family], "the runs ended before they could be killed"
        run = tmp_path / f"run_{attempt}"
        for wait_for_save in (False, True, True):
            kills += killed_after(settings[family], run, moments.uniform(0.1, 0.6) * whole, wait_for_save)
            inside_saves += any(run.glob("**/.*.unfinished"))
        train(settings[family], run, *(["--resume"] if (run / "config.toml").exists() else []))
        assert_same_results(run, tmp_path / "reference")
        assert not list(run.glob("**/*.unfinished")), "a killed save left something behind"
        shutil.rmtree(run)
    assert inside_saves > 0, "no kill was inside a save"
    tally(f"crash: kill -9, {family}", kills, f"resumed to the same bits; {inside_saves} kills were inside a save")


# Each is the state of one random stream, or of what was drawn from it.
STREAMS = ["agent/exploration_stream", "replay_stream", "population/acting_stream", "population/network0/pruning_stream"]


@pytest.mark.parametrize("stream", STREAMS)
def test_control_a_stream_that_is_not_restored_is_noticed(stream, tmp_path):
    """The comparison above can fail: a checkpoint that forgot one stream's position gives another run."""
    train(TINY, tmp_path / "reference")
    run = tmp_path / "run"
    with Training(TINY, run) as training:
        training.wait_for(lambda: last_step(run) >= 200)
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"
    archive.forge(checkpoints(run)[-1], **{stream.replace("/", "__"): lambda position: bytes(len(position))})
    train(TINY, run, "--resume")
    with pytest.raises(AssertionError, match="differs"):
        assert_same_results(run, tmp_path / "reference")
    tally(f"control: {stream} left out of a checkpoint", 1, "another run: noticed")


def test_control_a_forged_checkpoint_without_a_change_is_the_same_run(tmp_path):
    """... and what fails above is the forgotten stream, not the forging."""
    train(TINY, tmp_path / "reference")
    run = tmp_path / "run"
    with Training(TINY, run) as training:
        training.wait_for(lambda: last_step(run) >= 200)
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"
    before = checkpoints(run)[-1].read_bytes()
    archive.forge(checkpoints(run)[-1])
    assert checkpoints(run)[-1].read_bytes() == before, "docs/checkpoint_format.md says something else than the program does"
    train(TINY, run, "--resume")
    assert_same_results(run, tmp_path / "reference")


def test_killed_before_the_first_checkpoint_starts_again(reference, tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as training:
        training.wait_for((run / "config.toml").exists)
        training.stop(signal.SIGKILL)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # whichever came first
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference)


def test_killed_and_resumed_leaves_the_files_of_an_undisturbed_run(reference, tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as training:
        training.wait_for(lambda: last_step(run) >= STEPS // 2)
        assert training.stop(signal.SIGKILL) == -signal.SIGKILL, "the run ended before it could be killed"
    train(SETTINGS, run, "--resume")
    names = {str(file.relative_to(run)) for file in run.rglob("*") if "tfevents" not in file.name}
    expected = {str(file.relative_to(reference)) for file in reference.rglob("*") if "tfevents" not in file.name}
    assert names == expected


def test_two_processes_cannot_share_a_run_directory(tmp_path):
    run = tmp_path / "run"
    endless = changed(SETTINGS, training__steps=1_000_000)
    with Training(endless, run) as first:
        first.wait_for(lambda: has_checkpoint(run))
        message = one_line_error(train(endless, run, "--resume", code=1, timeout=60))
        assert str(run) in message and str(first.process.pid) in message, message
        assert first.process.poll() is None, "the first one goes on"
        assert first.stop(signal.SIGTERM) == 75


def test_a_lock_does_not_outlive_its_process(tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as first:
        first.wait_for(lambda: has_checkpoint(run))
        first.stop(signal.SIGKILL)
    train(SETTINGS, run, "--resume")
    assert eaudeqn("inspect", run).stdout
