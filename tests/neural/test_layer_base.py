"""Relevance, contributions and gradients of any layer: as the loops have them there, and as of the tail."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    DeepLiftExplainer,
    Explanation,
    IntegratedGradientsExplainer,
    LrpExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.exceptions import DataError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.comparison import RULES, absorbed, assert_kept, network, residual  # noqa: E402
from tests.neural.networks import pictures, seeded, vgg  # noqa: E402
from tests.reference.deep_lift import contributions  # noqa: E402
from tests.reference.layers import merge_batch_norms  # noqa: E402
from tests.reference.relevance import relevances  # noqa: E402

TABLE = np.random.default_rng(1).normal(size=(4, 5))
IMAGES = pictures(3, 16)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
METHODS = {
    "lrp": (LrpExplainer, {"composite": "epsilon_plus"}),
    "attention": (LrpExplainer, {"composite": "epsilon", "attention": "attn_lrp"}),
    "deep_lift": (DeepLiftExplainer, {}),
    "reveal_cancel": (DeepLiftExplainer, {"rule": "reveal_cancel"}),
    "integrated": (IntegratedGradientsExplainer, {"method": "gauss-legendre", "n_steps": 4}),
    "gradient": (SaliencyExplainer, {}),
    "product": (SaliencyExplainer, {"method": "gradient_x_input"}),
    "largest": (SaliencyExplainer, {"form": "absolute"}),
    "noisy": (SaliencyExplainer, {"n_samples": 3, "random_state": 0}),
}
SUMS = [name for name in METHODS if name != "largest"]


def build(module, method, **params):
    explainer, own = METHODS[method]
    return explainer(as_predictor(module, activation="none"), **own, **params)


def explain(module, X, method="lrp", **params):
    return build(module, method, **params).fit(X).explain(X)


def as_images(X):
    """From channels first to last."""
    return np.ascontiguousarray(np.moveaxis(X, 1, -1))


def outputs_of(module, layer, X):
    """What a layer of a Sequential gives for images with channels last, or for a table."""
    inputs = torch.tensor(np.moveaxis(X, -1, 1) if X.ndim == 4 else X)
    with torch.no_grad():
        return module[: layer + 1](inputs).numpy()


# Against the loops -------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["epsilon", "plus", "gamma", "alpha2-beta1"])
def test_relevance_of_each_layer_is_that_of_the_loops_there(rule):
    module, X = network("convolutional")
    own, of_loops = RULES[rule]
    rules = dict.fromkeys(("linear", "conv"), of_loops(True))
    places = {1: 1, 2: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8}  # two batch norms are merged
    wanted = relevances(merge_batch_norms(layers_of(module)), X, 1, rules)
    for layer, place in places.items():
        model = as_predictor(module, activation="none")
        params = {"composite": {"default": own}, "layer": str(layer)}
        exp, by_channel = (
            LrpExplainer(model, **params, layer_values=kept).fit(as_images(X)).explain(as_images(X))
            for kept in ("places", "channels")
        )
        there = wanted.layers[place]
        atol = 1e-10 * max(1.0, np.abs(there).max())
        assert_kept(exp, 1e-10)
        if there.ndim == 2:
            assert exp.feature_names == tuple(f"{layer}[{i}]" for i in range(there.shape[1]))
            np.testing.assert_allclose(exp.values[..., 1], there, rtol=0, atol=atol)
            continue
        assert exp.dims == ("row", "y", "x", "output")
        np.testing.assert_allclose(exp.values[..., 1], there.sum(axis=1), rtol=0, atol=atol)
        np.testing.assert_allclose(by_channel.values[..., 1], there.sum(axis=(2, 3)), rtol=0, atol=atol)


def test_relevance_is_kept_or_absorbed_between_any_two_layers():
    module, images = seeded(residual), as_images(np.random.default_rng(0).normal(size=(2, 2, 6, 6)))
    before = None
    for layer in ("3", "2", "1", "0.relu2", "0.relu1", None):
        exp = explain(module, images, layer=layer)
        assert_kept(exp, 1e-10)
        total = absorbed(exp).sum(axis=1)
        if layer == "3":  # before the last linear layer
            bias = np.broadcast_to(module[4].bias.detach().numpy(), (2, 2))
            np.testing.assert_allclose(exp.completeness_gap, bias, rtol=1e-4)
        before = total if before is None else before
    assert np.abs(total).max() > np.abs(before).max()


@pytest.mark.parametrize("layer", [2, 4, 8])
def test_contributions_of_a_layer_are_those_of_the_loops(layer):
    module, X = network("convolutional")
    exp = explain(module, as_images(X), "deep_lift", layer=str(layer))
    inner = outputs_of(module, layer, as_images(X))
    wanted, _ = contributions(layers_of(module[layer + 1 :]), inner, np.zeros_like(inner[:1]), 1)
    np.testing.assert_allclose(exp.values[..., 1], wanted.sum(axis=1), rtol=0, atol=1e-10)
    np.testing.assert_allclose(exp.completeness_gap, 0.0, atol=1e-12)


# Against the tail of the network -----------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", [1, 9])
def test_a_layer_is_the_input_of_the_networks_tail(method, layer):
    module = seeded(vgg)
    inner = outputs_of(module, layer, IMAGES)
    exp = explain(module, IMAGES, method, layer=module[layer])
    tail = explain(module[layer + 1 :], as_images(inner), method)
    assert exp.values.shape[1:3] == inner.shape[2:]
    if method != "noisy":  # whose noise is that of another array
        np.testing.assert_allclose(exp.values, tail.values, rtol=0, atol=1e-12)
    for name in ("outputs", "base_values", "completeness_gap"):
        if getattr(tail, name) is not None:
            np.testing.assert_allclose(getattr(exp, name), getattr(tail, name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_hidden_units_are_the_columns_of_the_networks_tail(method):
    module = seeded(
        lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 2))
    )
    exp = explain(module, TABLE, method, layer="1")
    assert (exp.dims, exp.feature_names) == (
        ("row", "feature", "output"),
        ("1[0]", "1[1]", "1[2]", "1[3]", "1[4]", "1[5]"),
    )
    tail = explain(module[2:], outputs_of(module, 1, TABLE), method)
    if method != "noisy":
        np.testing.assert_allclose(exp.values, tail.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", SUMS)
@pytest.mark.parametrize("layer", ["4", "11"])
def test_channels_and_places_have_the_same_sum(method, layer):
    module = seeded(vgg)
    places, channels = (
        explain(module, IMAGES, method, layer=layer, layer_values=k) for k in ("places", "channels")
    )
    sums = [one.values.reshape(3, -1, 4).sum(axis=1) for one in (places, channels)]
    np.testing.assert_allclose(*sums, rtol=0, atol=1e-12)
    assert channels.dims == ("row", "feature", "output")
    assert (channels.std_errors is not None) == (method == "noisy")
    assert channels.extras["layer"].startswith(f"{layer}: (")
    if layer == "11":
        np.testing.assert_array_equal(places.values, channels.values)


# Tokens and series -------------------------------------------------------------------------------


class Patches(nn.Module):
    """A vision transformer of 2 x 2 patches, with a class token."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 4, 8, stride=8)
        self.start = nn.Parameter(torch.ones(1, 1, 4))
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.flat, self.head = nn.Identity(), nn.Linear(4, 4)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.start.expand(len(x), 1, 4), tokens], dim=1)
        return self.head(self.flat(self.encoder(tokens))[:, 0])


@pytest.mark.parametrize("method", ["attention", "deep_lift", "product"])
def test_tokens_of_images_have_a_value_each(method):
    module = seeded(Patches)
    tokens = explain(module, IMAGES, method, layer="encoder")
    assert tokens.feature_names == tuple(f"encoder[{i}]" for i in range(5))
    assert tokens.values[:, 0].any()
    assert not tokens.values[:, 1:].any()  # the class token alone is read
    np.testing.assert_array_equal(explain(module, IMAGES, method, layer="flat").values, tokens.values)
    channels = explain(module, IMAGES, method, layer="encoder", layer_values="channels")
    np.testing.assert_allclose(channels.values.sum(axis=1), tokens.values[:, 0], atol=1e-12)
    assert explain(module, IMAGES, method, layer="patch").values.shape == (3, 2, 2, 4)


def test_series_have_a_value_for_each_column_or_step():
    layers = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv1d(3, 2, 2), nn.ReLU()
    module = seeded(lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 2)))
    exp = explain(module, TABLE, layer="2")
    assert exp.feature_names == ("x0", "x1", "x2", "x3", "x4")
    assert "layer" not in exp.extras
    np.testing.assert_allclose(exp.values[..., 0], relevances_of(module, TABLE, 2).sum(axis=1), atol=1e-10)
    for layer in (3, 4):  # ReLU keeps the axes of what comes before
        exp = explain(module, TABLE, layer=str(layer))
        assert exp.feature_names == tuple(f"{layer}[{i}]" for i in range(4))
        np.testing.assert_allclose(
            exp.values[..., 0], relevances_of(module, TABLE, layer).sum(axis=1), atol=1e-10
        )


def relevances_of(module, X, layer):
    """Relevance of a layer's output for the first output, by the loops over the layers after it."""
    inner, rules = outputs_of(module, layer, X), {"conv": RULES["plus"][1](True)}
    return relevances(layers_of(module[layer + 1 :]), inner, 0, rules).values


# What is told of the units -----------------------------------------------------------------------


def test_units_are_named_and_are_no_columns(tmp_path):
    module = seeded(lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)))
    explainer = build(module, "lrp", layer="1").fit(TABLE)
    exp, names = explainer.explain(TABLE), [f"1[{i}]" for i in range(5)]
    assert exp.extras["layer"] == "1: (5,)"
    assert exp.params["layer"] == explain(module, TABLE, layer=module[1]).params["layer"] == "1"
    np.testing.assert_array_equal(exp.data.to_numpy(), TABLE)
    assert exp.to_frame()["data_value"].isna().all()  # as many units as columns, and none is one
    assert list(explainer.get_feature_names_out()) == [
        f"output_{k}: {name}" for k in (0, 1) for name in names
    ]
    np.testing.assert_array_equal(explainer.transform(TABLE)[:, :5], exp.values[..., 0])
    exp.save(tmp_path / "layer.npz")
    again = Explanation.load(tmp_path / "layer.npz")
    np.testing.assert_array_equal(again.values, exp.values)
    assert (again.feature_names, again.extras["layer"]) == (exp.feature_names, "1: (5,)")
    assert exp.sel(features="1[3]").values.shape == (4, 1, 2)
    assert exp.aggregate().values.shape == (5, 2)


def test_columns_of_units_can_be_made_of_images():
    explainer = build(seeded(vgg), "deep_lift", layer="4", layer_values="channels", outputs=[1]).fit(IMAGES)
    assert list(explainer.get_feature_names_out()) == [f"4[{i}]" for i in range(8)]
    assert explainer.transform(IMAGES).shape == (3, 8)
    maps = build(seeded(vgg), "deep_lift", layer="4", outputs=[1]).fit(IMAGES)
    with refuses(DataError, "DeepLiftExplainer", "columns", "explain(X).values"):
        maps.transform(IMAGES)
    assert maps.explain(IMAGES).values.shape == (3, 8, 8, 1)


@pytest.mark.parametrize("method", ["lrp", "deep_lift", "integrated", "product"])
def test_fitted_explainers_are_cloned_and_pickled(method):
    explainer = build(seeded(vgg), method, layer="4", layer_values="channels")
    twin = clone(explainer)
    assert (twin.layer, twin.layer_values) == ("4", "channels")
    fitted = explainer.fit(IMAGES)
    exp = fitted.explain(IMAGES)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).explain(IMAGES).values, exp.values)
    fitted.set_params(layer_values="places")
    with refuses(DataError, "layer_values", "fit again"):
        fitted.explain(IMAGES)
    assert fitted.fit(IMAGES).explain(IMAGES).dims == ("row", "y", "x", "output")
    assert fitted.set_params(layer=None).fit(IMAGES).explain(IMAGES).values.shape == (3, 16, 16, 4)


# Layers that are refused -------------------------------------------------------------------------


class Around(nn.Module):
    """Something on steps (n_rows, 5, 2) of a table, and a head."""

    def __init__(self, inner):
        super().__init__()
        self.widen, self.inner, self.head = nn.Linear(1, 2), inner, nn.Linear(2, 2)

    def forward(self, x):
        y = self.inner(self.widen(x[..., None]))
        return self.head(y[0] if isinstance(y, tuple) else y).mean(dim=1)


class StepsFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(2, 2)

    def forward(self, x):
        return self.mix(x.transpose(0, 1)).transpose(0, 1)


class Total(nn.Module):
    def __init__(self, whole=False):
        super().__init__()
        self.sums, self.whole = nn.Identity(), whole

    def forward(self, x):
        total = x.sum(dim=(1, 2))
        total = self.sums(total.long() if self.whole else total)
        return x * total[:, None, None]


class Grows(nn.Module):
    """As many steps as there are rows, up to three."""

    def __init__(self):
        super().__init__()
        self.part = nn.Identity()

    def forward(self, x):
        return torch.cat([x, self.part(x[:, : len(x)])], dim=1)


@pytest.mark.parametrize("method", ["lrp", "deep_lift", "integrated", "gradient"])
@pytest.mark.parametrize(
    ("inner", "layer", "facts"),
    [
        (
            nn.LSTM(2, 2, batch_first=True),
            "inner",
            ["'inner'", "gives a tuple", "one tensor", "Name a layer"],
        ),
        (
            StepsFirst(),
            "inner.mix",
            ["'inner.mix'", "(5, 3, 2)", "3 rows", "(n_rows, ...)", "batch_first=True"],
        ),
        (Total(), "inner.sums", ["'inner.sums'", "(3,)", "3 rows", "(n_rows, ...)"]),
        (Total(True), "inner.sums", ["'inner.sums'", "torch.int64", "floats"]),
        (Grows(), "inner.part", ["'inner.part'", "(1, 1, 2)", "1 rows", "(1, 3, 2)", "in fit"]),
    ],
)
def test_layers_without_rows_first_are_refused(method, inner, layer, facts):
    module = seeded(lambda: Around(inner))
    with refuses(DataError, *facts):
        explain(module, TABLE[:1], method, layer=layer)
    explain(module, TABLE[:1], "gradient", layer="widen")  # the remedy: another layer


def test_layer_values_are_of_a_layer():
    for method in ("lrp", "deep_lift", "integrated", "gradient"):
        with refuses(DataError, "'layer_values'", "'channels'", "layer=None", "leave layer_values out"):
            explain(seeded(vgg), IMAGES, method, layer_values="channels")
        with refuses(ValueError, "'layer_values'", "'units'"):
            explain(seeded(vgg), IMAGES, method, layer="4", layer_values="units")
