import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from agnostix import EntropicProjection
from agnostix.what_if import Sample, read_trends
from agnostix.what_if.inference.bands import critical_value
from agnostix.what_if.metrics import prediction_means
from tests.reference.what_if import standardize
from tests.reference.what_if_inference import tilt_to

N = 240
PAIRS = [(0, 4), (1, 3), (0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]
WEIGHTS = np.array([0.85, 1.0, *[0.7] * 6])


def made(X, y, *, labels=(), targets=None, groups=None, level=0.95):
    projection = EntropicProjection(confidence_level=level).fit(X, predictions=y, groups=groups)
    (quantity,) = prediction_means(projection.predictions_)
    sample = Sample.from_table(projection.table_, [quantity])
    grid = np.linspace(-0.6, 0.6, 5)
    numeric = {name: grid for name in X if pd.api.types.is_numeric_dtype(X[name])}
    return read_trends(sample, projection.config_, targets or numeric, 0.1, labels)


def normal(seed=0, n=N, k=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({f"x{j}": rng.normal(size=n) for j in range(k)}), rng.normal(size=n)


def influences_along(x, y, targets):
    """Values (5,) and influences (n, 5) with leverage, row by row."""
    z, base = standardize(x)
    values, psi = [], []
    for target in (targets - x.mean()) / x.std():
        w = tilt_to(z, base, target)
        theta, d = w @ y, z - target
        slope = (w * d) @ (y - theta) / (w @ d**2)
        leverage = w * (1.0 + d**2 / (w @ d**2))
        values.append(theta)
        psi.append(w * (y - theta - slope * d) / (1.0 - leverage))
    return np.array(values), np.array(psi).T


def by_hand(X, y, level=0.95):
    """Directions and turns from row-by-row influences, by quantiles of simulated largest differences."""
    diffs, psi = [], []
    for name in X:
        values, own = influences_along(X[name].to_numpy(), y, np.linspace(-0.6, 0.6, 5))
        diffs.append([values[b] - values[a] for a, b in PAIRS])
        psi += [own[:, b] - own[:, a] for a, b in PAIRS]
    psi = np.array(psi).T
    errors = np.sqrt((psi**2).sum(0))
    unit = psi / errors
    draws = np.abs(np.random.default_rng(0).normal(size=(20_000, len(y))) @ unit)
    weights = np.tile(WEIGHTS, X.shape[1])
    critical = np.quantile((draws * weights).max(1), 1.0 - 0.7 * (1.0 - level))
    degrees = [8.0 / ((unit[:, j] ** 4).sum() - 1.0 / len(y)) for j in range(unit.shape[1])]
    degrees = np.minimum(degrees, len(y) - 1.0)
    need = [student(d).ppf(norm.cdf(critical / w)) for d, w in zip(degrees, weights, strict=True)]
    t, third = np.concatenate(diffs) / errors, (unit**3).sum(0)
    unskewed = t + third * t**2 / 3.0 + third**2 * t**3 / 27.0 + third / 6.0  # Hall's transformation
    return np.sign(t) * np.minimum(np.abs(t), np.sign(t) * unskewed) / need


def test_what_is_certain_makes_room_for_others():
    X, y = normal(3, k=2)
    along = X["x0"].to_numpy()
    slopes = np.linspace(0.0, 0.6, 61)
    x1 = X["x1"].to_numpy()
    alone = [made(X, y + 0.01 * along + slope * x1).curves["x1"].direction for slope in slopes]
    beside = [made(X, y + 0.4 * along + slope * x1).curves["x1"].direction for slope in slopes]
    both = [made(X[["x1"]], y + 0.4 * along + slope * x1).curves["x1"].direction for slope in slopes]
    assert made(X, y + 0.4 * along).curves["x0"].direction == 1
    assert beside == both  # the other column is certain, and no longer among those that may err
    assert sum(beside) > 0
    assert sum(alone) > 0


@pytest.mark.parametrize("share", [0.85, 1.15])
@pytest.mark.parametrize("n_others", [0, 4])
def test_ends_are_certain_from_the_simulated_band_on(share, n_others):
    X, y = normal(k=1 + n_others)
    distances = by_hand(X, y + 0.3 * X["x0"].to_numpy())
    slopes = np.linspace(0.0, 1.0, 400)  # by bisection: where the clearer of both pairs is at the band
    low, high = slopes[0], slopes[-1]
    for _ in range(12):
        middle = 0.5 * (low + high)
        reached = np.max(by_hand(X, y + middle * X["x0"].to_numpy())[:2]) > share
        low, high = (low, middle) if reached else (middle, high)
    trend = made(X, y + high * X["x0"].to_numpy()).curves["x0"]
    assert trend.direction == (1 if share > 1.0 else 0)
    assert np.isfinite(distances).all()


def test_direction_turn_and_range():
    X, y = normal(n=1_500)
    x = X["x0"].to_numpy()
    rises = made(X, 0.1 * y + x).curves["x0"]
    assert (rises.direction, rises.first, rises.last, rises.turn) == (1, 0, 4, None)
    assert made(X, 0.1 * y - x).curves["x0"].direction == -1
    bowl = 3.0 * np.minimum(np.abs(x), 1.5)
    dips = made(X, 0.1 * y + bowl).curves["x0"]
    assert (dips.direction, dips.turn) == (-1, 2)
    peaks = made(X, 0.1 * y - bowl).curves["x0"]
    assert (peaks.direction, peaks.turn) == (1, 2)
    assert made(X, y).curves["x0"].direction == 0


def test_inner_part_may_be_certain_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    y = 0.25 * x + rng.normal(size=500) * np.where(np.abs(x) > 1.2, 3.0, 0.5)
    trend = made(pd.DataFrame({"x": x}), y, targets={"x": np.linspace(-1.0, 1.0, 9)}).curves["x"]
    assert (trend.direction, trend.first, trend.last) == (1, 2, 6)


def test_more_columns_ask_for_clearer_differences():
    X, y = normal(k=30)
    size = 0.18
    alone = made(X[["x0"]], y + size * X["x0"].to_numpy()).curves["x0"].direction
    among = made(X, y + size * X["x0"].to_numpy()).curves["x0"].direction
    assert (alone, among) == (1, 0)


def test_labels_have_the_sign_of_their_change():
    rng = np.random.default_rng(2)
    job = rng.choice(np.array(["clerk", "baker", "smith"], dtype=object), 400)
    y = rng.normal(size=400) + 1.0 * (job == "clerk") - 1.0 * (job == "baker")
    found = made(pd.DataFrame({"job": job}), y, labels=["job"])
    assert [found.level("job", one) for one in ("clerk", "baker", "smith", "nobody")] == [1, -1, 0, 0]
    idle = made(pd.DataFrame({"job": job}), rng.normal(size=400), labels=["job"])
    assert {idle.level("job", one) for one in ("clerk", "baker", "smith")} == {0}


def test_nothing_is_certain_of_constants_and_few_points():
    X, _ = normal()
    assert made(X, np.ones(N)).curves["x0"].direction == 0
    assert made(X, X["x0"].to_numpy(), targets={"x0": np.array([0.0, 0.1])}).curves == {}
    assert made(X[:2], np.array([0.0, 1.0])).curves["x0"].direction == 0


def test_rows_lacking_in_one_column_and_clusters():
    X, y = normal(k=2, n=300)
    gaps = X.assign(x1=np.where(np.arange(300) % 7 == 0, np.nan, X["x1"]))
    trend = made(gaps, 0.1 * y + X["x0"].to_numpy() + X["x1"].to_numpy()).curves
    assert (trend["x0"].direction, trend["x1"].direction) == (1, 1)
    # the same rows twice are no new ones where clusters say so
    weak = y + 0.2 * X["x0"].to_numpy()
    twice, outcome = pd.concat([X] * 4, ignore_index=True), np.tile(weak, 4)
    groups = np.tile(np.arange(300), 4)
    assert made(twice, outcome).curves["x0"].direction == 1
    assert made(twice, outcome, groups=groups) == made(X, weak, groups=np.arange(300))


@given(st.integers(0, 10_000), st.integers(20, 80))
@settings(max_examples=25, deadline=None)
def test_trends_are_the_same_for_any_order_and_mirrored_for_a_mirrored_outcome(seed, n):
    X, y = normal(seed, n, 2)
    y = y + 0.4 * X["x0"].to_numpy()
    order = np.random.default_rng(seed).permutation(n)
    trends, mirrored = made(X, y).curves, made(X, -y).curves
    assert trends == made(X.iloc[order], y[order]).curves
    assert {name: one.direction for name, one in trends.items()} == {
        name: -one.direction for name, one in mirrored.items()
    }


def test_critical_value_with_shares_is_that_of_the_weighted_largest():
    correlation = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.0]])
    shares = np.array([1.0, 0.75, 0.5])
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(3), correlation, 200_000)
    expected = np.quantile((np.abs(draws) * shares).max(1), 0.95)
    assert critical_value(correlation, 0.95, shares) == pytest.approx(expected, rel=0.01)
