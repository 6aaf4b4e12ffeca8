"""Peer: one greedy action by JAX and Flax, from raw bytes (1, 84, 84, 4) to the index of the largest output, one jitted
function (worker.py says how it is asked; act_onnxruntime.py shows a request). The weights of the pruned network hold
zeros. Variants: parameters as an argument, and as constants that XLA may prepare beforehand.
"""

import problem
import worker

jax = None  # Imported when the number of threads is known.


def load(threads):
    global jax
    jax = worker.import_jax(threads)
    return f"jax {jax.__version__}", variants


class Act:
    """step() returns the action."""

    def __init__(self, request, constant):
        import flax_networks

        layers = problem.shapes(request["network"], request["features"])
        parameters = flax_networks.variables(problem.population(layers, 1, request["sparsity"])[0][0])
        network = flax_networks.network(request["network"], request["features"])

        def act(parameters, observation):
            q = network.apply(parameters, observation.astype(jax.numpy.float32) / 255)
            return q.argmax(1)[0]

        if constant:
            self.act = jax.jit(lambda observation: act(parameters, observation))
        else:
            jitted = jax.jit(act)
            self.act = lambda observation: jitted(parameters, observation)
        self.observation = problem.observation()

    def __call__(self):
        return int(self.act(self.observation))


def variants(request):
    return {"argument": lambda: Act(request, False), "constant": lambda: Act(request, True)}


if __name__ == "__main__":
    worker.serve(load)
