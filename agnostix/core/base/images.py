"""What explainers share that mix images with one fill image."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from agnostix.core.base.attribution import AttributionExplainer
from agnostix.core.base.explainer import count_axes
from agnostix.core.masking.fills import ImageFill, is_fill
from agnostix.core.sklearn_compat import Interval
from agnostix.exceptions import DataError

_FILLS = ("mean", "blur", "noise")


def fill_whole(image_fill: ImageFill, images: Any) -> Any:
    """The one fill of each whole image, (n_rows or 1, ...), with axes of length 1 where it is uniform."""
    fills = image_fill.compute(images, np.zeros((1, *images.shape[1:3]), dtype=np.intp))
    return (fills(images) if callable(fills) else fills)[:, 0]


class ImageExplainer(AttributionExplainer):
    """Base of explainers of images with soft masks m, which show the model m x + (1 - m) fill.

    A subclass has the parameters `fill` and `sigma`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "fill": "no_validation",
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }
    fill: Any
    sigma: float

    @property
    def _dims(self) -> tuple[str, ...]:
        return ("row", "y", "x", "output")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model if it is not fitted yet, and predict a few images.

        Parameters
        ----------
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            Images like those to explain.
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the images, for an unfitted model.

        Returns
        -------
        self : ImageExplainer

        Raises
        ------
        ValueError
            If X is not of images, or the fill or another parameter cannot be used.
        """
        if count_axes(X) <= 2:
            raise DataError(
                f"{type(self).__name__} needs images of shape (n_rows, height, width) or (n_rows, height, "
                "width, n_channels), got a table. Use OcclusionExplainer for tables."
            )
        super().fit(X, y, sample_weight)
        self._compute_fill(self._examples)  # or an error, before anything is explained
        return self

    def _compute_fill(self, images: Any) -> Any:
        """The fill image of each image, (n_rows or 1, ...), with axes of length 1 where it is uniform."""
        name = type(self).__name__
        if not is_fill(self.fill) or (isinstance(self.fill, str) and self.fill not in _FILLS):
            got = f"an array of shape {np.shape(self.fill)}" if np.ndim(self.fill) else repr(self.fill)
            raise DataError(
                f"The 'fill' parameter of {name} must be 'mean', 'blur', 'noise', a number, one number for "
                f"each channel, or one image of shape (1, height, width[, n_channels]), got {got}."
            )
        image_fill = ImageFill(self.fill, self.sigma, n_draws=1, random_state=self._seed, owner=name)
        if image_fill.weights.size > 1:
            raise DataError(
                f"{name} needs one fill image, got {image_fill.weights.size}. Use fill='blur', 'mean' or "
                "'noise', or one of the images: fill=images[:1]."
            )
        return fill_whole(image_fill, images)

    def _describe_params(self) -> dict[str, Any]:
        params = super()._describe_params()
        return params | ({"fill": "1 image"} if np.ndim(self.fill) > 2 else {})
