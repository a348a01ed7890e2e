"""The reducer to means and error components, against one model call for each background row."""

import numpy as np
import pytest
from sklearn import config_context

from agnostix import KernelShapExplainer, OcclusionExplainer
from agnostix.core.background import Background, BackgroundMeans, ErrorMap, few
from agnostix.core.evaluate import evaluate
from agnostix.core.features import Features
from agnostix.core.masking import TabularMasker
from agnostix.core.masking.masker import all_masks
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import MaskedRowSource
from agnostix.testing.checks_execution import peak_mb

RNG = np.random.default_rng(5)
TABLE = np.column_stack([RNG.normal(size=60), RNG.integers(0, 2, 60), RNG.integers(0, 3, 60)])
ROWS = TABLE[[3, 8, 9, 30]]


def model(X):
    return np.column_stack([X[:, 0] * X[:, 1] + X[:, 2], np.exp(X[:, 0]) - X[:, 2] * X[:, 1]])


def reduced(background, rows=ROWS, n_jobs=None):
    masker = TabularMasker(background.rows, background.weights, Features.from_names(["a", "b", "c"]))
    source = MaskedRowSource.from_rows(masker, masker.read(rows), all_masks(3))
    (kept,), _ = evaluate(
        as_predictor(model), source, BackgroundMeans(background.errors), n_outputs=2, n_jobs=n_jobs
    )
    return kept


@pytest.mark.parametrize("weighted", [False, True])
def test_means_and_components_are_those_of_a_loop(weighted):
    weight = RNG.uniform(0.5, 2.0, 60) if weighted else None
    background = Background.sample(TABLE, 13, 0, weight)
    kept = reduced(background)
    matrix = np.column_stack([background.weights, background.errors.functionals])
    for i, row in enumerate(ROWS):
        for j, mask in enumerate(all_masks(3)):
            answers = model(np.where(mask, row, background.rows))
            np.testing.assert_allclose(kept[i, j], matrix.T @ answers, atol=1e-12)
    assert kept.shape == (4, 8, 13, 2)


def test_components_of_what_hides_nothing_or_a_constant_are_exactly_zero():
    table = TABLE.copy()
    table[:, 1] = 1.0
    kept = reduced(Background.sample(table, 13, 0, None))
    np.testing.assert_array_equal(kept[:, -1, 1:], 0.0)
    hides_constant = int("101", 2)
    np.testing.assert_array_equal(kept[1:2, hides_constant, 1:] if ROWS[1, 1] == 1 else 0.0, 0.0)


@pytest.mark.parametrize("memory", [None, 0.001])
def test_rows_have_their_own_bits(memory):
    background = Background.sample(TABLE, 13, 0, None)
    whole = reduced(background)
    with config_context(working_memory=memory) if memory else config_context():
        np.testing.assert_array_equal(reduced(background, ROWS[2:3]), whole[2:3])
        np.testing.assert_array_equal(reduced(background, n_jobs=2), whole)


def test_whole_table_keeps_the_mean_alone():
    background = Background.whole(TABLE, None)
    assert BackgroundMeans(background.errors).n_kept == 1
    kept = reduced(background)
    np.testing.assert_allclose(kept[:, 0, 0], np.tile(model(TABLE).mean(axis=0), (4, 1)), rtol=1e-13)
    assert ErrorMap.none(4).error(np.zeros((2, 0, 3))).variances.shape == (2, 3)


@pytest.mark.parametrize("make", [OcclusionExplainer, KernelShapExplainer])
@pytest.mark.parametrize("size", [2.0**-200, 2.0**200])
def test_errors_of_means_are_in_the_units_of_the_model_whatever_these_are(make, size):
    table = RNG.normal(size=(120, 3))

    def explained(unit):
        def curve(X):
            return unit * (np.exp(X[:, 0]) * X[:, 1] + X[:, 2])

        return make(curve, background_size=10, random_state=0).fit(table).explain(table[:5])

    expected, found = explained(1.0), explained(size)
    np.testing.assert_allclose(found.std_errors, size * expected.std_errors, rtol=1e-6)
    for how in ("mean", "mean_abs"):
        means = expected.aggregate(how=how), found.aggregate(how=how)
        np.testing.assert_allclose(means[1].std_errors, size * means[0].std_errors, rtol=1e-6)


@pytest.mark.parametrize("make", [OcclusionExplainer, KernelShapExplainer])
def test_errors_of_many_rows_take_little_memory_besides_themselves(make):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(600, 12))

    def curves(X):
        return np.tanh(X @ np.ones((12, 5)) + np.arange(5))

    params = {} if make is OcclusionExplainer else {"budget": 26}
    explainer = make(curves, random_state=0, **params).fit(table)
    explainer.explain(table[:5])  # imports
    found = []
    with config_context(working_memory=4):
        peak = peak_mb(lambda: found.append(explainer.explain(table)))
    size = found[0].extras["shared_errors"].array.nbytes / 2**20
    assert peak < 3.5 * size + 8.0


def test_rows_in_parts_are_those_together_also_where_they_are_repeated():
    table = RNG.normal(size=(90, 3))
    rows = table[[0, 1, 0, 2, 3, 1, *range(4, 30)]]
    explainer = OcclusionExplainer(model, background_size=12, random_state=0).fit(table)
    whole = explainer.explain(rows)
    with config_context(working_memory=0.02):
        parts = explainer.explain(rows)
    assert whole.n_model_rows == parts.n_model_rows
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    for name, detail in whole.extras.items():
        if hasattr(detail, "array"):
            np.testing.assert_array_equal(parts.extras[name].array, detail.array)


def test_few_components_keep_the_error_of_each_value():
    components = RNG.normal(size=(90, 51, 3, 10))
    kept = few(components)
    assert kept.shape == (90, 16, 3, 10)
    np.testing.assert_allclose(np.square(kept).sum(axis=1), np.square(components).sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(few(components[:, :, 1:2]), kept[:, :, 1:2])

    np.testing.assert_array_equal(few(components[:5]), components[:5])
