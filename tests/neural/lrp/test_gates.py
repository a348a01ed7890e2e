"""Which factor of a product is held."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from agnostix.neural.lrp import gates  # noqa: E402
from agnostix.neural.lrp.composites import Composite  # noqa: E402
from agnostix.neural.lrp.conservation import Conservation  # noqa: E402
from agnostix.neural.lrp.direct import DirectOperations  # noqa: E402
from agnostix.neural.lrp.propagation import RelevanceMode  # noqa: E402

GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(4, 4, generator=GENERATOR)
X = torch.randn(2, 4, generator=GENERATOR)


def other(x):
    return functional.linear(x, WEIGHT)


def factors(make):
    """Two factors of an input, with the graph of the rules."""
    points = X.clone().requires_grad_()
    mode = RelevanceMode(Composite("epsilon", ""), "cp_lrp", Conservation(1, None, True), DirectOperations())
    with mode:
        return make(points * 1.0)


GATES = {
    "sigmoid": lambda x: other(x).sigmoid(),
    "sigmoid in place": lambda x: other(x).sigmoid_(),
    "hardsigmoid": lambda x: functional.hardsigmoid(other(x)),
    "softmax": lambda x: other(x).softmax(-1),
    "what a sigmoid leaves": lambda x: 1 - other(x).sigmoid(),
    "shifted tanh": lambda x: 0.5 * (1 + other(x).tanh()),
    "clipped": lambda x: functional.relu6(other(x) + 3) / 6,
    "clamped": lambda x: (other(x) * 0.2 + 0.5).clamp(0, 1),
    "reshaped": lambda x: other(x).sigmoid()[:, None].expand(2, 3, 4).mean(1).reshape(2, 4),
    "inverse root": lambda x: torch.rsqrt(other(x) ** 2 + 1),
    "reciprocal": lambda x: 1 / (other(x) ** 2 + 1),
    "made of the other": lambda x: torch.tanh(functional.softplus(x)),
}
NO_GATES = {
    "linear": other,
    "tanh": lambda x: other(x).tanh(),
    "tanh of a sum": lambda x: torch.tanh(other(x) + torch.ones(4)),
    "relu": lambda x: other(x).relu(),
    "shifted": lambda x: other(x) + 1,
    "silu": lambda x: functional.silu(other(x)),
    "clamped on one side": lambda x: (other(x) + 1).clamp(min=0) + 1,
    "a sum with a gate": lambda x: other(x).sigmoid() + other(x),
    "the same": lambda x: x,
}


@pytest.mark.parametrize("name", GATES)
def test_gates_are_held(name):
    x, gate = factors(lambda x: (x, GATES[name](x)))
    assert gates.find_gate(x, gate) == 1
    assert gates.find_gate(gate, x) == 0


@pytest.mark.parametrize("name", NO_GATES)
def test_signals_are_not(name):
    x, factor = factors(lambda x: (x, NO_GATES[name](x)))
    assert gates.find_gate(x, factor) is None
    assert gates.find_gate(factor, x) is None


def test_two_gates_have_half_each():
    assert gates.find_gate(*factors(lambda x: (other(x).sigmoid(), x.sigmoid()))) is None


def test_softmax_is_known_up_to_its_shape():
    is_softmax = gates.is_softmax
    assert is_softmax(*factors(lambda x: [other(x).softmax(-1)[:, None] * 2]))
    assert not is_softmax(*factors(lambda x: [other(x).sigmoid()]))
    assert not is_softmax(*factors(lambda x: [1 + other(x).erf()]))
