"""Class activation maps of real networks: loops, identities, spellings, several methods and layers."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from torch import nn  # noqa: E402

from agnostix import CamExplainer, Explanation, as_predictor  # noqa: E402
from agnostix.exceptions import DataError, EngineError  # noqa: E402
from agnostix.neural.cam_config import METHODS  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import (  # noqa: E402
    ResNet,
    efficientnet_lite0,
    pictures,
    resnet18,
    seeded,
    spellings,
    vgg,
)
from tests.reference import cam as reference  # noqa: E402

X = pictures()
OF_GRADIENTS = ("axiom_cam", "cam", "grad_cam", "grad_cam_pp", "hires_cam", "layer_cam")
NO_CAM = [method for method in METHODS if method != "cam"]


def explained(module, rows=X, activation="none", **params):
    """All maps before ReLU, unless other parameters are given."""
    params = {"method": list(METHODS), "positive": False} | params
    return CamExplainer(as_predictor(module, activation=activation), **params).fit(rows[:2]).explain(rows)


def by_method(exp):
    return {str(name): exp.values[:, k] for k, name in enumerate(exp.coords["method"])}


class Small(nn.Module):
    """A convolution with ReLU, and a head that is pooled and linear, or has a hidden layer."""

    def __init__(self, pooled):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3, bias=False)
        inner = 5 if pooled else 5 * 16
        self.pooled, self.linear = pooled, nn.Linear(inner, 3)
        self.hidden = nn.Identity() if pooled else nn.Sequential(nn.Linear(inner, inner), nn.Tanh())

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.linear(self.hidden(x.mean((2, 3)) if self.pooled else x.flatten(1)))

    def in_numpy(self, image, k):
        """Maps of an image (6, 6), and its score as a function of maps and of an image."""
        kernels, weights, bias = (
            one.detach().numpy() for one in (self.conv.weight[:, 0], self.linear.weight, self.linear.bias)
        )

        def head(maps):
            if self.pooled:
                return weights[k] @ maps.mean((1, 2)) + bias[k]
            first = self.hidden[0]
            inner = first.weight.detach().numpy() @ maps.ravel() + first.bias.detach().numpy()
            return weights[k] @ np.tanh(inner) + bias[k]

        return reference.convolve(image, kernels), head, lambda x: head(reference.convolve(x, kernels))


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_maps_equal_loops(method, pooled):
    if method == "cam" and not pooled:
        pytest.skip("refused")
    net, images = seeded(Small, pooled), np.random.default_rng(0).random((2, 6, 6))
    exp = explained(net, images, method=method)
    assert exp.dims == ("row", "y", "x", "output")
    for row, image in enumerate(images):
        for k in range(3):
            maps, head, score = net.in_numpy(image, k)
            if method == "score_cam":
                small = reference.score_cam(maps, image, score)
            else:
                small = reference.class_activation_map(method, maps, head)
            large = reference.enlarge(small, (6, 6))
            np.testing.assert_allclose(exp.values[row, ..., k], large, atol=1e-8)
            np.testing.assert_allclose(exp.outputs[row, k], score(image), atol=1e-12)


@pytest.mark.parametrize("make", [ResNet, resnet18])
def test_identities_of_a_pooled_linear_head(make):
    """CAM / Z = Grad-CAM = XGrad-CAM = HiResCAM; Ablation-CAM weighs by w_k mean(A_k) / y."""
    net = seeded(make)
    exp = explained(net)
    maps, size = by_method(exp), np.abs(exp.values[:, 2]).max()
    n_places = 8 * 8 if make is ResNet else 2 * 2
    for name in ("axiom_cam", "hires_cam"):
        np.testing.assert_allclose(maps[name], maps["grad_cam"], atol=1e-6 * size)
    np.testing.assert_allclose(maps["cam"] / n_places, maps["grad_cam"], atol=1e-6 * size)
    with torch.no_grad():
        A = net.stages(net.relu1(net.norm1(net.conv1(torch.as_tensor(X).permute(0, 3, 1, 2)))))
        w, y = net.linear.weight.detach(), net(torch.as_tensor(X).permute(0, 3, 1, 2))
    weights = torch.einsum("ck,nk->nck", w, A.mean((2, 3))) / y.abs()[:, :, None]
    small = torch.einsum("nck,nkyx->ncyx", weights, A)
    large = nn.functional.interpolate(small, size=(16, 16), mode="bilinear").permute(0, 2, 3, 1)
    np.testing.assert_allclose(maps["ablation_cam"], large, atol=1e-6 * float(large.abs().max()))


def test_sums_of_hires_maps_are_scores_without_bias():
    """The head is linear: HiResCAM at the layer's size sums to the score minus the bias."""
    net = seeded(Small, True)
    images = np.random.default_rng(0).random((2, 6, 6))
    net.conv.padding = (1, 1)
    exp = explained(net, images, method="hires_cam")
    np.testing.assert_allclose(
        exp.values.sum(axis=(1, 2)), exp.outputs - net.linear.bias.detach().numpy(), atol=1e-12
    )


@pytest.mark.parametrize("method", NO_CAM)
def test_four_spellings_have_the_same_maps(method):
    first, *others = (
        explained(module, method=method, activation="softmax").values for module in spellings().values()
    )
    assert np.abs(first).max() > 0
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6 * np.abs(first).max())


def test_several_methods_and_layers_are_those_of_single_ones():
    net = seeded(vgg)
    layers = ["auto", "2"]
    exp = explained(net, method=NO_CAM, layer=layers)
    assert exp.dims == ("row", "layer", "method", "y", "x", "output")
    assert exp.coords["layer"].tolist() == layers
    assert exp.coords["method"].tolist() == NO_CAM
    for i, layer in enumerate(layers):
        for k, method in enumerate(NO_CAM):
            one = explained(net, method=method, layer=layer)
            assert one.dims == ("row", "y", "x", "output")
            np.testing.assert_allclose(exp.values[:, i, k], one.values, atol=1e-12)


@pytest.mark.parametrize("layer", ["auto", "2", "stages.0.conv1"])
def test_ablation_by_head_alone_equals_the_whole_network(layer):
    """A convolution inside a residual block is no cut: there, the whole network runs for each channel."""
    net = seeded(ResNet if layer.startswith("stages") else vgg)
    explainer = CamExplainer(as_predictor(net, activation="none"), method="ablation_cam", layer=layer)
    exp = explainer.set_params(positive=False).fit(X).explain(X)
    part = dict(net.named_modules())["9" if layer == "auto" else layer]
    images = torch.as_tensor(X).permute(0, 3, 1, 2)
    with torch.no_grad():
        y, maps = net(images), []
        hook = part.register_forward_hook(lambda _m, _i, out: maps.append(out))
        net(images)
        hook.remove()
        weights = []
        for k in range(maps[0].shape[1]):

            def ablate(_m, _i, out, k=k):
                out = out.clone()
                out[:, k] = 0
                return out

            hook = part.register_forward_hook(ablate)
            weights.append((y - net(images)) / y.abs())
            hook.remove()
    small = torch.einsum("knc,nkyx->ncyx", torch.stack(weights), maps[0])
    large = nn.functional.interpolate(small, size=(16, 16), mode="bilinear").permute(0, 2, 3, 1)
    np.testing.assert_allclose(exp.values, large, atol=1e-9)
    assert exp.n_model_rows <= explainer.cost(X)
    n_channels = maps[0].shape[1]
    assert exp.n_model_rows == 3 * (1 + n_channels) + (not layer.startswith("stages"))


def test_closed_form_needs_no_evaluations_and_says_where_scores_are_negative():
    exp = explained(seeded(ResNet), method="ablation_cam")
    assert exp.n_model_rows == len(X)
    np.testing.assert_array_equal(exp.extras["negative_score"].array, exp.outputs <= 0)


def test_head_that_is_linear_in_the_graph_alone_is_evaluated():
    """A gate that is computed without a graph makes the score another function than its gradient says."""

    class Gated(ResNet):
        def forward(self, x):
            maps = self.stages(self.relu1(self.norm1(self.conv1(x))))
            pooled = self.pool(maps).flatten(1)
            return self.linear(pooled * pooled.detach().sum(dim=1, keepdim=True))

    exp = explained(seeded(Gated), method="ablation_cam")
    assert exp.n_model_rows == len(X) * (1 + 16) + 1


def test_positive_and_normalize():
    net = seeded(vgg)
    signed = by_method(explained(net, method=NO_CAM))
    papers = by_method(explained(net, method=NO_CAM, positive=None))
    for method in NO_CAM:
        assert (papers[method].min() >= 0) == (method != "hires_cam" or signed[method].min() >= 0)
    np.testing.assert_array_equal(papers["hires_cam"], signed["hires_cam"])
    scaled = explained(net, method="grad_cam", normalize=True)
    low, high = scaled.values.min(axis=(1, 2)), scaled.values.max(axis=(1, 2))
    np.testing.assert_allclose(low, 0)
    np.testing.assert_allclose(high, 1)
    span = signed["grad_cam"] - signed["grad_cam"].min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(scaled.values, span / span.max(axis=(1, 2), keepdims=True), atol=1e-12)


def test_scales_of_classes_and_rows_are_kept():
    """A class whose weights are twice as large has a map that is."""
    net = seeded(ResNet)
    with torch.no_grad():
        net.linear.weight[1] = 2 * net.linear.weight[0]
    exp = explained(net, method="grad_cam", positive=None)
    np.testing.assert_allclose(exp.values[..., 1], 2 * exp.values[..., 0], atol=1e-12)


def test_target_is_logits_or_probabilities():
    net = seeded(vgg)
    logits = explained(net, activation="softmax", method=["hires_cam", "score_cam"])
    np.testing.assert_allclose(
        logits.values, explained(net, method=["hires_cam", "score_cam"]).values, atol=1e-12
    )
    assert logits.units == "activations or logits"
    probabilities = explained(net, activation="softmax", method="hires_cam", target="predictions")
    assert probabilities.units == "model output"
    np.testing.assert_allclose(probabilities.values.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(probabilities.outputs.sum(axis=1), 1)


def test_selected_and_predicted_outputs():
    net = seeded(vgg)
    whole = explained(net, method="layer_cam")
    np.testing.assert_allclose(explained(net, method="layer_cam", outputs=[2]).values, whole.values[..., [2]])
    own = explained(net, method="layer_cam", outputs="predicted")
    best = whole.outputs.argmax(axis=1)
    expected = np.take_along_axis(whole.values, best[:, None, None, None], axis=-1)
    np.testing.assert_allclose(own.values, expected)


@pytest.mark.parametrize("layout", ["gray", "color", "bytes"])
def test_score_cam_multiplies_images_as_they_are_given(layout):
    """Also where the network normalizes, and images are bytes: against images made here."""
    n_channels = 1 if layout == "gray" else 3
    images = pictures(2, 12, n_channels)
    images = np.rint(255 * images).astype(np.uint8) if layout == "bytes" else images
    net = seeded(
        lambda: nn.Sequential(nn.Conv2d(n_channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 2))
    )
    model = as_predictor(net, mean=[0.4], std=[0.3], activation="none")
    exp = CamExplainer(model, method="score_cam", positive=False).fit(images).explain(images)
    maps = model.function.activations(images, ["1"])["1"]
    for row, image in enumerate(images):
        large = np.array([reference.enlarge(one, (12, 12)) for one in maps[row]])
        span = np.ptp(large, axis=(1, 2), keepdims=True)
        masks = (large - large.min(axis=(1, 2), keepdims=True)) / np.where(span > 0, span, np.inf)
        composed = image * (masks if n_channels == 1 else masks[..., None])
        # bytes are mixed on the device without rounding
        scores = (
            as_predictor(net, mean=[0.4], std=[0.3], activation="none", value_range="0-255").predict(composed)
            if layout == "bytes"
            else model.predict(composed)
        )
        weights = np.exp(scores) / np.exp(scores).sum(axis=0)
        expected = np.tensordot(weights.T, large, axes=1)
        np.testing.assert_allclose(exp.values[row], expected.transpose(1, 2, 0), atol=1e-10)


def test_score_cam_fill():
    """The mean of the normalization is 0 for the network: the product that libraries take."""
    net = seeded(Small, False)
    images = pictures(2, 6, 1)
    model = as_predictor(net, mean=[0.5], std=[0.5], activation="none")
    ours = CamExplainer(model, method="score_cam", fill=0.5).fit(images).explain(images)
    normalized = as_predictor(net, activation="none")
    theirs = CamExplainer(normalized, method="score_cam").fit(2 * images - 1).explain(2 * images - 1)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-12)


def test_dead_channels_give_zero():
    net = seeded(vgg)
    with torch.no_grad():
        net[7].weight[3:] = 0.0
        net[7].bias[3:] = -1.0
    exp = explained(net, method=NO_CAM)
    assert np.isfinite(exp.values).all()
    with torch.no_grad():
        net[7].weight[:] = 0.0
        net[7].bias[:] = -1.0
    assert (explained(net, method=NO_CAM).values == 0).all()


def test_tokens_of_a_transformer():
    """Tokens on their grid, the class token apart; ablation sets a channel of all tokens to 0."""

    class Vit(nn.Module):
        def __init__(self, pooled):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 4, stride=4)
            self.first = nn.Parameter(torch.randn(1, 1, 8))
            self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.norm, self.linear, self.pooled = nn.LayerNorm(8), nn.Linear(8, 4), pooled

        def forward(self, x):
            tokens = self.patch(x).flatten(2).transpose(1, 2)
            tokens = self.block(torch.cat([self.first.expand(len(x), -1, -1), tokens], dim=1))
            return self.linear(tokens[:, 1:].mean(dim=1) if self.pooled else self.norm(tokens)[:, 0])

    net = seeded(Vit, True)
    exp = explained(net, layer="block", method=["cam", "grad_cam", "ablation_cam"])
    maps = by_method(exp)
    np.testing.assert_allclose(maps["cam"] / 16, maps["grad_cam"], atol=1e-12)
    given = explained(net, layer="block", method="grad_cam", token_grid=(4, 4))
    by_function = explained(
        net,
        layer="block",
        method="grad_cam",
        token_grid=lambda out: out[:, 1:].transpose(1, 2).reshape(len(out), 8, 4, 4),
    )
    np.testing.assert_array_equal(given.values, maps["grad_cam"])
    np.testing.assert_allclose(by_function.values, given.values, atol=1e-14)
    assert np.abs(explained(seeded(Vit, False), layer="patch", method="hires_cam").values).max() > 0
    with refuses(DataError, "Ablation-CAM", "token_grid=(height, width)"):
        explained(net, layer="block", method="ablation_cam", token_grid=lambda out: out[:, 1:, :, None])
    with refuses(DataError, "layer='auto' cannot tell", "layer='name'"):
        explained(seeded(Vit, False), method="grad_cam")


def test_channels_last():
    class Last(ResNet):
        def forward(self, x):
            maps = self.stages(self.relu1(self.norm1(self.conv1(x)))).permute(0, 2, 3, 1)
            return self.linear(maps.mean((1, 2)))

    net = seeded(Last)
    with refuses(DataError, "channels last", "token_grid=lambda output: output.permute(0, 3, 1, 2)"):
        explained(net, method="grad_cam")
    fixed = explained(net, method="cam", token_grid=lambda output: output.permute(0, 3, 1, 2))
    np.testing.assert_allclose(fixed.values, explained(seeded(ResNet), method="cam").values, atol=1e-12)


def test_series_have_a_value_a_column():
    net = seeded(
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 20)), nn.Conv1d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
            nn.Linear(6, 3),
        )
    )  # fmt: skip
    table = np.random.default_rng(0).normal(size=(4, 20))
    exp = explained(net, table, method=["cam", "grad_cam", "hires_cam"])
    assert exp.dims == ("row", "method", "feature", "output")
    assert exp.values.shape == (4, 3, 20, 3)
    np.testing.assert_allclose(exp.values[:, 0] / 18, exp.values[:, 1], atol=1e-12)
    explainer = CamExplainer(as_predictor(net), method="grad_cam").fit(table)
    assert explainer.layers_ == ["auto (2): (6, 18)"]
    assert explainer.transform(table).shape == (4, 60)
    with refuses(DataError, "Score-CAM", "table"):
        explained(net, table, method="score_cam")


def test_output_of_a_function_of_what_the_network_returns():
    class Steps(ResNet):
        def forward(self, x):
            score = super().forward(x)
            return {"steps": torch.stack([score, 2 * score], dim=1)}

    model = as_predictor(seeded(Steps), output=lambda out: out["steps"][:, 1], activation="none")
    exp = CamExplainer(model, method="cam", positive=False).fit(X).explain(X)
    np.testing.assert_allclose(exp.values, 2 * explained(seeded(ResNet), method="cam").values, atol=1e-12)


def test_explanation_is_stored_and_pickled(tmp_path):
    explainer = CamExplainer(as_predictor(seeded(vgg)), method=NO_CAM[:2], layer=["auto", "2"]).fit(X)
    exp = explainer.explain(X)
    exp.save(tmp_path / "maps.npz")
    loaded = Explanation.load(tmp_path / "maps.npz")
    np.testing.assert_array_equal(loaded.values, exp.values)
    assert loaded.coords["method"].tolist() == NO_CAM[:2]
    assert loaded.extras["layers"] == explainer.layers_ == ["auto (9): (16, 4, 4)", "2: (8, 16, 16)"]
    again = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(again.explain(X).values, exp.values)


def test_clones_share_layers_given_as_modules():
    net = seeded(ResNet)
    explainer = CamExplainer(as_predictor(net), layer=[net.stages[0], "auto"])
    expected = explainer.fit(X).explain(X)
    assert expected.coords["layer"].tolist() == ["ResidualBlock", "auto"]
    assert expected.params["layer"] == ["ResidualBlock", "auto"]
    np.testing.assert_array_equal(clone(explainer).fit(X).explain(X).values, expected.values)


def test_rows_do_not_depend_on_each_other():
    net = seeded(vgg)
    exp = explained(net, method=NO_CAM)
    turned = explained(net, X[::-1], method=NO_CAM)
    np.testing.assert_allclose(turned.values[::-1], exp.values, atol=1e-12)
    sized = as_predictor(net, activation="none", batch_size=1)
    single = CamExplainer(sized, method=NO_CAM, positive=False).fit(X).explain(X)
    np.testing.assert_allclose(single.values, exp.values, atol=1e-12)


@pytest.mark.parametrize("around", [torch.inference_mode, torch.no_grad])
def test_callers_without_gradients(around):
    net = seeded(vgg)
    expected = explained(net, method=NO_CAM).values
    with around():
        np.testing.assert_allclose(explained(net, method=NO_CAM).values, expected, atol=1e-12)


def test_model_without_module():
    explainer = CamExplainer(lambda images: images.mean((1, 2)))
    with refuses(DataError, "CamExplainer needs gradients", "as_predictor(module)"):
        explainer.fit(np.zeros((2, 6, 6)))


def test_cam_of_a_head_that_is_not_pooled():
    for net, params in (
        (seeded(vgg), {}),
        (seeded(ResNet), {"target": "predictions", "activation": "softmax"}),
    ):
        with refuses(DataError, "method='cam'", "global average pooling", "method='grad_cam'"):
            explained(net, method="cam", **params)
    with refuses(DataError, "method='cam'"):
        explained(seeded(ResNet), method="cam", layer="relu1")


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"method": ["grad_cam", "gradcam"]}, ["'method'", "grad_cam_pp", "gradcam"]),
        ({"method": []}, ["'method'", "[]"]),
        ({"method": ["cam", "cam"]}, ["none twice"]),
        ({"layer": []}, ["'layer'", "at least one"]),
        ({"layer": ["relu1", "relu1"]}, ["'layer'", "none twice"]),
        ({"layer": "pool"}, ["Layer pool", "(1, 16, 1, 1)", "height"]),
        ({"layer": "linear"}, ["Layer linear", "(1, 4)"]),
        ({"layer": "stages.7"}, ["no layer 'stages.7'", "'conv1'"]),
        ({"token_grid": (3,)}, ["'token_grid'", "(3,)"]),
        ({"token_grid": (3, 0)}, ["'token_grid'", "(3, 0)"]),
        ({"fill": "noise"}, ["'fill'", "'noise'", "'mean'"]),
        ({"fill": np.zeros((2, 16, 16, 3))}, ["'fill'", "one fill"]),
    ],
)
def test_parameters_that_cannot_be(params, facts):
    with refuses(DataError, *facts):
        explained(seeded(ResNet), **({"method": "grad_cam"} | params))


def test_failures_name_rows():
    class Fails(ResNet):
        def forward(self, x):
            if (x > 100).any():
                raise ArithmeticError("too bright")
            return super().forward(x)

    explainer = CamExplainer(as_predictor(seeded(Fails), activation="none", batch_size=1)).fit(X)
    with refuses(EngineError, "Fails", "row 1", "too bright"):
        explainer.explain(X * np.array([1, 1000, 1])[:, None, None, None])


def test_maps_with_nan():
    class Root(ResNet):
        def forward(self, x):
            maps = self.stages(self.relu1(self.norm1(self.conv1(x))))
            return self.linear(maps.sqrt().mean((2, 3)))

    with refuses(DataError, "NaN or infinity", "precision='fp32'"):
        explained(seeded(Root), method="grad_cam", layer="stages")


def test_half_precision_agrees():
    net = seeded(ResNet, dtype=torch.float32)
    rows = X.astype(np.float32)
    full, half = (
        CamExplainer(as_predictor(net, precision=kind, activation="none"), method=list(OF_GRADIENTS))
        .fit(rows)
        .explain(rows)
        .values
        for kind in ("fp32", "bf16")
    )
    np.testing.assert_allclose(half, full, atol=0.05 * np.abs(full).max())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_maps_on_gpu():
    net = seeded(vgg)
    expected = explained(net, method=NO_CAM)
    model = as_predictor(net, activation="none", device="cuda")
    exp = CamExplainer(model, method=NO_CAM, positive=False).fit(X).explain(X)
    np.testing.assert_allclose(exp.values, expected.values, atol=1e-8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_network():
    net = seeded(ResNet, dtype=torch.float32)
    rows = X.astype(np.float32)
    plain, compiled = (
        CamExplainer(as_predictor(net, activation="none", compiled=kind), method=NO_CAM)
        .fit(rows)
        .explain(rows)
        for kind in (False, True)
    )
    np.testing.assert_allclose(compiled.values, plain.values, atol=1e-5)


@pytest.mark.slow
def test_efficientnet_sees_the_cat():
    skimage = pytest.importorskip("skimage")
    from skimage import data, transform

    assert skimage
    cat = transform.resize(data.chelsea()[:, 75:375], (224, 224)).astype(np.float32)[None]
    model = as_predictor(efficientnet_lite0(), mean=[0.498] * 3, std=[0.502] * 3)
    explainer = CamExplainer(model, method=[*OF_GRADIENTS, "ablation_cam"], outputs="predicted").fit(cat)
    assert explainer.layers_ == ["auto (_swish): (1280, 7, 7)"]
    exp = explainer.explain(cat)
    maps = by_method(exp)
    assert exp.n_model_rows == 1
    size = np.abs(maps["grad_cam"]).max()
    for name in ("axiom_cam", "cam"):
        factor = 49 if name == "cam" else 1
        np.testing.assert_allclose(
            np.maximum(maps[name], 0) / factor, np.maximum(maps["grad_cam"], 0), atol=0.03 * size
        )
    inside = maps["grad_cam"][0, 40:200, 30:200, 0].mean()
    assert inside > 1.5 * maps["grad_cam"][0, :30, :, 0].mean()
