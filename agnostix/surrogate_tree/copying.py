"""From ways to grow to one tree, and what is said of it by rows that it was not grown on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.choice import best_way, price_steps, smallest
from agnostix.surrogate_tree.division import Division
from agnostix.surrogate_tree.fidelity import Fidelity, measured
from agnostix.surrogate_tree.growth import Grown, Growth
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.pruning import weakest_links
from agnostix.surrogate_tree.trial import Trial
from agnostix.surrogate_tree.way import Way


@dataclass(frozen=True)
class Copy:
    """A tree that copies a model, and the rows that tell how well.

    Attributes
    ----------
    growth : Growth
        How it was grown.
    synthetic : str
        Which rows were drawn.
    grown : Grown
        The tree.
    material : Material
        What it was grown on, and more.
    rows : ndarray of int
        Which rows of the material it was grown on.
    price : float
        At which splits were given up.
    tested : ndarray of int of shape (n_tested,)
        Given rows that tell.
    copies : ndarray of shape (n_tested, n_outputs)
        What trees that were grown without them answer.
    fidelity : Fidelity
        What they tell.
    sizes : tuple of (int, float, Fidelity)
        Leaves and price of each tree of the path, from the largest on, and how faithful it is.
    n_drawn : int
        Drawn rows of all trees that were tried and of this one, each tree's own.
    """

    growth: Growth
    synthetic: str
    grown: Grown
    material: Material
    rows: Codes
    price: float
    tested: Codes
    copies: Floats
    fidelity: Fidelity
    sizes: tuple[tuple[int, float, Fidelity], ...]
    n_drawn: int


def copied(material: Material, ways: list[Way], division: Division, selection: str) -> Copy:
    """Choose a way to grow, grow, prune, and measure.

    What is said of a part is said by a tree for which the way and the size
    were chosen by other parts.

    Parameters
    ----------
    material : Material
        Given rows.
    ways : list of Way
        Those to choose from.
    division : Division
        Of the rows.
    selection : {"label", "r2"}
        By what to choose.

    Returns
    -------
    Copy
    """
    tested = [np.flatnonzero(division.part == part) for part, _ in division.tests]
    trials = [
        [
            _tried(way, material, left_out, rows)
            for rows, (_, left_out) in zip(tested, division.tests, strict=True)
        ]
        for way in ways
    ]
    kinds = [way.synthetic for way in ways]
    chosen = best_way(trials, kinds, selection)
    more, rows = ways[chosen].source.rows(material, division.set_aside)
    whole = ways[chosen].growth.grown(more, rows)
    prices = weakest_links(whole.tree)
    price = smallest(prices, trials[chosen])
    if division.crossed:
        telling, order = trials[chosen], np.concatenate(tested)
        copies = np.concatenate([_crossed(trials, k, kinds, selection) for k in range(len(tested))])
    else:
        order = np.flatnonzero(division.part == 0)
        telling = [Trial.of(whole.tree, more, order, drawn=False)]
        copies = telling[0].copies(price)
    labelled = material.classification
    fidelity = measured(material.answers[order], copies, labelled, division.source, division.inflation)
    return Copy(
        growth=ways[chosen].growth,
        synthetic=ways[chosen].synthetic,
        grown=whole.reduced(prices > price),
        material=more,
        rows=rows,
        price=price,
        tested=order,
        copies=copies,
        fidelity=fidelity,
        sizes=tuple(_sizes(prices, telling, division)),
        n_drawn=sum(trial.n_drawn for own in trials for trial in own) + more.fold.size - more.n_real,
    )


def _tried(way: Way, material: Material, left_out: set[int], rows: Codes) -> Trial:
    more, grown_on = way.source.rows(material, left_out)
    return Trial.of(way.growth.grown(more, grown_on).tree, more, rows, drawn=True)


def _crossed(trials: list[list[Trial]], k: int, kinds: list[str], selection: str) -> Floats:
    """What is answered to a part where the other parts choose."""
    others = [[trial for j, trial in enumerate(own) if j != k] for own in trials]
    way = best_way(others, kinds, selection)
    trial = trials[way][k]
    return trial.copies(smallest(trial.prices, others[way]))


def _sizes(prices: Floats, telling: list[Trial], division: Division) -> list[tuple[int, float, Fidelity]]:
    """Each size of the tree, as told by trees of like size."""
    steps, between = price_steps(prices)
    at = between if division.crossed else steps
    answers, found = np.concatenate([trial.answers[: trial.n_given] for trial in telling]), []
    for step, price in zip(steps, at, strict=True):
        copies = np.concatenate([trial.copies(price) for trial in telling])
        labelled = telling[0].labelled
        fidelity = measured(answers, copies, labelled, division.source, division.inflation)
        n_leaves = 1 + int((np.isfinite(prices) & (prices > step)).sum())
        found.append((n_leaves, float(step), fidelity))
    return found


def grown_again(copy: Copy, rows: Codes) -> Grown:
    """Grow and prune in the same way on other rows.

    Parameters
    ----------
    copy : Copy
        What was chosen.
    rows : ndarray of int
        Rows of its material; one may come several times.

    Returns
    -------
    Grown
    """
    grown = copy.growth.grown(copy.material, rows)
    return grown.reduced(weakest_links(grown.tree) > copy.price)


def with_truth(fidelity: Fidelity, told: tuple[float, float, float | None]) -> Fidelity:
    """Fidelity, with how often the model and the tree are right.

    Parameters
    ----------
    fidelity : Fidelity
        As measured.
    told : tuple of float
        Accuracy of the model, of the tree, and of both together.

    Returns
    -------
    Fidelity
    """
    model, tree, both = told
    return replace(fidelity, accuracy_model=model, accuracy_tree=tree, accuracy_both=both)
