"""Parameters of any size and type of number: named, or as a plain number of their value."""

from fractions import Fraction

import numpy as np
import pytest

from agnostix import EntropicProjection, LimeExplainer, MimicTree
from agnostix.exceptions import DataError
from agnostix.testing import AdditiveModel, all_explainers
from agnostix.testing.harness import assert_identical, fit_clone, make_rows, results, takes_tables
from agnostix.testing.tables import numbers
from tests.common.test_explainers import NEEDS_OPERATIONS, SMALL
from tests.messages import refuses

EXPLAINERS = [
    explainer(None, **SMALL.get(name, {}))
    for name, explainer in all_explainers()
    if name not in NEEDS_OPERATIONS
]
OF_TABLES = [one for one in EXPLAINERS if takes_tables(one)]
WITH_JOBS = [one for one in EXPLAINERS if "n_jobs" in one.get_params(deep=False)]
X = numbers(24, 3)


@pytest.mark.parametrize("explainer", WITH_JOBS, ids=str)
def test_no_jobs_are_refused_by_name(explainer):
    with refuses(ValueError, "'n_jobs'", "0"):
        fit_clone(explainer, AdditiveModel(), make_rows(explainer), n_jobs=0)


# Relevance of the double nearly cancels.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("explainer", WITH_JOBS, ids=str)
def test_jobs_of_a_small_type_are_those_of_an_int(explainer):
    rows = make_rows(explainer)
    one, other = (fit_clone(explainer, AdditiveModel(), rows, n_jobs=n) for n in (1, np.int8(1)))
    assert_identical(results(other, rows), results(one, rows), "n_jobs of int8")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda n: LimeExplainer(AdditiveModel(), n_samples=n), "n_samples"),
        (lambda n: EntropicProjection(AdditiveModel(), n_targets=n), "n_targets"),
        (lambda n: MimicTree(AdditiveModel(), max_leaf_nodes=n), "max_leaf_nodes"),
    ],
    ids=["LIME", "EntropicProjection", "MimicTree"],
)
@pytest.mark.parametrize("size", [2**62, 10**30])
def test_sizes_beyond_any_memory_are_refused_by_name(make, name, size):
    with refuses(ValueError, f"'{name}'", str(size)):
        make(size).fit(X)


def test_number_of_samples_of_a_small_type():
    one, other = (LimeExplainer(AdditiveModel(), n_samples=n, random_state=0) for n in (100, np.int8(100)))
    np.testing.assert_array_equal(one.fit(X).explain(X).values, other.fit(X).explain(X).values)


@pytest.mark.parametrize(
    "huge", [10**400, -(10**400), Fraction(10**400)], ids=["int", "negative", "fraction"]
)
def test_targets_weights_and_outcomes_beyond_double_precision_are_refused(huge):
    projection = EntropicProjection(AdditiveModel()).fit(X)
    with refuses(ValueError, "'x0'", "must be a number or a pair"):
        projection.what_if({"x0": huge})
    with refuses(ValueError, "prediction", "must be a number or a pair"):
        projection.what_if(prediction=huge)
    for explainer in OF_TABLES:
        with refuses(DataError, "sample_weight"):
            fit_clone(explainer, AdditiveModel(), X, [huge, *[1.0] * 23])
    with refuses(DataError, "predictions must be"):
        EntropicProjection().fit(X, predictions=np.array([huge, *[1.0] * 23], dtype=object))


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_predictions_beyond_double_precision_are_refused(explainer):
    def model(Z):
        return [10**400] * len(Z)

    with pytest.raises(ValueError, match="The model model returned"):
        fit_clone(explainer, model, X)


def test_failing_sampler_of_synthetic_rows_is_named():
    def sampler(n, rng):
        raise KeyError("price")

    with refuses(DataError, "'synthetic' sampler of MimicTree failed", "KeyError", "sampler(n, rng)"):
        MimicTree(AdditiveModel(), synthetic=sampler).fit(X)
