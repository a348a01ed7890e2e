"""link="logit": only selected outputs need probabilities between 0 and 1, and only in their own rows."""

import warnings

import numpy as np
import pytest

from agnostix import KernelShapExplainer, as_predictor
from agnostix.exceptions import DataError
from tests.messages import refuses, states

ROWS = np.random.default_rng(0).normal(size=(60, 4))


def three_classes(X):
    """Probabilities of three classes, of which the first is 0 for many rows."""
    first = np.clip(X[:, 0], 0.0, 0.4)
    second = (1.0 - first) / (1.0 + np.exp(-X[:, 1] - X[:, 2] * X[:, 3]))
    return np.column_stack([first, second, 1.0 - first - second])


PARAMS = [{}, {"budget": 12, "kernel": "pooled"}, {"budget": 12, "kernel": "row"}, {"budget": 12, "tol": 0.1}]


def explained(model, rows, outputs=None, n_jobs=None, **params):
    one = KernelShapExplainer(model, link="logit", random_state=0, outputs=outputs, n_jobs=n_jobs, **params)
    return one.fit(ROWS).explain(rows)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_outputs_that_are_not_selected_need_no_log_odds(params, n_jobs):
    model = as_predictor(three_classes, task="classification")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = explained(model, ROWS[:5], outputs=["output_1"], n_jobs=n_jobs, **params)
    assert np.isfinite(found.values).all()
    found.check_additivity()
    if not params:
        alone = explained(lambda X: three_classes(X)[:, 1], ROWS[:5])
        np.testing.assert_allclose(found.values, alone.values, rtol=1e-12)
        np.testing.assert_allclose(found.std_errors, alone.std_errors, rtol=1e-12)


def test_predicted_output_alone_needs_log_odds():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = explained(as_predictor(three_classes, task="classification"), ROWS[:5], outputs="predicted")
    assert np.isfinite(found.values).all()


def sometimes_certain(X):
    return np.where(X[:, 0] > 1.0, 1.0, 1.0 / (1.0 + np.exp(-X[:, 1])))


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_a_row_without_log_odds_leaves_the_others(params):
    certain = np.flatnonzero(ROWS[:, 0] > 1.0)
    rows = ROWS[[0, certain[0], 2, certain[1], 4]]
    facts = "link='logit'", "got 1.", "Rows 1, 3 of X", "output prediction", "link='identity'"
    with pytest.warns(UserWarning, match=states(*facts)):
        found = explained(sometimes_certain, rows, **params)
    assert np.isnan(found.values[[1, 3]]).all()
    alone = explained(sometimes_certain, rows[[0, 2, 4]], **params)
    np.testing.assert_array_equal(found.values[[0, 2, 4]], alone.values)


def test_rows_that_all_lack_log_odds_are_refused():
    with refuses(DataError, "link='logit'", "got 2.5", "every row", "output prediction", "link='identity'"):
        explained(lambda X: np.full(len(X), 2.5), ROWS[:3])
    assert KernelShapExplainer(lambda X: np.full(len(X), 2.5)).fit(ROWS).explain(ROWS[:3]).values.shape
