"""Kernels, Adam and a population's work take as many instructions and cache misses as committed: bench/instructions.py
says how they are counted and how to update the figures. Not times: those are noise on a shared machine."""

import copy
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import instructions  # noqa: E402


@pytest.fixture(scope="module")
def figures():
    return json.loads(instructions.FIGURES.read_text())


def test_counts_are_those_committed(figures):
    measured = instructions.count()
    complaints = instructions.compare(measured, figures)
    assert not complaints, "\n".join(["", *complaints, "", instructions.explanation(measured, figures)])


def test_a_kernel_that_got_worse_is_named(figures):
    measured = copy.deepcopy(figures)
    assert instructions.compare(measured, figures) == []
    name = next(iter(measured["cases"]))
    measured["cases"][name]["instructions"] = round(1.1 * figures["cases"][name]["instructions"])
    (complaint,) = instructions.compare(measured, figures)
    assert name in complaint and "+10.0% instructions" in complaint and "WORSE" in complaint


def test_another_compiler_has_room_but_not_for_everything(figures):
    measured = {**copy.deepcopy(figures), "compiler": "GCC 1"}
    name = next(iter(measured["cases"]))
    counts = measured["cases"][name]
    counts["instructions"] = round(1.2 * figures["cases"][name]["instructions"])
    assert instructions.compare(measured, figures) == []
    counts["instructions"] = round(1.5 * figures["cases"][name]["instructions"])
    assert len(instructions.compare(measured, figures)) == 1


def test_cases_and_figures_are_the_same_ones(figures):
    measured = copy.deepcopy(figures)
    name = next(iter(figures["cases"]))
    del measured["cases"][name]
    assert instructions.compare(measured, figures) == [f"{name}: only in the figures"]
