"""Recurrent layers step by step give what torch gives, and its gradients."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils import rnn  # noqa: E402

from agnostix.neural.operations.mode import OperationMode  # noqa: E402
from agnostix.neural.operations.recurrent import StepRules, run_cell, run_layers  # noqa: E402
from tests.neural.networks import seeded  # noqa: E402

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN, "rnn_relu": nn.RNN}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn_tanh": nn.RNNCell, "rnn_relu": nn.RNNCell}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "layers": {"num_layers": 3},
    "both ways": {"bidirectional": True},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False, "dropout": 0.5},
}


class Steps(OperationMode):
    """Recurrent layers by their steps, all else by torch."""

    n_calls = 0

    def _rule_recurrent(self, operation):
        self.n_calls += 1
        with self:
            return (run_cell if operation.name.endswith("cell") else run_layers)(operation, StepRules())


def made(kind, *args, cell=False, **kwargs):
    """A layer or cell of a kind with random weights."""
    if kind.startswith("rnn"):
        kwargs["nonlinearity"] = kind.removeprefix("rnn_")
    return seeded((CELLS if cell else KINDS)[kind], *args, **kwargs)


def drawn_numbers(*shape, seed=0):
    """Normal numbers with a graph."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def flat(result):
    """All tensors of a result, packed sequences and pairs of states alike."""
    if isinstance(result, rnn.PackedSequence):
        return [result.data]
    return [result] if isinstance(result, torch.Tensor) else [one for part in result for one in flat(part)]


def assert_as_torch(run, *inputs):
    """Values and gradients by steps are those of torch, to rounding."""
    wanted = flat(run(*inputs))
    with Steps() as mode:
        found = flat(run(*inputs))
    assert mode.n_calls > 0
    weights = [drawn_numbers(*one.shape, seed=3).detach() for one in wanted]
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12)
    gradients = [
        torch.autograd.grad(sum((w * one).sum() for w, one in zip(weights, parts, strict=True)), inputs)
        for parts in (wanted, found)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_layers_are_those_of_torch(kind, options):
    layer = made(kind, 3, 4, **OPTIONS[options])
    assert_as_torch(layer, drawn_numbers(5, 2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_initial_states_count(kind):
    layer = made(kind, 3, 4, num_layers=2, bidirectional=True)
    x, *states = drawn_numbers(5, 2, 3), drawn_numbers(4, 2, 4, seed=1), drawn_numbers(4, 2, 4, seed=2)
    if kind == "lstm":
        assert_as_torch(lambda x, h, c: layer(x, (h, c)), x, *states)
    else:
        assert_as_torch(layer, x, states[0])


@pytest.mark.parametrize("options", OPTIONS)
def test_projections(options):
    layer = made("lstm", 3, 4, proj_size=2, **OPTIONS[options])
    assert_as_torch(layer, drawn_numbers(5, 2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence_without_an_axis_of_rows(kind):
    assert_as_torch(made(kind, 3, 4), drawn_numbers(5, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 1], [2, 5, 4], [5, 5, 5], [1, 1, 2]])
def test_packed_sequences(kind, both, lengths):
    layer = made(kind, 3, 4, num_layers=2, bidirectional=both, batch_first=True)

    def run(x):
        packed = rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        output, states = layer(packed)
        return rnn.pad_packed_sequence(output, batch_first=True)[0], states

    assert_as_torch(run, drawn_numbers(3, 5, 3))


@pytest.mark.parametrize("both", [False, True])
def test_packed_sequences_with_states(both):
    layer = made("lstm", 3, 4, bidirectional=both)

    def run(x, h, c):
        return layer(rnn.pack_padded_sequence(x, torch.tensor([4, 2, 1])), (h, c))

    n = 1 + both
    assert_as_torch(
        run, drawn_numbers(5, 3, 3), drawn_numbers(n, 3, 4, seed=1), drawn_numbers(n, 3, 4, seed=2)
    )


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(2,), ()])
def test_cells_are_those_of_torch(kind, bias, shape):
    cell = made(kind, 3, 4, cell=True, bias=bias)
    x, h, c = drawn_numbers(*shape, 3), drawn_numbers(*shape, 4, seed=1), drawn_numbers(*shape, 4, seed=2)
    assert_as_torch(cell, x)
    if kind == "lstm":
        assert_as_torch(lambda x, h, c: cell(x, (h, c)), x, h, c)
    else:
        assert_as_torch(cell, x, h)
