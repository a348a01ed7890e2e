"""The error of a weighted mean over chosen rows, by how well each is predicted from the others.

If what rows contribute to a value had the covariance s**2 K, the variance of their weighted mean about the
table's would be s**2 D, D = w' K w. The size of the contributions is taken from the errors of kriging each
row from all others (leave-one-out; Dubrule, 1983, https://doi.org/10.1007/BF01036232),

    e = P M / diag(M),   M = K^-1 - K^-1 1 1' K^-1 / 1' K^-1 1,

each where it counts: contributions differ more in a tail or under a rare level than elsewhere. The components
are w_b e_b sqrt(r), with r such that their squares sum to s**2 D where the covariance holds.

K has a part of each row's own, as where a model has steps. How large it is, is seen in each value: errors are
means over a few sizes, weighted by the restricted likelihood of what the rows contribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.background.covariance import Covariance, RowWeights
from agnostix.core.background.error_map import (
    BackgroundError,
    Elsewhere,
    ErrorMap,
    Leaning,
    effective_number,
    moment_dof,
    sum_of_squares,
    with_elsewhere,
)
from agnostix.core.background.kernel import ColumnKernel, TableKernel
from agnostix.core.reproducibility import multiply, one_blas_thread
from agnostix.core.typing import Codes, Floats

TOGETHER = ((1.0, 0.01), (1.0, 0.1), (1.0, 1.0), (10.0, 0.01))
"""How much means of columns and of their products count, and the part that is each row's own, beside that
which rows near each other share."""
SMOOTH = (0.0, 10.0)
"""How much a line and a parabola of a column count beside rougher functions of it."""
ALONE_NUGGETS = (0.001, 0.03)
"""The part of its own of what depends on the columns of one feature alone."""
COLUMN_NUGGETS = (0.01, 0.1, 1.0)
"""The same of what depends on other columns too, the more, the further the feature is from usual."""
EVIDENCE = 0.3
"""Power of the likelihood that counts: contributions have heavier tails than normal ones."""
SMOOTHER = 0.6
"""Variance of an error beside that under a covariance of all columns: models are smoother than its paths."""
MOST_COMPONENTS = 50
"""Components of an error; those of more rows are added up with random signs."""
MOST_ROWS = 400
"""Rows up to which all that they contribute is kept."""


@dataclass(frozen=True)
class KrigingErrors(ErrorMap):
    """Errors of chosen rows: all contrasts of their contributions are kept, as `functionals`."""

    covariances: tuple[Covariance, ...] = ()
    signs: Floats | None = None  # (50, n) for more than 50 rows: which components are added up
    rows: RowWeights | None = None
    by_column: tuple[ColumnKernel, ...] = ()  # of the columns that tell rows apart
    columns: tuple[tuple[int, ...], ...] = ()  # of each feature
    depends_alone: bool = False  # whether its values depend on these columns alone

    def of_features(self, columns: Sequence[Sequence[int]], alone: bool = False) -> ErrorMap:
        """The errors of values of features of these columns, on which they depend `alone` or not."""
        return replace(self, columns=tuple(tuple(own) for own in columns), depends_alone=alone)

    def error(self, components: Floats, elsewhere: Elsewhere | None = None) -> BackgroundError:
        """Errors of the values of some features, as in `ErrorMap`."""
        n_shared = 1 + (len(self.functionals) if self.signs is None else len(self.signs))
        shape = (components.shape[0], *components.shape[2:])
        joined = np.empty((shape[0], n_shared, *shape[1:]))
        dof, leaning = np.empty(shape), np.zeros((3, *shape))
        is_of_features = len(self.columns) == len(components)
        for feature, own in enumerate(components):
            columns = self.columns[feature] if is_of_features else ()
            joined[feature], dof[feature], leaning[:, feature] = self._of_feature(own, columns)
        error = BackgroundError(joined, dof)
        if elsewhere is None:
            return error
        return with_elsewhere(error, elsewhere, Leaning(*leaning), self.n_seen)

    def _of_feature(self, components: Floats, columns: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """Components (n_shared, ...), degrees of freedom and `Leaning` (3, ...) of a feature's values."""
        shape = components.shape[1:]
        largest = np.abs(components).max(axis=0)
        unit = np.where(largest > 0.0, largest, 1.0)
        kept = (components / unit).reshape(len(components), -1)
        together, alone = self.covariances, self._of_columns(columns)
        covariances = alone if alone and self.depends_alone else (*together, *alone)
        shares = _shares(np.array([one.likelihood(kept) for one in covariances]))
        off = np.array([multiply(one.off[None], kept)[0] for one in covariances])
        of_each = [multiply(one.components, kept) for one in covariances]
        variances = np.array([sum_of_squares(one, 0) for one in of_each])
        best = shares.argmax(axis=0)[None]
        first = np.take_along_axis(np.array(of_each), best[None], axis=0)[0]
        added = first if self.signs is None else multiply(self.signs, first)
        left = _total(shares * variances) * (1.0 if self.depends_alone and alone else SMOOTHER)
        sign = np.sign(np.take_along_axis(off, best, axis=0))
        known = sign * np.sqrt(_total(shares * np.square(off)))
        joined = np.concatenate([known, _scaled(added, left)]) * unit.ravel()
        dof = moment_dof(first[None], self.degrees_of_freedom)[0]
        # What is known to be off is no chance, and has no degrees of freedom to lose.
        total = known[0] ** 2 + left
        factor = np.square(np.divide(total, left, out=np.ones_like(left), where=left > 0.0))
        dof = np.minimum(dof * factor, self.degrees_of_freedom)
        if self.depends_alone and alone:
            together = alone
        own = np.array([one.relative for one in together])[:, None]
        relative = _total(_shares(np.array([one.likelihood(kept) for one in together])) * own)
        relative = np.where(largest.ravel() > 0.0, relative, own.max())
        left_open = alone[0].open if alone else 0.0
        lean = min(len(self.functionals) * left_open, 1.0)
        leaning = np.stack([relative, np.full_like(relative, left_open), np.full_like(relative, lean)])
        return joined.reshape(-1, *shape), dof.reshape(shape), leaning.reshape(-1, *shape)

    def _of_columns(self, columns: tuple[int, ...]) -> tuple[Covariance, ...]:
        """Those of what depends on the columns of a feature alone, or differs more, the further they go."""
        own = [one for one in self.by_column if one.column in columns]
        if not own or self.rows is None:
            return ()
        size, found = sum(one.size for one in own), []
        for smooth in SMOOTH if any(one.curve.size for one in own) else SMOOTH[:1]:
            kernel = np.sum([one.kernel(smooth) for one in own], axis=0)
            sizes: Any = size if self.depends_alone else np.maximum(np.diag(kernel), 0.0)
            for u in ALONE_NUGGETS if self.depends_alone else COLUMN_NUGGETS:
                whole = (1.0 + u + 3.0 * smooth) * size  # a line has the variance 1, a parabola about 2
                found.append(Covariance.build(kernel, u * sizes, whole, self.rows, 0.0, u * size))
        return tuple(found)


def _shares(likelihoods: Floats) -> Floats:
    """Weights (n_covariances, n_values) of covariances, by a power of their likelihoods."""
    powers = np.exp(EVIDENCE * (likelihoods - likelihoods.max(axis=0)))
    return np.asarray(powers / _total(powers))


def _total(parts: Floats) -> Floats:
    """Sum over the first axis, one by one: the bits of a value do not depend on those beside it."""
    total = np.zeros(parts.shape[1:])
    for part in parts:
        total += part
    return total


@one_blas_thread
def kriging_map(table: TableKernel, rows: Codes, weights: Floats, rng: np.random.Generator) -> ErrorMap:
    """Errors of chosen rows (n,) of a table with weights (n,)."""
    n = rows.size
    if n == table.weights.size:
        return ErrorMap.none(n)
    if n == 1:
        return ErrorMap(np.full((1, 1), np.nan), 0.0)
    contrasts = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    others = float(np.square(np.delete(table.weights, rows)).sum())
    own = RowWeights(weights, table.weights[rows], others, np.ascontiguousarray(contrasts))
    rough, means, covariances = table.of_rows(rows), table.of_means(rows), []
    for smooth, nugget in TOGETHER:
        u, size = nugget * (table.size or 1.0), (table.size or 1.0) + smooth * table.size_of_means
        covariances.append(Covariance.build(rough + smooth * means, u, size + u, own, table.unknown, u))
    signs, n_seen = _signs(n, rng), effective_number(weights)
    if n > MOST_ROWS:
        middle = covariances[len(covariances) // 2]
        functionals = np.column_stack([contrasts @ middle.off, contrasts @ middle.components.T @ signs.T])
        return ErrorMap(functionals, n - 1.0, middle.relative, n_seen)
    by_column = tuple(table.column_of_rows(j, rows) for j in table.columns)
    return KrigingErrors(
        own.contrasts,
        n - 1.0,
        n_seen=n_seen,
        covariances=tuple(covariances),
        signs=signs if n > MOST_COMPONENTS else None,
        rows=own,
        by_column=by_column,
    )


def _signs(n: int, rng: np.random.Generator) -> Floats:
    """Matrix (50, n) that adds up components in 50 groups with random signs."""
    groups = np.argsort(rng.permutation(n)) % MOST_COMPONENTS
    return np.asarray((groups == np.arange(MOST_COMPONENTS)[:, None]) * rng.choice([-1.0, 1.0], n))


def _scaled(components: Floats, variance: Floats) -> Floats:
    """Components (n, ...) whose squares sum to the variance (...)."""
    own = sum_of_squares(components, 0)
    factor = np.sqrt(np.divide(variance, own, out=np.zeros_like(own), where=own > 0.0))
    return np.asarray(components * factor)
