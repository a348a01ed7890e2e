import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from agnostix import EntropicProjection, Margins, Mean, Scenario, Variance, WhatIfCurves
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()


Y = truth(X)


def test_scenario_repr_states_constraints_and_outcomes():
    scenario = fit_projection(X, Y).what_if(
        {"age": 45, "hours": (42, 44), "sex": {"Female": 0.5}}, metric="accuracy"
    )
    lines = repr(scenario).splitlines()
    assert lines[0] == (
        f"Scenario(age: 45, hours: 42..44, sex=Female: 0.5; status='ok', "
        f"kl={scenario.kl:.3g}, ess={scenario.ess:.0f})"
    )
    assert lines[1].split() == ["quantity", "output", "base", "value", "low", "high"]
    assert lines[2].split()[:2] == ["prediction", "1"]
    assert lines[3].split()[:2] == ["accuracy", "None"]


def test_scenario_repr_states_stressed_output():
    assert repr(fit_projection(X, Y).what_if(prediction=0.5)).startswith(
        "Scenario(prediction=1: 0.5; status="
    )
    assert repr(fit_projection(X, Y).what_if(error_rate=(0.4, 0.5))).startswith(
        "Scenario(error_rate: 0.4..0.5; status="
    )


def test_scenario_repr_has_kinds_notes_and_the_first_of_many_conditions():
    lines = repr(
        fit_projection(X, Y).what_if([Mean("age", 45, penalty=3.0), Variance("hours", (20.0, 30.0))])
    ).splitlines()
    assert lines[0].startswith("Scenario(age: ~45, variance of hours: 20..30; status=")
    assert lines[-1] == f"The mean of hours is held at the data's {X['hours'].mean():.6g}."
    cells = pd.crosstab(X["job"], np.arange(len(X)) % 6).rename_axis(columns="turn") + 1
    scenario = fit_projection(X.assign(turn=np.arange(len(X)) % 6), Y).what_if([Margins(cells)])
    title = repr(scenario).splitlines()[0]
    assert title.count("share of job") == 12
    assert ", ... (18 in all); status=" in title
    assert f"The totals of job, turn sum to {len(X) + 18}" in scenario._repr_html_()


def test_scenario_tables_have_documented_columns():
    scenario = fit_projection(X, Y).what_if({"age": 45})
    assert list(scenario.conditions) == [
        *("feature", "level", "low", "high", "before", "reached", "multiplier"),
        *("kind", "where", "penalty", "role", "label"),
    ]
    assert list(scenario.outcomes) == [
        *("quantity", "output", "base", "value", "std_error", "low", "high"),
        *("change", "change_std_error", "change_low", "change_high", "status", "design_effect"),
    ]
    assert list(scenario.shifts) == [
        *("feature", "level", "before", "after", "shift", "std_error", "low", "high", "stated", "rank")
    ]
    assert scenario.confidence_level == 0.95


def test_scenario_weights_serve_as_sample_weight():
    scenario = fit_projection(X, Y).what_if({"age": 45})
    model = LogisticRegression().fit(X[["age", "hours"]], Y, sample_weight=scenario.weights)
    assert model.coef_.shape == (1, 2)
    assert scenario.weights.shape == (len(X),)


def test_scenario_is_frozen():
    scenario = fit_projection(X, Y).what_if({"age": 45})
    with pytest.raises(AttributeError):
        scenario.kl = 0.0
    assert isinstance(scenario, Scenario)
    assert isinstance(scenario.outcomes, pd.DataFrame)
    assert np.isscalar(scenario.gap)


CURVES_X = people()


CURVES_Y = truth(CURVES_X)


@pytest.fixture(scope="module")
def curves():
    both = np.column_stack([1.0 - chance(CURVES_X), chance(CURVES_X)])
    projection = EntropicProjection(n_targets=3).fit(CURVES_X, CURVES_Y, predictions=both)
    return projection.explain(metric=["prediction", "accuracy"], by="sex")


def test_curves_repr_states_features_and_size(curves):
    assert repr(curves) == f"WhatIfCurves(5 features: age, hours, gain, job, member; {len(curves)} rows)"
    assert len(curves) == len(curves.frame) == 2 * 3 * 3 * (3 + 3 + 2)


def test_curves_repr_cuts_long_list_of_features():
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 8)))
    told = repr(EntropicProjection(n_targets=3).fit(wide, predictions=wide[0]).explain())
    assert told == "WhatIfCurves(8 features: 0, 1, 2, 3, 4, 5, ...; 24 rows)"


def test_to_frame_is_a_copy(curves):
    frame = curves.to_frame()
    pd.testing.assert_frame_equal(frame, curves.frame)
    frame["value"] = 0.0
    assert (curves.frame["value"] != 0.0).any()


@pytest.mark.parametrize(
    ("wanted", "column", "kept"),
    [
        ({"features": "age"}, "feature", ["age"]),
        ({"features": ["age", "job"]}, "feature", ["age", "job"]),
        ({"outputs": "1"}, "output", ["1"]),
        ({"quantities": ("accuracy",)}, "quantity", ["accuracy"]),
        ({"groups": "Male"}, "group", ["Male"]),
    ],
    ids=str,
)
def test_sel_keeps_all_rows_of_named_values(curves, wanted, column, kept):
    found = curves.sel(**wanted)
    assert isinstance(found, WhatIfCurves)
    assert set(found.frame[column]) == set(kept)
    assert len(found) == curves.frame[column].isin(kept).sum()
    assert found.frame.index.tolist() == list(range(len(found)))
    assert (found.params, found.n_model_rows) == (curves.params, curves.n_model_rows)


def test_sel_filters_distributions(curves):
    found = curves.sel(features="age", groups="Male").distributions
    assert set(found["feature"]) == {"age"}
    assert set(found["group"]) == {"Male"}
    assert len(curves.sel(outputs="1").distributions) == len(curves.distributions)


def test_sel_several_at_once_equals_one_after_another(curves):
    at_once = curves.sel(features="age", outputs="1", groups="Male")
    stepwise = curves.sel(groups="Male").sel(outputs="1").sel(features="age")
    pd.testing.assert_frame_equal(at_once.frame, stepwise.frame)
    assert len(at_once) == 3


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        ({"features": "height"}, ["feature 'height'", "age, hours, gain, job, member"]),
        ({"outputs": 1}, ["output 1", "0, 1, None"]),
        ({"quantities": "r2"}, ["quantity 'r2'", "prediction, accuracy"]),
        ({"groups": "Other"}, ["group 'Other'", "Female, Male"]),
    ],
    ids=str,
)
def test_sel_refuses_unknown_name_and_lists_known(curves, wanted, facts):
    with refuses(KeyError, *facts):
        curves.sel(**wanted)


def test_curves_keep_params_and_method():
    curves = fit_projection(CURVES_X, CURVES_Y, confidence_level=0.9, n_targets=3).explain(features="age")
    assert curves.params == {
        "n_targets": 3,
        "quantiles": (0.05, 0.95),
        "confidence_level": 0.9,
        "min_ess_fraction": 0.2,
        "std_errors": "delta",
        "n_bootstrap": 1_000,
        "random_state": None,
        "n_jobs": None,
        "missing": "warn",
        "verbose": 0,
    }
    assert (curves.kind, curves.method) == ("reweighting", "EntropicProjection")
