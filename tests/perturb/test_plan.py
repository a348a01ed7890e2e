import numpy as np

from agnostix.perturb import one_hidden_at_a_time


def test_first_nothing_is_hidden_and_then_each_player_in_turn():
    plan = one_hidden_at_a_time(3)
    assert plan.n_masks == 4
    assert plan.masks.dtype == bool
    np.testing.assert_array_equal(plan.masks, [[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
