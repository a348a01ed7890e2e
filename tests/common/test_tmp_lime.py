import pytest
from hypothesis import given, settings
from agnostix import LimeExplainer
from agnostix.testing import check_case, parametrize_with_explainer_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from agnostix.testing import AdditiveModel
from tests.common.strategies import cases
from tests.common.test_scikit_learn import expected
E=[LimeExplainer(None),LimeExplainer(None,sampling="tilted",n_samples=400),LimeExplainer(None,n_samples=300,surrogate="tree")]
@parametrize_with_explainer_checks(E)
def test_a(explainer, check): check(explainer)
@pytest.mark.parametrize("explainer", E, ids=str)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=cases())
def test_r(explainer, case): check_case(explainer, case)
@parametrize_with_checks([LimeExplainer(AdditiveModel())], expected_failed_checks=expected)
def test_s(estimator, check): check(estimator)
