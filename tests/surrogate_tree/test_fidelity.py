"""Fidelity measures and intervals against reference formulas."""

import numpy as np
import pytest

from agnostix.surrogate_tree.fidelity import SMALLEST_PROBABILITY, kl_divergence, measure_fidelity
from agnostix.surrogate_tree.measures import clopper_pearson, r2_measure
from tests.reference import surrogate_tree as reference


def random_probabilities(seed, n=40, n_outputs=3):
    raw = np.random.default_rng(seed).exponential(size=(n, n_outputs))
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 7), (29, 30), (1, 1), (50, 120)])
def test_clopper_pearson_matches_reference(hits, n):
    np.testing.assert_allclose(clopper_pearson(hits, n), reference.clopper_pearson(hits, n), atol=1e-9)


def test_clopper_pearson_without_rows():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_measure_fidelity_matches_reference(seed):
    predictions, outputs = random_probabilities(seed), random_probabilities(seed + 10)
    outputs[0] = [1.0, 0.0, 0.0]
    fidelity = measure_fidelity(predictions, outputs, True, "new rows")
    hits = [list(p).index(max(p)) == list(q).index(max(q)) for p, q in zip(predictions, outputs, strict=True)]
    assert fidelity.label == sum(hits) / 40
    np.testing.assert_allclose(fidelity.r2, reference.r2(predictions, outputs))
    np.testing.assert_allclose(fidelity.kl, reference.divergence(predictions, outputs, SMALLEST_PROBABILITY))
    for k in range(3):
        np.testing.assert_allclose(fidelity.r2_outputs[k], reference.r2(predictions[:, [k]], outputs[:, [k]]))
    kl = kl_divergence(predictions, outputs)
    assert fidelity.measures["kl"].std_error == pytest.approx(kl.std(ddof=1) / np.sqrt(40))
    assert (fidelity.n_rows, fidelity.n_effective, fidelity.source) == (40, 40.0, "new rows")


def test_r2_std_error_matches_jackknife():
    predictions, outputs = random_probabilities(0, 400), random_probabilities(1, 400)
    kept = [np.delete(np.arange(400), k) for k in range(400)]
    r2 = np.array([r2_measure(predictions[rows], outputs[rows]).value for rows in kept])
    jackknife = np.sqrt(399 / 400 * ((r2 - r2.mean()) ** 2).sum())
    error = r2_measure(predictions, outputs).std_error
    assert error == pytest.approx(jackknife, rel=0.02)
    assert r2_measure(predictions, outputs, 4.0).std_error == pytest.approx(2 * error)


def test_measure_fidelity_variance_inflation_widens_intervals():
    predictions, outputs = random_probabilities(0, 200), random_probabilities(0, 200) ** 1.5
    outputs /= outputs.sum(axis=1, keepdims=True)
    outputs[:20] = outputs[:20, ::-1]
    plain, wide = (
        measure_fidelity(predictions, outputs, True, "new rows", inflation) for inflation in (1.0, 2.25)
    )
    assert wide.label == plain.label
    inner, outer = (one.measures["label"].ends() for one in (plain, wide))
    assert outer[0] < inner[0] < plain.label < inner[1] < outer[1]
    assert wide.measures["r2"].std_error == pytest.approx(1.5 * plain.measures["r2"].std_error)


def test_measure_fidelity_regression_has_no_label_and_kl():
    fidelity = measure_fidelity(np.arange(5.0)[:, None], np.zeros((5, 1)), False, "new rows")
    assert (fidelity.label, fidelity.kl) == (None, None)
    assert list(fidelity.frame().index) == ["r2"]


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_r2_of_constant_output_is_one_and_undetermined(value):
    measure = r2_measure(np.full((9, 1), value), np.full((9, 1), value * (1 + 1e-16)))
    assert (measure.value, measure.status, measure.ends()) == (1.0, "constant", (-np.inf, 1.0))
    assert np.isnan(measure.std_error)


def test_measure_fidelity_scores_have_no_kl():
    scores = np.array([[2.0, -1.0], [0.0, 3.0]])
    assert measure_fidelity(scores, np.zeros((2, 2)), True, "new rows").kl is None
