"""Images whose channels come first, series and volumes, on every path that images take."""

import re
import warnings

import numpy as np
import pytest

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.messages import refuses, states

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix.neural import ExtremalMaskExplainer  # noqa: E402

EXPLAINERS = {
    "window": lambda model: OcclusionExplainer(model, masker=SlidingWindow(4, 4)),
    "default window": lambda model: OcclusionExplainer(model),
    "inpaint": lambda model: OcclusionExplainer(model, masker=SlidingWindow(4, 4, fill="inpaint")),
    "draws": lambda model: OcclusionExplainer(model, masker=SegmentMasker(n_segments=4), fill="draws"),
    "segments": lambda model: OcclusionExplainer(model, masker=SegmentMasker(n_segments=4)),
    "callable": lambda model: OcclusionExplainer(
        model,
        masker=SegmentMasker(lambda image: np.arange(image[..., 0].size).reshape(image.shape[:2]) // 90),
    ),
    "map": lambda model: OcclusionExplainer(
        model, masker=SegmentMasker(np.arange(320).reshape(16, 20) // 40)
    ),
    "rise": lambda model: RiseExplainer(model, n_masks=32, random_state=0),
    "shapley": lambda model: KernelShapExplainer(model, masker=SegmentMasker(n_segments=4)),
    "lime": lambda model: LimeExplainer(model, masker=SegmentMasker(n_segments=4), n_samples=32),
}
explainers = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
WAYS = ("X.transpose(0, 2, 3, 1)", "X.permute(0, 2, 3, 1) of a tensor")


def first(n_channels=3):
    return np.random.default_rng(0).random((3, n_channels, 16, 20))


def f(X):
    """A corner of images with channels first."""
    return np.asarray(X)[:, :, 4:8, 4:8].mean((1, 2, 3))


def remedy_of(error, **names):
    """What the message says, evaluated: the rows, and the function of them."""
    rows, way = re.search(r"(X\.transpose\([\d, ]+\)).*(lambda P: f\(P[^:]*\))", str(error)).groups()
    return eval(rows, names), eval(way, names)


@explainers
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_channels_first_are_refused_with_a_remedy_that_works(explainer, n_channels):
    X = first(n_channels)
    with refuses(DataError, f"(3, {n_channels}, 16, 20)", *WAYS) as error:
        explainer(f).fit(X)
    last, of_last = remedy_of(error.value, X=X, f=f)
    if last.shape[1] >= 16:  # the default window has 16 pixels
        exp = explainer(of_last).fit(last).explain(last[:1])
        np.testing.assert_allclose(exp.outputs[:, 0], f(X[:1]))


@explainers
def test_channels_first_are_refused_in_explain_too(explainer):
    X = first()
    fitted = explainer(lambda P: f(P.transpose(0, 3, 1, 2))).fit(X.transpose(0, 2, 3, 1))
    with refuses(DataError, "(3, 3, 16, 20)", *WAYS):
        fitted.explain(X)


class Corner(nn.Module):
    """Takes any number of channels and any size."""

    def forward(self, x):
        return x[:, :, 4:8, 4:8].mean((1, 2, 3))


@pytest.mark.parametrize(
    "kind", [np.asarray, torch.tensor, lambda X: X.tolist()], ids=["array", "tensor", "list"]
)
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("explainer", [*EXPLAINERS, "mask"])
def test_channels_first_of_modules(kind, layout, explainer):
    X = kind(first())
    make = EXPLAINERS.get(explainer, lambda model: ExtremalMaskExplainer(model, n_steps=2, n_cells=4))
    with refuses(DataError, "(3, 3, 16, 20)", *WAYS):
        make(as_predictor(Corner(), layout=layout)).fit(X)
    last = X.permute(0, 2, 3, 1) if isinstance(X, torch.Tensor) else np.transpose(X, (0, 2, 3, 1))
    exp = make(as_predictor(Corner())).fit(last).explain(last[:1])
    np.testing.assert_allclose(exp.outputs[:, 0], f(X)[:1], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor], ids=["array", "tensor"])
def test_predictions_of_modules_with_channels_first(kind):
    X = kind(first())
    with refuses(DataError, "layout='HWC'", "(3, 3, 16, 20)", *WAYS, "layout='CHW'"):
        as_predictor(Corner()).predict(X)
    np.testing.assert_allclose(as_predictor(Corner(), layout="CHW").predict(X)[:, 0], f(X), rtol=1e-6)
    last = X.permute(0, 2, 3, 1) if isinstance(X, torch.Tensor) else X.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(as_predictor(Corner()).predict(last)[:, 0], f(X), rtol=1e-6)
    with refuses(DataError, "layout='CHW'", "(3, 16, 20, 3)", "Use layout='HWC'"):
        as_predictor(Corner(), layout="CHW").predict(last)


def test_tensor_that_numpy_cannot_read_is_refused():
    with refuses(DataError, "Tensor", "X.detach().cpu().float().numpy()"):
        as_predictor(Corner()).predict(torch.tensor(first()).requires_grad_())


LIKELY = {
    "12 bands first": (2, 12, 64, 64),
    "12 bands first, oblong": (2, 12, 48, 64),
    "volume": (2, 16, 16, 16),
}


@pytest.mark.parametrize("shape", LIKELY.values(), ids=LIKELY)
@pytest.mark.parametrize("explainer", ["segments", "rise", "window", "shapley", "lime"])
def test_many_channels_are_warned_of(shape, explainer):
    X = np.random.default_rng(0).random(shape)
    facts = (str(shape), f"{shape[1]} x {shape[2]} pixels", f"{shape[3]} channels", *WAYS)
    with pytest.warns(UserWarning, match=states(*facts)):
        EXPLAINERS[explainer](lambda P: P.mean((1, 2, 3))).fit(X)


SERIES = {
    "channels first": (
        (2, 3, 50),
        "X.transpose(0, 2, 1)[:, :, None, :]",
        "lambda P: f(P[:, :, 0].transpose(0, 2, 1))",
    ),
    "channels last": ((2, 50, 3), "X[:, :, None, :]", "lambda P: f(P[:, :, 0])"),
}


@pytest.mark.parametrize(("shape", "rows", "way"), SERIES.values(), ids=SERIES)
@pytest.mark.parametrize("explainer", ["segments", "rise", "shapley", "lime"])
def test_series_are_warned_of_with_a_remedy_that_works(shape, rows, way, explainer):
    X = np.random.default_rng(0).random(shape)

    def of_series(X):
        assert X.shape[1:] == shape[1:]
        return X[:, 0, 0] + X[:, -1, -1]

    with pytest.warns(
        UserWarning, match=states(str(shape), "gray pictures", "X[None]", f"{rows}, of the model {way}")
    ):
        EXPLAINERS[explainer](of_series).fit(X)
    names = {"X": X, "f": of_series}
    pictures = eval(rows, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exp = EXPLAINERS[explainer](eval(way, names)).fit(pictures).explain(pictures)
    np.testing.assert_allclose(exp.outputs[:, 0], of_series(X))
    assert pictures.shape == (2, 50, 1, 3)


def test_single_picture_remedy_works():
    X = np.random.default_rng(0).random((32, 24, 3))
    with pytest.warns(UserWarning, match=states("(32, 24, 3)", "X[None]")):
        RiseExplainer(lambda P: P.mean((1, 2)), n_masks=32).fit(X)
    RiseExplainer(lambda P: P.mean((1, 2, 3)), n_masks=32).fit(X[None])


UNDOUBTED = [
    (2, 8, 8),
    (2, 4, 6),
    (2, 1, 50),
    (2, 50, 1),
    (2, 8, 8, 3),
    (2, 4, 4, 4),
    (2, 3, 8, 3),
    (2, 7, 7, 32),
]


@pytest.mark.parametrize("shape", UNDOUBTED)
def test_images_with_channels_last_pass_without_a_word(shape):
    X = np.random.default_rng(0).random(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = lambda P: P.sum((1, 2)).reshape(len(P), -1)[:, 0]  # noqa: E731
        OcclusionExplainer(model, masker=SegmentMasker()).fit(X)
