#!/usr/bin/env python3
"""Says where every millisecond of an environment step of training goes, and what a whole run would take.

    bench/step.py                                 measure and print, about five minutes on an idle machine
    bench/step.py --document                      also put the tables into docs/performance.md
    bench/step.py --sparsities 0,0.95 --rounds 1  quicker

Measured: the pieces of the training loop by `eaudeqn bench step`, on 1 and on 2 threads in turn (atari/Pong, network
nature, F = 512, K = 5 unless told), and the real loop, `eaudeqn train`, of one network: dense, and with a fixed mask.
(Several begin as equal copies, which are computed once.) The pieces run one after the other, as the algorithm orders
them; --no-loop leaves the real loop out.

Projected from that, and called so: the run of the released configuration, STEPS agent steps. On 2 cores the pieces are
as measured on 2 threads. On 16 cores environment, acting and replay stay as they are, on one core; the update takes
serial + parallel / 16, both from its times on 1 and 2 threads (Amdahl). Memory that more cores share is not in that
model. Along a trajectory the sparsity rises linearly from 0 over the run; times between measured sparsities are
interpolated.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from occasion import (
    BUILD, Occasion, add_options, check_options, numbers, publish, run_json, run_script, several, table_head,
)  # fmt: skip

# The released configuration (configs/atari/eaudedqn.toml).
STEPS, INITIAL, EPSILON_DURATION, EPSILON_END = 10_000_000, 20_000, 250_000, 0.01
EVALUATION_PERIOD, EVALUATION_EPISODES = 1_000_000, 10
CORES = (2, 16)

ENVIRONMENT = ("emulator", "preprocessing", "reset")
MEMORY = ("frame_stack", "replay_add")
UPDATE = ("input_load", "target_forward", "forwards", "losses", "backwards", "update_rest")
MEANING = {
    "emulator": "emulator: four frames, two of them as gray screens",
    "preprocessing": "preprocessing: maximum of two screens, 84 x 84",
    "reset": "new episodes",
    "frame_stack": "stack of four frames",
    "acting": "acting: one network, one observation",
    "replay_add": "replay: store and compress",
    "replay_sample": "replay: draw and decompress a batch",
    "input_load": "update: bytes into the engine's layout",
    "target_forward": "update: target network, forward",
    "forwards": "update: K networks, forward",
    "losses": "update: losses",
    "backwards": "update: K networks, backward and Adam",
    "update_rest": "update: what these do not explain",
    "target_update": "target update: selection, pruning, copies",
}

LOOP_STEPS = 400  # of one measurement of the real loop


class Pieces:
    """Milliseconds of each piece at one sparsity on so many threads: whenever it happens, and its share of a step."""

    def __init__(self, rows):
        self.each, self.steps = {}, {}
        for i, piece in enumerate(rows[0]["pieces"]):
            times = [row["pieces"][i]["microseconds_median"] for row in rows]
            self.each[piece["name"]] = statistics.median(times) / 1e3
            self.steps[piece["name"]] = statistics.median(row["pieces"][i]["steps"] for row in rows)
        self.update = statistics.median(row["update_milliseconds_median"] for row in rows)
        self.update_least = min(row["update_milliseconds_min"] for row in rows)

    def share(self, name):
        return self.each[name] / self.steps[name]

    def step(self):
        return sum(map(self.share, self.each))

    def of_step(self, *names):
        return sum(map(self.share, names))


def measure(options):
    """(about, {(threads, sparsity): Pieces})."""
    rows, about = {}, None
    command = [BUILD / "eaudeqn", "bench", "step", options.environment, "--features", options.features, "--networks",
               options.networks, "--updates", options.updates, "--json", "--sparsity",
               ",".join(map(str, options.sparsities))]  # fmt: skip
    for turn in range(options.rounds):
        for threads in (1, 2):
            print(f"round {turn + 1} of {options.rounds}, {several(threads, 'thread')} ...", file=sys.stderr)
            (about,) = run_json([*command, "--threads", threads])
            for row in about["rows"]:
                rows.setdefault((threads, row["sparsity"]), []).append(row)
    return about, {key: Pieces(found) for key, found in rows.items()}


def amdahl(one, two, cores):
    """The time on `cores` from those on 1 and 2."""
    serial = min(max(2 * two - one, 0.0), one)
    return serial + (one - serial) / cores


def greedy_steps():
    """Expected steps of the run in which a network acts; see exploration_epsilon in src/agents/dqn.cc."""
    slope = (1 - EPSILON_END) / EPSILON_DURATION
    at_first = 1 - slope * INITIAL
    falling = (EPSILON_DURATION - INITIAL) * (at_first + EPSILON_END) / 2
    return STEPS - INITIAL - falling - (STEPS - EPSILON_DURATION) * EPSILON_END


def hours(one, two, cores, episode_steps):
    """Projected: the whole run at the sparsity of these pieces, on 1 and on 2 threads."""
    update = two.update if cores == 2 else amdahl(one.update, two.update, cores)
    playing = two.of_step(*ENVIRONMENT, "frame_stack")
    updates = (STEPS - INITIAL) / two.steps["update_rest"]
    evaluation = STEPS / EVALUATION_PERIOD * EVALUATION_EPISODES * episode_steps
    milliseconds = (
        STEPS * (playing + two.each["replay_add"])
        + greedy_steps() * two.each["acting"]
        + updates * (two.each["replay_sample"] + update)
        + (STEPS - INITIAL) * two.share("target_update")
        + evaluation * (playing + two.each["acting"])
    )
    return milliseconds / 3.6e6


def along(sparsities, values, final):
    """The mean of `values` while the sparsity rises evenly from 0 to `final`, linear between the measured ones."""
    points = [(s, v) for s, v in zip(sparsities, values) if s <= final]
    area = sum((s2 - s1) * (v1 + v2) / 2 for (s1, v1), (s2, v2) in zip(points, points[1:]))
    return area / final


def real_loop(options, sparsity):
    """Milliseconds per step of `eaudeqn train` with one network on 2 threads, without its target updates' excess: one per
    interval of LOOP_STEPS."""
    settings = {
        "training.initial_samples": LOOP_STEPS, "training.steps": 3 * LOOP_STEPS, "training.horizon": 100,
        "training.epsilon_duration": LOOP_STEPS, "training.target_update_period": LOOP_STEPS,
        "network.features": options.features, "evaluation.period": 0, "evaluation.episodes": 1, "checkpoint.period": 0,
        "sparsity.distribution": "uniform", "sparsity.final": sparsity,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="step") as folder:
        run = pathlib.Path(folder) / "run"
        command = [BUILD / "eaudeqn", "train", options.environment, "--threads", 2, "--output", run]
        command += ["--algorithm", "staticdqn" if sparsity > 0 else "dqn"]
        command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"eaudeqn train failed with {done.returncode}: {done.stderr.strip()[-500:]}")
        lines = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    seconds = [line["seconds"] for line in lines]
    return statistics.median((b - a) / LOOP_STEPS * 1e3 for a, b in zip(seconds, seconds[1:]))


def loop_table(options):
    """The real loop beside the sum of the pieces."""
    lines = table_head("sparsity", "real loop, ms per step", "sum of the pieces", "real / sum")
    cases = [sparsity for sparsity in options.sparsities if sparsity in (0, 0.9)]
    for sparsity in cases:
        print(f"real loop, one network, sparsity {sparsity} ...", file=sys.stderr)
        command = [BUILD / "eaudeqn", "bench", "step", options.environment, "--features", options.features,
                   "--networks", 1, "--sparsity", sparsity, "--threads", 2, "--json"]  # fmt: skip
        expected = Pieces(run_json(command)[0]["rows"])
        often = expected.each["target_update"] * (1 / LOOP_STEPS - 1 / expected.steps["target_update"])
        real, expected = real_loop(options, sparsity) - often, expected.step()
        lines.append(f"| {sparsity:g} | {real:.2f} | {expected:.2f} | {real / expected:.2f} |")
    return lines if cases else []


def pieces_table(sparsities, pieces):
    lines = table_head("piece", *(f"sparsity {s:g}" for s in sparsities))
    for name, meaning in MEANING.items():
        steps = pieces[2, sparsities[0]].steps[name]
        often = "" if steps == 1 else f", every {steps:,.0f} steps"
        cells = [f"{pieces[2, s].share(name):.3f}" for s in sparsities]
        lines.append(f"| {meaning}{often} | " + " | ".join(cells) + " |")
    for threads in (2, 1):
        totals = [pieces[threads, s].step() for s in sparsities]
        lines.append(f"| **all, {several(threads, 'thread')}** | " + " | ".join(f"**{t:.2f}**" for t in totals) + " |")
    lines.append("| steps/s, 2 threads | " + " | ".join(f"{1e3 / pieces[2, s].step():.0f}" for s in sparsities) + " |")
    return lines


def update_table(sparsities, pieces):
    lines = table_head("update, ms", *(f"sparsity {s:g}" for s in sparsities))
    for threads in (1, 2):
        cells = [f"{pieces[threads, s].update:.3g} ({pieces[threads, s].update_least:.3g})" for s in sparsities]
        lines.append(f"| {several(threads, 'thread')}, median (minimum) | " + " | ".join(cells) + " |")
    pairs = [(pieces[1, s].update, pieces[2, s].update) for s in sparsities]
    lines.append("| efficiency of the second thread | " + " | ".join(f"{a / b / 2:.0%}" for a, b in pairs) + " |")
    lines.append("| 16 threads, projected | " + " | ".join(f"{amdahl(a, b, 16):.3g}" for a, b in pairs) + " |")
    return lines


def projection_table(sparsities, pieces, episode_steps):
    lines = table_head("projected hours of the run", *(f"{cores} cores" for cores in CORES))
    totals = {c: [hours(pieces[1, s], pieces[2, s], c, episode_steps) for s in sparsities] for c in CORES}
    for i, sparsity in enumerate(sparsities):
        lines.append(f"| always at sparsity {sparsity:g} | " + " | ".join(f"{totals[c][i]:.1f}" for c in CORES) + " |")
    if sparsities[0] == 0:
        for final in sparsities[1:]:
            cells = [f"{along(sparsities, totals[c], final):.1f}" for c in CORES]
            lines.append(f"| rising linearly from 0 to {final:g} | " + " | ".join(cells) + " |")
    return lines


def page(options, occasion, about, pieces, loop):
    sparsities = options.sparsities
    lines = [
        *occasion.header(about, "1 and 2 threads in turn"),
        "",
        f"Milliseconds per environment step of {about['environment']}, network {about['network']}, "
        f"F = {about['features']}, K = {about['networks']}, batch {about['batch']}, one update every "
        f"{about['gradient_period']} steps, 2 threads; medians of {several(options.rounds, 'round')}, after "
        f"{about['transitions']:,} random steps. What happens every so many steps is divided by them.",
        "",
        *pieces_table(sparsities, pieces),
        "",
        *update_table(sparsities, pieces),
        "",
        f"**Projection, not a measurement:** {STEPS:,} agent steps ({4 * STEPS // 10**6} million frames), the first "
        f"{INITIAL:,} random, an evaluation of {EVALUATION_EPISODES} episodes of {options.episode_steps:,} steps every "
        f"{EVALUATION_PERIOD:,}. 2 cores: the pieces above, one after the other. 16 cores: the same, and of the update "
        "its serial part and a sixteenth of the rest, as Amdahl's law gives them from 1 and 2 threads. Checkpoints and "
        "the slower memory of a full replay are left out.",
        "",
        *projection_table(sparsities, pieces, options.episode_steps),
    ]
    if loop:
        lines += ["", "The real loop of one network (`eaudeqn train`, 2 threads) beside the sum of its pieces:", "", *loop]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="atari/Pong", help="(%(default)s)")
    measured = [0, 0.25, 0.5, 0.75, 0.9, 0.95]
    parser.add_argument("--sparsities", type=numbers, default=measured, help="ascending: 0,0.25,0.5,0.75,0.9,0.95")
    parser.add_argument("--features", type=int, default=512, help="F (%(default)s)")
    parser.add_argument("--networks", type=int, default=5, help="K (%(default)s)")
    parser.add_argument("--updates", type=int, default=8, help="timed updates per sparsity and round (%(default)s)")
    parser.add_argument("--episode-steps", type=int, default=2000, help="of an evaluation's episode (%(default)s)")
    parser.add_argument("--no-loop", action="store_true", help="without the real loop")
    add_options(parser, rounds=3)
    options = parser.parse_args()
    check_options(parser, options, "step")
    if options.sparsities != sorted(set(options.sparsities)):
        parser.error("sparsities are ascending")
    occasion = Occasion()
    about, pieces = measure(options)
    loop = [] if options.no_loop else loop_table(options)
    publish(options, "step", page(options, occasion, about, pieces, loop))


if __name__ == "__main__":
    run_script(main)
