"""Noise that all rows share, and running moments."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agnostix.neural.noise import Noise, RunningMoments  # noqa: E402

POINTS = torch.tensor(np.random.default_rng(0).normal(size=(3, 4, 2)))


def test_rows_have_the_same_noise_up_to_its_size():
    noise = Noise(7, torch.tensor([[[1.0]], [[2.0]], [[0.0]]], dtype=torch.float64))
    noisy = noise.add_to(POINTS, np.repeat([0, 1], 3), np.tile([0, 1, 2], 2))
    apart = (noisy - POINTS.repeat(2, 1, 1)).numpy().reshape(2, 3, 4, 2)
    np.testing.assert_allclose(apart[:, 1], 2 * apart[:, 0], atol=1e-12)
    np.testing.assert_array_equal(apart[:, 2], 0)
    assert np.abs(apart[0, 0] - apart[1, 0]).min() > 0
    first = np.random.default_rng([7, 5, 0]).standard_normal((4, 2))
    np.testing.assert_allclose(apart[0, 0], first, atol=1e-12)


def test_noise_does_not_depend_on_what_else_is_asked_for():
    noise = Noise(3, torch.ones(1, 4, 1, dtype=torch.float64))
    together = noise.add_to(POINTS, np.array([0, 4, 9, 4]), np.array([0, 1, 2, 0]))
    alone = noise.add_to(POINTS, np.array([4]), np.array([1]))
    np.testing.assert_array_equal(together[1].numpy(), alone[0].numpy())


def test_noise_is_standard_normal_times_the_size():
    noise = Noise(0, torch.full((1, 1), 0.5, dtype=torch.float64))
    points = torch.zeros(1, 20, dtype=torch.float64)
    drawn = noise.add_to(points, np.arange(2000), np.zeros(2000, dtype=int)).numpy()
    assert abs(drawn.mean()) < 4 * 0.5 / 200
    assert abs(drawn.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * 40_000)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(20)).max() < 0.12


@pytest.mark.parametrize("size", [1, 2, 3, 5, 21])
def test_moments_are_those_of_all_samples_for_any_batches(size):
    values = np.random.default_rng(0).normal(size=(7, 3, 2)) + 1e6
    moments = RunningMoments()
    for start in range(0, 21, size):
        sample, row = np.divmod(np.arange(start, min(start + size, 21)), 3)
        moments.add(values[sample, row], sample, row, 3)
    np.testing.assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-15)
    errors = values.std(axis=0, ddof=1) / np.sqrt(7)
    np.testing.assert_allclose(moments.std_error(7), errors, rtol=1e-6)


def test_moments_of_equal_values_have_error_exactly_zero():
    moments = RunningMoments()
    for k in range(5):
        moments.add(np.full((1, 1), 0.1), np.array([k]), np.array([0]), 1)
    assert (moments.mean.item(), moments.std_error(5).item()) == (0.1, 0.0)
