"""Mappings, keywords, other tables and lists of all of these, and the way back from constraints."""

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    EntropicProjection,
    ErrorRate,
    InfeasibleTargetError,
    Mean,
    Prediction,
    Proportion,
    Quantile,
)
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
Y = truth(X)
N = len(X)
PROJECTION = fit_projection(X, Y)


@pytest.mark.parametrize(
    ("short", "spelled"),
    [
        ({"constraints": {"age": 45}}, [Mean("age", 45)]),
        ({"constraints": {"age": (45, 50)}}, [Mean("age", (45, 50))]),
        ({"constraints": {"age": "+5", "hours": "*1.1"}}, [Mean("age", "+5"), Mean("hours", "*1.1")]),
        ({"constraints": {"sex": {"Female": 0.5}}}, [Proportion("sex", "Female", 0.5)]),
        (
            {"constraints": {"job": {"clerk": 0.5, "farmer": "*1.2"}}},
            [Proportion("job", {"clerk": 0.5, "farmer": "*1.2"})],
        ),
        ({"prediction": 0.5}, [Prediction(0.5)]),
        ({"prediction": {"1": 0.5}}, [Prediction(0.5, output="1")]),
        ({"error_rate": (0.2, 0.25)}, [ErrorRate((0.2, 0.25))]),
        (
            {"constraints": {"age": 42}, "error_rate": 0.3},
            [Mean("age", 42), ErrorRate(0.3)],
        ),
        ({"constraints": Mean("age", 45)}, [Mean("age", 45)]),
        ({"constraints": [{"age": 45}, Mean("hours", 41)]}, [Mean("age", 45), Mean("hours", 41)]),
        ({"constraints": (Mean("age", 45),)}, [{"age": 45}]),
    ],
    ids=str,
)
def test_short_form_is_the_spelled_one(short, spelled):
    one, other = PROJECTION.what_if(**short), PROJECTION.what_if(spelled)
    np.testing.assert_array_equal(one.weights, other.weights)
    pd.testing.assert_frame_equal(one.conditions, other.conditions)


def test_next_months_table_gives_means_and_proportions():
    later = X[X["age"] > 38].head(150)
    scenario = PROJECTION.what_if(later.drop(columns="gain").assign(new=1.0))
    w = scenario.weights
    for name in ("age", "hours"):
        assert w @ X[name] / N == pytest.approx(later[name].mean(), rel=1e-9)
    for name in ("sex", "job", "member"):
        for level in X[name].unique():
            assert w @ (X[name] == level) / N == pytest.approx((later[name] == level).mean(), abs=1e-9)
    assert scenario.notes == (
        "Columns of X that the table lacks are free: 'gain'.",
        "Columns of the table that X lacks were left out: 'new'.",
    )


def test_levels_of_one_table_alone_are_named():
    later = X.head(200).copy()
    later.loc[later.index[:20], "job"] = "pilot"
    later = later[later["job"] != "farmer"]
    scenario = PROJECTION.what_if(later[["job"]])
    shares = later["job"][later["job"] != "pilot"].value_counts(normalize=True)
    assert scenario.weights @ (X["job"] == "clerk") / N == pytest.approx(shares["clerk"], abs=1e-9)
    assert (scenario.weights[(X["job"] == "farmer").to_numpy()] == 0.0).all()
    (note,) = [note for note in scenario.notes if "Levels" in note]
    assert note == (
        "Levels of 'job': no row of X has 'pilot', so the others share its proportion; the table lacks "
        "'farmer', whose rows get no weight."
    )


def test_columns_that_cannot_be_shifted_are_left_out_of_a_table():
    extra = {"day": pd.date_range("2020", periods=N), "same": 1.0, "name": [f"p{i}" for i in range(N)]}
    projection = fit_projection(X.assign(**extra))
    later = X.assign(**extra, gone=np.nan).head(150)[["age", "day", "same", "name"]]
    notes = projection.what_if(later).notes
    for name, reason in (("day", "dates"), ("same", "constant"), ("name", "level of its own")):
        assert any(f"Column {name!r} was left out" in note and reason in note for note in notes)
    with refuses(ValueError, "no column that can be shifted", "'same'"):
        projection.what_if(later[["same"]])


def test_missing_values_of_another_table_are_left_out():
    later = X[["age", "job"]].head(100).copy()
    later.loc[later.index[::3], "age"] = np.nan
    later.loc[later.index[::4], "job"] = None
    scenario = PROJECTION.what_if(later)
    assert scenario.weights @ X["age"] / N == pytest.approx(later["age"].mean(), rel=1e-9)
    share = (later["job"] == "clerk").sum() / later["job"].notna().sum()
    assert scenario.weights @ (X["job"] == "clerk") / N == pytest.approx(share, abs=1e-9)
    with refuses(ValueError, "'age'", "all its values are missing"):
        PROJECTION.what_if(later[["age"]] * np.nan)


def test_polars_table_is_a_table():
    polars = pytest.importorskip("polars")
    later = X[X["age"] > 38].head(150)[["age", "sex", "member"]]
    one, other = PROJECTION.what_if(later), PROJECTION.what_if(polars.from_pandas(later))
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-10)


def test_series_of_means():
    means = pd.Series({"age": 43.0, "hours": 40.5})
    np.testing.assert_array_equal(
        PROJECTION.what_if(means).weights, PROJECTION.what_if({"age": 43.0, "hours": 40.5}).weights
    )


@pytest.mark.parametrize(
    ("stated", "error", "facts"),
    [
        (pd.Series({"Age": 43.0}), ValueError, ["'Age'", "no column of X", "Did you mean 'age'?"]),
        (X["sex"].value_counts(), ValueError, ["no column of X", "Margins(series)"]),
        (X[["age"]].rename(columns={"age": "years"}), ValueError, ["no column of X", "'years'", "'age'"]),
        (pd.crosstab(X["sex"], X["job"]), ValueError, ["no column of X", "Margins(table)"]),
        (X[["age"]].astype(str) + "y", DataError, ["'age'", "numbers in X", "labels in the table"]),
        ("age", ValueError, ["mapping from columns", "list of constraints", "got 'age'"]),
        ([Mean("age", 45), 3], ValueError, ["list of constraints", "got 3"]),
        ([], ValueError, ["at least one of"]),
        (
            [Mean("age", 45), {"age": 46}],
            ValueError,
            ["mean of age", "stated twice", "45 and 46", "Keep one"],
        ),
        ([Mean("age", 45), Mean("age", (40, 50))], ValueError, ["mean of age", "twice", "45 and (40, 50)"]),
        (
            [Mean("age", 45, where={"sex": "Male"}), Mean("age", 46, where={"sex": "Male"})],
            ValueError,
            ["mean of age where sex = Male", "twice"],
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_is_no_scenario_is_refused(stated, error, facts):
    with refuses(error, *facts):
        PROJECTION.what_if(stated)


def test_same_quantity_of_another_kind_or_group_is_not_stated_twice():
    scenario = PROJECTION.what_if(
        [Mean("age", 42), Mean("age", 41, where={"sex": "Male"}), Quantile("age", 0.5, 41.5)]
    )
    assert scenario.conditions["label"].tolist() == [
        "mean of age",
        "mean of age where sex = Male",
        "0.5 quantile of age",
    ]


@pytest.mark.parametrize(
    "stated",
    [
        {"constraints": {"age": 200}},
        {"constraints": {"age": 200, "sex": {"Female": 0.5}}},
        {"constraints": [{"age": 200}, Proportion("sex", {"Female": 0.5})]},
        {"constraints": [Mean("age", 70, where={"sex": "Female"}), Quantile("hours", 0.5, 41)]},
        {"constraints": Mean("age", 200)},
        {"prediction": 0.999},
        {"prediction": {"1": 0.999}, "constraints": [Mean("age", "+1")]},
        {"error_rate": 0.3, "constraints": {"age": 200}},
        {"constraints": {"age": 68}, "weight_bounds": (0.1, 9.0)},
        {"constraints": {"age": 200}, "divergence": "chi_square"},
    ],
    ids=str,
)
def test_nearest_and_ranges_come_back_in_the_form_of_the_question(stated):
    with pytest.raises(InfeasibleTargetError) as caught:
        PROJECTION.what_if(**stated)
    for arguments in (caught.value.nearest, caught.value.ranges):
        assert set(arguments) == set(stated)
        given = stated.get("constraints")
        assert type(arguments.get("constraints")) is type(given)
        if isinstance(given, list):
            assert [type(one) for one in arguments["constraints"]] == [type(one) for one in given]
        for name in ("weight_bounds", "divergence"):
            assert arguments.get(name) == stated.get(name)
        assert PROJECTION.what_if(**arguments).gap <= 1e-9


def test_dates_are_named_first():
    projection = fit_projection(X.assign(day=pd.date_range("2020", periods=N)))
    for stated in ({"day": "2020-05-01"}, [Mean("day", 3.0)], [{"day": None}], [Mean("age", 45), {"day": 1}]):
        with refuses(DataError, "'day'", "dates", "dt.days"):
            projection.what_if(stated)
    with refuses(DataError, "'day'", "dates", "where"):
        projection.what_if([Mean("age", 45, where={"day": "2020-05-01"})])


def test_outcome_without_a_model_has_rates_of_selection():
    projection = EntropicProjection().fit(X, Y.astype(str))
    from agnostix import SelectionRate

    scenario = projection.what_if([SelectionRate(0.6)])
    assert scenario.weights @ (Y == 1) / N == pytest.approx(0.6, abs=1e-10)


def test_recorded_probability_is_that_of_the_prediction():
    assert PROJECTION.what_if([Prediction("+0")]).conditions["before"][0] == pytest.approx(chance(X).mean())
