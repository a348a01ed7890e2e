"""Local fits in bins and in standard deviations, with shared and own samples."""

from dataclasses import replace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.linear_model import Ridge

from agnostix.core.evaluate import evaluate
from agnostix.core.masking import Features
from agnostix.core.models import as_predictor
from agnostix.core.sobol import SobolBlocks
from agnostix.lime.kernel import Kernel
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.near_rows import OwnFits, SharedFits, SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.selection import forward_selection, highest_weights
from agnostix.lime.shared_rows import SharedRows
from agnostix.lime.surrogates import LinearSurrogate, RegressorSurrogate, TreeSurrogate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 0.0]
X[:, 2] = np.where(np.arange(150) % 3 == 0, 1.0, X[:, 2])
LINEAR = LinearSurrogate(1.0, forward_selection)


def model(X):
    return np.stack([X[:, 0] + 0.1 * X[:, 1] ** 2 / 10.0 + X[:, 2], X[:, 0] * X[:, 2]], axis=1)


def neighbourhood(how, n=512):
    features = FeatureLearner(X, np.ones(150), how, None, "Owner").learn(Features.from_names(["a", "b", "c"]))
    return Neighbourhood(X[:20], tuple(features), SobolBlocks.from_n_points(3, n, 0))


def spec(surrogate=LINEAR, width=1.3, radius=None, most=None):
    return SurrogateSpec(surrogate, None if width is None else Kernel(width), radius, most, False)


def near(how, one, at, own=None):
    """The fit near a row, the table of its draws, and what a surrogate sees of them in plain units."""
    hood = neighbourhood(how)
    centre = hood.centres(X[at : at + 1])[0]
    if own is None:
        rows = SharedRows(hood)
        table, traces = rows.take(slice(0, 512)), rows.traces()
    else:
        draws = OwnDraws(hood, *own)
        drawn = draws.draw(centre)
        table, traces = hood.table(drawn), draws.traces(drawn)
    free = np.ones(3, dtype=bool)
    fit = one.fit(traces, centre, model(table), model(X[at : at + 1])[0], free, 16, at)
    z = hood.centres(table)
    return fit, table, z if how is None else (z == centre).astype(float), centre, traces.log_weights


@pytest.mark.parametrize("how", ["quartile", None])
def test_shared_samples_are_weighted_by_kernel(how):
    fit, table, z, centre, logs = near(how, spec(), 4)
    own = centre if how is None else np.ones(3)
    weights = np.exp(logs - ((z - own) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    for output in range(2):
        plain = Ridge(1.0, tol=1e-12).fit(z, model(table)[:, output], sample_weight=weights)
        np.testing.assert_allclose(fit.coefficients[:, output], plain.coef_, atol=1e-9)
        assert fit.surrogate_outputs[output] == pytest.approx(plain.predict(own[None])[0])
    np.testing.assert_allclose(fit.row_design, own)


@pytest.mark.parametrize("radius", [1.0, 0.05])
def test_local_samples_ridge_in_units_of_radius(radius):
    fit, table, z, centre, _ = near(None, spec(radius=radius), 4, own=("local", radius))
    weights = np.exp(-((z - centre) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    for output in range(2):
        plain = Ridge(1.0, tol=1e-12).fit(
            (z - centre) / radius, model(table)[:, output], sample_weight=weights
        )
        np.testing.assert_allclose(fit.coefficients[:, output] * radius, plain.coef_, atol=1e-9)
        assert fit.surrogate_outputs[output] == pytest.approx(plain.intercept_)
    np.testing.assert_array_equal(fit.row_design, centre)


@pytest.mark.parametrize("how", ["quartile", None])
def test_tilted_samples_have_equal_weights(how):
    fit, table, z, _, _ = near(how, spec(width=None), 4, own=("tilted", 1.3))
    plain = Ridge(1.0, tol=1e-12).fit(z, model(table)[:, 0])
    np.testing.assert_allclose(fit.coefficients[:, 0], plain.coef_, atol=1e-9)
    assert fit.effective_samples == pytest.approx(512.0)


@pytest.mark.parametrize("radius", [None, 0.5])
def test_tree_surrogate_effects_keep_units(radius):
    own = None if radius is None else ("local", radius)
    one = spec(TreeSurrogate(8, forward_selection), radius=radius)
    fit, table, z, centre, _ = near(None, one, 4, own)
    np.testing.assert_array_equal(fit.row_design, 1.0)
    weights = np.exp(-((z - centre) ** 2).sum(axis=1) / (2.0 * 1.3**2))
    level = np.average(model(table), axis=0, weights=weights)
    np.testing.assert_allclose(level + fit.coefficients.sum(axis=0), fit.surrogate_outputs, rtol=1e-9)


def test_highest_weights_rank_by_contribution():
    surrogate = LinearSurrogate(1.0, highest_weights)
    fit, *_ = near(None, spec(surrogate, radius=0.1), 4, own=("local", 0.1))
    shares = np.abs(fit.coefficients * fit.row_design[:, None])
    few, *_ = near(None, spec(surrogate, radius=0.1, most=1), 4, own=("local", 0.1))
    np.testing.assert_array_equal(few.selected.argmax(axis=0), shares.argmax(axis=0))
    np.testing.assert_array_equal(few.selected.sum(axis=0), 1)


@pytest.mark.parametrize("surrogate", [LINEAR, RegressorSurrogate(Ridge(1.0, tol=1e-12), forward_selection)])
def test_fixed_features_have_no_effect(surrogate):
    hood = neighbourhood("quartile")
    traces = SharedRows(hood).traces()
    table = hood.table(hood.shared(slice(0, 512)))
    centre = hood.centres(X[4:5])[0]
    free = np.array([True, False, True])
    fit = spec(surrogate).fit(traces, centre, model(table), model(X[4:5])[0], free, 16, 4)
    z = (hood.centres(table) == centre).astype(float)
    weights = spec().weights(traces, centre)
    plain = Ridge(1.0, tol=1e-12).fit(z[:, free], model(table)[:, 0], sample_weight=weights)
    np.testing.assert_allclose(fit.coefficients[free, 0], plain.coef_, atol=1e-9)
    assert not fit.coefficients[1].any()
    assert not fit.std_errors[1].any()
    assert not fit.selected[1].any()


def test_own_fits_evaluate_own_samples_only():
    hood, rows = neighbourhood("quartile"), np.array([4, 9, 30])
    calls = []

    def counting(given):
        calls.append(len(given))
        return model(given)

    centres, own, free = hood.centres(X[rows]), model(X[rows]), np.ones((3, 3), dtype=bool)
    traces = SharedRows(hood).traces()
    answers = model(hood.table(hood.shared(slice(0, 512))))
    shared = SharedFits(spec(), traces, answers, 16, centres, own, free, rows).fit()
    assert calls == []
    draws = OwnDraws(hood, "tilted", 1.3)
    source = OwnFits(spec(width=None), draws, centres, own, free, rows)
    near_rows, n_model_rows = evaluate(as_predictor(counting), source, OwnFits.fit_item, n_outputs=2)
    assert n_model_rows == sum(calls) == 3 * 512
    for place, row in enumerate(rows):
        expected = spec().fit(traces, centres[place], answers, own[place], free[place], 16, row)
        for one, other in zip(shared[place], expected, strict=True):
            np.testing.assert_array_equal(one, other)
        drawn = draws.draw(centres[place])
        expected = spec(width=None).fit(
            draws.traces(drawn), centres[place], model(hood.table(drawn)), own[place], free[place], 16, row
        )
        for one, other in zip(near_rows[place], expected, strict=True):
            np.testing.assert_array_equal(one, other)
    fits = LocalFits.stack(shared)
    np.testing.assert_array_equal(fits.coefficients[1], shared[1][0])
    assert fits.n_samples.tolist() == [512] * 3
    wider = LocalFits.stack(near_rows)._replace(n_samples=np.full(3, 1024)).take(np.array([2]))
    fits.put(np.array([0]), wider)
    np.testing.assert_array_equal(fits.coefficients[0], near_rows[2][0])
    assert fits.n_samples.tolist() == [1024, 512, 512]


def test_fits_describe_rows():
    hood, rows = neighbourhood("quartile"), np.array([4, 9])
    centres, own, free = hood.centres(X[rows]), model(X[rows]), np.ones((2, 3), dtype=bool)
    near_rows = OwnFits(spec(), OwnDraws(hood, "tilted", 1.0), centres, own, free, rows)
    assert near_rows.describe(1, slice(3, 9)) == "draws 3 to 8 around row 9"
    shared = SharedFits(spec(), SharedRows(hood).traces(), model(X), 16, centres, own, free, rows)
    assert shared.describe(0) == "the surrogate near row 4"


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_shared_fits_same_bits_and_order_for_any_n_jobs(backend):
    hood, rows = neighbourhood("quartile"), np.array([4, 9, 30])
    centres, own, free = hood.centres(X[rows]), model(X[rows]), np.ones((3, 3), dtype=bool)
    traces, answers = SharedRows(hood).traces(), model(hood.table(hood.shared(slice(0, 512))))
    alone, shared = (
        SharedFits(replace(spec(), n_jobs=n_jobs), traces, answers, 16, centres, own, free, rows)
        for n_jobs in (1, 2)
    )
    with parallel_config(backend):
        found = shared.fit()
    for one, other in zip(found, alone.fit(), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
