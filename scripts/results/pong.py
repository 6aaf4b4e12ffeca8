#!/usr/bin/env python3
"""Writes docs/results/pong.md from a run directory of atari/Pong: speed, losses, sparsities, returns as far as it went.

usage: scripts/results/pong.py RUN_DIRECTORY
"""

import argparse
import tomllib
from pathlib import Path

import common


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    directory = Path(parser.parse_args().run)
    config = tomllib.loads((directory / "config.toml").read_text())
    updates = common.events(directory, "target_update")
    episodes = common.events(directory, "episode")
    timing = {line["step"]: line for line in common.timings(directory)}
    threads = sorted({line["threads"] for line in timing.values()})
    rows = []
    for update in updates:
        line = timing.get(update["step"])
        returns = [e["return"] for e in episodes if update["step"] - 8000 < e["step"] <= update["step"]]
        losses = " ".join("NaN" if loss is None else f"{loss:.2f}" for loss in update["losses"])
        sparsities = " ".join(f"{s:.4f}" for s in update["sparsities"])
        rows.append(
            f"| {update['step']} | {line['steps_per_second']:.1f} | {sum(returns) / len(returns) if returns else float('nan'):.1f} "
            f"| {update['selected']} | {losses} | {sparsities} |"
        )
    table = "\n".join(rows)
    common.write_page(
        "pong.md",
        f"""# EauDeQN on ALE Pong, the first {updates[-1]['step']} steps

The released configuration (F = {config['network']['features']}, K = {config['population']['networks']}), seed {config['seed']}, of a run of
{config['training']['steps']} steps; this is its beginning, not a result about learning. The speed is of a machine shared with
other work, over the 20 seconds before the row.

Command: `eaudeqn train atari/Pong --algorithm eaudedqn_small`, stopped and resumed; page by `scripts/results/pong.py RUN`.
CPU: {common.machine()}; threads: {', '.join(map(str, threads))}.

| step | steps/s | mean training return | selected | cumulated losses | sparsities after the update |
|---|---|---|---|---|---|
{table}
""",
    )


if __name__ == "__main__":
    main()
