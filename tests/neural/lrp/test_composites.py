"""Which rule an operation has: names, mappings, functions, and what is wrong with them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import LrpExplainer  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural import AlphaBeta, Epsilon, Flat, Gamma, Pass, Place, WSquare, ZBox, ZPlus  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.lrp.comparison import absorbed, assert_kept, explain  # noqa: E402
from tests.neural.networks import DigitCnn, ResidualBlock, pictures, seeded, vgg  # noqa: E402

IMAGES = pictures(2, 16)
DIGITS = pictures(2, 10, 1)
pytestmark = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")


def digits():
    return seeded(DigitCnn, size=10)


NAMED = {
    "epsilon": {"default": Epsilon()},
    "epsilon_plus": {"convolution": ZPlus(), "linear": Epsilon()},
    "epsilon_plus_flat": {"first": Flat(), "convolution": ZPlus(), "linear": Epsilon()},
    "epsilon_gamma_box": {"first": ZBox(0.0, 1.0), "convolution": Gamma(0.25), "linear": Epsilon()},
    "epsilon_alpha2_beta1": {"convolution": AlphaBeta(2.0, 1.0), "linear": Epsilon()},
    "deep_taylor": {"first": ZBox(0.0, 1.0), "default": ZPlus()},
}


@pytest.mark.parametrize("name", NAMED)
def test_named_composite_is_a_mapping_and_a_function(name):
    rules = NAMED[name]

    def choose(place):
        keys = ("first", place.kind, "default") if place.is_first else (place.kind, "default")
        return next((rules[key] for key in keys if key in rules), None)

    values = explain(digits(), DIGITS, name).values
    np.testing.assert_array_equal(values, explain(digits(), DIGITS, rules).values)
    np.testing.assert_array_equal(values, explain(digits(), DIGITS, choose).values)


def test_composites_differ():
    values = [explain(digits(), DIGITS, name).values for name in NAMED]
    for i, one in enumerate(values):
        assert all(np.abs(one - other).max() > 1e-6 for other in values[:i])


def test_keys_go_from_the_layer_to_the_default():
    module = digits()
    by_layer = {
        "conv1": ZPlus(),
        "first": Gamma(9.0),
        "conv2": Gamma(0.5),
        "linear": Epsilon(),
        "linear2": ZPlus(),
    }
    seen = {}

    def note(place):
        if place.depth:  # linear
            seen[place.layer] = place
        return {"conv1": ZPlus(), "conv2": Gamma(0.5), "linear2": ZPlus()}.get(place.layer, Epsilon())

    np.testing.assert_array_equal(
        explain(module, DIGITS, by_layer).values, explain(module, DIGITS, note).values
    )
    assert seen == {
        "conv1": Place("convolution", "conv1", 1, True),
        "conv2": Place("convolution", "conv2", 2, False),
        "linear1": Place("linear", "linear1", 3, False),
        "linear2": Place("linear", "linear2", 4, False),
    }


def test_depth_is_the_longest_way_from_the_input():
    seen = {}

    def note(place):
        if place.depth:
            seen[place.layer] = (place.kind, place.depth, place.is_first)
        return Epsilon()

    module = seeded(
        lambda: nn.Sequential(ResidualBlock(3, 4, 2), ResidualBlock(4, 4), nn.Flatten(), nn.Linear(256, 2))
    )
    explain(module, IMAGES, note)
    assert seen == {
        "0.conv1": ("convolution", 1, True),
        "0.conv2": ("convolution", 2, False),
        "0.shortcut.0": ("convolution", 1, True),
        "1.conv1": ("convolution", 3, False),
        "1.conv2": ("convolution", 4, False),
        "3": ("linear", 5, False),
    }


def test_functions_of_one_number_may_pass_relevance_as_it_is():
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Sigmoid(), nn.Linear(5, 2)))
    X = np.random.default_rng(0).normal(size=(3, 4))
    plain = explain(module, X, "epsilon")
    assert absorbed(plain)[:, 2].all()
    for composite in (
        {"sigmoid": Pass(), "default": Epsilon()},
        {"1": Pass(), "default": Epsilon()},
        lambda place: Pass() if place.kind == "sigmoid" else Epsilon(),
    ):
        exp = explain(module, X, composite)
        assert not absorbed(exp)[:, 2].any()
        assert_kept(exp)
    np.testing.assert_array_equal(explain(module, X, lambda place: Epsilon()).values, plain.values)


@pytest.mark.parametrize(
    ("composite", "facts"),
    [
        (
            "epsilon-plus",
            ("'epsilon_plus'", "'deep_taylor'", "dict", "function", "'epsilon-plus'", "Did you mean"),
        ),
        (3, ("'epsilon'", "dict", "function", "3")),
        (None, ("'epsilon'", "dict", "function", "None")),
        ({}, ("dict of rules", "{}")),
        ({"default": "epsilon"}, ("'epsilon'", "'default'", "Epsilon()", "agnostix.neural")),
        ({"default": Epsilon}, ("'default'", "Epsilon()", "agnostix.neural")),
        (Epsilon(), ("Epsilon(epsilon=1e-06", "{'default': rule}")),
        (Epsilon, ("{'default': rule}",)),
        ({"first": ZPlus()}, ("no rule", "'convolution'", "'conv2'", "'default'", "Epsilon()")),
        ({"convolution": ZPlus()}, ("no rule", "'linear'", "'linear1'", "'default'")),
        ({"default": Pass()}, ("no rule", "'convolution'", "'conv1'", "Epsilon()")),
        (lambda place: None, ("no rule", "'convolution'", "'conv1'")),
        (lambda place: "epsilon", ("'epsilon'", "'conv1'", "Epsilon()")),
        ({"default": Flat()}, ("Flat()", "'conv2'", "operations on the input", "'first'")),
        ({"conv2": WSquare(), "default": Epsilon()}, ("WSquare()", "'conv2'", "'first'")),
        (
            {"conv3": ZPlus(), "default": Epsilon()},
            ("'conv3'", "Did you mean ", "'conv2'", "'linear2'"),
        ),
        ({"relu1": ZPlus(), "default": Epsilon()}, ("'relu1'", "ZPlus()", "Pass()")),
        ({"sigmoid": Pass(), "default": Epsilon()}, ("'sigmoid'", "'linear'")),
    ],
)
def test_composite_that_does_not_fit_is_refused(composite, facts):
    with refuses(DataError, "'composite'", "LrpExplainer", *facts):
        LrpExplainer(digits(), composite=composite).fit(DIGITS)


def test_rule_of_linear_operations_for_a_function_is_refused():
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2)))
    X = np.random.default_rng(0).normal(size=(3, 4))
    for key in ("gelu", "1"):
        with refuses(DataError, "'composite'", repr(key), "ZPlus()", "Pass()"):
            explain(module, X, {key: ZPlus(), "default": Epsilon()})
        assert_kept(explain(module, X, {key: Pass(), "default": Epsilon()}))


def test_keys_of_kinds_may_be_idle():
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)))
    X = np.random.default_rng(0).normal(size=(3, 4))
    exp = explain(
        module, X, {"first": Epsilon(), "convolution": ZPlus(), "linear": Epsilon(), "default": Gamma()}
    )
    np.testing.assert_array_equal(exp.values, explain(module, X, "epsilon").values)


def test_composite_says_what_it_was_in_the_explanation():
    exp = explain(seeded(vgg), IMAGES, "epsilon_plus")
    assert exp.params["composite"] == "epsilon_plus"
    own = explain(seeded(vgg), IMAGES, {"default": Gamma(0.5)})
    assert own.params["composite"] == "{'default': Gamma(gamma=0.5)}"
