"""scikit-learn's own checks over every explainer."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from agnostix import MimicTree
from agnostix.testing import AdditiveModel, all_explainers
from agnostix.testing.harness import takes_tables


@dataclass(frozen=True)
class FirstColumn:
    """A model that returns NaN for a missing value, so explainers of a population refuse it in fit."""

    def __call__(self, X):
        return np.asarray(X)[:, 0].real.astype(float)


REWORDED = {
    "check_estimators_empty_data_messages": "the message names rows and columns, not features",
}
REWORDED_FOR_POPULATIONS = REWORDED | {"check_dtype_object": "the error names the model that failed and rows"}
REWORDED_FOR_ROWS = REWORDED | {
    "check_n_features_in_after_fitting": "the message names the columns that are missing",
    "check_fit2d_predict1d": "the message says which X.reshape to call",
}
REWORDED_FOR_MODELS = REWORDED_FOR_ROWS | {
    "check_requires_y_none": "the message says that it is the model inside that needs y",
    "check_sample_weight_equivalence_on_dense_data": "two equal rows may be in two folds",
}
# Models that predict where values are missing, as the trees of rules do: the tags promise an error otherwise.
REGRESSOR = MimicTree(DecisionTreeRegressor(max_depth=3, random_state=0))
CLASSIFIER = MimicTree(DecisionTreeClassifier(max_depth=3, random_state=0))


def explainer_of(kind):
    if kind is MimicTree:
        return REGRESSOR
    return kind(AdditiveModel() if hasattr(kind, "transform") else FirstColumn())


def expected(explainer):
    if isinstance(explainer, MimicTree):
        return REWORDED_FOR_MODELS
    return REWORDED_FOR_ROWS if hasattr(explainer, "transform") else REWORDED_FOR_POPULATIONS


@parametrize_with_checks(
    [explainer_of(kind) for _, kind in all_explainers() if takes_tables(kind(None))],
    expected_failed_checks=expected,
)
def test_explainer_passes_scikit_learn_checks(estimator, check):
    check(estimator)


def of_classifiers_alone():
    """Checks of the classifier that scikit-learn has not for the regressor too."""
    for_both = {check.func for _, check in estimator_checks_generator(REGRESSOR)}
    return [check for _, check in estimator_checks_generator(CLASSIFIER) if check.func not in for_both]


@pytest.mark.parametrize("check", of_classifiers_alone(), ids=lambda check: check.func.__name__)
def test_mimic_tree_passes_scikit_learn_classifier_checks(check):
    check(CLASSIFIER)
