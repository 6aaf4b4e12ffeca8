"""Checks the rules of the tree that no compiler knows: check_tree.py [ROOT].

- A folder of src/ includes and links only what its layer may use (LAYERS).
- Only environments/ touches the simulators: ALE is under GPLv2 and must stay behind that folder (see NOTICE).
- Public headers (include/) include nothing from src/.
- No paths of somebody's machine, no notes to be done later, no switched-off tests, no tuning for one machine.
- No source file longer than LONGEST_FILE lines.
It does not check style: that is clang-format's and clang-tidy's.
"""

import pathlib
import re
import sys

from files import ROOT, project_files

LONGEST_FILE = 500

# What each folder may use, besides itself and the public headers. Deployed code must be free of the trainer, so deploy/
# and all that it uses know no environment and no replay.
LAYERS = {
    "core": set(),
    "environments": {"core"},
    "replay": {"core", "environments"},
    "engine": {"core"},
    "sparsity": {"core", "engine"},
    "population": {"core", "replay", "engine", "sparsity"},
    "agents": {"core", "environments", "replay", "engine", "sparsity", "population"},
    "deploy": {"core", "engine"},
    "experiment": {"core", "environments", "replay", "engine", "sparsity", "population", "agents", "deploy"},
    "report": {"core", "environments", "engine", "deploy", "experiment"},
}
SIMULATOR_INCLUDE = re.compile(r'[<"](ale|mujoco)/')
SIMULATOR_TARGET = re.compile(r"\beaudeqn::(ale|mujoco)\b|\bale::|\bmujoco::")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)
TARGET = re.compile(r"\beaudeqn_([a-z]+)\b")
CODE = {".h", ".cc", ".c", ".py", ".sh", ".cmake"}

# Spelled so that this file does not find itself.
FORBIDDEN = [
    (re.compile(r"(?<![\w.})])/(?:work|farm|root|home)/"), "a path of somebody's machine"),
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b"), "a note to be done later"),
    (re.compile(r"GTEST_" r"SKIP|\bDIS" r"ABLED_"), "a switched-off test"),
    (re.compile(r"-march=" r"native|-mtune=" r"native"), "code for one machine only"),
]


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def layer_problems(path, text):
    """Wrong includes of one C++ file of src/, include/ or apps/."""
    folder = path.parts[1] if path.parts[0] == "src" else path.parts[0]
    if path.parts[0] == "include":
        allowed = set()
    elif path.parts[0] == "apps":
        allowed = set(LAYERS)
    elif folder in LAYERS:
        allowed = LAYERS[folder] | {folder}
    else:
        yield 1, f"src/{folder} has no layer; give it one in tests/lint/check_tree.py"
        return
    for match in INCLUDE.finditer(text):
        name = match.group(1)
        line = line_of(text, match.start(1))
        if SIMULATOR_INCLUDE.match(name) and folder != "environments":
            yield line, f"{name}: only src/environments may include a simulator's headers"
        used = name[1:-1].split("/")[0]
        if used in LAYERS and used not in allowed:
            yield line, f"{name}: {folder} may use only {', '.join(sorted(allowed)) or 'public headers'}"


def link_problems(path, text):
    """Wrong targets in the CMakeLists.txt of one folder of src/."""
    folder = path.parts[1]
    for match in TARGET.finditer(text):
        used = match.group(1)
        if used in LAYERS and used != folder and used not in LAYERS.get(folder, set()):
            yield line_of(text, match.start()), f"links eaudeqn_{used}, which {folder} may not use"
    match = SIMULATOR_TARGET.search(text)
    if match and folder != "environments":
        yield line_of(text, match.start()), "only src/environments may link a simulator"


def text_problems(path, text):
    for pattern, meaning in FORBIDDEN:
        for match in pattern.finditer(text):
            yield line_of(text, match.start()), f"{match.group(0)!r}: {meaning}"
    lines = text.count("\n")
    if (path.suffix in CODE or path.name in ("CMakeLists.txt", "run", "test")) and lines > LONGEST_FILE:
        yield lines, f"{lines} lines, more than {LONGEST_FILE}; split it by what its parts do"


def problems(root):
    """All problems as "path:line: what", in the order of the paths."""
    for path in project_files(root):
        content = (root / path).read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        found = list(text_problems(path, text))
        if path.parts[0] in ("src", "include", "apps") and path.suffix in (".h", ".cc"):
            found += layer_problems(path, text)
        if path.parts[0] == "src" and len(path.parts) == 3 and path.name == "CMakeLists.txt":
            found += link_problems(path, text)
        for line, what in sorted(found):
            yield f"{path}:{line}: {what}"


def main(root):
    found = list(problems(root))
    print(*found, sep="\n")
    if not any((root / "src").rglob("*.cc")):
        sys.exit(f"{root}/src holds no C++ file: nothing was checked")
    if found:
        sys.exit(f"{len(found)} problems")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
