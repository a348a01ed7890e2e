"""How often the words of a report call chance a rise, a fall or a change, and how often they miss an effect.

    python benchmarks/what_if_words.py [--pages N]

Pages are computed as numbers and sentences, not drawn. On each, ten columns do nothing: a page is wrong if a
sentence on one of them (its own, or a headline) says that the outcome rises, falls or changes with it. One
more column has an effect of four standard errors: of the difference of the two ends of its curve, or, for a
label, of the change as it becomes more frequent. It should be named. Two further columns carry the outcome.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import re
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _clock import print_table
from scipy.special import expit

from agnostix import WhatIfReport, as_predictor
from agnostix.report.data import EQUAL_KL
from agnostix.what_if import EntropicProjection

N_IDLE = 10
EFFECT = 4.0
_WORDS = re.compile(r"rises|falls|changes most")
_PILOTS = 30

Columns = Callable[[np.random.Generator, int], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Pages:
    """Pages on tables of one kind.

    Attributes
    ----------
    name : str
        How it is called in the table.
    n : int
        Rows of each table.
    idle : callable
        From a generator and n to columns that do nothing.
    planted : callable
        From a generator and n to the column with an effect.
    noise : callable
        From two columns that carry it to the outcome without the planted effect.
    """

    name: str
    n: int
    idle: Columns
    planted: Callable[[np.random.Generator, int], np.ndarray]
    noise: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def table(self, seed: int) -> pd.DataFrame:
        """One table."""
        rng = np.random.default_rng(seed)
        carry = {name: rng.normal(size=self.n) for name in ("one", "two")}
        return pd.DataFrame(carry | {"planted": self.planted(rng, self.n)} | self.idle(rng, self.n))

    def size(self) -> float:
        """Effect of one unit of the planted column (or of its label) that is four standard errors."""
        return float(np.mean([self._size(self.table(10**6 + seed)) for seed in range(_PILOTS)]))

    def _size(self, X: pd.DataFrame) -> float:
        outcome = self.noise(X["one"].to_numpy(), X["two"].to_numpy())
        projection = EntropicProjection().fit(X[["planted"]], predictions=outcome)
        if not pd.api.types.is_numeric_dtype(X["planted"]):
            row = projection.rank(EQUAL_KL, simultaneous=False).query("level == 'a' and direction == 'up'")
            return float(EFFECT * row["std_error"].iloc[0] / (row["target"] - row["start"]).iloc[0])
        curve = projection.explain().frame.query("status == 'ok'")
        first, last = curve["target"].iloc[[0, -1]]
        x, base = X["planted"].to_numpy(), np.full(self.n, 1.0 / self.n)
        ends = [_influence(x, outcome, base, at) for at in (first, last)]
        return float(EFFECT * np.linalg.norm(ends[1] - ends[0]) / (last - first))

    def page(self, seed: int, size: float) -> tuple[bool, bool]:
        """Whether an idle column is said to do something, and whether the planted one is named."""
        X = self.table(seed)

        def outcome(rows: pd.DataFrame) -> np.ndarray:
            planted = rows["planted"]
            effect = planted if pd.api.types.is_numeric_dtype(planted) else planted == "a"
            return self.noise(rows["one"].to_numpy(), rows["two"].to_numpy()) + size * effect.to_numpy(float)

        summary = WhatIfReport(as_predictor(outcome, task="regression"), X).summary
        said = {one["name"]: bool(_WORDS.search(one["sentence"])) for one in summary["features"]}
        shifted = [text for text in summary["findings"] if text.startswith("With ")]
        for name in said:
            said[name] |= any(re.search(rf"\b{name}\b", text.split(", the ")[0]) for text in shifted)
        return any(said[name] for name in said if name.startswith("idle")), said["planted"]


def _influence(x: np.ndarray, y: np.ndarray, base: np.ndarray, target: float) -> np.ndarray:
    """Influence (n,) of each row on the mean of y in the population tilted to a mean of x."""
    low, high = -50.0 / x.std(), 50.0 / x.std()
    for _ in range(100):
        middle = 0.5 * (low + high)
        raw = base * np.exp(middle * (x - x.mean()) - np.max(middle * (x - x.mean())))
        weights = raw / raw.sum()
        low, high = (low, middle) if weights @ x > target else (middle, high)
    own, distance = y - weights @ y, x - target
    own = own - distance * (weights * distance @ own) / (weights @ distance**2)
    leverage = weights * (1.0 + distance**2 / (weights @ distance**2))
    return weights * own / (1.0 - leverage)


def normal(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Ten normal columns."""
    return {f"idle{j}": rng.normal(size=n) for j in range(N_IDLE)}


def mixed(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Numbers with ties and gaps, lognormal and zero-inflated ones, labels common and rare."""
    out: dict[str, np.ndarray] = {f"idle{j}": np.exp(rng.normal(size=n)) for j in range(2)}
    out |= {f"idle{j}": rng.poisson(2.0, n).astype(float) for j in (2, 3)}
    out["idle4"] = np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n))
    out["idle5"] = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    out["idle6"] = rng.choice(np.array(["u", "v"], dtype=object), n)
    out["idle7"] = rng.choice(np.array(["u", "v", "w", "x"], dtype=object), n, p=[0.5, 0.3, 0.15, 0.05])
    out["idle8"] = rng.choice(np.array(["yes", "no"], dtype=object), n, p=[0.06, 0.94])
    out["idle9"] = rng.choice([0.0, 1.0], n, p=[0.85, 0.15])
    return out


def bell(rng: np.random.Generator, n: int) -> np.ndarray:
    """A normal column."""
    return rng.normal(size=n)


def label(rng: np.random.Generator, n: int) -> np.ndarray:
    """Labels, "a" in a quarter of the rows."""
    return rng.choice(np.array(["a", "b", "c"], dtype=object), n, p=[0.25, 0.45, 0.3])


def probability(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Percentages."""
    return 100.0 * expit(1.2 * one + 0.8 * two)


def skewed(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Lognormal amounts."""
    return np.exp(0.6 * one + 0.4 * two)


PAGES = (
    Pages("normal columns, n=300", 300, normal, bell, probability),
    Pages("normal columns, n=1,000", 1_000, normal, bell, probability),
    Pages("mixed columns, n=600", 600, mixed, bell, probability),
    Pages("mixed columns, a label planted, n=600", 600, mixed, label, probability),
    Pages("mixed columns, lognormal outcome, n=600", 600, mixed, bell, skewed),
)


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="pages of each kind")
    args = parser.parse_args()
    lines = []
    for pages in PAGES:
        size = pages.size()
        found = np.array([pages.page(seed, size) for seed in range(args.pages)])
        shares = found.mean(0)
        errors = np.sqrt(shares * (1.0 - shares) / args.pages)
        cells = [f"{share:.3f} ±{error:.3f}" for share, error in zip(shares, errors, strict=True)]
        lines.append((pages.name, str(args.pages), *cells))
        print(" | ".join(lines[-1]), flush=True)
    header = ("tables", "pages", "an idle column is said to move it", "the planted effect is named")
    print_table("Words of the report: at most .05, at least .90", header, lines)


if __name__ == "__main__":
    main()
