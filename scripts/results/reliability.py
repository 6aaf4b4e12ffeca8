#!/usr/bin/env python3
"""Writes the table of docs/reliability.md from what the durability tests noted.

RECORD (default build/test/durability.jsonl) is written by `./test durability`. The text around the table stays.
"""

import argparse
import json
from pathlib import Path

import common

BEGIN, END = "<!-- campaign:begin -->", "<!-- campaign:end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, nargs="?", default=common.ROOT / "build" / "test" / "durability.jsonl")
    record = parser.parse_args().record
    rows: dict[tuple[str, str], int] = {}
    for line in map(json.loads, record.read_text().splitlines()):
        key = (line["fault"], line["outcome"])
        rows[key] = rows.get(key, 0) + line["times"]
    table = "\n".join(f"| {fault} | {times} | {outcome} |" for (fault, outcome), times in sorted(rows.items()))
    page = common.ROOT / "docs" / "reliability.md"
    form = "long" if max(rows.values()) > 1_000 else "short"
    heading = f"The {form} form on {common.machine()}; {sum(rows.values())} faults."
    section = f"{heading}\n\n| fault | times | what happened |\n|---|---|---|\n{table}"
    page.write_text(common.with_section(page.read_text(), BEGIN, END, section))
    print(f"wrote {page.relative_to(common.ROOT)}")


if __name__ == "__main__":
    main()
