"""What the model would say without a feature: columns hidden behind those of other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.base import BackgroundExplainer
from agnostix.base.outputs import picked
from agnostix.engine import MeanAndVariance, Run, SoftMasks, Survey, TableRows
from agnostix.exceptions import DataError
from agnostix.explanation import Explanation
from agnostix.perturb import (
    Background,
    Fades,
    LearnedMask,
    Plan,
    SegmentMasker,
    Windows,
    one_hidden_at_a_time,
)
from agnostix.perturb.masker import MASKER_METHODS
from agnostix.typing import Floats
from agnostix.utils.frames import is_frame
from agnostix.utils.seeds import seed_of
from agnostix.utils.sklearn_compat import HasMethods, Interval, StrOptions


class OcclusionExplainer(BackgroundExplainer):
    """Say what each feature does to a prediction, by hiding it.

    The value of a feature is the prediction of the row less the mean
    prediction of the same row with the feature taken from background rows, in
    model output units. For a model that is a sum of functions of single
    features these are exact, and add up to the prediction less the mean one;
    where features work together, each is credited with what needs it.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        What is explained. An unfitted estimator is fitted on (X, y).
    method : {"auto", "features"}, default="auto"
        "features" hides the columns of a table; "auto" chooses it for tables.
    fill : "auto", mapping or array-like of shape (n_columns,), default="auto"
        What stands in for hidden values: rows drawn from those seen in `fit`,
        or one row of constants, for a DataFrame a mapping from its columns.
    background_size : int, default=100
        Rows drawn in `fit`, without replacement; all where there are fewer.
    feature_groups : mapping from str to list of str, default=None
        Columns that are hidden together, such as those of one label.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of the background; None draws a seed once, in `fit`.
    verbose : int, default=0
        1 shows the progress.

    Attributes
    ----------
    background_ : DataFrame or ndarray of shape (n_background, n_columns)
        The rows that stand in.
    base_values_ : ndarray of shape (n_outputs,)
        The model's mean prediction of the background.
    output_names_ : tuple of str
        Names of all of the model's outputs.
    players_ : Players
        Names and columns of what is hidden as one.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Background rows that agree in what is hidden are put to the model once.
    Standard errors speak of the draw of the background: the spread over its
    rows, as if each were drawn anew; 0 for a single row of constants.

    References
    ----------
    .. [1] Zeiler, M. D., Fergus, R. (2014). Visualizing and understanding
       convolutional networks. ECCV. https://doi.org/10.1007/978-3-319-10590-1_53

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
    """

    _doc_page = "occlusion.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": "no_validation",
        "method": [StrOptions({"auto", "features", "mask", "rise", "segments", "window"})],
        "window": [Interval(Integral, 1, None, closed="left"), tuple],
        "n_masks": [Interval(Integral, 32, None, closed="left")],
        "n_cells": [Interval(Integral, 2, None, closed="left")],
        "share": [Interval(Real, 0, 1, closed="neither")],
        "learned_mask": [LearnedMask, None],
        "stride": [Interval(Integral, 1, None, closed="left"), tuple],
        "fill": "no_validation",
        "background_size": [Interval(Integral, 1, None, closed="left")],
        "feature_groups": [dict, None],
        "masker": [HasMethods(MASKER_METHODS), None],
        "outputs": "no_validation",
        "n_jobs": [Integral, None],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
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
        background_size: int = 100,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.method = method
        self.window = window
        self.stride = stride
        self.n_masks = n_masks
        self.n_cells = n_cells
        self.share = share
        self.learned_mask = learned_mask
        self.fill = fill
        self.background_size = background_size
        self.feature_groups = feature_groups
        self.masker = masker
        self.outputs = outputs
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OcclusionExplainer:
        """Draw the background and ask the model about it.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to draw from.
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
            If the rows, the fill or a group cannot be used.
        """
        self._validate_params()
        self._learn_background(X, y, sample_weight)
        return self

    def explain(self, X: Any, *, outputs: Any = None) -> Explanation:
        """Hide each feature of each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to be explained, with the columns and types seen in `fit`.
        outputs : None, "predicted", name, index or list of these, default=None
            As in the constructor, and before it.

        Returns
        -------
        Explanation
            Of kind "occlusion"; ``base_values`` are the mean predictions of the background.

        Raises
        ------
        ValueError
            If the columns or types differ from those seen in `fit`, or an output is unknown.
        EngineError
            If the model fails.
        """
        rows, wanted = self._checked_table(X, outputs)
        if self.method_ == "rise":
            return self._faded(rows, wanted)
        if self.method_ == "mask":
            return self._learned(rows, wanted)
        (answered,) = self._run().answer(self._plan(rows), rows)
        means, variances = answered.found
        which, names, extras = self._picked(wanted, means[:, 0])
        n_hidden = means.shape[1] - 1 - (self.base_values_ is None)
        values = picked(means[:, :1] - means[:, 1 : 1 + n_hidden], which)
        errors = picked(np.sqrt(variances[:, 1 : 1 + n_hidden] * self._share_per_draw()), which)
        base = picked(means[:, -1], which) if self.base_values_ is None else self.base_values_[which]
        features = self._masker.players_of(rows).names
        if self._windows is not None:
            extras["windows"] = values
            values, features = self._windows.spread(values), ()
            errors = np.zeros_like(values)
        elif self.base_values_ is None:
            extras |= self._masker.extras(rows)
            values = np.where(self._masker.present(rows)[:, :, None], values, np.nan)
        return Explanation(
            values=values,
            std_errors=errors,
            base_values=base,
            outputs=picked(means[:, 0], which),
            data=self._masker.data(rows),
            feature_names=features,
            output_names=names,
            kind="occlusion",
            method="OcclusionExplainer",
            params=self._told_params() | {"method": self.method_},
            n_model_rows=answered.n_model_rows,
            extras=extras,
        )

    def _faded(self, rows: Any, wanted: Any) -> Explanation:
        """Maps from soft masks."""
        assert self._fades is not None
        pictures, own = self._own_answers(rows)
        which, names, extras = self._picked(wanted, own)
        composed = self._predictor.faded is not None
        found = self._survey().answer(SoftMasks(self._fades, pictures, rows.fill, which, composed))
        values, errors, base = (np.stack(part) for part in zip(*found, strict=True))
        n_masks = self._fades.points.n_points
        told = {"n_masks": n_masks, "n_model_rows": len(pictures) * (1 + n_masks)}
        return self._map(rows, names, values, errors, base, picked(own, which), extras | told)

    def _learned(self, rows: Any, wanted: Any) -> Explanation:
        """Masks that are learned, one for each picture and output."""
        pictures, own = self._own_answers(rows)
        which, names, extras = self._picked(wanted, own)
        module: Any = self._predictor.function
        fills = np.broadcast_to(rows.fill, pictures.shape)
        found = [
            [module.learn_mask(x, fill, int(output), self._mask_search, self._seed) for output in outputs]
            for x, fill, outputs in zip(pictures, fills, which, strict=True)
        ]
        masks = np.stack([np.stack([one.mask for one in row], axis=-1) for row in found])
        shown, hidden = (
            np.array([[getattr(one, name) for one in row] for row in found]) for name in ("shown", "hidden")
        )
        n_rows = len(pictures) + sum(one.n_model_rows for row in found for one in row)
        told = {"shown": shown, "hidden": hidden, "n_model_rows": n_rows}
        return self._map(rows, names, masks, None, hidden, picked(own, which), extras | told)

    def _map(
        self,
        rows: Any,
        names: tuple[str, ...],
        values: Floats,
        errors: Floats | None,
        base: Floats,
        outputs: Floats,
        told: dict[str, Any],
    ) -> Explanation:
        """An explanation point by point."""
        n_model_rows = told.pop("n_model_rows")
        return Explanation(
            values=values,
            std_errors=errors,
            base_values=base,
            outputs=outputs,
            data=self._masker.data(rows),
            feature_names=(),
            output_names=names,
            kind="occlusion",
            method="OcclusionExplainer",
            params=self._told_params() | {"method": self.method_},
            n_model_rows=n_model_rows,
            extras=told,
        )

    @property
    def _mask_search(self) -> LearnedMask:
        return LearnedMask() if self.learned_mask is None else self.learned_mask

    def _survey(self) -> Survey:
        return Survey(self._predictor, len(self.output_names_), self.n_jobs, self.verbose)

    def _own_answers(self, rows: Any) -> tuple[Any, Floats]:
        """The pictures, and the model's answers to them."""
        pictures = self._masker.unmasked(rows)
        table = TableRows(pictures, np.arange(len(pictures)), int(np.prod(pictures.shape[1:])))
        return pictures, self._survey().ask(table)

    def cost(self, X: Any) -> int:
        """Count the rows that the model will be asked about, before anything runs.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to be explained.

        Returns
        -------
        int
        """
        check_is_fitted(self)
        rows = self._read(X)
        n_rows = len(rows)
        if self._fades is not None:
            return n_rows * (1 + self._fades.points.n_points)
        if self.method_ == "mask":
            return n_rows * (1 + len(self.output_names_) * (2 * self._mask_search.n_steps + 2))
        return self._run().cost(self._plan(rows), n_rows)

    def _plan(self, rows: Any) -> Plan:
        """The row as it is, each thing hidden; and all of it, where that is not known already."""
        n_players = len(self._masker.players_of(rows).names)
        if self._windows is None:
            (masks,) = one_hidden_at_a_time(n_players).stages
        else:
            masks = np.vstack([np.ones((1, n_players), dtype=bool), self._windows.masks])
        if self.base_values_ is None:
            masks = np.vstack([masks, np.zeros((1, masks.shape[1]), dtype=bool)])
        return Plan((masks,))

    def _own_masker(self, X: Any) -> Any:
        """What hides parts of pictures; None for tables."""
        self._windows: Windows | None = None
        self._fades: Fades | None = None
        self.method_ = self._chosen_method(X)
        if self.method_ == "features":
            return None
        if self.method_ == "segments":
            return self.masker
        pictures = np.asarray(X)
        if pictures.ndim not in (3, 4):
            raise DataError(
                f"method={self.method_!r} of OcclusionExplainer needs pictures of shape (n_rows, height, "
                f"width) or (n_rows, height, width, n_channels), got shape {pictures.shape}."
            )
        shape = (pictures.shape[1], pictures.shape[2])
        fill = "mean" if isinstance(self.fill, str) and self.fill == "auto" else self.fill
        self._seed = seed_of(self.random_state)
        if self.method_ == "rise":
            self._fades = Fades.of(shape, self.n_cells, self.share, self.n_masks, self._seed)
        if self.method_ in ("rise", "mask"):
            return SegmentMasker(np.zeros(shape, dtype=int), fill=fill)
        self._windows = Windows(shape, _pair(self.window), _pair(self.stride))
        return SegmentMasker(self._windows.cells, fill=fill)

    def _chosen_method(self, X: Any) -> str:
        if self.method != "auto":
            return self.method
        if self.masker is not None:
            return "segments"
        return "window" if not is_frame(X) and np.ndim(X) > 2 else "features"

    def _run(self) -> Run:
        n_outputs = len(self.output_names_)
        return Run(self._predictor, self._masker, n_outputs, MeanAndVariance(), self.n_jobs, self.verbose)

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        if isinstance(self.fill, str) and self.fill == "auto":
            return Background.drawn(table, self.background_size, self.random_state, sample_weight)
        return Background.constant(self.fill, table, "OcclusionExplainer")

    def _share_per_draw(self) -> float:
        """From the variance over draws to that of their mean; a single row is a choice and has none."""
        square = float(self._masker.weights @ self._masker.weights)
        return square / (1.0 - square) if square < 1.0 else 0.0


def _pair(size: Any) -> tuple[int, int]:
    """Height and width; one number is both."""
    return (int(size), int(size)) if np.ndim(size) == 0 else (int(size[0]), int(size[1]))
