"""Sentences on how far explanations of rows may be trusted: their errors, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from agnostix.metrics import ComparisonResult
from agnostix.plotting.fidelity import CLOSE, ROUGH
from agnostix.report.formatting import Scale, count, is_known, join_words, number, percent
from agnostix.report.sentences_absorbed import absorption_sentences
from agnostix.report.single_rows import ExplanationView
from agnostix.report.trust import MAX_HIDDEN, METRIC, MeasuredRows

_SOURCES_OF_ERROR = {
    "coalition_std_errors": "the sampling of coalitions",
    "background_std_errors": "the sampling of the background rows",
}
_VERDICTS = {
    "better": "the largest leave it lower than chance does, as they should",
    "worse": "the largest leave it higher than chance does, as they should not",
    "alike": "the largest cannot be told from chance",
}


def error_sentences(view: ExplanationView) -> list[str]:
    """What an explanation says of its own errors: intervals, fidelity, and what was absorbed."""
    explanation = view.explanation
    fidelity = {} if view.fidelity else explanation.fidelity or {}
    stated = [f"{name} {number(float(value[0, 0]))}" for name, value in fidelity.items()]
    return [
        _interval_note(view),
        *([fidelity_note()] if view.fidelity else []),
        *([f"Fidelity: {join_words(stated)}."] if stated else []),
        *absorption_sentences(explanation, "features"),
    ]


def _interval_note(view: ExplanationView) -> str:
    extras = view.explanation.extras
    if view.values["std_error"].isna().all():
        return "The error of the values is unknown."
    is_exact = not (view.values["std_error"] > 0).any()
    if is_exact and view.is_surrogate:
        return "The values have no error: the surrogate fits every prediction near the row."
    if is_exact and extras.get("background_size", 1) > 1:
        return "The values are exact for these background rows."
    if is_exact:
        return "The values are exact: nothing is sampled."
    enough = float(np.max(_detail(view, "background_size_to_halve_error", np.inf)))
    rows = f"{count(float(f'{enough:.2g}'))} background rows"
    more = f" With about {rows} they would be half as wide." if np.isfinite(enough) else ""
    return (
        f"Intervals have {percent(view.confidence_level)} confidence, each on its own; they cover "
        f"{_source_of_error(view)}, not the training of the model.{more}"
    )


def _source_of_error(view: ExplanationView) -> str:
    if view.kind == "background effect":
        return _SOURCES_OF_ERROR["background_std_errors"]
    if view.is_surrogate and view.rule is None:
        return "the sampling of rows near this one"
    if view.kind == "surrogate tree":
        return "the sampling of the rows in its nodes"
    sources = [text for name, text in _SOURCES_OF_ERROR.items() if np.any(_detail(view, name, 0.0) > 0.0)]
    return join_words(sources) if sources else "random sampling"


def _detail(view: ExplanationView, name: str, default: float) -> Any:
    detail = view.explanation.extras.get(name)
    return np.asarray(default if detail is None else detail.array)


def fidelity_note() -> str:
    """What the words for an R² mean."""
    return (
        f"\u201cClosely\u201d is an R² of at least {CLOSE}, \u201croughly\u201d of at least {ROUGH}, judged "
        "by the lower end of its interval; \u201cpoorly\u201d is less."
    )


def chance_sentences(measured: MeasuredRows, j: int, in_percent: bool) -> list[str]:
    """How the prediction of a row changes without features chosen by chance, said once where it can be."""
    said: dict[str, list[str]] = {}
    for name in measured.results:
        said.setdefault(_by_chance(measured, name, j, in_percent), []).append(name)
    if len(said) == 1:
        return list(said)
    return [f"{join_words(names, len(names))}: {sentence}" for sentence, names in said.items()]


def _by_chance(measured: MeasuredRows, name: str, j: int, in_percent: bool) -> str:
    fall, n = measured.fall(name, j), measured.n_hidden[name]
    scale = _scale(measured, name, j, in_percent)
    rows = f"{count(measured.n_background)} background row{'' if measured.n_background == 1 else 's'}"
    return (
        f"Hidden behind the values of {rows}, {count_features(n)} chosen by chance change"
        f"{'' if n > 1 else 's'} the prediction by {scale.change(-fall.random)} "
        f"({scale.change_interval(-fall.high, -fall.low)}, the {percent(measured.level)} interval of the "
        f"mean of {fall.n_random} choices)."
    )


def _scale(measured: MeasuredRows, name: str, j: int, in_percent: bool) -> Scale:
    fall = measured.fall(name, j)
    return Scale.from_contributions([fall.largest, fall.smallest, fall.random], in_percent)


def fall_sentence(measured: MeasuredRows, name: str, j: int, in_percent: bool) -> str:
    """How the prediction of a row changes without its features of the largest values, and of the smallest."""
    if name in measured.problems:
        return f"Not measured: {measured.problems[name]}"
    fall, n = measured.fall(name, j), measured.n_hidden[name]
    scale = _scale(measured, name, j, in_percent)
    largest = _largest(measured, name)
    verb = "change" if n > 1 else "changes"
    return (
        f"{largest[0].upper()}{largest[1:]} {verb} it by {scale.change(-fall.largest)}, "
        f"{'those' if n > 1 else 'that'} of the smallest by {scale.change(-fall.smallest)}: "
        f"{_VERDICTS[fall.verdict]}."
    )


def _largest(measured: MeasuredRows, name: str) -> str:
    """The features that are hidden first."""
    n, quantity = measured.n_hidden[name], measured.results[name].quantity
    sizes = "absolute values" if quantity == "sensitivity" else "values"
    return f"the {n} features of the largest {sizes}" if n > 1 else f"the feature of the largest {sizes[:-1]}"


def count_features(n: int) -> str:
    """Features in a sentence."""
    return f"{n} features" if n > 1 else "a feature"


def row_agreement_sentences(measured: MeasuredRows, j: int) -> list[str]:
    """How far the explanations of a row agree; empty where there are no two to compare."""
    if measured.comparison is None:
        return []
    agreement, chance = measured.comparison.agreement, measured.comparison.chance
    shares = {pair: percent(float(one["top-k"][j])) for pair, one in agreement.items()}
    ranks = {pair: number(float(one["spearman"][j]), 2) for pair, one in agreement.items()}
    return _agreement(shares, ranks, measured.comparison.k, "features", chance["top-k"])


def mean_agreement_sentences(comparison: ComparisonResult, units: str = "features") -> list[str]:
    """How far explanations agree in the mean over rows or images; empty where that is unknown."""
    if not comparison.agreement:
        return []
    table = comparison.to_frame("agreement").set_index(["one", "other", "measure"])
    rows = dict(zip(table.index, table.to_dict("records"), strict=True))
    tops, ranks = {}, {}
    for pair in comparison.agreement:
        top, rank = (rows[*pair, name] for name in ("top-k", "spearman"))
        tops[pair] = percent(top["mean"]) + _ends(top, 0.0, percent)
        ranks[pair] = number(rank["mean"], 2) + _ends(rank, -1.0, lambda end: number(end, 2))
    return _agreement(tops, ranks, comparison.k, units, comparison.chance["top-k"])


def _agreement(
    shares: dict[tuple[str, str], str],
    ranks: dict[tuple[str, str], str],
    n_top: int,
    units: str,
    chance: float,
) -> list[str]:
    """Shares of the most relevant in common, and correlations of ranks, of all pairs as text."""
    of = (
        f"Of the {n_top} {units} of largest size"
        if n_top > 1
        else f"Of the single {units[:-1]} of largest size"
    )
    by_chance = f"by chance {percent(chance)}"
    if len(shares) == 1:
        ((one, other),) = shares
        return [
            f"{of}, {one} and {other} share {shares[one, other]}, {by_chance}; ranks of all {units} "
            f"correlate by {ranks[one, other]}."
        ]
    first, second = (
        "; ".join(f"{one} and {other} {text}" for (one, other), text in each.items())
        for each in (shares, ranks)
    )
    return [f"{of}, two explanations share ({by_chance}): {first}.", f"Correlations of ranks: {second}."]


def _ends(row: Any, least: float, say: Callable[[float], str]) -> str:
    """An interval within the bounds of what it is of; empty without one."""
    low, high = max(row["low"], least), min(row["high"], 1.0)
    return f" ({say(low)} to {say(high)})" if is_known(row["low"]) and low < high else ""


def overall_sentences(measured: MeasuredRows, n_rows: int, in_percent: bool) -> list[str]:
    """What was measured over all rows, who can be told apart, and how far they agree."""
    sentences = [_mean_fall(measured, name, in_percent) for name in measured.results if n_rows > 1]
    if measured.incomparable is not None:
        return [*sentences, f"The explainers were not compared: {measured.incomparable}"]
    if measured.comparison is None:
        return sentences
    sentences.append(told_apart_sentence(measured.comparison, n_rows, in_percent))
    return sentences + (mean_agreement_sentences(measured.comparison) if n_rows > 1 else [])


def _mean_fall(measured: MeasuredRows, name: str, in_percent: bool) -> str:
    """By how much more the prediction falls than by chance, in the mean over rows."""
    advantage = measured.results[name].against("random")
    low, high = advantage.interval(measured.level)
    scale = Scale.from_contributions([advantage.score], in_percent)
    verdict = "better" if low > 0 else "worse" if high < 0 else "alike"
    size = scale.change(abs(advantage.score)).removeprefix("+")
    n = measured.n_hidden[name]
    verb = "lower" if n > 1 else "lowers"
    return (
        f"{name}: hidden, {_largest(measured, name)} {verb} the prediction by {size} "
        f"{'more' if advantage.score >= 0 else 'less'} than {count_features(n)} chosen by chance "
        f"({scale.change_interval(low, high)}, the {percent(measured.level)} interval over {len(advantage)} "
        f"rows): {_VERDICTS[verdict]}."
    )


def told_apart_sentence(comparison: ComparisonResult, n_rows: int, in_percent: bool) -> str:
    """Which explainers are better than which, from paired tests over the rows."""
    pairs = comparison.to_frame("pairs")
    decided = pairs["better"].notna() if n_rows > 1 else pd.Series(False, index=pairs.index)
    rows = f"{n_rows} rows" if n_rows > 1 else "one row"
    parts = [_better(pair, in_percent) for pair in pairs[decided].to_dict("records")]
    alike = [f"{pair['one']} and {pair['other']}" for pair in pairs[~decided].to_dict("records")]
    if len(alike) == len(pairs):
        names = comparison.explainers
        who = f"The {len(names)} explainers" if len(names) > 2 else alike[0]
        return f"{who} cannot be told apart with {rows}."
    if alike:
        parts.append(f"cannot be told apart with {rows}: {', '.join(alike)}")
    return f"{'; '.join(parts)}."


def _better(pair: dict[Any, Any], in_percent: bool) -> str:
    """Who is better than whom, and by how much more the prediction falls."""
    scale = Scale.from_contributions([pair["difference"]], in_percent)
    is_first = pair["better"] == pair["one"]
    worse = pair["other"] if is_first else pair["one"]
    ends = (pair["low"], pair["high"]) if is_first else (-pair["high"], -pair["low"])
    size = scale.change(abs(pair["difference"])).removeprefix("+")
    return (
        f"{pair['better']} is better than {worse}: its largest values lower the prediction by {size} more "
        f"({scale.change_interval(*ends)})"
    )


def measured_note(measured: MeasuredRows, n_rows: int) -> str:
    """How it was measured, at what cost, and what it does not say."""
    n = measured.n_model_rows
    notes = [f"{name}: {note}" for name, one in measured.results.items() for note in one.notes]
    together = "" if n_rows == 1 else f" for {n_rows} rows together"
    whose = f"those of {measured.background_of}" if measured.background_of else "chosen to be as the data are"
    return " ".join(
        [
            f"Measured by {METRIC} of agnostix.metrics, with a third of the features, at most {MAX_HIDDEN}; "
            f"the background rows are {whose}. "
            f"Cost: {count(n)} model row{'' if n == 1 else 's'}{together}, and never more than "
            f"{count(measured.most_model_rows)} for each row and explainer.",
            *notes,
            "Rows with values of other rows may be like none that the model was trained on. A faithful "
            "explanation may be of a model that is wrong.",
        ]
    )
