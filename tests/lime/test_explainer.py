"""LimeExplainer on tables of all kinds: columns, selection, counts of model rows, and invariances."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from agnostix import LimeExplainer
from agnostix.lime import KernelSampling, TiltedSampling
from agnostix.lime.weighted_regression import split_points
from agnostix.testing import CountingModel
from tests.reference import lime as ref

RNG = np.random.default_rng(0)
N = 200
TABLE = RNG.normal(size=(N, 3))
COLUMNS = [ref.between_edges(column, ref.quartile_edges(column)) for column in TABLE.T]
SAMPLINGS = pytest.mark.parametrize("sampling", ["kernel", "tilted", "local"])


def tangled(X):
    X = np.asarray(X)
    return np.stack([np.sin(X[:, 0]) * X[:, 1] + X[:, 2], X[:, 0] ** 2], axis=1)


def fitted(model, observed=TABLE, **params):
    weights = params.pop("sample_weight", None)
    params = {"random_state": 0, "n_samples": 1024, **params}
    return LimeExplainer(model, **params).fit(observed, sample_weight=weights)


def same(one, other):
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in one.extras:
        np.testing.assert_array_equal(one.extras[name], other.extras[name], err_msg=name)
    np.testing.assert_array_equal(one.fidelity["r2"], other.fidelity["r2"])


def shrunk(contrast, q, d, n, unseen=0, sampling="kernel"):
    """The contrast of a column with a bin of frequency q, among quartiles, shrunk by the ridge."""
    r = ref.flip_weight(d)
    alpha, mass = ref.tilted(q, r)
    total = n * mass * ref.tilted(0.25, r)[1] ** (d - 1 - unseen) * r**unseen if sampling == "kernel" else n
    return contrast * alpha * (1.0 - alpha) / (alpha * (1.0 - alpha) + 1.0 / total)


# ---------------------------------------------------------------- types of columns


@pytest.mark.parametrize(
    "sampling",
    ["kernel", KernelSampling(discretizer=None), "tilted", TiltedSampling(discretizer=None), "local"],
)
def test_constant_column_is_zero(sampling):
    observed = np.column_stack([TABLE, np.full(N, 7.0)])
    exp = fitted(lambda X: X[:, 0] * X[:, 3], observed, sampling=sampling).explain(observed[:4])
    np.testing.assert_array_equal(exp.values[:, 3], 0.0)
    np.testing.assert_array_equal(exp.std_errors[:, 3], 0.0)
    assert not exp.extras["unseen"].array.any()


@pytest.mark.parametrize("discretizer", ["quartile", None])
@pytest.mark.parametrize("value", [8.0, 5.0])
def test_new_value_of_constant_column_has_contrast(value, discretizer):
    observed = np.column_stack([TABLE, np.full(N, 7.0)])
    row = np.r_[TABLE[0], value][None]
    sampling = KernelSampling(discretizer=discretizer)
    exp = fitted(lambda X: X[:, 0] + 2.0 * X[:, 3], observed, sampling=sampling).explain(row)
    if discretizer and value < 7.0:
        assert not exp.extras["unseen"].array.any()  # it is in the constant's bin, which ends at it
        return
    assert exp.extras["unseen"].array.tolist() == [[False, False, False, True]]
    np.testing.assert_allclose(exp.values[0, 3], 2.0 * (value - 7.0), atol=1e-12)
    np.testing.assert_allclose(exp.std_errors[0, 3], 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "sampling", [KernelSampling(discretizer="decile"), TiltedSampling(discretizer="decile"), "local"]
)
def test_samples_of_discrete_columns_are_observed_values(sampling):
    counts, zeros = RNG.poisson(2.0, size=N), np.where(np.arange(N) % 3, TABLE[:, 0], 0.0)
    observed = np.column_stack([counts, zeros, TABLE[:, 2]])
    evaluated = []

    def recording(X):
        evaluated.append(X.copy())
        return X.sum(axis=1)

    fitted(recording, observed, sampling=sampling).explain(observed[:3])
    sampled = np.concatenate([part for part in evaluated if len(part) > 100])
    if sampling == "local":
        assert len(np.unique(sampled[:, 0])) > 500
        return
    assert set(sampled[:, 0]) == set(counts)
    assert set(sampled[:, 1]) <= set(zeros)
    assert len(np.unique(sampled[:, 2])) > 900


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
def test_missing_values_form_a_bin(sampling):
    observed = TABLE.copy()
    observed[::4, 0] = np.nan
    exp = fitted(
        lambda X: 3.0 * np.isnan(X[:, 0]) + X[:, 1], observed, sampling=sampling, n_samples=8192
    ).explain(observed[[0, 1]])
    missing = shrunk(3.0, 0.25, 3, 8192, sampling=sampling)
    assert exp.values[0, 0, 0] == pytest.approx(missing, abs=5.0 * exp.std_errors[0, 0, 0] + 1e-3)
    # Outside the row's bin, one of four of the other 75 %, 0.25 / (1 - 0.75 / 4) of the samples are missing.
    own = 0.75 / 4
    other = shrunk(-3.0 * 0.25 / (1.0 - own), own, 3, 8192, sampling=sampling)
    assert exp.values[1, 0, 0] == pytest.approx(other, abs=5.0 * exp.std_errors[1, 0, 0] + 2e-2)
    assert exp.extras["conditions"].array[0, 0] == "x0 missing"


MIXED = pd.DataFrame(
    {
        "x": TABLE[:, 0],
        "t": pd.Categorical(
            np.where(np.arange(N) % 4 == 0, "few", "many"), categories=["few", "many", "new"]
        ),
        "k": np.arange(N) % 7,
        "day": [dt.datetime(2024, 1, 1) + dt.timedelta(days=j % 9) for j in range(N)],
        "s": np.where(np.arange(N) % 2, "odd", "even"),
    }
)
LEVELS = {"few": 1.0, "many": 0.0, "new": 5.0}


def typed(table):
    """Needs the dtypes that it was fitted on."""
    if isinstance(table, pl.DataFrame):
        table = table.to_pandas().astype({"t": "category"})
    else:
        assert list(table.dtypes) == list(MIXED.dtypes)
    level = table["t"].astype(str).map(LEVELS).to_numpy()
    day = (table["day"] - pd.Timestamp("2024-01-01")).dt.days.to_numpy()
    return (
        level + table["x"].to_numpy() + (table["s"] == "odd").to_numpy() * table["k"].to_numpy() + 0.1 * day
    )


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
def test_unseen_level_has_contrast(sampling):
    rows = MIXED.iloc[:3].copy()
    rows["t"] = pd.Categorical(["new", "few", "new"], categories=MIXED["t"].cat.categories)
    model = CountingModel(typed)
    explainer = fitted(model, MIXED, sampling=sampling)
    before = model.n_rows
    assert before == explainer.n_model_rows_
    cost = explainer.cost(rows)
    exp = explainer.explain(rows)
    assert exp.n_model_rows == model.n_rows - before == cost
    np.testing.assert_array_equal(
        exp.extras["unseen"].array, [[False, j != 1, False, False, False] for j in range(3)]
    )
    assert exp.extras["conditions"].array[0, 1] == "t not seen in fit"
    # Observed levels have 1 for a quarter of the rows, and 0.
    for row in (0, 2):
        assert exp.values[row, 1, 0] == pytest.approx(4.75, abs=4.0 * exp.std_errors[row, 1, 0])
        assert 0.0 < exp.std_errors[row, 1, 0] < 0.05
        added = exp.base_values[row, 0] + exp.values[row, :, 0].sum()
        assert exp.extras["surrogate_outputs"].array[row, 0] == pytest.approx(added)


def test_conditions_state_bins_and_levels():
    exp = fitted(typed, MIXED).explain(MIXED.iloc[:2])
    conditions = exp.extras["conditions"].array
    assert conditions.shape == (2, 5)
    assert conditions[1].tolist()[1:] == ["t = many", "k <= 1", "day <= 2024-01-03", "s = odd"]
    assert "coefficients" not in exp.extras
    unbinned, two = KernelSampling(discretizer=None), MIXED[["x", "s"]]
    mixed = fitted(lambda X: X["x"].to_numpy(), two, sampling=unbinned).explain(two[:2])
    assert mixed.extras["conditions"].array.tolist() == [["", "s = even"], ["", "s = odd"]]
    assert "coefficients" in mixed.extras
    assert "conditions" not in fitted(tangled, sampling=unbinned).explain(TABLE[:2]).extras


@pytest.mark.parametrize(
    ("hour", "ends"), [("", "2020-01-02 < since <= 2020-01-03"), (" 06:00", "2020-01-02 06:00:00 <")]
)
def test_conditions_of_dates_leave_out_midnight(hour, ends):
    days = pd.to_datetime([f"2020-01-0{day}{hour}" for day in (1, 2, 3, 4, 5)])
    X = pd.DataFrame({"since": days})
    explainer = LimeExplainer(lambda X: X["since"].dt.day, n_samples=32, random_state=0).fit(X)
    (condition,) = explainer.explain(X.iloc[[2]]).extras["conditions"].array[0]
    assert condition.startswith(ends)


def test_feature_group_is_sampled_together():
    hot = np.eye(3)[RNG.integers(0, 3, size=N)]
    observed = pd.DataFrame(np.column_stack([hot, TABLE[:, 0]]), columns=["a", "b", "c", "x"])

    def needs_one_hot(table):
        assert (table[["a", "b", "c"]].sum(axis=1) == 1.0).all()
        return (table[["a", "b", "c"]].to_numpy() @ [0.0, 1.0, 4.0]) + table["x"].to_numpy()

    explainer = fitted(needs_one_hot, observed, feature_groups={"label": ["a", "b", "c"]}, n_samples=8192)
    exp = explainer.explain(observed.iloc[:5])
    assert exp.feature_names == ("label", "x")
    assert explainer.kernel_width_ == pytest.approx(0.75 * np.sqrt(2.0))
    frequencies, predictions = hot.mean(axis=0), np.array([0.0, 1.0, 4.0])
    for row in range(5):
        own = int(hot[row].argmax())
        others = np.delete(np.arange(3), own)
        contrast = predictions[own] - np.average(predictions[others], weights=frequencies[others])
        expected = shrunk(contrast, frequencies[own], 2, 8192)
        assert exp.values[row, 0, 0] == pytest.approx(expected, abs=4.5 * exp.std_errors[row, 0, 0] + 1e-3)
        assert exp.extras["conditions"].array[row, 0].count(" and ") == 2


def test_unseen_combination_has_contrast():
    observed = pd.DataFrame({"a": [0, 0, 1, 1] * 20, "b": [0, 0, 1, 1] * 20, "x": RNG.normal(size=80)})
    explainer = fitted(
        lambda t: (t["a"] * 10 + t["b"]).to_numpy() * 1.0, observed, feature_groups={"ab": ["a", "b"]}
    )
    exp = explainer.explain(pd.DataFrame({"a": [1], "b": [0], "x": [0.0]}))
    assert exp.extras["unseen"].array.tolist() == [[True, False]]
    assert exp.values[0, 0, 0] == pytest.approx(10.0 - 5.5, abs=4.0 * exp.std_errors[0, 0, 0] + 1e-9)


@SAMPLINGS
def test_integer_weights_equal_repeated_rows(sampling):
    weights = RNG.integers(1, 4, size=N)
    often = np.repeat(TABLE, weights, axis=0)
    one = fitted(lambda X: X @ [1.0, 2.0, 3.0], sampling=sampling, sample_weight=weights).explain(TABLE[:5])
    other = fitted(lambda X: X @ [1.0, 2.0, 3.0], often, sampling=sampling).explain(TABLE[:5])
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    np.testing.assert_allclose(one.std_errors, other.std_errors, atol=1e-6)


def test_rows_of_zero_weight_are_ignored():
    weights = np.repeat([1.0, 0.0], N // 2)
    infinite = TABLE.copy()
    infinite[N // 2 :] = np.inf
    one = fitted(tangled, infinite, sample_weight=weights).explain(TABLE[:5])
    same(one, fitted(tangled, TABLE[: N // 2]).explain(TABLE[:5]))


@pytest.mark.parametrize("how", ["decile", "entropy"])
def test_discretizer_decile_and_entropy(how):
    y = TABLE[:, 0] > 0.3
    sampling = KernelSampling(discretizer=how)
    explainer = LimeExplainer(tangled, sampling=sampling, n_samples=512, random_state=0).fit(TABLE, y)
    conditions = explainer.explain(TABLE).extras["conditions"].array
    n_bins = [len(set(column)) for column in conditions.T]
    assert n_bins == [10, 10, 10] if how == "decile" else n_bins[0] >= 2
    if how == "entropy":
        split = (TABLE[~y, 0].max() + TABLE[y, 0].min()) / 2.0
        assert f"x0 > {split:.5g}" in conditions[:, 0] or f"x0 <= {split:.5g}" in conditions[:, 0]


# ---------------------------------------------------------------- selection of features and its stability


@pytest.mark.parametrize("how", ["forward_selection", "highest_weights", "lasso_path", "auto"])
@pytest.mark.parametrize("surrogate", ["ridge", "klasso", "tree"])
def test_max_features_limits_selected(how, surrogate):
    exp = fitted(tangled, max_features=2, feature_selection=how, surrogate=surrogate).explain(TABLE[:6])
    selected = exp.extras["selected"].array
    assert selected.shape == (6, 3, 2)
    assert (selected.sum(axis=1) <= 2).all()
    assert (selected.sum(axis=1) == 2).all() or how == "lasso_path" or surrogate == "klasso"
    assert not exp.values[~selected].any()
    assert "margin" not in exp.extras
    whole = fitted(tangled, surrogate=surrogate, max_features=3).explain(TABLE[:6])
    assert whole.extras["selected"].array.all()
    # Predictions for samples that were left out may get worse by a feature.
    assert (whole.fidelity["r2"].mean(axis=0) >= exp.fidelity["r2"].mean(axis=0) - 0.05).all()


def unsure(X):
    return X[:, 0] + 0.97 * X[:, 1] + 0.1 * X[:, 2] ** 3


def test_stability_doubles_samples_until_selection_is_stable():
    model = CountingModel(unsure)
    explainer = fitted(model, max_features=1, stability=0.99, n_samples=512)
    before = model.n_rows
    exp = explainer.explain(TABLE[:40])
    n, stable, margin = (exp.extras[name].array for name in ("n_samples", "stable", "margin"))
    assert margin.shape == (40, 1)
    assert stable.shape == (40,)
    assert set(n) <= {512 * 2**k for k in range(5)}
    assert len(set(n)) >= 3
    assert stable[n < 512 * 16].all()
    points = explainer._neighborhood.sampler.points
    blocks = np.array([split_points(points.first(int(one)))[2] for one in n])
    np.testing.assert_array_equal(stable, margin[:, 0] >= student.ppf(0.99, blocks - 1))
    assert exp.n_model_rows == model.n_rows - before == 40 + n.max() - 512
    assert explainer.cost(TABLE[:40]) == 40 + 15 * 512
    for rows in ([int(n.argmax())], [3, 0], list(range(40))[::-1]):
        part = explainer.explain(TABLE[rows])
        for name in ("values", "std_errors"):
            np.testing.assert_array_equal(getattr(part, name), getattr(exp, name)[rows])
        np.testing.assert_array_equal(part.extras["n_samples"].array, n[rows])


def test_stability_of_clear_selection_needs_no_more_samples():
    exp = fitted(lambda X: 9.0 * X[:, 0] + X[:, 1], max_features=1, stability=0.95).explain(TABLE[:5])
    np.testing.assert_array_equal(exp.extras["n_samples"].array, 1024)
    assert exp.extras["stable"].array.all()
    assert exp.extras["selected"].array[:, 0].all()


def test_stability_ignores_unseen_values():
    row = np.array([[9.0, np.nan, 0.1]])
    exp = fitted(
        lambda X: np.nan_to_num(X @ [5.0, 1.0, 1.0], nan=3.0), max_features=1, stability=0.95
    ).explain(row)
    assert exp.extras["unseen"].array.tolist() == [[False, True, False]]
    assert exp.extras["selected"].array[0, :, 0].tolist() == [True, True, False]


# ---------------------------------------------------------------- model rows


@SAMPLINGS
def test_n_model_rows_counts_model_rows(sampling):
    model = CountingModel(tangled)
    explainer = fitted(model, sampling=sampling)
    assert model.n_rows == explainer.n_model_rows_
    before, rows = model.n_rows, TABLE[[0, 1, 1, 0, 5]]
    exp = explainer.explain(rows)
    assert exp.n_model_rows == model.n_rows - before
    assert exp.n_model_rows == (3 if sampling == "kernel" else 3 * 1025)
    assert exp.n_model_rows <= explainer.cost(rows)
    np.testing.assert_array_equal(exp.values[1], exp.values[2])


@pytest.mark.parametrize(("n_samples", "n_taken"), [(32, 32), (1000, 960), (5000, 4864)])
def test_n_samples_is_whole_blocks(n_samples, n_taken):
    exp = fitted(tangled, n_samples=n_samples, sampling=KernelSampling(3.0)).explain(TABLE[:1])
    assert exp.extras["n_samples"].array.tolist() == [n_taken]


# ---------------------------------------------------------------- invariances


@SAMPLINGS
def test_same_seed_same_bits(sampling):
    explainer = fitted(tangled, sampling=sampling)
    exp = explainer.explain(TABLE[:6])
    same(explainer.explain(TABLE[:6]), exp)
    same(clone(explainer).fit(TABLE).explain(TABLE[:6]), exp)
    other = fitted(tangled, sampling=sampling, random_state=1).explain(TABLE[:6])
    assert (other.values != exp.values).mean() > 0.9
    free = LimeExplainer(tangled, sampling=sampling, n_samples=64).fit(TABLE)
    same(free.explain(TABLE[:2]), free.explain(TABLE[:2]))


@SAMPLINGS
def test_bits_of_row_ignore_other_rows(sampling):
    explainer = fitted(tangled, sampling=sampling)
    exp = explainer.explain(TABLE[:6])
    for rows in ([2], [5, 0], [3, 3, 1]):
        same(explainer.explain(TABLE[rows]), exp[rows])


@SAMPLINGS
@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_same_bits_for_any_n_jobs(sampling, backend):
    exp = fitted(tangled, sampling=sampling, n_samples=256).explain(TABLE[:5])
    with parallel_config(backend):
        same(fitted(tangled, sampling=sampling, n_samples=256, n_jobs=2).explain(TABLE[:5]), exp)


def test_unseen_levels_same_bits_for_any_n_jobs():
    rows = MIXED.iloc[:4].copy()
    rows["t"] = pd.Categorical(["new"] * 4, categories=MIXED["t"].cat.categories)
    with parallel_config("threading"):
        one, other = (fitted(typed, MIXED, n_jobs=n).explain(rows) for n in (1, 2))
    same(one, other)


@SAMPLINGS
def test_same_bits_for_numpy_pandas_and_polars(sampling):
    exp = fitted(tangled, sampling=sampling).explain(TABLE[:4])
    for make in (
        lambda X: pd.DataFrame(X, columns=["x0", "x1", "x2"]),
        lambda X: pl.DataFrame(X, schema=["x0", "x1", "x2"]),
    ):
        other = fitted(lambda X: tangled(X.to_numpy()), make(TABLE), sampling=sampling).explain(
            make(TABLE[:4])
        )
        same(exp, other)


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
@pytest.mark.parametrize("surrogate", ["ridge", "klasso", "tree"])
def test_mixed_pandas_and_polars_agree(sampling, surrogate):
    pandas = fitted(typed, MIXED, sampling=sampling, surrogate=surrogate).explain(MIXED.iloc[:4])
    table = pl.from_pandas(MIXED.astype({"t": "str"}))
    polars = fitted(typed, table, sampling=sampling, surrogate=surrogate).explain(table[:4])
    np.testing.assert_allclose(pandas.values, polars.values, atol=1e-9)
    added = pandas.base_values + pandas.values.sum(axis=1)
    np.testing.assert_allclose(added, pandas.extras["surrogate_outputs"].array, rtol=1e-9)
    assert (pandas.fidelity["r2"] > 0.3).all()


def test_constant_model_has_zero_values():
    for sampling in ("kernel", "tilted", "local"):
        exp = fitted(lambda X: np.full(len(X), 0.1), sampling=sampling).explain(TABLE[:3])
        assert not exp.values.any()
        np.testing.assert_array_equal(exp.base_values, 0.1)
        # Nothing differs anywhere, so that nothing says how far it may.
        for unknown in (exp.fidelity["r2"], exp.std_errors, exp.extras["surrogate_std_errors"].array):
            assert np.isnan(unknown).all()
        assert (exp.extras["interval_kind"].array == "undetermined").all()
        assert "determined" not in exp.extras


def test_indicator_of_row_gives_constant_surrogate():
    row = TABLE[:1]
    exp = fitted(lambda X: np.where((row == X).all(axis=1), 0.3, 0.7)).explain(row)
    assert exp.outputs == 0.3
    np.testing.assert_allclose(exp.extras["surrogate_outputs"].array, 0.7, rtol=1e-12)
    assert not exp.values.any()
    # No sample is like the row, so that nothing tells what changes there.
    for unknown in (exp.fidelity["r2"], exp.std_errors, exp.extras["surrogate_std_errors"].array):
        assert np.isnan(unknown).all()
    assert not exp.extras["determined"].array.any()
    assert (exp.extras["interval_kind"].array == "undetermined").all()
    low, high = exp.interval()
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


# ---------------------------------------------------------------- outputs


def test_outputs_of_classifier_mirror_and_are_selected():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    explainer = fitted(model, X)
    exp = explainer.explain(X.iloc[[0, 60, 140]])
    assert exp.output_names == ("0", "1", "2")
    np.testing.assert_allclose(exp.values.sum(axis=2), 0.0, atol=1e-9)
    np.testing.assert_allclose(exp.base_values.sum(axis=1), 1.0, atol=1e-9)
    predicted = explainer.explain(X.iloc[[0, 60, 140]], outputs="predicted")
    for row in range(3):
        np.testing.assert_array_equal(predicted.values[row, :, 0], exp.values[row, :, row])
        for name in ("surrogate_outputs", "r2_std_errors"):
            assert predicted.extras[name].array[row, 0] == exp.extras[name].array[row, row]
    one = explainer.explain(X.iloc[[0, 60, 140]], outputs="1")
    np.testing.assert_array_equal(one.values[:, :, 0], exp.values[:, :, 1])
    assert exp.completeness == "surrogate"
    assert exp.method == "LimeExplainer"


def test_transform_gives_values():
    explainer = fitted(lambda X: X[:, 0], TABLE)
    np.testing.assert_array_equal(
        explainer.transform(TABLE[:4]), explainer.explain(TABLE[:4]).values[:, :, 0]
    )
    assert list(explainer.get_feature_names_out()) == ["x0", "x1", "x2"]


def test_values_coef_equals_coef_x_if_all_in_bins():
    one, other = (fitted(tangled, values=values).explain(TABLE[:4]) for values in ("coef_x", "coef"))
    same(one, other)
