"""Peer: one update of the critics of EauDeSAC in JAX, Flax and optax (worker.py says how it is asked). One jitted
function: the target pair's forward passes, y from the smaller of the two, forward and backward passes of K twin
critics, mean squared errors, gradients times masks, Adam. The actor is not measured: its actions come with the batch.

    {"observation": 11, "actions": 3, "networks": 5, "batch": 256, "sparsity": 0.9, "threads": 2, "repeats": 10}

Variants: `vmap` over the 2 K critics stacked in one tree; `unrolled`, one after the other in the same function.
"""

import functools

import problem
import worker

jax = None  # Imported when the number of threads is known.


def load(threads):
    global jax
    jax = worker.import_jax(threads)
    return f"jax {jax.__version__}", variants


def stack(trees):
    return jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *trees)


@functools.lru_cache(maxsize=4)
def compiled(vectorised, masked):
    """(optimizer, step(state, masks, target, batch) -> (state, losses)); state is (parameters, moments)."""
    import flax_networks
    import optax

    jnp = jax.numpy
    critic = flax_networks.Critic()
    optimizer = optax.adam(problem.SAC_LEARNING_RATE, eps=problem.SAC_ADAM_EPSILON)

    def loss(parameters, x, y):
        return jnp.mean((critic.apply(parameters, x) - y) ** 2)

    value_and_gradient = jax.value_and_grad(loss)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, masks, target, batch):
        parameters, moments = state
        next_x = jnp.concatenate([batch["next_observations"], batch["next_actions"]], axis=1)
        smaller = jnp.minimum(*(critic.apply(twin, next_x) for twin in target))
        y = batch["rewards"] + batch["discounts"] * (smaller + batch["entropy_bonus"])
        x = jnp.concatenate([batch["observations"], batch["actions"]], axis=1)
        if vectorised:
            losses, gradients = jax.vmap(value_and_gradient, in_axes=(0, None, None))(parameters, x, y)
        else:
            losses, gradients = zip(*(value_and_gradient(own, x, y) for own in parameters))
            losses = jnp.stack(losses)
        if masked:
            multiply = flax_networks.masked
            gradients = multiply(gradients, masks) if vectorised else tuple(map(multiply, gradients, masks))
        updates, moments = optimizer.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments), losses

    return optimizer, step


class Update:
    """step() is one update; it returns the 2 K losses."""

    def __init__(self, request, vectorised):
        import flax_networks

        sparsity = request["sparsity"]
        layers = problem.critic_shapes(request["observation"], request["actions"])
        population = problem.population(layers, 2 * request["networks"], sparsity)
        join = stack if vectorised else tuple
        parameters = join([flax_networks.variables(weights) for weights, _ in population])
        self.masks = join([flax_networks.mask_tree(masks) for _, masks in population]) if sparsity > 0 else None
        self.target = [flax_networks.variables(weights) for weights in problem.target_pair(layers, sparsity)]
        optimizer, self.step = compiled(vectorised, sparsity > 0)
        self.state = (parameters, optimizer.init(parameters))
        self.batch = problem.critic_batch(request["batch"], request["observation"], request["actions"])

    def __call__(self):
        self.state, losses = self.step(self.state, self.masks, self.target, self.batch)
        jax.block_until_ready((self.state, losses))
        return losses


def variants(request):
    return {"vmap": lambda: Update(request, True), "unrolled": lambda: Update(request, False)}


if __name__ == "__main__":
    worker.serve(load)
