"""Extremal masks of images (Fong and Vedaldi, 2017; Fong, Patrick and Vedaldi, 2019), and whether they do."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.base import Attribution, ImageExplainer, OutputSelection
from agnostix.core.evaluate import WorkerProgress, run_in_shares
from agnostix.core.explanation import Detail
from agnostix.core.masking.fills import fill_details
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import ModelOutputError
from agnostix.neural.objectives import OBJECTIVES, MaskSearch

_LEAST_SHARE = 0.5
"""Of the score, that a mask must keep or remove to succeed."""


class ExtremalMaskExplainer(ImageExplainer):
    """The part of an image that keeps the score of a torch network, or without which it falls.

    A mask, 1 where the image counts and 0 elsewhere, is learned by gradient
    descent: the smallest part without which the score falls, the smallest part
    that keeps it, or the best part of a given area. It is cut from a coarse,
    smooth grid, so that single pixels cannot fool the network.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain. It must be differentiable.
    objective : {"delete", "preserve", "both", "extremal_preserve", "extremal_delete"}, default="delete"
        "delete": the smallest part without which the score falls. "preserve":
        the smallest part that keeps the score. "both": a part that does both
        [3]_. "extremal_preserve", "extremal_delete": the part of a given `area`
        that keeps, or removes, most of the score [2]_.
    area : float, default=0.3
        Share of the pixels in the mask, for the two extremal objectives.
    area_penalty : float, default=1.0
        Penalty on the area, for the others: at 1 a pixel is in the mask if
        hiding it takes a larger share of the score than it is of the image.
    smoothness : float, default=8.0
        Penalty on the mean cubed difference between neighboring cells.
    n_cells : int, default=28
        Cells of the grid along each axis.
    mask_sigma : float, default=2.0
        Standard deviation of the Gaussian that smooths the grid, in cells. More
        gives fewer and rounder parts.
    jitter : float, default=1.0
        Cells by which the image is shifted at most, at random in each step.
    noise : float, default=2.0
        Standard deviation of the noise on the cells before smoothing. It falls
        to 0 over the first four fifths of the steps.
    n_steps : int, default=300
        Steps of Adam.
    learning_rate : float, default=0.1
        Learning rate of Adam.
    fill : {"mean", "blur", "noise"}, float, sequence of float or array, default="mean"
        What replaces the hidden part: the mean color of the image, the image
        blurred, noise with the mean and spread of each channel, one number or one
        a channel in the images' units, or an image (1, height, width[, n_channels]).
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain, each by a search of its own. None: all up to 20,
        else the predicted one.
    n_jobs : int, default=None
        Number of workers for predictions, as in joblib; a search has one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of jitter and noise. None draws a seed once, in `fit`.
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
    Values have quantity "mask" and shape (n_rows, height, width, n_outputs).
    They have no standard errors: another mask may do as well. ``base_values``
    are the predictions of the fill. ``extras`` hold, with shape (n_rows, n_outputs),

    - "shown" and "hidden": the scores with only the mask visible, and with it hidden;
    - "kept" = (shown - base) / (output - base) and "removed" = (output - hidden)
      / (output - base), shares of the score;
    - "reached": the share that the objective is about, of "both" the smaller one;
      "needed": the larger of 0.5 and the mask's share of the pixels;
    - "succeeded": reached >= 0.5 and reached > the mask's share of the pixels, which
      any mask reaches if all pixels count alike. `PixelsDisplay` draws no other mask.

    Unlike in the papers, the mask is 0 or 1 throughout the search, with edges
    softened over a cell, and the area of an extremal mask is exact; see
    docs/pictures.md.

    References
    ----------
    .. [1] Fong, R., Vedaldi, A. (2017). Interpretable explanations of black
       boxes by meaningful perturbation. ICCV. https://doi.org/10.1109/ICCV.2017.371
    .. [2] Fong, R., Patrick, M., Vedaldi, A. (2019). Understanding deep
       networks via extremal perturbations and smooth masks. ICCV.
       https://doi.org/10.1109/ICCV.2019.00304
    .. [3] Phang, J., Park, J., Geras, K. J. (2020). Investigating and
       simplifying masking-based saliency methods for model interpretability.
       https://doi.org/10.48550/arXiv.2010.09750

    Examples
    --------
    >>> import torch
    >>> from agnostix import as_predictor
    >>> from agnostix.neural import ExtremalMaskExplainer
    >>> class Corner(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x[:, 0, :8, :8].mean((1, 2))
    >>> images = torch.ones(1, 16, 16).numpy()
    >>> model = as_predictor(Corner(), activation="none")
    >>> explainer = ExtremalMaskExplainer(
    ...     model, objective="extremal_preserve", area=0.25, fill=0, n_cells=8, mask_sigma=0.5, n_steps=150,
    ...     jitter=0, smoothness=0, random_state=0)
    >>> exp = explainer.fit(images).explain(images)
    >>> bool(exp.values[0, :8, :8].mean() > 0.8), bool(exp.extras["succeeded"].array[0, 0])
    (True, True)
    """

    _doc_page = "pictures.md"
    _requires = (Differentiable,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageExplainer._parameter_constraints,
        "objective": [StrOptions(set(OBJECTIVES))],
        "area": [Interval(Real, 0, 1, closed="neither")],
        "area_penalty": [Interval(Real, 0, None, closed="left")],
        "smoothness": [Interval(Real, 0, None, closed="left")],
        "n_cells": [Interval(Integral, 2, None, closed="left")],
        "mask_sigma": [Interval(Real, 0, None, closed="left")],
        "jitter": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        model: Any,
        *,
        objective: str = "delete",
        area: float = 0.3,
        area_penalty: float = 1.0,
        smoothness: float = 8.0,
        n_cells: int = 28,
        mask_sigma: float = 2.0,
        jitter: float = 1.0,
        noise: float = 2.0,
        n_steps: int = 300,
        learning_rate: float = 0.1,
        fill: Any = "mean",
        sigma: float = 10.0,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.objective = objective
        self.area = area
        self.area_penalty = area_penalty
        self.smoothness = smoothness
        self.n_cells = n_cells
        self.mask_sigma = mask_sigma
        self.jitter = jitter
        self.noise = noise
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.fill = fill
        self.sigma = sigma

    @property
    def _quantity(self) -> str:
        return "mask"

    @property
    def _units(self) -> str:
        return "visibility"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        fill = self._compute_fill(rows)
        fills = np.broadcast_to(fill, rows.shape)
        predictions, base = self._predict(rows), self._predict(fills)
        pick = partial(selection.pick, predictions=predictions)
        results = self._search_masks(rows, fills, selection.indices(predictions))
        masks = np.stack([np.stack([result.mask for result in row], axis=-1) for row in results])
        shown, hidden = (
            np.array([[getattr(result, name) for result in row] for row in results])
            for name in ("shown", "hidden")
        )
        details = self._judge(masks, shown, hidden, pick(predictions), pick(base))
        return Attribution(
            values=masks,
            base_values=pick(base),
            predictions=predictions,
            n_model_rows=2 * len(rows) + sum(result.n_rows for row in results for result in row),
            details={name: Detail(array, ("row", "output")) for name, array in details.items()}
            | fill_details(fill, len(rows)),
        )

    def _judge(
        self, masks: Floats, shown: Floats, hidden: Floats, outputs: Floats, base: Floats
    ) -> dict[str, Floats | Bools]:
        """Scores of masks, shares of the score kept and removed, and success, each (n_rows, n_outputs)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            kept, removed = (shown - base) / (outputs - base), (outputs - hidden) / (outputs - base)
        judged = [kept] * self._search.preserves + [removed] * self._search.deletes
        reached, area = np.min(judged, axis=0), masks.mean(axis=(1, 2))
        # NaN, of an output that the fill does not change, is never enough.
        succeeded = (reached >= _LEAST_SHARE) & (reached > area)
        shares = {"kept": kept, "removed": removed, "reached": reached}
        needed = np.maximum(area, _LEAST_SHARE)
        return {"shown": shown, "hidden": hidden} | shares | {"needed": needed, "succeeded": succeeded}

    def _search_masks(self, images: Any, fills: Any, outputs: Codes) -> list[list[Any]]:
        """A mask for each image and each of its outputs (n_rows, n_selected)."""
        from agnostix.neural.mask_search import learn_mask  # torch is installed: the model is a module

        search = self._search

        def learn(progress: WorkerProgress, worker: int, tasks: range) -> list[Any]:
            learned = []
            for task in progress.follow(worker, tasks):
                row, k = divmod(task, outputs.shape[1])
                result = learn_mask(
                    session, images[row], fills[row], int(outputs[row, k]), search, self._seed
                )
                if not result.is_finite:
                    raise ModelOutputError(
                        f"The model {self._predictor.name} returned NaN or infinity, or such gradients, for "
                        f"row {row} mixed with the fill. Check it on (image + fill) / 2, or use another fill."
                    )
                progress.add_rows(worker, result.n_rows)
                learned.append(result)
            return learned

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session:
            (learned,) = run_in_shares(
                learn, outputs.size, str, size=outputs.size, n_jobs=1, verbose=self.verbose
            )
        n_selected = outputs.shape[1]
        return [learned[start : start + n_selected] for start in range(0, outputs.size, n_selected)]

    def _count_model_rows(self, rows: Any) -> int:
        return len(rows) * (2 + self._select_outputs(None).n_selected * self._search.n_model_rows)

    @property
    def _search(self) -> MaskSearch:
        return MaskSearch(**{name: getattr(self, name) for name in MaskSearch.__dataclass_fields__})
