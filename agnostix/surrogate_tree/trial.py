"""A tree, put to rows that it was grown without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.pruning import stand_ins, weakest_links
from agnostix.surrogate_tree.rule_tree import RuleTree
from agnostix.surrogate_tree.scores import Scores


@dataclass(frozen=True)
class Trial:
    """A tree, given rows that it was grown without, and rows drawn from these.

    Attributes
    ----------
    tree : RuleTree
        The tree.
    answers : ndarray of shape (n_rows, n_outputs)
        The model's, to given rows first.
    leaf : ndarray of int of shape (n_rows,)
        Where the rows come to in it.
    kin : ndarray of int of shape (n_rows,)
        Places of the given rows from which they were drawn; of given rows their own.
    weights : ndarray of shape (n_rows,)
        As in growing.
    labelled : bool
        Whether the largest answer is the label.
    n_drawn : int
        Drawn rows of the material that it was grown on.
    """

    tree: RuleTree
    answers: Floats
    leaf: Codes
    kin: Codes
    weights: Floats
    labelled: bool
    n_drawn: int

    @classmethod
    def of(cls, tree: RuleTree, material: Material, rows: Codes, drawn: bool) -> Trial:
        """Put given rows to a tree.

        Parameters
        ----------
        tree : RuleTree
            Which.
        material : Material
            What it was grown on, and more.
        rows : ndarray of int
            Those that are put to it.
        drawn : bool
            Whether rows drawn from them are put to it too.

        Returns
        -------
        Trial
        """
        place = np.full(material.n_real + 1, -1)  # the last is where a parent of -1 points to
        place[rows] = np.arange(rows.size)
        more = np.flatnonzero(~material.is_real & (place[material.parent] >= 0)) if drawn else rows[:0]
        both = np.concatenate([rows, more])
        return cls(
            tree=tree,
            answers=material.answers[both],
            leaf=tree.apply_read(material.numbers[both]),
            kin=place[material.parent[both]],
            weights=material.weights(both),
            labelled=material.classification,
            n_drawn=material.fold.size - material.n_real,
        )

    @property
    def n_given(self) -> int:
        """Given rows."""
        return int(self.kin.max()) + 1

    @cached_property
    def prices(self) -> Floats:
        """Of the tree's splits."""
        return weakest_links(self.tree)

    def copies(self, price: float) -> Floats:
        """What the tree answers to given rows once splits up to a price are given up.

        Parameters
        ----------
        price : float
            Below 0 for the whole tree.

        Returns
        -------
        ndarray of shape (n_given, n_outputs)
        """
        return self._copies(price)[: self.n_given]

    def scores(self) -> Scores:
        """How near the whole tree comes, to given rows.

        Returns
        -------
        Scores
        """
        return Scores.of(self.answers[: self.n_given], self.copies(-1.0), self.labelled)

    def scores_nearby(self, price: float) -> Scores:
        """How near it comes then, in the mean over each given row and its kin.

        Parameters
        ----------
        price : float
            Below 0 for the whole tree.

        Returns
        -------
        Scores
            Of given rows.
        """
        return Scores.of(self.answers, self._copies(price), self.labelled).within(self.kin, self.weights)

    def _copies(self, price: float) -> Floats:
        splits = (self.tree.left >= 0) & (self.prices > price)
        return self.tree.values[stand_ins(self.tree, splits)[self.leaf]]
