"""Peer: one update of the critics of EauDeSAC in PyTorch; what it measures is said in sac_update_jax.py.

Variants: `together`, the 2 K critics in one tensor per layer and batched products; `separate`, one after the other.
"""

import problem
import worker

torch = None  # Imported when the number of threads is known.


def load(threads):
    global torch
    worker.hold_to(threads)
    import torch as imported

    torch = imported
    torch.set_num_threads(threads)
    return f"torch {torch.__version__.split('+')[0]}", variants


def stack(arrays):
    """{name: (networks, in, out)} of weights or masks, one dictionary per network."""
    return {name: torch.stack([torch.from_numpy(own[name].T) for own in arrays]) for name in arrays[0]}


class Critics:
    """Some critics side by side: weights (networks, in, out), biases (networks, 1, out)."""

    def __init__(self, weights, trained):
        self.weights = stack(weights)
        self.biases = {name: torch.zeros(len(w), 1, w.shape[2]) for name, w in self.weights.items()}
        for tensor in self.parameters():
            tensor.requires_grad_(trained)

    def parameters(self):
        return [*self.weights.values(), *self.biases.values()]

    def __call__(self, x):
        """(networks, B) of x: (B, observation + action)."""
        for name, weight in self.weights.items():
            if len(weight) == 1:
                x = torch.addmm(self.biases[name][0], x.reshape(x.shape[-2:]), weight[0])[None]
            else:
                x = torch.baddbmm(self.biases[name], x.expand(len(weight), -1, -1), weight)
            if name != "dense3":
                x = x.relu_()
        return x[:, :, 0]


class Update:
    """step() is one update; it returns the 2 K losses."""

    def __init__(self, request, together):
        layers = problem.critic_shapes(request["observation"], request["actions"])
        population = problem.population(layers, 2 * request["networks"], request["sparsity"])
        groups = [population] if together else [[member] for member in population]
        self.online = [Critics([weights for weights, _ in group], True) for group in groups]
        self.target = Critics(problem.target_pair(layers, request["sparsity"]), False)
        self.masked = []
        if request["sparsity"] > 0:
            for critics, group in zip(self.online, groups):
                masks = stack([mask for _, mask in group])
                self.masked += [(critics.weights[name], masks[name]) for name in layers]
        parameters = [tensor for critics in self.online for tensor in critics.parameters()]
        self.optimizer = torch.optim.Adam(
            parameters, lr=problem.SAC_LEARNING_RATE, eps=problem.SAC_ADAM_EPSILON, fused=True
        )
        batch = problem.critic_batch(request["batch"], request["observation"], request["actions"])
        self.batch = {name: torch.from_numpy(array) for name, array in batch.items()}

    def __call__(self):
        batch = self.batch
        with torch.no_grad():
            smaller = self.target(torch.cat([batch["next_observations"], batch["next_actions"]], 1)).amin(0)
            y = batch["rewards"] + batch["discounts"] * (smaller + batch["entropy_bonus"])
            x = torch.cat([batch["observations"], batch["actions"]], 1)
        self.optimizer.zero_grad(set_to_none=True)
        losses = torch.cat([(critics(x) - y).square().mean(1) for critics in self.online])
        losses.sum().backward()
        for weight, mask in self.masked:
            weight.grad.mul_(mask)
        self.optimizer.step()
        return losses.detach()


def variants(request):
    return {"together": lambda: Update(request, True), "separate": lambda: Update(request, False)}


if __name__ == "__main__":
    worker.serve(load)
