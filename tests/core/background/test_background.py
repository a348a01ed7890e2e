"""Background rows: drawn, all, constant, and the error of means over those that were drawn."""

import numpy as np
import pytest

from agnostix import KernelShapExplainer
from agnostix.core.background import Background, Elsewhere, ErrorMap, choose_rows, errors_of_fills
from agnostix.core.background.error_map import moment_dof
from agnostix.core.background.probes import count_probes, weighted_kurtosis
from agnostix.exceptions import DataError
from tests.core.tables import FORMS, forms
from tests.messages import refuses

TABLE = np.arange(40.0).reshape(20, 2)


WEIGHTS = np.arange(20.0)


@forms
def test_background_whole_is_all_rows(make):
    background = Background.whole(make(TABLE), None)
    assert type(background.rows) is type(make(TABLE))
    np.testing.assert_array_equal(np.asarray(background.rows), TABLE)
    np.testing.assert_array_equal(background.weights, np.full(20, 0.05))
    assert background.errors.n_components == 0


@forms
def test_background_drawn_without_replacement(make):
    background = Background.sample(make(TABLE), 7, 3, WEIGHTS + 1.0)
    rows = np.asarray(background.rows)
    places = (rows[:, 0] / 2).astype(int)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(rows, TABLE[places])
    np.testing.assert_allclose(background.weights, (places + 1.0) / (places + 1.0).sum(), rtol=1e-14)
    assert background.errors.n_components == background.errors.degrees_of_freedom == 6
    again = Background.sample(make(TABLE), 7, 3, None)
    np.testing.assert_array_equal(np.asarray(again.rows), rows)
    other = Background.sample(make(TABLE), 7, 4, None)
    assert not np.array_equal(np.asarray(other.rows), rows)


def test_background_drawn_is_uniform():
    counts = np.zeros(20)
    for seed in range(400):
        counts[(Background.sample(TABLE, 5, seed, None).rows[:, 0] / 2).astype(int)] += 1
    assert counts.min() > 100 - 4 * np.sqrt(75)
    assert counts.max() < 100 + 4 * np.sqrt(75)


@pytest.mark.parametrize("size", [20, 1000])
def test_background_of_all_rows_has_no_error(size):
    background = Background.sample(TABLE, size, 0, None)
    np.testing.assert_array_equal(background.rows, TABLE)
    assert background.errors.n_components == 0


@pytest.mark.parametrize("how", ["whole", "drawn"])
def test_background_leaves_out_zero_weight_rows(how):
    weight = np.where(np.arange(20) % 2, 2.0, 0.0)
    background = (
        Background.whole(TABLE, weight) if how == "whole" else Background.sample(TABLE, 20, 0, weight)
    )
    np.testing.assert_array_equal(background.rows, TABLE[1::2])
    np.testing.assert_array_equal(background.weights, np.full(10, 0.1))


def test_background_resets_index():
    frame = FORMS["pandas"](TABLE)
    assert list(Background.whole(frame, None).rows.index) == list(range(20))
    assert list(Background.sample(frame, 4, 0, None).rows.index) == list(range(4))
    assert frame.index[0] == 100


@pytest.mark.parametrize(
    "weight", [np.ones(3), np.r_[np.nan, np.ones(19)], np.r_[-1.0, np.ones(19)], np.r_[np.inf, np.ones(19)]]
)
def test_background_refuses_bad_sample_weight(weight):
    for make in (lambda: Background.whole(TABLE, weight), lambda: Background.sample(TABLE, 5, 0, weight)):
        with refuses(DataError, "sample_weight", "finite", "0 or more", "20 rows"):
            make()


def test_background_refuses_all_zero_weights():
    for make in (
        lambda: Background.whole(TABLE, np.zeros(20)),
        lambda: Background.sample(TABLE, 5, 0, np.zeros(20)),
    ):
        with refuses(DataError, "sample_weight", "zero for all of the 20 rows"):
            make()


def test_background_is_drawn_from_rows_with_weight():
    weight = (np.arange(20) == 13).astype(float)
    background = Background.sample(TABLE, 1, 0, weight)
    np.testing.assert_array_equal(background.rows, TABLE[[13]])
    assert background.errors.n_components == 0


@pytest.mark.parametrize(
    ("dtype", "fill", "expected"),
    [
        ("float32", [0, 1.5], "float32"),
        ("float64", [0, None], "float64"),
        ("int32", [0, 7.0], "int32"),
        ("int32", [0, 0.5], "float64"),
        ("int32", [0, np.nan], "float64"),
        ("uint8", [0, 300], "int64"),
        ("bool", [True, False], "bool"),
        ("object", [None, "a"], "object"),
        ("<U1", ["a", "bc"], "<U2"),
    ],
)
def test_background_constant_keeps_dtype_if_it_fits(dtype, fill, expected):
    row = Background.constant(fill, np.zeros((3, 2)).astype(dtype), "Owner").rows
    assert (row.shape, row.dtype) == ((1, 2), np.dtype(expected))
    assert [value if value == value else None for value in row[0].tolist()] == [
        value if value == value else None for value in fill
    ]


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
def test_background_constant_refuses_text_fill(dtype):
    with refuses(DataError, "'fill' parameter of Owner", "numbers", f"type {dtype}", "got ['a', 0]"):
        Background.constant(["a", 0], np.zeros((3, 2)).astype(dtype), "Owner")


def means_and_components(background, values):
    return background.weights @ values, background.errors.of_means(values[:, None])[:, 0]


def drawn(size, weight=None):
    """Weights of some rows and the jackknife's errors of their means."""
    rows = np.random.default_rng(3).permutation(20)[:size]
    weights = np.ones(size) if weight is None else weight[rows]
    weights = weights / weights.sum()
    return rows, weights, ErrorMap.of_draws(weights, np.arange(size), size / 20)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [2, 5, 19])
def test_errors_of_few_draws_are_the_jackknife_with_finite_population(size, weighted):
    rows, w, errors = drawn(size, WEIGHTS + 1.0 if weighted else None)
    values = np.sin(TABLE[rows, 0])
    mean, left = w @ values, 1.0 - size / 20
    without = [np.average(np.delete(values, b), weights=np.delete(w, b)) for b in range(size)]
    expected = left * ((1.0 - w) * (np.array(without) - mean) ** 2).sum()
    (error,) = errors.error(errors.of_means(values[:, None])[None]).variances
    np.testing.assert_allclose(error, expected, rtol=1e-12)
    if not weighted:
        np.testing.assert_allclose(error, left * values.var(ddof=1) / size, rtol=1e-12)


def test_many_draws_make_twenty_groups_of_about_one_size():
    table = np.arange(900.0)[:, None]
    background = Background.sample(table, 407, 0, None)
    errors = background.errors
    assert (errors.n_components, errors.degrees_of_freedom) == (20, 19.0)
    belongs = errors.functionals > 0
    np.testing.assert_array_equal(belongs.sum(axis=1), 1)
    assert set(belongs.sum(axis=0)) == {20, 21}


def test_draws_are_the_same_for_any_order_of_rows():
    order = np.random.default_rng(0).permutation(20)
    one, other = (Background.sample(table, 7, 0, None) for table in (TABLE, TABLE[order]))
    np.testing.assert_array_equal(np.sort(one.rows, axis=0), np.sort(other.rows, axis=0))


def test_columns_of_the_map_sum_to_zero_and_equal_predictions_have_no_error():
    _, _, errors = drawn(9, WEIGHTS + 1.0)
    np.testing.assert_allclose(errors.functionals.sum(axis=0), 0.0, atol=1e-16)
    np.testing.assert_array_equal(errors.of_means(np.full((9, 2), 0.1)), 0.0)


def test_error_of_one_drawn_row_is_not_known():
    errors = Background.sample(TABLE, 1, 0, None).errors
    error = errors.error(np.full((1, 1), np.nan))
    assert np.isnan(error.variances).all()
    assert np.isnan(errors.of_means(np.ones((1, 1)))).all()
    np.testing.assert_array_equal(error.degrees_of_freedom, 0.0)


def test_error_of_fills_is_that_of_draws_from_endless_others():
    values = np.array([1.0, 2.0, 4.0])
    errors = errors_of_fills(np.full(3, 1 / 3))
    components = errors.of_means(values[:, None])[:, 0]
    np.testing.assert_allclose((components**2).sum(), values.var(ddof=1) / 3, rtol=1e-14)
    assert errors_of_fills(np.ones(1)).n_components == 0


def test_groups_that_hold_nearly_all_weight_have_finite_errors():
    errors = ErrorMap.of_draws(np.array([1.0 - 2e-17, 1e-17, 1e-17]), np.arange(3))
    assert np.isfinite(errors.functionals).all()


def elsewhere(typical, spread=1.0, is_exact=False, kurtosis=1.0):
    """The same for all values, in the shape of the variances that are typical."""
    typical = np.asarray(typical)
    return Elsewhere(typical, *(np.full(typical.shape, part) for part in (spread, is_exact, kurtosis)))


def test_what_no_background_row_has_leans_on_what_is_typical():
    rows, _, errors = drawn(9)
    components = np.zeros((2, 9, 1))
    components[1] = errors.of_means(np.sin(TABLE[rows, :1]))
    error = errors.error(components, elsewhere([[3.0], [3.0]]))
    relative = (1.0 - 9 / 20) / 9
    np.testing.assert_allclose(error.variances, [[3.0 * relative / 3.0], [np.square(components[1]).sum()]])
    np.testing.assert_array_equal(error.degrees_of_freedom, [[3.0], [8.0]])
    assert error.components.shape == (2, 10, 1)
    assert error.kinds is None


@pytest.mark.parametrize("how", ["drawn", "chosen"])
def test_what_changes_nothing_anywhere_is_bound_by_the_rule_of_three(how):
    errors = drawn(9)[2] if how == "drawn" else choose_rows(TABLE, 9, 0, None).errors
    none = np.zeros((1, errors.n_components, 1))
    error = errors.error(none, elsewhere(np.zeros((1, 1)), spread=2.0))
    np.testing.assert_allclose(error.variances, np.square(2.0 / errors.n_seen))
    assert error.kinds.tolist() == [["rule_of_three"]]
    assert how == "chosen" or errors.n_seen == pytest.approx(9.0)
    for known in (elsewhere(np.ones((1, 1)), 1.0, is_exact=True), elsewhere(np.zeros((1, 1)), 0.0)):
        error = errors.error(none, known)
        np.testing.assert_array_equal(error.variances, 0.0)
        np.testing.assert_array_equal(error.degrees_of_freedom, np.inf)
        assert error.kinds is None


def test_chosen_rows_lean_by_one_degree_of_freedom():
    errors = choose_rows(np.random.default_rng(0).normal(size=(90, 2)), 9, 0, None).errors
    components = np.random.default_rng(1).normal(size=(1, 8, 40))
    alone, leaning = errors.error(components), errors.error(components, elsewhere(np.full((1, 40), 2.0)))
    dof = alone.degrees_of_freedom
    parts = (dof + 1.0) * leaning.variances - dof * alone.variances
    relative = [one.relative for one in errors.covariances]
    assert ((2.0 * min(relative) <= parts + 1e-12) & (parts <= 2.0 * max(relative) + 1e-12)).all()
    np.testing.assert_allclose(leaning.degrees_of_freedom, dof + 1.0)


def test_few_large_components_have_few_degrees_of_freedom():
    normal = moment_dof(np.random.default_rng(1).normal(size=(1, 9, 4000)), 8.0)
    assert 5.0 < np.median(normal) <= 8.0
    one = np.zeros((1, 9, 1))
    one[:, 3] = 7.0
    np.testing.assert_allclose(moment_dof(one, 8.0), 2.0 / (1.0 - 1.0 / 9.0))
    np.testing.assert_array_equal(moment_dof(np.ones((1, 9, 1)), 8.0), 8.0)


@pytest.mark.parametrize("n_features", [3, 63, 200, 5000])
def test_probes_do_not_grow_without_end(n_features):
    n = count_probes(n_features)
    assert 8 <= n <= 128
    assert n == 8 or n * (n_features + 1) <= 8192
    assert n == 128 or n_features > 63


def test_few_rows_that_make_the_variance_leave_few_degrees_of_freedom():
    errors = choose_rows(np.random.default_rng(0).normal(size=(90, 2)), 9, 0, None).errors
    components = np.random.default_rng(1).normal(size=(1, 8, 40))
    typical = np.full((1, 40), 2.0)
    usual = errors.error(components, elsewhere(typical))
    rare = errors.error(components, elsewhere(typical, kurtosis=7.0))
    most = 2.0 * errors.n_seen / 6.0
    assert 2.0 < most < 3.1
    np.testing.assert_allclose(rare.degrees_of_freedom, np.minimum(usual.degrees_of_freedom, most))
    alone = errors.error(components)
    share = 1.0 / (np.minimum(alone.degrees_of_freedom, 3.0 * most) + 1.0)
    relative = (rare.variances - (1.0 - share) * alone.variances) / (2.0 * share)
    known = [one.relative for one in errors.covariances]
    assert ((min(known) <= relative + 1e-12) & (relative <= max(known) + 1e-12)).all()
    rarest = errors.error(components, elsewhere(typical, kurtosis=1e6))
    np.testing.assert_array_equal(rarest.degrees_of_freedom, np.minimum(usual.degrees_of_freedom, 2.0))


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_kurtosis_of_rows_is_seen_in_differences_of_two(share):
    rng = np.random.default_rng(0)
    draws = (rng.random((400_000, 2)) < share).astype(float)
    of_one = (1.0 - 3.0 * share * (1.0 - share)) / (share * (1.0 - share))  # of Bernoulli draws
    equal = np.full(len(draws), 1.0 / len(draws))
    of_two = 2.0 * weighted_kurtosis(draws[:, :1] - draws[:, 1:], equal) - 3.0
    np.testing.assert_allclose(of_two, of_one, rtol=0.04)
    assert weighted_kurtosis(np.zeros((3, 1)), np.full(3, 1 / 3)) == 1.0


def test_an_effect_of_a_rare_joint_kind_is_covered_as_stated():
    covered = []
    for seed in range(100, 108):
        rng = np.random.default_rng(seed)
        table = np.column_stack([rng.random((1500, 2)), rng.normal(size=1500)])

        def spike(X):
            return 5.0 * ((X[:, 0] < 0.15) & (X[:, 1] < 0.15)) + 0.2 * X[:, 2]

        whole = KernelShapExplainer(spike, background="all", random_state=0).fit(table)
        rows = np.array([[0.5, 0.5, 0.0], [0.1, 0.9, 1.0], [0.1, 0.1, -1.0]])
        truth = whole.explain(rows).values
        exp = KernelShapExplainer(spike, background_size=20, random_state=seed).fit(table).explain(rows)
        low, high = exp.interval(0.95)
        covered.append((low <= truth) & (truth <= high))
    assert np.mean(covered) > 0.9
    assert np.mean(covered, axis=0).min() > 0.8
