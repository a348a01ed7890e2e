"""Interactions: each pair once in sums, tables and lists."""

from __future__ import annotations

import numpy as np
import pytest

from agnostix import Explanation
from agnostix.core.explanation import Detail
from tests.messages import refuses

VALUES = np.array([[0.5, 0.2, 0.0], [0.2, -0.1, 0.4], [0.0, 0.4, 1.0]])


def pairs(**given):
    values = np.stack([VALUES, 2.0 * VALUES])[..., None]
    known = {
        "values": values,
        "std_errors": np.abs(values) / 10.0,
        "dims": ("row", "feature", "feature", "output"),
        "feature_names": ("a", "b", "c"),
        "output_names": ("yes",),
        "base_values": [[1.0], [1.0]],
        "outputs": [[3.0], [5.0]],
        "quantity": "interaction",
        "completeness": "outputs - base_values",
        "method": "by hand",
        "extras": {
            "degrees_of_freedom": Detail(np.full(values.shape, 7.0), ("row", "feature", "feature", "output"))
        },
    }
    return Explanation(**(known | given))


def test_a_pair_counts_once_in_sums():
    assert pairs().check_additivity() < 1e-12
    with refuses(ValueError, "row 1", "5", "6"):
        pairs(outputs=[[3.0], [6.0]]).check_additivity()


def test_other_quantities_of_two_features_are_summed_as_they_are():
    exp = pairs(quantity="contribution", outputs=[[3.6], [6.2]])
    assert exp.check_additivity() < 1e-12
    assert len(exp.to_frame()) == 18


def test_frame_has_each_pair_once():
    frame = pairs().to_frame(level=0.9)
    assert len(frame) == 12
    assert frame.columns.tolist() == [
        "row",
        "feature",
        "feature_2",
        "output",
        "value",
        "std_error",
        "low",
        "high",
    ]
    assert frame["value"].sum() == pytest.approx(6.0)


def test_list_of_features_and_pairs():
    exp = pairs()
    listed = exp.pairs_as_features()
    assert listed.dims == ("row", "feature", "output")
    assert listed.feature_names == ("a", "b", "c", "a × b", "a × c", "b × c")
    np.testing.assert_array_equal(listed.values[0, :, 0], [0.5, -0.1, 1.0, 0.2, 0.0, 0.4])
    np.testing.assert_array_equal(listed.std_errors, np.abs(listed.values) / 10.0)
    assert listed.extras["degrees_of_freedom"].dims == ("row", "feature", "output")
    assert (listed.quantity, listed.check_additivity() < 1e-12) == ("contribution", True)
    whole, some = exp.interval(0.8)[0], listed.interval(0.8)[0]
    assert some[1, 3, 0] == whole[1, 0, 1, 0]
    assert pairs(completeness=None).pairs_as_features().quantity == "interaction"
    assert listed.pairs_as_features() is listed


def test_list_of_means():
    listed = pairs().aggregate().pairs_as_features()
    assert listed.dims == ("feature", "output")
    assert listed.values[:, 0] == pytest.approx([0.75, 0.15, 1.5, 0.3, 0.0, 0.6])


def test_a_feature_may_be_called_as_a_pair():
    listed = pairs(feature_names=("a", "b", "a × b")).pairs_as_features()
    assert len(set(listed.feature_names)) == 6


def test_html_lists_pairs():
    page = pairs()._repr_html_()
    assert "b × c" in page
    assert "3 features x 3 features" in page
