#!/usr/bin/env python3
"""Writes docs/results/cartpole.md: EauDeQN on CartPole-v1 from the committed config, five seeds, beside random selection.

usage: scripts/results/cartpole.py [RUNS_DIRECTORY] [--jobs N]
Trains what is not trained yet (resumable), evaluates, writes the page.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common

SEEDS = range(1, 6)
CONFIGS = {"smallest_loss": "configs/classic/eaudedqn.toml", "random": "configs/classic/eaudedqn_random.toml"}


def measure(directory: Path, config: str, seed: int) -> dict:
    output = directory / f"{Path(config).stem}_seed{seed}"
    common.train(output, str(common.ROOT / config), "--seed", str(seed), "--threads", "1")
    result = json.loads(common.run("evaluate", str(output), "--episodes", "20", "--epsilon", "0", "--json"))
    result["seconds"] = common.timings(output)[-1]["seconds"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", default=str(common.ROOT / "runs" / "results_cartpole"))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    arguments = parser.parse_args()
    cases = [(name, seed) for name in CONFIGS for seed in SEEDS]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(measure, Path(arguments.runs), CONFIGS[name], seed) for name, seed in cases]
        results = dict(zip(cases, [future.result() for future in futures]))
    rows = "\n".join(
        f"| {name} | {seed} | {r['mean_return']:.1f} | {min(r['returns']):.0f} | {r['sparsity']:.3f} |"
        for (name, seed), r in results.items()
    )

    def solved(name: str) -> int:
        return sum(results[name, s]["mean_return"] >= 475 and results[name, s]["sparsity"] >= 0.6 for s in SEEDS)

    def mean(name: str, key: str) -> float:
        return sum(results[name, s][key] for s in SEEDS) / len(SEEDS)

    common.write_page(
        "cartpole.md",
        f"""# EauDeQN on CartPole-v1

Final greedy return over 20 episodes and final sparsity, from the committed configs, beside the same config that selects the
next target at random. The random control shows that it is the selection by smallest loss that keeps the agent able.

Command: `scripts/results/cartpole.py`, which runs `eaudeqn train {CONFIGS['smallest_loss']} --seed N` and
`eaudeqn evaluate RUN --episodes 20 --epsilon 0`. CPU: {common.machine()}; 1 thread a run.

| selection | seed | mean return | worst episode | sparsity |
|---|---|---|---|---|
{rows}

- `smallest_loss`: {solved('smallest_loss')} of {len(SEEDS)} seeds with a mean return of at least 475 at a sparsity of at least 0.6;
  mean return {mean('smallest_loss', 'mean_return'):.1f}, mean sparsity {mean('smallest_loss', 'sparsity'):.3f}.
- `random`: {solved('random')} of {len(SEEDS)}; mean return {mean('random', 'mean_return'):.1f}, mean sparsity
  {mean('random', 'sparsity'):.3f}.
""",
    )


if __name__ == "__main__":
    main()
