"""Nothing is lost: kill -9 at any moment, a full disk, a damaged file, two processes at once.

Every interrupted run here must end with the bits of the run that nobody disturbed. EAUDEQN_KILLS (default 6) is the
number of kills, EAUDEQN_KILL_SEED (default 1) draws their moments.
"""

import os
import random
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
    one_line_error,
    train,
)

# Saves so often that kills fall into saves too.
SETTINGS = changed(CARTPOLE, checkpoint__period=100)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """(run directory, seconds) of the undisturbed run."""
    run = tmp_path_factory.mktemp("reference") / "run"
    started = time.monotonic()
    train(SETTINGS, run)
    return run, time.monotonic() - started


def killed(settings, run, seconds, *more) -> bool:
    """Trains and kills `seconds` after the start; False when the run had ended by then."""
    with Training(settings, run, *more) as training:
        training.wait_for(lambda: time.monotonic() > training.started + seconds)
        code = training.stop(signal.SIGKILL) if training.process.poll() is None else training.process.wait()
    if code == -signal.SIGKILL:
        return True
    assert code == 0, f"exit code {code}; log: {training.log.read_text()[-2000:]}"
    return False


def test_killed_at_random_moments_and_resumed_equals_uninterrupted(reference, tmp_path):
    run, seconds = tmp_path / "run", reference[1]
    kills = int(os.environ.get("EAUDEQN_KILLS", "6"))
    moments = random.Random(int(os.environ.get("EAUDEQN_KILL_SEED", "1")))
    killed_in_this_run = 0
    while kills > 0:
        resume = ["--resume"] if run.exists() else []
        if killed(SETTINGS, run, moments.uniform(0.0, 0.6) * seconds, *resume):
            kills -= 1
            killed_in_this_run += 1
        else:
            assert killed_in_this_run, "a run ended before its first kill"
            assert_same_results(run, reference[0])
            shutil.rmtree(run)
            killed_in_this_run = 0
    if run.exists():
        train(SETTINGS, run, "--resume")
        assert_same_results(run, reference[0])


def test_killed_before_the_first_checkpoint_starts_again(reference, tmp_path):
    run = tmp_path / "run"
    with Training(SETTINGS, run) as training:
        training.wait_for((run / "config.toml").exists)
        training.stop(signal.SIGKILL)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # whichever came first
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference[0])


def test_killed_while_saving_leaves_no_litter(reference, tmp_path):
    """What a killed save leaves aside is gone after the resumed run."""
    run = tmp_path / "run"
    killed(SETTINGS, run, 0.5 * reference[1])
    assert has_checkpoint(run)
    train(SETTINGS, run, "--resume")
    names = {str(file.relative_to(run)) for file in run.rglob("*") if "tfevents" not in file.name}
    expected = {str(file.relative_to(reference[0])) for file in reference[0].rglob("*") if "tfevents" not in file.name}
    assert names == expected


def test_pong_killed_and_resumed_equals_uninterrupted(tmp_path):
    """Emulator state and compressed frames are part of the state as well."""
    settings = changed(PONG, checkpoint__period=50)
    started = time.monotonic()
    train(settings, tmp_path / "reference")
    seconds = time.monotonic() - started
    run = tmp_path / "run"
    assert killed(settings, run, 0.6 * seconds)
    assert has_checkpoint(run)
    train(settings, run, "--resume")
    assert_same_results(run, tmp_path / "reference")


def stopped_run(run, seconds) -> None:
    """A run with some checkpoints that was stopped in order."""
    with Training(SETTINGS, run) as training:
        training.wait_for(lambda: has_checkpoint(run) and len(checkpoints(run)) >= 2)
        time.sleep(0.2 * seconds)
        assert training.stop(signal.SIGTERM) == 75


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
        stopped_run(run, reference[1])
        before = contents(run)
        fill()
        assert_clear_failure(train(SETTINGS, run, "--resume", code=1), run)
        assert contents(run) == before, "a checkpoint changed"
        make_room()
        train(SETTINGS, run, "--resume")
        assert_same_results(run, reference[0])


def test_a_limit_on_file_sizes_is_a_clear_error_and_loses_nothing(reference, tmp_path):
    file_size_limit(reference, tmp_path)


def file_size_limit(reference, tmp_path) -> None:
    run = tmp_path / "run"
    stopped_run(run, reference[1])
    before = contents(run)
    limit = checkpoints(run)[-1].stat().st_size // 2

    def lower():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = train(SETTINGS, run, "--resume", code=1, preexec_fn=lower)
    assert_clear_failure(done, run)
    assert contents(run) == before, "a checkpoint changed"
    train(SETTINGS, run, "--resume")
    assert_same_results(run, reference[0])


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
    stopped_run(run, reference[1])
    assert len(checkpoints(run)) == 2
    return run


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_older_one_offered(name, reference, stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    older, newest = checkpoints(run)
    DAMAGES[name](newest)
    done = train(SETTINGS, run, "--resume", code=None)
    said = done.stdout + done.stderr
    assert newest.name in said, f"the damaged file is not named:\n{said}"
    if done.returncode != 0:  # it may ask first; then what it asks for must work
        assert done.returncode == 1
        assert older.name in one_line_error(done), f"the older checkpoint is not offered:\n{said}"
        newest.unlink()
        train(SETTINGS, run, "--resume")
    assert_same_results(run, reference[0])


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
        for resume in ([], ["--resume"]):
            done = train(changed(SETTINGS, training__steps=1_000_000), run, *resume, code=1, timeout=20)
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
