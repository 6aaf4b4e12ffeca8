"""metrics.jsonl as DESIGN describes it, and the TensorBoard events beside it, read with the tensorboard package."""

import json
import math

import numpy as np
from program import CARTPOLE, checkpoints, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

NETWORKS = 5


def read_lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def read_scalars(run):
    """{tag: [(step, value), ...]} as TensorBoard shows them."""
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0}, purge_orphaned_data=True)
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in tags}


def numbers(tag, value):
    """(tag, number) of everything numeric in a field: arrays by index, neither texts nor truths nor null."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from numbers(f"{tag}/{index}", entry)
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from numbers(f"{tag}/{key}", entry)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield tag, value


def expected_scalars(lines):
    expected = {}
    for line in lines:
        for key, value in line.items():
            if key in ("event", "step"):
                continue
            for tag, number in numbers(f"{line['event']}/{key}", value):
                expected.setdefault(tag, []).append((line["step"], float(np.float32(number))))
    return expected


def test_every_line_has_an_event_and_a_step_and_steps_never_fall(cartpole_run):
    text = (cartpole_run / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    lines = read_lines(cartpole_run)
    assert all(isinstance(line["event"], str) and isinstance(line["step"], int) for line in lines)
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps) and 0 <= steps[0] and steps[-1] == 3000
    assert {line["event"] for line in lines} >= {"episode", "target_update", "evaluation"}


def test_lines_are_strict_json(cartpole_run):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    for line in (cartpole_run / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_episodes_carry_return_and_length(cartpole_run):
    episodes = [line for line in read_lines(cartpole_run) if line["event"] == "episode"]
    for line in episodes:
        assert line["return"] == line["length"] >= 1  # CartPole pays 1 a step
        assert 0 <= line["epsilon"] <= 1
    played = sum(line["length"] for line in episodes)
    assert played == episodes[-1]["step"] <= 3000


def test_target_updates_carry_the_selection(cartpole_run):
    updates = [line for line in read_lines(cartpole_run) if line["event"] == "target_update"]
    assert 5 <= len(updates) <= 6  # every 500 of 3,000 steps; the one at 500 only if learning has begun by then
    for line in updates:
        assert line["step"] % 500 == 0
        assert line["selected"] in range(NETWORKS)
        assert len(line["losses"]) == len(line["sparsities"]) == NETWORKS
        assert all(loss is None or (math.isfinite(loss) and loss >= 0) for loss in line["losses"])
        # The selected network stays as it is, the others are pruned copies of it.
        assert line["sparsities"][line["selected"]] == line["sparsity"]
        assert min(line["sparsities"]) == line["sparsity"] >= 0
        assert max(line["sparsities"]) <= line["sparsity"] + 0.01 + 1e-9
    for former, line in zip(updates, updates[1:]):
        assert line["sparsity"] == former["sparsities"][line["selected"]]


def test_wall_clock_facts_are_kept_apart(cartpole_run):
    timing = [json.loads(line) for line in (cartpole_run / "timing.jsonl").read_text().splitlines()]
    assert timing and all("step" in line for line in timing)
    assert not any("second" in key for line in read_lines(cartpole_run) for key in line)


def test_tensorboard_shows_the_numbers_of_the_metrics(cartpole_run):
    expected = expected_scalars(read_lines(cartpole_run))
    assert {"episode/return", "target_update/losses/0", f"target_update/sparsities/{NETWORKS - 1}"} <= set(expected)
    assert read_scalars(cartpole_run) == expected


def test_a_run_that_went_on_after_a_kill_shows_every_point_once(cartpole_run, tmp_path):
    """The newest checkpoint and the last lines are lost; the resumed run writes them again, in a second event file."""
    run = tmp_path / "run"
    train(CARTPOLE, run)
    before = (run / "metrics.jsonl").read_bytes()
    checkpoints(run)[-1].unlink()
    (run / "policy.safetensors").unlink()
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event":"epis')
    train(CARTPOLE, run, "--resume")

    assert (run / "metrics.jsonl").read_bytes() == before
    assert len(list(run.glob("events.out.tfevents.*"))) == 2
    assert read_scalars(run) == expected_scalars(read_lines(run))
