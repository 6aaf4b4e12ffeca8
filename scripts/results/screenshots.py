#!/usr/bin/env python3
"""Screenshots of a report for the manual.

Needs a Chromium and ffmpeg, as ./test installs them. It makes report_desktop.webp (light) and report_phone.webp (dark).
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from browser import Browser  # noqa: E402

SHOTS = {"report_desktop": (1440, 2300, False), "report_phone": (400, 1750, True)}


def main(page, directory):
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        raw = pathlib.Path(temporary) / "raw.png"
        with Browser(pathlib.Path(temporary) / "profile") as browser:
            for name, (width, height, dark) in SHOTS.items():
                browser.open(page, width, height, dark, touch=dark)
                browser.screenshot(raw)
                target = directory / f"{name}.webp"
                subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", raw, "-quality", "80", target], check=True)
                print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=pathlib.Path, metavar="REPORT.html")
    parser.add_argument("directory", type=pathlib.Path, nargs="?", default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    if not arguments.report.is_file():
        parser.error(f"{arguments.report}: no such file")
    main(arguments.report.resolve(), arguments.directory)
