"""What LimeExplainer says: of rows in their conditions, of what it cannot use in its errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor

from agnostix import LimeExplainer
from tests.messages import refuses


def _first_column(X):
    return np.asarray(X)[:, 0].astype(float)


@pytest.mark.parametrize(
    ("hour", "ends"), [("", "2020-01-02 < since <= 2020-01-03"), (" 06:00", "2020-01-02 06:00:00 <")]
)
def test_conditions_of_dates_leave_out_midnight(hour, ends):
    days = pd.to_datetime([f"2020-01-0{day}{hour}" for day in (1, 2, 3, 4, 5)])
    X = pd.DataFrame({"since": days})
    explainer = LimeExplainer(lambda X: X["since"].dt.day, n_samples=32, random_state=0).fit(X)
    (told,) = explainer.explain(X.iloc[[2]]).extras["conditions"].array[0]
    assert told.startswith(ends)


def test_surrogate_without_sample_weight_is_refused():
    explainer = LimeExplainer(_first_column, surrogate=KNeighborsRegressor())
    facts = ["'surrogate' of LimeExplainer", "sample_weight", "KNeighborsRegressor"]
    with refuses(ValueError, *facts, "'ridge', 'klasso', 'tree'"):
        explainer.fit(np.eye(3))
