#!/usr/bin/env python3
"""Writes the table of docs/deploy.md that says how often policies of 8 bits act as they did before: scripts/results/int8.py RUN|POLICY...

Each policy plays games from different seeds. One, played greedily, tells how often the largest output is the same one; the
others, with one random action in a hundred, are given to `eaudeqn export --weights int8 --observations`, which rounds by them.
Needs numpy (.dependencies/venv/bin/python has it).
"""

import argparse
import datetime
import gzip
import json
import tempfile
from pathlib import Path

import common
import numpy as np

BEGIN, END = "<!-- int8:begin -->", "<!-- int8:end -->"
AIM = 0.99
FRAMES = 4


def observations_of(policy: Path, environment: str, seed: int, steps: int, epsilon: float, directory: Path) -> Path:
    """A .npy file of what the policy sees while it plays: vectors, or stacks of frames, newest last."""
    common.run("dataset", "record", environment, "--policy", str(policy), "--steps", str(steps), "--seed", str(seed),
               "--epsilon", str(epsilon), "--output", str(directory / f"game{seed}"), "--quiet")  # fmt: skip
    with gzip.open(directory / f"game{seed}" / "$store$_observation_ckpt.0.gz") as file:
        seen = np.load(file)
    if seen.ndim == 3:  # frames; each episode begins with three black ones, at which nobody acts
        shown = [i for i in range(FRAMES - 1, len(seen)) if seen[i].any()]
        seen = np.stack([np.stack(seen[i - FRAMES + 1 : i + 1], axis=-1) for i in shown])
    np.save(directory / f"seen{seed}.npy", seen)
    return directory / f"seen{seed}.npy"


def actions(policy: Path, seen: Path, directory: Path) -> np.ndarray:
    common.run("forward", str(policy), "--observations", str(seen), "--output", str(directory / "outputs.npy"))
    return np.load(directory / "outputs.npy").argmax(1)


def mean_return(policy: Path) -> float:
    return json.loads(common.run("evaluate", str(policy), "--episodes", "10", "--epsilon", "0", "--json"))["mean_return"]


def measure(subject: Path, steps: int, games: int) -> dict:
    description = json.loads(common.run("inspect", str(subject), "--json"))
    policy = subject / "policy.safetensors" if subject.is_dir() else subject
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        seen = observations_of(policy, description["environment"], 1, steps, 0, directory)
        others = [observations_of(policy, description["environment"], seed, steps, 0.01, directory) for seed in range(2, 2 + games)]
        given = directory / "given.npy"
        np.save(given, np.concatenate([np.load(other) for other in others]))
        before = actions(policy, seen, directory)
        same = {}
        for how, more in (("plain", []), ("fitted", ["--observations", str(given)])):
            small = directory / f"{how}.safetensors"
            common.run("export", str(policy), "--format", "safetensors", "--weights", "int8", "--output", str(small), *more)
            same[how] = float((actions(small, seen, directory) == before).mean())
        returns = {"return": mean_return(policy), "return8": mean_return(directory / "fitted.safetensors")}
    return {**description, **same, **returns, "observations": len(before), "distinct": len(set(before.tolist()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("subjects", nargs="+", type=Path, metavar="RUN|POLICY")
    parser.add_argument("--steps", type=int, default=10_000, help="of each game (%(default)s)")
    parser.add_argument("--games", type=int, default=4, help="games to round by (%(default)s)")
    arguments = parser.parse_args()
    rows, results = [], []
    for subject in arguments.subjects:
        r = measure(subject, arguments.steps, arguments.games)
        results.append(r)
        rows.append(f"| {subject} | {r['step']} | {r['return']:.1f} | {r['return8']:.1f} | {r['sparsity']:.3f} | {r['observations']} | {r['distinct']} | "
                    f"{100 * r['plain']:.2f} % | {100 * r['fitted']:.2f} % |")  # fmt: skip
        print(rows[-1])
    reached = sum(r["fitted"] >= AIM for r in results)
    subjects = " ".join(str(subject) for subject in arguments.subjects)
    text = f"""`.dependencies/venv/bin/python scripts/results/int8.py {subjects}`
on {datetime.date.today().isoformat()}. How often the policy of 8 bits chooses the same action on what the policy
sees in a game of {arguments.steps} steps; with `--observations` those of {arguments.games} other games were given. Returns: mean of 10
greedy episodes of the policy itself, and as it was rounded with `--observations`.

| policy | step | return | of 8 bits | sparsity | observations | actions chosen | same action | same, with `--observations` |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

The aim was the same action on {100 * AIM:g} %: reached by {reached} of {len(results)} with `--observations`, by
{sum(r['plain'] >= AIM for r in results)} without."""
    page = common.ROOT / "docs" / "deploy.md"
    page.write_text(common.with_section(page.read_text(), BEGIN, END, text))
    print(f"wrote {page.relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()
