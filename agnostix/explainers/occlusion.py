"""What the model would say without a feature: columns hidden behind those of other rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.base import AttributionExplainer
from agnostix.base.outputs import select_outputs
from agnostix.engine import MeanAndVariance, Run
from agnostix.exceptions import DataError
from agnostix.explanation import Explanation
from agnostix.models import Predictor
from agnostix.perturb import Plan, Players, TabularMasker, one_hidden_at_a_time
from agnostix.typing import Floats
from agnostix.utils.frames import as_table, column_names, is_frame, take_rows
from agnostix.utils.seeds import seed_of
from agnostix.utils.sklearn_compat import Interval, StrOptions, validate_data


class OcclusionExplainer(AttributionExplainer):
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
        "method": [StrOptions({"auto", "features"})],
        "fill": "no_validation",
        "background_size": [Interval(Integral, 1, None, closed="left")],
        "feature_groups": [dict, None],
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
        fill: Any = "auto",
        background_size: int = 100,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.method = method
        self.fill = fill
        self.background_size = background_size
        self.feature_groups = feature_groups
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
        table = as_table(X)
        validate_data(self, X=table, skip_check_array=True)
        predictor = self._fit_predictor(table, y, sample_weight)
        self.players_ = Players.of(column_names(table), self.feature_groups)
        self.background_, weights = self._draw(table, sample_weight)
        self._masker = TabularMasker(self.background_, weights, self.players_)
        self._predictor, answers = predictor.trial(self.background_)
        self.base_values_ = weights @ answers
        self.output_names_ = self._predictor.names(answers.shape[1])
        self.is_binary_ = self._predictor.task == "classification" and answers.shape[1] == 2
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
        check_is_fitted(self)
        table = as_table(X)
        self._masker.check(table)
        wanted = self.outputs if outputs is None else outputs
        select_outputs(wanted, self.output_names_, np.zeros((1, len(self.output_names_))))  # before it costs
        (answered,) = self._run().answer(self._plan(), table)
        means, variances = answered.found
        which, names = select_outputs(wanted, self.output_names_, means[:, 0])
        return self._explanation(table, means, variances, answered.n_model_rows, which, names)

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
        return self._run().cost(self._plan(), as_table(X).shape[0])

    def _recognised(self, predictor: Predictor) -> Predictor:
        predictor, answers = predictor.trial(self.background_)
        base = self._masker.weights @ answers if answers.shape[1] == len(self.output_names_) else answers[0]
        if base.shape != self.base_values_.shape or not np.allclose(base, self.base_values_, rtol=1e-6):
            raise ValueError(
                f"attach got another model than fit: {predictor.name} answers the background with "
                f"{np.array2string(base, precision=6)} on average, and the one at fit with "
                f"{np.array2string(self.base_values_, precision=6)}. Fit a new explainer for it."
            )
        return predictor

    def _plan(self) -> Plan:
        return one_hidden_at_a_time(len(self.players_.names))

    def _run(self) -> Run:
        n_outputs = len(self.output_names_)
        return Run(self._predictor, self._masker, n_outputs, MeanAndVariance(), self.n_jobs, self.verbose)

    def _explanation(
        self,
        table: Any,
        means: Floats,
        variances: Floats,
        n_model_rows: int,
        which: np.ndarray,
        names: tuple[str, ...],
    ) -> Explanation:
        own = means[:, :1]
        values = np.take_along_axis(own - means[:, 1:], which[:, None, :], axis=2)
        spread = np.take_along_axis(variances[:, 1:], which[:, None, :], axis=2)
        square = float(self._masker.weights @ self._masker.weights)
        errors = np.sqrt(spread * square / (1.0 - square)) if square < 1.0 else np.zeros_like(values)
        rows = np.arange(which.shape[0])[:, None]
        base = np.broadcast_to(self.base_values_, own[:, 0].shape)
        extras: dict[str, Any] = {"background_size": int(self._masker.weights.size)}
        if names == ("predicted",):
            extras["predicted"] = np.array([self.output_names_[j] for j in which[:, 0]])
        return Explanation(
            values=values,
            std_errors=errors,
            base_values=base[rows, which],
            outputs=own[:, 0][rows, which],
            data=table,
            feature_names=self.players_.names,
            output_names=names,
            row_names=None,
            kind="occlusion",
            method="OcclusionExplainer",
            params=self._told_params(),
            fidelity=None,
            n_model_rows=n_model_rows,
            extras=extras,
        )

    def _told_params(self) -> dict[str, Any]:
        """Parameters as plain values."""
        params = self.get_params(deep=False)
        return {name: _plain(value) for name, value in params.items() if name != "model"}

    def _draw(self, table: Any, sample_weight: Any) -> tuple[Any, Floats]:
        if not (isinstance(self.fill, str) and self.fill == "auto"):
            return _constant_row(self.fill, table), np.ones(1)
        n_rows = table.shape[0]
        size = min(self.background_size, n_rows)
        rows = np.sort(np.random.default_rng(seed_of(self.random_state)).permutation(n_rows)[:size])
        weights = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=float).ravel()
        if weights.shape != (n_rows,) or not np.isfinite(weights).all() or (weights < 0).any():
            raise DataError(
                f"sample_weight must have one finite value, 0 or more, for each of the {n_rows} rows."
            )
        if not weights[rows].any():
            raise DataError("All rows drawn for the background have zero weight. Raise background_size.")
        rows = rows[weights[rows] > 0]
        return _as_background(table, rows), weights[rows] / weights[rows].sum()


def _plain(value: Any) -> Any:
    """A parameter as numbers, text, None, and lists and dicts of them; others as their text."""
    if isinstance(value, Mapping | pd.Series):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | None) else repr(value)


def _as_background(table: Any, rows: np.ndarray) -> Any:
    drawn = take_rows(table, rows)
    return drawn.reset_index(drop=True) if isinstance(drawn, pd.DataFrame) else drawn


def _constant_row(fill: Any, table: Any) -> Any:
    """One row of the table's form and types."""
    names = column_names(table)
    if isinstance(fill, Mapping | pd.Series):
        given = {str(name): value for name, value in fill.items()}
    else:
        values = list(fill) if isinstance(fill, list | tuple) else list(np.ravel(fill))
        given = dict(zip(names, values, strict=True)) if len(values) == len(names) else {}
    if set(given) != set(names):
        raise DataError(
            f"The 'fill' parameter of OcclusionExplainer must be 'auto' or have a value for each of the "
            f"{len(names)} columns ({', '.join(names)}), got {fill!r}."
        )
    if not is_frame(table):
        row = np.empty((1, len(names)), dtype=object)
        row[0] = [given[name] for name in names]
        return row if table.dtype == object else np.array(row.tolist())
    make = _pandas_value if isinstance(table, pd.DataFrame) else _polars_value
    return type(table)({name: _one_value(given[str(name)], table[name], make) for name in table.columns})


def _one_value(value: Any, column: Any, make: Callable[[Any, Any], Any]) -> Any:
    """A constant in a column's own type, which must be able to hold it."""
    try:
        return make(value, column)
    except Exception as error:
        raise DataError(
            f"The 'fill' parameter of OcclusionExplainer has {value!r} for the column {str(column.name)!r}, "
            f"which its type {column.dtype} cannot hold."
        ) from error


def _pandas_value(value: Any, column: pd.Series) -> pd.Series:
    labels = getattr(column.dtype, "categories", None)
    if labels is not None and not (pd.isna(value) or value in labels):
        raise ValueError("not one of the labels")
    one = pd.Series([value]).astype(column.dtype)
    if one.isna()[0] != pd.isna(value):
        raise ValueError("missing")
    if not pd.api.types.is_float_dtype(one) and not one.isna()[0] and one[0] != value:
        raise ValueError("another value")
    return one


def _polars_value(value: Any, column: Any) -> Any:
    return type(column)([value], dtype=column.dtype)
