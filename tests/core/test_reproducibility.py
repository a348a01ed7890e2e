import numpy as np
import pytest

from agnostix.core.reproducibility import WIDTH, multiply, sums_of_squares


@pytest.mark.parametrize("n_columns", [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, 3 * WIDTH])
def test_multiply_and_sums_of_squares_match_numpy(n_columns):
    rng = np.random.default_rng(0)
    matrix, columns = rng.normal(size=(7, 11)), rng.normal(size=(11, n_columns))
    np.testing.assert_allclose(multiply(matrix, columns), matrix @ columns, atol=1e-13)
    np.testing.assert_allclose(sums_of_squares(columns), (columns**2).sum(0), rtol=1e-13)


@pytest.mark.parametrize("n_terms", [5, 64, 333])
def test_multiply_bits_of_column_ignore_other_columns(n_terms):
    rng = np.random.default_rng(0)
    matrix, columns = rng.normal(size=(13, n_terms)), rng.normal(size=(n_terms, 130))
    products, lengths = multiply(matrix, columns), sums_of_squares(columns)
    for some in ([0], [129], [5, 3], list(range(129, -1, -1)), [64] * 70):
        np.testing.assert_array_equal(
            multiply(matrix, np.asfortranarray(columns[:, some])), products[:, some]
        )
        np.testing.assert_array_equal(sums_of_squares(columns[:, some]), lengths[some])
