"""The battery's invariants for explainers of images and texts with a masker."""

import random
import re
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from sklearn import config_context

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.core.masking import SegmentMasker, TextMasker
from agnostix.exceptions import DataError, EngineError
from agnostix.testing import CountingModel
from agnostix.testing.checks_execution import assert_model_rows, peak_mb
from agnostix.testing.checks_values import assert_valid_std_errors, assert_zero
from agnostix.testing.harness import assert_identical, explanation_arrays
from tests.messages import refuses

TEXTS = [
    " ".join(f"w{j}" for j in range(start, start + n)) for start, n in ((0, 12), (5, 3), (7, 20), (5, 3))
]
PICTURES = np.random.default_rng(0).random((4, 9, 8, 3))
PICTURES[3] = PICTURES[1]
EXPLAINERS = [
    LimeExplainer(None, random_state=0),
    LimeExplainer(None, random_state=0, sampling="tilted", surrogate="klasso"),
    KernelShapExplainer(None, random_state=0),
]
explainers = pytest.mark.parametrize("explainer", EXPLAINERS, ids=lambda one: str(one).replace(" ", ""))


class ThreeOutputs:
    """Three outputs of texts or images that sum to 1, each row by itself."""

    def __call__(self, X):
        weights = [[1.0 + score * score for score in self.scores(x)] for x in X]
        return np.array([[weight / sum(row) for weight in row] for row in weights])

    def scores(self, x):
        if isinstance(x, str):
            known = sorted(int(word[1:]) for word in x.split() if word[:1] == "w")
            return float(len(known)), sum(j % 3 for j in known) * 0.5, float(known[:2] == [5, 6])
        channels = np.ascontiguousarray(x, dtype=float).reshape(-1, 3)
        return tuple(float(one) for one in channels[:36].sum(0) - channels[36:].sum(0))


KINDS = {
    "texts": (TextMasker(), TEXTS),
    "grid": (SegmentMasker(n_segments=12), PICTURES),
    "cut": (SegmentMasker(lambda x: np.arange(72).reshape(9, 8) % (5 if x[0, 0, 0] < 0.5 else 14)), PICTURES),
}
kinds = pytest.mark.parametrize(("masker", "X"), KINDS.values(), ids=KINDS)


def fitted(explainer, masker, X, model=None, **parameters):
    params = explainer.get_params(deep=False) | {"model": model or ThreeOutputs(), "masker": masker}
    return type(explainer)(**(params | parameters)).fit(X)


def explanation_of(explainer, masker):
    """The explanation of the rows that an explainer was fitted on, computed once."""
    return _explanation_of(explainer, next(name for name, (own, _) in KINDS.items() if own is masker))


@cache
def _explanation_of(explainer, kind):
    masker, X = KINDS[kind]
    return fitted(explainer, masker, X).explain(X)


def answers_of(explainer, masker):
    """The arrays of `explanation_of` by name."""
    return explanation_arrays(explanation_of(explainer, masker))


@explainers
@kinds
def test_masked_values_are_finite_where_present_and_sum_to_zero(explainer, masker, X):
    exp = explanation_of(explainer, masker)
    there = ~np.isnan(exp.values)
    assert (there.any(axis=2) == masker.read(X).present).all()
    assert_valid_std_errors(exp)
    whole = [name for name in ("base_values", "outputs") if np.isnan(getattr(exp, name)).any()]
    assert whole == []
    mirrored = exp.values[there.all(axis=2)]
    np.testing.assert_allclose(mirrored.sum(axis=1), 0.0, atol=1e-8)
    np.testing.assert_allclose(exp.base_values.sum(axis=1), 1.0, atol=1e-8)


@explainers
@kinds
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_masked_explanation_same_bits_for_any_n_jobs(explainer, masker, X, backend):
    own = fitted(explainer, masker, X, n_jobs=2)
    with parallel_config(backend=backend):
        assert_identical(explanation_arrays(own.explain(X)), answers_of(explainer, masker), backend)


@explainers
@kinds
def test_masked_explanation_same_seed_same_bits(explainer, masker, X):
    again = explanation_arrays(fitted(explainer, masker, X).explain(X))
    assert_identical(again, answers_of(explainer, masker), "fitted again")
    own = fitted(explainer, masker, X, random_state=None)
    assert_identical(
        explanation_arrays(own.explain(X)), explanation_arrays(own.explain(X)), "explained again"
    )


@explainers
@kinds
def test_masked_explanation_leaves_global_random_state(explainer, masker, X):
    expected = answers_of(explainer, masker)
    at_first = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        actual = explanation_arrays(fitted(explainer, masker, X).explain(X))
        fitted(explainer, masker, X, random_state=None).explain(X)
        assert np.random.random() == np.random.RandomState(1).random()  # noqa: NPY002
        assert random.random() == random.Random(1).random()
    finally:
        np.random.set_state(at_first[0])  # noqa: NPY002
        random.setstate(at_first[1])
    assert_identical(actual, expected, "another global random state")


@explainers
@kinds
def test_masked_explanation_cost_bounds_model_rows(explainer, masker, X):
    model = CountingModel(ThreeOutputs())
    own = fitted(explainer, masker, X, model)
    model.sizes.clear()
    bound = own.cost(X)
    assert model.n_rows == 0
    assert_model_rows(own.explain(X), model.n_rows, bound)


@explainers
@kinds
@pytest.mark.parametrize("value", [0.1, -7.0])
def test_masked_values_of_constant_model_are_zero(explainer, masker, X, value):
    exp = fitted(explainer, masker, X, lambda X: np.full(len(X), value)).explain(X)
    rounding = 1e-12 * abs(value) if exp.completeness == "surrogate" else 0.0
    for row in range(4):
        n = int(masker.read(X).present[row].sum())
        assert_zero(exp[[row]].sel(features=exp.feature_names[:n]), rounding, "under a constant model")
    np.testing.assert_allclose(exp.base_values, value, rtol=1e-12)


@explainers
@kinds
def test_masked_explanation_leaves_inputs_unchanged(explainer, masker, X):
    copy = X.copy()
    own = fitted(explainer, masker, copy)
    own.explain(copy)
    assert np.array_equal(copy, X)
    if isinstance(copy, np.ndarray):
        assert copy.flags.writeable
        locked = X.copy()
        locked.flags.writeable = False
        assert_identical(
            explanation_arrays(own.explain(locked)), answers_of(explainer, masker), "a read-only array"
        )


def writing(model):
    """A model that overwrites its input after the prediction."""

    def spoiling(X):
        answers = model(X)
        X[:] = X[::-1].copy()
        X[0] = "spoilt" if X.dtype == object else 0.5
        return answers

    return spoiling


@explainers
@kinds
@pytest.mark.filterwarnings("ignore:The model spoiling changes the table")
def test_masked_explanation_in_place_model_same_bits(explainer, masker, X):
    actual = explanation_arrays(fitted(explainer, masker, X, writing(ThreeOutputs())).explain(X))
    assert_identical(actual, answers_of(explainer, masker), "a model that writes")


class Failing:
    """`ThreeOutputs` that fails at a marked image or text."""

    def __init__(self, how):
        self.how = how

    def __call__(self, X):
        answers = ThreeOutputs()(X)
        if not any("w26" in x if isinstance(x, str) else (x == -9.0).any() for x in X):
            return answers
        if self.how == "raises":
            raise ArithmeticError("this row cannot be predicted")
        return (
            answers * np.nan if self.how == "NaN" else answers[:-1] if self.how == "rows" else answers[:, :2]
        )


@explainers
@kinds
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("how", "facts"),
    [
        ("raises", ["ArithmeticError", "this row cannot be predicted"]),
        ("NaN", ["NaN"]),
        ("rows", ["returned an array of shape"]),
        ("outputs", ["2 outputs", "3 are expected"]),
    ],
    ids=["raises", "NaN", "rows", "outputs"],
)
def test_masked_explanation_error_names_model_and_rows(explainer, masker, X, n_jobs, how, facts):
    marked = X.copy()
    if isinstance(marked, np.ndarray):
        marked[2, 1] = -9.0
    marked = [marked[j] for j in (3, 2, 0, 1)]  # the row that fails after one of few features
    own = fitted(explainer, masker, X[:2], Failing(how), n_jobs=n_jobs)
    with (
        parallel_config(backend="threading"),
        config_context(working_memory=0.01),
        refuses(EngineError, "model Failing", *facts) as error,
    ):
        own.explain(marked)
    first, last = re.search(r"\brows (\d+) to (\d+)", str(error.value)).groups()
    assert int(first) <= 1 <= int(last)
    assert masker is not KINDS["texts"][0] or first == last  # no other text has as many words


@explainers
def test_images_of_any_dtype_and_layout_same_bits(explainer):
    whole = np.rint(PICTURES * 255)
    masker = SegmentMasker(n_segments=12, fill=7)
    expected = explanation_arrays(fitted(explainer, masker, whole).explain(whole))
    for other in (whole.astype(np.uint8), np.asfortranarray(whole), whole.tolist(), whole.astype(np.float32)):
        actual = explanation_arrays(fitted(explainer, masker, other).explain(other))
        actual["outputs"], expected["outputs"] = (
            np.round(actual["outputs"], 12),
            np.round(expected["outputs"], 12),
        )
        assert_identical(actual, expected, f"{type(other)}")


@explainers
def test_texts_in_any_container_same_bits(explainer):
    own = fitted(explainer, TextMasker(), TEXTS)
    expected = explanation_arrays(own.explain(TEXTS))
    frame = pd.DataFrame({"review": TEXTS}, index=list("abcd"))
    others = [np.array(TEXTS), np.array(TEXTS, dtype=object), frame["review"], frame, pl.Series(TEXTS)]
    for other in [*others, pl.DataFrame({"review": TEXTS}), tuple(TEXTS)]:
        assert_identical(explanation_arrays(own.explain(other)), expected, f"{type(other)}")


@explainers
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_image_explanation_peak_memory_within_working_memory(explainer, n_jobs):
    X, masker = np.random.default_rng(0).random((40, 24, 24, 3)), SegmentMasker(n_segments=20)
    room = 16.0
    with parallel_config(backend="threading"), config_context(working_memory=room):
        own = fitted(explainer, masker, X, lambda X: X[:, 3, 4, 0] * X[:, 20, 2, 1], n_jobs=n_jobs)
        own.explain(X)  # what is imported and set up once is not counted
        assert peak_mb(lambda: own.explain(X)) <= room


kinds_of_explainer = pytest.mark.parametrize(
    "explainer", [KernelShapExplainer, LimeExplainer, OcclusionExplainer]
)


class IncompleteMasker:
    """Has `read`, but not what else a masker has."""

    weights, background, mask_distribution, same_features, merges = np.ones(1), None, "bernoulli", True, False

    def read(self, X):
        return X


MASKERS = {
    "an incomplete masker": IncompleteMasker(),
    "a class": SegmentMasker,
    "another class": TextMasker,
    "a word": "grid",
}


@pytest.mark.parametrize("masker", MASKERS.values(), ids=MASKERS)
@kinds_of_explainer
def test_explainer_refuses_incomplete_masker_or_class(explainer, masker):
    names = ("background", "draws", "mask_distribution", "merges", "read", "same_features", "weights")
    facts = [
        f"'masker' parameter of {explainer.__name__}",
        "SegmentMasker()",
        "an instance",
        f"Got {masker!r}",
    ]
    with refuses(ValueError, *facts, *map(repr, names)):
        explainer(np.sum, masker=masker).fit(np.eye(3))


@kinds_of_explainer
def test_explainer_refuses_masker_with_incomplete_rows(explainer):
    class ReturnsPixels(IncompleteMasker):
        def draws(self, masks):
            return []

    names = ("builder", "compose", "details", "distinct", "features", "n_values", "present", "varying")
    with refuses(DataError, "ReturnsPixels.read", "ndarray", *map(repr, names)) as error:
        explainer(np.sum, masker=ReturnsPixels()).fit(np.eye(3))
    assert "'data'" not in str(error.value)  # which arrays have
