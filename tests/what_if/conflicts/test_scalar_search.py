"""The least of costs over scalars, against closed forms, and how many evaluations it takes."""

import numpy as np
import pytest

from agnostix.what_if.conflicts.scalar_search import least_over


class Counted:
    """A cost that counts its evaluations."""

    def __init__(self, cost):
        self.cost, self.n = cost, 0

    def __call__(self, theta):
        self.n += 1
        return float(self.cost(theta))


def over_line(cost, enough=None, start=0.5):
    cost = Counted(cost)
    theta, least = least_over(cost, np.zeros(1), np.ones(1), [np.array([start])], enough)
    return float(theta[0]), least, cost.n


@pytest.mark.parametrize("kink", [0.0, 1e-3, 0.123456789, 1 / 3, 0.97, 1.0])
@pytest.mark.parametrize("slopes", [(1.0, 1.0), (0.1, 30.0), (1e3, 1.0)])
def test_least_of_two_lines_is_where_they_meet(kink, slopes):
    down, up = slopes
    theta, least, n = over_line(lambda t: 0.7 + max(down * (kink - t[0]), up * (t[0] - kink)))
    assert least == pytest.approx(0.7, abs=1e-9 * max(slopes))
    assert theta == pytest.approx(kink, abs=1e-8)
    assert n <= 60


def test_least_of_a_curve():
    theta, least, _ = over_line(lambda t: (t[0] - 0.4321) ** 2 + 0.1)
    assert theta == pytest.approx(0.4321, abs=1e-5)
    assert least == pytest.approx(0.1, abs=1e-11)


def test_low_enough_cost_ends_the_search():
    assert over_line(lambda t: abs(t[0] - 0.5), enough=1e-7)[2] == 1
    theta, least, n = over_line(lambda t: max(0.0, t[0] - 0.2, 0.1 - t[0]), enough=1e-7)
    assert least == 0.0
    assert 0.1 <= theta <= 0.2
    assert n <= 14


def test_costs_clear_of_what_is_enough_end_the_search():
    def far(t):
        return 5.0 + abs(t[0] - 0.123)

    assert over_line(far, enough=1e-7)[2] == 13
    assert over_line(far)[2] > 30
    theta, least, _ = over_line(lambda t: 1e3 * abs(t[0] - 0.123), enough=1e-7)  # gets as low at a point
    assert theta == pytest.approx(0.123)
    assert least <= 1e-7


def test_several_scalars():
    goal = np.array([0.3, 0.8])
    cost = Counted(lambda t: np.abs(t - goal).sum())
    theta, least = least_over(cost, np.zeros(2), np.ones(2), [np.full(2, 0.5)])
    np.testing.assert_allclose(theta, goal, atol=1e-5)
    n = cost.n
    _, least = least_over(cost, np.zeros(2), np.ones(2), [np.full(2, 0.5)], enough=0.05)
    assert least <= 0.05
    assert cost.n - n < n // 2
