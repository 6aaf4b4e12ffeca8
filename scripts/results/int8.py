#!/usr/bin/env python3
"""Writes the table of docs/deploy.md that says how often policies of 8 bits act as they did before: scripts/results/int8.py RUN...

For each run directory the policy plays twice, greedily, from different seeds. The first game is given to `eaudeqn export
--weights int8 --observations`, which corrects biases by it; the second tells how often the largest output is the same one,
with and without that. Needs numpy (.dependencies/venv/bin/python has it).
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


def observations_of(policy: Path, environment: str, seed: int, steps: int, directory: Path) -> Path:
    """A .npy file of what the policy sees while it plays: vectors, or stacks of frames, newest last."""
    common.run("dataset", "record", environment, "--policy", str(policy), "--steps", str(steps), "--seed", str(seed),
               "--epsilon", "0", "--output", str(directory / f"game{seed}"), "--quiet")  # fmt: skip
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


def measure(run: Path, steps: int) -> dict:
    description = json.loads(common.run("inspect", str(run), "--json"))
    policy = run / "policy.safetensors"
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        given = observations_of(policy, description["environment"], 1, steps, directory)
        seen = observations_of(policy, description["environment"], 2, steps, directory)
        before = actions(policy, seen, directory)
        same = {}
        for how, more in (("plain", []), ("corrected", ["--observations", str(given)])):
            small = directory / f"{how}.safetensors"
            common.run("export", str(policy), "--format", "safetensors", "--weights", "int8", "--output", str(small), *more)
            same[how] = float((actions(small, seen, directory) == before).mean())
    episodes = [event["return"] for event in common.events(run, "episode")][-20:]
    return {**description, **same, "observations": len(before), "return": float(np.mean(episodes)), "distinct": len(set(before.tolist()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=10_000, help="of each of the two games (%(default)s)")
    arguments = parser.parse_args()
    rows, results = [], []
    for run in arguments.runs:
        r = measure(run, arguments.steps)
        results.append(r)
        rows.append(f"| {run.name} | {r['step']} | {r['return']:.1f} | {r['sparsity']:.3f} | {r['observations']} | {r['distinct']} | "
                    f"{100 * r['plain']:.2f} % | {100 * r['corrected']:.2f} % |")  # fmt: skip
        print(rows[-1])
    reached = sum(r["corrected"] >= AIM for r in results)
    names = " ".join(run.name for run in arguments.runs)
    text = f"""`.dependencies/venv/bin/python scripts/results/int8.py` with the runs {names} on {datetime.date.today().isoformat()}. How often the
policy of 8 bits chooses the same action on what the policy sees in a game of its own, of {arguments.steps} steps; return: mean of
the last 20 training episodes.

| run | step | return | sparsity | observations | actions chosen | same action | same, biases corrected by another game |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

The aim was the same action on {100 * AIM:g} %: reached by {reached} of {len(results)} with `--observations`, by
{sum(r['plain'] >= AIM for r in results)} without."""
    page = common.ROOT / "docs" / "deploy.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
    print(f"wrote {page.relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()
