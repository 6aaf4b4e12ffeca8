"""Nothing is lost: kill -9 at any moment, a full disk, a damaged file, two processes at once.

Every interrupted run here must end with the bits of the run that nobody disturbed. EAUDEQN_KILLS (default 6) is the
number of kills, EAUDEQN_KILL_SEED (default 1) draws their moments.
"""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from program import (
    CARTPOLE,
    PONG,
    Training,
    assert_same_results,
    changed,
    checkpoints,
    eaudeqn,
    has_checkpoint,
    last_step,
    one_line_error,
    step_of,
    train,
)

# Saves so often that kills fall into saves too.
SETTINGS = changed(CARTPOLE, checkpoint__period=100)
STEPS = 4000


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The run directory of the undisturbed run."""
    run = tmp_path_factory.mktemp("reference") / "run"
    train(SETTINGS, run)
    return run


def killed(settings, run, step, delay, *more) -> bool:
    """Trains, kills `delay` seconds after metrics.jsonl reached `step`; False when the run had ended by then."""
    with Training(settings, run, *more) as training:
        training.wait_for(lambda: last_step(run) >= step)
        time.sleep(delay)
        code = training.stop(signal.SIGKILL)
    if code == -signal.SIGKILL:
        return True
    assert code == 0, f"exit code {code}; log: {training.log.read_text()[-2000:]}"
    return False


def test_killed_at_random_moments_and_resumed_equals_uninterrupted(reference, tmp_path):
    """One run after the other, each killed two or three times on its way. Steps are drawn, and the milliseconds in one."""
    kills = int(os.environ.get("EAUDEQN_KILLS", "6"))
    moments = random.Random(int(os.environ.get("EAUDEQN_KILL_SEED", "1")))
    happened = 0
    for attempt in range(10 * kills):
        if happened >= kills:
            break
        run = tmp_path / f"run_{attempt}"
        for part in (0.0, 0.33, 0.66):
            step = int((part + moments.uniform(0.0, 0.3)) * STEPS)
            happened += killed(SETTINGS, run, step, moments.uniform(0.0, 0.02), *(["--resume"] if run.exists() else []))
        train(SETTINGS, run, "--resume")
        assert_same_results(run, reference)
    assert happened >= kills, "the runs ended before they could be killed"


def test_killed_before_the_first_checkpoint_starts_again(reference, tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as training:
        training.wait_for((run / "config.toml").exists)
        training.stop(signal.SIGKILL)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # whichever came first
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference)


def test_killed_while_saving_leaves_no_litter(reference, tmp_path):
    """What a killed save leaves aside is gone after the resumed run."""
    run = tmp_path / "run"
    assert killed(SETTINGS, run, STEPS // 2, 0.005), "the run ended before it could be killed"
    assert has_checkpoint(run)
    train(SETTINGS, run, "--resume")
    names = {str(file.relative_to(run)) for file in run.rglob("*") if "tfevents" not in file.name}
    expected = {str(file.relative_to(reference)) for file in reference.rglob("*") if "tfevents" not in file.name}
    assert names == expected


def test_pong_killed_and_resumed_equals_uninterrupted(tmp_path):
    """Emulator state and compressed frames are part of the state as well."""
    settings = changed(PONG, checkpoint__period=50)
    train(settings, tmp_path / "reference")
    run = tmp_path / "run"
    assert killed(settings, run, 120, 0.05), "the run ended before it could be killed"
    assert has_checkpoint(run)
    train(settings, run, "--resume")
    assert_same_results(run, tmp_path / "reference")


def stopped_run(run) -> None:
    """A run with some checkpoints that was stopped in order."""
    with Training(SETTINGS, run) as training:
        training.wait_for(lambda: last_step(run) >= STEPS // 2)
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"


@contextmanager
def full_file_system(directory):
    """A small tmpfs on `directory`; yields a function that fills it to the last byte and one that makes room again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", directory], check=True)
    filler = directory / "filler"

    def fill():
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    try:
        yield fill, filler.unlink
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def can_mount(directory) -> bool:
    if os.geteuid() != 0:
        return False
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], capture_output=True).returncode:
        return False
    return subprocess.run(["umount", directory]).returncode == 0


def contents(run) -> dict:
    return {file.name: file.read_bytes() for file in checkpoints(run)}


def assert_clear_failure(done, run) -> None:
    message = one_line_error(done)
    assert str(run) in message or "checkpoint" in message or "metrics" in message, message
    assert "space" in message.lower() or "too large" in message.lower(), message


def test_a_full_disk_is_a_clear_error_and_loses_nothing(reference, tmp_path):
    """On a full tmpfs where the process may mount one (root), and always with the limit on file sizes (below)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        return file_size_limit(reference, tmp_path)
    with full_file_system(disk) as (fill, make_room):
        run = disk / "run"
        stopped_run(run)
        before = contents(run)
        fill()
        assert_clear_failure(train(SETTINGS, run, "--resume", code=1), run)
        assert contents(run) == before, "a checkpoint changed"
        make_room()
        train(SETTINGS, run, "--resume")
        assert_same_results(run, reference)


def test_a_limit_on_file_sizes_is_a_clear_error_and_loses_nothing(reference, tmp_path):
    file_size_limit(reference, tmp_path)


def file_size_limit(reference, tmp_path) -> None:
    run = tmp_path / "run"
    stopped_run(run)
    before = contents(run)
    limit = checkpoints(run)[-1].stat().st_size // 2

    def lower():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = train(SETTINGS, run, "--resume", code=1, preexec_fn=lower)
    assert_clear_failure(done, run)
    assert contents(run) == before, "a checkpoint changed"
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference)


def flip(position):
    def damage(file):
        data = bytearray(file.read_bytes())
        data[int(position * (len(data) - 1))] ^= 0x10
        file.write_bytes(data)

    return damage


def truncate(part):
    return lambda file: os.truncate(file, int(part * file.stat().st_size))


DAMAGES = {"first byte": flip(0.0), "a byte inside": flip(0.5), "last byte": flip(1.0),
           "cut in half": truncate(0.5), "empty": truncate(0.0)}  # fmt: skip


@pytest.fixture(scope="module")
def stopped(reference, tmp_path_factory):
    run = tmp_path_factory.mktemp("stopped") / "run"
    stopped_run(run)
    assert len(checkpoints(run)) == 2
    return run


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_older_one_offered(name, reference, stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    older, newest = checkpoints(run)
    DAMAGES[name](newest)
    before = contents(run)
    done = train(SETTINGS, run, "--resume", code=1)
    assert contents(run) == before, "it asks before it removes anything"
    message = one_line_error(done)
    assert str(newest) in message, "the damaged file"
    assert re.search(rf"older checkpoint of step {step_of(older)}\b", message), message
    advised = re.search(r"\((rm '.*')\)", message).group(1)
    subprocess.run(advised, shell=True, check=True)
    assert checkpoints(run) == [older], f"{advised} did something else"
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference)


def test_when_all_checkpoints_are_damaged_nothing_is_overwritten(stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    for file in checkpoints(run):
        flip(0.5)(file)
    before = contents(run)
    message = one_line_error(train(SETTINGS, run, "--resume", code=1))
    assert checkpoints(run)[-1].name in message
    assert contents(run) == before


def test_two_processes_cannot_share_a_run_directory(reference, tmp_path):
    run = tmp_path / "run"
    with Training(changed(SETTINGS, training__steps=1_000_000), run) as first:
        first.wait_for(lambda: has_checkpoint(run))
        done = train(changed(SETTINGS, training__steps=1_000_000), run, "--resume", code=1, timeout=60)
        message = one_line_error(done)
        assert str(run) in message and str(first.process.pid) in message, message
        assert first.process.poll() is None, "the first one goes on"
        assert first.stop(signal.SIGTERM) == 75


def test_a_lock_does_not_outlive_its_process(reference, tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as first:
        first.wait_for(lambda: has_checkpoint(run))
        first.stop(signal.SIGKILL)
    train(SETTINGS, run, "--resume")
    assert eaudeqn("inspect", run).stdout
