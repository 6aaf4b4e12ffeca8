#!/usr/bin/env python3
"""Puts trained policies into zoo/, each with its config and its card, and writes zoo/README.md: scripts/results/zoo.py [NAME=RUN...]

The policy is what `eaudeqn export` makes of the run, weights as trained. The card says what evaluating it gave: EPISODES
episodes from SEED, at the epsilon of the run's config. Without arguments only the page is written anew, from the cards.
Standard library only.
"""

import argparse
import datetime
import json
import shutil
import subprocess
from pathlib import Path

import common

ZOO = common.ROOT / "zoo"
EPISODES, SEED = 20, 1


def make_card(name: str, run: Path, commit: str) -> None:
    policy = ZOO / f"{name}.safetensors"
    common.run("export", str(run), "--format", "safetensors", "--output", str(policy))
    shutil.copy(run / "config.toml", ZOO / f"{name}.toml")
    inspected = json.loads(common.run("inspect", str(policy), "--json"))
    trained = json.loads(common.run("inspect", str(run), "--json"))
    played = json.loads(common.run("evaluate", str(policy), "--episodes", str(EPISODES), "--seed", str(SEED), "--json"))
    seconds = common.wall_seconds(run)
    card = {
        "environment": inspected["environment"], "algorithm": inspected["algorithm"], "step": inspected["step"],
        "sparsity": trained["sparsity"], "policy_sparsity": played["sparsity"],
        "active_weights": inspected["active"], "bytes": policy.stat().st_size,
        "mean_return": played["mean_return"], "returns": played["returns"], "epsilon": played["epsilon"],
        "seed": SEED, "command": f"eaudeqn train zoo/{name}.toml", "commit": commit,
        "trained_on": common.machine(), "hours": round(seconds / 3600, 2), "date": str(datetime.date.today()),
    }  # fmt: skip
    (ZOO / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")


def page() -> str:
    rows = []
    for file in sorted(ZOO.glob("*.json")):
        card = json.loads(file.read_text())
        returns = card["returns"]
        rows.append(f"| [{file.stem}]({file.stem}.safetensors) | {card['environment']} | {card['algorithm']} | {card['step']:,} | "
                    f"{card['mean_return']:.1f} | {min(returns):.0f} to {max(returns):.0f} | {100 * card['sparsity']:.1f} % | "
                    f"{card['active_weights']:,} | {card['bytes'] / 1e3:.0f} kB | {card['hours']} |")  # fmt: skip
    return f"""# Trained policies, small enough to keep here

    ./run evaluate zoo/pong.safetensors --video pong.mp4             a first minute: it plays, filmed
    ./run inspect zoo/pong.safetensors                               what is left of each layer
    ./run export zoo/pong.safetensors --format c --output pong.h      C that needs no library

Return: mean, and lowest to highest, of {EPISODES} episodes. Sparsity: share of the trained network's weights that are zero. Active:
weights that the file has; channels and neurons that no output depends on are left out. `NAME.toml` is the config it was trained with
(`eaudeqn train zoo/NAME.toml`), `NAME.json` the card with every return, commit and machine. A test evaluates each and
compares with its card.

| policy | task | algorithm | steps | return | | sparsity | active | file | hours on one thread |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Written by `scripts/results/zoo.py NAME=RUN`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("policies", nargs="*", metavar="NAME=RUN")
    parser.add_argument("--commit", help="what they were trained with (default: HEAD)")
    arguments = parser.parse_args()
    head = subprocess.run(["git", "-C", str(common.ROOT), "rev-parse", "--short", "HEAD"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()  # fmt: skip
    for given in arguments.policies:
        name, _, run = given.partition("=")
        make_card(name, Path(run), arguments.commit or head)
    (ZOO / "README.md").write_text(page())


if __name__ == "__main__":
    main()
