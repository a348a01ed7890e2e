"""The fitted surrogate tree: what it was grown on, its fidelity by leaf and by size, and its stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.contributions import PathContributions
from agnostix.surrogate_tree.fidelity import Fidelity, clopper_pearson, n_kish, r2_with_error
from agnostix.surrogate_tree.growth import GrownTree, TreeGrowth, with_nodes
from agnostix.surrogate_tree.pruning import weakest_links
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.training_rows import TrainingRows, Units


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
    def contributions(self) -> PathContributions:
        """Contributions of the features at each leaf, in `units`."""
        targets = self.growth.target_values(self.training, self.rows)
        return PathContributions.from_rows(self.tree, self.training, self.rows, targets)

    def regrow(self, rows: Codes) -> RuleTree:
        """A tree grown on other rows (n,), possibly repeated, and pruned at the same `ccp_alpha`."""
        grown = self.growth.grow(self.training, rows)
        return grown.prune(weakest_links(grown.tree) > self.ccp_alpha).tree

    def leaves_frame(self, classes: Sequence[Any] | None) -> pd.DataFrame:
        """`leaves_` of MimicTree: one row per leaf, left to right; classes are None for regression."""
        tree, training = self.tree, self.training
        leaves = tree.leaves
        observed = tree.apply_encoded(training.encoded[: training.n_observed])
        is_inside = [observed == leaf for leaf in leaves]
        n_observed = np.array([inside.sum() for inside in is_inside])
        weights = training.weights(np.arange(training.n_observed))
        coverage = np.array([weights[inside].sum() for inside in is_inside])
        n_synthetic = tree.n_synthetic[leaves]
        frame: dict[str, Any] = {
            "rule": [tree.rule(int(leaf)) for leaf in leaves],
            "n_observed": n_observed,
            "coverage": coverage / weights.sum(),
            "n_synthetic": n_synthetic,
            "coverage_synthetic": n_synthetic / max(int(n_synthetic.sum()), 1),
        }
        frame |= self._fidelity_by_leaf(leaves, classes is not None)
        if classes is not None:
            frame["label"] = [classes[k] for k in tree.values[leaves].argmax(axis=1)]
        parts = [np.flatnonzero(inside) for inside in is_inside]
        moments = [_moments(training.predictions[part], training.observed_weights(part)) for part in parts]
        means = self.units.decode(np.array([mean for mean, _ in moments]))
        deviations = self.units.decode_differences(np.array([deviation for _, deviation in moments]))
        for k, name in enumerate(tree.output_names):
            frame[f"mean {name}"], frame[f"sd {name}"] = means[:, k], deviations[:, k]
        return pd.DataFrame(frame, index=pd.Index(leaves, name="leaf"))

    def pruning_path_frame(self, is_classifier: bool) -> pd.DataFrame:
        """`pruning_path_` of MimicTree: one row per size, from a single leaf on."""
        frame = []
        for n_leaves, ccp_alpha, fidelity in self.path[::-1]:
            decoded = float(self.units.decode_squares(np.array(ccp_alpha)))
            row: dict[str, Any] = {"leaves": n_leaves, "ccp_alpha": decoded}
            if is_classifier:
                row |= {
                    "fidelity": fidelity.label,
                    "fidelity_low": fidelity.label_low,
                    "fidelity_high": fidelity.label_high,
                }
            row |= {"r2": fidelity.r2, "r2_std_error": fidelity.r2_std_error}
            frame.append(row | {"chosen": ccp_alpha == self.ccp_alpha})
        return pd.DataFrame(frame)

    def _fidelity_by_leaf(self, leaves: Codes, is_classifier: bool) -> dict[str, Any]:
        """Fidelity on the held-out rows in each leaf."""
        training, n_nodes = self.training, self.tree.n_nodes
        leaf = self.tree.apply_encoded(training.encoded[self.held_out])
        predictions = training.predictions[self.held_out]
        is_hit = predictions.argmax(axis=1) == self.outputs.argmax(axis=1)
        weights = training.observed_weights(self.held_out)
        own = np.ones(leaf.size) if weights is None else weights
        n, squares, hits = (np.bincount(leaf, part, n_nodes)[leaves] for part in (own, own**2, own * is_hit))
        errors = self.units.decode_root_mean_squares(predictions - self.outputs, leaf, n_nodes, own)
        columns: dict[str, Any] = {"n_tested": np.bincount(leaf, minlength=n_nodes)[leaves]}
        if is_classifier:
            inflation = n_kish(leaf.size, weights) / self.fidelity.n_effective
            n_or_nan = np.where(n > 0, n, np.nan)
            fractions = hits / n_or_nan
            n_effective = np.where(n > 0, n**2 / np.where(n > 0, squares, 1.0), 0.0) / inflation
            pairs = zip(np.nan_to_num(fractions) * n_effective, n_effective, strict=True)
            intervals = [clopper_pearson(leaf_hits, leaf_n) for leaf_hits, leaf_n in pairs]
            columns["fidelity"] = fractions
            columns["fidelity_low"], columns["fidelity_high"] = np.array(intervals).T
        return columns | {"rmse": errors[leaves]}


def _moments(predictions: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n_outputs,) of predictions (n_rows, n_outputs)."""
    if weights is None:
        return predictions.mean(axis=0), predictions.std(axis=0)
    mean = np.average(predictions, axis=0, weights=weights)
    return mean, np.sqrt(np.average((predictions - mean) ** 2, axis=0, weights=weights))


@dataclass(frozen=True)
class Stability:
    """Trees grown on bootstrap samples of the observed rows, compared pairwise on all of these.

    Attributes
    ----------
    agreement, agreement_sd : float or None
        Fraction of rows with the same label, mean and standard deviation over pairs; None for regression.
    r2, r2_sd : float
        R2 of one tree's outputs against the other's, mean and standard deviation over pairs.
    jaccard : float
        Features used by both trees, divided by those used by either, mean over pairs; 1 if none is used.
    used : pandas.Series
        For each feature the fraction of trees that use it.
    leaves : ndarray of int of shape (n_refits,)
        Number of leaves of each tree.
    n_refits : int
        Number of trees.
    """

    agreement: float | None
    agreement_sd: float | None
    r2: float
    r2_sd: float
    jaccard: float
    used: pd.Series
    leaves: Codes
    n_refits: int


def measure_stability(fitted: FittedTree, n_refits: int, seed: int) -> Stability:
    """Grow trees on bootstrap samples and compare them; the model is not evaluated."""
    trees = [fitted.regrow(_resample(fitted, seed, k)) for k in range(n_refits)]
    training = fitted.training
    encoded = training.encoded[: training.n_observed]
    outputs = [tree.values[tree.apply_encoded(encoded)] for tree in trees]
    used = [{int(feature) for feature in tree.feature if feature >= 0} for tree in trees]
    pairs = list(combinations(range(n_refits), 2))
    agreement = [float((outputs[a].argmax(1) == outputs[b].argmax(1)).mean()) for a, b in pairs]
    r2 = [r2_with_error(outputs[a], outputs[b])[0] for a, b in pairs]
    names = pd.Index([feature.name for feature in training.features], name="feature")
    fractions = [
        float(np.mean([position in features for features in used])) for position in range(len(names))
    ]
    return Stability(
        agreement=float(np.mean(agreement)) if training.is_classifier else None,
        agreement_sd=float(np.std(agreement)) if training.is_classifier else None,
        r2=float(np.mean(r2)),
        r2_sd=float(np.std(r2)),
        jaccard=float(np.mean([_jaccard(used[a], used[b]) for a, b in pairs])),
        used=pd.Series(fractions, index=names, name="fraction of trees"),
        leaves=np.array([tree.leaves.size for tree in trees]),
        n_refits=n_refits,
    )


def _resample(fitted: FittedTree, seed: int, k: int) -> Codes:
    """Training rows of bootstrap sample k, each as often as its parent is sampled; once without a parent."""
    rng = np.random.default_rng([seed, 3, k])
    n_observed = fitted.training.n_observed
    observed = np.unique(fitted.rows[fitted.rows < n_observed])
    counts = np.bincount(rng.choice(observed, observed.size), minlength=n_observed + 1)
    counts[-1] = 1  # where a parent of -1 points to
    return np.repeat(fitted.rows, counts[fitted.training.parent[fitted.rows]])


def _jaccard(one: set[int], other: set[int]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 1.0
