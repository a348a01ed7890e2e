import numpy as np
import pytest

from agnostix.core.base import OutputSelection
from tests.messages import refuses

NAMES = ("bern", "oslo", "rome")
PREDICTIONS = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("outputs", "places"),
    [
        (None, [0, 1, 2]),
        ("oslo", [1]),
        (2, [2]),
        (np.int64(2), [2]),
        (["rome", 0], [2, 0]),
        (("rome", "bern"), [2, 0]),
        (np.array(["rome"]), [2]),
        (np.array(1), [1]),
        (np.array("rome"), [2]),
        ([np.array(2), np.str_("bern")], [2, 0]),
    ],
)
def test_selection_by_name_and_index_is_same_in_every_row(outputs, places):
    selection = OutputSelection.from_parameter(outputs, NAMES)
    np.testing.assert_array_equal(selection.indices(PREDICTIONS), [places, places])
    assert selection.names == tuple(NAMES[j] for j in places)
    assert selection.n_selected == len(places)
    assert selection.details(PREDICTIONS) == {}


def test_selection_predicted_is_largest_prediction():
    selection = OutputSelection.from_parameter("predicted", NAMES)
    np.testing.assert_array_equal(selection.indices(PREDICTIONS), [[1], [0]])
    assert selection.names == ("predicted",)
    assert selection.n_selected == 1
    (detail,) = selection.details(PREDICTIONS).values()
    assert detail.dims == ("row",)
    assert detail.array.tolist() == ["oslo", "bern"]


def test_selection_prefers_output_named_predicted():
    selection = OutputSelection.from_parameter("predicted", ("expected", "predicted"))
    np.testing.assert_array_equal(selection.indices(PREDICTIONS[:, :2]), [[1], [1]])
    assert selection.names == ("predicted",)
    assert selection.details(PREDICTIONS[:, :2]) == {}


def test_selection_of_numeric_labels_by_index_or_text():
    assert OutputSelection.from_parameter(1, ("1", "2")).names == ("2",)
    assert OutputSelection.from_parameter("1", ("1", "2")).names == ("1",)
    assert OutputSelection.from_parameter(True, ("False", "True")).names == ("True",)


@pytest.mark.parametrize(("n", "selected"), [(20, 20), (21, 1)])
def test_selection_none_beyond_20_outputs_is_predicted(n, selected):
    selection = OutputSelection.from_parameter(None, [f"output_{j}" for j in range(n)])
    assert selection.n_selected == selected
    assert selection.indices(np.eye(n)).shape == (n, selected)


@pytest.mark.parametrize("outputs", ["paris", 3, -1, False, 1.5, np.nan, ["oslo", "paris"]])
def test_selection_refuses_unknown_output(outputs):
    unknown = "paris" if isinstance(outputs, list) else outputs
    with refuses(ValueError, f"no output {unknown!r}", "bern, oslo, rome"):
        OutputSelection.from_parameter(outputs, NAMES)


@pytest.mark.parametrize("outputs", [[], ["oslo", 1], ["oslo", "oslo"]])
def test_selection_refuses_no_output_and_repeated_output(outputs):
    with refuses(ValueError, "'outputs' parameter", "at least one output", "none twice", f"got {outputs!r}"):
        OutputSelection.from_parameter(outputs, NAMES)


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (5, 2, 4, 3)])
@pytest.mark.parametrize("outputs", [None, 1, [2, 0, 1], "predicted"])
def test_selection_picks_outputs_of_each_row(shape, outputs):
    rng = np.random.default_rng(0)
    array, predictions = rng.normal(size=shape), rng.normal(size=(5, 3))
    selection = OutputSelection.from_parameter(outputs, NAMES)
    found, which = selection.pick(array, predictions), selection.indices(predictions)
    assert found.shape == (*shape[:-1], selection.n_selected)
    for row in range(5):
        np.testing.assert_array_equal(found[row], array[row][..., which[row]])
