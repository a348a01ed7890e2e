"""The model written as rules: a tree that copies it, with its fidelity measured on rows that it never saw."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import ClassifierTags, RegressorTags, Tags, assert_all_finite
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from agnostix.core.base import Attribution, AttributionExplainer, OutputSelection
from agnostix.core.base.explainer import take_examples
from agnostix.core.explanation import Detail
from agnostix.core.features import distinct_rows
from agnostix.core.frames import as_table, take_rows
from agnostix.core.models import as_predictor, is_fitted
from agnostix.core.row_sources import TableRows
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.contributions import Contributions
from agnostix.surrogate_tree.copy_plan import CopyPlan
from agnostix.surrogate_tree.copying import with_truth
from agnostix.surrogate_tree.exports import RuleExports
from agnostix.surrogate_tree.fidelity import Fidelity, is_probabilities, measured
from agnostix.surrogate_tree.ordering import ranked
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.stability import Stability, stability_of
from agnostix.surrogate_tree.tables import frontier_frame, leaves_frame


def _has_probabilities(explainer: Any) -> bool:
    """Whether the model is a classifier that gives probabilities, as far as can be told."""
    return explainer._task() == "classification" and getattr(explainer, "_are_probabilities", True)


class MimicTree(RuleExports, AttributionExplainer):
    """Copy a model with a tree of few rules, and say how faithful the copy is.

    The tree is grown best first on the model's own answers, to the rows given
    and to rows drawn near them. How it is grown and its size are chosen by
    rows that the trees in question did not see, and its fidelity is measured
    by rows that had no part in the choice. It is a classifier if the model is
    one, else a regressor.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        What is copied. An unfitted estimator is fitted on (X, y).
    max_leaf_nodes : int, default=16
        Leaves at most.
    targets : {"auto", "soft", "hard"}, default="auto"
        What the tree is grown to answer: "soft" the model's probabilities, by
        the Gini index of these (squared error); "hard" its labels, for
        classifiers. "auto" tries both.
    synthetic : {"auto", "none", "bootstrap", "leaf"} or callable, default="auto"
        Rows to ask the model about beside the given ones. "bootstrap": given
        rows again, 15 % of the values taken from other rows, and numbers moved
        by 0.15 standard deviations. "leaf": the same within the leaves of a
        first tree, most where it has fewest rows. A callable is called as
        ``synthetic(n, rng)`` and gives a table of n rows. "auto" tries "none"
        and "bootstrap".
    max_queries : int, default=None
        Rows that `fit` asks the model about at most, given ones included. None: all of X, and as many
        drawn rows, at least 8000 and at most 20000. Where X has more rows than that, some are drawn.
    selection : {"label", "r2"}, default="label"
        What decides between ways to grow: the share of equal labels (and R2
        between those that differ by no more than two standard errors), or R2 of the answers.
        Regressors go by R2.
    min_samples_leaf : int, default=1
        Rows in a leaf at least, drawn ones included.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs that `explain` and `transform` explain; None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Of all draws; None draws a seed once, in `fit`.
    verbose : int, default=1
        1 shows a bar, with a forecast, in terminals and notebooks once work has
        taken a few seconds; 0 none.

    Attributes
    ----------
    rule_tree_ : RuleTree
        The rules.
    estimator_ : DecisionTreeRegressor
        The same tree in scikit-learn's form, in which labels are ranks and, of a binary classifier,
        the second class alone is answered.
    fidelity_ : Fidelity
        How faithful the tree is: ``label`` with its interval, ``r2`` with its error, ``kl``.
    leaves_ : DataFrame
        For each leaf its rule, the given and drawn rows in it, the fidelity with its interval and the root
        mean squared error there (on ``n_tested`` rows), its label, and the mean and
        spread of each of the model's outputs.
    frontier_ : DataFrame
        Leaves, the price at which the tree has so many, fidelity and R2 with errors, and which was chosen.
    targets_, synthetic_ : str
        What was chosen.
    classes_ : ndarray of shape (n_classes,)
        Labels, of a classifier.
    n_model_rows_ : int
        Rows that the model was asked about in `fit`.
    output_names_ : tuple of str
        Names of the model's outputs.
    features_ : Features
        Names and columns of the features.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    Notes
    -----
    Up to 5000 given rows, five parts of them take turns: each is tested by a
    tree that was grown without it and without what was drawn from it, in the
    way and to the size that the other parts chose; the tree that is kept is
    grown on all rows. Since these trees share rows, and the tree that is kept
    is another again, the interval is that of fewer rows: fewer by the
    corrected variance of [3]_. From 5000 rows on, one fifth is set aside to report and never grown on,
    and one fifth chooses.

    Fidelity is to the model, and not to the truth; and it is that of rows like those given. A
    model that has been fitted on these very rows answers them in another way
    than new ones, often more sharply, and then fidelity to its answers to new rows is another as
    well: ``fidelity(X)`` tells it.

    Given rows weigh a quarter of what drawn rows do, and every leaf has some. Of the
    cost-complexity path the smallest tree is kept that is as good as the best by labels and by
    squared error, within one standard error of the difference. Labels of a column are ordered by
    the first principal component of their mean answers. Missing values go where scikit-learn's
    trees send them, and so do labels that `fit` did not see.

    Explanations have completeness "surrogate": ``base_values``, the mean at the root, and the
    values, what each feature adds along the row's path, sum to the tree's outputs.

    ``extras`` of an explanation has the ``surrogate_outputs``, the ``leaf`` and the whole ``rule`` of
    each row, its ``conditions`` by feature, and the errors of R2
    (``r2_std_errors``). Standard errors of values are those of the means in the nodes, for the splits that
    were made.

    References
    ----------
    .. [1] Craven, M. W., Shavlik, J. W. (1996). Extracting tree-structured
       representations of trained networks. NeurIPS 8.
    .. [2] Bastani, O., Kim, C., Bastani, H. (2017). Interpreting blackbox models
       via model extraction. https://doi.org/10.48550/arXiv.1705.08504
    .. [3] Nadeau, C., Bengio, Y. (2003). Inference for the generalization
       error. Machine Learning 52, 239-281. https://doi.org/10.1023/A:1024068626366
    .. [4] Saabas, A. (2014). Interpreting random forests.

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

    _doc_page = "mimic.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "max_leaf_nodes": [Interval(Integral, 1, None, closed="left")],
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

    def fit(self, X: Any, y: Any = None) -> MimicTree:  # type: ignore[override]  # rows have no weights
        """Ask the model, grow the tree, and measure it.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows like those on which the copy is to be faithful, two or more.
        y : array-like of shape (n_rows,), default=None
            Needed for an unfitted model.

        Returns
        -------
        self : MimicTree

        Raises
        ------
        ValueError
            If rows or parameters cannot be used.
        EngineError
            If the model fails.
        """
        self._begin_fit()
        table = as_table(X)
        y = self._checked_truth(table, y)
        predictor = self._fit_predictor(table, y)
        self._learn_columns(table)
        self._examples = take_examples(table)
        self._check_rows(table.shape[0])
        self._try_model(predictor, self._choose_trial_rows())
        self._check_outputs()
        self._copy, n_asked = self._plan().copied(table)
        self.n_model_rows_ = 2 * self._n_trial_rows + n_asked
        self._keep()
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels or numbers, as the model would.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows,), or (n_rows, n_outputs) where the model answers several numbers
        """
        answers = self._answered(X)
        if self._copied_task == "classification":
            return self.classes_[answers.argmax(axis=1)]
        return answers[:, 0] if answers.shape[1] == 1 else answers

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Floats:
        """Predict probabilities, as the model would.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        return self._answered(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compare the tree with the truth: accuracy of a classifier, R2 of a regressor.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.
        y : array-like of shape (n_rows,)
            The truth.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
        """
        measure = accuracy_score if self._task() == "classification" else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    def fidelity(self, X: Any, y: Any = None) -> Fidelity:
        """Compare the tree with the model on rows that neither should have seen.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.
        y : array-like of shape (n_rows,), default=None
            The truth, for accuracies of model, tree and both.

        Returns
        -------
        Fidelity
            Its ``source`` is "given".

        Raises
        ------
        EngineError
            If the model fails.
        """
        table = self._read(X)
        self._check_has_model()
        answers = self._predict(table)
        copies = self.rule_tree_.values[self.rule_tree_.apply(table)]
        found = measured(answers, copies, self._copied_task == "classification", "given")
        if y is None:
            return found
        check_consistent_length(table, y)
        return with_truth(found, self._accuracies(answers, copies, np.asarray(y)))

    def stability(self, n: int = 10) -> Stability:
        """Grow the tree again on rows drawn with replacement, and compare. The model is not asked.

        Parameters
        ----------
        n : int, default=10
            Trees, 2 or more.

        Returns
        -------
        Stability
        """
        check_is_fitted(self)
        if n < 2:
            raise DataError(f"The 'n' of stability must be 2 or more, since trees are compared; got {n!r}.")
        return stability_of(self._copy, n, self._seed)

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
        leaf = self.rule_tree_.apply(rows)
        values, errors = self._contributions.at(leaf)
        base, r2, r2_error = (
            pick(np.broadcast_to(one, predictions.shape))
            for one in (
                self.rule_tree_.values[0],
                self.fidelity_.r2_outputs,
                self.fidelity_.r2_outputs_std_errors,
            )
        )
        details = {
            "surrogate_outputs": Detail(pick(self.rule_tree_.values[leaf]), ("row", "output")),
            "r2_std_errors": Detail(r2_error, ("row", "output")),
            "leaf": Detail(leaf, ("row",)),
        }
        return Attribution(
            values=pick(values),
            std_errors=pick(errors),
            base_values=base,
            predictions=predictions,
            fidelity={"r2": r2},
            n_model_rows=first.size,
            details=details | self._words(leaf),
        )

    def _count_model_rows(self, rows: Any) -> int:
        return int(rows.shape[0])

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def apply(self, X: Any) -> np.ndarray:
        """Find the leaf of each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            Nodes of ``tree_`` and ``rule_tree_``, the index of ``leaves_``.
        """
        return self.rule_tree_.apply(self._read(X))

    def decision_path(self, X: Any) -> csr_matrix:
        """Find all nodes that each row passes.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        csr_matrix of shape (n_rows, n_nodes)
            1 where a row passes a node.
        """
        read = self.rule_tree_.read(self._read(X))
        return self.estimator_.decision_path(ranked(read, self._copy.grown.ranks))

    @property
    def tree_(self) -> Any:
        """The tree in scikit-learn's arrays, as ``estimator_`` holds it."""
        check_is_fitted(self)
        return self.estimator_.tree_

    @property
    def feature_importances_(self) -> Floats:
        """Share of the loss that splits on each feature take away, as in scikit-learn's trees."""
        check_is_fitted(self)
        return self.estimator_.feature_importances_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not is_fitted(self.model)
        if self._task() == "classification":
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _task(self) -> str:
        """What the model does, as far as can be told; what it turned out to do once it was asked."""
        if hasattr(self, "_copied_task"):
            return self._copied_task
        if not is_fitted(self.model):
            return "classification" if is_classifier(self.model) else "regression"
        try:
            task = as_predictor(self.model).task
        except (TypeError, ValueError):  # which fit says
            task = None
        return task or "regression"

    def _checked_truth(self, table: Any, y: Any) -> Any:
        """The truth, even where it is not needed; an unfitted model may take one of several columns."""
        if y is None:
            return None
        check_consistent_length(table, y)
        shape = np.asarray(y).shape
        if len(shape) == 2 and shape[1] > 1 and not is_fitted(self.model):
            return y
        truth = column_or_1d(y, warn=True)
        if truth.dtype.kind == "f":
            assert_all_finite(truth, input_name="y")
        return truth

    def _check_rows(self, n_rows: int) -> None:
        if n_rows < 2:
            raise DataError(
                "X has a single row (n_samples=1), and MimicTree needs at least two: rows to grow a tree on, "
                "and others to measure it by."
            )

    def _choose_trial_rows(self) -> Any:
        """The examples, fewer of them where few queries are allowed."""
        most = len(self._examples) if self.max_queries is None else max(1, int(self.max_queries) // 20)
        return take_rows(self._examples, np.arange(min(most, len(self._examples))))

    def _check_outputs(self) -> None:
        """See what the model does, and whether it can be copied."""
        n_outputs = len(self.output_names_)
        self._copied_task = self._predictor.task or "regression"
        if self._copied_task == "classification" and n_outputs == 1:
            raise DataError(
                f"The model {self._predictor.name} is a classifier that answers with one number a row, and "
                "MimicTree needs one for each class. Pass its predict_proba, or "
                "lambda X: np.column_stack([1 - p(X), p(X)]) as a classification model, or say "
                "as_predictor(model, task='regression') to copy the number itself."
            )
        if self._copied_task == "regression" and self.targets == "hard":
            raise DataError(
                "The 'targets' of MimicTree is 'hard', which is for classifiers, and the model "
                f"{self._predictor.name} is none. Use 'soft' or 'auto'."
            )
        if self._copied_task == "classification":
            classes = self._predictor.classes
            self.classes_ = np.array(self.output_names_ if classes is None else classes)

    def _plan(self) -> CopyPlan:
        return CopyPlan(
            evaluate=self._evaluate,
            targets=self.targets,
            synthetic=self.synthetic,
            selection=self.selection,
            max_leaf_nodes=int(self.max_leaf_nodes),
            min_samples_leaf=int(self.min_samples_leaf),
            max_queries=None if self.max_queries is None else int(self.max_queries) - 2 * self._n_trial_rows,
            output_names=self.output_names_,
            classification=self._copied_task == "classification",
            seed=self._seed,
        )

    def _keep(self) -> None:
        """What is told of the copy."""
        copy = self._copy
        self._are_probabilities = is_probabilities(copy.material.answers)
        self.rule_tree_: RuleTree = copy.grown.tree
        self.estimator_: DecisionTreeRegressor = copy.grown.estimator
        self.targets_, self.synthetic_ = copy.growth.targets, copy.synthetic
        self.fidelity_ = copy.fidelity
        labelled = self._copied_task == "classification"
        self.leaves_: pd.DataFrame = leaves_frame(copy, list(self.classes_) if labelled else None)
        self.frontier_: pd.DataFrame = frontier_frame(copy, labelled)
        wanted = copy.growth.wanted(copy.material, copy.rows)
        self._contributions = Contributions.of(self.rule_tree_, copy.material, copy.rows, wanted)

    def _read(self, X: Any) -> Any:
        check_is_fitted(self)
        return super()._read(X)

    def _answered(self, X: Any) -> Floats:
        table = self._read(X)
        return self.rule_tree_.values[self.rule_tree_.apply(table)]

    def _accuracies(self, answers: Floats, copies: Floats, y: Any) -> tuple[float, float, float | None]:
        if self._copied_task == "regression":
            truth = y.reshape(answers.shape[0], -1)
            return float(r2_score(truth, answers)), float(r2_score(truth, copies)), None
        right = [self.classes_[one.argmax(axis=1)] == column_or_1d(y) for one in (answers, copies)]
        return float(right[0].mean()), float(right[1].mean()), float((right[0] & right[1]).mean())

    def _words(self, leaf: np.ndarray) -> dict[str, Any]:
        """The path of each row, whole and by feature."""
        tree, names = self.rule_tree_, self.features_.names
        conditions = np.full((tree.n_nodes, len(names)), "", dtype=object)
        rules = np.full(tree.n_nodes, "", dtype=object)
        for node in tree.leaves:
            rules[node] = tree.rule(int(node))
            for one in tree.conditions(int(node)):
                conditions[node, one.feature] = one.told(tree.features[one.feature])
        return {
            "rule": Detail(rules[leaf].astype(str), ("row",)),
            "conditions": Detail(conditions[leaf].astype(str), ("row", "feature")),
        }
