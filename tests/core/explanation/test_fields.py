"""Details follow the selection of the values by their dims, and point to where features went."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from agnostix import Explanation
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import expand
from tests.messages import refuses

N_ROWS, N_FEATURES, N_OUTPUTS = 2, 4, 3


def made(**extras: Any) -> Explanation:
    rng = np.random.default_rng(0)
    return Explanation(
        values=rng.normal(size=(N_ROWS, N_FEATURES, N_OUTPUTS)),
        base_values=np.zeros((N_ROWS, N_OUTPUTS)),
        outputs=np.zeros((N_ROWS, N_OUTPUTS)),
        feature_names=tuple("abcd"),
        output_names=("x", "y", "z"),
        quantity="contribution",
        completeness="surrogate",
        method="by hand",
        extras=extras,
    )


def by_row_and_feature() -> np.ndarray:
    return np.array([[f"{name} of {i}" for name in "abcd"] for i in range(N_ROWS)])


def test_detail_by_feature_follows_features() -> None:
    exp = made(conditions=Detail(by_row_and_feature(), ("row", "feature")))
    assert exp.sel(features=["d", "a"])[1].extras["conditions"].array.tolist() == [["d of 1", "a of 1"]]
    assert exp.sel(outputs="z").extras["conditions"].array.tolist() == by_row_and_feature().tolist()


def test_detail_by_output_follows_outputs() -> None:
    exp = made(margin=Detail(np.arange(6.0).reshape(N_ROWS, N_OUTPUTS), ("row", "output")))
    assert exp.sel(outputs=["z", "x"]).extras["margin"].array.tolist() == [[2.0, 0.0], [5.0, 3.0]]
    assert exp.sel(features="a").extras["margin"].array.shape == (N_ROWS, N_OUTPUTS)


def test_detail_by_value_follows_both_in_any_order_of_axes() -> None:
    array = np.arange(24.0).reshape(N_ROWS, N_FEATURES, N_OUTPUTS)
    exp = made(
        straight=Detail(array, ("row", "feature", "output")),
        turned=Detail(array.transpose(2, 0, 1), ("output", "row", "feature")),
    )
    chosen = exp.sel(outputs=["y", "x"], features=["c"])[[1]].extras
    expected = array[[1]][:, [2]][:, :, [1, 0]]
    np.testing.assert_array_equal(chosen["straight"], expected)
    np.testing.assert_array_equal(chosen["turned"], expected.transpose(2, 0, 1))


def test_detail_free_dims_stay_whole() -> None:
    exp = made(grid=Detail(np.arange(2), ("place",)), blocks=Detail(np.zeros((2, 2)), ("row", "block")))
    part = exp[[0]].sel(features="a", outputs="x")
    assert part.extras["grid"].array.tolist() == [0, 1]
    assert part.extras["blocks"].array.shape == (1, 2)


def test_detail_segments_follow_selected_features() -> None:
    segments = np.array([[[0, 1], [2, 3]], [[3, 3], [-1, 0]]])
    kept = made(segments=Detail(segments, ("row", "y", "x"), "feature")).sel(features=["d", "a"])
    assert kept.extras["segments"].array.tolist() == [[[1, -1], [-1, 0]], [[0, 0], [-1, 1]]]
    assert kept.extras["segments"].points_to == "feature"
    assert segments.max() == 3
    assert kept[1].sel(features=1).extras["segments"].array.tolist() == [[[-1, -1], [-1, 0]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_detail_pointers_of_any_integer_dtype_are_remapped(dtype: Any) -> None:
    kept = Detail(np.array([0, 1, 2], dtype=dtype), ("token",), "feature").take("feature", [1])
    assert kept.array.tolist() == [-1, 0, -1]
    assert Detail(np.array([0, 1], dtype=dtype), ("token",), "feature").take(
        "feature", []
    ).array.tolist() == [
        -1,
        -1,
    ]


def test_detail_is_read_only_and_an_array_to_numpy() -> None:
    given = np.arange(3)
    detail = Detail(given, ("place",))
    with pytest.raises(ValueError, match="read-only"):
        detail.array[0] = 1
    given[0] = 5
    assert np.asarray(detail).tolist() == [5, 1, 2]
    assert np.asarray(detail, dtype=float).dtype == float
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(detail)).array[0] = 1


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda: Detail(np.zeros((2, 3)), ("row",)), ["dims", "2 axes", "(2, 3)", "got ('row',)"]),
        (lambda: Detail(np.zeros(2), "row"), ["tuple of str", "got 'row'"]),
        (
            lambda: Detail(np.zeros(2), ("row",), "feature"),
            ["points_to='feature'", "whole numbers", "float64"],
        ),
        (lambda: made(x=np.zeros(2)), ["extras['x']", "shape (2,)", "no names", "Detail(array, dims=(...))"]),
        (lambda: made(x=Detail(np.zeros(3), ("row",))), ["extras['x']", "2 entries", "'row'", "got 3"]),
        (
            lambda: made(x=Detail(np.zeros((3, 3)), ("free", "row"))),
            ["extras['x']", "2 entries", "'row'", "got 3"],
        ),
        (
            lambda: made(x=Detail(np.zeros((2, 3)), ("row", "row"))),
            ["extras['x']", "2 entries", "'row'", "got 3"],
        ),
        (
            lambda: made(x=Detail(np.array([0, 4]), ("y",), "feature")),
            ["extras['x']", "points to feature 4", "there are 4", "from 0"],
        ),
        (
            lambda: made(x=Detail(np.array([-2, 0]), ("y",), "row")),
            ["extras['x']", "points to row -2", "there are 2", "from 0"],
        ),
        (lambda: Detail(np.zeros(3), ("row",)).take("row", [-1]), ["places", "whole numbers", "from 0"]),
        (lambda: Detail(np.zeros(2), ("row",)).take("row", [True, False]), ["places", "whole numbers"]),
    ],
)
def test_detail_refuses_wrong_dims_or_shape(make: Any, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        make()


def test_detail_expands_to_the_dims_of_values() -> None:
    dims = ("row", "feature", "output")
    turned = expand(Detail(np.arange(6).reshape(3, 2), ("output", "row")), dims)
    np.testing.assert_array_equal(turned, np.arange(6).reshape(3, 2).T[:, None])
    assert expand(Detail(7.0, ()), dims).shape == (1, 1, 1)
    assert expand(Detail(np.zeros((4, 4)), ("feature", "feature")), ("feature", "feature")).shape == (4, 4)
