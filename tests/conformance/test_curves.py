"""Curves of Atari runs are compared with published ones over the same steps, each episode counting once."""

import json
import sys
import tomllib

from program import ROOT, train

sys.path.append(str(ROOT / "scripts" / "results"))  # last: mujoco.py there is not the package that Gymnasium imports

import curves  # noqa: E402


def test_an_iteration_is_the_mean_of_its_episodes_not_of_its_points():
    points = [[50_000 * (i + 1), None, 0, 0.0] for i in range(9)]
    points[0] = [50_000, -20.0, 3, 0.0]
    points[4] = [250_000, -12.0, 1, 0.1]
    points[5] = [300_000, 5.0, 7, 0.2]  # of the second iteration, which is not over
    assert curves.iterations({"points": points}) == [-18.0]


def test_training_returns_are_those_of_each_interval_and_the_sparsity_at_its_end(tmp_path):
    lines = [{"event": "episode", "step": step, "return": value} for step, value in ((10, 1.0), (50_000, 4.0), (120_000, 8.0))]
    lines += [{"event": "target_update", "step": step, "sparsity": value} for step, value in ((60_000, 0.25), (160_000, 0.5))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "timing.jsonl").write_text(json.dumps({"step": 160_000}) + "\n")
    assert curves.training_returns(tmp_path) == [[50_000, 2.5, 2, 0.0], [100_000, None, 0, 0.25], [150_000, 8.0, 1, 0.25]]
    # A run that ends between two target updates has its last interval all the same.
    with (tmp_path / "metrics.jsonl").open("a") as metrics:
        metrics.write(json.dumps({"event": "evaluation", "step": 200_000}) + "\n")
    assert curves.training_returns(tmp_path)[3:] == [[200_000, None, 0, 0.5]]


def test_runs_of_other_settings_are_not_taken_for_seeds_of_the_same(tmp_path):
    train(["mujoco/Swimmer-v5", "--algorithm", "sac", "--steps", 20, "--seed", 3, "--set", "evaluation.episodes=1"], tmp_path / "run")
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert curves.other_settings(config) == ["evaluation.episodes=1"]
    config["evaluation"]["episodes"] = 10
    assert curves.other_settings(config) == []
    config["population"]["reset_optimizer"] = not config["population"]["reset_optimizer"]
    assert len(curves.other_settings(config)) == 1
    assert curves.label({"algorithm": "sac", "settings": "a.b=1"}) == "sac, a.b=1" != curves.label({"algorithm": "sac"}) == "sac"


def test_how_often_a_run_was_saved_is_no_setting_of_its_curve(tmp_path):
    often = ["--set", "checkpoint.period=10", "--set", "evaluation.period=10", "--set", "evaluation.episodes=1"]
    train(["atari/Pong", "--algorithm", "dqn", "--steps", 10, "--seed", 3, "--set", "training.horizon=20", *often], tmp_path / "run")
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert curves.other_settings(config) == ["training.horizon=20"], "the curve is of training returns: evaluations do not show"
    config["environment"] = "mujoco/Swimmer-v5"
    config["algorithm"] = "sac"
    assert "evaluation.period=10" in curves.other_settings(config), "the curve is of evaluations"
    assert not any(setting.startswith("checkpoint") for setting in curves.other_settings(config))
