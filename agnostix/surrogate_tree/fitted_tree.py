"""The fitted surrogate tree: what it was grown on, its fidelity by leaf and by size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.models.outputs import are_probabilities
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.contributions import ClusterSums, PathContributions
from agnostix.surrogate_tree.fidelity import Fidelity
from agnostix.surrogate_tree.growth import GrownTree, TreeGrowth, with_nodes
from agnostix.surrogate_tree.importances import Importances
from agnostix.surrogate_tree.leaf_table import HeldOutResiduals, LeafPredictions, LeafTests, coverage_columns
from agnostix.surrogate_tree.measures import n_kish
from agnostix.surrogate_tree.pruning import weakest_links
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.training_rows import TrainingRows, Units

N_FOLDS = 5


@dataclass(frozen=True)
class CrossFit:
    """What trees grown without a row's fold expect of it."""

    outputs: Floats  # (n_rows, n_outputs), of the rows that the tree was grown on
    means: Floats  # (n_observed, n_outputs), of the predictions for observed rows in the same leaf
    held_out: HeldOutResiduals  # by leaf of the tree


@dataclass(frozen=True)
class FittedTree:
    """A pruned tree, the rows it was grown on, and the held-out rows that measure its fidelity."""

    grown: GrownTree  # after pruning
    growth: TreeGrowth
    synthetic: str  # name of the query strategy
    training: TrainingRows
    rows: Codes  # of `training`, those it was grown on
    ccp_alpha: float
    held_out: Codes  # (n_held_out,), observed rows that measure its fidelity
    outputs: Floats  # (n_held_out, n_outputs), of trees grown without these rows
    fidelity: Fidelity
    path: tuple[tuple[int, float, Fidelity], ...]  # leaves, ccp_alpha and fidelity, largest tree first
    n_synthetic: int  # synthetic rows of all candidates and of this tree, each tree's counted
    units: Units  # of all predictions, outputs and losses above
    fold_trees: tuple[RuleTree, ...] = ()  # grown without each fold, where all are held out in turn

    @property
    def tree(self) -> RuleTree:
        """The rules, in `units`."""
        return self.grown.tree

    def in_model_units(self) -> GrownTree:
        """The tree in units of the model."""
        tree, estimator, units = self.tree, self.grown.estimator, self.units
        tree = replace(tree, values=units.decode(tree.values), loss=units.decode_squares(tree.loss))
        nodes = estimator.tree_.__getstate__()["nodes"].copy()
        nodes["impurity"] = units.decode_squares(nodes["impurity"])
        values = tree.values[:, -estimator.n_outputs_ :]
        return replace(self.grown, tree=tree, estimator=with_nodes(estimator, nodes, values, tree.depth))

    @cached_property
    def sums(self) -> ClusterSums:
        """Sums over the rows that the tree was grown on, for standard errors."""
        targets = self.growth.target_values(self.training, self.rows)
        return ClusterSums.from_rows(self.tree, self.training, self.rows, targets, self._cross_fit.outputs)

    @cached_property
    def contributions(self) -> PathContributions:
        """Contributions of the features at each leaf, in `units`."""
        return PathContributions.from_sums(self.sums)

    @cached_property
    def importances(self) -> Importances:
        """Importances of the features."""
        return Importances.from_sums(self.sums)

    @cached_property
    def _cross_fit(self) -> CrossFit:
        """What trees grown without a row's fold expect of it."""
        training, n = self.training, self.training.n_observed
        outputs = np.empty((self.rows.size, self.tree.values.shape[1]))
        means = self._observed_means(self.tree, self.rows)  # of rows that the tree was not grown on
        places = np.zeros(self.tree.n_nodes, dtype=np.intp)
        places[self.tree.leaves] = np.arange(self.tree.leaves.size)
        place, weights = places[self.tree.apply_encoded(training.encoded[:n])], training.weights(np.arange(n))
        held_out = HeldOutResiduals.zero(self.tree.leaves.size, outputs.shape[1])
        for is_inside, tree in self._trees_of_folds():
            leaf = tree.apply_encoded(training.encoded)
            outputs[is_inside] = tree.values[leaf[self.rows[is_inside]]]
            inside, outside = (rows[rows < n] for rows in (self.rows[is_inside], self.rows[~is_inside]))
            means[inside] = self._observed_means(tree, outside)[inside]
            held_out = held_out.add(
                (place[outside], leaf[outside], weights[outside]),
                (leaf[inside], training.predictions[inside] - means[inside], weights[inside]),
            )
        return CrossFit(outputs, means, held_out)

    def _trees_of_folds(self) -> Iterator[tuple[Bools, RuleTree]]:
        """Which of `rows` (n,) are in each fold, and a tree grown without them."""
        fold = self.training.fold[self.rows]
        has_folds = bool((fold >= 0).all())  # those of a sampler of the user's belong to none
        if has_folds and self.fold_trees:
            yield from ((fold == k, tree) for k, tree in enumerate(self.fold_trees))
            return
        fold = np.where(fold < 0, np.arange(fold.size), fold)
        if not self.fold_trees:  # many rows, of which halves will do
            fold = fold % 2
        for k in np.unique(fold % N_FOLDS):
            yield fold % N_FOLDS == k, self.regrow(self.rows[fold % N_FOLDS != k])

    def _observed_means(self, tree: RuleTree, rows: Codes) -> Floats:
        """Mean predictions (n_observed, n_outputs) of those of some rows in the same leaf of a tree."""
        n, training = self.training.n_observed, self.training
        leaf, observed = tree.apply_encoded(training.encoded[:n]), rows[rows < n]
        weights = training.weights(observed)
        total = np.bincount(leaf[observed], weights, tree.n_nodes)
        sums = [
            np.bincount(leaf[observed], weights * column, tree.n_nodes)
            for column in training.predictions[observed].T
        ]
        return (np.column_stack(sums) / np.where(total > 0, total, 1.0)[:, None])[leaf]

    def regrow(self, rows: Codes) -> RuleTree:
        """A tree grown on other rows (n,), possibly repeated, and pruned at the same `ccp_alpha`."""
        grown = self.growth.grow(self.training, rows)
        return grown.prune(weakest_links(grown.tree) > self.ccp_alpha).tree

    def leaves_frame(self, classes: Sequence[Any] | None) -> pd.DataFrame:
        """`leaves_` of MimicTree: one row per leaf, left to right; classes are None for regression."""
        tree, training = self.tree, self.training
        leaves, n = tree.leaves, training.n_observed
        observed = tree.apply_encoded(training.encoded[:n])
        inside = [observed == leaf for leaf in leaves]
        weights = training.weights(np.arange(n))
        n_synthetic = tree.n_synthetic[leaves]
        frame: dict[str, Any] = {
            "rule": [tree.rule(int(leaf)) for leaf in leaves],
            "n_observed": np.array([rows.sum() for rows in inside]),
        }
        frame |= coverage_columns(inside, weights)
        frame |= {
            "n_synthetic": n_synthetic,
            "coverage_synthetic": n_synthetic / max(int(n_synthetic.sum()), 1),
        }
        fit, bounded = self._cross_fit, are_probabilities(training.predictions)
        frame |= self._tests().columns(leaves, fit.held_out, self.units, classes is not None)
        if classes is not None:
            frame["label"] = [classes[k] for k in tree.values[leaves].argmax(axis=1)]
        predictions = LeafPredictions(training.predictions[:n], fit.means, fit.held_out, weights, bounded)
        frame |= predictions.columns([np.flatnonzero(rows) for rows in inside], tree.output_names, self.units)
        return pd.DataFrame(frame, index=pd.Index(leaves, name="leaf"))

    def pruning_path_frame(self, is_classifier: bool) -> pd.DataFrame:
        """`pruning_path_` of MimicTree: one row per size, from a single leaf on."""
        frame = []
        for n_leaves, ccp_alpha, fidelity in self.path[::-1]:
            decoded = float(self.units.decode_squares(np.array(ccp_alpha)))
            row: dict[str, Any] = {"leaves": n_leaves, "ccp_alpha": decoded}
            for name, measure in (("fidelity", "label"), ("r2", "r2"))[not is_classifier :]:
                one = fidelity.measures[measure]
                row[name] = one.value
                if name == "r2":
                    row["r2_std_error"] = one.std_error
                row[f"{name}_low"], row[f"{name}_high"] = one.ends()
            frame.append(row | {"chosen": ccp_alpha == self.ccp_alpha})
        return pd.DataFrame(frame)

    def _tests(self) -> LeafTests:
        """The held-out rows by leaf."""
        training, rows = self.training, self.held_out
        weights = training.observed_weights(rows)
        inflation = n_kish(rows.size, weights) / self.fidelity.n_effective
        leaf = self.tree.apply_encoded(training.encoded)[rows]
        return LeafTests(leaf, training.predictions[rows], self.outputs, weights, inflation)
