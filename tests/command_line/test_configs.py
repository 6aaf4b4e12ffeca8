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
