"""A run of hours with flat memory, bounded files and disk. The short form is a minute of the fastest task; the long form
takes EAUDEQN_SOAK_HOURS (default 3) of real Atari with the released configuration's replay."""

import contextlib
import os
import signal
import statistics
import time

from hostile import LONG, tally
from program import CARTPOLE, Training, changed

SECONDS = 3600 * float(os.environ.get("EAUDEQN_SOAK_HOURS", "3")) if LONG else 24
# Resident memory goes up and down by 1 % with each checkpoint: the median of a quarter of these is steady to a fifth of that.
SAMPLES = 480
ATARI = ["atari/Pong", "--algorithm", "eaudedqn_small", "--set", "replay.capacity=20000", "--set", "training.initial_samples=1000",
         "--set", "checkpoint.period=5000", "--set", "evaluation.period=0"]  # fmt: skip
SETTINGS = ATARI if LONG else changed(CARTPOLE, training__steps=10_000_000, checkpoint__period=1_000, evaluation__period=5_000)


def resident_kilobytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def checkpoint_bytes(run) -> int:
    total = 0
    for file in (run / "checkpoints").rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # what is listed may be removed before it is looked at
            total += file.stat().st_size if file.is_file() else 0
    return total


def test_memory_files_and_disk_do_not_grow(tmp_path):
    run = tmp_path / "run"
    samples = []
    with Training(SETTINGS, run) as training:
        begin = time.monotonic()
        while time.monotonic() - begin < SECONDS:
            time.sleep(SECONDS / SAMPLES)
            assert training.process.poll() is None, training.log.read_text()[-1000:]
            pid = training.process.pid
            samples.append((resident_kilobytes(pid), len(os.listdir(f"/proc/{pid}/fd")), checkpoint_bytes(run)))
        assert training.stop(signal.SIGTERM) == 75
    settled = samples[len(samples) // 2 :]  # the replay is full by then
    half = len(settled) // 2
    memory = [sample[0] for sample in settled]
    # Not the largest: a sample that falls into an evaluation holds what that needs for a moment.
    before, after = statistics.median(memory[:half]), statistics.median(memory[half:])
    assert after < 1.01 * before, f"resident memory grew from {before} to {after} kB: {memory[::8]}"
    assert max(sample[1] for sample in settled) <= max(sample[1] for sample in samples[: SAMPLES // 12]) + 2, "descriptors stay open"
    # Two kept, and one while it is being written.
    disk = [sample[2] for sample in settled]
    assert max(disk[half:]) <= 1.5 * max(disk[:half]) + 1e6, f"checkpoints grow: {disk}"
    tally(f"{SECONDS:.0f} s of training", 1, f"median resident memory {before:.0f} kB, then {after:.0f} kB; {settled[-1][1]} descriptors; "
          f"at most {max(disk)} bytes of checkpoints")  # fmt: skip
