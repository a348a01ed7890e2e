import re

import numpy as np
import pytest

from agnostix.core.base.outputs import picked, select_outputs

NAMES = ("bern", "oslo", "rome")
ANSWERS = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (None, [0, 1, 2]),
        ("oslo", [1]),
        (2, [2]),
        (np.int64(2), [2]),
        (["rome", 0], [2, 0]),
        (("rome", "bern"), [2, 0]),
        (np.array(["rome"]), [2]),
    ],
)
def test_outputs_are_the_same_in_every_row(wanted, places):
    which, names = select_outputs(wanted, NAMES, ANSWERS)
    np.testing.assert_array_equal(which, [places, places])
    assert names == tuple(NAMES[j] for j in places)


def test_the_predicted_output_is_the_largest_answer():
    which, names = select_outputs("predicted", NAMES, ANSWERS)
    np.testing.assert_array_equal(which, [[1], [0]])
    assert names == ("predicted",)


def test_an_output_of_that_name_comes_first():
    which, names = select_outputs("predicted", ("expected", "predicted"), ANSWERS[:, :2])
    np.testing.assert_array_equal(which, [[1], [1]])
    assert names == ("predicted",)


def test_labels_that_are_numbers_are_found_by_place_or_by_text():
    assert select_outputs(1, ("1", "2"), ANSWERS[:, :2])[1] == ("2",)
    assert select_outputs("1", ("1", "2"), ANSWERS[:, :2])[1] == ("1",)
    assert select_outputs(True, ("False", "True"), ANSWERS[:, :2])[1] == ("True",)


@pytest.mark.parametrize(("n", "selected"), [(20, 20), (21, 1)])
def test_many_outputs_become_the_predicted_one(n, selected):
    assert select_outputs(None, [f"output_{j}" for j in range(n)], np.eye(n))[0].shape == (n, selected)


@pytest.mark.parametrize("wanted", ["paris", 3, -1, False, 1.5, np.nan, ["oslo", "paris"]])
def test_what_is_not_there_is_refused(wanted):
    unknown = "paris" if isinstance(wanted, list) else wanted
    message = f"There is no output {unknown!r}. The outputs: bern, oslo, rome."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        select_outputs(wanted, NAMES, ANSWERS)


@pytest.mark.parametrize("wanted", [[], ["oslo", 1], ["oslo", "oslo"]])
def test_none_and_twice_are_refused(wanted):
    message = f"The 'outputs' parameter must name at least one output, and none twice, got {wanted!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        select_outputs(wanted, NAMES, ANSWERS)


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (5, 2, 4, 3)])
@pytest.mark.parametrize("n", [1, 3])
def test_each_rows_outputs_are_picked(shape, n):
    rng = np.random.default_rng(0)
    values, which = rng.normal(size=shape), rng.integers(0, 3, (5, n))
    found = picked(values, which)
    assert found.shape == (*shape[:-1], n)
    for row in range(5):
        np.testing.assert_array_equal(found[row], values[row][..., which[row]])
    np.testing.assert_array_equal(picked(values, np.tile([0, 1, 2], (5, 1))), values)
    np.testing.assert_array_equal(picked(values, np.tile([2, 0, 1], (5, 1))), values[..., [2, 0, 1]])
