"""The demo behind `./run` alone, cut short: all four parts with the real program and the real Pong."""

import os
import subprocess
from pathlib import Path

from program import program

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo.sh"


def run_demo(directory):
    short = {"EAUDEQN": str(program()), "EAUDEQN_DEMO_SECONDS": "3", "EAUDEQN_DEMO_CARTPOLE_STEPS": "2000"}
    return subprocess.run([DEMO], cwd=directory, env=os.environ | short, capture_output=True, text=True, timeout=300)


def test_demo_goes_on_after_pongs_time_is_up_and_again_when_called_again(tmp_path):
    """`timeout` reported its own 124 instead of the program's 75, and the demo ended in the middle."""
    for _ in range(2):
        demo = run_demo(tmp_path)
        assert demo.returncode == 0, demo.stderr
        for part in ("1/4", "2/4", "3/4", "4/4", "conv1", "Next:"):
            assert part in demo.stdout, demo.stdout
        assert (tmp_path / "runs" / "demo_pong" / "policy.safetensors").exists()
