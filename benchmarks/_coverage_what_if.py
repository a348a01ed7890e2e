"""Coverage of what-if answers: few events, heavy tails, shifts of other columns, and rankings together.

The population of each design is a table of 400,000 rows, on which the package is right to some digits; a
design is a table drawn anew. Intervals count where the status is "ok". Rankings count as one value a table:
whether all intervals of changes hold together (nominal 95 %).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from _coverage import Cell, seeds_of
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from agnostix import EntropicProjection, as_predictor

KL = 0.1
SIZES = (200, 500, 2_000)
_LARGE = 400_000
_LOSSES = ["error_rate", "log_loss", "brier_score"]
_ERRORS = ["mean_absolute_error", "root_mean_squared_error", "r2"]


class _Classifier(ClassifierMixin, BaseEstimator):
    """Known probabilities of the classes 0 and 1."""

    def __init__(self, chance: Any = None) -> None:
        self.chance = chance
        self.classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any = None) -> _Classifier:
        """Nothing to learn."""
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities (n_rows, 2)."""
        return self.chance(X)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """The more probable class."""
        return self.chance(X).argmax(axis=1)


def _model(function: Callable[[pd.DataFrame], np.ndarray], task: str) -> Any:
    return _Classifier(function) if task == "classification" else as_predictor(function, task=task)


Draw = Callable[[np.random.Generator, int], tuple[pd.DataFrame, np.ndarray]]


@dataclass(frozen=True)
class Design:
    """Tables with a model, the population that is asked about, and what is measured.

    Attributes
    ----------
    draw : callable
        From a generator and n to rows and y.
    model : callable
        From rows to predictions.
    task : {"classification", "regression"}
    metrics : list of str
    asked : dict
        Constraints of the scenario.
    sizes : tuple of int
        Rows of the tables.
    shifted : tuple of str
        Columns whose shifts are looked at as well.
    known : dict
        Values of metrics that are known exactly, in the data and in the scenario.
    """

    draw: Draw
    model: Callable[[pd.DataFrame], np.ndarray]
    task: str
    metrics: list[str]
    asked: dict[str, Any]
    sizes: tuple[int, ...] = SIZES
    shifted: tuple[str, ...] = ()
    known: dict[str, float] = field(default_factory=dict)

    def answers(self, rng: np.random.Generator, n: int) -> pd.DataFrame:
        """Values with their intervals on one table, by name."""
        X, y = self.draw(rng, n)
        projection = EntropicProjection(_model(self.model, self.task)).fit(X, y)
        scenario = projection.what_if(self.asked, metric=self.metrics)
        base = projection.baseline(metric=self.metrics).query("quantity != 'prediction'")
        outcomes = scenario.outcomes.query(
            "quantity != 'prediction'" if self.task != "regression" else "value == value"
        )
        parts = [
            _named(base, "base", "quantity", ("value", "std_error", "low", "high")),
            _named(outcomes, "moved", "quantity", ("value", "std_error", "low", "high")),
            _named(
                outcomes, "change", "quantity", ("change", "change_std_error", "change_low", "change_high")
            ),
        ]
        if scenario.status != "ok":
            parts[1:] = [part.assign(low=np.nan) for part in parts[1:]]
        for column in self.shifted:
            own = scenario.shifts[scenario.shifts["feature"] == column].drop_duplicates("feature")
            own = _named(
                own.assign(status=scenario.status), "shift", "feature", ("shift", "std_error", "low", "high")
            )
            parts.append(own)
        return pd.concat(parts)


def _named(frame: pd.DataFrame, kind: str, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Value, error and ends, by kind and name; NaN for the low end where the status is not "ok"."""
    out = frame[list(columns)].set_axis(["value", "std_error", "low", "high"], axis=1)
    ok = frame["status"] == "ok" if "status" in frame else np.ones(len(frame), dtype=bool)
    return out.assign(low=out["low"].where(ok)).set_axis(kind + " " + frame[name].astype(str), axis=0)


def _rare(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Positives in 3 % of the rows, some of which are predicted."""
    X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    return X, (rng.random(n) < _chance(X)[:, 1]).astype(int)


def _chance(X: pd.DataFrame) -> np.ndarray:
    p = expit(-5.0 + 0.5 * X["x"].to_numpy() + 1.6 * X["z"].to_numpy())
    return np.column_stack([1.0 - p, p])


def _confident(share: float) -> Draw:
    """A confident classifier that is wrong in a share of the rows."""

    def draw(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
        x = rng.normal(size=n)
        X = pd.DataFrame({"x": x, "z": rng.normal(size=n)})
        return X, np.where(rng.random(n) < share, X["z"] <= 0.0, X["z"] > 0.0).astype(int)

    return draw


def _sure(X: pd.DataFrame) -> np.ndarray:
    p = expit(4.0 * np.sign(X["z"].to_numpy()) + 0.5 * X["x"].to_numpy())
    return np.column_stack([1.0 - p, p])


def _moderate(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Positives in a third of the rows."""
    X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    return X, (rng.random(n) < _usual(X)[:, 1]).astype(int)


def _usual(X: pd.DataFrame) -> np.ndarray:
    p = expit(-0.8 + 0.8 * X["x"].to_numpy() + 0.8 * X["z"].to_numpy())
    return np.column_stack([1.0 - p, p])


def _residuals(noise: Callable[[np.random.Generator, int], np.ndarray]) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
        X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
        return X, _sum(X) + noise(rng, n)

    return draw


def _sum(X: pd.DataFrame) -> np.ndarray:
    return (X["x"] + X["z"]).to_numpy()


def _curved(X: pd.DataFrame) -> np.ndarray:
    return (X["x"] ** 2 + X["z"]).to_numpy()


def _large(X: pd.DataFrame) -> np.ndarray:
    return np.exp(1.5 * X["z"].to_numpy() + 0.3 * X["x"].to_numpy())


def _amounts(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Lognormal predictions, with an error of a tenth of each."""
    X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    return X, _large(X) * np.exp(0.3 * rng.normal(size=n))


def _movers(kind: str) -> Draw:
    """A skewed column or a rare label that is moved, and a zero-inflated one that goes with it."""

    def draw(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
        hidden = rng.normal(size=n)
        x = np.exp(hidden) if kind == "skewed" else np.where(hidden > 1.75, "a", "b").astype(object)
        zero = rng.random(n) < expit(1.4 - 0.6 * hidden)
        X = pd.DataFrame(
            {"x": x, "zero": np.where(zero, 0.0, rng.exponential(size=n)), "z": rng.normal(size=n)}
        )
        X["any"] = np.where(zero, "none", "some").astype(object)
        return X, X["zero"].to_numpy() + X["z"].to_numpy() + rng.normal(size=n)

    return draw


def _of_zero(X: pd.DataFrame) -> np.ndarray:
    return (X["zero"] + X["z"]).to_numpy()


DESIGNS = {
    "positives 3 %": Design(
        _rare,
        _chance,
        "classification",
        ["f1", "roc_auc", "average_precision"],
        {"x": 0.4},
    ),
    "wrong in 1 %": Design(_confident(0.01), _sure, "classification", _LOSSES, {"x": 0.5}),
    "wrong in .2 %": Design(_confident(0.002), _sure, "classification", _LOSSES, {"x": 0.5}, (2_000,)),
    "positives 35 %": Design(
        _moderate,
        _usual,
        "classification",
        [*_LOSSES, "roc_auc", "average_precision", "f1", "precision", "recall"],
        {"x": 0.5},
    ),
    "normal residuals": Design(
        _residuals(lambda rng, n: rng.normal(size=n)), _sum, "regression", _ERRORS, {"x": 0.5}
    ),
    "t3 residuals": Design(
        _residuals(lambda rng, n: rng.standard_t(3, size=n)),
        *(_sum, "regression", _ERRORS, {"x": 0.5}),
        known={"root_mean_squared_error": np.sqrt(3.0), "r2": 2.0 / 5.0},
    ),
    "lognormal prediction": Design(_amounts, _large, "regression", _ERRORS, {"x": 0.5}),
    "curved, far": Design(
        _residuals(lambda rng, n: rng.normal(size=n)), _curved, "regression", _ERRORS, {"x": 1.2}
    ),
    "skewed mover": Design(
        _movers("skewed"), _of_zero, "regression", _ERRORS, {"x": 2.2}, shifted=("zero", "any")
    ),
    "rare mover": Design(
        _movers("rare"), _of_zero, "regression", _ERRORS, {"x": {"a": 0.12}}, shifted=("zero", "any")
    ),
}


def _values(name: str, design: Design, n: int, seeds: range) -> Iterator[Cell]:
    """Base values, moved values, changes and shifts of a design."""
    truth = _truth(name, design)
    drawn = [design.answers(np.random.default_rng([n, seed]), n).reindex(truth.index) for seed in seeds]
    for kind in dict.fromkeys(key.split()[0] for key in truth.index):
        own = [key for key in truth.index if key.split()[0] == kind]
        parts = {column: np.array([one.loc[own, column] for one in drawn]) for column in drawn[0]}
        yield Cell(
            "what_if",
            f"{name}, {kind}, n={n:,}",
            parts["value"],
            truth.loc[own].to_numpy(),
            *(parts[column] for column in ("low", "high", "std_error")),
        )


def _truth(name: str, design: Design) -> pd.Series:
    truth = design.answers(np.random.default_rng(2**31), _LARGE)["value"].copy()
    for metric, value in design.known.items():
        truth[f"base {metric}"] = value
    if "root_mean_squared_error" in design.known:
        truth["moved root_mean_squared_error"] = design.known["root_mean_squared_error"]
        truth["change root_mean_squared_error"] = 0.0
        truth = truth.drop([key for key in truth.index if key in ("moved r2", "change r2")])
    return truth


@dataclass(frozen=True)
class Ranked:
    """A ranking: how its tables are drawn, its model, and what it ranks by."""

    draw: Draw
    model: Callable[[pd.DataFrame], np.ndarray]
    task: str
    metrics: list[str]
    is_null: bool = False  # whether no column changes anything

    def frame(self, rng: np.random.Generator, n: int) -> pd.DataFrame:
        """The ranking of one table by what is compared."""
        X, y = self.draw(rng, n)
        frame = EntropicProjection(_model(self.model, self.task)).fit(X, y).rank(KL, metric=self.metrics)
        frame = frame[frame["output"].isna() | (frame["output"] != "0")]
        return frame.set_index(
            [frame[one].astype(str) for one in ("feature", "level", "direction", "quantity")]
        )


def _mixed_columns(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """18 columns: normal, skewed (cut, so that a tilt exists), counts, zero-inflated, labels down to 4 %."""
    out: dict[str, Any] = {f"n{j}": rng.normal(size=n) for j in range(6)}
    out |= {f"s{j}": np.exp(np.minimum(rng.normal(size=n), 2.2)) for j in range(4)}
    out |= {f"c{j}": rng.poisson(1.0 + j, n).astype(float) for j in range(3)}
    out["zero"] = np.where(rng.random(n) < 0.8, 0.0, rng.exponential(size=n))
    for j, share in enumerate((0.04, 0.1, 0.3, 0.5)):
        out[f"l{j}"] = np.where(rng.random(n) < share, "a", "b").astype(object)
    return pd.DataFrame(out)


def _chance_of_mixed(X: pd.DataFrame) -> np.ndarray:
    u = (
        0.8 * X["n0"]
        + 0.5 * np.log(X["s0"])
        + 0.4 * (X["l0"] == "a")
        - 0.3 * (X["l2"] == "a")
        + 0.2 * X["c0"]
    )
    p = expit(-0.9 + u.to_numpy(dtype=float))
    return np.column_stack([1.0 - p, p])


def _mixed(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    X = _mixed_columns(rng, n)
    return X, (rng.random(n) < _chance_of_mixed(X)[:, 1]).astype(int)


def _heavy_of_mixed(X: pd.DataFrame) -> np.ndarray:
    return np.minimum(np.exp(1.2 * X["n0"] + 0.5 * X["n1"]), 150.0).to_numpy()


def _idle(columns: int, skewed: bool, outcome: Callable[[np.ndarray], np.ndarray]) -> Draw:
    """Columns of which none has to do with the outcome, which is recorded in the last."""

    def draw(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
        X = rng.normal(size=(n, columns))
        table = pd.DataFrame(np.exp(X) if skewed else X, columns=[f"x{j}" for j in range(columns)])
        return table, outcome(rng.normal(size=n))

    return draw


RANKINGS = {
    "18 columns, probabilities": Ranked(_mixed, _chance_of_mixed, "classification", ["prediction"]),
    "18 columns, with error_rate": Ranked(
        _mixed, _chance_of_mixed, "classification", ["prediction", "error_rate"]
    ),
    "18 columns, lognormal outcome": Ranked(_mixed, _heavy_of_mixed, "regression", ["prediction"]),
}
NULLS = {
    "10 normal columns, nothing there": _idle(10, False, expit),
    "10 normal columns, lognormal outcome, nothing there": _idle(10, False, np.exp),
    "8 lognormal columns, lognormal outcome, nothing there": _idle(8, True, np.exp),
}


def _together(name: str, n: int, frames: list[pd.DataFrame], truth: pd.Series | float) -> Cell:
    """Whether all intervals of status "ok" hold together, as one value a table."""
    worst, least, given = [], [], []
    for frame in frames:
        frame = frame[frame["status"] == "ok"]
        true = truth.reindex(frame.index).to_numpy() if isinstance(truth, pd.Series) else np.zeros(len(frame))
        off = np.maximum(frame["change_low"].to_numpy() - true, true - frame["change_high"].to_numpy())
        worst.append(float(np.nanmax(off, initial=-1.0)))
        far = np.abs(frame["change"].to_numpy() - true) / frame["std_error"].to_numpy()
        least.append(float(np.nanmax(far, initial=0.0)))
        given.append(len(frame) > 0)
    off = np.array(worst)[:, None]
    low = np.where(np.array(given)[:, None], off, np.nan)
    return Cell(
        "what_if",
        f"{name}, together, n={n:,}",
        np.array(least)[:, None],
        np.zeros(1),
        low,
        np.full_like(off, np.inf),
        np.ones_like(off),
    )


def cells(args: Namespace) -> Iterator[Cell]:
    """All cells of this part."""
    seeds = seeds_of(args, 300, 40)
    for name, design in DESIGNS.items():
        for n in design.sizes[:2] if args.quick else design.sizes:
            yield from _values(name, design, n, seeds)
    for name, ranked in RANKINGS.items():
        truth = ranked.frame(np.random.default_rng(2**31), _LARGE // 2)["change"]
        for n in SIZES[:2] if args.quick else SIZES:
            frames = [ranked.frame(np.random.default_rng([n, seed]), n) for seed in seeds]
            yield _together(name, n, frames, truth)
    for name, draw in NULLS.items():
        for n in SIZES[1:2] if args.quick else SIZES[1:]:
            frames = []
            for seed in seeds:
                X, y = draw(np.random.default_rng([n, seed]), n)
                frames.append(EntropicProjection().fit(X, predictions=y).rank(KL))
            yield _together(name, n, frames, 0.0)
