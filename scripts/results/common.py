"""What the pages of docs/results/ share: running the program, describing the machine. Not a statistics library."""

import json
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("EAUDEQN", str(ROOT / "build" / "release" / "eaudeqn"))


def machine() -> str:
    """CPU and number of cores. A virtual machine gives several generations the same name; family and model tell them apart."""
    cpu = platform.processor() or platform.machine()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    cpu = fields.get("model name", cpu)
    if "cpu family" in fields and "model" in fields:
        cpu += f", family {fields['cpu family']} model {fields['model']}"
    return f"{cpu}, {os.cpu_count()} cores"


def run(*arguments: str) -> str:
    """Runs the program; its standard output."""
    command = [PROGRAM, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(output: Path, *arguments: str) -> None:
    """Trains to the end, going on where an earlier call stopped."""
    run("train", *arguments, "--output", str(output), "--resume", "--quiet")


def events(directory: Path, name: str) -> list[dict]:
    """The lines of one event of a run's metrics."""
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def timings(directory: Path) -> list[dict]:
    """The lines of timing.jsonl."""
    return [json.loads(line) for line in (directory / "timing.jsonl").read_text().splitlines()]


def wall_seconds(directory: Path) -> float:
    """Of all the stretches in which the run was trained; each counts its own seconds from nought."""
    seconds = [line["seconds"] for line in common.timings(directory)]
    ends = [now for now, following in zip(seconds, [*seconds[1:], 0.0]) if following < now]
    return sum(ends)


def write_record(file: Path, record: dict) -> None:
    """As JSON, whose lists of lists have a line for each inner list."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(record, indent=1).replace("\n   ", " ").replace("\n  ]", "]") + "\n")


def with_section(text: str, begin: str, end: str, content: str) -> str:
    """A page's text with other content, in lines of its own, between the marks; they and what is around them stay."""
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def write_page(name: str, text: str) -> None:
    page = ROOT / "docs" / "results" / name
    page.write_text(text)
    print(f"wrote {page.relative_to(ROOT)}")
