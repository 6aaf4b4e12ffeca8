"""What the scripts that write tables into docs/performance.md share: under what circumstances was measured, and running
the program. The place of a table in the page is peers/tables.py's. Standard library only."""

import datetime
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "peers"))

from compare import machine  # noqa: E402
from tables import BUSY, BUSY_NOTICE, check_document, document  # noqa: E402

BUILD = pathlib.Path(os.environ.get("EAUDEQN_BUILD") or ROOT / "build" / "release")
PAGE = ROOT / "docs" / "performance.md"
# Processors that other programs may keep busy on average before a page says so.
BUSY_PROCESSORS = 0.15


def busy_seconds():
    """Processor time of everything on this machine since it started, and what a host took away; None: not told."""
    try:
        words = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, _, _, interrupts, soft, stolen = map(int, words[1:9])
    except (OSError, ValueError, IndexError):
        return None
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """Processor time of this process and of the children that have ended."""
    return sum(os.times()[:4])


class Occasion:
    """To be made before anything is measured, asked for its header afterwards."""

    def __init__(self):
        self.script = f"bench/{pathlib.Path(sys.argv[0]).name}"
        self.command = shlex.join([self.script, *sys.argv[1:]])
        self.load = os.getloadavg()[0]
        self.start = time.monotonic()
        self.busy, self.own = busy_seconds(), own_seconds()

    def others(self):
        """Processors kept busy by other programs, on average since the beginning; None: not told."""
        now = busy_seconds()
        if now is None or self.busy is None:
            return None
        return max(0.0, (now - self.busy - (own_seconds() - self.own)) / max(time.monotonic() - self.start, 1e-3))

    def header(self, about, threads):
        """Lines; `about` is what the program says of itself, with "isa" and "build"."""
        there, others = machine(), self.others()
        line = (
            f"`{self.command}` on {datetime.date.today()}: {there['cpu']}, {there['processors']} processors, "
            f"{there['isa']} (eaudeqn uses {about['isa']}), {threads}; {about['build']}; load average before it began "
            f"{self.load:.2f}"
        )
        if others is not None:
            line += f", other programs kept {others:.2f} processors busy meanwhile"
        disturbed = self.load > BUSY if others is None else others > BUSY_PROCESSORS
        return [line + "."] + (["", BUSY_NOTICE] if disturbed else [])


def run_json(command):
    """The JSON lines that a command prints, as a list; RuntimeError with what it said when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise RuntimeError(f"{words[0]} cannot be run: {error.strerror}; build it, or set EAUDEQN_BUILD to its folder")
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise RuntimeError(f"{shlex.join(words)} failed with {done.returncode}: {said}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def add_options(parser, rounds):
    """The options that all these scripts have."""
    parser.add_argument("--rounds", type=int, default=rounds, help="times that everything is measured (%(default)s)")
    parser.add_argument(
        "--document", nargs="?", type=pathlib.Path, const=PAGE, metavar="PAGE",
        help="put the tables into this page, between its markers (docs/performance.md); else they are only printed",
    )  # fmt: skip


def check_options(parser, options, name):
    """What would only show when all is measured; `name` is that of the markers."""
    if options.rounds < 1:
        parser.error("rounds are at least 1")
    if options.document:
        check_document(options.document, name)


def numbers(text):
    """For lists on the command line: "0,0.9"."""
    return [float(word) if "." in word else int(word) for word in text.split(",")]


def several(items, word):
    return f"{items} {word}{'' if items == 1 else 's'}"


def table_head(*columns):
    """The first two lines of a table."""
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]


def publish(options, name, lines):
    """Prints the lines and puts them into the page if that is asked for."""
    text = "\n".join(lines)
    print(text)
    if options.document:
        document(options.document, name, text)
        print(f"written to {options.document}", file=sys.stderr)


def median_and_least(values, form="{:.3g}"):
    return f"{form.format(statistics.median(values))} ({form.format(min(values))})"


def run_script(main):
    """Runs main; what goes wrong is one line and exit code 1."""
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {error}")
