"""RISE: saliency from randomized input sampling (Petsiuk, Das and Saenko, 2018).

Masks are coarse grids of visible and hidden cells, enlarged bilinearly and shifted by a random offset, at
the points of a `Design` (`SoftMaskSampler`). The estimator and its standard error are
`estimate_saliency`, the formula is in the Notes of `RiseExplainer`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np

from agnostix.core.base import Attribution, ImageExplainer, OutputSelection
from agnostix.core.designs import Design
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, DESIGN_ERRORS
from agnostix.core.hypercubes import SlicedHalves
from agnostix.core.masking.fills import SoftMaskBatch, fill_details
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.reproducibility import multiply
from agnostix.core.row_sources import ModelCaller, RowSource
from agnostix.core.sklearn_compat import Interval
from agnostix.core.typing import Codes, Floats

_CURVE_BITS = 16
"""Digits of each coordinate of an offset."""
_RANK = 1e-10
"""Eigenvalues below it, relative to the largest, are those of functions that depend on the others."""


class RiseExplainer(ImageExplainer):
    """Saliency maps of images from random soft masks (RISE), with a standard error for each pixel.

    The image is shown to the model under random masks: coarse grids whose
    cells are visible with probability `p_keep`, enlarged bilinearly and shifted
    at random. The value of a pixel is the mean prediction where the pixel is
    visible, less the mean prediction.

    Parameters
    ----------
    model : fitted estimator, torch module or callable
        The model to explain. A torch module composes the masked images on its
        own device; `as_predictor` says how it takes images.
    n_masks : int, default=4000
        Number of masks at most, at least 32; ``extras["n_masks"]`` are used, which fill
        whole orthogonal arrays.
    n_cells : int, default=7
        Cells of the grid along each axis: more give finer maps, need more masks.
    p_keep : float, default=0.5
        Probability that a cell is visible.
    fill : {"mean", "blur", "noise"}, float, sequence of float or array, default="mean"
        What replaces hidden parts: the mean color of the image, the image
        blurred, noise with the mean and spread of each channel, one number or one
        a channel in the images' units, or an image (1, height, width[, n_channels]).
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain, all by the same model evaluations. None: all up to
        20, else the predicted one.
    n_jobs : int, default=None
        Number of workers, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the masks and of the noise. None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a progress bar once work has taken a few seconds; 0 none.

    Attributes
    ----------
    output_names_ : tuple of str
        Names of all of the model's outputs.
    n_features_in_ : int
        Numbers in an image.

    Notes
    -----
    With masks M_i and predictions f_i the saliency is
    sum_i (f_i - mean f) (M_i - p) / (n p), of shape (n_rows, height, width,
    n_outputs). The paper [1]_ has f_i M_i in the sum; centering leaves the
    expectation and lowers the variance, since E[M] = p. Values have quantity
    "effect", ``base_values`` are mean f, and ``extras`` hold "n_masks" and the "fill".

    Of the masks with shifts in one tile of a cell, any two cells are both visible in a
    quarter, for every tile. With another `p_keep` than 0.5, masks are Latin hypercubes
    of strength 2 [2]_, and where no orthogonal array fits, independent. Standard errors
    are the spread between blocks of masks of what is not balanced.

    References
    ----------
    .. [1] Petsiuk, V., Das, A., Saenko, K. (2018). RISE: Randomized input
       sampling for explanation of black-box models. BMVC.
       https://doi.org/10.48550/arXiv.1806.07421
    .. [2] Tang, B. (1993). Orthogonal array-based Latin hypercubes. JASA 88.
       https://doi.org/10.1080/01621459.1993.10476423

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import RiseExplainer
    >>> images = np.random.default_rng(0).random((1, 16, 16))
    >>> model = lambda X: X[:, :8, :8].mean((1, 2))
    >>> explainer = RiseExplainer(model, n_masks=512, n_cells=4, fill=0, random_state=0)
    >>> exp = explainer.fit(images).explain(images)
    >>> bool(exp.values[0, :8, :8].mean() > exp.values[0, 8:, 8:].mean())
    True
    """

    _doc_page = "pictures.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageExplainer._parameter_constraints,
        "n_masks": [Interval(Integral, 32, None, closed="left")],
        "n_cells": [Interval(Integral, 2, None, closed="left")],
        "p_keep": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        model: Any,
        *,
        n_masks: int = 4000,
        n_cells: int = 7,
        p_keep: float = 0.5,
        fill: Any = "mean",
        sigma: float = 10.0,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.n_masks = n_masks
        self.n_cells = n_cells
        self.p_keep = p_keep
        self.fill = fill
        self.sigma = sigma

    @property
    def _quantity(self) -> str:
        return "effect"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        fill = self._compute_fill(rows)
        predictions = self._predict(rows)
        sampler = self._make_sampler(rows)
        source = SoftMaskRows(sampler, rows, fill, selection.indices(predictions))
        maps, _ = self._evaluate(source, SoftMaskRows.estimate_saliency)
        values, errors, base = (np.stack(part) for part in zip(*maps, strict=True))
        points = sampler.points
        by_image = {
            DEGREES_OF_FREEDOM: Detail(np.array(points.n_blocks - 1.0), ()),
            DESIGN_ERRORS: Detail(errors, self._dims),  # all images share the masks
        }
        return Attribution(
            values=values,
            std_errors=errors,
            base_values=base,
            predictions=predictions,
            n_model_rows=self._count_model_rows(rows),
            details={"n_masks": points.n_points} | by_image | fill_details(fill, len(rows)),
        )

    def _count_model_rows(self, rows: Any) -> int:
        return len(rows) * (1 + self._make_sampler(rows).points.n_points)

    def _make_sampler(self, images: Any) -> SoftMaskSampler:
        height, width = images.shape[1:3]
        n_cells = int(self.n_cells)  # whose square numpy's own would overflow
        return SoftMaskSampler.from_seed((height, width), n_cells, self.p_keep, self.n_masks, self._seed)


class Balanced(NamedTuple):
    """Functions of cells and slices near to scores, whose products with masks the design balances.

    Attributes
    ----------
    scores : (n, n_outputs)
    offsets : (n, 2)
        Offsets that masks of one slice share.
    factor : float
        Variance of the estimate, relative to what the rest of the products would have if independent.
    """

    scores: Floats
    offsets: Codes
    factor: float


@dataclass(frozen=True)
class SoftMaskSampler:
    """Random soft masks."""

    image_shape: tuple[int, int]  # height and width
    n_cells: int  # of the grid, along each axis
    p_keep: float  # probability that a cell is visible
    points: Design  # of 1 + n_cells**2 dimensions: one for the offset, one for each cell

    @classmethod
    def from_seed(
        cls, image_shape: tuple[int, int], n_cells: int, p_keep: float, n_masks: int, seed: int
    ) -> SoftMaskSampler:
        """At most n_masks masks, as many as fill whole arrays of the design."""
        points = (Design.sliced_halves if p_keep == 0.5 else Design.from_n_points)(
            1 + n_cells**2, n_masks, seed
        )
        return cls(image_shape, n_cells, p_keep, points)

    def sample(self, masks: slice) -> tuple[Floats, Codes]:
        """Grids (n, n_cells, n_cells) of 0 and 1, and offsets (n, 2) in pixels."""
        u = self.points.points(masks)
        grids = (u[:, 1:] < self.p_keep).astype(float).reshape(-1, self.n_cells, self.n_cells)
        # Along Morton's curve, so that the offsets of a slice are a tile of the cell.
        bits = np.arange(_CURVE_BITS)
        curve = (u[:, 0] * 4.0**_CURVE_BITS).astype(np.int64)
        digits = curve[:, None, None] >> (2 * bits + np.array([[1], [0]])) & 1
        return grids, (digits << bits).sum(axis=2) * self.cell_shape >> _CURVE_BITS

    def batch(self, masks: slice) -> SoftMaskBatch:
        """Some of the masks."""
        return SoftMaskBatch(*self.sample(masks), *self.interpolation)

    def weighted_sum(self, scores: Floats, masks: slice, offsets: Codes | None = None) -> Floats:
        """sum_i scores_i M_i of shape (height, width, n_outputs), from scores (n, n_outputs).

        With other offsets (n, 2) than the masks' own, if they are given.
        """
        # The masks are never built: grids of the same offset share their interpolation, so they are added up
        # first. With 8,000 masks and 32 x 32 offsets this is about eight times less work.
        grids, own = self.sample(masks)
        offsets = own if offsets is None else offsets
        (rows, columns), (height, width) = self.interpolation, self.cell_shape
        by_offset = np.zeros((height * width, self.n_cells, self.n_cells, scores.shape[1]))
        np.add.at(by_offset, offsets[:, 0] * width + offsets[:, 1], grids[..., None] * scores[:, None, None])
        by_offset = by_offset.reshape(height, width, *by_offset.shape[1:])
        along_rows = np.einsum("abijc,bxj->aixc", by_offset, columns, optimize=True)
        return np.einsum("ayi,aixc->yxc", rows, along_rows, optimize=True)

    def balanced(self, scores: Floats) -> Balanced | None:
        """What the design balances of scores (n, n_outputs); None where points are independent."""
        points = self.points
        if not points.is_cut:
            return None
        grids, offsets = self.sample(slice(0, points.n_points))
        offsets = self._slice_centers(offsets)
        y, x = (2.0 * (offsets + 0.5) / self.cell_shape - 1.0).T
        cells = grids.reshape(points.n_points, -1) - self.p_keep
        most = points.n_points // (4 * cells.shape[1])  # functions of the offset, which are few
        basis = [cells * one[:, None] for one in (np.ones_like(y), y, x, x * y, y * y, x * x)[:most]]
        if not basis:
            return Balanced(np.zeros_like(scores), offsets, points.draw.aliasing)
        columns = np.concatenate(basis, axis=1)
        gram = columns.T @ columns
        rank = np.linalg.matrix_rank(gram, rtol=_RANK, hermitian=True)
        solve = np.linalg.pinv(gram, rtol=_RANK, hermitian=True)
        # Products whose columns are their own: an output has the same bits whichever are beside it.
        fitted = multiply(columns, multiply(solve, multiply(columns.T, scores)))
        factor = points.draw.aliasing * points.n_points / (points.n_points - 1 - rank)
        return Balanced(fitted, offsets, factor)

    def _slice_centers(self, offsets: Codes) -> Codes:
        """The mean offset (n, 2) of the slice that each mask is in."""
        points = self.points
        n_slices = points.draw.n_slices if isinstance(points.draw, SlicedHalves) else 1
        number = np.floor(points.points(slice(0, points.n_points))[:, 0] * n_slices).astype(np.intp)
        counts = np.bincount(number, minlength=n_slices)
        sums = np.stack([np.bincount(number, one, minlength=n_slices) for one in offsets.T], axis=1)
        return np.floor(sums / counts[:, None] + 0.5).astype(np.intp)[number]

    @property
    def cell_shape(self) -> tuple[int, int]:
        """Height and width of a cell in pixels, which is also the number of offsets."""
        height, width = self.image_shape
        return -(-height // self.n_cells), -(-width // self.n_cells)

    @cached_property
    def interpolation(self) -> tuple[Floats, Floats]:
        """Bilinear weights of the grid's rows and columns, each (n_offsets, side, n_cells)."""
        (height, width), (cell_height, cell_width) = self.image_shape, self.cell_shape
        return self._interpolate(height, cell_height), self._interpolate(width, cell_width)

    def _interpolate(self, side: int, cell: int) -> Floats:
        # One cell more than the image has, so that every offset leaves a full image to crop.
        length = (self.n_cells + 1) * cell
        centers = np.clip((np.arange(length) + 0.5) * self.n_cells / length - 0.5, 0.0, self.n_cells - 1.0)
        weights = np.maximum(0.0, 1.0 - np.abs(centers[:, None] - np.arange(self.n_cells)))
        return np.stack([weights[offset : offset + side] for offset in range(cell)])


@dataclass(frozen=True)
class SoftMaskRows(RowSource):
    """Each image under all soft masks."""

    sampler: SoftMaskSampler
    images: Any  # (n_images, height, width[, n_channels])
    fill: Any  # as many axes, those of length 1 broadcast
    outputs: Codes  # (n_images, n_selected), those that are explained
    is_composed: bool = False  # by the model, which gets the masks instead of masked images

    @property
    def n_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def n_columns(self) -> int:
        n_pixels = 0 if self.is_composed else int(np.prod(self.images.shape[1:]))
        return n_pixels + self.sampler.points.n_dims

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> SoftMaskRows:
        return replace(self, is_composed=predictor.supports(MaskComposer))

    def n_rows(self, block: int) -> int:
        return self.sampler.points.n_points

    def build(self, block: int, part: slice) -> Any:
        return self.sampler.batch(part).compose(self.images[block], self._fill_of(block))

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        if not self.is_composed:
            return super().predict(block, part, caller)
        fill = self._fill_of(block)[None, None]
        return caller.predict_masked(self.images[block][None], self.sampler.batch(part), fill)[0, :, 0]

    def _fill_of(self, block: int) -> Any:
        return self.fill[0 if self.fill.shape[0] == 1 else block]

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"row {block} under soft masks {first} to {last}"

    def estimate_saliency(self, item: int, predictions: Floats) -> tuple[Floats, Floats, Floats]:
        """Saliency, standard errors and mean predictions of one image."""
        return estimate_saliency(self.sampler, predictions[:, self.outputs[item]])


def estimate_saliency(sampler: SoftMaskSampler, predictions: Floats) -> tuple[Floats, Floats, Floats]:
    """Saliency and its standard errors, each (height, width, n_outputs), and the mean predictions."""
    # The mean is counted from the first prediction: then equal ones have saliency exactly 0.
    mean = predictions[0] + (predictions - predictions[0]).mean(axis=0)
    scores = (predictions - mean) / (predictions.shape[0] * sampler.p_keep)
    n, size = sampler.points.n_blocks, sampler.points.size
    balanced = sampler.balanced(scores)
    total, moved = np.zeros((2, *sampler.image_shape, mean.size))
    squares = np.zeros_like(total)
    for block in range(n):
        part = slice(block * size, (block + 1) * size)
        block_sum = sampler.weighted_sum(scores[part], part) - sampler.p_keep * scores[part].sum(axis=0)
        total += block_sum
        if balanced is not None:
            part_scores = balanced.scores[part]
            block_sum -= sampler.weighted_sum(part_scores, part, balanced.offsets[part])
            block_sum += sampler.p_keep * part_scores.sum(axis=0)
        moved += block_sum
        squares += block_sum**2
    factor = (1.0 if balanced is None else balanced.factor) * n / (n - 1)
    errors = np.sqrt(np.maximum(squares - moved**2 / n, 0.0) * factor)
    return total, errors, mean
