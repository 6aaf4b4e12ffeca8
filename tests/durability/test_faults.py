"""The operating system fails: every k-th call of every kind, once and for ever after; a full disk; interrupted calls; clocks
that jump. Always: exit code 1 and one clear line, what was saved before resumes to the same bits, nothing is left behind.

The calls are those that the program really makes: tests/durability/faults.c stands between it and the C library. The short
form tries some k of each kind, the long one every k.
"""

import errno
import os
import resource
import shutil
import signal
import subprocess
from contextlib import contextmanager

import pytest
from hostile import LONG, TINY, draws, faults, tally
from program import CARTPOLE, Training, assert_same_results, changed, checkpoints, last_step, one_line_error, train

CALLS = {"write": errno.ENOSPC, "fsync": errno.EIO, "rename": errno.EACCES, "open": errno.EMFILE, "ftruncate": errno.EIO,
         "mkdir": errno.EROFS, "unlink": errno.EPERM, "close": errno.EIO}  # fmt: skip
TRIED = 10_000 if LONG else 7


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    run = tmp_path_factory.mktemp("reference") / "run"
    train(TINY, run)
    return run


def resumed(run) -> None:
    """What its user would do next: go on, or begin if nothing had been begun."""
    train(TINY, run, *(["--resume"] if (run / "config.toml").exists() else []))


def assert_nothing_left(run) -> None:
    assert not list(run.glob("**/*.unfinished")), "temporary files are left"


def count_calls(library, call, tmp_path) -> int:
    run, count = tmp_path / "counted", tmp_path / "count"
    train(TINY, run, environment=faults(library, call=call, below=None if call == "malloc" else run, count=count))
    shutil.rmtree(run)
    return int(count.read_text())


def some_of(calls: int, name: str) -> list:
    """The numbers of the calls to fail: the first, the last, and drawn ones between them."""
    if calls <= TRIED:
        return list(range(1, calls + 1))
    return sorted({1, calls, *draws(name).sample(range(2, calls), TRIED - 2)})


@pytest.mark.parametrize("for_ever", [None, 1], ids=["once", "for_ever"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_is_one_clear_line_and_loses_nothing(call, for_ever, library, reference, tmp_path):
    calls = count_calls(library, call, tmp_path)
    assert calls > 0, f"the program never calls {call}: nothing would be tried"
    failures = 0
    for at in some_of(calls, f"{call} {for_ever}"):
        run = tmp_path / f"run_{at}"
        variables = faults(library, call=call, at=at, for_ever=for_ever, errno=CALLS[call], below=run)
        done = train(TINY, run, environment=variables, code=None)
        assert done.returncode in (0, 1), f"{call} {at}: exit code {done.returncode}\n{done.stderr}"
        if done.returncode == 1:
            failures += 1
            message = one_line_error(done)
            assert str(run) in message, f"{call} {at}: which file? {message}"
            assert os.strerror(CALLS[call]) in message, f"{call} {at}: why? {message}"
        resumed(run)
        assert_same_results(run, reference)
        assert_nothing_left(run)
        shutil.rmtree(run)
    # What cannot be removed now is removed later, and a file that only was read closes as it likes.
    assert failures or call in ("unlink", "close"), f"the program took no notice of any failed {call}"
    tried = len(some_of(calls, f"{call} {for_ever}"))
    tally(f"{call} fails with \"{os.strerror(CALLS[call])}\", {'for ever after' if for_ever else 'once'}", tried,
          f"of {calls} calls; {failures} ended the run with one line that names file and reason, the others changed nothing; "
          "all resumed to the same bits")  # fmt: skip


def assert_ended_in_order(done, at):
    assert done.returncode in (0, 1), f"allocation {at}: exit code {done.returncode}\n{done.stderr}"
    if done.returncode == 1:
        assert "memory" in one_line_error(done), f"allocation {at}: {done.stderr}"


def test_without_memory_while_the_policy_is_written_it_ends_in_order(library, tmp_path):
    """The long form's find: a destructor of the JSON library needs memory, and aborted. A run ends with its policy."""
    calls = count_calls(library, "malloc", tmp_path)
    for at in range(calls - 1500, calls, 25):
        done = train(TINY, tmp_path / f"run_{at}", environment=faults(library, call="malloc", at=at, for_ever=1), code=None)
        assert_ended_in_order(done, at)


@pytest.mark.parametrize("for_ever", [None, 1], ids=["once", "for_ever"])
def test_without_memory_it_ends_in_order(for_ever, library, reference, tmp_path):
    calls = count_calls(library, "malloc", tmp_path)
    numbers = draws(f"malloc {for_ever}")
    # More of the first ones: that is where the different places are.
    tried = sorted({int(calls ** numbers.random()) for _ in range(500 if LONG else 25)})
    failures = 0
    for at in tried:
        run = tmp_path / f"run_{at}"
        done = train(TINY, run, environment=faults(library, call="malloc", at=at, for_ever=for_ever), code=None)
        failures += done.returncode
        assert_ended_in_order(done, at)
        resumed(run)
        assert_same_results(run, reference)
        shutil.rmtree(run, ignore_errors=True)
    assert failures, "no failed allocation was noticed"
    tally(f"no memory, {'for ever after' if for_ever else 'once'}", len(tried),
          f"of {calls} allocations; {failures} ended the run with one line, all resumed to the same bits")  # fmt: skip


def test_interrupted_calls_and_short_writes_change_nothing(library, reference, tmp_path):
    run = tmp_path / "run"
    train(TINY, run, environment=faults(library, storm=1, below=run))
    assert_same_results(run, reference)
    tally("every call interrupted (EINTR) and every write short", 1, "the same bits")


def test_clocks_that_jump_by_hours_change_nothing(library, reference, tmp_path):
    run = tmp_path / "run"
    train(TINY, run, environment=faults(library, clock=1))
    assert_same_results(run, reference)
    tally("clocks jump by up to six hours at every look", 1, "the same bits")


def test_a_directory_that_may_not_be_written_is_a_clear_error(reference, tmp_path):
    """The write is refused by the file system itself: root may write where permissions say no."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        disk.chmod(0o555)
        message = one_line_error(train(TINY, disk / "run", code=1))
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", disk], check=True)
        try:
            message = one_line_error(train(TINY, disk / "run", code=1))
        finally:
            subprocess.run(["umount", "-l", disk], check=True)
    assert str(disk) in message and ("Read-only" in message or "Permission" in message), message
    tally("a directory that may not be written", 1, "one line, exit code 1")


# More than a page of checkpoint, and half of it done before the disk is full.
LARGER = changed(CARTPOLE, checkpoint__period=100)
STEPS = 4000


@pytest.fixture(scope="module")
def larger_reference(tmp_path_factory):
    run = tmp_path_factory.mktemp("larger") / "run"
    train(LARGER, run)
    return run


def stopped_run(run) -> None:
    """A run with some checkpoints that was stopped in order."""
    with Training(LARGER, run) as training:
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


def test_a_full_disk_is_a_clear_error_and_loses_nothing(larger_reference, tmp_path):
    """On a full tmpfs where the process may mount one (root), and always with the limit on file sizes (below)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        return file_size_limit(larger_reference, tmp_path)
    with full_file_system(disk) as (fill, make_room):
        run = disk / "run"
        stopped_run(run)
        before = contents(run)
        fill()
        assert_clear_failure(train(LARGER, run, "--resume", code=1), run)
        assert contents(run) == before, "a checkpoint changed"
        make_room()
        train(LARGER, run, "--resume")
        assert_same_results(run, larger_reference)
    tally("full file system", 1, "one line, the checkpoint stays, resumed to the same bits")


def test_a_limit_on_file_sizes_is_a_clear_error_and_loses_nothing(larger_reference, tmp_path):
    file_size_limit(larger_reference, tmp_path)


def file_size_limit(larger_reference, tmp_path) -> None:
    run = tmp_path / "run"
    stopped_run(run)
    before = contents(run)
    limit = checkpoints(run)[-1].stat().st_size // 2

    def lower():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = train(LARGER, run, "--resume", code=1, preexec_fn=lower)
    assert_clear_failure(done, run)
    assert contents(run) == before, "a checkpoint changed"
    train(LARGER, run, "--resume")
    assert_same_results(run, larger_reference)
    tally("limit on file sizes (RLIMIT_FSIZE)", 1, "one line, the checkpoint stays, resumed to the same bits")
