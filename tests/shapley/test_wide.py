"""Wide and sparse rows cost by the features that vary in a row, whatever the table's columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from agnostix import KernelShapExplainer, OcclusionExplainer
from agnostix.core.masking import Features, MaskBlock, TabularMasker, TextMasker
from agnostix.exceptions import DataError
from agnostix.shapley.by_background import pays
from tests.messages import refuses
from tests.reference import shapley as reference

RNG = np.random.default_rng(0)


def sparse_rows(n_rows, n_columns, n_set, seed=0):
    rng = np.random.default_rng(seed)
    X = np.zeros((n_rows, n_columns))
    for row in X:
        row[rng.choice(n_columns, n_set, replace=False)] = rng.random(n_set) + 0.5
    return X


class Counted:
    """A model that keeps the shapes of what it is given."""

    def __init__(self, function):
        self.function, self.shapes = function, []

    def __call__(self, Z):
        self.shapes.append(Z.shape)
        return self.function(Z)


def sigmoid_of(weights):
    return lambda Z: 1.0 / (1.0 + np.exp(-(Z @ weights)))


def explained(model, background, X, **params):
    return KernelShapExplainer(model, random_state=0, verbose=0, **params).fit(background).explain(X)


@pytest.mark.parametrize("n_columns", [30, 300, 1200])
def test_model_rows_go_by_the_columns_that_are_set(n_columns):
    X, weights = sparse_rows(2, n_columns, 14), RNG.normal(size=n_columns)
    model = Counted(sigmoid_of(weights))
    exp = explained(model, np.zeros((1, n_columns)), X)
    assert exp.extras["evaluations"].array.max() <= 512
    assert sum(shape[0] for shape in model.shapes) <= 2 * 512 + 8
    assert exp.check_additivity() < 1e-8


def test_values_are_those_of_the_columns_alone():
    X, weights = sparse_rows(1, 400, 16), RNG.normal(size=400)
    used = np.flatnonzero(X[0])
    wide = explained(sigmoid_of(weights), np.zeros((1, 400)), X)
    narrow = explained(sigmoid_of(weights[used]), np.zeros((1, 16)), X[:, used])
    np.testing.assert_allclose(wide.values[:, used], narrow.values, atol=1e-12)
    np.testing.assert_allclose(wide.std_errors[:, used], narrow.std_errors, atol=1e-9)
    assert not np.delete(wide.values, used, axis=1).any()
    assert not np.delete(wide.std_errors, used, axis=1).any()


@pytest.mark.parametrize("n_background", [1, 3])
def test_additive_models_are_exact(n_background):
    X, weights = sparse_rows(3, 700, 20), RNG.normal(size=700)
    background = sparse_rows(n_background, 700, 20, seed=1) if n_background > 1 else np.zeros((1, 700))
    exp = explained(lambda Z: Z @ weights, background, X)
    np.testing.assert_allclose(exp.values[:, :, 0], weights * (X - background.mean(axis=0)), atol=1e-12)


def test_few_players_are_brute_force_behind_each_background_row():
    X, background = sparse_rows(1, 60, 5), sparse_rows(4, 60, 5, seed=1)
    weights = RNG.normal(size=60)
    model = sigmoid_of(weights)
    exp = explained(model, background, X, tol=None)
    used = np.flatnonzero((background != X).any(axis=0))
    assert used.size > 12
    expected = np.zeros(60)
    for row in background:
        own = np.flatnonzero(X[0] != row)

        def worth(members, own=own, row=row):
            mixed = row.copy()
            mixed[own[list(members)]] = X[0, own[list(members)]]
            return float(model(mixed[None])[0])

        expected[own] += np.ravel(reference.shapley(worth, own.size)) / len(background)
    np.testing.assert_allclose(exp.values[0, :, 0], expected, atol=1e-12)
    assert not exp.extras["coalition_std_errors"].array.any()


def test_fit_draws_no_design_that_no_row_plays():
    explainer = KernelShapExplainer(sigmoid_of(np.ones(5000)), random_state=0).fit(np.zeros((1, 5000)))
    assert explainer._plan.coalitions is None
    assert explainer.n_model_rows_ < 10


def test_many_background_rows_cost_by_what_differs_from_each():
    X, background = sparse_rows(1, 900, 10), sparse_rows(8, 900, 10, seed=1)
    model = Counted(sigmoid_of(RNG.normal(size=900)))
    explainer = KernelShapExplainer(model, random_state=0, verbose=0).fit(background)
    forecast = explainer.cost(X)
    exp = explainer.explain(X)
    assert exp.n_model_rows <= forecast <= 8 * 512
    assert exp.extras["evaluations"].array[0] < 512  # stopped by the errors of all games
    assert exp.check_additivity() < 1e-8


def test_rows_that_differ_everywhere_are_not_split():
    differing = np.ones((2, 5, 20), dtype=bool)
    differing[1, :, :] = False
    for place in range(5):
        differing[1, place, 4 * place : 4 * place + 4] = True
    weights = np.full(5, 0.2)
    assert pays(differing, weights, 12).tolist() == [False, True]
    assert pays(differing, weights, 20).tolist() == [False, False]


def test_errors_of_rows_that_are_split_cover():
    weights = RNG.normal(size=300) * 3
    model = sigmoid_of(weights)
    X, background = sparse_rows(6, 300, 5, seed=3), sparse_rows(4, 300, 5, seed=4)
    exact = explained(model, background, X, budget=2**10).values
    exp = explained(model, background, X, budget=40)
    errors = np.abs(exp.values - exact)
    told = exp.std_errors > 0
    assert told.any()
    assert (errors[told] <= 4 * exp.std_errors[told]).mean() > 0.9


@pytest.mark.parametrize(
    "make", [scipy.sparse.csr_array, scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix]
)
@pytest.mark.parametrize("explainer", [KernelShapExplainer, OcclusionExplainer])
def test_sparse_rows_are_explained_as_dense_ones(explainer, make):
    X = sparse_rows(30, 40, 4)
    model = LogisticRegression().fit(X, X[:, :20].sum(axis=1) > X[:, 20:].sum(axis=1))
    seen = []

    class Watching:
        @staticmethod
        def predict_proba(Z):
            seen.append(type(Z))
            return model.predict_proba(Z)

    one = explainer(model.predict_proba, random_state=0, verbose=0).fit(X[:6]).explain(X[7:10])
    two = (
        explainer(Watching().predict_proba, random_state=0, verbose=0).fit(make(X[:6])).explain(make(X[7:10]))
    )
    np.testing.assert_allclose(one.values, two.values, atol=1e-12)
    np.testing.assert_allclose(one.std_errors, two.std_errors, atol=1e-12)
    np.testing.assert_array_equal(two.data, X[7:10])
    assert all(issubclass(kind, scipy.sparse.spmatrix | scipy.sparse.sparray) for kind in seen[2:])


def test_model_of_arrays_gets_arrays():
    X = scipy.sparse.csr_array(sparse_rows(20, 30, 4))

    def dense_only(Z):
        if scipy.sparse.issparse(Z):
            raise TypeError("Sparse data was passed, but dense data is required.")
        return Z[:, 0] + Z.sum(axis=1) ** 2

    exp = explained(dense_only, X[:5], X[5:8])
    dense = explained(dense_only, X[:5].toarray(), X[5:8].toarray())
    np.testing.assert_allclose(exp.values, dense.values, atol=1e-12)


def test_function_that_reads_sparse_rows_otherwise_is_refused():
    X = scipy.sparse.csr_array(sparse_rows(20, 30, 4))

    def of_stored(Z):
        return np.asarray(Z.mean(axis=1)).ravel() + (1.0 if scipy.sparse.issparse(Z) else 0.0)

    with refuses(DataError, "of_stored", "csr_array", "X.toarray()"):
        KernelShapExplainer(of_stored).fit(X)


def test_arrays_are_explained_after_a_fit_on_sparse_rows():
    X = scipy.sparse.csr_array(sparse_rows(20, 30, 4))
    explainer = KernelShapExplainer(lambda Z: Z @ np.ones(30)).fit(X[:3])
    np.testing.assert_array_equal(explainer.explain(X.toarray()).values, explainer.explain(X).values)
    with refuses(DataError, "fit saw sparse rows", "DataFrame", "scipy.sparse.csr_array(X)"):
        explainer.explain(pd.DataFrame(X.toarray()))
    with refuses(DataError, "must hold numbers", "object"):
        explainer.explain(np.full((1, 30), "a", dtype=object))


def test_rows_of_other_columns_and_medoids_are_refused():
    X = scipy.sparse.csr_array(sparse_rows(20, 30, 4))
    explainer = KernelShapExplainer(lambda Z: Z @ np.ones(30)).fit(X[:3])
    with refuses(DataError, "29 columns", "have 30"):
        explainer.explain(X[:, :29])
    with refuses(DataError, "'medoids'", "X.toarray()"):
        KernelShapExplainer(lambda Z: Z @ np.ones(30), background="medoids").fit(X)


def test_workers_and_subsets_do_not_change_sparse_values():
    X = scipy.sparse.csr_array(sparse_rows(9, 200, 10))
    model = LogisticRegression().fit(X, np.arange(9) % 2)
    explainer = KernelShapExplainer(model, random_state=0, verbose=0, budget=100).fit(X[:3])
    whole = explainer.explain(X[3:])
    one = explainer.explain(X[[5]])
    np.testing.assert_allclose(one.values[0], whole.values[2], atol=1e-12)
    again = KernelShapExplainer(model, random_state=0, verbose=0, budget=100, n_jobs=2).fit(X[:3])
    np.testing.assert_array_equal(again.explain(X[3:5]).values, explainer.explain(X[3:5]).values)


def test_many_sparse_rows_have_a_background_with_errors():
    X = scipy.sparse.csr_array(sparse_rows(120, 50, 5))
    weights = RNG.normal(size=50)
    exp = KernelShapExplainer(lambda Z: Z @ weights, random_state=0, verbose=0).fit(X).explain(X[:2])
    truth = weights * (X[:2].toarray() - X.toarray().mean(axis=0))
    assert (np.abs(exp.values[:, :, 0] - truth) <= 4.5 * exp.std_errors[:, :, 0]).mean() > 0.95
    assert (exp.std_errors > 0).all()


tables = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(tables, st.integers(1, 12), st.integers(1, 4), st.integers(1, 5))
def test_narrow_maskers_build_what_whole_ones_do(rng, n_columns, n_rows, n_background):
    X = rng.integers(0, 3, (n_rows, n_columns)).astype(float)
    background = rng.integers(0, 3, (n_background, n_columns)).astype(float)
    names = Features.from_names([f"x{j}" for j in range(n_columns)])
    masker = TabularMasker(background, np.full(n_background, 1 / n_background), names)
    features = np.sort(rng.choice(n_columns, rng.integers(1, n_columns + 1), replace=False))
    masks = rng.random((6, features.size)) < 0.5
    whole = np.ones((6, n_columns), dtype=bool)
    whole[:, features] = masks
    narrow = masker.read(X).narrow(features)
    ours = MaskBlock(slice(0, 6), masks, tuple(narrow.masker.draws(masks)))
    theirs = MaskBlock(slice(0, 6), whole, tuple(masker.draws(whole)))
    rows = np.arange(n_rows)
    assert [part.rows.tolist() for part in ours.draws] == [part.rows.tolist() for part in theirs.draws]
    np.testing.assert_array_equal(
        narrow.builder(rows, 1000).build(ours, slice(None)),
        masker.read(X).builder(rows, 1000).build(theirs, slice(None)),
    )


@pytest.mark.parametrize(
    "library", [pd.DataFrame, lambda X: pl.DataFrame(X, schema=[f"c{j}" for j in range(60)])]
)
def test_frames_are_split_as_arrays(library):
    X, background = sparse_rows(2, 60, 8), sparse_rows(3, 60, 8, seed=2)
    model = sigmoid_of(RNG.normal(size=60))
    known = explained(model, background, X)
    frame = explained(lambda Z: model(Z.to_numpy()), library(background), library(X))
    np.testing.assert_allclose(frame.values, known.values, atol=1e-12)


def test_int_budget_is_checked_by_the_features_that_vary():
    X = sparse_rows(2, 500, 20)
    exp = explained(lambda Z: Z.sum(axis=1), np.zeros((1, 500)), X, budget=60)
    assert exp.extras["evaluations"].array.tolist() == [60, 60]
    with refuses(DataError, "at least 42", "20 features", "got 30"):
        explained(lambda Z: Z.sum(axis=1), np.zeros((1, 500)), X, budget=30)


def test_long_texts_are_explained():
    words = [f"word{j}" for j in range(300)]
    weights = dict(zip(words, RNG.normal(size=300), strict=True))

    def score(texts):
        return np.array([sum(weights.get(word, 0.0) for word in text.split()) for text in texts])

    long, short = " ".join(words), " ".join(words[:14])
    explainer = KernelShapExplainer(score, masker=TextMasker(), budget=602, random_state=0, verbose=0)
    exp = explainer.fit([short]).explain([long, short])
    assert exp.extras["evaluations"].array.tolist() == [602, 602]
    np.testing.assert_allclose(exp.values[0, :, 0], list(weights.values()), atol=1e-9)
    np.testing.assert_allclose(exp.values[1, :14, 0], exp.values[0, :14, 0], atol=1e-9)
    assert np.isnan(exp.values[1, 14:]).all()


def test_rows_with_as_many_players_share_no_more_than_the_design():
    X, weights = sparse_rows(4, 200, 15), RNG.normal(size=200)
    explainer = KernelShapExplainer(
        sigmoid_of(weights), kernel="none", budget=80, random_state=0, verbose=0
    ).fit(np.zeros((1, 200)))
    together = explainer.explain(X)
    for place in range(4):
        alone = explainer.explain(X[[place]])
        np.testing.assert_array_equal(together.values[place], alone.values[0])
        np.testing.assert_array_equal(together.std_errors[place], alone.std_errors[0])


def test_text_of_more_words_than_floats_count_coalitions_of():
    words = " ".join(f"w{number}" for number in range(1100))

    def model(texts):
        return np.array([text.count("w1") for text in texts], dtype=float)

    masker = TextMasker()
    explainer = KernelShapExplainer(model, masker=masker, budget=2202, verbose=0, random_state=0)
    exp = explainer.fit([words]).explain([words])
    assert exp.extras["kernel"].array.tolist() == ["none"]
    expected = [word.startswith("w1") for word in words.split()]
    np.testing.assert_allclose(exp.values[0, :, 0], np.array(expected, dtype=float), atol=1e-8)
