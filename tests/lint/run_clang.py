"""Shows every source to Clang, with the compile commands of the clang preset: run_clang.py [FILE...].

The program's sources go through clang-tidy, which gives Clang's warnings too. Tests and benchmarks go through the compiler
alone, which stops before it generates code: macros of the test framework drown what clang-tidy has to say. The framework's
headers are parsed once for all of them. What was clean is not looked at again until it, any header of the tree, the checks or
its compile command change.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

from files import ROOT, project_files

BUILD = ROOT / "build" / "clang"
CLEAN = BUILD / "clean"
# What tests spend most of their parsing on.
TEST_HEADERS = ("gmock/gmock.h", "gtest/gtest.h", "nlohmann/json.hpp", "fmt/format.h", "filesystem", "functional")
PARSED_TEST_HEADERS = BUILD / "test_headers.pch"


class Unit:
    """What Clang looks at in one go: a source, or several of a folder that the build includes in one."""

    def __init__(self, path, command):
        self.path = path
        self.command = command
        included = re.findall(r'^#include "(/.*)"$', path.read_text(), re.MULTILINE) if "Unity" in path.parts else [path]
        self.sources = [pathlib.Path(source).relative_to(ROOT).as_posix() for source in included]

    def is_test(self):
        return self.sources[0].endswith("_test.cc")

    def is_program(self):
        return self.sources[0].startswith(("src/", "apps/")) and not self.is_test()


def units():
    """Everything that is compiled from the tree's own sources."""
    subprocess.run([str(ROOT / "scripts" / "build.sh"), "clang", "--tests", "--configure-only"], check=True)
    found = []
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(ROOT) and (not path.is_relative_to(BUILD) or "Unity" in path.parts):
            found.append(Unit(path, entry["command"]))
    # The longest first, or one of them would keep one processor busy at the end.
    return sorted(found, key=lambda unit: (-len(unit.sources), unit.path))


def options(command):
    """The compile command without its source and its output."""
    words = shlex.split(command)
    at = words.index("-o")
    return [word for i, word in enumerate(words[:-1]) if i not in (at, at + 1) and word != "-c"]


def parse_test_headers(command):
    """Parses the headers that tests share, with the options of one of the tests."""
    source = PARSED_TEST_HEADERS.with_suffix(".h")
    source.write_text("".join(f"#include <{header}>\n" for header in TEST_HEADERS))
    subprocess.run([*options(command), "-x", "c++-header", str(source), "-o", str(PARSED_TEST_HEADERS)], cwd=BUILD, check=True)


def inspection(unit):
    """The command that looks at one unit."""
    if unit.is_program():
        return ["clang-tidy", "--quiet", "-p", str(BUILD), str(unit.path)]
    parsed = ["-include-pch", str(PARSED_TEST_HEADERS)] if unit.is_test() else []
    return [*options(unit.command), *parsed, "-fsyntax-only", str(unit.path)]


def look(unit, key):
    """Returns what Clang has to say about one unit, or "" if it is clean."""
    mark = CLEAN / hashlib.sha256(str(unit.path).encode()).hexdigest()
    if mark.is_file() and mark.read_text() == key:
        return ""
    run = subprocess.run(inspection(unit), cwd=BUILD, capture_output=True, text=True)
    if run.returncode == 0:
        mark.write_text(key)
        return ""
    return run.stdout or run.stderr


def main(only):
    chosen = [unit for unit in units() if not only or set(only).intersection(unit.sources)]
    if not chosen:
        sys.exit("no source to look at")
    CLEAN.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True).stdout
    headers = [path for path in project_files() if path.suffix == ".h" or path.name == ".clang-tidy"]
    common = version + b"".join((ROOT / path).read_bytes() for path in headers)

    def key(unit):
        content = b"".join((ROOT / source).read_bytes() for source in unit.sources)
        return hashlib.sha256(common + unit.command.encode() + content).hexdigest()

    test = next((unit for unit in chosen if unit.is_test()), None)
    if test:
        parse_test_headers(test.command)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = 0
        for unit, text in zip(chosen, pool.map(lambda unit: look(unit, key(unit)), chosen)):
            clean += 0 if text else len(unit.sources)
            if text:
                print(text, flush=True)
    count = sum(len(unit.sources) for unit in chosen)
    print(f"{clean} of {count} files are clean")
    sys.exit(clean < count)


if __name__ == "__main__":
    main(sys.argv[1:])
