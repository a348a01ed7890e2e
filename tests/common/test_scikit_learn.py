"""scikit-learn's own checks over every explainer."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from agnostix import MimicTree
from agnostix.testing import AdditiveModel, all_explainers


@dataclass(frozen=True)
class FirstColumn:
    """A model that passes on what is missing: a population, asked once, is refused in fit."""

    def __call__(self, X):
        return np.asarray(X)[:, 0].real.astype(float)


REWORDED = {"check_estimators_empty_data_messages": "the message names rows and columns, not features"}
REWORDED_FOR_ROWS = REWORDED | {
    "check_n_features_in_after_fitting": "the message names the columns that are missing",
    "check_fit2d_predict1d": "the message says which X.reshape to call",
}
ESTIMATORS = [
    explainer(AdditiveModel() if hasattr(explainer, "transform") else FirstColumn())
    for _, explainer in all_explainers()
]


def expected(explainer):
    if isinstance(explainer, MimicTree):
        return REWORDED_FOR_ROWS | {
            "check_regressors_train": "it copies the double, not the truth of the check"
        }
    return REWORDED_FOR_ROWS if hasattr(explainer, "transform") else REWORDED


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
