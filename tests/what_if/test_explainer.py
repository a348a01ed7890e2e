import logging
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix import EntropicProjection, as_predictor
from agnostix.exceptions import ModelOutputError
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, select_rows, truth

X = people()
N = len(X)
Y = truth(X)
NUMBERS = ["age", "hours", "gain"]
TURNED = np.random.default_rng(1).permutation(N)
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"n_targets": 2}, ["an int in the range [3, 100000]", "Got 2"]),
        ({"n_targets": 5.0}, ["an int in the range [3, 100000]", "Got 5.0"]),
        ({"confidence_level": 1.0}, ["a float in the range (0.0, 1.0)", "Got 1.0"]),
        ({"min_ess_fraction": -0.1}, ["a float in the range [0.0, 1.0]", "Got -0.1"]),
        ({"quantiles": "wide"}, ["'tuple'", "'list'", "Got 'wide'"]),
        ({"quantiles": (0.9, 0.1)}, ["0 <= low < high <= 1", "got (0.9, 0.1)"]),
        ({"quantiles": (0.1, 0.2, 0.3)}, ["0 <= low < high <= 1", "got (0.1, 0.2, 0.3)"]),
        ({"verbose": -1}, ["an int in the range [0, inf)", "'bool'", "Got -1"]),
    ],
    ids=str,
)
def test_fit_refuses_parameter_out_of_range(params, facts):
    (name,) = params
    with refuses(ValueError, f"'{name}' parameter of EntropicProjection", *facts):
        fit_projection(X, **params)


def test_fit_refuses_unknown_missing():
    with refuses(ValueError, "'missing' parameter of EntropicProjection", "'raise'", "'omit'", "Got 'drop'"):
        fit_projection(X, missing="drop")


@pytest.mark.parametrize("kl", [0, -1.0, float("inf"), "far"])
def test_rank_refuses_kl_that_is_not_positive(kl):
    with refuses(ValueError, "'kl' parameter of rank", "positive", f"got {kl!r}"):
        fit_projection(X).rank(kl)


@pytest.mark.parametrize("method", ["explain", "rank", "baseline", "joint", "what_if"])
def test_methods_before_fit_raise_not_fitted(method):
    args = {"joint": ("a", "b"), "what_if": ({"a": 1},)}.get(method, ())
    with pytest.raises(NotFittedError):
        getattr(EntropicProjection(chance), method)(*args)


def test_fit_refuses_no_outcome_and_two_outcomes():
    with refuses(ValueError, "no outcome", "model, predictions, or y"):
        EntropicProjection().fit(X)
    with refuses(ValueError, "either a model or predictions", "not both"):
        EntropicProjection(chance).fit(X, predictions=chance(X))


# -- models


def test_model_predicts_each_row_once():
    asked_about = []

    def counted(X):
        asked_about.append(len(X))
        return chance(X)

    projection = EntropicProjection(as_predictor(counted, task="classification")).fit(X, Y)
    projection.explain(metric="accuracy", by="sex")
    projection.rank()
    projection.what_if({"age": 45})
    projection.joint("age", "hours", n_targets=3)
    assert asked_about == [N, 20, 10, 10]  # some once more, in other batches
    assert projection.n_model_rows_ == N + 40
    assert projection.explain(features="age").n_model_rows == N + 40


def test_fit_clones_unfitted_estimator():
    model = LogisticRegression(C=0.5)
    projection = EntropicProjection(model).fit(X[NUMBERS], Y)
    assert not hasattr(model, "coef_")
    assert projection.model_.C == 0.5
    fitted = EntropicProjection(LogisticRegression(C=0.5).fit(X[NUMBERS], Y)).fit(X[NUMBERS], Y)
    np.testing.assert_array_equal(projection.baseline()["value"], fitted.baseline()["value"])


def test_fit_passes_sample_weight_to_unfitted_estimator():
    weighted = EntropicProjection(LogisticRegression()).fit(X[NUMBERS], Y, WEIGHT).model_
    np.testing.assert_array_equal(weighted.coef_, LogisticRegression().fit(X[NUMBERS], Y, WEIGHT).coef_)


def test_fit_refuses_unfitted_estimator_without_y():
    with refuses(ValueError, "'model' of EntropicProjection", "not fitted", "LogisticRegression", "pass y"):
        EntropicProjection(LogisticRegression()).fit(X[NUMBERS])


@pytest.mark.parametrize("model", [KNeighborsClassifier(), make_pipeline(LogisticRegression())])
def test_fit_refuses_weights_model_cannot_take(model):
    fit = f"{type(model).__name__}.fit"
    with refuses(ValueError, "'model' of EntropicProjection", "not fitted", fit, "no sample_weight"):
        EntropicProjection(model).fit(X[NUMBERS], Y, WEIGHT)


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        (lambda X: np.ones(3), ["300 rows", "shape (3,)"]),
        (lambda X: np.where(np.arange(N) == 5, np.nan, 1.0), ["NaN or infinity", "1 of 300 rows"]),
        (lambda X: np.full(N, "yes"), ["numbers are needed"]),
    ],
)
def test_fit_refuses_bad_predictions(model, facts):
    with refuses(ModelOutputError, *facts):
        EntropicProjection(model).fit(X)


def test_pipeline_on_strings_gets_its_own_columns():
    def pipeline():
        encode = make_column_transformer(
            (OneHotEncoder(), ["sex", "job"]), remainder=StandardScaler(), verbose_feature_names_out=False
        )
        return make_pipeline(encode, LogisticRegression())

    model = pipeline().fit(X[["job", "age", "sex", "hours"]], Y)
    projection = EntropicProjection(model, n_targets=5).fit(X, Y)  # more columns, in another order
    expected = model.predict_proba(X)[:, 1]
    scenario = projection.what_if({"sex": {"Female": 0.6}, "gain": 900})
    outcome = select_rows(scenario.outcomes, quantity="prediction", output="1").iloc[0]
    assert outcome["value"] == pytest.approx(scenario.weights @ expected / N, rel=1e-10)
    assert set(projection.explain().frame["feature"]) == set(X)


def test_model_gets_categories_booleans_and_missing_values():
    X_ = X.assign(
        job=X["job"].astype("category"),
        hours=X["hours"].where(np.arange(N) % 4 > 0),
        sex=X["sex"].where(np.arange(N) % 6 > 0, None).astype("category"),
    )
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(X_, Y)
    projection = EntropicProjection(model, n_targets=3, missing="omit").fit(X_, Y)
    expected = model.predict_proba(X_)[:, 1]
    assert select_rows(projection.baseline(), output="1")["value"].iloc[0] == pytest.approx(expected.mean())
    assert set(projection.explain().frame["feature"]) == set(X)
    scenario = projection.what_if({"job": {"farmer": 0.4}, "member": {True: 0.5}, "hours": 41})
    assert scenario.n_rows == X_["hours"].notna().sum()


def test_explain_curves_of_classes_sum_to_one():
    data, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=1000).fit(data, names)
    curves = EntropicProjection(model, n_targets=5).fit(data, names).explain().frame
    assert list(dict.fromkeys(curves["output"])) == ["setosa", "versicolor", "virginica"]
    total = curves.groupby(["feature", "target"])["value"].sum()
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    slopes = curves.groupby(["feature", "target"])["slope"].sum()
    np.testing.assert_allclose(slopes, 0.0, atol=1e-12)


def test_explain_slope_of_linear_regression_is_coefficient():
    data, y = load_diabetes(return_X_y=True, as_frame=True)
    model = LinearRegression().fit(data[["bmi"]], y)
    curves = EntropicProjection(model, n_targets=5).fit(data[["bmi"]], y).explain().frame
    assert set(curves["output"]) == {"target"}
    np.testing.assert_allclose(curves["slope"], model.coef_[0], rtol=1e-9)
    np.testing.assert_allclose(curves["value"], model.predict(curves[["target"]].set_axis(["bmi"], axis=1)))


def test_fit_verbose_logs_rows(caplog):
    for verbose, n_records in ((0, 0), (1, 1)):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="agnostix"):
            EntropicProjection(chance, verbose=verbose).fit(X)
        assert len(caplog.records) == n_records
    assert "340 rows" in caplog.text


# -- tables


def results_of(projection, age="age", hours="hours", sex="sex"):
    """Bits of one result of each kind."""
    scenario = projection.what_if({age: 45, hours: (42, 44), sex: {"Female": 0.5}})
    curves = projection.explain(features=[age, sex], metric=["prediction", "roc_auc"])
    parts = [
        scenario.outcomes,
        scenario.shifts.drop(columns=["feature"]),
        curves.frame.drop(columns="feature"),
        curves.distributions.drop(columns="feature"),
        projection.rank(features=[age, sex]).drop(columns="feature"),
        projection.joint(age, hours, n_targets=3),
        projection.baseline(),
    ]
    return scenario.weights, parts


def assert_same_bits(left, right, weights=True):
    if weights:
        np.testing.assert_array_equal(left[0], right[0])
    for a, b in zip(left[1], right[1], strict=True):
        pd.testing.assert_frame_equal(a, b, rtol=0, atol=0, check_exact=True)


def by_position(X):
    age, hours = (np.asarray(X[:, j], dtype=float) for j in (0, 1))
    return chance(pd.DataFrame({"age": age, "hours": hours}))


def test_projection_same_bits_for_pandas_polars_and_numpy():
    columns = ["age", "hours", "sex"]
    expected = results_of(EntropicProjection(n_targets=5).fit(X[columns], Y, WEIGHT, predictions=chance(X)))
    polars = pl.DataFrame({name: X[name].to_list() for name in columns})
    result = EntropicProjection(n_targets=5).fit(
        polars, pl.Series(Y), pl.Series(WEIGHT), predictions=pl.Series(chance(X))
    )
    assert_same_bits(results_of(result), expected)
    array = X[columns].to_numpy(dtype=object)
    result = EntropicProjection(n_targets=5).fit(array, Y, WEIGHT, predictions=by_position(array))
    assert_same_bits(results_of(result, "x0", "x1", "x2"), expected)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
def test_projection_same_bits_for_any_row_order(weight):
    def fit(rows):
        own = None if weight is None else weight[rows]
        model = as_predictor(chance, task="classification")
        return EntropicProjection(model, n_targets=5).fit(X.iloc[rows], Y[rows], own)

    first, turned = results_of(fit(np.arange(N))), results_of(fit(TURNED))
    assert_same_bits(first, turned, weights=False)
    np.testing.assert_array_equal(first[0][TURNED], turned[0])


def test_projection_ignores_frame_index():
    expected = results_of(fit_projection(X, Y, WEIGHT, n_targets=5))
    odd = X.set_index(pd.Index(TURNED))
    with pytest.warns(
        UserWarning, match=r"y\.to_numpy"
    ):  # their labels number the rows of X in another order
        result = EntropicProjection(n_targets=5).fit(
            odd, pd.Series(Y), pd.Series(WEIGHT, index=TURNED), predictions=pd.Series(chance(X), index=TURNED)
        )
    assert_same_bits(results_of(result), expected)


def test_unnamed_columns_are_named_by_number():
    frame = pd.DataFrame(X[NUMBERS].to_numpy())
    projection = EntropicProjection(n_targets=3).fit(frame, predictions=chance(X))
    assert set(projection.explain(features=[0]).frame["feature"]) == {"0"}
    assert projection.explain(features=0, targets={0: 45}).frame["target"].tolist() == [45.0]
    assert projection.what_if({0: 45}).gap <= 1e-9
    assert len(projection.joint(0, 1, n_targets=3)) == 9
    array = EntropicProjection(n_targets=3).fit(X[NUMBERS].to_numpy(), predictions=chance(X))
    assert set(array.explain().frame["feature"]) == {"x0", "x1", "x2"}


def test_projection_leaves_inputs_unchanged():
    X_, y, weight, predictions = X.copy(), Y.copy(), WEIGHT.copy(), chance(X)
    for part in (y, weight, predictions):
        part.setflags(write=False)
    projection = EntropicProjection(n_targets=5).fit(X_, y, weight, predictions=predictions)
    results_of(projection)
    pd.testing.assert_frame_equal(X_, X)
    array = X[NUMBERS].to_numpy()
    array.setflags(write=False)
    EntropicProjection(n_targets=5).fit(array, predictions=predictions).explain()


def test_projection_repeated_calls_same_bits():
    projection = fit_projection(X, Y, WEIGHT, n_targets=5)
    assert_same_bits(results_of(projection), results_of(projection))


def test_integer_weights_equal_repeated_rows():
    times = np.random.default_rng(0).integers(1, 4, N)
    weighted = fit_projection(X, Y, times, n_targets=5)
    repeated = X.loc[X.index.repeat(times)].reset_index(drop=True)
    rows = fit_projection(repeated, np.repeat(Y, times), n_targets=5)
    question = {"age": 45, "job": {"farmer": 0.3}}
    left, right = weighted.what_if(question), rows.what_if(question)
    np.testing.assert_allclose(left.outcomes["value"], right.outcomes["value"], rtol=1e-9)
    assert left.kl == pytest.approx(right.kl, rel=1e-9)
    targets = {"age": [45], "sex": {"Female": [0.5]}}
    np.testing.assert_allclose(
        weighted.explain(targets=targets).frame["value"],
        rows.explain(targets=targets).frame["value"],
        rtol=1e-9,
    )


def test_projection_of_two_rows():
    projection = EntropicProjection(n_targets=3).fit(X.head(2)[NUMBERS[:2]], predictions=[0.2, 0.6])
    scenario = projection.what_if({"age": X["age"].head(2).mean() + 0.1})
    assert scenario.status == "thin"
    assert len(projection.explain()) == 6


@pytest.mark.parametrize("y", [Y, chance(X), X["job"]], ids=["numbers 0 and 1", "numbers", "labels"])
def test_projection_without_model_uses_y(y):
    projection = EntropicProjection().fit(X, y)
    scenario = projection.what_if({"age": 45})
    assert (scenario.outcomes["quantity"] == "outcome").all()
    values = (
        np.asarray(y, dtype=float) if projection.predictions_.task is None else (y == "clerk").to_numpy(float)
    )
    assert scenario.outcomes["value"][0] == pytest.approx(scenario.weights @ values / N)
    assert projection.n_model_rows_ == 0


# -- shifts


def test_shifts_match_weighted_means_in_standard_deviations():
    scenario = fit_projection(X).what_if({"age": 46})
    shifts = scenario.shifts
    for name in ("age", "hours", "gain"):
        row = select_rows(shifts, feature=name).iloc[0]
        after = scenario.weights @ X[name] / N
        assert row["before"] == pytest.approx(X[name].mean())
        assert row["after"] == pytest.approx(after)
        assert row["shift"] == pytest.approx((after - X[name].mean()) / X[name].std(ddof=0), abs=1e-12)
        assert row["low"] <= row["shift"] <= row["high"]
    for name in ("sex", "job", "member"):
        for _, row in select_rows(shifts, feature=name).iterrows():
            member = (X[name] == row["level"]).to_numpy(float)
            after = scenario.weights @ member / N
            assert row["after"] == pytest.approx(after)
            assert row["shift"] == pytest.approx((after - member.mean()) / member.std(), abs=1e-12)
    assert shifts["stated"].tolist() == [True] + [False] * 9
    assert select_rows(shifts, feature="hours")["low"].iloc[0] > 0.1  # it correlates with age


def test_shifts_std_errors_match_outcome_changes():
    as_outcome = EntropicProjection().fit(X, predictions=X["hours"])
    outcome = as_outcome.what_if({"age": 46}).outcomes.iloc[0]
    row = select_rows(fit_projection(X).what_if({"age": 46}).shifts, feature="hours").iloc[0]
    scale = X["hours"].std(ddof=0)
    assert row["shift"] == pytest.approx(outcome["change"] / scale, rel=1e-9)
    assert row["std_error"] == pytest.approx(outcome["change_std_error"] / scale, rel=1e-9)


def test_shifts_of_column_with_missing_use_present_rows():
    there = np.arange(N) % 3 > 0
    X_ = X.assign(hours=X["hours"].where(there), job=X["job"].where(there, None))
    scenario = EntropicProjection().fit(X_, predictions=chance(X)).what_if({"age": 46})
    hours, weights = X["hours"][there], scenario.weights[there]
    row = select_rows(scenario.shifts, feature="hours").iloc[0]
    assert row["before"] == pytest.approx(hours.mean())
    assert row["after"] == pytest.approx(np.average(hours, weights=weights))
    assert select_rows(scenario.shifts, feature="job")["after"].sum() == pytest.approx(1.0)


def test_shifts_std_errors_with_missing_match_jackknife():
    X_ = people(90, 3)
    X_["hours"] = X_["hours"].where(np.arange(90) % 3 > 0)

    def change(rows):
        part = X_.iloc[rows]
        weights = EntropicProjection().fit(part, predictions=part["age"]).what_if({"age": 43}).weights
        there = part["hours"].notna().to_numpy()
        hours = part["hours"].to_numpy()[there]
        return np.average(hours, weights=weights[there]) - hours.mean()

    without = np.array([change(np.delete(np.arange(90), i)) for i in range(90)])
    expected = np.sqrt(89 / 90 * ((without - without.mean()) ** 2).sum()) / X_["hours"].std(ddof=0)
    row = select_rows(
        EntropicProjection().fit(X_, predictions=X_["age"]).what_if({"age": 43}).shifts, feature="hours"
    )
    assert row["std_error"].iloc[0] == pytest.approx(expected, rel=0.1)


def test_shifts_of_stressed_prediction_name_used_features():
    scenario = fit_projection(X).what_if(prediction=0.6)
    shifts = scenario.shifts.assign(size=scenario.shifts["shift"].abs())
    assert set(shifts.nlargest(2, "size")["feature"]) == {"age", "hours"}
    assert not shifts["stated"].any()


def test_constant_table_has_no_shifts_curves_or_rank():
    projection = EntropicProjection().fit(X.assign(one=1.0)[["one"]], predictions=chance(X))
    assert projection.what_if(prediction=0.5).shifts.empty
    assert projection.explain().frame.empty
    assert projection.rank().empty


# -- life of an estimator


def test_clone_shares_fitted_and_clones_unfitted_model():
    fitted = EntropicProjection(LogisticRegression().fit(X[NUMBERS], Y), n_targets=7)
    assert clone(fitted).model is fitted.model
    assert clone(fitted).n_targets == 7
    assert not hasattr(clone(fitted.fit(X[NUMBERS])), "table_")
    unfitted = EntropicProjection(LogisticRegression(C=3))
    assert clone(unfitted).model is not unfitted.model
    assert clone(unfitted).model.C == 3
    assert clone(EntropicProjection(chance)).model is chance


def test_pickle_gives_same_bits():
    model = LogisticRegression().fit(X[NUMBERS], Y)
    projection = EntropicProjection(model, n_targets=5).fit(X, Y, WEIGHT)
    again = pickle.loads(pickle.dumps(projection))
    assert_same_bits(results_of(again), results_of(projection))
    scenario = projection.what_if({"age": 45})
    copy = pickle.loads(pickle.dumps(scenario))
    np.testing.assert_array_equal(copy.weights, scenario.weights)
    curves = pickle.loads(pickle.dumps(projection.explain(features="age")))
    assert len(curves) == 10


def test_set_params_takes_effect_at_next_fit():
    projection = fit_projection(X, n_targets=5)
    projection.set_params(n_targets=9)
    assert len(projection.explain(features="age")) == 5
    assert len(projection.fit(X, predictions=chance(X)).explain(features="age")) == 9
