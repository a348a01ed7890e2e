"""Fits near rows to shared samples and to samples of each row; cost, unseen levels and stability."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import t as student
from sklearn.linear_model import Ridge

from agnostix.core.designs import Design
from agnostix.core.evaluate import evaluate
from agnostix.core.masking import Features
from agnostix.core.models import as_predictor
from agnostix.lime.discretizer import Discretizer
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.neighborhood import (
    MAX_DOUBLINGS,
    EncodedRows,
    RowSamples,
    SurrogateSpec,
    TabularNeighborhood,
    fit_shared,
)
from agnostix.lime.sampling import Kernel
from agnostix.lime.selection import forward_selection, highest_weights
from agnostix.lime.surrogates import LinearSurrogate, RegressorSurrogate, TreeSurrogate
from agnostix.lime.tabular_samples import RowSampler, SharedSamples, TabularSampler
from agnostix.lime.unseen_levels import UnseenLevelEffects
from agnostix.lime.weighted_regression import split_points
from agnostix.testing import CountingModel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 0.0]
X[:, 2] = np.where(np.arange(150) % 3 == 0, 1.0, X[:, 2])
LINEAR = LinearSurrogate(1.0, forward_selection)
ALL = slice(0, 512)


def model(X):
    return np.stack([X[:, 0] + 0.1 * X[:, 1] ** 2 / 10.0 + X[:, 2], X[:, 0] * X[:, 2]], axis=1)


def make_sampler(method, n=512):
    named = Features.from_names(["a", "b", "c"])
    features = Discretizer(X, np.ones(150), method, None, "Owner").learn_features(named)
    return TabularSampler(X[:20], tuple(features), Design.from_n_points(3, n, 0))


def make_spec(surrogate=LINEAR, width=1.3, radius=None, max_features=None):
    return SurrogateSpec(surrogate, None if width is None else Kernel(width), radius, max_features, False)


def encode(sampler, row_indices, is_fitted=None):
    row_indices = np.array(row_indices)
    flags = np.ones((row_indices.size, 3), dtype=bool) if is_fitted is None else np.array(is_fitted)
    n, predictions = row_indices.size, model(X[row_indices])
    return EncodedRows(
        sampler.encode(X[row_indices]),
        predictions,
        np.tile([0, 1], (n, 1)),
        flags,
        row_indices,
        np.ones(n),
        *np.zeros((2, n, 2)),
    )


def fit_near(method, spec, place, row_sampling=None):
    """The fit near a row, the table of samples, their design without local units, center and log weights."""
    sampler = make_sampler(method)
    rows = encode(sampler, [place])
    center = rows.encoded[0]
    if row_sampling is None:
        shared = SharedSamples(sampler)
        table, samples = shared.take(ALL), shared.interpret()
    else:
        row_sampler = RowSampler(sampler, *row_sampling)
        own = row_sampler.sample(center)
        table, samples = sampler.build_table(own), row_sampler.interpret(own)
    fit = spec.fit(samples, model(table), rows, 0, sampler.points)
    z = sampler.encode(table)
    return fit, table, z if method is None else (z == center).astype(float), center, samples.log_weights


# ---------------------------------------------------------------- fits near one row


@pytest.mark.parametrize("method", ["quartile", None])
def test_shared_samples_are_weighted_by_kernel(method):
    fit, table, z, center, log_weights = fit_near(method, make_spec(), 4)
    own = center if method is None else np.ones(3)
    weights = np.exp(log_weights - ((z - own) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    for output in range(2):
        plain = Ridge(1.0, tol=1e-12).fit(z, model(table)[:, output], sample_weight=weights)
        np.testing.assert_allclose(fit.coefficients[:, output], plain.coef_, atol=1e-9)
        assert fit.surrogate_outputs[output] == pytest.approx(plain.predict(own[None])[0])
    np.testing.assert_allclose(fit.row_design, own)


@pytest.mark.parametrize("radius", [1.0, 0.05])
def test_local_samples_ridge_in_units_of_radius(radius):
    fit, table, z, center, _ = fit_near(None, make_spec(radius=radius), 4, ("local", radius))
    weights = np.exp(-((z - center) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    for output in range(2):
        plain = Ridge(1.0, tol=1e-12)
        plain.fit((z - center) / radius, model(table)[:, output], sample_weight=weights)
        np.testing.assert_allclose(fit.coefficients[:, output] * radius, plain.coef_, atol=1e-9)
        assert fit.surrogate_outputs[output] == pytest.approx(plain.intercept_)
    np.testing.assert_array_equal(fit.row_design, center)


@pytest.mark.parametrize("method", ["quartile", None])
def test_tilted_samples_have_equal_weights(method):
    fit, table, z, _, _ = fit_near(method, make_spec(width=None), 4, ("tilted", 1.3))
    plain = Ridge(1.0, tol=1e-12).fit(z, model(table)[:, 0])
    np.testing.assert_allclose(fit.coefficients[:, 0], plain.coef_, atol=1e-9)
    assert fit.effective_samples == pytest.approx(512.0)


@pytest.mark.parametrize("radius", [None, 0.5])
def test_tree_surrogate_contributions_keep_units(radius):
    spec = make_spec(TreeSurrogate(8, forward_selection), radius=radius)
    fit, table, z, center, _ = fit_near(None, spec, 4, None if radius is None else ("local", radius))
    np.testing.assert_array_equal(fit.row_design, 1.0)
    weights = np.exp(-((z - center) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    n_groups = 8  # two arrays, which are cut
    groups = zip(np.split(model(table), n_groups), np.split(weights, n_groups), strict=True)
    mean = np.mean([_mean_of_halves(y, w) for y, w in groups], axis=0)
    np.testing.assert_allclose(mean + fit.coefficients.sum(axis=0), fit.surrogate_outputs, rtol=1e-9)


def _mean_of_halves(y, weights):
    """Mean of the roots of trees on either half of a group."""
    halves = zip(np.array_split(y, 2), np.array_split(weights, 2), strict=True)
    return np.mean([np.average(part, axis=0, weights=w) for part, w in halves], axis=0)


def test_highest_weights_rank_by_contribution():
    surrogate = LinearSurrogate(1.0, highest_weights)
    fit, *_ = fit_near(None, make_spec(surrogate, radius=0.1), 4, ("local", 0.1))
    contributions = np.abs(fit.coefficients * fit.row_design[:, None])
    few, *_ = fit_near(None, make_spec(surrogate, radius=0.1, max_features=1), 4, ("local", 0.1))
    np.testing.assert_array_equal(few.selected.argmax(axis=0), contributions.argmax(axis=0))
    np.testing.assert_array_equal(few.selected.sum(axis=0), 1)


@pytest.mark.parametrize("surrogate", [LINEAR, RegressorSurrogate(Ridge(1.0, tol=1e-12), forward_selection)])
def test_features_left_out_have_no_effect(surrogate):
    sampler, is_fitted = make_sampler("quartile"), np.array([True, False, True])
    samples, table = SharedSamples(sampler).interpret(), sampler.build_table(sampler.sample(ALL))
    rows = encode(sampler, [4], is_fitted[None])
    fit = make_spec(surrogate).fit(samples, model(table), rows, 0, sampler.points)
    z = (sampler.encode(table) == rows.encoded[0]).astype(float)
    weights = samples.weigh(Kernel(1.3), (1.0 - z).sum(axis=1))
    plain = Ridge(1.0, tol=1e-12).fit(z[:, is_fitted], model(table)[:, 0], sample_weight=weights)
    np.testing.assert_allclose(fit.coefficients[is_fitted, 0], plain.coef_, atol=1e-9)
    assert not fit.coefficients[1].any()
    assert not fit.std_errors[1].any()
    assert not fit.selected[1].any()


# ---------------------------------------------------------------- fits near many rows


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_row_samples_evaluate_their_own_samples_only():
    sampler = make_sampler("quartile")
    rows = encode(sampler, [4, 9, 30])
    samples, predictions = SharedSamples(sampler).interpret(), model(sampler.build_table(sampler.sample(ALL)))
    shared = fit_shared(make_spec(), samples, predictions, rows, sampler.points)
    counting, row_sampler = CountingModel(model), RowSampler(sampler, "tilted", 1.3)
    source = RowSamples(make_spec(width=None), row_sampler, rows)
    own, n_model_rows = evaluate(as_predictor(counting), source, RowSamples.fit_row, n_outputs=2)
    assert n_model_rows == counting.n_rows == 3 * 512
    for row in range(3):
        expected = make_spec().fit(samples, predictions, rows, row, sampler.points)
        assert_same(shared.take(np.array([row])), LocalFits.stack([expected]))
        near = row_sampler.sample(rows.encoded[row])
        table = sampler.build_table(near)
        expected = make_spec(width=None).fit(
            row_sampler.interpret(near), model(table), rows, row, sampler.points
        )
        assert_same(own[row], expected)


def test_row_samples_describe_rows():
    sampler = make_sampler("quartile")
    source = RowSamples(make_spec(), RowSampler(sampler, "tilted", 1.0), encode(sampler, [4, 9]))
    assert source.describe(1, slice(3, 9)) == "samples 3 to 8 around row 9"


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_fit_shared_same_bits_and_order_for_any_n_jobs(backend):
    sampler = make_sampler("quartile")
    rows = encode(sampler, [4, 9, 30])
    samples, predictions = SharedSamples(sampler).interpret(), model(sampler.build_table(sampler.sample(ALL)))
    alone = fit_shared(replace(make_spec(), n_jobs=1), samples, predictions, rows, sampler.points)
    with parallel_config(backend):
        shared = fit_shared(replace(make_spec(), n_jobs=2), samples, predictions, rows, sampler.points)
    assert_same(shared, alone)


# ---------------------------------------------------------------- neighborhoods of tables

TABLE = np.random.default_rng(0).normal(size=(150, 3))
# Missing values were not observed; 9 is in the last bin.
UNSEEN = np.array([[0.3, 9.0, np.nan], [99.0, 0.1, -0.2]])


def curved(X):
    X = np.nan_to_num(X, nan=5.0)
    return np.stack([X[:, 0] + 0.9 * X[:, 1] + X[:, 2] ** 2, X[:, 1]], axis=1)


def make_neighborhood(method="kernel", stability=None, max_features=None):
    """A neighborhood with its shared samples evaluated, `evaluate`, the spec and the model."""
    named = Features.from_names(["a", "b", "c"])
    features = Discretizer(TABLE, np.ones(150), "quartile", None, "Owner").learn_features(named)
    sampler = TabularSampler(TABLE[:20], tuple(features), Design.from_n_points(3, 512, 0))
    row_sampler = None if method == "kernel" else RowSampler(sampler, "tilted", 1.3)
    counting = CountingModel(curved)
    run = partial(evaluate, as_predictor(counting), n_outputs=2)
    kernel = Kernel(1.3) if row_sampler is None else None
    spec = SurrogateSpec(LINEAR, kernel, None, max_features, stability is not None)
    neighborhood = TabularNeighborhood(named, sampler, row_sampler, 1.3, stability)
    return neighborhood.evaluate_shared(run), run, spec, counting


def fit_rows(parts, rows, row_indices=None):
    neighborhood, run, spec, _ = parts
    encoded = neighborhood.sampler.encode(rows)
    row_indices = np.arange(len(rows)) if row_indices is None else row_indices
    outputs = np.tile([0, 1], (len(rows), 1))
    return neighborhood._fit_distinct(run, spec, rows, encoded, curved(rows), outputs, row_indices)


def test_shared_samples_are_evaluated_once():
    parts = make_neighborhood()
    neighborhood, *_, counting = parts
    sampler = neighborhood.sampler
    assert counting.n_rows == neighborhood.n_samples == neighborhood.n_shared_rows == 512
    np.testing.assert_array_equal(neighborhood.predictions, curved(sampler.build_table(sampler.sample(ALL))))
    _, n_model_rows = fit_rows(parts, TABLE[:5])
    assert (n_model_rows, counting.n_rows, neighborhood.cost(TABLE[:5])) == (0, 512, 5)


def test_row_samples_are_evaluated_per_row():
    parts = make_neighborhood("tilted")
    neighborhood, *_, counting = parts
    assert counting.n_rows == neighborhood.n_shared_rows == 0
    _, n_model_rows = fit_rows(parts, TABLE[:5])
    assert n_model_rows == counting.n_rows == neighborhood.cost(TABLE[:5]) - 5 == 5 * 512


@pytest.mark.parametrize("method", ["kernel", "tilted"])
def test_unseen_levels_have_effects(method):
    parts = make_neighborhood(method)
    neighborhood, run, spec, counting = parts
    before = counting.n_rows
    fits, n_model_rows = fit_rows(parts, UNSEEN)
    assert n_model_rows == counting.n_rows - before == neighborhood.cost(UNSEEN) - 2
    sampler = neighborhood.sampler
    encoded = sampler.encode(UNSEEN)
    is_unseen = sampler.is_unseen(encoded)
    assert is_unseen.tolist() == [[False, False, True], [False, False, False]]
    source = UnseenLevelEffects.from_flags(
        spec.kernel, sampler, neighborhood.row_sampler, UNSEEN, encoded, is_unseen, np.arange(2)
    )
    (effect,), _ = source.estimate(run)
    np.testing.assert_array_equal(fits.coefficients[0, 2], effect.value)
    np.testing.assert_array_equal(fits.std_errors[0, 2], effect.error)
    np.testing.assert_array_equal(fits.dof[0, 2], effect.dof)
    np.testing.assert_allclose(fits.shared[0, 2], effect.components)
    assert fits.selected[0, 2].all()
    assert fits.is_determined[0].all()  # what the level adds is no surprise
    assert not fits.is_determined[1, 0]  # 99 is in the last bin, whose samples are below 4
    assert fits.surrogate_std_errors[0, 0] > effect.error[0] > 0


def test_stability_threshold_is_student_quantile():
    neighborhood, _, spec, _ = make_neighborhood(stability=0.99, max_features=1)
    rows = EncodedRows(
        neighborhood.sampler.encode(TABLE[:30]),
        curved(TABLE[:30]),
        np.tile([0, 1], (30, 1)),
        np.ones((30, 3), dtype=bool),
        np.arange(30),
        np.ones(30),
        *np.zeros((2, 30, 2)),
    )
    fits = neighborhood._fit_samples(spec, rows)
    is_stable = neighborhood._is_stable(fits)
    n_blocks = split_points(neighborhood.sampler.points)[2]
    np.testing.assert_array_equal(is_stable, fits.margin.min(axis=1) >= student.ppf(0.99, n_blocks - 1))
    assert 0 < is_stable.sum() < 30


def test_stability_doubles_samples_of_unstable_rows():
    parts = make_neighborhood(stability=0.9999, max_features=1)
    neighborhood, run, spec, counting = parts
    fits, n_model_rows = fit_rows(parts, TABLE[:30])
    assert n_model_rows == counting.n_rows - 512 <= neighborhood.cost(TABLE[:30]) - 30 == 15 * 512
    doublings = np.log2(fits.n_samples / 512)
    assert set(doublings) <= set(range(MAX_DOUBLINGS + 1))
    assert len(set(doublings)) > 2
    assert (neighborhood._is_stable(fits) | (doublings == MAX_DOUBLINGS)).all()
    for row in (int(doublings.argmin()), int(doublings.argmax()), int(np.flatnonzero(doublings == 1)[0])):
        alone, _ = fit_rows(parts, TABLE[row : row + 1])
        for name in ("coefficients", "std_errors", "n_samples", "margin", "selected"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(fits, name)[row])
        points = neighborhood.sampler.points.longer(int(2 ** doublings[row]))
        longer = replace(neighborhood.sampler, points=points)
        wider = TabularNeighborhood(neighborhood.features, longer, None, 1.3, None).evaluate_shared(run)
        plain, _ = fit_rows((wider, run, spec, counting), TABLE[row : row + 1], np.array([row]))
        np.testing.assert_array_equal(plain.coefficients[0], fits.coefficients[row])


def test_stability_of_stable_rows_costs_nothing():
    parts = make_neighborhood(stability=0.51, max_features=1)
    fits, _ = fit_rows(parts, TABLE[:30])
    is_stable = fits.n_samples == 512
    assert is_stable.any()
    _, n_model_rows = fit_rows(parts, TABLE[:30][is_stable])
    assert n_model_rows == 0


def test_rare_levels_are_contrasted():
    labels = np.array([["often"]] * 1999 + [["once"]], dtype=object)
    named = Features.from_names(["t"])
    features = Discretizer(labels, np.ones(2000), "quartile", None, "Owner").learn_features(named)
    sampler = TabularSampler(labels[:20], tuple(features), Design.from_n_points(1, 512, 0))
    neighborhood = TabularNeighborhood(named, sampler, None, 0.75, None)
    rows = np.array([["often"], ["once"], ["never"]], dtype=object)
    encoded = sampler.encode(rows)
    assert neighborhood.is_contrasted(encoded)[:, 0].tolist() == [False, True, True]
    assert sampler.is_unseen(encoded)[:, 0].tolist() == [False, False, True]
    assert neighborhood.cost(rows) == 3 + 2 * 2 * 512
    longer = replace(sampler, points=Design.from_n_points(1, 8192, 0))
    assert not TabularNeighborhood(named, longer, None, 0.75, None).is_contrasted(encoded)[1, 0]
