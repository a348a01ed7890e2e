import numpy as np
import pytest

from agnostix.what_if.inference import Design
from agnostix.what_if.inference.resampling import BLOCK, Resampling


def counts(resampling):
    return np.vstack([resampling.of_clusters(*block) for block in resampling.blocks()])


@pytest.mark.parametrize("n_draws", [1, BLOCK - 1, BLOCK, 5 * BLOCK + 3])
def test_draws_are_the_first_of_more(n_draws):
    few, many = (Resampling(30, None, n, 7) for n in (n_draws, 7 * BLOCK))
    assert counts(few).shape == (n_draws, 30)
    np.testing.assert_array_equal(counts(few), counts(many)[:n_draws])
    assert (counts(Resampling(30, None, n_draws, 8)) != counts(few)).any()


def test_each_stratum_keeps_its_total():
    stratum = np.array([0, 1, 1, 2, 0, 2, 2, 2])
    drawn = counts(Resampling(8, Design(np.arange(8), stratum), 100, 0))
    for one, size in ((0, 2), (1, 2), (2, 4)):
        np.testing.assert_allclose(drawn[:, stratum == one].sum(1), size)
        whole = drawn[:, stratum == one] * (size - 1) / size
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-12)


def test_spread_of_totals_is_that_of_a_stratified_sample():
    rng = np.random.default_rng(0)
    stratum = np.repeat([0, 1, 2], [3, 5, 12])
    y = rng.normal(size=20) + stratum
    drawn = counts(Resampling(20, Design(np.arange(20), stratum), 40_000, 1)) @ y
    expected = sum(
        np.sum(stratum == h) * y[stratum == h].var(ddof=1) for h in range(3)
    )  # variance of the estimated total
    assert drawn.mean() == pytest.approx(y.sum(), abs=5 * np.sqrt(expected / 40_000))
    assert drawn.var() == pytest.approx(expected, rel=0.04)


def test_rows_of_a_cluster_are_drawn_together():
    cluster = np.array([2, 0, 1, 1, 2, 2])
    resampling = Resampling(6, Design(cluster, np.zeros(3, int)), 50, 0)
    drawn = resampling.of_clusters(0, 32)
    rows = resampling.of_rows(drawn)
    np.testing.assert_array_equal(rows, drawn[:, cluster])
    some = np.array([True, False, True, False, True, True])
    np.testing.assert_array_equal(resampling.of_rows(drawn, some), rows[:, some])


def test_squares_add_up_to_variances():
    rng = np.random.default_rng(2)
    cluster = rng.permutation(np.arange(40) % 13)
    design = Design(cluster, np.arange(13) % 2)
    influences = rng.normal(size=(40, 3))
    squares = Resampling(40, design, 20, 0).squares(influences)
    np.testing.assert_allclose(squares.sum(0), design.variances(influences))
