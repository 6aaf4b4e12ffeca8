"""Runs the eaudeqn program for the Python tests. Not a test, and no numerics (peers.py has those)."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def probe_program(name: str) -> Path:
    """A probe of tests/conformance, which lies beside the program."""
    program = Path(os.environ.get("EAUDEQN_BUILD") or ROOT / "build" / "release") / name
    assert program.is_file(), f"no probe at {program}: build it, or set EAUDEQN_BUILD to the build directory"
    return program


# A population of five small networks on CartPole. A second or two on one core: long enough to be stopped in the middle,
# short enough to be run often. Several checkpoints and target updates, so that every part of the state matters.
CARTPOLE = [
    "classic/CartPole-v1",
    "--algorithm", "eaudedqn",
    "--set", "training.steps=4000",
    "--set", "training.initial_samples=300",
    "--set", "training.gradient_period=1",
    "--set", "training.batch_size=32",
    "--set", "training.adam_epsilon=1e-8",  # large steps ...
    "--set", "population.reset_optimizer=false",  # ... and moments that stay: so that a short run becomes sparse
    "--set", "training.learning_rate=5e-4",
    "--set", "training.target_update_period=250",
    "--set", "training.epsilon_duration=2000",
    "--set", "replay.capacity=3000",
    "--set", "network.hidden=[96,96]",
    "--set", "sparsity.max_speed=0.1",
    "--set", "sparsity.distribution=uniform",
    "--set", "evaluation.period=1500",
    "--set", "evaluation.episodes=2",
    "--set", "checkpoint.period=500",
    "--set", "checkpoint.keep=2",
]  # fmt: skip

# A short Pong run that goes through replay eviction, episodes' ends, target updates and checkpoints.
PONG = [
    "atari/Pong",
    "--algorithm", "eaudedqn",
    "--set", "training.steps=240",
    "--set", "training.initial_samples=100",
    "--set", "training.gradient_period=4",
    "--set", "training.batch_size=16",
    "--set", "training.target_update_period=40",
    "--set", "training.epsilon_duration=200",
    "--set", "training.horizon=45",
    "--set", "replay.capacity=150",
    "--set", "network.features=32",
    "--set", "population.networks=3",
    "--set", "sparsity.max_speed=0.3",
    "--set", "evaluation.period=0",
    "--set", "evaluation.episodes=1",
    "--set", "checkpoint.period=90",
]  # fmt: skip

# The same for soft actor-critic: three twin critics on Hopper, an actor that follows them.
HOPPER = [
    "mujoco/Hopper-v5",
    "--algorithm", "eaudesac",
    "--set", "training.steps=900",
    "--set", "training.initial_samples=100",
    "--set", "training.batch_size=24",
    "--set", "training.target_update_period=60",
    "--set", "replay.capacity=500",
    "--set", "network.hidden=[40,32]",
    "--set", "population.networks=3",
    "--set", "sparsity.max_noise=100",
    "--set", "sparsity.max_speed=0.1",
    "--set", "evaluation.period=400",
    "--set", "evaluation.episodes=2",
    "--set", "checkpoint.period=110",
]  # fmt: skip


def program() -> str:
    """The program under test: $EAUDEQN, or the release build of this checkout."""
    path = Path(os.environ.get("EAUDEQN") or ROOT / "build" / "release" / "eaudeqn")
    assert path.is_file(), f"no program at {path}: build it, or set EAUDEQN to its path"
    return str(path)


def eaudeqn(*arguments, code=0, timeout=300, environment=None, **options) -> subprocess.CompletedProcess:
    """Runs the program to its end and checks its exit code (None: any). Output is text."""
    command = [program(), *map(str, arguments)]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=variables,
                          stdin=subprocess.DEVNULL, **options)  # fmt: skip
    if code is not None:
        assert done.returncode == code, (
            f"exit code {done.returncode} instead of {code}: {' '.join(command)}\n"
            f"stdout: {done.stdout[-3000:]}\nstderr: {done.stderr[-3000:]}"
        )
    return done


def eaudeqn_json(*arguments, **options):
    """The program's standard output, which must be one JSON value and nothing else."""
    return json.loads(eaudeqn(*arguments, **options).stdout)


def train(settings, output, *more, **options) -> subprocess.CompletedProcess:
    return eaudeqn("train", *settings, "--output", output, *more, **options)


def changed(settings, **values) -> list:
    """`settings` with other values for keys: changed(CARTPOLE, training__steps=10)."""
    more = []
    for key, value in values.items():
        more += ["--set", f"{key.replace('__', '.')}={value}"]
    return [*settings, *more]  # overrides apply in order, the last one wins


def checkpoints(run: Path) -> list:
    """The checkpoint files of a run, oldest first."""
    files = [file for file in (run / "checkpoints").glob("*") if file.is_file() and not file.name.startswith(".")]
    return sorted(files, key=step_of)


def step_of(checkpoint: Path) -> int:
    return int(re.search(r"\d+", checkpoint.stem).group())


def results(run: Path) -> dict:
    """What must be a function of the config alone: the policy, the metrics, and the whole state after the last step."""
    return {
        "policy.safetensors": (run / "policy.safetensors").read_bytes(),
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        "newest checkpoint": checkpoints(run)[-1].read_bytes(),
    }


def assert_same_results(run: Path, reference: Path) -> None:
    """Bit for bit; names the first metrics line that differs, which tells when the runs parted."""
    ours, theirs = results(run), results(reference)
    for number, (a, b) in enumerate(zip(ours["metrics.jsonl"].splitlines(), theirs["metrics.jsonl"].splitlines()), 1):
        assert a == b, f"metrics.jsonl differs first in line {number}:\n{a.decode()}\n{b.decode()}"
    for name, value in ours.items():
        assert len(value) == len(theirs[name]), f"{name}: {len(value)} bytes instead of {len(theirs[name])}"
        assert value == theirs[name], f"{name} differs"


def one_line_error(done: subprocess.CompletedProcess) -> str:
    """The error of a failed command: exactly one line on standard error, and none of it on standard output."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines, f"no error message; stdout: {done.stdout[-500:]}"
    errors = [line for line in lines if "error" in line.lower()]
    assert len(errors) == 1, f"not exactly one error line:\n{done.stderr}"
    assert lines[-1] == errors[0], f"the error is not the last line:\n{done.stderr}"
    assert "terminate called" not in done.stderr
    return errors[0]


class Training:
    """A training run in the background, with its output in files beside the run directory."""

    def __init__(self, settings, run: Path, *more):
        self.run = run
        self.log = run.parent / f"{run.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([program(), "train", *map(str, settings), "--output", str(run), *more],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_for(self, condition, seconds=60.0) -> bool:
        """Until condition() holds; False when the run ended before."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                return condition()
            assert time.monotonic() < deadline, f"waited {seconds} s in vain; log: {self.log.read_text()[-2000:]}"
            time.sleep(0.002)
        return True

    def stop(self, number: signal.Signals, timeout=60.0) -> int:
        """Sends the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


def last_step(run: Path) -> int:
    """The step of the last whole line of metrics.jsonl, -1 before there is one. CartPole writes one every episode."""
    try:
        lines = (run / "metrics.jsonl").read_bytes().split(b"\n")
    except FileNotFoundError:
        return -1
    return json.loads(lines[-2])["step"] if len(lines) > 1 else -1


def has_checkpoint(run: Path) -> bool:
    return (run / "checkpoints").is_dir() and len(checkpoints(run)) > 0
