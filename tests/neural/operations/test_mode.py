"""Each operation comes to the rule of its kind, however it is called."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix.neural.operations.catalog import KINDS  # noqa: E402
from agnostix.neural.operations.mode import OperationMode, replace_tensors, tensors  # noqa: E402
from tests.neural.networks import seeded  # noqa: E402


class Recorder(OperationMode):
    """Names of the operations that have a kind."""

    def __init__(self):
        super().__init__()
        self.names = []


for kind in set(KINDS.values()):

    def rule(self, operation):
        self.names.append(operation.name)
        return operation.run()

    setattr(Recorder, f"_rule_{kind}", rule)


def names(run, *shape):
    """Operations that a run on an input meets, and that it gives what it gives without the mode."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Recorder() as mode:
        found = run(x)
    torch.testing.assert_close(found, run(x))
    return mode.names


@pytest.mark.parametrize(
    "relu",
    [
        functional.relu,
        torch.relu,
        nn.ReLU(),
        lambda x: x.relu(),
        lambda x: (x * 1).relu_(),
        lambda x: functional.relu(x * 1, inplace=True),
        lambda x: torch.relu_(x * 1),
        nn.Sequential(nn.Identity(), nn.ReLU()),
    ],
)
def test_one_operation_has_one_name(relu):
    assert [name for name in names(relu, 2, 3) if name != "mul"] == ["relu"]


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (lambda x: x + 1, "add"),
        (lambda x: 1 - x, "rsub"),
        (lambda x: 2 * x, "mul"),
        (lambda x: x @ x.T, "matmul"),
        (lambda x: x / x.exp(), "div"),
        (lambda x: x**2, "pow"),
        (lambda x: functional.layer_norm(x, (3,)), "layer_norm"),
        (lambda x: functional.max_pool1d(x, 2), "max_pool1d"),
        (lambda x: torch.einsum("ij,kj->ik", x, x), "einsum"),
        (lambda x: functional.glu(x[:, :2]), "glu"),
    ],
)
def test_functions_have_names_of_the_catalog(run, name):
    assert names(run, 2, 3).count(name) == 1


def test_functions_written_in_python_are_opened():
    attention = seeded(nn.MultiheadAttention, 4, 2, dtype=torch.float32).requires_grad_(False)
    found = names(lambda x: attention(x, x, x)[0], 3, 2, 4)
    assert {"linear", "softmax", "bmm"} <= set(found)


def test_constants_and_forward_passes_without_a_graph_are_not_seen():
    def run(x):
        with torch.no_grad():
            x.exp()
        return torch.ones(2, 3).exp() * 2

    assert names(run, 2, 3) == []


def test_a_paused_mode_sees_nothing():
    x = torch.ones(3, requires_grad=True)
    with Recorder() as mode:
        with mode.paused():
            x.exp()
        x.sin()
    assert mode.names == ["sin"]


def test_writing_to_a_part_is_seen_in_the_graph():
    def run(x):
        y = x * 1
        y[:, 1:].erfinv_()
        return y

    x = torch.full((2, 3), 0.5, requires_grad=True)
    with Recorder() as mode:
        y = run(x)
    assert mode.names == ["mul", "erfinv"]
    nodes, stack = set(), [y.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            stack += [before for before, _ in node.next_functions]
    assert "ErfinvBackward0" in {node.name() for node in nodes}
    torch.testing.assert_close(*(torch.autograd.grad(one.sum(), x)[0] for one in (y, run(x))))


def test_initial_weights_are_made_as_always():
    with Recorder():
        assert nn.Linear(3, 2).weight.shape == (2, 3)


def test_nested_tensors_are_found_and_replaced():
    one, two = torch.ones(1), torch.zeros(1)
    nested = ([one, {"a": two}], 3, (one,))
    assert len(list(tensors(nested))) == 3
    assert replace_tensors(nested, lambda one: float(one)) == ([1.0, {"a": 0.0}], 3, (1.0,))
