"""Relevance that biases, stabilizers and offsets absorb, row by row, computed where it is absorbed."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from agnostix.neural.operations.row_axis import RowAxis, RowsMixedError

BIAS, EPSILON, OFFSET, SOFTMAX = CAUSES = ("bias", "epsilon", "offset", "softmax")
SIZE = "size"
"""Of relevance, its absolute sum: not absorbed, but counted like it."""


class Conservation:
    """What the operations of a forward pass absorb in one backward pass: relevance (n_rows,) by cause.

    `row_axes` says where the rows are in the outputs of the operations, in their order; None in a trial,
    which records the shapes.
    """

    def __init__(self, n_rows: int, row_axes: Sequence[RowAxis | None] | None, absorbs_bias: bool) -> None:
        self.n_rows = 1 if row_axes is None else n_rows  # a trial knows no rows
        self.absorbs_bias = absorbs_bias
        self.accounts: list[Account] = []
        self.absorbed: dict[str, Any] = {}
        self.largest_size: Any = None  # (n_rows,), of the sums of absolute relevance over operations
        self._row_axes = row_axes

    def begin(self) -> None:
        """Start a backward pass."""
        self.absorbed = {}
        self.largest_size = None

    def enter(self, shape: Sequence[int]) -> Account:
        """The account of the next operation in the forward pass, with output of some shape."""
        account = Account(self, tuple(shape), self._axis_of(shape))
        self.accounts.append(account)
        return account

    def ignore(self, nodes: Container[Any]) -> None:
        """Count nothing of the operations whose outputs are nodes of the graph."""
        for account in self.accounts:
            if account.output is not None and account.output.grad_fn in nodes:
                account.is_ignored = True

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
        self.is_ignored = False
        self._whole = whole
        self._row_axis = row_axis
        self._in_rows: dict[str, list[float]] = {}

    @property
    def absorbs_bias(self) -> bool:
        """Whether biases keep their share, or leave it to the inputs."""
        return self._whole.absorbs_bias

    @property
    def has_rows_first(self) -> bool:
        """Whether the first axis of the output has the rows, each before the next."""
        return self._row_axis == RowAxis() and len(self.shape) > 0 and self.shape[0] % self._whole.n_rows == 0

    def absorb(self, cause: str, amounts: Any) -> None:
        """Add amounts, in the shape of the output, to what a cause absorbs."""
        if self.is_ignored:
            return
        self._add(cause, self._sum(amounts))

    def absorb_in_row(self, place: int, n_places: int, sums: dict[str, float], like: Any) -> None:
        """Add sums by cause of one place of n_places on the first axis, of a tensor like another one."""
        row = place * self._whole.n_rows // n_places
        for cause, total in sums.items():
            self._in_rows.setdefault(cause, [0.0] * self._whole.n_rows)[row] += total
        if place == n_places - 1:
            for cause, totals in self._in_rows.items():
                self._add(cause, like.new_zeros(()).double().new_tensor(totals))
            self._in_rows = {}

    def _add(self, cause: str, totals: Any) -> None:
        whole = self._whole
        if cause == SIZE:
            whole.largest_size = totals if whole.largest_size is None else whole.largest_size.maximum(totals)
        else:
            known = whole.absorbed.get(cause)
            whole.absorbed[cause] = totals if known is None else known + totals

    def root_mean_square(self, output: Any) -> Any:
        """Of the output of each row, to broadcast to it."""
        values = self._row_axis.rows_first(output, self._whole.n_rows)
        return self._row_axis.spread(values.square().mean(dim=1).sqrt(), self.shape)

    def _sum(self, amounts: Any) -> Any:
        """Sums (n_rows,) in double precision."""
        amounts = amounts.expand(self.shape)
        if self.has_rows_first and self.shape[0] == self._whole.n_rows:
            axes = tuple(range(1, len(self.shape)))
            return (amounts.sum(dim=axes) if axes else amounts).double()
        return self._row_axis.rows_first(amounts, self._whole.n_rows).sum(dim=1).double()


class StepsAccount(Account):
    """What the steps of a recurrent layer absorb, each an operation of its own; amounts are of all steps."""

    def __init__(self, whole: Conservation, sizes: Sequence[int], n_units: int) -> None:
        self.steps = [whole.enter((size, n_units)) for size in sizes]
        super().__init__(whole, (len(sizes) * sizes[0], n_units), RowAxis())
        self._sizes = sizes  # rows of each step; amounts have sizes[0] for each, of which the rest is 0
        self._is_inner = any(one._row_axis.is_inner for one in self.steps)

    @property
    def has_rows_first(self) -> bool:
        """Whether the first axis of the output has the rows, each before the next."""
        return False

    def absorb(self, cause: str, amounts: Any) -> None:
        """Add amounts (n_steps * n, n_units) to what a cause absorbs."""
        if not self.is_ignored:
            self.absorb_sums(cause, amounts.expand(self.shape).sum(dim=1))

    def absorb_sums(self, cause: str, sums: Any) -> None:
        """Add sums over units, of all steps or of one (n_steps * n or n,)."""
        totals = self._by_row(sums)
        self._add(cause, totals.amax(dim=0) if cause == SIZE else totals.sum(dim=0))

    def root_mean_square(self, output: Any) -> Any:
        """Of the output of each row and step (n_steps * n, 1)."""
        counts = output.new_tensor(self._sizes)
        squares = output.square().mean(dim=1).reshape(len(counts), -1)
        n = squares.shape[1]
        if self._sizes[-1] < n:
            squares = squares * (squares.new_tensor(range(n)) < counts[:, None])
        n_rows = self._whole.n_rows
        means = (self._by_row(squares.flatten()) * n_rows / counts[:, None]).sqrt().to(output)
        spread = means.repeat(1, n // n_rows) if self._is_inner else means.repeat_interleave(n // n_rows, 1)
        return spread.reshape(-1, 1)

    def _by_row(self, sums: Any) -> Any:
        """Sums (n_steps, n_rows) in double precision."""
        parts, n_rows = sums.double().reshape(-1, self._sizes[0]), self._whole.n_rows
        if self._is_inner:
            return parts.reshape(len(parts), -1, n_rows).sum(dim=1)
        return parts.reshape(len(parts), n_rows, -1).sum(dim=2)
