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
largest distance of the sum of the parts from the gap. Then how long all orders of columns take, and a linear
outcome beside the decomposition of Oaxaca and Blinder by statsmodels.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import permutations
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
from _clock import print_table, shown
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


def adult_pair(path: Any, metric: str, n_rows: int, n_samples: int, match: str) -> Tally:
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
    whole = explain_gap(fit(everyone, 1.0 - to_b), fit(everyone, to_b), metric=metric, match=match)
    parts = dict(zip(whole.frame["part"], whole.frame["value"], strict=True))
    if metric != "prediction":
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


def beside_oaxaca_blinder(n_rows: int = 5_000) -> None:
    """Print the parts of a gap in a linear outcome beside the threefold decomposition of statsmodels."""
    if find_spec("statsmodels") is None:
        print("\nstatsmodels is not installed: no decomposition of Oaxaca and Blinder beside it.")
        return
    from statsmodels.stats.oaxaca import OaxacaBlinder

    pair = PAIRS[2]
    rng = np.random.default_rng(21)
    (X_a, y_a), (X_b, y_b) = (pair.draw(table, n_rows, rng) for table in "AB")
    start = perf_counter()
    gap = explain_gap(EntropicProjection().fit(X_a, y_a), EntropicProjection().fit(X_b, y_b))
    own_time = perf_counter() - start
    both = np.column_stack([np.r_[np.ones(n_rows), np.zeros(n_rows)], pd.concat([X_b, X_a]).to_numpy()])
    start = perf_counter()
    endowments = OaxacaBlinder(np.r_[y_b, y_a], both, 0).three_fold(std=True, n=200).params[0]
    peer_time = perf_counter() - start
    rest = y_b.mean() - y_a.mean() - endowments
    parts = gap.frame.groupby("kind")["value"].sum()
    errors = gap.frame.set_index("kind")["std_error"]
    lines = [
        [
            "margins, dependence",
            f"{parts['margin'] + parts['dependence']:.4f}",
            f"{endowments:.4f}",
            "endowments",
        ],
        ["conditional", f"{parts['conditional']:.4f}", f"{rest:.4f}", "coefficients, interaction"],
        ["error of conditional", f"{errors['conditional']:.4f}", "", ""],
        ["time", shown(own_time), shown(peer_time), "200 bootstrap samples"],
    ]
    title = f"A linear outcome, {n_rows:,} rows each; explain_gap and OaxacaBlinder of statsmodels"
    print_table(title, ["part", "explain_gap", "statsmodels", "its name"], lines)


def times() -> None:
    """Print how long all orders take, from few columns to as many as are averaged."""
    lines = []
    for n_rows, n_columns in ((1_000, 3), (2_000, 8), (5_000, 12)):
        rng = np.random.default_rng(0)
        sigma = np.full((n_columns, n_columns), 0.3) + 0.7 * np.eye(n_columns)
        X = pd.DataFrame(rng.multivariate_normal(np.zeros(n_columns), sigma, n_rows)).rename(
            columns="x{}".format
        )
        tables = X, X.sample(frac=1.0, replace=True, random_state=0) + 0.2
        A, B = (EntropicProjection().fit(T, predictions=np.tanh(T.sum(axis=1))) for T in tables)
        start = process_time()
        found = explain_gap(A, B)
        taken = process_time() - start
        lines.append([f"{n_rows:,}", str(n_columns), f"{found.n_coalitions:,}", shown(taken)])
    print_table("All orders of numeric columns", ["rows of each", "columns", "coalitions", "CPU time"], lines)


def _print(title: str, frames: list[pd.DataFrame]) -> None:
    table = pd.concat(frames).fillna("")
    print_table(title, list(table.columns), table.to_numpy().tolist())


def main() -> None:
    """Print the tables."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--samples", type=int, default=400, help="of each design; a tenth for errors")
    parser.add_argument("--only", choices=("gaussian", "adult", "times"))
    run_all(parser.parse_args())


def run_all(args: Namespace) -> None:
    """Print the tables, with `args.adult` and, where they are there, `args.samples` and `args.only`."""
    n_samples, only = getattr(args, "samples", 400), getattr(args, "only", None)
    if only in (None, "gaussian"):
        _print("Gaussian pairs, 1,000 rows each", _gaussian_frames(n_samples))
    if only in (None, "adult"):
        _print(f"{described(args.adult)}, 2,000 rows each", _adult_frames(args.adult, n_samples // 10))
    if only in (None, "times"):
        times()
        beside_oaxaca_blinder()


def _gaussian_frames(n_samples: int) -> list[pd.DataFrame]:
    frames = []
    for pair in PAIRS:
        for metric, n in (("prediction", n_samples), ("mean_squared_error", n_samples // 10)):
            if metric == "prediction" and pair.change:
                continue  # predictions do not know the outcome
            frames.append(gaussian(pair, metric, 1_000, n).frame(f"{pair.name}, {metric}", ("a",)))
    return frames


def _adult_frames(path: Any, n_samples: int) -> list[pd.DataFrame]:
    cases = (("prediction", "means"), ("prediction", "deciles"), ("error_rate", "means"))
    return [
        adult_pair(path, metric, 2_000, n_samples, match).frame(f"{metric}, {match}", MOVED)
        for metric, match in cases
    ]


if __name__ == "__main__":
    main()
