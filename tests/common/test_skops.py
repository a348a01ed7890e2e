"""Fitted explainers go through skops and pickle, whatever they were fitted on, and explain as before."""

import pickle
from numbers import Real
from zlib import crc32

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    PixelProjection,
    RiseExplainer,
)
from agnostix.core.frames import columns
from agnostix.core.masking import TabularMasker
from agnostix.core.state import StoredPandas
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from agnostix.testing.tables import mixed, numbers

skops_io = pytest.importorskip("skops.io")

FRAME = (
    mixed(40)
    .drop(columns="hours")
    .assign(
        born=pd.date_range("1990-01-01", periods=40, freq="D", tz="Europe/Oslo"),
        text=pd.Series(["ab", None, "c", "de"] * 10, dtype="string"),
        share=pd.Series(np.linspace(0, 1, 40)).astype("Float64").mask(np.arange(40) % 6 == 0),
    )
)
ARROW = FRAME[["age", "children", "text"]].convert_dtypes(dtype_backend="pyarrow")
PERIODS = FRAME[["age", "children"]].assign(
    when=pd.period_range("2020-01", periods=4, freq="M").repeat(10),
    few=pd.arrays.SparseArray([0.0, 1.0] * 20),
)
PICTURES = np.random.default_rng(0).random((3, 8, 8))
TEXTS = ["good food here", "bad food", "a very good place", "not here"]


def score(X):
    """A number for each row of a table of any library, from each cell by itself."""
    cells = [[score_cell(cell) for cell in series.to_list()] for series in columns(X).values()]
    return sum((1 + place) * np.array(column) for place, column in enumerate(cells))


def score_cell(cell):
    if isinstance(cell, Real):
        return 0.5 if np.isnan(cell) else np.sin(float(cell))
    return crc32(str(cell).encode()) / 2**32


def upper(pictures):
    pictures = pictures[:, 0] + pictures[:, 1] if pictures.ndim == 4 else pictures
    return pictures[:, :4].sum(axis=(1, 2)) + pictures[:, 2, 2] * pictures[:, 5, 5]


def count_good(texts):
    texts = texts.iloc[:, 0] if isinstance(texts, pd.DataFrame) else texts
    return np.array([float("good" in text) - 0.5 * ("bad" in text) for text in texts])


def cut_words(text):
    return text.split()


TABLES = {
    "array": numbers(40),
    "objects": FRAME[["age", "job"]].to_numpy(),
    "pandas": FRAME,
    "pandas of numbers, with an index": pd.DataFrame(numbers(40), index=list("abcd" * 10)),
    "pyarrow": ARROW,
    "periods": PERIODS,
    "polars": pl.from_pandas(FRAME),
}
OF_TABLES = {
    "occlusion": lambda: OcclusionExplainer(score, background_size=8, random_state=0),
    "occlusion by constants": lambda table: OcclusionExplainer(score, fill=table, random_state=0),
    "shapley": lambda: KernelShapExplainer(score, background_size=8, random_state=0),
    "shapley, sampled": lambda: KernelShapExplainer(score, background_size=6, budget=30, random_state=0),
    "shapley, medoids and tolerance": lambda: KernelShapExplainer(
        score, background="medoids", background_size=4, tol=0.1, random_state=0
    ),
    "lime": lambda: LimeExplainer(score, n_samples=64, random_state=0),
    "lime, tilted": lambda: LimeExplainer(
        score, n_samples=64, sampling=TiltedSampling(), surrogate="tree", random_state=0
    ),
    "mimic": lambda: MimicTree(score, max_leaf_nodes=4, random_state=np.random.default_rng(0)),
    "projection": lambda: EntropicProjection(score, n_targets=5, missing="omit"),
}
OF_PICTURES = {
    "windows": lambda: OcclusionExplainer(upper, masker=SlidingWindow(4, 2)),
    "noise": lambda: OcclusionExplainer(upper, masker=SlidingWindow(4, 2, fill="noise")),
    "inpaint": lambda: OcclusionExplainer(upper, masker=SlidingWindow(4, 2, fill="inpaint")),
    "pictures as fill": lambda: OcclusionExplainer(upper, fill="draws", masker=SegmentMasker(n_segments=4)),
    "volumes": lambda: OcclusionExplainer(upper, masker=SlidingWindow((1, 4, 4), (1, 2, 2), fill="noise")),
    "segments": lambda: KernelShapExplainer(upper, masker=SegmentMasker(n_segments=4), random_state=0),
    "a map": lambda: LimeExplainer(
        upper, masker=SegmentMasker(np.arange(64).reshape(8, 8) // 16), n_samples=64, random_state=0
    ),
    "rise": lambda: RiseExplainer(upper, n_masks=128, n_cells=2, random_state=0),
}
OF_TEXTS = {
    "occlusion": lambda masker: OcclusionExplainer(count_good, masker=masker, random_state=0),
    "shapley": lambda masker: KernelShapExplainer(count_good, masker=masker, random_state=0),
    "lime": lambda masker: LimeExplainer(count_good, masker=masker, n_samples=64, random_state=0),
}


def by_skops(fitted):
    content = skops_io.dumps(fitted)
    unknown = skops_io.get_untrusted_types(data=content)
    assert not [name for name in unknown if name.startswith("pandas.core") or name == "pandas.DataFrame"]
    return skops_io.loads(content, trusted=unknown)


def assert_same(fitted, X):
    """Explainers that were stored in both ways give the bits of the one that was fitted."""
    expected = results(fitted, X)
    for loaded in (pickle.loads(pickle.dumps(fitted)), by_skops(fitted)):
        assert_equal(results(loaded, X), expected)


def results(fitted, X):
    """All that an explainer gives, as arrays, frames and texts."""
    if isinstance(fitted, EntropicProjection):
        return [fitted.explain().frame, fitted.rank()]
    if isinstance(fitted, PixelProjection):
        return [fitted.explain().to_frame(), fitted.reverse().to_frame()]
    exp = fitted.explain(X)
    every = [exp.values, exp.std_errors, exp.base_values, exp.outputs, exp.to_frame(), exp.feature_names]
    if isinstance(fitted, MimicTree):
        every += [fitted.leaves_, fitted.pruning_path_, fitted.to_text(), fitted.to_sql()]
    return every


def assert_equal(given, expected):
    for one, other in zip(given, expected, strict=True):
        if isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        else:
            np.testing.assert_array_equal(one, other, strict=isinstance(other, np.ndarray))


def first_row_as_constants(table):
    if isinstance(table, np.ndarray):
        return list(table[0])
    row = table.row(0, named=True) if isinstance(table, pl.DataFrame) else table.iloc[0]
    return dict(row)


RARER = ("occlusion", "lime", "mimic")
"""Explainers that keep frames each in a way of its own, tried on the rarer types of columns too."""
PAIRS = [
    (name, kind)
    for name in OF_TABLES
    for kind in TABLES
    if name in RARER or kind in ("array", "pandas", "polars")
]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_explainers_of_tables_explain_as_before(name, kind):
    table = TABLES[kind]
    make = OF_TABLES[name]
    explainer = make(first_row_as_constants(table)) if name == "occlusion by constants" else make()
    fitted = explainer.fit(table)
    assert_same(fitted, table[:3])


@pytest.mark.parametrize("name", OF_PICTURES)
def test_explainers_of_pictures_explain_as_before(name):
    pictures = np.repeat(PICTURES[:, None], 2, axis=1) if name == "volumes" else PICTURES
    fitted = OF_PICTURES[name]().fit(pictures)
    fitted.explain(pictures[:1])  # what this keeps does not get in the way
    assert_same(fitted, pictures)


@pytest.mark.parametrize("kind", [np.uint8, float])
def test_populations_of_pictures_explain_as_before(kind):
    pictures = np.random.default_rng(0).integers(0, 5, (40, 8, 8)).astype(kind)
    pictures = pictures if kind is np.uint8 else pictures + np.random.default_rng(1).random(pictures.shape)
    assert_same(PixelProjection(upper).fit(pictures), None)


@pytest.mark.parametrize(
    "container",
    [list, pd.Series, lambda texts: pd.DataFrame({"text": texts})],
    ids=["list", "Series", "frame"],
)
@pytest.mark.parametrize(
    "masker", [TextMasker(), TextMasker(bow=False, pattern=cut_words)], ids=["bag", "tokenizer"]
)
@pytest.mark.parametrize("name", OF_TEXTS)
def test_explainers_of_texts_explain_as_before(name, masker, container):
    fitted = OF_TEXTS[name](masker).fit(container(TEXTS))
    assert_same(fitted, container(TEXTS))


@pytest.mark.parametrize(
    ("sampling", "groups"),
    [
        (KernelSampling(discretizer="entropy"), None),
        (KernelSampling(discretizer="entropy"), {"both": ["age", "job"]}),
        (LocalSampling(1.0), None),
    ],
    ids=["by entropy", "by entropy, in groups", "local"],
)
def test_samples_of_groups_explain_as_before(sampling, groups):
    table = FRAME[["age", "job", "town", "children"]]
    is_old = (table["age"] > 40).astype(int)
    explainer = LimeExplainer(score, sampling=sampling, feature_groups=groups, n_samples=64, random_state=0)
    fitted = explainer.fit(table, is_old)
    assert_same(fitted, table[:3])


@pytest.mark.parametrize("name", ["occlusion", "shapley", "lime", "mimic", "projection"])
def test_explainers_of_pipelines_explain_as_before(name):
    table = FRAME[["town", "job"]].astype(object).fillna("none")
    model = make_pipeline(OneHotEncoder(sparse_output=False, handle_unknown="ignore"), LogisticRegression())
    explainer = OF_TABLES[name]().set_params(model=model)
    fitted = explainer.fit(table, np.where(FRAME["member"], "yes", "no"))
    assert_same(fitted, table[:3])


@pytest.mark.parametrize("name", ["occlusion", "shapley", "lime", "mimic"])
def test_explainers_without_their_model_go_through_skops_and_get_it_back(name):
    model = LinearRegression().fit(FRAME[["age", "children"]], FRAME["age"])
    explainer = OF_TABLES[name]().set_params(model=lambda X: model.predict(X))
    fitted = explainer.fit(FRAME[["age", "children"]])
    loaded = by_skops(fitted.without_model()).attach(fitted.model)
    assert_equal(
        results(loaded, FRAME[["age", "children"]][:3]), results(fitted, FRAME[["age", "children"]][:3])
    )


def test_explainers_of_torch_modules_go_through_skops_without_them():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.LazyLinear(2))
    pictures = PICTURES.astype(np.float32)
    for name in ("windows", "segments", "rise"):
        fitted = OF_PICTURES[name]().set_params(model=module).fit(pictures)
        loaded = by_skops(fitted.without_model()).attach(module)
        assert_equal(results(loaded, pictures), results(fitted, pictures))


@pytest.mark.parametrize("table", [FRAME, ARROW, PERIODS], ids=["pandas", "pyarrow", "periods"])
def test_stored_frames_are_the_same_frames(table):
    fitted = OcclusionExplainer(score, background_size=50, random_state=0).fit(table)
    loaded = by_skops(fitted)
    pd.testing.assert_frame_equal(loaded.background_, fitted.background_, check_exact=True)
    pd.testing.assert_frame_equal(loaded.background_, table.reset_index(drop=True), check_exact=True)


FILLS = {
    "Series": FRAME[["age", "children"]].median(),
    "Series of objects": FRAME[["age", "since"]].mode().iloc[0],
    "dict": {"age": 40.0, "since": pd.Timestamp("2020-01-03"), "job": None},
}


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_constants_of_pandas_are_stored(fill):
    table = FRAME[list(fill.keys())]
    fitted = OcclusionExplainer(score, fill=fill, random_state=0).fit(table)
    assert_same(fitted, table[:3])
    loaded = by_skops(fitted).fill
    if isinstance(fill, pd.Series):
        pd.testing.assert_series_equal(loaded, fill, check_exact=True)
    else:
        assert loaded == fill


def test_pickle_takes_frames_as_they_are():
    masker = OcclusionExplainer(score, random_state=0).fit(FRAME)._masker
    assert isinstance(masker, TabularMasker)
    assert isinstance(masker.__getstate__()["background"], StoredPandas)
    assert isinstance(masker.__reduce_ex__(4)[2]["background"], pd.DataFrame)


def test_a_frame_that_is_not_stored_as_arrays_goes_through_pickle(monkeypatch):
    def refuse(*given):
        raise TypeError("no such column")

    monkeypatch.setattr("agnostix.core.explanation.storage.frame_storage.encode", refuse)
    fitted = OcclusionExplainer(score, background_size=4, random_state=0).fit(FRAME)
    assert isinstance(fitted.__getstate__()["background_"], pd.DataFrame)
    assert_equal(results(pickle.loads(pickle.dumps(fitted)), FRAME[:3]), results(fitted, FRAME[:3]))
