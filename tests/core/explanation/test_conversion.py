"""What shap's own plots take."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    Explanation,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    RiseExplainer,
)
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.messages import refuses


@pytest.fixture
def shap():
    return pytest.importorskip("shap", reason="shap is not installed")


@pytest.fixture
def plt():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def frame():
    rng = np.random.default_rng(0)
    n = 40
    return pd.DataFrame(
        {
            "age": np.where(np.arange(n) == 3, np.nan, rng.normal(40, 10, n)),
            "town": pd.Categorical(rng.choice(["b", "a", "c"], n), categories=["c", "b", "a"], ordered=True),
            "sex": rng.choice(["f", "m"], n).astype(object),
            "hours": rng.integers(1, 60, n),
            "since": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D"),
            "member": rng.random(n) < 0.5,
        }
    )


def made(data, names=("age", "town", "sex", "hours", "since", "member"), outputs=("no", "yes"), errors=True):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(len(data), len(names), len(outputs)))
    base = np.tile(rng.normal(size=len(outputs)), (len(data), 1))
    return Explanation(
        values=values,
        std_errors=np.abs(values) / 10 if errors else None,
        base_values=base,
        outputs=base + values.sum(axis=1),
        data=data,
        feature_names=names,
        output_names=outputs,
        quantity="contribution",
        completeness="outputs - base_values",
        method="by hand",
    )


def with_gaps():
    data = frame()
    data.loc[0, "town"] = np.nan
    data.loc[1, "sex"] = None
    return data


def test_to_shap_one_output_has_no_output_axis(shap):
    exp = made(frame())
    told = exp.to_shap(output="yes")
    np.testing.assert_array_equal(told.values, exp.values[..., 1])
    np.testing.assert_array_equal(told.base_values, exp.base_values[:, 1])
    np.testing.assert_array_equal(told.error_std, exp.std_errors[..., 1])
    assert list(told.feature_names) == list(exp.feature_names)
    assert told.output_names == "yes"
    np.testing.assert_array_equal(exp.to_shap(output=1).values, told.values)
    assert exp.sel(outputs="no").to_shap().shape == (40, 6)


def test_to_shap_all_outputs_keep_output_axis(shap):
    exp = made(frame(), outputs=("a", "b", "c"), errors=False)
    told = exp.to_shap()
    assert told.shape == (40, 6, 3)
    assert told.base_values.shape == (40, 3)
    assert told.error_std is None
    assert told.output_names == ["a", "b", "c"]
    np.testing.assert_array_equal(told[:, :, "b"].values, exp.values[..., 1])
    np.testing.assert_array_equal(told[2, :, 1].base_values, exp.base_values[2, 1])
    np.testing.assert_allclose(told.values.sum(axis=1) + told.base_values, exp.outputs)


def test_to_shap_data_is_numeric_and_display_data_readable(shap):
    told = made(with_gaps()).to_shap(output=0)
    data = with_gaps()
    assert told.data.dtype == float
    np.testing.assert_array_equal(told.data[:, 0], data["age"])
    np.testing.assert_array_equal(told.data[1:, 1], data["town"].cat.codes[1:])
    assert np.isnan(told.data[0, 1])
    assert told.display_data[0, 1] == "missing"
    assert told.display_data[2, 1] == data["town"][2]
    assert told.display_data[2, 3] == data["hours"][2]
    assert (np.diff(told.data[np.argsort(data["since"], kind="stable"), 4]) >= 0).all()


def test_to_shap_numeric_data_needs_no_display_data(shap):
    told = made(frame()[["age", "hours"]], ("age", "hours")).to_shap(output=0)
    assert told.display_data is None
    array = frame()[["age", "hours"]].to_numpy()
    np.testing.assert_array_equal(made(array, ("age", "hours")).to_shap(output=0).data, array)


def test_to_shap_feature_groups_have_no_data_value(shap):
    told = made(frame(), ("age", "home")).to_shap(output=0)
    assert not told.data[:, 1].any()
    assert set(told.display_data[:, 1]) == {"…"}
    assert made(frame(), ("home", "work")).to_shap(output=0).data is None


def test_to_shap_copies_values(shap):
    exp = made(frame())
    told = exp.to_shap(output=0)
    told.values[...] = 0.0
    told.base_values[...] = 0.0
    assert np.abs(exp.values).min() > 0.0


DATA = {
    "mixed": frame,
    "missing labels": with_gaps,
    "numbers": lambda: frame()[["age", "hours"]],
    "array": lambda: frame()[["age", "hours"]].to_numpy(),
    "groups": lambda: frame()[["age"]],
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("plot", ["waterfall", "beeswarm", "bar", "bar of a row", "scatter", "heatmap"])
@pytest.mark.parametrize("selected", ["output", "by shap"])
@pytest.mark.filterwarnings("default:::shap", "ignore::DeprecationWarning", "ignore::FutureWarning",
                            "ignore::PendingDeprecationWarning")  # fmt: skip
def test_to_shap_is_drawn_by_shap_plots(shap, plt, data, plot, selected):
    table = DATA[data]()
    names = (
        ("age", "hours")
        if data in ("numbers", "array")
        else ("age", "town", "sex", "hours", "since", "member")
    )
    names = ("age", "home") if data == "groups" else names
    exp = made(table, names)
    told = exp.to_shap(output="yes") if selected == "output" else exp.to_shap()[:, :, "yes"]
    if plot == "scatter":
        for j in range(len(names)):
            shap.plots.scatter(told[:, j], show=False)
            shap.plots.scatter(told[:, j], color=told, show=False)
        return
    kind, told = (
        ("bar", told[0]) if plot == "bar of a row" else (plot, told[0] if plot == "waterfall" else told)
    )
    getattr(shap.plots, kind)(told, show=False)
    labels = " ".join(text.get_text() for axes in plt.gcf().axes for text in axes.get_yticklabels())
    assert all(name in labels for name in names)


def test_to_shap_polars_columns(shap):
    pl = pytest.importorskip("polars")
    data = pl.DataFrame({"age": [1.0, None], "town": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"]))})
    told = made(data, ("age", "town")).to_shap(output=0)
    np.testing.assert_array_equal(told.data, [[1.0, 1.0], [np.nan, 0.0]])
    assert told.display_data[:, 1].tolist() == ["a", "b"]


def test_to_shap_images_keep_pixels(shap):
    rng = np.random.default_rng(0)
    exp = Explanation(
        values=rng.normal(size=(2, 4, 6, 3)),
        dims=("row", "y", "x", "output"),
        base_values=np.zeros((2, 3)),
        outputs=np.ones((2, 3)),
        data=rng.uniform(size=(2, 4, 6, 1)),
        feature_names=(),
        output_names=("a", "b", "c"),
        quantity="effect",
        method="window",
    )
    assert exp.to_shap().shape == (2, 4, 6, 1, 3)
    assert exp.to_shap().output_names == ["a", "b", "c"]
    one = exp.to_shap(output="b")
    np.testing.assert_array_equal(one.values, exp.values[:, :, :, None, 1:2])
    np.testing.assert_array_equal(one.base_values, exp.base_values[:, 1:2])


IMAGES = np.random.default_rng(0).random((3, 16, 16, 3))
WEIGHTS = np.random.default_rng(1).normal(size=(16, 16, 3))


def bright(images):
    return (images.reshape(len(images), 16, 16, -1) * WEIGHTS[..., : images.size // len(images) // 256]).sum(
        (1, 2, 3)
    )


def contrast(images):
    return np.stack([bright(images), -bright(images)], axis=1)


PICTURES = {
    "windows": lambda model: OcclusionExplainer(model, masker=SlidingWindow(8, 8, fill=0.0)),
    "RISE": lambda model: RiseExplainer(model, n_masks=64, random_state=0),
    "segments": lambda model: OcclusionExplainer(model, masker=SegmentMasker("grid", fill=0.0)),
    "shapley": lambda model: KernelShapExplainer(
        model, masker=SegmentMasker("grid", fill=0.0), random_state=0
    ),
    "lime": lambda model: LimeExplainer(model, masker=SegmentMasker("grid", fill=0.0), random_state=0),
}


@pytest.mark.filterwarnings("default:::shap", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "images", [IMAGES, IMAGES[..., :1], IMAGES[..., 0]], ids=["RGB", "one channel", "gray"]
)
@pytest.mark.parametrize("model", [bright, contrast])
@pytest.mark.parametrize("name", PICTURES)
def test_to_shap_of_images_is_drawn(shap, plt, name, model, images):
    exp = PICTURES[name](model).fit(images).explain(images)
    for one in (exp, exp[:1], exp.sel(outputs=0)):
        converted = one.to_shap()
        n_outputs = len(one.output_names)
        assert converted.values.shape == (len(one), 16, 16, 1, n_outputs)
        np.testing.assert_array_equal(converted.data, one.data)
        shap.plots.image(converted, show=False)
        axes = plt.gcf().axes
        assert [axis.get_title() for axis in axes[1 : 1 + n_outputs]] == list(one.output_names)
        if "feature" in one.dims:  # what is divided among pixels sums to the whole
            totals = one.values.sum(axis=1)
            np.testing.assert_allclose(converted.values.sum(axis=(1, 2, 3)), totals, atol=1e-9)
        plt.close("all")
    shap.plots.image(exp.to_shap()[0], show=False)


def test_to_shap_copies_data_without_features(shap):
    exp = Explanation(
        values=np.zeros((2, 3, 4)),
        dims=("row", "y", "x"),
        data=np.ones((2, 3, 4)),
        quantity="effect",
        method="m",
    )
    converted = exp.to_shap()
    converted.data[0, 0, 0] = 5.0
    assert exp.data[0, 0, 0] == 1.0


def test_to_shap_without_shap_names_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    with refuses(ImportError, "to_shap", "package shap", "pip install shap"):
        made(frame()).to_shap()


def test_to_shap_refuses_unknown_output():
    with refuses(KeyError, "output 'maybe'", "2: no, yes"):
        made(frame()).to_shap(output="maybe")
