import re

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection
from agnostix.exceptions import DataError
from tests.population.doubles import asked, chance, people, truth

X = people()
N = len(X)
Y = truth(X)
DAYS = pd.date_range("2020-01-01", periods=N)


def refuses(message, kind=ValueError):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (
            [("age", 50)],
            "constraints must be a mapping from columns, such as {'age': 50, 'sex': {'Female': 0.5}}, "
            "got [('age', 50)].",
        ),
        ({}, "what_if needs at least one of constraints, prediction and error_rate."),
        (None, "what_if needs at least one of constraints, prediction and error_rate."),
        (
            {"height": 2},
            "There is no column 'height'. The columns: age, hours, gain, sex, job, member.",
        ),
        (
            {"sex": {"female": 0.5}},
            "Column 'sex' has no level 'female'. Its levels: 'Female', 'Male'.",
        ),
        (
            {"age": "old"},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got 'old'. "
            "For a level's proportion: {'age': {'old': 0.5}}.",
        ),
        (
            {"age": (50, 40)},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got (50, 40).",
        ),
        (
            {"age": (50, 60, 70)},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got (50, 60, 70).",
        ),
        (
            {"age": float("nan")},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got nan.",
        ),
        (
            {"age": (40, float("inf"))},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got (40, inf).",
        ),
        (
            {"age": None},
            "The target of 'age' must be a number or a pair (low, high) with low <= high, got None.",
        ),
        (
            {"sex": {"Female": "half"}},
            "The target of 'sex = Female' must be a number or a pair (low, high) with low <= high, "
            "got 'half'. For a level's proportion: {'sex': {'half': 0.5}}.",
        ),
        (
            {"sex": 0.5},
            "Column 'sex' holds labels, which have no average: state the proportion of a level, as "
            "{'sex': {'Female': 0.5}}.",
        ),
        (
            {"sex": {"Female": 1.2}},
            "The proportion of sex = Female must lie between 0 and 1, got 1.2.",
        ),
        (
            {"sex": {"Female": (-0.1, 0.4)}},
            "The proportion of sex = Female must lie between 0 and 1, got (-0.1, 0.4).",
        ),
        (
            {"job": {"clerk": 0.7, "farmer": 0.5}},
            "The proportions of 'job' sum to 1.2, more than 1: clerk 0.7, farmer 0.5. Lower them, or leave "
            "one level out: the others share what is left.",
        ),
        (
            {"job": {"clerk": 0.3, "farmer": 0.3, "teacher": 0.3}},
            "The proportions of all 3 levels of 'job' sum to 0.9, not to 1: clerk 0.3, farmer 0.3, "
            "teacher 0.3. Raise them, or leave one level out: it takes what is left.",
        ),
        (
            {"job": {"clerk": 0.333333333, "farmer": 0.333333333, "teacher": 0.333333333}},
            "The proportions of all 3 levels of 'job' sum to 0.999999999, not to 1: clerk 0.333333, farmer "
            "0.333333, teacher 0.333333. Raise them, or leave one level out: it takes what is left.",
        ),
        ({"age": {"old": 0.5}}, "Column 'age' holds numbers, and 'old' is none of them."),
        ({"gain": {-1: 0.5}}, "Column 'gain' has no row with the value -1."),
    ],
    ids=str,
)
def test_what_if_refuses_bad_constraints(constraints, message):
    with refuses(message):
        asked(X).what_if(constraints)


def test_what_if_proportions_sum_to_1_up_to_rounding():
    shares = {"clerk": 0.7 - 1e-15, "farmer": 0.1, "teacher": 0.2}
    assert sum(shares.values()) != 1.0
    assert asked(X).what_if({"job": shares}).status == "ok"


def test_what_if_accepts_level_as_text():
    by_text, itself = (asked(X).what_if({"member": {level: 0.5}}) for level in ("True", True))
    np.testing.assert_array_equal(by_text.weights, itself.weights)
    assert by_text.conditions["level"].tolist() == [True]
    assert by_text.shifts.query("stated")[["feature", "level"]].to_numpy().tolist() == [["member", True]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_if_proportion_0_or_1_is_boundary(share):
    scenario = asked(X).what_if({"job": {"farmer": share}})
    left = (X["job"] == "farmer") == bool(share)
    assert scenario.status == "boundary"
    np.testing.assert_allclose(scenario.weights[left], N / left.sum(), rtol=1e-12)
    assert (scenario.weights[~left] == 0.0).all()
    assert scenario.outcomes["value"][0] == pytest.approx(chance(X)[left].mean())
    assert scenario.kl == pytest.approx(np.log(N / left.sum()))
    error = chance(X)[left].std(ddof=0) / np.sqrt(left.sum()) / (1.0 - 1.0 / left.sum())
    assert scenario.outcomes["std_error"][0] == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize(
    ("stress", "message"),
    [
        ({"prediction": {"2": 0.3}}, "There is no output '2'. The outputs: 1."),
        (
            {"prediction": "high"},
            "The target of 'prediction = 1' must be a number or a pair (low, high) with low <= high, "
            "got 'high'. For a level's proportion: {'prediction': {'high': 0.5}}.",
        ),
        ({"error_rate": 1.5}, "The proportion of error_rate must lie between 0 and 1, got 1.5."),
    ],
    ids=str,
)
def test_what_if_refuses_bad_prediction_or_error_rate(stress, message):
    with refuses(message):
        asked(X, Y).what_if(**stress)


def test_what_if_prediction_of_many_outputs_names_one():
    shares = np.column_stack([0.5 * chance(X), 0.5 * chance(X), 1.0 - chance(X)])
    projection = EntropicProjection().fit(X, predictions=pd.DataFrame(shares, columns=["a", "b", "c"]))
    with refuses("The model has 3 outputs (a, b, c): say which, as prediction={'c': 0.6}."):
        projection.what_if(prediction=0.6)
    scenario = projection.what_if(prediction={"c": 0.6})
    assert scenario.weights @ shares[:, 2] / N == pytest.approx(0.6, abs=1e-10)


def test_what_if_error_rate_needs_classifier_and_y():
    message = (
        "error_rate needs a classifier's predictions and the true labels: pass y to fit. "
        "For a regression, state prediction instead."
    )
    for projection in (asked(X), EntropicProjection().fit(X, Y), asked(X, 2.0 * chance(X))):
        with refuses(message, DataError):
            projection.what_if(error_rate=0.3)


def test_what_if_refuses_constant_prediction_and_error_rate():
    sure = EntropicProjection().fit(X, (chance(X) > 0.5).astype(int), predictions=chance(X))
    with refuses("The error_rate is 0 in every row, so it cannot be moved.", DataError):
        sure.what_if(error_rate=0.3)
    constant = EntropicProjection().fit(X, predictions=np.full(N, 0.25))
    with refuses("The prediction = prediction is 0.25 in every row, so it cannot be moved.", DataError):
        constant.what_if(prediction=0.3)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (np.full(N, 3.5), "it is constant: every row has 3.5"),
        (np.full(N, "same", dtype=object), "it is constant: every row has same"),
        (np.full(N, np.nan), "all its values are missing"),
        (np.full(N, None), "all its values are missing"),
        (DAYS, "it holds dates; turn it into a number first, such as days since a day"),
    ],
    ids=["constant number", "constant label", "all NaN", "all None", "dates"],
)
def test_unmovable_column_is_refused_if_named_else_skipped(column, reason):
    projection = asked(X.assign(odd=column), n_targets=3)
    message = f"Column 'odd' cannot be moved: {reason}."
    for ask in (
        lambda: projection.what_if({"odd": 1.0}),
        lambda: projection.explain(features="odd"),
        lambda: projection.explain(features="odd", by="sex"),
        lambda: projection.rank(features="odd"),
        lambda: projection.joint("odd", "age"),
    ):
        with refuses(message, DataError):
            ask()
    curves = projection.explain()
    assert curves.skipped == (("odd", None, reason),)
    assert "odd" not in set(curves.frame["feature"]) | set(projection.rank()["feature"])
    assert "odd" not in set(projection.what_if({"age": 45}).shifts["feature"])


def test_identifier_column_is_skipped_unless_named():
    projection = asked(X.assign(name=[f"person {i}" for i in range(N)]), n_targets=3)
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
def test_missing_values_are_refused_by_default(feature):
    projection = EntropicProjection(n_targets=3).fit(with_gaps(feature), predictions=chance(X))
    message = (
        f"Column {feature!r} misses values in 60 of 300 rows. Fill them in, or construct "
        "EntropicProjection(missing='omit') to use the rows that have it."
    )
    target = 45.0 if feature == "age" else {X[feature][0]: 0.4}
    for ask in (
        lambda: projection.what_if({feature: target}),
        lambda: projection.explain(),
        lambda: projection.rank(),
        lambda: projection.joint("hours", feature if feature == "age" else (feature, X[feature][0])),
    ):
        with refuses(message, DataError):
            ask()
    assert projection.what_if({"hours": 42}).n_rows == N


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
        expected, found = (p.what_if(question) for p in (alone, everything))
        assert found.n_rows == expected.n_rows == rows.sum()
        assert (found.weights[~rows] == 0.0).all()
        np.testing.assert_allclose(found.weights[rows] * rows.sum() / N, expected.weights, rtol=1e-9)
        pd.testing.assert_frame_equal(found.outcomes, expected.outcomes, rtol=1e-8)
        pd.testing.assert_frame_equal(found.shifts, expected.shifts, rtol=1e-6, atol=1e-10)
        if len(columns) == 1:
            left, right = (p.explain(features=columns).frame for p in (alone, everything))
            pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-12)


def test_missing_omit_refuses_columns_never_known_together():
    X_ = X.assign(age=X["age"].where(np.arange(N) < 150), hours=X["hours"].where(np.arange(N) >= 150))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=chance(X))
    with refuses("Only 0 of 300 rows have a value of 'age' and 'hours'.", DataError):
        projection.what_if({"age": 40, "hours": 40})


def test_missing_omit_refuses_column_constant_in_known_rows():
    X_ = X.assign(age=X["age"].where(X["sex"] == "Male"))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=chance(X))
    n_men = int((X["sex"] == "Male").sum())
    message = (
        f"Column 'sex' cannot be moved in the {n_men} rows with a value of 'age' and 'sex': "
        "it is constant: every row has Male."
    )
    with refuses(message, DataError):
        projection.what_if({"age": 40, "sex": {"Male": 0.5}})


@pytest.mark.parametrize(
    ("asking", "message"),
    [
        (
            {"features": "height"},
            "There is no column 'height'. The columns: age, hours, gain, sex, job, member.",
        ),
        ({"by": "height"}, "There is no column 'height'. The columns: age, hours, gain, sex, job, member."),
        (
            {"targets": {"height": 3}},
            "There is no column 'height'. The columns: age, hours, gain, sex, job, member.",
        ),
        (
            {"targets": [30, 40]},
            "targets must be a mapping from columns, such as {'age': [30, 40]}, got [30, 40].",
        ),
        (
            {"features": "age", "targets": {"hours": 40}},
            "targets names 'hours', which features leaves out. Add it there.",
        ),
        ({"targets": {"age": "old"}}, "The targets of 'age' must be one or more numbers, got 'old'."),
        ({"targets": {"age": []}}, "The targets of 'age' must be one or more numbers, got []."),
        (
            {"targets": {"age": [1, np.inf]}},
            "The targets of 'age' must be one or more numbers, got [1, inf].",
        ),
        (
            {"targets": {"sex": {"Male": None}}},
            "The targets of 'sex = Male' must be one or more numbers, got None.",
        ),
        (
            {"targets": {"sex": [0.2]}},
            "The targets of 'sex', a column of labels, must say of which level: "
            "{'sex': {'Female': [0.2, 0.4]}}, got [0.2].",
        ),
        (
            {"targets": {"sex": {"male": [0.2]}}},
            "Column 'sex' has no level 'male'. Its levels: 'Female', 'Male'.",
        ),
        ({"targets": {"age": {"old": [0.2]}}}, "Column 'age' holds numbers, and 'old' is none of them."),
        ({"targets": {"gain": {-1: [0.2]}}}, "Column 'gain' has no row with the value -1."),
        (
            {"by": "age"},
            "by='age' would make 300 groups; at most 20 are drawn. Bin the column first, for example with "
            "pandas.cut.",
        ),
        (
            {"by": "day"},
            "by='day' holds dates, which make no groups. Turn it into labels first, such as years.",
        ),
    ],
    ids=str,
)
def test_explain_refuses_bad_features_targets_and_by(asking, message):
    X_ = X.assign(day=DAYS) if asking.get("by") == "day" else X
    with refuses(message):
        asked(X_, n_targets=3).explain(**asking)


def test_unknown_level_message_lists_first_12_levels():
    projection = asked(X.assign(town=[f"t{i % 30:02d}" for i in range(N)]))
    shown = ", ".join(f"'t{i:02d}'" for i in range(12))
    with refuses(f"Column 'town' has no level 'x'. Its levels: {shown}, ... (30 in all)."):
        projection.what_if({"town": {"x": 0.5}})
