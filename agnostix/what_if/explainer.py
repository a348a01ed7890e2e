"""What if the population were different? Minimal reweighting of the observed rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from agnostix.core.explanation import Scenario, WhatIfCurves
from agnostix.core.frames import as_table
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_order import check_row_order
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.what_if.base import PopulationExplainer
from agnostix.what_if.baseline import measure_baseline
from agnostix.what_if.checks import light_weights_named, parse_quantiles, select_columns, warn_of_missing
from agnostix.what_if.constraints.short_forms import read_statement
from agnostix.what_if.joint import sweep_joint
from agnostix.what_if.metrics import Metric, quantities_for, scenario_quantities
from agnostix.what_if.predictions import check_sizes
from agnostix.what_if.sample import ProjectionConfig, Sample
from agnostix.what_if.scenario import solve_scenario
from agnostix.what_if.solving import Closeness
from agnostix.what_if.sweeps import compute_histograms, sweep_curves, sweep_ranking
from agnostix.what_if.table import Table

_LOGGER = logging.getLogger("agnostix")


class EntropicProjection(PopulationExplainer):
    """Average prediction of a model if the population were different.

    The observed rows are reweighted so that a column's average (or a label's
    proportion, or the average prediction itself) takes a given value. Among all
    weights that do so, the ones closest to the data in Kullback-Leibler
    divergence are used. The model is evaluated in `fit` alone; everything else
    is a weighted average over the same rows, so no row is invented and
    correlated columns stay correlated.

    Parameters
    ----------
    model : fitted estimator, Pipeline, callable or None, default=None
        Classifiers are evaluated by ``predict_proba``, regressors by
        ``predict``. An unfitted estimator is cloned and fitted on (X, y).
        Without a model, pass `predictions` to `fit`; without both, the outcome
        is y itself.
    n_targets : int, default=41
        Number of targets on a curve, including the observed average.
    quantiles : tuple of float, default=(0.05, 0.95)
        Quantiles of a numeric column between which its average is shifted.
    confidence_level : float, default=0.95
        Confidence level of all intervals.
    min_ess_fraction : float, default=0.2
        A result has status "thin" if its effective sample size is below this
        fraction of that of the data.
    std_errors : {"delta", "bootstrap"}, default="delta"
        How standard errors and intervals are computed: by the delta method, or
        from draws of the rows (of clusters within strata, if there are) in each
        of which the weights are solved again.
    n_bootstrap : int, default=1000
        Draws of the bootstrap.
    random_state : int, RandomState, Generator or None, default=None
        Random numbers of the bootstrap; the delta method has none.
    n_jobs : int, default=None
        Workers that compute the draws, as in joblib. Results are the same for
        any number.
    missing : {"warn", "omit", "raise"}, default="warn"
        What to do if a column that is shifted has missing values. "omit" uses
        the rows that have a value, column by column; "warn" does the same and
        warns; "raise" raises an error.
    verbose : int, default=0
        1 logs the time that the model took in `fit` to the logger "agnostix".

    Attributes
    ----------
    model_ : object
        The fitted model, if there is one.
    n_model_rows_ : int
        Number of rows that the model was evaluated on: those of X once, and the
        first 20 twice more, to see whether it gives them the same predictions.
    table_ : Table
        The rows in a canonical order, independent of that of X.
    predictions_ : Predictions
        Predictions and y, in the order of `table_`.
    config_ : ProjectionConfig
        The parameters at the time of `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    See Also
    --------
    agnostix.WhatIfReport : Curves, ranking and scenarios on one page.
    agnostix.PixelProjection : The same for the pixels of a set of pictures.

    Notes
    -----
    The weights are proportional to ``base * exp(xi @ phi)``, where phi are the
    statistics whose averages are fixed and xi solves a convex problem with one
    unknown per target: entropic variable projection [1]_, or entropy balancing
    [2]_. Standard errors are by the delta method with a
    correction for leverage; they describe the sampling of the rows, not the
    training of the model. A scenario changes who is in the population, with
    everything that correlates with it: it is not the effect of an intervention.

    References
    ----------
    .. [1] Bachoc, F., Gamboa, F., Halford, M., Loubes, J.-M., Risser, L.
       (2023). Explaining machine learning models using entropic variable
       projection. Information and Inference 12(3), 1686-1715.
       https://doi.org/10.1093/imaiai/iaad010
    .. [2] Hainmueller, J. (2012). Entropy balancing for causal effects. Political
       Analysis 20(1), 25-46. https://doi.org/10.1093/pan/mpr025

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
        "n_targets": [Interval(Integral, 3, 100_000, closed="both")],
        "quantiles": [tuple, list],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "min_ess_fraction": [Interval(Real, 0, 1, closed="both")],
        "std_errors": [StrOptions({"delta", "bootstrap"})],
        "n_bootstrap": [Interval(Integral, 20, 1_000_000, closed="both")],
        "random_state": ["random_state", np.random.Generator],
        "n_jobs": [
            Interval(Integral, None, -1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "missing": [StrOptions({"warn", "omit", "raise"})],
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
        std_errors: str = "delta",
        n_bootstrap: int = 1_000,
        random_state: Any = None,
        n_jobs: int | None = None,
        missing: str = "warn",
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.n_targets = n_targets
        self.quantiles = quantiles
        self.confidence_level = confidence_level
        self.min_ess_fraction = min_ess_fraction
        self.std_errors = std_errors
        self.n_bootstrap = n_bootstrap
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.missing = missing
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        predictions: Any = None,
        groups: Any = None,
        strata: Any = None,
    ) -> EntropicProjection:
        """Evaluate the model on the rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The population. Columns that the model does not use can be shifted too.
        y : array-like of shape (n_rows,), default=None
            Ground truth, needed for metrics; the outcome itself without model
            and predictions.
        sample_weight : array-like of shape (n_rows,), default=None
            Base weights; equal by default.
        predictions : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Predictions computed elsewhere, instead of a model.
        groups : array-like of shape (n_rows,), default=None
            Ids of clusters whose rows were sampled together, such as households
            or patients with several visits. Intervals then count clusters, not
            rows. None: rows are independent.
        strata : array-like of shape (n_rows,), default=None
            Labels of the strata that clusters (or rows) were sampled within, at
            least two in each. None: all were sampled from one population.

        Returns
        -------
        self : EntropicProjection

        Raises
        ------
        ValueError
            If the rows, the weights, the predictions or the ids of clusters and
            strata are invalid.
        """
        self._validate_params()
        parse_quantiles(self.quantiles)
        table = as_table(X)
        given = {"y": y, "sample_weight": sample_weight, "predictions": predictions}
        check_row_order(table, **given, groups=groups, strata=strata)
        validate_data(self, X=table, skip_check_array=True)
        start = perf_counter()
        outcome = self._predict(table, y, sample_weight, predictions)
        if self.verbose:
            seconds = perf_counter() - start
            _LOGGER.info("evaluated the model on %d rows in %.2f s", self.n_model_rows_, seconds)
        check_sizes(outcome)
        others = [outcome.values] + ([] if outcome.truth is None else [outcome.truth])
        self.table_ = Table.from_frame(table, sample_weight, others, groups, strata)
        self.predictions_ = outcome.take(self.table_.order)
        self.config_ = ProjectionConfig.from_parameters(self.get_params(deep=False))
        return self

    @one_blas_thread
    def explain(
        self,
        *,
        features: str | Sequence[str] | None = None,
        targets: Mapping[str, Any] | None = None,
        metric: Metric | Sequence[Metric] | None = None,
        by: str | None = None,
        simultaneous: bool = False,
    ) -> WhatIfCurves:
        """Average prediction as a function of each feature's average: what-if curves.

        Parameters
        ----------
        features : str or list of str, default=None
            Columns to shift, one at a time: the average of a numeric column,
            the proportion of each label of a categorical one. None: all that
            can be shifted; the others are listed in ``skipped``.
        targets : mapping, default=None
            Averages of a column, ``{"age": [30, 40]}``, or proportions of its
            labels, ``{"sex": {"Female": [0.3, 0.5]}}``. By default a grid
            around the observed average.
        metric : str, callable or list, default=None
            What to compute: None or "prediction" for the mean of each output;
            "accuracy", "error_rate", "log_loss", "brier_score", "roc_auc",
            "mean_absolute_error", "mean_squared_error",
            "root_mean_squared_error", "r2"; the name of any scikit-learn
            scorer that takes sample_weight; a function ``f(y_true, y_pred, sample_weight)``, where
            y_pred are labels for a classifier; or a rate or comparison of groups,
            as ``DisparateImpact(group="sex", reference="Male")``.
        by : str, default=None
            Column whose groups get a curve each; only rows of the group are reweighted.
        simultaneous : bool, default=False
            Whether each curve gets a band besides, ``band_low`` and
            ``band_high`` in the frame, that holds all of its points together at
            the confidence level (sup-t), where each interval holds by itself.

        Returns
        -------
        WhatIfCurves
            A target outside the range of the data has status "infeasible" and NaN.
            The column ``n_rows`` counts the rows that have a value of the feature;
            ``slope`` is the derivative by the target, with its own standard
            error and interval (NaN for metrics without a known derivative).

        Raises
        ------
        ValueError
            If a column is unknown or cannot be shifted, or a metric cannot be computed.
        """
        check_is_fitted(self, "n_features_in_")
        names = select_columns(self.table_, features, targets)
        quantities = quantities_for(metric, self.predictions_, self.table_, by)
        sample = Sample.from_table(self.table_, quantities)
        if by is not None:
            self.table_.column(by)
        targets = None if targets is None else {str(name): values for name, values in targets.items()}
        with light_weights_named(self.table_.base):
            config = replace(self.config_, simultaneous=bool(simultaneous))
            frame, skipped = sweep_curves(sample, config, names, targets, by)
        warn_of_missing(self.table_, self.config_.missing, frame["feature"])
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
        """Rank the features by what an equally large shift of each does to the outcome.

        Parameters
        ----------
        kl : float, default=0.1
            Size of the shift as Kullback-Leibler divergence from the data, in
            nats. 0.1 shifts the mean of a normal column by 0.45 standard deviations.
        metric : str, callable or list, default=None
            As in `explain`.
        features : str or list of str, default=None
            As in `explain`.
        by : str, default=None
            As in `explain`.
        simultaneous : bool, default=True
            Whether the intervals of changes hold simultaneously (sup-t), as they
            must where one looks for the largest change; False: each by itself.

        Returns
        -------
        DataFrame
            The features by rank, the largest change first. One row for each
            average or proportion, direction and quantity: rank, feature, level,
            group, direction, start, target, quantity, output, base, value, low,
            high, change, std_error, change_low, change_high (standard error and
            interval of the change), kl, ess, status, n_rows. Rank 1 is the largest
            change of a group, quantity and output; shifts down and up share it, as
            two levels of a column do. Equal ranks are in the order of X's columns.
            Status "boundary" if even the extreme is closer than `kl`.

        Raises
        ------
        ValueError
            If `kl` is not positive, or as in `explain`.
        """
        check_is_fitted(self, "n_features_in_")
        if not (isinstance(kl, Real) and 0 < kl < np.inf):
            raise ValueError(f"The 'kl' parameter of rank must be a positive number, got {kl!r}.")
        quantities = quantities_for(metric, self.predictions_, self.table_, by)
        sample = Sample.from_table(self.table_, quantities)
        if by is not None:
            self.table_.column(by)
        names = select_columns(self.table_, features, None)
        with light_weights_named(self.table_.base):
            frame, _ = sweep_ranking(sample, self.config_, float(kl), names, by, simultaneous)
        warn_of_missing(self.table_, self.config_.missing, frame["feature"])
        return frame

    @one_blas_thread
    def baseline(
        self, *, metric: Metric | Sequence[Metric] | None = None, by: str | None = None
    ) -> pd.DataFrame:
        """Average prediction and metrics in the observed population.

        Parameters
        ----------
        metric : str, callable or list, default=None
            As in `explain`.
        by : str, default=None
            As in `explain`.

        Returns
        -------
        DataFrame
            Columns group, quantity, output, value, std_error, low, high, n_rows,
            status ("ok", or "few events" or "heavy tails": no interval holds).
        """
        check_is_fitted(self, "n_features_in_")
        if by is not None:
            self.table_.column(by)
        quantities = quantities_for(metric, self.predictions_, self.table_, by)
        sample = Sample.from_table(self.table_, quantities)
        return measure_baseline(sample, self.config_, by)

    @one_blas_thread
    def what_if(
        self,
        constraints: Any = None,
        *,
        prediction: Any = None,
        error_rate: Any = None,
        divergence: str = "kullback_leibler",
        weight_bounds: tuple[float, float] | None = None,
        gap_weights: Mapping[str, float] | None = None,
        metric: Metric | Sequence[Metric] | None = None,
    ) -> Scenario:
        """Outcome in a population that meets several constraints at once.

        Parameters
        ----------
        constraints : mapping, list, DataFrame or Series, default=None
            A mapping has the average of a column, ``{"age": 50}``, a range for
            it, ``{"age": (35, 40)}``, a target relative to the data's,
            ``{"age": "+5", "income": "*1.1"}``, and for labels their
            proportions, ``{"sex": {"Female": 0.5}}``. A list has constraints of
            any kind, such as ``[Mean("age", 50), Quantile("income", 0.5, 30_000)]``,
            and mappings. A DataFrame is another table, whose averages and
            proportions are to be met; a Series has averages by column.
        prediction : float, str, pair or mapping, default=None
            The inverse question: a mean prediction to reach (of the last class,
            or by output name); short for `Prediction`. ``Scenario.shifts`` then
            ranks the columns that move.
        error_rate : float, str or pair, default=None
            Share of misclassified rows to reach, likewise; short for `ErrorRate`.
        divergence : {"kullback_leibler", "chi_square", "empirical_likelihood"}, \
                default="kullback_leibler"
            What is least among all weights that meet the constraints.
        weight_bounds : tuple of float, default=None
            Least and largest ratio of a row's weight to its base weight, such as
            (0.2, 5). None: weights only stay above 0.
        gap_weights : mapping, default=None
            What a gap of one standard deviation costs in the nearest scenario,
            if the constraints cannot be met: by column or label, as in
            ``{"age": 5}``, 1 for the others. Those that cost little are moved.
        metric : str, callable or list, default=None
            Quantities in ``outcomes`` besides the predictions; by default
            those that suit the model, if y is known.

        Returns
        -------
        Scenario

        Raises
        ------
        InfeasibleTargetError
            If no reweighting of the rows meets the constraints. The message
            says why; ``what_if(**error.nearest)`` solves the nearest feasible scenario.
        ValueError
            If a column or level is unknown, a target is not what it may be, or
            two constraints are about the same quantity.
        """
        check_is_fitted(self, "n_features_in_")
        predictions = self.predictions_
        closeness = Closeness.parse(divergence, weight_bounds)
        statement = read_statement(self.table_, constraints, prediction, error_rate, closeness.options)
        sample = Sample.from_table(self.table_, scenario_quantities(metric, predictions, self.table_))
        with light_weights_named(self.table_.base):
            scenario = solve_scenario(sample, statement, predictions, self.config_, closeness, gap_weights)
        warn_of_missing(self.table_, self.config_.missing, statement.features)
        return scenario

    @one_blas_thread
    def joint(self, first: Any, second: Any, *, n_targets: int = 15) -> pd.DataFrame:
        """Average prediction over a grid of two averages.

        Parameters
        ----------
        first, second : str or tuple of (str, level)
            A numeric column, or a categorical column and one of its labels.
        n_targets : int, default=15
            Number of targets of each.

        Returns
        -------
        DataFrame
            One row for each pair of targets and output: first_target,
            second_target, quantity, output, value, std_error, low, high, kl,
            ess, max_weight, status, n_rows.

        Raises
        ------
        ValueError
            If a column is unknown or cannot be shifted, or a label is missing.
        """
        check_is_fitted(self, "n_features_in_")
        if not isinstance(n_targets, Integral) or n_targets < 2:
            raise ValueError(
                f"The 'n_targets' parameter of joint must be an int of 2 or more, got {n_targets!r}."
            )
        sample = Sample.from_table(self.table_, quantities_for(None, self.predictions_))
        with light_weights_named(self.table_.base):
            frame = sweep_joint(sample, self.config_, first, second, int(n_targets))
        shifted = [one[0] if isinstance(one, tuple) else one for one in (first, second)]
        warn_of_missing(self.table_, self.config_.missing, shifted)
        return frame
