"""Damaged files: bits flipped and ends cut off, in checkpoints, replay segments and policies. Always detected, the file and
the check named, the older checkpoint offered; never a crash and never a silently wrong resume.

The long form flips every byte of the headers and damages the bodies 10,000 times; the short one some of each.
"""

import os
import re
import shutil
import signal
import subprocess

import archive
import pytest
from hostile import LONG, TINY, draws, offline, tally, write_dataset
from program import (
    CARTPOLE,
    Training,
    assert_same_results,
    changed,
    checkpoints,
    eaudeqn,
    last_step,
    one_line_error,
    step_of,
    train,
)

SETTINGS = changed(TINY, checkpoint__keep=2)
HEADER = 2_000  # bytes, table of sections and more
FLIPS_IN_HEADER = HEADER if LONG else 40
DAMAGED_BODIES = 10_000 if LONG else 60


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    run = tmp_path_factory.mktemp("reference") / "run"
    train(SETTINGS, run)
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped in order, with two checkpoints."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    with Training(SETTINGS, run) as training:
        training.wait_for(lambda: last_step(run) >= 500)
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"
    assert len(checkpoints(run)) == 2
    return run


def contents(run) -> dict:
    return {file.name: file.read_bytes() for file in checkpoints(run)}


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


@pytest.mark.parametrize("lost", ["checkpoints", "checkpoints/*.checkpoint"])
def test_when_the_checkpoints_are_gone_the_run_is_not_begun_over_its_results(lost, stopped, tmp_path):
    """As by a purge of old files, or a copy that left them out. It once began at step 0 and overwrote the policy."""
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    for part in run.glob(lost):
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    before = {name: (run / name).read_bytes() for name in ("policy.safetensors", "metrics.jsonl", "config.toml")}
    message = one_line_error(train(SETTINGS, run, "--resume", code=1))
    assert "its checkpoints are gone" in message and "--output" in message
    assert {name: (run / name).read_bytes() for name in before} == before


def test_a_dataset_that_was_moved_is_used_and_one_that_was_replaced_refused(tmp_path):
    data, moved, run = tmp_path / "data", tmp_path / "moved", tmp_path / "run"
    write_dataset(data)
    train(offline(data), run)
    metrics = (run / "metrics.jsonl").read_bytes()
    checkpoints(run)[-1].unlink()
    last = checkpoints(run)[-1]

    data.rename(moved)
    message = one_line_error(eaudeqn("train", run, "--resume", code=2))
    assert f'dataset.path: "{data}"' in message, "it is gone from where it was: " + message
    write_dataset(data, seed=2)
    message = one_line_error(eaudeqn("train", run, "--resume", code=2))
    assert "another dataset" in message and "dataset.path=DIR" in message, message
    assert checkpoints(run)[-1] == last and (run / "metrics.jsonl").read_bytes() == metrics, "nothing was touched"

    eaudeqn("train", run, "--resume", "--set", f"dataset.path={moved}")
    assert (run / "metrics.jsonl").read_bytes() == metrics
    checkpoints(run)[-1].unlink()
    eaudeqn("train", run, "--resume")  # it knows the new place
    assert (run / "metrics.jsonl").read_bytes() == metrics
    tally("dataset gone, or replaced by another one, since the checkpoint", 2, "refused; went on to the same bits where it was moved to")


def damages(size: int, numbers) -> list:
    """(what, function of the bytes): flips in the header, then flips and cuts anywhere."""

    def flipped(at, bit):
        return f"bit {bit} of byte {at}", lambda data: data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]

    def cut(at):
        return f"cut to {at} bytes", lambda data: data[:at]

    header = range(min(HEADER, size))
    chosen = header if len(header) <= FLIPS_IN_HEADER else sorted(numbers.sample(header, FLIPS_IN_HEADER))
    cases = [flipped(at, numbers.randrange(8)) for at in chosen]
    for _ in range(DAMAGED_BODIES):
        at = numbers.randrange(size)
        cases.append(cut(at) if numbers.random() < 0.2 else flipped(at, numbers.randrange(8)))
    return cases


def test_no_flipped_bit_or_cut_of_a_checkpoint_is_believed(stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    newest = checkpoints(run)[-1]
    data = newest.read_bytes()
    cases = damages(len(data), draws("checkpoint"))
    for what, damage in cases:
        newest.write_bytes(damage(data))
        done = train(SETTINGS, run, "--resume", code=None)
        assert done.returncode == 1, f"{what}: exit code {done.returncode}\n{done.stderr}"
        assert newest.name in one_line_error(done), what
    tally("checkpoint: bits flipped, ends cut off", len(cases), "refused by name, every time")


def test_no_flipped_bit_or_cut_of_a_replay_segment_is_believed(tmp_path):
    settings, run = changed(CARTPOLE, training__steps=9_000, replay__capacity=9_000), tmp_path / "run"
    with Training(settings, run) as training:
        training.wait_for(lambda: last_step(run) >= 4_700)  # a segment is closed after 4,096
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"
    numbers = draws("segment")
    names = archive.read(checkpoints(run)[-1])["replay_segments"].decode().split()
    assert names, "the checkpoint needs no segments: nothing would be tried"
    for _ in range(1_000 if LONG else 30):
        file = run / "checkpoints" / "replay" / numbers.choice(names)
        data = file.read_bytes()
        what, damage = numbers.choice(damages(len(data), numbers)[-20:])
        file.write_bytes(damage(data))
        done = train(settings, run, "--resume", code=None)
        assert done.returncode == 1, f"{file.name}, {what}: exit code {done.returncode}\n{done.stderr}"
        assert file.name in one_line_error(done), what
        file.write_bytes(data)
    tally("replay segment: bits flipped, ends cut off", 1_000 if LONG else 30, "refused by name, every time")


def test_no_flipped_bit_or_cut_of_a_policy_is_believed(reference, tmp_path):
    policy = tmp_path / "policy.safetensors"
    data = (reference / "policy.safetensors").read_bytes()
    cases = damages(len(data), draws("policy"))
    for what, damage in cases:
        policy.write_bytes(damage(data))
        done = eaudeqn("inspect", policy, code=None)
        assert done.returncode == 1, f"{what}: exit code {done.returncode}\n{done.stdout[-500:]}"
        assert policy.name in one_line_error(done), what
    tally("policy: bits flipped, ends cut off", len(cases), "refused by name, every time")
