"""The report in a real browser: it shows the runs' numbers, draws its charts at every size in light and dark, asks the
network for nothing, and survives damaged files and hostile names. Screenshots are left beside the page."""

import json
import shutil

import numpy as np
import pytest
from browser import Browser
from program import CARTPOLE, changed, eaudeqn, eaudeqn_json, one_line_error, train

SIZES = {"phone": (390, 844, True), "desktop": (1440, 900, False), "4k": (3840, 2160, False)}
SHORT = changed(CARTPOLE, training__steps=2500, evaluation__period=500)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of EauDeQN and one of the same without pruning, and a run that waits."""
    folder = tmp_path_factory.mktemp("study")
    for seed in (1, 2):
        train([*SHORT, "--seed", str(seed)], folder / f"eaudedqn_seed{seed}")
    train(changed(SHORT, sparsity__max_noise=0), folder / "ensemble")
    waiting = folder / "waiting"
    waiting.mkdir()
    text = (folder / "ensemble" / "config.toml").read_text()
    (waiting / "config.toml").write_text(text.replace("seed = 1", "seed = 9"))
    return folder


@pytest.fixture(scope="module")
def page(runs):
    output = runs / "report.html"
    eaudeqn("report", runs, "--output", output)
    return output


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def lines(run, event):
    all_lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in all_lines if line["event"] == event]


def final_return(run):
    return lines(run, "evaluation")[-1]["mean_return"]


def open_tables(browser):
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.evaluate("new Promise((done) => setTimeout(done, 200))")


def rows_of(browser, summary):
    """The rows of the table behind the line to click that begins so: exact numbers, texts where there are none."""
    return browser.evaluate(f"""(() => {{
      const details = [...document.querySelectorAll("details")].find((one) => one.firstChild.textContent.startsWith({summary!r}));
      return [...details.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) =>
        cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value)));
    }})()""")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_is_drawn_without_errors_and_without_the_network(browser, page, size, dark):
    width, height, touch = SIZES[size]
    browser.open(page, width, height, dark, touch)
    # Everything is drawn once it has been seen.
    browser.evaluate("""(async () => {
      for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
        scrollTo({top: y, behavior: "instant"});
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      }
      scrollTo({top: 0, behavior: "instant"});
    })()""")
    browser.screenshot(page.parent / f"{size}_{'dark' if dark else 'light'}.png")
    assert browser.errors == []
    assert browser.requests == []
    assert browser.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    assert browser.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    colours = browser.evaluate("""[...document.querySelectorAll("canvas")].map((canvas) => {
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
      return seen.size;
    })""")
    assert len(colours) >= 6 and min(colours) >= 10, f"an empty chart: {colours}"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read(browser, page, dark):
    """Contrast by WCAG: 4.5 for text."""
    browser.open(page, 1440, 900, dark)
    contrasts = browser.evaluate("""(() => {
      const light = (colour) => {
        const parts = colour.match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16) / 255)
          .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      return ["surface", "page", "soft"].flatMap((ground) => ["ink", "muted", "accent"].map((text) =>
        [text + " on " + ground, contrast(light(ink(text)), light(ink(ground)))]));
    })()""")
    assert {name: ratio for name, ratio in contrasts if ratio < 4.5} == {}


def test_numbers_equal_the_metrics(browser, page, runs):
    browser.open(page, 1440, 900)
    open_tables(browser)
    table = {row[0]: row for row in rows_of(browser, "Every run")}
    assert set(table) == {"eaudedqn_seed1", "eaudedqn_seed2", "ensemble", "waiting"}
    for name in ("eaudedqn_seed1", "eaudedqn_seed2", "ensemble"):
        run = runs / name
        policy = eaudeqn_json("inspect", run, "--json")
        row = table[name]
        assert row[4:6] == [2500, 2500]
        assert row[6] == final_return(run)
        assert row[8:13] == [policy["sparsity"], policy["parameters"], policy["active"], policy["flops"], policy["bytes"]]
    assert table["waiting"][6] == "\u2013"

    seeds = [runs / "eaudedqn_seed1", runs / "eaudedqn_seed2"]
    label = browser.evaluate("data.variants[data.runs[0].variant].label")
    evaluations = {
        step: np.mean([line["mean_return"] for run in seeds for line in lines(run, "evaluation") if line["step"] == step])
        for step in (500, 1000, 1500, 2000, 2500)
    }
    browser.evaluate("[...document.querySelectorAll('#curves .button')].find((one) => one.textContent === 'Evaluations').click()")
    open_tables(browser)
    shown = {row[1]: row[3] for row in rows_of(browser, "Table: classic/CartPole-v1, evaluation") if row[0] == label}
    assert shown == pytest.approx(evaluations, rel=1e-12)

    browser.evaluate("(() => { const one = document.getElementById('run-chooser'); one.value = 1; one.dispatchEvent(new Event('change')); })()")
    open_tables(browser)
    updates = lines(runs / "eaudedqn_seed2", "target_update")
    assert rows_of(browser, "Table: losses of eaudedqn_seed2") == [[u["step"], u["selected"], *u["losses"]] for u in updates]
    assert rows_of(browser, "Table: sparsity of eaudedqn_seed2") == [
        [u["step"], u["selected"], *u["sparsities"]] for u in updates
    ]
    assert browser.errors == []


def test_what_rounds_to_zero_has_no_sign(browser, page):
    browser.open(page, 1440, 900)
    shown = browser.evaluate("[-1e-17, -0.0004, -0.04, -4, 0].map((value) => format.short(value) + ' ' + grouped(value, 1))")
    assert shown == ["0 0.0", "0 0.0", "\u22120.04 0.0", "\u22124 \u22124.0", "0 0.0"]


def test_zoom_and_hover(browser, page):
    browser.open(page, 1440, 1400)
    box = browser.evaluate("""(() => {
      const canvas = document.querySelector("#curves canvas"), place = canvas.getBoundingClientRect();
      const area = Chart.getChart(canvas).chartArea;
      return [place.left + area.left, place.top + area.top, area.right - area.left, area.bottom - area.top];
    })()""")
    left, top, width, height = box
    limits = "(() => { const x = Chart.getChart(document.querySelector('#curves canvas')).scales.x; return [x.min, x.max]; })()"
    before = browser.evaluate(limits)
    middle = top + height / 2
    browser.drag([(left + 0.25 * width, middle), (left + 0.4 * width, middle + 5), (left + 0.5 * width, middle)])
    low, high = browser.evaluate(limits)
    span = before[1] - before[0]
    assert low == pytest.approx(before[0] + 0.25 * span, abs=0.01 * span)
    assert high == pytest.approx(before[0] + 0.5 * span, abs=0.01 * span)
    browser.evaluate("[...document.querySelectorAll('#curves .button')].find((one) => one.textContent === 'Reset zoom').click()")
    assert browser.evaluate(limits) == before
    browser.move(left + 0.5 * width, middle)
    browser.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    title = browser.evaluate("Chart.getChart(document.querySelector('#curves canvas')).tooltip.title[0]")
    assert title.startswith("Step ")
    assert browser.errors == []


def test_damage_is_reported_and_the_rest_is_shown(browser, runs, tmp_path):
    run = tmp_path / "damaged"
    shutil.copytree(runs / "ensemble", run)
    text = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    text[3] = '{"event":"episode","step":"many"}\n'
    text[5] = text[5][:20] + "\0\0\n"
    text.append('{"event":"episode","st')  # being written: no problem
    (run / "metrics.jsonl").write_text("".join(text))
    (run / "policy.safetensors").write_bytes(b"no policy")
    output = tmp_path / "report.html"
    done = eaudeqn("report", run, runs / "eaudedqn_seed1", "--output", output)
    assert [line.split(":")[:2] for line in done.stderr.splitlines()[:2]] == [
        ["damaged/metrics.jsonl", "4"], ["damaged/metrics.jsonl", "6"]]  # fmt: skip
    browser.open(output, 1440, 900)
    banner = browser.evaluate("document.getElementById('problems').textContent")
    assert "3 problems" in banner and "policy.safetensors" in banner
    assert browser.errors == []


def test_names_cannot_become_code(browser, runs, tmp_path):
    name = "<img src=x onerror=alert(1)></script><script>document.title='owned'<!--"
    run = tmp_path / name.replace("/", "\u2215") / "run"
    shutil.copytree(runs / "ensemble", run)
    config = run / "config.toml"
    config.write_text(config.read_text().replace('"classic/CartPole-v1"', '"<b>&amp;</script><script>alert(2)</script>"'))
    other = tmp_path / "run"
    shutil.copytree(runs / "ensemble", other)
    output = tmp_path / "report.html"
    eaudeqn("report", run, other, "--output", output)
    browser.open(output, 1440, 900)
    assert browser.evaluate("document.getElementsByTagName('script').length") == 3
    assert browser.evaluate("document.querySelectorAll('main img, main b:not(.tile b)').length") == 0
    assert browser.evaluate("document.title") != "owned"
    assert "<b>&amp;</script>" in browser.evaluate("document.getElementById('summary-table').textContent")
    assert browser.errors == [] and browser.requests == []


def test_without_the_chart_library_tables_are_open(browser, page, tmp_path):
    text = page.read_text()
    begin = text.index("<script>\n/*!")
    bare = tmp_path / "report.html"
    bare.write_text(text[:begin] + text[text.index("</script>", begin) + len("</script>") :])
    browser.open(bare, 1440, 900)
    assert browser.evaluate("document.querySelectorAll('canvas').length") == 0
    assert len(rows_of(browser, "Table: losses")) > 5
    assert browser.errors == []


def test_json_is_the_page_and_the_same_each_time(browser, page, runs):
    first, second = (eaudeqn("report", runs, "--json").stdout for _ in range(2))
    assert first == second
    browser.open(page, 1440, 900)
    assert browser.evaluate("data") == json.loads(first)


def test_single_policy_and_folder_without_runs_are_clear_errors(runs, tmp_path):
    assert "holds no run" in one_line_error(eaudeqn("report", tmp_path, code=2))
    assert "no such run" in one_line_error(eaudeqn("report", tmp_path / "none", code=2))
    bad = tmp_path / "reference.json"
    bad.write_text('{"source": "x", "curves": {"a": {"algorithm": "b", "steps": [1, 2], "runs": [[1]]}}}')
    message = one_line_error(eaudeqn("report", runs, "--reference", bad, "--json", code=1))
    assert str(bad) in message and "one number per step" in message


def test_reference_curves_of_other_environments_are_told_of(runs, tmp_path):
    misspelt, right = tmp_path / "misspelt.json", tmp_path / "right.json"
    for file, environment in ((misspelt, "classic/Cartpole"), (right, "classic/CartPole-v1")):
        curve = {"algorithm": "theirs", "steps": [100, 200], "runs": [[1, 2]]}
        file.write_text(json.dumps({"source": str(file), "curves": {environment: curve}}))
    result = eaudeqn("report", runs / "ensemble", "--reference", misspelt, "--reference", right, "--json")
    assert result.stderr == f"{misspelt}: draws nothing: its curves are of classic/Cartpole, and no run is\n"
    drawn = [curve["reference"] for curve in json.loads(result.stdout)["curves"]]
    assert [reference["algorithm"] for reference in drawn] == ["theirs"]
