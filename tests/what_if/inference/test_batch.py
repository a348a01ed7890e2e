import numpy as np
import pytest

from agnostix.what_if.calibration import DIVERGENCES, project
from agnostix.what_if.inference import batch
from agnostix.what_if.inference.batch import DrawSolver
from agnostix.what_if.inference.resampling import Resampling
from tests.reference.what_if_inference import calibrate

N = 150
RNG = np.random.default_rng(0)
PHI = RNG.normal(size=(N, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
BASE = RNG.uniform(0.5, 1.5, N)
BASE /= BASE.sum()
PHI = (PHI - BASE @ PHI) / np.sqrt(BASE @ (PHI - BASE @ PHI) ** 2)
COUNTS = Resampling(N, None, 32, 3).of_clusters(0, 32)


def solver(low, high, **how):
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    options = {name: how[name] for name in ("penalty", "divergence", "weight_bounds") if name in how}
    return DrawSolver(PHI, low, high, BASE, project(PHI, low, high, BASE, **options), **how)


def refuse(*args, **kwargs):
    raise AssertionError("a single problem was solved")


@pytest.mark.parametrize("name", list(DIVERGENCES))
@pytest.mark.parametrize("bounds", [None, (0.4, 2.5)], ids=["free", "bounds"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_draws_are_solved_as_single_problems(name, bounds, soft):
    target = np.array([0.3, 0.1, -0.2])
    penalty = np.array([np.inf, 4.0, np.inf]) if soft else None
    own = solver(target, target, divergence=DIVERGENCES[name], weight_bounds=bounds, penalty=penalty)
    weights, bases, reached = own.solve(COUNTS)
    assert reached.all()
    for d in range(0, 32, 5):
        base = COUNTS[d] * BASE
        base /= base.sum()
        np.testing.assert_allclose(bases[d], base)
        here = base > 0
        price = None
        if soft:
            variance = base @ (PHI[:, 1] - base @ PHI[:, 1]) ** 2
            price = np.array([np.inf, 4.0 / variance, np.inf])
        expected = calibrate(PHI[here], target, base[here], name, bounds, price)[0]
        np.testing.assert_allclose(weights[d, here], expected, atol=1e-9)
        assert (weights[d, ~here] == 0.0).all()


def test_plain_draws_need_no_single_problem(monkeypatch):
    monkeypatch.setattr(batch, "project", refuse)
    target = [0.3, 0.1, -0.2]
    for name in DIVERGENCES:
        assert solver(target, target, divergence=DIVERGENCES[name]).solve(COUNTS)[2].all()


def test_ranges_bind_as_in_each_draw():
    own = solver([0.2, -0.05, -np.inf], [0.4, 0.06, 0.05])  # ends near the data's: draws differ in what binds
    weights, bases, reached = own.solve(COUNTS)
    assert reached.all()
    bound = set()
    for d in range(32):
        here = bases[d] > 0
        alone = project(PHI[here], own.low, own.high, bases[d][here])
        np.testing.assert_allclose(weights[d, here], alone.weights, atol=1e-9)
        bound.add(tuple(np.isfinite(alone.held)))
    assert len(bound) > 2


def test_targets_that_follow_the_rows():
    own = solver([0.3, 0.1, -0.2], [0.3, 0.1, -0.2], follows=np.array([0.0, 1.0, 0.5]))
    weights, bases, reached = own.solve(COUNTS)
    assert reached.all()
    means = bases @ PHI
    np.testing.assert_allclose((weights @ PHI)[:, 0], 0.3, atol=1e-10)
    np.testing.assert_allclose((weights @ PHI)[:, 1], 0.1 + means[:, 1], atol=1e-10)
    np.testing.assert_allclose((weights @ PHI)[:, 2], -0.2 + 0.5 * means[:, 2], atol=1e-10)


def test_draws_out_of_reach_are_told():
    top = np.sort(PHI[:, 0])[-2] + 1e-3  # only the largest row lies beyond
    own = solver([top - 0.05, -9.0, -9.0], [9.0, 9.0, 9.0])
    reached = own.solve(COUNTS)[2]
    drawn = [PHI[COUNTS[d] > 0, 0].max() >= top - 0.05 for d in range(32)]
    assert reached.tolist() == drawn
    assert 0 < sum(drawn) < 32


def test_dependent_conditions():
    phi = np.column_stack([PHI[:, 0], PHI[:, 1], PHI[:, 0] + PHI[:, 1]])
    target = np.array([0.3, 0.1, 0.4])
    own = DrawSolver(phi, target, target, BASE, project(phi, target, target, BASE))
    weights, _, reached = own.solve(COUNTS)
    assert reached.all()
    np.testing.assert_allclose(weights @ phi, np.tile(target, (32, 1)), atol=1e-9)


def test_no_condition_that_binds():
    own = solver([-1.0] * 3, [1.0] * 3)
    weights, bases, reached = own.solve(COUNTS)
    assert reached.all()
    np.testing.assert_array_equal(weights, bases)
