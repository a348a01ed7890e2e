"""What is masked in an array is missing: in rows, truth, weights, predictions and pictures."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.validation import has_fit_parameter

from agnostix import EntropicProjection, WhatIfReport
from agnostix.core.frames import missing_as_nan
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError, EngineError, ModelOutputError
from agnostix.testing import InteractionModel, all_explainers
from agnostix.testing.harness import (
    assert_identical,
    explains_population,
    fit_clone,
    make_rows,
    results,
    takes_tables,
)
from agnostix.testing.tables import numbers
from tests.common.test_explainers import NEEDS_OPERATIONS, SMALL
from tests.messages import refuses

EXPLAINERS = [
    explainer(None, **SMALL.get(name, {}))
    for name, explainer in all_explainers()
    if name not in NEEDS_OPERATIONS
]
OF_TABLES = [one for one in EXPLAINERS if takes_tables(one)]
OF_IMAGES = [one for one in EXPLAINERS if not takes_tables(one)]
X = np.ascontiguousarray(numbers(24, 3))
HIDDEN = np.zeros(X.shape, dtype=bool)
HIDDEN[3, 0] = HIDDEN[7, 1] = True
WHOLE = X.round() + 0.0  # no -0.0, which whole numbers have not
KINDS = {  # a masked array, and what it says
    "float": (np.ma.masked_array(np.where(HIDDEN, 1e6, X), HIDDEN), np.where(HIDDEN, np.nan, X)),
    "float32": (
        np.ma.masked_array(np.where(HIDDEN, 1e6, X), HIDDEN, dtype=np.float32),
        np.where(HIDDEN, np.nan, X).astype(np.float32),
    ),
    "int": (np.ma.masked_array(WHOLE.astype(int), HIDDEN), np.where(HIDDEN, np.nan, WHOLE)),
    "object": (
        np.ma.masked_array(X.astype(object), HIDDEN),
        np.where(HIDDEN, np.nan, X).astype(object),
    ),
    "list of rows": (
        [np.ma.masked_array(row, hidden) for row, hidden in zip(X, HIDDEN, strict=True)],
        np.where(HIDDEN, np.nan, X),
    ),
    "nothing masked": (np.ma.masked_array(X, False), X),
}


class Tolerant(InteractionModel):
    """Missing values count as 0."""

    def __call__(self, table):
        assert not isinstance(table, np.ma.MaskedArray)
        return super().__call__(np.nan_to_num(np.asarray(table, dtype=float)))


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_masked_cells_are_missing(explainer, kind):
    masked, expected = KINDS[kind]
    rows = expected if explains_population(explainer) else masked
    actual = results(fit_clone(explainer, Tolerant(), masked, missing="omit"), rows)
    assert_identical(
        actual, results(fit_clone(explainer, Tolerant(), expected, missing="omit"), expected), kind
    )


@pytest.mark.parametrize("explainer", EXPLAINERS, ids=str)
def test_masked_weights_and_predictions_are_refused(explainer):
    rows = X if takes_tables(explainer) else make_rows(explainer)
    if takes_tables(explainer) and has_fit_parameter(explainer, "sample_weight"):
        with refuses(DataError, "sample_weight", "no value in 1 of 24 rows"):
            fit_clone(
                explainer, InteractionModel(), rows, np.ma.masked_array(np.ones(24), np.arange(24) == 2)
            )

    def hides(table):
        outputs = InteractionModel()(table)
        return np.ma.masked_array(outputs, np.arange(len(outputs)) == 0)

    with pytest.raises((ModelOutputError, EngineError), match=r"returned masked values .* row 0"):
        results(fit_clone(explainer, hides, rows), rows)


@pytest.mark.parametrize("explainer", OF_IMAGES, ids=str)
@pytest.mark.parametrize("dtype", [float, np.uint8])
def test_masked_pixels_are_refused_by_row(explainer, dtype):
    images = (100 * np.abs(make_rows(explainer))).astype(dtype)
    hidden = np.zeros(images.shape, dtype=bool)
    hidden[2, 0, 0] = True
    masked = np.ma.masked_array(images, hidden)
    with refuses(DataError, "row 2 has masked values", "Fill these in"):
        fit_clone(explainer, InteractionModel(), masked)
    fitted = fit_clone(explainer, InteractionModel(), images)
    if explains_population(explainer):  # which explains the images of fit
        return
    with refuses(DataError, "row 2 has masked values", "Fill these in"):
        fitted.explain(masked)
    assert fitted.explain(masked.filled(0)).values.shape[0] == len(images)


@pytest.mark.parametrize("explainer", [one for one in OF_TABLES if has_fit_parameter(one, "y")], ids=str)
def test_masked_truth_is_refused(explainer):
    y = np.ma.masked_array(np.arange(24.0), np.arange(24) == 5)
    if type(explainer).__name__ in ("EntropicProjection", "MimicTree"):
        with pytest.raises(ValueError, match=r"y has no value in 1 of 24 rows|Input y contains NaN"):
            explainer.set_params(model=DecisionTreeRegressor().fit(X, X[:, 0])).fit(X, y)


def test_masked_truth_and_predictions_elsewhere_are_refused():
    hidden = np.ma.masked_array(np.arange(24.0), np.arange(24) == 5)
    with refuses(DataError, "predictions", "finite", "1 values that are not"):
        EntropicProjection().fit(X, predictions=hidden)
    with refuses(DataError, "y has no value in 1 of 24 rows"):
        WhatIfReport(InteractionModel(), X, hidden).json()
    with refuses(ModelOutputError, "masked values for 1 of 24 rows", "row 5"):
        as_predictor(lambda table: hidden).predict(X)


@pytest.mark.parametrize("dtype", ["datetime64[D]", "timedelta64[s]", "U3", "bool", "complex"])
def test_masked_values_of_other_types_are_missing(dtype):
    array = np.ma.masked_array(
        np.ones(2).astype(dtype) if "U" in dtype else np.arange(2).astype(dtype), [1, 0]
    )
    filled = missing_as_nan(array)
    assert not isinstance(filled, np.ma.MaskedArray)
    assert filled[0] != filled[0]
    assert filled[1] == array[1]


@pytest.mark.parametrize("explainer", [one for one in OF_TABLES if "fill" in one.get_params()], ids=str)
def test_masked_fill_is_missing(explainer):
    fills = np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), [1.0, np.nan, 3.0]
    values = [fit_clone(explainer, Tolerant(), X, fill=fill).explain(X).values for fill in fills]
    np.testing.assert_array_equal(values[0], values[1])
