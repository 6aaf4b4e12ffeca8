"""`sweep --slurm` on a real Slurm: what it submits, and that killed, preempted and cancelled tasks lose nothing.

The local form: tests/command_line/test_sweep.py.
"""

import json
import subprocess

import pytest
from program import assert_same_results, eaudeqn, last_step, one_line_error
from slurm import Cluster

SWEEP = """
environments = ["classic/CartPole-v1"]
algorithms = ["eaudedqn", "dqn", "polyprunedqn"]
seeds = [1]

[settings]
"training.steps" = {steps}
"training.initial_samples" = 300
"training.batch_size" = 16
"training.target_update_period" = 200
"network.hidden" = [32, 32]
"sparsity.max_speed" = 0.1
"evaluation.period" = 0
"evaluation.episodes" = 2
"checkpoint.period" = 10_000

[slurm]
partition = "low"
time = "10:00"
memory = "100M"
signal_seconds = 30
{more}
"""


@pytest.fixture(scope="module")
def cluster():
    with Cluster(max_array_size=2) as running:
        yield running


class Sweep:
    def __init__(self, cluster, folder, steps, more=""):
        self.cluster = cluster
        self.file = folder / "study.toml"
        self.file.write_text(SWEEP.format(steps=steps, more=more))
        self.directory = folder / "out of the way"  # paths with spaces are paths
        self.runs = None

    def submit(self, code=0):
        return eaudeqn("sweep", self.file, "--slurm", "--output", self.directory, code=code,
                       environment=self.cluster.environment)  # fmt: skip

    def status(self):
        text = eaudeqn("sweep", self.directory, "--status", "--json", environment=self.cluster.environment).stdout
        return {run["name"]: run["state"] for run in json.loads(text)["runs"]}

    def wait_until(self, condition, seconds=60):
        self.cluster.wait_for(lambda: condition(self.status()), seconds)

    def run(self, name):
        return self.directory / name


def finished(states):
    return set(states.values()) == {"finished"}


def test_a_sweep_goes_through_the_cluster_and_equals_the_local_one(cluster, tmp_path):
    """Three runs in arrays of two tasks, two at a time; one is killed, one asked to save, all go on."""
    sweep = Sweep(cluster, tmp_path, steps=150_000, more="throttle = 2")
    said = sweep.submit().stderr
    assert "2 runs" in said and "1 run\n" in said, "MaxArraySize is 2"
    again = sweep.submit().stderr
    assert "nothing to submit" in again, "what is queued is not submitted again"
    first, second = (sweep.run(f"classic_CartPole-v1_{algorithm}_seed1") for algorithm in ("eaudedqn", "dqn"))
    cluster.wait_for(lambda: last_step(first) > 2000 and last_step(second) > 2000, 30)
    states = sweep.status()
    assert list(states.values()).count("running") == 2 and list(states.values()).count("queued") == 1
    job = min(cluster.tasks()).split("_")[0]

    # What Slurm does before the time limit: the signal of --signal.
    cluster.command("scancel", "--signal=USR1", f"{job}_0")
    # What an administrator or a failing node does: away at once and queued again.
    cluster.command("scontrol", "requeue", f"{job}_1")
    cluster.wait_for(lambda: "queued again" in (sweep.directory / "slurm/001/0.log").read_text(), 30)
    sweep.wait_until(finished)
    for run in (first, second):
        assert (run / "train.log").read_text().count("--- ") == 2, "begun, and gone on with"
        assert "resuming at step" in (run / "train.log").read_text()

    eaudeqn("sweep", sweep.file, "--local", 2, "--output", tmp_path / "local")
    for run in sorted((tmp_path / "local").glob("*/config.toml")):
        assert_same_results(sweep.run(run.parent.name), run.parent)


def test_preempted_goes_on_killed_is_told_cancelled_stays_away_and_a_new_call_submits_them(cluster, tmp_path):
    sweep = Sweep(cluster, tmp_path, steps=300_000)
    sweep.file.write_text(sweep.file.read_text().replace(', "polyprunedqn"', ""))
    sweep.submit()
    job = cluster.command("squeue", "--noheader", "--array", "--format=%F").split()[0]
    runs = [sweep.run(f"classic_CartPole-v1_{algorithm}_seed1") for algorithm in ("eaudedqn", "dqn")]
    cluster.wait_for(lambda: min(map(last_step, runs)) > 2000, 30)
    cluster.command("sbatch", "--partition=high", "--ntasks=2", "--wait", "--output=/dev/null", "--wrap=true")
    cluster.wait_for(lambda: min(run.joinpath("train.log").read_text().count("resuming at step") for run in runs), 40)

    process = int((runs[0] / ".lock").read_text())
    subprocess.run(["kill", "-9", str(process)], check=True)
    cluster.command("scancel", f"{job}_1")
    sweep.wait_until(lambda states: "running" not in states.values() and "queued" not in states.values())
    assert sweep.status() == {runs[0].name: "failed", runs[1].name: "stopped"}
    table = eaudeqn("sweep", sweep.directory, "--status").stdout
    assert f"{runs[0].name}: ended with exit code 137 (above 128: signal 9)" in table

    assert "2 runs" in sweep.submit().stderr
    sweep.wait_until(finished)
    eaudeqn("sweep", sweep.file, "--local", 2, "--output", tmp_path / "local")
    for run in runs:
        assert_same_results(run, tmp_path / "local" / run.name)


def test_what_slurm_says_reaches_the_user(cluster, tmp_path):
    sweep = Sweep(cluster, tmp_path, steps=1000)
    sweep.file.write_text(sweep.file.read_text().replace('"low"', '"lowest"'))
    assert "invalid partition" in one_line_error(sweep.submit(code=1)).lower()
    assert set(sweep.status().values()) == {"waiting"}


def test_without_slurm_the_local_form_is_named(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(SWEEP.format(steps=1000, more=""))
    done = eaudeqn("sweep", file, "--slurm", code=1, environment={"PATH": str(tmp_path)}, cwd=tmp_path)
    assert "--local" in one_line_error(done)
