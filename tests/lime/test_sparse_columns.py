"""Columns that are nearly always 0: what is learned, encoded and sampled of them is what every column has."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context

from agnostix import LimeExplainer
from agnostix.core.designs import Design
from agnostix.core.masking import Features
from agnostix.exceptions import DataError
from agnostix.lime import TiltedSampling
from agnostix.lime.discretizer import Discretizer
from agnostix.lime.sparse_columns import are_mostly_zero, sparse_cells
from agnostix.lime.tabular_samples import TabularSampler
from tests.messages import refuses

N, D = 400, 530


def make_table(seed=0):
    """Counts, of which most are 0, and a few normal columns, a negative one and a constant one among them."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((N, D)) < rng.uniform(0.0, 0.09, D), rng.integers(1, 6, (N, D)), 0.0)
    X[:, [3, 100, 529]] = rng.normal(size=(N, 3))
    X[:, 7] *= -0.37
    X[:, 11] = 0.0
    return X


def learn(X, weights=None, some=None):
    """Features of a table, and those of sparse columns."""
    weights = np.ones(len(X)) if weights is None else weights
    names = tuple(map(str, range(X.shape[1])))
    features = Features(names, tuple((j,) for j in range(X.shape[1])))
    discretizer = Discretizer(X, weights, "quartile", None, "KernelSampling")
    learned = discretizer.learn_features(features)
    return learned, discretizer.sparse_columns(learned)


def fitted(X, model=None, **params):
    model = model or (lambda Z: np.asarray(Z, dtype=float)[:, :20].sum(axis=1))
    return LimeExplainer(model, **{"random_state": 0, "verbose": 0} | params).fit(X)


def test_mostly_zero_columns_are_found_by_weight():
    X = np.zeros((10, 4))
    X[0, 0], X[:2, 1], X[0, 2] = 1.0, 1.0, np.nan
    ones = np.ones(10)
    assert are_mostly_zero(X, ones).tolist() == [True, False, False, True]
    assert are_mostly_zero(pd.DataFrame(X), ones).tolist() == [True, False, False, True]
    assert are_mostly_zero(X, np.where(np.arange(10) == 0, 2.0, 1.0)).tolist() == [False, False, False, True]


@pytest.mark.parametrize("weighted", [False, True])
def test_learned_features_are_those_of_columns_by_themselves(weighted):
    X = make_table()
    weights = np.random.default_rng(1).integers(1, 4, N).astype(float) if weighted else np.ones(N)
    learned, sparse = learn(X, weights)
    assert set(range(D)) - set(sparse.places) >= {3, 100, 529}
    assert sparse.places.size > 450
    some = [7, 11, 20, 300]
    alone, none = learn(X[:, some], weights)
    assert none is None
    for place, one in zip(some, alone, strict=True):
        wide = learned[place]
        np.testing.assert_array_equal(wide.coding.edges, one.coding.edges)
        np.testing.assert_allclose(wide.frequencies, one.frequencies, rtol=1e-12)
        codes = np.arange(one.frequencies.size)[one.frequencies > 0]
        for u in (0.01, 0.4, 0.7, 0.99):
            own, other = (part.distribution.sample(codes, np.full(codes.size, u)) for part in (wide, one))
            np.testing.assert_array_equal(own, other)


def test_encoded_rows_are_those_of_each_feature():
    X = make_table()
    learned, sparse = learn(X)
    rows = X[:30].copy()
    rows[0, 20], rows[1, 21], rows[2, 22] = np.nan, 1e6, -5.0
    encoded = sparse.usual + sparse.encode(rows).toarray()
    np.testing.assert_array_equal(encoded, np.stack([learned[j].encode(rows) for j in sparse.places], axis=1))


def sampled(X, n_points=4096):
    learned, sparse = learn(X)
    points = Design.independent(len(learned) - sparse.places.size, n_points, 0)
    return TabularSampler(X[:2], tuple(learned), points, sparse), sparse


def test_samples_have_the_probabilities_of_the_proposals():
    sampler, sparse = sampled(make_table())
    drawn = sampler.sample(slice(0, sampler.points.n_points))
    n = drawn.n_samples
    encoded = np.stack(sampler.encoded(drawn), axis=1)
    np.testing.assert_array_equal(encoded, sampler.encode(sampler.build_table(drawn)))
    scores = []
    for place in sparse.places:
        p = sampler.features[place].proposal
        seen = np.bincount(encoded[:, place].astype(int), minlength=p.size)
        assert (seen[p == 0] == 0).all()
        varies = (p > 0) & (p < 1)
        scores.extend((seen - n * p)[varies] / np.sqrt(n * p * (1 - p))[varies])
    assert np.mean(scores) == pytest.approx(0.0, abs=0.1)
    assert np.std(scores) == pytest.approx(1.0, abs=0.1)


def test_samples_of_columns_and_rows_are_independent():
    sampler, _ = sampled(make_table())
    values = sampler.sample(slice(0, sampler.points.n_points)).sparse[0].toarray() != 0
    values = values[:, values.mean(axis=0) > 0.02][:, :200].astype(float)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    between = (z.T @ z / len(z))[np.triu_indices(z.shape[1], 1)] * np.sqrt(len(z))
    assert np.std(between) == pytest.approx(1.0, abs=0.05)
    neighbors = (z[1:] * z[:-1]).mean(axis=0) * np.sqrt(len(z))
    assert np.std(neighbors) == pytest.approx(1.0, abs=0.2)


def test_samples_of_slices_are_those_of_all():
    sampler, _ = sampled(make_table(), 600)
    whole = sampler.build_table(sampler.sample(slice(0, 600)))
    for part in (slice(0, 1), slice(17, 400), slice(599, 600)):
        np.testing.assert_array_equal(sampler.build_table(sampler.sample(part)), whole[part])


def test_stored_numbers_are_those_of_the_table():
    X = make_table()
    positions = np.array([1, 7, 11, 528])
    frames = pd.DataFrame(X), pl.DataFrame(X, schema=[str(j) for j in range(D)])
    for table in (X, *frames):
        np.testing.assert_array_equal(sparse_cells(table, positions).toarray(), X[:, positions])


def test_frames_of_wide_tables_are_learned_and_sampled_as_arrays():
    X = make_table()
    names = [f"c{j}" for j in range(D)]
    expected, _ = sampled(X, 100)
    table = expected.build_table(expected.sample(slice(0, 100)))
    plain = pd.DataFrame(X, columns=names)
    for frame in (plain, plain.astype("Float64"), pl.from_pandas(plain)):
        sampler, _ = sampled(frame, 100)
        built = sampler.build_table(sampler.sample(slice(0, 100)))
        np.testing.assert_array_equal(built.to_numpy().astype(float), table)
        np.testing.assert_array_equal(sampler.encode(frame[:5]), expected.encode(X[:5]))


def test_wide_tables_do_not_depend_on_how_the_work_is_cut():
    X = make_table()
    whole = fitted(X, n_samples=1200).explain(X[:3])
    with config_context(working_memory=4):
        cut = fitted(X, n_samples=1200, n_jobs=2).explain(X[:3])
    np.testing.assert_array_equal(cut.values, whole.values)
    np.testing.assert_array_equal(cut.std_errors, whole.std_errors)


def test_values_that_no_sample_has_are_effects():
    X = make_table()
    row = X[:1].copy()
    row[0, 11], row[0, 12] = 4.0, np.nan  # a constant column, and one without missing values in fit
    exp = fitted(X, lambda Z: 2.0 * Z[:, 11] + np.isnan(Z[:, 12])).explain(row)
    assert exp.extras["contrasted"].array[0, 11] or exp.extras["unseen"].array[0, 11]
    assert exp.values[0, 12, 0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"surrogate": "tree"}, "Set max_features, or use surrogate='ridge'"),
        ({"sampling": TiltedSampling()}, "Use sampling='kernel' with its bins"),
        ({"sampling": "local"}, "Use sampling='kernel' with its bins"),
    ],
)
def test_what_would_take_all_memory_is_refused(params, message):
    X = make_table()
    with refuses(DataError, message), config_context(working_memory=8):
        fitted(X, n_samples=1100, **params).explain(X[:1])
