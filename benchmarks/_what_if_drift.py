"""How often the parts of a gap between two tables hold the truth, and how long they take.

What is compared: `explain_gap` on pairs of samples whose parts are known.

- Gaussian pairs: A is normal with correlated columns; the mean of one column moves in B, or the correlation,
  or the outcome for the same columns. A projection of a normal law on means of some columns is normal with
  the same covariance, so that the metric under each coalition, and each Shapley value, has a closed form.
- UCI Adult: rows fall to B with a probability that is logistic in age and education, else to A. The parts of
  the whole table, weighted by these probabilities, are the truth for samples of it; what no shift of the
  columns explains is 0.

For each part: the share of samples whose 95 % interval holds the truth, the mean error over the mean standard
error, how often the columns that moved are named (by their own multipliers, Holm's correction), and the
largest distance of the sum of the parts from the gap.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from argparse import ArgumentParser
from dataclasses import dataclass
from itertools import permutations
from time import perf_counter

import numpy as np
import pandas as pd
from _clock import print_table
from _data import add_adult_argument, adult, described
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

from agnostix import EntropicProjection, GapExplanation, explain_gap

SLOPES = np.array([1.0, 0.5, 0.0])
"""Of the linear model whose errors are explained."""
UNKNOWN = np.array([0.5, 0.5, 0.0])
"""What the outcome has beyond them."""
ADULT_COLUMNS = (
    *("age", "education-num", "hours-per-week", "capital-gain"),
    *("workclass", "marital-status", "sex", "race"),
)
MOVED = ("age", "education-num")


@dataclass(frozen=True)
class GaussianPair:
    """Two normal tables of three columns, and an outcome.

    Attributes
    ----------
    name : str
        How it is called in the table.
    shift : float
        By how much the mean of the first column moves in B.
    rho_a, rho_b : float
        Correlation of each two columns.
    change : float
        By how much the outcome of B's rows is higher for the same columns.
    """

    name: str
    shift: float
    rho_a: float
    rho_b: float
    change: float

    def covariance(self, table: str) -> np.ndarray:
        """Of the three columns."""
        rho = self.rho_a if table == "A" else self.rho_b
        return np.full((3, 3), rho) + (1.0 - rho) * np.eye(3)

    def draw(self, table: str, n_rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
        """Columns and outcome, of which the linear model knows only a part."""
        mean = np.array([self.shift if table == "B" else 0.0, 0.0, 0.0])
        X = rng.multivariate_normal(mean, self.covariance(table), n_rows)
        y = X @ (SLOPES + UNKNOWN) + rng.normal(size=n_rows)
        return pd.DataFrame(X, columns=["a", "b", "c"]), y + (self.change if table == "B" else 0.0)

    def truth(self, metric: str) -> dict[str, float]:
        """The parts, by name."""
        target, sigma = np.array([self.shift, 0.0, 0.0]), self.covariance("A")

        def value(columns: tuple[int, ...]) -> float:
            inside = sorted(columns)
            mean = sigma[:, inside] @ np.linalg.solve(sigma[np.ix_(inside, inside)], target[inside])
            return self._mean(metric, mean if inside else np.zeros(3), sigma)

        parts = np.zeros(3)
        for order in permutations(range(3)):
            for k, column in enumerate(order):
                parts[column] += (value(order[: k + 1]) - value(order[:k])) / 6.0
        covariates = self._mean(metric, target, self.covariance("B"))
        named = {f"margin of {name}": part for name, part in zip("abc", parts, strict=True)}
        named["dependence"] = covariates - value((0, 1, 2))
        if metric != "prediction":
            named["conditional"] = self._mean(metric, target, self.covariance("B"), self.change) - covariates
        return named

    @staticmethod
    def _mean(metric: str, mean: np.ndarray, sigma: np.ndarray, change: float = 0.0) -> float:
        """Mean of a prediction with a product of columns, or of a linear one's squared error."""
        if metric == "prediction":
            return float(mean @ SLOPES + 0.5 * (mean[0] * mean[1] + sigma[0, 1]))
        off = float(mean @ UNKNOWN) + change
        return float(UNKNOWN @ sigma @ UNKNOWN + off**2 + 1.0)


PAIRS = (
    GaussianPair("mean of a moves", 0.5, 0.4, 0.4, 0.0),
    GaussianPair("correlation moves", 0.5, 0.1, 0.5, 0.0),
    GaussianPair("outcome moves", 0.5, 0.4, 0.4, 0.5),
)


def with_product(X: pd.DataFrame) -> np.ndarray:
    """Predict with the product of two columns."""
    return X.to_numpy() @ SLOPES + 0.5 * X["a"].to_numpy() * X["b"].to_numpy()


def linear_model() -> LinearRegression:
    """A fitted estimator with these slopes."""
    corners = pd.DataFrame(np.vstack([np.zeros(3), np.eye(3)]), columns=["a", "b", "c"])
    return LinearRegression().fit(corners, corners.to_numpy() @ SLOPES)


@dataclass
class Tally:
    """What came out for the parts of one design, one row a sample."""

    truth: dict[str, float]
    found: list[GapExplanation]
    seconds: list[float]

    def frame(self, design: str, moved: tuple[str, ...]) -> pd.DataFrame:
        """A line for each part."""
        lines = []
        for part, truth in self.truth.items():
            rows = pd.DataFrame([one.frame.set_index("part").loc[part] for one in self.found])
            numbers = rows[["value", "std_error", "low", "high"]].astype(float)
            hits = (numbers["low"] - 1e-9 <= truth) & (truth <= numbers["high"] + 1e-9)
            spread = numbers["value"].std() / numbers["std_error"].median()
            line = {"design": design, "part": part, "truth": f"{truth:.4f}", "covers": f"{hits.mean():.2f}"}
            line |= {"mean": f"{numbers['value'].mean():.4f}", "spread / error": f"{spread:.2f}"}
            line |= {"ok": f"{(rows['status'] == 'ok').mean():.2f}"}
            lines.append(line)
        sums = [abs(one.frame["value"].sum() - one.totals.loc["gap", "value"]) for one in self.found]
        named = [set(one.frame.loc[one.frame["moved"].eq(True), "column"]) for one in self.found]
        lines[0] |= {
            "sum - gap": f"{max(sums):.0e}",
            "named": f"{np.mean([set(moved) <= one for one in named]):.2f}",
            "others named": f"{np.mean([len(one - set(moved)) for one in named]):.2f}",
            "ms": f"{1e3 * np.median(self.seconds):.0f}",
        }
        return pd.DataFrame(lines).fillna("")


def gaussian(pair: GaussianPair, metric: str, n_rows: int, n_samples: int) -> Tally:
    """Samples of a Gaussian pair."""
    tally = Tally(pair.truth(metric), [], [])
    model = with_product if metric == "prediction" else linear_model()
    for seed in range(n_samples):
        rng = np.random.default_rng([21, seed])
        sides = [pair.draw(table, n_rows, rng) for table in "AB"]
        A, B = (EntropicProjection(model).fit(X, None if metric == "prediction" else y) for X, y in sides)
        start = perf_counter()
        tally.found.append(explain_gap(A, B, metric=metric))
        tally.seconds.append(perf_counter() - start)
    return tally


def adult_pair(path: object, metric: str, n_rows: int, n_samples: int, match: str) -> Tally:
    """Samples of Adult, drawn with probability logistic in age and education."""
    table, rich = adult(path)
    rng = np.random.default_rng(0)
    learned = rng.random(len(table)) < 0.25
    X = table.loc[~learned, list(ADULT_COLUMNS)].reset_index(drop=True)
    y = rich[~learned].astype(int)
    labels = X.select_dtypes(exclude="number").columns
    codes = {name: {level: j for j, level in enumerate(sorted(set(table[name])))} for name in labels}

    def encode(rows: pd.DataFrame) -> np.ndarray:
        return np.column_stack(
            [rows[name].map(codes[name]) if name in codes else rows[name] for name in rows]
        )

    trees = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    trees.fit(encode(table.loc[learned, list(ADULT_COLUMNS)]), rich[learned].astype(int))
    chance = trees.predict_proba(encode(X))
    to_b = expit(0.5 * (X["age"] - 38.6) / 13.6 - 0.5 * (X["education-num"] - 10.1) / 2.6).to_numpy()

    def fit(rows: np.ndarray, weight: np.ndarray | None) -> EntropicProjection:
        return EntropicProjection().fit(X.iloc[rows], y[rows], weight, predictions=chance[rows])

    everyone = np.arange(len(X))
    truth = explain_gap(fit(everyone, 1.0 - to_b), fit(everyone, to_b), metric="prediction", match=match)
    parts = dict(zip(truth.frame["part"], truth.frame["value"], strict=True))
    if metric != "prediction":
        whole = explain_gap(fit(everyone, 1.0 - to_b), fit(everyone, to_b), metric=metric, match=match)
        parts = dict(zip(whole.frame["part"], whole.frame["value"], strict=True))
        parts["dependence"] += parts["conditional"]  # what the columns do not explain is 0
        parts["conditional"] = 0.0
    tally = Tally(parts, [], [])
    for seed in range(n_samples):
        rng = np.random.default_rng([22, seed])
        falls = rng.random(len(X)) < to_b
        rows = [rng.choice(np.flatnonzero(side), n_rows, replace=False) for side in (~falls, falls)]
        A, B = (fit(one, None) for one in rows)
        start = perf_counter()
        tally.found.append(explain_gap(A, B, metric=metric, match=match))
        tally.seconds.append(perf_counter() - start)
    return tally


def _print(title: str, frames: list[pd.DataFrame]) -> None:
    table = pd.concat(frames).fillna("")
    print_table(title, list(table.columns), table.to_numpy().tolist())


def main() -> None:
    """Print the tables."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--samples", type=int, default=400, help="of each design; a tenth for errors")
    parser.add_argument("--only", choices=("gaussian", "adult"))
    options = parser.parse_args()
    n_samples, n_slow = options.samples, max(2, options.samples // 10)
    frames = []
    if options.only != "adult":
        for pair in PAIRS:
            for metric, n in (("prediction", n_samples), ("mean_squared_error", n_slow)):
                if metric == "prediction" and pair.change:
                    continue  # predictions do not know the outcome
                name = f"{pair.name}, {metric}"
                frames.append(gaussian(pair, metric, 1_000, n).frame(name, ("a",)))
        _print("Gaussian pairs, 1,000 rows each", frames)
    if options.only != "gaussian":
        frames = []
        for metric, match, n in (
            ("prediction", "means", n_slow),
            ("prediction", "deciles", n_slow),
            ("error_rate", "means", n_slow),
        ):
            tally = adult_pair(options.adult, metric, 2_000, n, match)
            frames.append(tally.frame(f"{metric}, {match}", MOVED))
        _print(f"{described(options.adult)}, 2,000 rows each", frames)


if __name__ == "__main__":
    main()
