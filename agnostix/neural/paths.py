"""Straight paths from baselines to rows, and the gradient of a torch network along them. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agnostix.core.base import OutputSelection
from agnostix.core.models.torch_functional import to_array
from agnostix.core.typing import Codes, Floats
from agnostix.neural.layer_axes import Axes
from agnostix.neural.network import Network, failures_named


class Paths:
    """Straight paths to rows, in the input or in the output of a layer.

    The integrand at a position, from 0 where a path starts to 1 at the row, is the gradient there times the
    difference of the two, put together over `axes`. Its parts sum to the derivative of the score.
    """

    def __init__(
        self,
        network: Network,
        rows: Any,
        selection: OutputSelection,
        axes_of: Callable[[Any, Any], Axes],
    ) -> None:
        self._network = network
        self._rows = rows  # array (n_rows, ...)
        self._ends = network.points(rows)
        self._axes = axes_of(self._ends, rows)  # of points, over which values are summed; None for none
        self._starts: Callable[[Codes], Any]  # from numbers of paths (n,) to points (n, ...)
        self.n_model_rows = 0 if network.is_input else len(rows)
        self._scores = self._score(self._ends, rows)
        self.predictions = to_array(network.predictions(self._scores))
        self._columns = selection.indices(self.predictions)
        self.outputs = self._pick(self._scores)  # (n_rows, n_outputs), where the paths end

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values of all rows."""
        places = [n for j, n in enumerate(self._ends.shape) if j > 0 and j not in (self._axes or ())]
        return (len(self), *places, self._columns.shape[1])

    @property
    def eps(self) -> float:
        """Relative rounding of scores."""
        return torch.finfo(self._network.session.dtype).eps

    def start_at(self, baselines: Any) -> tuple[Floats, Codes]:
        """Start at baselines (n_rows or 1, ...), or for None at 0: scores there, and rows that differ."""
        starts = (
            self._ends.new_zeros((1, *self._ends.shape[1:])) if baselines is None else self._points(baselines)
        )
        # Other parts of the network than a layer see the row itself.
        n_scored = len(starts) if self._network.is_input else len(self)
        scores = self._score(starts.expand(n_scored, *starts.shape[1:]), self._rows[:n_scored])
        starts = starts.expand(self._ends.shape)
        self._starts = lambda rows: starts[torch.as_tensor(rows, device=starts.device)]
        differs = (starts != self._ends).flatten(1).any(dim=1).cpu().numpy()
        # In batches of other sizes the same row may have scores that differ by rounding.
        picked = np.where(differs[:, None], self._pick(scores.expand(len(self), -1)), self.outputs)
        return picked, np.flatnonzero(differs)

    def start_at_draws(self, rows: Any, scores: Floats) -> Floats:
        """Let path j start at rows[j]; mean scores (n_rows, n_outputs) from those of all (n_outputs,)."""
        self._starts = lambda paths: self._points(rows[paths])
        return np.take_along_axis(np.broadcast_to(scores, self._scores.shape), self._columns, axis=1)

    def integrand(self, among: Codes, places: Codes, positions: Floats, outputs: Codes) -> Any:
        """Tensor (n, ..., n_outputs) at positions (n,) on paths to rows among[places], of some outputs."""
        rows = among[places]
        return torch.cat(
            self._in_batches(
                len(rows),
                len(outputs),
                lambda part: self._at(rows[part], rows[part], positions[part], outputs),
            )
        )

    def weighted_sum(self, paths: Codes, rows: Codes, positions: Floats, weights: Floats) -> Any:
        """Sums (n_rows, ..., n_outputs) of the integrand at n positions on n paths to n rows."""
        outputs = np.arange(self._columns.shape[1])
        total = torch.zeros(self.shape, dtype=torch.float64, device=self._ends.device)

        def compute(part: slice) -> None:
            values = self._at(paths[part], rows[part], positions[part], outputs).double()
            factors = _column(weights[part], values)
            total.index_add_(0, torch.as_tensor(rows[part], device=total.device), factors * values)

        self._in_batches(len(rows), len(outputs), compute)
        return total

    def _at(self, paths: Codes, rows: Codes, positions: Floats, outputs: Codes) -> Any:
        """Integrand (n, ..., n_outputs)."""
        starts, ends = self._starts(paths), self._ends[torch.as_tensor(rows, device=self._ends.device)]
        differences = ends - starts
        points = (starts + _column(positions, ends) * differences).requires_grad_()
        scores = self._network.scores(points, self._rows[rows])
        gradients = self._network.gradients(scores, points, self._columns[rows][:, outputs])
        self.n_model_rows += len(rows)
        values = gradients * differences[..., None]
        return values if self._axes is None else values.sum(dim=self._axes)

    def _in_batches(self, n: int, n_outputs: int, compute: Callable[[slice], Any]) -> list[Any]:
        """Results for slices of n copies of a row whose graphs fit into memory."""
        copies = np.broadcast_to(self._rows[:1], (n, *self._rows.shape[1:]))
        n_numbers = self._ends[0].numel() * n_outputs
        return list(self._network.session.in_batches(copies, compute, n_numbers=n_numbers))

    def _points(self, rows: Any) -> Any:
        self.n_model_rows += 0 if self._network.is_input else len(rows)
        return self._network.points(rows)

    def _score(self, points: Any, rows: Any) -> Any:
        self.n_model_rows += len(rows)
        with torch.no_grad():
            return self._network.scores(points, rows)

    def _pick(self, scores: Any) -> Floats:
        return np.take_along_axis(to_array(scores), self._columns, axis=1)


def mean_scores(network: Network, model: str, rows: Any, counts: Codes) -> Floats:
    """Mean scores (n_outputs,) of rows (n_rows, ...) that count several times."""

    def score(part: slice) -> Floats:
        with failures_named(model, part.start, part.stop - 1):
            return to_array(network.scores(network.points(rows[part]), rows[part]))

    with torch.no_grad():
        parts = network.session.in_batches(rows, score)
    return np.asarray(np.average(np.concatenate(parts), axis=0, weights=counts))


def _column(numbers: Floats, tensor: Any) -> Any:
    """Numbers (n,) as a tensor that broadcasts to one (n, ...)."""
    column = torch.as_tensor(numbers, dtype=tensor.dtype, device=tensor.device)
    return column.reshape(-1, *[1] * (tensor.ndim - 1))
