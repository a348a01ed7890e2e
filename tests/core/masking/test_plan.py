import numpy as np
import pytest

from agnostix.core.masking import Plan
from agnostix.exceptions import DataError
from tests.messages import refuses


def test_plan_concatenates_stages():
    plan = Plan((np.ones((2, 3), dtype=bool), np.zeros((1, 3), dtype=bool)))
    assert plan.n_masks == 3
    np.testing.assert_array_equal(plan.masks, [[1, 1, 1], [1, 1, 1], [0, 0, 0]])


@pytest.mark.parametrize("stages", [(), (np.ones((1, 3), dtype=bool), np.ones((1, 2), dtype=bool))])
def test_plan_refuses_stages_of_other_widths(stages):
    with refuses(DataError, "plan", "at least one stage", "same players"):
        Plan(stages)
