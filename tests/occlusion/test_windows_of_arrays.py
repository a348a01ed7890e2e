"""Windows over series, volumes and channels, against a loop that hides one window at a time."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest

from agnostix import Explanation, KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.messages import refuses

RNG = np.random.default_rng(0)
CASES = {  # shape of the rows, size and stride of the window
    "series": ((11,), (4,), (3,)),
    "series, one stride": ((9,), (3,), 2),
    "series of channels": ((10, 3), (4,), (2,)),
    "images of two lengths": ((6, 7), (3, 4), (2, 3)),
    "images of channels": ((6, 5, 3), (3, 2), 2),
    "windows over channels": ((6, 5, 3), (3, 2, 1), (2, 2, 1)),
    "channels one by one": ((5, 4, 3), (5, 4, 1), (5, 4, 1)),
    "volumes": ((5, 6, 4), (2, 3, 2), (2, 2, 1)),
    "volumes of channels": ((4, 3, 5, 2), (2, 2, 3), (1, 2, 2)),
    "volumes, over channels too": ((4, 3, 3, 2), (2, 2, 3, 1), (2, 2, 2, 1)),
}


def model(X):
    """Two outputs that depend on every number, and on products of neighbors."""
    flat = X.reshape(len(X), -1)
    weights = np.random.default_rng(1).normal(size=(2, flat.shape[1]))
    first = np.array([(weights[0] * row).sum() for row in flat])
    second = np.array([(weights[1, 1:] * row[1:] * row[:-1]).sum() for row in flat])
    return np.column_stack([first, second])


def loop(X, fills, size, stride):
    """Mean and standard error over the fills of the effects of each place (n_rows, ..., n_outputs)."""
    shape = X.shape[1 : 1 + len(size)]
    places = [range(0, -(-(n - s) // t) * t + 1, t) for n, s, t in zip(shape, size, stride, strict=True)]
    total = np.zeros((fills.shape[1], *X.shape[: 1 + len(size)], 2))
    counts = np.zeros(shape)
    for start in product(*places):
        window = tuple(slice(one, one + length) for one, length in zip(start, size, strict=True))
        hidden = np.repeat(X[:, None], fills.shape[1], axis=1)
        whole = np.broadcast_to(fills, hidden.shape)
        hidden[(slice(None), slice(None), *window)] = whole[(slice(None), slice(None), *window)]
        given = model(hidden.reshape(-1, *X.shape[1:])).reshape(len(X), fills.shape[1], 2)
        effects = model(X) - given.swapaxes(0, 1)
        total[(slice(None), slice(None), *window)] += effects.reshape(-1, len(X), *[1] * len(size), 2)
        counts[window] += 1
    maps = total / counts[..., None]  # of each fill
    return maps.mean(axis=0), maps.std(axis=0) / np.sqrt(max(len(maps) - 1, 1))


def fills_of(fill, X, size):
    """The fills (n_rows, n_fill, ...) of the reference."""
    axes = tuple(range(1, 1 + len(size)))
    if isinstance(fill, np.ndarray):
        return fill[None]
    if fill == "mean":
        return np.broadcast_to(X.mean(axis=axes, keepdims=True), X.shape)[:, None]
    if fill == 0.25:
        return np.full_like(X, 0.25)[:, None]
    return X[None]


@pytest.mark.parametrize("fill", ["mean", 0.25, "array", "draws"])
@pytest.mark.parametrize("case", CASES)
def test_windows_equal_a_loop(case, fill):
    shape, size, stride = CASES[case]
    X = RNG.random((3, *shape))
    given = RNG.random((2, *shape)) if fill == "array" else fill
    window = SlidingWindow(size, stride, fill="mean" if fill == "draws" else given)
    explainer = OcclusionExplainer(model, masker=window, fill="draws" if fill == "draws" else "auto")
    exp = explainer.fit(X).explain(X)
    stride = (stride,) * len(size) if isinstance(stride, int) else stride
    values, errors = loop(X, fills_of(given, X, size), size, stride)
    np.testing.assert_allclose(exp.values, values, atol=1e-12)
    # Drawn images are all that fit saw, so that nothing is left to chance.
    np.testing.assert_allclose(
        exp.std_errors, errors * (not isinstance(fill, str) or fill != "draws"), atol=1e-12
    )
    np.testing.assert_array_equal(exp.data, X)
    np.testing.assert_allclose(exp.outputs, model(X))
    n_windows = exp.extras["windows"].array.shape[1]
    n_fill = 1 if fill in ("mean", 0.25) else 2 if fill == "array" else 3
    assert exp.n_model_rows == len(X) * (1 + n_windows * n_fill + n_fill)
    assert exp.n_model_rows <= explainer.cost(X)


def test_windows_over_two_axes_are_those_of_images_whatever_the_lengths():
    X = RNG.random((2, 6, 1))
    series = OcclusionExplainer(model, masker=SlidingWindow((3,), 2)).fit(X[:, :, 0]).explain(X[:, :, 0])
    images = OcclusionExplainer(model, masker=SlidingWindow((3, 1), (2, 1))).fit(X).explain(X)
    np.testing.assert_array_equal(series.values[:, :, None], images.values)


@pytest.mark.parametrize("fill", ["segment_mean", "noise"])
@pytest.mark.parametrize("case", CASES)
def test_other_fills_are_those_of_images_and_the_model_sees_its_shape(case, fill):
    shape, size, stride = CASES[case]
    X, seen = RNG.random((2, *shape)), set()

    def watching(Z):
        seen.add(Z.shape[1:])
        return model(Z)

    exp = (
        OcclusionExplainer(watching, masker=SlidingWindow(size, stride, fill=fill, n_draws=3))
        .fit(X)
        .explain(X)
    )
    assert seen == {shape}
    assert (exp.std_errors.max() > 0) == (fill == "noise")


def test_results_are_stored_indexed_and_the_same_for_any_cut(tmp_path):
    X = RNG.random((4, 6, 5, 4))
    one = OcclusionExplainer(model, masker=SlidingWindow((3, 2, 2), 2, fill="noise")).fit(X)
    exp = one.explain(X)
    assert exp.dims == ("row", "axis_1", "axis_2", "axis_3", "output")
    np.testing.assert_array_equal(one.explain(X[2:]).values, exp.values[2:])
    two = OcclusionExplainer(model, masker=SlidingWindow((3, 2, 2), 2, fill="noise"), n_jobs=2).fit(X)
    np.testing.assert_array_equal(two.explain(X).values, exp.values)
    exp.save(tmp_path / "volumes.npz")
    loaded = Explanation.load(tmp_path / "volumes.npz")
    np.testing.assert_array_equal(loaded.values, exp.values)
    assert loaded.dims == exp.dims
    assert len(exp[1:3].to_frame()) == 2 * 6 * 5 * 4 * 2
    np.testing.assert_array_equal(exp.extras["windows"].array[1:3], exp[1:3].extras["windows"].array)


def test_series_may_be_a_frame():
    X = pd.DataFrame(RNG.random((3, 8)), columns=[f"t{j}" for j in range(8)])
    exp = OcclusionExplainer(model, masker=SlidingWindow((2,), 1)).fit(X).explain(X)
    known = OcclusionExplainer(model, masker=SlidingWindow((2,), 1)).fit(X.to_numpy()).explain(X.to_numpy())
    np.testing.assert_array_equal(exp.values, known.values)


@pytest.mark.parametrize(
    ("params", "shape", "facts"),
    [
        ({"size": (9,)}, (8,), ("'size'", "length along axis 1 of 9", "8 or less")),
        ({"size": (2, 2, 5)}, (4, 4, 4), ("'size'", "length along axis 3 of 5", "4 or less")),
        ({"size": (3,), "stride": (4,)}, (8,), ("'stride'", "4 pixels", "stride of 3 or less")),
        ({"size": (3,), "stride": (2, 2)}, (8,), ("'stride'", "1 of them", "(2, 2)")),
        ({"size": (3,)}, (8, 3, 2), ("'size'", "1 length", "(n_rows, length)", "(2, 8, 3, 2)")),
        ({"size": (3,), "fill": "blur"}, (8,), ("fill='blur'", "images", "size=(3,)", "'mean'")),
        ({"size": (3, 3, 3), "fill": "inpaint"}, (8, 8, 8), ("fill='inpaint'", "images", "'mean'")),
        ({"size": (3,), "fill": np.zeros((1, 7))}, (8,), ("'fill'", "pictures of shape")),
    ],
)
def test_windows_that_do_not_fit_are_refused(params, shape, facts):
    with refuses(DataError, *facts):
        OcclusionExplainer(model, masker=SlidingWindow(**{"stride": 1} | params)).fit(np.zeros((2, *shape)))


def test_arrays_of_another_length_or_with_gaps_are_refused():
    explainer = OcclusionExplainer(model, masker=SlidingWindow((2,), 1)).fit(np.zeros((2, 8)))
    with refuses(DataError, "series of shape (9,)", "series of shape (8,)"):
        explainer.explain(np.zeros((2, 9)))
    with refuses(DataError, "row 1", "NaN"):
        explainer.explain(np.array([[0.0] * 8, [0.0] * 7 + [np.nan]]))


ARRAYS = {"series": RNG.random((3, 12)), "volumes": RNG.random((3, 4, 5, 6, 2))}
OF_PICTURES = {
    "segments": lambda f: KernelShapExplainer(
        f, masker=SegmentMasker(n_segments=4, fill=0.0), random_state=0
    ),
    "lime": lambda f: LimeExplainer(f, masker=SegmentMasker(n_segments=4), n_samples=64, random_state=0),
    "windows": lambda f: OcclusionExplainer(f, masker=SlidingWindow(1, 1)),
    "rise": lambda f: RiseExplainer(f, n_masks=64, n_cells=2, random_state=0),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("name", OF_PICTURES)
def test_explainers_of_pictures_say_how_other_arrays_are_passed(name, kind):
    X = ARRAYS[kind]
    if (name, kind) == ("rise", "series"):
        pytest.skip("a table, which RiseExplainer sends to OcclusionExplainer")
    with pytest.raises(DataError, match=r"(Series|Volumes): ") as caught:
        OF_PICTURES[name](model).fit(X)
    parts = re.search(
        r"masker=(SlidingWindow\(.+?, 1\)); .* (X\S+(?:, \S+)*), of the model (lambda P: .*)\.$",
        str(caught.value),
    )
    window, pictures, function = parts.groups()
    names = {"X": X, "f": model, "SlidingWindow": SlidingWindow}
    exp = OcclusionExplainer(model, masker=eval(window, names)).fit(X).explain(X)
    assert exp.values.shape[:2] == X.shape[:2]
    P = eval(pictures, names)
    assert OF_PICTURES[name](eval(function, names)).fit(P).explain(P[:1]).values.size


def test_torch_modules_of_series_and_volumes_are_wrapped():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    cases = [
        (nn.Conv1d(2, 3, 3), (12, 2), (4,)),
        (nn.Conv3d(1, 3, 3), (6, 5, 6), (2, 2, 2)),
        (nn.Conv3d(2, 3, 3), (6, 5, 6, 2), (2, 2, 2)),
    ]
    for layer, shape, size in cases:
        module = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(1))
        X = RNG.random((3, *shape)).astype(np.float32)
        tensor = (
            torch.from_numpy(X)[:, None] if layer.in_channels == 1 else torch.from_numpy(X).movedim(-1, 1)
        )
        known = module(tensor).detach().numpy()
        with pytest.raises(DataError, match="takes images") as caught:
            OcclusionExplainer(module, masker=SlidingWindow(size, 1)).fit(X)
        function = re.search(r"Pass (lambda X: .*?), or", str(caught.value))[1]
        wrapped = eval(function, {"module": module, "torch": torch})
        exp = OcclusionExplainer(wrapped, masker=SlidingWindow(size, 1)).fit(X).explain(X)
        np.testing.assert_allclose(exp.outputs, known, rtol=1e-5)


def test_windows_over_channels_of_a_torch_module_are_those_of_images():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.LazyLinear(1))
    X = RNG.random((2, 6, 5, 3)).astype(np.float32)
    module(torch.from_numpy(X).permute(0, 3, 1, 2))
    exp = OcclusionExplainer(module, masker=SlidingWindow((6, 5, 1), (6, 5, 1), fill=0.0)).fit(X).explain(X)
    for channel in range(3):
        hidden = X.copy()
        hidden[..., channel] = 0.0
        pair = [module(torch.from_numpy(one).permute(0, 3, 1, 2)).detach().numpy() for one in (X, hidden)]
        np.testing.assert_allclose(exp.values[:, 0, 0, channel], pair[0] - pair[1], atol=1e-5)
