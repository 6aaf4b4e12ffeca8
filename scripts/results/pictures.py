"""How the pictures of docs/results/ look: the same styles everywhere, and files that only change with what they show."""

import statistics
from pathlib import Path

import common

try:
    import matplotlib
    import matplotlib.ticker
except ImportError:
    raise SystemExit(
        "matplotlib is missing; run these, then the same with .dependencies/results/bin/python before it:\n"
        "  python3 -m venv .dependencies/results\n"
        "  .dependencies/results/bin/pip install --require-hashes -r scripts/results/requirements.txt"
    ) from None

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

plt.rcParams.update({
    "svg.hashsalt": "eaudeqn", "svg.fonttype": "none", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False,
    "axes.spines.right": False, "legend.fontsize": 8, "legend.frameon": False, "lines.linewidth": 1.5, "savefig.bbox": "tight",
})  # fmt: skip
IMAGES = common.ROOT / "docs" / "images"


def panels(rows: int, columns: int, width: float = 3.6, height: float = 2.6):
    """A figure and its axes, row by row."""
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained")
    return figure, list(axes.flat)


def count_steps(axes) -> None:
    """The places of the axes are steps: 100k instead of 100000."""
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter(sep=""))


def mean_and_range(axes, curves: list[list[tuple[float, float]]], label: str, **style):
    """Of curves with the same places: their mean, and a band from the lowest to the highest. Returns the mean's line."""
    places = sorted(set.intersection(*({x for x, _ in curve} for curve in curves)))
    values = [[dict(curve)[x] for curve in curves] for x in places]
    (drawn,) = axes.plot(places, [statistics.fmean(each) for each in values], label=label, **style)
    if len(curves) > 1:
        axes.fill_between(places, [min(each) for each in values], [max(each) for each in values], color=drawn.get_color(), alpha=0.15, linewidth=0)
    return drawn


def save(figure, name: str) -> Path:
    IMAGES.mkdir(exist_ok=True)
    file = IMAGES / name
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    # Without spaces at the ends of lines, as all files here are.
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")
    print(f"drew {file.relative_to(common.ROOT)}")
    return file
