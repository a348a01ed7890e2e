import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalitions import leverage_pairs, n_pairs_of_all
from agnostix.shapley.kernel_params import KernelParams, learn_kernel
from agnostix.shapley.shapley_exact import exact_operator
from agnostix.shapley.shapley_operator import build_operator

D = 9


def interactions(orders, n_games, seed):
    """Worths of all coalitions under sums of random unanimity games on so many players."""
    rng = np.random.default_rng(seed)
    masks = all_masks(D)
    worths = np.zeros((2**D, n_games))
    for order in orders:
        for _ in range(15):
            weight = rng.normal(size=n_games) / order
            worths += masks[:, rng.choice(D, order, replace=False)].all(1)[:, None] * weight
    return worths


def asked(worths, design):
    codes = design.masks @ (1 << np.arange(D))
    return worths[codes] - worths[len(worths) - 1 - codes], worths[-1] - worths[0]


@pytest.mark.parametrize("n", [D - 1, D, 20, 100])
def test_build_operator_exact_for_pairwise_interactions(n):
    worths = interactions([1, 2], 5, seed=0)
    design = leverage_pairs(D, n, seed=1)
    data = asked(worths, design)
    operator = build_operator(design, learn_kernel(design, *data))
    np.testing.assert_allclose(operator.apply(*data), exact_operator(all_masks(D)) @ worths, atol=1e-12)
    if n > D - 1:
        assert np.sqrt(operator.variances(*data)).max() < 1e-12
    else:
        assert (operator.variances(*data) == np.inf).all()


def test_build_operator_exact_with_kernel_of_other_games():
    design = leverage_pairs(D, 40, seed=1)
    params = learn_kernel(design, *asked(interactions([1, 3, 4], 5, seed=0), design))
    worths = interactions([1, 2], 5, seed=2)
    operator, data = build_operator(design, params), asked(worths, design)
    assert params.is_on
    np.testing.assert_allclose(operator.apply(*data), exact_operator(all_masks(D)) @ worths, atol=1e-8)
    assert np.sqrt(operator.variances(*data)).max() < 1e-8


def test_build_operator_saturated_uses_pilot_errors():
    longer = leverage_pairs(D, 40, seed=1)
    params = learn_kernel(longer, *asked(interactions([1, 2, 3], 20, seed=0), longer))
    worths = interactions([1, 2, 3], 200, seed=2)
    design = longer.prefix(D - 1)
    operator, data = build_operator(design, params), asked(worths, design)
    missed = operator.apply(*data) - exact_operator(all_masks(D)) @ worths
    errors = np.sqrt(operator.variances(*data))
    assert operator.dof == 1.0
    assert (np.abs(missed) <= student.ppf(0.975, 1.0) * errors).mean() > 0.95
    assert 0.5 < np.square(missed).mean() / np.square(errors).mean() < 2.0


def test_build_operator_on_all_pairs_is_exact():
    worths = np.random.default_rng(0).normal(size=(2**D, 3))
    design = leverage_pairs(D, n_pairs_of_all(D), seed=0)
    data = asked(worths, design)
    params = KernelParams(np.ones(D), 100.0, 1.0, 0.0, 1.0, 3.0)
    operator = build_operator(design, params)
    np.testing.assert_allclose(operator.apply(*data), exact_operator(all_masks(D)) @ worths, atol=1e-13)
    assert np.sqrt(operator.variances(*data)).max() < 1e-13


def test_build_operator_beats_regression_and_covers():
    worths = interactions([1, 2, 3, 5], 60, seed=0)
    truth = exact_operator(all_masks(D)) @ worths
    plain, with_kernel, covered = [], [], []
    for seed in range(20):
        design = leverage_pairs(D, 4 * D, seed)
        y, delta = asked(worths, design)
        params = learn_kernel(design, y[:, :10], delta[:10])
        off = KernelParams(np.ones(D), 0.0, 1.0, 0.0, 1.0, 0.0)
        operator = build_operator(design, params)
        missed = (operator.apply(y, delta) - truth)[:, 10:]
        errors = np.sqrt(operator.variances(y, delta))[:, 10:]
        covered.append(np.abs(missed) <= student.ppf(0.975, operator.dof) * errors)
        with_kernel.append(np.square(missed).sum())
        plain.append(np.square(build_operator(design, off).apply(y, delta) - truth)[:, 10:].sum())
    assert np.sum(with_kernel) < np.sum(plain) / 1.5
    assert 0.92 <= np.mean(covered) <= 0.98


def test_build_operator_own_kernel_spends_dof():
    worths = interactions([1, 2, 3, 4], 40, seed=0)
    truth = exact_operator(all_masks(D)) @ worths
    covered = []
    for seed in range(10):
        design = leverage_pairs(D, 4 * D, seed)
        for j in range(0, 40, 4):
            y, delta = (part[..., [j]] for part in asked(worths, design))
            params = learn_kernel(design, y, delta)
            operator = build_operator(design, params, own=True)
            assert operator.dof == 4 * D + 1 - D - 3
            ratio = operator.variances(y, delta) / build_operator(design, params).variances(y, delta)
            np.testing.assert_allclose(ratio, (operator.dof + 3) / operator.dof, rtol=1e-6)
            errors = student.ppf(0.975, operator.dof) * np.sqrt(operator.variances(y, delta)[:, 0])
            covered.append(np.abs(operator.apply(y, delta)[:, 0] - truth[:, j]) <= errors)
    assert 0.90 <= np.mean(covered) <= 0.99


@given(st.integers(2, 9), st.integers(0, 40), st.integers(0, 50), st.floats(-100, 100))
def test_build_operator_is_efficient_and_finite(d, more, seed, size):
    rng = np.random.default_rng(seed)
    n = min(d - 1 + more, n_pairs_of_all(d))
    design = leverage_pairs(d, n, seed)
    y, delta = 10.0**size * rng.normal(size=(n, 4)), 10.0**size * rng.normal(size=4)
    y[:, 0] = delta[0] = 0.0
    operator = build_operator(design, learn_kernel(design, y, delta))
    values, variances = operator.apply(y, delta), operator.variances(y, delta)
    np.testing.assert_allclose(values.sum(0), delta, rtol=0, atol=1e-10 * 10.0**size)
    assert (values[:, 0] == 0.0).all()
    assert (variances[:, 0] == 0.0).all()
    assert not np.isnan(variances).any()
    assert (variances >= 0.0).all()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_operator_apply_is_linear(a, b):
    design = leverage_pairs(D, 30, seed=0)
    one, other = (interactions([1, 2, 3, 5], 2, seed) for seed in (0, 1))
    operator = build_operator(design, learn_kernel(design, *asked(one, design)))
    mixed = operator.apply(*asked(a * one + b * other, design))
    apart = a * operator.apply(*asked(one, design)) + b * operator.apply(*asked(other, design))
    np.testing.assert_allclose(mixed, apart, atol=1e-10)


def test_operator_apply_sums_to_zero_over_classes():
    logits = interactions([1, 2, 3], 4, seed=0)
    worths = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    design = leverage_pairs(D, 30, seed=0)
    data = asked(worths, design)
    values = build_operator(design, learn_kernel(design, *data)).apply(*data)
    np.testing.assert_allclose(values.sum(1), 0.0, atol=1e-13)


def test_operator_interval_of_dummy_player_holds_zero():
    rng, masks = np.random.default_rng(0), all_masks(D)
    worths = rng.normal(size=(2 ** (D - 1), 10))[masks[:, : D - 1] @ (1 << np.arange(D - 1))]
    design = leverage_pairs(D, 60, seed=0)
    data = asked(worths, design)
    operator = build_operator(design, learn_kernel(design, *data))
    values, errors = operator.apply(*data)[-1], np.sqrt(operator.variances(*data)[-1])
    assert (np.abs(values) <= student.ppf(0.999, operator.dof) * errors).all()


def test_operator_bits_of_game_ignore_others():
    worths = interactions([1, 2, 3], 150, seed=0)
    design = leverage_pairs(D, 40, seed=0)
    y, delta = asked(worths, design)
    operator = build_operator(design, learn_kernel(design, y[:, :10], delta[:10]))
    values, variances = operator.apply(y, delta), operator.variances(y, delta)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(operator.apply(y[:, order], delta[order]), values[:, order])
    for j in (0, 63, 64, 149):
        np.testing.assert_array_equal(operator.apply(y[:, [j]], delta[[j]])[:, 0], values[:, j])
        np.testing.assert_array_equal(operator.variances(y[:, [j]], delta[[j]])[:, 0], variances[:, j])


def test_build_operator_on_prefixes_error_decreases():
    worths = interactions([1, 2, 3], 30, seed=0)
    truth = exact_operator(all_masks(D)) @ worths
    design = leverage_pairs(D, 120, seed=0)
    params = learn_kernel(design, *asked(worths, design))
    off = []
    for n in (12, 30, 60, 120):
        prefix = design.prefix(n)
        off.append(np.square(build_operator(prefix, params).apply(*asked(worths, prefix)) - truth).mean())
    assert off == sorted(off, reverse=True)
