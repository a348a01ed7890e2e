"""Subsets, correlations and their errors, patches, squared changes: the parts of agreement metrics."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix import as_predictor
from agnostix.metrics import faithfulness_correlation, infidelity, monotonicity
from agnostix.metrics.differences.association import jackknife_error, pearson
from agnostix.metrics.differences.monotonicity import single_effects
from agnostix.metrics.differences.patches import in_patches
from agnostix.metrics.differences.subsets import bernoulli_subsets, subsets_by_size, subsets_of_size
from agnostix.metrics.read import read_explanation
from tests.metrics.explanations import of_maps, of_table
from tests.reference import metrics_agreement as reference

RNG = np.random.default_rng(7)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 9), n_samples=st.integers(3, 150), seed=st.integers(0, 2**63))
def test_subsets_are_all_or_drawn(n, n_samples, seed):
    for make, n_all in ((subsets_by_size, 2**n - 1), (bernoulli_subsets, 2**n)):
        own = make(n, n_samples, seed)
        assert own.is_all == (n_all <= n_samples)
        assert len(own.hidden) == (n_all if own.is_all else n_samples)
        assert own.weights.sum() == pytest.approx(1.0)
        if own.is_all:
            kind = "sizes" if make is subsets_by_size else "bernoulli"
            expected = dict(reference.subsets_with_probability(n, kind))
            found = {tuple(np.flatnonzero(one)): p for one, p in zip(own.hidden, own.weights, strict=True)}
            assert found == pytest.approx(expected)
    for size in range(1, n):
        own = subsets_of_size(n, size, n_samples, seed)
        assert (own.hidden.sum(axis=1) == size).all()
        assert own.is_all == (comb(n, size) <= n_samples)
        if own.is_all:
            assert len(np.unique(own.hidden, axis=0)) == comb(n, size)


def test_drawn_subsets_have_their_distribution():
    by_size = subsets_by_size(9, 500, 3)
    counts = np.bincount(by_size.hidden.sum(axis=1), minlength=10)
    assert counts[0] == 0
    assert ((counts[1:] - 500 / 9) ** 2 / (500 / 9)).sum() < 26  # chi-squared, .999
    np.testing.assert_allclose(by_size.hidden.mean(axis=0), 5 / 9, atol=0.09)
    np.testing.assert_allclose(bernoulli_subsets(10, 500, 3).hidden.mean(axis=0), 0.5, atol=0.09)
    np.testing.assert_allclose(subsets_of_size(10, 3, 100, 3).hidden.mean(axis=0), 0.3, atol=0.17)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 30))
def test_correlations_and_errors_are_those_of_loops(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, 3))
    r, error = pearson(x, y), jackknife_error(x, y)
    for k in range(3):
        assert r[k] == pytest.approx(np.corrcoef(x[:, k], y[:, k])[0, 1], abs=1e-12)
        assert error[k] == pytest.approx(reference.jackknife(x[:, k], y[:, k]), rel=1e-7)


def test_error_where_a_single_draw_makes_all_the_difference():
    x = np.arange(5.0)[:, None]
    y = np.array([0.0, 0.0, 0.0, 0.0, 1.0])[:, None]
    error = jackknife_error(x, y)
    assert np.isfinite(error).all()
    assert error[0] > 0.3


def test_jackknife_error_is_the_spread_of_correlations():
    x = RNG.normal(size=(1000, 40, 1))
    y = 0.5 * x + RNG.normal(size=x.shape)
    r = np.array([pearson(*pair) for pair in zip(x, y, strict=True)])
    errors = np.array([jackknife_error(*pair) for pair in zip(x, y, strict=True)])
    assert np.sqrt((errors**2).mean()) == pytest.approx(r.std(), rel=0.12)


@pytest.mark.parametrize("patch", [2, 3, 5])
def test_patches_sum_their_pixels(patch):
    pictures, maps = RNG.random((2, 7, 6)), RNG.normal(size=(2, 7, 6, 2))
    exp = of_maps(maps, names=("a", "b"))
    model = lambda X: np.stack([X.sum(axis=(1, 2)), X[:, 0, 0]], axis=1)  # noqa: E731
    explained = read_explanation(model, pictures, exp, by="test", outputs=["a", "b"])
    coarse = in_patches(explained, patch, "test")
    expected = [
        maps[:, y : y + patch, x : x + patch].sum(axis=(1, 2))
        for y, x in product(range(0, 7, patch), range(0, 6, patch))
    ]
    np.testing.assert_allclose(coarse.values, np.stack(expected, axis=1), atol=1e-12)
    assert coarse.units.n_units == len(expected)
    assert in_patches(explained, 1, "test") is explained


@pytest.mark.parametrize("n_background", [1, 4])
def test_squared_changes_are_averaged_over_the_background(n_background):
    table, background = RNG.normal(size=(5, 4)), RNG.normal(size=(n_background, 4)).round(0)
    model = lambda X: np.stack([np.sin(X).sum(axis=1), X[:, 0] * X[:, 1]], axis=1)  # noqa: E731
    exp = of_table(RNG.normal(size=(5, 4, 2)), table, names=("a", "b"))
    explained = read_explanation(model, table, exp, by="test", masker=background, outputs=["b", "a"])
    effects, _ = single_effects(explained, None, 0)
    for row, own in enumerate(table):
        for column in range(4):
            mixed = np.tile(own, (n_background, 1))
            mixed[:, column] = background[:, column]
            expected = ((model(own[None]) - model(mixed)) ** 2).mean(axis=0)[::-1]
            np.testing.assert_allclose(effects[row][column], expected, atol=1e-12)


@pytest.mark.parametrize("metric", [infidelity, faithfulness_correlation, monotonicity])
def test_a_network_that_composes_pictures_has_the_scores_of_a_function(metric):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(300, 3)
    )
    predictor = as_predictor(network.double().eval())
    pictures = RNG.random((3, 12, 12, 2))
    maps = RNG.normal(size=(3, 12, 12, 3))
    exp = of_maps(maps, predictor.predict(pictures), ("output_0", "output_1", "output_2"))
    options = {"patch": 3, "fill": "noise", "random_state": 1}
    result = metric(predictor, pictures, exp, **options)
    plain = metric(lambda X: predictor.predict(X), pictures, exp, **options)
    np.testing.assert_allclose(result.scores, plain.scores, rtol=1e-7, atol=1e-10)
    assert result.n_model_rows == plain.n_model_rows
