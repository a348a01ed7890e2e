"""What surrogates near rows of a table come to with infinitely many draws, for models that are sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.features import distinct_rows
from agnostix.core.frames import build_table, column_values, take_rows
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.bin_means import smooth_means
from agnostix.lime.drawing import Resampling, TruncatedNormals
from agnostix.lime.features import BinnedFeature
from agnostix.lime.lime_moments import Moments, additive_moments
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.vicinity import Evaluate

_SAME = 1e-6
"""Share of the largest answer by which parts may miss the whole, as in single precision they do."""


@dataclass(frozen=True)
class Values:
    """Values of one feature, with what each weighs within its bin.

    Attributes
    ----------
    columns : list of array of shape (n,)
        One for each column of the feature.
    codes : ndarray of int of shape (n,)
        Their bins.
    weights : ndarray of shape (n,)
        Summing to 1 in each bin.
    """

    columns: list[Any]
    codes: Codes
    weights: Numbers

    def mean_by_bin(self, numbers: Floats, n_codes: int) -> Floats:
        """Mean of a function in each bin.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_columns)
            Its values.
        n_codes : int
            Bins.

        Returns
        -------
        ndarray of shape (n_codes, n_columns)
        """
        weighted = self.weights[:, None] * numbers
        return np.stack([np.bincount(self.codes, one, n_codes) for one in weighted.T], axis=1)


def values_of(feature: BinnedFeature) -> Values:
    """All values that a feature can be drawn with, where they are those that were seen.

    Parameters
    ----------
    feature : BinnedFeature
        The feature.

    Returns
    -------
    Values
    """
    drawing = feature.drawing
    assert isinstance(drawing, Resampling)
    first, which = distinct_rows(drawing.rows)
    codes = np.ceil(drawing.ends).astype(np.intp) - 1
    before = np.where(np.append(True, codes[1:] != codes[:-1]), codes, np.roll(drawing.ends, 1))
    weights = np.bincount(which, drawing.ends - before)
    kept = take_rows(drawing.rows, first)
    return Values([column_values(kept, j) for j in range(kept.shape[1])], codes[first], weights)


@dataclass(frozen=True)
class AdditiveParts:
    """A model that is a sum of functions of single features, taken apart at a row.

    Attributes
    ----------
    evaluate : callable
        `evaluate` with the model given.
    model_name : str
        What it is called in errors.
    neighbourhood : Neighbourhood
        What is drawn; all features have bins.
    """

    evaluate: Evaluate
    model_name: str
    neighbourhood: Neighbourhood

    def moments(self, bins: Codes, r: float) -> tuple[Moments, int]:
        """Moments of the model's answers near rows.

        Parameters
        ----------
        bins : ndarray of int of shape (n_rows, n_features)
            The rows' bins.
        r : float
            Factor of a draw's weight for each feature outside the row's bin.

        Returns
        -------
        moments : Moments
        n_model_rows : int
            Rows that the model was asked about.

        Raises
        ------
        DataError
            If the model is no such sum on the rows by which it is known.
        """
        start, n_asked = self._check()
        means, squares, shares = [], [], []
        for place, feature in enumerate(self.neighbourhood.features):
            assert isinstance(feature, BinnedFeature)
            by_bin, n_more = self._by_bin(place, feature, start)
            n_asked += n_more
            means.append(by_bin[:, 0])
            squares.append(by_bin[:, 1])
            shares.append(feature.seen)
        found = additive_moments(means, shares, bins, r, squares)
        assert found.square is not None
        mean = found.mean + start
        return Moments(mean, found.kappa, found.square - found.mean**2 + mean**2), n_asked

    def contrasts(self, X: Any, rows: Codes, place: int) -> tuple[Floats, int]:
        """What rows' own values of a feature change, against those seen in fit.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows.
        rows : ndarray of int of shape (n,)
            Which.
        place : int
            Of the feature.

        Returns
        -------
        effects : ndarray of shape (n, n_outputs)
        n_model_rows : int
        """
        feature: Any = self.neighbourhood.features[place]
        own = [column_values(take_rows(X, rows), position) for position in feature.positions]
        given = self._with(place, own)
        by_bin, n_asked = self._by_bin(place, feature, 0.0)
        return given - feature.seen @ by_bin[:, 0], given.shape[0] + n_asked

    def _by_bin(self, place: int, feature: BinnedFeature, start: Floats | float) -> tuple[Floats, int]:
        """Means of what a feature changes, and of its square, in each bin; and the rows that they take."""
        if isinstance(feature.drawing, TruncatedNormals):
            codes = np.flatnonzero(feature.seen)
            return smooth_means(feature.drawing, codes, lambda x: self._with(place, [x]) - start)
        values = values_of(feature)
        effects = self._with(place, values.columns) - start
        powers = [values.mean_by_bin(part, feature.seen.size) for part in (effects, effects**2)]
        return np.stack(powers, axis=1), effects.shape[0]

    def _check(self) -> tuple[Floats, int]:
        """The answer where the model is taken apart; its parts must add up at the other known rows."""
        like = self.neighbourhood.like
        n = like.shape[0]
        whole, _ = self.evaluate(TableRows(like))
        built = np.broadcast_to(whole[0], whole.shape).copy()
        for place, feature in enumerate(self.neighbourhood.features):
            built += self._with(place, [column_values(like, j) for j in feature.positions]) - whole[0]
        apart = np.abs(whole - built).max(axis=1)
        if apart.max() > _SAME * np.abs(whole).max():
            row = int(apart.argmax())
            raise DataError(
                f"lime_exact was told additive=True, but the model {self.model_name} is no sum of "
                f"functions of single features: where its parts add up to {built[row, -1]:.6g}, it answers "
                f"{whole[row, -1]:.6g}. Use LimeExplainer.explain, or feature_groups for what acts together."
            )
        return whole[0], n * (1 + len(self.neighbourhood.features))

    def _with(self, place: int, columns: Sequence[Any]) -> Floats:
        """Answers to the first known row with other values of one feature."""
        like = self.neighbourhood.like
        n = len(columns[0])
        first = take_rows(like, np.zeros(n, dtype=np.intp))
        own = {j: column_values(first, j) for j in range(like.shape[1])}
        own |= dict(zip(self.neighbourhood.features[place].positions, columns, strict=True))
        return self.evaluate(TableRows(build_table(like, own)))[0]
