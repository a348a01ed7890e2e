import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from agnostix.what_if.inference.bands import critical_value, pointwise_level


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_independent_errors_need_sidak(level):
    for n in (2, 10, 41):
        expected = ndtri(0.5 + 0.5 * level ** (1.0 / n))
        assert critical_value(np.eye(n), level) == pytest.approx(expected, rel=0.01)


def test_errors_that_move_together_need_one_interval():
    assert critical_value(np.ones((30, 30)), 0.95) == pytest.approx(ndtri(0.975), rel=2e-3)
    mirrored = np.outer([1, -1, 1], [1, -1, 1]).astype(float)
    assert critical_value(mirrored, 0.9) == pytest.approx(ndtri(0.95), rel=2e-3)


def test_critical_value_holds_all_with_the_stated_probability():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(4, 3))
    correlation = factor @ factor.T + 0.2 * np.eye(4)
    scale = np.sqrt(np.diag(correlation))
    correlation /= np.outer(scale, scale)
    c = critical_value(correlation, 0.9)
    normal = multivariate_normal(np.zeros(4), correlation, seed=0)
    inside = normal.cdf(np.full(4, c), lower_limit=np.full(4, -c))
    assert inside == pytest.approx(0.9, abs=4e-3)


def test_pointwise_level():
    rng = np.random.default_rng(1)
    influences = rng.normal(size=(400, 5))
    together = pointwise_level(influences, 0.95)
    assert 0.95 < together < 1.0
    assert together == pytest.approx(pointwise_level(influences[:, ::-1] * 7.0, 0.95), abs=2e-3)
    assert pointwise_level(influences[:, :1], 0.95) == 0.95
    assert pointwise_level(np.zeros((400, 3)), 0.95) == 0.95
    with_none = np.column_stack([influences, np.full(400, np.nan), np.zeros(400)])
    assert pointwise_level(with_none, 0.95) == pytest.approx(together)
