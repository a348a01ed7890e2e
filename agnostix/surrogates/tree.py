"""A small decision tree as a surrogate: what each split on the row's path adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from agnostix.surrogates.least_squares import r2_of, standard_error
from agnostix.surrogates.local_fit import LocalFit
from agnostix.surrogates.moments import Moments
from agnostix.surrogates.problem import Problem
from agnostix.surrogates.selection import Selection, choose
from agnostix.typing import Codes, Floats


@dataclass(frozen=True)
class TreeSurrogate:
    """A regression tree of few leaves.

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

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Grow a tree for each output.

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
        rest, own = np.empty(problem.answers.shape), np.empty(chosen.shape[1])
        for output in range(chosen.shape[1]):
            features = np.flatnonzero(chosen[:, output])
            grown = self._grown(problem.only(output), features)
            effects[features, output], errors[features, output] = grown[:2]
            rest[:, output], own[output] = grown[2:]
        r2, r2_errors = r2_of(problem, moments, rest, own)
        return LocalFit(
            effects=effects,
            std_errors=errors,
            own_design=np.ones(problem.own_design.size),
            output=problem.own_answers + own,
            r2=r2,
            r2_std_errors=r2_errors,
            selected=chosen,
            margin=margin,
            effective=problem.effective,
        )

    def _grown(self, problem: Problem, features: Codes) -> tuple[Floats, Floats, Floats, float]:
        """Effects, their errors, residuals, and the answer for the row, of a problem of one output."""
        design = np.vstack([problem.design[features].T, problem.own_design[features]])
        answers = np.append(problem.differences[:, 0], 0.0)
        weights = np.append(problem.weights, 1.0)
        tree = DecisionTreeRegressor(max_leaf_nodes=self.max_leaf_nodes, random_state=0)
        tree.fit(design, answers, sample_weight=weights)
        inside = tree.decision_path(design).toarray().astype(bool)
        path = np.flatnonzero(inside[-1])
        means, moved = _node_means(problem, inside[:, path], answers, weights)
        effects, parts = np.zeros(features.size), np.zeros((moved.shape[0], features.size))
        for k, split in enumerate(tree.tree_.feature[path[:-1]]):
            effects[split] += means[k + 1] - means[k]
            parts[:, split] += moved[:, k + 1] - moved[:, k]
        errors = standard_error(parts, problem.n_draws, path.size) if problem.n_blocks else 0.0 * effects
        predicted = tree.predict(design)
        return effects, errors, problem.differences[:, 0] - predicted[:-1], float(predicted[-1])


def _node_means(problem: Problem, inside: Floats, answers: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean answer in each node, and how much each block moves it."""
    room = weights @ inside
    means = (weights * answers) @ inside / room
    scores = (weights[:, None] * inside * (answers[:, None] - means) / room)[:-1]
    n_blocks = max(problem.n_blocks, 1)
    return means, scores.reshape(n_blocks, -1, means.size).sum(axis=1)
