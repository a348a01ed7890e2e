"""Every check can fail: each catches an explainer that breaks its word."""

import inspect
import re
from pathlib import Path
from unittest import SkipTest

import pytest

from agnostix import EntropicProjection, OcclusionExplainer
from agnostix.testing import asking, checks, cutting, failures, life, tables_seen, values
from agnostix.testing.checks import CHECKS, checks_for
from tests.core.base.test_saliency import Saliency
from tests.messages import assert_states, refuses
from tests.testing import broken

ROWS = [
    (cutting.check_same_bits_for_any_n_jobs_and_backend, broken.CountsWorkers, ["n_jobs=2 (default)"]),
    (cutting.check_same_bits_for_any_batch_size, broken.LooksAtTheMemory, ["working memory of", "MB"]),
    (cutting.check_row_subset_and_order, broken.LooksAtTheFirstRow, ["by themselves", "values differs"]),
    (cutting.check_same_seed_same_bits, broken.ForgetsItsSeed, ["same seed", "values differs"]),
    (cutting.check_peak_memory, broken.Hoards, ["n_jobs=1", "16.0 MB", "10.0 MB"]),
    (life.check_random_state_untouched, broken.DrawsGlobally, ["numpy's global random state"]),
    (
        life.check_random_state_untouched,
        broken.ReadsGlobally,
        ["another global random state", "values differs"],
    ),
    (
        life.check_random_state_none_draws_once,
        broken.DrawsAgain,
        ["explained again", "random_state=None", "values"],
    ),
    (life.check_random_state_none_draws_once, broken.ReplacesItsSeed, ["random_state", "replaced"]),
    (tables_seen.check_frames_keep_their_types, broken.Casts, ["model was made for a frame of: pandas"]),
    (tables_seen.check_numpy_pandas_polars_same_bits, broken.PrefersFrames, ["table in pandas", "values"]),
    (tables_seen.check_index_means_nothing, broken.ReadsTheIndex, ["another index", "repeat"]),
    (tables_seen.check_no_feature_name_warning, broken.AsksWithoutNames, ["valid feature names"]),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheTable, ["ndarray", "changed"]),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheWeights, ["sample_weight", "changed"]),
    (tables_seen.check_mutating_model, broken.LendsTheTable, ["model that writes into its table", "numpy"]),
    (life.check_pickle_round_trip, broken.PicklesBadly, ["round trip through pickle"]),
    (life.check_without_model_and_attach, broken.KeepsItsModel, ["model cannot be pickled"]),
    (
        life.check_without_model_and_attach,
        broken.GuessesWithoutModel,
        ["explain without the model", "accepted"],
    ),
    (life.check_without_model_and_attach, broken.AttachesBadly, ["model attached again", "base_values"]),
    (life.check_clone_shares_fitted_model, broken.CopiesItsModel, ["clone", "share"]),
    (life.check_clone_shares_fitted_model, broken.FitsTheModelItself, ["fit", "model itself"]),
    (values.check_additive, broken.SaysAdditive, ["Values do not sum"]),
    (values.check_additive, broken.SaysSurrogate, ["Values do not sum"]),
    (values.check_feature_equal_everywhere_is_zero, broken.OffByALittle, ["values must be 0", "1e-15"]),
    (values.check_ignored_feature, broken.OffBy, ["ignored feature", "1e-06"]),
    (values.check_outputs_mirror, broken.FirstOutputAlone, ["values miss 0.0", "1e-06"]),
    (values.check_outputs_parameter, broken.ForgetsWhichOutput, ["outputs='output_1'", "values has shape"]),
    (values.check_outputs_parameter, broken.FirstIsPredicted, ["predicted output", "outputs differs"]),
    (values.check_constant_model_is_zero, broken.OffByALittle, ["constant model", "values must be 0"]),
    (values.check_std_errors, broken.OffByNothingButNaN, ["std_errors", "NaN"]),
    (values.check_groups, broken.NeglectsGroups, ["features", "('x0', 'x1', 'x2', 'x3')"]),
    (life.check_cost_is_an_upper_bound, broken.IsFree, ["model saw", "cost said 0"]),
    (life.check_cost_is_an_upper_bound, broken.AsksForItsCost, ["cost asks the model"]),
    (life.check_cost_is_an_upper_bound, broken.Miscounts, ["model saw", "n_model_rows"]),
    (life.check_explanation_storage, broken.StoresBadly, ["n_model_rows", "save and load", "0 instead of"]),
    (life.check_transform, broken.TransformsByRows, ["transform", "values differs"]),
    (life.check_transform, broken.NamesBadly, ["get_feature_names_out", "['x3', 'x2', 'x1', 'x0']"]),
    (failures.check_failing_model_is_named, broken.SaysNoMore, ["Something went wrong"]),
    (failures.check_failing_model_is_named, broken.ExplainsOn, ["accepted without a word"]),
    (failures.check_failing_model_is_named, broken.BlamesAnotherRow, ["row 3 is not among"]),
    (failures.check_no_worker_left, broken.LeavesAWorker, ["workers", "'left behind'"]),
    (failures.check_no_worker_left, broken.SwallowsInterrupts, ["interruption", "swallowed"]),
    (failures.check_parameter_messages, broken.AcceptsAnyParameter, ["n_jobs=something strange"]),
    (failures.check_parameter_messages, broken.HidesAParameter, ["parameters", "{'verbose'}"]),
    (
        failures.check_bad_input,
        broken.PutsColumnsInOrder,
        ["explain one column more", "accepted without a word"],
    ),
    (failures.check_bad_input, broken.AnswersBeforeFit, ["explain before fit", "accepted without a word"]),
    (failures.check_bad_input, broken.SaysNoMore, ["fit on a table without rows", "(0, 4)"]),
]
POPULATIONS = [
    (cutting.check_same_bits_for_any_n_jobs_and_backend, broken.CountsWorkers, ["(threading)"]),
    (cutting.check_same_bits_for_any_batch_size, broken.LooksAtTheMemory, ["working memory of", "MB"]),
    (
        cutting.check_row_subset_and_order,
        broken.LooksAtTheFirstRow,
        ["rows in another order", "curves.value"],
    ),
    (cutting.check_same_seed_same_bits, broken.ForgetsItsSeed, ["same seed"]),
    (cutting.check_peak_memory, broken.Hoards, ["n_jobs=1", "16.0 MB", "12.0 MB"]),
    (life.check_random_state_untouched, broken.DrawsGlobally, ["numpy's global random state"]),
    (
        life.check_random_state_untouched,
        broken.ReadsGlobally,
        ["another global random state", "curves.value"],
    ),
    (life.check_random_state_none_draws_once, broken.DrawsAgain, ["explained again", "random_state=None"]),
    (tables_seen.check_frames_keep_their_types, broken.Casts, ["model was made for a frame of: pandas"]),
    (tables_seen.check_numpy_pandas_polars_same_bits, broken.PrefersFrames, ["table in pandas"]),
    (tables_seen.check_index_means_nothing, broken.ReadsTheIndex, ["another index", "repeat"]),
    (tables_seen.check_no_feature_name_warning, broken.AsksWithoutNames, ["valid feature names"]),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheTable, ["ndarray", "changed"]),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheWeights, ["sample_weight", "changed"]),
    (tables_seen.check_mutating_model, broken.LendsTheTable, ["ndarray", "changed"]),
    (life.check_pickle_round_trip, broken.PicklesBadly, ["round trip through pickle"]),
    (life.check_without_model_and_attach, broken.KeepsItsModel, ["model cannot be pickled"]),
    (life.check_clone_shares_fitted_model, broken.CopiesItsModel, ["clone", "share"]),
    (values.check_feature_equal_everywhere_is_zero, broken.MovesWhatDoesNotVary, ["not in skipped"]),
    (values.check_outputs_mirror, broken.FirstOutputAlone, ["outputs", "curves miss 1", "1e-06"]),
    (values.check_constant_model_is_zero, broken.OffBy, ["constant", "1e-06"]),
    (values.check_std_errors, broken.OffByNothingButNaN, ["standard error", "NaN"]),
    (life.check_cost_is_an_upper_bound, broken.Miscounts, ["model saw", "n_model_rows is 23"]),
    (
        failures.check_failing_model_is_named,
        broken.SaysNoMore,
        ["message lacks", "row cannot be answered"],
    ),
    (failures.check_no_worker_left, broken.LeavesAWorker, ["workers", "'left behind'"]),
    (failures.check_no_worker_left, broken.SwallowsInterrupts, ["interruption", "swallowed"]),
    (failures.check_parameter_messages, broken.AcceptsAnyParameter, ["n_targets=something strange"]),
    (failures.check_parameter_messages, broken.HidesAParameter, ["parameters", "{'verbose'}"]),
    (failures.check_bad_input, broken.AnswersBeforeFit, ["explain before fit", "accepted without a word"]),
    (failures.check_bad_input, broken.SaysNoMore, ["fit on a table without rows", "(0, 4)"]),
]

IMAGES = [
    (cutting.check_row_subset_and_order, broken.LooksAtTheFirstRow, ["values differs"]),
    (tables_seen.check_input_unchanged, broken.WritesIntoImages, ["ndarray", "changed"]),
    (values.check_ignored_feature, broken.OffBy, ["ignored feature", "1e-06"]),
    (values.check_constant_model_is_zero, broken.OffByALittle, ["constant model", "values must be 0"]),
    (values.check_outputs_parameter, broken.ForgetsWhichOutput, ["outputs='output_1'", "values has shape"]),
    (life.check_cost_is_an_upper_bound, broken.ForgetsTheCost, ["model saw", "cost said 1"]),
    (life.check_explanation_storage, broken.StoresBadly, ["n_model_rows", "save and load", "0 instead of"]),
    (failures.check_failing_model_is_named, broken.BlamesAnotherRow, ["row 3 is not among"]),
    (failures.check_bad_input, broken.TakesAnyImages, ["explain no images"]),
]


def _ids(part):
    return getattr(part, "__name__", None)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(failures, "PATIENCE", 0.05)
    broken.LeavesAWorker.done.clear()
    yield
    broken.LeavesAWorker.done.set()


def caught(check, base, broken_by, facts):
    explainer = broken.broken(broken_by, base)(None)
    with pytest.raises(Exception) as error:
        check(explainer)
    assert not isinstance(error.value, SkipTest)
    assert_states(str(error.value), *facts)


@pytest.mark.parametrize(("check", "broken_by", "facts"), ROWS, ids=_ids)
def test_check_catches_broken_attribution_explainer(check, broken_by, facts):
    caught(check, OcclusionExplainer, broken_by, facts)


@pytest.mark.parametrize(("check", "broken_by", "facts"), IMAGES, ids=_ids)
def test_check_catches_broken_image_explainer(check, broken_by, facts):
    caught(check, Saliency, broken_by, facts)


@pytest.mark.parametrize(("check", "broken_by", "facts"), POPULATIONS, ids=_ids)
def test_check_catches_broken_population_explainer(check, broken_by, facts):
    caught(check, EntropicProjection, broken_by, facts)


def test_check_without_model_passes_explainer_that_drops_model():
    life.check_without_model_and_attach(broken.broken(broken.Parts, OcclusionExplainer)(None))


@pytest.mark.parametrize(("base", "cases"), [(OcclusionExplainer, ROWS), (EntropicProjection, POPULATIONS)])
def test_checks_each_have_a_broken_explainer(base, cases):
    proved = {check for check, _, _ in cases}
    assert set(checks_for(base(None))) == proved


def test_checks_for_image_explainer_leave_out_tables():
    images = {check.__name__ for check in checks_for(Saliency(None))}
    rows = {check.__name__ for check in checks_for(OcclusionExplainer(None))}
    assert rows - images == {
        "check_frames_keep_their_types",
        "check_groups",
        "check_index_means_nothing",
        "check_no_feature_name_warning",
        "check_numpy_pandas_polars_same_bits",
        "check_transform",
    }


def test_checks_list_every_check_function():
    modules = (cutting, failures, life, tables_seen, values)
    written = {
        thing
        for module in modules
        for name, thing in vars(module).items()
        if name.startswith("check_") and inspect.isfunction(thing)
    }
    assert written == set(CHECKS)
    assert len(CHECKS) == len({check.__name__ for check in CHECKS})
    assert all(inspect.getdoc(check) for check in CHECKS)


def test_checks_are_documented_in_testing_page():
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(check_\w+)` \| ([RP ]+) \|", page, re.MULTILINE))
    populations = {check.__name__ for check in checks_for(EntropicProjection(None))}
    assert told == {check.__name__: "R P" if check.__name__ in populations else "R" for check in CHECKS}


def test_checks_pass_unbroken_subclass():
    for base in (OcclusionExplainer, EntropicProjection):
        explainer = broken.broken(broken.Off, base)(None)
        for check in (
            cutting.check_row_subset_and_order,
            values.check_outputs_mirror,
            failures.check_bad_input,
        ):
            check(explainer)


def test_importable_detects_missing_dask():
    assert checks.CHECKS[0] is cutting.check_same_bits_for_any_n_jobs_and_backend
    assert not cutting._importable("no_such_package.distributed")
    assert cutting._importable("sklearn.utils")


def test_assert_same_compares_bits():
    asking.assert_same({"a": [1.0, float("nan")]}, {"a": [1.0, float("nan")]}, "here")
    for found, facts in [
        ({"a": [1.0, 2.0 + 2**-50]}, ["a differs", "8.88e-16"]),
        ({"a": [1.0]}, ["a has shape (1,)", "(2,)"]),
        ({"b": [1.0, 2.0]}, ["['b']", "['a']"]),
        ({"a": ["x", 2.0]}, ["a differs"]),
    ]:
        with refuses(AssertionError, "here", *facts):
            asking.assert_same(found, {"a": [1.0, 2.0]}, "here")
