"""Peer: one update of K Q-networks in JAX, Flax and optax (worker.py says how it is asked). One jitted function: one
shared batch of raw bytes, the target network's forward pass, K forward and backward passes, mean squared errors,
gradients times masks, Adam. The parameters are donated.

Where the gradient is multiplied by the mask, Adam leaves a zero weight zero, so one multiplication is enough; at
sparsity 0 there is none.

Variants: `vmap` over networks stacked in one tree, as everybody writes it; `unrolled`, the K networks one after the
other in the same jitted function, which spares XLA the convolution with a group per network that vmap makes.
"""

import functools

import problem
import worker

jax = None  # Imported when the number of threads is known.


def load(threads):
    global jax
    jax = worker.import_jax(threads)
    return f"jax {jax.__version__}", variants


def make_step(network, optimizer, vectorised, masked):
    """step(state, masks, target, batch) -> (state, losses); state is (parameters, moments)."""
    jnp = jax.numpy

    def loss(parameters, images, actions, y):
        q = network.apply(parameters, images)
        chosen = jnp.take_along_axis(q, actions[:, None], axis=1)[:, 0]
        return jnp.mean((chosen - y) ** 2)

    value_and_gradient = jax.value_and_grad(loss)

    def gradients_of(parameters, *data):
        if vectorised:
            return jax.vmap(value_and_gradient, in_axes=(0, None, None, None))(parameters, *data)
        losses, gradients = zip(*(value_and_gradient(own, *data) for own in parameters))
        return jnp.stack(losses), gradients

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, masks, target, batch):
        import flax_networks
        import optax

        parameters, moments = state
        images = lambda name: batch[name].astype(jnp.float32) / 255  # noqa: E731
        best = network.apply(target, images("next_observations")).max(1)
        y = batch["rewards"] + batch["discounts"] * best
        losses, gradients = gradients_of(parameters, images("observations"), batch["actions"], y)
        if masked:
            multiply = flax_networks.masked
            gradients = multiply(gradients, masks) if vectorised else tuple(map(multiply, gradients, masks))
        updates, moments = optimizer.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments), losses

    return step


@functools.lru_cache(maxsize=4)
def compiled(kind, features, vectorised, masked):
    """Shared by requests that differ in sparsity only, so that they compile once."""
    import flax_networks
    import optax

    optimizer = optax.adam(problem.LEARNING_RATE, eps=problem.ADAM_EPSILON)
    return optimizer, make_step(flax_networks.network(kind, features), optimizer, vectorised, masked)


class Update:
    """step() is one update; it returns the K losses."""

    def __init__(self, request, vectorised):
        import flax_networks

        sparsity = request["sparsity"]
        layers = problem.shapes(request["network"], request["features"])
        population = problem.population(layers, request["networks"], sparsity)
        join = self.stack if vectorised else tuple
        parameters = join([flax_networks.variables(weights) for weights, _ in population])
        self.masks = join([flax_networks.mask_tree(masks) for _, masks in population]) if sparsity > 0 else None
        self.target = flax_networks.variables(problem.target(layers, sparsity))
        optimizer, self.step = compiled(request["network"], request["features"], vectorised, sparsity > 0)
        self.state = (parameters, optimizer.init(parameters))
        self.batch = problem.batch(request["batch"])

    @staticmethod
    def stack(trees):
        return jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *trees)

    def __call__(self):
        self.state, losses = self.step(self.state, self.masks, self.target, self.batch)
        jax.block_until_ready((self.state, losses))
        return losses


def variants(request):
    return {"vmap": lambda: Update(request, True), "unrolled": lambda: Update(request, False)}


if __name__ == "__main__":
    worker.serve(load)
