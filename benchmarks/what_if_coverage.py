"""How often the intervals of `EntropicProjection` hold the truth.

What is compared: for populations whose mean under the reweighting is known,
the share of simulated tables in which the nominal 90 % and 95 % intervals of a
curve's value hold it. The target is a fixed number, so many of the
population's standard deviations from its mean; the truth comes in closed form
or by quadrature. Beside it, on the same tables: the share of the plain
sandwich interval (no leverage, normal quantiles), the effective rows, how
often the status was "ok", and the coverage among those tables alone. A second
table does the same for metrics and for changes. A table in which no
reweighting reaches the target counts as a miss.

The column of the lognormal design is moved downwards: upwards a lognormal
population has no closest reweighting, its exponential moments being infinite.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _clock import print_table
from scipy.special import expit, ndtri

from agnostix import EntropicProjection
from agnostix.what_if.distinct_values import collapse
from agnostix.what_if.inference import interval
from agnostix.what_if.sample import standardize
from agnostix.what_if.tilting import solve_targets

SIZES = {500: 2_000, 5_000: 800}
"""Rows of a table, and how many tables."""
SHIFTS = (0.5, 1.0, 1.5)
LEVELS = (0.90, 0.95)
_NODES, _MASS = np.polynomial.hermite_e.hermegauss(80)
_MASS = _MASS / _MASS.sum()
_SIGMA = 0.5
_GRID = np.linspace(-10.0, 10.0, 1_001)


@dataclass(frozen=True)
class Design:
    """A population of (x, y) and what is known about it.

    Attributes
    ----------
    name : str
        How it is called in the table.
    draw : callable
        From a generator and a number of rows to x and y.
    mean, sd : float
        Of x, or of the indicator of its level "a".
    truth : callable
        From a target to the mean of y in the population reweighted to it.
    """

    name: str
    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    mean: float
    sd: float
    truth: Callable[[float], float]

    def target(self, shift: float) -> float:
        """So many standard deviations from the mean."""
        return self.mean + shift * self.sd


@dataclass(frozen=True)
class Tally:
    """What came out in each of the tables of one row of the result.

    Attributes
    ----------
    name : str
        Design, size and shift.
    hits, plain : ndarray of bool of shape (n_tables, n_levels)
        Whether our interval, and the plain one, held the truth.
    ess : ndarray of shape (n_tables,)
        Effective rows over rows.
    ok : ndarray of bool of shape (n_tables,)
        Whether the status was "ok".
    """

    name: str
    hits: np.ndarray
    plain: np.ndarray
    ess: np.ndarray
    ok: np.ndarray

    def row(self) -> tuple[str, ...]:
        """For the table."""
        among = self.hits[self.ok].mean(0) if self.ok.any() else np.full(len(LEVELS), np.nan)
        shares = [*self.hits.mean(0), *self.plain.mean(0), *among, self.ok.mean(), np.nanmean(self.ess)]
        return self.name, *("" if np.isnan(share) else f"{share:.3f}" for share in shares)


def main() -> None:
    """Simulate all designs and print both tables."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the tables to simulate")
    share = parser.parse_args().share
    n_tables = {n: max(2, int(tables * share)) for n, tables in SIZES.items()}
    tallies = [tally for design in DESIGNS for tally in curve_tallies(design, n_tables)]
    print_table("Mean outcome at a fixed target", _HEADER, (tally.row() for tally in tallies))
    _sum_up(tallies, n_tables)
    more = [*metric_tallies(n_tables), *change_tallies(n_tables)]
    print_table("Metrics at a fixed target, and changes", _HEADER, (tally.row() for tally in more))
    _sum_up(more, n_tables)


_HEADER = ("", "90 %", "95 %", "plain 90 %", "plain 95 %", "90 % if ok", "95 % if ok", "share ok", "ESS / n")


def _sum_up(tallies: list[Tally], n_tables: dict[int, int]) -> None:
    usual = [tally for tally in tallies if tally.ok.mean() >= 0.5]
    worst = min(tallies, key=lambda tally: tally.hits[:, 0].mean())
    print(f"\nWorst at 90 %: {worst.name}, {worst.hits[:, 0].mean():.3f}.", end=" ")
    if usual:
        worst = min(usual, key=lambda tally: tally.hits[tally.ok, 0].mean())
        best = max(usual, key=lambda tally: tally.hits[tally.ok, 0].mean())
        print(
            "Where at least half of the tables are ok, among those: "
            f"from {worst.hits[worst.ok, 0].mean():.3f} ({worst.name}) "
            f"to {best.hits[best.ok, 0].mean():.3f} ({best.name}).",
            end=" ",
        )
    errors = ", ".join(f"{np.sqrt(0.09 / tables):.3f} at n={n:,}" for n, tables in n_tables.items())
    print(f"Simulation error of a coverage of 0.9: {errors}.")


# Curves ------------------------------------------------------------------------------------------


def curve_tallies(design: Design, n_tables: dict[int, int]) -> Iterator[Tally]:
    """All shifts of a design at both sizes."""
    targets = np.array([design.target(shift) for shift in SHIFTS])
    truths = np.array([design.truth(target) for target in targets])
    for n, tables in n_tables.items():
        results = [_one_table(design, n, seed, targets, truths) for seed in range(tables)]
        hits, plain, ess, ok = (np.stack(part) for part in zip(*results, strict=True))
        for j, shift in enumerate(SHIFTS):
            name = f"{design.name}, n={n:,}, {shift} sd"
            yield Tally(name, hits[:, j], plain[:, j], ess[:, j], ok[:, j])


def _one_table(
    design: Design, n: int, seed: int, targets: np.ndarray, truths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    x, y = design.draw(_generator(seed, n, design.name), n)
    wanted = {"x": {"a": targets} if x.dtype == object else targets}
    frame = EntropicProjection().fit(pd.DataFrame({"x": x}), predictions=y).explain(targets=wanted).frame
    value, error, ess = (frame[name].to_numpy() for name in ("value", "std_error", "ess"))
    ours = [interval(value, error, ess, level) for level in LEVELS]
    number = (x == "a").astype(float) if x.dtype == object else x
    plain_value, plain_error = _plain(number, y, targets)
    half = [ndtri(0.5 + 0.5 * level) * plain_error for level in LEVELS]
    plain = [(plain_value - width, plain_value + width) for width in half]
    return _held(ours, truths), _held(plain, truths), ess / n, frame["status"].to_numpy() == "ok"


def _generator(seed: int, n: int, name: str) -> np.random.Generator:
    """Draws of its own for every table of every design."""
    return np.random.default_rng([seed, n, *name.encode()])


def _held(intervals: list[tuple[np.ndarray, np.ndarray]], truths: np.ndarray) -> np.ndarray:
    """Of shape (n_targets, n_levels); an interval that is not there holds nothing."""
    return np.column_stack([(low <= truths) & (truths <= high) for low, high in intervals])


def _plain(x: np.ndarray, y: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means and sandwich errors by the textbook, row by row."""
    z, mean, scale = standardize(x.astype(float), np.full(x.size, 1.0 / x.size))
    base = np.full(x.size, 1.0 / x.size)
    wanted = (targets - mean) / scale
    xi = solve_targets(collapse(z, base, y[:, None], exact=True), wanted).xi
    values, errors = np.full(xi.size, np.nan), np.full(xi.size, np.nan)
    for j in np.flatnonzero(np.isfinite(xi)):
        weights = np.exp(xi[j] * z - (xi[j] * z).max())
        weights /= weights.sum()
        values[j] = weights @ y
        away = z - wanted[j]
        slope = (weights * away) @ y / (weights @ away**2)
        errors[j] = np.sqrt(np.sum((weights * (y - values[j] - slope * away)) ** 2))
    return values, errors


# Metrics and changes -----------------------------------------------------------------------------


def metric_tallies(n_tables: dict[int, int]) -> Iterator[Tally]:
    """The area under the ROC curve, and R2, at fixed targets."""
    yield from _outcome_tallies("AUC", _scored_classes, "roc_auc", _true_auc, n_tables)
    yield from _outcome_tallies("R2", _scored_numbers, "r2", _true_r2, n_tables)


def change_tallies(n_tables: dict[int, int]) -> Iterator[Tally]:
    """Changes of the mean outcome: at a fixed target, and by `rank` at equal divergence."""
    for design in DESIGNS[:3]:
        yield from _outcome_tallies(
            f"change, {design.name}", _as_predictions(design), None, _true_change(design), n_tables
        )
        yield from _rank_tallies(design, n_tables)


_Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray | None, np.ndarray]]


def _outcome_tallies(
    name: str, draw: _Draw, metric: str | None, truth: Callable[[float], float], n_tables: dict[int, int]
) -> Iterator[Tally]:
    """By `what_if`: the value of a metric, or, without one, the change of the mean prediction."""
    for n, tables in n_tables.items():
        for shift in SHIFTS:
            hits = np.zeros((tables, len(LEVELS)), dtype=bool)
            ess, ok = np.empty(tables), np.zeros(tables, dtype=bool)
            for seed in range(tables):
                x, y, predictions = draw(_generator(seed, n, name), n)
                projection = EntropicProjection().fit(pd.DataFrame({"x": x}), y, predictions=predictions)
                scenario = projection.what_if({"x": shift}, metric=metric or "prediction")
                hits[seed] = _outcome_hits(scenario.outcomes.iloc[-1], scenario.ess, metric, truth(shift))
                ess[seed], ok[seed] = scenario.ess / n, scenario.status == "ok"
            yield Tally(f"{name}, n={n:,}, {shift} sd", hits, np.full(hits.shape, np.nan), ess, ok)


def _outcome_hits(outcome: pd.Series, ess: float, metric: str | None, truth: float) -> np.ndarray:
    names = ("value", "std_error") if metric else ("change", "change_std_error")
    value, error = (np.array([outcome[name]], dtype=float) for name in names)
    intervals = [interval(value, error, np.array([ess]), level) for level in LEVELS]
    return _held(intervals, np.array([truth]))[0]


def _rank_tallies(design: Design, n_tables: dict[int, int]) -> Iterator[Tally]:
    """The change that `rank` reports for 0.1 nats upwards, by what 0.1 nats do to the population."""
    kl = 0.1
    change = _true_change(design)(float(np.sqrt(2.0 * kl)))
    for n, tables in n_tables.items():
        hits = np.zeros((tables, len(LEVELS)), dtype=bool)
        ess, ok = np.empty(tables), np.zeros(tables, dtype=bool)
        for seed in range(tables):
            x, y = design.draw(_generator(seed, n, f"rank, {design.name}"), n)
            up = EntropicProjection().fit(pd.DataFrame({"x": x}), predictions=y).rank(kl).iloc[-1]
            parts = (np.array([up[name]], dtype=float) for name in ("change", "std_error", "ess"))
            value, error, rows = parts
            intervals = [interval(value, error, rows, level) for level in LEVELS]
            hits[seed] = _held(intervals, np.array([change]))[0]
            ess[seed], ok[seed] = up["ess"] / n, up["status"] == "ok"
        yield Tally(f"rank, {design.name}, n={n:,}, 0.1 nats", hits, np.full(hits.shape, np.nan), ess, ok)


def _as_predictions(design: Design) -> _Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, None, np.ndarray]:
        x, y = design.draw(rng, n)
        return x, None, y

    return draw


def _true_change(design: Design) -> Callable[[float], float]:
    return lambda target: design.truth(target) - design.truth(design.mean)


def _scored_classes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes that depend on x, and a score that sees x through noise."""
    x = rng.normal(size=n)
    y = (rng.random(n) < expit(2.0 * x)).astype(int)
    return x, y, expit(2.0 * (x + rng.normal(size=n)))


def _true_auc(target: float) -> float:
    """Scores and x on a fine grid: the chance that a positive row's score is above a negative's."""
    x = np.exp(-0.5 * (_GRID - target) ** 2)
    score_at_x = np.exp(-0.5 * (_GRID[:, None] - _GRID) ** 2)
    up, down = score_at_x @ (x * expit(2.0 * _GRID)), score_at_x @ (x * expit(-2.0 * _GRID))
    up, down = up / up.sum(), down / down.sum()
    return float(up @ (np.cumsum(down) - 0.5 * down))


def _scored_numbers(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A curved outcome and a straight prediction."""
    x = rng.normal(size=n)
    return x, x + 0.3 * x**2 + rng.normal(size=n), x


def _true_r2(target: float) -> float:
    x = target + _NODES
    y, left = x + 0.3 * x**2, 0.3 * x**2
    return float(1.0 - (_MASS @ left**2 + 1.0) / (_MASS @ y**2 - (_MASS @ y) ** 2 + 1.0))


# Populations -------------------------------------------------------------------------------------


def _normal(
    outcome: Callable[[np.ndarray, np.random.Generator], np.ndarray],
) -> Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]:
    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=n)
        return x, outcome(x, rng)

    return draw


def _lognormal(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    g = rng.normal(size=n)
    return np.exp(_SIGMA * g), g + rng.normal(size=n)


def _true_lognormal(target: float) -> float:
    """Mean of log x / sigma, tilted along x by bisection on a fine grid."""
    x, mass = np.exp(_SIGMA * _GRID), np.exp(-0.5 * _GRID**2)
    low, high = -500.0, 0.0
    for _ in range(200):
        xi = 0.5 * (low + high)
        weights = mass * np.exp(xi * x)
        reached = weights @ x / weights.sum()
        low, high = (xi, high) if reached < target else (low, xi)
    return float(weights @ _GRID / weights.sum())


def _level(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    inside = rng.random(n) < 0.3
    y = (rng.random(n) < np.where(inside, 0.6, 0.2)).astype(float)
    return np.where(inside, "a", "b").astype(object), y


_LOG_MEAN = float(np.exp(0.5 * _SIGMA**2))
_LOG_SD = float(_LOG_MEAN * np.sqrt(np.expm1(_SIGMA**2)))
DESIGNS = (
    Design("null", _normal(lambda x, rng: rng.normal(size=x.size)), 0.0, 1.0, lambda t: 0.0),
    Design("linear", _normal(lambda x, rng: x + rng.normal(size=x.size)), 0.0, 1.0, lambda t: t),
    Design(
        "quadratic",
        _normal(lambda x, rng: 0.5 * x**2 + rng.normal(size=x.size)),
        *(0.0, 1.0),
        lambda t: 0.5 * (t**2 + 1.0),
    ),
    Design(
        "logistic, binary",
        _normal(lambda x, rng: (rng.random(x.size) < expit(x - 1.0)).astype(float)),
        *(0.0, 1.0),
        lambda t: float(_MASS @ expit(t + _NODES - 1.0)),
    ),
    Design("lognormal, down", _lognormal, _LOG_MEAN, -_LOG_SD, _true_lognormal),
    Design("level, binary", _level, 0.3, float(np.sqrt(0.21)), lambda t: 0.2 + 0.4 * t),
)

if __name__ == "__main__":
    main()
