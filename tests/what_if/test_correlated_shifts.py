import numpy as np
import pytest

from agnostix import EntropicProjection
from agnostix.what_if.correlated_shifts import CorrelatedShifts
from tests.what_if.doubles import fit_projection, people

X = people()


@pytest.mark.parametrize(
    ("feature", "level", "targets"),
    [("age", None, [36.0, 45.0]), ("job", "farmer", [0.1, 0.4]), ("sex", "Male", [0.5, 0.8])],
)
def test_correlated_shifts_match_scenario_shifts(feature, level, targets):
    projection = fit_projection(X)
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((found, others, shifts),) = correlated.along(feature, {level: np.array(targets)})
    assert found == level
    assert {name for name, _ in others} == set(X) - {feature}
    for target, row in zip(targets, shifts, strict=True):
        scenario = projection.what_if({feature: target if level is None else {level: target}})
        for (name, other), shift in zip(others, row, strict=True):
            told = scenario.shifts[scenario.shifts["feature"] == name]
            told = told if other is None else told[told["level"].astype(str) == other]
            assert shift == pytest.approx(told["shift"].iloc[0], abs=1e-9)


def test_correlated_shifts_keep_most_frequent_levels():
    X_ = X.assign(town=[f"t{min(i % 40, 25):02d}" for i in range(len(X))])
    projection = fit_projection(X_)
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_, max_levels=4)
    towns = [level for name, level in correlated.names if name == "town"]
    assert len(towns) == 4
    assert towns[0] == "t25"


def test_correlated_shifts_of_single_column_are_empty():
    projection = EntropicProjection().fit(X[["age"]], predictions=X["age"])
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((_, others, shifts),) = correlated.along("age", {None: np.array([40.0, 41.0])})
    assert (others, shifts.shape) == ([], (2, 0))


def test_correlated_shifts_treat_missing_as_unmoved():
    X_ = X.assign(hours=X["hours"].where(np.arange(len(X)) % 2 == 0))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=X["age"])
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((_, others, shifts),) = correlated.along("age", {None: np.array([45.0])})
    weights = projection.what_if({"age": 45}).weights
    hours = X_["hours"].to_numpy()
    z = np.nan_to_num((hours - np.nanmean(hours)) / np.nanstd(hours))
    assert shifts[0, others.index(("hours", None))] == pytest.approx(weights @ z / len(X), abs=1e-10)
