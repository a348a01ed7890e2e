import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from tests.reference.what_if import (
    auc,
    distance_from_tilt,
    divergence,
    project_by_cone,
    r2,
    slope_by_difference,
    standardize,
)


def cloud():
    return standardize(np.random.default_rng(0).normal(size=(60, 2)))


def test_cone_range_around_base_mean_keeps_base_weights():
    phi, base = cloud()
    weights = project_by_cone(phi, base, low=[-0.1, -0.1], high=[0.1, 0.1])
    np.testing.assert_allclose(weights, base, atol=1e-8)


def test_cone_range_is_met_at_nearer_end():
    phi, base = cloud()
    ranged = project_by_cone(phi[:, :1], base, low=0.3, high=0.6)
    stated = project_by_cone(phi[:, :1], base, 0.3)
    np.testing.assert_allclose(ranged, stated, atol=1e-7)


def test_cone_weights_meet_optimality_conditions():
    phi, base = cloud()
    weights = project_by_cone(phi, base, [0.3, -0.2])
    assert distance_from_tilt(weights, base, phi) <= 1e-5
    assert divergence(weights, base) > 0


def test_auc_and_r2_match_sklearn():
    rng = np.random.default_rng(1)
    y, score, weights = rng.integers(0, 2, 40), rng.integers(0, 6, 40) / 6, rng.uniform(size=40)
    assert auc(y, score, weights) == pytest.approx(roc_auc_score(y, score, sample_weight=weights))
    assert r2(y, score, weights) == pytest.approx(r2_score(y, score, sample_weight=weights))


def test_slope_by_difference_is_derivative():
    assert slope_by_difference(np.sin, 0.7, step=1e-3) == pytest.approx(np.cos(0.7), abs=1e-11)
