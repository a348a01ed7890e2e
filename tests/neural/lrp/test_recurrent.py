"""Relevance through recurrent layers is that of a loop over time, however they are written."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.utils import rnn  # noqa: E402

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.lrp.rules import AlphaBeta, Epsilon, Gamma, ZPlus  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural import networks  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.passes import propagate  # noqa: E402
from tests.reference import relevance as reference  # noqa: E402
from tests.reference.layers import Layer  # noqa: E402
from tests.reference.relevance import relevances  # noqa: E402

X = torch.as_tensor(np.random.default_rng(0).normal(size=(2, 6, 3)))
OPTIONS = {
    "one": {},
    "two both ways": {"num_layers": 2, "bidirectional": True},
    "no biases": {"bias": False},
}


def seeded(*args, **kwargs):
    """A module whose parameters need no gradient."""
    return networks.seeded(*args, **kwargs).requires_grad_(False)


class Classifier(nn.Module):
    """A recurrent layer and a linear one of its last output."""

    def __init__(self, make, n_hidden=4, **kwargs):
        super().__init__()
        self.rnn = make(3, n_hidden, batch_first=True, **kwargs)
        n = (kwargs.get("proj_size") or n_hidden) * (1 + self.rnn.bidirectional)
        self.linear = nn.Linear(n, 3)

    def forward(self, x):
        return self.linear(self.rnn(x)[0][:, -1])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("epsilon", [1e-6, 0.05])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_relevance_is_that_of_the_loop_over_time(kind, options, epsilon, bias):
    net = seeded(Classifier, getattr(nn, kind), **OPTIONS[options])
    found = propagate(net, X, composite={"default": Epsilon(epsilon)}, bias=bias)
    rule = reference.Epsilon(epsilon, bias=bias)
    layers = [*layers_of(net.rnn), Layer("select", index=-1), *layers_of(net.linear)]
    wanted = relevances(layers, X.numpy(), 1, {"recurrent": rule, "linear": rule})
    np.testing.assert_allclose(
        found.relevance, wanted.values, rtol=0, atol=1e-10 * np.abs(wanted.values).max()
    )
    np.testing.assert_allclose(found.outputs, wanted.outputs, rtol=0, atol=1e-12)
    for cause, amounts in wanted.absorbed.items():
        assert found.absorbed.get(cause, 0.0) == pytest.approx(amounts.sum(), abs=1e-10)
    assert found.gap < 1e-12
    assert not found.unseen


@pytest.mark.parametrize("rule", [Gamma(0.3), Epsilon(0.01, relative=True)])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_all_rules_conserve(kind, rule, options):
    net = seeded(Classifier, kind, **options)
    found = propagate(net, X, composite={"default": rule})
    assert found.gap < 1e-12
    assert not found.unseen
    torch.testing.assert_close(found.outputs, net(X)[:, 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
@pytest.mark.parametrize("rule", [ZPlus(), AlphaBeta()])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_positive_products_of_few_units_conserve(kind, rule, n_hidden, bias):
    for seed in range(5):
        net = seeded(Classifier, kind, n_hidden, num_layers=2, bidirectional=True, seed=seed)
        rows = torch.as_tensor(np.random.default_rng(seed).normal(size=(2, 9, 3)))
        found = propagate(net, rows, composite={"default": rule}, bias=bias)
        assert found.gap < 1e-12
        assert not found.unseen


RULES = {
    "plus": ZPlus(),
    "gamma": Gamma(0.3),
    "alpha-beta": AlphaBeta(),
    "relative": Epsilon(0.05, relative=True),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("is_nonnegative", [True, False])
def test_all_rules_are_those_of_steps_by_operations_of_their_own(kind, name, is_nonnegative):
    layer = seeded(kind, 3, 4, batch_first=True)
    weights = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    n_gates = len(weights[0]) // 4 - 1
    place = {"LSTM": 2, "GRU": 2, "RNN": 0}[kind.__name__]
    w, u, b, c = (one.chunk(n_gates + 1)[place] for one in weights)

    def by_hand(x):
        h, cell = x.new_zeros(len(x), 4), x.new_zeros(len(x), 4)
        for t in range(x.shape[1]):
            sums = [
                functional.linear(one.detach(), *pair)
                for one, pair in ((x[:, t], weights[::2]), (h, weights[1::2]))
            ]
            gates = torch.sigmoid(sums[0] + sums[1]).chunk(n_gates + 1, dim=1)
            both = torch.cat([x[:, t], h], dim=1)
            if kind is nn.GRU:
                # A row's reset is a scale of its own weights, so that rows come one by one.
                scaled = torch.cat([w, gates[0].T * u], dim=1)
                signal = torch.tanh(functional.linear(both, scaled, b + gates[0][0] * c))
                h = (1 - gates[1]) * signal + gates[1] * h
                continue
            signal = torch.tanh(functional.linear(both, torch.cat([w, u], dim=1), b + c))
            if kind is nn.RNN:
                h = signal
                continue
            cell = gates[1] * cell + gates[0] * signal
            h = gates[3] * torch.tanh(cell)
        return h

    x = X[:1].abs() if is_nonnegative else X[:1]
    composite = {"default": RULES[name]}
    wanted = propagate(by_hand, x, composite=composite)
    found = propagate(lambda x: layer(x)[0][:, -1], x, composite=composite)
    size = wanted.relevance.abs().max()
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-10 * float(size))
    assert {name: found.absorbed[name] for name in ("bias", "epsilon")} == pytest.approx(
        {name: wanted.absorbed[name] for name in ("bias", "epsilon")}, abs=1e-10
    )


def test_a_rule_that_passes_to_inputs_in_a_way_of_its_own_is_not_guessed():
    class Own(Epsilon):
        def pass_back(self, operation, gradient, account):
            return operation.transpose_like("own", gradient)

    with pytest.raises(AttributeError, match="transpose_like"):
        propagate(seeded(Classifier, nn.LSTM), X, composite={"default": Own()})


def test_weights_of_the_input_are_refused():
    weights = [one.detach() for one in seeded(nn.LSTM, 3, 4).parameters()]

    def network(x):
        states = (x.new_zeros(1, 2, 4), x.new_zeros(1, 2, 4))
        first = weights[0] + x.mean()
        return torch.lstm(x, states, [first, *weights[1:]], True, 1, 0.0, False, False, True)[0][:, -1]

    with refuses(DataError, "lstm", "weights", "parameters"):
        propagate(network, X)


def test_positive_products_of_a_reset_state_are_those_of_its_parts():
    cell = seeded(nn.GRUCell, 3, 4)
    x, h = X[:, 0], torch.tanh(X[:, 1:5, 0])
    found = propagate(lambda x: cell(x, h), x, composite={"default": ZPlus()}).relevance
    gates = functional.linear(x, cell.weight_ih, cell.bias_ih) + functional.linear(
        h, cell.weight_hh, cell.bias_hh
    )
    reset, keep = torch.sigmoid(gates[:, :4]), torch.sigmoid(gates[:, 4:8])
    from_x = functional.linear(x, cell.weight_ih[8:], cell.bias_ih[8:])
    from_h = functional.linear(h, cell.weight_hh[8:], cell.bias_hh[8:])
    enters = ((1 - keep) * torch.tanh(from_x + reset * from_h))[:, 1]
    products = (x * cell.weight_ih[9]).clamp(min=0)
    of_state = (h * cell.weight_hh[9] * reset[:, [1]]).clamp(min=0).sum(dim=1)
    bias = (cell.bias_ih[9] + reset[:, 1] * cell.bias_hh[9]).clamp(min=0)
    wanted = products / (products.sum(dim=1) + of_state + bias)[:, None] * enters[:, None]
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_cells_and_layers_have_the_same_relevance(kind):
    layer = seeded(kind, 3, 4, batch_first=True)
    cell = {nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell, nn.RNN: nn.RNNCell}[kind](3, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): one for name, one in layer.state_dict().items()})

    def steps(x):
        state = None
        for t in range(x.shape[1]):
            state = cell(x[:, t], state)
        return state[0] if kind is nn.LSTM else state

    cell.requires_grad_(False)
    wanted = propagate(lambda x: layer(x)[0][:, -1], X)
    found = propagate(steps, X)
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-12)
    assert found.absorbed == pytest.approx(wanted.absorbed, abs=1e-12)


def test_an_lstm_written_by_hand_is_torchs():
    layer = seeded(nn.LSTM, 3, 4, batch_first=True)
    layer.requires_grad_(False)

    def by_hand(x):
        h, c = x.new_zeros(len(x), 4), x.new_zeros(len(x), 4)
        weight = torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], dim=1)
        for t in range(x.shape[1]):
            z = functional.linear(torch.cat([x[:, t], h], dim=1), weight, layer.bias_ih_l0 + layer.bias_hh_l0)
            i, f, g, o = z.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    wanted = propagate(lambda x: layer(x)[0][:, -1], X)
    found = propagate(by_hand, X)
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-12)
    assert found.absorbed == pytest.approx(wanted.absorbed, abs=1e-12)


def test_states_from_elsewhere_absorb_their_share():
    layer = seeded(nn.LSTM, 3, 4, batch_first=True)
    states = tuple(torch.full((1, 2, 4), value, dtype=torch.float64) for value in (0.5, -1.0))
    found = propagate(lambda x: layer(x, states)[0][:, -1], X)
    assert found.gap < 1e-12
    assert abs(found.absorbed["offset"]) > 1e-4
    assert propagate(lambda x: layer(x)[0][:, -1], X).absorbed["offset"] == 0


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_final_states_conserve_too(kind):
    layer = seeded(kind, 3, 4, num_layers=2, bidirectional=True, batch_first=True)

    def states(x):
        finals = layer(x)[1]
        return sum(finals) if kind is nn.LSTM else finals

    found = propagate(states, X)
    assert found.gap < 1e-12
    assert not found.unseen


def test_encoder_and_decoder():
    encoder, decoder = seeded(nn.GRU, 3, 4, batch_first=True), seeded(nn.GRU, 4, 4, batch_first=True, seed=1)

    def translate(x):
        output, state = encoder(x)
        return decoder(output[:, :2].detach() * 0 + 1.0, state)[0]

    found = propagate(translate, X)
    assert found.gap < 1e-12
    assert found.relevance.abs().sum() > 0


def test_packed_sequences_have_no_relevance_after_their_end():
    layer = seeded(nn.LSTM, 3, 4, batch_first=True, bidirectional=True)

    def packed(x):
        sequence = rnn.pack_padded_sequence(x, torch.tensor([4, 6]), batch_first=True, enforce_sorted=False)
        return layer(sequence)[1][0].sum(dim=0)

    found = propagate(packed, X)
    assert found.gap < 1e-12
    assert (found.relevance[0, 4:] == 0).all()
    alone = propagate(lambda x: layer(x)[1][0].sum(dim=0), X[:1, :4])
    torch.testing.assert_close(found.relevance[:1, :4], alone.relevance, rtol=0, atol=1e-12)


def test_steps_are_one_place():
    places = []

    def note(place):
        places.append(place)
        return Epsilon() if place.kind == "linear" else None

    net = seeded(Classifier, nn.LSTM, num_layers=2)
    propagate(lambda x: net(functional.linear(x, torch.eye(3, dtype=x.dtype))), X, composite=note)
    depths = [(place.kind, place.depth, place.is_first) for place in places if place.kind == "linear"]
    assert list(dict.fromkeys(depths)) == [("linear", 1, True), ("linear", 2, False), ("linear", 3, False)]
