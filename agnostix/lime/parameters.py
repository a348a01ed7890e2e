"""Which parameters of LimeExplainer go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import is_classifier
from sklearn.utils.validation import has_fit_parameter

from agnostix.exceptions import DataError
from agnostix.lime.sampling import KernelSampling, LocalSampling, check_no_discretizer

if TYPE_CHECKING:
    from agnostix.lime.explainer import LimeExplainer


def check_parameters(explainer: LimeExplainer) -> None:
    """Raise a DataError for parameters that cannot be combined."""
    if explainer.masker is not None:
        _check_masker(explainer)
    if not isinstance(explainer.surrogate, str) and is_classifier(explainer.surrogate):
        raise DataError(
            "The 'surrogate' of LimeExplainer must be a regressor, since predictions are numbers, also "
            f"those of a classifier; {type(explainer.surrogate).__name__} is a classifier. Pass 'ridge', "
            "'klasso', 'tree' or a linear regressor such as sklearn.linear_model.Ridge()."
        )
    if not isinstance(explainer.surrogate, str) and not has_fit_parameter(
        explainer.surrogate, "sample_weight"
    ):
        raise DataError(
            "The 'surrogate' of LimeExplainer must take sample_weight in fit, and "
            f"{type(explainer.surrogate).__name__} does not. Pass 'ridge', 'klasso', 'tree' or a linear "
            "regressor that takes weights."
        )
    if explainer.stability is not None and explainer.max_features is None:
        raise DataError(
            "The 'stability' of LimeExplainer is the confidence in the selection of features, and with "
            "max_features=None all are used. Set max_features."
        )
    if explainer.stability is not None and not isinstance(explainer.sampling_, KernelSampling):
        raise DataError(
            f"The 'stability' of LimeExplainer needs sampling='kernel', got {explainer.sampling!r}. Use a "
            "larger n_samples instead."
        )


def _check_masker(explainer: LimeExplainer) -> None:
    """Raise a DataError for parameters that do not go with a masker."""
    for name in ("feature_groups", "stability"):
        if getattr(explainer, name) is not None:
            raise DataError(
                f"The {name!r} parameter of LimeExplainer must be None with a masker, which defines the "
                f"features, got {getattr(explainer, name)!r}."
            )
    if isinstance(explainer.sampling_, LocalSampling):
        raise DataError(
            "The 'sampling' of LimeExplainer must be 'kernel' or 'tilted' with a masker, got "
            f"{explainer.sampling!r}: masks have no radius."
        )
    check_no_discretizer(explainer.sampling_)
    if explainer.masker.weights.size > 1:
        raise DataError(
            "The 'masker' of LimeExplainer must have a single fill, and this one has "
            f"{explainer.masker.weights.size} background rows. Use KernelShapExplainer, or a background of "
            "one row."
        )
