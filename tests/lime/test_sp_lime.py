"""SP-LIME against plain loops, and its coverage against that of all sets of rows."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from agnostix import Explanation, KernelShapExplainer, LimeExplainer, OcclusionExplainer, submodular_pick
from agnostix.core.explanation import Detail
from agnostix.core.masking import SegmentMasker, TextMasker
from agnostix.exceptions import DataError
from tests.details import details
from tests.messages import refuses
from tests.reference import sp_lime as ref


def make(values, **fields):
    """An explanation by hand, of values of shape (n_rows, n_features) or more."""
    values = np.asarray(values, dtype=float)
    values = values[:, :, None] if values.ndim == 2 else values
    n_rows, d, n_outputs = values.shape
    defaults = {
        "base_values": np.zeros((n_rows, n_outputs)),
        "outputs": np.zeros((n_rows, n_outputs)),
        "feature_names": tuple(f"x{j}" for j in range(d)),
        "output_names": tuple(f"out {k}" for k in range(n_outputs)),
        "quantity": "contribution",
        "completeness": "surrogate",
        "method": "by hand",
    }
    fields["extras"] = details(fields.get("extras", {}))
    return Explanation(values=values, **(defaults | fields))


def importance_of(pick):
    """Importance and the row that shows it first, by name."""
    table = pick.importance
    columns = table[["feature", "importance", "row"]]
    return {name: (size, row) for name, size, row in columns.itertuples(index=False)}


def check(exp, names, n_picks, n_features):
    """A pick equals that of plain loops in every part."""
    pick = submodular_pick(exp, n_picks, max_features=n_features)
    shown, weight = (
        ref.shown_features(exp.values.tolist(), names, n_features),
        ref.importance(exp.values.tolist(), names),
    )
    rows = ref.greedy(shown, weight, n_picks)
    assert pick.rows.tolist() == rows
    total = math.fsum(weight.values())
    expected = [ref.coverage(rows[: k + 1], shown, weight) / total for k in range(len(rows))]
    np.testing.assert_allclose(pick.coverage, expected, rtol=1e-12)
    np.testing.assert_array_equal(pick.explanation.values, exp.values[rows])
    assert list(pick.importance) == ["feature", "importance", "std_error", "low", "high", "row"]
    assert pick.importance["importance"].is_monotonic_decreasing
    assert set(importance_of(pick)) == set(weight)
    for name, (size, row) in importance_of(pick).items():
        assert size == pytest.approx(weight[name], rel=1e-12)
        assert row == next((r for r in rows if name in shown[r]), -1)
    return pick, shown, weight


numbers = st.sampled_from([-3.0, -1.0, -0.25, 0.0, 0.0, 0.5, 1.0, 2.0, np.nan])


@given(
    n_rows=st.integers(1, 8),
    d=st.integers(1, 6),
    n_outputs=st.integers(1, 2),
    n_picks=st.integers(1, 9),
    n_features=st.integers(1, 4),
    data=st.data(),
)
def test_submodular_pick_matches_loop(n_rows, d, n_outputs, n_picks, n_features, data):
    size = n_rows * d * n_outputs
    values = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size)))
    exp = make(values.reshape(n_rows, d, n_outputs))
    check(exp, [exp.feature_names] * n_rows, n_picks, n_features)


@given(seed=st.integers(0, 10_000), n_picks=st.integers(1, 4), n_features=st.integers(1, 3))
def test_submodular_pick_coverage_within_bound_of_best(seed, n_picks, n_features):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, 9)) * rng.exponential(size=9) * (rng.random((7, 9)) < 0.4)
    exp = make(values)
    assume(values.any())
    pick, shown, weight = check(exp, [exp.feature_names] * 7, n_picks, n_features)
    best = ref.best(shown, weight, n_picks) / math.fsum(weight.values())
    assert (1.0 - 1.0 / math.e) * best <= pick.coverage[-1] <= best + 1e-12


def test_submodular_pick_counts_conditions_as_features():
    t = pd.DataFrame({"a": np.arange(24.0), "b": ["x", "y", "y"] * 8})

    def model(t):
        return t["a"].to_numpy() + 3.0 * (t["b"] == "x").to_numpy()

    exp = LimeExplainer(model, random_state=0).fit(t).explain(t)
    names = exp.extras["conditions"].array.tolist()
    pick, _, _ = check(exp, names, 6, 1)
    assert {"b = x", "b = y", "a <= 5.75"} <= set(importance_of(pick))
    np.testing.assert_array_equal(
        pick.explanation.extras["conditions"].array, exp.extras["conditions"].array[pick.rows]
    )


def test_submodular_pick_uses_feature_name_without_condition():
    exp = make([[1.0, 2.0], [3.0, 1.0]], extras={"conditions": np.array([["", "b = u"], ["", "b = v"]])})
    pick, _, _ = check(exp, [["x0", "b = u"], ["x0", "b = v"]], 2, 2)
    assert importance_of(pick) == {"x0": (2.0, 0), "b = u": (math.sqrt(2.0), 0), "b = v": (1.0, 1)}


def test_submodular_pick_keeps_features_of_equal_condition_apart():
    conditions = np.array([["a combination not seen in fit"] * 2, ["p = 1", "q = 1"]])
    pick = submodular_pick(make([[4.0, 9.0], [1.0, 1.0]], extras={"conditions": conditions}), 2)
    assert pick.importance["importance"].tolist() == [3.0, 2.0, 1.0, 1.0]
    assert pick.importance["feature"].tolist()[:2] == ["a combination not seen in fit"] * 2


@pytest.mark.parametrize("n_rows", [2, 7, 14, 26, 35, 46, 55, 67])
@pytest.mark.parametrize("d", [3, 9, 17, 33, 131])
def test_submodular_pick_takes_first_of_equal_rows(n_rows, d):
    row = np.random.default_rng(d).random(d)
    pick = submodular_pick(make(np.tile(row, (n_rows, 1))), 3, max_features=d)
    assert pick.rows.tolist() == [0]
    assert pick.coverage[0] == pytest.approx(1.0)


def test_submodular_pick_sums_absolute_values_over_outputs():
    values = [[[1.0, -1.0], [1.5, 0.0]], [[0.0, 0.0], [0.0, 0.25]]]
    pick = submodular_pick(make(values), 1, max_features=1)
    assert importance_of(pick) == {"x0": (math.sqrt(2.0), 0), "x1": (math.sqrt(1.75), -1)}


def test_submodular_pick_ends_when_all_is_covered():
    exp = make(np.diag([1.0, 0.0, 4.0]), row_names=("u", "v", "w"))
    pick = submodular_pick(exp, 50)
    assert pick.rows.tolist() == [2, 0]
    assert pick.explanation.row_names == ("w", "u")
    np.testing.assert_allclose(pick.coverage, [2.0 / 3.0, 1.0])


def test_submodular_pick_of_zero_values_is_empty():
    pick = submodular_pick(make([[0.0, np.nan], [0.0, 0.0]]))
    assert pick.rows.tolist() == []
    assert pick.coverage.tolist() == []
    assert len(pick.explanation) == 0
    assert pick.importance["row"].tolist() == [-1, -1]


@pytest.mark.parametrize("kind", [KernelShapExplainer, OcclusionExplainer])
def test_submodular_pick_without_conditions_uses_columns(kind):
    X = np.random.default_rng(0).normal(size=(30, 4))
    model = LinearRegression().fit(X, X @ [3.0, -2.0, 1.0, 0.0])
    exp = kind(model).fit(X).explain(X)
    check(exp, [exp.feature_names] * 30, 4, 1)


def test_submodular_pick_accepts_numpy_integers():
    exp = make(np.eye(3))
    assert submodular_pick(exp, np.int64(2), max_features=np.int32(1)).rows.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "3", None])
@pytest.mark.parametrize("name", ["n_picks", "max_features"])
def test_submodular_pick_refuses_bad_counts(name, wrong):
    with refuses(DataError, f"{name!r} of submodular_pick", "integer of at least 1", f"got {wrong!r}"):
        submodular_pick(make(np.eye(2)), **{name: wrong})


def explain_images():
    images = np.random.default_rng(0).random((2, 4, 4))
    explainer = KernelShapExplainer(lambda x: x.sum((1, 2)), masker=SegmentMasker(n_segments=4))
    return explainer.fit(images).explain(images)


def explain_texts():
    explainer = LimeExplainer(lambda texts: [float(len(text)) for text in texts], masker=TextMasker())
    return explainer.fit(["a b c"]).explain(["a b c"])


def explain_pixels():
    fields = {"base_values": [[0.0]], "outputs": [[0.0]], "feature_names": (), "output_names": ("y",)}
    fields["dims"] = ("row", "y", "x", "output")
    return Explanation(values=np.zeros((1, 2, 2, 1)), quantity="effect", method="by hand", **fields)


@pytest.mark.parametrize("explain", [explain_images, explain_texts, explain_pixels])
def test_submodular_pick_refuses_features_per_row(explain):
    with refuses(DataError, "submodular_pick", "features", "same in every row"):
        submodular_pick(explain())


def test_submodular_pick_refuses_no_rows():
    with refuses(DataError, "no rows"):
        submodular_pick(make(np.eye(2))[[]])


def perturbed(exp, rng, picked, max_features, own, shared, n=4000):
    """Importances and coverage where values move by their errors, the rows picked and what they show kept."""
    feature_of = np.tile(np.arange(exp.values.shape[1]), (len(exp), 1))
    top = np.argsort(-np.abs(exp.values[..., 0]), axis=1, kind="stable")[:, :max_features]
    shown = [set(top[row].tolist()) for row in picked]
    importances, coverages = [], []
    for _ in range(n):
        noise = own * rng.normal(size=own.shape) + shared @ rng.normal(size=shared.shape[-1])
        values = np.abs(exp.values[..., 0] + noise)
        importance = np.sqrt(np.bincount(feature_of.ravel(), values.ravel()))
        importances.append(importance)
        seen = [set().union(*shown[: k + 1]) for k in range(len(picked))]
        coverages.append([importance[list(one)].sum() / importance.sum() for one in seen])
    return np.std(importances, axis=0), np.std(coverages, axis=0)


@pytest.mark.parametrize("is_shared", [False, True])
def test_errors_are_those_of_values_that_move(is_shared):
    rng = np.random.default_rng(0)
    values = np.array([4.0, -3.0, 2.5, 2.0]) * rng.uniform(0.8, 1.2, (12, 4))
    own, shared = np.full((12, 4), 0.15), np.zeros((12, 4, 2))
    if is_shared:
        shared = 0.1 * rng.normal(size=(12, 4, 2))
    errors = np.sqrt(own**2 + (shared**2).sum(axis=-1))[..., None]
    extras = {"shared_errors": shared[:, :, None, :].astype(np.float32)} if is_shared else {}
    exp = make(values, std_errors=errors)
    if is_shared:
        exp = dataclasses.replace(
            exp,
            extras={
                "shared_errors": Detail(extras["shared_errors"], ("row", "feature", "output", "component"))
            },
        )
    pick = submodular_pick(exp, 3, max_features=1)
    of_importance, of_coverage = perturbed(exp, rng, pick.rows, 1, own, shared)
    table = pick.importance.set_index("feature").loc[list(exp.feature_names)]
    np.testing.assert_allclose(table["std_error"], of_importance, rtol=0.1)
    np.testing.assert_allclose(pick.coverage_std_errors, of_coverage, rtol=0.1, atol=1e-9)
    assert (table["low"] < table["importance"]).all()
    assert (table["importance"] < table["high"]).all()
    assert (pick.coverage_low <= pick.coverage).all()
    assert (pick.coverage <= pick.coverage_high).all()
    assert (pick.coverage_high <= 1).all()


def test_errors_are_unknown_without_those_of_values():
    pick = submodular_pick(make([[1.0, 2.0], [3.0, 0.5]]))
    assert pick.importance[["std_error", "low", "high"]].isna().all(axis=None)
    assert np.isnan(pick.coverage_std_errors[:-1]).all()


def test_exact_values_have_exact_importances():
    pick = submodular_pick(make([[1.0, 2.0], [3.0, 0.5]], std_errors=np.zeros((2, 2, 1))))
    assert (pick.importance["std_error"] == 0).all()
    assert (pick.importance["low"] == pick.importance["importance"]).all()
    assert (pick.coverage_std_errors == 0).all()
