"""Peer: one greedy action by PyTorch, from raw bytes (1, 84, 84, 4) to the index of the largest output (worker.py says
how it is asked; act_onnxruntime.py shows a request). The weights of the pruned network hold zeros.

Variants: eager and traced and frozen, in both memory formats.
"""

import warnings

import problem
import update_torch
import worker

torch = None  # Imported when the number of threads is known.


def load(threads):
    global torch
    peer, _ = update_torch.load(threads)
    torch = update_torch.torch
    return peer, variants


class Act:
    """step() returns the action."""

    def __init__(self, request, traced, channels_last):
        layers = problem.shapes(request["network"], request["features"])
        weights = [weights for weights, _ in problem.population(layers, 1, request["sparsity"])]
        networks = update_torch.Networks(request["network"], weights, channels_last, False)
        self.observation = torch.from_numpy(problem.observation())

        class Policy(torch.nn.Module):
            def forward(self, observation):
                x = observation.permute(0, 3, 1, 2)
                x = x.float() if channels_last else x.to(torch.float32, memory_format=torch.contiguous_format)
                return networks(x.div_(255))[0].argmax(1)

        self.policy = Policy().eval()
        if traced:
            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")  # That scripts are on their way out, and a run-time check of ours.
                self.policy = torch.jit.trace(self.policy, self.observation, check_trace=False)
                self.policy = torch.jit.optimize_for_inference(torch.jit.freeze(self.policy))

    def __call__(self):
        with torch.inference_mode():
            return int(self.policy(self.observation))


def variants(request):
    return {
        f"{mode} {memory}": lambda t=mode == "traced", c=memory == "channels_last": Act(request, t, c)
        for mode in ("eager", "traced")
        for memory in ("contiguous", "channels_last")
    }


if __name__ == "__main__":
    worker.serve(load)
