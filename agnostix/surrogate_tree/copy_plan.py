"""From a table and a model to a tree that copies it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.features import distinct_rows
from agnostix.core.frames import columns, take_rows
from agnostix.core.reproducibility import own_order
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes
from agnostix.surrogate_tree.copying import Copy, copied
from agnostix.surrogate_tree.division import Division
from agnostix.surrogate_tree.drawn_in_leaves import DrawnInLeaves
from agnostix.surrogate_tree.fidelity import is_probabilities
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.queries import SmoothedBootstrap
from agnostix.surrogate_tree.query_sampler import QuerySampler
from agnostix.surrogate_tree.rule_feature import RuleFeature
from agnostix.surrogate_tree.sources import DrawnOnce, GivenAlone, Source
from agnostix.surrogate_tree.way import Way

FEWEST, MOST = 8000, 20_000
"""Rows that are drawn by default: as many as are given, and within these bounds."""


@dataclass(frozen=True)
class CopyPlan:
    """What is asked, what is tried, and what decides.

    Attributes
    ----------
    evaluate : callable
        `evaluate` with the model given.
    targets : {"auto", "soft", "hard"}
        What trees are grown to answer.
    synthetic : {"auto", "none", "bootstrap", "leaf"} or callable
        Which rows are drawn.
    selection : {"label", "r2"}
        What decides between ways to grow.
    max_leaf_nodes, min_samples_leaf : int
        Of the trees.
    max_queries : int or None
        Rows that the model may be asked about.
    output_names : tuple of str
        Of the model.
    classification : bool
        Whether the largest answer is the label.
    seed : int
        Of all draws.
    """

    evaluate: Callable[..., tuple[Any, int]]
    targets: str
    synthetic: str | Callable[[int, np.random.Generator], Any]
    selection: str
    max_leaf_nodes: int
    min_samples_leaf: int
    max_queries: int | None
    output_names: tuple[str, ...]
    classification: bool
    seed: int

    def copied(self, table: Any) -> tuple[Copy, int]:
        """Ask, grow, choose, prune and measure.

        Rows are put in an order of their own first, so that theirs means nothing.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The given rows.

        Returns
        -------
        copy : Copy
        n_asked : int
            Rows that the model was asked about.
        """
        series = columns(table)
        features = tuple(RuleFeature.learn(name, column) for name, column in series.items())
        pairs = zip(features, series.values(), strict=True)
        numbers = np.column_stack([feature.read(column) for feature, column in pairs])
        order = self._afforded(own_order(list(numbers.T)))
        rows = take_rows(table, order)
        first, which = distinct_rows(rows)
        answers = self.evaluate(TableRows(rows, first))[0][which]
        division = Division.of(order.size, self.seed)
        given = Material.given(features, numbers[order], answers, self.classification).divided(division.part)
        sampler = QuerySampler(self.evaluate, SmoothedBootstrap(rows), self.seed)
        sources = self._sources(given, sampler, division, self._left(first.size, order.size))
        selection = self.selection if self.classification else "r2"
        copy = copied(given, self._ways(given, sources), division, selection)
        return copy, first.size + self._drawn(sources, copy)

    def _afforded(self, order: Codes) -> Codes:
        """The given rows that the model is asked about."""
        if self.max_queries is None or self.max_queries >= order.size:
            return order
        warnings.warn(
            f"max_queries is less than the {order.size} rows of X take, so {self.max_queries} of them, "
            "drawn at random, are all that MimicTree learns from. Raise max_queries, or leave it out.",
            UserWarning,
            stacklevel=4,
        )
        rng = np.random.default_rng([self.seed, 4])
        return order[np.sort(rng.permutation(order.size)[: self.max_queries])]

    def _left(self, n_asked: int, n_given: int) -> int:
        """Rows that may be drawn."""
        if self.max_queries is None:
            return min(max(FEWEST, n_given), MOST)
        return self.max_queries - n_asked

    def _kinds(self, given: Material) -> list[str]:
        """What trees are grown to answer, the plainest first."""
        if self.targets != "auto":
            return [self.targets]
        return ["soft", "hard"] if self.classification and is_probabilities(given.answers) else ["soft"]

    def _ways(self, given: Material, sources: dict[str, Source]) -> list[Way]:
        kinds = self._kinds(given)
        return [Way(name, self._growth(kind), source) for name, source in sources.items() for kind in kinds]

    def _growth(self, targets: str) -> Growth:
        return Growth(targets, self.max_leaf_nodes, self.min_samples_leaf, self.output_names)

    def _sources(
        self, given: Material, sampler: QuerySampler, division: Division, n_drawn: int
    ) -> dict[str, Source]:
        """What trees are grown on, given rows alone first."""
        if self.synthetic == "none" or n_drawn <= 0:
            return {"none": GivenAlone()}
        if self.synthetic == "leaf":
            kinds = self._kinds(given)
            for_each = n_drawn // (len(division.tests) * len(kinds) + 1)
            return {"leaf": DrawnInLeaves(sampler, self._growth(kinds[0]), for_each)}
        if callable(self.synthetic):
            return {"callable": DrawnOnce(sampler.sample(given, n_drawn, self.synthetic))}
        plain: dict[str, Source] = {"none": GivenAlone()} if self.synthetic == "auto" else {}
        return plain | {"bootstrap": DrawnOnce(sampler.resample(given, n_drawn))}

    def _drawn(self, sources: dict[str, Source], copy: Copy) -> int:
        """Rows that were drawn, whether or not the tree was grown on them in the end."""
        once = sum(source.n_drawn for source in sources.values() if isinstance(source, DrawnOnce))
        return once + (copy.n_drawn if "leaf" in sources else 0)
