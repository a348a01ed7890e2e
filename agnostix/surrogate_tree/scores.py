"""How near a tree comes to the model, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes, Floats


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

    def is_as_good(self, best: Scores, n_errors: float = 1.0) -> tuple[bool, bool]:
        """Whether it falls behind others by no more than standard errors of the difference.

        Parameters
        ----------
        best : Scores
            The others, of the same rows.
        n_errors : float, default=1.0
            How many of them.

        Returns
        -------
        tuple of bool
            By labels, and by squared distances.
        """
        pairs = (best.hits - self.hits, self.losses - best.losses)
        labels, answers = (bool(lost.mean() <= n_errors * _error(lost) + 1e-15) for lost in pairs)
        return labels, answers


def _error(parts: Floats) -> float:
    return float(parts.std(ddof=1) / np.sqrt(parts.size)) if parts.size > 1 else 0.0
