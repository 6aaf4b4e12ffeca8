"""One greedy action by a peer, in a process of its own as a user would have it: act_peer.py onnxruntime|torch FILE REPEATS.
One thread. Prints what act.h prints. The files are make_peers.py's, or `eaudeqn export --format onnx`."""

import json
import os
import re
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

WARM_UP = 20


def onnxruntime(file, observation):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_outputs()[0].name
    binding = session.io_binding()
    binding.bind_cpu_input("observation", observation)
    binding.bind_output(name)

    def act():
        session.run_with_iobinding(binding)
        return int(binding.get_outputs()[0].numpy().argmax()) if name != "action" else int(binding.get_outputs()[0].numpy()[0])

    return act


def torch(file, observation):
    import torch

    torch.set_num_threads(1)
    policy = torch.jit.optimize_for_inference(torch.jit.load(file).eval())
    tensor = torch.from_numpy(observation)

    def act():
        with torch.inference_mode():
            return int(policy(tensor))

    return act


def main(kind, file, repeats):
    observation = np.random.default_rng(1).integers(0, 256, (1, 84, 84, 4), dtype=np.uint8)
    act = {"onnxruntime": onnxruntime, "torch": torch}[kind](file, observation)
    for _ in range(WARM_UP):
        act()
    times = []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1e6)
    with open("/proc/self/status") as status:  # not getrusage: see act.h
        peak = int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) * 1024
    print(json.dumps({"microseconds": times, "peak_bytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
