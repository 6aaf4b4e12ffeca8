"""Numbers that are none: NaN and infinities in losses, weights, rewards and observations, learning rates that explode. A
network that is lost is never selected; when all are, the run stops with an error that names the step, and what was saved
before is whole."""

import json
import shutil
import signal

import archive
import numpy as np
import pytest
from hostile import TINY, eaudeqn, offline, tally, write_dataset
from program import HOPPER, Training, changed, checkpoints, last_step, one_line_error, train

BAD = {"nan": np.float32("nan"), "infinity": np.float32("inf"), "minus_infinity": np.float32("-inf")}


def events(run, name) -> list:
    return [event for event in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if event["event"] == name]


def numbers_of(checkpoint) -> np.ndarray:
    """All weights and biases of a checkpoint."""
    sections = archive.read(checkpoint)
    return np.concatenate([np.frombuffer(content, "<f4") for name, content in sections.items()
                           if name.endswith(("/weights", "/bias"))])  # fmt: skip


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stopped between two target updates."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    with Training(TINY, run) as training:
        training.wait_for(lambda: last_step(run) >= 320)
        assert training.stop(signal.SIGTERM) == 75, "the run ended before it could be stopped"
    return run


def spoilt(value):
    """A change of a section: its middle number becomes `value`."""

    def change(content):
        numbers = np.frombuffer(content, "<f4").copy()
        numbers[np.flatnonzero(numbers)[np.count_nonzero(numbers) // 2]] = value
        return numbers.tobytes()

    return change


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize("network", [0, 3])
def test_a_network_with_a_bad_weight_is_never_selected_and_replaced_at_the_next_update(network, number, stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    newest = checkpoints(run)[-1]
    selected = int.from_bytes(archive.read(newest)["population/selected"], "little")
    if selected == network:
        network += 1
    before = len(events(run, "target_update"))
    archive.forge(newest, **{f"population__network{network}__dense2__weights": spoilt(BAD[number])})
    train(TINY, run, "--resume")
    after = events(run, "target_update")[before:]
    assert after[0]["losses"][network] is None, "the number did not arrive in the loss"
    assert all(loss is not None for k, loss in enumerate(after[0]["losses"]) if k != network)
    assert after[0]["selected"] != network
    assert all(loss is not None for update in after[1:] for loss in update["losses"]), "it is a healthy copy from then on"
    assert np.isfinite(numbers_of(checkpoints(run)[-1])).all()
    tally(f"{number} in a weight of one network", 1, "its loss is no number, it is not selected, then replaced by a healthy copy")


def test_a_bad_target_stops_the_run_naming_the_step_and_keeps_what_was_saved(stopped, tmp_path):
    """A NaN in the target makes every loss NaN."""
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    archive.forge(checkpoints(run)[-1], population__target__dense1__weights=spoilt(BAD["nan"]))
    before = {file.name: file.read_bytes() for file in [*checkpoints(run), run / "policy.safetensors"]}
    message = one_line_error(train(TINY, run, "--resume", code=1))
    assert "step " in message and "NaN" in message, message
    assert {file.name: file.read_bytes() for file in [*checkpoints(run), run / "policy.safetensors"]} == before
    tally("every loss NaN", 1, "stops with the step; checkpoints and policy stay as they were")


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize("part", ["weights", "bias"])
def test_a_bad_weight_of_the_network_that_is_shipped_stops_the_save_naming_the_step(part, number, tmp_path):
    """Between two target updates no loss tells: the save has to."""
    run, settings = tmp_path / "run", changed(TINY, checkpoint__period=20, checkpoint__keep=4)
    train(settings, run)
    for later in checkpoints(run)[-2:]:
        later.unlink()
    newest = checkpoints(run)[-1]
    assert newest.stem.endswith("660"), "just after a target update, with a save before the next"
    selected = int.from_bytes(archive.read(newest)["population/selected"], "little")
    archive.forge(newest, **{f"population__network{selected}__dense2__{part}": spoilt(BAD[number])})
    before = {file.name: file.read_bytes() for file in [*checkpoints(run), run / "policy.safetensors"]}
    message = one_line_error(train(settings, run, "--resume", code=1))
    assert "step 680: " in message and "layer dense" in message and "NaN or infinite" in message, message
    assert {file.name: file.read_bytes() for file in [*checkpoints(run), run / "policy.safetensors"]} == before
    tally(f"{number} in the network that is shipped", 1, "the save stops with the step; checkpoints and policy stay as they were")


EXPLOSIONS = {
    "eaudedqn": changed(TINY, training__steps=20_000, training__learning_rate=1, evaluation__period=0),
    "dqn": ["classic/CartPole-v1", "--algorithm", "dqn", "--set", "training.steps=3000", "--set", "training.learning_rate=1",
            "--set", "training.gradient_period=1", "--set", "training.target_update_period=20", "--set", "evaluation.period=0",
            "--set", "training.initial_samples=100", "--set", "checkpoint.period=50"],
    "eaudesac": changed(HOPPER, training__steps=6_000, training__learning_rate=1, evaluation__period=0),
}  # fmt: skip


@pytest.mark.parametrize("algorithm", EXPLOSIONS)
def test_an_exploding_learning_rate_never_saves_what_cannot_be_used(algorithm, tmp_path):
    """It may go on for as long as its numbers are numbers; if it stops, then with an error and a usable last checkpoint."""
    run = tmp_path / "run"
    done = train(EXPLOSIONS[algorithm], run, code=None)
    if done.returncode != 0:
        assert done.returncode == 1, done.stderr
        message = one_line_error(done)
        assert "NaN" in message or "not a number" in message, message
        assert "step " in message, message
    assert np.isfinite(numbers_of(checkpoints(run)[-1])).all()
    assert eaudeqn("inspect", run).stdout
    outcome = "ran to its end" if done.returncode == 0 else "stopped with an error"
    tally(f"learning rate of 1, {algorithm}", 1, f"{outcome}; the last checkpoint holds numbers only")


@pytest.mark.parametrize("number", BAD)
def test_a_reward_of_a_dataset_that_is_no_number_is_named(number, tmp_path):
    rewards = np.zeros(300, np.float32)
    rewards[123] = BAD[number]
    write_dataset(tmp_path / "data", reward=rewards)
    message = one_line_error(train(offline(tmp_path / "data"), tmp_path / "run", code=1))
    assert "$store$_reward_ckpt.0.gz" in message and "123" in message, message
    tally(f"{number} as a reward of a dataset", 1, "refused: file and entry")


@pytest.mark.parametrize("number", BAD)
def test_an_observation_that_is_no_number_is_refused_where_it_enters(number, tmp_path):
    run = tmp_path / "run"
    train(changed(TINY, training__steps=200), run)
    observations = np.zeros((3, 4), np.float32)
    observations[1, 2] = BAD[number]
    np.save(tmp_path / "observations.npy", observations)
    message = one_line_error(eaudeqn("forward", run, "--observations", tmp_path / "observations.npy", "--output",
                                     tmp_path / "out.npy", code=1))  # fmt: skip
    assert "observations.npy: observation 1: number 2 " in message, message
    tally(f"{number} in an observation for `forward`", 1, "refused: file, observation, number")
