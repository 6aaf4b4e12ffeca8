"""Peer: one update of K Q-networks in PyTorch (worker.py says how it is asked). One shared batch of raw bytes, the
target network's forward pass, K forward and backward passes, mean squared errors, gradients times masks, fused Adam.

Where the gradient is multiplied by the mask, Adam leaves a zero weight zero, so one multiplication is enough; at
sparsity 0 there is none.

Variants, each in the memory formats that may win: `separate`, one network after the other, every operation on all
threads; `threads`, whole networks on threads of their own, every operation on one; `together`, all networks in one
tensor per layer. Tried and left out: torch.compile of the forward and backward passes (after up to 43 s of compiling
1.4 % faster than eager for nature and 11 % slower for impala: the time is in the same convolutions and products), and
`together` contiguous (the slowest).
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import problem
import worker

torch = None  # Imported when the number of threads is known.
functional = None


def load(threads):
    global torch, functional
    worker.hold_to(threads)
    import torch as imported

    torch, functional = imported, imported.nn.functional
    torch.set_num_threads(threads)
    return f"torch {torch.__version__.split('+')[0]}", variants


class Networks:
    """Some networks of one architecture, side by side in one tensor per layer: a convolution has one group per network,
    dense layers are batched products. With one network it is what everybody writes."""

    def __init__(self, kind, weights, channels_last, trained):
        self.kind, self.count, self.channels_last = kind, len(weights), channels_last
        self.weights = {name: self.stack(name, weights) for name in weights[0]}
        self.biases = {}
        for name, shape in ((name, weight.shape) for name, weight in weights[0].items()):
            grouped = (self.count, 1, shape[0]) if len(shape) == 2 and self.count > 1 else (self.count * shape[0],)
            self.biases[name] = torch.zeros(grouped)
        for tensor in self.parameters():
            tensor.requires_grad_(trained)

    def stack(self, name, arrays):
        """The arrays of a layer, one per network, as this object stores a weight or a mask."""
        layer = [array[name] for array in arrays]
        if layer[0].ndim == 4:
            stacked = torch.cat([torch.from_numpy(array) for array in layer])
            return stacked.contiguous(memory_format=torch.channels_last) if self.channels_last else stacked
        if name == "dense1" and self.channels_last:
            layer = [problem.rows_first(array) for array in layer]
        stacked = torch.stack([torch.from_numpy(array) for array in layer])
        return stacked if self.count > 1 else stacked[0].clone()

    def parameters(self):
        return [*self.weights.values(), *self.biases.values()]

    def convolution(self, x, name, stride=1, padding=1):
        groups = self.count if name != "conv1" else 1  # All networks see the same observations.
        return functional.conv2d(x, self.weights[name], self.biases[name], stride, padding, groups=groups)

    def dense(self, x, name):
        weight, bias = self.weights[name], self.biases[name]
        if self.count == 1:
            return functional.linear(x, weight, bias)
        return torch.baddbmm(bias, x, weight.transpose(1, 2))

    def flatten(self, x):
        """(B, inputs), or (K, B, inputs). Without a copy for one network: the weight follows the memory's order."""
        batch, channels, rows, columns = x.shape
        if self.channels_last:
            x = x.permute(0, 2, 3, 1)
        if self.count == 1:
            return x.reshape(batch, -1)
        if self.channels_last:
            split = x.reshape(batch, rows, columns, self.count, channels // self.count).permute(3, 0, 1, 2, 4)
        else:
            split = x.reshape(batch, self.count, channels // self.count, rows, columns).transpose(0, 1)
        return split.reshape(self.count, batch, -1)

    def __call__(self, x):
        """(K, B, actions) of images as floats."""
        x = self.nature(x) if self.kind == "nature" else self.impala(x)
        x = functional.relu(self.dense(self.flatten(x), "dense1"))
        x = self.dense(x, "dense2")
        return x if self.count > 1 else x[None]

    def nature(self, x):
        # SAME padding: 2 and 2 pixels, 1 and 2, 1 and 1.
        x = functional.relu(self.convolution(x, "conv1", 4, 2))
        x = functional.relu(self.convolution(functional.pad(x, (1, 2, 1, 2)), "conv2", 2, 0))
        return functional.relu(self.convolution(x, "conv3"))

    def impala(self, x):
        names = iter(self.weights)
        # SAME padding of a pool: none and 1 for an even side (ceil_mode), 1 and 1 for an odd one.
        for padding in (0, 0, 1):
            x = functional.max_pool2d(self.convolution(x, next(names)), 3, 2, padding, ceil_mode=True)
            for _ in range(2):
                inner = functional.relu(self.convolution(functional.relu(x), next(names)))
                x = x + self.convolution(inner, next(names))
        return functional.relu(x)


class Threads:
    """Like map(), each call on one of some threads that compute alone."""

    def __init__(self, threads):
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def __call__(self, function, items):
        torch.set_num_threads(1)  # MKL has one number for all threads of a process, OpenMP one for each.
        results = list(self.pool.map(function, items))
        torch.set_num_threads(self.threads)
        return results


class Update:
    """step() is one update; it returns the K losses as a tensor."""

    def __init__(self, request, arrangement, channels_last):
        layers = problem.shapes(request["network"], request["features"])
        population = problem.population(layers, request["networks"], request["sparsity"])
        groups = [population] if arrangement == "together" else [[member] for member in population]
        make = lambda weights, trained: Networks(request["network"], weights, channels_last, trained)  # noqa: E731
        self.online = [make([weights for weights, _ in group], True) for group in groups]
        self.target = make([problem.target(layers, request["sparsity"])], False)
        self.masked = []
        if request["sparsity"] > 0:
            for networks, group in zip(self.online, groups):
                masks = [mask for _, mask in group]
                self.masked += [(networks.weights[name], networks.stack(name, masks)) for name in layers]
        parameters = [tensor for networks in self.online for tensor in networks.parameters()]
        self.optimizer = torch.optim.Adam(
            parameters, lr=problem.LEARNING_RATE, eps=problem.ADAM_EPSILON, fused=True
        )
        self.channels_last = channels_last
        self.each = Threads(request["threads"]) if arrangement == "threads" else map
        self.batch = {name: torch.from_numpy(array) for name, array in problem.batch(request["batch"]).items()}
        self.batch["actions"] = self.batch["actions"].long()

    def images(self, name):
        """Floats. The permuted view of (B, rows, columns, channels) is what torch calls channels_last."""
        x = self.batch[name].permute(0, 3, 1, 2)
        x = x.float() if self.channels_last else x.to(torch.float32, memory_format=torch.contiguous_format)
        return x.div_(255)

    def __call__(self):
        batch = self.batch
        with torch.no_grad():
            best = self.target(self.images("next_observations"))[0].amax(1)
            y = batch["rewards"] + batch["discounts"] * best
            x = self.images("observations")
        self.optimizer.zero_grad(set_to_none=True)
        chosen = batch["actions"][None, :, None]

        def backward(networks):
            q = networks(x)
            q = q.gather(2, chosen.expand(len(q), -1, 1))[:, :, 0]
            loss = (q - y).square().mean(1)
            loss.sum().backward()
            return loss.detach()

        losses = list(self.each(backward, self.online))
        for weight, mask in self.masked:
            weight.grad.mul_(mask)
        self.optimizer.step()
        return torch.cat(losses)


def variants(request):
    names = ["separate contiguous", "separate channels_last", "together channels_last"]
    if request["threads"] > 1:
        names += ["threads contiguous", "threads channels_last"]
    made = {}
    for name in names:
        arrangement, memory = name.split()
        made[name] = functools.partial(Update, request, arrangement, memory == "channels_last")
    return made


if __name__ == "__main__":
    worker.serve(load)
