"""The files that a user of the peers would ship: make_peers.py FEATURES SPARSITY DIRECTORY writes peer.onnx and the
TorchScript of both memory formats, peer_contiguous.pt and peer_channels_last.pt. Pruned weights are zeros."""

import pathlib
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))

import problem  # noqa: E402


def main(features, sparsity, directory):
    import torch

    import act_onnxruntime
    import act_torch
    import update_torch

    layers = problem.shapes("nature", int(features))
    weights = problem.population(layers, 1, float(sparsity))[0][0]
    (directory / "peer.onnx").write_bytes(act_onnxruntime.model("nature", weights).SerializeToString())
    update_torch.load(1)
    act_torch.torch = torch
    for memory in ("contiguous", "channels_last"):
        request = {"network": "nature", "features": int(features), "sparsity": float(sparsity)}
        policy = act_torch.Act(request, False, memory == "channels_last").policy
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(policy, torch.from_numpy(problem.observation()), check_trace=False)
            torch.jit.save(torch.jit.freeze(traced.eval()), str(directory / f"peer_{memory}.pt"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
