"""evaluate --video: filming changes no return, every step is in the film, and the report plays it."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from browser import Browser
from program import CARTPOLE, HOPPER, PONG, changed, eaudeqn, eaudeqn_json, one_line_error, program, train


@pytest.fixture(scope="module")
def pong(tmp_path_factory):
    run = tmp_path_factory.mktemp("pong") / "run"
    train(PONG, run)
    return run


def film_facts(file):
    command = ["ffprobe", "-loglevel", "error", "-count_frames", "-of", "json", "-show_entries",
               "stream=width,height,nb_read_frames,avg_frame_rate,codec_name,pix_fmt", str(file)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)["streams"][0]


def test_filming_changes_nothing_and_shows_every_step(pong, tmp_path):
    arguments = ["evaluate", pong, "--episodes", 2, "--epsilon", 0.3, "--seed", 5, "--json"]
    film = tmp_path / "film.mp4"
    filmed = eaudeqn_json(*arguments, "--video", film)
    assert filmed == eaudeqn_json(*arguments)
    facts = film_facts(film)
    assert int(facts["nb_read_frames"]) == filmed["steps"] + 2  # and how each episode ends
    assert facts["avg_frame_rate"] == "15/1"  # a step is four of sixty frames a second
    assert (facts["codec_name"], facts["pix_fmt"]) == ("h264", "yuv420p")  # which every browser plays
    assert [entry.name for entry in tmp_path.iterdir()] == ["film.mp4"]


def test_report_plays_the_clip_of_a_run(pong, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(pong, run)
    eaudeqn("evaluate", run, "--steps", 30, "--video", run / "video.mp4")
    page = tmp_path / "report.html"
    eaudeqn("report", run, "--output", page)
    with Browser(tmp_path / "profile") as browser:
        browser.open(page, 1200, 900)
        width = browser.evaluate("""new Promise((done) => {
          const video = document.querySelector("video");
          if (video.readyState >= 1) done(video.videoWidth);
          video.addEventListener("loadedmetadata", () => done(video.videoWidth));
          video.addEventListener("error", () => done(video.error.message));
        })""")
        assert width == film_facts(run / "video.mp4")["width"]
        assert browser.errors == [] and browser.requests == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_as_by_a_terminal_it_says_so_and_leaves_nothing(pong, tmp_path, number):
    """A terminal sends Ctrl-C to all programs of the command; ffmpeg once ended first and was blamed."""
    command = [program(), "evaluate", str(pong), "--steps", "100000", "--video", str(tmp_path / "film.mp4")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not any("unfinished" in entry.name for entry in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "error: evaluation stopped by a signal before its end; nothing was written"
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_the_error_says_what_to_install(pong, tmp_path):
    film = tmp_path / "film.mp4"
    done = eaudeqn("evaluate", pong, "--steps", 5, "--video", film, code=1, environment={"PATH": str(tmp_path)})
    assert "apt install ffmpeg" in one_line_error(done)
    assert list(tmp_path.iterdir()) == []
    done = eaudeqn("evaluate", pong, "--steps", 5, "--video", tmp_path / "film.avi", code=2)
    assert ".mp4, .webm, .webp or .gif" in one_line_error(done)


def test_what_cannot_be_shown_says_so(tmp_path):
    train(changed(CARTPOLE, training__steps=500), tmp_path / "run")
    done = eaudeqn("evaluate", tmp_path / "run", "--steps", 5, "--video", tmp_path / "film.mp4", code=1)
    assert "has no picture to show" in one_line_error(done)


def test_mujoco_is_drawn_where_opengl_works_else_the_error_says_what_is_missing(tmp_path):
    train(changed(HOPPER, training__steps=150), tmp_path / "run")
    film = tmp_path / "film.mp4"
    done = eaudeqn("evaluate", tmp_path / "run", "--steps", 8, "--epsilon", 0, "--video", film, code=None)
    if done.returncode == 1:
        message = one_line_error(done)
        assert "no picture" in message and "apt install" in message
        return
    facts = film_facts(film)
    assert facts["avg_frame_rate"] == "125/3"  # 0.008 s a step, of which every third is shown
    assert 3 <= int(facts["nb_read_frames"]) <= 4
