"""A simple model near each row: LIME with errors, for whole tables at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_consistent_length, has_fit_parameter

from agnostix.core.base import Attribution, AttributionExplainer, OutputSelection
from agnostix.core.base.explainer import take_examples
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.frames import as_table, checked_weights, take_rows
from agnostix.core.masking import MaskerConstraint, read_rows
from agnostix.core.sklearn_compat import HasMethods, Interval, StrOptions
from agnostix.core.sobol import SobolBlocks
from agnostix.core.typing import Numbers
from agnostix.exceptions import DataError
from agnostix.lime.features import ScaledFeature
from agnostix.lime.kernel import Kernel
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.mask_vicinity import MaskVicinity
from agnostix.lime.near_rows import SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.selection import SELECTIONS, lasso_path
from agnostix.lime.surrogates import RIDGE, LinearSurrogate, RegressorSurrogate, Surrogate, TreeSurrogate
from agnostix.lime.table_vicinity import TableVicinity
from agnostix.lime.vicinity import Vicinity

N_TRIAL_ROWS = 2
"""Rows on which a model is tried where a masker reads them, since they may be large."""
N_DRAWS = 5000
"""Draws near the rows of a table."""
N_MASKS = 1000
"""Masks for a picture or a text."""
MASK_WIDTH = 0.25
"""Width of the kernel on masks."""
WIDTH_PER_ROOT = 0.75
"""Width of the kernel, times the root of the number of features."""
TREE_LEAVES = 8
"""Leaves of a tree as surrogate."""


class LimeExplainer(AttributionExplainer):
    """Fit a simple model near each row, and say how well it fits.

    Rows are drawn feature by feature, as they were seen in `fit`, and the
    model is asked about them. Near a row, its answers are regressed on
    whether each feature of a draw is in the row's own bin (quartiles of
    numbers, levels of labels) or not, draws that share more bins with the row
    weighing more. The value of a feature is its coefficient, in model output
    units: what the answer changes, in the mean, when the feature enters the
    row's bin.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        What is explained. An unfitted estimator is fitted on (X, y).
    n_samples : int or "auto", default="auto"
        Draws at most, 32 or more: the largest blocks of a power of two that
        leave at least 16 of them. "auto" is 5000, and 1000 with a masker.
    max_features : int, default=None
        Features that the surrogate may use; None for all.
    discretizer : {"auto", "quartile", "decile", "entropy"} or None, default="auto"
        How numbers are cut into bins. "entropy" takes the splits of a tree
        on each column, and needs y in `fit`; None leaves them as numbers, in
        standard deviations from the mean. "auto" is "quartile", and None for
        ``sampling="local"``.
    sampling : {"kernel", "local", "tilted"}, default="kernel"
        "kernel" draws once for all rows and weighs the draws by their
        distance from each. "local" draws around each row, `radius` standard
        deviations wide. "tilted" draws for each row as the kernel would
        weigh, so that none is wasted.
    kernel_width : float, default=None
        None for 0.75 times the root of the number of features, on the Euclidean distance of
        bins or standard deviations; with a masker 0.25, on the cosine
        distance of masks.
    radius : float, default=1.0
        For ``sampling="local"``, in standard deviations of each column. A
        small one gives the gradient.
    surrogate : {"ridge", "klasso", "tree"} or regressor, default="ridge"
        "klasso" chooses `max_features` on the lasso's path and fits them by least
        squares; "tree" is a regression tree of 8 leaves, whose splits on the
        row's path are added up by feature. Any regressor that has ``coef_``
        and takes weights will do; it is fitted 17 times or more for each row.
    feature_selection : str, default="auto"
        How `max_features` are chosen: "forward_selection", "highest_weights", "lasso_path", or
        "auto": the first up to six features, beyond them the second.
    values : {"coef_x", "coef"}, default="coef_x"
        "coef_x" multiplies a coefficient by the row's own value, so that values
        add up to the surrogate's answer. It makes a difference for numbers
        that are not cut into bins: their "coef" is per standard deviation.
    stability : float, default=None
        Confidence, above 0.5 and below 1, with which each chosen feature must
        lead the next best; draws are doubled, up to four times, for rows where
        it does not.
    feature_groups : mapping from str to list of str, default=None
        Columns that are drawn together, from rows that were seen, and are one
        feature, such as those of one label.
    masker : SegmentMasker, TextMasker or other Masker, default=None
        For pictures and texts: what is hidden together, and what stands in. Masks
        are then drawn near each row, and features are what a mask hides or
        not; where there are no more masks than `n_samples`, all are asked
        about, and errors are 0.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of the draws; None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a bar, with a forecast, in terminals and notebooks once work has
        taken a few seconds; 0 none.

    Attributes
    ----------
    kernel_width_ : float
        The width that is used.
    n_model_rows_ : int
        Rows that the model was asked about in `fit`.
    output_names_ : tuple of str
        Names of all of the model's outputs.
    features_ : Features
        Names and columns of the features.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Explanations have completeness "surrogate" (None with ``values="coef"``, which need not
    sum to anything): ``base_values``, what the surrogate predicts where no feature is in the
    row's bin, or all numbers are at their mean, and the values sum to
    ``extras["surrogate_outputs"]``. Where the kernel leaves too few draws near a row, `explain` raises
    an error.

    Standard errors come from the spread between independent blocks of draws,
    and speak of the draws alone: not of how well the surrogate fits, which
    ``fidelity["r2"]`` of the result tells (weighted, on the draws), nor of the
    choice of features where `max_features` is set. They do not speak of the
    penalty either, which takes from effects of bins that few draws are in: a
    share of 1 / (1 + n), if n draws count that are in the bin.

    Labels that no draw has, or so few that the penalty would take more than
    half, are left out of the regression, and shown beside the features that
    were chosen: their effect is the mean change of the model's answers when
    they are put into some of the draws, for which it is asked again.

    ``extras`` of the result has the ``surrogate_outputs`` for the rows and
    their ``surrogate_std_errors``, the errors of R2 (``r2_std_errors``), the
    row's bins in words (``conditions``), whether a value was ``unseen`` in
    `fit` and whether its effect was found by putting it into draws
    (``contrasted``), ``n_samples`` and ``effective_samples`` of each row, the
    ``kernel_width``; with `max_features` which were ``selected``; with
    `stability` the ``margin`` of the choice in standard errors and whether it
    is ``stable``; without bins the ``coefficients`` per standard deviation and
    their ``coefficient_std_errors``.

    References
    ----------
    .. [1] Ribeiro, M. T., Singh, S., Guestrin, C. (2016). "Why should I trust
       you?" Explaining the predictions of any classifier. KDD.
       https://doi.org/10.1145/2939672.2939778
    .. [2] Garreau, D., von Luxburg, U. (2020). Looking deeper into tabular
       LIME. https://doi.org/10.48550/arXiv.2008.11092
    .. [3] Tan, Z., Tian, Y., Li, J. (2023). GLIME: general, stable and local
       LIME explanation. NeurIPS. https://doi.org/10.48550/arXiv.2311.15722
    .. [4] Zhou, Z., Hooker, G., Wang, F. (2021). S-LIME: stabilized-LIME for
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
        "n_samples": [StrOptions({"auto"}), Interval(Integral, 32, None, closed="left")],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "discretizer": [StrOptions({"auto", "quartile", "decile", "entropy"}), None],
        "sampling": [StrOptions({"kernel", "local", "tilted"})],
        "kernel_width": [Interval(Real, 0, None, closed="neither"), None],
        "radius": [Interval(Real, 0, None, closed="neither")],
        "surrogate": [StrOptions({"ridge", "klasso", "tree"}), HasMethods(["fit", "predict"])],
        "feature_selection": [StrOptions(set(SELECTIONS))],
        "values": [StrOptions({"coef_x", "coef"})],
        "stability": [Interval(Real, 0.5, 1, closed="neither"), None],
        "feature_groups": [dict, None],
        "masker": [MaskerConstraint(), None],
    }

    def __init__(
        self,
        model: Any,
        *,
        n_samples: int | str = "auto",
        max_features: int | None = None,
        discretizer: str | None = "auto",
        sampling: str = "kernel",
        kernel_width: float | None = None,
        radius: float = 1.0,
        surrogate: Any = "ridge",
        feature_selection: str = "auto",
        values: str = "coef_x",
        stability: float | None = None,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.n_samples = n_samples
        self.max_features = max_features
        self.discretizer = discretizer
        self.sampling = sampling
        self.kernel_width = kernel_width
        self.radius = radius
        self.surrogate = surrogate
        self.feature_selection = feature_selection
        self.values = values
        self.stability = stability
        self.feature_groups = feature_groups
        self.masker = masker

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LimeExplainer:
        """Learn the columns, and ask the model about the draws that all rows share.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows that tell how values are spread.
        y : array-like of shape (n_rows,), default=None
            Needed for an unfitted model, and for ``discretizer="entropy"``.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows; one of weight 2 counts as two.

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
        self._check_together()
        learn = self._table_vicinity if self.masker is None else self._mask_vicinity
        self._vicinity: Vicinity = learn(X, y, sample_weight)
        self.n_model_rows_ = 2 * self._n_trial_rows + self._vicinity.n_shared
        return self

    def explain_exact(self, X: Any, additive: bool = False, *, outputs: Any = None) -> Explanation:
        """Explain rows of a table in closed form: the limit of `explain` for infinitely many samples.

        For additive models (sums of functions of single features) and for
        scikit-learn's decision trees and forests, which are sums of boxes. The ridge
        penalty is that of the explainer's own number of samples, so that `explain`
        differs from this by its standard errors alone.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to explain.
        additive : bool, default=False
            Whether the model is additive. It is then evaluated on the values of one
            feature at a time, and that the parts sum to its predictions is checked on
            rows seen in `fit`. False reads the leaves of a tree or forest.
        outputs : None, "predicted", name, index or list of these, default=None
            Outputs to explain, in place of the parameter of the constructor.

        Returns
        -------
        Explanation
            In model output units; all standard errors are 0. ``fidelity`` is None for
            forests, whose R2 has no short closed form.

        Raises
        ------
        ValueError
            If the model is not additive or no tree or forest, or the explainer has no
            closed form: with a masker, numbers without bins, ``surrogate`` other than
            "ridge" or "klasso", or `max_features`.

        References
        ----------
        .. [1] Garreau, D., von Luxburg, U. (2020). Looking deeper into tabular
           LIME. https://doi.org/10.48550/arXiv.2008.11092

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
        from agnostix.lime.exact_limits import explain_exactly

        return explain_exactly(self, X, additive, outputs)

    @property
    def _quantity(self) -> str:
        return "contribution" if self.values == "coef_x" else "coefficient"

    @property
    def _completeness(self) -> str | None:
        return "surrogate" if self.values == "coef_x" else None

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        fits, details, n_model_rows = self._vicinity.fit(self._evaluate, self._spec(), rows)
        return self._to_attribution(rows, fits, details, n_model_rows, selection)

    def _count_model_rows(self, rows: Any) -> int:
        return self._vicinity.cost(rows)

    def _read(self, X: Any) -> Any:
        return self._vicinity.read(X)

    def _data(self, rows: Any) -> Any:
        return self._vicinity.data(rows)

    def _feature_names(self, rows: Any) -> tuple[str, ...]:
        return self._vicinity.features_of(rows).names

    def _check_together(self) -> None:
        """Refuse parameters that do not go together, and say which do."""
        if self.masker is not None:
            self._check_with_masker()
        if not isinstance(self.surrogate, str) and not has_fit_parameter(self.surrogate, "sample_weight"):
            raise DataError(
                "The 'surrogate' of LimeExplainer must take sample_weight in fit, since draws weigh "
                f"differently, and {type(self.surrogate).__name__} does not. Pass 'ridge', 'klasso', 'tree' "
                "or a linear regressor that takes weights."
            )
        if self.sampling == "local" and self.discretizer not in ("auto", None):
            raise DataError(
                f"The 'discretizer' of LimeExplainer must be 'auto' or None with sampling='local', got "
                f"{self.discretizer!r}: draws around a row are not cut into bins. Or use sampling='tilted'."
            )
        if self.stability is not None and self.max_features is None:
            raise DataError(
                "The 'stability' of LimeExplainer says how sure the choice of features must be, and with "
                "max_features=None none is left out. Set max_features."
            )
        if self.stability is not None and self.sampling != "kernel":
            raise DataError(
                f"The 'stability' of LimeExplainer needs sampling='kernel', got {self.sampling!r}. Raise "
                "n_samples instead."
            )

    def _check_with_masker(self) -> None:
        for name, needed in (("feature_groups", None), ("stability", None), ("discretizer", "auto")):
            given = getattr(self, name)
            if given != needed:
                raise DataError(
                    f"The {name!r} parameter of LimeExplainer must be {needed!r} with a masker, which says "
                    f"what is hidden together, got {given!r}."
                )
        if self.sampling == "local":
            raise DataError(
                "The 'sampling' of LimeExplainer must be 'kernel' or 'tilted' with a masker, got 'local': "
                "what is hidden has no distance from the row."
            )
        if self.masker.weights.size > 1:
            raise DataError(
                f"The 'masker' of LimeExplainer must have one thing that stands in for what is hidden, and "
                f"this has {self.masker.weights.size} background rows. Use KernelShapExplainer, or a "
                "background of one row."
            )

    def _check_most(self, n_features: int) -> None:
        if self.max_features is not None and self.max_features > n_features:
            raise DataError(
                f"The 'max_features' of LimeExplainer must be at most {n_features}, as many as there are, or "
                f"None for all; got {self.max_features}."
            )

    def _table_vicinity(self, X: Any, y: Any, sample_weight: Any) -> TableVicinity:
        """Learn the columns, and ask about the draws that all rows share."""
        table = as_table(X)
        predictor = self._fit_predictor(table, y, sample_weight)
        self._learn_columns(table, self.feature_groups)
        self._same_features = True
        n_features = len(self.features_.names)
        self._check_most(n_features)
        self.kernel_width_ = float(self.kernel_width or WIDTH_PER_ROOT * np.sqrt(n_features))
        near = self._learned(table, y, sample_weight)
        self._try_model(predictor, near.like)
        vicinity = TableVicinity(
            self.features_, near, self._own_draws(near), self.kernel_width_, self.stability
        )
        return vicinity.evaluated(self._evaluate)

    def _mask_vicinity(self, X: Any, y: Any, sample_weight: Any) -> MaskVicinity:
        """See that rows can be masked, and that the model answers."""
        rows = read_rows(self.masker, X)
        shown = rows.unmasked
        predictor = self._fit_predictor(shown, y, sample_weight)
        self.n_features_in_ = int(np.prod(shown.shape[1:]))
        self.features_, self._same_features = rows.features, self.masker.same_features
        self._check_most(len(self.features_.names))
        self.kernel_width_ = float(self.kernel_width or MASK_WIDTH)
        self._try_model(predictor, shown[:N_TRIAL_ROWS])
        n_draws = N_MASKS if self.n_samples == "auto" else int(self.n_samples)
        tilted, seed = self.sampling == "tilted", self._seed
        return MaskVicinity(self.masker, self.features_, self.kernel_width_, n_draws, tilted, seed)

    def _learned(self, table: Any, y: Any, sample_weight: Any) -> Neighbourhood:
        check_consistent_length(table, y)
        weights = checked_weights(sample_weight, table.shape[0])
        rows = np.flatnonzero(weights > 0)
        seen = table if rows.size == weights.size else take_rows(table, rows)
        labels = None if y is None else np.asarray(y)[rows]
        how = self.discretizer
        if how == "auto":
            how = None if self.sampling == "local" else "quartile"
        features = FeatureLearner(seen, weights[rows], how, labels, "LimeExplainer").learn(self.features_)
        for feature in features if self.sampling == "local" else []:
            self._check_moves(feature)
        like = take_examples(seen)
        n_draws = N_DRAWS if self.n_samples == "auto" else int(self.n_samples)
        points = SobolBlocks.from_n_points(len(features), n_draws, self._seed)
        return Neighbourhood(like, tuple(features), points)

    def _check_moves(self, feature: Any) -> None:
        """See that whole numbers can leave the row's own value."""
        if not isinstance(feature, ScaledFeature) or feature.dtype.kind == "f" or not feature.varies:
            return
        if self.radius * feature.sd < 0.5:
            raise DataError(
                f"The 'radius' of LimeExplainer is {self.radius:g}, which moves the whole numbers of column "
                f"{feature.name!r} by {self.radius * feature.sd:.2g}, and hardly any to another. Raise it to "
                f"{0.5 / feature.sd:.2g} or more, or make the column one of floats."
            )

    def _own_draws(self, neighbourhood: Neighbourhood) -> OwnDraws | None:
        if self.sampling == "kernel":
            return None
        if self.sampling == "local":
            return OwnDraws(neighbourhood, "local", self.radius)
        return OwnDraws(neighbourhood, "tilted", self.kernel_width_)

    def _spec(self) -> SurrogateSpec:
        return SurrogateSpec(
            surrogate=self._surrogate(),
            kernel=None if self.sampling == "tilted" else Kernel(self.kernel_width_),
            radius=self.radius if self.sampling == "local" else None,
            max_features=self.max_features,
            with_margin=self.stability is not None,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )

    def _surrogate(self) -> Surrogate:
        selection = SELECTIONS[self.feature_selection]
        if not isinstance(self.surrogate, str):
            return RegressorSurrogate(self.surrogate, selection)
        if self.surrogate == "tree":
            return TreeSurrogate(TREE_LEAVES, selection)
        if self.surrogate == "klasso":
            return LinearSurrogate(0.0, lasso_path)
        return LinearSurrogate(RIDGE, selection)

    def _to_attribution(
        self,
        rows: Any,
        fits: LocalFits,
        details: dict[str, Any],
        n_model_rows: int,
        selection: OutputSelection,
    ) -> Attribution:
        """What was fitted, of the selected outputs."""
        pick = partial(selection.pick, predictions=fits.predictions)
        contributions = fits.coefficients * fits.row_design[:, :, None]
        # One after another, so that places for features that only other rows have change no bit.
        total = reduce(np.add, np.moveaxis(contributions, 1, 0))
        values, errors = fits.coefficients, fits.std_errors
        if self.values == "coef_x":
            values, errors = contributions, errors * np.abs(fits.row_design)[:, :, None]
        return Attribution(
            values=pick(np.where(self._vicinity.present(rows)[:, :, None], values, np.nan)),
            std_errors=pick(errors),
            base_values=pick(fits.surrogate_outputs - total),
            predictions=fits.predictions,
            fidelity={"r2": pick(fits.r2)},
            n_model_rows=n_model_rows,
            details=details | self._describe_fits(fits, details, pick),
        )

    def _describe_fits(
        self, fits: LocalFits, details: dict[str, Any], pick: Callable[[Numbers], Numbers]
    ) -> dict[str, Any]:
        by_output: dict[str, Numbers] = {
            "surrogate_outputs": fits.surrogate_outputs,
            "surrogate_std_errors": fits.surrogate_std_errors,
            "r2_std_errors": fits.r2_std_errors,
        }
        by_value: dict[str, Numbers] = {}
        if self.max_features is not None:
            by_value["selected"] = fits.selected
        if self.stability is not None:
            by_output["margin"] = fits.margin
        conditions = details.get("conditions")
        if self.masker is None and (conditions is None or (conditions.array == "").any()):
            by_value |= {"coefficients": fits.coefficients, "coefficient_std_errors": fits.std_errors}
        return {
            "n_samples": Detail(fits.n_samples, ("row",)),
            "effective_samples": Detail(fits.effective_samples, ("row",)),
            "kernel_width": self.kernel_width_,
            **{name: Detail(pick(array), ("row", "output")) for name, array in by_output.items()},
            **{name: Detail(pick(array), ("row", "feature", "output")) for name, array in by_value.items()},
        }
