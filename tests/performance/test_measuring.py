"""The scripts that fill docs/performance.md work: small cases, what their tables hold, and that they change nothing but
what lies between their markers. Not how fast anything is: no test judges a time."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "peers"), str(ROOT / "tests" / "conformance")]

import occasion  # noqa: E402
import roofline  # noqa: E402
import step  # noqa: E402
import tables  # noqa: E402
from program import eaudeqn, eaudeqn_json, one_line_error  # noqa: E402

BEFORE, AFTER = "# A page\n\nbefore\n", "\nafter\n"


@pytest.fixture
def page(tmp_path):
    sections = [f"<!-- {name}:begin -->\nold {name}\n<!-- {name}:end -->" for name in ("roofline", "step", "scaling")]
    file = tmp_path / "page.md"
    file.write_text(BEFORE + "\n".join(sections) + AFTER)
    return file


def run_script(name, *arguments, code=0):
    command = [sys.executable, str(ROOT / "bench" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


def section(page, name):
    """What is between the markers; all others and the rest of the page are as they were."""
    text = page.read_text()
    assert text.startswith(BEFORE) and text.endswith(AFTER)
    for other in {"roofline", "step", "scaling"} - {name}:
        assert f"<!-- {other}:begin -->\nold {other}\n<!-- {other}:end -->" in text
    (found,) = re.findall(f"<!-- {name}:begin -->\n(.*?)\n<!-- {name}:end -->", text, re.DOTALL)
    assert f"old {name}" not in found
    return found


def assert_says_how(text):
    first = text.splitlines()[0]
    for words in ("`bench/", "processors", "eaudeqn uses", "thread", "GCC" if "GCC" in first else "Clang"):
        assert words in first, f"{words!r} is missing in: {first}"
    assert re.search(r" on \d{4}-\d\d-\d\d: ", first)
    assert re.search(r"load average before it began \d", first)


def test_bench_step_has_the_documented_keys():
    report = eaudeqn_json("bench", "step", "--features", 16, "--networks", 2, "--updates", 2, "--transitions", 200,
                          "--sparsity", "0.5,0.9", "--threads", 2, "--json")  # fmt: skip
    assert {"cpu", "isa", "threads", "build", "environment", "network", "features", "networks", "batch",
            "gradient_period", "target_update_period", "transitions", "updates", "rows"} <= set(report)  # fmt: skip
    assert [row["sparsity"] for row in report["rows"]] == [0.5, 0.9]
    for row in report["rows"]:
        assert [piece["name"] for piece in row["pieces"]] == list(step.MEANING)
        total = sum(piece["microseconds_median"] / piece["steps"] for piece in row["pieces"])
        assert row["microseconds_per_step"] == pytest.approx(total)
        assert 0 < row["update_milliseconds_min"] <= row["update_milliseconds_median"]
        update = sum(piece["microseconds_median"] for piece in row["pieces"] if piece["name"] in step.UPDATE)
        assert row["update_milliseconds_median"] == pytest.approx(update / 1e3)


def test_bench_step_is_for_games():
    assert "atari/" in one_line_error(eaudeqn("bench", "step", "classic/CartPole-v1", code=2))


def test_the_roofline_fills_its_part_of_the_page(page):
    run_script("roofline.py", "--rounds", 1, "--densities", "0.1", "--document", page)
    text = section(page, "roofline")
    assert_says_how(text)
    for layer in ("convolution 1", "convolution 2", "convolution 3", "dense layer"):
        for name in roofline.PASSES:
            if (layer, name) != ("convolution 1", "input gradient"):
                assert f"| {layer}, {name} |" in text
                assert f"| {layer} | {name} | 0.1 |" in text
    picture = xml.etree.ElementTree.parse(page.parent / "images" / "roofline.svg")
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}circle")) > 10


def test_the_step_fills_its_part_of_the_page(page):
    run_script("step.py", "--rounds", 1, "--updates", 1, "--features", 16, "--networks", 2, "--sparsities", "0,0.9",
               "--no-loop", "--document", page)  # fmt: skip
    text = section(page, "step")
    assert_says_how(text)
    assert "**Projection, not a measurement:**" in text
    for words in [*step.MEANING.values(), "rising linearly from 0 to 0.9", "16 threads, projected"]:
        assert words in text


def test_scaling_fills_its_part_of_the_page(page):
    run_script("scaling.py", "--rounds", 1, "--repeats", 1, "--sparsities", "0.95", "--networks", 1, "--features",
               16, "--tables", "threads,networks,features,together", "--document", page)  # fmt: skip
    text = section(page, "scaling")
    assert_says_how(text)
    for words in ("| threads |", "| K |", "| F |", "updates/s per core"):
        assert words in text


def test_memory_is_that_of_a_real_run():
    import scaling

    assert 2e7 < scaling.run_memory("dqn", {}, features=16) < 1e9


def test_errors_are_one_line(tmp_path, page):
    page.write_text("no markers")
    done = run_script("roofline.py", "--rounds", 1, "--densities", "0.01", "--document", page, code=1)
    assert done.stderr.strip().splitlines()[-1].startswith("roofline.py: page.md does not hold")
    assert "a b" in run_script("scaling.py", "--tables", "a b", code=2).stderr
    with pytest.raises(RuntimeError, match="cannot be run"):
        occasion.run_json([tmp_path / "absent"])


def test_the_scripts_teach():
    for name in ("roofline.py", "step.py", "scaling.py"):
        text = run_script(name, "--help").stdout
        assert f"bench/{name} --document" in text and "minutes" in text


def test_bytes_and_work_are_counted_from_the_algorithm():
    case = {"pass": "forward", "compact": True, "active": 100, "weights": 1000, "bytes": False, "batch": 32,
            "inputs": 10, "outputs": 20, "positions": 4}  # fmt: skip
    assert roofline.traffic(case) == (4 * 320 + 8 * 100, 4 * 640)
    assert roofline.operations(case) == 2 * 100 * 4 * 32
    assert roofline.traffic({**case, "compact": False}) == (4 * 320 + 4 * 1000, 4 * 640)
    assert roofline.traffic({**case, "pass": "weight gradient"}) == (4 * 320 + 4 * 640 + 4 * 100, 4 * 100)
    assert roofline.traffic({**case, "pass": "adam"}) == (1600, 1200)


def test_the_roof_is_the_slower_of_computing_and_moving():
    peaks = roofline.Peaks()
    peaks.add({"peak": "fma", "threads": 1, "gflops": 100})
    for kilobytes, rate in ((16, 200), (512, 50)):
        for stream in ("read", "update"):
            peaks.add({"peak": stream, "threads": 1, "kilobytes": kilobytes, "gigabytes_per_second": rate})
    assert roofline.roof(1e6, 100, 0, 100, peaks) == (pytest.approx(1e-5), "FMA")
    assert roofline.roof(10, 2000, 1000, 3000, peaks) == (pytest.approx(3000 / 200e9), "16 KB bandwidth")
    assert roofline.roof(10, 2000, 1000, 1 << 20, peaks) == (pytest.approx(3000 / 50e9), "512 KB bandwidth")


def test_projections_follow_their_model():
    assert step.amdahl(100, 50, 16) == pytest.approx(100 / 16)
    assert step.amdahl(100, 75, 16) == pytest.approx(50 + 50 / 16)
    assert step.amdahl(100, 40, 2) == pytest.approx(50)  # no serial part can be negative
    assert step.along([0, 0.5, 0.9], [10, 6, 2], 0.9) == pytest.approx((0.5 * 8 + 0.4 * 4) / 0.9)
    assert step.along([0, 0.5, 0.9], [10, 6, 2], 0.5) == pytest.approx(8)
    assert 0.97 * step.STEPS < step.greedy_steps() < 0.99 * step.STEPS


def test_the_page_says_when_others_computed(monkeypatch):
    about = {"isa": "AVX2", "build": "GCC 12"}
    moment = occasion.Occasion()
    for others, disturbed in ((0.01, False), (1.0, True)):
        monkeypatch.setattr(moment, "others", lambda others=others: others)
        assert (occasion.BUSY_NOTICE in moment.header(about, "1 thread")) == disturbed
    monkeypatch.setattr(moment, "others", lambda: None)  # not told: the load average decides
    moment.load = 2.0
    assert occasion.BUSY_NOTICE in moment.header(about, "1 thread")


def test_tables_of_one_processor_leave_those_of_others(page):
    page.write_text("# A page\n<!-- peers:begin -->\n<!-- peers:end -->\nafter\n")
    for processor, table in (("One", "first"), ("Two", "| second |\n\nof it"), ("One", "third\n")):
        tables.document_machine(page, "peers", processor, table)
    expected = "### One\n\nthird\n\n\n### Two\n\n| second |\n\nof it"
    assert page.read_text() == f"# A page\n<!-- peers:begin -->\n{expected}\n<!-- peers:end -->\nafter\n"


def test_the_real_page_has_every_marker_once():
    text = occasion.PAGE.read_text()
    for name in ("peers", "roofline", "step", "scaling"):
        assert text.count(f"<!-- {name}:begin -->") == text.count(f"<!-- {name}:end -->") == 1, name
