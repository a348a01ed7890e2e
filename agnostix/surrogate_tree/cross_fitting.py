"""Cross-fitting: how a tree is grown and its size are chosen on rows other than those that report fidelity.

Below HOLD_OUT_FROM rows, each of five folds is predicted by a tree of the selected growth, grown without it,
whose size the other folds select. From there on, one fold reports and one selects.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.features import distinct_rows, ranks
from agnostix.core.frames import columns, take_rows
from agnostix.core.models.outputs import are_probabilities
from agnostix.core.reproducibility import own_order
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.fidelity import Fidelity, measure_fidelity
from agnostix.surrogate_tree.fitted_tree import N_FOLDS, FittedTree
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.pruning import (
    FULL_TREE,
    HeldOutTree,
    RowScores,
    alpha_steps,
    count_leaves,
    one_se_alpha,
    prune,
    weakest_links,
)
from agnostix.surrogate_tree.rule_tree import RuleFeature, encode_table
from agnostix.surrogate_tree.training_rows import (
    MAX_LEVELS,
    BootstrapQueries,
    LeafQueries,
    NoQueries,
    QuerySampler,
    QueryStrategy,
    SmoothedBootstrap,
    TrainingRows,
    Units,
    rank_columns,
)

HOLD_OUT_FROM = 5000
"""Number of rows from which one fold is held out to report; below, the trees are cross-fitted."""
LABEL_ERRORS = 2.0
"""Standard errors by which labels must differ for one candidate to be preferred by them."""
ROWS_PER_LEVEL = 5
"""Mean number of rows with a level below which a categorical column is also left out for a trial."""
MIN_QUERIES, MAX_QUERIES = 8000, 20_000
"""Bounds of the default number of synthetic rows, which is the number of observed ones."""
MIN_CELLS = 6_000_000
"""Values of synthetic rows that are enough by default, in tables so wide that these are fewer rows."""


@dataclass(frozen=True)
class CrossFitSplit:
    """Folds of the observed rows."""

    fold: Codes  # (n_rows,)
    n_folds: int
    is_crossed: bool  # whether every fold is held out in turn

    @classmethod
    def from_seed(cls, n_rows: int, seed: int) -> CrossFitSplit:
        """Assign rows to folds at random."""
        n_folds = min(N_FOLDS, n_rows)
        fold = np.random.default_rng([seed, 0]).permutation(n_rows) % n_folds
        return cls(fold, n_folds, n_rows < HOLD_OUT_FROM)

    @property
    def holdouts(self) -> list[tuple[int, set[int]]]:
        """For each held-out tree the fold that tests it, and the folds it is not grown on."""
        return [(k, {k}) for k in range(self.n_folds)] if self.is_crossed else [(1, {0, 1})]

    @property
    def reporting(self) -> set[int]:
        """Folds that the final tree is not grown on."""
        return set() if self.is_crossed else {0}

    @property
    def variance_inflation(self) -> float:
        """Corrected variance of Nadeau and Bengio (2003), relative to that of independent rows."""
        return 1.0 + self.n_folds / (self.n_folds - 1.0) if self.is_crossed else 1.0

    @property
    def source(self) -> str:
        """`Fidelity.source` of the reporting rows."""
        return "cross-fitted" if self.is_crossed else "held out"


@dataclass(frozen=True)
class Candidate:
    """A growth and the synthetic rows it uses."""

    synthetic: str
    growth: TreeGrowth
    strategy: QueryStrategy

    def hold_out(self, training: TrainingRows, held_out: set[int], rows: Codes) -> HeldOutTree:
        """A tree grown without some folds, with the held-out observed rows (n,)."""
        training, grown_on = self.strategy.training_rows(training, held_out)
        tree = self.growth.grow(training, grown_on).tree
        return HeldOutTree.from_rows(tree, training, rows, with_synthetic=True)


def best_candidate(by_candidate: list[list[HeldOutTree]], synthetic: list[str], selection: str) -> int:
    """Index of the candidate closest to the model, the first of ties, from its trees and query strategies."""
    scores = [RowScores.concatenate([tree.scores() for tree in trees]) for trees in by_candidate]
    candidates = list(range(len(scores)))
    if selection == "label":
        best = scores[int(np.argmax([one.mean_hits for one in scores]))]
        candidates = [k for k in candidates if scores[k].within_errors_of(best, LABEL_ERRORS)[0]]
    # Candidates with the same synthetic rows are compared on these too: a model has often been fitted on the
    # observed rows, and its predictions there are more extreme than elsewhere.
    nearby = [
        RowScores.concatenate([tree.scores_nearby(FULL_TREE) for tree in trees]).mean_loss
        for trees in by_candidate
    ]
    finalists = [
        min((k for k in candidates if synthetic[k] == name), key=lambda k: nearby[k])
        for name in dict.fromkeys(synthetic[k] for k in candidates)
    ]
    return min(finalists, key=lambda k: scores[k].mean_loss)


def cross_fit(
    training: TrainingRows, candidates: list[Candidate], split: CrossFitSplit, selection: str
) -> FittedTree:
    """Select a candidate, grow it, prune it, and measure its fidelity."""
    tested = [np.flatnonzero(split.fold == fold) for fold, _ in split.holdouts]
    by_candidate = [
        [
            candidate.hold_out(training, held_out, rows)
            for rows, (_, held_out) in zip(tested, split.holdouts, strict=True)
        ]
        for candidate in candidates
    ]
    synthetic = [candidate.synthetic for candidate in candidates]
    chosen = best_candidate(by_candidate, synthetic, selection)
    growth = candidates[chosen].growth
    final, rows = candidates[chosen].strategy.training_rows(training, split.reporting)
    full = growth.grow(final, rows)
    alphas = weakest_links(full.tree)
    ccp_alpha = one_se_alpha(alphas, by_candidate[chosen])
    if split.is_crossed:
        reporting, held_out = by_candidate[chosen], np.concatenate(tested)
        outputs = np.concatenate([_cross_fitted_outputs(reporting, k) for k in range(len(tested))])
    else:
        held_out = np.flatnonzero(split.fold == 0)
        reporting = [HeldOutTree.from_rows(full.tree, final, held_out, with_synthetic=False)]
        outputs = reporting[0].outputs(ccp_alpha)
    return FittedTree(
        grown=full.prune(alphas > ccp_alpha),
        growth=growth,
        synthetic=candidates[chosen].synthetic,
        training=final,
        rows=rows,
        ccp_alpha=ccp_alpha,
        held_out=held_out,
        outputs=outputs,
        fidelity=measure_fidelity(
            training.predictions[held_out],
            outputs,
            training.is_classifier,
            split.source,
            split.variance_inflation,
            training.observed_weights(held_out),
        ),
        units=Units.identity(outputs.shape[1]),
        path=tuple(_pruning_path(alphas, reporting, split)),
        n_synthetic=sum(tree.n_synthetic for trees in by_candidate for tree in trees) + final.n_synthetic,
        fold_trees=tuple(
            prune(one.tree, one.alphas > ccp_alpha)[0] for one in by_candidate[chosen] if split.is_crossed
        ),
    )


def _cross_fitted_outputs(trees: list[HeldOutTree], k: int) -> Floats:
    """Outputs for fold k (n, n_outputs), of the size that the other folds select."""
    # Of the growth that was selected on all folds: where the others select another one, their tree says
    # little about this one. A tree of labels and one of probabilities are far apart in R2.
    others = [tree for j, tree in enumerate(trees) if j != k]
    return trees[k].outputs(one_se_alpha(trees[k].alphas, others))


def _pruning_path(
    alphas: Floats, reporting: list[HeldOutTree], split: CrossFitSplit
) -> list[tuple[int, float, Fidelity]]:
    """Leaves, `ccp_alpha` and fidelity of each tree of the path, measured by trees of like size."""
    steps, between = alpha_steps(alphas)
    predictions = np.concatenate([tree.observed_predictions for tree in reporting])
    weights = [tree.observed_weights for tree in reporting if tree.observed_weights is not None]
    path = []
    for step, ccp_alpha in zip(steps, between if split.is_crossed else steps, strict=True):
        outputs = np.concatenate([tree.outputs(ccp_alpha) for tree in reporting])
        fidelity = measure_fidelity(
            predictions,
            outputs,
            reporting[0].is_classifier,
            split.source,
            split.variance_inflation,
            np.concatenate(weights) if weights else None,
        )
        path.append((count_leaves(alphas, step), float(step), fidelity))
    return path


def _own_order(features: tuple[RuleFeature, ...], encoded: Floats, sample_weight: Floats | None) -> Codes:
    """Rows in an order of their own, so that their order in the table has no effect."""
    keys = rank_columns(features, encoded)
    return own_order(keys if sample_weight is None else [*keys, ranks(sample_weight)])


def _near_unique(features: tuple[RuleFeature, ...], n_rows: int) -> frozenset[int]:
    """Positions of columns whose levels have so few rows each that their order may be noise."""
    n_levels = [0 if feature.levels is None else len(feature.levels) for feature in features]
    return frozenset(j for j, n in enumerate(n_levels) if n > MAX_LEVELS and n * ROWS_PER_LEVEL > n_rows)


def _warn_left_out(fitted: FittedTree, n_rows: int) -> None:
    """Say which columns the tree was grown without, since it is closer to the model on held-out rows."""
    features = [fitted.training.features[position] for position in sorted(fitted.growth.left_out)]
    if features:
        columns_ = ", ".join(f"{one.name!r} ({len(one.levels or ())} levels)" for one in features)
        warnings.warn(
            f"MimicTree has no rules on the columns {columns_}: in {n_rows} rows their levels are too rare, "
            "and without them the tree is closer to the model on rows that it was not grown on. Pass more "
            "rows to fit, or put the model behind a function that makes such a column from fewer levels.",
            UserWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class TreeSearch:
    """What `fit` evaluates, which candidates it tries, and by what it selects."""

    evaluate: Callable[..., tuple[Any, int]]  # `evaluate` of the explainer
    targets: str
    synthetic: str | Callable[[int, np.random.Generator], Any]
    selection: str
    max_leaf_nodes: int
    min_samples_leaf: int
    max_queries: int | None
    output_names: tuple[str, ...]
    is_classifier: bool
    seed: int

    def fit(self, table: Any, sample_weight: Floats | None) -> tuple[FittedTree, int]:
        """Surrogate tree of the model on a table with weights (n_rows,), and the number of model rows."""
        features = tuple(RuleFeature.from_column(name, one) for name, one in columns(table).items())
        encoded = encode_table(features, table)
        order = self._subsample(_own_order(features, encoded, sample_weight))
        rows = take_rows(table, order)
        first, which = distinct_rows(rows)
        predictions = self.evaluate(TableRows(rows, first))[0][which]
        units = self._units(predictions)
        split = CrossFitSplit.from_seed(order.size, self.seed)
        training = TrainingRows.from_observed(
            features,
            rows if encoded is table else encoded[order],
            units.encode(predictions),
            split.fold,
            self.is_classifier,
            None if sample_weight is None else sample_weight[order] / sample_weight[order].mean(),
        )
        sampler = QuerySampler(partial(self._evaluate_in, units), SmoothedBootstrap(rows), self.seed)
        left_out = _near_unique(features, order.size)
        growths = [
            replace(self._growth(targets), left_out=positions)
            for targets in self._targets(predictions)
            for positions in ([frozenset[int](), left_out] if left_out else [left_out])
        ]
        n_queries = self._count_queries(first.size, order.size, len(features))
        strategies = self._strategies(training, sampler, split, n_queries, growths)
        candidates = [
            Candidate(name, growth, strategy) for name, strategy in strategies.items() for growth in growths
        ]
        fitted = cross_fit(training, candidates, split, self.selection if self.is_classifier else "r2")
        _warn_left_out(fitted, order.size)
        return replace(fitted, units=units), first.size + self._count_synthetic(strategies, fitted)

    def _units(self, predictions: Floats) -> Units:
        """Units in which trees are grown and compared; labels are the largest prediction in these too."""
        if self.is_classifier and (self.targets == "hard" or are_probabilities(predictions)):
            return Units.identity(predictions.shape[1])
        return Units.from_values(predictions, shared=self.is_classifier)

    def _evaluate_in(self, units: Units, source: Any) -> tuple[Floats, int]:
        predictions, n_model_rows = self.evaluate(source)
        return units.encode(predictions), n_model_rows

    def _subsample(self, order: Codes) -> Codes:
        """The observed rows that `max_queries` allows to evaluate."""
        if self.max_queries is None or self.max_queries >= order.size:
            return order
        warnings.warn(
            f"max_queries is too small for the {order.size} rows of X: MimicTree uses {self.max_queries} of "
            "them, sampled at random. Raise max_queries, or leave it out.",
            UserWarning,
            stacklevel=4,
        )
        rng = np.random.default_rng([self.seed, 4])
        return order[np.sort(rng.permutation(order.size)[: self.max_queries])]

    def _count_queries(self, n_evaluated: int, n_observed: int, n_columns: int) -> int:
        """Number of synthetic rows to sample."""
        if self.max_queries is None:
            enough = min(MIN_QUERIES, -(-MIN_CELLS // n_columns))
            return min(max(enough, n_observed), MAX_QUERIES)
        return self.max_queries - n_evaluated

    def _targets(self, predictions: Floats) -> list[str]:
        """Targets to try, the default first."""
        if self.targets != "auto":
            return [self.targets]
        return ["soft", "hard"] if self.is_classifier and are_probabilities(predictions) else ["soft"]

    def _growth(self, targets: str) -> TreeGrowth:
        return TreeGrowth(targets, self.max_leaf_nodes, self.min_samples_leaf, self.output_names)

    def _strategies(
        self,
        training: TrainingRows,
        sampler: QuerySampler,
        split: CrossFitSplit,
        n_queries: int,
        growths: list[TreeGrowth],
    ) -> dict[str, QueryStrategy]:
        """Query strategies to try by name, the one without queries first."""
        if self.synthetic == "none" or n_queries <= 0:
            return {"none": NoQueries()}
        if self.synthetic == "leaf":
            n_trees = len(split.holdouts) * len(growths) + 1
            first = growths[1] if growths[-1].left_out else growths[0]
            return {"leaf": LeafQueries(sampler, lambda *rows: first.grow(*rows).tree, n_queries // n_trees)}
        if callable(self.synthetic):
            return {"callable": BootstrapQueries(sampler.call(training, n_queries, self.synthetic))}
        without: dict[str, QueryStrategy] = {"none": NoQueries()} if self.synthetic == "auto" else {}
        return without | {"bootstrap": BootstrapQueries(sampler.resample(training, n_queries))}

    def _count_synthetic(self, strategies: dict[str, QueryStrategy], fitted: FittedTree) -> int:
        """Number of synthetic rows evaluated, whether or not the final tree was grown on them."""
        shared = [one for one in strategies.values() if isinstance(one, BootstrapQueries)]
        n_shared = sum(strategy.training.n_synthetic for strategy in shared)
        return n_shared + (fitted.n_synthetic if "leaf" in strategies else 0)
