"""Every check can fail: each catches an explainer that breaks its invariant."""

import inspect
import re
from pathlib import Path
from unittest import SkipTest

import pytest

from agnostix import EntropicProjection, OcclusionExplainer, PixelProjection
from agnostix.testing import (
    checks_errors,
    checks_estimator,
    checks_execution,
    checks_inputs,
    checks_intervals,
    checks_values,
    harness,
)
from agnostix.testing.battery import CHECKS, checks_for
from tests.core.base.test_saliency import Saliency
from tests.messages import assert_states, refuses
from tests.testing import broken

ROWS = [
    (checks_execution.check_n_jobs_and_backend_invariance, broken.DependsOnNJobs, ["n_jobs=2 (default)"]),
    (checks_execution.check_batch_size_invariance, broken.DependsOnWorkingMemory, ["working_memory=", "MB"]),
    (
        checks_execution.check_row_subset_and_order_invariance,
        broken.DependsOnFirstRow,
        ["explained alone", "values differs"],
    ),
    (checks_execution.check_seed_reproducibility, broken.IgnoresSeed, ["same seed", "values differs"]),
    (checks_execution.check_peak_memory, broken.HoldsMemory, ["n_jobs=1", "peak memory is", "10.0 MB"]),
    (
        checks_execution.check_global_random_state_untouched,
        broken.WritesGlobalRandomState,
        ["global random state of numpy"],
    ),
    (
        checks_execution.check_global_random_state_untouched,
        broken.ReadsGlobalRandomState,
        ["another global random state", "values differs"],
    ),
    (
        checks_execution.check_global_random_state_untouched,
        broken.WritesTorchRandomState,
        ["global random state of torch"],
    ),
    (
        checks_execution.check_random_state_none_draws_seed_once,
        broken.SamplesInExplain,
        ["explained again", "random_state=None", "values"],
    ),
    (
        checks_execution.check_random_state_none_draws_seed_once,
        broken.ReplacesRandomState,
        ["random_state", "replaced"],
    ),
    (
        checks_inputs.check_frame_dtypes_preserved,
        broken.CastsToObjects,
        ["MixedFrameModel expects frame of: pandas"],
    ),
    (
        checks_inputs.check_numpy_pandas_polars_invariance,
        broken.DependsOnContainer,
        ["table in pandas", "values"],
    ),
    (checks_inputs.check_index_invariance, broken.DependsOnIndex, ["another index", "duplicates"]),
    (checks_inputs.check_no_feature_name_warning, broken.DropsFeatureNames, ["valid feature names"]),
    (checks_inputs.check_input_unchanged, broken.WritesIntoTable, ["ndarray", "changed"]),
    (checks_inputs.check_input_unchanged, broken.WritesIntoWeights, ["sample_weight", "changed"]),
    (
        checks_inputs.check_mutating_model,
        broken.PassesTableToModel,
        ["model that writes into its input", "numpy"],
    ),
    (checks_estimator.check_pickle_round_trip, broken.LosesStateInPickle, ["round trip through pickle"]),
    (checks_estimator.check_without_model_and_attach, broken.KeepsModel, ["model cannot be pickled"]),
    (
        checks_estimator.check_without_model_and_attach,
        broken.ExplainsWithoutModel,
        ["explain without the model", "no error was raised"],
    ),
    (
        checks_estimator.check_without_model_and_attach,
        broken.AttachesBadly,
        ["model attached again", "base_values"],
    ),
    (checks_estimator.check_clone_shares_fitted_model, broken.CopiesModel, ["clone", "share"]),
    (checks_estimator.check_clone_shares_fitted_model, broken.FitsModelInPlace, ["fit", "model itself"]),
    (checks_values.check_completeness, broken.ClaimsCompleteness, ["Values do not sum"]),
    (checks_values.check_completeness, broken.ClaimsSurrogateCompleteness, ["Values do not sum"]),
    (checks_values.check_constant_feature_is_zero, broken.AddsRoundingError, ["values must be 0", "1e-15"]),
    (checks_values.check_ignored_feature, broken.AddsToValues, ["ignored feature", "1e-06"]),
    (
        checks_values.check_values_sum_to_zero_over_outputs,
        broken.ShiftsFirstOutput,
        ["sum of values over outputs", "0.0", "1e-06"],
    ),
    (
        checks_values.check_outputs_parameter,
        broken.IgnoresOutputs,
        ["outputs='output_1'", "values has shape"],
    ),
    (
        checks_values.check_outputs_parameter,
        broken.PredictsFirstOutput,
        ["outputs='predicted'", "outputs differs"],
    ),
    (
        checks_values.check_constant_model_is_zero,
        broken.AddsRoundingError,
        ["constant model", "values must be 0"],
    ),
    (checks_values.check_std_errors, broken.GivesInvalidStdErrors, ["std_errors", "NaN"]),
    (
        checks_intervals.check_intervals,
        broken.OverstatesSharedErrors,
        ["extras['shared_errors']", "larger than std_errors"],
    ),
    (
        checks_intervals.check_intervals,
        broken.LosesDegreesOfFreedomInLoad,
        ["intervals after save and load"],
    ),
    (
        checks_intervals.check_exact_values,
        broken.StatesNoErrors,
        ["InteractionModel", "standard error of 0", "another seed", "0.001"],
    ),
    (checks_values.check_feature_groups, broken.IgnoresGroups, ["features", "('x0', 'x1', 'x2', 'x3')"]),
    (checks_execution.check_cost_bounds_model_rows, broken.StatesNoCost, ["model evaluated", "cost was 0"]),
    (checks_execution.check_cost_bounds_model_rows, broken.CallsModelInCost, ["cost calls the model"]),
    (
        checks_execution.check_cost_bounds_model_rows,
        broken.MiscountsModelRows,
        ["model evaluated", "n_model_rows"],
    ),
    (
        checks_estimator.check_save_and_load,
        broken.LosesFieldInLoad,
        ["n_model_rows", "save and load", "0, expected"],
    ),
    (checks_estimator.check_transform, broken.FlattensInOtherOrder, ["transform", "values differs"]),
    (
        checks_estimator.check_transform,
        broken.ReversesNames,
        ["get_feature_names_out", "['x3', 'x2', 'x1', 'x0']"],
    ),
    (checks_errors.check_model_failure_reported, broken.HidesCause, ["Something went wrong"]),
    (checks_errors.check_model_failure_reported, broken.SwallowsErrors, ["no error was raised"]),
    (checks_errors.check_model_failure_reported, broken.NamesWrongRow, ["row 3 is not among"]),
    (checks_errors.check_no_worker_left, broken.LeavesWorker, ["workers", "'left behind'"]),
    (checks_errors.check_no_worker_left, broken.SwallowsInterrupts, ["KeyboardInterrupt", "swallowed"]),
    (checks_errors.check_parameter_validation, broken.ValidatesNothing, ["n_jobs=an invalid object"]),
    (
        checks_errors.check_parameter_validation,
        broken.OmitsConstraint,
        ["constraints", "{'verbose'}"],
    ),
    (
        checks_errors.check_input_validation,
        broken.ReadsColumnsByPlace,
        ["explain columns in another order", "differs"],
    ),
    (
        checks_errors.check_input_validation,
        broken.ExplainsBeforeFit,
        ["explain before fit", "no error was raised"],
    ),
    (checks_errors.check_input_validation, broken.HidesCause, ["fit on a table without columns", "(24, 0)"]),
]
POPULATIONS = [
    (checks_execution.check_n_jobs_and_backend_invariance, broken.DependsOnNJobs, ["n_jobs=2 (default)"]),
    (checks_execution.check_batch_size_invariance, broken.DependsOnWorkingMemory, ["working_memory=", "MB"]),
    (
        checks_execution.check_row_subset_and_order_invariance,
        broken.DependsOnFirstRow,
        ["rows in another order", "curves.value"],
    ),
    (checks_execution.check_seed_reproducibility, broken.IgnoresSeed, ["same seed"]),
    (checks_execution.check_peak_memory, broken.HoldsMemory, ["n_jobs=1", "16.0 MB", "12.0 MB"]),
    (
        checks_execution.check_global_random_state_untouched,
        broken.WritesGlobalRandomState,
        ["global random state of numpy"],
    ),
    (
        checks_execution.check_global_random_state_untouched,
        broken.ReadsGlobalRandomState,
        ["another global random state", "curves.value"],
    ),
    (
        checks_execution.check_random_state_none_draws_seed_once,
        broken.SamplesInExplain,
        ["explained again", "random_state=None"],
    ),
    (
        checks_inputs.check_frame_dtypes_preserved,
        broken.CastsToObjects,
        ["MixedFrameModel expects frame of: pandas"],
    ),
    (checks_inputs.check_numpy_pandas_polars_invariance, broken.DependsOnContainer, ["table in pandas"]),
    (checks_inputs.check_index_invariance, broken.DependsOnIndex, ["another index", "duplicates"]),
    (checks_inputs.check_no_feature_name_warning, broken.DropsFeatureNames, ["valid feature names"]),
    (checks_inputs.check_input_unchanged, broken.WritesIntoTable, ["ndarray", "changed"]),
    (checks_inputs.check_input_unchanged, broken.WritesIntoWeights, ["sample_weight", "changed"]),
    (checks_inputs.check_mutating_model, broken.PassesTableToModel, ["ndarray", "changed"]),
    (checks_estimator.check_pickle_round_trip, broken.LosesStateInPickle, ["round trip through pickle"]),
    (checks_estimator.check_without_model_and_attach, broken.KeepsModel, ["model cannot be pickled"]),
    (checks_estimator.check_clone_shares_fitted_model, broken.CopiesModel, ["clone", "share"]),
    (checks_values.check_constant_feature_is_zero, broken.HidesSkippedColumns, ["not listed in skipped"]),
    (
        checks_values.check_values_sum_to_zero_over_outputs,
        broken.ShiftsFirstOutput,
        ["sum of curves over outputs", "1", "1e-06"],
    ),
    (checks_values.check_constant_model_is_zero, broken.AddsToValues, ["constant model", "1e-06"]),
    (checks_values.check_std_errors, broken.GivesInvalidStdErrors, ["standard error", "NaN"]),
    (
        checks_execution.check_cost_bounds_model_rows,
        broken.MiscountsModelRows,
        ["model evaluated 64 rows", "n_model_rows is 63"],
    ),
    (
        checks_errors.check_model_failure_reported,
        broken.HidesCause,
        ["message does not state", "row cannot be predicted"],
    ),
    (checks_errors.check_no_worker_left, broken.LeavesWorker, ["workers", "'left behind'"]),
    (checks_errors.check_no_worker_left, broken.SwallowsInterrupts, ["KeyboardInterrupt", "swallowed"]),
    (checks_errors.check_parameter_validation, broken.ValidatesNothing, ["n_targets=an invalid object"]),
    (
        checks_errors.check_parameter_validation,
        broken.OmitsConstraint,
        ["constraints", "{'verbose'}"],
    ),
    (
        checks_errors.check_input_validation,
        broken.ExplainsBeforeFit,
        ["explain before fit", "no error was raised"],
    ),
    (checks_errors.check_input_validation, broken.HidesCause, ["fit on a table without columns", "(24, 0)"]),
]

PICTURES = [  # sets of images as a population
    (checks_execution.check_batch_size_invariance, broken.DependsOnWorkingMemory, ["working_memory=", "MB"]),
    (
        checks_execution.check_row_subset_and_order_invariance,
        broken.DependsOnFirstRow,
        ["rows in another order"],
    ),
    (checks_execution.check_peak_memory, broken.HoldsMemory, ["n_jobs=1", "12.0 MB"]),
    (
        checks_execution.check_cost_bounds_model_rows,
        broken.MiscountsModelRows,
        ["model evaluated", "n_model_rows"],
    ),
    (checks_estimator.check_pickle_round_trip, broken.LosesStateInPickle, ["round trip through pickle"]),
    (
        checks_values.check_constant_feature_is_zero,
        broken.DeterminesAllPixels,
        ["constant pixel has an effect"],
    ),
    (
        checks_values.check_constant_feature_is_zero,
        broken.FillsConstantPixels,
        ["constant pixel has a value"],
    ),
    (checks_values.check_values_sum_to_zero_over_outputs, broken.AddsToValues, ["sum to 1", "2e-06"]),
    (checks_values.check_constant_model_is_zero, broken.AddsToValues, ["constant model", "1e-06"]),
    (checks_values.check_std_errors, broken.GivesInvalidStdErrors, ["standard error", "NaN or infinite"]),
    (
        checks_errors.check_input_validation,
        broken.ExplainsBeforeFit,
        ["explain before fit", "no error was raised"],
    ),
    (checks_errors.check_model_failure_reported, broken.HidesCause, ["message does not state"]),
]

IMAGES = [
    (checks_execution.check_row_subset_and_order_invariance, broken.DependsOnFirstRow, ["values differs"]),
    (checks_inputs.check_input_unchanged, broken.WritesIntoImages, ["ndarray", "changed"]),
    (checks_values.check_ignored_feature, broken.AddsToValues, ["ignored feature", "1e-06"]),
    (
        checks_values.check_constant_model_is_zero,
        broken.AddsRoundingError,
        ["constant model", "values must be 0"],
    ),
    (
        checks_values.check_outputs_parameter,
        broken.IgnoresOutputs,
        ["outputs='output_1'", "values has shape"],
    ),
    (checks_execution.check_cost_bounds_model_rows, broken.OmitsCost, ["model evaluated", "cost was 1"]),
    (
        checks_estimator.check_save_and_load,
        broken.LosesFieldInLoad,
        ["n_model_rows", "save and load", "0, expected"],
    ),
    (checks_errors.check_model_failure_reported, broken.NamesWrongRow, ["row 3 is not among"]),
    (checks_errors.check_input_validation, broken.AcceptsAnyImages, ["explain an array without images"]),
]


def _ids(part):
    return getattr(part, "__name__", None)


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch):
    monkeypatch.setattr(checks_errors, "TIMEOUT", 0.05)
    broken.LeavesWorker.done.clear()
    yield
    broken.LeavesWorker.done.set()


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


@pytest.mark.parametrize(("check", "broken_by", "facts"), PICTURES, ids=_ids)
def test_check_catches_broken_explainer_of_sets_of_images(check, broken_by, facts):
    caught(check, PixelProjection, broken_by, facts)


@pytest.mark.parametrize(("check", "broken_by", "facts"), POPULATIONS, ids=_ids)
def test_check_catches_broken_population_explainer(check, broken_by, facts):
    caught(check, EntropicProjection, broken_by, facts)


def test_check_without_model_passes_explainer_that_drops_model():
    checks_estimator.check_without_model_and_attach(
        broken.broken(broken.DetachesModel, OcclusionExplainer)(None)
    )


@pytest.mark.parametrize(("base", "cases"), [(OcclusionExplainer, ROWS), (EntropicProjection, POPULATIONS)])
def test_checks_each_have_a_broken_explainer(base, cases):
    caught_by = {check for check, _, _ in cases}
    assert set(checks_for(base(None))) == caught_by


def test_checks_for_image_explainer_leave_out_tables():
    images = {check.__name__ for check in checks_for(Saliency(None))}
    rows = {check.__name__ for check in checks_for(OcclusionExplainer(None))}
    assert rows - images == {
        "check_frame_dtypes_preserved",
        "check_feature_groups",
        "check_index_invariance",
        "check_no_feature_name_warning",
        "check_numpy_pandas_polars_invariance",
        "check_transform",
    }


def test_checks_list_every_check_function():
    of_errors = (checks_errors, checks_intervals)
    modules = (*of_errors, checks_estimator, checks_execution, checks_inputs, checks_values)
    defined = {
        thing
        for module in modules
        for name, thing in vars(module).items()
        if name.startswith("check_") and inspect.isfunction(thing)
    }
    assert defined == set(CHECKS)
    assert len(CHECKS) == len({check.__name__ for check in CHECKS})
    assert all(inspect.getdoc(check) for check in CHECKS)


def test_checks_are_documented_in_testing_page():
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(check_\w+)` \| ([\w, ]+) \|", page, re.MULTILINE)
    populations = {check.__name__ for check in checks_for(EntropicProjection(None))}
    names = [check.__name__ for check in CHECKS]
    assert documented == [(name, "rows, populations" if name in populations else "rows") for name in names]


def test_checks_pass_explainer_without_base_values():
    explainer = broken.broken(broken.WithoutBaseValues, OcclusionExplainer)(None)
    for check in (checks_values.check_values_sum_to_zero_over_outputs, checks_values.check_outputs_parameter):
        check(explainer)


def test_checks_pass_unbroken_subclass():
    for base in (OcclusionExplainer, EntropicProjection):
        explainer = broken.broken(broken.Unbroken, base)(None)
        for check in (
            checks_execution.check_row_subset_and_order_invariance,
            checks_values.check_values_sum_to_zero_over_outputs,
            checks_errors.check_input_validation,
        ):
            check(explainer)


def test_backends_leave_out_missing_dask():
    assert CHECKS[0] is checks_execution.check_n_jobs_and_backend_invariance
    assert not checks_execution._is_importable("no_such_package.distributed")
    assert checks_execution._is_importable("sklearn.utils")


def test_assert_identical_compares_bits():
    harness.assert_identical({"a": [1.0, float("nan")]}, {"a": [1.0, float("nan")]}, "here")
    for actual, facts in [
        ({"a": [1.0, 2.0 + 2**-50]}, ["a differs", "8.88e-16"]),
        ({"a": [1.0]}, ["a has shape (1,)", "(2,)"]),
        ({"b": [1.0, 2.0]}, ["['b']", "['a']"]),
        ({"a": ["x", 2.0]}, ["a differs"]),
    ]:
        with refuses(AssertionError, "here", *facts):
            harness.assert_identical(actual, {"a": [1.0, 2.0]}, "here")
