"""What if the population were different? Minimal reweighting of the observed rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.core.base import BaseExplainer
from agnostix.core.explanation import Scenario, WhatIfCurves
from agnostix.core.frames import as_table
from agnostix.core.sklearn_compat import Interval, StrOptions, validate_data
from agnostix.core.threads import one_blas_thread
from agnostix.what_if.baseline import compute_histograms, measure_baseline
from agnostix.what_if.config import ProjectionConfig
from agnostix.what_if.constraints import parse_constraints
from agnostix.what_if.joint import sweep_joint
from agnostix.what_if.metrics import Metric, default_metrics, quantities_for
from agnostix.what_if.predictions import from_model, from_outcome, from_predictions
from agnostix.what_if.sample import Sample
from agnostix.what_if.scenario import solve_scenario
from agnostix.what_if.sweeps import sweep_curves, sweep_ranking
from agnostix.what_if.table import Table

_LOGGER = logging.getLogger("agnostix")


class EntropicProjection(BaseExplainer):
    """Say what the model would do on average if the population were different.

    Among all reweightings of the observed rows that reach a stated average,
    takes the one closest to them in Kullback-Leibler divergence. The model is
    asked once, in `fit`; every scenario afterwards is a reweighting, so no row
    is ever invented, and features that go together keep going together.

    Parameters
    ----------
    model : fitted estimator, Pipeline, callable or None, default=None
        A classifier is asked for ``predict_proba``, a regressor for
        ``predict``. An unfitted estimator is fitted on (X, y). None: the
        outcome is what is passed to `fit` as predictions, else y.
    n_targets : int, default=41
        Targets of a curve, the data's own average included.
    quantiles : tuple of float, default=(0.05, 0.95)
        Quantiles of a numeric column between which its average is moved.
    confidence_level : float, default=0.95
        Nominal coverage of every interval.
    min_ess_fraction : float, default=0.2
        Share of the effective rows below which an answer is marked "thin".
    missing : {"raise", "omit"}, default="raise"
        Where a column that is moved lacks values: raise an error, or use the
        rows that have it.
    verbose : int, default=0
        1 logs what `fit` cost, to the logger "agnostix".

    Attributes
    ----------
    model_ : object
        The model that was asked; only with a model.
    n_model_rows_ : int
        Rows that it was asked about.
    table_ : Table
        The rows, in an order of their own.
    predictions_ : Predictions
        Predictions and truth, in that order.
    config_ : ProjectionConfig
        The parameters, as they were in `fit`.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    See Also
    --------
    agnostix.WhatIfReport : All of it on one page.

    Notes
    -----
    The weights are ``base * exp(xi @ phi)`` up to a factor, phi the averaged
    statistics and xi the solution of a convex problem with as many unknowns as
    there are targets [1]_. Standard errors are those of the delta method for a
    stated target with a correction for leverage; they speak of the sampling of
    the rows, not of the model. A scenario is about who is in the population,
    with everything that goes along: it is not the effect of an intervention.

    References
    ----------
    .. [1] Bachoc, F., Gamboa, F., Halford, M., Loubes, J.-M., Risser, L.
       (2023). Explaining machine learning models using entropic variable
       projection. Information and Inference 12(3), 1686-1715.
       https://doi.org/10.1093/imaiai/iaad010

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from agnostix import EntropicProjection
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> projection = EntropicProjection(model).fit(X, y)
    >>> scenario = projection.what_if({"mean radius": 13.0})
    >>> print(f"{X['mean radius'].mean():.2f} -> 13.00, status {scenario.status}")
    14.13 -> 13.00, status ok
    >>> bool(abs(scenario.weights @ X["mean radius"] / len(X) - 13.0) < 1e-8)
    True
    """

    _doc_page = "what_if.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": "no_validation",
        "n_targets": [Interval(Integral, 3, None, closed="left")],
        "quantiles": [tuple, list],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "min_ess_fraction": [Interval(Real, 0, 1, closed="both")],
        "missing": [StrOptions({"raise", "omit"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: Any = None,
        *,
        n_targets: int = 41,
        quantiles: tuple[float, float] = (0.05, 0.95),
        confidence_level: float = 0.95,
        min_ess_fraction: float = 0.2,
        missing: str = "raise",
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.n_targets = n_targets
        self.quantiles = quantiles
        self.confidence_level = confidence_level
        self.min_ess_fraction = min_ess_fraction
        self.missing = missing
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, predictions: Any = None
    ) -> EntropicProjection:
        """Take in the rows and ask the model about them, once.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The population. Columns that the model does not use can be moved too.
        y : array-like of shape (n_rows,), default=None
            What is true; needed for metrics. Without model and predictions, the outcome.
        sample_weight : array-like of shape (n_rows,), default=None
            Base weights; equal ones by default.
        predictions : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Predictions recorded elsewhere, in the place of a model.

        Returns
        -------
        self : EntropicProjection

        Raises
        ------
        ValueError
            If the rows, the weights or the model's predictions cannot be used.
        """
        self._validate_params()
        self._check_quantiles()
        table = as_table(X)
        validate_data(self, X=table, skip_check_array=True)
        start = perf_counter()
        outcome = self._predict(table, y, sample_weight, predictions)
        if self.verbose:
            seconds = perf_counter() - start
            _LOGGER.info("asked the model about %d rows in %.2f s", self.n_model_rows_, seconds)
        others = [outcome.values] + ([] if outcome.truth is None else [outcome.truth])
        self.table_ = Table.from_frame(table, sample_weight, others)
        self.predictions_ = outcome.take(self.table_.order)
        self.config_ = ProjectionConfig(
            self.n_targets,
            (float(self.quantiles[0]), float(self.quantiles[1])),
            self.confidence_level,
            self.min_ess_fraction,
            self.missing,  # type: ignore[arg-type]
        )
        return self

    @one_blas_thread
    def explain(
        self,
        *,
        features: str | Sequence[str] | None = None,
        targets: Mapping[str, Any] | None = None,
        metric: Metric | Sequence[Metric] | None = None,
        by: str | None = None,
    ) -> WhatIfCurves:
        """Move one feature after the other, and follow the outcome.

        Parameters
        ----------
        features : str or list of str, default=None
            Columns to move: a number's average, each label's proportion. None:
            all that can be moved; the others are named in ``skipped``.
        targets : mapping, default=None
            For a column its averages, ``{"age": [30, 40]}``, or its labels'
            proportions, ``{"sex": {"Female": [0.3, 0.5]}}``. By default a grid
            through the data's own average.
        metric : str, callable or list, default=None
            What to follow: None or "prediction" for the mean of each output;
            "accuracy", "error_rate", "log_loss", "brier_score", "roc_auc",
            "mean_absolute_error", "mean_squared_error",
            "root_mean_squared_error", "r2"; the name of any scikit-learn
            scorer; or a function ``f(y_true, y_pred, sample_weight)``, y_pred
            being labels for a classifier.
        by : str, default=None
            Column whose groups get a curve each, reweighted within the group.

        Returns
        -------
        WhatIfCurves
            A target that no reweighting reaches has status "infeasible" and NaN.

        Raises
        ------
        ValueError
            If a column is unknown or cannot be moved, or a metric cannot be computed.
        """
        check_is_fitted(self, "n_features_in_")
        names = self._names(features, targets)
        sample = Sample.from_table(self.table_, quantities_for(metric, self.predictions_))
        self._check_by(by)
        targets = None if targets is None else {str(name): wanted for name, wanted in targets.items()}
        frame, skipped = sweep_curves(sample, self.config_, names, targets, by)
        return WhatIfCurves(
            frame,
            tuple((entry.feature, entry.group, entry.reason) for entry in skipped),
            compute_histograms(sample, list(dict.fromkeys(frame["feature"])), by),
            self.n_model_rows_,
            {name: value for name, value in self.get_params(deep=False).items() if name != "model"},
        )

    @one_blas_thread
    def rank(
        self,
        kl: float = 0.1,
        *,
        metric: Metric | Sequence[Metric] | None = None,
        features: str | Sequence[str] | None = None,
        by: str | None = None,
        simultaneous: bool = True,
    ) -> pd.DataFrame:
        """Move every feature equally far, both ways, and compare what the outcome does.

        Parameters
        ----------
        kl : float, default=0.1
            How far, in nats of Kullback-Leibler divergence from the data. 0.1
            moves a normal average by 0.45 standard deviations.
        metric : str, callable or list, default=None
            As in `explain`.
        features : str or list of str, default=None
            As in `explain`.
        by : str, default=None
            As in `explain`.
        simultaneous : bool, default=True
            Whether the intervals are so wide that all of them hold together at
            the confidence level (Bonferroni), as they must where one looks for
            the largest; False: each by itself.

        Returns
        -------
        DataFrame
            One row for each average or proportion, direction and quantity:
            feature, level, group, direction, start, target, quantity, output,
            base, value, low, high, change, std_error, change_low, change_high
            (errors and interval of the change), kl, ess, status. Status
            "boundary" where not even the extreme is `kl` away.

        Raises
        ------
        ValueError
            If `kl` is not positive, or as in `explain`.
        """
        check_is_fitted(self, "n_features_in_")
        if not (isinstance(kl, Real) and 0 < kl < np.inf):
            raise ValueError(f"The 'kl' parameter of rank must be a positive number, got {kl!r}.")
        sample = Sample.from_table(self.table_, quantities_for(metric, self.predictions_))
        self._check_by(by)
        frame, _ = sweep_ranking(
            sample, self.config_, float(kl), self._names(features, None), by, simultaneous
        )
        return frame

    @one_blas_thread
    def baseline(
        self, *, metric: Metric | Sequence[Metric] | None = None, by: str | None = None
    ) -> pd.DataFrame:
        """Measure the data as they are.

        Parameters
        ----------
        metric : str, callable or list, default=None
            As in `explain`.
        by : str, default=None
            As in `explain`.

        Returns
        -------
        DataFrame
            Columns group, quantity, output, value, std_error, low, high, n_rows.
        """
        check_is_fitted(self, "n_features_in_")
        self._check_by(by)
        sample = Sample.from_table(self.table_, quantities_for(metric, self.predictions_))
        return measure_baseline(sample, self.config_, by)

    @one_blas_thread
    def what_if(
        self,
        constraints: Mapping[str, Any] | None = None,
        *,
        prediction: Any = None,
        error_rate: Any = None,
        metric: Metric | Sequence[Metric] | None = None,
    ) -> Scenario:
        """Answer one question about a population with several properties at once.

        Parameters
        ----------
        constraints : mapping, default=None
            For a column its average, 50, or a range for it, (35, 40); for
            labels their proportions, ``{"Female": 0.5}``.
        prediction : float, pair or mapping, default=None
            The other way round: a mean prediction to reach (of the last class,
            or by name); ``Scenario.shifts`` then says which features move.
        error_rate : float or pair, default=None
            Likewise the share of rows that the model gets wrong.
        metric : str, callable or list, default=None
            Quantities in ``outcomes`` besides the predictions; by default
            those that suit the model, where y is known.

        Returns
        -------
        Scenario

        Raises
        ------
        InfeasibleTargetError
            If no reweighting of the rows does it; its message says why and
            what is the nearest that can be reached: ``what_if(**error.nearest)``.
        ValueError
            If a column or level is unknown, or a target cannot be read.
        """
        check_is_fitted(self, "n_features_in_")
        predictions = self.predictions_
        moment_constraints = parse_constraints(constraints, prediction, error_rate, predictions)
        wanted = default_metrics(predictions) if metric is None else metric
        more = wanted if isinstance(wanted, list | tuple) else [wanted]
        more = [one for one in more if one not in (None, "prediction", "outcome")]
        sample = Sample.from_table(self.table_, quantities_for(["prediction", *more], predictions))
        return solve_scenario(sample, moment_constraints, predictions, self.config_)

    @one_blas_thread
    def joint(self, first: Any, second: Any, *, n_targets: int = 15) -> pd.DataFrame:
        """Move two averages at once, over a grid of both.

        Parameters
        ----------
        first, second : str or tuple of (str, level)
            A numeric column, or a level of a column of labels.
        n_targets : int, default=15
            Targets of each.

        Returns
        -------
        DataFrame
            One row for each pair of targets and output: first_target,
            second_target, quantity, output, value, std_error, low, high, kl,
            ess, max_weight, status.

        Raises
        ------
        ValueError
            If a column is unknown or cannot be moved, or labels lack a level.
        """
        check_is_fitted(self, "n_features_in_")
        if not isinstance(n_targets, Integral) or n_targets < 2:
            raise ValueError(
                f"The 'n_targets' parameter of joint must be an int of 2 or more, got {n_targets!r}."
            )
        sample = Sample.from_table(self.table_, quantities_for(None, self.predictions_))
        return sweep_joint(sample, self.config_, first, second, int(n_targets))

    def _predict(self, table: Any, y: Any, sample_weight: Any, predictions: Any) -> Any:
        n_rows = table.shape[0]
        self.n_model_rows_ = 0
        if self.model is not None and predictions is not None:
            raise ValueError("Pass either a model or predictions, not both: they answer the same question.")
        if self.model is not None:
            predictor = self._fit_predictor(table, y, sample_weight)
            self.n_model_rows_ = n_rows
            return from_model(predictor, predictor.predict(table), y)
        if predictions is not None:
            return from_predictions(predictions, y, n_rows)
        if y is None:
            raise ValueError("There is no outcome: pass a model, predictions, or y.")
        return from_outcome(y, n_rows)

    def _check_quantiles(self) -> None:
        try:
            low, high = (float(q) for q in self.quantiles)
        except (TypeError, ValueError):
            low, high = np.nan, np.nan
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(
                "The 'quantiles' parameter of EntropicProjection must be two numbers 0 <= low < high <= 1, "
                f"got {self.quantiles!r}."
            )

    def _names(
        self, features: str | Sequence[str] | None, targets: Mapping[str, Any] | None
    ) -> list[str] | None:
        if targets is not None and not isinstance(targets, Mapping):
            raise ValueError(
                f"targets must be a mapping from columns, such as {{'age': [30, 40]}}, got {targets!r}."
            )
        given = [features] if isinstance(features, str | Integral) else features
        names = None if given is None else [self.table_.column(name).name for name in given]
        moved = [self.table_.column(name).name for name in targets or ()]
        unused = [name for name in moved if names is not None and name not in names]
        if unused:
            raise ValueError(f"targets names {unused[0]!r}, which features leaves out. Add it there.")
        return names

    def _check_by(self, by: str | None) -> None:
        if by is not None:
            self.table_.column(by)
