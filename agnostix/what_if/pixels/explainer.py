"""What if the pictures were different? Pixels of a set of pictures as columns of a population."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from agnostix.core.base.explainer import OutputSelection, count_axes
from agnostix.core.explanation import PixelEffects, PixelShifts
from agnostix.core.frames import as_table
from agnostix.core.masking.fills import as_pixels
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_order import check_row_order
from agnostix.core.sklearn_compat import Interval
from agnostix.exceptions import DataError, InfeasibleTargetError
from agnostix.what_if.base import PopulationExplainer
from agnostix.what_if.checks import light_weights_named, parse_quantiles
from agnostix.what_if.constraints.short_forms import read_statement
from agnostix.what_if.metrics import MeanQuantity, Metric, quantities_for
from agnostix.what_if.pixels.effects import Arrays, measure_effects
from agnostix.what_if.pixels.population import PixelTable, picture_keys
from agnostix.what_if.pixels.shifts import named_group, reverse_shifts, scenario_shifts
from agnostix.what_if.predictions import check_sizes
from agnostix.what_if.sample import ProjectionConfig, Sample, find_single_row_groups, iter_groups
from agnostix.what_if.solving import Closeness
from agnostix.what_if.table import Column, Table

_LOGGER = logging.getLogger("agnostix")
_BY = "by"
_MEANS = "accuracy, error_rate, log_loss, brier_score, mean_absolute_error, mean_squared_error"


class PixelProjection(PopulationExplainer):
    """Average prediction of a model of pictures if the average picture were different.

    Every pixel of a set of pictures is a column of a population, as in
    `EntropicProjection`: the pictures are reweighted so that its average takes a given
    value, by the weights closest to the data in Kullback-Leibler divergence, and the
    mean prediction under these weights is compared. The model is evaluated in `fit`
    alone, and no picture is changed, so all that the model sees is realistic.

    Parameters
    ----------
    model : fitted estimator, torch module, Predictor, callable or None, default=None
        Called with pictures as in `fit`; see `as_predictor`. Without a model, pass
        `predictions` to `fit`; without both, the outcome is y itself.
    quantiles : tuple of float, default=(0.05, 0.95)
        Quantiles of a pixel to which `explain` shifts its average.
    confidence_level : float, default=0.95
        Confidence level of all intervals.
    min_ess_fraction : float, default=0.2
        A result has status "thin" if its effective sample size is below this
        fraction of that of the data.
    verbose : int, default=0
        1 logs the time that the model took in `fit` to the logger "agnostix".

    Attributes
    ----------
    model_ : object
        The fitted model, if there is one.
    n_model_rows_ : int
        Number of pictures that the model was evaluated on: those of X once, and the
        first 2 twice more, to see whether it gives them the same predictions.
    pixels_ : PixelTable
        The pictures in a canonical order, independent of that of X.
    table_ : Table
        Weights and attributes of the pictures, in that order.
    predictions_ : Predictions
        Predictions and y, in that order.
    config_ : ProjectionConfig
        The parameters at the time of `fit`.

    See Also
    --------
    EntropicProjection : The same for the columns of a table.

    Notes
    -----
    A population in which one pixel is brighter on average has other pictures, in which
    neighboring pixels are brighter, too: the map says what goes along with a pixel, not
    what changing it alone would do (that is `OcclusionExplainer`). Color channels keep
    their signs and have a map each. The reweighting is entropic variable projection [1]_.

    References
    ----------
    .. [1] Bachoc, F., Gamboa, F., Halford, M., Loubes, J.-M., Risser, L.
       (2023). Explaining machine learning models using entropic variable
       projection. Information and Inference 12(3), 1686-1715.
       https://doi.org/10.1093/imaiai/iaad010

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> from agnostix import PixelProjection
    >>> pictures, y = load_digits().images, load_digits().target
    >>> flatten = FunctionTransformer(lambda P: P.reshape(len(P), -1))
    >>> model = make_pipeline(flatten, MinMaxScaler(), LogisticRegression()).fit(pictures[:900], y[:900])
    >>> projection = PixelProjection(model).fit(pictures[900:], y[900:])
    >>> effects = projection.explain(outputs="0")
    >>> effects.values.shape, round(float(effects.values[0, 3, 3]), 2), effects.status[3, 3]
    ((1, 8, 8), -0.32, 'ok')
    """

    _doc_page = "what_if_pictures.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": "no_validation",
        "quantiles": [tuple, list],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "min_ess_fraction": [Interval(Real, 0, 1, closed="both")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: Any = None,
        *,
        quantiles: tuple[float, float] = (0.05, 0.95),
        confidence_level: float = 0.95,
        min_ess_fraction: float = 0.2,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.quantiles = quantiles
        self.confidence_level = confidence_level
        self.min_ess_fraction = min_ess_fraction
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.input_tags.allow_nan = False
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        predictions: Any = None,
        attributes: Any = None,
    ) -> PixelProjection:
        """Evaluate the model on the pictures.

        Parameters
        ----------
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            The population. Pixels of up to 256 distinct values, such as bytes, are fastest.
        y : array-like of shape (n_rows,), default=None
            Ground truth, needed for metrics; the outcome itself without model
            and predictions.
        sample_weight : array-like of shape (n_rows,), default=None
            Base weights; equal by default.
        predictions : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Predictions computed elsewhere, instead of a model.
        attributes : DataFrame of n_rows rows, default=None
            What else is known of the pictures, such as who is on them: groups of `by`,
            and columns to state constraints on in `what_if`.

        Returns
        -------
        self : PixelProjection

        Raises
        ------
        ValueError
            If the pictures, the weights, the predictions or the attributes are invalid.
        """
        self._validate_params()
        quantiles = parse_quantiles(self.quantiles, type(self).__name__)
        pictures = _read_pictures(X)
        frame = _read_attributes(attributes, len(pictures))
        check_row_order(frame, y=y, sample_weight=sample_weight, predictions=predictions)
        start = perf_counter()
        outcome = self._predict(pictures, y, sample_weight, predictions)
        if self.verbose:
            seconds = perf_counter() - start
            _LOGGER.info("evaluated the model on %d pictures in %.2f s", self.n_model_rows_, seconds)
        check_sizes(outcome, type(self).__name__)
        others = [picture_keys(pictures), outcome.values]
        others += [] if outcome.truth is None else [outcome.truth]
        self.table_ = Table.from_frame(frame, sample_weight, others)
        self.pixels_ = PixelTable.from_pictures(pictures, self.table_.order)
        self.predictions_ = outcome.take(self.table_.order)
        self.config_ = ProjectionConfig(
            quantiles=quantiles,
            confidence_level=self.confidence_level,
            min_ess_fraction=self.min_ess_fraction,
            missing="raise",
        )
        return self

    @one_blas_thread
    def explain(
        self,
        *,
        outputs: Any = None,
        metric: Metric | Sequence[Metric] | None = None,
        kl: float | None = None,
        by: Any = None,
        simultaneous: bool = False,
    ) -> PixelEffects:
        """Which pixels move the outputs: the average of each shifted down and up.

        Parameters
        ----------
        outputs : str, int or sequence of them, default=None
            Outputs by name or position; None for all.
        metric : str or list of str, default=None
            What to compute: None or "prediction" for the mean of each output;
            "accuracy", "error_rate", "log_loss", "brier_score",
            "mean_absolute_error" or "mean_squared_error", which need y.
        kl : float, default=None
            Kullback-Leibler divergence in nats by which every average is shifted; None
            shifts it to the pixel's `quantiles`, or where these do not enclose it to 0.5 nats.
        by : str or array-like of shape (n_rows,), default=None
            Attribute, or labels in the order of X, whose groups get maps of their own;
            only pictures of the group are reweighted. Pictures without a label are in none.
        simultaneous : bool, default=False
            Whether the intervals hold simultaneously for all pixels and outputs of a
            group (Bonferroni).

        Returns
        -------
        PixelEffects

        Raises
        ------
        ValueError
            If there is no such output or attribute, or a metric cannot be computed.
        """
        check_is_fitted(self, "table_")
        if kl is not None:
            _check_kl(kl, "explain")
        quantities = self._quantities(outputs, metric)
        n_intervals = len(quantities) * self.pixels_.n_pixels if simultaneous else 1
        level = 1.0 - (1.0 - self.config_.confidence_level) / n_intervals

        def measure(sample: Sample) -> Arrays:
            return measure_effects(self.pixels_, sample, self.config_, kl, level)

        arrays, shared = self._by_group(quantities, by, measure, kl=kl, simultaneous=simultaneous)
        return PixelEffects(**arrays, **shared)

    @one_blas_thread
    def reverse(
        self,
        kl: float = 0.1,
        *,
        outputs: Any = None,
        metric: Metric | Sequence[Metric] | None = None,
        by: Any = None,
        simultaneous: bool = False,
    ) -> PixelShifts:
        """Which pixels shift if the mean of an output is shifted down and up.

        Parameters
        ----------
        kl : float, default=0.1
            Kullback-Leibler divergence in nats by which each mean is shifted.
        outputs : str, int or sequence of them, default=None
            As in `explain`.
        metric : str or list of str, default=None
            As in `explain`: "error_rate" shows what pictures look like that the model fails on.
        by : str or array-like of shape (n_rows,), default=None
            As in `explain`.
        simultaneous : bool, default=False
            As in `explain`.

        Returns
        -------
        PixelShifts
            One map for each output, from the lower mean to the higher one.

        Raises
        ------
        ValueError
            If `kl` is not positive, or as in `explain`.
        """
        check_is_fitted(self, "table_")
        _check_kl(kl, "reverse")
        quantities = self._quantities(outputs, metric)
        n_intervals = len(quantities) * self.pixels_.n_pixels if simultaneous else 1
        level = 1.0 - (1.0 - self.config_.confidence_level) / n_intervals

        def measure(sample: Sample) -> Arrays:
            return reverse_shifts(self.pixels_, sample, self.config_, float(kl), level)

        arrays, shared = self._by_group(quantities, by, measure, kl=kl, simultaneous=simultaneous)
        return PixelShifts(**arrays, **shared)

    @one_blas_thread
    def what_if(
        self,
        constraints: Any = None,
        *,
        prediction: Any = None,
        error_rate: Any = None,
        divergence: str = "kullback_leibler",
        weight_bounds: tuple[float, float] | None = None,
        by: Any = None,
        simultaneous: bool = False,
    ) -> PixelShifts:
        """Average picture in a population that meets constraints.

        Parameters
        ----------
        constraints : mapping, list, DataFrame or Series, default=None
            On the columns of `attributes` and on the predictions, as for `EntropicProjection.what_if`.
        prediction : float, str, pair or mapping, default=None
            Mean prediction to reach, or a range for it: of the last class, or by output name.
        error_rate : float or pair, default=None
            Share of misclassified pictures to reach, likewise.
        divergence : {"kullback_leibler", "chi_square", "empirical_likelihood"}, \
                default="kullback_leibler"
            What is least among all weights that meet the constraints.
        weight_bounds : tuple of float, default=None
            Least and largest ratio of a picture's weight to its base weight, such as
            (0.2, 5). None: weights only stay above 0.
        by : str or array-like of shape (n_rows,), default=None
            As in `explain`: every group meets the constraints.
        simultaneous : bool, default=False
            As in `explain`.

        Returns
        -------
        PixelShifts
            One map, from the data's average picture to that of the scenario.

        Raises
        ------
        InfeasibleTargetError
            If no reweighting of the pictures meets the constraints. The message
            says why; ``what_if(**error.nearest)`` solves the nearest feasible scenario.
        ValueError
            If a name is unknown, or a target is not a number or a pair.
        """
        check_is_fitted(self, "table_")
        predictions = self.predictions_
        closeness = Closeness.parse(divergence, weight_bounds)
        statement = read_statement(self.table_, constraints, prediction, error_rate, closeness.options)
        self._check_known(statement.features)
        n_intervals = self.pixels_.n_pixels if simultaneous else 1
        level = 1.0 - (1.0 - self.config_.confidence_level) / n_intervals

        def measure(sample: Sample) -> Arrays:
            parts = self.pixels_, sample, statement, predictions, self.config_, level, closeness
            return scenario_shifts(*parts)

        params = {"prediction": prediction, "error_rate": error_rate, "simultaneous": simultaneous}
        params |= closeness.options
        means = self._quantities(None, None)
        arrays, shared = self._by_group(means, by, measure, constraints=constraints, **params)
        return PixelShifts(**arrays, **shared | {"output_names": ("scenario",)})

    def _check_known(self, names: Sequence[str]) -> None:
        """DataError for attributes that some pictures have no value of."""
        for name in names:
            lacking = int(self.table_.column(name).missing.sum())
            if lacking:
                raise DataError(
                    f"The attribute {name!r} has no value for {lacking} of {self.table_.n_rows} pictures. "
                    "Fill it in, or leave these pictures out of fit."
                )

    def _quantities(self, outputs: Any, metric: Metric | Sequence[Metric] | None) -> list[MeanQuantity]:
        """Means of the selected outputs, or metrics that are means."""
        quantities = quantities_for(metric, self.predictions_)
        others = [one.name for one in quantities if not isinstance(one, MeanQuantity)]
        if others:
            raise ValueError(
                f"The metric {others[0]!r} is no mean over pictures, and PixelProjection takes means alone: "
                f"{_MEANS}. For others, pass some pixels as columns to EntropicProjection."
            )
        if outputs is None:
            return [one for one in quantities if isinstance(one, MeanQuantity)]
        names = self.predictions_.output_names
        places = OutputSelection.from_parameter(outputs, names).places
        if places is None:
            raise ValueError(
                "outputs='predicted' is another output for each picture, and maps are over all pictures. "
                f"Name outputs: {', '.join(names)}."
            )
        kept = {names[j]: place for place, j in enumerate(places)}
        means = [one for one in quantities if isinstance(one, MeanQuantity)]
        chosen = sorted((one for one in means if one.output in kept), key=lambda one: kept[str(one.output)])
        return chosen + [one for one in means if one.output is None]

    def _by_group(
        self, quantities: Sequence[MeanQuantity], by: Any, measure: Callable[[Sample], Arrays], **params: Any
    ) -> tuple[Arrays, dict[str, Any]]:
        """Arrays of all groups, with a first axis of groups if there are any, and what the results share."""
        parts, labels, sizes = [], [], []
        with light_weights_named(self.table_.base):
            for group, sample in self._iter_groups(quantities, by):
                try:
                    parts.append(measure(sample))
                except InfeasibleTargetError as error:
                    raise (error if by is None else named_group(error, group)) from None
                labels.append(group)
                sizes.append(sample.base.size)
        arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
        own = {name: value for name, value in self.get_params(deep=False).items() if name != "model"}
        shared = {
            "output_names": tuple(str(one.output or one.name) for one in quantities),
            "groups": None if by is None else tuple(labels),
            "n_rows": sizes[0] if by is None else tuple(sizes),
            "confidence_level": self.config_.confidence_level,
            "n_model_rows": self.n_model_rows_,
            "params": own | params,
        }
        return (arrays if by is not None else {name: array[0] for name, array in arrays.items()}), shared

    def _iter_groups(self, quantities: Sequence[MeanQuantity], by: Any) -> Iterator[tuple[Any, Sample]]:
        """The pictures, or those of each group."""
        table, name = self.table_, by
        if by is not None and not isinstance(by, str):
            labels = pd.Series(by) if not isinstance(by, pd.Series) else by
            if len(labels) != table.n_given:
                raise DataError(
                    f"by must have one label for each of the {table.n_given} pictures of fit, got "
                    f"{len(labels)}."
                )
            column = Column.from_series(_BY, labels.reset_index(drop=True)).take(table.order)
            table, name = replace(table, columns=table.columns | {_BY: column}), _BY
        sample = Sample.from_table(table, quantities)
        if name is not None:
            table.column(name)
        alone = find_single_row_groups(sample, name)
        if alone:
            raise DataError(
                f"The group {alone[0].group!r} has a single picture, which cannot be reweighted. Leave it "
                "out, or join it to another group."
            )
        yield from iter_groups(sample, name)


def _read_pictures(X: Any) -> Any:
    """Checked pictures; DataError for a table, and for pictures of different sizes."""
    if isinstance(X, list | tuple) and len(X) > 1:
        shapes = [np.shape(one) for one in X if hasattr(one, "shape")]
        if len(set(shapes)) > 1:
            other = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
            raise DataError(
                f"X must be pictures of one size: the first has shape {shapes[0]}, picture {other} has "
                f"{shapes[other]}. Resize or crop them first."
            )
        X = np.stack(X) if shapes and len(shapes) == len(X) else X
    if count_axes(X) <= 2:
        raise DataError(
            "PixelProjection needs pictures of shape (n_rows, height, width) or (n_rows, height, width, "
            "n_channels), got a table. Use EntropicProjection for tables."
        )
    pictures = as_pixels(X)
    if len(pictures) < 2:
        raise DataError("X has a single picture (n_samples=1); a population needs at least two.")
    return pictures


def _read_attributes(attributes: Any, n_rows: int) -> Any:
    """A checked frame of attributes without missing values; one without columns for None."""
    if attributes is None:
        return pd.DataFrame(index=pd.RangeIndex(n_rows))
    if not hasattr(attributes, "columns"):
        raise DataError(
            f"attributes must be a DataFrame with one row for each picture, got {type(attributes).__name__}."
        )
    frame = as_table(attributes)
    if frame.shape[0] != n_rows:
        raise DataError(
            f"attributes must have one row for each of the {n_rows} pictures, got {frame.shape[0]}."
        )
    return frame


def _check_kl(kl: Any, method: str) -> None:
    is_number = isinstance(kl, Real) and not isinstance(kl, bool)
    if not (is_number and 0 < float(kl) < np.inf):
        raise ValueError(f"The 'kl' parameter of {method} must be a positive number, got {kl!r}.")
