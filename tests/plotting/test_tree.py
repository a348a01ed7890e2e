"""Displays of surrogate trees."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from agnostix.plotting import LeavesDisplay, PruningPathDisplay, TreeDisplay
from agnostix.plotting.tree import describe_tree
from tests.plotting.explanations import fitted_mimic

TASKS = pytest.mark.parametrize("task", ["classification", "regression"])


@TASKS
def test_tree_frame_has_node_below_parent(task: str) -> None:
    mimic = fitted_mimic(task)
    tree = mimic.rule_tree_
    frame = TreeDisplay.from_estimator(mimic).frame()
    assert sorted(frame["node"]) == list(range(tree.n_nodes))
    assert frame["words"][0] == "all rows"
    position = {node: k for k, node in enumerate(frame["node"])}
    for node in np.flatnonzero(tree.left >= 0):
        sides = (int(tree.left[node]), int(tree.right[node]))
        assert position[node] < position[sides[0]] < position[sides[1]]
        assert tuple(frame["words"][position[side]] for side in sides) == tree.describe_split(int(node))
        assert {frame["depth"][position[side]] for side in sides} == {frame["depth"][position[node]] + 1}
    leaves = frame.loc[frame["is_leaf"]].set_index("node")
    np.testing.assert_array_equal(leaves["coverage"], mimic.leaves_["coverage"].loc[leaves.index])
    for k, name in enumerate(tree.output_names):
        np.testing.assert_array_equal(leaves[f"value {name}"], tree.values[leaves.index, k])


@TASKS
def test_tree_lines_do_not_overlap(task: str) -> None:
    display = TreeDisplay.from_estimator(fitted_mimic(task)).plot()
    display.figure_.draw_without_rendering()
    words = set(display.lines["words"])
    boxes = [text.get_window_extent() for text in display.ax_.texts if text.get_text() in words]
    assert len(boxes) == len(display.lines)
    boxes.sort(key=lambda box: -box.y0)
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


def test_tree_bars_are_class_probabilities() -> None:
    display = TreeDisplay.from_estimator(fitted_mimic()).plot()
    widths = np.array([bar.get_width() for bar in display.ax_.patches]).reshape(-1, 2)
    at = display.values[display.lines["is_leaf"].to_numpy()]
    np.testing.assert_allclose(widths / widths.sum(axis=1, keepdims=True), at, atol=1e-12)


def test_pruning_path_lines_and_chosen_leaves() -> None:
    mimic = fitted_mimic()
    display = PruningPathDisplay.from_estimator(mimic).plot()
    lines = {line.get_label(): line for line in display.ax_.lines}
    np.testing.assert_array_equal(lines["agreement of labels"].get_ydata(), mimic.pruning_path_["fidelity"])
    np.testing.assert_array_equal(lines["R² of the predictions"].get_ydata(), mimic.pruning_path_["r2"])
    chosen = mimic.pruning_path_.loc[mimic.pruning_path_["chosen"], "leaves"].item()
    assert display.ax_.get_title(loc="right") == f"chosen: {chosen} leaves"
    of_numbers = PruningPathDisplay.from_estimator(fitted_mimic("regression")).plot()
    assert len(of_numbers.ax_.get_legend().texts) == 1


def test_leaves_worst_first() -> None:
    mimic = fitted_mimic()
    display = LeavesDisplay.from_estimator(mimic).plot()
    frame = display.frame()
    assert frame["fidelity"].is_monotonic_increasing
    assert sorted(frame.index) == sorted(mimic.leaves_.index)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert [label.rsplit("→", 1)[1].strip() for label in labels] == [str(one) for one in frame["label"]]
    of_numbers = LeavesDisplay.from_estimator(fitted_mimic("regression")).plot()
    assert of_numbers.frame()["rmse"].is_monotonic_decreasing
    assert of_numbers.ax_.get_xlabel() == "root mean squared error"


def test_leaves_long_rules_keep_their_last_conditions() -> None:
    row = {"coverage": 0.5, "rmse": 1.0}
    ends = " and ".join(f"column number {j} <= {j}.25" for j in range(9))
    leaves = pd.DataFrame([row | {"rule": ends}, row | {"rule": "x" * 300}, row | {"rule": "a <= 1"}])
    ax = LeavesDisplay(leaves).plot().ax_
    first, second, third = (label.get_text().replace("\n", " ") for label in ax.get_yticklabels())
    assert first.startswith("… and column number ")
    assert ends.endswith(first.removeprefix("…"))
    assert second.startswith("…x")
    assert third == "a <= 1"


def test_describe_tree_states_fidelity() -> None:
    text = describe_tree(fitted_mimic().fidelity_, 3)
    assert text.startswith("3 leaves: predicts the model's label for ")
    assert describe_tree(fitted_mimic("regression").fidelity_, 1).startswith("1 leaf: R² ")
