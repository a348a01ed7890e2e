"""LimeExplainer: a surrogate near each row of a table, image or text, with standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_consistent_length

from agnostix.core.base import Attribution, AttributionExplainer, OutputSelection
from agnostix.core.base.explainer import take_examples
from agnostix.core.designs import Design
from agnostix.core.explanation import Explanation
from agnostix.core.frames import as_table, checked_weights, missing_as_nan, take_rows
from agnostix.core.masking import MaskerConstraint, read_rows
from agnostix.core.row_order import check_row_order
from agnostix.core.sklearn_compat import HasMethods, Interval, StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.lime.discretizer import Discretizer
from agnostix.lime.masked_samples import MaskedNeighborhood
from agnostix.lime.neighborhood import Neighborhood, SurrogateSpec, TabularNeighborhood
from agnostix.lime.output_ranges import OutputRanges, learn_ranges
from agnostix.lime.parameters import check_parameters
from agnostix.lime.results import to_attribution
from agnostix.lime.sampling import (
    MASK_WIDTH,
    N_SAMPLES,
    SAMPLINGS,
    WIDTH_PER_ROOT,
    KernelSampling,
    LocalSampling,
    TiltedSampling,
    check_n_samples,
    resolve_n_samples,
    resolve_sampling,
)
from agnostix.lime.selection import SELECTIONS
from agnostix.lime.surrogates import resolve_surrogate
from agnostix.lime.tabular_samples import RowSampler, TabularSampler

MAX_SAMPLES = 2**30
"""Samples that are numbered."""
N_TRIAL_ROWS = 2
"""Rows on which a model is tried if a masker reads them, since they may be large."""


class LimeExplainer(AttributionExplainer):
    """Local linear model of any model near each row, with a standard error for each coefficient.

    LIME perturbs a row, evaluates the model on the samples, and fits a simple model,
    the surrogate, to the predictions. In a table, it regresses them on whether each
    feature is in the row's own bin (quartiles of numbers, levels of categories);
    samples that share more bins with the row have a higher weight. The value of a
    feature is its coefficient: by how much the prediction changes on average when the
    feature enters the row's bin. In images and texts, features are segments and words
    that are kept or hidden.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module or callable
        The model to explain. An unfitted estimator is cloned and fitted on (X, y).
    n_samples : int or "auto", default="auto"
        Upper limit of the number of samples, at least 32, of which whole orthogonal
        arrays are taken, at least 80 %. "auto": 5120, or 1000 masks.
    sampling : {"kernel", "tilted", "local"}, KernelSampling, TiltedSampling or \
LocalSampling, default="kernel"
        Distribution and weights of the samples; a string is short for an instance
        with its defaults. "kernel": one set of samples for all rows,
        weighted by their distance from each. "tilted": samples near each row, as the
        kernel would weight them. "local": normal samples around each row, without
        bins; a small radius gives the gradient.
    surrogate : {"ridge", "klasso", "tree"} or regressor, default="ridge"
        "ridge": linear, with a penalty of 1. "klasso": `max_features` selected by the
        lasso, fitted by least squares. "tree": the mean of regression trees of 8 leaves,
        whose splits along the row's path are summed by feature. Or a linear regressor
        with ``coef_`` that takes weights; it is fitted 31 times for each row.
    max_features : int, default=None
        Maximum number of features the surrogate uses, selected for each output. None:
        all.
    feature_selection : {"auto", "forward_selection", "highest_weights", "lasso_path"}, \
default="auto"
        How `max_features` are selected. "auto": "forward_selection" up to six
        features, else "highest_weights".
    stability : float, default=None
        Confidence, above 0.5 and below 1, with which each selected feature must lead
        the next best one; else samples are doubled, up to four times. Needs
        `max_features` and KernelSampling.
    values : {"coef_x", "coef"}, default="coef_x"
        "coef_x": coefficient times the row's own value, so that values sum to the
        surrogate's prediction. "coef": the coefficient, for standardized numbers per
        standard deviation. With bins both are the same.
    feature_groups : mapping from str to list of str, default=None
        Columns that are one feature, sampled together from observed rows, such as the
        dummy columns of one category.
    masker : SegmentMasker, TextMasker or other Masker, default=None
        For images and texts: what is hidden, and by what fill. At most `n_samples`
        masks in all: each is evaluated, and standard errors are 0.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the samples. None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a progress bar once work has taken a few seconds; 0 none.

    Attributes
    ----------
    sampling_ : KernelSampling, TiltedSampling or LocalSampling
        The sampling in use.
    kernel_width_ : float
        The width of the kernel in use.
    n_model_rows_ : int
        Model rows evaluated in `fit`, up to 1,000 of its rows among them.
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
    Values have completeness "surrogate": with the default ``values="coef_x"`` they sum
    to ``extras["surrogate_outputs"]`` less ``base_values``, the surrogate's prediction
    with no feature in the row's bin, or all numbers at their mean. ``fidelity["r2"]``
    is the weighted R2 of predictions for samples that the surrogate was not fitted to.

    Standard errors are those of the samples, trees and all. With `max_features`, one
    half of the samples selects and the other estimates: intervals of the selected
    features hold, and are wider by sqrt(2). They exclude lack of fit and shrinkage by
    the ridge penalty, n / (1 + n) with n effective samples in the bin. Levels that
    would shrink by half and levels that no sample has are not in the regression
    (``extras["contrasted"]``), but the mean difference of predictions with the level
    put in. Where no sample is like the row, errors and R2 are NaN and
    ``extras["determined"]`` is False. Where next to all samples are like it, errors
    are those of the rule of three, by the size that differences have elsewhere; NaN
    if none is known.

    Other ``extras``: ``surrogate_std_errors``, ``r2_std_errors``, the ``conditions``
    that define the row's bins, ``unseen`` values, ``n_samples``,
    ``effective_samples``, ``kernel_width``, ``shared_errors``; with `max_features` ``selected``; with
    `stability` ``margin`` (in standard errors) and ``stable``; without bins the
    ``coefficients`` per standard deviation and ``coefficient_std_errors``.

    References
    ----------
    .. [1] Ribeiro, M. T., Singh, S., Guestrin, C. (2016). "Why should I trust
       you?" Explaining the predictions of any classifier. KDD.
       https://doi.org/10.1145/2939672.2939778
    .. [2] Garreau, D., von Luxburg, U. (2020). Looking deeper into tabular
       LIME. https://doi.org/10.48550/arXiv.2008.11092
    .. [3] Zhou, Z., Hooker, G., Wang, F. (2021). S-LIME: stabilized-LIME for
       model explanation. KDD. https://doi.org/10.1145/3447548.3467274

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from agnostix import LimeExplainer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    >>> explainer = LimeExplainer(model, random_state=0).fit(X)
    >>> exp = explainer.explain(X.head(3))
    >>> exp.values.shape, exp.n_model_rows
    ((3, 10, 1), 3)
    >>> exp.fidelity["r2"].shape
    (3, 1)
    """

    _doc_page = "lime.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "n_samples": [StrOptions({"auto"}), Interval(Integral, 32, MAX_SAMPLES, closed="both")],
        "sampling": [StrOptions(set(SAMPLINGS)), KernelSampling, TiltedSampling, LocalSampling],
        "surrogate": [StrOptions({"ridge", "klasso", "tree"}), HasMethods(["fit", "predict"])],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "feature_selection": [StrOptions(set(SELECTIONS))],
        "stability": [Interval(Real, 0.5, 1, closed="neither"), None],
        "values": [StrOptions({"coef_x", "coef"})],
        "feature_groups": [dict, None],
        "masker": [None, MaskerConstraint()],
    }

    def __init__(
        self,
        model: Any,
        *,
        n_samples: int | str = "auto",
        sampling: Any = "kernel",
        surrogate: Any = "ridge",
        max_features: int | None = None,
        feature_selection: str = "auto",
        stability: float | None = None,
        values: str = "coef_x",
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.n_samples = n_samples
        self.sampling = sampling
        self.surrogate = surrogate
        self.max_features = max_features
        self.feature_selection = feature_selection
        self.stability = stability
        self.values = values
        self.feature_groups = feature_groups
        self.masker = masker

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LimeExplainer:
        """Learn the features' bins and distributions, and predict the samples that all rows share.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), images or texts
            Rows that the bins and distributions are learned from.
        y : array-like of shape (n_rows,), default=None
            Needed for an unfitted model, and for ``discretizer="entropy"``.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows; a row of weight 2 counts as two.

        Returns
        -------
        self : LimeExplainer

        Raises
        ------
        ValueError
            If the rows, a group or the parameters together cannot be used.
        EngineError
            If the model fails.
        """
        self._begin_fit()
        self.sampling_ = resolve_sampling(self.sampling)
        check_parameters(self)
        check_row_order(X, y=y, sample_weight=sample_weight)
        learn = self._learn_table if self.masker is None else self._learn_masks
        self._neighborhood: Neighborhood = learn(X, y, sample_weight)
        self.n_model_rows_ = self._n_trial_rows + self._neighborhood.n_shared_rows
        return self

    def explain_exact(self, X: Any, additive: bool = False, *, outputs: Any = None) -> Explanation:
        """Explain rows of a table in closed form: the limit of `explain` for infinitely many samples.

        For additive models (sums of functions of single features) and sums of trees
        (of boxes): trees, forests and boosted regressions of scikit-learn, XGBoost and
        LightGBM, alone, in a Pipeline, in bagging or in voting. The ridge penalty is that of the explainer's
        own number of samples, so `explain` differs by its standard errors alone.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to explain.
        additive : bool, default=False
            Whether the model is additive. It is then evaluated on the values of one
            feature at a time, and that the parts sum to its predictions is checked on
            rows seen in `fit`. False reads the leaves of trees.
        outputs : None, "predicted", name, index or list of these, default=None
            Outputs to explain, in place of the parameter of the constructor.

        Returns
        -------
        Explanation
            In model output units; all standard errors are 0. ``fidelity`` is None for
            several trees, whose R2 has no short closed form.

        Raises
        ------
        ValueError
            If the model is not additive or no sum of trees, or the explainer has no
            closed form: with a masker, numbers without bins, ``surrogate`` other than
            "ridge" or "klasso", or `max_features`.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.tree import DecisionTreeRegressor
        >>> from agnostix import LimeExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, y)
        >>> explainer = LimeExplainer(model, random_state=0).fit(X)
        >>> exact, sampled = explainer.explain_exact(X.head(5)), explainer.explain(X.head(5))
        >>> bool((abs(sampled.values - exact.values) <= 6 * sampled.std_errors + 1e-9).all())
        True
        """
        from agnostix.lime.exact_limits import explain_exactly  # scikit-learn's forests are slow to import

        return explain_exactly(self, X, additive, outputs)

    @property
    def _quantity(self) -> str:
        return "contribution" if self.values == "coef_x" else "coefficient"

    @property
    def _completeness(self) -> str | None:
        return "surrogate" if self.values == "coef_x" else None

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        return to_attribution(
            self, rows, self._neighborhood.fit(self._evaluate, self._spec(), rows, selection)
        )

    def _count_model_rows(self, rows: Any) -> int:
        return self._neighborhood.cost(rows)

    def _read(self, X: Any) -> Any:
        return self._neighborhood.read(X)

    def _data(self, rows: Any) -> Any:
        return self._neighborhood.data(rows)

    def _feature_names(self, rows: Any) -> tuple[str, ...]:
        return self._neighborhood.features_of(rows).names

    def _check_max_features(self) -> None:
        n_features = len(self.features_.names)
        if self.max_features is not None and self.max_features > n_features:
            raise DataError(
                f"The 'max_features' of LimeExplainer must be at most {n_features}, the number of features, "
                f"or None for all; got {self.max_features}."
            )

    def _learn_table(self, X: Any, y: Any, sample_weight: Any) -> TabularNeighborhood:
        table = as_table(X)
        predictor = self._fit_predictor(table, y, sample_weight)
        self._learn_columns(table, self.feature_groups)
        self._same_features = True
        self._check_max_features()
        n_features = len(self.features_.names)
        self.kernel_width_ = float(self.sampling_.width or WIDTH_PER_ROOT * np.sqrt(n_features))
        check_consistent_length(table, y)
        weights = checked_weights(sample_weight, table.shape[0])
        rows = np.flatnonzero(weights > 0)
        observed = table if rows.size == weights.size else take_rows(table, rows)
        labels = None if y is None else np.asarray(missing_as_nan(y))[rows]
        sampler = self._learn_sampler(observed, labels, weights[rows])
        self._try_model(predictor, sampler.template)
        row_sampler = RowSampler.from_sampling(self.sampling_, sampler, self.kernel_width_)
        neighborhood = TabularNeighborhood(
            self.features_, sampler, row_sampler, self.kernel_width_, self.stability
        ).evaluate_shared(self._evaluate)
        seen, n_rows = learn_ranges(observed, self._predict, self._predictor, neighborhood.predictions)
        self._n_trial_rows += n_rows
        return replace(neighborhood, seen=seen)

    def _learn_masks(self, X: Any, y: Any, sample_weight: Any) -> MaskedNeighborhood:
        rows = read_rows(self.masker, X)
        unmasked = rows.unmasked
        predictor = self._fit_predictor(unmasked, y, sample_weight)
        self.n_features_in_ = int(np.prod(unmasked.shape[1:]))
        self.features_, self._same_features = rows.features, self.masker.same_features
        self._check_max_features()
        self.kernel_width_ = float(self.sampling_.width or MASK_WIDTH)
        tried = self._try_model(predictor, unmasked[:N_TRIAL_ROWS])
        return MaskedNeighborhood(
            self.masker,
            self.features_,
            self.kernel_width_,
            self.n_samples,
            isinstance(self.sampling_, TiltedSampling),
            self._seed,
            OutputRanges.from_predictions(tried, self._predictor),
        )

    def _learn_sampler(self, observed: Any, labels: Any, weights: Floats) -> TabularSampler:
        method, owner = self.sampling_.discretizer, type(self.sampling_).__name__
        discretizer = Discretizer(observed, weights, method, labels, owner)
        features = discretizer.learn_features(self.features_)
        if isinstance(self.sampling_, LocalSampling):
            self.sampling_._check_radius(features)
        n_varying = sum(feature.varies for feature in features)
        n_samples = resolve_n_samples(self.n_samples, n_varying, N_SAMPLES)
        sparse = discretizer.sparse_columns(features) if isinstance(self.sampling_, KernelSampling) else None
        if sparse is None:
            points = Design.from_n_points(len(features), n_samples, self._seed)
        else:
            points = Design.independent(len(features) - sparse.places.size, n_samples, self._seed)
        check_n_samples(points.n_points, n_varying, "")
        sampler = TabularSampler(take_examples(observed), tuple(features), points, sparse)
        sampler.check_memory(self.sampling_)
        return sampler

    def _spec(self) -> SurrogateSpec:
        return SurrogateSpec(
            surrogate=resolve_surrogate(self.surrogate, self.feature_selection),
            kernel=self.sampling_._kernel(self.kernel_width_),
            radius=self.sampling_.radius if isinstance(self.sampling_, LocalSampling) else None,
            max_features=self.max_features,
            with_margin=self.stability is not None,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
