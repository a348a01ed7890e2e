"""Rules whose result is relevance itself: inputs of 0, normalization, padding, several entries."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural import Epsilon, Flat, Gamma, WSquare, ZBox  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.lrp.comparison import DIRECT, absorbed, assert_kept, explain  # noqa: E402
from tests.neural.networks import pictures, seeded, vgg  # noqa: E402

IMAGES = pictures(2, 16)
COMPOSITES = ("epsilon_plus_flat", "epsilon_gamma_box", "deep_taylor")
direct = pytest.mark.parametrize("rule", DIRECT)
pytestmark = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")


class Wrapped(nn.Module):
    """A network behind something else."""

    def __init__(self, before=lambda x: x, after=lambda scores, x: scores, inner=vgg):
        super().__init__()
        self.net, self.before, self.after = inner(), before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)), x)


class TwoEntries(nn.Module):
    """Two convolutions of the input, one of them times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.one, self.other, self.factor = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), factor
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        maps = torch.relu(self.one(x)) + torch.relu(self.other(self.factor * x))
        return self.head(maps.mean(dim=(2, 3)))


def first(rule):
    return {"first": DIRECT[rule][0], "default": Gamma()}


def test_inputs_of_0_have_relevance_with_direct_rules_alone():
    X = IMAGES.copy()
    X[:, :, :8] = 0.0
    module = seeded(vgg)
    for rule in (ZBox(-1.0, 1.0), WSquare(), Flat()):
        values = explain(module, X, {"first": rule, "default": Gamma()}).values
        assert (np.abs(values[:, :, :8]).max(axis=(1, 2)) > 1e-8).all()
    assert not explain(module, X, "epsilon_plus").values[:, :, :8].any()


@pytest.mark.parametrize("composite", COMPOSITES)
def test_normalization_is_the_same_inside_the_module_and_outside(composite):
    plain = seeded(vgg)
    inside = seeded(Wrapped, lambda x: (x - 0.4) / 0.3)
    inside.net.load_state_dict(plain.state_dict())
    outside = as_predictor(plain, activation="none", mean=[0.4] * 3, std=[0.3] * 3)
    own, other = explain(inside, IMAGES, composite), explain(outside, IMAGES, composite)
    np.testing.assert_allclose(own.values, other.values, rtol=0, atol=1e-14)
    np.testing.assert_allclose(absorbed(own), absorbed(other), rtol=0, atol=1e-14)
    assert_kept(own)


@direct
def test_relevance_on_padding_is_an_offset(rule):
    plain = seeded(vgg, size=20)
    padded = seeded(Wrapped, lambda x: nn.functional.pad(x, (2, 2, 2, 2)), inner=lambda: vgg(size=20))
    padded.net.load_state_dict(plain.state_dict())
    exp = explain(padded, IMAGES, first(rule))
    assert_kept(exp)
    whole = explain(plain, np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0))), first(rule))
    if rule != "box":  # on padding, whose bounds are 0, it has none
        np.testing.assert_allclose(exp.values, whole.values[:, 2:-2, 2:-2], rtol=0, atol=1e-14)
        assert (np.abs(absorbed(exp)[:, 2]) > 1e-9).all()


@direct
def test_pixels_that_are_cut_off_have_no_relevance(rule):
    plain = seeded(vgg, size=12)
    cropped = seeded(Wrapped, lambda x: x[:, :, 2:-2, 2:-2], inner=lambda: vgg(size=12))
    cropped.net.load_state_dict(plain.state_dict())
    values = explain(cropped, IMAGES, first(rule)).values.copy()
    wanted = explain(plain, IMAGES[:, 2:-2, 2:-2], first(rule)).values
    np.testing.assert_allclose(values[:, 2:-2, 2:-2], wanted, rtol=0, atol=1e-14)
    values[:, 2:-2, 2:-2] = 0.0
    assert not values.any()


@direct
def test_input_may_enter_several_operations(rule):
    assert_kept(explain(seeded(TwoEntries), IMAGES, first(rule)))
    with refuses(DataError, "different factors", "ZBox", "composite='epsilon_plus'"):
        explain(seeded(TwoEntries, 2.0), IMAGES, first(rule))
    assert_kept(explain(seeded(TwoEntries, 2.0), IMAGES, "epsilon_plus"))


@direct
@pytest.mark.parametrize(
    "after",
    [lambda scores, x: scores + x.mean(dim=(1, 2, 3))[:, None], lambda scores, x: scores + x[:, 0, 0, :4]],
    ids=["mean", "values"],
)
def test_shortcut_from_the_input_is_refused(rule, after):
    module = seeded(Wrapped, after=after)
    with refuses(DataError, "shortcut", "'first'", "composite='epsilon_plus'", "Epsilon"):
        explain(module, IMAGES, first(rule))
    assert_kept(explain(module, IMAGES, "epsilon_plus"))
    assert_kept(explain(module, IMAGES, {"first": Epsilon(), "default": Gamma()}))


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (torch.tanh, "tanh"),
        (lambda x: x * x, "product"),
        (lambda x: nn.functional.avg_pool2d(x, 3, 1, 1), "avg_pool2d"),
    ],
)
def test_other_operations_before_the_first_linear_one_are_refused(before, name):
    module = seeded(Wrapped, before)
    with refuses(DataError, "Between the input", name, "ZBox, WSquare and Flat", "composite='epsilon_plus'"):
        explain(module, IMAGES, first("flat"))
    assert_kept(explain(module, IMAGES, "epsilon_plus"))


def test_squares_are_for_what_a_layer_gives():
    module = seeded(
        lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    )
    X = np.random.default_rng(0).normal(size=(3, 4))
    composite = {"first": WSquare(), "default": Gamma()}
    exp = explain(module, X, composite, layer="1")
    assert_kept(exp)
    inner = explain(module[2:], module[:2](torch.tensor(X)).detach().numpy(), composite)
    np.testing.assert_allclose(exp.values, inner.values)
    with refuses(DataError, "relu", "right before the linear operation"):
        explain(module, X, composite, layer="0")


@direct
def test_corners_of_the_box_are_run_once_a_call_and_are_no_model_rows(rule):
    module = seeded(vgg)
    model = as_predictor(module, activation="none")
    calls = []
    handle = module.register_forward_pre_hook(lambda _module, inputs: calls.append(len(inputs[0])))
    from agnostix import LrpExplainer

    fitted = LrpExplainer(model, composite=first(rule)).fit(IMAGES)
    calls.clear()
    exp = fitted.explain(IMAGES)
    handle.remove()
    assert sum(calls) == len(IMAGES) + 2
    assert exp.n_model_rows == fitted.cost(IMAGES) == len(IMAGES)


def test_passes_of_the_corners_stop_at_the_first_operations():
    module, calls = seeded(vgg), []
    last = next(one for one in reversed(list(module.modules())) if isinstance(one, nn.Linear))
    last.register_forward_hook(lambda _layer, inputs, _output: calls.append(len(inputs[0])))
    from agnostix import LrpExplainer

    model = as_predictor(module, activation="none")
    fitted = LrpExplainer(model, composite="epsilon_gamma_box").fit(IMAGES)
    calls.clear()
    fitted.explain(IMAGES)
    assert sum(calls) == len(IMAGES)
