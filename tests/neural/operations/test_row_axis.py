"""Where rows are in inner tensors, and sums over all else."""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from agnostix.neural.operations.row_axis import RowAxis, RowsMixedError, find_row_axis  # noqa: E402


@pytest.mark.parametrize(
    ("one", "two", "axis"),
    [
        ((1, 3), (2, 3), 0),
        ((5, 1, 3), (5, 2, 3), 1),
        ((4, 3), (8, 3), 0),
        ((4, 3), (4, 3), None),  # not of the rows
        ((1, 1), (2, 2), None),  # of pairs of rows
        ((1, 3), (3, 3), None),
        ((1, 3), (2, 3, 1), None),
        ((), (), None),
    ],
)
def test_axis_that_doubles_has_the_rows(one, two, axis):
    assert find_row_axis(one, two) == (None if axis is None else RowAxis(axis))


@given(
    n_rows=st.integers(1, 4),
    n_merged=st.integers(1, 3),
    others=st.lists(st.integers(1, 3), max_size=2),
    place=st.integers(0, 2),
    is_inner=st.booleans(),
)
def test_values_of_each_row_are_told_apart(n_rows, n_merged, others, place, is_inner):
    place = min(place, len(others))
    rows = torch.arange(n_rows)
    merged = rows.repeat(n_merged) if is_inner else rows.repeat_interleave(n_merged)
    shape = [*others[:place], n_rows * n_merged, *others[place:]]
    sizes = [1] * len(shape)
    sizes[place] = n_rows * n_merged
    tensor = merged.reshape(sizes).expand(shape)
    axis = RowAxis(place, is_inner)
    first = axis.rows_first(tensor, n_rows)
    assert first.shape == (n_rows, tensor.numel() // n_rows)
    assert (first == rows[:, None]).all()
    assert (axis.spread(rows, shape) == tensor).all()


def test_rows_that_do_not_fit_are_mixed():
    with pytest.raises(RowsMixedError):
        RowAxis(2).rows_first(torch.zeros(3, 2), 3)
    with pytest.raises(RowsMixedError):
        RowAxis(1).rows_first(torch.zeros(3, 2), 3)
    assert RowAxis(2).rows_first(torch.zeros(3, 2), 1).shape == (1, 6)
