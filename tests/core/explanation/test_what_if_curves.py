import re

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, WhatIfCurves
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
Y = truth(X)


@pytest.fixture(scope="module")
def curves():
    both = np.column_stack([1.0 - chance(X), chance(X)])
    projection = EntropicProjection(n_targets=3).fit(X, Y, predictions=both)
    return projection.explain(metric=["prediction", "accuracy"], by="sex")


def test_curves_print_their_features_and_size(curves):
    assert repr(curves) == f"WhatIfCurves(5 features: age, hours, gain, job, member; {len(curves)} rows)"
    assert len(curves) == len(curves.frame) == 2 * 3 * 3 * (3 + 3 + 2)


def test_a_long_list_of_features_is_cut_short():
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 8)))
    told = repr(EntropicProjection(n_targets=3).fit(wide, predictions=wide[0]).explain())
    assert told == "WhatIfCurves(8 features: 0, 1, 2, 3, 4, 5, ...; 24 rows)"


def test_the_table_is_a_copy(curves):
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
def test_selecting_keeps_what_was_named_and_all_of_it(curves, wanted, column, kept):
    found = curves.sel(**wanted)
    assert isinstance(found, WhatIfCurves)
    assert set(found.frame[column]) == set(kept)
    assert len(found) == curves.frame[column].isin(kept).sum()
    assert found.frame.index.tolist() == list(range(len(found)))
    assert (found.params, found.n_model_rows) == (curves.params, curves.n_model_rows)


def test_selecting_follows_through_to_the_histograms(curves):
    found = curves.sel(features="age", groups="Male").distributions
    assert set(found["feature"]) == {"age"}
    assert set(found["group"]) == {"Male"}
    assert len(curves.sel(outputs="1").distributions) == len(curves.distributions)


def test_selecting_by_several_names_at_once_is_selecting_one_after_the_other(curves):
    at_once = curves.sel(features="age", outputs="1", groups="Male")
    stepwise = curves.sel(groups="Male").sel(outputs="1").sel(features="age")
    pd.testing.assert_frame_equal(at_once.frame, stepwise.frame)
    assert len(at_once) == 3


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"features": "height"}, "No feature 'height' here. There are: age, hours, gain, job, member."),
        ({"outputs": 1}, "No output 1 here. There are: 0, 1, None."),
        ({"quantities": "r2"}, "No quantity 'r2' here. There are: prediction, accuracy."),
        ({"groups": "Other"}, "No group 'Other' here. There are: Female, Male."),
    ],
    ids=str,
)
def test_a_name_that_nothing_bears_is_refused_with_those_that_there_are(curves, wanted, message):
    with pytest.raises(KeyError, match=re.escape(message)):
        curves.sel(**wanted)


def test_curves_remember_how_they_came_about():
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
