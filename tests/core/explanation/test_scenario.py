import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from agnostix import Scenario
from tests.what_if.doubles import fit_projection, people, truth

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


def test_scenario_tables_have_documented_columns():
    scenario = fit_projection(X, Y).what_if({"age": 45})
    assert list(scenario.conditions) == ["feature", "level", "low", "high", "before", "reached", "multiplier"]
    assert list(scenario.outcomes) == [
        *("quantity", "output", "base", "value", "std_error", "low", "high"),
        *("change", "change_std_error", "change_low", "change_high"),
    ]
    assert list(scenario.shifts) == [
        *("feature", "level", "before", "after", "shift", "std_error", "low", "high", "stated")
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
