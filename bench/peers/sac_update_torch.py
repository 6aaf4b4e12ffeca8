"""Peer: one update of the critics of EauDeSAC in PyTorch; what it measures is said in sac_update_jax.py.

Variants: `together`, the 2 K critics in one tensor per layer and batched products; `separate`, one after the other;
`threads`, as many groups of critics as there are threads, each together and on its own thread.
"""

import functools

import problem
import update_torch
import worker

torch = None  # Imported when the number of threads is known.


def load(threads):
    global torch
    peer, _ = update_torch.load(threads)
    torch = update_torch.torch
    return peer, variants


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

    def __init__(self, request, arrangement):
        layers = problem.critic_shapes(request["observation"], request["actions"])
        population = problem.population(layers, 2 * request["networks"], request["sparsity"])
        count = {"together": 1, "separate": len(population), "threads": request["threads"]}[arrangement]
        groups = [population[len(population) * i // count : len(population) * (i + 1) // count] for i in range(count)]
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
        self.each = update_torch.Threads(request["threads"]) if arrangement == "threads" else map
        batch = problem.critic_batch(request["batch"], request["observation"], request["actions"])
        self.batch = {name: torch.from_numpy(array) for name, array in batch.items()}

    def __call__(self):
        batch = self.batch
        with torch.no_grad():
            smaller = self.target(torch.cat([batch["next_observations"], batch["next_actions"]], 1)).amin(0)
            y = batch["rewards"] + batch["discounts"] * (smaller + batch["entropy_bonus"])
            x = torch.cat([batch["observations"], batch["actions"]], 1)
        self.optimizer.zero_grad(set_to_none=True)

        def backward(critics):
            loss = (critics(x) - y).square().mean(1)
            loss.sum().backward()
            return loss.detach()

        losses = list(self.each(backward, self.online))
        for weight, mask in self.masked:
            weight.grad.mul_(mask)
        self.optimizer.step()
        return torch.cat(losses)


def variants(request):
    names = ["together", "separate"] + (["threads"] if 1 < request["threads"] <= request["networks"] else [])
    return {name: functools.partial(Update, request, name) for name in names}


if __name__ == "__main__":
    worker.serve(load)
