import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from agnostix.lime import exact_moments
from agnostix.lime.exact_moments import Boxes, additive_moments, box_moments, row_frequencies, tilt
from agnostix.lime.truncated_normal import truncnorm_cdf
from tests.lime.regressions import truncnorm_expectation
from tests.reference import lime as ref

FACTORS = st.sampled_from([0.0, 1e-12, 0.3, 0.9, 1.0])


def a_case(seed, d, n_rows=1):
    """Columns with 1 to 4 bins, some of frequency 0, and rows of which some have bins that no sample has."""
    rng = np.random.default_rng(seed)
    p, bins = [], []
    for _ in range(d):
        frequencies = rng.exponential(size=rng.integers(1, 5)) * (rng.random(1) < 0.9)
        frequencies = np.where(rng.random(frequencies.size) < 0.2, 0.0, frequencies)
        frequencies = frequencies if frequencies.sum() else np.ones(1)
        p.append(frequencies / frequencies.sum())
        bins.append(rng.integers(-1, len(frequencies), size=n_rows))
    return rng, p, np.stack(bins, axis=1)


def boxes_of_bounds(lower, upper, values, probability):
    """Boxes lower < x <= upper, (n_boxes, n_columns), infinite on both ends in unused columns.

    `probability(column, lower, upper)` maps the ends (n_sides,) of a used column's sides to the
    probability of each within each bin, (n_sides, n_bins).
    """
    used = np.isfinite(lower) | np.isfinite(upper)
    numbers = np.full(lower.shape, -1)
    sides, n_sides = [], 0
    for j, boxes in enumerate(used.T):
        ends, which = np.unique(np.c_[lower[boxes, j], upper[boxes, j]], axis=0, return_inverse=True)
        numbers[boxes, j] = n_sides + which.ravel()
        n_sides += len(ends)
        sides.append(probability(j, *ends.T) if len(ends) else np.empty((0, 0)))
    order = np.argsort(numbers < 0, axis=1, kind="stable")  # used sides first, to cut to the longest box
    width = int((numbers >= 0).sum(axis=1).max(initial=0))
    return Boxes(sides, np.take_along_axis(numbers, order, axis=1)[:, :width], values)


def columns_of(p):
    return [[ref.Bin(float(share), 0.0, 0.0, 0.0, 0.0) for share in frequencies] for frequencies in p]


def expected_moments(f, p, row_bins, r):
    """E~f, the covariances with z, and E~[f f] for f constant in each cell, over all cells."""
    columns = columns_of(p)
    total, mean, crossed, square = ref.enumerated_moments(f, columns, row_bins, r)
    alphas = [
        ref.enumerated_moments(lambda c, j=j: float(c[j] == row_bins[j]), columns, row_bins, r)[1]
        for j in range(len(p))
    ]
    return total, mean, [c - a * mean for c, a in zip(crossed, alphas, strict=True)], square, alphas


def has_weight(p, row_bins, r):
    return (
        math.prod(s[b] * (b >= 0) + (1.0 - s[b] * (b >= 0)) * r for s, b in zip(p, row_bins, strict=True))
        > 1e-30
    )


@given(st.integers(0, 10_000), st.integers(1, 4), FACTORS)
def test_tilted_frequencies_match_enumeration(seed, d, r):
    _, p, bins = a_case(seed, d)
    assume(has_weight(p, bins[0], r))
    total, _, _, _, alphas = expected_moments(lambda _: 0.0, p, bins[0], r)
    alpha, weight = tilt(row_frequencies(p, bins), r)
    np.testing.assert_allclose(alpha[0], alphas, atol=1e-14)
    assert weight[0] == pytest.approx(total, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 4), FACTORS)
def test_additive_moments_match_enumeration(seed, d, r):
    rng, p, bins = a_case(seed, d)
    assume(has_weight(p, bins[0], r))
    means = [rng.normal(size=(len(frequencies), 2)) for frequencies in p]
    within = [rng.exponential(size=m.shape) for m in means]
    moments = additive_moments(means, p, bins, r, [m**2 + v for m, v in zip(means, within, strict=True)])
    for k in range(2):
        _, mean, kappa, square, _ = expected_moments(
            lambda c, k=k: math.fsum(m[b, k] for m, b in zip(means, c, strict=True)), p, bins[0], r
        )
        inside = expected_moments(
            lambda c, k=k: math.fsum(v[b, k] for v, b in zip(within, c, strict=True)), p, bins[0], r
        )[1]
        np.testing.assert_allclose(moments.mean[0, k], mean, atol=1e-12)
        np.testing.assert_allclose(moments.kappa[0, :, k], kappa, atol=1e-12)
        np.testing.assert_allclose(moments.square[0, k], square + inside, atol=1e-11)


def random_boxes(rng, p, n_boxes, n_outputs):
    """Boxes of random sides, of which some are surely met and some never."""
    sides = [
        rng.choice([0.0, 1.0, 0.3, 0.8], size=(rng.integers(0, 4), len(frequencies))) for frequencies in p
    ]
    starts = np.cumsum([0, *(len(s) for s in sides)])
    factors = np.full((n_boxes, len(p)), -1)
    for row in factors:
        for slot, j in enumerate(rng.permutation(len(p))):
            if len(sides[j]) and rng.random() < 0.7:
                row[slot] = starts[j] + rng.integers(len(sides[j]))
    return Boxes(sides, factors, rng.normal(size=(n_boxes, n_outputs)))


def box_answers(boxes, k):
    """The mean answer in each cell of bins, box after box."""

    def f(cell):
        where = [(j, s) for j, sides in enumerate(boxes.sides) for s in range(len(sides))]
        total = []
        for factors, values in zip(boxes.factors, boxes.values, strict=True):
            used = [where[number] for number in factors if number >= 0]
            total.append(values[k] * math.prod(boxes.sides[j][s, cell[j]] for j, s in used))
        return math.fsum(total)

    return f


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6), FACTORS)
def test_box_moments_match_enumeration(seed, d, n_boxes, r):
    rng, p, bins = a_case(seed, d)
    assume(has_weight(p, bins[0], r))
    boxes = random_boxes(rng, p, n_boxes, 2)
    moments = box_moments(boxes, p, bins, r)
    assert moments.square is None
    for k in range(2):
        _, mean, kappa, _, _ = expected_moments(box_answers(boxes, k), p, bins[0], r)
        np.testing.assert_allclose(moments.mean[0, k], mean, atol=1e-12)
        np.testing.assert_allclose(moments.kappa[0, :, k], kappa, atol=1e-12)


def a_table(n=300):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(n, 4))
    table[:, 1] = np.exp(table[:, 1])
    table[:, 2] = np.where(rng.random(n) < 0.4, -1.0, table[:, 2] ** 2)
    table[:, 3] = 5.0
    return table


def binned(table):
    edges = [ref.quartile_edges(column) for column in table.T]
    columns = [ref.bins_of(column, e) for column, e in zip(table.T, edges, strict=True)]
    bins = [[ref.bin_of(x, e) for x, e in zip(row, edges, strict=True)] for row in table[:9]]
    return columns, [np.array([one.p for one in column]) for column in columns], np.array(bins)


def test_additive_moments_of_linear_model_on_quartile_bins():
    columns, p, bins = binned(a_table())
    slopes, r = [1.0, -2.0, 0.5, 3.0], ref.flip_weight(4)
    means = []
    for a, column in zip(slopes, columns, strict=True):
        parameters = [np.array([getattr(one, name) for one in column]) for name in ("mean", "sd", "lo", "hi")]
        means.append(a * truncnorm_expectation(np.asarray, *parameters)[:, None])
    moments = additive_moments(means, p, bins, r)
    alpha, _ = tilt(row_frequencies(p, bins), r)
    for i, row_bins in enumerate(bins):
        contrasts, mean = ref.linear(slopes, columns, row_bins, r)
        np.testing.assert_allclose(moments.mean[i, 0], mean, atol=1e-11)
        np.testing.assert_allclose(
            moments.kappa[i, :, 0], alpha[i] * (1.0 - alpha[i]) * contrasts, atol=1e-11
        )
    assert (moments.kappa[:, 3] == 0.0).all()


def side_probabilities(columns):
    """Chance of sides within the bins of each column, 0 in bins without a value."""

    def side_within_bins(j, lower, upper):
        parameters = [
            np.array([getattr(one, name) for one in columns[j]]) for name in ("mean", "sd", "lo", "hi")
        ]
        below = [truncnorm_cdf(ends[:, None], *parameters) for ends in (lower, upper)]
        return below[1] - below[0]

    return side_within_bins


def ends_of(leaves, d):
    lower, upper = np.full((len(leaves), d), -np.inf), np.full((len(leaves), d), np.inf)
    for i, (sides, _) in enumerate(leaves):
        for j, (lo, hi) in sides.items():
            lower[i, j], upper[i, j] = lo, hi
    return lower, upper


def test_box_moments_of_tree_on_quartile_bins():
    table = a_table()
    columns, p, bins = binned(table)
    y = np.c_[table[:, 0] * table[:, 2] + (table[:, 1] > 1.0), np.sin(table[:, 0] * table[:, 1])]
    leaves = ref.tree_boxes(DecisionTreeRegressor(max_leaf_nodes=12, random_state=0).fit(table, y).tree_)
    values, r = np.array([value for _, value in leaves]), ref.flip_weight(4)
    boxes = boxes_of_bounds(*ends_of(leaves, 4), values, side_probabilities(columns))
    moments = box_moments(boxes, p, bins, r, disjoint=True)
    alpha, _ = tilt(row_frequencies(p, bins), r)
    for (i, row_bins), k in product(enumerate(bins), range(2)):
        contrasts, mean = ref.sum_of_boxes([(s, v[k]) for s, v in leaves], columns, row_bins, r)
        _, square = ref.sum_of_boxes([(s, v[k] ** 2) for s, v in leaves], columns, row_bins, r)
        np.testing.assert_allclose(moments.mean[i, k], mean, atol=1e-10)
        np.testing.assert_allclose(moments.square[i, k], square, atol=1e-10)
        np.testing.assert_allclose(
            moments.kappa[i, :, k], alpha[i] * (1.0 - alpha[i]) * contrasts, atol=1e-10
        )


def test_moments_of_unused_column_are_exactly_zero():
    rng, p, bins = a_case(3, 4, n_rows=20)
    means = [rng.normal(size=(len(frequencies), 1)) for frequencies in p]
    means[2] = np.full_like(means[2], 0.1)
    assert (additive_moments(means, p, bins, 0.7).kappa[:, 2] == 0.0).all()
    boxes = random_boxes(rng, p, 9, 1)
    boxes.factors[np.append(boxes.column_of_side, -1)[boxes.factors] == 2] = -1
    assert (box_moments(boxes, p, bins, 0.7).kappa[:, 2] == 0.0).all()


def test_additive_moments_keep_digits_in_common_bin():
    share = 1e-9
    p, means = [np.array([1.0 - share, share])], [np.array([[1.0], [1.3]])]
    for b, gap in ((0, -0.3), (1, 0.3)):
        kappa = additive_moments(means, p, np.array([[b]]), 1.0).kappa[0, 0, 0]
        assert kappa == pytest.approx(share * (1.0 - share) * gap, rel=1e-13)


def test_additive_moments_ignore_empty_bins():
    p, bins = [np.array([0.4, 0.0, 0.6])], np.array([[0], [1], [-1]])
    moments = additive_moments([np.array([[1.0], [np.nan], [2.0]])], p, bins, 0.5)
    assert np.isfinite(moments.mean).all()
    np.testing.assert_allclose(moments.mean[1:], 1.6)
    assert (moments.kappa[1:] == 0.0).all()


def test_additive_moments_zero_weight_has_mean():
    p, means, bins = [np.array([0.4, 0.6])], [np.array([[1.0], [2.0]])], np.array([[-1]])
    moments = additive_moments(means, p, bins, 0.0)
    assert (moments.mean[0, 0], moments.kappa[0, 0, 0]) == (pytest.approx(1.6), 0.0)
    alpha, weight = tilt(row_frequencies(p, bins), 0.0)
    assert (alpha[0, 0], weight[0]) == (0.0, 0.0)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_moments_bits_of_row_ignore_other_rows(n_outputs):
    rng, p, bins = a_case(1, 6, n_rows=150)
    boxes = random_boxes(rng, p, 40, n_outputs)
    means = [rng.normal(size=(len(frequencies), n_outputs)) for frequencies in p]
    order = rng.permutation(150)
    for moments in (lambda b: box_moments(boxes, p, b, 0.8), lambda b: additive_moments(means, p, b, 0.8)):
        whole, turned, one = moments(bins), moments(bins[order]), moments(bins[70:71])
        np.testing.assert_array_equal(turned.kappa, whole.kappa[order])
        np.testing.assert_array_equal(turned.mean, whole.mean[order])
        np.testing.assert_array_equal(one.kappa, whole.kappa[70:71])
        np.testing.assert_array_equal(one.mean, whole.mean[70:71])


def test_box_moments_in_chunks_add_up(monkeypatch):
    rng, p, bins = a_case(1, 6, n_rows=70)
    boxes = random_boxes(rng, p, 40, 2)
    whole = box_moments(boxes, p, bins, 0.8, disjoint=True)
    monkeypatch.setattr(exact_moments, "_MAX_CELLS", 64 * 6 * 7)
    pieces = box_moments(boxes, p, bins, 0.8, disjoint=True)
    for name in ("mean", "kappa", "square"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), atol=1e-13)


def test_box_moments_of_constant_box():
    _, p, bins = a_case(0, 3, n_rows=4)
    boxes = Boxes([np.empty((0, 0))] * 3, np.empty((1, 0), dtype=int), np.array([[2.0, -1.0]]))
    moments = box_moments(boxes, p, bins, 0.7, disjoint=True)
    assert moments.mean.tolist() == [[2.0, -1.0]] * 4
    assert moments.square.tolist() == [[4.0, 1.0]] * 4
    assert not moments.kappa.any()


# ---------------------------------------------------------------- boxes


INF = np.inf


def side_probability(j, lower, upper):
    """Probability of a side in bins that are the numbers j, j + 1, j + 2."""
    points = j + np.arange(3.0)
    return ((lower[:, None] < points) & (points <= upper[:, None])).astype(float)


def test_boxes_share_equal_sides():
    lower = np.array([[-INF, -INF, -INF], [0.5, -INF, -INF], [0.5, -INF, 2.5], [-INF, -INF, 2.5]])
    upper = np.array([[0.5, INF, INF], [INF, INF, 2.5], [INF, INF, INF], [0.5, INF, INF]])
    boxes = boxes_of_bounds(lower, upper, np.ones((4, 1)), side_probability)
    assert [len(side) for side in boxes.sides] == [2, 0, 2]
    assert boxes.column_of_side.tolist() == [0, 0, 2, 2]
    assert boxes.sides[0].tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    assert boxes.factors.tolist() == [[0, -1], [1, 2], [1, 3], [0, 3]]


def test_boxes_unbounded_have_no_factors():
    boxes = boxes_of_bounds(np.full((1, 2), -INF), np.full((1, 2), INF), np.ones((1, 3)), side_probability)
    assert boxes.factors.shape == (1, 0)
    assert boxes.column_of_side.size == 0


@pytest.mark.parametrize("seed", range(5))
def test_boxes_factors_match_interval_membership(seed):
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(-1, 6, size=(2, 7, 3)) - 0.5, axis=0)
    lower, upper = np.where(rng.random(ends.shape) < 0.4, np.array([-INF, INF])[:, None, None], ends)
    boxes = boxes_of_bounds(lower, upper, rng.normal(size=(7, 1)), side_probability)
    for cell in np.ndindex(3, 3, 3):
        x = np.array(cell) + np.arange(3)
        inside = np.append(
            np.concatenate([s[:, b] for s, b in zip(boxes.sides, cell, strict=True) if len(s)]), 1.0
        )
        product_of_sides = inside[boxes.factors].prod(1)
        np.testing.assert_array_equal(product_of_sides, ((lower < x) & (x <= upper)).all(1))
