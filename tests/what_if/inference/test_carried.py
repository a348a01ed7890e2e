import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2
from scipy.stats import t as student

from agnostix import EntropicProjection
from agnostix.what_if.inference import DIFFERENCE, FEW_EVENTS, HEAVY_TAILS, Evidence, interval
from agnostix.what_if.inference.carried import (
    Powers,
    carried_degrees,
    tail_index,
    trusted_degrees,
    trusted_degrees_of_sums,
)
from agnostix.what_if.inference.design import Design

UNIT = (0.0, 1.0)


def ends(value, error, n=100.0, kind="student", bounds=(-np.inf, np.inf), **known):
    evidence = Evidence.unknown(1)
    for name, one in known.items():
        object.__setattr__(evidence, name, np.array([one]))
    parts = (np.array([value]), np.array([error]), np.array([n]), 0.95, bounds)
    low, high = interval(*parts, kind=kind, evidence=evidence)
    return float(low[0]), float(high[0])


def test_carried_degrees_are_those_of_a_chi_square():
    rng = np.random.default_rng(0)
    assert carried_degrees(rng.normal(size=(4_000, 1)))[0] == pytest.approx(4_000, rel=0.15)
    few = np.zeros((4_000, 1))
    few[:20] = rng.normal(size=(20, 1))
    square = (few**2).sum()
    assert carried_degrees(few)[0] == pytest.approx(2.0 * square**2 / ((few**4).sum() - square**2 / 4_000))
    one = np.zeros((50, 2))
    one[0] = 1.0
    assert (carried_degrees(one) >= 1.0).all()
    assert carried_degrees(np.zeros((5, 1)))[0] == 4.0
    assert carried_degrees(np.ones((5, 1)))[0] == 4.0


@given(st.floats(1e-200, 1e200), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_degrees_and_tails_do_not_depend_on_units_or_order(unit, seed):
    psi = np.random.default_rng(seed).standard_t(3, size=(60, 2))
    expected = trusted_degrees(psi)
    order = np.random.default_rng(seed + 1).permutation(60)
    for other in (trusted_degrees(unit * psi), trusted_degrees(psi[order])):
        for one, two in zip(other, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9)


def test_tail_index_is_hills_of_the_largest():
    rng = np.random.default_rng(2)
    x = rng.pareto(3.0, size=4_000) + 1.0
    largest = np.sort(x)[::-1]
    k = int(np.sqrt(4_000))
    hill = k / sum(np.log(largest[i] / largest[k]) for i in range(k))
    assert tail_index(x[:, None])[0] == pytest.approx(hill)
    assert tail_index(np.ones((5, 1)))[0] == np.inf
    rare = np.zeros((500, 1))  # twenty equal rows are no tail, however small the others are
    rare[:20] = 1.0
    rare[20:] = 1e-3 * rng.random((480, 1))
    assert tail_index(rare)[0] > 1e3
    few = np.r_[np.linspace(1.0, 0.4, 17), np.full(483, 0.02)][:, None]  # nor are few rows above a bulk
    assert tail_index(few)[0] > 1.5


def test_degrees_follow_the_tail_index_where_there_is_no_variance():
    x = np.random.default_rng(5).pareto(1.1, size=(900, 1)) + 1.0
    degrees, index, _ = trusted_degrees(x)
    assert index[0] < 1.5
    assert degrees[0] == min(index[0] + 0.7, max(carried_degrees(x)[0] / 3.0, 1.0))
    bounded, none, _ = trusted_degrees(x, is_bounded=True)
    assert none[0] == np.inf
    assert bounded[0] == max(carried_degrees(x)[0] / 3.0, 1.0)


def test_clusters_keep_all_degrees():
    psi = np.random.default_rng(1).normal(size=(12, 1))
    clusters = Design(np.arange(12).repeat(2), np.zeros(12, dtype=int), True)
    assert trusted_degrees(psi, design=clusters)[0] == pytest.approx(carried_degrees(psi))
    assert trusted_degrees(psi)[0] == pytest.approx(carried_degrees(psi) / 3.0)


def test_degrees_of_sums_are_those_of_bounded_influences():
    influences = np.random.default_rng(0).normal(size=(300, 2)) ** 3
    sums = (influences**2).sum(0), (influences**4).sum(0)
    expected = trusted_degrees(influences, is_bounded=True)[0]
    np.testing.assert_allclose(trusted_degrees_of_sums(*sums, 300), expected, rtol=1e-12)


def test_degrees_of_the_rows_that_carry_widen_intervals():
    assert ends(1.0, 0.1)[1] == pytest.approx(1.0 + 0.1 * student(100 / 3).ppf(0.975))
    assert ends(1.0, 0.1, degrees=4.0)[1] == pytest.approx(1.0 + 0.1 * student(4).ppf(0.975))
    assert ends(1.0, 0.1, degrees=400.0) == ends(1.0, 0.1)
    assert ends(1.0, 0.1, degrees=np.nan) == ends(1.0, 0.1)


def test_proportions_have_wilsons_interval_of_their_effective_rows():
    z, p = student(100 / 3).ppf(0.975), 0.3
    error = np.sqrt(p * (1 - p) / 100)
    low, high = ends(p, error, kind="wilson", bounds=UNIT)
    for end in (low, high):  # the ends solve |p - end| = z sqrt(end (1 - end) / n), of Student's quantile
        assert abs(p - end) == pytest.approx(z * np.sqrt(end * (1 - end) / 100), rel=1e-3)
    tight = ends(
        0.01, 1e-4, kind="wilson", bounds=UNIT
    )  # one event in a hundred rows tells no more than that
    assert tight[1] > 0.05
    assert ends(0.3, 0.0, kind="wilson", bounds=UNIT) == (0.3, 0.3)
    low, high = ends(0.0, 0.0, kind="wilson", bounds=UNIT)
    assert (low, binom.cdf(0, 100, high)) == (0.0, pytest.approx(0.025))
    assert ends(1.0, 0.0, kind="wilson", bounds=UNIT)[0] == pytest.approx(1.0 - high)
    assert ends(0.0, 0.0, kind="wilson", bounds=UNIT, carriers=6.0)[1] > 0.4
    assert ends(0.5, np.inf, kind="wilson", bounds=UNIT) == UNIT


@pytest.mark.parametrize("kind", ["log", "logit", "log_complement"])
def test_intervals_keep_to_bounds_and_negatives_mirror(kind):
    low, high = ends(0.1, 0.2, kind=kind)
    assert low < 0.1 < high
    assert (high < 1.0) if kind != "log" else (low > 0.0)
    assert ends(-0.1, 0.2, kind="-" + kind) == (-high, -low)


def test_differences_of_proportions_without_spread_are_not_exact():
    low, high = ends(0.0, 0.0, kind=DIFFERENCE, carriers=6.0)
    assert binom.cdf(0, 6, high) == pytest.approx(0.025)
    assert low == -high


def test_rare_events_reach_further():
    plain = ends(0.05, 0.001, kind="log", bounds=(0.0, np.inf))
    low, high = ends(0.05, 0.001, kind="log", bounds=(0.0, np.inf), event_share=0.0, event_size=4.0)
    z2 = chi2(1).ppf(0.95)
    assert high == pytest.approx(0.05 + 4.0 * z2 / (100 + z2))  # Wilson's end where none of 100 was seen
    assert low == plain[0]
    many = ends(0.05, 0.001, kind="log", bounds=(0.0, np.inf), event_share=0.4, event_size=4.0)
    assert many == plain


def test_status_names_few_events_and_heavy_tails():
    evidence = Evidence(
        *(np.array(one) for one in ([9.0] * 4, [0.4, 3.0, np.nan, 0.4], [1.0, 1.0, 50, np.nan])),
        *np.full((5, 4), np.nan),
    )
    assert evidence.status().tolist() == [FEW_EVENTS, FEW_EVENTS, "ok", HEAVY_TAILS]


def by_hall(t, skewness):
    """Where Hall's cubic is t, by bisection."""
    low, high = -1e3, 1e3
    for _ in range(200):
        middle = 0.5 * (low + high)
        cubic = middle + skewness * middle**2 / 3 + skewness**2 * middle**3 / 27 + skewness / 6
        low, high = (middle, high) if cubic < t else (low, middle)
    return low


@pytest.mark.parametrize("skewness", [-0.3, 0.2])
@pytest.mark.parametrize("kind", ["student", DIFFERENCE])
def test_ends_on_the_side_of_the_long_tail_are_those_without_skewness(kind, skewness):
    low, high = ends(1.0, 0.1, kind=kind, degrees=12.0, skewness=skewness)
    plain = student(12.0).ppf(0.975)
    t = student(36.0).ppf(0.975)  # fewer are those of skewness
    further = by_hall(t, abs(skewness)), by_hall(-t, abs(skewness))
    long, short = max(plain, -further[1]), plain
    assert (1.0 - low, high - 1.0) == pytest.approx(
        (0.1 * short, 0.1 * long) if skewness > 0 else (0.1 * long, 0.1 * short)
    )


def test_sizes_reach_further_where_errors_would_be_larger():
    low, high = ends(2.0, 0.1, kind="log", degrees=20.0, bounds=(0.0, np.inf))
    t = student(20.0)
    assert np.log(2.0 / low) == pytest.approx(t.ppf(0.975) * 0.05)
    assert np.log(high / 2.0) == pytest.approx(t.ppf(0.99) * 0.05)
    low, high = ends(0.6, 0.1, kind="log_complement", degrees=20.0, bounds=(-np.inf, 1.0))
    assert np.log((1.0 - low) / 0.4) == pytest.approx(t.ppf(0.99) * 0.25)
    assert np.log(0.4 / (1.0 - high)) == pytest.approx(t.ppf(0.975) * 0.25)
    heavy = ends(2.0, 0.1, kind="log", degrees=20.0, bounds=(0.0, np.inf), tails=1.6)
    assert heavy[1] > 2.0 * np.exp(t.ppf(0.99) * 0.05)


def test_skewness_is_that_of_the_sum_and_knows_no_units():
    psi = np.random.default_rng(0).exponential(size=(50, 2)) - np.array([1.0, 0.0])
    expected = [(own**3).sum() / (own**2).sum() ** 1.5 for own in psi.T]
    for unit in (1.0, 1e-180, 1e180):
        np.testing.assert_allclose(Powers.from_influences(unit * psi).skewness, expected, rtol=1e-12)
    assert Powers.from_influences(np.zeros((5, 1))).skewness[0] == 0.0


def test_large_samples_are_known_by_some_of_their_rows():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40_000, 1)), rng.exponential(size=40_000)
    few = EntropicProjection().fit(X[:20_000], predictions=y[:20_000]).rank(simultaneous=False)
    many = EntropicProjection().fit(X, predictions=y).rank(simultaneous=False)
    for frame in (few, many):
        half = 0.5 * (frame["change_high"] - frame["change_low"]) / frame["std_error"]
        assert ((half > 1.95) & (half < 2.1)).all()
