"""`sweep --local` as its users meet it: finishing, being interrupted and killed, failures, refusals, the table.

Slurm: tests/conformance/test_sweep_slurm.py.
"""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import pytest
from program import assert_same_results, eaudeqn, eaudeqn_json, last_step, one_line_error, program, results

SETTINGS = """
[settings]
"training.steps" = {steps}
"training.initial_samples" = 300
"training.batch_size" = 16
"training.target_update_period" = 200
"network.hidden" = [32, 32]
"sparsity.max_speed" = 0.1
"evaluation.period" = 0
"evaluation.episodes" = 2
"checkpoint.period" = 1000
"""


def write_sweep(file, steps=1200, seeds="[1, 2]", algorithms='["eaudedqn"]', more=""):
    file.write_text(f'environments = ["classic/CartPole-v1"]\nalgorithms = {algorithms}\nseeds = {seeds}\n'
                    + SETTINGS.format(steps=steps) + more)  # fmt: skip
    return file


class Sweep:
    """A sweep in the background; its standard error goes to a file."""

    def __init__(self, *arguments, log):
        self.log = log
        with log.open("ab") as to:
            self.process = subprocess.Popen([program(), "sweep", *map(str, arguments)], stdout=to, stderr=to,
                                            stdin=subprocess.DEVNULL)  # fmt: skip

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended before: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"waited {seconds} s in vain: {self.log.read_text()}"
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()  # and with it its runs
        self.process.wait(60)


def states(directory):
    return {run["name"]: run["state"] for run in eaudeqn_json("sweep", directory, "--status", "--json")["runs"]}


def run_directories(directory):
    return sorted(file.parent for file in directory.glob("*/config.toml"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A finished sweep of two long runs, to compare interrupted ones with."""
    folder = tmp_path_factory.mktemp("reference")
    file = write_sweep(folder / "long.toml", steps=80_000)
    eaudeqn("sweep", file, "--local", 2, "--output", folder / "out")
    return file, folder / "out"


def test_every_combination_becomes_a_finished_run(tmp_path):
    file = write_sweep(tmp_path / "s.toml", algorithms='["eaudedqn", "dqn"]',
                       more='[grid]\n"training.learning_rate" = [1e-3, 2e-4]\n"network.hidden" = [[16], [8, 4]]\n')  # fmt: skip
    planned = eaudeqn_json("sweep", file, "--status", "--json", cwd=tmp_path)
    assert [run["state"] for run in planned["runs"]] == ["waiting"] * 16
    assert not (tmp_path / "runs").exists(), "looking makes nothing"
    done = eaudeqn_json("sweep", file, "--local", 2, "--json", cwd=tmp_path)
    assert done["finished"] and [run["name"] for run in done["runs"]] == [run["name"] for run in planned["runs"]]
    assert [run["seed"] for run in done["runs"]] == [1] * 8 + [2] * 8, "one of each before the second of any"
    run = done["runs"][-1]
    name = "classic_CartPole-v1_dqn_network.hidden=8x4_training.learning_rate=0.0002_seed2"
    assert run["name"] == name and run["grid"] == {"network.hidden": "8x4", "training.learning_rate": "0.0002"}
    assert run["step"] == run["steps"] == 1200 and run["state"] == "finished" and run["error"] is None
    assert run["sparsity"] == 0 and run["return"] > 5 and run["evaluation"] > 5
    config = (tmp_path / "runs" / "s" / name / "config.toml").read_text()
    for line in ('algorithm = "dqn"', "seed = 2", "steps = 1200", "hidden = [8, 4]", "learning_rate = 0.0002"):
        assert line in config.splitlines()


def test_a_run_of_a_sweep_is_the_run_that_train_makes(tmp_path):
    file = write_sweep(tmp_path / "s.toml", seeds="[3]")
    eaudeqn("sweep", file, "--local", 1, "--output", tmp_path / "out")
    run = tmp_path / "out" / "classic_CartPole-v1_eaudedqn_seed3"
    eaudeqn("train", run / "config.toml", "--output", tmp_path / "alone")
    assert_same_results(run, tmp_path / "alone")


def test_what_is_finished_is_not_run_again_and_what_is_gone_is(tmp_path):
    file = write_sweep(tmp_path / "s.toml", seeds="[1, 2, 3]")
    eaudeqn("sweep", file, "--local", 2, "--output", tmp_path / "out")
    runs = run_directories(tmp_path / "out")
    assert len(runs) == 3
    kept = {run: (run / "metrics.jsonl").stat().st_mtime_ns for run in runs}
    runs[1].rename(tmp_path / "before")
    done = eaudeqn("sweep", tmp_path / "out", "--local", 2)
    assert "2 of 3 runs are finished already" in done.stderr
    assert_same_results(runs[1], tmp_path / "before")
    for run in (runs[0], runs[2]):
        assert (run / "metrics.jsonl").stat().st_mtime_ns == kept[run]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_every_run_and_the_same_command_goes_on(number, reference, tmp_path):
    file, expected = reference
    out = tmp_path / "out"
    with Sweep(file, "--local", 2, "--output", out, log=tmp_path / "log") as sweep:
        sweep.wait_for(lambda: len(run_directories(out)) == 2 and min(map(last_step, run_directories(out))) > 1000)
        sweep.process.send_signal(number)
        assert sweep.process.wait(60) == 75
    assert set(states(out).values()) == {"stopped"}
    for run in run_directories(out):
        assert any((run / "checkpoints").glob("*.checkpoint"))
    eaudeqn("sweep", file, "--local", 2, "--output", out)
    for run in run_directories(out):
        assert_same_results(run, expected / run.name)


def test_killing_the_sweep_stops_its_runs_and_loses_nothing(reference, tmp_path):
    file, expected = reference
    out = tmp_path / "out"
    with Sweep(file, "--local", 2, "--output", out, log=tmp_path / "log") as sweep:
        sweep.wait_for(lambda: len(run_directories(out)) == 2 and min(map(last_step, run_directories(out))) > 1000)
        sweep.process.kill()
    # Right away: the runs may still be saving, and are waited for.
    eaudeqn("sweep", file, "--local", 2, "--output", out)
    for run in run_directories(out):
        assert_same_results(run, expected / run.name)


def test_a_killed_run_is_reported_and_the_others_go_on(tmp_path):
    file = write_sweep(tmp_path / "s.toml", steps=40_000, seeds="[1, 2]")
    out = tmp_path / "out"
    with Sweep(file, "--local", 1, "--output", out, log=tmp_path / "log") as sweep:
        first = out / "classic_CartPole-v1_eaudedqn_seed1"
        sweep.wait_for(lambda: last_step(first) > 500)
        os.kill(int((first / ".lock").read_text()), signal.SIGKILL)
        assert sweep.process.wait(60) == 1
    assert states(out) == {first.name: "failed", "classic_CartPole-v1_eaudedqn_seed2": "finished"}
    assert "signal 9" in (tmp_path / "log").read_text()
    eaudeqn("sweep", out, "--local", 1)
    assert set(states(out).values()) == {"finished"}


def test_a_failed_run_is_told_with_its_reason_and_the_others_go_on(tmp_path):
    file = write_sweep(tmp_path / "s.toml")
    out = tmp_path / "out"
    broken = out / "classic_CartPole-v1_eaudedqn_seed1"
    broken.mkdir(parents=True)
    (broken / "checkpoints").write_text("in the way")
    done = eaudeqn("sweep", file, "--local", 2, "--output", out, "--json", code=1)
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert runs[broken.name]["state"] == "failed" and "checkpoints" in runs[broken.name]["error"]
    assert runs["classic_CartPole-v1_eaudedqn_seed2"]["state"] == "finished"
    assert f"failed {broken.name}: {runs[broken.name]['error']}" in done.stderr
    (broken / "checkpoints").unlink()
    assert eaudeqn_json("sweep", out, "--local", 2, "--json")["finished"], "the cause is gone, the run goes on"


def test_an_edited_sweep_does_not_touch_runs_of_other_settings(tmp_path):
    file = write_sweep(tmp_path / "s.toml", seeds="[1]")
    eaudeqn("sweep", file, "--local", 1, "--output", tmp_path / "out")
    write_sweep(file, seeds="[1, 2]", steps=1300)
    message = one_line_error(eaudeqn("sweep", file, "--local", 1, "--output", tmp_path / "out", code=2))
    assert "seed1 holds a run of other settings" in message and "training.steps = 1300 here, 1200 there" in message
    assert len(run_directories(tmp_path / "out")) == 1, "nothing is begun"
    status = eaudeqn_json("sweep", file, "--status", "--json", "--output", tmp_path / "out")
    assert [run["state"] for run in status["runs"]] == ["foreign", "waiting"]
    write_sweep(file, seeds="[1, 2]")
    assert eaudeqn_json("sweep", file, "--local", 1, "--output", tmp_path / "out", "--json")["finished"]


def test_a_dataset_that_moved_is_followed_and_another_one_is_not(tmp_path):
    first, second, moved = tmp_path / "first", tmp_path / "second", tmp_path / "moved"
    for seed, folder in [(1, first), (2, second)]:
        eaudeqn("dataset", "record", "classic/CartPole-v1", "--policy", "random", "--steps", 400, "--seed", seed,
                "--output", folder)  # fmt: skip
    file, out = tmp_path / "s.toml", tmp_path / "out"

    def sweep_of(dataset, *more, **options):
        write_sweep(file, steps=100, seeds="[1]", algorithms='["eaudecql"]')
        file.write_text(file.read_text().replace("[settings]", f"[settings]\n'dataset.path' = '{dataset}'"))
        return eaudeqn("sweep", file, "--output", out, *(more or ["--local", 1]), **options)

    sweep_of(first)
    (run,) = run_directories(out)
    config, results_before = (run / "config.toml").read_bytes(), results(run)

    error = one_line_error(sweep_of(second, code=2))
    assert f"{second}" in error and f"{first}" in error and "another dataset" in error
    assert set(states(out).values()) == {"finished"}, "the sweep's directory keeps the former file"
    assert "foreign" in sweep_of(second, "--status").stdout
    assert (run / "config.toml").read_bytes() == config

    first.rename(moved)
    assert set(sweep_of(moved).stdout.split()) >= {"finished"} and set(states(out).values()) == {"finished"}
    assert f'path = "{moved}"' in (run / "config.toml").read_text() and results(run) == results_before


def test_two_sweeps_of_one_directory_are_refused(tmp_path):
    file = write_sweep(tmp_path / "s.toml", steps=10_000_000)
    out = tmp_path / "out"
    with Sweep(file, "--local", 1, "--output", out, log=tmp_path / "log") as sweep:
        sweep.wait_for(lambda: run_directories(out) and last_step(run_directories(out)[0]) > 0)
        done = eaudeqn("sweep", file, "--local", 1, "--output", out, code=1)
        assert f"in use by process {sweep.process.pid}" in one_line_error(done)
        running = [run for run in eaudeqn_json("sweep", out, "--status", "--json")["runs"] if run["state"] == "running"]
        assert len(running) == 1 and sweep.process.poll() is None, "looking does not disturb"


def test_a_run_that_somebody_else_is_at_is_waited_for(tmp_path):
    file = write_sweep(tmp_path / "s.toml", steps=6000, seeds="[1]")
    out = tmp_path / "out"
    run = out / "classic_CartPole-v1_eaudedqn_seed1"
    eaudeqn("sweep", file, "--local", 1, "--output", out)
    (run / "checkpoints" / "step_000000006000.checkpoint").unlink()
    train = subprocess.Popen([program(), "train", run, "--resume", "--quiet"])
    while str(train.pid) != (run / ".lock").read_text().strip():
        assert train.poll() is None
        time.sleep(0.001)
    done = eaudeqn("sweep", file, "--local", 1, "--output", out)
    assert train.wait(60) == 0 and "started" not in done.stderr
    assert set(states(out).values()) == {"finished"}


def test_a_full_disk_is_a_failed_run_with_its_reason(tmp_path):
    """A limit on file sizes stands for the disk: what a run writes beyond it fails as on a full one."""
    file = write_sweep(tmp_path / "s.toml", seeds="[1]")
    done = subprocess.run(["sh", "-c", f"ulimit -f 8; exec {program()} sweep {file} --local 1 --output {tmp_path}/out"],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 1 and "failed classic_CartPole-v1_eaudedqn_seed1: " in done.stderr
    assert "File too large; make room" in done.stderr, "the run's own words"
    assert eaudeqn_json("sweep", tmp_path / "out", "--local", 1, "--json")["finished"]


REFUSED = [
    ("enviroments = ['classic/CartPole-v1']\n", ["s.toml:1", "enviroments", "did you mean environments?"]),
    ("seeds = []\n", ["s.toml:1", "seeds", "[1, 2, 3]"]),
    ("seeds = [1, 1]\n", ["seeds", "1 is there twice"]),
    ("environments = ['classic/CartPol-v1']\n", ["no classic/CartPol-v1", "did you mean classic/CartPole-v1"]),
    ("algorithms = ['eaudqn']\n", ["eaudqn", "eaudedqn"]),
    ("[settings]\ntraining.gama = 1\n", ["s.toml:5", "training.gama", "did you mean training.gamma?"]),
    ("[settings]\nseed = 1\n", ["s.toml:5", "seeds = [...]"]),
    ("[settings]\ntraining.gamma = 3\n", ["run classic_CartPole-v1_dqn_seed1", "training.gamma", "[0, 1]"]),
    ("[grid]\ntraining.gamma = 0.5\n", ["s.toml:5", "training.gamma", "list"]),
    ("[grid]\ntraining.gamma = [0.5, 0.50]\n", ["gamma=0.5", "there twice"]),
    ("[slurm]\ncpu = 1\n", ["s.toml:5", "slurm.cpu", "did you mean slurm.cpus?"]),
    ("[slurm]\ntime = 60\n", ["slurm.time", "12:00:00"]),
    ("group = 1\n", ["[[group]]"]),
    ("[settings\n", ["s.toml:4", "TOML"]),
]  # fmt: skip


@pytest.mark.parametrize("text, said", REFUSED, ids=[text.split("\n")[0] for text, _ in REFUSED])
def test_mistakes_in_the_file_are_named(text, said, tmp_path):
    file = tmp_path / "s.toml"
    lines = {"environments": "['classic/CartPole-v1']", "algorithms": "['dqn']", "seeds": "[1]"}
    rest = "".join(f"{key} = {value}\n" for key, value in lines.items() if not text.startswith(f"{key} "))
    file.write_text(text + rest if "[" != text[0] else rest + text)
    message = one_line_error(eaudeqn("sweep", file, "--local", 1, code=2, cwd=tmp_path))
    for words in said:
        assert words in message
    assert list(tmp_path.iterdir()) == [file]


def test_groups_share_what_stands_above_them(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(
        "seeds = [1, 2]\n[settings]\n'training.steps' = 5000\n'network.hidden' = [64]\n"
        "[[group]]\nenvironments = ['classic/CartPole-v1']\nalgorithms = ['dqn']\n"
        "[[group]]\nenvironments = ['classic/Acrobot-v1']\nalgorithms = ['eaudedqn']\nseeds = [7]\n"
        "settings.training.steps = 9000\n[group.grid]\n'sparsity.max_speed' = [0.1, 0.2]\n"
    )  # fmt: skip
    runs = eaudeqn_json("sweep", file, "--status", "--json")["runs"]
    assert [(run["name"], run["steps"]) for run in runs] == [
        ("classic_CartPole-v1_dqn_seed1", 5000),
        ("classic_Acrobot-v1_eaudedqn_sparsity.max_speed=0.1_seed7", 9000),
        ("classic_Acrobot-v1_eaudedqn_sparsity.max_speed=0.2_seed7", 9000),
        ("classic_CartPole-v1_dqn_seed2", 5000),
    ]


def test_a_group_s_setting_wins_over_the_grid_above_it(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(
        "environments = ['classic/CartPole-v1']\nalgorithms = ['dqn']\nseeds = [1]\n"
        "[grid]\n'training.gamma' = [0.5, 0.6]\n'training.n_step' = [1, 2]\n"
        "[[group]]\nsettings.training.gamma = 0.9\n[[group]]\nseeds = [2]\n"
    )  # fmt: skip
    grids = [run["grid"] for run in eaudeqn_json("sweep", file, "--status", "--json")["runs"]]
    assert grids[:2] == [{"training.n_step": "1"}, {"training.n_step": "2"}]
    assert len(grids) == 6 and {grid["training.gamma"] for grid in grids[2:]} == {"0.5", "0.6"}


def test_a_grid_that_makes_the_same_run_twice_for_an_algorithm_is_told(tmp_path):
    file = write_sweep(tmp_path / "s.toml", algorithms='["eaudedqn", "dqn"]',
                       more='[grid]\n"sparsity.max_speed" = [0.1, 0.2]\n"training.gamma" = [0.9, 0.99]\n')  # fmt: skip
    said = eaudeqn("sweep", file, "--status", cwd=tmp_path).stderr.splitlines()
    assert said == ["warning: [grid] sparsity.max_speed changes nothing in runs of dqn, which then are alike"]


def test_saying_neither_where_to_run_is_bad_usage(tmp_path):
    message = one_line_error(eaudeqn("sweep", write_sweep(tmp_path / "s.toml"), code=2))
    assert "--local" in message and "--slurm" in message and "--status" in message


def sweep_on_a_terminal(file, out, columns, rows=24, **variables):
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    variables = {"TERM": "xterm", **variables}
    environment = {**{key: value for key, value in os.environ.items() if key != "NO_COLOR"}, **variables}
    process = subprocess.Popen([program(), "sweep", str(file), "--local", "2", "--output", str(out)], stdin=slave,
                               stdout=slave, stderr=slave, env=environment)  # fmt: skip
    os.close(slave)
    text = b""
    while True:
        try:
            text += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert process.wait(60) == 0
    return text.decode()


@pytest.mark.parametrize("columns", [40, 90])
def test_the_live_table_fits_the_window(columns, reference, tmp_path):
    text = sweep_on_a_terminal(reference[0], tmp_path / "out", columns)
    assert "\x1b[" in text and "state" in text and "2 finished" in text
    for line in re.sub(r"\x1b\[[0-9]*[A-Z]", "", text).replace("\r", "\n").split("\n"):
        if "->" not in line and "stopp" not in line:  # plain messages wrap
            assert len(line) <= columns, line
    assert ("evaluation" in text) == (columns > 40), "the least needed column goes"


def test_no_color_means_plain_lines(reference, tmp_path):
    text = sweep_on_a_terminal(reference[0], tmp_path / "out", 80, NO_COLOR="1")
    assert "\x1b" not in text and "started" in text
