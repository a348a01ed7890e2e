"""RISE: saliency from randomized input sampling (Petsiuk, Das and Saenko, 2018)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.base import Attribution, ImageExplainer, OutputSelection
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.core.masking.fills import fill_details
from agnostix.core.sklearn_compat import Interval
from agnostix.occlusion.soft_masks import SoftMaskRows, SoftMaskSampler


class RiseExplainer(ImageExplainer):
    """Saliency maps of images from random soft masks (RISE), with a standard error for each pixel.

    The image is shown to the model under random masks: coarse grids whose
    cells are visible with probability `p_keep`, enlarged bilinearly and shifted
    at random. The value of a pixel is the mean prediction where the pixel is
    visible, less the mean prediction. Any model will do: only its predictions
    are needed.

    Parameters
    ----------
    model : fitted estimator, torch module or callable
        The model to explain. A torch module composes the masked images on its
        own device; `as_predictor` says how it takes images.
    n_masks : int, default=4000
        Number of masks, at least 32. They come in equal blocks of a power of two,
        of which there are at least 16, so that slightly fewer may be used:
        see ``extras["n_masks"]``.
    n_cells : int, default=7
        Cells of the grid along each axis. More cells give finer maps that need
        more masks.
    p_keep : float, default=0.5
        Probability that a cell is visible.
    fill : {"mean", "blur", "noise"}, float, sequence of float or array, default="mean"
        What replaces the hidden parts: the mean color of the image, the blurred
        image, an image of noise with the mean and spread of each channel, a
        number or one for each channel in the units of the images, or one image
        in an array of shape (1, height, width[, n_channels]).
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one. All
        outputs use the same model evaluations.
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
    sum_i (f_i - mean f) (M_i - p) / (n p). The paper [1]_ has f_i M_i in the sum;
    centering leaves the expectation and lowers the variance.

    Masks are quasi-random within a block, and blocks are independent: standard
    errors are the spread between blocks, and intervals are Student's with
    n_blocks - 1 degrees of freedom.

    Values have quantity "effect" and shape (n_rows, height, width, n_outputs).
    ``base_values`` are the mean predictions under the masks. ``extras`` hold
    "n_masks" and the "fill".

    References
    ----------
    .. [1] Petsiuk, V., Das, A., Saenko, K. (2018). RISE: Randomized input
       sampling for explanation of black-box models. BMVC.
       https://doi.org/10.48550/arXiv.1806.07421

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
        dof = Detail(np.array(points.n_blocks - 1.0), ())
        return Attribution(
            values=values,
            std_errors=errors,
            base_values=base,
            predictions=predictions,
            n_model_rows=self._count_model_rows(rows),
            details={"n_masks": points.n_points, DEGREES_OF_FREEDOM: dof} | fill_details(fill, len(rows)),
        )

    def _count_model_rows(self, rows: Any) -> int:
        return len(rows) * (1 + self._make_sampler(rows).points.n_points)

    def _make_sampler(self, images: Any) -> SoftMaskSampler:
        height, width = images.shape[1:3]
        return SoftMaskSampler.from_seed((height, width), self.n_cells, self.p_keep, self.n_masks, self._seed)
