"""Extras that go by feature or by output are selected with the values, those of another make left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agnostix import Explanation

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


@pytest.mark.parametrize("name", ["conditions", "words", "unseen"])
def test_what_goes_by_feature_follows_the_features(name: str) -> None:
    exp = made(**{name: by_row_and_feature()})
    assert exp.sel(features=["d", "a"])[1].extras[name].tolist() == [["d of 1", "a of 1"]]
    assert exp.sel(outputs="z").extras[name].tolist() == exp.extras[name].tolist()


@pytest.mark.parametrize(
    "name", ["surrogate_outputs", "surrogate_std_errors", "r2_std_errors", "margin", "raw_outputs"]
)
def test_what_goes_by_output_follows_the_outputs(name: str) -> None:
    exp = made(**{name: np.arange(6.0).reshape(N_ROWS, N_OUTPUTS)})
    assert exp.sel(outputs=["z", "x"]).extras[name].tolist() == [[2.0, 0.0], [5.0, 3.0]]
    assert exp.sel(features="a").extras[name].shape == (N_ROWS, N_OUTPUTS)


@pytest.mark.parametrize(
    "name",
    ["selected", "coefficients", "coefficient_std_errors", "coalition_std_errors", "background_std_errors"],
)
def test_what_goes_by_both_follows_both(name: str) -> None:
    array = np.arange(24.0).reshape(N_ROWS, N_FEATURES, N_OUTPUTS)
    chosen = made(**{name: array}).sel(outputs=["y", "x"], features=["c"]).extras[name]
    np.testing.assert_array_equal(chosen, array[:, [2]][:, :, [1, 0]])


def test_segments_point_to_where_their_features_went() -> None:
    segments = np.array([[[0, 1], [2, 3]], [[3, 3], [-1, 0]]])
    kept = made(segments=segments).sel(features=["d", "a"])
    assert kept.extras["segments"].array.tolist() == [[[1, -1], [-1, 0]], [[0, 0], [-1, 1]]]
    assert segments.max() == 3


def test_spans_of_words_that_are_left_out_are_no_spans() -> None:
    spans = np.array([[[0, 3, 0], [4, 6, 2], [7, 9, 0]], [[0, 1, 1], [2, 3, 3], [-1, -1, -1]]])
    kept = made(spans=spans).sel(features=["c", "a"]).extras["spans"].array
    assert kept[0].tolist() == [[0, 3, 1], [4, 6, 0], [7, 9, 1]]
    assert kept[1].tolist() == [[-1, -1, -1]] * 3


def test_extras_of_another_make_stay_whole() -> None:
    exp = made(words=["a", "b"], selected=np.arange(2), mine=by_row_and_feature())
    chosen = exp.sel(features=["b"], outputs="y").extras
    assert chosen["words"] == ["a", "b"]
    assert chosen["selected"].tolist() == [0, 1]
    assert chosen["mine"].shape == (N_ROWS, N_FEATURES)
