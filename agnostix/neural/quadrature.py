"""Integrals over a path from 0 to 1, of many rows and outputs at once. Imports torch.

The adaptive rule divides the path into cells and takes the integrand at their centers. Nine cells of one
width are a panel. Its integral is the midpoint sum of all nine, extrapolated by those of every third cell and
of the middle one (Romberg). A panel with a large error is divided into three: each of its cells becomes
three, of which the middle one keeps its center, so that no evaluation is lost. All nodes lie inside the path:
at its start, such as a black image, a network of ReLUs may have a gradient that it has nowhere else.

Errors are those of jumps anywhere in a cell, as networks of ReLUs have them, and their sizes are measured by
fourth differences of the nodes, which vanish quickly where the integrand is smooth. Those of panels are
independent, so that their squares add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch

from agnostix.core.typing import Bools, Codes, Floats

N_CELLS = 9
"""Of a panel."""
N_FIRST = N_CELLS + 2
"""Nodes at first: a panel's, and one near each end of the path, which shows whether jumps are there."""
N_NEW = 18
"""Nodes that dividing a panel adds."""
_NEW = [0, 2, 3, 5, 6, 8]
"""Cells of a panel, made by dividing another one, whose centers are new."""
_ONE = np.array([0, 0, 0, 0, 1, 0, 0, 0, 0])
_THREE = np.array([0, 1, 0, 0, 1, 0, 0, 1, 0]) / 3
_NINE = np.full(N_CELLS, 1 / 9)
_ROMBERG = (81 * (9 * _NINE - _THREE) / 8 - (9 * _THREE - _ONE) / 8) / 80
"""Weights of a panel's cells, exact for integrands of degree 5."""
_OF_JUMP = 20.0
"""Sum of the squared fourth differences of nodes between which the integrand jumps by 1."""
_AT_BORDER = 18.0**0.5
"""Factor of a third difference where fourth ones are not known: with it, no jump counts less."""
_NEAR_0 = 0.1
"""Share of the variation along the path below which a value, or the difference of the ends, is near 0."""
_N_SIGMA = 2.0
"""Standard deviations of the error that must be within the tolerance."""
_AT_FIRST = 10.0
"""Times that the error of the whole path as one panel counts, of which little is seen."""
_STALLED, _N_STALLED = 0.25, 2
"""Relative change of a gap below which more nodes do not help, and how often in a row."""
_ROUNDINGS = 8.0
"""Roundings of the ends that a gap may have."""
_TIP = 1e-3
"""Distance from the ends, at most, of what shows jumps near them."""
_STATE_BYTES = 32 * 2**20
"""Of the integrand at the nodes of open panels, where there are several rows or outputs."""

Integrand = Callable[[Codes, Floats, Codes], Any]
"""From rows (n,), positions on the path (n,) and outputs (n_outputs,) to a tensor (n, ..., n_outputs)."""


def gauss_legendre(n_nodes: int) -> tuple[Floats, Floats]:
    """Nodes and weights on the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1.0) / 2.0, weights / 2.0


@dataclass(frozen=True)
class Ends:
    """Scores where the path starts and ends, each (n_rows, n_outputs), rounded to a relative eps."""

    start: Floats
    end: Floats
    eps: float


@dataclass
class PathIntegrals:
    """Integrals of rows and outputs, and how far they can be trusted."""

    values: Any  # tensor (n_rows, ..., n_outputs) in double precision
    errors: Floats  # (n_rows, n_outputs), estimated, relative to the largest value
    gaps: Floats  # (n_rows, n_outputs), sizes, relative to the difference of the ends
    n_nodes: Codes  # (n_rows, n_outputs)
    is_converged: Bools  # (n_rows, n_outputs)


def rows_at_a_time(shape: tuple[int, ...]) -> int:
    """Rows whose first nodes are held at a time, of integrals of a shape (n_rows, ..., n_outputs)."""
    return max(1, _STATE_BYTES // (N_FIRST * 8 * int(np.prod(shape[1:]))))


def integrate(integrand: Integrand, ends: Ends, tolerance: float, max_nodes: int) -> PathIntegrals:
    """Integrals by panels that are divided until values and their sum are within a relative tolerance.

    The integrand is the derivative of the score along the path, in parts that sum to it. Each row and output
    has nodes of its own choice, at most max_nodes, whatever the others are.
    """
    n_rows, n_outputs = ends.start.shape
    rows, outputs = np.arange(n_rows), np.arange(n_outputs)
    tip = min(float(np.sqrt(ends.eps)), _TIP)
    first = np.concatenate([[tip], (np.arange(N_CELLS) + 0.5) / N_CELLS, [1.0 - tip]])
    nodes = integrand(np.repeat(rows, N_FIRST), np.tile(first, n_rows), outputs)
    nodes = nodes.reshape(n_rows, N_FIRST, *nodes.shape[1:])
    is_open = np.ones((n_rows, n_outputs), dtype=bool)
    level = _Level(rows, np.zeros(n_rows), 1.0, outputs, is_open, nodes[:, 1:-1])
    run = _Run.begin(level, nodes[:, [0, -1]], ends, tolerance, max_nodes)
    waiting = [run.settle(level)]
    while waiting:
        level = waiting.pop()
        parts = level.halves() if 3 * level.nodes.nbytes > _STATE_BYTES else [level]
        if len(parts) > 1:
            waiting += parts
        elif len(level.rows):
            waiting.append(run.settle(level.divide(integrand)))
    return run.result


@dataclass(frozen=True)
class _Level:
    """Panels of one width."""

    rows: Codes  # (n_panels,)
    lefts: Floats  # (n_panels,), where they begin
    width: float
    outputs: Codes  # (n_outputs,), which of all
    is_open: Bools  # (n_panels, n_outputs), whether the output has the panel
    nodes: Any  # tensor (n_panels, 9, ..., n_outputs)

    def integrals(self) -> Any:
        """Integrals (n_panels, ..., n_outputs) over the panels."""
        # One node after the other, so that the bits of a panel do not depend on how many there are.
        weights = (self.width * _ROMBERG).tolist()
        return reduce(add, (w * node for w, node in zip(weights, self.nodes.unbind(1), strict=True)))

    def differences(self, tips: Any) -> Iterator[Any]:
        """Differences (n_panels, ..., n_outputs) of nodes, whose squares sum to 20 where these jump by 1.

        Of fourth order; at the ends of a panel they reach over two nodes of its neighbor, where an output has
        that at the same level. Elsewhere they are of third order there, and larger. The first and the last
        panel are compared with the tips (n_rows, 2, ..., n_outputs) of the path.
        """
        touches = (self.rows[1:] == self.rows[:-1]) & np.isclose(self.lefts[1:], self.lefts[:-1] + self.width)
        both = touches[:, None] & self.is_open[1:] & self.is_open[:-1]
        none = np.zeros((1, both.shape[1]), dtype=bool)
        left, right = self.nodes[:, -2:].roll(1, dims=0), self.nodes[:, :2].roll(-1, dims=0)
        own = self.nodes.unbind(1)
        nodes = [*left.unbind(1), *own, *right.unbind(1)]

        def fourth(first: int) -> Any:
            a, b, c, d, e = nodes[first : first + 5]
            return (a + e) - 4.0 * (b + d) + 6.0 * c

        yield from map(fourth, range(2, N_CELLS - 2))
        starts, ends = np.isclose(self.lefts, 0.0), np.isclose(self.lefts + self.width, 1.0)
        for has, is_end, tip, inner, outer, (a, b, c, d) in (
            (np.concatenate([none, both]), starts, 0, 1, 0, own[:4]),
            (np.concatenate([both, none]), ends, 1, N_CELLS - 2, N_CELLS - 1, own[:-5:-1]),
        ):
            known, last = (
                _spread(torch.as_tensor(one, device=a.device), a) for one in (has, is_end[:, None])
            )
            yield torch.where(known, fourth(inner), 0.0)
            yield torch.where(known, fourth(outer), _AT_BORDER * ((d - a) + 3.0 * (b - c)))
            beyond = tips[self.rows, tip][..., self.outputs] - (15.0 * a - 10.0 * b + 3.0 * c) / 8.0
            yield torch.where(last, _OF_JUMP**0.5 * beyond, 0.0)

    def divide(self, integrand: Integrand) -> _Level:
        """Each panel divided into three."""
        rows, third = np.repeat(self.rows, 3), self.width / 3.0
        lefts = (self.lefts[:, None] + third * np.arange(3)).ravel()
        positions = lefts[:, None] + third * (np.array(_NEW) + 0.5) / N_CELLS
        new = integrand(np.repeat(rows, len(_NEW)), positions.ravel(), self.outputs)
        shape = new.shape[1:]
        nodes = new.new_empty((len(rows), N_CELLS, *shape))
        nodes[:, 1::3] = self.nodes.reshape(len(rows), 3, *shape)
        nodes[:, _NEW] = new.reshape(len(rows), len(_NEW), *shape)
        return _Level(rows, lefts, third, self.outputs, np.repeat(self.is_open, 3, axis=0), nodes)

    def halves(self) -> list[_Level]:
        """Two parts, of other rows or else of other outputs; one for a single row and output."""
        distinct = np.unique(self.rows)
        if len(distinct) > 1:
            is_first = self.rows < distinct[len(distinct) // 2]
            return [self.take(is_first), self.take(~is_first)]
        half = len(self.outputs) // 2
        return [self._of(slice(half)), self._of(slice(half, None))] if half else [self]

    def take(self, panels: Bools) -> _Level:
        """Some of the panels."""
        if bool(np.all(panels)):
            return self
        places = torch.as_tensor(np.flatnonzero(panels), device=self.nodes.device)
        return replace(
            self,
            rows=self.rows[panels],
            lefts=self.lefts[panels],
            is_open=self.is_open[panels],
            nodes=self.nodes[places],
        )

    def _of(self, columns: slice) -> _Level:
        is_open, nodes = self.is_open[:, columns], self.nodes[..., columns].clone()
        level = replace(self, outputs=self.outputs[columns], is_open=is_open, nodes=nodes)
        return level.take(np.any(is_open, axis=1))


@dataclass
class _Run:
    """State of an integration, each (n_rows, n_outputs); errors are counted in tolerances."""

    tips: Any  # tensor (n_rows, 2, ..., n_outputs), the integrand near the ends of the path
    ends: Ends
    tolerance: float
    max_nodes: int
    result: PathIntegrals  # values are sums over closed panels
    spans: Floats  # size of the difference of the ends, or what counts where it is near 0
    least: Floats  # size of the largest value that counts where it is near 0
    closed: Floats  # sums of squared errors of closed panels
    n_stalled: Codes  # how often in a row more nodes have not helped; -1 while errors are large

    @classmethod
    def begin(cls, level: _Level, tips: Any, ends: Ends, tolerance: float, max_nodes: int) -> _Run:
        """Nothing is closed yet; the first level has the whole path as a panel."""
        shape = ends.start.shape
        slopes = _sums(level.nodes.flatten(0, 1)).reshape(shape[0], N_CELLS, shape[1])
        spans = np.maximum(np.abs(ends.end - ends.start), _NEAR_0 * np.abs(slopes).mean(axis=1))
        least = _NEAR_0 * _largest(level.nodes.abs().mean(dim=1))
        values = torch.zeros_like(level.nodes[:, 0], dtype=torch.float64)
        zeros, is_converged = np.zeros((3, *shape)), np.zeros(shape, dtype=bool)
        n_nodes = np.full(shape, N_FIRST)
        result = PathIntegrals(values, zeros[0], zeros[1], n_nodes, is_converged)
        return cls(tips, ends, tolerance, max_nodes, result, spans, least, zeros[2], np.full(shape, -1))

    def settle(self, level: _Level) -> _Level:
        """Close panels; those that are to be divided remain."""
        integrals = level.integrals()
        rows, of_panels = np.unique(level.rows, return_inverse=True)
        among = np.ix_(rows, level.outputs)
        estimates = self._estimates(level, integrals, rows, of_panels)
        scales = np.maximum(_largest(estimates), self.least[among])
        gaps = np.abs((self.ends.end - self.ends.start)[among] - _sums(estimates))
        errors = self._errors(level, scales[of_panels], self.spans[among][of_panels])
        divided = np.zeros_like(level.is_open)
        for r, row in enumerate(rows):
            for k, output in enumerate(level.outputs):
                panels = np.flatnonzero((of_panels == r) & level.is_open[:, k])
                if panels.size:
                    chosen = self._choose(row, output, errors[panels, k], gaps[r, k])
                    divided[panels[chosen], k] = True
        self._close(level, integrals, level.is_open & ~divided)
        np.add.at(self.closed, (level.rows[:, None], level.outputs), np.where(divided, 0.0, errors**2))
        return replace(level, is_open=divided).take(np.any(divided, axis=1))

    def _estimates(self, level: _Level, integrals: Any, rows: Codes, of_panels: Codes) -> Any:
        """Integrals (n_rows, ..., n_outputs) of rows by all panels, open or closed."""
        estimates = self.result.values[rows][..., level.outputs]
        places = torch.as_tensor(of_panels, device=integrals.device)
        return estimates.index_add_(0, places, _where(level.is_open, integrals))

    def _errors(self, level: _Level, scales: Floats, spans: Floats) -> Floats:
        """Errors (n_panels, n_outputs) of panels, of the largest value or of the sum, in tolerances."""
        squares, of_sums = torch.zeros_like(level.nodes[:, 0]), np.zeros(level.is_open.shape)
        for difference in level.differences(self.tips):
            squares += difference**2
            of_sums += _sums(difference) ** 2
        # An integrand that jumps anywhere in a cell has the error of a uniform distribution.
        factor = _N_SIGMA * level.width / N_CELLS / np.sqrt(12.0 * _OF_JUMP) / self.tolerance
        factor *= _AT_FIRST if level.width == 1.0 else 1.0
        of_values = np.sqrt(_largest(squares))
        relative = [
            np.divide(factor * size, of, out=np.zeros_like(size), where=of > 0)
            for size, of in ((of_values, scales), (np.sqrt(of_sums), spans))
        ]
        return np.where(level.is_open, np.maximum(*relative), 0.0)

    def _choose(self, row: int, output: int, errors: Floats, gap: float) -> Codes:
        """Which of the open panels of a row and output, with these errors, are to be divided."""
        at, result = (row, output), self.result
        total = float(np.sqrt(self.closed[at] + np.sum(errors**2)))
        rounding = _ROUNDINGS * self.ends.eps * max(abs(self.ends.start[at]), abs(self.ends.end[at]))
        allowed = self.tolerance * self.spans[at] + rounding
        share = gap / self.spans[at] if self.spans[at] > 0 else 0.0
        is_same = self.n_stalled[at] >= 0 and abs(share - result.gaps[at]) <= _STALLED * share
        self.n_stalled[at] = -1 if total > 1 else self.n_stalled[at] + 1 if is_same else 0
        result.errors[at], result.gaps[at] = total * self.tolerance, share
        result.is_converged[at] = total <= 1 and gap <= allowed
        if result.is_converged[at] or self.n_stalled[at] == _N_STALLED:
            return np.zeros(0, dtype=np.intp)
        # Half of what the square of the error may be is left to the panels that are closed now, in equal
        # parts. Where the errors are small already and the sum is not, all panels are divided.
        most = max(1.0 - self.closed[at], 0.0) / (2.0 * errors.size) if total > 1 else -1.0
        n_most = max(0, self.max_nodes - result.n_nodes[at]) // N_NEW
        chosen = np.flatnonzero(errors**2 > most)
        chosen = chosen[np.argsort(-errors[chosen], kind="stable")[:n_most]]
        result.n_nodes[at] += N_NEW * chosen.size
        return chosen

    def _close(self, level: _Level, integrals: Any, closed: Bools) -> None:
        """Add panels to the sums."""
        places = torch.as_tensor(level.rows, device=integrals.device)
        sums = torch.zeros_like(self.result.values[..., level.outputs])
        sums.index_add_(0, places, _where(closed, integrals))
        self.result.values[..., level.outputs] += sums


def _where(chosen: Bools, tensor: Any) -> Any:
    """A tensor (n, ..., n_outputs) in double precision, 0 where it is not chosen (n, n_outputs)."""
    mask = _spread(torch.as_tensor(chosen, device=tensor.device), tensor)
    return torch.where(mask, tensor.double(), 0.0)


def _spread(mask: Any, tensor: Any) -> Any:
    """A mask (n, n_outputs) that broadcasts to a tensor (n, ..., n_outputs)."""
    return mask.reshape(len(mask), *[1] * (tensor.ndim - 2), -1)


def _sums(tensor: Any) -> Floats:
    """Sums (n, n_outputs) over all places of (n, ..., n_outputs)."""
    # Places last, so that the bits of a sum do not depend on how many outputs there are.
    return tensor.double().flatten(1, -2).mT.contiguous().sum(dim=2).cpu().numpy()


def _largest(tensor: Any) -> Floats:
    """Largest sizes (n, n_outputs) over all places of (n, ..., n_outputs)."""
    return tensor.abs().flatten(1, -2).amax(dim=1).double().cpu().numpy()
