"""Where the rows of a batch are in an inner tensor, found from the shapes for one row and for two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class RowsMixedError(Exception):
    """The rows of an inner tensor cannot be told apart, so that rows have to be passed one at a time."""


@dataclass(frozen=True)
class RowAxis:
    """The axis that has the rows; with others merged into it, as heads, after the rows or before them."""

    axis: int = 0
    is_inner: bool = False

    def rows_first(self, tensor: Any, n_rows: int) -> Any:
        """A tensor (n_rows, n) with all values of each row."""
        if n_rows == 1:
            return tensor.reshape(1, -1)
        if tensor.ndim <= self.axis or tensor.shape[self.axis] % n_rows:
            raise RowsMixedError
        tensor = tensor.movedim(self.axis, 0)
        if self.is_inner:
            return tensor.reshape(-1, n_rows, tensor[0].numel()).transpose(0, 1).flatten(1)
        return tensor.reshape(n_rows, -1)

    def spread(self, numbers: Any, shape: Sequence[int]) -> Any:
        """Numbers (n_rows,) as a tensor that broadcasts to one of some shape."""
        sizes = [1] * len(shape)
        n_rows = len(numbers)
        if n_rows > 1:
            each = shape[self.axis] // n_rows
            numbers = numbers.repeat(each) if self.is_inner else numbers.repeat_interleave(each)
            sizes[self.axis] = shape[self.axis]
        return numbers.reshape(sizes)


def find_row_axis(one: Sequence[int], two: Sequence[int]) -> RowAxis | None:
    """The axis of tensors whose shapes are known for one row and for two; None where there is not one."""
    if len(one) != len(two):
        return None
    differing = [axis for axis in range(len(one)) if one[axis] != two[axis]]
    if len(differing) != 1 or two[differing[0]] != 2 * one[differing[0]]:
        return None
    return RowAxis(differing[0])
