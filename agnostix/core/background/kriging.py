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

import numpy as np
from scipy.linalg import solve_triangular

from agnostix.core.background.error_map import (
    BackgroundError,
    ErrorMap,
    moment_dof,
    sum_of_squares,
    with_typical,
)
from agnostix.core.background.kernel import TableKernel
from agnostix.core.reproducibility import multiply, one_blas_thread
from agnostix.core.typing import Codes, Floats

NUGGETS = (0.01, 0.1, 1.0)
"""Sizes of the part that is each row's own, beside that which rows near each other share."""
EVIDENCE = 0.3
"""Power of the likelihood that counts: contributions have heavier tails than normal ones."""
COLUMN_NUGGET = 0.01
"""The part of its own of what depends on one column alone."""
ALONE = 0.98
"""How far errors of values that depend on one column rest on how well the rows match that column."""
MOST_COMPONENTS = 50
"""Components of an error; those of more rows are added up with random signs."""
MOST_ROWS = 400
"""Rows up to which all that they contribute is kept."""


@dataclass(frozen=True)
class Covariance:
    """One covariance of what rows contribute, and the error that follows."""

    components: Floats  # (n, n_kept): from what is kept to the components of the error
    whitened: Floats  # (n_kept, n_kept): to independent numbers of one variance
    log_determinant: float  # of the covariance of what is kept
    relative: float  # variance of a mean, relative to that of what single rows contribute
    of_columns: (
        Floats  # (n_columns,): variance of what depends on a column alone, relative to the components'
    )


@dataclass(frozen=True)
class KrigingErrors(ErrorMap):
    """Errors of chosen rows: all contrasts of their contributions are kept, as `functionals`."""

    covariances: tuple[Covariance, ...] = ()
    signs: Floats | None = None  # (50, n) for more than 50 rows: which components are added up
    columns: tuple[tuple[int, ...], ...] = ()  # of each feature, if its values depend on them alone

    def alone(self, columns: Sequence[Sequence[int]]) -> ErrorMap:
        """The errors of values of features that each depend on these columns alone."""
        return replace(self, columns=tuple(tuple(own) for own in columns))

    def error(self, components: Floats, typical: Floats | None = None) -> BackgroundError:
        """Errors of the values of some features, as in `ErrorMap`."""
        n_shared = len(self.functionals) if self.signs is None else len(self.signs)
        shape = (components.shape[0], *components.shape[2:])
        joined = np.empty((shape[0], n_shared, *shape[1:]))
        dof, relative = np.empty(shape), np.empty(shape)
        for feature, own in enumerate(components):
            columns = self.columns[feature] if self.columns else ()
            joined[feature], dof[feature], relative[feature] = self._of_feature(own, columns)
        error = BackgroundError(joined, dof)
        return error if typical is None else with_typical(error, relative * typical, leans=True)

    def _of_feature(self, components: Floats, columns: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """Components (n_shared, ...), degrees of freedom and relative variances of a feature's values."""
        shape = components.shape[1:]
        largest = np.abs(components).max(axis=0)
        unit = np.where(largest > 0.0, largest, 1.0)
        kept = (components / unit).reshape(len(components), -1)
        of_each, variances, likelihoods, relative = [], [], [], []
        for one in self.covariances:
            factor = one.of_columns[list(columns)].max() if columns else 1.0
            of_each.append(multiply(one.components, kept) * np.sqrt(factor))
            variances.append(sum_of_squares(of_each[-1], 0))
            fit = np.maximum(sum_of_squares(multiply(one.whitened, kept), 0), np.finfo(float).tiny)
            likelihoods.append(-0.5 * (one.log_determinant + len(kept) * np.log(fit)))
            relative.append(one.relative * factor)
        powers = EVIDENCE * (np.array(likelihoods) - np.max(likelihoods, axis=0))
        shares = np.exp(powers) / np.exp(powers).sum(axis=0)
        first = np.take_along_axis(np.array(of_each), shares.argmax(axis=0)[None, None], axis=0)[0]
        added = first if self.signs is None else multiply(self.signs, first)
        joined = _scaled(added, (shares * np.array(variances)).sum(axis=0)) * unit.ravel()
        dof = moment_dof(first[None], self.degrees_of_freedom)[0]
        means = (shares * np.array(relative)[:, None]).sum(axis=0)
        return joined.reshape(-1, *shape), dof.reshape(shape), means.reshape(shape)


@one_blas_thread
def kriging_map(
    table: TableKernel, rows: Codes, weights: Floats, n_columns: int, rng: np.random.Generator
) -> ErrorMap:
    """Errors of chosen rows (n,) of a table with weights (n,)."""
    n = rows.size
    if n == table.weights.size:
        return ErrorMap.none(n)
    if n == 1:
        return ErrorMap(np.full((1, 1), np.nan), 0.0)
    size = table.size or 1.0  # where nothing tells rows apart, each has its own
    contrasts = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    contrasts = np.ascontiguousarray(contrasts)
    own_left = float(np.square(weights - table.weights[rows]).sum())
    own_left += float(np.square(np.delete(table.weights, rows)).sum())
    kernel = table.of_rows(rows) + table.of_means(rows)
    left = weights @ kernel @ weights + table.unknown
    columns = [_Column.of_rows(table, j, rows, weights, own_left) for j in table.columns]
    covariances: list[Covariance] = []
    for nugget in NUGGETS:
        own = nugget * size
        root = np.linalg.cholesky(contrasts.T @ (kernel + own * np.eye(n)) @ contrasts)
        whitened = np.ascontiguousarray(solve_triangular(root, np.eye(n - 1), lower=True))
        half = contrasts @ whitened.T
        inner = half @ half.T
        factor = max(float(left + own * own_left), 0.0) / np.sum(np.square(weights) / np.diag(inner))
        components = inner / np.diag(inner) * weights * np.sqrt(factor)
        of_columns = np.ones(n_columns)
        for one in columns:
            of_columns[one.column] = one.relative_to(components)
        relative = max(float(left + own * own_left), 0.0) / (size + table.size_of_means + own)
        log_determinant = 2.0 * float(np.log(np.diag(root)).sum())
        kept = np.ascontiguousarray((contrasts.T @ components).T)
        covariances.append(Covariance(kept, whitened, log_determinant, float(relative), of_columns))
    signs = _signs(n, rng)
    if n > MOST_ROWS:
        middle = covariances[len(covariances) // 2]
        functionals = contrasts @ middle.components.T @ signs.T
        return ErrorMap(functionals, n - 1.0, relative=middle.relative)
    return KrigingErrors(
        contrasts, n - 1.0, covariances=tuple(covariances), signs=signs if n > MOST_COMPONENTS else None
    )


@dataclass(frozen=True)
class _Column:
    """The covariance (n, n) of what depends on one column alone, and the variance of its weighted mean."""

    column: int
    covariance: Floats
    left: float

    @classmethod
    def of_rows(
        cls, table: TableKernel, column: int, rows: Codes, weights: Floats, own_left: float
    ) -> _Column:
        kernel = table.of_column(column, rows) / table.size_of_column(column)
        nugget = 0.0 if table.is_label(column) else COLUMN_NUGGET  # rows with one label are the same
        left = max(float(weights @ kernel @ weights), 0.0) + nugget * own_left
        return cls(column, kernel + nugget * np.eye(rows.size), left)

    def relative_to(self, components: Floats) -> float:
        """Variance relative to that which components (n, n) state; at most 1."""
        stated = float(np.einsum("ji,jk,ki->", components, self.covariance, components))
        if not stated > 0.0:
            return 1.0
        return float(np.clip(ALONE * self.left / stated + 1.0 - ALONE, 0.0, 1.0))


def _signs(n: int, rng: np.random.Generator) -> Floats:
    """Matrix (50, n) that adds up components in 50 groups with random signs."""
    groups = np.argsort(rng.permutation(n)) % MOST_COMPONENTS
    return np.asarray((groups == np.arange(MOST_COMPONENTS)[:, None]) * rng.choice([-1.0, 1.0], n))


def _scaled(components: Floats, variance: Floats) -> Floats:
    """Components (n, ...) whose squares sum to the variance (...)."""
    own = sum_of_squares(components, 0)
    factor = np.sqrt(np.divide(variance, own, out=np.zeros_like(own), where=own > 0.0))
    return np.asarray(components * factor)
