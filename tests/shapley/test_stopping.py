import numpy as np

from agnostix.shapley.stopping import Stopping, last_stages, relative_errors


def solved(values, variances):
    return np.asarray(values, dtype=float), np.asarray(variances, dtype=float)


def test_relative_errors_are_of_worst_player_and_output():
    values = [[[1.0, 0.0], [3.0, 10.0]]]
    np.testing.assert_allclose(relative_errors(solved(values, [[[0.01, 4.0], [0.04, 1.0]]])), [0.2])
    np.testing.assert_allclose(relative_errors(solved(values, [[[0.36, 4.0], [0.04, 1.0]]])), [0.3])


def test_relative_errors_of_equal_values_are_0_if_exact_else_inf():
    alike = np.ones((2, 3, 1))
    variances = np.zeros((2, 3, 1))
    variances[1, 2] = 1e-9
    np.testing.assert_array_equal(relative_errors(solved(alike, variances)), [0.0, np.inf])


def test_relative_errors_of_no_players_are_0():
    np.testing.assert_array_equal(relative_errors(solved(np.empty((2, 0, 3)), np.empty((2, 0, 3)))), [0, 0])


def test_last_stages_is_last_stage_with_row():
    stages = [np.array([0, 1, 2, 3, 4]), np.array([0, 2, 4]), np.array([4])]
    assert last_stages(stages, 5).tolist() == [1, 0, 1, 0, 2]


class Halving:
    """A reducer whose error is one over the number of masks, in units of a row's first mean."""

    def finalize(self, blocks):
        n_masks = blocks.shape[0]
        values = np.zeros((blocks.shape[2], 2, 1))
        values[:, 1, 0] = blocks[0, 0, :, 0]
        return values, np.full_like(values, 1.0 / n_masks**2)


def test_stopping_keeps_blocks_of_continuing_rows():
    stopping = Stopping(0.1, [Halving(), Halving(), Halving()])
    first = np.array([1.0, 3.0, 100.0]).reshape(3, 1, 1, 1) * np.ones((3, 2, 1, 1))
    assert stopping.keep_going(0, (first,)).tolist() == [True, True, False]  # errors of 1/2, 1/6 and 1/200
    assert stopping.keep_going(1, (first[:2],)).tolist() == [True, False]  # of 1/4 and 1/12
    assert stopping.keep_going(2, (np.ones((1, 8, 1, 1)),)).tolist() == [False]  # of 1/12
