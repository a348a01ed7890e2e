"""Scores of pictures seen through the map: average drop, gain and increase.

With Y the predicted probability of an output for a picture and O for the picture under its mask, they are the
means of max(0, Y - O) / Y, of max(0, O - Y) / (1 - Y), and of the indicator of O > Y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.evaluate import evaluate
from agnostix.core.masking.fills import as_type
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.read import ATTRIBUTIONS, ExplainedRows, check_pictures, read_explanation
from agnostix.metrics.remembered import RememberingPredictor, hash_of, keys_of_units
from agnostix.metrics.result import MetricResult

INSTEAD = "For tables and texts: sufficiency, which shows the most relevant ones alone."
MASKS = ("relu-max", "min-max", "none")
DENOMINATORS = ("remaining", "lecture")
NAMES = ("average_drop", "average_gain", "average_increase")
FEW = 10
"""Rows with a drop or gain, below which Student's interval of their mean covers too seldom."""
_ROUNDING = 1e-5
"""How far probabilities may be outside [0, 1]."""


def average_drop(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    mask: str = "relu-max",
    fill: Any = 0.0,
    outputs: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Average drop: how much of its probability a picture loses under its map; less is better.

    Parameters
    ----------
    model : torch module, fitted estimator, callable or Predictor
        The model that was explained; its outputs are probabilities.
    X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures that were explained.
    explanation : Explanation
        With a value for each pixel or segment.
    mask : {"relu-max", "min-max", "none"}, default="relu-max"
        How a map becomes a mask. "relu-max": its positive part over its largest value; "min-max":
        from its least value, 0, to its largest, 1; "none": as it is, between 0 and 1.
    fill : float or sequence of float, default=0.0
        What shows where the mask is 0, a number or one a channel, in the pictures' units: black.
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    MetricResult
        Scores are max(0, Y - O) / Y, NaN where Y is 0. The literature multiplies by 100.

    Raises
    ------
    DataError
        If outputs are outside [0, 1], or the explanation does not fit rows and model.

    References
    ----------
    .. [1] Chattopadhay, A., et al. (2018). Grad-CAM++: Generalized gradient-based visual
       explanations for deep convolutional networks. WACV. https://doi.org/10.1109/WACV.2018.00097

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import average_drop
    >>> images = np.random.default_rng(0).random((6, 8, 8))
    >>> model = lambda X: X[:, :4, :4].mean((1, 2))
    >>> values = np.zeros((6, 8, 8, 1))
    >>> values[:, :4, :4] = 1.0
    >>> exp = Explanation(
    ...     values=values, dims=("row", "y", "x", "output"), output_names=("prediction",),
    ...     quantity="relevance", method="by hand",
    ... )
    >>> average_drop(model, images, exp).score
    0.0
    """
    return _masked_score("average_drop", model, X, explanation, mask, fill, outputs, n_jobs, verbose)


def average_gain(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    mask: str = "relu-max",
    denominator: str = "remaining",
    fill: Any = 0.0,
    outputs: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Average gain: how much of the probability left a picture gains under its map; greater is better.

    Parameters
    ----------
    model, X, explanation, mask : object
        As in `average_drop`.
    denominator : {"remaining", "lecture"}, default="remaining"
        "remaining": 1 - Y, as in [1]_; "lecture": Y.
    fill, outputs, n_jobs, verbose : object
        As in `average_drop`.

    Returns
    -------
    MetricResult
        Scores are max(0, O - Y) / (1 - Y), or over Y; 0 where there is no gain.

    Raises
    ------
    DataError
        If outputs are outside [0, 1], or the explanation does not fit rows and model.

    References
    ----------
    .. [1] Zhang, H., Torres, F., Sicre, R., Avrithis, Y., Ayache, S. (2024). Opti-CAM:
       Optimizing saliency maps for interpretability. CVIU, 248.
       https://doi.org/10.1016/j.cviu.2024.104101

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import average_gain
    >>> images = np.full((2, 4, 4), 0.5)
    >>> model = lambda X: 0.5 - X[:, 2:].mean((1, 2)) / 2
    >>> values = np.zeros((2, 4, 4, 1))
    >>> values[:, :2] = 1.0
    >>> exp = Explanation(
    ...     values=values, dims=("row", "y", "x", "output"), output_names=("prediction",),
    ...     quantity="relevance", method="by hand",
    ... )
    >>> average_gain(model, images, exp).scores.round(3)
    array([0.333, 0.333])
    """
    if denominator not in DENOMINATORS:
        raise DataError(
            f"The 'denominator' of average_gain must be 'remaining' (1 - Y) or 'lecture' (Y); got "
            f"{denominator!r}."
        )
    return _masked_score(
        "average_gain", model, X, explanation, mask, fill, outputs, n_jobs, verbose, denominator
    )


def average_increase(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    mask: str = "relu-max",
    fill: Any = 0.0,
    outputs: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Average increase: proportion of pictures whose prediction is larger under the map; greater is better.

    Parameters
    ----------
    model, X, explanation, mask, fill, outputs, n_jobs, verbose : object
        As in `average_drop`; outputs need not be probabilities.

    Returns
    -------
    MetricResult
        Scores are 1 where O > Y, else 0; the interval is Wilson's.

    Raises
    ------
    DataError
        If the explanation does not fit rows and model.

    References
    ----------
    .. [1] Chattopadhay, A., et al. (2018). Grad-CAM++: Generalized gradient-based visual
       explanations for deep convolutional networks. WACV. https://doi.org/10.1109/WACV.2018.00097

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import average_increase
    >>> images = np.full((2, 4, 4), 0.5)
    >>> model = lambda X: 0.5 - X[:, 2:].mean((1, 2)) / 2
    >>> values = np.zeros((2, 4, 4, 1))
    >>> values[:, :2] = 1.0
    >>> exp = Explanation(
    ...     values=values, dims=("row", "y", "x", "output"), output_names=("prediction",),
    ...     quantity="relevance", method="by hand",
    ... )
    >>> average_increase(model, images, exp).score
    1.0
    """
    return _masked_score("average_increase", model, X, explanation, mask, fill, outputs, n_jobs, verbose)


def _masked_score(
    name: str,
    model: Any,
    X: Any,
    explanation: Any,
    mask: str,
    fill: Any,
    outputs: Any,
    n_jobs: Any,
    verbose: Any,
    denominator: str = "remaining",
) -> MetricResult:
    check_pictures(explanation, name, INSTEAD)
    explained = read_explanation(
        model, X, explanation, by=name, fill=fill, outputs=outputs, n_jobs=n_jobs, verbose=verbose
    )
    return masked_results(explained, [name], mask, denominator, n_jobs, verbose)[name]


def masked_results(
    explained: ExplainedRows,
    names: Sequence[str] = NAMES,
    mask: str = "relu-max",
    denominator: str = "remaining",
    n_jobs: int | None = None,
    verbose: Any = 1,
) -> dict[str, MetricResult]:
    """Several of the scores by name, each masked picture evaluated once."""
    by = " and ".join(names)
    _check_single_fill(explained, by)
    masks, notes = masks_of_maps(explained, mask, by)
    masked, n = predict_masked_pictures(explained, masks, n_jobs, verbose)
    whole = explained.scores
    if set(names) - {"average_increase"}:
        _check_probabilities(whole, masked, by, explained.predictor.name)
    results = {}
    for name in names:
        scores = score_masked(name, whole, masked, denominator)
        undefined = np.isnan(scores).any(axis=1).sum()
        own: tuple[str, ...] = ()
        if undefined:
            own = (f"{undefined} of {len(scores)} rows have no score, since Y is 0.",)
        own += _note_on_few(name, scores)
        results[name] = MetricResult(
            name=name,
            scores=explained.squeeze(scores),
            greater_is_better=name != "average_drop",
            made_for=ATTRIBUTIONS,
            interval_kind="wilson" if name == "average_increase" else "student",
            mask=mask,
            n_model_rows=explained.n_model_rows + n,
            params={"denominator": denominator} if name == "average_gain" else {},
            notes=explained.notes + notes + own,
            **explained.result_fields(),
        )
    return results


def _note_on_few(name: str, scores: Floats) -> tuple[str, ...]:
    """That a mean rests on few rows, whose interval is then too narrow."""
    n_rows = len(scores)
    few = int((scores > 0).sum(axis=0).min())
    if name == "average_increase" or n_rows < FEW or not 0 < few < FEW:
        return ()
    change = "drop" if name == "average_drop" else "gain"
    return (
        f"{few} of {n_rows} rows have a {change}: the mean rests on these, and its interval is too narrow. "
        "More rows help.",
    )


def score_masked(name: str, whole: Floats, masked: Floats, denominator: str = "remaining") -> Floats:
    """Scores from predictions of whole and masked pictures, both (n_rows, n_selected)."""
    if name == "average_increase":
        return (masked > whole).astype(float)
    change = np.maximum(whole - masked if name == "average_drop" else masked - whole, 0.0)
    over = 1.0 - whole if name == "average_gain" and denominator == "remaining" else whole
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "average_gain":
            return np.where((change == 0) & ~((over == 0) & (denominator == "lecture")), 0.0, change / over)
        return np.where(over == 0, np.nan, change / over)


def masks_of_maps(explained: ExplainedRows, mask: str, by: str) -> tuple[Floats, tuple[str, ...]]:
    """Masks between 0 and 1 of the units (n_rows, n_units, n_selected), and notes."""
    if mask not in MASKS:
        raise DataError(f"The 'mask' of {by} must be one of {', '.join(map(repr, MASKS))}; got {mask!r}.")
    values = np.where(explained.units.present[..., None], explained.values, 0.0)
    if mask == "none":
        if values.min() < 0 or values.max() > 1:
            raise DataError(
                f"mask='none' of {by} needs maps between 0 and 1, got values from {values.min():.4g} to "
                f"{values.max():.4g}. Use mask='relu-max' or 'min-max'."
            )
        return values, ()
    if mask == "min-max":
        low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
        return np.where(high > low, (values - low) / np.where(high > low, high - low, 1.0), 0.0), ()
    positive = np.maximum(values, 0.0)
    high = positive.max(axis=1, keepdims=True)
    empty = int((high == 0).any(axis=(1, 2)).sum())
    notes = (f"{empty} of {len(values)} maps have no positive value, and hide everything.",) if empty else ()
    return positive / np.where(high > 0, high, 1.0), notes


@dataclass(frozen=True)
class MaskedPictureRows(RowSource):
    """Pictures under one soft mask each, of every selected output: all of the first output come first."""

    explained: ExplainedRows
    masks: Floats  # (n_rows, n_units, n_selected)

    @property
    def n_items(self) -> int:
        return 1

    @property
    def n_columns(self) -> int:
        return self.explained.units.rows.n_values

    def n_rows(self, block: int) -> int:
        return self.masks.shape[0] * self.masks.shape[2]

    def build(self, block: int, part: slice) -> Any:
        rows: Any = self.explained.units.rows
        selected, row = np.divmod(np.arange(part.start, part.stop), len(self.explained))
        own = rows[row]
        labels = np.broadcast_to(own.labels, own.pixels.shape[:3]).reshape(row.size, -1)
        shown = np.take_along_axis(self.masks[row, :, selected], labels, axis=1)
        shown = shown.reshape(*own.pixels.shape[:3], *[1] * (own.pixels.ndim - 3))
        fill = own.fill[:, 0].astype(float)
        return as_type(fill + shown * (own.pixels - fill), own.pixels.dtype)

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"masked pictures of rows {first % len(self.explained)} to {last % len(self.explained)}"

    def collect(self, results: list[Any]) -> Any:
        return results[0]


def predict_masked_pictures(
    explained: ExplainedRows, masks: Floats, n_jobs: Any, verbose: Any
) -> tuple[Floats, int]:
    """Predictions (n_rows, n_selected) of the selected outputs under their masks, and model rows."""
    predictor = explained.predictor
    if not isinstance(predictor, RememberingPredictor):
        return _evaluate_masked_pictures(explained, masks, n_jobs, verbose)
    pictures = keys_of_units(predictor, explained.units)
    key = hash_of(*pictures, explained.outputs.tobytes(), masks.tobytes())
    if key in predictor.known:
        return predictor.known[key], 0
    predictor.known[key], n_model_rows = _evaluate_masked_pictures(explained, masks, n_jobs, verbose)
    return predictor.known[key], n_model_rows


def _evaluate_masked_pictures(
    explained: ExplainedRows, masks: Floats, n_jobs: Any, verbose: Any
) -> tuple[Floats, int]:
    source = MaskedPictureRows(explained, masks)
    n_rows, n_outputs = explained.predictions.shape
    answers, n = evaluate(explained.predictor, source, n_outputs=n_outputs, n_jobs=n_jobs, verbose=verbose)
    by_output = answers.reshape(explained.n_selected, n_rows, n_outputs)
    picked = [np.take_along_axis(own, explained.outputs[:, [j]], 1) for j, own in enumerate(by_output)]
    return np.concatenate(picked, axis=1), n


def _check_single_fill(explained: ExplainedRows, by: str) -> None:
    n_fill = np.size(explained.units.masker.weights)
    if n_fill != 1:
        raise DataError(f"The 'fill' of {by} must be a single picture, got {n_fill}. Use fill=0.")


def _check_probabilities(whole: Floats, masked: Floats, by: str, name: str) -> None:
    low, high = min(whole.min(), masked.min()), max(whole.max(), masked.max())
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        raise DataError(
            f"{by} needs outputs between 0 and 1, and those of the model {name} reach from {low:.4g} to "
            f"{high:.4g}. Use as_predictor(model, activation='softmax'), or average_increase or deletion."
        )
