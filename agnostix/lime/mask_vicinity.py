"""Rows with some of their players hidden, and the surrogates that are fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agnostix.core.evaluate import ProgressBar
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.core.masking import Features, MaskBlock, MaskedRows, Masker, read_rows
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.kernel import mask_size_probabilities
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.mask_draws import MaskDraws
from agnostix.lime.near_rows import SurrogateSpec
from agnostix.lime.vicinity import Evaluate
from agnostix.lime.weighted_regression import WeightedRegression


@dataclass(frozen=True)
class MaskVicinity:
    """Masks over the players of rows, weighted by the share that stays.

    Attributes
    ----------
    masker : Masker
        What hides.
    players : Features
        Those of the rows that were seen in fit.
    width : float
        Of the kernel on cosine distances.
    n_draws : int
        Masks for a row at most.
    tilted : bool
        Whether masks are drawn as the kernel would weigh them.
    seed : int
        Of the masks.
    """

    masker: Masker
    players: Features
    width: float
    n_draws: int
    tilted: bool
    seed: int

    @property
    def n_shared(self) -> int:
        """Nothing is asked before rows are known."""
        return 0

    def read(self, X: Any) -> MaskedRows:
        """Rows as the masker has read them.

        Parameters
        ----------
        X : object
            What it reads.

        Returns
        -------
        MaskedRows

        Raises
        ------
        DataError
            If it cannot, or the rows have other features than those seen in fit.
        """
        return read_rows(self.masker, X, self.players)

    def data(self, rows: MaskedRows) -> Any:
        """The rows as an Explanation holds them."""
        return rows.data

    def features_of(self, rows: MaskedRows) -> Features:
        """Their features."""
        return rows.features

    def cost(self, rows: MaskedRows) -> int:
        """Model rows that masks take at most."""
        return sum(
            (1 + self._masks(int(varying.sum())).masks.shape[0]) * places.size
            for varying, places in self._patterns(rows)
        )

    def present(self, rows: MaskedRows) -> Bools:
        """Players that each row has, (n_rows, n_players)."""
        return rows.present

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: MaskedRows
    ) -> tuple[LocalFits, dict[str, Detail], int]:
        """Fit near each row, those in which the same players vary together.

        Parameters
        ----------
        evaluate : callable
            `evaluate` with the model given.
        spec : SurrogateSpec
            What is fitted.
        rows : MaskedRows
            From `read`.

        Returns
        -------
        fits : LocalFits
        details : dict of str to Detail
        n_model_rows : int
        """
        n_rows, n_players = rows.present.shape
        patterns = list(self._patterns(rows))
        n_evaluations = sum(
            places.size * (1 + min(self.n_draws, 2 ** int(varying.sum()))) for varying, places in patterns
        )
        parts: list[LocalFits] = []
        n_model_rows = 0
        dof = np.full(n_rows, np.inf)
        with ProgressBar(n_evaluations, spec.verbose) as bar:
            for varying, places in patterns:
                drawn = self._masks(int(varying.sum()))
                masks = np.ones((1 + drawn.masks.shape[0], n_players), dtype=bool)
                masks[1:, varying] = drawn.masks
                reducer = _FitReducer(spec, drawn, _weights(spec, drawn, int(places[0])), varying)
                source = MaskedRowSource.from_rows(self.masker, rows[places], masks, names=places)
                arrays, n = evaluate(source, reducer, verbose=bar)
                parts.append(LocalFits(*arrays))
                n_model_rows += n
                if drawn.n_blocks:  # all masks have none: nothing is sampled
                    dof[places] = drawn.n_blocks - 1.0
        details = rows.details() | {DEGREES_OF_FREEDOM: Detail(dof, ("row",))}
        whole = LocalFits(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        order = np.argsort(np.concatenate([places for _, places in patterns]))
        return whole.take(order), details, n_model_rows

    def _patterns(self, rows: MaskedRows) -> Iterator[tuple[Bools, Codes]]:
        patterns, which = np.unique(rows.varying, axis=0, return_inverse=True)
        for number, varying in enumerate(patterns):
            yield varying, np.flatnonzero(which.ravel() == number)

    def _masks(self, n_players: int) -> MaskDraws:
        if n_players == 0:
            return MaskDraws(np.ones((1, 0), dtype=bool), np.ones(1), 0)
        distribution = self.masker.mask_distribution
        if not self.tilted:
            return MaskDraws.of(n_players, self.n_draws, distribution, self.seed)
        chances = mask_size_probabilities(n_players, self.width, distribution)
        return MaskDraws.by_size(n_players, self.n_draws, chances, self.seed)


def _weights(spec: SurrogateSpec, drawn: MaskDraws, row: int) -> Floats:
    """Weigh masks by the kernel, if there is one, and see that it leaves enough of them."""
    n_players = drawn.masks.shape[1]
    if spec.kernel is None or n_players < 2:  # one player there or not: what it does needs no kernel
        return drawn.weights
    squares = (1.0 - np.sqrt(drawn.masks.mean(axis=1))) ** 2
    there = drawn.weights > 0
    logs = np.log(drawn.weights, where=there, out=np.full(there.size, -np.inf))
    spec.kernel.check(squares, logs, drawn.masks.T.astype(float), row)
    return spec.kernel.weights(squares, logs)


@dataclass(frozen=True)
class _FitReducer:
    """Reducer to a fit near each row, from its predictions under all masks, that of the row itself first."""

    spec: SurrogateSpec
    drawn: MaskDraws
    weights: Floats
    varying: Bools
    n_kept: ClassVar[int] = 1

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """Keep every prediction."""
        return predictions[:, None]

    @one_blas_thread
    def finalize(self, blocks: Floats) -> LocalFits:
        """From (n_masks, 1, n_rows, n_outputs) to the fits near the rows."""
        own, answers = blocks[0, 0], blocks[1:, 0]
        design, weights = self.drawn.masks.T.astype(float), self.weights
        fits = []
        for place in range(own.shape[0]):
            regression = WeightedRegression(
                np.ascontiguousarray(design),
                weights,
                np.ascontiguousarray(answers[:, place]),
                np.ones(design.shape[0]),
                own[place],
                self.drawn.n_blocks,
            )
            fit = self.spec.surrogate.fit(regression, self.spec.max_features, with_margin=False)
            fits.append(fit.insert_features(self.varying))
        return LocalFits.stack(fits)
