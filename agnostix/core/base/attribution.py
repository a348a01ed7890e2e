"""Base of explainers that attribute predictions to features: `explain`, `transform`, shared parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from agnostix.core.base.explainer import (
    BaseExplainer,
    OutputSelection,
    allows_nan,
    read_rows_like,
    read_rows_or_images,
    take_examples,
    to_plain,
)
from agnostix.core.evaluate import ProgressBar, Reduce, evaluate
from agnostix.core.explanation import Explanation
from agnostix.core.features import row_names
from agnostix.core.frames import column_names
from agnostix.core.masking import Features
from agnostix.core.models import Predictor
from agnostix.core.reproducibility import seed_of
from agnostix.core.row_sources import TableRows
from agnostix.core.sklearn_compat import Interval
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError

_SAME = 1e-5
"""Relative to the largest prediction: by how much those of one model may differ, as in single precision."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What a method computes for some rows: of the selected outputs, for `explain` to make a result of."""

    values: Floats  # an axis for each of the explainer's dims
    predictions: Floats  # (n_rows, n_outputs) of the rows as they are, all outputs
    n_model_rows: int
    outputs: Floats | None = None  # (n_rows, n_selected); None: the predictions
    std_errors: Floats | None = None
    base_values: Floats | None = None
    completeness_gap: Floats | None = None
    fidelity: dict[str, Floats] | None = None
    details: dict[str, Any] = field(default_factory=dict)  # for `Explanation.extras`


class AttributionExplainer(TransformerMixin, BaseExplainer):
    """Base of the explainers whose `explain` returns an `Explanation`.

    A subclass writes `_attribute`, from rows and a selection of outputs to an `Attribution`, and
    `_count_model_rows`; `_dims`, `_quantity`, `_completeness` and `_units` state what its values are.
    One that learns from the rows seen in `fit` has a `fit`, which starts with `_begin_fit`.

    `transform` gives the attributions as a matrix, so that explanations enter
    Pipelines; of a binary model the second class alone, since the first
    mirrors it.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module or callable
        What is explained. An unfitted estimator is fitted on (X, y).
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of all that is drawn; None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a bar, with a forecast, in terminals and notebooks once work has
        taken a few seconds; 0 none.

    Attributes
    ----------
    output_names_ : tuple of str
        Names of all of the model's outputs.
    features_ : Features
        Names and columns of the features, for tables.
    n_features_in_ : int
        Columns seen in `fit`, or numbers in an image.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": "no_validation",
        "outputs": "no_validation",
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }
    _requires: tuple[type, ...] = ()
    """Capabilities that the model must have."""
    _same_features: bool = True
    _trial_rows: Any = None
    _trial_predictions: Any = None

    def __init__(
        self,
        model: Any,
        *,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        self.model = model
        self.outputs = outputs
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _dims(self) -> tuple[str, ...]:
        """Dims of the values, the last one "output"; without "row" where they are of all rows together."""
        return ("row", "feature", "output")

    @property
    def _quantity(self) -> str:
        """What a value is."""
        raise self._not_written("_quantity")

    @property
    def _completeness(self) -> str | None:
        """What the values of a row and output sum to."""
        return None

    @property
    def _units(self) -> str:
        """Units of values, base values and outputs."""
        return "model output"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        """Attributions of the selected outputs to the features of rows, as `_read` gives them."""
        raise self._not_written("_attribute")

    def _count_model_rows(self, rows: Any) -> int:
        """Rows the model evaluates at most in `explain`."""
        raise self._not_written("_count_model_rows")

    def _not_written(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} must define {name}, see AttributionExplainer.")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model if it is not fitted yet, and predict a few rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or images
            Rows like those to explain; images have shape (n_rows, height, width) or
            (n_rows, height, width, n_channels).
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, for an unfitted model.

        Returns
        -------
        self : AttributionExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used.
        """
        self._begin_fit()
        rows = read_rows_or_images(X)
        predictor = self._fit_predictor(rows, y, sample_weight)
        self._learn_columns(rows)
        self._examples = take_examples(rows)
        self._try_model(predictor, self._examples)
        return self

    def explain(self, X: Any, *, outputs: Any = None) -> Explanation:
        """Explain rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), images or texts
            Rows to explain, of the kind seen in `fit`: with the same columns and types, or images of
            the same size.
        outputs : None, "predicted", name, index or list of these, default=None
            Outputs to explain, in place of the parameter of the constructor.

        Returns
        -------
        Explanation
            Its ``quantity``, ``completeness`` and ``units`` say what its values are.

        Raises
        ------
        ValueError
            If the columns or types differ from those seen in `fit`, an output is
            unknown, or the method has no explanation for one of the rows.
        EngineError
            If the model fails.
        """
        check_is_fitted(self)
        self._check_has_model()
        rows = self._read(X)
        selection = self._select_outputs(outputs)
        return self._make_explanation(rows, selection, self._attribute(rows, selection))

    def cost(self, X: Any) -> int:
        """Count the rows that the model evaluates at most in `explain`, before anything runs.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), images or texts
            Rows to explain.

        Returns
        -------
        int
        """
        check_is_fitted(self)
        return self._count_model_rows(self._read(X))

    def transform(self, X: Any) -> Floats:
        """Give the attributions as a matrix.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to be explained.

        Returns
        -------
        ndarray of shape (n_rows, n_features * n_outputs)
            In model output units; all features of the first output come first.

        Raises
        ------
        ValueError
            If each row has features of its own, as words of texts are.
        """
        check_is_fitted(self)
        self._name_columns()  # or an error, before anything costs
        values = self.explain(X).values[:, :, self._choose_column_outputs()[0]]
        return values.transpose(0, 2, 1).reshape(values.shape[0], -1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = allows_nan(self.model, if_unknown=True)
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        if "y" in self._dims:  # a value for each pixel
            tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : None
            Not used; there for scikit-learn.

        Returns
        -------
        ndarray of str
            The features; with several outputs "output: feature".

        Raises
        ------
        ValueError
            If each row has features of its own, as words of texts are.
        """
        check_is_fitted(self)
        names, outputs = self._name_columns(), self._choose_column_outputs()[1]
        if len(outputs) == 1:
            return np.array(names, dtype=object)
        return np.array([f"{output}: {name}" for output in outputs for name in names], dtype=object)

    def _name_columns(self) -> tuple[str, ...]:
        """The features, if they are the same in every row."""
        if self._dims != ("row", "feature", "output"):
            raise DataError(
                f"{type(self).__name__} cannot put its values into columns: they have dims {self._dims}, not "
                "a feature each. Use explain(X).values."
            )
        if not self._same_features:
            raise DataError(
                f"{type(self).__name__} cannot put its values into columns: the masker gives each row "
                "features of its own, so that a column would mean something else in every row. Use "
                "explain(X).values; or, for pictures, SegmentMasker('grid') or one label map for all."
            )
        return self.features_.names

    def _choose_column_outputs(self) -> tuple[list[int], list[str]]:
        """Places among the explained outputs, and names: all, but of two classes the second."""
        names, selected = self.output_names_, list(self._select_outputs(None).names)
        if self.is_binary_ and len(selected) == 2:
            return [selected.index(names[1])], [names[1]]
        return list(range(len(selected))), selected

    def _begin_fit(self) -> None:
        """Validate the parameters, and draw the seed."""
        self._validate_params()
        self._seed = seed_of(self.random_state)

    def _learn_columns(self, rows: Any, feature_groups: Any = None) -> None:
        """Keep how many columns there are, their names, and the features that they make."""
        if isinstance(rows, np.ndarray) and rows.ndim != 2:
            self.n_features_in_ = int(np.prod(rows.shape[1:]))
            return
        validate_data(self, X=rows, skip_check_array=True)
        self.features_ = Features.from_names(column_names(rows), feature_groups)

    def _try_model(
        self, predictor: Predictor, rows: Any, remember: bool = True, others: Any = None
    ) -> Floats:
        """Predict a few rows, for the names of outputs and for `attach` to recognize the model by."""
        self._predictor, predictions, self._n_trial_rows = predictor.trial(rows, others)
        for capability in self._requires:
            self._predictor.require(capability, by=type(self).__name__)
        self._trial_rows, self._trial_predictions = (rows, predictions) if remember else (None, None)
        self._check_sizes(predictions)
        n_outputs = predictions.shape[1]
        self.output_names_ = self._predictor.names(n_outputs)
        self._select_outputs(None)  # or an error, before more is evaluated
        # Independent labels, and scores that do not sum to 1, do not mirror each other.
        self.is_binary_ = n_outputs == 2 and self._predictor.exclusive is True
        return predictions

    def _check_same_model(self, predictor: Predictor) -> Predictor:
        if self._trial_rows is None:
            return predictor
        predictor, predictions, _ = predictor.trial(self._trial_rows)
        known = self._trial_predictions
        is_like = predictions.shape == known.shape
        apart = np.abs(predictions - known).max(axis=1) if is_like else np.full(len(predictions), np.inf)
        if apart.max() > _SAME * np.abs(known).max():
            row = int(apart.argmax())
            raise ValueError(
                f"attach needs the model of fit, but {predictor.name} predicts "
                f"{np.array2string(predictions[row], precision=6)} for trial row {row}, where that model "
                f"predicted {np.array2string(known[row], precision=6)}. Fit a new explainer for it."
            )
        return predictor

    def _read(self, X: Any) -> Any:
        """Rows of the kind seen in `fit`; DataError if they are not."""
        return read_rows_like(X, self._examples, type(self).__name__)

    def _select_outputs(self, outputs: Any) -> OutputSelection:
        """The outputs to explain, those of the constructor for None."""
        return OutputSelection.from_parameter(
            self.outputs if outputs is None else outputs, self.output_names_
        )

    def _evaluate(
        self, source: Any, reduce: Reduce = None, verbose: int | ProgressBar | None = None
    ) -> tuple[Any, int]:
        """Results of a source under the model, and model rows; `verbose` may be a bar that is open."""
        return evaluate(
            self._predictor,
            source,
            reduce,
            n_outputs=len(self.output_names_),
            n_jobs=self.n_jobs,
            verbose=self.verbose if verbose is None else verbose,
        )

    def _predict(self, rows: Any) -> Floats:
        """Predictions (n_rows, n_outputs) of a table or images, in batches under the working memory."""
        return self._evaluate(TableRows(rows))[0]

    def _make_explanation(
        self, rows: Any, selection: OutputSelection, attribution: Attribution
    ) -> Explanation:
        predictions, outputs = attribution.predictions, attribution.outputs
        self._check_sizes(predictions, self._trial_predictions, attribution.values, attribution.base_values)
        by_row = "row" in self._dims
        data = self._data(rows) if by_row else None
        if by_row and outputs is None:
            outputs = selection.pick(predictions, predictions)
        return Explanation(
            values=attribution.values,
            dims=self._dims,
            std_errors=attribution.std_errors,
            base_values=attribution.base_values,
            outputs=outputs,
            data=data,
            row_names=row_names(data),
            feature_names=self._feature_names(rows) if "feature" in self._dims else (),
            output_names=selection.names,
            quantity=self._quantity,
            completeness=self._completeness,
            completeness_gap=attribution.completeness_gap,
            units=self._units,
            method=type(self).__name__,
            params=self._describe_params(),
            fidelity=attribution.fidelity,
            n_model_rows=attribution.n_model_rows,
            extras=self._describe_fit() | selection.details(predictions) | attribution.details,
        )

    def _data(self, rows: Any) -> Any:
        """The rows as an Explanation stores them."""
        return rows

    def _feature_names(self, rows: Any) -> tuple[str, ...]:
        return self.features_.names

    def _describe_fit(self) -> dict[str, Any]:
        """What every explanation reports of the fitted explainer, besides its parameters."""
        return {}

    def _describe_params(self) -> dict[str, Any]:
        """Parameters as plain values; of the model the settings that it was wrapped with."""
        params = self.get_params(deep=False)
        described = {name: to_plain(value) for name, value in params.items() if name != "model"}
        model_params = self._predictor.params
        return described | ({"model": model_params} if model_params else {})
