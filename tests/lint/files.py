"""Which files the lint checks look at: what is in the repository or about to be. It checks nothing itself."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def project_files(root=ROOT):
    """Paths of all files of the tree relative to `root`, sorted, without what .gitignore leaves out."""
    if (root / ".git").exists():
        command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        paths = [pathlib.PurePosixPath(name) for name in names if name and (root / name).is_file()]
    else:  # an unpacked archive
        ignored = {"build", ".dependencies", "runs", "__pycache__", ".pytest_cache"}
        paths = [pathlib.PurePosixPath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        paths = [path for path in paths if not ignored.intersection(path.parts)]
    return sorted(set(paths))
