"""Shows every source to Clang, with the compile commands of the clang preset: run_clang.py [FILE...].

The program's sources go through clang-tidy, which gives Clang's warnings too. Tests and benchmarks go through the compiler
alone, which stops before it generates code: macros of the test framework drown what clang-tidy has to say. The framework's
headers are parsed once for all of them. A file that was clean is not looked at again until it, any header of the tree, the
checks or its compile command change.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

from files import ROOT, project_files

BUILD = ROOT / "build" / "clang"
CLEAN = BUILD / "clean"
# What tests spend most of their parsing on.
TEST_HEADERS = ("gmock/gmock.h", "gtest/gtest.h", "nlohmann/json.hpp", "fmt/format.h", "filesystem", "functional")
PARSED_TEST_HEADERS = BUILD / "test_headers.pch"


def configured_commands():
    """The compile command of every source of the tree: {path relative to ROOT: command}."""
    subprocess.run([str(ROOT / "scripts" / "build.sh"), "clang", "--tests", "--configure-only"], check=True)
    commands = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(ROOT):
            commands[path.relative_to(ROOT).as_posix()] = entry["command"]
    return {name: command for name, command in sorted(commands.items()) if not name.startswith("build/")}


def is_program(name):
    return name.startswith(("src/", "apps/")) and not name.endswith("_test.cc")


def is_test(name):
    return name.endswith("_test.cc")


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


def inspection(name, command):
    """The command that looks at one file."""
    if is_program(name):
        return ["clang-tidy", "--quiet", "-p", str(BUILD), str(ROOT / name)]
    parsed = ["-include-pch", str(PARSED_TEST_HEADERS)] if is_test(name) else []
    return [*options(command), *parsed, "-fsyntax-only", str(ROOT / name)]


def look(name, command, key):
    """Returns what Clang has to say about one file, or "" if it is clean."""
    mark = CLEAN / name.replace("/", "+")
    if mark.is_file() and mark.read_text() == key:
        return ""
    run = subprocess.run(inspection(name, command), cwd=BUILD, capture_output=True, text=True)
    if run.returncode == 0:
        mark.write_text(key)
        return ""
    return run.stdout or run.stderr


def main(only):
    commands = configured_commands()
    names = [name for name in commands if not only or name in only]
    if not names:
        sys.exit("no source to look at")
    CLEAN.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True).stdout
    headers = [path for path in project_files() if path.suffix == ".h" or path.name == ".clang-tidy"]
    common = version + b"".join((ROOT / path).read_bytes() for path in headers)
    inputs = {name: common + commands[name].encode() + (ROOT / name).read_bytes() for name in names}
    keys = {name: hashlib.sha256(content).hexdigest() for name, content in inputs.items()}
    tests = [name for name in names if is_test(name)]
    if tests:
        parse_test_headers(commands[tests[0]])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        unclean = 0
        for text in pool.map(lambda name: look(name, commands[name], keys[name]), names):
            if text:
                unclean += 1
                print(text, flush=True)
    print(f"{len(names) - unclean} of {len(names)} files are clean")
    sys.exit(unclean > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
