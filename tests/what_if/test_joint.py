import numpy as np
import pytest

from tests.messages import refuses
from tests.what_if.doubles import fit_projection, people, select_rows, truth

X = people()


@pytest.mark.parametrize(
    ("first", "second"), [("age", "hours"), ("age", ("job", "farmer")), (("sex", "Male"), ("job", "clerk"))]
)
def test_joint_cell_matches_what_if(first, second):
    projection = fit_projection(X, truth(X))
    cells = projection.joint(first, second, n_targets=5)
    assert len(cells) == 25
    for _, cell in cells.iloc[[0, 4, 7, 12, 13, 24]].iterrows():
        question = {}
        for place, target in ((first, cell["first_target"]), (second, cell["second_target"])):
            name, level = place if isinstance(place, tuple) else (place, None)
            question[name] = target if level is None else {level: target}
        if cell["status"] == "infeasible":
            with pytest.raises(ValueError, match="No row lies as far"):
                projection.what_if(question)
            continue
        scenario = projection.what_if(question)
        outcome = scenario.outcomes.iloc[0]
        for name in ("value", "std_error", "low", "high"):
            assert cell[name] == pytest.approx(outcome[name], rel=1e-6)
        for name in ("kl", "ess", "max_weight"):
            assert cell[name] == pytest.approx(getattr(scenario, name), rel=1e-6, abs=1e-12)
        assert cell["status"] == scenario.status


def test_joint_uses_default_targets_of_both():
    projection = fit_projection(X, n_targets=5)
    cells = projection.joint("age", ("job", "farmer"), n_targets=5)
    curves = projection.explain(features=["age", "job"]).frame
    for column, curve in (
        ("first_target", select_rows(curves, feature="age")),
        ("second_target", select_rows(curves, level="farmer")),
    ):
        np.testing.assert_allclose(np.unique(cells[column]), curve["target"], rtol=1e-9)
    assert cells[["first_target", "second_target"]].apply(tuple, axis=1).is_monotonic_increasing


def test_joint_infeasible_cells_are_nan():
    X_ = X.assign(twin=X["age"] + 0.01 * X["hours"])
    cells = fit_projection(X_).joint("age", "twin", n_targets=3)
    beyond = cells["status"] == "infeasible"
    assert beyond.tolist() == [False, True, True, True, False, True, True, True, False]
    numbers = ["value", "std_error", "low", "high", "kl", "ess", "max_weight"]
    assert cells.loc[beyond, numbers].isna().all(axis=None)
    assert cells.loc[~beyond, numbers].notna().all(axis=None)


@pytest.mark.parametrize(
    ("first", "second", "n_targets", "facts"),
    [
        ("job", "age", 3, ["'job'", "labels", "('job', level)", "'clerk', 'farmer', 'teacher'"]),
        (("job", "pilot"), "age", 3, ["'job'", "no level 'pilot'", "'clerk', 'farmer', 'teacher'"]),
        ("height", "age", 3, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ("hours", "age", 1, ["'n_targets' parameter of joint", "int of 2 or more", "got 1"]),
        ("hours", "age", 2.5, ["'n_targets' parameter of joint", "int of 2 or more", "got 2.5"]),
        (("age", "old"), "hours", 3, ["'age'", "holds numbers", "'old'"]),
        (("gain", -1), "hours", 3, ["'gain'", "no row with the value -1"]),
    ],
)
def test_joint_refuses_bad_features_and_n_targets(first, second, n_targets, facts):
    with refuses(ValueError, *facts):
        fit_projection(X).joint(first, second, n_targets=n_targets)
