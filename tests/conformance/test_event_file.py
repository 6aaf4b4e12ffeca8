"""metrics.jsonl as DESIGN describes it, and the TensorBoard events beside it, read with the tensorboard package."""

import json
import math

import numpy as np
from program import CARTPOLE, HOPPER, ROOT, changed, checkpoints, eaudeqn, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

NETWORKS = 5


def read_lines(run, file="metrics.jsonl"):
    return [json.loads(line) for line in (run / file).read_text().splitlines()]


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


def tags():
    """{(event, field): tag} of the table that `list metrics` prints."""
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in eaudeqn("list", "metrics").stdout.splitlines()]
    return {(event or "timing", field): tag for _, event, field, tag, *_ in rows[2:]}


def expected_scalars(lines):
    table = tags()
    expected = {}
    for line in lines:
        event = line.get("event", "timing")
        for key, value in line.items():
            if key in ("event", "step") or not table[event, key]:
                continue
            for tag, number in numbers(table[event, key], value):
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
    expected = expected_scalars(read_lines(cartpole_run) + read_lines(cartpole_run, "timing.jsonl"))
    assert {"train/episode_return", "train/loss/0", f"sparsity/network/{NETWORKS - 1}", "eval/mean_return",
            "time/steps_per_second"} <= set(expected)  # fmt: skip
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
    # Wall-clock facts are of the process that wrote them: those of the first one stay in timing.jsonl.
    shown = {tag: points for tag, points in read_scalars(run).items() if not tag.startswith("time/")}
    assert shown == expected_scalars(read_lines(run))


def test_the_table_of_metrics_is_what_runs_write(tmp_path):
    """Every field of runs of all kinds is in the table, every row of the table is in a run, and the manual has the table."""
    moves = ["rigldqn" if word == "eaudedqn" else word for word in CARTPOLE]
    moves = changed(moves, training__steps=1500, sparsity__start=0, sparsity__period=200, sparsity__end=1400)
    train(CARTPOLE, tmp_path / "eaudedqn")
    train(changed(moves, population__networks=1), tmp_path / "rigldqn")
    train(HOPPER, tmp_path / "eaudesac")
    written = set()
    for run in tmp_path.iterdir():
        for line in read_lines(run) + read_lines(run, "timing.jsonl"):
            written |= {(line.get("event", "timing"), field) for field in line if field not in ("event", "step")}
    assert written == set(tags())
    assert eaudeqn("list", "metrics").stdout in (ROOT / "docs" / "metrics.md").read_text()
