"""Do the peers compute the same? Every variant of every peer does UPDATES updates of the same problem: the losses must
agree, and so must their change, which is what the updates do. Pruned weights must still be zero. Actions must be equal.
Exits with 1 if anything disagrees. It measures no time.
"""

import os
import sys

import act_jax
import act_onnxruntime
import act_torch
import numpy as np
import problem
import sac_update_jax
import sac_update_torch
import update_jax
import update_torch

THREADS = min(2, len(os.sched_getaffinity(0)))
UPDATES = 4
# Of the first loss, since what is left of a loss that nearly vanished has no precision of its own: float32 sums of
# thousands of terms in different orders.
LOSS_TOLERANCE = 2e-5
# Of the change of a loss over UPDATES, which is some thousandths of the loss, or more.
CHANGE_TOLERANCE = 1e-3

failures = 0


def report(passed, what):
    global failures
    failures += not passed
    print("agree   " if passed else "DISAGREE", what)


def all_variants(modules, request):
    """{name: step} of every variant of some peers."""
    steps = {}
    for module in modules:
        peer, variants = module.load(THREADS)
        for name, make in variants(request).items():
            steps[f"{peer} {name}"] = make()
    return steps


def pruned_weights(step):
    """Sum of |w| over the pruned weights, and their number."""
    if hasattr(step, "masked"):  # PyTorch
        pairs = [(weight.detach().numpy(), mask.numpy()) for weight, mask in step.masked]
    else:
        parameters, masks = step.state[0], step.masks
        if isinstance(masks, dict):
            parameters, masks = [parameters], [masks]
        pairs = [
            (np.asarray(own["params"][name]["kernel"]), np.asarray(mask))
            for own, layers in zip(parameters, masks)
            for name, mask in layers.items()
        ]
    return sum(np.abs(w * (1 - m)).sum() for w, m in pairs), sum(int((m == 0).sum()) for _, m in pairs)


def check_updates(title, modules, request):
    losses, steps = {}, all_variants(modules, request)
    for name, step in steps.items():
        losses[name] = np.array([np.asarray(step()) for _ in range(UPDATES)], np.float64)
        if request["sparsity"] > 0:
            off, count = pruned_weights(step)
            report(off == 0 and count > 0, f"{title}: {name}: {count} pruned weights are zero")
    (first, reference), *others = losses.items()
    change = reference[-1] - reference[0]
    for name, mine in others:
        off = np.abs((mine - reference) / reference[0]).max()
        change_off = np.abs((mine[-1] - mine[0]) / change - 1).max()
        passed = bool(off <= LOSS_TOLERANCE and change_off <= CHANGE_TOLERANCE)
        report(passed, f"{title}: {name} and {first}: losses by {off:.1e}, their change by {change_off:.1e}")
    smallest = np.abs(change / reference[0]).min()
    report(bool(smallest > 1e-3), f"{title}: the updates change each loss by {smallest:.1e} or more")


def check_actions(network, sparsities):
    chosen = {}
    for sparsity in sparsities:
        request = {"network": network, "features": 32, "sparsity": sparsity, "threads": THREADS}
        for name, step in all_variants([act_onnxruntime, act_torch, act_jax], request).items():
            chosen.setdefault(name, []).append(int(step()))
    (_, reference), *others = chosen.items()
    for name, mine in others:
        report(mine == reference, f"actions, {network}: {name}: {mine}")
    report(len(set(reference)) > 1, f"actions, {network}: not all the same")


def main():
    for network in ("nature", "impala"):
        for sparsity in (0, 0.9):
            request = {"network": network, "features": 32, "networks": 2, "batch": 8}
            request |= {"sparsity": sparsity, "threads": THREADS}
            check_updates(f"update, {network}, {sparsity}", [update_torch, update_jax], request)
    for sparsity in (0, 0.9):
        request = {"observation": 11, "actions": 3, "networks": 2, "batch": 64}
        request |= {"sparsity": sparsity, "threads": THREADS}
        check_updates(f"critics, {sparsity}", [sac_update_torch, sac_update_jax], request)
    for network in ("nature", "impala"):
        check_actions(network, (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99))
    print(f"{failures} disagreements")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
