"""Values that are kept stay as they were, and share memory until they are written over."""

import pytest

torch = pytest.importorskip("torch")

from agnostix.neural.operations.kept import KeptValues  # noqa: E402


def test_values_share_memory_until_they_are_written_over():
    values, x = KeptValues(), torch.arange(6.0).reshape(2, 3)
    whole, part = values.keep(x), values.keep(x[1])
    assert whole.value.data_ptr() == x.data_ptr()
    values.before_writing(x[:, 1:])
    x[:, 1:] = 7.0
    assert whole.value.flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert part.value.tolist() == [3, 4, 5]


def test_values_kept_after_a_write_are_new():
    values, x = KeptValues(), torch.zeros(3)
    first = values.keep(x)
    values.before_writing(x)
    x.add_(1)
    second = values.keep(x)
    values.before_writing(x)
    x.add_(1)
    assert (first.value.sum(), second.value.sum(), x.sum()) == (0, 3, 6)


def test_values_have_no_graph():
    x = torch.ones(3, requires_grad=True)
    assert not KeptValues().keep(x * 2).value.requires_grad


def test_graphs_save_kept_values():
    values = KeptValues()
    x, factor = torch.ones(3, requires_grad=True), torch.full((3,), 2.0)
    with values.saving():
        y = x * factor
    values.before_writing(factor)
    factor.zero_()
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [2, 2, 2]
