"""A small decision tree as a surrogate: what each split on the row's path adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.least_squares import r2_of, standard_error
from agnostix.lime.local_fit import LocalFit
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from agnostix.lime.selection import Selection, alike, choose


@dataclass(frozen=True)
class TreeSurrogate:
    """A regression tree of few leaves, one for all outputs that use the same features.

    The effect of a feature is the sum of the changes of the node's mean at splits on it along the row's path;
    errors are those of these means, for the splits that were made.

    Attributes
    ----------
    max_leaf_nodes : int
        Leaves at most.
    selection : Selection
        How features are chosen where not all may be used.
    """

    max_leaf_nodes: int
    selection: Selection

    gives_parts: ClassVar[bool] = True

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Grow it.

        Parameters
        ----------
        problem : Problem
            What was drawn.
        most : int or None
            Features at most; None for all.
        tests : bool
            Whether the margin of their choice is told.

        Returns
        -------
        LocalFit
        """
        moments = Moments.of(problem)
        chosen, margin = choose(self.selection, problem, moments, most, tests)
        effects, errors = np.zeros(chosen.shape), np.zeros(chosen.shape)
        rest, own = np.empty(problem.answers.shape), np.empty((2, chosen.shape[1]))
        for outputs in alike(chosen):
            features = np.flatnonzero(chosen[:, outputs[0]])
            path, rest[:, outputs] = self._grown(problem, moments, features, outputs)
            means, moved = _node_means(problem, path.inside, outputs)
            found, parts = path.steps(means[None])[0], path.steps(moved)
            effects[features[:, None], outputs] = found
            errors[features[:, None], outputs] = _error(problem, parts, path)
            own[:, outputs] = means[-1], _error(problem, moved[:, -1], path)
        r2, r2_errors = r2_of(problem, moments, rest)
        return LocalFit(
            effects=effects,
            std_errors=errors,
            own_design=np.ones(problem.own_design.size),
            output=problem.own_answers + own[0],
            output_std_errors=own[1],
            r2=r2,
            r2_std_errors=r2_errors,
            selected=chosen,
            margin=margin,
            effective=problem.effective,
        )

    def _grown(
        self, problem: Problem, moments: Moments, features: Codes, outputs: Codes
    ) -> tuple[_Path, Floats]:
        """The row's path in one tree for some outputs, and what that tree leaves over."""
        answers = problem.differences[:, outputs]
        if not features.size:
            return _Path(np.ones((problem.n_draws, 1), dtype=bool), np.empty(0, dtype=np.intp), 0), (
                answers - moments.level[outputs]
            )
        spread = np.sqrt(moments.power[outputs] / moments.total)
        scale = np.where(spread > 0, spread, 1.0)
        design = problem.design[features].T
        tree = DecisionTreeRegressor(max_leaf_nodes=self.max_leaf_nodes, random_state=0)
        tree.fit(design, answers / scale, sample_weight=problem.weights)
        nodes = np.flatnonzero(tree.decision_path(problem.own_design[None, features]).toarray()[0])
        inside = tree.decision_path(design).toarray()[:, nodes].astype(bool)
        predicted = tree.predict(design).reshape(answers.shape)
        return _Path(inside, tree.tree_.feature[nodes[:-1]], features.size), answers - predicted * scale


@dataclass(frozen=True)
class _Path:
    """Nodes from the root to the row's leaf.

    Attributes
    ----------
    inside : ndarray of bool of shape (n_draws, n_nodes)
        Which draws are in each.
    splits : ndarray of int of shape (n_nodes - 1,)
        Features at which the path turns.
    n_features : int
        Of the tree.
    """

    inside: Bools
    splits: Codes
    n_features: int

    def steps(self, means: Floats) -> Floats:
        """From means (n, n_nodes, n_outputs) to changes along the path (n, n_features, n_outputs)."""
        found = np.zeros((means.shape[0], self.n_features, means.shape[2]))
        for k, split in enumerate(self.splits):
            found[:, split] += means[:, k + 1] - means[:, k]
        return found


def _error(problem: Problem, parts: Floats, path: _Path) -> Floats:
    if not problem.n_blocks:
        return np.zeros(parts.shape[1:])
    return standard_error(parts, problem.n_draws, path.splits.size + 1)


def _node_means(problem: Problem, inside: Bools, outputs: Codes) -> tuple[Floats, Floats]:
    """Weighted mean answers in each node, and how much each block moves them."""
    answers, weighted = problem.differences[:, outputs], problem.weights[:, None] * inside
    room = weighted.sum(axis=0)
    means = weighted.T @ answers / room[:, None]
    n_blocks = max(problem.n_blocks, 1)
    scores = (weighted / room)[:, :, None] * (answers[:, None, :] - means)
    return means, scores.reshape(n_blocks, -1, *means.shape).sum(axis=1)
