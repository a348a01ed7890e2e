"""Intervals from errors, degrees of freedom and kinds, through selection, aggregation and storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from agnostix import Explanation
from agnostix.core.explanation import Detail
from agnostix.core.intervals import half_widths
from tests.messages import refuses

SHAPE = (3, 2, 2)


def made(std_errors: Any = 0.5, **extras: Any) -> Explanation:
    errors = None if std_errors is None else np.broadcast_to(np.asarray(std_errors, dtype=float), SHAPE)
    return Explanation(
        values=np.arange(12.0).reshape(SHAPE),
        std_errors=errors,
        feature_names=("a", "b"),
        output_names=("no", "yes"),
        quantity="effect",
        method="by hand",
        extras=extras,
    )


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_interval_without_degrees_of_freedom_is_normal(level: float) -> None:
    low, high = made().interval(level)
    np.testing.assert_allclose(high - low, np.full(SHAPE, norm.ppf(0.5 + level / 2)), rtol=1e-13)
    np.testing.assert_allclose((low + high) / 2, made().values, atol=1e-13)


@pytest.mark.parametrize(
    ("dof", "dims"),
    [
        (np.array(7.0), ()),
        (np.array([1.0, 15.0, np.inf]), ("row",)),
        (np.array([[3.0, 4.0], [5.0, np.inf], [1.0, 2.0]]), ("row", "output")),
        (np.array([[3.0, 5.0, 1.0], [4.0, 6.0, 2.0]]), ("feature", "row")),
        (np.linspace(1.0, 30.0, 12).reshape(SHAPE), ("row", "feature", "output")),
    ],
)
def test_interval_is_student_with_dof_of_each_value(dof: Any, dims: tuple[str, ...]) -> None:
    exp = made(degrees_of_freedom=Detail(dof, dims))
    low, high = exp.interval(0.9)
    place = {"row": 0, "feature": 1, "output": 2}
    for index in np.ndindex(*SHAPE):
        own = float(dof[tuple(index[place[dim]] for dim in dims)])
        quantile = norm.ppf(0.95) if np.isinf(own) else student.ppf(0.95, own)
        assert high[index] - exp.values[index] == pytest.approx(0.5 * quantile, rel=1e-11)
        assert exp.values[index] - low[index] == pytest.approx(0.5 * quantile, rel=1e-11)


def test_interval_kind_overrules_degrees_of_freedom() -> None:
    kinds = Detail(np.array(["normal", "student", "normal"]), ("row",))
    exp = made(degrees_of_freedom=Detail(np.array(4.0), ()), interval_kind=kinds)
    half = (exp.interval()[1] - exp.values)[:, 0, 0]
    expected = 0.5 * np.array([norm.ppf(0.975), student.ppf(0.975, 4), norm.ppf(0.975)])
    np.testing.assert_allclose(half, expected)


def test_interval_of_exact_values_and_unknown_errors() -> None:
    errors = np.array([[[0.0, 0.5], [0.0, 0.5]]] * 2 + [[[np.nan, 0.5]] * 2])
    exp = made(errors, degrees_of_freedom=Detail(np.array([0.0, 3.0, 3.0]), ("row",)))
    low, high = exp.interval()
    assert (low[:2, :, 0] == exp.values[:2, :, 0]).all()
    assert (high[:2, :, 0] == exp.values[:2, :, 0]).all()
    assert np.isnan(low[2, :, 0]).all()
    assert np.isnan(low[0, :, 1]).all()  # an error with no degree of freedom is not known
    alone = made(None)
    for end in alone.interval():
        np.testing.assert_array_equal(end, alone.values)


@pytest.mark.parametrize("dof", [np.nan, -np.inf, -1.0, 0.0])
def test_interval_without_valid_degrees_of_freedom_is_unknown(dof: float) -> None:
    exp = made(degrees_of_freedom=Detail(np.array([dof, 3.0]), ("feature",)))
    for end in exp.interval():
        assert np.isnan(end[:, 0]).all()
        assert np.isfinite(end[:, 1]).all()


def test_interval_survives_selection_and_storage(tmp_path: Path) -> None:
    exp = made(
        degrees_of_freedom=Detail(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, np.inf]]), ("row", "output")),
        interval_kind=Detail(np.array(["student", "normal"]), ("feature",)),
    )
    whole = np.stack(exp.interval(0.8))
    np.testing.assert_array_equal(np.stack(exp[[2, 0]].interval(0.8)), whole[:, [2, 0]])
    chosen = exp.sel(features="b", outputs=["yes", "no"])
    np.testing.assert_array_equal(np.stack(chosen.interval(0.8)), whole[:, :, [1]][..., [1, 0]])
    exp.save(tmp_path / "exp.npz")
    np.testing.assert_array_equal(np.stack(Explanation.load(tmp_path / "exp.npz").interval(0.8)), whole)


def test_aggregate_recomputes_degrees_of_freedom() -> None:
    kinds = {
        "interval_kind": Detail(np.array("normal"), ()),
        "degrees_of_freedom": Detail(np.array(99.0), ()),
    }
    total = made(None, **kinds).aggregate(by=["x", "y", "x"])
    assert total.extras["interval_kind"].array.item() == "nonnegative"
    assert total.extras["degrees_of_freedom"].array[:, 0, 0].tolist() == [1.0, 0.0]
    low, high = total.interval()
    half = student.ppf(0.975, 1) * total.std_errors[0]
    np.testing.assert_allclose(high[0] - total.values[0], half, rtol=1e-11)
    np.testing.assert_allclose(low[0], np.maximum(total.values[0] - half, 0.0), rtol=1e-11)
    assert np.isnan(low[1]).all()
    assert set(made(**kinds).aggregate(how="max_abs").extras) == {"aggregate"}


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, np.nan, "0.95", None])
def test_interval_refuses_level_outside_0_and_1(level: Any) -> None:
    for errors in (0.5, None):
        with refuses(ValueError, "level", "between 0 and 1", f"got {level!r}"):
            made(errors).interval(level)


@pytest.mark.parametrize(
    ("extras", "facts"),
    [
        (
            {"degrees_of_freedom": 5.0},
            ["extras['degrees_of_freedom']", "a Detail", "('row', 'feature', 'output')"],
        ),
        (
            {"degrees_of_freedom": Detail(np.zeros(2), ("block",))},
            ["'degrees_of_freedom'", "('row', 'feature', 'output')", "('block',)"],
        ),
        (
            {"interval_kind": Detail(np.zeros((3, 3)), ("row", "row"))},
            ["'interval_kind'", "('row', 'feature', 'output')", "('row', 'row')"],
        ),
        (
            {"degrees_of_freedom": Detail(np.array(["5", "7"]), ("feature",))},
            ["'degrees_of_freedom'", "numbers", "<U1"],
        ),
    ],
)
def test_interval_details_refused_if_dims_or_type_do_not_match(extras: dict, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        made(**extras)


def test_interval_refuses_unknown_kind() -> None:
    exp = made(interval_kind=Detail(np.array("bayes"), ()))
    with refuses(ValueError, "extras['interval_kind']", "'normal', 'student'", "got 'bayes'"):
        exp.interval()


@pytest.mark.parametrize("std_errors", [0.5, None])
def test_interval_of_what_is_not_determined_is_the_whole_line(std_errors: Any) -> None:
    exp = made(std_errors, interval_kind=Detail(np.array(["student", "undetermined"]), ("feature",)))
    low, high = exp.interval()
    assert np.isposinf(high[:, 1]).all()
    assert np.isneginf(low[:, 1]).all()
    assert np.isfinite(low[:, 0]).all()


def test_html_says_what_is_not_determined() -> None:
    kinds = Detail(np.array(["student", "undetermined"]), ("feature",))
    html = made(np.nan, interval_kind=kinds)[0]._repr_html_()
    assert html.count("not determined") == 2  # of two outputs
    assert "not determined" not in made()[0]._repr_html_()


def test_frame_has_the_ends_of_a_level() -> None:
    kinds = Detail(np.array(["student", "undetermined"]), ("feature",))
    exp = made(degrees_of_freedom=Detail(np.array([3.0, 9.0]), ("output",)), interval_kind=kinds)
    frame, (low, high) = exp.to_frame(level=0.8), exp.interval(0.8)
    assert list(frame) == ["row", "feature", "output", "value", "std_error", "low", "high", "data_value"]
    np.testing.assert_array_equal(frame["low"], low.ravel())
    np.testing.assert_array_equal(frame["high"], high.ravel())
    assert "low" not in exp.to_frame()
    with refuses(ValueError, "layout='wide'", "no intervals", "level=0.8"):
        exp.to_frame("wide", level=0.8)
    with refuses(ValueError, "level must be between 0 and 1", "got 95"):
        exp.to_frame(level=95)


def test_half_widths_broadcast_shapes() -> None:
    assert half_widths(2.0, 0.9) == pytest.approx(2.0 * norm.ppf(0.95))
    assert half_widths(0.0, 0.9, 0.0) == 0.0
    found = half_widths(np.array([1.0, 2.0]), 0.9, np.array([[3.0], [np.inf]]))
    np.testing.assert_allclose(found, np.outer([student.ppf(0.95, 3), norm.ppf(0.95)], [1.0, 2.0]))
