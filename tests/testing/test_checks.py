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
from tests.testing import broken

ROWS = [
    (cutting.check_same_bits_for_any_n_jobs_and_backend, broken.CountsWorkers, "n_jobs=2 (default) instead"),
    (cutting.check_same_bits_for_any_batch_size, broken.LooksAtTheMemory, "a working memory of"),
    (cutting.check_row_subset_and_order, broken.LooksAtTheFirstRow, "by themselves: values differs by up to"),
    (cutting.check_same_seed_same_bits, broken.ForgetsItsSeed, "fitted again with the same seed: values"),
    (cutting.check_peak_memory, broken.Hoards, "with n_jobs=1 16.0 MB were held, and 10.0 MB are allowed"),
    (life.check_random_state_untouched, broken.DrawsGlobally, "numpy's global random state is drawn from"),
    (life.check_random_state_untouched, broken.ReadsGlobally, "another global random state: values differs"),
    (
        life.check_random_state_none_draws_once,
        broken.DrawsAgain,
        "explained again, random_state=None: values",
    ),
    (life.check_random_state_none_draws_once, broken.ReplacesItsSeed, "random_state is replaced"),
    (tables_seen.check_frames_keep_their_types, broken.Casts, "The model was made for a frame of: pandas"),
    (tables_seen.check_numpy_pandas_polars_same_bits, broken.PrefersFrames, "the table in pandas: values"),
    (tables_seen.check_index_means_nothing, broken.ReadsTheIndex, "another index, with labels that repeat"),
    (tables_seen.check_no_feature_name_warning, broken.AsksWithoutNames, "does not have valid feature names"),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheTable, "the ndarray that was given is changed"),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheWeights, "sample_weight is changed"),
    (tables_seen.check_mutating_model, broken.LendsTheTable, "a model that writes into its table (numpy)"),
    (life.check_pickle_round_trip, broken.PicklesBadly, "after a round trip through pickle"),
    (life.check_without_model_and_attach, broken.KeepsItsModel, "this model cannot be pickled"),
    (life.check_without_model_and_attach, broken.GuessesWithoutModel, "to explain without the model: acc"),
    (life.check_without_model_and_attach, broken.AttachesBadly, "with the model attached again: base_"),
    (life.check_clone_shares_fitted_model, broken.CopiesItsModel, "a clone does not share its"),
    (life.check_clone_shares_fitted_model, broken.FitsTheModelItself, "fit fits the model itself"),
    (values.check_additive, broken.SaysAdditive, "Values do not sum to the"),
    (values.check_additive, broken.SaysSurrogate, "Values do not sum to the"),
    (values.check_feature_equal_everywhere_is_zero, broken.OffByALittle, "values must be 0 and reach 1e-15"),
    (values.check_ignored_feature, broken.OffBy, "the value of an ignored feature is off by up to 1e-06"),
    (values.check_outputs_mirror, broken.FirstOutputAlone, "values miss 0.0 by up to 1e-06"),
    (values.check_outputs_parameter, broken.ForgetsWhichOutput, "outputs='output_1': values has shape"),
    (values.check_outputs_parameter, broken.FirstIsPredicted, "the predicted output: outputs differs"),
    (values.check_constant_model_is_zero, broken.OffByALittle, "under a constant model, values must be 0"),
    (values.check_std_errors, broken.OffByNothingButNaN, "std_errors hold NaN or infinity"),
    (values.check_groups, broken.NeglectsGroups, "the features are ('x0', 'x1', 'x2', 'x3')"),
    (life.check_cost_is_an_upper_bound, broken.IsFree, "rows, and cost said 0"),
    (life.check_cost_is_an_upper_bound, broken.AsksForItsCost, "cost asks the model"),
    (life.check_cost_is_an_upper_bound, broken.Miscounts, "and n_model_rows is"),
    (life.check_explanation_storage, broken.StoresBadly, "n_model_rows after save and load: 0 instead of"),
    (life.check_transform, broken.TransformsByRows, "transform: values differs by up to"),
    (life.check_transform, broken.NamesBadly, "get_feature_names_out gives ['x3', 'x2', 'x1', 'x0']"),
    (failures.check_failing_model_is_named, broken.SaysNoMore, "Something went wrong"),
    (failures.check_failing_model_is_named, broken.ExplainsOn, "accepted without a word"),
    (failures.check_failing_model_is_named, broken.BlamesAnotherRow, "row 3 is not among those named"),
    (failures.check_no_worker_left, broken.LeavesAWorker, "workers left behind: ['left behind'"),
    (failures.check_no_worker_left, broken.SwallowsInterrupts, "an interruption is swallowed"),
    (failures.check_parameter_messages, broken.AcceptsAnyParameter, "n_jobs=something strange"),
    (failures.check_parameter_messages, broken.HidesAParameter, "parameters differ: {'verbose'}"),
    (failures.check_bad_input, broken.PutsColumnsInOrder, "explain one column more: accepted without a word"),
    (failures.check_bad_input, broken.AnswersBeforeFit, "explain before fit: accepted without a word"),
    (failures.check_bad_input, broken.SaysNoMore, "fit on a table without rows: the message lacks (0, 4)"),
]
POPULATIONS = [
    (cutting.check_same_bits_for_any_n_jobs_and_backend, broken.CountsWorkers, "(threading) instead of 1"),
    (cutting.check_same_bits_for_any_batch_size, broken.LooksAtTheMemory, "a working memory of"),
    (
        cutting.check_row_subset_and_order,
        broken.LooksAtTheFirstRow,
        "the rows in another order: curves.value",
    ),
    (cutting.check_same_seed_same_bits, broken.ForgetsItsSeed, "fitted again with the same seed"),
    (cutting.check_peak_memory, broken.Hoards, "with n_jobs=1 16.0 MB were held, and 12.0 MB are allowed"),
    (life.check_random_state_untouched, broken.DrawsGlobally, "numpy's global random state is drawn from"),
    (life.check_random_state_untouched, broken.ReadsGlobally, "another global random state: curves.value"),
    (life.check_random_state_none_draws_once, broken.DrawsAgain, "explained again, random_state=None"),
    (tables_seen.check_frames_keep_their_types, broken.Casts, "The model was made for a frame of: pandas"),
    (tables_seen.check_numpy_pandas_polars_same_bits, broken.PrefersFrames, "the table in pandas"),
    (tables_seen.check_index_means_nothing, broken.ReadsTheIndex, "another index, with labels that repeat"),
    (tables_seen.check_no_feature_name_warning, broken.AsksWithoutNames, "does not have valid feature names"),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheTable, "the ndarray that was given is changed"),
    (tables_seen.check_input_unchanged, broken.WritesIntoTheWeights, "sample_weight is changed"),
    (tables_seen.check_mutating_model, broken.LendsTheTable, "the ndarray that was given is changed"),
    (life.check_pickle_round_trip, broken.PicklesBadly, "after a round trip through pickle"),
    (life.check_without_model_and_attach, broken.KeepsItsModel, "this model cannot be pickled"),
    (life.check_clone_shares_fitted_model, broken.CopiesItsModel, "a clone does not share its"),
    (values.check_feature_equal_everywhere_is_zero, broken.MovesWhatDoesNotVary, "is not in skipped"),
    (values.check_outputs_mirror, broken.FirstOutputAlone, "over the outputs, curves miss 1 by up to 1e-06"),
    (values.check_constant_model_is_zero, broken.OffBy, "a constant moves by up to 1e-06"),
    (values.check_std_errors, broken.OffByNothingButNaN, "a standard error is NaN or infinite"),
    (life.check_cost_is_an_upper_bound, broken.Miscounts, "and n_model_rows is 23"),
    (
        failures.check_failing_model_is_named,
        broken.SaysNoMore,
        "the message lacks this row cannot be answered",
    ),
    (failures.check_no_worker_left, broken.LeavesAWorker, "workers left behind: ['left behind'"),
    (failures.check_no_worker_left, broken.SwallowsInterrupts, "an interruption is swallowed"),
    (failures.check_parameter_messages, broken.AcceptsAnyParameter, "n_targets=something strange"),
    (failures.check_parameter_messages, broken.HidesAParameter, "parameters differ: {'verbose'}"),
    (failures.check_bad_input, broken.AnswersBeforeFit, "explain before fit: accepted without a word"),
    (failures.check_bad_input, broken.SaysNoMore, "fit on a table without rows: the message lacks (0, 4)"),
]

IMAGES = [
    (cutting.check_row_subset_and_order, broken.LooksAtTheFirstRow, "values differs by up to"),
    (tables_seen.check_input_unchanged, broken.WritesIntoImages, "the ndarray that was given is changed"),
    (values.check_ignored_feature, broken.OffBy, "the value of an ignored feature is off by up to 1e-06"),
    (values.check_constant_model_is_zero, broken.OffByALittle, "under a constant model, values must be 0"),
    (values.check_outputs_parameter, broken.ForgetsWhichOutput, "outputs='output_1': values has shape"),
    (life.check_cost_is_an_upper_bound, broken.ForgetsTheCost, "rows, and cost said 1"),
    (life.check_explanation_storage, broken.StoresBadly, "n_model_rows after save and load: 0 instead of"),
    (failures.check_failing_model_is_named, broken.BlamesAnotherRow, "row 3 is not among those named"),
    (failures.check_bad_input, broken.TakesAnyImages, "explain no images"),
]


def _ids(part):
    return getattr(part, "__name__", None)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(failures, "PATIENCE", 0.05)
    broken.LeavesAWorker.done.clear()
    yield
    broken.LeavesAWorker.done.set()


def caught(check, base, broken_by, message):
    explainer = broken.broken(broken_by, base)(None)
    with pytest.raises(Exception) as error:
        check(explainer)
    assert not isinstance(error.value, SkipTest)
    assert message in str(error.value)


@pytest.mark.parametrize(("check", "broken_by", "message"), ROWS, ids=_ids)
def test_check_catches_broken_attribution_explainer(check, broken_by, message):
    caught(check, OcclusionExplainer, broken_by, message)


@pytest.mark.parametrize(("check", "broken_by", "message"), IMAGES, ids=_ids)
def test_check_catches_broken_image_explainer(check, broken_by, message):
    caught(check, Saliency, broken_by, message)


@pytest.mark.parametrize(("check", "broken_by", "message"), POPULATIONS, ids=_ids)
def test_check_catches_broken_population_explainer(check, broken_by, message):
    caught(check, EntropicProjection, broken_by, message)


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
    for found, message in [
        ({"a": [1.0, 2.0 + 2**-50]}, "here: a differs by up to 8.88e-16"),
        ({"a": [1.0]}, r"here: a has shape \(1,\) and not \(2,\)"),
        ({"b": [1.0, 2.0]}, r"here: \['b'\] where \['a'\] is expected"),
        ({"a": ["x", 2.0]}, "here: a differs$"),
    ]:
        with pytest.raises(AssertionError, match=message):
            asking.assert_same(found, {"a": [1.0, 2.0]}, "here")
