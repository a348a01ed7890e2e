"""Fidelity measures and intervals against reference formulas."""

import numpy as np
import pytest

from agnostix.surrogate_tree.fidelity import (
    SMALLEST,
    clopper_pearson,
    divergence,
    is_probabilities,
    measured,
    r2_of,
)
from tests.reference import mimic as reference


def shares(seed, n=40, n_outputs=3):
    raw = np.random.default_rng(seed).exponential(size=(n, n_outputs))
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 7), (29, 30), (1, 1), (50, 120)])
def test_clopper_pearson_matches_reference(hits, n):
    np.testing.assert_allclose(clopper_pearson(hits, n), reference.clopper_pearson(hits, n), atol=1e-9)


def test_clopper_pearson_without_rows():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_measured_matches_reference(seed):
    answers, copies = shares(seed), shares(seed + 10)
    copies[0] = [1.0, 0.0, 0.0]
    found = measured(answers, copies, True, "given")
    assert (
        found.label
        == sum(
            max(range(3), key=lambda k: a[k]) == max(range(3), key=lambda k: c[k])
            for a, c in zip(answers, copies, strict=True)
        )
        / 40
    )
    np.testing.assert_allclose(found.r2, reference.r2(answers, copies))
    np.testing.assert_allclose(found.kl, reference.divergence(answers, copies, SMALLEST))
    for k in range(3):
        np.testing.assert_allclose(found.r2_outputs[k], reference.r2(answers[:, [k]], copies[:, [k]]))
    assert found.kl_std_error == pytest.approx(divergence(answers, copies).std(ddof=1) / np.sqrt(40))
    assert (found.n_rows, found.n_effective, found.source) == (40, 40.0, "given")


def test_r2_std_error_matches_jackknife():
    answers, copies = shares(0, 400), shares(1, 400)
    kept = [np.delete(np.arange(400), k) for k in range(400)]
    left = np.array([r2_of(answers[rows], copies[rows])[0] for rows in kept])
    jackknife = np.sqrt(399 / 400 * ((left - left.mean()) ** 2).sum())
    assert r2_of(answers, copies)[1] == pytest.approx(jackknife, rel=0.02)
    assert r2_of(answers, copies, 4.0)[1] == pytest.approx(2 * r2_of(answers, copies)[1])


def test_measured_inflation_widens_intervals():
    answers, copies = shares(0, 200), shares(0, 200) ** 1.5
    copies /= copies.sum(axis=1, keepdims=True)
    copies[:20] = copies[:20, ::-1]
    plain, wide = (measured(answers, copies, True, "given", one) for one in (1.0, 2.25))
    assert wide.label == plain.label
    assert wide.label_low < plain.label_low < plain.label < plain.label_high < wide.label_high
    assert wide.r2_std_error == pytest.approx(1.5 * plain.r2_std_error)


def test_measured_regression_has_no_label_and_kl():
    found = measured(np.arange(5.0)[:, None], np.zeros((5, 1)), False, "given")
    assert (found.label, found.label_low, found.label_high, found.kl, found.kl_std_error) == (None,) * 5


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_r2_of_constant_output_is_one(value):
    assert r2_of(np.full((9, 1), value), np.full((9, 1), value * (1 + 1e-16))) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("answers", "are"),
    [([[0.2, 0.8]], True), ([[0.2, 0.7]], False), ([[-0.5, 1.5]], False), ([[1.0]], False)],
)
def test_is_probabilities(answers, are):
    assert is_probabilities(np.array(answers)) is are


def test_measured_scores_have_no_kl():
    assert measured(np.array([[2.0, -1.0], [0.0, 3.0]]), np.zeros((2, 2)), True, "given").kl is None
