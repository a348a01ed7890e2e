"""Trees grown without some rows, and what these say of ways to grow and of sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.mimic.growth import Growth
from agnostix.mimic.material import Material
from agnostix.mimic.pruning import stand_ins, weakest_links
from agnostix.mimic.rule_tree import RuleTree
from agnostix.mimic.sources import Source
from agnostix.typing import Codes, Floats


@dataclass(frozen=True)
class Way:
    """A way to grow a tree.

    Attributes
    ----------
    targets : {"soft", "hard"}
        What the tree is to answer.
    synthetic : str
        Which rows are drawn.
    growth : Growth
        How it is grown.
    source : Source
        On what.
    """

    targets: str
    synthetic: str
    growth: Growth
    source: Source


@dataclass(frozen=True)
class Scores:
    """How near a tree comes to the model, row by row.

    Attributes
    ----------
    hits : ndarray of shape (n_rows,)
        1 where labels are the same, and where there are none; a share where several rows count as one.
    losses : ndarray of shape (n_rows,)
        Squared distances of the answers.
    """

    hits: Floats
    losses: Floats

    @classmethod
    def of(cls, answers: Floats, copies: Floats, labelled: bool) -> Scores:
        """Compare answers.

        Parameters
        ----------
        answers, copies : ndarray of shape (n_rows, n_outputs)
            The model's, and a tree's.
        labelled : bool
            Whether the largest answer is the label.

        Returns
        -------
        Scores
        """
        same = answers.argmax(1) == copies.argmax(1) if labelled else np.ones(answers.shape[0])
        return cls(same.astype(float), ((answers - copies) ** 2).sum(axis=1))

    def within(self, group: Codes, weights: Floats) -> Scores:
        """Weighted means over groups of rows.

        Parameters
        ----------
        group : ndarray of int of shape (n_rows,)
            Of each row.
        weights : ndarray of shape (n_rows,)
            Of the rows.

        Returns
        -------
        Scores
        """
        total = np.bincount(group, weights)
        return Scores(*(np.bincount(group, weights * one) / total for one in (self.hits, self.losses)))

    @classmethod
    def joined(cls, parts: list[Scores]) -> Scores:
        """Those of several trees, one after another.

        Parameters
        ----------
        parts : list of Scores
            Of each.

        Returns
        -------
        Scores
        """
        return cls(np.concatenate([one.hits for one in parts]), np.concatenate([one.losses for one in parts]))

    def is_as_good(self, best: Scores) -> tuple[bool, bool]:
        """Whether it falls behind others by no more than the standard error of the difference.

        Parameters
        ----------
        best : Scores
            The others, of the same rows.

        Returns
        -------
        tuple of bool
            By labels, and by squared distances.
        """
        pairs = (best.hits - self.hits, self.losses - best.losses)
        labels, answers = (bool(lost.mean() <= _error(lost) + 1e-15) for lost in pairs)
        return labels, answers


def _error(parts: Floats) -> float:
    return float(parts.std(ddof=1) / np.sqrt(parts.size)) if parts.size > 1 else 0.0


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
        """How near it comes once splits up to a price are given up, in the mean over each given row and its kin.

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


def price_steps(prices: Floats) -> tuple[Floats, Floats]:
    """The sizes of a tree along its cost-complexity path.

    Parameters
    ----------
    prices : ndarray of shape (n_nodes,)
        From `weakest_links`.

    Returns
    -------
    steps : ndarray of shape (n_sizes,)
        Prices up to which splits are given up, from the largest tree to the root alone.
    between : ndarray of shape (n_sizes,)
        For each a price halfway to the next, by ratio: at which other trees are of like size.
    """
    steps = np.unique(np.append(prices[np.isfinite(prices)], 0.0))
    return steps, np.append(np.sqrt(steps[:-1] * steps[1:]), np.inf)


def smallest(tree_prices: Floats, trials: Iterable[Trial]) -> float:
    """The price of the smallest tree that is as good as the best of its path.

    As good: by labels and by squared distances within one standard error,
    that of the difference on the same rows. Rows drawn near a row that a tree
    was grown without tell of it too, which makes these errors small enough to
    be of use where few rows are given.

    Parameters
    ----------
    tree_prices : ndarray of shape (n_nodes,)
        Of the tree that is to be made smaller.
    trials : iterable of Trial
        Of other trees that were grown in the same way.

    Returns
    -------
    float
        Splits up to it are to be given up.
    """
    steps, between = price_steps(tree_prices)
    tried = list(trials)
    found = [Scores.joined([trial.scores_nearby(price) for trial in tried]) for price in between]
    by_labels = found[int(np.argmax([one.hits.mean() for one in found]))]
    by_answers = found[int(np.argmin([one.losses.mean() for one in found]))]
    good = [one.is_as_good(by_labels)[0] and one.is_as_good(by_answers)[1] for one in found]
    return float(steps[max(np.flatnonzero(good), default=0)])


def best_way(found: list[Scores], selection: str) -> int:
    """Which way to grow comes nearest to the model.

    By labels: of those that are not worse than the best by more than one
    standard error, which labels cannot tell apart, the one whose answers are nearest.

    Parameters
    ----------
    found : list of Scores
        Of each, on the same rows.
    selection : {"label", "r2"}
        What counts.

    Returns
    -------
    int
        The first of those that are alike.
    """
    places = list(range(len(found)))
    if selection == "label":
        best = found[int(np.argmax([one.hits.mean() for one in found]))]
        places = [k for k in places if found[k].is_as_good(best)[0]]
    return min(places, key=lambda k: float(found[k].losses.mean()))
