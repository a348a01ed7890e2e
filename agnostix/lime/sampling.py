"""Where LIME samples, and how the samples are weighted: one class for each value of ``sampling``."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, clone

from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.exceptions import DataError
from agnostix.lime.features import Feature, ScaledFeature

_POSITIVE = Interval(Real, 0, None, closed="neither")
_DISCRETIZERS = [StrOptions({"quartile", "decile", "entropy"}), None]


class KernelSampling(BaseEstimator):
    """One set of samples for all rows, weighted by the kernel (LIME as published).

    Each feature is sampled from its distribution in `fit`, and a sample weighs
    exp(-d^2 / (2 width^2)) near a row at distance d. The model predicts the
    samples once, in `fit`; each explained row costs one prediction more.

    Parameters
    ----------
    width : float, default=None
        Width of the kernel. None: 0.75 times the square root of the number of
        features, on the Euclidean distance of bins or standard deviations; with a
        masker 0.25, on the cosine distance of masks.
    discretizer : {"quartile", "decile", "entropy"} or None, default="quartile"
        How numbers are binned. "entropy": by a tree of depth 3 on each column,
        which needs classes y in `fit`. None: not at all, they are standardized. A
        masker has no bins.

    References
    ----------
    .. [1] Ribeiro, M. T., Singh, S., Guestrin, C. (2016). "Why should I trust
       you?" Explaining the predictions of any classifier. KDD.
       https://doi.org/10.1145/2939672.2939778

    Examples
    --------
    >>> from agnostix import LimeExplainer
    >>> from agnostix.lime import KernelSampling
    >>> LimeExplainer(max, sampling=KernelSampling(discretizer="decile")).sampling
    KernelSampling(discretizer='decile')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "width": [_POSITIVE, None],
        "discretizer": _DISCRETIZERS,
    }

    def __init__(self, width: float | None = None, discretizer: str | None = "quartile") -> None:
        self.width = width
        self.discretizer = discretizer


class TiltedSampling(BaseEstimator):
    """Samples of each row's own, drawn as the kernel would weight them, all of weight 1 (GLIME).

    The coefficients have the same expectation as those of `KernelSampling` with
    the same width. No sample is wasted on a narrow kernel, but the model predicts
    all samples anew for each row.

    Parameters
    ----------
    width : float, default=None
        Width of the kernel, as for `KernelSampling`.
    discretizer : {"quartile", "decile", "entropy"} or None, default="quartile"
        How numbers are binned, as for `KernelSampling`.

    References
    ----------
    .. [1] Tan, Z., Tian, Y., Li, J. (2023). GLIME: general, stable and local
       LIME explanation. NeurIPS. https://doi.org/10.48550/arXiv.2311.15722

    Examples
    --------
    >>> from agnostix import LimeExplainer
    >>> from agnostix.lime import TiltedSampling
    >>> explainer = LimeExplainer(max, sampling=TiltedSampling(0.8))
    >>> explainer.set_params(sampling__width=0.5).sampling
    TiltedSampling(width=0.5)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "width": [_POSITIVE, None],
        "discretizer": _DISCRETIZERS,
    }

    def __init__(self, width: float | None = None, discretizer: str | None = "quartile") -> None:
        self.width = width
        self.discretizer = discretizer


class LocalSampling(BaseEstimator):
    """Normal samples around each row, weighted by the kernel; a small radius gives the gradient.

    Numbers are not binned. Categorical columns have no distances, so they are
    sampled from their distribution in `fit`. The model predicts all samples anew
    for each row.

    Parameters
    ----------
    radius : float, default=1.0
        Standard deviation of the samples around the row, in standard deviations
        of each column.
    width : float, default=None
        Width of the kernel; None: 0.75 times the square root of the number of
        features.

    Examples
    --------
    >>> from agnostix import LimeExplainer
    >>> from agnostix.lime import LocalSampling
    >>> LimeExplainer(max, sampling=LocalSampling(0.05)).sampling
    LocalSampling(radius=0.05)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"radius": [_POSITIVE], "width": [_POSITIVE, None]}

    discretizer: ClassVar[None] = None

    def __init__(self, radius: float = 1.0, width: float | None = None) -> None:
        self.radius = radius
        self.width = width

    def _check_radius(self, features: Sequence[Feature]) -> None:
        """Raise a DataError if samples of integers would hardly leave the row's own value."""
        for feature in features:
            if not isinstance(feature, ScaledFeature) or feature.dtype.kind == "f" or not feature.varies:
                continue
            if self.radius * feature.sd < 0.5:
                raise DataError(
                    f"The 'radius' of LocalSampling is {self.radius:g}, a standard deviation of "
                    f"{self.radius * feature.sd:.2g} for the integers of column {feature.name!r}, so hardly "
                    f"any sample would differ from the row. Use radius={0.5 / feature.sd:.2g} or more, or "
                    "convert the column to floats."
                )


Sampling = KernelSampling | TiltedSampling | LocalSampling
SAMPLINGS: dict[str, type[Sampling]] = {
    "kernel": KernelSampling,
    "tilted": TiltedSampling,
    "local": LocalSampling,
}


def resolve_sampling(sampling: Any) -> Any:
    """A validated copy of what `sampling` is or is short for."""
    resolved = SAMPLINGS[sampling]() if isinstance(sampling, str) else clone(sampling)
    resolved._validate_params()
    return resolved
