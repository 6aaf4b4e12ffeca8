"""The installed library, used as its users do: from C99 by pkg-config and from C++20 by find_package, in a project of its
own that knows nothing of this tree. Outputs equal those of `eaudeqn forward` bit for bit."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from deployed import BUILD, forward, pong_policy, same_bits, sparsity_of, traced

USER = Path(__file__).resolve().parent / "library_user"
# What a machine that runs policies needs besides the C and C++ runtimes.
NEEDED = {"fmt", "hwy", "xxhash", "stdc++", "m", "gcc_s", "c", "pthread", "ld-linux-x86-64", "ld-linux-aarch64"}
# Simulators, and the parts of this project that train.
FOREIGN = re.compile(r"\bale::|ALEInterface|\bmj_|toml::|eaudeqn::(Environment|Population|DqnAgent|SacAgent|Replay|Config|"
                     r"adam|backward|all_weight_gradients|outer_product|weight_gradient)", re.IGNORECASE)  # fmt: skip


def run(*command, code=0, **options) -> subprocess.CompletedProcess:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The library installed somewhere, moved after its installation: nothing in it may hold its own path."""
    made = tmp_path_factory.mktemp("made") / "prefix"
    run("cmake", "--install", BUILD, "--component", "library", "--prefix", made)
    return Path(shutil.move(made, tmp_path_factory.mktemp("moved") / "prefix"))


@pytest.fixture(scope="module")
def library(prefix):
    return next(prefix.rglob("libeaudeqn.so")).parent


@pytest.fixture(scope="module")
def programs(prefix, library, tmp_path_factory):
    """By the way in which each was linked."""
    directory = tmp_path_factory.mktemp("user")
    packages = {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig"), "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
    flags = run("pkg-config", "--cflags", "--libs", "eaudeqn", env=packages).stdout.split()
    c = directory / "user_c"
    run("gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", USER / "user.c", *flags,
        f"-Wl,-rpath,{library}", "-o", c)  # fmt: skip
    build = directory / "build"
    run("cmake", "-S", USER, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", build)
    return {"c": c, "shared": build / "user_shared", "static": build / "user_static"}


@pytest.fixture(scope="module")
def cases(cartpole_run, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cases")
    cartpole = cartpole_run / "policy.safetensors"
    files = {"cartpole": (cartpole, "classic/CartPole-v1"), "pong": (pong_policy(directory), "atari/Pong")}
    found = {}
    for name, (policy, environment) in files.items():
        observations = traced(environment, directory, 37)
        found[name] = policy, environment, observations, forward(policy, observations, directory)
    return found


def test_it_holds_neither_simulator_nor_trainer(library):
    shared = library / "libeaudeqn.so"
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", shared).stdout.splitlines()}
    assert len(exported) == 14 and all(name.startswith("eaudeqn_") for name in exported), exported
    needed = re.findall(r"NEEDED.*\[lib([^]]+?)\.so", run("readelf", "-d", shared).stdout)
    assert set(needed) - {"-linux"} <= NEEDED, needed
    symbols = run("nm", "-C", library / "libeaudeqn.a").stdout
    assert "eaudeqn::SingleForward::forward" in symbols
    assert not sorted({match.group() for match in FOREIGN.finditer(symbols)})


def test_only_the_headers_that_it_has_code_for_are_installed(prefix):
    headers = {str(path.relative_to(prefix)) for path in prefix.rglob("*.h")}
    assert headers == {f"include/eaudeqn/{name}.h" for name in ("eaudeqn", "policy", "error")}


@pytest.mark.parametrize("linked", ["c", "shared", "static"])
@pytest.mark.parametrize("case", ["cartpole", "pong"])
def test_a_program_gets_the_outputs_of_forward_bit_for_bit(linked, case, programs, cases, tmp_path):
    policy, environment, observations, expected = cases[case]
    count = len(observations)
    (tmp_path / "x").write_bytes(observations.tobytes())
    said = run(programs[linked], policy, tmp_path / "x", count, tmp_path / "y").stdout.split()
    assert said[:2] == ["0.1.0", environment]
    assert float(said[2]) == pytest.approx(sparsity_of(policy), abs=1e-6) and float(said[2]) > 0.01
    result = (tmp_path / "y").read_bytes()
    outputs = np.frombuffer(result[: expected.nbytes], np.float32).reshape(expected.shape)
    actions = np.frombuffer(result[expected.nbytes :], np.int32)
    assert len(set(expected.argmax(1))) > 1, "a policy that always does the same proves little"
    assert same_bits(outputs, expected)
    np.testing.assert_array_equal(actions, expected.argmax(1))


@pytest.mark.parametrize("linked", ["c", "shared", "static"])
def test_a_damaged_file_is_an_error_that_says_so(linked, programs, cases, tmp_path):
    content = bytearray(cases["cartpole"][0].read_bytes())
    content[-100] ^= 4
    (tmp_path / "policy").write_bytes(content)
    done = run(programs[linked], tmp_path / "policy", "x", 1, tmp_path / "y", code=2)
    assert "damaged" in done.stderr and str(tmp_path / "policy") in done.stderr
