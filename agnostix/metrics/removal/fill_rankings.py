"""Whether the ranking of explanations depends on what hidden units are replaced by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from agnostix.exceptions import DataError
from agnostix.metrics.result import MetricResult
from agnostix.metrics.units import describe_fill


@dataclass(frozen=True, eq=False)
class FillRankings:
    """The same explanations under the same metric with several fills.

    Attributes
    ----------
    results : dict of str to dict of str to MetricResult
        By fill, then by explanation.
    level : float
        Of the paired intervals, after Bonferroni's correction over pairs and fills.
    """

    results: dict[str, dict[str, MetricResult]]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Give mean scores, intervals and ranks.

        Returns
        -------
        DataFrame
            A line for each fill and explanation: fill, explanation, score, low, high, rank
            (1 is the best).
        """
        lines = []
        for fill, by_name in self.results.items():
            scores = {name: result.score for name, result in by_name.items()}
            for name, result in by_name.items():
                sign = 1.0 if result.greater_is_better else -1.0
                rank = 1 + sum(sign * other > sign * scores[name] for other in scores.values())
                low, high = result.interval(self.level)
                lines.append((fill, name, scores[name], low, high, rank))
        return pd.DataFrame(lines, columns=["fill", "explanation", "score", "low", "high", "rank"])

    def better(self, fill: str, one: str, other: str) -> bool:
        """Whether one explanation is better than another under a fill, beyond the paired interval.

        Parameters
        ----------
        fill, one, other : str
            Keys of `results`.

        Returns
        -------
        bool
        """
        by_name = self.results[fill]
        low, high = by_name[one].difference(by_name[other]).interval(self.level)
        return bool(low > 0 if by_name[one].greater_is_better else high < 0)

    @property
    def reversed_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of which each is better than the other under some fill, beyond the paired intervals."""
        names = list(next(iter(self.results.values())))
        wins = {
            (one, other): any(self.better(fill, one, other) for fill in self.results)
            for one in names
            for other in names
            if one != other
        }
        pairs = combinations(names, 2)
        return tuple(pair for pair in pairs if wins[pair] and wins[pair[::-1]])

    def __repr__(self) -> str:
        table = self.to_frame().pivot(index="explanation", columns="fill", values="rank")
        return f"FillRankings({self.verdict})\nRanks:\n{table[list(self.results)].to_string()}"

    @property
    def verdict(self) -> str:
        """What the fill changes, in words."""
        ranks = self.to_frame().pivot(index="explanation", columns="fill", values="rank")
        pairs = self.reversed_pairs
        if pairs:
            listed = " and ".join(f"{one} against {other}" for one, other in pairs)
            return f"which explanation is better depends on the fill: {listed}"
        if (ranks.nunique(axis=1) > 1).any():
            return "ranks change with the fill, by no more than the intervals allow"
        return "all fills give the same ranking"


def rank_by_fill(
    metric: Callable[..., MetricResult],
    model: Any,
    X: Any,
    explanations: Mapping[str, Any],
    *,
    fills: Sequence[Any] | Mapping[str, Any] = ("mean", "blur", "noise"),
    level: float = 0.95,
    **options: Any,
) -> FillRankings:
    """Measure explanations with several fills, and tell whether their ranking depends on the fill.

    Parameters
    ----------
    metric : callable
        `deletion`, `insertion`, `sufficiency`, `comprehensiveness` or another that takes a fill.
    model : fitted estimator, torch module, callable or Predictor
        The model that was explained.
    X : array-like, images
        The rows that were explained.
    explanations : dict of str to Explanation
        Two or more of the same rows, by name.
    fills : sequence or dict of str to fill, default=("mean", "blur", "noise")
        Two or more, as `deletion` takes them.
    level : float, default=0.95
        Simultaneous confidence of all paired comparisons.
    **options : dict
        Passed to the metric.

    Returns
    -------
    FillRankings

    Raises
    ------
    DataError
        If there are fewer than two explanations or fills.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import RiseExplainer
    >>> from agnostix.metrics import deletion, rank_by_fill
    >>> images = np.random.default_rng(0).random((8, 8, 8))
    >>> model = lambda X: X[:, :4, :4].mean((1, 2))
    >>> explainers = {f"{n} masks": RiseExplainer(model, n_masks=n, random_state=0) for n in (64, 512)}
    >>> explanations = {name: one.fit(images).explain(images) for name, one in explainers.items()}
    >>> rankings = rank_by_fill(deletion, model, images, explanations, fills=[0.0, "mean"])
    >>> rankings.to_frame().columns.tolist()
    ['fill', 'explanation', 'score', 'low', 'high', 'rank']
    """
    named = dict(fills) if isinstance(fills, Mapping) else {describe_fill(fill): fill for fill in fills}
    for what, given in (("explanations", explanations), ("fills", named)):
        if len(given) < 2:
            raise DataError(f"rank_by_fill compares at least two {what}, got {len(given)}.")
    n = len(explanations)
    n_comparisons = len(named) * n * (n - 1) // 2
    quiet = {"least": False, "n_random": 0} | options
    results = {
        name: {key: metric(model, X, one, fill=fill, **quiet) for key, one in explanations.items()}
        for name, fill in named.items()
    }
    return FillRankings(results, 1.0 - (1.0 - level) / n_comparisons)
