import pickle

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, InfeasibleTargetError
from agnostix.exceptions import DataError
from tests.messages import assert_states, refuses
from tests.reference.what_if import is_member, reachable_share
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
N = len(X)
Y = truth(X)
DAYS = pd.date_range("2020-01-01", periods=N)


@pytest.mark.parametrize(
    ("constraints", "facts"),
    [
        ([("age", 50)], ["constraints", "mapping from columns", "{'age': 50", "got ('age', 50)"]),
        ({}, ["what_if", "at least one of", "constraints", "prediction", "error_rate"]),
        (None, ["what_if", "at least one of", "constraints", "prediction", "error_rate"]),
        ({"height": 2}, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ({"sex": {"female": 0.5}}, ["'sex'", "no level 'female'", "'Female', 'Male'"]),
        ({"age": "old"}, ["target of 'age'", "(low, high)", "got 'old'", "{'age': {'old': 0.5}}"]),
        ({"age": (50, 40)}, ["target of 'age'", "(low, high)", "low <= high", "got (50, 40)"]),
        ({"age": (50, 60, 70)}, ["target of 'age'", "(low, high)", "got (50, 60, 70)"]),
        ({"age": float("nan")}, ["target of 'age'", "number", "got nan"]),
        ({"age": float("inf")}, ["target of 'age'", "number", "got inf"]),
        ({"age": (float("-inf"), float("inf"))}, ["target of 'age'", "(low, high)", "got (-inf, inf)"]),
        ({"age": (40, float("nan"))}, ["target of 'age'", "(low, high)", "got (40, nan)"]),
        ({"age": None}, ["target of 'age'", "number", "got None"]),
        (
            {"sex": {"Female": "half"}},
            ["target of 'sex = Female'", "number", "got 'half'", "{'sex': {'half': 0.5}}"],
        ),
        ({"sex": 0.5}, ["'sex'", "labels", "no average", "proportion", "{'sex': {'Female': 0.5}}"]),
        ({"sex": {"Female": 1.2}}, ["proportion of sex = Female", "between 0 and 1", "got 1.2"]),
        ({"sex": {"Female": (-0.1, 0.4)}}, ["proportion of sex = Female", "0 and 1", "got (-0.1, 0.4)"]),
        (
            {"job": {"clerk": 0.7, "farmer": 0.5}},
            [
                "'job'",
                "sum to 1.2",
                "more than 1",
                "clerk 0.7, farmer 0.5",
                "Lower them",
                "leave one level out",
            ],
        ),
        (
            {"job": {"clerk": 0.3, "farmer": 0.3, "teacher": 0.3}},
            [
                "all 3 levels of 'job'",
                "sum to 0.9",
                "not to 1",
                "teacher 0.3",
                "Raise them",
                "leave one level out",
            ],
        ),
        (
            {"job": {"clerk": 0.333333333, "farmer": 0.333333333, "teacher": 0.333333333}},
            ["all 3 levels of 'job'", "sum to 0.999999999", "not to 1", "Raise them", "leave one level out"],
        ),
        ({"age": {"old": 0.5}}, ["'age'", "holds numbers", "'old'"]),
        ({"gain": {-1: 0.5}}, ["'gain'", "no row with the value -1"]),
    ],
    ids=str,
)
def test_what_if_refuses_bad_constraints(constraints, facts):
    with refuses(ValueError, *facts):
        fit_projection(X).what_if(constraints)


def test_what_if_proportions_sum_to_1_up_to_rounding():
    shares = {"clerk": 0.7 - 1e-15, "farmer": 0.1, "teacher": 0.2}
    assert sum(shares.values()) != 1.0
    assert fit_projection(X).what_if({"job": shares}).status == "ok"


def test_what_if_accepts_level_as_text():
    by_text, itself = (fit_projection(X).what_if({"member": {level: 0.5}}) for level in ("True", True))
    np.testing.assert_array_equal(by_text.weights, itself.weights)
    assert by_text.conditions["level"].tolist() == [True]
    assert by_text.shifts.query("stated")[["feature", "level"]].to_numpy().tolist() == [["member", True]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_if_proportion_0_or_1_is_boundary(share):
    scenario = fit_projection(X).what_if({"job": {"farmer": share}})
    left = (X["job"] == "farmer") == bool(share)
    assert scenario.status == "boundary"
    np.testing.assert_allclose(scenario.weights[left], N / left.sum(), rtol=1e-12)
    assert (scenario.weights[~left] == 0.0).all()
    assert scenario.outcomes["value"][0] == pytest.approx(chance(X)[left].mean())
    assert scenario.kl == pytest.approx(np.log(N / left.sum()))
    error = chance(X)[left].std(ddof=0) / np.sqrt(left.sum()) / (1.0 - 1.0 / left.sum())
    assert scenario.outcomes["std_error"][0] == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize(
    ("stress", "facts"),
    [
        ({"prediction": {"2": 0.3}}, ["no output '2'", "outputs: 1"]),
        (
            {"prediction": "high"},
            ["target of 'prediction'", "(low, high)", "got 'high'", "{'prediction': {'high': 0.5}}"],
        ),
        ({"error_rate": 1.5}, ["proportion of error_rate", "between 0 and 1", "got 1.5"]),
    ],
    ids=str,
)
def test_what_if_refuses_bad_prediction_or_error_rate(stress, facts):
    with refuses(ValueError, *facts):
        fit_projection(X, Y).what_if(**stress)


def test_what_if_prediction_of_many_outputs_names_one():
    shares = np.column_stack([0.5 * chance(X), 0.5 * chance(X), 1.0 - chance(X)])
    projection = EntropicProjection().fit(X, predictions=pd.DataFrame(shares, columns=["a", "b", "c"]))
    with refuses(ValueError, "3 outputs", "a, b, c", "prediction={'c': 0.6}"):
        projection.what_if(prediction=0.6)
    scenario = projection.what_if(prediction={"c": 0.6})
    assert scenario.weights @ shares[:, 2] / N == pytest.approx(0.6, abs=1e-10)


def test_what_if_error_rate_needs_classifier_and_y():
    for projection in (fit_projection(X), EntropicProjection().fit(X, Y), fit_projection(X, 2.0 * chance(X))):
        with refuses(DataError, "error_rate", "classifier", "pass y to fit", "state prediction instead"):
            projection.what_if(error_rate=0.3)


def test_what_if_refuses_constant_prediction_and_error_rate():
    sure = EntropicProjection().fit(X, (chance(X) > 0.5).astype(int), predictions=chance(X))
    with refuses(DataError, "error_rate", "0 in every row"):
        sure.what_if(error_rate=0.3)
    constant = EntropicProjection().fit(X, predictions=np.full(N, 0.25))
    with refuses(DataError, "prediction = prediction", "0.25 in every row"):
        constant.what_if(prediction=0.3)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (np.full(N, 3.5), "it is constant: every row has 3.5"),
        (np.full(N, "same", dtype=object), "it is constant: every row has same"),
        (np.full(N, np.nan), "all its values are missing"),
        (np.full(N, None), "all its values are missing"),
        (
            DAYS,
            "it holds dates; add a column of numbers to X and shift that, such as "
            "(X['odd'] - X['odd'].min()).dt.days",
        ),
    ],
    ids=["constant number", "constant label", "all NaN", "all None", "dates"],
)
def test_unmovable_column_is_refused_if_named_else_skipped(column, reason):
    projection = fit_projection(X.assign(odd=column), n_targets=3)
    for call in (
        lambda: projection.what_if({"odd": 1.0}),
        lambda: projection.explain(features="odd"),
        lambda: projection.explain(features="odd", by="sex"),
        lambda: projection.rank(features="odd"),
        lambda: projection.joint("odd", "age"),
    ):
        with refuses(DataError, "'odd'", reason):
            call()
    curves = projection.explain()
    assert curves.skipped == (("odd", None, reason),)
    assert "odd" not in set(curves.frame["feature"]) | set(projection.rank()["feature"])
    assert "odd" not in set(projection.what_if({"age": 45}).shifts["feature"])


def test_identifier_column_is_skipped_unless_named():
    projection = fit_projection(X.assign(name=[f"person {i}" for i in range(N)]), n_targets=3)
    reason = f"almost every row has a level of its own ({N} levels in {N} rows)"
    assert projection.explain().skipped == (("name", None, reason),)
    assert len(projection.explain(features="name").frame) == 3 * N


def with_gaps(*columns):
    X_ = X.copy()
    for j, name in enumerate(columns):
        X_[name] = X_[name].astype(object if X_[name].dtype.kind in "Ob" else float)
        X_.loc[np.arange(N) % 5 == j, name] = np.nan if X_[name].dtype.kind == "f" else None
    return X_


@pytest.mark.parametrize("feature", ["age", "job", "member"])
def test_missing_raise_refuses_column(feature):
    projection = EntropicProjection(n_targets=3, missing="raise").fit(
        with_gaps(feature), predictions=chance(X)
    )
    target = 45.0 if feature == "age" else {X[feature][0]: 0.4}
    for call in (
        lambda: projection.what_if({feature: target}),
        lambda: projection.explain(),
        lambda: projection.rank(),
        lambda: projection.joint("hours", feature if feature == "age" else (feature, X[feature][0])),
    ):
        with refuses(DataError, f"{feature!r}", "60 of 300 rows", "EntropicProjection(missing='omit')"):
            call()
    assert projection.what_if({"hours": 42}).n_rows == N


@pytest.mark.parametrize("feature", ["age", "job", "member"])
def test_missing_warn_names_column_and_rows(feature):
    projections = [
        EntropicProjection(n_targets=3, missing=missing).fit(with_gaps(feature), predictions=chance(X))
        for missing in ("warn", "omit")
    ]
    assert EntropicProjection().missing == "warn"
    target = 45.0 if feature == "age" else {X[feature][0]: 0.4}
    key = feature if feature == "age" else (feature, X[feature][0])
    for call in (
        lambda projection: projection.explain().frame,
        lambda projection: projection.rank(),
        lambda projection: projection.joint("hours", key, n_targets=3),
        lambda projection: projection.what_if({feature: target}).outcomes,
    ):
        with pytest.warns(UserWarning, match=f"of 300 rows: '{feature}' 60.*missing='omit'") as caught:
            warned = call(projections[0])
        assert [entry.filename for entry in caught] == [__file__]  # the caller's line, once
        pd.testing.assert_frame_equal(warned, call(projections[1]))


@pytest.mark.filterwarnings("error")
def test_missing_warn_is_silent_for_complete_columns():
    projection = EntropicProjection(n_targets=3).fit(with_gaps("age"), predictions=chance(X))
    assert projection.what_if({"hours": 42}).n_rows == N
    assert (projection.explain(features=["hours", "job"]).frame["n_rows"] == N).all()


def test_missing_values_cost_only_their_column():
    projection = EntropicProjection(n_targets=3, missing="omit").fit(
        with_gaps("age", "job"), predictions=chance(X)
    )
    complete = EntropicProjection(n_targets=3).fit(X, predictions=chance(X))
    for frame, expected in (
        (projection.explain().frame, complete.explain().frame),
        (projection.rank(simultaneous=False), complete.rank(simultaneous=False)),
    ):
        n_rows = frame.groupby("feature")["n_rows"].agg(["min", "max"])
        assert (n_rows["min"] == n_rows["max"]).all()
        assert n_rows["min"].to_dict() == dict.fromkeys(X, N) | {"age": 240, "job": 240}
        whole = [frame[~frame["feature"].isin(["age", "job"])].drop(columns=["rank"], errors="ignore")]
        whole += [expected[~expected["feature"].isin(["age", "job"])].drop(columns=["rank"], errors="ignore")]
        pd.testing.assert_frame_equal(*(one.reset_index(drop=True) for one in whole), rtol=1e-9, atol=1e-12)
    assert set(projection.joint("age", "hours", n_targets=3)["n_rows"]) == {240}


def test_missing_omit_drops_rows():
    X_ = with_gaps("age", "job")
    kwargs = {"n_targets": 5, "missing": "omit"}
    everything = EntropicProjection(**kwargs).fit(X_, Y, predictions=chance(X))
    for columns, question in (
        (["age"], {"age": 45}),
        (["job"], {"job": {"clerk": 0.7}}),
        (["age", "job"], {"age": 45, "job": {"clerk": (0.7, 0.8)}}),
    ):
        rows = X_[columns].notna().all(axis=1).to_numpy()
        alone = EntropicProjection(**kwargs).fit(X_[rows], Y[rows], predictions=chance(X)[rows])
        expected, result = (p.what_if(question) for p in (alone, everything))
        assert result.n_rows == expected.n_rows == rows.sum()
        assert (result.weights[~rows] == 0.0).all()
        np.testing.assert_allclose(result.weights[rows] * rows.sum() / N, expected.weights, rtol=1e-9)
        pd.testing.assert_frame_equal(result.outcomes, expected.outcomes, rtol=1e-8)
        pd.testing.assert_frame_equal(result.shifts, expected.shifts, rtol=1e-6, atol=1e-10)
        if len(columns) == 1:
            left, right = (p.explain(features=columns).frame for p in (alone, everything))
            pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-12)


def test_missing_omit_refuses_columns_never_known_together():
    X_ = X.assign(age=X["age"].where(np.arange(N) < 150), hours=X["hours"].where(np.arange(N) >= 150))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=chance(X))
    with refuses(DataError, "Only 0 of 300 rows", "'age' and 'hours'"):
        projection.what_if({"age": 40, "hours": 40})


def test_missing_omit_refuses_column_constant_in_known_rows():
    X_ = X.assign(age=X["age"].where(X["sex"] == "Male"))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=chance(X))
    n_men = int((X["sex"] == "Male").sum())
    with refuses(
        DataError, f"'sex' cannot be shifted in the {n_men} rows", "'age' and 'sex'", "every row has Male"
    ):
        projection.what_if({"age": 40, "sex": {"Male": 0.5}})


@pytest.mark.parametrize(
    ("asking", "facts"),
    [
        ({"features": "height"}, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ({"by": "height"}, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ({"targets": {"height": 3}}, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ({"targets": [30, 40]}, ["targets", "mapping from columns", "{'age': [30, 40]}", "got [30, 40]"]),
        ({"features": "age", "targets": {"hours": 40}}, ["targets names 'hours'", "features", "Add it"]),
        ({"targets": {"age": "old"}}, ["targets of 'age'", "one or more numbers", "got 'old'"]),
        ({"targets": {"age": []}}, ["targets of 'age'", "one or more numbers", "got []"]),
        ({"targets": {"age": [1, np.inf]}}, ["targets of 'age'", "numbers", "got [1, inf]"]),
        ({"targets": {"sex": {"Male": None}}}, ["targets of 'sex = Male'", "numbers", "got None"]),
        (
            {"targets": {"sex": [0.2]}},
            ["targets of 'sex'", "of which level", "{'sex': {'Female': [0.2, 0.4]}}", "got [0.2]"],
        ),
        ({"targets": {"sex": {"male": [0.2]}}}, ["'sex'", "no level 'male'", "'Female', 'Male'"]),
        ({"targets": {"age": {"old": [0.2]}}}, ["'age'", "holds numbers", "'old'"]),
        ({"targets": {"gain": {-1: [0.2]}}}, ["'gain'", "no row with the value -1"]),
        ({"by": "age"}, ["by='age'", "300 groups", "at most 20", "pandas.cut"]),
        ({"by": "day"}, ["by='day'", "dates", "into labels"]),
    ],
    ids=str,
)
def test_explain_refuses_bad_features_targets_and_by(asking, facts):
    X_ = X.assign(day=DAYS) if asking.get("by") == "day" else X
    with refuses(ValueError, *facts):
        fit_projection(X_, n_targets=3).explain(**asking)


def test_unknown_level_message_lists_first_12_levels():
    projection = fit_projection(X.assign(town=[f"t{i % 30:02d}" for i in range(N)]))
    shown = ", ".join(f"'t{i:02d}'" for i in range(12))
    with refuses(ValueError, "'town'", "no level 'x'", f"{shown}, ... (30 in all)"):
        projection.what_if({"town": {"x": 0.5}})


# with a column that is another one in other units
X2 = X.assign(months=12.0 * X["age"], rest=100.0 - X["age"] - X["hours"])


def refused(projection, constraints=None, **stress):
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(constraints, **stress)
    return caught.value


def solve_nearest(projection, error):
    """Nearest is a mapping for `constraints`, or all arguments where the outcome is among them."""
    return projection.what_if(**error.nearest)


def test_infeasible_error_states_extreme_and_nearest():
    top, mean = X["age"].max(), X["age"].mean()
    error = refused(fit_projection(X), {"age": 200})
    near = top - 1e-4 * (top - mean)  # short of the one row that has the largest
    facts = (f"No row has age above {top:.6g}", "average of 200", f"mean of age {near:.6g} for 200")
    assert_states(str(error), *facts)
    assert error.reachable == pytest.approx((top - mean) / (200 - mean), rel=1e-6)
    assert error.nearest == {"constraints": {"age": pytest.approx(near, rel=1e-6)}}
    assert error.conflict == ("mean of age",)
    assert str(error).startswith(error.reason)
    assert "error.nearest" not in error.reason
    below = refused(fit_projection(X), {"age": -5})
    assert f"No row has age below {X['age'].min():.6g}, so" in str(below)


@pytest.mark.parametrize(
    ("constraints", "stress"),
    [
        ({"age": 200}, {}),
        ({"age": 200, "hours": 41}, {}),
        ({"age": 60, "hours": 30}, {}),
        ({"age": (200, 300)}, {}),
        ({"age": (62, 70), "hours": (20, 31)}, {}),
        ({"age": 64, "sex": {"Female": 0.5}, "job": {"clerk": 0.1}}, {}),
        (None, {"prediction": 1.0}),
        (None, {"prediction": (1.1, 1.2)}),
        ({"age": 30}, {"prediction": 0.9}),
        ({"age": 30, "job": {"clerk": 0.6}}, {"error_rate": 0.99, "prediction": 0.6}),
    ],
    ids=str,
)
def test_infeasible_nearest_is_feasible(constraints, stress):
    projection = fit_projection(X, Y)
    error = refused(projection, constraints, **stress)
    assert 0.0 < error.reachable < 1.0
    scenario = solve_nearest(projection, error)
    assert scenario.gap <= 1e-9
    assert scenario.status in ("ok", "thin")


def test_infeasible_matches_linear_program():
    phi = X[["age", "hours"]].to_numpy()
    start = phi.mean(0)
    verdicts = []
    for target in np.array([[60.0, 30.0], [60.0, 45.0], [25.0, 50.0], [25.0, 35.0], [45.0, 39.0]]):
        inside = is_member(phi, target)
        verdicts.append(inside)
        if inside:
            assert fit_projection(X).what_if(dict(zip(("age", "hours"), target, strict=True))).gap <= 1e-9
            continue
        error = refused(fit_projection(X), dict(zip(("age", "hours"), target, strict=True)))
        assert_states(str(error), "either alone", "mean of age", "mean of hours")
        assert error.conflict == ("mean of age", "mean of hours")
        assert error.reachable == pytest.approx(reachable_share(phi, start, target), rel=1e-6)
    assert set(verdicts) == {True, False}


def test_infeasible_error_names_contradicting_targets():
    error = refused(fit_projection(X2), {"age": 45, "months": 500})
    assert_states(str(error), "targets contradict each other", "(age)", "*(months)", "45 and 41.6667")
    near = error.nearest["constraints"]
    assert near["months"] == pytest.approx(12 * near["age"])
    assert near["age"] == 45 or near["months"] == 500


@pytest.mark.parametrize(
    "question",
    [{"age": 45, "months": 540}, {"age": 45, "hours": 41, "rest": 14}, {"age": 45, "months": (500, 600)}],
    ids=str,
)
def test_what_if_redundant_targets_are_one_target(question):
    result = fit_projection(X2).what_if(question)
    expected = fit_projection(X2).what_if({k: question[k] for k in ("age", "hours") if k in question})
    np.testing.assert_allclose(result.weights, expected.weights, rtol=1e-8)
    np.testing.assert_allclose(result.outcomes["std_error"], expected.outcomes["std_error"], rtol=1e-6)


def test_infeasible_error_pickles():
    error = refused(fit_projection(X), {"age": 200, "sex": {"Female": 0.5}})
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ValueError)
    assert (str(again), again.nearest, again.reachable) == (str(error), error.nearest, error.reachable)
    assert set(again.nearest["constraints"]) == {"age", "sex"}


def test_infeasible_prediction_states_extreme():
    error = refused(fit_projection(X), prediction=0.999)
    top = chance(X).max()
    assert_states(str(error), f"No row has prediction = prediction above {top:.6g}")
    assert set(error.nearest) == {"prediction"}


def test_infeasible_never_returns_uniform_weights():
    rng = np.random.default_rng(0)
    for _ in range(30):
        target = {"age": rng.uniform(0, 90), "hours": rng.uniform(20, 70)}
        if not is_member(X[["age", "hours"]], list(target.values())):
            assert refused(fit_projection(X), target).reachable < 1.0
        else:
            scenario = fit_projection(X).what_if(target)
            assert scenario.weights @ X["age"] / N == pytest.approx(target["age"], abs=1e-8)
            assert scenario.weights @ X["hours"] / N == pytest.approx(target["hours"], abs=1e-8)
