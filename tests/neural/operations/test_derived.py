"""Derived weights: computed once for a parameter, and again when it or its scale has changed."""

import pytest

torch = pytest.importorskip("torch")

from agnostix.neural.operations.derived import (  # noqa: E402
    DerivedWeights,
    negative,
    positive,
    size,
    squared,
    unit,
)


def test_derivations():
    weight = torch.tensor([-2.0, 0.0, 3.0])
    found = [one(weight.clone()).tolist() for one in (positive, negative, size, squared, unit)]
    assert found == [[0, 0, 3], [-2, 0, 0], [2, 0, 3], [4, 0, 9], [1, 1, 1]]


def test_computed_again_only_when_the_parameter_or_its_scale_has_changed():
    derived, weight, calls = DerivedWeights(), torch.nn.Parameter(torch.ones(3), requires_grad=False), []

    def find(key="plus", scale=None):
        return derived.find(key, weight, scale, lambda: calls.append(key) or len(calls))

    assert [find(), find(), find("minus"), find()] == [1, 1, 2, 1]
    one = torch.ones(3)
    assert [find(scale=one), find(scale=one.clone()), find(scale=2 * one), find()] == [3, 3, 4, 5]
    weight.mul_(2)
    assert [find(), find()] == [6, 6]
