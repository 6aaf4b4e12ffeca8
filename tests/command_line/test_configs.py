"""configs/: every file is a config that a run can start from."""

import pytest
from program import ROOT, eaudeqn, train

SHORT = ["--set", "training.steps=30", "--set", "training.initial_samples=20", "--set", "training.batch_size=8",
         "--set", "training.horizon=15", "--set", "evaluation.period=0", "--set", "evaluation.episodes=1",
         "--set", "training.target_update_period=5"]  # fmt: skip
TASKS = ["Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "Swimmer-v5", "Walker2d-v5"]
ALGORITHMS = ["distillsac", "eaudesac", "polyprunesac", "riglsac", "sac", "setsac", "staticsac"]


def test_mujoco_has_one_for_each_task_and_algorithm():
    environments, algorithms = (eaudeqn("list", what).stdout.split() for what in ("environments", "algorithms"))
    assert [f"mujoco/{task}" for task in TASKS] == [name for name in environments if name.startswith("mujoco/")]
    assert ALGORITHMS == sorted(name for name in algorithms if name.endswith("sac"))
    files = {file.stem for file in (ROOT / "configs" / "mujoco").glob("*.toml")}
    assert files == {*ALGORITHMS, *(f"{task}_{algorithm}" for task in TASKS for algorithm in ALGORITHMS)}


@pytest.mark.parametrize("family", ["atari", "classic"])
def test_tasks_of_discrete_actions_have_one_for_each_of_their_algorithms(family):
    algorithms = [name for name in eaudeqn("list", "algorithms").stdout.split() if not name.endswith("sac")]
    files = {file.stem for file in (ROOT / "configs" / family).glob("*.toml")}
    assert len(algorithms) == 14 and files.issuperset(algorithms)


def test_what_a_classic_task_records_each_offline_algorithm_learns_from(tmp_path):
    eaudeqn("dataset", "record", "classic/MountainCar-v0", "--policy", "random", "--steps", 300, "--output", tmp_path / "data")
    short = ["--steps", 20, "--set", f"dataset.path={tmp_path / 'data'}", "--set", "evaluation.episodes=1"]
    for algorithm in (file.stem for file in (ROOT / "configs" / "classic").glob("*cql.toml")):
        train(["classic/MountainCar-v0", "--algorithm", algorithm, *short], tmp_path / algorithm)
        assert (tmp_path / algorithm / "policy.safetensors").is_file()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("task", TASKS)
def test_each_starts_and_is_what_its_task_and_algorithm_start(task, algorithm, tmp_path):
    train([ROOT / "configs" / "mujoco" / f"{task}_{algorithm}.toml", *SHORT], tmp_path / "file")
    config = (tmp_path / "file" / "config.toml").read_text()
    assert f'environment = "mujoco/{task}"\nalgorithm = "{algorithm}"\n' in config
    assert (tmp_path / "file" / "policy.safetensors").is_file()
    if algorithm == "eaudesac":
        train([f"mujoco/{task}", "--algorithm", algorithm, *SHORT], tmp_path / "names")
        assert (tmp_path / "names" / "config.toml").read_text() == config


def test_a_config_of_ones_own_can_start_from_one_that_ships(tmp_path):
    (tmp_path / "own.toml").write_text('base = "mujoco/Swimmer-v5_sac"\nseed = 3\n[network]\nhidden = [8]\n')
    train([tmp_path / "own.toml", *SHORT], tmp_path / "run")
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'environment = "mujoco/Swimmer-v5"\nalgorithm = "sac"\nseed = 3\n' in config and "hidden = [8]\n" in config
    assert "base" not in config
