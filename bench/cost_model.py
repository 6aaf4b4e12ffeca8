#!/usr/bin/env python3
"""Fits the cost model that chooses between the dense and the compact form of a layer (src/engine/form_cost.h).

usage: bench/cost_model.py [--rounds N] [--program build/release/bench/form_costs] [--write]

Runs form_costs N times (build it with: cmake build/release -DEAUDEQN_BENCHMARKS=ON; ninja -C build/release form_costs),
takes the smallest time of each case, and fits non-negative figures by least squares of relative errors. Prints the
crossing density of each layer as measured and as modelled, and what a wrong choice would cost. --write puts the figures
into src/engine/form_cost_figures.h and the table into docs/performance.md. Standard library only.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

from occasion import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- cost model: written by bench/cost_model.py -->", "<!-- end of cost model -->"


def kind(case):
    if case["convolution"]:
        return "convolution of bytes" if case["bytes"] else "convolution"
    return "dense layer" if case["batch"] <= 32 else "dense layer, batch 256"


def measure(program, rounds):
    """The smallest time of each case over the rounds, in order."""
    cases = {}
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds} ...", file=sys.stderr)
        output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        for line in output.splitlines():
            case = json.loads(line)
            case["kind"] = kind(case)
            key = (case["kind"], case["in"], case["out"], case["kernel"], case["positions"], case["form"],
                   case["density"])
            if key not in cases or case["microseconds"] < cases[key]["microseconds"]:
                cases[key] = case
    return list(cases.values())


def features(case):
    """What the figures multiply: see form_cost.cc."""
    weights = case["active"]
    if case["form"] == "dense":
        panels = 1 if case["convolution"] else -(-case["out"] // 16) * 16 / case["out"]  # a panel costs the same however full
        weights = case["weights"] * panels
    terms = [weights * case["positions"], (case["in"] + case["out"]) * case["positions"]]
    return [term * case["batch"] / 32 for term in terms]


def fit(cases):
    """Non-negative least squares of relative errors, by coordinate descent; nanoseconds."""
    rows = [[term / (case["microseconds"] * 1e3) for term in features(case)] for case in cases]
    figures = [0.0] * len(rows[0])
    for _ in range(20000):
        for j in range(len(figures)):
            top = bottom = 0.0
            for row in rows:
                rest = 1.0 - sum(f * x for i, (f, x) in enumerate(zip(figures, row)) if i != j)
                top += rest * row[j]
                bottom += row[j] * row[j]
            figures[j] = max(0.0, top / bottom)
    return figures


def cost(figures, case):
    return sum(f * x for f, x in zip(figures, features(case))) / 1e3


def crossing(pairs):
    """The density at which compact stops being faster, linear between the two nearest densities."""
    before = None
    for density, compact, dense in pairs:
        if compact >= dense:
            if before is None:
                return density
            d0, gap0 = before
            return d0 + (density - d0) * gap0 / (gap0 + compact - dense)
        before = (density, dense - compact)
    return 1.0


def table(cases, figures):
    lines = ["| layer | crossing, measured | crossing, model | loss by a wrong choice at most |", "|---|---|---|---|"]
    layers = {}
    for case in cases:
        name = f"{case['in']} -> {case['out']}" + (
            f", {case['kernel']}x{case['kernel']}/{case['stride']}, {case['positions']} positions" + ", bytes" * case["bytes"]
            if case["convolution"] else f", {case['kind']}")
        layers.setdefault(name, {}).setdefault(case["density"], {})[case["form"]] = case
    for name, densities in layers.items():
        measured, modelled, worst = [], [], 0.0
        for density, forms in sorted(densities.items()):
            times = {form: case["microseconds"] for form, case in forms.items()}
            costs = {form: cost(figures[(case["kind"], form)], case) for form, case in forms.items()}
            measured.append((density, times["compact"], times["dense"]))
            modelled.append((density, costs["compact"], costs["dense"]))
            chosen = min(costs, key=costs.get)
            worst = max(worst, times[chosen] / min(times.values()) - 1)
        lines.append(f"| {name} | {crossing(measured):.2f} | {crossing(modelled):.2f} | {100 * worst:.0f} % |")
    return "\n".join(lines)


def write_figures(figures, rounds):
    path = ROOT / "src/engine/form_cost_figures.h"
    text = path.read_text()
    start = text.index("// Measured") if "// Measured" in text else text.index("constexpr FormFigures")
    end = text.index("}  // namespace eaudeqn")
    numbers = {key: "{" + ", ".join(f"{value:.5g}" for value in values) + "}" for key, values in figures.items()}
    text = text[:start] + f"""// Measured: {machine()['cpu']}, one thread, the smallest of {rounds} rounds, {datetime.date.today()}.
constexpr FormFigures kDenseConvolution{numbers[("convolution", "dense")]};
constexpr FormFigures kDenseByteConvolution{numbers[("convolution of bytes", "dense")]};
constexpr FormFigures kDenseLayer{numbers[("dense layer", "dense")]};
constexpr FormFigures kDenseLayerManySamples{numbers[("dense layer, batch 256", "dense")]};
constexpr FormFigures kCompactConvolution{numbers[("convolution", "compact")]};
constexpr FormFigures kCompactByteConvolution{numbers[("convolution of bytes", "compact")]};
constexpr FormFigures kCompactLayer{numbers[("dense layer", "compact")]};
constexpr FormFigures kCompactLayerManySamples{numbers[("dense layer, batch 256", "compact")]};

""" + text[end:]
    path.write_text(text)


def write_document(lines, rounds):
    path = ROOT / "docs/performance.md"
    text = path.read_text()
    section = f"{BEGIN}\n`bench/cost_model.py --rounds {rounds} --write` on {datetime.date.today()}: {machine()['cpu']}, 1 thread, " \
              f"batch 32 where nothing else is said; forward, backward and Adam of one layer.\n\n{lines}\n{END}"
    if BEGIN in text:
        text = text[:text.index(BEGIN)] + section + text[text.index(END) + len(END):]
    else:
        text = text.rstrip() + "\n\n## Dense or compact\n\nBelow its crossing density a layer is stored and computed in " \
               "compact form. The choice is a cost model over the layer's shape and its number of active weights\n" \
               "(`src/engine/form_cost.h`) with the figures measured here; it never depends on a timing at run time.\n\n" \
               + section + "\n"
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/form_costs"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    cases = measure(arguments.program, arguments.rounds)
    figures = {}
    for kind in dict.fromkeys(c["kind"] for c in cases):
        for form in ("dense", "compact"):
            chosen = [c for c in cases if c["kind"] == kind and c["form"] == form]
            figures[(kind, form)] = fit(chosen)
            errors = [abs(cost(figures[(kind, form)], c) / c["microseconds"] - 1) for c in chosen]
            print(f"{kind}, {form}: "
                  f"{', '.join(f'{f:.4g}' for f in figures[(kind, form)])} ns; mean error "
                  f"{100 * sum(errors) / len(errors):.0f} %")
    lines = table(cases, figures)
    print(lines)
    if arguments.write:
        write_figures(figures, arguments.rounds)
        write_document(lines, arguments.rounds)


if __name__ == "__main__":
    main()
