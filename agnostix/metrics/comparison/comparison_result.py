"""What a comparison of explainers found: scores, paired differences, agreement, cost, verdicts in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.views import table_html
from agnostix.core.typing import Floats
from agnostix.metrics.comparison.multiple import best_intervals, holm, p_value_of_mean, paired_p_value
from agnostix.metrics.intervals import MeanInterval
from agnostix.metrics.result import MetricResult

TABLES = ("scores", "pairs", "best", "agreement", "cost")
SAME = "cannot be told apart"


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparisonResult:
    """Explainers of one model compared on the same rows.

    Attributes
    ----------
    results : dict of str to dict of str to MetricResult
        By metric, then by explainer.
    explanations : dict of str to Explanation
        That the metrics shared, in the same units.
    agreement : dict of (str, str) to dict of str to ndarray of shape (n_rows,)
        By pair of explainers, then by measure: "top-k", "signs", "ranks", "spearman"; NaN where it
        is not defined.
    chance : dict of str to float
        Agreement that random explanations would have, by measure.
    seconds : dict of str to float
        That each `explain` took; NaN for an explanation that was given.
    fit_model_rows : dict of str to int or None
        Rows that the model evaluated for `fit`, where the explainer says so.
    n_shared_rows : int
        Rows that the model evaluated for all metrics together: those explained, as they are.
    k : int
        Units that count as the most relevant in `agreement`.
    level : float
        Of the intervals; 1 - level is that of Holm's tests over all metrics and pairs.
    notes : tuple of str
        What a reader should know: conversions, metrics that were left out.
    """

    results: dict[str, dict[str, MetricResult]]
    explanations: dict[str, Explanation]
    agreement: dict[tuple[str, str], dict[str, Floats]]
    chance: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fit_model_rows: dict[str, int | None] = field(default_factory=dict)
    n_shared_rows: int = 0
    k: int = 5
    level: float = 0.95
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return tuple(self.results)

    @property
    def explainers(self) -> tuple[str, ...]:
        """Names of the explainers."""
        return tuple(self.explanations)

    @property
    def n_model_rows(self) -> int:
        """Rows that the model evaluated, for explanations that were made and for metrics."""
        made = [one for name, one in self.explanations.items() if np.isfinite(self.seconds.get(name, np.nan))]
        own = sum(one.n_model_rows for one in made)
        measured = sum(result.n_model_rows for _, _, result in self._each())
        return own + self.n_shared_rows + measured

    def to_frame(self, table: str = "scores") -> pd.DataFrame:
        """Give one of the tables.

        Parameters
        ----------
        table : {"scores", "pairs", "best", "agreement", "cost"}, default="scores"
            "scores": metric, explainer, score, low, high, rank (1 is the best), random (the mean
            score of random orders, or of the values shuffled) and p_random (that of no difference
            from it, after Holm's correction over metrics and explainers).
            "pairs": metric, one, other, difference, low, high, p, p_holm, better (the name of the
            better one, None where they cannot be told apart).
            "best": metric, explainer, low, high, may_be_best: Hsu's intervals of the advantage over
            the best of the others, simultaneous within a metric.
            "agreement": one, other, measure, mean, low, high, chance (what random ones would have).
            "cost": explainer, fit_model_rows (NaN where unknown), model_rows and seconds of `explain`.

        Returns
        -------
        DataFrame

        Raises
        ------
        ValueError
            If there is no such table.
        """
        if table not in TABLES:
            raise ValueError(f"table must be one of {', '.join(map(repr, TABLES))}; got {table!r}.")
        made: pd.DataFrame = getattr(self, f"_{table}")
        return made.copy()

    @property
    def verdicts(self) -> tuple[str, ...]:
        """A sentence for each metric: who is better than whom, and who cannot be told apart."""
        return tuple(self._verdict(metric) for metric in self.results)

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw scores and intervals of all metrics side by side.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        **style : dict
            Passed to the Display.

        Returns
        -------
        ComparisonDisplay
        """
        from agnostix.plotting import ComparisonDisplay

        return ComparisonDisplay.from_result(self).plot(ax=ax, **style)

    def __repr__(self) -> str:
        n_rows = len(next(iter(self.explanations.values())))
        plural = "s" * (n_rows != 1)
        head = (
            f"ComparisonResult({len(self.explanations)} explainers, {len(self.results)} metric"
            f"{'s' * (len(self.results) != 1)}, {n_rows:,} row{plural}, {self.n_model_rows:,} model rows)"
        )
        return "\n  ".join(
            [head, *self.verdicts, self._describe_agreement(), self._describe_cost(), *self.notes]
        )

    def _repr_html_(self) -> str:
        table = self._scores
        lines = [tuple(row) for row in table.itertuples(index=False)]
        return table_html(" ".join([*self.verdicts, *self.notes]), list(table.columns), lines)

    def _each(self) -> Iterator[tuple[str, str, MetricResult]]:
        for metric, by_name in self.results.items():
            for name, result in by_name.items():
                yield metric, name, result

    @cached_property
    def _scores(self) -> pd.DataFrame:
        lines, p_random = [], []
        for metric, name, result in self._each():
            low, high = result.interval(self.level)
            sign = -1.0 if result.greater_is_better is False else 1.0
            others = [sign * one.score for one in self.results[metric].values()]
            rank = 1 + sum(other > sign * result.score for other in others)
            random, p = np.nan, np.nan
            if "random" in result.references:
                random = float(np.mean(result.references["random"]))
                p = p_value_of_mean(result.against("random"))
            lines.append((metric, name, result.score, low, high, rank, random))
            p_random.append(p)
        columns = ["metric", "explainer", "score", "low", "high", "rank", "random"]
        return pd.DataFrame(lines, columns=columns).assign(p_random=holm(np.array(p_random)))

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        lines = []
        for metric, by_name in self.results.items():
            for one, other in combinations(by_name, 2):
                difference = by_name[one].difference(by_name[other])
                low, high = difference.interval(self.level)
                p = paired_p_value(by_name[one], by_name[other])
                lines.append((metric, one, other, difference.score, low, high, p))
        columns = ["metric", "one", "other", "difference", "low", "high", "p"]
        table = pd.DataFrame(lines, columns=columns)
        table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
        return table.assign(
            better=pd.Series([self._better(row) for row in table.to_dict("records")], dtype=object)
        )

    def _better(self, pair: dict[Any, Any]) -> str | None:
        """Who is better, or has the larger score where neither is; None where they cannot be told apart."""
        if not pair["p_holm"] < 1.0 - self.level:
            return None
        less_is_better = self.results[pair["metric"]][pair["one"]].greater_is_better is False
        return str(pair["one"] if (pair["difference"] < 0) == less_is_better else pair["other"])

    @cached_property
    def _best(self) -> pd.DataFrame:
        lines = []
        for metric, by_name in self.results.items():
            for name, (low, high) in best_intervals(by_name, self.level).items():
                lines.append((metric, name, low, high, not (low < 0 and high == 0)))
        return pd.DataFrame(lines, columns=["metric", "explainer", "low", "high", "may_be_best"])

    @cached_property
    def _agreement(self) -> pd.DataFrame:
        lines = []
        for pair, by_measure in self.agreement.items():
            for measure, rows in by_measure.items():
                interval = MeanInterval.from_scores(rows[:, None])
                (low,), (high,) = interval.ends(self.level)
                chance = self.chance.get(measure, np.nan)
                lines.append((*pair, measure, interval.mean[0], low, high, chance))
        return pd.DataFrame(lines, columns=["one", "other", "measure", "mean", "low", "high", "chance"])

    @cached_property
    def _cost(self) -> pd.DataFrame:
        lines = [
            (name, self.fit_model_rows.get(name), one.n_model_rows, self.seconds.get(name, np.nan))
            for name, one in self.explanations.items()
        ]
        table = pd.DataFrame(lines, columns=["explainer", "fit_model_rows", "model_rows", "seconds"])
        return table.astype({"fit_model_rows": float})

    def _describe_agreement(self) -> str:
        table = self._agreement[self._agreement["measure"] == "top-k"].sort_values("mean", kind="stable")
        ends = [f"{row['mean']:.0%} ({row['one']} and {row['other']})" for row in table.to_dict("records")]
        between = ends[0] if len(ends) == 1 else f"{ends[0]} to {ends[-1]}"
        chance = f", and random ones {self.chance['top-k']:.0%}" if "top-k" in self.chance else ""
        return f"agreement: of the {self.k} most relevant, two explanations share {between}{chance}."

    def _describe_cost(self) -> str:
        parts = [f"{row['explainer']} {row['model_rows']:,}" for row in self._cost.to_dict("records")]
        return f"model rows to explain: {', '.join(parts)}."

    def _verdict(self, metric: str) -> str:
        by_name = self.results[metric]
        direction = next(iter(by_name.values())).greater_is_better
        words = {True: " (greater is better)", False: " (less is better)", None: ""}[direction]
        pairs = self._pairs[self._pairs["metric"] == metric]
        if pairs["p"].isna().all():
            return f"{metric}{words}: too few rows to compare."
        than = "larger than" if direction is None else "better than"
        parts = []
        order = sorted(by_name, key=lambda name: (-1.0 if direction is False else 1.0) * -by_name[name].score)
        for name in order:
            losers = [one for one in order if self._wins(pairs, name, one)]
            if losers:
                parts.append(f"{name} is {than} {_and(losers)}")
        alike = [
            (one, other) for one, other in combinations(order, 2) if not self._decided(pairs, one, other)
        ]
        if len(alike) == len(pairs):
            who = f"the {len(order)} explainers" if len(order) > 2 else _and(order)
            parts = [f"{who} {SAME}"]
        elif alike:
            parts.append(f"{SAME}: {', '.join(_and(pair) for pair in alike)}")
        parts += self._beside_chance(metric)
        return f"{metric}{words}: {'; '.join(parts)}."

    def _beside_chance(self, metric: str) -> list[str]:
        """Who is no better than random values are."""
        own = self._scores[self._scores["metric"] == metric]
        less_is_better = next(iter(self.results[metric].values())).greater_is_better is False
        is_worse = (own["score"] > own["random"]) == less_is_better
        is_told = own["p_random"] < 1.0 - self.level
        groups = {
            "cannot be told from chance": own["p_random"].notna() & ~is_told,
            "worse than chance": is_told & is_worse,
        }
        named = {words: own.loc[those, "explainer"] for words, those in groups.items()}
        return [f"{words}: {_and(names)}" for words, names in named.items() if len(names)]

    @staticmethod
    def _wins(pairs: pd.DataFrame, one: str, other: str) -> bool:
        own = pairs[pairs["one"].isin([one, other]) & pairs["other"].isin([one, other])]
        return one != other and bool((own["better"] == one).any())

    @classmethod
    def _decided(cls, pairs: pd.DataFrame, one: str, other: str) -> bool:
        return cls._wins(pairs, one, other) or cls._wins(pairs, other, one)


def _and(names: Any) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
