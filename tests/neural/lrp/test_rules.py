"""Rules of LRP against loops over units, closed forms and properties; direct rules where the input is 0."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from agnostix.exceptions import DataError, EngineError  # noqa: E402
from agnostix.neural import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, ZPlus  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.comparison import (  # noqa: E402
    DIRECT,
    NETWORKS,
    RULES,
    absorbed,
    assert_as_reference,
    assert_kept,
    explain,
    explain_flat,
    network,
)
from tests.neural.networks import seeded  # noqa: E402
from tests.reference import relevance as reference  # noqa: E402
from tests.reference.layers import merge_batch_norms  # noqa: E402

CANCELS = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")


@CANCELS
@pytest.mark.parametrize("bias", ["absorbed", "distributed"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_rule_equals_loops_over_units(name, rule, bias):
    module, X = network(name)
    own, other = RULES[rule]
    values, exp = explain_flat(module, X, {"default": own}, bias=bias)
    layers = merge_batch_norms(layers_of(module))
    wanted = other(bias == "absorbed")
    assert_as_reference(values, exp, layers, X, {"linear": wanted, "conv": wanted})


@CANCELS
@pytest.mark.parametrize("rule", DIRECT)
@pytest.mark.parametrize("name", NETWORKS)
def test_direct_rule_equals_loops_over_units(name, rule):
    module, X = network(name)
    own, other = DIRECT[rule]
    values, exp = explain_flat(module, X, {"first": own, "default": Gamma()})
    layers = merge_batch_norms(layers_of(module))
    rules = {"linear": reference.Gamma(1e-9), "conv": reference.Gamma(1e-9)}
    for first in _first(layers):
        first.rule = other
    assert_as_reference(values, exp, layers, X, rules)


def _first(layers):
    """Linear layers that the input enters."""
    first = layers[0]
    if first.kind != "sum":
        return [first]
    return [one for branch in first["branches"] if branch for one in _first(branch)]


def test_rules_of_one_linear_operation_are_the_shares_of_the_papers():
    w, b, x = np.array([1.0, -3.0, 2.0, 0.5]), 0.25, np.array([1.0, 1.0, -0.5, 4.0])
    module = nn.Linear(4, 1)
    module.weight.data, module.bias.data = torch.tensor(w[None]), torch.tensor([b], dtype=torch.float64)
    z, y = w * x, w @ x + b
    low, high = -1.0, 5.0
    up, down = z.clip(min=0), z.clip(max=0)
    cornered = z - low * w.clip(min=0) - high * w.clip(max=0)
    expected = {
        Epsilon(0.5): z / (y - 0.5) * y,  # y is -0.75
        ZPlus(): up / (up.sum() + b) * y,
        AlphaBeta(2.0, 1.0): (2 * up / (up.sum() + b) - down / down.sum()) * y,
        Gamma(0.5): (z + 0.5 * down) / (y + 0.5 * down.sum()) * y,
        ZBox(low, high): cornered / cornered.sum() * y,
        WSquare(): w**2 / (w @ w + b**2) * y,
        Flat(): np.full(4, y / 4),
    }
    assert y == -0.75
    for rule, values in expected.items():
        kind = "first" if isinstance(rule, ZBox | WSquare | Flat) else "default"
        exp = explain(module, x[None], {kind: rule}, fitted_on=np.array([x, x]))
        np.testing.assert_allclose(exp.values[0, :, 0], values, rtol=1e-7, err_msg=str(rule))


def test_lrp_0_is_gradient_times_input_on_a_relu_network_without_biases():
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2, bias=False)
    )
    module = seeded(lambda: module)
    X = np.random.default_rng(0).normal(size=(3, 2, 6, 6))
    values, exp = explain_flat(module, X, {"default": Epsilon(0.0)})
    for k in range(2):
        x = torch.tensor(X, requires_grad=True)
        module(x)[:, k].sum().backward()
        np.testing.assert_allclose(values[..., k], X * x.grad.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(absorbed(exp), 0.0, atol=1e-14)


@CANCELS
def test_rules_meet_at_their_limits():
    module, X = network("convolutional")

    def values(rule):
        return explain_flat(module, X, {"default": rule})[0]

    np.testing.assert_allclose(values(Gamma(0.0)), values(Epsilon(1e-9)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(values(AlphaBeta(1.0, 0.0)), values(ZPlus()), rtol=1e-9, atol=1e-12)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_relevance_of_a_positive_output_is_positive_with_deep_taylor(seed):
    """Rectified networks whose biases are not positive, on inputs in the box (Montavon et al., 2017)."""
    layers = [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1)]
    module = seeded(lambda: nn.Sequential(*layers), seed=seed)
    for part in module[::2]:
        part.bias.data.clamp_(max=0)
    module[-1].weight.data.abs_()
    module[-1].bias.data.zero_()
    X = np.random.default_rng(seed).random((3, 4))
    exp = _without_warnings(lambda: explain(module, X, {"first": ZBox(0.0, 1.0), "default": ZPlus()}))
    assert (exp.values >= -1e-12).all()
    assert_kept(exp)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rule=st.sampled_from(sorted(RULES)),
    width=st.integers(1, 9),
    bias=st.sampled_from(["absorbed", "distributed"]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_what_is_absorbed_is_what_is_missing(seed, rule, width, bias, scale):
    module = seeded(
        lambda: nn.Sequential(nn.Linear(3, width), nn.Softplus(), nn.Linear(width, 2), nn.ELU()),
        seed=seed,
    )
    X = scale * np.random.default_rng(seed).normal(size=(2, 3))
    exp = _without_warnings(lambda: explain(module, X, {"default": RULES[rule][0]}, bias=bias))
    size = max(1.0, exp.extras["largest_size"].array.max())
    assert_kept(exp, atol=1e-10 * size)
    if bias == "distributed":
        assert not absorbed(exp)[:, 0].any()


def _without_warnings(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run()


class Halves(Rule):
    """Half of LRP-0, the rest is nobody's."""

    def pass_back(self, operation, gradient, account):
        return operation.transpose(gradient / 2)


def test_own_rule_is_a_subclass():
    module, X = network("mlp without biases")
    whole, half = (explain(module, X, {"default": one}) for one in (Epsilon(0.0), Halves()))
    np.testing.assert_allclose(half.values, whole.values / 8, rtol=1e-12)
    with refuses(EngineError, "Rule", "pass_back"):
        explain(module, X, {"default": Rule()})


def test_parameters_of_rules_are_checked():
    for make, facts in {
        lambda: Epsilon(-1.0): ("'epsilon'", "Epsilon", "0 or more", "-1.0"),
        lambda: Epsilon(float("nan")): ("'epsilon'", "nan"),
        lambda: Gamma(-0.5): ("'gamma'", "Gamma", "0 or more", "-0.5"),
        lambda: AlphaBeta(0.5, -0.5): ("'beta'", "AlphaBeta", "-0.5"),
        lambda: AlphaBeta(2.0, 2.0): (
            "AlphaBeta",
            "alpha - beta = 1",
            "alpha=2",
            "beta=2",
            "AlphaBeta(3, 2)",
        ),
    }.items():
        with refuses(DataError, *facts):
            make()
    AlphaBeta(3, 2)
