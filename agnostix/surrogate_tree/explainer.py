"""MimicTree: a surrogate tree of a model, with its fidelity measured on held-out rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import ClassifierTags, RegressorTags, Tags, assert_all_finite
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from agnostix.core.base import Attribution, AttributionExplainer, OutputSelection
from agnostix.core.base.explainer import take_examples
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, DESIGN_ERRORS, SHARED_ERRORS
from agnostix.core.features import distinct_rows
from agnostix.core.frames import as_table, checked_weights, missing_as_nan, take_rows
from agnostix.core.models import as_predictor, is_fitted
from agnostix.core.models.outputs import are_probabilities, single_class
from agnostix.core.row_order import check_row_order
from agnostix.core.row_sources import TableRows
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.cross_fitting import TreeSearch
from agnostix.surrogate_tree.estimator import TreeEstimator
from agnostix.surrogate_tree.export import RuleExports
from agnostix.surrogate_tree.fidelity import Fidelity, measure_fidelity
from agnostix.surrogate_tree.fitted_tree import FittedTree
from agnostix.surrogate_tree.stability import Stability, measure_stability


class MimicTree(RuleExports, TreeEstimator, AttributionExplainer):
    """A small decision tree that approximates a model, with its fidelity.

    The tree is grown best-first on the model's predictions for the rows of X
    and for synthetic rows near them. Growth and size are selected by rows that
    the trees in question were not grown on, and fidelity is measured on rows
    that had no part in the selection. The tree is a classifier if the model is
    one, else a regressor.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        The model to approximate. An unfitted estimator is cloned and fitted on (X, y).
    max_leaf_nodes : int, default=16
        Maximum number of leaves.
    targets : {"auto", "soft", "hard"}, default="auto"
        "soft" grows the tree on the model's predictions (squared error; the Gini
        index of its probabilities), "hard" on its labels, for classifiers.
        "auto" tries both.
    synthetic : {"auto", "none", "bootstrap", "leaf"} or callable, default="auto"
        Synthetic rows on which the model is evaluated besides X. "bootstrap"
        resamples rows, takes 15 % of the values from other rows, and adds noise
        of 0.15 standard deviations to numbers. "leaf" does so within the leaves
        of a first tree, most where it has fewest rows. A callable is called as
        ``synthetic(n, rng)`` and returns a table of n rows. "auto" tries "none"
        and "bootstrap".
    max_queries : int, default=None
        Maximum number of model rows of `fit`. If it is smaller than X, rows are
        sampled from X. None evaluates all of X and as many synthetic rows, at
        least 8000 (or those that make up 6 million values, if these are fewer) and
        at most 20000.
    selection : {"label", "r2"}, default="label"
        Criterion that selects the growth of a classifier: "label" takes the best
        R2 among those whose agreement of labels is within two standard errors of
        the best, "r2" the best R2, as for regressors.
    min_samples_leaf : int, default=1
        Minimum number of rows in a leaf, synthetic ones included.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs that `explain` and `transform` explain; None for all up to 20,
        else the predicted one.
    n_jobs : int, default=None
        Workers that evaluate the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all sampling; None draws one, once, in `fit`.
    verbose : int, default=1
        1 shows a progress bar in terminals and notebooks after a few seconds, 0 none.

    Attributes
    ----------
    rule_tree_ : RuleTree
        The tree as arrays and rules.
    estimator_ : DecisionTreeRegressor
        The tree in scikit-learn's form. Levels of categorical columns are ranks; of a
        binary classifier it predicts the second class alone.
    fidelity_ : Fidelity
        Fidelity of the tree: ``label``, ``r2`` and ``kl`` with their intervals, and
        ``frame(level)``, all of it as a table.
    leaves_ : DataFrame
        One row per leaf: its rule, observed and synthetic rows, fidelity and root
        mean squared error (on ``n_tested`` rows), label, and mean and standard
        deviation of each output of the model, with 95 % intervals.
    pruning_path_ : DataFrame
        One row per size: leaves, ccp_alpha, fidelity and R2 with intervals, and
        whether it was chosen.
    importances_ : DataFrame
        ``feature_importances_`` by feature, with standard errors and 95 % intervals.
    targets_, synthetic_ : str
        The selected growth.
    classes_ : ndarray of shape (n_classes,)
        Labels of a classifier.
    n_model_rows_ : int
        Model rows of `fit`.
    output_names_, features_ : tuple of str, Features
        Names of the model's outputs; names and columns of the features.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns seen in `fit`; their names, if all are strings.

    Notes
    -----
    Below 5000 rows the fidelity is cross-fitted: each of five folds is predicted
    by a tree of the selected growth, grown without it, whose size the other folds
    select. The final tree is grown on all rows. The five trees share training rows, so the
    intervals use the corrected variance of [3]_, which divides the number of rows
    by 2.25. From 5000 rows on, one fifth is held out to report and another fifth
    selects.

    Fidelity is to the model, not to the truth, on rows like those of X. A model
    is often more extreme on the rows it was fitted on than on new ones; pass
    rows that it has not seen, to `fit` or to `fidelity`.

    The synthetic rows together weigh four times what the observed ones do, and
    every leaf holds observed rows. The size is the smallest of the
    cost-complexity path within one standard error of the best (1-SE rule), by
    labels and by squared error. The levels of a categorical column are ordered by
    the first principal component of their mean targets. Missing values, and levels
    not seen in `fit`, go where scikit-learn's trees send missing values.

    Numbers are split by their order, and predictions compared in units of their
    spread, so that no unit or offset has an effect. Of several numbers that are
    predicted, each counts in its own standard deviations, and so do ``ccp_alpha``,
    the losses and ``r2`` over all outputs. Where a categorical column has more than
    ten levels of fewer than five rows each on average, trees without it are tried
    too; a warning names it if they are closer to the model on held-out rows.

    In tables of more than 512 columns, each node is split on one of the 16 columns
    that reduce its loss most by a split between bins of their values, of which there
    are 32; the best threshold in these is searched for exactly.

    Explanations have completeness "surrogate": ``base_values``, the means at the
    root, plus the values, the changes along the row's path by feature, are the
    tree's outputs. ``extras`` has these ``surrogate_outputs``, the ``leaf``, its
    ``rule``, the ``conditions`` by feature, the ``base_value_std_errors``, and of R2
    ``r2_std_errors``, ``r2_degrees_of_freedom`` and ``r2_interval_kind``. Values are
    of the means in the tree's nodes over all rows like those of X and the synthetic
    ones. Their standard errors, with degrees of freedom, use residuals of
    cross-fitted trees, since rows that chose the splits lie too close together.
    Rows share nodes and so their errors: ``shared_errors`` has up to 32 components,
    and ``design_errors`` what these leave over in trees of many means.

    References
    ----------
    .. [1] Craven, M. W., Shavlik, J. W. (1996). Extracting tree-structured
       representations of trained networks. NeurIPS 8.
    .. [2] Bastani, O., Kim, C., Bastani, H. (2017). Interpreting blackbox models
       via model extraction. https://doi.org/10.48550/arXiv.1705.08504
    .. [3] Nadeau, C., Bengio, Y. (2003). Inference for the generalization
       error. Machine Learning 52, 239-281. https://doi.org/10.1023/A:1024068626366
    .. [4] Breiman, L., Friedman, J. H., Olshen, R. A., Stone, C. J. (1984).
       Classification and regression trees. https://doi.org/10.1201/9781315139470
    .. [5] Saabas, A. (2014). Interpreting random forests.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from agnostix import MimicTree
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(X[::2], y[::2])
    >>> mimic = MimicTree(model, max_leaf_nodes=8, random_state=0).fit(X[::2])
    >>> bool(mimic.fidelity(X[1::2]).label > 0.85)
    True
    >>> exp = mimic.explain(X.head(2))
    >>> exp.values.shape, exp.completeness
    ((2, 13, 3), 'surrogate')
    """

    _doc_page = "surrogate_tree.md"
    _squares_predictions = False  # but in units of their spread
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "max_leaf_nodes": [Interval(Integral, 1, 1_000_000, closed="both")],
        "targets": [StrOptions({"auto", "soft", "hard"})],
        "synthetic": [StrOptions({"auto", "none", "bootstrap", "leaf"}), callable],
        "max_queries": [Interval(Integral, 10, None, closed="left"), None],
        "selection": [StrOptions({"label", "r2"})],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        model: Any,
        *,
        max_leaf_nodes: int = 16,
        targets: str = "auto",
        synthetic: str | Callable[[int, np.random.Generator], Any] = "auto",
        max_queries: int | None = None,
        selection: str = "label",
        min_samples_leaf: int = 1,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.max_leaf_nodes = max_leaf_nodes
        self.targets = targets
        self.synthetic = synthetic
        self.max_queries = max_queries
        self.selection = selection
        self.min_samples_leaf = min_samples_leaf

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MimicTree:
        """Evaluate the model, grow the tree, and measure its fidelity.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows like those on which the tree is to be faithful, at least two.
        y : array-like of shape (n_rows,), default=None
            Needed to fit an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more, in the tree and in its fidelity; rows of
            weight 0 are left out. An unfitted model is fitted with them.

        Returns
        -------
        self : MimicTree

        Raises
        ------
        ValueError
            If rows or parameters are invalid.
        EngineError
            If the model fails.
        """
        self._begin_fit()
        table = as_table(X)
        check_row_order(table, y=None if is_fitted(self.model) else y, sample_weight=sample_weight)
        y = self._check_y(table, y)
        predictor = self._fit_predictor(table, y, sample_weight)
        weights = None if sample_weight is None else checked_weights(sample_weight, table.shape[0])
        if weights is not None:
            table, weights = take_rows(table, np.flatnonzero(weights)), weights[weights > 0]
            weights = None if (weights == weights[0]).all() else weights
        self._learn_columns(table)
        self._examples = take_examples(table)
        if table.shape[0] < 2:
            raise DataError(
                "X has a single row (n_samples=1), and MimicTree needs at least two: rows to grow a tree on, "
                "and others to measure its fidelity."
            )
        n_trials = len(self._examples) if self.max_queries is None else max(1, int(self.max_queries) // 20)
        self._try_model(predictor, take_rows(self._examples, np.arange(min(n_trials, len(self._examples)))))
        self._check_outputs()
        fitted, n_model_rows = self._make_search().fit(table, weights)
        self.n_model_rows_ = self._n_trial_rows + n_model_rows
        self._set_fitted(fitted)
        return self

    def fidelity(self, X: Any, y: Any = None) -> Fidelity:
        """Compare the tree with the model on new rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows that neither has seen.
        y : array-like of shape (n_rows,), default=None
            True labels or numbers, for the accuracies of model, tree and both.

        Returns
        -------
        Fidelity
            With ``source="new rows"``.

        Raises
        ------
        EngineError
            If the model fails.
        """
        table = self._read(X)
        check_row_order(table, y=y)
        self._check_has_model()
        units, tree = self._fitted.units, self._fitted.tree
        predictions, outputs = units.encode(self._predict(table)), tree.values[tree.apply(table)]
        is_classification = self._fitted_task == "classification"
        fidelity = measure_fidelity(predictions, outputs, is_classification, "new rows")
        if y is None:
            return fidelity
        check_consistent_length(table, y)
        if is_classification:
            return fidelity.with_accuracies(predictions, outputs, y, self.classes_)
        truth = np.asarray(y, dtype=float).reshape(predictions.shape[0], -1)
        truth = units.encode(truth) if truth.shape == predictions.shape else truth
        return fidelity.with_accuracies(predictions, outputs, truth, None)

    def stability(self, n: int = 10) -> Stability:
        """Compare trees grown on bootstrap samples of the rows; the model is not evaluated.

        Parameters
        ----------
        n : int, default=10
            Number of trees, at least 2.

        Returns
        -------
        Stability
        """
        check_is_fitted(self)
        if n < 2:
            raise DataError(f"The 'n' of stability must be 2 or more, because trees are compared; got {n!r}.")
        return measure_stability(self._fitted, n, self._seed)

    @property
    def _quantity(self) -> str:
        return "contribution"

    @property
    def _completeness(self) -> str:
        return "surrogate"

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        first, which = distinct_rows(rows)
        predictions = self._evaluate(TableRows(rows, first))[0][which]
        pick = partial(selection.pick, predictions=predictions)
        tree, fidelity = self.rule_tree_, self.fidelity_
        leaf = tree.apply(rows)
        contributions, decode = self._fitted.contributions, self._fitted.units.decode_differences
        values, errors, dof = contributions.at(leaf)
        shared, rest = contributions.parts_at(leaf)
        measures = fidelity.outputs_r2
        base, base_errors, base_dof, r2, r2_errors, r2_dof, r2_kinds = (
            pick(np.broadcast_to(by_output, predictions.shape))
            for by_output in (
                tree.values[0],
                decode(contributions.base_std_errors),
                contributions.base_degrees_of_freedom,
                fidelity.r2_outputs,
                np.array([one.std_error for one in measures]),
                np.array([one.degrees_of_freedom for one in measures]),
                np.array([one.kind for one in measures]),
            )
        )
        rules, conditions = tree.describe_leaves()
        return Attribution(
            values=pick(decode(values)),
            std_errors=pick(decode(errors)),
            base_values=base,
            predictions=predictions,
            fidelity={"r2": r2},
            n_model_rows=first.size,
            details={
                "surrogate_outputs": Detail(pick(tree.values[leaf]), ("row", "output")),
                DEGREES_OF_FREEDOM: Detail(pick(dof), ("row", "feature", "output")),
                **self._error_parts(shared, rest, pick),
                "base_value_std_errors": Detail(base_errors, ("row", "output")),
                "base_value_degrees_of_freedom": Detail(base_dof, ("row", "output")),
                "r2_std_errors": Detail(r2_errors, ("row", "output")),
                "r2_degrees_of_freedom": Detail(r2_dof, ("row", "output")),
                "r2_interval_kind": Detail(r2_kinds, ("row", "output")),
                "leaf": Detail(leaf, ("row",)),
                "rule": Detail(rules[leaf].astype(str), ("row",)),
                "conditions": Detail(conditions[leaf].astype(str), ("row", "feature")),
            },
        )

    def _error_parts(self, shared: Floats, rest: Floats, pick: Any) -> dict[str, Detail]:
        """What rows share of their errors, since they share nodes: components, and what may add up."""
        decode, dims = self._fitted.units.decode_differences, ("row", "feature", "output")
        components = pick(decode(np.moveaxis(shared, 3, 1)))
        largest = float(np.abs(components).max(initial=0.0))
        if largest <= 1e30:  # else beyond single precision
            components = components.astype(np.float32)
        details = {SHARED_ERRORS: Detail(np.moveaxis(components, 1, 3), (*dims, "component"))}
        return details | ({DESIGN_ERRORS: Detail(pick(decode(rest)), dims)} if rest.any() else {})

    def _count_model_rows(self, rows: Any) -> int:
        return int(rows.shape[0])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not is_fitted(self.model)
        if self._task() == "classification":
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _task(self) -> str:
        """The model's task, as far as is known before `fit`."""
        if hasattr(self, "_fitted_task"):
            return self._fitted_task
        if not is_fitted(self.model):
            return "classification" if is_classifier(self.model) else "regression"
        try:
            task = as_predictor(self.model).task
        except (TypeError, ValueError):  # which fit raises
            task = None
        return task or "regression"

    def _check_y(self, table: Any, y: Any) -> Any:
        """The truth, checked even where it is not needed; an unfitted model may take several columns."""
        if y is None:
            return None
        y = missing_as_nan(y)
        check_consistent_length(table, y)
        shape = np.asarray(y).shape
        if len(shape) == 2 and shape[1] > 1 and not is_fitted(self.model):
            return y
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        return y

    def _check_outputs(self) -> None:
        """Set the task and the classes; DataError for a model that cannot be approximated."""
        independent = self._predictor.exclusive is False  # labels, of which a row can have several
        self._fitted_task = "regression" if independent else self._predictor.task or "regression"
        if self._fitted_task == "classification" and len(self._predictor.classes or ()) == 1:
            raise single_class(self._predictor)
        if self._fitted_task == "classification" and len(self.output_names_) == 1:
            raise DataError(
                f"The model {self._predictor.name} is a classifier that predicts one number per row, and "
                "MimicTree needs one per class. Pass its predict_proba, or "
                "lambda X: np.column_stack([1 - p(X), p(X)]) as a classification model, or "
                "as_predictor(model, task='regression') to approximate the number itself."
            )
        if self._fitted_task == "regression" and self.targets == "hard":
            raise DataError(
                "The 'targets' of MimicTree is 'hard', which needs a classifier, but the model "
                f"{self._predictor.name} is none. Use 'soft' or 'auto'."
            )
        if self._fitted_task == "classification":
            classes = self._predictor.classes
            self.classes_ = np.array(self.output_names_ if classes is None else classes)

    def _make_search(self) -> TreeSearch:
        n_trials = self._n_trial_rows
        return TreeSearch(
            evaluate=self._evaluate,
            targets=self.targets,
            synthetic=self.synthetic,
            selection=self.selection,
            max_leaf_nodes=int(self.max_leaf_nodes),
            min_samples_leaf=int(self.min_samples_leaf),
            max_queries=None if self.max_queries is None else int(self.max_queries) - n_trials,
            output_names=self.output_names_,
            is_classifier=self._fitted_task == "classification",
            seed=self._seed,
        )

    def _set_fitted(self, fitted: FittedTree) -> None:
        """Set the attributes that the fitted tree determines."""
        is_classification = self._fitted_task == "classification"
        self._fitted = fitted
        self._are_probabilities = are_probabilities(fitted.training.predictions)
        grown = fitted.in_model_units()
        self.rule_tree_, self.estimator_ = grown.tree, grown.estimator
        self.targets_, self.synthetic_ = fitted.growth.targets, fitted.synthetic
        self.fidelity_ = fitted.fidelity
        self.leaves_ = fitted.leaves_frame(list(self.classes_) if is_classification else None)
        self.pruning_path_ = fitted.pruning_path_frame(is_classification)

    def _read(self, X: Any) -> Any:
        check_is_fitted(self)
        return super()._read(X)
