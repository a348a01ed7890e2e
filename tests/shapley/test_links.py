import numpy as np
import pytest

from agnostix.exceptions import DataError
from agnostix.shapley.links import linked
from tests.messages import refuses


def test_linked_identity_keeps_means():
    means = np.array([[-3.0, 0.0], [1.0, 7.5]])
    np.testing.assert_array_equal(linked("identity", means), means)


def test_linked_logit_gives_log_odds():
    means = np.array([[0.5, 0.2], [0.9, 1e-12]])
    np.testing.assert_allclose(linked("logit", means), np.log(means / (1.0 - means)), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(("mean", "shown"), [(0.0, "0"), (1.0, "1"), (-0.25, "-0.25"), (1.0000001, "1")])
def test_linked_logit_refuses_mean_outside_0_1(mean, shown):
    with refuses(
        DataError, "link='logit'", "between 0 and 1", f"one is {shown}", "link='identity'", "calibrated"
    ):
        linked("logit", np.array([0.5, mean]))
