"""Relevance that biases, stabilizers and offsets absorb, row by row, computed where it is absorbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agnostix.neural.operations.row_axis import RowAxis, RowsMixedError

BIAS, EPSILON, OFFSET, SOFTMAX = CAUSES = ("bias", "epsilon", "offset", "softmax")


class Conservation:
    """What the operations of a forward pass absorb in one backward pass: relevance (n_rows,) by cause.

    `row_axes` says where the rows are in the outputs of the operations, in their order; None in a trial, which
    records the shapes.
    """

    def __init__(self, n_rows: int, row_axes: Sequence[RowAxis | None] | None, absorbs_bias: bool) -> None:
        self.n_rows = n_rows
        self.absorbs_bias = absorbs_bias
        self.accounts: list[Account] = []
        self.absorbed: dict[str, Any] = {}
        self.largest_size: Any = 0.0  # (n_rows,), of the sums of absolute relevance over operations
        self._row_axes = row_axes

    def begin(self) -> None:
        """Start a backward pass."""
        self.absorbed = {}
        self.largest_size = 0.0

    def enter(self, shape: Sequence[int]) -> Account:
        """The account of the next operation in the forward pass, with output of some shape."""
        account = Account(self, tuple(shape), self._axis_of(shape))
        self.accounts.append(account)
        return account

    def _axis_of(self, shape: Sequence[int]) -> RowAxis:
        if self.n_rows == 1 or self._row_axes is None:
            return RowAxis()
        place = len(self.accounts)
        axis = self._row_axes[place] if place < len(self._row_axes) else None
        if axis is None or axis.axis >= len(shape) or shape[axis.axis] % self.n_rows:
            raise RowsMixedError
        return axis


class Account:
    """What one operation absorbs."""

    def __init__(self, whole: Conservation, shape: tuple[int, ...], row_axis: RowAxis) -> None:
        self.shape = shape
        self.output: Any = None  # with its graph, in a trial
        self._whole = whole
        self._row_axis = row_axis

    @property
    def absorbs_bias(self) -> bool:
        """Whether biases keep their share, or leave it to the inputs."""
        return self._whole.absorbs_bias

    def absorb(self, cause: str, amounts: Any) -> None:
        """Add amounts, in the shape of the output, to what a cause absorbs."""
        total = self._sum(amounts)
        absorbed = self._whole.absorbed
        absorbed[cause] = absorbed[cause] + total if cause in absorbed else total

    def note_size(self, relevance: Any) -> None:
        """Let the size of relevance at the output, its absolute sum, count."""
        size = self._sum(relevance.abs())
        largest = self._whole.largest_size
        self._whole.largest_size = size if isinstance(largest, float) else largest.maximum(size)

    def root_mean_square(self, output: Any) -> Any:
        """Of the output of each row, to broadcast to it."""
        values = self._row_axis.rows_first(output, self._whole.n_rows)
        return self._row_axis.spread(values.square().mean(dim=1).sqrt(), self.shape)

    def _sum(self, amounts: Any) -> Any:
        """Sums (n_rows,) in double precision."""
        values = self._row_axis.rows_first(amounts.expand(self.shape), self._whole.n_rows)
        return values.sum(dim=1).double()
