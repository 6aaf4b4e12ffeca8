"""What all peers share: one JSON object per line on stdin, one JSON line on stdout for each.

    {"network": "nature", "features": 512, "networks": 5, "batch": 32, "sparsity": 0.9, "threads": 2, "repeats": 10}
    {"milliseconds": [...], "peer": "torch 2.15.0", "variant": "separate channels_last"}

or {"error": "..."}. A peer offers several variants, the ways an expert would try; the first request for a shape times
each of them briefly and keeps the fastest. The first request also fixes the number of threads of the process.
"""

import gc
import json
import os
import sys
import time

WARM_UP = 3
TRIAL_ROUNDS, TRIAL_SECONDS = 5, 2


def milliseconds(step, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def hold_to(threads):
    """Restricts the process to `threads` processors. To be called before a framework starts its threads."""
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise ValueError(f"{threads} threads asked for, {len(allowed)} processors there")
    os.sched_setaffinity(0, allowed[:threads])


def import_jax(threads):
    """JAX on the processor. XLA starts as many threads as there are processors to run on."""
    hold_to(threads)
    import jax

    jax.config.update("jax_platforms", "cpu")
    return jax


def fastest(variants):
    """(name, step) of the variant with the smallest time in a short trial, in which they take turns. `variants`: name to
    a function that makes a step. One that does not work is left out, unless none does."""
    steps, shortest, failures = {}, {}, []
    for name, make in variants.items():
        try:
            step = make()
            milliseconds(step, WARM_UP)
            steps[name], shortest[name] = step, float("inf")
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if not steps:
        raise RuntimeError("; ".join(failures))
    start, rounds = time.perf_counter(), 0
    while rounds < TRIAL_ROUNDS or time.perf_counter() - start < TRIAL_SECONDS:
        rounds += 1
        for name, step in steps.items():
            shortest[name] = min(shortest[name], *milliseconds(step, 2))
    best = min(shortest, key=shortest.get)
    print("trial:", {name: round(least, 3) for name, least in shortest.items()}, *failures, file=sys.stderr)
    return best, steps[best]


def serve(load):
    """Answers requests until stdin ends. load(threads) imports the framework and returns (peer, variants), where
    variants(request) is what `fastest` takes."""
    # Libraries write to stdout as they please: keep it for answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = variants = threads = None
    key = name = step = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            repeats = request.pop("repeats")
            if variants is None:
                threads = request["threads"]
                peer, variants = load(threads)
            if request["threads"] != threads:
                raise ValueError(f"this process was started for {threads} threads")
            if key != request:
                key = name = step = None
                gc.collect()
                name, step = fastest(variants(request))
                key = request
            milliseconds(step, WARM_UP)
            answer = {"milliseconds": milliseconds(step, repeats), "peer": peer, "variant": name}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
