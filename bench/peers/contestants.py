"""The two kinds of contestants of compare.py: this program, started anew for each turn, and a peer, a worker process
that lives as long as its case (worker.py). Both answer ask(request, repeats) with {"milliseconds": [...], ...} or
{"error": "..."}.
"""

import json
import os
import select
import subprocess
import sys

# Seconds for one turn. The first of a peer includes its import, its compiler and the trials of its variants.
LIMIT = 900


class Program:
    """eaudeqn bench."""

    name = "eaudeqn"

    def __init__(self, program, arguments, processors):
        self.command = [str(program), "bench", *arguments]
        self.processors = processors

    def ask(self, request, repeats):
        command = [*self.command, "--sparsity", str(request["sparsity"]), "--threads", str(request["threads"])]
        command += ["--repeats", str(repeats), "--json"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                preexec_fn=lambda: os.sched_setaffinity(0, self.processors),
            )
            if done.returncode != 0:
                return {"error": f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"}
            return self.read(json.loads(done.stdout))
        except (OSError, ValueError, LookupError, subprocess.TimeoutExpired) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    @staticmethod
    def read(answer):
        row = answer["rows"][0]
        unit, factor = ("milliseconds", 1) if "milliseconds_median" in row else ("microseconds", 1e-3)
        times = row.get(unit) or [row[f"{unit}_median"], row[f"{unit}_min"]]
        kept = {key: answer[key] for key in ("isa", "build") if key in answer}
        return {"milliseconds": [time * factor for time in times], "peer": "eaudeqn", **kept}

    def close(self):
        pass


class Peer:
    """A worker. Its messages go to a log."""

    def __init__(self, name, script, processors, log):
        self.name = name
        self.log = log
        with open(log, "w") as messages:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, processors),
            )

    def ask(self, request, repeats):
        try:
            self.process.stdin.write(json.dumps({**request, "repeats": repeats}) + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], LIMIT)[0]:
                self.process.kill()
                return {"error": f"no answer within {LIMIT} s"}
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            last = (self.log.read_text().strip().splitlines() or ["it said nothing"])[-1]
            return {"error": f"the worker ended with {self.process.wait()}: {last[-300:]}"}
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
