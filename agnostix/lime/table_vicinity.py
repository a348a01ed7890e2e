"""What is drawn near the rows of a table, and the surrogates that are fitted to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import t as student

from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.core.features import distinct_rows
from agnostix.core.frames import as_table, check_schema, take_rows
from agnostix.core.masking import Features
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.kernel import AMPLE_VARIATION, MIN_VARIATION
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.near_rows import OwnFits, SharedFits, SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.shared_rows import SharedRows
from agnostix.lime.traces import Traces
from agnostix.lime.unseen import UnseenContrasts
from agnostix.lime.vicinity import Evaluate

MOST_DOUBLINGS = 4
"""Times that the draws are doubled at most while the choice of features is not sure."""


@dataclass(frozen=True)
class TableVicinity:
    """Draws for all rows together, asked about once, or draws near each row.

    Attributes
    ----------
    players : Features
        The features.
    neighbourhood : Neighbourhood
        What is drawn.
    own : OwnDraws or None
        How draws near each row are made; None where all rows share them.
    width : float
        Of the kernel.
    stability : float or None
        How sure the choice of features must be; draws are doubled for rows where it is less.
    traces : Traces or None
        The shared draws.
    answers : ndarray of shape (n_draws, n_outputs) or None
        The model's, to the shared draws.
    """

    players: Features
    neighbourhood: Neighbourhood
    own: OwnDraws | None
    width: float
    stability: float | None
    traces: Traces | None = None
    answers: Floats | None = None

    @property
    def n_draws(self) -> int:
        """Draws for a row, and of those that are shared."""
        return self.neighbourhood.points.n_points

    @property
    def n_shared(self) -> int:
        """Draws that were asked about once, for all rows."""
        return 0 if self.answers is None else self.answers.shape[0]

    def read(self, X: Any) -> Any:
        """Check that a table is of the kind that was seen in fit.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        DataFrame or ndarray

        Raises
        ------
        DataError
            If it is not.
        """
        table = as_table(X)
        check_schema(table, self.neighbourhood.like)
        return table

    def data(self, rows: Any) -> Any:
        """The table itself."""
        return rows

    def features_of(self, rows: Any) -> Features:
        """The features, whatever the rows."""
        return self.players

    def evaluated(self, evaluate: Evaluate) -> TableVicinity:
        """With predictions of the shared draws, where there are any."""
        if self.own is not None:
            return self
        start = 0 if self.answers is None else self.answers.shape[0]
        rows = SharedRows(self.neighbourhood, start)
        answers, _ = evaluate(rows)
        if self.answers is not None:
            answers = np.concatenate([self.answers, answers])
        return replace(self, traces=rows.traces(), answers=answers)

    def cost(self, rows: Any) -> int:
        """Model rows that fitting near rows takes at most.

        Parameters
        ----------
        rows : DataFrame or ndarray of shape (n_rows, n_columns)
            Rows to be explained.

        Returns
        -------
        int
        """
        contrasted = self.contrasted(self.neighbourhood.centres(rows))
        extra = rows.shape[0] + UnseenContrasts.cost(self.neighbourhood, int(contrasted.sum()))
        if self.own is not None:
            return extra + rows.shape[0] * self.n_draws
        return extra + (0 if self.stability is None else self.n_draws * (2**MOST_DOUBLINGS - 1))

    def present(self, rows: Any) -> Bools:
        """All features, (n_rows, n_features)."""
        return np.ones((rows.shape[0], len(self.players.names)), dtype=bool)

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: Any
    ) -> tuple[LocalFits, dict[str, Detail], int]:
        """Fit near each row; rows that are alike once.

        Parameters
        ----------
        evaluate : callable
            `evaluate` with the model given.
        spec : SurrogateSpec
            What is fitted.
        rows : DataFrame or ndarray of shape (n_rows, n_columns)
            From `read`.

        Returns
        -------
        fits : LocalFits
        details : dict of str to Detail
        n_model_rows : int
        """
        first, which = distinct_rows(rows)
        kinds = take_rows(rows, first)
        answers, _ = evaluate(TableRows(rows, first))
        centres = self.neighbourhood.centres(kinds)
        fits, n_asked = self._fits(evaluate, spec, kinds, centres, answers, first)
        extras = {name: entry.take("row", which) for name, entry in self.extras(centres).items()}
        dof = fits.n_samples[which] / self.neighbourhood.points.size - 1.0  # of the spread between blocks
        extras[DEGREES_OF_FREEDOM] = Detail(dof, ("row",))
        if self.stability is not None:
            extras["stable"] = Detail(~self._is_unsure(fits)[which], ("row",))
        return fits.take(which), extras, first.size + n_asked

    def contrasted(self, centres: Numbers) -> Bools:
        """Values of which draws would tell less than the penalty of the surrogate, or nothing.

        Parameters
        ----------
        centres : ndarray of shape (n_rows, n_features)
            Bins and numbers of the rows.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_features)
        """
        share = self.neighbourhood.shares_of_bins(centres)
        chance, weight = self._near(share)
        is_tilted = self.own is not None and self.own.how == "tilted"
        total = self.n_draws * (1.0 if is_tilted else weight)
        thin = (share < 0.5) & (total * chance < MIN_VARIATION) & (self.n_draws * share < AMPLE_VARIATION)
        return thin | self.neighbourhood.unseen(centres)

    def _near(self, share: Floats) -> tuple[Floats, Floats]:
        """Chance of the rows' own bins under the kernel, and mean weight of a draw."""
        near = share + (1.0 - share) * np.exp(-0.5 / self.width**2)
        chance = np.divide(share, near, out=np.zeros_like(near), where=near > 0)
        return chance, np.nanprod(near, axis=1, keepdims=True)

    def _check_tilted(self, centres: Floats, rows: Codes) -> None:
        """See that draws near rows leave their bins, where those that were seen did."""
        share = self.neighbourhood.shares_of_bins(centres)
        chance, _ = self._near(share)
        held = self.n_draws * chance * (1.0 - chance) < MIN_VARIATION
        held &= self.n_draws * share * (1.0 - share) >= AMPLE_VARIATION
        if held.any():
            row, feature = np.argwhere(held)[0]
            raise DataError(
                f"The 'kernel_width' of LimeExplainer is {self.width:.3g}, under which hardly any of "
                f"{self.n_draws} draws near row {rows[row]} leaves its bin of "
                f"{self.players.names[feature]!r}. Raise it, or n_samples."
            )

    def extras(self, centres: Numbers) -> dict[str, Detail]:
        """What is said of each row beside its fit.

        Parameters
        ----------
        centres : ndarray of shape (n_rows, n_features)
            Bins and numbers of the rows.

        Returns
        -------
        dict of str to Detail
        """
        pairs = zip(self.neighbourhood.features, centres.T, strict=True)
        words = np.stack([np.array(feature.told(one)) for feature, one in pairs], axis=1)
        told = {"unseen": self.neighbourhood.unseen(centres), "contrasted": self.contrasted(centres)}
        told |= {"conditions": words} if (words != "").any() else {}
        return {name: Detail(array, ("row", "feature")) for name, array in told.items()}

    def _fits(
        self,
        evaluate: Evaluate,
        spec: SurrogateSpec,
        X: Any,
        centres: Floats,
        own_answers: Floats,
        rows: Codes,
    ) -> tuple[LocalFits, int]:
        """Surrogates near distinct rows, and how many model rows they took."""
        contrasted = self.contrasted(centres)
        free = self.neighbourhood.varies & ~contrasted
        if self.own is not None:
            if self.own.how == "tilted":
                self._check_tilted(centres, rows)
            near = OwnFits(spec, self.own, centres, own_answers, free, rows)
            found, n_asked = evaluate(near, OwnFits.fit_item)
            fits = LocalFits.stack(found)
        else:
            fits, n_asked = self._shared_fits(evaluate, spec, centres, own_answers, free, rows)
        if contrasted.any():
            contrasts = self._contrasts(spec, X, centres, contrasted, rows)
            effects, n_more = evaluate(contrasts, UnseenContrasts.estimate_effect)
            _put_contrasts(fits, contrasts, effects)
            n_asked += n_more
        return fits, n_asked

    def _contrasts(
        self, spec: SurrogateSpec, X: Any, centres: Floats, contrasted: Bools, rows: Codes
    ) -> UnseenContrasts:
        return UnseenContrasts.of(spec, self.neighbourhood, self.own, X, centres, contrasted, rows)

    def _shared_fits(
        self,
        evaluate: Evaluate,
        spec: SurrogateSpec,
        centres: Floats,
        own_answers: Floats,
        free: Bools,
        rows: Codes,
    ) -> tuple[LocalFits, int]:
        fits = self._shared(spec, centres, own_answers, free, rows)
        wider = self
        for _ in range(MOST_DOUBLINGS if self.stability is not None else 0):
            unsure = np.flatnonzero(wider._is_unsure(fits))
            if unsure.size == 0:
                break
            wider = wider._doubled(evaluate)
            own = (centres[unsure], own_answers[unsure], free[unsure], rows[unsure])
            fits.put(unsure, wider._shared(spec, *own))
        return fits, wider.n_draws - self.n_draws

    def _is_unsure(self, fits: LocalFits) -> Bools:
        """Rows in which another feature might as well have been chosen."""
        n_blocks = fits.n_samples / self.neighbourhood.points.size
        return fits.margin.min(axis=1) < student.ppf(self.stability, n_blocks - 1)

    def _doubled(self, evaluate: Evaluate) -> TableVicinity:
        points = self.neighbourhood.points.longer(2)
        return replace(self, neighbourhood=replace(self.neighbourhood, points=points)).evaluated(evaluate)

    def _shared(
        self, spec: SurrogateSpec, centres: Floats, own_answers: Floats, free: Bools, rows: Codes
    ) -> LocalFits:
        assert self.traces is not None
        assert self.answers is not None
        n_blocks = self.neighbourhood.points.n_blocks
        near = SharedFits(spec, self.traces, self.answers, n_blocks, centres, own_answers, free, rows)
        return LocalFits.stack(near.fit())


def _put_contrasts(fits: LocalFits, contrasts: UnseenContrasts, found: list[tuple[Floats, ...]]) -> None:
    """Give the effects of values that were never seen their place among the others."""
    for (row, feature), (effect, error) in zip(contrasts.pairs, found, strict=True):
        own = fits.row_design[row, feature]
        fits.coefficients[row, feature], fits.std_errors[row, feature] = effect / own, error / abs(own)
        fits.selected[row, feature] = True
        fits.surrogate_outputs[row] += effect
        fits.surrogate_std_errors[row] = np.hypot(fits.surrogate_std_errors[row], error)
