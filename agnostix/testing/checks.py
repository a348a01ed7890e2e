"""Which checks an explainer must pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agnostix.testing.asking import is_population, takes_tables
from agnostix.testing.cutting import (
    check_peak_memory,
    check_row_subset_and_order,
    check_same_bits_for_any_batch_size,
    check_same_bits_for_any_n_jobs_and_backend,
    check_same_seed_same_bits,
)
from agnostix.testing.failures import (
    check_bad_input,
    check_failing_model_is_named,
    check_no_worker_left,
    check_parameter_messages,
)
from agnostix.testing.life import (
    check_clone_shares_fitted_model,
    check_cost_is_an_upper_bound,
    check_explanation_storage,
    check_pickle_round_trip,
    check_random_state_none_draws_once,
    check_random_state_untouched,
    check_transform,
    check_without_model_and_attach,
)
from agnostix.testing.tables_seen import (
    check_frames_keep_their_types,
    check_index_means_nothing,
    check_input_unchanged,
    check_mutating_model,
    check_no_feature_name_warning,
    check_numpy_pandas_polars_same_bits,
)
from agnostix.testing.values import (
    check_additive,
    check_constant_model_is_zero,
    check_feature_equal_everywhere_is_zero,
    check_groups,
    check_ignored_feature,
    check_outputs_mirror,
    check_outputs_parameter,
    check_std_errors,
)

Check = Callable[[Any], None]

CHECKS: tuple[Check, ...] = (
    check_same_bits_for_any_n_jobs_and_backend,
    check_same_bits_for_any_batch_size,
    check_row_subset_and_order,
    check_same_seed_same_bits,
    check_random_state_untouched,
    check_random_state_none_draws_once,
    check_peak_memory,
    check_frames_keep_their_types,
    check_numpy_pandas_polars_same_bits,
    check_index_means_nothing,
    check_no_feature_name_warning,
    check_input_unchanged,
    check_mutating_model,
    check_pickle_round_trip,
    check_without_model_and_attach,
    check_clone_shares_fitted_model,
    check_additive,
    check_feature_equal_everywhere_is_zero,
    check_ignored_feature,
    check_outputs_mirror,
    check_outputs_parameter,
    check_constant_model_is_zero,
    check_std_errors,
    check_groups,
    check_cost_is_an_upper_bound,
    check_explanation_storage,
    check_transform,
    check_failing_model_is_named,
    check_no_worker_left,
    check_parameter_messages,
    check_bad_input,
)
"""All of them, in the order of the invariants."""


def _has(explainer: Any, parameter: str) -> bool:
    return parameter in explainer.get_params(deep=False)


_NEEDS: dict[Check, Callable[[Any], bool]] = {
    check_frames_keep_their_types: takes_tables,
    check_numpy_pandas_polars_same_bits: takes_tables,
    check_index_means_nothing: takes_tables,
    check_no_feature_name_warning: takes_tables,
    check_additive: lambda explainer: not is_population(explainer),
    check_ignored_feature: lambda explainer: not is_population(explainer),
    check_outputs_parameter: lambda explainer: _has(explainer, "outputs"),
    check_groups: lambda explainer: _has(explainer, "feature_groups") and takes_tables(explainer),
    check_explanation_storage: lambda explainer: not is_population(explainer),
    check_transform: lambda explainer: hasattr(explainer, "transform") and takes_tables(explainer),
}
"""What an explainer must be or have for a check to say something of it."""


def checks_for(explainer: Any) -> list[Check]:
    """Choose the checks that say something of an explainer.

    Parameters
    ----------
    explainer : BaseExplainer
        An instance, with any model.

    Returns
    -------
    list of callable
        Each takes an explainer and raises an AssertionError.

    Raises
    ------
    TypeError
        If a class is passed.
    """
    if isinstance(explainer, type):
        raise TypeError(f"Pass an instance, {explainer.__name__}(None), and not the class.")
    return [check for check in CHECKS if check not in _NEEDS or _NEEDS[check](explainer)]
