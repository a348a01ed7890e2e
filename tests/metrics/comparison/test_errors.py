"""What cannot be compared, and what the messages say."""

import numpy as np
import pandas as pd
import pytest

from agnostix import KernelShapExplainer, OcclusionExplainer
from agnostix.exceptions import DataError
from agnostix.metrics import MetricResult, compare_explainers
from tests.messages import refuses
from tests.metrics.comparison.test_explainers import (
    BACKGROUND,
    EXPLANATIONS,
    PREDICTED,
    TABLE,
    TRUE,
    WEIGHTS,
    model,
)
from tests.metrics.explanations import of_maps, of_table

NAMES = ("a", "b")
BOTH = np.concatenate([PREDICTED, -PREDICTED], axis=1)


def two_outputs(X):
    return np.stack([X @ WEIGHTS, -(X @ WEIGHTS)], axis=1)


def compare(explainers, **options):
    return compare_explainers(model, TABLE, explainers, **{"masker": BACKGROUND} | options)


@pytest.mark.parametrize("explainers", [{"a": TRUE}, [TRUE, TRUE], TRUE, {}])
def test_fewer_than_two(explainers):
    with refuses(DataError, "'explainers' of compare_explainers", "at least two", "dict"):
        compare(explainers)


def test_what_does_not_explain():
    with refuses(DataError, "'b'", "fitted explainer or an Explanation", "int"):
        compare({"a": TRUE, "b": 3})
    with refuses(DataError, "'b'", "not fitted", "OcclusionExplainer", "fit(X_train)"):
        compare({"a": TRUE, "b": OcclusionExplainer(model)})


def test_other_rows_and_models():
    with refuses(DataError, "'b' has 3", "'a' has 24"):
        compare({"a": TRUE, "b": TRUE[:3]})
    with refuses(DataError, "'b' in compare_explainers", "row 0", "other rows"):
        compare({"a": TRUE, "b": TRUE[::-1]})
    other = of_table(TRUE.values, TABLE, PREDICTED + 1.0)
    with refuses(DataError, "'b' in compare_explainers", "another model", "a difference of 1"):
        compare({"a": TRUE, "b": other})


def test_other_units():
    grouped = of_table(TRUE.values[:, :4], TABLE[:, :4], PREDICTED)
    with refuses(DataError, "'b' has 4", "'a' has 6", "feature_groups"):
        compare({"a": TRUE, "b": grouped})
    maps = of_maps(np.random.default_rng(0).normal(size=(24, 2, 3, 1)), PREDICTED)
    with refuses(DataError, "'a' of columns", "'b' of pixels"):
        compare({"a": TRUE, "b": maps})
    small = of_maps(np.random.default_rng(0).normal(size=(24, 2, 2, 1)), PREDICTED)
    with refuses(DataError, "'b' has 2 (2, 2)", "'a' has 2 (2, 3)"):
        compare({"a": maps, "b": small})


def test_other_outputs():
    values = np.random.default_rng(0).normal(size=(24, 6, 2))
    one, other, both = (
        of_table(values[..., own], TABLE, BOTH[:, own], tuple(np.array(NAMES)[own]))
        for own in ([0], [1], [0, 1])
    )
    with refuses(DataError, "same output", "row 0", "'two' is of 'output_1'", "'one' of 'output_0'"):
        compare_explainers(
            two_outputs,
            TABLE,
            {
                "one": of_table(one.values, TABLE, BOTH[:, :1], ("output_0",)),
                "two": of_table(other.values, TABLE, BOTH[:, 1:], ("output_1",)),
            },
            masker=BACKGROUND,
        )
    with refuses(DataError, "one output at a time", "2 are chosen", "a, b"):
        compare_explainers(
            two_outputs, TABLE, {"one": both, "two": both}, outputs=["a", "b"], masker=BACKGROUND
        )


def test_coefficients_are_refused_with_a_way_out():
    other = of_table(TRUE.values, TABLE, PREDICTED, quantity="coefficient")
    with refuses(DataError, "'b' in compare_explainers", "coefficients", "coef_x"):
        compare({"a": TRUE, "b": other})


@pytest.mark.parametrize(
    ("options", "error", "facts"),
    [
        ({"metrics": ["delletion"]}, DataError, ("'delletion'", "Did you mean 'deletion'?")),
        ({"metrics": []}, DataError, ("metrics", "empty")),
        ({"metrics": 3}, DataError, ("metrics", "int")),
        ({"metrics": ["deletion", "deletion"]}, DataError, ("'deletion'", "2 times", "dict")),
        ({"metrics": ["average_drop"]}, DataError, ("average_drop", "columns", "sufficiency")),
        ({"metrics": ["avg_sensitivity"]}, DataError, ("avg_sensitivity", "fitted explainer", "'true'")),
        ({"metrics": [lambda model, X, exp: 3.0]}, TypeError, ("MetricResult", "float")),
        ({"k": 0}, DataError, ("'k'", "at least 1", "0")),
        ({"level": 95}, ValueError, ("level", "between 0 and 1", "95")),
        ({"random_state": -1}, DataError, ("'random_state'", "-1")),
    ],
)
def test_bad_parameters(options, error, facts):
    with refuses(error, *facts):
        compare(EXPLANATIONS, **options)


def test_metrics_of_several_outputs_and_that_differ_by_explanation():
    def result_of(scores, **fields):
        known = {"name": "m", "greater_is_better": True, "made_for": (), "quantity": "contribution"}
        return MetricResult(scores=scores, **known | fields)

    def several(model, X, explanation):
        return result_of(np.zeros((24, 2)), output_names=("a", "b"))

    with refuses(DataError, "several", "24 rows", "(24, 2)"):
        compare(EXPLANATIONS, metrics=[several])

    def own(model, X, explanation):
        return result_of(np.arange(24.0), params={"how": "this" if explanation is TRUE else "that"})

    with refuses(DataError, "own", "how='this'", "'true'", "how='that'", "functools.partial"):
        compare(EXPLANATIONS, metrics=[own])


def test_remedy_for_grouped_columns_works():
    X = pd.DataFrame(TABLE, columns=list("abcdef"))
    groups = {"first": ["a", "b"]}
    one = KernelShapExplainer(model, feature_groups=groups, random_state=0).fit(X)
    other = OcclusionExplainer(model, random_state=0).fit(X)
    with refuses(DataError, "feature_groups", "'occlusion' has 6", "'Shapley' has 5"):
        compare_explainers(model, X, {"Shapley": one, "occlusion": other})
    other = OcclusionExplainer(model, feature_groups=groups, random_state=0).fit(X)
    found = compare_explainers(model, X, {"Shapley": one, "occlusion": other}, metrics=["deletion"])
    assert len(found.to_frame()) == 2
