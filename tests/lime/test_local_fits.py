"""Stacked fits against the single ones, and changes of a fit's design against its contributions."""

import numpy as np

from agnostix.lime.local_fits import LocalFits
from agnostix.lime.selection import forward_selection
from agnostix.lime.surrogates import LinearSurrogate
from tests.lime.regressions import regression


def fit(seed=0, d=4):
    return LinearSurrogate(1.0, forward_selection).fit(regression(seed, d=d, binary=False), None, False)


def contributions(one):
    return one.coefficients * one.row_design[:, None]


def test_stack_take_and_put_keep_rows():
    single = [fit(seed) for seed in range(3)]
    stacked = LocalFits.stack(single)
    assert stacked.coefficients.shape == (3, 4, 2)
    assert stacked.n_samples.tolist() == [512] * 3
    turned = stacked.take(np.array([2, 0]))
    for place, row in enumerate((2, 0)):
        for array, expected in zip(turned, single[row], strict=True):
            np.testing.assert_array_equal(array[place], expected)
    stacked.put(np.array([1]), turned.take(np.array([0])))
    for array, expected in zip(stacked, single[2], strict=True):
        np.testing.assert_array_equal(array[1], expected)


def test_insert_features_adds_features_without_effect():
    one, is_fitted = fit(d=2), np.array([False, True, True, False])
    whole = one.insert_features(is_fitted)
    for name in ("coefficients", "std_errors", "selected"):
        np.testing.assert_array_equal(getattr(whole, name)[is_fitted], getattr(one, name))
        assert not getattr(whole, name)[~is_fitted].any()
    assert whole.selected.dtype == bool
    np.testing.assert_array_equal(whole.row_design[is_fitted], one.row_design)
    np.testing.assert_array_equal(whole.surrogate_outputs, one.surrogate_outputs)
    assert one.insert_features(np.ones(2, dtype=bool)) is one


def test_rescale_keeps_contributions():
    one, units = fit(), np.array([0.1, 1.0, 2.0, 30.0])
    scaled = one.rescale(units, one.row_design * units)
    np.testing.assert_allclose(contributions(scaled), contributions(one), rtol=1e-14)
    np.testing.assert_allclose(scaled.std_errors * units[:, None], one.std_errors, rtol=1e-14)
