"""Random cases: they are what they say, and they catch what is broken."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.testing import Case, check_case, check_random_case, random_case
from agnostix.testing.random_tables import random_groups, random_table, random_weights
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
    drawn = [random_case(np.random.default_rng(seed)) for seed in range(200)]
    assert {case.form for case in drawn} == set(FORMS)
    assert Counter(case.n_jobs for case in drawn).keys() == {1, 2}
    assert all(1 <= case.n_columns <= 5 and 2 <= case.n_fitted <= 12 for case in drawn)


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
    ("broken_by", "message"),
    [
        (broken.LooksAtTheMemory, "another cut of the work: values"),
        (broken.CountsWorkers, "another cut of the work: values"),
        (broken.LooksAtTheFirstRow, "alone: values"),
        (broken.DrawsAgain, "another cut of the work: values"),
        (broken.Miscounts, "and n_model_rows is"),
        (broken.IsFree, "and cost said 0"),
        (broken.SaysAdditive, "values miss outputs less base values"),
        (broken.OffByNothingButNaN, "std_errors hold NaN or infinity"),
        (broken.WritesIntoTheTable, "the ndarray that was given is changed"),
        (broken.PrefersFrames, "the table in pandas: values"),
    ],
)
def test_check_case_catches_broken_attribution_explainer(broken_by, message):
    explainer = broken.broken(broken_by, OcclusionExplainer)(None)
    with pytest.raises(
        AssertionError, match=r"^Case\(form='numpy', model='interaction', .*seed=12\): "
    ) as error:
        check_case(explainer, SMALL)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("model", "broken_by", "message"),
    [
        ("constant", broken.OffByALittle, "under a constant model, values must be 0"),
        ("probabilities", broken.FirstOutputAlone, "over the outputs, values miss 0.0 by"),
        ("ignoring", broken.OffBy, "an ignored feature has a value"),
    ],
)
def test_check_case_catches_values_that_contradict_model(model, broken_by, message):
    explainer = broken.broken(broken_by, OcclusionExplainer)(None)
    with pytest.raises(AssertionError, match=message):
        check_case(explainer, replace(SMALL, model=model))


@pytest.mark.parametrize(
    ("broken_by", "message"),
    [
        (broken.LooksAtTheFirstRow, "the rows in another order: curves.value"),
        (broken.LooksAtTheMemory, "another working memory: curves.value"),
        (broken.DrawsAgain, "the rows in another order: curves.value"),
        (broken.WritesIntoTheTable, "the rows in another order"),
        (broken.PrefersFrames, "the table in pandas: curves.value"),
    ],
)
def test_check_case_catches_broken_population_explainer(broken_by, message):
    explainer = broken.broken(broken_by, EntropicProjection)(None)
    with pytest.raises(AssertionError) as error:
        check_case(explainer, SMALL)
    assert message in str(error.value)


@pytest.mark.parametrize("base", [OcclusionExplainer, EntropicProjection])
def test_check_case_catches_broken_pickle(base):
    explainer = broken.broken(broken.PicklesBadly, base)
    with pytest.raises(AssertionError, match="a round trip through pickle"):
        check_case(explainer(None), SMALL)


def test_check_random_case_error_states_case():
    explainer = broken.broken(broken.SaysNoMore, OcclusionExplainer)(None, background_size=-1)
    with pytest.raises(AssertionError, match=r"^Case\(.*\): ValueError: Something went wrong\.$"):
        check_random_case(explainer, 0)
