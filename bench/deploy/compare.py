"""Latency, file size and memory of one greedy action, by every way to ship a policy, in one run (bench/deploy/run).

Policies are Nature networks with random weights and masks (`--algorithm staticdqn`, uniform), so nothing is said about
what they play. All contestants take turns, each turn in a new process, on one processor. `--document` puts the table into
docs/deploy.md; every sample goes to build/deploy/deploy.json.
"""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "peers"))

from compare import machine  # noqa: E402  (that of peers)
from tables import BUSY, document  # noqa: E402

FEATURES, SPARSITIES = (32, 512, 2048), (0, 0.5, 0.9, 0.95, 0.99)
TARGET_SPEED, TARGET_F32, TARGET_INT8 = 8, 12, 35


def call(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def train(program, features, sparsity, directory):
    settings = {"training.steps": 60, "training.initial_samples": 40, "training.gradient_period": 8,
                "training.target_update_period": 20, "training.batch_size": 8, "training.horizon": 60,
                "replay.capacity": 200, "evaluation.period": 0, "evaluation.episodes": 1, "checkpoint.period": 0,
                "network.features": features, "sparsity.final": sparsity, "sparsity.distribution": "uniform"}  # fmt: skip
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    call(program, "train", "atari/Pong", "--algorithm", "staticdqn" if sparsity else "dqn", "--output", directory / "run", *options)
    return directory / "run" / "policy.safetensors"


def contestants(options, features, sparsity, directory):
    """{name: (command without the repeats, file that is shipped)} for one policy."""
    policy = train(options.program, features, sparsity, directory)
    made = {}
    for weights in ("f32", "int8"):
        file = directory / f"{weights}.safetensors"
        description = json.loads(call(options.program, "export", policy, "--format", "safetensors", "--weights", weights,
                                      "--output", file, "--json"))  # fmt: skip
        made[f"library {weights}"] = [options.library, file], file
        active = description["active_weights"]
        if active <= options.most_weights_in_c:
            header, program = directory / f"{weights}.h", directory / f"c_{weights}"
            call(options.program, "export", policy, "--format", "c", "--weights", weights, "--prefix", "policy", "--output", header)
            call("cc", "-std=gnu99", "-O3", f'-DHEADER="{header}"', f"-I{HERE}", HERE / "act_header.c", "-o", program)
            call("strip", program)
            made[f"C {weights}"] = [program], program
    call(sys.executable, HERE / "make_peers.py", features, sparsity, directory)
    onnx = directory / "exported.onnx"
    call(options.program, "export", policy, "--format", "onnx", "--output", onnx)
    peer = [sys.executable, HERE / "act_peer.py"]
    made["onnxruntime"] = [*peer, "onnxruntime", directory / "peer.onnx"], directory / "peer.onnx"
    made["onnxruntime, our export"] = [*peer, "onnxruntime", onnx], onnx
    for memory in ("contiguous", "channels_last"):
        made[f"torch {memory}"] = [*peer, "torch", directory / f"peer_{memory}.pt"], directory / f"peer_{memory}.pt"
    return made


def measure(options, made):
    """Turns in another order each round."""
    times, peaks = {name: [] for name in made}, {}
    names = list(made)
    for turn in range(options.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            answer = json.loads(call("taskset", "-c", options.processor, *made[name][0], options.repeats))
            times[name] += answer["microseconds"]
            peaks[name] = max(peaks.get(name, 0), answer["peak_bytes"])
    return {
        name: {"median": statistics.median(times[name]), "min": min(times[name]), "peak_bytes": peaks[name],
               "file_bytes": made[name][1].stat().st_size}  # fmt: skip
        for name in made
    }


def size(count):
    return f"{count / 1e6:.3g} MB" if count >= 1e6 else f"{count / 1e3:.3g} kB"


def columns(results):
    """All contestants in the order in which they are met: a large network may lack some."""
    return list(dict.fromkeys(name for row in results["rows"] for name in row["measured"]))


def one_table(results, title, cell):
    """A row for each policy, a column for each way to ship it."""
    names = columns(results)
    lines = ["", f"**{title}**", "", "| F | zeros | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for row in results["rows"]:
        cells = [cell(row, row["measured"][name]) if name in row["measured"] else "-" for name in names]
        lines.append(f"| {row['features']} | {row['sparsity'] * 100:g} % | " + " | ".join(cells) + " |")
    return lines


def table(results):
    lines = [
        f"`{results['command']}` on {results['date']}: {results['cpu']}, {results['isa']}, one thread; load average before it "
        f"began {results['load_average_before']:.2f}; {results['rounds']} turns of {results['repeats']} actions each.",
    ]
    if results["load_average_before"] > BUSY:
        lines += ["", "**Other programs were computing too:** these times are for orientation only."]
    lines += one_table(results, "One action, microseconds: median (minimum)", lambda _, one: f"{one['median']:.4g} ({one['min']:.4g})")
    lines += one_table(results, "Times the speed of ONNX Runtime, by medians",
                       lambda row, one: f"{row['measured']['onnxruntime']['median'] / one['median']:.2f}")  # fmt: skip
    lines += one_table(results, "The file that is shipped; of C, the whole program", lambda _, one: size(one["file_bytes"]))
    lines += one_table(results, "Most memory of the process", lambda _, one: size(one["peak_bytes"]))
    return "\n".join(lines + ["", *targets(results)])


def targets(results):
    rows = {(row["features"], row["sparsity"]): row["measured"] for row in results["rows"]}
    if (512, 0.95) not in rows or (512, 0) not in rows:
        return []
    sparse, dense = rows[512, 0.95], rows[512, 0]
    found = [
        ("speed against onnxruntime, library", sparse["onnxruntime"]["median"] / sparse["library f32"]["median"], TARGET_SPEED),
        ("f32 file against the dense one", dense["library f32"]["file_bytes"] / sparse["library f32"]["file_bytes"], TARGET_F32),
        ("int8 file against the dense f32 one", dense["library f32"]["file_bytes"] / sparse["library int8"]["file_bytes"], TARGET_INT8),
    ]
    lines = ["At F = 512 and 95 % zeros:", ""]
    return lines + [f"- {what}: {ratio:.1f} times; the aim was {aim}: {'met' if ratio >= aim else '**missed**'}." for what, ratio, aim in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(" (")[0] + ".", prog="bench/deploy/run")
    parser.add_argument("--features", default=",".join(map(str, FEATURES)), help="(%(default)s)")
    parser.add_argument("--sparsities", default=",".join(map(str, SPARSITIES)), help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--processor", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--most-weights-in-c", type=int, default=20_000_000, metavar="N",
                        help="no C for policies with more: gcc takes 6 s and 340 MB of memory for a million (%(default)s)")  # fmt: skip
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/eaudeqn")
    parser.add_argument("--library", type=pathlib.Path, required=True, help=argparse.SUPPRESS)  # act_library, compiled: bench/deploy/run gives it
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build/deploy")
    parser.add_argument("--document", action="store_true", help="put the tables into docs/deploy.md")
    options = parser.parse_args()
    results = {"command": shlex.join(["bench/deploy/run", *sys.argv[3:]]), "date": datetime.date.today().isoformat(), **machine(),
               "load_average_before": os.getloadavg()[0], "rounds": options.rounds, "repeats": options.repeats, "rows": []}  # fmt: skip
    for features in map(int, options.features.split(",")):
        for sparsity in map(float, options.sparsities.split(",")):
            directory = options.directory / f"{features}_{sparsity:g}"
            subprocess.run(["rm", "-rf", directory], check=True)
            directory.mkdir(parents=True)
            measured = measure(options, contestants(options, features, sparsity, directory))
            results["rows"].append({"features": features, "sparsity": sparsity, "measured": measured})
            print(f"F = {features}, {sparsity * 100:g} %:", {name: round(one["median"], 1) for name, one in measured.items()}, file=sys.stderr)
            (options.directory / "deploy.json").write_text(json.dumps(results, indent=1) + "\n")
            subprocess.run(["rm", "-rf", directory], check=True)
    text = table(results)
    print(text)
    if options.document:
        document(ROOT / "docs/deploy.md", "deploy", text)


if __name__ == "__main__":
    main()
