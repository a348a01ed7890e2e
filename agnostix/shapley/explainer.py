"""Shapley values of any model, in the space of its user's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from agnostix.core.base import Attribution, BackgroundExplainer, OutputSelection
from agnostix.core.evaluate import ProgressBar
from agnostix.core.explanation import Detail
from agnostix.core.masking import Background, MaskedRows
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_plan import CoalitionPlan
from agnostix.shapley.coalitions import Coalitions, leverage_pairs, n_pairs_of_all
from agnostix.shapley.exact_solver import ExactSolver
from agnostix.shapley.group_means import GroupMeans
from agnostix.shapley.kernel_params import MAX_LEARNING_DOF, KernelParams, learn_kernel
from agnostix.shapley.linked_values import LinkedValues
from agnostix.shapley.medoids import medoids
from agnostix.shapley.own_kernel_solver import OwnKernelSolver
from agnostix.shapley.sampled_solver import SampledSolver
from agnostix.shapley.session import Session
from agnostix.shapley.shapley_operator import build_operator
from agnostix.shapley.shapley_result import ShapleyResult
from agnostix.shapley.solver import Solver

EXACT_PLAYERS = 12
"""Players up to which budget="auto" asks about every coalition."""
N_PILOTS = 8
"""Rows from which fit learns a kernel."""
N_GROUPS = 20
"""Parts of the background that are left out in turn for its error."""
MOST_PAIRS = 2048
"""Pairs up to which a kernel is learned at fit; beyond, factorising costs more than it brings."""
MOST_OWN_PAIRS = 256
"""Pairs up to which each row gets a kernel of its own where none can be learned at fit."""

_FEWER = {
    True: "Or put columns together in feature_groups.",
    False: "Or have a masker that makes fewer of them.",
}
"""The way out where there are too many players, by whether they are columns."""


class KernelShapExplainer(BackgroundExplainer):
    """Share a prediction out among the features, with an error bar on each share.

    The Shapley value of a feature is the mean, over all orders in which the
    features of a row can be made known, of what the mean prediction changes by
    when this one is; what is not known yet is taken from background rows. The
    values of a row add up to its prediction less the mean one.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        What is explained. An unfitted estimator is fitted on (X, y).
    budget : "auto" or int, default="auto"
        Coalitions of features that are evaluated for each row, the empty and
        the full one included; an int is never exceeded. All of them are
        evaluated, and the values are exact, where the budget suffices.
        "auto": all for up to 12 features, else the larger of 512 and 8 times
        the number of features.
    tol : float, default=None
        Where coalitions are sampled, stop a row as soon as no standard error
        of the sampling is larger than this share of the row's largest value
        less its smallest. None spends the budget.
    kernel : {"auto", "pooled", "row", "none"}, default="auto"
        The model of interactions that improves on the regression: learned
        once, in `fit`, from 8 pilot rows; for each row from its own answers;
        or none. "auto" decides from counts alone: "pooled" for tables up to
        2,048 pairs of coalitions, "row" for others up to 256, else "none".
    background : {"sample", "medoids", "all"}, default="sample"
        The rows that stand in for what is not known: drawn without
        replacement from those seen in `fit`; real rows in the middle of
        clusters, weighted by the clusters' sizes; or all rows, as all that
        there are. The last two add no error of their own.
    background_size : int, default=100
        How many rows; all where there are fewer.
    feature_groups : mapping from str to list of str, default=None
        Columns that are known together, such as those of one label.
    masker : Masker, default=None
        What hides features, instead of a background of rows:
        `agnostix.maskers.SegmentMasker` segments of pictures,
        `agnostix.maskers.TextMasker` words of texts. Its own rows, weights and
        groups hold then, not those of the parameters above, and add no error.
    link : {"identity", "logit"}, default="identity"
        Applied to the mean prediction of a coalition: values in model output
        units, or in log-odds.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of the background and the coalitions; None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a bar, with a forecast, in terminals and notebooks once work has
        taken a few seconds; 0 none.

    Attributes
    ----------
    background_ : DataFrame or ndarray of shape (n_background, n_columns)
        The rows that stand in; None with a masker of its own kind.
    base_values_ : ndarray of shape (n_outputs,)
        The model's mean prediction of the background, in model output units.
    budget_ : int
        Coalitions a row, for rows in which all features vary; where each row
        has features of its own, for the row of `fit` with the most.
    kernel_ : str
        "exact", "pooled", "row" or "none", for the same rows.
    n_model_rows_ : int
        Rows that the model was asked about in `fit`.
    output_names_ : tuple of str
        Names of all of the model's outputs.
    features_ : Features
        Names and columns of what is known together.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    The values of a row are contributions, which sum to ``outputs - base_values``.
    With ``link="logit"``, a row one of whose mean predictions is 0 or 1, and so has no log-odds, is
    an error in `explain`.

    A feature that is equal in the row and in all of the background is no
    player, and its value is exactly 0. Values, errors, ``base_values`` and
    ``outputs`` of the result are in model output units, or in log-odds.

    Where each row has features of its own, as words of texts are, rows may have
    more of them than any in `fit`; budget and kernel go by each row's number,
    and values of features that a row does not have are NaN. `transform`, which
    needs the same columns in every row, is refused then.

    ``extras`` of the result tells both parts of the error
    (``coalition_std_errors``, ``background_std_errors``), the ``evaluations``
    of each row, the ``forecast`` of those that `tol` takes, the ``kernel``
    (of each row, where each has features of its own), ``background_size``, the
    ``background_size_to_halve_error``, for log-odds the model's own answers
    (``raw_outputs``), and the segments or words that a masker has found.

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
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BackgroundExplainer._parameter_constraints,
        "budget": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither"), None],
        "kernel": [StrOptions({"auto", "pooled", "row", "none"})],
        "background": [StrOptions({"sample", "medoids", "all"})],
        "background_size": [Interval(Integral, 1, None, closed="left")],
        "link": [StrOptions({"identity", "logit"})],
    }

    def __init__(
        self,
        model: Any,
        *,
        budget: int | str = "auto",
        tol: float | None = None,
        kernel: str = "auto",
        background: str = "sample",
        background_size: int = 100,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        masker: Any = None,
        link: str = "identity",
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.budget = budget
        self.tol = tol
        self.kernel = kernel
        self.background = background
        self.background_size = background_size
        self.feature_groups = feature_groups
        self.masker = masker
        self.link = link

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KernelShapExplainer:
        """Draw the background, choose the coalitions, and learn how features interact.

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
        self : KernelShapExplainer

        Raises
        ------
        ValueError
            If the rows, a group, the budget or the link cannot be used.
        """
        self._begin_fit()
        self._check_kernel()
        rows = self._learn_background(X, y, sample_weight)
        n_players = len(self.features_.names)
        self._groups = self._grouped()
        self._kernel_params: KernelParams | None = None
        self.n_model_rows_ = 2 * self._n_trial_rows
        self.budget_ = self._budget_for(n_players)
        self._known: list[tuple[CoalitionPlan, Solver]] = []
        every = self._coalition_plan(np.ones(n_players, dtype=bool), {})
        self.kernel_ = self._chosen_kernel(every, len(rows))
        learns = self._masker.same_features and self.kernel_ in ("pooled", "none")
        if every.coalitions is not None and learns:
            self._kernel_params = self._learned_kernel(every, rows)
        prefixes = [every] if self.tol is None else every.prefixes()
        self._known = [(prefix, self._solver(prefix, self.kernel_)) for prefix in prefixes]
        return self

    @property
    def _quantity(self) -> str:
        return "contribution"

    @property
    def _completeness(self) -> str:
        return "outputs - base_values"

    @property
    def _units(self) -> str:
        return "model output" if self.link == "identity" else "log-odds"

    def _attribute(self, rows: MaskedRows, selection: OutputSelection) -> Attribution:
        result = ShapleyResult.zeros(rows.present, len(self.output_names_))
        kernels, plans = np.empty(len(rows), dtype="<U6"), self._plans_by_pattern(rows)
        n_evaluations = sum(places.size * plan.n_evaluations for plan, places in plans())
        with ProgressBar(n_evaluations, self.verbose) as bar:
            session = self._session(bar)
            for plan, places in plans():
                kernels[places] = kernel = self._kernel_of(plan)
                if self.tol is None or plan.is_exact:
                    session.evaluate(plan, self._solver(plan, kernel), rows, places, result)
                else:
                    solver_of = partial(self._solver, kernel=kernel)
                    session.evaluate_adaptive(self.tol, plan, solver_of, rows, places, result)
        return self._to_attribution(rows, selection, result, kernels)

    def _count_model_rows(self, rows: MaskedRows) -> int:
        session = self._session(0)
        return sum(session.cost(plan, places.size) for plan, places in self._plans_by_pattern(rows)())

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        if self.background == "all":
            return Background.whole(table, sample_weight)
        if self.background == "medoids":
            return medoids(table, self.background_size, self._seed, sample_weight)
        return Background.sample(table, self.background_size, self._seed, sample_weight)

    def _grouped(self) -> Codes:
        """The part of the background to which each of its rows belongs; one part where it is no sample."""
        n_rows = self._masker.weights.size
        if not self._is_sample:
            return np.zeros(n_rows, dtype=np.intp)
        order = np.random.default_rng([self._seed, 1]).permutation(n_rows)
        return np.argsort(order) % min(N_GROUPS, n_rows)

    def _check_kernel(self) -> None:
        if self.kernel == "pooled" and self.masker is not None and not self.masker.same_features:
            raise DataError(
                "The 'kernel' parameter of KernelShapExplainer must be 'auto', 'row' or 'none' with a masker "
                "that gives each row features of its own, got 'pooled'."
            )

    def _budget_for(self, n_players: int) -> int:
        """Coalitions of rows with so many players."""
        if self.budget == "auto":
            return 2**n_players if n_players <= EXACT_PLAYERS else max(512, 8 * n_players)
        least = min(2 * n_players + 2, 2**n_players)
        if self.budget < least:
            raise DataError(
                f"The 'budget' parameter of KernelShapExplainer must be 'auto' or at least {least} for "
                f"{n_players} players, got {self.budget}. {_FEWER[self.masker is None]}"
            )
        return int(self.budget)

    def _coalition_plan(self, varying: Bools, designs: dict[int, Coalitions | None]) -> CoalitionPlan:
        if self._known and np.array_equal(varying, self._known[-1][0].varying):
            return self._known[-1][0]
        n_players = int(varying.sum())
        if n_players not in designs:
            designs[n_players] = self._design(n_players)
        return CoalitionPlan(varying, designs[n_players], evaluates_empty=self.base_values_ is None)

    def _design(self, n_players: int) -> Coalitions | None:
        """Pairs of coalitions for rows in which so many players vary; None for all coalitions."""
        budget = self.budget_ if self._masker.same_features else self._budget_for(n_players)
        if 2**n_players <= budget or (self.budget == "auto" and n_players <= EXACT_PLAYERS):
            return None
        n_pairs = min((budget - 2) // 2, n_pairs_of_all(n_players))
        return leverage_pairs(n_players, n_pairs, self._seed)

    def _plans_by_pattern(self, rows: MaskedRows) -> Callable[[], Iterator[tuple[CoalitionPlan, Codes]]]:
        """Iterates over coalition plans and the places of the rows in which these players vary."""
        patterns, which = np.unique(rows.varying, axis=0, return_inverse=True)
        if not self._masker.same_features:
            self._budget_for(int(patterns.sum(axis=1).max()))  # or an error, before anything costs
        designs: dict[int, Coalitions | None] = {}

        def plans() -> Iterator[tuple[CoalitionPlan, Codes]]:
            for number, varying in enumerate(patterns):
                yield self._coalition_plan(varying, designs), np.flatnonzero(which.ravel() == number)

        return plans

    def _chosen_kernel(self, every: CoalitionPlan, n_rows: int) -> str:
        """What the design, the rows and the parameter say, in words: never the clock or the rows' values."""
        if every.coalitions is None:
            return "exact"
        if self.kernel != "auto":
            return self.kernel
        n_pairs = every.coalitions.n_pairs
        if self.background_ is not None and n_rows >= N_PILOTS:
            return "pooled" if n_pairs <= MOST_PAIRS else "none"
        return "row" if n_pairs <= MOST_OWN_PAIRS else "none"

    def _kernel_of(self, plan: CoalitionPlan) -> str:
        """That of all rows, or, where each has players of its own, that of those which are asked this."""
        return self.kernel_ if self._masker.same_features else self._chosen_kernel(plan, n_rows=0)

    def _learned_kernel(self, every: CoalitionPlan, rows: MaskedRows) -> KernelParams:
        """The kernel of pilot rows; with "none" only how much the regression leaves over."""
        assert every.coalitions is not None
        order = np.random.default_rng([self._seed, 2]).permutation(len(rows))
        n_pairs = min(every.coalitions.n_pairs, every.players.size - 1 + MAX_LEARNING_DOF)
        plan = CoalitionPlan(every.varying, every.coalitions.prefix(n_pairs), every.evaluates_empty)
        assert plan.coalitions is not None
        session = self._session(self.verbose)
        values, n_model_rows = session.evaluate_pilots(plan, rows[np.sort(order[:N_PILOTS])])
        self.n_model_rows_ += n_model_rows
        empty = values[1] if every.evaluates_empty else session.empty_value
        rest = values[1 + int(every.evaluates_empty) :]
        differences = (rest[0::2] - rest[1::2]).reshape(n_pairs, -1)
        params = learn_kernel(plan.coalitions, differences, (values[0] - empty).ravel())
        return params if self.kernel_ == "pooled" else replace(params, rho=0.0)

    def _solver(self, plan: CoalitionPlan, kernel: str) -> Solver:
        for known, solver in self._known:
            if known.varying.all() and plan.varying.all() and known.masks.shape == plan.masks.shape:
                return solver
        if plan.coalitions is None:
            return ExactSolver(plan.players.size)
        if kernel == "row":
            return OwnKernelSolver(plan.coalitions)
        if self._kernel_params is None:
            params = KernelParams.none(plan.players.size)
        else:
            params = self._kernel_params.restrict(plan.varying)
        return SampledSolver(build_operator(plan.coalitions, params))

    def _session(self, verbose: int | ProgressBar) -> Session:
        means = GroupMeans(self._groups, self._masker.weights)
        scale = LinkedValues(self.link, np.bincount(self._groups, self._masker.weights))
        empty = (
            None
            if self._background_predictions is None
            else means.of_background(self._background_predictions)
        )
        n_outputs = len(self.output_names_)
        return Session(self._predictor, self._masker, n_outputs, means, scale, empty, self.n_jobs, verbose)

    def _to_attribution(
        self, rows: MaskedRows, selection: OutputSelection, result: ShapleyResult, kernels: Any
    ) -> Attribution:
        pick = partial(selection.pick, predictions=result.predictions)
        sampled, drawn = pick(result.coalition_variances), pick(result.background_variances)
        by_value, by_row = ("row", "feature", "output"), ("row",)
        details: dict[str, Any] = {
            "coalition_std_errors": Detail(np.sqrt(sampled), by_value),
            "background_std_errors": Detail(np.sqrt(drawn), by_value),
            "evaluations": Detail(result.evaluations, by_row),
            "forecast": Detail(result.forecast, by_row),
            "kernel": self.kernel_ if self._masker.same_features else Detail(kernels, by_row),
            "background_size_to_halve_error": Detail(self._size_to_halve(sampled, drawn), by_row),
        }
        details |= rows.details()
        if self.link != "identity":
            details["raw_outputs"] = Detail(pick(result.predictions), ("row", "output"))
        return Attribution(
            values=pick(result.values),
            std_errors=np.sqrt(sampled + drawn),
            base_values=pick(result.base_values),
            predictions=result.predictions,
            outputs=pick(result.outputs),
            n_model_rows=result.n_model_rows,
            details=details,
        )

    def _size_to_halve(self, sampled: Floats, drawn: Floats) -> Floats:
        """Background rows with which each row's errors would be half as large; infinite if none would do."""
        of_coalitions, of_background = sampled.sum(axis=(1, 2)), drawn.sum(axis=(1, 2))
        left = (of_coalitions + of_background) / 4.0 - of_coalitions
        factor = np.divide(of_background, left, out=np.full(left.shape, np.inf), where=left > 0.0)
        return np.ceil(self._masker.weights.size * factor)
