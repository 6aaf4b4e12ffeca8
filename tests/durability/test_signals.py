"""Every signal that asks a run to stop, in every phase: training, evaluation, saving, a sweep. One valid checkpoint, exit
code 75, the resumed run ends with the same bits; a second Ctrl-C ends at once and harms nothing."""

import os
import signal
import subprocess
import time

import pytest
from hostile import LONG, TINY, draws, faults, inside_a_save, tally
from program import CARTPOLE, Training, assert_same_results, changed, checkpoints, eaudeqn, has_checkpoint, last_step, program, train

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]
PHASES = {
    "training": changed(CARTPOLE, evaluation__period=0),
    "evaluation": changed(CARTPOLE, evaluation__period=50, evaluation__episodes=20, training__steps=1200),
    "saving": changed(CARTPOLE, checkpoint__period=1, training__steps=300, evaluation__period=0),
}
TRIES = 10 if LONG else 1


@pytest.fixture(scope="module", params=PHASES)
def phase(request, tmp_path_factory):
    run = tmp_path_factory.mktemp(request.param) / "run"
    start = time.monotonic()
    train(PHASES[request.param], run)
    return request.param, run, time.monotonic() - start


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_saves_and_exits_75(number, phase, tmp_path):
    name, reference, whole = phase
    moments = draws(f"{name} {number}")
    for attempt in range(TRIES):
        run = tmp_path / f"run_{attempt}"
        with Training(PHASES[name], run) as training:
            training.wait_for(lambda: last_step(run) >= 0 or has_checkpoint(run))
            time.sleep(moments.uniform(0, 0.2) * whole)
            code = training.stop(number)
        assert code == 75, f"exit code {code}; log: {training.log.read_text()[-1000:]}"
        assert eaudeqn("inspect", run).stdout, "the policy is there"
        assert has_checkpoint(run)
        assert not list(run.glob("**/*.unfinished"))
        train(PHASES[name], run, "--resume")
        assert_same_results(run, reference)
    tally(f"{number.name} while {name}", TRIES, "saved, exit code 75, resumed to the same bits")


def test_a_second_interrupt_ends_at_once_and_harms_nothing(library, tmp_path):
    """The first one begins a save that takes long, the storm of interrupted calls sees to that."""
    settings = changed(CARTPOLE, evaluation__period=0, network__hidden="[256,256]", training__steps=1500)
    train(settings, tmp_path / "reference")
    run = tmp_path / "run"
    command = [program(), "train", *settings, "--output", str(run)]
    slow = {**os.environ, **faults(library, storm=1, below=run)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=slow)
    deadline = time.monotonic() + 60
    while not inside_a_save(run):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    code = process.wait(20)
    assert time.monotonic() - start < 1, "it did not end at once"
    assert code in (-signal.SIGINT, 75, 130), process.stderr.read().decode()[-1000:]
    train(settings, run, "--resume")
    assert_same_results(run, tmp_path / "reference")
    assert not list(run.glob("**/*.unfinished")), "what the interrupted save left is still there"
    tally("a second SIGINT inside a save", 1, "ended at once, resumed to the same bits")


SWEEP = """
environments = ["classic/CartPole-v1"]
algorithms = ["eaudedqn"]
seeds = [1, 2, 3]
[settings]
{settings}
"""


def sweep_file(directory):
    settings = dict(word.split("=", 1) for word in TINY if "=" in word)
    settings["training.steps"] = 4_000
    lines = []
    for key, value in settings.items():
        text = str(value)
        lines.append(f'"{key}" = ' + (text if text[0] in "[0123456789" or text in ("true", "false") else f'"{text}"'))
    file = directory / "study.toml"
    file.write_text(SWEEP.format(settings="\n".join(lines)))
    return file


@pytest.mark.parametrize("number", SIGNALS if LONG else [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_sweep_stops_its_runs_in_order_and_goes_on(number, tmp_path):
    file = sweep_file(tmp_path)
    eaudeqn("sweep", file, "--local", 2, "--output", tmp_path / "reference")
    output = tmp_path / "sweep"
    process = subprocess.Popen([program(), "sweep", str(file), "--local", "2", "--output", str(output)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(output.glob("*/checkpoints/*.checkpoint")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    assert process.wait(60) == 75
    eaudeqn("sweep", file, "--local", 2, "--output", output)
    runs = sorted(run.name for run in (tmp_path / "reference").iterdir() if (run / "config.toml").exists())
    assert len(runs) == 3
    for run in runs:
        assert_same_results(output / run, tmp_path / "reference" / run)
        assert checkpoints(output / run)
    tally(f"{number.name} to a sweep", 1, "every run saved, exit code 75; the sweep went on to the same bits")
