"""Explanations of images in a report: what is refused, and the numbers of each map and method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import LAYER
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.plotting.attributions import name_predicted
from agnostix.plotting.pixels_grid import check_same_images, failed_maps
from agnostix.plotting.words import has_signs

MAX_MAPS = 20
"""Maps that one page shows."""
TOP = 0.1
"""Share of the pixels that are called the strongest."""
_DIMS = ("row", "y", "x", "output")
_ROUNDING = 1e-9
"""Part of the largest value below which a difference is rounding error."""


def check_pictures(pictures: Any) -> dict[str, Explanation]:
    """The explanations of images by the name of their method; empty if there are none."""
    if pictures is None:
        return {}
    if not isinstance(pictures, Mapping):
        raise TypeError(
            "The 'pictures' parameter of WhatIfReport must be a mapping of names to explanations of images, "
            'such as {"occlusion": OcclusionExplainer(model, masker=SlidingWindow(8, 4)).fit(images)'
            f".explain(images)}}, or None, got {_named(pictures)}."
        )
    for name, one in pictures.items():
        if not isinstance(name, str):
            raise TypeError(f"pictures has the name {name!r}. Names are the headings of maps: pass a str.")
        if not isinstance(one, Explanation):
            raise TypeError(f"pictures[{name!r}] must be an Explanation, got {_named(one)}.")
        if one.dims != _DIMS:
            raise DataError(f"pictures[{name!r}] must have dims {_DIMS}, got {one.dims}. {_remedy(one)}")
        if LAYER in one.extras:
            raise DataError(
                f"pictures[{name!r}] has the grid of layer {one.extras[LAYER]}, and a report compares maps "
                "pixel by pixel. Leave it out, and draw it by PixelsGridDisplay."
            )
    checked = dict(pictures)
    if checked:
        try:
            check_same_images(checked)
        except ValueError as error:
            raise DataError(f"pictures cannot be shown side by side. {error}") from None
        _check_number(checked)
    return checked


def _named(value: Any) -> str:
    """What was given instead, without its content, which may be images."""
    return f"{'an' if type(value).__name__[0] in 'AEIOU' else 'a'} {type(value).__name__}"


def _remedy(explanation: Explanation) -> str:
    """What to do with an explanation of other dims."""
    for dim in ("method", "layer"):
        if dim in explanation.dims:
            return f"Explain with one {dim}, and give each explanation a name of its own."
    if explanation.dims == _DIMS[1:]:
        return "It is a mean over images: pass the explanation before `aggregate`."
    return "Only images explained pixel by pixel are drawn here; single rows of a table go by rows=."


def _check_number(pictures: Mapping[str, Explanation]) -> None:
    first = next(iter(pictures.values()))
    n_images, *_, n_outputs = first.values.shape
    n_maps = n_images * n_outputs * len(pictures)
    if n_maps > MAX_MAPS:
        raise DataError(
            f"pictures has {n_maps} maps, and a page holds at most {MAX_MAPS}: {n_images} "
            f"image{'' if n_images == 1 else 's'} x {n_outputs} output{'' if n_outputs == 1 else 's'} x "
            f"{len(pictures)} explanation{'' if len(pictures) == 1 else 's'}. Select some of them, "
            "explanation[:2] for two images, explanation.sel(outputs=[0]) for one output, and draw others "
            "by PixelsGridDisplay.from_explanations."
        )


@dataclass(frozen=True)
class MapFacts:
    """The numbers of one map."""

    values: Floats  # (height, width)
    is_drawn: bool  # not of a mask that was not found
    gap: float  # what is missing from the sum of the values; NaN where they need not sum to anything
    is_reached: bool  # whether a tolerance was reached, True where there is none

    @cached_property
    def largest(self) -> float:
        """Largest absolute value, with its sign; NaN if nothing is known or drawn."""
        y, x = self.place
        return float(self.values[y, x]) if self.is_drawn and self._is_known else float("nan")

    @property
    def total(self) -> float:
        """Sum of the values."""
        return float(np.nansum(self.values)) if self.is_drawn and self._is_known else float("nan")

    @cached_property
    def _sizes(self) -> Floats:
        """Absolute values, 0 where they are unknown."""
        return np.nan_to_num(np.abs(self.values), nan=0.0)

    @property
    def _is_known(self) -> bool:
        return bool(np.isfinite(self.values).any())

    @property
    def is_zero(self) -> bool:
        """Whether all values are 0."""
        return not self._sizes.any()

    @property
    def n_largest(self) -> int:
        """Pixels with that value, as in a window that was hidden as a whole."""
        return int(self._ties.sum())

    @cached_property
    def _ties(self) -> Bools:
        return self._sizes >= self._sizes.max() * (1.0 - _ROUNDING)

    @cached_property
    def place(self) -> tuple[int, int]:
        """Row and column of the largest absolute value; of several the one nearest to their middle."""
        places = np.argwhere(self._ties)
        nearest = int(((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin())
        return int(places[nearest, 0]), int(places[nearest, 1])

    @cached_property
    def top_share(self) -> float:
        """Share of the absolute values that is in the strongest tenth of the pixels; NaN if all are 0."""
        sizes = np.sort(self._sizes.ravel())[::-1]
        total = float(sizes.sum())
        n_top = max(round(TOP * sizes.size), 1)
        return float(sizes[:n_top].sum()) / total if total > 0.0 and self.is_drawn else float("nan")


@dataclass(frozen=True)
class MethodMaps:
    """The maps of one method, with the quantities that the report states."""

    name: str
    explanation: Explanation
    confidence_level: float

    @property
    def is_mask(self) -> bool:
        """Whether the values are learned masks."""
        return self.explanation.quantity == "mask"

    def is_signed(self, i: int) -> bool:
        """Whether the maps of an image are drawn with a sign."""
        return not self.is_mask and has_signs(self.explanation, self.explanation.values[i])

    def output_names(self, i: int) -> tuple[str, ...]:
        """Names of the outputs of an image; of "predicted" that of the class."""
        return name_predicted(self.explanation, i).output_names

    @cached_property
    def gaps(self) -> Floats:
        """Target less sum of the values (n_images, n_outputs); NaN where they need not sum to anything."""
        one = self.explanation
        if one.completeness_gap is not None:
            return one.completeness_gap
        sums = np.nansum(one.values, axis=(1, 2))
        if one.completeness not in ("outputs - base_values", "outputs"):
            return np.full(sums.shape, np.nan)
        target: Floats = np.asarray(one.outputs)
        if one.completeness == "outputs - base_values":
            target = target - np.asarray(one.base_values)
        rounding = _ROUNDING * np.abs(one.values).sum(axis=(1, 2))
        gaps: Floats = target - sums
        return np.where(np.abs(gaps) <= rounding, 0.0, gaps)

    def facts(self, i: int, k: int) -> MapFacts:
        """The numbers of the map of an image and output."""
        return MapFacts(
            self.explanation.values[i, :, :, k],
            not self.failed[i, k],
            float(self.gaps[i, k]),
            not self.unreached[i, k],
        )

    @cached_property
    def failed(self) -> Bools:
        """Masks (n_images, n_outputs) that were not found."""
        return failed_maps(self.explanation)

    @cached_property
    def unreached(self) -> Bools:
        """Maps (n_images, n_outputs) whose computation did not come within its tolerance."""
        status: Any = self.explanation.extras.get("status")
        if getattr(status, "dims", None) != ("row", "output"):
            return np.zeros_like(self.failed)
        return np.asarray(status.array == "not reached")

    @cached_property
    def errors(self) -> Floats | None:
        """Known standard errors of the values; None where nothing was sampled."""
        errors = self.explanation.std_errors
        return None if errors is None else errors[np.isfinite(errors)]

    @cached_property
    def unclear_share(self) -> float:
        """Share of the pixels with an interval that contains 0; NaN without intervals."""
        if self.errors is None or not (self.errors > 0.0).any():
            return float("nan")
        low, high = self.explanation.interval(self.confidence_level)
        known = np.isfinite(low) & np.isfinite(high)
        return float(((low <= 0.0) & (high >= 0.0) & (high > low))[known].mean())


def method_maps(pictures: Mapping[str, Explanation], confidence_level: float) -> list[MethodMaps]:
    """The methods of a report's pictures."""
    return [MethodMaps(name, one, confidence_level) for name, one in pictures.items()]
