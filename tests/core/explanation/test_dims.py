"""Explanations of any dims are stored, tabulated, selected and told without code of their own."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agnostix import Explanation
from agnostix.core.explanation import Detail
from tests.messages import refuses

RNG = np.random.default_rng(0)


def interactions() -> Explanation:
    return Explanation(
        values=np.arange(9.0).reshape(3, 3),
        std_errors=np.full((3, 3), 0.5),
        dims=("feature", "feature"),
        feature_names=("a", "b", "c"),
        quantity="contribution",
        method="pairs",
    )


def maps() -> Explanation:
    values = RNG.normal(size=(2, 3, 4, 2))
    return Explanation(
        values=values,
        dims=("row", "y", "x", "output"),
        base_values=np.zeros((2, 2)),
        outputs=values.sum(axis=(1, 2)),
        data=RNG.random((2, 3, 4, 1)),
        output_names=("no", "yes"),
        quantity="relevance",
        completeness="outputs",
        method="maps",
        extras={"layer": Detail(RNG.random((2, 2, 2)), ("row", "layer_y", "layer_x")), "rule": "epsilon"},
    )


def effects() -> Explanation:
    return Explanation(
        values=RNG.normal(size=(2, 5)),
        dims=("feature", "grid"),
        feature_names=("a", "b"),
        coords={"grid": np.linspace(0.0, 1.0, 5)},
        quantity="effect",
        method="curves",
    )


MAKERS = {"interactions": interactions, "maps": maps, "effects": effects}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("how", ["file", "pickle"])
def test_storage_returns_any_dims(make: Any, how: str, tmp_path: Path) -> None:
    exp = make()
    if how == "file":
        exp.save(tmp_path / "exp.npz")
        back = Explanation.load(tmp_path / "exp.npz")
    else:
        back = pickle.loads(pickle.dumps(exp))
    for field in fields(exp):
        was, now = getattr(exp, field.name), getattr(back, field.name)
        if field.name in ("extras", "coords"):
            assert was.keys() == now.keys()
            for key, entry in was.items():
                assert type(now[key]) is type(entry)
                assert getattr(now[key], "dims", None) == getattr(entry, "dims", None)
                np.testing.assert_array_equal(np.asarray(now[key]), np.asarray(entry))
        else:
            np.testing.assert_equal(now, was)
    assert not back.values.flags.writeable


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (interactions, "contribution: 3 features x 3 features, with standard errors"),
        (maps, "relevance: 2 rows x 3 (y) x 4 (x) x 2 outputs (no, yes)"),
        (effects, "effect: 2 features x 5 (grid)"),
    ],
)
def test_repr_and_html_name_any_dims(make: Any, told: str) -> None:
    assert told in repr(make())
    assert told.split(": ")[1].split(", with")[0].split(" (no")[0] in make()._repr_html_()


def test_long_frame_has_a_column_for_each_dim() -> None:
    pairs = interactions().to_frame()
    assert list(pairs) == ["feature", "feature_2", "value", "std_error"]
    assert pairs.iloc[5].tolist() == ["b", "c", 5.0, 0.5]
    grid = effects().to_frame()
    assert list(grid) == ["feature", "grid", "value", "std_error"]
    assert grid.loc[6, ["feature", "grid"]].tolist() == ["b", 0.25]
    assert grid["std_error"].isna().all()
    exp = maps()
    points = exp.to_frame()
    assert list(points) == ["row", "y", "x", "output", "value", "std_error"]
    np.testing.assert_array_equal(points["value"], exp.values.ravel())
    one = points[(points["row"] == 1) & (points["y"] == 2) & (points["x"] == 3) & (points["output"] == "no")]
    assert one["value"].tolist() == [exp.values[1, 2, 3, 0]]


def test_wide_frame_has_the_first_dim_as_rows() -> None:
    pairs = interactions().to_frame("wide")
    assert pairs.index.tolist() == pairs.columns.tolist() == ["a", "b", "c"]
    assert pairs.loc["b", "c"] == 5.0
    grid = effects().to_frame("wide")
    assert (grid.index.name, grid.columns.name) == ("feature", "grid")
    assert grid.columns.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert maps().to_frame("wide").columns.names == ["y", "x", "output"]
    single = maps().sel(outputs="yes").to_frame("wide")
    assert single.columns.names == ["y", "x"]
    ones = Explanation(values=[1.0, 2.0], dims=("step",), quantity="effect", method="m").to_frame("wide")
    assert (list(ones), ones.index.name) == (["value"], "step")


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_to_frame_of_single_number_has_one_row(layout: str) -> None:
    exp = Explanation(values=[1.0, 3.0], dims=("row",), quantity="effect", method="m").aggregate(how="mean")
    assert (exp.dims, exp.to_frame(layout)["value"].tolist()) == ((), [2.0])


def test_selection_takes_every_axis_of_a_dim() -> None:
    exp = interactions()
    kept = exp.sel(features=["c", "a"])
    np.testing.assert_array_equal(kept.values, exp.values[np.ix_([2, 0], [2, 0])])
    assert kept.std_errors is not None
    assert kept.std_errors.shape == (2, 2)
    assert effects().sel(features="b").coords["grid"].size == 5
    images = maps()
    chosen = images[1].sel(outputs="no")
    np.testing.assert_array_equal(chosen.values, images.values[[1]][..., :1])
    np.testing.assert_array_equal(chosen.extras["layer"], images.extras["layer"].array[[1]])
    assert chosen.check_additivity() < 1e-12


@pytest.mark.parametrize(
    ("act", "error", "facts"),
    [
        (lambda: effects()[0], TypeError, ["Indexing", "dim 'row'"]),
        (lambda: len(effects()), TypeError, ["len()", "dim 'row'"]),
        (lambda: effects().aggregate(), TypeError, ["aggregate", "dim 'row'"]),
        (lambda: effects().sel(outputs=0), ValueError, ["sel(outputs=...)", "dim 'output'"]),
        (lambda: maps().sel(features=0), ValueError, ["sel(features=...)", "dim 'feature'"]),
        (lambda: effects().to_shap(), ValueError, ["to_shap", "'row'", "to_frame()"]),
    ],
)
def test_methods_name_the_dim_they_need(act: Any, error: type, facts: list[str]) -> None:
    explained = "('row', 'y', 'x', 'output')" if "dim 'feature'" in facts else "('feature', 'grid')"
    with refuses(error, explained, *facts):
        act()


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"dims": ("feature",)}, ["values", "dims ('feature',)", "got shape (2, 5)"]),
        ({"dims": "ab"}, ["dims", "tuple of str", "got 'ab'"]),
        ({"dims": ("feature", "feature")}, ["dims", "repeat 'feature'", "shape (2, 5)"]),
        ({"coords": {"grid": [1.0]}}, ["coords['grid']", "5 entries", "got shape (1,)"]),
        ({"coords": {"feature": [1, 2]}}, ["coords['feature']", "none of the dims", "feature_names"]),
        ({"coords": {"time": [1, 2]}}, ["coords['time']", "none of the dims"]),
        ({"data": np.zeros((2, 2))}, ["data", "dim 'row'", "None"]),
        ({"row_names": ("a", "b")}, ["row_names", "dim 'row'", "None"]),
        ({"output_names": ("y",)}, ["output_names", "0 entries", "got 1"]),
        ({"dims": ("feature", "value")}, ["dims", "'value'", "column of to_frame"]),
        ({"dims": ("std_error", "grid")}, ["dims", "'std_error'", "column of to_frame"]),
        ({"dims": ("data_value", "grid")}, ["dims", "'data_value'", "column of to_frame"]),
        ({"base_values": [1.0]}, ["base_values", "shape () = ()", "got (1,)"]),
    ],
)
def test_explanation_refuses_fields_that_do_not_fit_dims(changes: dict, facts: list[str]) -> None:
    known = {
        "values": np.zeros((2, 5)),
        "dims": ("feature", "grid"),
        "feature_names": ("a", "b"),
        "quantity": "effect",
        "method": "m",
    }
    with refuses(ValueError, *facts):
        Explanation(**(known | changes))


def test_row_dim_may_be_any_axis() -> None:
    values = RNG.normal(size=(3, 2))
    exp = Explanation(
        values=values, dims=("feature", "row"), feature_names=("a", "b", "c"), quantity="effect", method="m"
    )
    np.testing.assert_array_equal(exp[1].values, values[:, [1]])
    np.testing.assert_allclose(exp.aggregate(how="mean").values, values.mean(axis=1))
    assert "<td" in exp._repr_html_()


@pytest.mark.parametrize("field", ["values", "std_errors", "base_values", "outputs", "fidelity"])
@pytest.mark.parametrize(
    "given",
    [
        np.array(["1", "2"]),
        np.array([1j, 2j]),
        np.array(["2020", "2021"], dtype="M8[D]"),
        [1.0, "x"],
        [[1], [2, 3]],
    ],
    ids=["text", "complex", "dates", "mixed", "ragged"],
)
def test_explanation_refuses_arrays_of_other_types(field: str, given: Any) -> None:
    known: dict[str, Any] = {"values": [1.0, 2.0], "dims": ("row",), "quantity": "effect", "method": "m"}
    with refuses(ValueError, field, "array of numbers"):
        Explanation(**(known | {field: {"r2": given} if field == "fidelity" else given}))


@pytest.mark.parametrize("dim", ["row", "feature", "time", "Grid"])
def test_labels_refuses_unknown_dim(dim: str) -> None:
    exp = Explanation(values=[1.0, 2.0], dims=("grid",), quantity="effect", method="m")
    assert list(exp.labels("grid")) == [0, 1]
    with refuses(ValueError, f"no dim '{dim}'", "('grid',)"):
        exp.labels(dim)


# Completeness


@pytest.mark.parametrize("dims", list(permutations(("row", "feature", "output"))))
@pytest.mark.parametrize("completeness", ["outputs", "outputs - base_values", "surrogate"])
def test_check_additivity_in_any_order_of_dims(dims: tuple[str, ...], completeness: str) -> None:
    values = RNG.normal(size=(3, 2, 4))  # rows, features, outputs
    base = np.zeros((3, 4)) if completeness == "outputs" else RNG.normal(size=(3, 4))
    outputs = base + values.sum(axis=1)
    exp = Explanation(
        values=values.transpose([("row", "feature", "output").index(dim) for dim in dims]),
        dims=dims,
        base_values=base,
        outputs=outputs,
        feature_names=("a", "b"),
        output_names=tuple("wxyz"),
        quantity="contribution",
        completeness=completeness,
        method="m",
        extras={"surrogate_outputs": Detail(outputs, ("row", "output"))},
    )
    assert exp.check_additivity() < 1e-14
    off = outputs.copy()
    off[2, 1] += 1.0
    shifted = {"outputs": off, "extras": {"surrogate_outputs": Detail(off, ("row", "output"))}}
    with refuses(ValueError, "row 2", "output 'x'"):
        replace(exp, **shifted).check_additivity()


@pytest.mark.parametrize("dims", [("output", "row"), ("row",), ("free", "output"), None])
def test_check_additivity_refuses_surrogate_outputs_of_other_dims(dims: tuple[str, ...] | None) -> None:
    detail = {} if dims is None else {"surrogate_outputs": Detail(np.zeros((2,) * len(dims)), dims)}
    exp = replace(maps(), completeness="surrogate", extras=detail)
    with refuses(ValueError, "surrogate_outputs", "('row', 'output')"):
        exp.check_additivity()


def test_check_additivity_allows_completeness_gap() -> None:
    exp = Explanation(
        values=[[1.0, 2.0]],
        dims=("row", "feature"),
        base_values=[0.5],
        outputs=[4.0],
        feature_names=("a", "b"),
        quantity="contribution",
        completeness="outputs - base_values",
        completeness_gap=[0.5],
        method="path",
    )
    assert exp.check_additivity() == 0.0
    assert exp[[0]].completeness_gap is not None


def test_check_additivity_of_relevance_is_to_output() -> None:
    exp = maps()
    assert exp.check_additivity() < 1e-12
    values = exp.values.copy()
    values[1, 0, 0, 1] += 1.0
    with refuses(ValueError, "sum to the output.", "row 1", "output 'yes'", "gap of 1."):
        replace(exp, values=values).check_additivity()


def test_check_additivity_of_surrogate_is_to_its_output() -> None:
    known = {
        "values": [[1.0, 2.0]],
        "dims": ("row", "feature"),
        "base_values": [0.5],
        "outputs": [9.0],
        "feature_names": ("a", "b"),
        "quantity": "contribution",
        "completeness": "surrogate",
        "method": "near",
    }
    answers = {"surrogate_outputs": Detail([3.5], ("row",))}
    assert Explanation(**known, extras=answers).check_additivity() == 0.0
    with refuses(ValueError, "surrogate's output minus the base value", "row 0", "gap of 1."):
        Explanation(**known, extras={"surrogate_outputs": Detail([4.5], ("row",))}).check_additivity()
    with refuses(ValueError, "'surrogate'", "extras['surrogate_outputs']", "a Detail", "dims"):
        Explanation(**known).check_additivity()


@pytest.mark.parametrize(
    ("completeness", "facts"),
    [
        ("sum", ["completeness", "None", "'outputs - base_values', 'outputs', 'surrogate'", "got 'sum'"]),
        ("outputs - base_values", ["'outputs - base_values'", "needs outputs and base_values;"]),
        ("outputs", ["'outputs'", "needs outputs;"]),
        ("surrogate", ["'surrogate'", "needs base_values;"]),
    ],
)
def test_completeness_refused_without_outputs_or_base_values(completeness: str, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        Explanation(values=[1.0], dims=("feature",), feature_names=("a",), quantity="contribution",
                    completeness=completeness, method="m")  # fmt: skip
