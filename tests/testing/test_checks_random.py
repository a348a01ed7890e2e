"""Random cases: they are determined by their seed, and catch explainers that break an invariant."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.testing import Case, check_case, check_random_case, random_case
from agnostix.testing.random_cases import random_groups, random_table, random_weights
from tests.messages import assert_states, refuses
from tests.testing import broken

SMALL = Case("numpy", "interaction", 3, 6, 4, True, False, 2, 0.0005, seed=12)
FORMS = {
    "numpy": np.ndarray,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "mixed objects": np.ndarray,
    "mixed pandas": pd.DataFrame,
    "mixed polars": pl.DataFrame,
}


def test_random_case_is_determined_by_seed():
    assert random_case(np.random.default_rng(5)) == random_case(np.random.default_rng(5))
    cases = [random_case(np.random.default_rng(seed)) for seed in range(200)]
    assert {case.form for case in cases} == set(FORMS)
    assert Counter(case.n_jobs for case in cases).keys() == {1, 2}
    assert all(1 <= case.n_columns <= 5 and 2 <= case.n_fitted <= 12 for case in cases)


@pytest.mark.parametrize("form", FORMS)
def test_random_table_is_determined_by_case_and_seed(form):
    case = replace(SMALL, form=form, n_columns=5)
    tables = [random_table(case, np.random.default_rng(3)) for _ in range(2)]
    assert isinstance(tables[0], FORMS[form])
    assert tables[0].shape == (10, 5)
    pd.testing.assert_frame_equal(*(pd.DataFrame(np.asarray(table, dtype=object)) for table in tables))


def test_random_table_mixed_has_all_dtypes_and_missing_values():
    case = replace(SMALL, form="mixed pandas", n_columns=5)
    tables = [random_table(case, np.random.default_rng(seed)) for seed in range(30)]
    assert {kind for table in tables for kind in (dtype.kind for dtype in table.dtypes)} >= set("fibMO")
    assert any(table.isna().any(axis=None) for table in tables)


def test_random_groups_and_weights_only_if_case_has_them():
    rng = np.random.default_rng(0)
    assert random_groups(SMALL, rng) is None
    groups = random_groups(replace(SMALL, grouped=True, n_columns=5), rng)
    members = [name for names in groups.values() for name in names]
    assert len(members) == len(set(members)) >= 1
    assert (random_weights(SMALL, rng) > 0).all()
    assert random_weights(replace(SMALL, weighted=False), rng) is None


@pytest.mark.parametrize(
    ("broken_by", "facts"),
    [
        (broken.DependsOnWorkingMemory, ["other n_jobs and working_memory", "values"]),
        (broken.DependsOnNJobs, ["other n_jobs and working_memory", "values"]),
        (broken.DependsOnFirstRow, ["explained alone", "values"]),
        (broken.SamplesInExplain, ["other n_jobs and working_memory", "values"]),
        (broken.MiscountsModelRows, ["n_model_rows"]),
        (broken.StatesNoCost, ["cost was 0"]),
        (broken.ClaimsCompleteness, ["sum of values", "outputs - base_values"]),
        (broken.GivesInvalidStdErrors, ["std_errors", "NaN"]),
        (broken.WritesIntoTable, ["ndarray", "changed"]),
        (broken.DependsOnContainer, ["pandas", "values"]),
    ],
)
def test_check_case_catches_broken_attribution_explainer(broken_by, facts):
    explainer = broken.broken(broken_by, OcclusionExplainer)(None)
    with pytest.raises(AssertionError) as error:
        check_case(explainer, SMALL)
    case = f"{SMALL}: "
    assert str(error.value).startswith(case)
    assert_states(str(error.value).removeprefix(case), *facts)


@pytest.mark.parametrize(
    ("model", "broken_by", "facts"),
    [
        ("constant", broken.AddsRoundingError, ["constant model", "values", "0"]),
        ("probabilities", broken.ShiftsFirstOutput, ["sum of values over outputs", "0.0"]),
        ("ignoring", broken.AddsToValues, ["ignored feature"]),
    ],
)
def test_check_case_catches_values_that_contradict_model(model, broken_by, facts):
    explainer = broken.broken(broken_by, OcclusionExplainer)(None)
    case = replace(SMALL, model=model)
    with pytest.raises(AssertionError) as error:
        check_case(explainer, case)
    assert_states(str(error.value).removeprefix(str(case)), *facts)


@pytest.mark.parametrize(
    ("broken_by", "facts"),
    [
        (broken.DependsOnFirstRow, ["rows in another order", "curves.value"]),
        (broken.DependsOnWorkingMemory, ["another working_memory", "curves.value"]),
        (broken.SamplesInExplain, ["rows in another order", "curves.value"]),
        (broken.WritesIntoTable, ["rows in another order"]),
        (broken.DependsOnContainer, ["pandas", "curves.value"]),
    ],
)
def test_check_case_catches_broken_population_explainer(broken_by, facts):
    explainer = broken.broken(broken_by, EntropicProjection)(None)
    with pytest.raises(AssertionError) as error:
        check_case(explainer, SMALL)
    assert_states(str(error.value).removeprefix(str(SMALL)), *facts)


@pytest.mark.parametrize("base", [OcclusionExplainer, EntropicProjection])
def test_check_case_catches_broken_pickle(base):
    explainer = broken.broken(broken.LosesStateInPickle, base)
    with refuses(AssertionError, "round trip through pickle"):
        check_case(explainer(None), SMALL)


def test_check_random_case_error_states_case():
    explainer = broken.broken(broken.HidesCause, OcclusionExplainer)(None, background_size=-1)
    with pytest.raises(AssertionError, match=r"^Case\(.*\): ValueError: Something went wrong\.$"):
        check_random_case(explainer, 0)
