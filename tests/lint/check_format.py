"""Checks the formatting of all C++ files with clang-format; it changes none."""

import pathlib
import subprocess
import sys

from files import ROOT, project_files

# The one beside this Python was installed at the version that .clang-format is for.
CLANG_FORMAT = pathlib.Path(sys.executable).parent / "clang-format"

sources = [str(path) for path in project_files() if path.suffix in (".h", ".cc")]
if not sources:
    sys.exit("no C++ file found")
status = subprocess.run([str(CLANG_FORMAT), "--dry-run", "-Werror", *sources], cwd=ROOT).returncode
if status:
    sys.exit(f"to correct: {CLANG_FORMAT} -i FILE")
