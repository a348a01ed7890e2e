"""Occlusion (Zeiler and Fergus, 2014): the prediction less the mean prediction with a feature hidden.

The effect of feature j on row x, and its standard error, are

    e_j = f(x) - sum_b w_b f(x with feature j taken from b),     SE^2 = |sum_b E_b f(x with j from b)|^2

over background rows or fill images b with weights w_b; `core.background.ErrorMap` has E. A pixel has the mean
effect of the windows that cover it, and the error of that mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from agnostix.core.background import (
    BACKGROUND_SIZE,
    BACKGROUNDS,
    Background,
    BackgroundMeans,
    Elsewhere,
    ErrorMap,
    compact,
    errors_of_fills,
    few,
    sum_of_squares,
)
from agnostix.core.base import Attribution, BackgroundExplainer, OutputSelection
from agnostix.core.base.explainer import check_image_shape, count_axes
from agnostix.core.evaluate import ProgressBar, mask_cost
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DESIGN_ERRORS, INTERVAL_KIND
from agnostix.core.inputs import check_background, check_single_input
from agnostix.core.masking import (
    MaskerConstraint,
    SegmentMasker,
    SlidingWindow,
    Windows,
)
from agnostix.core.masking.fills import ImageFill, as_pixels
from agnostix.core.models import as_predictor, is_fitted
from agnostix.core.row_sources import MaskedRowSource, working_memory
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.occlusion.windows import InpaintedWindows, check_layout_of_arrays, fixed_cells


@dataclass(frozen=True)
class SelectedMeans(BackgroundMeans):
    """Reducer to predictions (n_rows, n_outputs), and what is kept of each mask and selected output."""

    selection: OutputSelection

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """Rows first, of the selected outputs: models may have thousands."""
        (kept,) = super().finalize(blocks)
        predictions = kept[:, 0, 0].copy()  # not a view, which would hold all outputs of all masks
        return predictions, self.selection.pick(kept, predictions)


@dataclass(frozen=True)
class _Hidden:
    """Values of features or pixels, their errors, and what an Explanation keeps besides."""

    values: Floats
    std_errors: Floats
    details: dict[str, Any]


_KEPT_FRACTION = 0.125
"""Fraction of the working memory for the means and components of the rows that are evaluated together."""


def _joined(parts: list[Attribution], rows: Codes) -> Attribution:
    """Attributions of some rows after each other, and of all rows by the places (n_rows,) of these."""

    def whole(arrays: list[Any]) -> Any:
        joined = np.concatenate(arrays)
        return joined if np.array_equal(rows, np.arange(len(joined))) else joined[rows]

    details = {}
    for key, detail in {key: one for part in parts for key, one in part.details.items()}.items():
        own = [part.details.get(key, _student_of(part)).array for part in parts]
        details[key] = Detail(whole(own), detail.dims)
    return Attribution(
        values=whole([part.values for part in parts]),
        std_errors=whole([part.std_errors for part in parts]),
        base_values=whole([part.base_values for part in parts]),
        predictions=whole([part.predictions for part in parts]),
        n_model_rows=sum(part.n_model_rows for part in parts),
        details=details,
    )


def _student_of(part: Attribution) -> Detail:
    """Kinds of intervals of rows of which none has another."""
    return Detail(np.full(part.values.shape, "student"), ("row", "feature", "output"))


class OcclusionExplainer(BackgroundExplainer):
    """Effect of hiding each feature of a row, or each part of an image, on the prediction.

    The effect is the prediction less the mean prediction with the feature taken
    from background rows, or the part of the image replaced by a fill [1]_ [2]_.
    For an additive model the effects of a row add up to the prediction less the
    mean one of the background; an interaction is credited to each of its features.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module or callable
        The model to explain. An unfitted estimator is cloned and fitted on (X, y).
    masker : SlidingWindow, SegmentMasker, TextMasker or other Masker, default=None
        What is hidden. None: columns of a table, ``SlidingWindow(16, 8)`` of images.
    fill : "auto", "draws", row of constants, or a fill of images, default="auto"
        "draws": rows or images of those seen in `fit`. Tables also take a row of
        constants (or a mapping from columns), images a fill of `SlidingWindow`.
        "auto": "draws" for tables, "mean" for images, and a masker's own fill,
        which only "draws" replaces.
    background : {"representative", "sample", "medoids", "all"}, default="representative"
        How rows of a table are chosen: so that together they are as the table is,
        see `representative_sample`; drawn without replacement; the central rows of
        clusters; or all rows, without error. Images are drawn.
    background_size : int, default=50
        Rows or images, at most all; noise images of fill="noise" without a masker.
    feature_groups : mapping from str to list of str, default=None
        Columns of a table that are hidden together.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the background. None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a progress bar once work has taken a few seconds; 0 none.

    Attributes
    ----------
    background_ : DataFrame or ndarray of shape (n_background, ...) or None
        Background rows of a table, or the images sampled by fill="draws".
    background_weights_ : ndarray of shape (n_background,) or None
        Their weights, adding up to 1.
    base_values_ : ndarray of shape (n_outputs,) or None
        Mean prediction of the background; None for images and texts.
    output_names_ : tuple of str
        Names of all of the model's outputs.
    features_ : Features
        Names and columns of the features.
    n_features_in_ : int
        Columns seen in `fit`, or numbers in an image.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Values have quantity "effect"; ``base_values`` are the predictions with everything
    hidden. Standard errors are those of the choice of the background, 0 for one row of
    constants or one fill. With windows, values have shape (n_rows, height, width,
    n_outputs): a pixel has the mean effect of the windows that cover it; over series,
    volumes and channels, values have the axes of the arrays. ``extras`` hold the
    effects of the "windows" (n_rows, n_windows, n_outputs), their
    "windows_std_errors" and the "fill"; and of a background that is not all rows
    "degrees_of_freedom", "shared_errors", "base_value_std_errors" and
    "base_value_degrees_of_freedom".

    References
    ----------
    .. [1] Zeiler, M. D., Fergus, R. (2014). Visualizing and understanding
       convolutional networks. ECCV. https://doi.org/10.1007/978-3-319-10590-1_53
    .. [2] Robnik-Sikonja, M., Kononenko, I. (2008). Explaining classifications for
       individual instances. IEEE TKDE 20(5). https://doi.org/10.1109/TKDE.2007.190734

    Examples
    --------
    >>> from agnostix import OcclusionExplainer
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = LinearRegression().fit(X, y)
    >>> exp = OcclusionExplainer(model, background="all").fit(X).explain(X.head(3))
    >>> expected = model.coef_ * (X.head(3) - X.mean())
    >>> bool(abs(exp.values[:, :, 0] - expected.to_numpy()).max() < 1e-9)
    True
    """

    _doc_page = "occlusion.md"
    _depends_alone = True
    _takes_sparse = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BackgroundExplainer._parameter_constraints,
        "masker": [None, SlidingWindow, MaskerConstraint()],
        "fill": "no_validation",
        "background": [StrOptions(set(BACKGROUNDS))],
        "background_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        model: Any,
        *,
        masker: Any = None,
        fill: Any = "auto",
        background: str = "representative",
        background_size: int = BACKGROUND_SIZE,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(
            model,
            masker=masker,
            feature_groups=feature_groups,
            outputs=outputs,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.fill = fill
        self.background = background
        self.background_size = background_size

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OcclusionExplainer:
        """Fit the model if needed, sample the background, and predict it.

        Parameters
        ----------
        X : DataFrame, array-like (n_rows, n_columns), images (n_rows, height, width[, n_channels]) or texts
            Rows to sample the background from; series and volumes with a `SlidingWindow` over them.
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, which the background keeps.

        Returns
        -------
        self : OcclusionExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used.
        """
        check_background(self.background, type(self).__name__)
        self._begin_fit()
        self._learn_background(X, y, sample_weight)
        if self._is_fill("draws") and self._masker.background is None:
            self.background_, self.background_weights_ = self._masker.fill, self._masker.weights
        return self

    @property
    def _dims(self) -> tuple[str, ...]:
        window = getattr(self, "_window", self.masker)
        inner = window.dims if isinstance(window, SlidingWindow) else ("feature",)
        return ("row", *inner, "output")

    @property
    def _quantity(self) -> str:
        return "effect"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        if self._windows is not None or self.base_values_ is None:
            return self._attribute_together(rows, selection)
        n_masks = len(self._masks(rows))
        n_bytes = 8 * n_masks * BackgroundMeans(self._errors).n_kept * len(self.output_names_)
        n_together = max(1, int(_KEPT_FRACTION * working_memory() / n_bytes))
        if len(rows) <= n_together:
            return self._attribute_together(rows, selection)
        first, which = rows.distinct()
        with ProgressBar(first.size * n_masks, self.verbose) as bar:
            parts = [
                self._attribute_together(rows[own], selection, own, bar)
                for own in np.array_split(first, -(-first.size // n_together))
            ]
        return _joined(parts, which)

    def _attribute_together(
        self,
        rows: Any,
        selection: OutputSelection,
        names: Codes | None = None,
        verbose: ProgressBar | None = None,
    ) -> Attribution:
        """Of rows whose predictions fit into memory; `names` where they are part of others."""
        windows = self._windows
        if windows is not None and self._window.inpaints:
            predictions, kept, n_model_rows = self._predict_inpainted(rows, windows, selection)
        else:
            predictions, kept, n_model_rows = self._predict_hidden(rows, selection, names, verbose)
        n_hidden = kept.shape[1] - 1 - (self.base_values_ is None)
        effects = kept[:, :1] - kept[:, 1 : 1 + n_hidden]  # with nothing hidden, components are 0
        base = kept[:, -1] if self.base_values_ is None else self._known_base(predictions, selection)
        elsewhere = self._elsewhere(rows, predictions, selection)  # of each feature, and of all together
        of_all = None if elsewhere is None else elsewhere.take(slice(-1, None))
        errors = self._errors.error(np.moveaxis(base[:, 1:], 1, 0)[None], of_all)
        if elsewhere is None:
            elsewhere = self._unseen_fills(effects, errors.variances[0])
        hidden = self._hidden_values(rows, windows, effects, elsewhere)
        details = hidden.details
        if self._errors.n_components:
            details = details | {
                "base_value_std_errors": Detail(np.sqrt(errors.variances[0]), ("row", "output")),
                "base_value_degrees_of_freedom": Detail(errors.degrees_of_freedom[0], ("row", "output")),
            }
        return Attribution(
            values=hidden.values,
            std_errors=hidden.std_errors,
            base_values=base[:, 0],
            predictions=predictions,
            n_model_rows=n_model_rows,
            details=details,
        )

    def _unseen_fills(self, effects: Floats, variances: Floats) -> Elsewhere | None:
        """What other fills may do where those drawn change nothing, by what they do to whole pictures."""
        if not self._errors.n_components:
            return None
        shape = (effects.shape[1], *variances.shape)  # (n_hidden, n_rows, n_selected)
        spread = np.broadcast_to(np.sqrt(variances * self._errors.n_seen), shape)
        is_exact = np.zeros(shape, dtype=bool)
        if self._windows is not None and self._fixed is not None:
            is_exact[(self._windows.masks | self._fixed).all(axis=1)] = True
        return Elsewhere(np.zeros(shape), spread, is_exact, np.ones(shape))

    def _known_base(self, predictions: Floats, selection: OutputSelection) -> Floats:
        """Mean and components (n_rows, n_kept, n_selected) of the predictions of the background itself."""
        own = np.vstack([self.base_values_[None], self._errors.of_means(self._background_predictions)])
        return selection.pick(np.broadcast_to(own, (len(predictions), *own.shape)), predictions)

    def _hidden_values(
        self, rows: Any, windows: Windows | None, effects: Floats, elsewhere: Elsewhere | None
    ) -> _Hidden:
        """Values of features or pixels from effects and their components (n_rows, n_hidden, n_kept, ...)."""
        components = np.moveaxis(effects[:, :, 1:], 0, 2)
        of_parts = None if elsewhere is None else elsewhere.take(slice(len(components)))
        errors = self._errors.error(components, of_parts)
        shared = np.moveaxis(errors.components, 2, 0)  # (n_rows, n_hidden, n_shared, n_selected)
        values, own = effects[:, :, 0], np.sqrt(sum_of_squares(shared, axis=2))
        details: dict[str, Any] = {}
        is_sample = self._errors.n_components > 0
        if windows is None:
            if is_sample:
                by_value = compact(few(errors.components).transpose(2, 0, 3, 1))
                details["shared_errors"] = Detail(by_value, (*self._dims, "component"))
                dof = np.moveaxis(errors.degrees_of_freedom, 0, 1)
                details["degrees_of_freedom"] = Detail(dof, self._dims)
                if errors.kinds is not None:
                    details[INTERVAL_KIND] = Detail(np.moveaxis(errors.kinds, 0, 1), self._dims)
            if self.base_values_ is None:
                details |= rows.details()
                values = np.where(rows.present[:, :, None], values, np.nan)
            return _Hidden(values, own, details)
        dims = ("row", "window", "output")
        details["windows"] = Detail(values, dims)
        if is_sample:
            details["windows_std_errors"] = Detail(own, dims)
            dof = np.full(len(values), errors.degrees_of_freedom.min())
            details["degrees_of_freedom"] = Detail(dof, ("row",))
        details |= {} if self._window.inpaints else rows.fill_details()
        squares = np.zeros_like(maps := windows.average(values))
        for component in np.moveaxis(shared, 2, 0):
            squares += np.square(windows.average(component))
        if is_sample:  # all images share the draws
            details[DESIGN_ERRORS] = Detail(np.sqrt(squares), self._dims)
        return _Hidden(maps, np.sqrt(squares), details)

    def _predict_hidden(
        self, rows: Any, selection: OutputSelection, names: Codes | None, verbose: ProgressBar | None
    ) -> tuple[Floats, Floats, int]:
        """Predictions, means and components (n_rows, n_masks, n_kept, n_selected), and model rows."""
        source = MaskedRowSource.from_rows(self._masker, rows, self._masks(rows), names)
        reducer = SelectedMeans(self._errors, selection)
        (predictions, kept), n_model_rows = self._evaluate(source, reducer, verbose)
        return predictions, kept, n_model_rows

    def _predict_inpainted(
        self, rows: Any, windows: Windows, selection: OutputSelection
    ) -> tuple[Floats, Floats, int]:
        """The same with each window interpolated from the pixels around it."""
        images = rows.unmasked
        predictions = self._predict(images)
        hidden, _ = self._evaluate(InpaintedWindows(windows, images, self._window.random_state))
        means = np.concatenate([predictions[:, None], np.stack(hidden)], axis=1)
        kept = selection.pick(means, predictions)[:, :, None]
        return predictions, kept, means.shape[0] * means.shape[1]

    def _count_model_rows(self, rows: Any) -> int:
        if self._windows is not None and self._window.inpaints:
            return len(rows) * (2 + self._windows.n_windows)
        return len(rows) * mask_cost(self._masker, rows, self._masks(rows))

    def _masks(self, rows: Any) -> Bools:
        """Masks (n_masks, n_features): nothing hidden, one part at a time, without a background all."""
        n_features = len(rows.features.names)
        one_hidden = ~np.eye(n_features, dtype=bool) if self._windows is None else self._windows.masks
        all_hidden = np.zeros((int(self.base_values_ is None), n_features), dtype=bool)
        return np.vstack([np.ones((1, n_features), dtype=bool), one_hidden, all_hidden])

    def _choose_masker(self, X: Any, sample_weight: Any) -> Any:
        """The masker of images or texts, with the fill of `fit`; None for tables."""
        self._windows: Windows | None = None
        self._window: Any = None
        self._drawn: Background | None = None
        self._fixed: Bools | None = None
        masker = self.masker
        if masker is None and count_axes(X) <= 2:
            return None
        if masker is None:
            check_single_input(X)  # a tuple may be several tables
            fill = "mean" if self._is_fill("draws", "auto") else self.fill
            ImageFill(fill, owner=type(self).__name__)  # or an error that names what was called
            masker = SlidingWindow(fill=fill, n_draws=self.background_size, random_state=self._seed)
        elif not self._is_fill("draws", "auto"):
            raise DataError(
                "The 'fill' parameter of OcclusionExplainer must be 'auto' or 'draws' with a masker, which "
                f"has its own fill, got {self.fill!r}. Pass the fill to the masker."
            )
        if self._is_fill("draws"):
            masker = self._with_sampled_fill(masker, X, sample_weight)
        if not isinstance(masker, SlidingWindow):
            return masker
        self._window, self._shape = masker, masker.read(X).shape[1:]
        if len(masker.size) != 2 and is_fitted(self.model):
            check_layout_of_arrays(as_predictor(self.model), self._shape, len(masker.size))
        self._windows = Windows(self._shape[: len(masker.size)], masker.size, masker.stride)
        if self._drawn is not None:
            self._fixed = fixed_cells(masker.read(X), self._windows)
        owner = type(self if self.masker is None else masker).__name__
        return masker.to_masker(self._windows.cells, owner)

    def _with_sampled_fill(self, masker: Any, X: Any, sample_weight: Any) -> Any:
        """The masker with images sampled from those of `fit` as its fill."""
        if not isinstance(masker, SlidingWindow | SegmentMasker):
            raise DataError(
                "fill='draws' of OcclusionExplainer needs a table, a SlidingWindow or a SegmentMasker, "
                f"got {type(masker).__name__}. Pass the fill to the masker."
            )
        images = masker.read(X) if isinstance(masker, SlidingWindow) else as_pixels(X)
        self._drawn = Background.sample(images, self.background_size, self._seed, sample_weight)
        return replace(masker, fill=self._drawn.rows, weights=self._drawn.weights)

    def _errors_of_fills(self, masker: Any) -> ErrorMap:
        """Of pictures drawn from those of `fit`, or else of fills, as if from endless others."""
        return errors_of_fills(masker.weights) if self._drawn is None else self._drawn.errors

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        if self._is_fill("draws", "auto"):
            return super()._choose_background(table, sample_weight)
        return Background.constant(self.fill, table, "OcclusionExplainer")

    def _read(self, X: Any) -> Any:
        if self._windows is not None:
            check_image_shape(self._window.read(X), self._shape, "OcclusionExplainer")
        return super()._read(X)

    def _describe_params(self) -> dict[str, Any]:
        """With the window that None stands for."""
        params = super()._describe_params()
        if np.ndim(self.fill) > 2:
            params["fill"] = f"{len(self.fill)} images"
        return params | ({} if self._window is None else {"masker": repr(self._window)})

    def _is_fill(self, *words: str) -> bool:
        return isinstance(self.fill, str) and self.fill in words
