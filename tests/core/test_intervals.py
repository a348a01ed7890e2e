"""Kinds of intervals against root finding on what defines them, their bounds, exactness and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agnostix.core.intervals import INTERVALS, half_widths, interval_ends, satterthwaite, wilson_ends
from tests.messages import refuses
from tests.reference import intervals as reference

INSIDE = {
    "nonnegative": (0.0, 0.001, 4.0),
    "log_complement": (-3.0, 0.0, 0.4, 0.97),
    "fisher": (-0.9, 0.0, 0.5, 0.99),
    "logit": (0.01, 0.3, 0.5, 0.98),
    "wilson": (0.0, 0.02, 0.5, 1.0),
    "log": (0.01, 1.0, 20.0),
}
BOUNDS = {
    "nonnegative": (0.0, np.inf),
    "log_complement": (-np.inf, 1.0),
    "fisher": (-1.0, 1.0),
    "logit": (0.0, 1.0),
    "wilson": (0.0, 1.0),
    "log": (0.0, np.inf),
}
WIDE = (-5.0, 0.0, 7.5)


@pytest.mark.parametrize("kind", list(INTERVALS))
@pytest.mark.parametrize(("level", "dof"), [(0.8, 6.0), (0.95, 30.0), (0.99, np.inf)])
def test_ends_are_those_of_the_definition(kind: str, level: float, dof: float) -> None:
    for value in INSIDE.get(kind, WIDE):
        n = 40.0 if kind == "wilson" else dof
        found = interval_ends(value, 0.01, level, n, kind)
        expected = getattr(reference, kind)(value, 0.01, n, level)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@given(
    kind=st.sampled_from(list(BOUNDS)),
    share=st.floats(0.0, 1.0),
    error=st.floats(0.0, 1e6),
    dof=st.sampled_from([1.0, 2.5, 30.0, np.inf]),
    level=st.floats(0.01, 0.999),
)
def test_ends_stay_within_bounds_and_hold_the_value(
    kind: str, share: float, error: float, dof: float, level: float
) -> None:
    least, most = (float(np.clip(bound, -50.0, 50.0)) for bound in BOUNDS[kind])
    value = min(least + share * (most - least), most)
    low, high = (float(end) for end in interval_ends(value, error, level, dof, kind))
    assert BOUNDS[kind][0] <= low <= high <= BOUNDS[kind][1]
    assert low - 1e-12 <= value <= high + 1e-12
    wider = interval_ends(value, error, 0.5 + level / 2, dof, kind)
    assert wider[0] <= low
    assert high <= wider[1]


@pytest.mark.parametrize("kind", [kind for kind in INTERVALS if kind not in ("wilson", "undetermined")])
def test_an_error_of_0_is_exact_and_an_unknown_one_gives_no_ends(kind: str) -> None:
    for value in (*INSIDE.get(kind, WIDE), 1.0):
        assert interval_ends(value, 0.0, 0.95, 0.0, kind) == (value, value)
        assert np.isnan(interval_ends(value, np.nan, 0.95, 5.0, kind)).all()


def test_what_is_not_determined_has_no_ends_whatever_its_error() -> None:
    for error in (0.0, 1.0, np.nan):
        assert interval_ends(3.0, error, 0.95, 5.0, "undetermined") == (-np.inf, np.inf)


def test_values_at_a_bound_keep_their_error() -> None:
    low, high = interval_ends(1.0, 0.1, 0.95, 9.0, "log_complement")
    assert (low, high) == (pytest.approx(1.0 - 0.1 * stats.t.ppf(0.975, 9)), 1.0)
    low, high = interval_ends(0.0, 0.1, 0.95, np.inf, "log")
    assert (low, high) == (0.0, pytest.approx(0.1 * stats.norm.ppf(0.975)))


def test_kinds_are_those_of_each_value_and_broadcast() -> None:
    kinds = np.array(["student", "rule_of_three", "undetermined"])
    low, high = interval_ends(np.ones((2, 3)), 0.1, 0.95, np.array([[4.0], [np.inf]]), kinds)
    np.testing.assert_allclose(high[:, 0] - 1, 0.1 * stats.t.ppf(0.975, [4.0, np.inf]))
    np.testing.assert_allclose(high[:, 1] - 1, 0.1 * -np.log(0.05))
    assert np.isinf(low[:, 2]).all()
    plain = interval_ends(np.ones(2), [0.1, 0.2], 0.9, [4.0, np.inf])
    np.testing.assert_allclose(plain[1] - 1, half_widths([0.1, 0.2], 0.9, [4.0, np.inf]))


def test_unknown_kinds_and_levels_are_refused() -> None:
    with refuses(ValueError, "'normal', 'student'", "'undetermined'", "got 'bayes'"):
        interval_ends(1.0, 0.1, 0.95, 5.0, "bayes")
    for call in (half_widths, lambda error, level: wilson_ends(0.5, 10, level)):
        with refuses(ValueError, "level must be between 0 and 1", "got 95"):
            call(0.1, 95)


@given(
    st.lists(
        st.tuples(st.floats(0.0, 1e3).filter(lambda v: v == 0 or v > 1e-6), st.floats(0.5, 1e4)),
        min_size=1,
        max_size=5,
    )
)
def test_degrees_of_freedom_match_two_moments(parts: list[tuple[float, float]]) -> None:
    variances, dofs = zip(*parts, strict=True)
    found = float(satterthwaite(variances, dofs))
    assert found == pytest.approx(reference.degrees_of_freedom(variances, dofs))
    if any(variances):
        used = [dof for variance, dof in parts if variance > 0]
        assert min(used) * (1 - 1e-9) <= found <= sum(used) * (1 + 1e-9)


def test_degrees_of_freedom_of_exact_infinite_and_unknown_parts() -> None:
    assert satterthwaite([0.0, 0.0], [3.0, 5.0]) == np.inf
    assert satterthwaite([1.0, 2.0], [np.inf, np.inf]) == np.inf
    assert satterthwaite([1.0, 0.0], [4.0, 0.0]) == pytest.approx(4.0)
    assert satterthwaite([1.0, 1.0], [4.0, np.inf]) == pytest.approx(16.0)
    assert np.isnan(satterthwaite([1.0, np.nan], [4.0, 4.0]))
    assert satterthwaite([1e-200, 1e-200], [4.0, 4.0]) == pytest.approx(8.0)
    found = satterthwaite([np.array([1.0, 0.0]), 1.0], [4.0, np.array([4.0, 6.0])])
    np.testing.assert_allclose(found, [8.0, 6.0])


def _covered(kind: str, values: np.ndarray, errors: np.ndarray, dof: float, truth: float, level: float):
    low, high = interval_ends(values, errors, level, dof, kind)
    return ((low <= truth) & (truth <= high)).mean()


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_skewed_statistics_are_covered_on_their_scale(level: float) -> None:
    """Correlations, variances and shares of few draws, each on the scale where it is nearly normal."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=(8_000, 20))
    centered = x - x.mean(axis=1, keepdims=True)
    squares = (centered**2).sum(axis=1)
    r = (centered[..., 0] * centered[..., 1]).sum(axis=1) / np.sqrt(squares.prod(axis=1))
    assert _covered("fisher", r, (1 - r**2) / np.sqrt(17), np.inf, 0.8, level) == pytest.approx(
        level, abs=0.015
    )
    variance = squares[:, 0] / 19
    spread = variance * np.sqrt(2 / 19)
    on_log = _covered("log", variance, spread, np.inf, 1.0, level)
    assert abs(on_log - level) < abs(_covered("normal", variance, spread, np.inf, 1.0, level) - level) + 0.002
    counts = rng.binomial(60, 0.05, size=8_000) / 60
    assert _covered("wilson", counts, counts * 0, 60.0, 0.05, level) >= level - 0.05


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_nothing_seen_covers_rare_events(level: float) -> None:
    """Of the rates at which 200 draws may well see nothing, those that are too high to see it rarely."""
    rate = np.linspace(1e-5, 0.05, 2_000)
    misses = (1.0 - rate) ** 200  # the chance that nothing is seen
    _, high = interval_ends(0.0, 1 / 200, level, 200.0, "rule_of_three")
    assert misses[rate > high].max() <= 1.0 - level
    assert misses[rate < high].min() >= (1.0 - level) * 0.9
