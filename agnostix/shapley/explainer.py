"""KernelShapExplainer: Shapley values of any model, with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.background import BACKGROUND_SIZE, BACKGROUNDS, BackgroundMeans, ErrorMap
from agnostix.core.base import Attribution, OutputSelection
from agnostix.core.evaluate import ProgressBar, mask_cost
from agnostix.core.inputs import check_background
from agnostix.core.masking import MaskedRows
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_values import LinkedValues, link_slope
from agnostix.shapley.coalitions import CoalitionPlan, count_pairs, first_pairs, sample_pairs
from agnostix.shapley.estimation import (
    Operator,
    RowEstimation,
    ShapleyResult,
    Stage,
    build_operator,
    estimate,
    expect_evaluations,
)
from agnostix.shapley.exact import ExactOperator
from agnostix.shapley.games_by_background import GamesByBackground
from agnostix.shapley.interactions.explaining import Interactions
from agnostix.shapley.kriging import MAX_LEARNING_DOF, KernelParams, learn_kernel
from agnostix.shapley.stopping import stage_pairs

N_PILOTS = 8
"""Rows from which `fit` learns a kernel."""
_N_EXAMPLES = 64
"""Rows that tell in `fit` which players rows have."""
MAX_OWN_PLAYERS = 512
"""Players above which kernel="auto" learns no kernel for a row: its cost grows with their cube."""
MAX_POOLED_PAIRS = 2048
"""Pairs up to which a kernel is learned in `fit`; more pairs of a row tell enough of its own kernel."""


SharedOperators = dict[tuple[int, ...], Operator]
"""Operators without a kernel, of rows with as many players, by the shape of masks."""


class KernelShapExplainer(Interactions, GamesByBackground):
    """Shapley values of any model, with a standard error for each.

    The Shapley value of a feature is its average marginal contribution to the
    prediction over all orderings of the features. Features outside a coalition
    take their values from background rows, so this is the interventional
    (marginal) version: a feature that the model ignores gets 0, however
    correlated it is. The values of a row sum to its prediction minus the mean
    prediction of the background. `explain_interactions` explains pairs of features.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module or callable
        The model to explain. An unfitted estimator is cloned and fitted on (X, y).
    algorithm : {"auto", "kernel", "tree"}, default="auto"
        "kernel" samples coalitions, of any model. "tree": exact values of trees, forests
        and gradient boosting of scikit-learn, XGBoost and LightGBM, alone, in a
        Pipeline, in bagging or soft voting, over all rows seen in `fit` (1,000,000 at
        most); of boosted classifiers those of margins. "auto": "tree" for predictions
        that are sums of trees, if a forecast says that it takes no more than
        coalitions or a matter of seconds, and `budget`, `tol`, `kernel` and `link` are
        not set.
    budget : "auto" or int, default="auto"
        Number of coalitions to evaluate per row, including the empty and the full
        one; an int is never exceeded. Each takes one model row per background row.
        If the budget covers all 2**d coalitions of d features, the values are
        exact. "auto": all for up to 6 features, else 2 (d + 7), and more until `tol`
        is met, up to min(2**d, max(512, 8 * d)). Without `tol` all up to 12 features.
    tol : "auto", float or None, default="auto"
        Stop evaluating coalitions for a row once its values are known to 1.96 times
        this fraction of their range, 0 included, with a confidence of 95 % that all
        looks share. "auto": 0.1 with budget="auto", else None, which spends the budget.
    kernel : {"auto", "pooled", "row", "none"}, default="auto"
        Covariance kernel of the interactions (not the Shapley kernel, which weights
        the regression). It improves on weighted least squares where coalitions are
        sampled. "pooled": learned once, in `fit`, from 8 pilot rows.
        "row": learned for each row from its own coalition values. "none": least
        squares. "auto": "pooled" for tables whose rows vary in the same features, up to
        2,048 pairs of coalitions, else "row" for up to 512 features. Under a tolerance
        rows stop by the errors of least squares, and "row" is learned for those that do
        not, once their budget is spent.
    background : {"representative", "sample", "medoids", "all"}, default="representative"
        Background rows, of those seen in `fit`. "representative": chosen and weighted
        to be as the table is, see `representative_sample`. "sample": drawn without
        replacement. "medoids": centers of clusters, weighted by their sizes. "all": all.
    background_size : int, default=50
        Number of background rows; all if there are fewer, and for trees.
    feature_groups : mapping from str to list of str, default=None
        Columns that are treated as one feature, such as the dummies of a category.
    masker : Masker, default=None
        What hides features of other input than tables:
        `agnostix.maskers.SegmentMasker` segments of images,
        `agnostix.maskers.TextMasker` words of texts. It replaces `background`,
        `background_size` and `feature_groups`, and is not sampled.
    link : {"identity", "logit"}, default="identity"
        "logit" explains log-odds instead of probabilities. The link is applied to
        the mean prediction of a coalition, not to each prediction; a mean of
        exactly 0 or 1, which has no log-odds, is an error in `explain`.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers that call the model or share its trees, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Seed of background and coalitions. None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a progress bar once work has taken a few seconds; 0 none.

    Attributes
    ----------
    background_ : DataFrame or ndarray of shape (n_background, n_columns) or None
        Background rows; None for images and texts.
    background_weights_ : ndarray of shape (n_background,) or None
        Their weights, adding up to 1.
    base_values_ : ndarray of shape (n_outputs,) or None
        Mean prediction of the background, in model output units; None for images
        and texts.
    algorithm_, algorithm_reason_ : str
        "kernel" or "tree", and why, with a forecast of what both take.
    budget_ : int
        Coalitions per row at most, for rows in which as many features vary as in any
        of some rows of `fit`; 0 for trees.
    expected_evaluations_ : float
        Coalitions that such a row is expected to take, by the errors of pilot rows;
        `budget_` where there are none, as with kernel="row" or a masker.
    kernel_ : str
        "exact", "pooled", "row" or "none", for such rows.
    n_model_rows_ : int
        Model rows evaluated in `fit`.
    output_names_ : tuple of str
        Names of all outputs of the model.
    features_ : Features
        Names and columns of the features.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Values, errors, ``base_values`` and ``outputs`` of the result are in model
    output units, or in log-odds with ``link="logit"``. A feature that is equal in
    the row and in the whole background has the value 0, exactly.

    In images and texts that have features of their own, budget and kernel depend
    on the number of features of each row. Values of features that a row does not
    have are NaN, and `transform` is refused.

    ``extras`` of the result has the ``algorithm``, the two parts of the error
    (``coalition_std_errors``, ``background_std_errors``), their
    ``degrees_of_freedom``, what rows share of them (``shared_errors``,
    ``design_errors``), ``base_value_std_errors`` and
    ``base_value_degrees_of_freedom``, the ``evaluations`` of each row, the
    ``forecast`` of those that `tol` needs, the ``kernel``, ``background_size``,
    ``background_size_to_halve_error``, for log-odds the model's own outputs
    (``raw_outputs``), and the segments or words of a masker.

    References
    ----------
    .. [1] Lundberg, S. M., Lee, S.-I. (2017). A unified approach to
       interpreting model predictions. NeurIPS.
       https://doi.org/10.48550/arXiv.1705.07874
    .. [2] Musco, C., Witter, R. T. (2025). Provably accurate Shapley value
       estimation via leverage score sampling. ICLR.
       https://doi.org/10.48550/arXiv.2410.01917

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from agnostix import KernelShapExplainer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    >>> explainer = KernelShapExplainer(model, background_size=20, random_state=0).fit(X)
    >>> exp = explainer.explain(X.head(2))
    >>> exp.values.shape
    (2, 10, 1)
    >>> exp.check_additivity() < 1e-8
    True
    """

    _doc_page = "shapley.md"
    _takes_sparse = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Interactions._parameter_constraints,
        "algorithm": [StrOptions({"auto", "kernel", "tree"})],
        "budget": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "tol": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither"), None],
        "kernel": [StrOptions({"auto", "pooled", "row", "none"})],
        "background": [StrOptions(set(BACKGROUNDS))],
        "background_size": [Interval(Integral, 1, None, closed="left")],
        "link": [StrOptions({"identity", "logit"})],
    }

    def __init__(
        self,
        model: Any,
        *,
        algorithm: str = "auto",
        budget: int | str = "auto",
        tol: float | str | None = "auto",
        kernel: str = "auto",
        background: str = "representative",
        background_size: int = BACKGROUND_SIZE,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        link: str = "identity",
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
        self.algorithm = algorithm
        self.budget = budget
        self.tol = tol
        self.kernel = kernel
        self.background = background
        self.background_size = background_size
        self.link = link

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KernelShapExplainer:
        """Choose background rows and coalitions, and learn the kernel.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), images or texts
            Rows to choose the background and pilot rows from.
        y : array-like of shape (n_rows,), default=None
            Target; only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, which background rows keep.

        Returns
        -------
        self : KernelShapExplainer

        Raises
        ------
        ValueError
            If the rows, `feature_groups`, `budget` or `link` cannot be used.
        """
        check_background(self.background, type(self).__name__)
        self._begin_fit()
        self._check_kernel()
        rows = self._learn_background(X, y, sample_weight)
        self._kernel_params: KernelParams | None = None
        self._is_pooled = True
        self._operators: dict[str, Operator | None] = {}  # by the shape of masks, as text for skops
        self.n_model_rows_ = self._n_trial_rows + self._n_read_rows
        if self.algorithm_ == "tree":
            self.budget_, self.expected_evaluations_, self.kernel_ = 0, 0.0, "exact"
            return self
        self._learn_designs(rows)
        return self

    def _learn_designs(self, rows: MaskedRows) -> None:
        """Check the budget; draw the design and learn the kernel of rows with players in common."""
        examples = rows[self._draw_examples(rows)]
        varying, is_split = examples.varying, self._are_split(examples)
        n_most = int(self._count_players(examples, varying, is_split).max())
        self.budget_ = self._choose_budget(n_most, self._tol)
        self.expected_evaluations_ = float(self._count_evaluations(n_most))
        pilots = np.flatnonzero(~is_split)[:N_PILOTS]
        n_played, together = varying[pilots].sum(axis=1), varying[pilots].any(axis=0)
        # else rows tell nothing of others
        are_alike = bool(together.any()) and bool((2 * n_played[n_played > 0] >= together.sum()).all())
        self._is_pooled = self._masker.same_features and are_alike
        self._plan = self._plan_for(np.logical_and(together, self._is_pooled), {}, self._tol)
        n_players, n_rows = (int(together.sum()), len(rows)) if self._is_pooled else (n_most, 0)
        self.kernel_ = self._choose_kernel(n_players, n_rows)
        if self._is_pooled and self.kernel_ in ("pooled", "none"):
            self._kernel_params = self._learn_kernel(examples[pilots])
        for stage in self._stages(self._plan, self.kernel_, {}):
            self._operators[str(stage.plan.masks.shape)] = stage.operator

    def _draw_examples(self, rows: MaskedRows) -> Codes:
        """A few rows seen in `fit`, the same in any order of these."""
        some = np.random.default_rng([self._seed, 2]).permutation(len(rows))[:_N_EXAMPLES]
        return self._own_order(rows)[some]

    @property
    def _quantity(self) -> str:
        return "contribution"

    @property
    def _completeness(self) -> str:
        return "outputs - base_values"

    @property
    def _units(self) -> str:
        if self._is_margin:
            return "margin"
        return "model output" if self.link == "identity" else "log-odds"

    @property
    def _slope(self) -> Any:
        return link_slope(self.link, self.base_values_)

    def _attribute(self, rows: MaskedRows, selection: OutputSelection) -> Attribution:
        if self.algorithm_ == "tree":
            exact, n_model_rows = self._explain_trees(rows)
            return self._to_attribution(rows, selection, exact, None, n_model_rows)
        result = ShapleyResult.zeros(rows.present, len(self.output_names_), self._errors.n_components)
        first, which = rows.distinct()
        is_split = np.zeros(len(rows), dtype=bool)
        is_split[first] = self._are_split(rows[first])
        kernels = np.full(len(rows), "none", dtype="<U6")
        plans = self._plan_by_pattern(rows, first[~is_split[first]], self._tol)
        n_evaluations = sum(row_indices.size * self._expect(plan) for plan, row_indices in plans())
        n_evaluations += sum(self._count_split(rows[[row]]) for row in np.flatnonzero(is_split))
        n_model_rows, linked = 0, self._link_values()
        with ProgressBar(n_evaluations, self.verbose, partial(self._forecast, rows, plans)) as bar:
            n_model_rows += self._explain_split(rows, np.flatnonzero(is_split), bar, result)
            means, shared = BackgroundMeans(self._errors), SharedOperators()
            for plan, row_indices in plans():
                evaluate = partial(self._evaluate_means, rows, means, bar, plan.players)
                kernel = self._kernel_of(plan)
                stages = self._stages(plan, kernel, shared)
                estimation = RowEstimation(evaluate, stages, linked, self._tol, result)
                n_model_rows += estimation.run(row_indices)
                stops = result.evaluations[row_indices] < plan.n_evaluations
                kernels[row_indices] = np.where(stops & (kernel == "row"), "none", kernel)
        if first.size < len(rows):
            result, kernels = result.take(first[which]), kernels[first[which]]
        return self._to_attribution(rows, selection, result, kernels, n_model_rows)

    def _evaluate_means(
        self,
        rows: MaskedRows,
        means: BackgroundMeans,
        verbose: int | ProgressBar,
        players: Codes,
        masks: Bools,
        row_indices: Codes,
    ) -> tuple[Floats, int]:
        """Means and components (n_rows, n_masks, n_kept, n_outputs) of some rows, and model rows."""
        source = MaskedRowSource.from_rows(
            self._masker, rows[row_indices], masks, names=row_indices, features=players
        )
        (by_row,), n_model_rows = self._evaluate(source, means, verbose)
        return by_row, n_model_rows

    def _count_model_rows(self, rows: MaskedRows) -> int:
        if self.algorithm_ == "tree":
            return len(rows)
        is_split = self._are_split(rows)
        plans = self._plan_by_pattern(rows, np.flatnonzero(~is_split), self._tol)
        of_split = sum(self._count_split(rows[[row]]) for row in np.flatnonzero(is_split))
        return of_split + sum(self._count_most(rows, plan) * some.size for plan, some in plans())

    def _count_most(self, rows: MaskedRows, plan: CoalitionPlan) -> int:
        """Model rows that a row of a plan takes at most."""
        return mask_cost(self._masker, rows, plan.masks, plan.players)

    def _link_values(self) -> LinkedValues:
        predictions = self._background_predictions
        if predictions is None:
            return LinkedValues(self.link)
        return LinkedValues.of_background(self.link, predictions, self._masker.weights, self._errors)

    def _check_kernel(self) -> None:
        if self.kernel == "pooled" and self.masker is not None and not self.masker.same_features:
            raise DataError(
                "The 'kernel' parameter of KernelShapExplainer must be 'auto', 'row' or 'none' with a masker "
                "that gives each row features of its own, got 'pooled'. Use kernel='row' to learn one for "
                "each row."
            )

    def _choose_kernel(self, n_players: int, n_rows: int) -> str:
        """The kernel by parameter, players and rows in `fit` (0: of no use), never by the clock or values."""
        n_pairs = self._count_pairs(n_players, self._tol)
        if n_pairs is None:
            return "exact"
        if self.kernel == "pooled" and not n_rows:
            return "none"
        if self.kernel != "auto":
            return self.kernel
        if self.background_ is not None and n_rows >= N_PILOTS and n_pairs <= MAX_POOLED_PAIRS:
            return "pooled"
        return "row" if n_players <= MAX_OWN_PLAYERS else "none"

    def _kernel_of(self, plan: CoalitionPlan) -> str:
        if plan.coalitions is None:
            return "exact"
        if self._is_pooled and self.kernel_ != "exact":
            return self.kernel_
        return self._choose_kernel(plan.players.size, n_rows=0)

    @property
    def _used_kernel(self) -> str:
        """`kernel_`, but "none" where the pilot rows have no interactions for a pooled kernel to learn."""
        params = self._kernel_params
        learned = self.kernel_ != "pooled" or (params is not None and params.is_active)
        return self.kernel_ if learned else "none"

    def _learn_kernel(self, pilots: MaskedRows) -> KernelParams:
        """The kernel of pilot rows; with kernel="none" only the size of the residuals."""
        assert self._plan.coalitions is not None
        n_players = self._plan.players.size
        n_pairs = first_pairs(n_players)  # which suffices where rows take few
        if self._tol is None:
            n_pairs = max(n_pairs, min(self._plan.coalitions.n_pairs, n_players - 1 + MAX_LEARNING_DOF))
        n_pairs = min(n_pairs, count_pairs(n_players))
        coalitions = sample_pairs(n_players, n_pairs, self._seed)  # begins as that of the plan, or the same
        plan = replace(self._plan, coalitions=coalitions)
        whole, every = BackgroundMeans(ErrorMap.none(self._masker.weights.size)), np.arange(len(pilots))
        means, n_model_rows = self._evaluate_means(
            pilots, whole, self.verbose, plan.players, plan.masks, every
        )
        self.n_model_rows_ += n_model_rows
        linked = self._link_values().without_components()
        values = linked.values(means.transpose(1, 2, 0, 3))
        params = learn_kernel(coalitions, *values.differences())
        params = params if self.kernel_ == "pooled" else replace(params, rho=0.0)
        if self._tol is not None:
            part = estimate(plan, build_operator(coalitions, params), linked, means)
            self.expected_evaluations_ = expect_evaluations(part, self._tol, self.budget_)
        return params.of_some(self._plan.varying)

    def _expect(self, plan: CoalitionPlan) -> float:
        """Coalitions that a row of a plan is expected to take: all, where no pilot rows tell."""
        if self._kernel_params is None:
            return plan.n_evaluations
        return min(plan.n_evaluations, self.expected_evaluations_)

    def _forecast(self, rows: MaskedRows, plans: Callable[[], Iterator[tuple[CoalitionPlan, Codes]]]) -> str:
        """Model rows, for the progress bar."""
        most = [row_indices.size * self._count_most(rows, plan) for plan, row_indices in plans()]
        shares = [self._expect(plan) / plan.n_evaluations for plan, _ in plans()]
        return f"at most {sum(most):,} model rows, about {np.dot(most, shares):,.0f} expected: "

    def _stages(self, plan: CoalitionPlan, kernel: str, shared: SharedOperators) -> list[Stage]:
        """The coalitions of each stage under a tolerance, or all at once, and their operators."""
        plans = []
        if self._tol is not None and plan.coalitions is not None:
            *sizes, _ = stage_pairs(plan.players.size, plan.coalitions.n_pairs)
            plans = [plan.prefix(n_pairs) for n_pairs in sizes]
        # Errors with a row's own kernel take too long to be looked at again and again.
        build = partial(self._operator, kernel="none" if kernel == "row" else kernel, shared=shared)
        last = partial(self._operator, kernel=kernel, shared=shared)
        return [*(Stage(one, build) for one in plans), Stage(plan, last)]

    def _operator(
        self, plan: CoalitionPlan, kernel: str, shared: SharedOperators | None = None
    ) -> Operator | None:
        """The operator of a plan; those `shared` are of other players, as many as these, without a kernel."""
        shape = plan.masks.shape
        if np.array_equal(plan.varying, self._plan.varying) and str(shape) in self._operators:
            return self._operators[str(shape)]
        if plan.coalitions is None or plan.is_exact:
            return ExactOperator(plan.others)
        if kernel == "row":
            return None
        if self._kernel_params is not None:
            return build_operator(plan.coalitions, self._kernel_params.restrict(plan.varying))
        shared = {} if shared is None else shared
        if shape not in shared:
            if any(n_players != shape[1] for _, n_players in shared):
                shared.clear()  # plans are in order of their players
            shared[shape] = build_operator(plan.coalitions, KernelParams.without_kernel(shape[1]))
        return shared[shape]
