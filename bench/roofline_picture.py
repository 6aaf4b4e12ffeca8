"""The picture of bench/roofline.py: measured points under measured roofs, both axes logarithmic, as plain SVG."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 90
COLOURS = {"forward": "#1b6ca8", "weight gradient": "#c2571a", "input gradient": "#2e8b57", "adam": "#7b4fa3"}


class Axes:
    """From intensity and GFLOP/s to places in the picture."""

    def __init__(self, points, fma):
        self.x = bounds([intensity for _, _, intensity, _ in points])
        self.y = bounds([gflops for *_, gflops in points] + [fma])

    def across(self, intensity):
        low, high = self.x
        return LEFT + (math.log10(intensity) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(self, gflops):
        low, high = self.y
        return HEIGHT - BOTTOM - (math.log10(gflops) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def bounds(values):
    """Whole powers of ten around the values."""
    low = math.floor(math.log10(min(values)))
    return low, max(math.ceil(math.log10(max(values)) + 1e-9), low + 1)


def line(x1, y1, x2, y2, colour, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def grid(axes):
    parts = []
    for power in range(axes.x[0], axes.x[1] + 1):
        x = axes.across(10**power)
        parts += [line(x, TOP, x, HEIGHT - BOTTOM, "#ddd"), text(x, HEIGHT - BOTTOM + 18, f"{10.0**power:g}", "middle")]
    for power in range(axes.y[0], axes.y[1] + 1):
        y = axes.up(10**power)
        parts += [line(LEFT, y, WIDTH - RIGHT, y, "#ddd"), text(LEFT - 6, y + 4, f"{10.0**power:g}", "end")]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(text(WIDTH / 2, HEIGHT - BOTTOM + 38, "useful FLOP per byte moved", "middle"))
    parts.append(text(18, middle, "useful GFLOP/s", "middle", f' transform="rotate(-90 18 {middle:.0f})"'))
    return parts


def roofs(axes, fma, bandwidths):
    """The FMA peak, and each bandwidth up to it."""
    left, right = 10.0 ** axes.x[0], 10.0 ** axes.x[1]
    bottom = 10.0 ** axes.y[0]
    corner = max(left, fma / max(rate for _, rate in bandwidths))
    parts = [line(axes.across(corner), axes.up(fma), axes.across(right), axes.up(fma), "#333", 1.5)]
    parts.append(text(WIDTH - RIGHT - 4, axes.up(fma) - 6, f"FMA {fma:.0f} GFLOP/s", "end"))
    for name, rate in bandwidths:
        begin, end = max(left, bottom / rate), min(right, fma / rate)
        if begin >= end:
            continue
        parts.append(line(axes.across(begin), axes.up(begin * rate), axes.across(end), axes.up(end * rate), "#888"))
        place = axes.across(begin) + 4, axes.up(begin * rate) - 4
        parts.append(text(*place, f"{name}, {rate:.0f} GB/s", "start", ' font-size="11" fill="#666"'))
    return parts


def legend():
    parts = []
    for i, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + i * 170
        parts += [f'<circle cx="{x}" cy="{HEIGHT - 22}" r="6" fill="{colour}"/>', text(x + 12, HEIGHT - 18, name)]
    parts.append(text(WIDTH - RIGHT, HEIGHT - 18, "smaller: less dense", "end"))
    return parts


def write_picture(file, fma, bandwidths, points):
    """`bandwidths`: (name, GB/s); `points`: (pass, density, FLOP per byte, GFLOP/s)."""
    axes = Axes(points, fma)
    parts = [*grid(axes), *roofs(axes, fma, bandwidths), *legend()]
    for name, density, intensity, gflops in points:
        radius = 3 + 5 * (2 + math.log10(max(density, 0.01))) / 2
        parts.append(
            f'<circle cx="{axes.across(intensity):.1f}" cy="{axes.up(gflops):.1f}" r="{radius:.1f}" '
            f'fill="{COLOURS[name]}" fill-opacity="0.75"><title>{escape(name)}, density {density:g}: {gflops:.3g} '
            f"GFLOP/s</title></circle>"
        )
    body = "\n".join(parts)
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="Roofline: useful GFLOP/s over FLOP per byte">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )
