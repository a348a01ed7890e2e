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
    ("broken_by", "facts"),
    [
        (broken.LooksAtTheMemory, ["another cut of the work", "values"]),
        (broken.CountsWorkers, ["another cut of the work", "values"]),
        (broken.LooksAtTheFirstRow, ["alone", "values"]),
        (broken.DrawsAgain, ["another cut of the work", "values"]),
        (broken.Miscounts, ["n_model_rows"]),
        (broken.IsFree, ["cost", "0"]),
        (broken.SaysAdditive, ["values", "outputs", "base values"]),
        (broken.OffByNothingButNaN, ["std_errors", "NaN"]),
        (broken.WritesIntoTheTable, ["ndarray", "changed"]),
        (broken.PrefersFrames, ["pandas", "values"]),
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
        ("constant", broken.OffByALittle, ["constant model", "values", "0"]),
        ("probabilities", broken.FirstOutputAlone, ["over the outputs", "values", "0.0"]),
        ("ignoring", broken.OffBy, ["ignored feature"]),
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
        (broken.LooksAtTheFirstRow, ["rows in another order", "curves.value"]),
        (broken.LooksAtTheMemory, ["another working memory", "curves.value"]),
        (broken.DrawsAgain, ["rows in another order", "curves.value"]),
        (broken.WritesIntoTheTable, ["rows in another order"]),
        (broken.PrefersFrames, ["pandas", "curves.value"]),
    ],
)
def test_check_case_catches_broken_population_explainer(broken_by, facts):
    explainer = broken.broken(broken_by, EntropicProjection)(None)
    with pytest.raises(AssertionError) as error:
        check_case(explainer, SMALL)
    assert_states(str(error.value).removeprefix(str(SMALL)), *facts)


@pytest.mark.parametrize("base", [OcclusionExplainer, EntropicProjection])
def test_check_case_catches_broken_pickle(base):
    explainer = broken.broken(broken.PicklesBadly, base)
    with refuses(AssertionError, "round trip through pickle"):
        check_case(explainer(None), SMALL)


def test_check_random_case_error_states_case():
    explainer = broken.broken(broken.SaysNoMore, OcclusionExplainer)(None, background_size=-1)
    with pytest.raises(AssertionError, match=r"^Case\(.*\): ValueError: Something went wrong\.$"):
        check_random_case(explainer, 0)
