import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, WhatIfCurves
from tests.messages import refuses
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
Y = truth(X)


@pytest.fixture(scope="module")
def curves():
    both = np.column_stack([1.0 - chance(X), chance(X)])
    projection = EntropicProjection(n_targets=3).fit(X, Y, predictions=both)
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
    curves = fit_projection(X, Y, confidence_level=0.9, n_targets=3).explain(features="age")
    assert curves.params == {
        "n_targets": 3,
        "quantiles": (0.05, 0.95),
        "confidence_level": 0.9,
        "min_ess_fraction": 0.2,
        "missing": "warn",
        "verbose": 0,
    }
    assert (curves.kind, curves.method) == ("reweighting", "EntropicProjection")
