import numpy as np
import pytest

from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from tests.lime.problems import problem


@pytest.mark.parametrize("binary", [True, False])
def test_moments_match_loops(binary):
    one = problem(binary=binary, n=64)
    found = Moments.of(one)
    total = sum(one.weights)
    mean = sum(w * x for w, x in zip(one.weights, one.design.T, strict=True)) / total
    apart = one.answers - one.own_answers
    level = sum(w * y for w, y in zip(one.weights, apart, strict=True)) / total
    draws = list(zip(one.weights, one.design.T - mean, apart - level, strict=True))
    expected = {
        "total": total,
        "mean": mean,
        "level": level,
        "gram": sum(w * np.outer(x, x) for w, x, _ in draws),
        "cross": sum(w * np.outer(x, y) for w, x, y in draws),
        "power": sum(w * y**2 for w, _, y in draws),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-10, atol=1e-10)


def test_moments_only_one_output():
    one = problem(n_outputs=3)
    found, alone = Moments.of(one).only(1), Moments.of(one.only(1))
    for name in ("total", "mean", "level", "gram", "cross", "power"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-12)
    np.testing.assert_array_equal(one.only(1).differences, one.differences[:, 1:2])


@pytest.mark.parametrize("level", [0.0, 0.7, -1e9])
@pytest.mark.parametrize("seed", range(5))
def test_moments_power_of_constant_output_is_zero(seed, level):
    rng = np.random.default_rng(seed)
    design = (rng.random((3, 4864)) < 0.3).astype(float)
    answers = np.full((4864, 1), level)
    one = Problem(design, rng.exponential(size=4864), answers, np.ones(3), np.array([0.1]), 19)
    assert Moments.of(one).power == 0.0


def test_effective_sample_size():
    one = problem(n=64)
    assert one.effective == pytest.approx(sum(one.weights) ** 2 / sum(w * w for w in one.weights))
    even = Problem(one.design, np.full(64, 0.3), one.answers, one.own_design, one.own_answers, 16)
    assert even.effective == pytest.approx(64.0)


def test_by_block_matches_loops():
    one = problem(n=64, n_blocks=16)
    errors, mean = np.random.default_rng(1).normal(size=(64, 3)), np.arange(4.0)
    found = one.by_block(errors, mean)
    for b in range(16):
        expected = sum(np.outer(one.design[:, i] - mean, errors[i]) for i in range(4 * b, 4 * b + 4))
        np.testing.assert_allclose(found[b], expected, atol=1e-12)
