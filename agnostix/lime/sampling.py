"""The distribution of LIME's perturbed samples, and the proximity kernel pi_x that weights them.

All rows share one set of samples (`KernelSampling`), or each row has its own: distributed as the kernel would
weight them (`TiltedSampling`), or normal around the row (`LocalSampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone

from agnostix.core.masking.masker import MaskDistribution
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.lime.features import Feature, ScaledFeature
from agnostix.lime.indicators import IndicatorDesign

WIDTH_PER_ROOT, MASK_WIDTH = 0.75, 0.25
"""Default width of the kernel: for a table times the root of the number of features, and for masks."""
MIN_VARIATION, AMPLE_VARIATION = 1.0, 10.0
"""Weighted sums of squares of a feature at which a penalty of 1 shrinks its coefficient by 1/2 and 1/11."""
N_SAMPLES = 5120
"""Samples near a row of a table, 20 arrays of 16**2 or 5 of 32**2; more if it has many columns."""
SAMPLES_PER_FEATURE, LEAST_PER_FEATURE = 10, 2
"""Samples for each coefficient that are drawn at least by default, and of which there must be more."""
_BISECTIONS = 60
_QUARTILE = 0.28
"""Frequency of a bin between quartiles, and some more for ties."""
_MAX_WIDTH = 1e6
_POSITIVE = Interval(Real, 0, None, closed="neither")
_DISCRETIZERS = [StrOptions({"quartile", "decile", "entropy"}), None]


class _Sampling(BaseEstimator):
    """A way to sample, with parameters as scikit-learn's estimators have them."""

    def _kernel(self, width: float) -> Kernel | None:
        """The kernel of this width that weights the samples; None if they have equal weights."""
        return Kernel(width, type(self).__name__)


class KernelSampling(_Sampling):
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


class TiltedSampling(_Sampling):
    """Samples near each row, distributed as the kernel would weight them, all of weight 1 (GLIME).

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

    def _kernel(self, width: float) -> None:
        return None


class LocalSampling(_Sampling):
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
        """Raise a DataError if samples of integers would hardly leave the row's value."""
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


def resolve_n_samples(n_samples: int | str, n_features: int, usual: int) -> int:
    """The number of samples of so many features; "auto": the usual number, more where features are many."""
    return max(usual, SAMPLES_PER_FEATURE * (n_features + 1)) if n_samples == "auto" else int(n_samples)


def check_n_samples(n_samples: int, n_features: int, where: str) -> None:
    """Raise a DataError if the surrogate's coefficients take half of the samples or more."""
    least = LEAST_PER_FEATURE * (n_features + 1)
    if n_samples < least:
        raise DataError(
            f"The 'n_samples' of LimeExplainer gives {n_samples} samples{where}, and the surrogate of "
            f"{n_features} features has {n_features + 1} coefficients, of which so many "
            f"samples tell too little. Use n_samples='auto', which takes "
            f"{resolve_n_samples('auto', n_features, 0)} or more, at least {least}, or fewer features "
            "(feature_groups, or coarser segments of the masker)."
        )


def check_no_discretizer(sampling: KernelSampling | TiltedSampling) -> None:
    """Raise a DataError for a discretizer beside a masker."""
    if sampling.discretizer != "quartile":
        raise DataError(
            f"The 'discretizer' of {type(sampling).__name__} does not apply to a masker, which defines the "
            f"features, got {sampling.discretizer!r}. Leave it out."
        )


@dataclass(frozen=True)
class Kernel:
    """The kernel exp(-distance**2 / (2 width**2)), `width` in units of the distance.

    `owner` is whose parameter the width is, for messages.
    """

    width: float
    owner: str = "KernelSampling"

    def weights(self, squared_distances: Floats, log_weights: Floats) -> Floats:
        """Kernel times importance weights exp(log_weights), each (n_samples,)."""
        return np.exp(log_weights - squared_distances / (2.0 * self.width**2))

    def check(
        self,
        squared_distances: Floats,
        log_weights: Floats,
        design: Floats | IndicatorDesign,
        row: int,
        is_binned: Bools | None = None,
    ) -> None:
        """Raise a DataError, with the least width that works, if too few samples count for a regression.

        `is_binned` (n_features,) says which features are 1 in the row's own bin and else 0.
        """
        needed = min(design.shape[0] + 1.0, squared_distances.size / 4.0)
        weights = self.weights(squared_distances, log_weights)
        n_effective = _effective_samples(weights)
        n_features = design.shape[0]
        # A feature that hardly varies in any sample is not the fault of the kernel.
        varies = sums_of_squares(design, np.exp(log_weights)) >= AMPLE_VARIATION
        if n_effective >= needed and (sums_of_squares(design, weights)[varies] >= MIN_VARIATION).all():
            return

        def is_wide_enough(width: float) -> bool:
            wider = Kernel(width).weights(squared_distances, log_weights)
            if _effective_samples(wider) < needed:
                return False
            return bool((sums_of_squares(design, wider)[varies] >= MIN_VARIATION).all())

        width = _least_width(is_wide_enough, self.width)
        remedy = (
            "Raise n_samples." if width is None else f"The smallest width that works for it is {width:.3g}."
        )
        problem = f"where {n_features} features need {needed:.0f}"
        if n_effective >= needed:
            problem = "of which hardly any differs from the row in one of its features"
        tilted = self.width
        if is_binned is not None:
            shares = np.exp(log_weights) / np.exp(log_weights).sum()
            tilted = max(
                tilted, _least_tilted_width(_means(design, shares)[is_binned], squared_distances.size)
            )
        raise DataError(
            f"The 'width' of {self.owner} is {self.width:.3g}, which leaves an effective sample size of "
            f"{n_effective:.3g} of {squared_distances.size} samples around row {row}, {problem}. {remedy} "
            f"Or use sampling=TiltedSampling({tilted:.3g}), which samples near the row instead."
        )


def _least_tilted_width(frequencies: Floats, n_samples: int) -> float:
    """Width at which tilted samples leave the bins of a row with frequencies (n_bins,), and its quartiles."""
    varies = n_samples * frequencies * (1.0 - frequencies) >= AMPLE_VARIATION
    most = frequencies[varies].max(initial=_QUARTILE)
    leave = 0.5 - np.sqrt(0.25 - MIN_VARIATION / n_samples)  # share of the samples, at least
    ratio = min(leave * most / ((1.0 - most) * (1.0 - leave)), 0.9)
    return 1.02 * float(np.sqrt(-0.5 / np.log(ratio)))  # it is shown with three digits


def _means(design: Floats | IndicatorDesign, shares: Floats) -> Floats:
    """Means (n_features,) of a design (n_features, n_samples) by weights that sum to 1."""
    return design.means(shares) if isinstance(design, IndicatorDesign) else np.asarray(design @ shares)


def sums_of_squares(design: Floats | IndicatorDesign, weights: Floats) -> Floats:
    """Weighted sums of squares about the mean, (n_features,), of a design (n_features, n_samples)."""
    total = weights.sum()
    if total == 0:
        return np.zeros(design.shape[0])
    if isinstance(design, IndicatorDesign):
        mean = design.means(weights)
        return np.asarray(total * mean * (1.0 - mean))
    mean = design @ weights / total
    return np.square(design) @ weights - total * mean**2


def mask_size_probabilities(n_features: int, width: float, distribution: MaskDistribution) -> Floats:
    """Probability (n_features + 1,) that a mask, weighted by the kernel, keeps 0, 1, ..., all features.

    "bernoulli" keeps each feature with probability 1/2 (images); "sizes" hides 1 to all of them, each number
    with the same probability (texts). The distance is the cosine distance to the mask that keeps all.
    """
    log_kernel = -((1.0 - np.sqrt(np.arange(n_features + 1) / n_features)) ** 2) / (2.0 * width**2)
    sizes = _size_probabilities(n_features, distribution)
    # Relative to the largest, since a narrow kernel underflows for every size.
    largest = log_kernel[sizes > 0.0].max()
    weighted = sizes * np.exp(np.minimum(log_kernel - largest, 0.0))
    return weighted / weighted.sum()


def _size_probabilities(n_features: int, distribution: MaskDistribution) -> Floats:
    """Probability (n_features + 1,) of keeping 0, 1, ..., all features, before the kernel."""
    if distribution == "sizes" and n_features > 1:
        return np.append(np.full(n_features, 1.0 / n_features), 0.0)
    # Integers of any size: the last digits of a log-factorial would show in the variance.
    n_masks = 1
    probabilities = []
    for kept in range(n_features + 1):
        probabilities.append(n_masks / 2**n_features)
        n_masks = n_masks * (n_features - kept) // (kept + 1)
    return np.array(probabilities)


def _effective_samples(weights: Floats) -> float:
    """Kish's effective sample size, at most the total weight: a few tiny equal weights do not count."""
    total, largest = weights.sum(), weights.max()
    if total == 0:
        return 0.0
    return float(min(total, (total / largest) ** 2 / np.square(weights / largest).sum()))


def _least_width(is_wide_enough: Callable[[float], bool], width: float) -> float | None:
    """Least width above `width` that is enough, by bisection of its logarithm; None if none is."""
    low, high = np.log(width), np.log(_MAX_WIDTH)
    if not is_wide_enough(_MAX_WIDTH):
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if is_wide_enough(float(np.exp(middle))) else (middle, high)
    return float(f"{np.exp(high) * 1.005:.3g}")  # rounded to 3 digits, it must still be enough
