"""The map of two averages."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from agnostix import EntropicProjection
from agnostix.plotting import WhatIfMapDisplay
from agnostix.plotting.style import PAPER


@pytest.fixture(scope="module")
def display(projection: EntropicProjection) -> WhatIfMapDisplay:
    return WhatIfMapDisplay.from_explainer(projection, "age", ("sex", "Female"), n_targets=5)


def test_joint_map_colors_equal_frame(display: WhatIfMapDisplay) -> None:
    ax = display.plot(Figure().add_subplot()).ax_
    table = display.frame().pivot(index="second_target", columns="first_target", values="value")
    mesh = ax.collections[0]
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).ravel(), table.to_numpy().ravel())
    centers = mesh.get_coordinates()
    assert centers[0, 0, 0] < table.columns[0] < centers[0, 1, 0]


def test_joint_map_cross_at_data_and_dots_at_thin_support(display: WhatIfMapDisplay) -> None:
    ax = display.plot(Figure().add_subplot()).ax_
    frame = display.frame()
    dots, cross = ax.lines
    thin = frame[frame["status"].isin(["thin", "boundary"])]
    assert {to_hex(mark.get_markerfacecolor()) for mark in ax.lines} == {PAPER}  # seen on dark cells too
    np.testing.assert_array_equal(dots.get_xydata(), thin[["first_target", "second_target"]])
    start = frame.loc[frame["kl"].idxmin()]
    assert cross.get_marker() == "P"
    np.testing.assert_array_equal(
        cross.get_xydata(), [start[["first_target", "second_target"]].astype(float)]
    )


def test_joint_map_infeasible_cells_are_blank(display: WhatIfMapDisplay) -> None:
    grid = display.frame()
    grid.loc[[0, 1], ["value", "kl"]] = np.nan
    grid.loc[[0, 1], "status"] = "infeasible"
    drawn = WhatIfMapDisplay(grid, ("age", "sex = Female")).plot(Figure().add_subplot())
    assert np.ma.getmaskarray(drawn.ax_.collections[0].get_array()).sum() == 2
    drawn.figure_.draw_without_rendering()
    assert len(drawn.ax_.lines[1].get_xdata()) == 1


def test_joint_map_names_and_colorbar(display: WhatIfMapDisplay) -> None:
    display.plot(Figure().add_subplot(), cmap="viridis")
    assert display.names == ("age", "sex = Female")
    assert display.ax_.get_xlabel() == "average of age"
    assert display.colorbar_.ax.get_ylabel() == "mean prediction of out_$put$"
    assert display.ax_.collections[0].get_cmap().name == "viridis"


def test_joint_map_output_by_name(people: object) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 2))
    both = EntropicProjection().fit(X, predictions=np.column_stack([X[:, 0], X[:, 1] + 5]))
    first, last = (both.joint("x0", "x1", n_targets=3)["output"].unique()[j] for j in (0, -1))
    assert set(WhatIfMapDisplay.from_explainer(both, "x0", "x1", n_targets=3).frame()["output"]) == {last}
    chosen = WhatIfMapDisplay.from_explainer(both, "x0", "x1", n_targets=3, output=first)
    assert set(chosen.frame()["output"]) == {first}
