"""What the model would say without a feature, or without a part of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.base import Attribution, BackgroundExplainer, OutputSelection
from agnostix.core.base.rows import check_image_shape, count_axes
from agnostix.core.evaluate import mask_cost
from agnostix.core.explanation import Detail
from agnostix.core.explanation.intervals import DEGREES_OF_FREEDOM
from agnostix.core.masking import Background, SegmentMasker, one_hidden_at_a_time
from agnostix.core.masking.fills import is_stack
from agnostix.core.masking.pictures import as_pixels
from agnostix.core.models import Differentiable
from agnostix.core.progress import WorkerProgress, run_in_shares
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.perturb import (
    InpaintedWindows,
    LearnedMask,
    MeanAndVariance,
    SoftMaskRows,
    SoftMaskSampler,
    Windows,
)

_MAPS = ("window", "rise", "mask")
"""Methods that give each pixel a value."""
_SCORES = ("shown", "hidden")
"""Scores of a learned mask."""


class OcclusionExplainer(BackgroundExplainer):
    """Say what each feature of a row, or part of a picture, does to a prediction, by hiding it.

    In tables, the value of a feature is the prediction of the row less the mean
    prediction of the same row with the feature taken from background rows, in
    model output units. For a model that is a sum of functions of single
    features these are exact, and add up to the prediction less the mean one;
    where features work together, each is credited with what needs it.

    In pictures, another colour stands in for what is hidden, and each pixel
    has a value: by windows that slide over the picture, by soft random masks
    (RISE), or by a mask that is searched for with gradients; segments have one
    value each.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module or callable
        What is explained. An unfitted estimator is fitted on (X, y). How a torch
        module takes its pictures is said to `as_predictor`, which composes
        masked pictures where the module lives.
    method : {"auto", "features", "window", "segments", "rise", "mask"}, default="auto"
        "features" hides the columns of a table, one or one group at a time.
        "window" hides each position of a window; a pixel's value is the mean
        over the windows that cover it. "segments" hides the segments of
        `masker`. "rise" hides random parts softly; a pixel's value is the mean
        answer where it shows less the mean answer. "mask" learns a mask, 1
        where the picture counts, through a torch module's gradients. "auto" is
        "segments" with a masker, "features" for tables, "window" for pictures.
    window : int or tuple (height, width), default=16
        Pixels that "window" hides at once.
    stride : int or tuple (down, right), default=8
        Pixels from one window to the next, no more than the window has. The
        last windows are cut at the border.
    n_masks : int, default=4000
        Soft masks at most, for "rise": the largest blocks of a power of two
        that leave at least 16 of them.
    n_cells : int, default=7
        Cells of a soft mask's grid, down and to the right.
    share : float, default=0.5
        Chance that a cell of a soft mask shows the picture.
    learned_mask : LearnedMask, default=None
        What "mask" searches for; None for ``LearnedMask()``.
    fill : "auto", str, mapping or array-like, default="auto"
        What stands in for hidden values. Tables: "draws", which "auto" chooses,
        for rows drawn from those seen in `fit`, or one row of constants, for a DataFrame a mapping from its
        columns. Pictures: "mean", which "auto" chooses, for the mean colour;
        "blur"; a number, or one for each channel, in the pictures' own units;
        "inpaint", for what the pixels around suggest, by noisy linear
        interpolation [4]_; "draws" for pictures seen in `fit`, "noise" for noise
        with the mean and spread of each channel, or an array of pictures, over
        which answers are averaged. "rise" and "mask" have one picture stand in,
        and no "inpaint". A masker has its own.
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    background_size : int, default=100
        Rows of a table, or pictures, drawn in `fit`, without replacement; all
        where there are fewer. Pictures of noise; one for "rise" and "mask".
    feature_groups : mapping from str to list of str, default=None
        Columns that are hidden together, such as those of one label.
    masker : SegmentMasker, TextMasker or other Masker, default=None
        For "segments": what is hidden together, and what stands in; None for a
        grid of 50 cells.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of the background, the soft masks and the search; None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a bar, with a forecast, in terminals and notebooks once work has
        taken a few seconds; 0 none.

    Attributes
    ----------
    method_ : str
        The method in use.
    background_ : DataFrame or ndarray of shape (n_background, n_columns)
        The rows that stand in, or the pictures that "draws" has drawn; else None for pictures.
    base_values_ : ndarray of shape (n_outputs,)
        The model's mean prediction of the background; None for pictures.
    output_names_ : tuple of str
        Names of all of the model's outputs.
    players_ : Players
        Names and columns of what is hidden as one.
    n_features_in_ : int
        Columns seen in `fit`, or numbers in a picture.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Background rows that agree in what is hidden are put to the model once.
    Standard errors speak of the draw of the background: the spread over its
    rows, as if each were drawn anew; 0 for a single row of constants, and where
    one picture stands in. With several, those of a pixel under "window" are the
    mean errors of the windows that cover it, as if these erred together: at
    most. Those of "rise" come from independent blocks of masks; a learned mask
    has none.

    Values have quantity "effect", or "mask" with ``method="mask"``, and need not sum to anything.
    Maps have shape (n_rows, height, width, n_outputs). ``base_values`` are the
    answers where all of a picture is hidden, with "rise" the mean answer under
    its masks. ``extras`` hold, with "window", the effect of each window, of shape
    (n_rows, n_windows, n_outputs); where one picture stands in whatever is
    hidden, the "fill", with axes of length 1 where it is even; with "mask", the score where only the mask is
    "shown" and that where it is "hidden", of shape (n_rows, n_outputs).

    References
    ----------
    .. [1] Zeiler, M. D., Fergus, R. (2014). Visualizing and understanding
       convolutional networks. ECCV. https://doi.org/10.1007/978-3-319-10590-1_53
    .. [2] Petsiuk, V., Das, A., Saenko, K. (2018). RISE: Randomized input
       sampling for explanation of black-box models. BMVC.
       https://doi.org/10.48550/arXiv.1806.07421
    .. [3] Fong, R., Vedaldi, A. (2017). Interpretable explanations of black
       boxes by meaningful perturbation. ICCV. https://doi.org/10.1109/ICCV.2017.371
    .. [4] Rong, Y., et al. (2022). A consistent and efficient evaluation strategy
       for attribution methods. ICML. https://doi.org/10.48550/arXiv.2202.00449

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = LinearRegression().fit(X, y)
    >>> explainer = OcclusionExplainer(model, background_size=442).fit(X)
    >>> exp = explainer.explain(X.head(3))
    >>> exp.values.shape
    (3, 10, 1)
    >>> expected = model.coef_ * (X.head(3) - X.mean())
    >>> bool(abs(exp.values[:, :, 0] - expected.to_numpy()).max() < 1e-9)
    True

    A picture whose upper left corner is all that counts:

    >>> import numpy as np
    >>> pictures = np.random.default_rng(0).random((1, 8, 8))
    >>> explainer = OcclusionExplainer(lambda X: X[:, :4, :4].sum((1, 2)), window=4, stride=4, fill=0)
    >>> exp = explainer.fit(pictures).explain(pictures)
    >>> exp.values.shape, bool(exp.values[0, 0, 0, 0] > 1), bool(abs(exp.values[0, 4:]).max() < 1e-12)
    ((1, 8, 8, 1), True, True)
    """

    _doc_page = "occlusion.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BackgroundExplainer._parameter_constraints,
        "method": [StrOptions({"auto", "features", "mask", "rise", "segments", "window"})],
        "window": [Interval(Integral, 1, None, closed="left"), tuple],
        "n_masks": [Interval(Integral, 32, None, closed="left")],
        "n_cells": [Interval(Integral, 2, None, closed="left")],
        "share": [Interval(Real, 0, 1, closed="neither")],
        "learned_mask": [LearnedMask, None],
        "stride": [Interval(Integral, 1, None, closed="left"), tuple],
        "fill": "no_validation",
        "sigma": [Interval(Real, 0, None, closed="neither")],
        "background_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        model: Any,
        *,
        method: str = "auto",
        window: Any = 16,
        stride: Any = 8,
        n_masks: int = 4000,
        n_cells: int = 7,
        share: float = 0.5,
        learned_mask: LearnedMask | None = None,
        fill: Any = "auto",
        sigma: float = 10.0,
        background_size: int = 100,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.method = method
        self.window = window
        self.stride = stride
        self.n_masks = n_masks
        self.n_cells = n_cells
        self.share = share
        self.learned_mask = learned_mask
        self.fill = fill
        self.sigma = sigma
        self.background_size = background_size
        self.feature_groups = feature_groups
        self.masker = masker

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OcclusionExplainer:
        """Draw the background, or the masks, and try the model.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or pictures
            Rows to draw from; pictures are of shape (n_rows, height, width) or
            (n_rows, height, width, n_channels).
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, kept by those that are drawn.

        Returns
        -------
        self : OcclusionExplainer

        Raises
        ------
        ValueError
            If the rows, the fill, a window, a masker or a group cannot be used, or a mask is to be
            learned from a model without gradients.
        """
        self._begin_fit()
        self._learn_background(X, y, sample_weight)
        if self._shape is not None and self._fills_with("draws"):
            self.background_ = self._masker.fill
        if self.method_ == "mask":
            self._require_gradients()  # or an error, before anything costs
        return self

    @property
    def _dims(self) -> tuple[str, ...]:
        is_map = getattr(self, "method_", self.method) in _MAPS
        return ("row", "y", "x", "output") if is_map else ("row", "feature", "output")

    @property
    def _quantity(self) -> str:
        return "mask" if self.method_ == "mask" else "effect"

    @property
    def _units(self) -> str:
        return "visibility" if self.method_ == "mask" else "model output"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        if self.method_ == "rise":
            return self._estimate_saliency(rows, selection)
        if self.method_ == "mask":
            return self._learn_masks(rows, selection)
        means, variances, n_model_rows = self._inpainted(rows) if self._inpaints else self._hidden(rows)
        predictions = means[:, 0]
        pick = partial(selection.pick, predictions=predictions)
        n_hidden = means.shape[1] - 1 - (self.base_values_ is None)
        values = pick(means[:, :1] - means[:, 1 : 1 + n_hidden])
        errors = pick(np.sqrt(variances[:, 1 : 1 + n_hidden] * self._share_per_draw()))
        details: dict[str, Any] = {}
        if self._windows is not None:
            details = {"windows": Detail(values, ("row", "window", "output"))}
            details |= {} if self._inpaints else rows.fill_details()
            values, errors = self._windows.spread(values), self._windows.spread(errors)
        elif self.base_values_ is None:
            details = rows.details()
            values = np.where(rows.present[:, :, None], values, np.nan)
        base = means[:, -1] if self.base_values_ is None else self.base_values_
        return Attribution(
            values=values,
            std_errors=errors,
            base_values=pick(np.broadcast_to(base, predictions.shape)),
            predictions=predictions,
            n_model_rows=n_model_rows,
            details=details,
        )

    def _hidden(self, rows: Any) -> tuple[Floats, Floats, int]:
        """Means and variances (n_rows, n_masks, n_outputs) over the background, and model rows."""
        source = MaskedRowSource.from_rows(self._masker, rows, self._masks(rows))
        (means, variances), n_model_rows = self._evaluate(source, MeanAndVariance())
        return means, variances, n_model_rows

    def _inpainted(self, rows: Any) -> tuple[Floats, Floats, int]:
        """The same where each window is filled in from what is around it."""
        assert self._windows is not None
        pictures = rows.unmasked
        own = self._predict(pictures)
        hidden, _ = self._evaluate(InpaintedWindows(self._windows, pictures, self._seed))
        means = np.concatenate([own[:, None], np.stack(hidden)], axis=1)
        return means, np.zeros_like(means), means.shape[0] * means.shape[1]

    def _estimate_saliency(self, rows: Any, selection: OutputSelection) -> Attribution:
        """Maps (n_rows, height, width, n_selected) by RISE's soft masks."""
        assert self._soft_masks is not None
        images = rows.unmasked
        predictions = self._predict(images)
        outputs = selection.indices(predictions)
        source = SoftMaskRows(self._soft_masks, images, rows.fill[:, 0], outputs)
        maps, _ = self._evaluate(source, SoftMaskRows.estimate_saliency)
        values, errors, base = (np.stack(part) for part in zip(*maps, strict=True))
        points = self._soft_masks.points
        dof = Detail(np.array(points.n_blocks - 1.0), ())
        return Attribution(
            values=values,
            std_errors=errors,
            base_values=base,
            predictions=predictions,
            n_model_rows=len(images) * (1 + points.n_points),
            details={"n_masks": points.n_points, DEGREES_OF_FREEDOM: dof} | rows.fill_details(),
        )

    def _learn_masks(self, rows: Any, selection: OutputSelection) -> Attribution:
        """A learned mask for each image and selected output."""
        images = rows.unmasked
        fills = np.broadcast_to(rows.fill[:, 0], images.shape)
        predictions, hidden = self._predict(images), self._predict(fills)
        pick = partial(selection.pick, predictions=predictions)
        found = self._search_masks(images, fills, selection.indices(predictions))
        scores = {
            name: Detail(np.array([[getattr(one, name) for one in row] for row in found]), ("row", "output"))
            for name in _SCORES
        }
        return Attribution(
            values=np.stack([np.stack([one.mask for one in row], axis=-1) for row in found]),
            base_values=pick(hidden),
            predictions=predictions,
            n_model_rows=2 * len(images) + sum(one.n_rows for row in found for one in row),
            details=scores | rows.fill_details(),
        )

    def _search_masks(self, images: Any, fills: Any, outputs: Codes) -> list[list[Any]]:
        """A learned mask for each image and each of its outputs (n_rows, n_selected)."""
        from agnostix.core.models.torch_masks import learn_mask  # torch is there: the model is a module

        def learn(progress: WorkerProgress, worker: int, tasks: range) -> list[Any]:
            learned = []
            for task in progress.follow(worker, tasks):
                row, k = divmod(task, outputs.shape[1])
                one = learn_mask(
                    session, images[row], fills[row], int(outputs[row, k]), self._mask_search, self._seed
                )
                progress.add_rows(worker, one.n_rows)
                learned.append(one)
            return learned

        with self._require_gradients().session() as session:
            (learned,) = run_in_shares(
                learn, outputs.size, str, size=outputs.size, n_jobs=1, verbose=self.verbose
            )
        n_selected = outputs.shape[1]
        return [learned[start : start + n_selected] for start in range(0, outputs.size, n_selected)]

    @property
    def _mask_search(self) -> LearnedMask:
        return LearnedMask() if self.learned_mask is None else self.learned_mask

    def _count_model_rows(self, rows: Any) -> int:
        n_rows = len(rows)
        if self._soft_masks is not None:
            return n_rows * (1 + self._soft_masks.points.n_points)
        if self.method_ == "mask":
            return n_rows * (2 + self._select_outputs(None).n_selected * self._mask_search.cost)
        if self._inpaints:
            assert self._windows is not None
            return n_rows * (2 + self._windows.n_windows)
        return n_rows * mask_cost(self._masker, self._masks(rows))

    def _masks(self, rows: Any) -> Bools:
        """The row as it is, each thing hidden; and all of it, where that is not known already."""
        n_players = len(rows.features.names)
        if self._windows is None:
            (masks,) = one_hidden_at_a_time(n_players).stages
        else:
            masks = np.vstack([np.ones((1, n_players), dtype=bool), self._windows.masks])
        if self.base_values_ is None:
            masks = np.vstack([masks, np.zeros((1, masks.shape[1]), dtype=bool)])
        return masks

    def _choose_masker(self, X: Any, sample_weight: Any) -> Any:
        """What hides parts of pictures, or of whatever a masker knows; None for tables."""
        self._windows: Windows | None = None
        self._soft_masks: SoftMaskSampler | None = None
        self._shape: tuple[int, ...] | None = None
        self.method_ = self._chosen_method(X)
        if self.method_ == "features" or self.masker is not None:
            self._check_is_table(X)
            return self.masker
        pixels = self._pixels(X)
        self._shape = pixels.shape[1:]
        shape = (self._shape[0], self._shape[1])
        if self.method_ == "segments":
            return self._filling(pixels, "grid", sample_weight)
        if self.method_ == "rise":
            self._soft_masks = SoftMaskSampler.from_seed(
                shape, self.n_cells, self.share, self.n_masks, self._seed
            )
        if self.method_ in ("rise", "mask"):
            return self._checked_single(self._filling(pixels, np.zeros(shape, dtype=int), sample_weight))
        self._windows = Windows(shape, _pair("window", self.window), _pair("stride", self.stride))
        return self._filling(pixels, self._windows.cells, sample_weight)

    def _filling(self, pixels: Any, segments: Any, sample_weight: Any) -> SegmentMasker:
        """What hides parts of pictures, with the fill that was asked for."""
        fill, weights = self._fill, None
        n_draws = 1 if self.method_ in ("rise", "mask") else self.background_size
        if self._fills_with("draws"):
            drawn = Background.drawn(pixels, self.background_size, self._seed, sample_weight)
            fill, weights = drawn.rows, drawn.weights
        elif self._inpaints:
            fill = "mean"  # stands for nothing: windows are filled in one by one
        return SegmentMasker(
            segments, fill, sigma=self.sigma, n_draws=n_draws, random_state=self._seed, weights=weights
        )

    def _checked_single(self, masker: SegmentMasker) -> SegmentMasker:
        """Soft masks need one picture that stands in, whatever the mask."""
        n_fill = masker.weights.size
        if n_fill > 1 or self._fills_with("inpaint"):
            got = f"{n_fill} pictures" if n_fill > 1 else "'inpaint', which depends on what is hidden"
            raise DataError(
                f"method={self.method_!r} of OcclusionExplainer has one picture stand in, and the fill is "
                f"{got}. Use fill='blur', 'mean' or 'noise', or one picture: background_size=1."
            )
        return masker

    @property
    def _inpaints(self) -> bool:
        """Whether windows are filled in from what is around them."""
        return self.method_ == "window" and self._fills_with("inpaint")

    def _chosen_method(self, X: Any) -> str:
        if self.masker is None:
            return ("window" if count_axes(X) > 2 else "features") if self.method == "auto" else self.method
        if self.method not in ("auto", "segments"):
            raise DataError(
                f"The 'masker' parameter of OcclusionExplainer must be None with method={self.method!r}. Use "
                "method='segments'."
            )
        if not self._is_auto_fill:
            raise DataError(
                "The 'fill' parameter of OcclusionExplainer must be 'auto' with a masker, which has its own, "
                f"got {self.fill!r}. Give the fill to the masker."
            )
        return "segments"

    def _check_is_table(self, X: Any) -> None:
        if self.method_ == "features" and (n_axes := count_axes(X)) > 2:
            raise DataError(
                f"method='features' of OcclusionExplainer needs a table, got {n_axes} dimensions, as "
                "pictures have. Use method='window' or 'segments'."
            )

    def _pixels(self, X: Any) -> Any:
        """Pictures, checked."""
        if count_axes(X) == 2:
            raise DataError(
                f"method={self.method_!r} of OcclusionExplainer needs pictures of shape (n_rows, height, "
                "width) or (n_rows, height, width, n_channels), got a table. Use method='features'."
            )
        return as_pixels(X)

    def _read(self, X: Any) -> Any:
        if self._shape is not None:
            check_image_shape(self._pixels(X), self._shape, "OcclusionExplainer")
        return super()._read(X)

    def _name_columns(self) -> tuple[str, ...]:
        if self.method_ in _MAPS:
            raise DataError(
                f"OcclusionExplainer cannot put its values into columns with method={self.method_!r}: they "
                "are maps of pixels. Use explain(X).values, or method='segments'."
            )
        return super()._name_columns()

    def _require_gradients(self) -> Differentiable:
        return self._predictor.require(
            Differentiable,
            "method='mask' of OcclusionExplainer",
            instead="Or use method='rise' or 'window', which need predictions alone.",
        )

    def _describe_params(self) -> dict[str, Any]:
        """With what was chosen in place of "auto" and None."""
        params = super()._describe_params() | {"method": self.method_}
        if self._shape is not None and self._is_auto_fill:
            params["fill"] = self._fill
        elif is_stack(self.fill):
            params["fill"] = f"{len(self.fill)} pictures"
        if self.method_ == "mask":
            params["learned_mask"] = repr(self._mask_search)
        return params

    def _fills_with(self, word: str) -> bool:
        return isinstance(self.fill, str) and self.fill == word

    @property
    def _is_auto_fill(self) -> bool:
        return self._fills_with("auto")

    @property
    def _fill(self) -> Any:
        """Of pictures."""
        return "mean" if self._is_auto_fill else self.fill

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        if self._is_auto_fill or self._fills_with("draws"):
            return Background.drawn(table, self.background_size, self._seed, sample_weight)
        return Background.constant(self.fill, table, "OcclusionExplainer")

    def _share_per_draw(self) -> float:
        """From the variance over draws to that of their mean; a single row is a choice and has none."""
        square = float(self._masker.weights @ self._masker.weights)
        return square / (1.0 - square) if square < 1.0 else 0.0


def _pair(name: str, size: Any) -> tuple[int, int]:
    """Height and width; one number is both."""
    pair = (size, size) if isinstance(size, Integral) else tuple(size)
    if len(pair) != 2 or not all(isinstance(one, int | np.integer) and one >= 1 for one in pair):
        raise DataError(
            f"The {name!r} parameter of OcclusionExplainer must be one whole number of pixels, or two, down "
            f"and to the right, all 1 or more, got {size!r}."
        )
    return int(pair[0]), int(pair[1])
