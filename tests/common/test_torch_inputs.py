"""What a torch module is given: the rows in its own precision, and each time anew."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from tests.messages import states  # noqa: E402

OFFSET = 1.7e9  # seconds from 1970 to 2023: 128 apart in single precision
RNG = np.random.default_rng(0)
TABLE = np.column_stack([OFFSET + RNG.integers(0, 100, 60), RNG.integers(-9, 9, (60, 2))]).astype(float)
PICTURES = OFFSET + RNG.integers(0, 100, (3, 9, 8)).astype(float)


class Double(nn.Module):
    """Two sums of the columns, less the offset, in double precision."""

    def __init__(self, n_columns=3):
        super().__init__()
        self.layer = nn.Linear(n_columns, 2).double()
        n_far = 1 if n_columns == 3 else n_columns
        nn.init.constant_(self.layer.weight[0].data, 1.0)
        self.layer.weight.data[1] = torch.arange(n_columns) % 3 - 1.0
        self.layer.bias.data = -OFFSET * self.layer.weight.data[:, :n_far].sum(1)

    def forward(self, x):
        return self.layer(x.flatten(1)) / 100.0


class Standardized(Double):
    """The same, with an offset in double precision before a layer in single precision."""

    def __init__(self, n_columns=3):
        super().__init__(n_columns)
        self.layer.float().bias.data.zero_()
        self.register_buffer("offset", torch.zeros(n_columns).double())
        self.offset[: 1 if n_columns == 3 else None] = OFFSET

    def forward(self, x):
        return super().forward((x.flatten(1) - self.offset).float())


class WithoutParameters(nn.Module):
    """The same as a formula."""

    def __init__(self, n_columns=3):
        super().__init__()
        self.n_columns = n_columns

    def forward(self, x):
        x = x.flatten(1)
        shifted = x - OFFSET if self.n_columns > 3 else torch.cat([x[:, :1] - OFFSET, x[:, 1:]], dim=1)
        weights = torch.stack([torch.ones(self.n_columns), torch.arange(self.n_columns) % 3 - 1.0])
        return shifted @ weights.to(x).T / 100.0


def frozen(n_columns=3):
    """The same in TorchScript without parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.freeze(torch.jit.script(Double(n_columns).eval()))


class Writes(Double):
    """The same, in single precision, on other units; it writes into its input."""

    def forward(self, x):
        x -= OFFSET if x.ndim > 2 else torch.tensor([OFFSET, 0.0, 0.0], dtype=x.dtype)
        x *= 0.01
        weight = self.layer.weight
        return x.flatten(1) @ weight.T


MODULES = [Double, Standardized, WithoutParameters, frozen, Writes]
modules = pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)


def answers(X):
    """What every module predicts, in numpy."""
    X = np.asarray(X, dtype=float)
    x = (X - OFFSET if X.ndim > 2 else X - [OFFSET, 0.0, 0.0]).reshape(len(X), -1)
    return x @ np.stack([np.ones(x.shape[1]), np.arange(x.shape[1]) % 3 - 1.0]).T / 100.0


OF_TABLES = {
    "shapley": lambda model, **params: KernelShapExplainer(model, random_state=0, **params),
    "occlusion": lambda model, **params: OcclusionExplainer(model, random_state=0, **params),
    "fill": lambda model, **params: OcclusionExplainer(
        model, fill=[int(OFFSET) + 1, 1, 2], random_state=0, **params
    ),
    "lime": lambda model, **params: LimeExplainer(model, n_samples=128, random_state=0, **params),
}
OF_IMAGES = {
    "window": lambda model, **params: OcclusionExplainer(model, masker=SlidingWindow(4, 2), **params),
    "inpaint": lambda model, **params: OcclusionExplainer(
        model, masker=SlidingWindow(4, 4, fill="inpaint"), **params
    ),
    "noise": lambda model, **params: OcclusionExplainer(
        model, masker=SegmentMasker(n_segments=6, fill="noise"), **params
    ),
    "draws": lambda model, **params: OcclusionExplainer(
        model, masker=SegmentMasker(n_segments=6), fill="draws", random_state=0, **params
    ),
    "rise": lambda model, **params: RiseExplainer(model, n_masks=64, random_state=0, **params),
    "shapley": lambda model, **params: KernelShapExplainer(
        model, masker=SegmentMasker(n_segments=6, fill="blur"), random_state=0, **params
    ),
    "lime": lambda model, **params: LimeExplainer(
        model, masker=SegmentMasker(n_segments=6), n_samples=64, random_state=0, **params
    ),
}
INPUTS = {
    "float64": TABLE,
    "int64": TABLE.astype(np.int64),
    "columns first": np.asfortranarray(TABLE),
    "pandas": pd.DataFrame(TABLE.astype(np.int64), columns=list("abc")),
    "mixed pandas": pd.DataFrame(TABLE, columns=list("abc")).astype({"a": "int64"}),
    "polars": pl.DataFrame(TABLE.astype(np.int64), schema=list("abc")),
}


def assert_alike(found, expected):
    """Explanations agree, to a ten thousandth of what single precision loses."""
    for name in ("values", "outputs", "base_values", "std_errors"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_allclose(one, other, atol=1e-4, err_msg=name)


@modules
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", OF_TABLES)
def test_tables_keep_the_precision_of_the_module(make, kind, name):
    X, explainer = INPUTS[kind], OF_TABLES[name]
    found, expected = (
        explainer(model).fit(X).explain(X[:2]) for model in (as_predictor(make(), activation="none"), answers)
    )
    assert_alike(found, expected)


@modules
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_keep_the_precision_of_the_module(make, dtype, name):
    X = PICTURES.astype(dtype)
    model = as_predictor(make(72), activation="none", value_range="0-1")
    found, expected = (OF_IMAGES[name](one).fit(X).explain(X[:2]) for one in (model, answers))
    if dtype == np.int64 and name == "rise":  # the module mixes image and fill itself, without rounding
        np.testing.assert_allclose(found.outputs, expected.outputs, atol=1e-4)
        return
    assert_alike(found, expected)


@modules
def test_populations_and_trees_keep_the_precision_of_the_module(make):
    model = as_predictor(make(), activation="none", task="regression")
    population = EntropicProjection(model).fit(TABLE)
    np.testing.assert_allclose(
        population.predictions_.values, answers(TABLE)[population.table_.order], atol=1e-4
    )
    first, second = (
        MimicTree(as_predictor(one, task="regression"), random_state=0).fit(TABLE).predict(TABLE)
        for one in (model, answers)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("make", [Double, WithoutParameters, Writes])
def test_masks_are_learned_in_the_precision_of_the_module(make):
    model = as_predictor(make(72), activation="none")
    explainer = ExtremalMaskExplainer(model, n_cells=4, n_steps=5, fill=OFFSET, random_state=0)
    found = explainer.fit(PICTURES).explain(PICTURES)
    np.testing.assert_allclose(found.outputs, answers(PICTURES), atol=1e-4)
    for row, (image, mask) in enumerate(zip(PICTURES, found.values, strict=True)):
        composed = OFFSET + np.moveaxis(mask, -1, 0) * (image - OFFSET)
        shown = answers(composed).diagonal()
        np.testing.assert_allclose(found.extras["shown"].array[row], shown, atol=1e-4)


@modules
def test_gradients_keep_the_precision_of_the_module(make):
    model = as_predictor(make(), activation="none").function
    np.testing.assert_allclose(model.gradients(TABLE[:4], 1), np.tile([-0.01, 0.0, 0.01], (4, 1)), atol=1e-9)


def test_whole_numbers_that_a_module_gives_are_exact():
    class Counts(nn.Module):
        def forward(self, x):
            return x.long()

    X = np.array([[2.0**24 + 1, 3.0], [2.0**40 + 1, 4.0]])
    np.testing.assert_array_equal(as_predictor(Counts(), activation="none").predict(X), X)


def test_hidden_values_leave_large_ones_alone():
    X = np.array([[1e308, 1.0], [-1e308, 2.0]])
    model = as_predictor(nn.Identity(), activation="none").function
    found = model.predict_masked(X[:1], np.array([[True, False]]), X[None, 1:], np.arange(2)[None])
    np.testing.assert_array_equal(found[0, 0, 0], [1e308, 2.0])


@pytest.mark.parametrize("name", OF_TABLES)
def test_single_precision_that_loses_a_column_is_said(name):
    single = Double().float()
    with pytest.warns(UserWarning, match=states("single precision", "column 0", "module Double")):
        OF_TABLES[name](as_predictor(single, activation="none")).fit(TABLE).explain(TABLE[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        double = as_predictor(copy.deepcopy(single).double(), activation="none")
        OF_TABLES[name](double).fit(TABLE).explain(TABLE[:2])
        as_predictor(single, activation="none").predict(TABLE - [OFFSET, 0.0, 0.0])


class Plain(nn.Module):
    """A layer after a change of units."""

    def __init__(self, n_columns):
        super().__init__()
        self.layer = nn.Linear(n_columns, 2)
        nn.init.constant_(self.layer.weight, 0.125)

    def forward(self, x):
        return self.layer(((x - 1) * 2).flatten(1)).tanh()


class InPlace(Plain):
    """The same, where the change of units writes into the input."""

    def forward(self, x):
        x -= 1
        x *= 2
        return self.layer(x.flatten(1)).tanh()


@pytest.mark.parametrize("kind", ["table", "images"])
@pytest.mark.parametrize("way", ["workers", "pickled", "fresh", "batches"])
def test_module_that_writes_into_its_input(kind, way):
    X, explainers = (TABLE, OF_TABLES) if kind == "table" else (PICTURES, OF_IMAGES)
    X = X - X.min(axis=0) + 0.5
    in_place, plain = InPlace(X[0].size), Plain(X[0].size)
    plain.load_state_dict(in_place.state_dict())
    names = {"occlusion", "window", "rise"} if way == "workers" else set(explainers)  # workers take time
    params = {"n_jobs": 2} if way == "workers" else {}
    for explainer in [explainers[name] for name in explainers if name in names]:
        found, expected = (
            as_predictor(
                one, activation="none", value_range="0-1", batch_size=7 if way == "batches" else None
            )
            for one in (in_place, plain)
        )
        one = explainer(found, **params).fit(X)
        if way == "pickled":
            one = pickle.loads(pickle.dumps(one))
        elif way == "fresh":
            one._predictor.function._cache.clear()
        assert_alike(one.explain(X[:2]), explainer(expected).fit(X).explain(X[:2]))


class Raw(nn.Module):
    """Trained on bytes as they are."""

    def forward(self, x):
        mean = x.mean((1, 2, 3)) / 255.0
        return torch.stack([mean, 1 - mean], 1)


class Unit(nn.Module):
    """Trained on images from 0 to 1."""

    def forward(self, x):
        p = torch.sigmoid(4 * (x.mean((1, 2, 3)) - 0.5))
        return torch.stack([p, 1 - p], 1)


BYTES = RNG.integers(0, 256, (3, 9, 8)).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", [*OF_IMAGES, "mask"])
def test_bytes_as_decimal_numbers_are_warned_of_with_remedies_that_work(dtype, name):
    X = BYTES.astype(dtype)
    explainer = OF_IMAGES.get(name, lambda model: ExtremalMaskExplainer(model, n_steps=2, n_cells=4, fill=0))
    facts = ("module Unit", "uint8", "value_range='0-255'", "value_range='0-1'")
    with pytest.warns(UserWarning, match=states(*facts)):
        explainer(as_predictor(Unit(), activation="none")).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_unit = explainer(as_predictor(Unit(), activation="none", value_range="0-255")).fit(X).explain(X)
        as_bytes = explainer(as_predictor(Unit(), activation="none")).fit(BYTES).explain(BYTES)
        raw = explainer(as_predictor(Raw(), activation="none", value_range="0-1")).fit(X).explain(X)
        raw_bytes = explainer(as_predictor(Raw(), activation="none", value_range="0-1")).fit(BYTES)
        explainer(as_predictor(Unit(), activation="none")).fit(X / 255)
    np.testing.assert_allclose(as_unit.outputs, as_bytes.outputs, atol=1e-6)
    np.testing.assert_allclose(raw.outputs, raw_bytes.explain(BYTES).outputs, atol=1e-6)
    np.testing.assert_allclose(raw.outputs[:, 0], BYTES.mean((1, 2)) / 255, atol=1e-6)
