"""The statistics of the report against the rliable package on the same scores.

Points agree to rounding. Intervals are quantiles of bootstrap distributions that both sides sample independently, so
they cannot agree exactly. The bound is distribution-free: with B replications the share of replications below the true
p-quantile has standard deviation sqrt(p (1 - p) / B), and the difference of two such shares sqrt(p (1 - p) (1/B + 1/R)).
Our quantile must therefore lie between the quantiles of rliable's replications at p minus and plus five of these, which
a correct program misses once in a million comparisons.
"""

import json
import subprocess

import numpy as np
import pytest
from program import probe_program
from rliable import library, metrics

OURS, THEIRS = 20_000, 3_000
TAUS = [-0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0]


def scores(seed, runs, tasks, ties):
    """Runs x tasks, skewed as returns are; tasks of different difficulty; with ties where asked."""
    stream = np.random.default_rng(seed)
    values = stream.lognormal(0, 0.8, (runs, tasks)) * stream.uniform(0.2, 2, tasks) - 0.3
    return np.round(values, 1) if ties else values


CASES = {
    "five runs of ten tasks": (scores(1, 5, 10, False), scores(2, 5, 10, False)),
    "other numbers of runs, with ties": (scores(3, 7, 3, True), scores(4, 4, 3, True)),
    "one task": (scores(5, 10, 1, False), scores(6, 10, 1, False)),
    "three runs, which are not trimmed": (scores(7, 3, 1, False), scores(8, 3, 1, False)),
}
ONE_SAMPLE = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "iqm": metrics.aggregate_iqm,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def ours(x, y):
    request = {"x": x.T.tolist(), "y": y.T.tolist(), "taus": TAUS, "replications": OURS, "seed": 1}
    done = subprocess.run([probe_program("statistics_probe")], input=json.dumps(request), capture_output=True,
                          text=True, check=True, timeout=60)  # fmt: skip
    return json.loads(done.stdout)


def assert_interval(low, high, replications):
    """`replications`: rliable's, of one statistic."""
    deviation = 5 * np.sqrt(0.025 * 0.975 * (1 / OURS + 1 / len(replications)))
    for ours, p in ((low, 0.025), (high, 0.975)):
        # Neighbouring order statistics, since quantiles may lie between two.
        lowest = np.quantile(replications, max(p - deviation, 0), method="lower")
        highest = np.quantile(replications, min(p + deviation, 1), method="higher")
        assert lowest - 1e-9 <= ours <= highest + 1e-9, f"{p}: {ours} is not in [{lowest}, {highest}]"


@pytest.fixture(scope="module", params=CASES)
def case(request):
    np.random.seed(0)  # rliable draws from numpy's global stream
    x, y = CASES[request.param]
    return x, y, ours(x, y)


def test_points_and_intervals_equal_rliable(case):
    x, _, answer = case
    names = list(ONE_SAMPLE)
    replications = library.StratifiedBootstrap(x).apply(
        lambda sample: np.array([ONE_SAMPLE[name](sample) for name in names]), THEIRS
    )
    for i, name in enumerate(names):
        point, low, high = answer[name]
        assert point == pytest.approx(float(ONE_SAMPLE[name](x)), abs=1e-9, rel=1e-9), name
        assert_interval(low, high, replications[:, i])


def test_probability_of_improvement_equals_rliable(case):
    x, y, answer = case
    point, low, high = answer["probability_of_improvement"]
    assert point == pytest.approx(float(metrics.probability_of_improvement(x, y)), abs=1e-9)
    # The same drawn by rliable's bootstrap; its own function calls a whole rank test a thousand times over.
    wins = lambda a, b: np.array([np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))])  # noqa: E731
    assert wins(x, y)[0] == pytest.approx(point, abs=1e-12)
    assert_interval(low, high, library.StratifiedIndependentBootstrap(x, y).apply(wins, THEIRS)[:, 0])


def test_performance_profile_equals_rliable(case):
    x, _, answer = case
    profile = np.array(answer["profile"])
    assert profile[:, 0] == pytest.approx(library.score_distributions(x, TAUS), abs=1e-9)
    replications = library.StratifiedBootstrap(x).apply(lambda s: library.score_distributions(s, TAUS), THEIRS)
    for i in range(len(TAUS)):
        assert_interval(*profile[i, 1:], replications[:, i])


def test_the_bound_can_fail():
    """A bootstrap that forgets the tasks gives another interval, and the comparison sees it."""
    x = CASES["five runs of ten tasks"][0]
    stream = np.random.default_rng(0)
    pooled = x.ravel()
    wrong = [metrics.aggregate_iqm(stream.choice(pooled, pooled.size)) for _ in range(THEIRS)]
    low, high = np.quantile(wrong, [0.025, 0.975])
    right = library.StratifiedBootstrap(x).apply(lambda s: np.array([metrics.aggregate_iqm(s)]), THEIRS)
    with pytest.raises(AssertionError, match="is not in"):
        assert_interval(low, high, right[:, 0])
