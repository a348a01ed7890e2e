"""References for relevance and DeepLIFT have the known properties: closed forms, conservation, gradients."""

import dataclasses

import numpy as np
import pytest

from tests.neural.layer_networks import (
    NETWORKS,
    attention,
    encoder,
    linear,
    mlp,
    network,
    recurrent,
)
from tests.reference.deep_lift import contributions, multipliers
from tests.reference.layers import FUNCTIONS, Layer, forward, heads, merge_batch_norms, predict
from tests.reference.relevance import (
    EXACT,
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Pass,
    WSquare,
    ZBox,
    ZPlus,
    relevances,
)
from tests.reference.saliency import central_differences

RULES = {
    "exact": EXACT,
    "epsilon": Epsilon(0.01),
    "epsilon_share": Epsilon(0.0, share=0.1),
    "plus": ZPlus(1e-9),
    "gamma": Gamma(1e-9, gamma=0.3),
    "alpha_beta": AlphaBeta(1e-9, alpha=2.0),
    "w_square": WSquare(1e-9),
    "flat": Flat(1e-9),
    "box": ZBox(1e-9, low=-4.0, high=4.0),
}
LRP_0 = {"linear": EXACT, "conv": EXACT}


def gradient(layers, x, output):
    """Gradient of one output by central differences."""
    return central_differences(lambda one: forward(layers, one)[output], x)


def one_unit(rule, x=(2.0, -1.0, 0.5), w=(1.0, 3.0, -2.0), b=0.25):
    """Relevance of the inputs of y = 1 w x + b, and what is absorbed; products are 2, -3, -1."""
    layer = Layer("linear", weight=np.array([w]), bias=np.array([b]), rule=rule)
    found = relevances([layer], np.array([x]), 0)
    return found.values[0], {cause: value[0] for cause, value in found.absorbed.items()}


# Layer-wise relevance propagation.


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_kept_and_absorbed_add_up_to_the_output(name, rule, bias):
    layers, X = network(name)
    own = dataclasses.replace(RULES[rule], bias=bias)
    found = relevances(layers, X, [0, 2], {"linear": own, "conv": own, "recurrent": own})
    kept = found.values.reshape(len(X), -1).sum(axis=1)
    largest = max(np.abs(R).sum() for R in found.layers)
    np.testing.assert_allclose(
        kept + sum(found.absorbed.values()), found.outputs, rtol=0, atol=1e-12 * largest
    )
    np.testing.assert_allclose(found.outputs, predict(layers, X)[[0, 1], [0, 2]], rtol=1e-12)


@pytest.mark.parametrize("method", ["cp_lrp", "attn_lrp"])
def test_relevance_of_attention_adds_up(method):
    mask = np.tril(np.ones((3, 3), bool))
    rng = np.random.default_rng(3)
    layers = [Layer("embedding", weight=rng.normal(size=(7, 4))), *encoder(rng, mask=mask), Layer("softmax")]
    tokens = np.array([[0, 5, 2], [6, 6, 1]])
    found = relevances(layers, tokens, 1, {"attention": method})
    assert found.values.shape == (2, 3)
    largest = max(np.abs(R).sum() for R in found.layers)
    kept = found.values.sum(axis=1) + sum(found.absorbed.values())
    np.testing.assert_allclose(kept, found.outputs, rtol=0, atol=1e-12 * largest)
    assert np.abs(found.absorbed["softmax"]).min() > 0


@pytest.mark.parametrize("name", ["mlp", "piecewise_linear"])
def test_lrp_0_is_gradient_times_input_of_a_relu_network(name):
    layers, X = network(name)
    found = relevances(layers, X, 1, LRP_0).values
    wanted = [x * gradient(layers, x, 1) for x in X]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8)


def test_rules_of_one_unit_are_those_of_the_papers():
    # y = 2 - 3 - 1 + 0.25 = -1.75
    values, lost = one_unit(Epsilon(0.25))
    np.testing.assert_allclose(values, np.array([2, -3, -1]) / -2.0 * -1.75)
    np.testing.assert_allclose([lost["bias"], lost["epsilon"]], [0.25 / -2 * -1.75, -0.25 / -2 * -1.75])
    values, lost = one_unit(Epsilon(0.0, bias=False))
    np.testing.assert_allclose(values, np.array([2, -3, -1]) / -2 * -1.75)
    assert lost == dict.fromkeys(lost, 0.0)
    values, lost = one_unit(ZPlus(0.0))
    np.testing.assert_allclose(values, np.array([2, 0, 0]) / 2.25 * -1.75)
    np.testing.assert_allclose(lost["bias"], 0.25 / 2.25 * -1.75)
    values, lost = one_unit(Gamma(0.0, gamma=1.0))
    np.testing.assert_allclose(values, np.array([2, -6, -2]) / -5.75 * -1.75)
    values, lost = one_unit(Gamma(0.0, gamma=1.0), b=3.0)
    np.testing.assert_allclose(values, np.array([4, -3, -1]) / 6 * 1.0)
    np.testing.assert_allclose(lost["bias"], 6 / 6 * 1.0)
    values, lost = one_unit(AlphaBeta(0.0, alpha=2.0))
    np.testing.assert_allclose(values, np.array([2 * 2 / 2.25, 3 / -4, 1 / -4]) * -1.75)
    values, lost = one_unit(ZBox(0.0, low=-1.0, high=2.0))
    np.testing.assert_allclose(values, np.array([3, 0, 3]) / 6 * -1.75)
    values, lost = one_unit(WSquare(0.0))
    np.testing.assert_allclose(values, np.array([1, 9, 4]) / 14.0625 * -1.75)
    values, lost = one_unit(Flat(0.0))
    np.testing.assert_allclose(values, -1.75 / 3)
    assert lost == dict.fromkeys(lost, 0.0)


def test_stabilizer_can_be_a_share_of_the_outputs():
    layer = Layer("linear", weight=np.array([[3.0], [-4.0]]), bias=np.zeros(2))
    found = relevances([layer], np.ones((1, 1)), 0, {"linear": Epsilon(0.0, share=0.2)})
    e = 0.2 * np.sqrt((9 + 16) / 2)
    np.testing.assert_allclose(found.values, 3 / (3 + e) * 3)
    np.testing.assert_allclose(found.absorbed["epsilon"], e / (3 + e) * 3)


def test_rules_meet_at_their_limits():
    layers, X = network("piecewise_linear")

    def values(rule):
        return relevances(layers, X, 0, {"linear": rule, "conv": rule}).values

    np.testing.assert_allclose(values(Gamma(1e-9, gamma=0.0)), values(Epsilon(1e-9)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        values(AlphaBeta(1e-9, alpha=1.0)), values(ZPlus(1e-9)), rtol=1e-10, atol=1e-12
    )


def test_batch_norm_merges_without_a_change_of_the_output():
    layers, X = network("piecewise_linear")
    merged = merge_batch_norms(layers)
    assert "batch_norm" not in [layer.kind for layer in merged]
    np.testing.assert_allclose(predict(merged, X), predict(layers, X), rtol=1e-12)
    np.testing.assert_allclose(
        relevances(merged, X, 0, LRP_0).values, relevances(layers, X, 0, LRP_0).values, rtol=1e-9, atol=1e-12
    )


def test_pass_leaves_relevance_in_place():
    layers = [
        Layer("scale", value=np.array([2.0, 5.0]), rule=Pass()),
        Layer("linear", weight=np.ones((1, 2))),
    ]
    found = relevances(layers, np.array([[1.0, 1.0]]), 0, LRP_0)
    np.testing.assert_allclose(found.values, [[2.0, 5.0]])


@pytest.mark.parametrize(("kind", "at_0"), [("sigmoid", 0.5), ("softplus", np.log(2)), ("silu", 0.0)])
def test_value_of_a_function_at_0_is_absorbed(kind, at_0):
    found = relevances([Layer(kind)], np.array([[1.3]]), 0)
    np.testing.assert_allclose(found.absorbed["offset"], at_0)
    np.testing.assert_allclose(found.values[0], FUNCTIONS[kind][0](1.3) - at_0)


@pytest.mark.parametrize("method", ["cp_lrp", "attn_lrp"])
def test_relevance_of_attention_is_that_of_its_three_inputs(method):
    """Gradient times input of each path: that of the values, or half of it and a quarter of the other two."""
    rng = np.random.default_rng(5)
    layer = attention(rng, 4)
    x = rng.normal(size=(3, 4))
    weights = rng.normal(size=(1, 12))
    rules = {**LRP_0, "attention": method}
    found = relevances([layer, Layer("flatten"), Layer("linear", weight=weights)], x[None], 0, rules)

    def score(place):
        def of(one):
            own = [heads(layer, one if place == part else x) for part in range(3)]
            scores = np.einsum("htd,hsd->hts", own[0].queries, own[1].keys) / np.sqrt(2)
            raised = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            mixed = np.einsum("hts,hsd->htd", raised, own[2].values).transpose(1, 0, 2).reshape(3, 4)
            return (weights[0] * (mixed @ layer["out_weight"].T + layer["out_bias"]).ravel()).sum()

        return x * central_differences(of, x)

    parts = (0.25, 0.25, 0.5) if method == "attn_lrp" else (0, 0, 1)
    wanted = sum(part * score(place) for place, part in enumerate(parts))
    np.testing.assert_allclose(found.values[0], wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
def test_relevance_of_a_norm_holds_its_deviation(kind):
    rng = np.random.default_rng(2)
    x, weight, head = rng.normal(size=6), rng.normal(1, 0.3, 6), rng.normal(size=6)
    layer = Layer(kind, weight=weight, bias=rng.normal(size=6))
    found = relevances([layer, Layer("linear", weight=head[None])], x[None], 0, LRP_0)
    if kind == "layer_norm":
        size = np.sqrt(x.var() + 1e-5)
        wanted = x * (weight * head - (weight * head).mean()) / size
        np.testing.assert_allclose(found.absorbed["bias"], head @ layer["bias"])
    else:
        wanted = x * weight * head / np.sqrt((x**2).mean() + 1e-5)
    np.testing.assert_allclose(found.values[0], wanted)


# Recurrent networks.


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_relevance_without_feedback_is_by_what_a_step_adds_to_the_state(kind):
    """With recurrent weights of 0 the state is a sum over time of signals weighed by gates."""
    rng = np.random.default_rng(4)
    layer = recurrent(rng, kind, n_hidden=1, n_layers=1, both=False)
    layer.params["weight_hh_l0"][:] = 0.0
    x = rng.normal(size=(4, 2))
    w, b, c = (layer.params[f"{name}_l0"] for name in ("weight_ih", "bias_ih", "bias_hh"))
    gates = x @ w.T + b + c
    s = 1 / (1 + np.exp(-gates))
    if kind == "lstm":
        signal, added, kept = gates[:, 2], s[:, 0] * np.tanh(gates[:, 2]), s[:, 1]
        w_signal = w[2]
    else:
        signal = x @ w[2] + b[2] + s[:, 0] * c[2]
        added, kept, w_signal = (1 - s[:, 1]) * np.tanh(signal), s[:, 1], w[2]
    terms = np.array([added[t] * np.prod(kept[t + 1 :]) for t in range(4)])
    last = s[-1, 3] * np.tanh(terms.sum()) if kind == "lstm" else terms.sum()
    rules = {"recurrent": EXACT}
    found = relevances([layer, Layer("select", index=-1)], x[None], 0, rules)
    np.testing.assert_allclose(found.outputs, last)
    wanted = (terms / terms.sum() * last / signal)[:, None] * x * w_signal
    np.testing.assert_allclose(found.values[0], wanted)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_relevance_through_time_is_gradient_times_input_with_gates_and_slopes_held(kind):
    rng = np.random.default_rng(6)
    layer, x = recurrent(rng, kind, n_layers=1, both=False), rng.normal(size=(4, 2))
    steps = layer.steps(0, "", x)

    def last(one):
        h, c = np.zeros(3), np.zeros(3)
        for row, step in zip(one, steps, strict=True):
            signal = step["w"] @ row + step["u"] @ h + step["b"]
            added = step["added"] / step["signal"] * signal
            if kind == "lstm":
                c = step["f"] * c + added
                h = step["h"] / step["c"] * c
            else:
                h = step["z"] * h + added
        return h[1]

    found = relevances([layer, Layer("select", index=-1)], x[None], 1, {"recurrent": EXACT})
    np.testing.assert_allclose(found.outputs, last(x))
    np.testing.assert_allclose(found.values[0], x * central_differences(last, x), rtol=0, atol=1e-8)


# DeepLIFT.


@pytest.mark.parametrize("name", NETWORKS)
def test_contributions_add_up_to_the_difference_of_the_output(name):
    layers, X = network(name)
    layers = [*layers, Layer("softmax")]
    baselines, weights = network(name, seed=9, n_rows=3)[1], np.array([1.0, 2.0, 5.0])
    found, differences = contributions(layers, X, baselines, [2, 0], weights)
    outputs, below = predict(layers, X)[[0, 1], [2, 0]], predict(layers, baselines)[:, [2, 0]]
    np.testing.assert_allclose(differences, outputs - weights @ below / 8, rtol=1e-10)
    np.testing.assert_allclose(found.reshape(2, -1).sum(axis=1), differences, rtol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_multipliers_at_the_baseline_are_the_gradient(name):
    layers, X = network(name)
    layers = [*layers, Layer("softmax")]
    for x in X:
        found = multipliers(layers, x, x.copy(), np.eye(3)[1])
        np.testing.assert_allclose(found, gradient(layers, x, 1), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["mlp", "piecewise_linear"])
def test_deep_lift_from_0_without_biases_is_lrp_0(name):
    make, shape = NETWORKS[name]
    rng = np.random.default_rng(1)
    layers = make(rng, bias=False)
    if name == "piecewise_linear":
        # The difference from 0 goes to the winner of x only where it is positive.
        layers.insert(3, Layer("relu"))
    X = rng.normal(size=(2, *shape))
    found, _ = contributions(layers, X, np.zeros((1, *shape)), 2)
    np.testing.assert_allclose(found, relevances(layers, X, 2, LRP_0).values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_contributions_of_a_linear_model_are_weights_times_differences(rule):
    rng = np.random.default_rng(0)
    layers, X = [linear(rng, 5, 2)], rng.normal(size=(3, 5))
    found, _ = contributions(layers, X, X[:2], 1, rule=rule)
    np.testing.assert_allclose(found, layers[0]["weight"][1] * (X - X[:2].mean(axis=0)), atol=1e-12)


def test_difference_of_a_max_pooling_is_divided_between_the_two_winners():
    layers = [Layer("max_pool", kernel=3), Layer("flatten")]
    baselines = np.array([[[3.0, 2.0, 2.5]]])
    found, _ = contributions(layers, np.array([[[1.0, 4.0, 0.0]], [[1.0, 2.0, 0.0]]]), baselines, 0)
    np.testing.assert_allclose(found, [[[0.0, 1.0, 0.0]], [[-1.0, 0.0, 0.0]]])


@pytest.mark.parametrize("x", [(3.0, 2.0), (1.0, 4.0), (2.0, 2.0)])
def test_reveal_cancel_divides_a_minimum_in_half(x):
    """min(x_1, x_2) = x_1 - relu(x_1 - x_2) from (0, 0): the parts of x_1 - x_2 are x_1 and -x_2.

    For x_1 > x_2 the ReLU has the positive part (x_1 + x_1 - x_2) / 2 and the negative part -x_2 / 2, so x_1
    gets x_1 - x_1 + x_2 / 2 and x_2 gets x_2 / 2. For x_1 < x_2 they are x_1 / 2 and -x_1 / 2. Rescale gives
    all of it to the smaller input.
    """
    below = Layer("linear", weight=np.array([[1.0, 0.0], [1.0, -1.0]]))
    layers = [below, Layer("relu"), Layer("linear", weight=np.array([[1.0, -1.0]]))]
    found, difference = contributions(layers, np.array([x]), np.zeros((1, 2)), 0, rule="reveal_cancel")
    np.testing.assert_allclose(difference, min(x))
    np.testing.assert_allclose(found, [[min(x) / 2, min(x) / 2]])
    if x[0] != x[1]:
        found, _ = contributions(layers, np.array([x]), np.zeros((1, 2)), 0)
        np.testing.assert_allclose(found, [[x[0], 0.0] if x[0] < x[1] else [0.0, x[1]]], atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "residual", "convolutional"])
def test_reveal_cancel_adds_up_and_is_no_rescale(name):
    layers, X = network(name)
    baselines = network(name, seed=9)[1]
    found, differences = contributions(layers, X, baselines, 1, rule="reveal_cancel")
    np.testing.assert_allclose(found.reshape(2, -1).sum(axis=1), differences, rtol=1e-10)
    assert np.abs(found - contributions(layers, X, baselines, 1)[0]).max() > 1e-3


def test_reveal_cancel_is_rescale_where_nothing_cancels():
    rng = np.random.default_rng(0)
    layers, baseline = mlp(rng), rng.normal(size=(1, 5))
    for layer in layers[::2]:
        layer.params["weight"] = np.abs(layer["weight"])
    X = baseline + np.abs(rng.normal(size=(3, 5)))
    pairs = [contributions(layers, X, baseline, 1, rule=rule)[0] for rule in ("rescale", "reveal_cancel")]
    np.testing.assert_allclose(*pairs, rtol=1e-10)


def test_reveal_cancel_has_no_rule_for_max_pooling():
    layers = [Layer("max_pool", kernel=2), Layer("flatten")]
    with pytest.raises(ValueError, match="max_pool"):
        contributions(layers, np.ones((1, 1, 2)), np.zeros((1, 1, 2)), 0, rule="reveal_cancel")


# The same networks in torch.


def test_layers_are_those_of_torch():
    torch = pytest.importorskip("torch")
    from torch import nn

    from tests.neural.as_layers import layers_of
    from tests.neural.networks import seeded

    parts = [
        (
            nn.Sequential(
                nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
                nn.BatchNorm2d(4),
                nn.Hardswish(),
                nn.MaxPool2d(3, 2, 1),
                nn.AvgPool2d(2, 1, 1, count_include_pad=False),
                nn.AvgPool2d(2, 1, 1),
                nn.AdaptiveAvgPool2d((3, 2)),
                nn.Flatten(),
                nn.Linear(24, 3),
                nn.Softmax(-1),
            ),
            (2, 7, 8),
        ),
        (
            nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.ELU(), nn.MaxPool1d(2), nn.Flatten()),
            (2, 9),
        ),
        (nn.Sequential(nn.Conv3d(1, 2, 2), nn.ReLU6(), nn.AdaptiveAvgPool3d(1), nn.Flatten()), (1, 3, 4, 5)),
        (nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 5), nn.RMSNorm(5), nn.GELU(), nn.Softplus()), (3, 4)),
    ]
    rng = np.random.default_rng(0)
    for make, shape in parts:
        module = seeded(lambda make=make: make)
        X = rng.normal(size=(2, *shape))
        wanted = module(torch.as_tensor(X)).detach().numpy()
        np.testing.assert_allclose(predict(layers_of(module), X), wanted, rtol=0, atol=1e-12)


def test_graphs_are_those_of_torch():
    torch = pytest.importorskip("torch")
    from torch import nn

    from tests.neural import networks
    from tests.neural.as_layers import layers_of

    rng = np.random.default_rng(0)
    makers = [
        (networks.vgg, (), {"size": 8}, (3, 8, 8)),
        (networks.ResNet, (), {"n_blocks": 2}, (3, 6, 6)),
        (networks.DigitCnn, (), {"size": 8}, (1, 8, 8)),
        (networks.Modules, (), {}, (3, 6, 6)),
        (nn.TransformerEncoderLayer, (6, 2, 8), {"batch_first": True}, (4, 6)),
        (
            nn.TransformerEncoderLayer,
            (6, 2, 8, 0.0, "gelu"),
            {"batch_first": True, "norm_first": True},
            (4, 6),
        ),
    ]
    for make, args, kwargs, shape in makers:
        module = networks.seeded(make, *args, **kwargs)
        X = rng.normal(size=(2, *shape))
        wanted = module(torch.as_tensor(X)).detach().numpy()
        np.testing.assert_allclose(predict(layers_of(module), X), wanted, rtol=0, atol=1e-12)


def test_module_without_a_layer_is_refused():
    torch = pytest.importorskip("torch")
    from tests.neural.as_layers import layers_of

    for module in (torch.nn.PReLU(), torch.nn.GELU("tanh"), torch.nn.Conv1d(1, 1, 3, padding="same")):
        with pytest.raises(TypeError, match=type(module).__name__):
            layers_of(module)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_layers_are_those_of_torch(kind):
    torch = pytest.importorskip("torch")
    from tests.neural.as_layers import layers_of
    from tests.neural.networks import seeded

    for bias in (True, False):
        module = seeded(
            getattr(torch.nn, kind), 3, 4, num_layers=2, bidirectional=True, batch_first=True, bias=bias
        )
        X = np.random.default_rng(0).normal(size=(2, 5, 3))
        wanted = module(torch.as_tensor(X))[0].detach().numpy()
        np.testing.assert_allclose(predict(layers_of(module), X), wanted, rtol=0, atol=1e-12)


def test_attention_is_that_of_torch():
    torch = pytest.importorskip("torch")
    from tests.neural.as_layers import layers_of
    from tests.neural.networks import seeded

    module = seeded(torch.nn.MultiheadAttention, 6, 3, batch_first=True)
    X, mask = np.random.default_rng(0).normal(size=(2, 4, 6)), np.tril(np.ones((4, 4), bool))
    layers = layers_of(module)
    layers[0].params["mask"] = mask
    inputs = torch.as_tensor(X)
    wanted = module(inputs, inputs, inputs, attn_mask=torch.as_tensor(~mask))[0].detach().numpy()
    np.testing.assert_allclose(predict(layers, X), wanted, rtol=0, atol=1e-12)
