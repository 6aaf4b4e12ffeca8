"""The same bits whatever else the machine does: other processes, one processor only, any number of threads."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hostile import LONG, families, tally
from program import assert_same_results, changed, checkpoints, step_of, train

THREADS = range(1, 9) if LONG else [8]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module", params=["classic", "atari", "mujoco", "offline"])
def reference(request, settings, tmp_path_factory):
    run = tmp_path_factory.mktemp(request.param) / "run"
    train(settings[request.param], run, "--threads", 1)
    return settings[request.param], run


@pytest.fixture
def contention():
    """Three processes that never rest."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    yield
    for process in busy:
        process.kill()
        process.wait()


def test_threads_and_contention_change_no_bit(reference, contention, tmp_path):
    settings, expected = reference
    for threads in THREADS:
        run = tmp_path / f"threads_{threads}"
        train(settings, run, "--threads", threads)
        assert_same_results(run, expected)
    tally("three busy processes beside, threads " + ", ".join(map(str, THREADS)), len(THREADS), f"{settings[0]}: the same bits")


def test_on_one_processor_it_is_the_same(reference, tmp_path):
    settings, expected = reference
    processor = min(os.sched_getaffinity(0))
    train(settings, tmp_path / "run", "--threads", 3, preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
    assert_same_results(tmp_path / "run", expected)
    tally("one processor only, 3 threads", 1, f"{settings[0]}: the same bits")


@pytest.mark.parametrize("algorithm", ["cql", "distillcql", "polyprunecql", "riglcql", "setcql", "staticcql"])
def test_every_offline_method_gives_the_same_bits_with_threads_and_set_back(algorithm, settings, tmp_path):
    """With three threads from an older checkpoint as with one and undisturbed. Masks that move do so before and after it."""
    short = changed(settings["offline"], population__networks=1, sparsity__start=10, sparsity__end=80, sparsity__period=10,
                    checkpoint__period=40, checkpoint__keep=9)  # fmt: skip
    short[short.index("eaudecql")] = algorithm
    whole, again = tmp_path / "whole", tmp_path / "again"
    train(short, whole, "--threads", 1)
    sparsity = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])["sparsity"]
    assert (sparsity == 0) == (algorithm == "cql"), sparsity
    shutil.copytree(whole, again)
    assert [step_of(file) for file in checkpoints(again)][0] == 40
    for file in checkpoints(again)[1:]:
        file.unlink()
    train(short, again, "--resume", "--threads", 3)
    assert_same_results(again, whole)
    tally("an older checkpoint, 3 threads instead of 1", 1, f"{algorithm}: the same bits")
