"""What similarity to another model's explanations says: the curve, what to hold it against, a verdict."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from agnostix.core.explanation import Detail
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.intervals import MeanInterval, crossed, mean_known
from agnostix.metrics.result import MetricCurve, MetricResult
from agnostix.metrics.sanity.explain_again import (
    ChosenMaps,
    compare_maps,
    copy_for,
    explain_outputs,
    similarities_of,
)

ALIKE = 0.5
"""Similarity beyond which maps of whatever row are as good as unchanged."""
MOST_OTHERS = 8
"""Other rows that each row is compared with."""
WORDS = {
    "absolute-spearman": "Spearman's correlation of sizes",
    "spearman": "Spearman's correlation",
    "ssim": "SSIM of sizes",
}


@dataclass(frozen=True)
class Stage:
    """A point of the curve: how far the model has been changed, and models that were changed so far."""

    x: float
    name: str
    models: tuple[Callable[[], tuple[Any, dict[int, Any] | None]], ...]  # with what layers were copied to


@dataclass(frozen=True)
class StageSimilarities:
    """Similarity of a stage's maps to the original ones, by its name, of each draw: (n_rows, n_draws)."""

    stage: Stage
    own: dict[str, Floats]
    others: Floats  # to the original maps of other rows, of the chosen similarity
    n_model_rows: int
    warned: tuple[str, ...]  # of the changed models' explanations


def measure_stage(
    stage: Stage,
    explainer: Any,
    rows: tuple[Any, Any],
    X: Any,
    first: ChosenMaps,
    similarity: str,
    random_state: int,
) -> StageSimilarities:
    """Explain by each of a stage's models, and compare; `rows` are those to fit on, and their weights."""
    own: dict[str, list[Floats]] = {name: [] for name in similarities_of(first)}
    others, n_model_rows, warned = [], 0, []
    for make in stage.models:
        model, memo = make()
        (again, n), messages = _without_warnings(
            lambda twin: explain_outputs(twin, X, first.outputs), copy_for(explainer, model, *rows, memo)
        )
        warned += messages
        n_model_rows += n
        for name, found in own.items():
            found.append(compare_maps(name, first.values, again, first.shape))
        others.append(similarity_to_others(first, again, similarity, random_state))
    stacked = {name: np.stack(found, axis=1) for name, found in own.items()}
    return StageSimilarities(stage, stacked, np.stack(others, axis=1), n_model_rows, tuple(warned))


def _without_warnings(explain: Callable[[Any], Any], explainer: Any) -> tuple[Any, list[str]]:
    """What an explainer gives, and what it warns of convergence, which of a changed model is no concern."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        result = explain(explainer)
    messages = []
    for one in caught:
        if issubclass(one.category, ConvergenceWarning):
            messages.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return result, messages


def similarity_to_others(first: ChosenMaps, again: Floats, similarity: str, random_state: int) -> Floats:
    """Mean similarity (n_rows,) of each new map to the original maps of up to eight other rows, by chance."""
    n_rows = len(first)
    order = np.lexsort((np.random.default_rng(random_state).permutation(n_rows), first.row_keys))
    found = []
    for step in range(1, min(n_rows - 1, MOST_OTHERS) + 1):
        partners = np.empty(n_rows, dtype=np.intp)
        partners[order] = np.roll(order, step)
        found.append(compare_maps(similarity, first.values[partners], again, first.shape))
    return mean_known(np.stack(found)) if found else np.full(n_rows, np.nan)


def mean_ends(values: Floats, level: float) -> tuple[float, float, float]:
    """Mean of values (n_rows, n_draws) and the ends of its interval over rows and shared draws."""
    means, errors, shared = crossed(values)
    fields = (errors[:, None], values.shape[1], "student", np.array([shared]))
    interval = MeanInterval.from_scores(means[:, None], *fields)
    low, high = interval.ends(level)
    if interval.source == "none" or interval.n_used[0] < 1 or (len(means) > 1 and interval.n_used[0] < 2):
        return float(interval.mean[0]), np.nan, np.nan
    return float(interval.mean[0]), float(low[0]), float(high[0])


def judge(own: Floats, others: Floats, what: str, similarity: str, margin: float, level: float) -> str:
    """Whether explanations are insensitive to `what`, in words, from similarities (n_rows, n_draws)."""
    mean, low, high = mean_ends(own, level)
    beyond, beyond_low, beyond_high = mean_ends(own - others, level)
    other = float(mean_known(mean_known(others, 1)))
    apart = f"{_short(beyond)} ({_short(beyond_low)} to {_short(beyond_high)})"
    seen = (
        f"{WORDS[similarity]} of a row's maps before and after is {mean:.3g} ({max(low, -1.0):.3g} to "
        f"{min(high, 1.0):.3g}, {level:.0%}), with other rows' maps {other:.3g}, a difference of {apart}"
    )
    if beyond_low > margin:
        return (
            f"insensitive to {what}: {seen}, beyond the margin of {margin:g}. Maps show what is in the row "
            "whatever was learned."
        )
    if low > ALIKE:
        return f"insensitive to {what}: {seen}. Maps alike by more than {ALIKE:g} are as good as unchanged."
    if beyond_high < margin and high < ALIKE:
        return f"sensitive to {what}: {seen}, within the margin of {margin:g}."
    return (
        f"undecided whether insensitive to {what}: {seen}, against a margin of {margin:g}. More rows or "
        "draws tell."
    )


def _short(number: float) -> str:
    """A number with two digits; what may be rounding is 0."""
    return f"{round(number, 6) + 0.0:.2g}"


def judge_output(own: MetricResult, similarity: str, level: float) -> str:
    """Whether explanations are insensitive to the output, in words, from a result of similarities."""
    low, high = _known_ends(own, level)
    seen = (
        f"{WORDS[similarity]} of the maps of two outputs is {own.score:.3g} ({low:.3g} to {high:.3g}, "
        f"{level:.0%})"
    )
    if low > ALIKE:
        return f"insensitive to the output: {seen}, beyond {ALIKE:g}."
    if high < ALIKE:
        return f"sensitive to the output: {seen}, below {ALIKE:g}."
    return f"undecided whether insensitive to the output: {seen}, about {ALIKE:g}. More rows or draws tell."


def _known_ends(result: MetricResult, level: float) -> tuple[float, float]:
    """Ends of a result's interval, NaN where a single row has none: nothing is concluded from it."""
    low, high = result.interval(level)
    return (np.nan, np.nan) if result.interval_source == "none" else (low, high)


def judge_order(own: MetricResult, level: float) -> str:
    """Whether an order of units is better than a random one, in words, from a result."""
    advantage = own.against("random")
    low, high = _known_ends(advantage, level)
    what = own.curve.y_label if own.curve is not None else "score"
    by_chance = own.references["random"].mean()
    seen = (
        f"{what} without the first units is {own.score:.3g}, in random order {by_chance:.3g}, "
        f"an advantage of {_short(advantage.score)} ({_short(low)} to {_short(high)}, {level:.0%})"
    )
    if low > 0:
        return f"better than a random order: {seen}."
    if high < 0:
        return f"worse than a random order: {seen}."
    return f"cannot be told apart from a random order: {seen}."


def stage_result(
    name: str,
    first: ChosenMaps,
    stages: Sequence[StageSimilarities],
    similarity: str,
    scored: Sequence[StageSimilarities],
    x_label: str,
    **fields: Any,
) -> MetricResult:
    """The result whose scores are the mean similarity of some of the stages."""
    own = mean_known(np.stack([one.own[similarity] for one in scored]))
    others = mean_known(np.stack([one.others for one in scored]))
    scores, errors, shared = crossed(own)
    notes = fields.pop("notes", ())
    unknown = int(np.isnan(own).any(axis=1).sum())
    if unknown:
        notes += (
            f"{unknown} of {len(first)} rows have a map of one value, whose similarity is not defined; "
            "these are left out.",
        )
    if own.shape[1] == 1:
        notes += ("One draw: the interval is over rows, for this model that was changed.",)
    start = np.ones((len(first), 1))
    curves = {key: np.hstack([start, *_means(stages, key)]) for key in similarities_of(first)}
    warned = [message for one in stages for message in one.warned]
    if warned:
        notes += (f"Explanations of changed models have warned {len(warned)} times, first: {warned[0]}",)
    before = similarity_to_others(first, first.values, similarity, fields["params"]["random_state"])
    beside = [before[:, None], *(mean_known(one.others, 1)[:, None] for one in stages)]
    details = {key: Detail(curve, ("row", "point")) for key, curve in curves.items()}
    names = np.array(["nothing", *(one.stage.name for one in stages)])
    known = {"points": Detail(names, ("point",)), "draws": Detail(own, ("row", "draw"))}
    return MetricResult(
        name=name,
        scores=scores,
        greater_is_better=False,
        made_for=(first.quantity,),
        draw_errors=errors if own.shape[1] > 1 else None,
        shared_error=shared if own.shape[1] > 1 else None,
        n_draws=own.shape[1] if own.shape[1] > 1 else 0,
        curve=MetricCurve(
            np.array([0.0, *(one.stage.x for one in stages)]),
            curves[similarity],
            {"other rows": np.hstack(beside)},
            x_label,
            WORDS[similarity],
        ),
        references={"other rows": mean_known(others, 1)},
        n_model_rows=first.n_model_rows + sum(one.n_model_rows for one in stages),
        details=details | known,
        notes=notes,
        **first.result_fields() | fields,
    )


def _means(stages: Sequence[StageSimilarities], similarity: str) -> list[Floats]:
    """Mean over draws (n_rows, 1) at each stage."""
    return [mean_known(one.own[similarity], 1)[:, None] for one in stages]


def check_margin(by: str, margin: Any) -> None:
    """Raise DataError unless a margin is a number of at least 0."""
    if not isinstance(margin, Real) or isinstance(margin, bool) or not 0 <= float(margin) < np.inf:
        raise DataError(f"The 'margin' of {by} must be a number of at least 0, got {margin!r}.")


def seeds_of(random_state: int, *keys: int, n: int = 1) -> Codes:
    """Independent seeds (n,) of 32 bits for each combination of keys."""
    return np.random.SeedSequence([random_state, *keys]).generate_state(n).astype(np.intp)
