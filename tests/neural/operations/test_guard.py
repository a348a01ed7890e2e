"""What the graph of a forward pass shows that has no rule."""

import pytest

torch = pytest.importorskip("torch")

from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.operations.guard import find_unseen, refuse_checkpoint  # noqa: E402
from agnostix.neural.operations.ruled import ruled  # noqa: E402
from tests.messages import refuses  # noqa: E402

X = torch.linspace(0.5, 1.5, 12, dtype=torch.float64).reshape(3, 4)


def unseen(function):
    return dict(find_unseen(function(X.clone().requires_grad_()).grad_fn))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.relu().sum() - x.mean(),
        lambda x: (3.0 * x / 2.0 - 1.0).reshape(2, 6).T,
        lambda x: torch.maximum(x, 2 * x).amax(dim=1),
        lambda x: torch.nn.functional.pad(torch.cat([x, -x]), (1, 1)),
        lambda x: torch.nn.functional.max_pool1d(x, 2),
        lambda x: torch.where(x > 1, x, torch.zeros_like(x)),
        lambda x: ruled(torch.tanh(x.detach()), lambda g: (g,), x),
    ],
)
def test_operations_of_degree_1_and_rules_pass(function):
    assert unseen(function) == {}


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (torch.tanh, "tanh"),
        (lambda x: x * x, "mul"),
        (lambda x: x / x.sum(), "div"),
        (lambda x: 1.0 / x, "reciprocal"),
        (lambda x: 2.0 * x.exp() + x, "exp"),
        (lambda x: x.softmax(dim=1), "softmax"),
        (lambda x: x.sort(dim=1).values, "sort"),
        (lambda x: x.logsumexp(dim=1), "logsumexp"),
        (lambda x: x @ torch.ones(4, 2, dtype=torch.float64), "mm"),
    ],
)
def test_other_operations_are_named(function, name):
    assert unseen(function) == {name: ""}


def test_nodes_that_a_method_knows_pass():
    scores = torch.tanh(X.clone().requires_grad_())
    assert find_unseen(scores.grad_fn, lambda node: node.name() == "TanhBackward0") == {}


def test_reentrant_checkpoint_is_named_with_the_way_out():
    found = unseen(lambda x: checkpoint(torch.relu, x, use_reentrant=True))
    assert list(found) == ["CheckpointFunction"]
    assert "gradient_checkpointing_disable()" in found["CheckpointFunction"]


def test_other_checkpoint_is_refused_inside():
    def run(x):
        refuse_checkpoint()
        return x.relu()

    x = X.clone().requires_grad_()
    run(x)
    with refuses(DataError, "checkpoint", "gradient_checkpointing_disable()"):
        checkpoint(run, x, use_reentrant=False)
