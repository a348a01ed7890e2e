"""Sentences on what was measured of explained images: scores, who can be told apart, agreement, cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.metrics import ComparisonResult, MetricResult
from agnostix.report.formatting import count, is_known, number, percent
from agnostix.report.sentences_trust import mean_agreement_sentences

NOT_MEASURED = (
    "Whether these maps are faithful to the model was not measured. Measure it by comparison = "
    "compare_explainers(model, images, explainers) of agnostix.metrics, and pass "
    "pictures=comparison.explanations, pictures_comparison=comparison."
)
_DIRECTIONS = {True: "greater is better", False: "less is better", None: "neither is better"}


def measured_sentences(comparison: ComparisonResult) -> list[str]:
    """Verdicts of all metrics, and how far the maps agree."""
    paired = dict(zip(comparison.metrics, comparison.verdicts, strict=True))
    sentences = []
    for metric, by_name in comparison.results.items():
        if len(by_name) > 1:
            sentences.append(_verdict(paired[metric], len(next(iter(by_name.values())))))
        else:
            sentences += _beside_chance(metric, by_name, comparison.level)
        sentences += [f"{metric}, {name}: {one.verdict}" for name, one in by_name.items() if one.verdict]
    return sentences + mean_agreement_sentences(comparison, "pixels")


def _verdict(text: str, n_images: int) -> str:
    """A comparison's verdict, with the number of images that it rests on."""
    return f"With {f'{n_images} images' if n_images > 1 else 'one image'}, {text}"


def _beside_chance(metric: str, by_name: dict[str, MetricResult], level: float) -> list[str]:
    """Whether the only method with a metric is better than a random order."""
    sentences = []
    for name, result in by_name.items():
        if "random" not in result.references:
            continue
        advantage = result.against("random")
        low, high = advantage.interval(level)
        if advantage.interval_source == "none":
            verdict = "one image does not tell whether it is better than a random order"
        elif low > 0:
            verdict = "better than a random order"
        else:
            verdict = "worse than a random order" if high < 0 else "cannot be told from a random order"
        ends = "" if advantage.interval_source == "none" else f" ({number(low)} to {number(high)})"
        sentences.append(f"{metric}, {name}: an advantage of {number(advantage.score)}{ends}; {verdict}.")
    return sentences


def measured_scores(comparison: ComparisonResult) -> list[dict[str, Any]]:
    """Scores with their intervals by metric and method, and as text."""
    lines = []
    for row in comparison.to_frame("scores").to_dict("records"):
        result = comparison.results[row["metric"]][row["explainer"]]
        known = result.interval_source != "none"
        low, high = (row["low"], row["high"]) if known else (np.nan, np.nan)
        lines.append(
            {
                "metric": row["metric"],
                "method": row["explainer"],
                "score": _plain(row["score"]),
                "low": _plain(low),
                "high": _plain(high),
                "random": _plain(row["random"]),
                "greater_is_better": result.greater_is_better,
                "n_images": len(result),
                "text": {
                    "metric": f"{row['metric']} ({_DIRECTIONS[result.greater_is_better]})",
                    "score": number(row["score"]),
                    "interval": f"{number(low)} to {number(high)}" if is_known(low) else number(None),
                    "random": number(row["random"]),
                },
            }
        )
    return lines


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if is_known(value) else None


def comparison_note(comparison: ComparisonResult) -> str:
    """What the intervals are, what measuring cost, and what the metrics note."""
    results = [one for by_name in comparison.results.values() for one in by_name.values()]
    n = comparison.n_shared_rows + sum(one.n_model_rows for one in results)
    sources = {one.interval_source for one in results}
    over = "over images, with the metrics' own draws" if "rows" in sources else "over the metrics' own draws"
    intervals = f"Intervals have {percent(comparison.level)} confidence, {over}."
    chance = "\u201cBy chance\u201d is the score of random orders, or of values shuffled within an image."
    return " ".join(
        [
            *([intervals] if sources != {"none"} else []),
            *([chance] if any("random" in one.references for one in results) else []),
            f"Measuring took {count(n)} model rows.",
            *_notes(comparison),
            "A map may be faithful to a model that is wrong.",
        ]
    )


def _notes(comparison: ComparisonResult) -> list[str]:
    """What metrics note, by the name of the method."""
    if comparison.notes:
        return list(comparison.notes)
    notes: dict[str, None] = {}
    for by_name in comparison.results.values():
        notes |= {f"{name}: {note}": None for name, one in by_name.items() for note in one.notes}
    return list(notes)
