"""The archive that cpack makes runs on a machine that has glibc and nothing else of what it was built with.

That machine is a folder: where the system allows it, the root of a chroot that holds glibc and the unpacked archive
alone; elsewhere an empty environment, with the loaded libraries looked at.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from program import CARTPOLE, HOPPER, PONG, ROOT, changed, results, train

BUILD = Path(os.environ.get("EAUDEQN_BUILD") or ROOT / "build" / "release")
GLIBC = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread))\.so")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A folder with glibc at its usual places and the archive unpacked in "/some where"."""
    work = tmp_path_factory.mktemp("package")
    subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-G", "TGZ", "-B", work], check=True,
                   capture_output=True)  # fmt: skip
    (archive,) = work.glob("eaudeqn-*.tar.gz")
    root = work / "root"
    (root / "some where").mkdir(parents=True)
    (root / "tmp").mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", root / "some where"], check=True)
    (unpacked,) = (root / "some where").iterdir()
    assert unpacked.name == archive.name.removesuffix(".tar.gz")
    unpacked.rename(root / "some where" / "eaudeqn")
    for line in subprocess.run(["ldd", BUILD / "eaudeqn"], check=True, capture_output=True, text=True).stdout.splitlines():
        file = re.search(r"(/\S+) \(0x", line)
        if file and GLIBC.match(Path(file.group(1)).name):
            target = root / file.group(1).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.group(1), target)
    return root


def chroot(root):
    """The command that runs another inside `root`; none where that is not allowed."""
    (root / "proc").mkdir(exist_ok=True)
    inside = 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"'
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    for namespaces in (["--mount"], ["--mount", "--map-root-user"]):
        prefix = ["/usr/bin/unshare", *namespaces, "/usr/bin/env", "-i", path, "sh", "-c", inside, str(root)]
        done = subprocess.run([*prefix, "/some where/eaudeqn/bin/eaudeqn", "--version"], capture_output=True)
        if done.returncode == 0:
            return prefix
        assert b"shared libraries" not in done.stderr, done.stderr
    return []


def run(root, *arguments):
    """The unpacked program without any environment; output paths are below /tmp of that machine."""
    prefix = chroot(root)
    inside = (lambda path: path) if prefix else (lambda path: str(root) + path)
    words = [inside(word) if word.startswith("/tmp") else word for word in map(str, arguments)]
    done = subprocess.run([*prefix, inside("/some where/eaudeqn/bin/eaudeqn"), *words], capture_output=True, text=True,
                          env={}, cwd="/", stdin=subprocess.DEVNULL, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("settings", [changed(CARTPOLE, training__steps=1000), changed(PONG, training__steps=150),
                                      changed(HOPPER, training__steps=250)], ids=["classic", "atari", "mujoco"])  # fmt: skip
def test_it_trains_elsewhere_and_to_the_same_bits(settings, machine, tmp_path):
    name = settings[0].split("/")[0]
    run(machine, "train", *settings, "--output", f"/tmp/{name}")
    train(settings, tmp_path / "here")
    assert results(machine / "tmp" / name) == results(tmp_path / "here")
    assert "sparsity" in run(machine, "evaluate", f"/tmp/{name}", "--episodes", 1)


def test_a_sweep_starts_the_program_from_where_it_lies(machine):
    file = machine / "tmp" / "s.toml"
    file.write_text("environments = ['classic/CartPole-v1']\nalgorithms = ['dqn']\nseeds = [1, 2]\n"
                    "[settings]\ntraining.steps = 1500\nevaluation.period = 0\n")  # fmt: skip
    assert "2 finished" in run(machine, "sweep", "/tmp/s.toml", "--local", 2, "--output", "/tmp/sweep")


def test_every_library_is_its_own_or_of_glibc(machine):
    program = machine / "some where" / "eaudeqn" / "bin" / "eaudeqn"
    loaded = subprocess.run(["ldd", program], check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    for name, path in re.findall(r"^\s*(\S+) => (.+) \(0x", loaded.stdout, re.MULTILINE):
        assert GLIBC.match(name) or Path(path).resolve().is_relative_to(machine.resolve()), f"{name} from {path}"
    assert "not found" not in loaded.stdout


def test_its_own_models_and_roms_come_first(machine, tmp_path):
    """A damaged copy is noticed, so it is the copy that is used."""
    own = shutil.copytree(machine / "some where" / "eaudeqn", tmp_path / "copy")
    (own / "share" / "eaudeqn" / "mujoco" / "hopper.xml").write_text("no model")
    done = subprocess.run([own / "bin" / "eaudeqn", "train", "mujoco/Hopper-v5", "--output", tmp_path / "run"],
                          capture_output=True, text=True, env={}, timeout=60)  # fmt: skip
    assert done.returncode == 1 and str(own / "share" / "eaudeqn" / "mujoco" / "hopper.xml") in done.stderr


def test_all_licences_are_in_it(machine):
    documents = machine / "some where" / "eaudeqn" / "share" / "doc" / "eaudeqn"
    for name in ("LICENSE", "NOTICE", "licences/ale/LICENSE.md", "licences/mujoco/LICENSE",
                 "licences/mujoco/LICENSES_THIRD_PARTY.md", "../../eaudeqn/mujoco/LICENSE"):  # fmt: skip
        assert (documents / name).stat().st_size > 500, name
    own = {file.name.split(".so")[0] for file in (documents.parents[2] / "lib").iterdir()}
    texts = " ".join(folder.name for folder in (documents / "licences").iterdir())
    for library in own - {"libgcc_s", "libmujoco"}:  # libgcc_s: in libstdc++'s text
        assert library.removesuffix("c++").removeprefix("lib").rstrip("+") in texts, library
