"""Sentences on the population, written from the numbers: shifts, scenarios, rules and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.models import as_predictor
from agnostix.core.names import label_text
from agnostix.plotting.fidelity import CLOSE, POOR_LEAF, ROUGH, how_closely
from agnostix.report.data import ReportData, supported_points
from agnostix.report.formatting import (
    MINUS,
    THIN_SPACE,
    Scale,
    count,
    describe_ess,
    distinguishing_digits,
    join_words,
    number,
    percent,
)
from agnostix.report.sentences_reliability import reliability_sentences
from agnostix.report.sentences_scenarios import instead, scenario_heading
from agnostix.surrogate_tree import MimicTree
from agnostix.surrogate_tree.fidelity import Fidelity
from agnostix.what_if import Trend, Trends

_N_FINDINGS = 3
_SMALL = 0.1
"""Proportion of the largest change below which a feature hardly changes the outcome."""
_ECHO = 0.33
"""Correlated shift, in standard deviations, from which the change by one feature is that by another.

An equal shift of a normal column is 0.45 standard deviations."""
_NOTICEABLE = 0.1
"""Correlated shift, in standard deviations, from which it is mentioned."""


def headline_findings(data: ReportData) -> list[str]:
    """Three to five sentences for a reader who reads nothing else."""
    base_ess = data.projection.table_.base_ess
    sentences = [
        f"{_shifted(row, data)}, the {data.outcome_name} is {instead(row, data.scale)}. "
        + describe_ess(row["ess"] / base_ess)
        for row in distinct_changes(data)
    ]
    if not sentences:
        sentences = [
            f"No feature changes the {data.outcome_name} by more than chance could explain when all are "
            "shifted equally far."
        ]
    return sentences + _error_findings(data) + _small_changes(data)


def _certain_changes(ranking: pd.DataFrame, most: int) -> list[dict[Any, Any]]:
    """The largest changes whose simultaneous interval excludes 0, one a feature."""
    certain = ranking[
        (ranking["status"] == "ok") & ((ranking["change_low"] > 0) | (ranking["change_high"] < 0))
    ]
    order = certain["change"].abs().sort_values(ascending=False, kind="stable").index
    return certain.loc[order].drop_duplicates("feature").head(most).to_dict("records")


def distinct_changes(data: ReportData) -> list[dict[Any, Any]]:
    """The rows of the ranking with the largest certain changes, without features that echo a larger one."""
    kept: list[dict[Any, Any]] = []
    for row in _certain_changes(data.ranking, 4 * _N_FINDINGS):
        if not any(abs(_correlated_shift(data, larger, row)) > _ECHO for larger in kept):
            kept.append(row)
    return kept[:_N_FINDINGS]


def _correlated_shift(data: ReportData, shifted: Mapping[Any, Any], other: Mapping[Any, Any]) -> float:
    """Shift of one average, in standard deviations, that comes with another's in the ranking."""
    level = None if other["level"] is None else data.level_text(other["feature"], other["level"])
    return data.correlated_shifts(shifted).get((other["feature"], level), 0.0)


def _shifted(row: Mapping[Any, Any], data: ReportData) -> str:
    if row["level"] is None:
        digits = distinguishing_digits([row["start"], row["target"]])
        start, target = (number(row[name], digits) for name in ("start", "target"))
        return f"With an average {row['feature']} of {target} instead of {start}"
    text = data.level_text(row["feature"], row["level"])
    target, start = (percent(row[name]) for name in ("target", "start"))
    return f"With {row['feature']} = {text} in {target} of the rows instead of {start}"


def _error_findings(data: ReportData) -> list[str]:
    if data.error_ranking.empty:
        return []
    scale, name = data.error_scale, data.error_name
    largest = _certain_changes(data.error_ranking[data.error_ranking["change"] > 0], 1)
    if not largest:
        base = scale.value(float(data.error_ranking["base"].iloc[0]))
        return [
            f"No feature raises the model's {name} ({base} in the data) by more than chance could explain "
            "when all are shifted equally far."
        ]
    (row,) = largest
    return [
        f"{_shifted(row, data)}, the model's {name} is {instead(row, scale)}: the largest increase that is "
        "certain."
    ]


def _small_changes(data: ReportData) -> list[str]:
    ranking, scale = data.ranking[np.isfinite(data.ranking["change"].astype(float))], data.scale
    bound = np.maximum(ranking["change_low"].abs(), ranking["change_high"].abs())
    by_feature = ranking.assign(bound=bound).groupby("feature", sort=False)["bound"].max()
    limit = _SMALL * float(ranking["change"].abs().max()) if len(ranking) else 0.0
    small = by_feature[by_feature < limit]
    if small.empty:
        return []
    written = Scale(scale.in_percent, max(scale.decimals, 1)) if scale.in_percent else scale
    largest = written.change(float(small.max())).lstrip("+")
    they = "it changes" if len(small) == 1 else "they change"
    return [
        f"Hardly any change: {join_words([str(name) for name in small.index])}; shifted equally far, {they} "
        f"the {data.outcome_name} by at most {largest}."
    ]


def curve_sentence(
    feature: str, curve: pd.DataFrame, trend: Trend | None, name: str, scale: Scale, level: float
) -> str:
    """The shape of a numeric feature's curve over all rows, and its slope at the observed average."""
    supported = supported_points(curve)
    if len(supported) < 3 or trend is None:
        return (
            f"Too few rows support another average of {feature} to describe the curve; read the band, not "
            "the line."
        )
    x, y = supported["target"].to_numpy(dtype=float), supported["value"].to_numpy(dtype=float)
    first, last = (trend.first, trend.last) if trend.direction else (0, x.size - 1)
    digits = distinguishing_digits(x)
    beyond = "" if (first, last) == (0, x.size - 1) else "; whether it goes on beyond, too few rows tell"
    return (
        f"As the average shifts from {number(x[first], digits)} to {number(x[last], digits)}, the {name} "
        f"{_shape(x, y, trend, scale)}{beyond}. {_slope(supported, scale, level)}"
    )


def _slope(supported: pd.DataFrame, scale: Scale, level: float) -> str:
    """The slope at the observed average, with its interval."""
    x = supported["target"].to_numpy(dtype=float)
    observed = int(np.argmin(np.abs(supported["kl"].to_numpy(dtype=float))))
    step = 10.0 ** np.floor(np.log10(max(np.ptp(x) / 4.0, 1e-300)))
    ends = supported[["slope", "slope_low", "slope_high"]].to_numpy(dtype=float)[observed]
    change, low, high = (scale.factor * step * end for end in ends)
    points = " points" if scale.in_percent else ""
    interval = f" ({percent(level)} interval {_signed(low)} to {_signed(high)})"
    known = f"{_signed(change)}{points}{interval if np.isfinite([low, high]).all() else ''}"
    at = number(x[observed], distinguishing_digits(x))
    return f"Near the observed average, {at}, raising it by {number(step, 1)} goes with a change of {known}."


def _signed(change: float) -> str:
    """A change with its sign, two significant digits."""
    return f"{'+' if change > 0 else ''}{number(change, 2)}"


def _shape(x: np.ndarray, y: np.ndarray, trend: Trend, scale: Scale) -> str:
    """Where a curve certainly rises and falls."""
    first, last = scale.value(y[trend.first]), scale.value(y[trend.last])
    there, back = ("rises", "falls") if trend.direction > 0 else ("falls", "rises")
    if trend.direction == 0:
        low, high = scale.value(float(y.min())), scale.value(float(y.max()))
        if low == high:
            return f"stays near {low}"
        return f"stays between {low} and {high}, no more than chance could explain"
    if trend.turn is None:
        return f"{there} from {first} to {last}"
    far = int(y.argmax() if trend.direction > 0 else y.argmin())
    far = far if trend.first < far < trend.last else trend.turn
    at = f"{scale.value(y[far])} at {number(x[far], distinguishing_digits(x))}"
    return f"{there} from {first} to {at} and {back} to {last}"


def levels_sentence(feature: str, ranking: pd.DataFrame, trends: Trends, name: str, scale: Scale) -> str:
    """The levels of a column that change the outcome most as they become more frequent."""
    up = ranking[(ranking["direction"] == "up") & np.isfinite(ranking["change"].astype(float))]
    if ranking["level"].nunique() == 2:
        up = up[up["level"] == ranking["level"].iloc[-1]]
    order = up["change"].abs().sort_values(ascending=False, kind="stable").index
    rows = up.loc[order].to_dict("records")
    certain = [r for r in rows if r["status"] == "ok" and trends.level(feature, r["level"])][:3]
    if not certain:
        return f"No level of {feature} changes the {name} by more than chance could explain."
    texts = [label_text(row["level"], ranking["level"]) for row in certain]
    levels = [
        f"{text} ({scale.change(row['change'])} at {percent(row['target'])} instead of "
        f"{percent(row['start'])} of the rows)"
        for text, row in zip(texts, certain, strict=True)
    ]
    these = "this level becomes" if len(levels) == 1 else "these levels become"
    return f"The {name} changes most as {these} more frequent: {join_words(levels)}."


def rules_sentence(tree: MimicTree) -> str:
    """Fidelity of the surrogate tree."""
    fidelity, n = tree.fidelity_, len(tree.leaves_)
    subject = f"A surrogate tree of {count(n)} rule{'' if n == 1 else 's'}"
    variance, follows = _variance(fidelity)
    if fidelity.label is None:
        return f"{subject} {variance} on rows that it was not fitted on. {follows}"
    label, low, high = (percent(p, 1) for p in (fidelity.label, *fidelity.measures["label"].ends()))
    return (
        f"{subject} predicts the same class as the model for {label} ({low} to {high}) of the rows that it "
        f"was not fitted on, and {variance}. {follows}"
    )


def _variance(fidelity: Fidelity) -> tuple[str, str]:
    """How much of the variance a surrogate tree explains, and how it follows the model."""
    measure = fidelity.measures["r2"]
    r2, *ends = (percent(max(end, 0.0)) for end in (measure.value, *measure.ends()))
    if measure.status == "constant":
        return "predicts what the model does", "The model's predictions are all the same."
    if measure.status != "ok":
        carried = "Next to all of the variance is that of a few rows, so that R² has no interval."
        return f"explains {r2} of the variance of the model's predictions", carried
    variance = f"explains {r2} ({' to '.join(ends)}) of the variance of the model's predictions"
    return variance, f"It follows the model {how_closely(measure.ends()[0])}."


def rules_warnings(tree: MimicTree) -> list[str]:
    """Why the rules should not be read as the model, if so."""
    fidelity = tree.fidelity_
    measures, warnings = fidelity.measures, []
    if measures["r2"].ends()[0] < ROUGH and measures["r2"].status != "constant":
        leave = "leave" if fidelity.r2 < ROUGH else "may leave"
        warnings.append(
            f"Do not read these rules as the model: they {leave} more than half of the variance of its "
            "predictions unexplained. More leaves (max_leaf_nodes) may fit better."
        )
    root = tree.pruning_path_.iloc[0]
    if "label" in measures and "fidelity" in root and measures["label"].ends()[0] <= root["fidelity"] < 1.0:
        warnings.append(
            f"The most frequent class alone agrees with the model for {percent(root['fidelity'], 1)} of the "
            "rows; by its interval, the rules may do no better."
        )
    return warnings + _poor_leaves(tree)


def _poor_leaves(tree: MimicTree) -> list[str]:
    if "fidelity" not in tree.leaves_:
        return []
    poor = tree.leaves_[tree.leaves_["fidelity"] < POOR_LEAF]
    if not len(poor):
        return []
    subject, agree, are = (
        (f"{count(len(poor))} of the rules", "agree", "They are")
        if len(poor) > 1
        else ("One of the rules", "agrees", "It is")
    )
    coverage = percent(float(poor["coverage"].sum()), 1)
    return [
        f"{subject}, for {coverage} of the rows, {agree} with the model in less than {percent(POOR_LEAF)} of "
        f"the cases that were tested. {are} marked."
    ]


def rules_note(tree: MimicTree, is_weighted: bool, is_fitted_here: bool) -> str:
    """How the fidelity was measured, and what the words for it mean."""
    measured = {
        "cross-fitted": "Fidelity is cross-fitted: each row is predicted by a tree that was fitted without "
        "it; the tree shown was fitted on all of them.",
        "held out": f"Fidelity is measured on {count(tree.fidelity_.n_rows)} held-out rows.",
    }
    sentences = [
        measured.get(tree.fidelity_.source, ""),
        "The rules describe the model, not the data: where the model is wrong, so are they.",
        f"\u201cClosely\u201d is at least {percent(CLOSE)} of the variance, \u201croughly\u201d at least "
        f"{percent(ROUGH)}, judged by the lower end of the interval.",
    ]
    if is_weighted and is_fitted_here:
        sentences.append("The tree, its fidelity and its coverage count each row by its weight.")
    elif is_weighted:
        sentences.append("The tree was fitted before this report, whose weights it does not use.")
    return " ".join(sentence for sentence in sentences if sentence)


def caveats(data: ReportData) -> list[str]:
    """How far the report can be trusted."""
    by = data.inputs.by
    # A group with some curves is not left out.
    with_curves = set(data.curves.frame["group"])
    left_out_groups = [
        (group, reason)
        for feature, group, reason in data.curves.skipped
        if feature == by and group is not None and group not in with_curves
    ]
    return [
        "Not causal: a reweighted population also differs in everything that is correlated with what was "
        "shifted. It answers \u201cwhat if more rows were like these\u201d, not \u201cwhat if we changed "
        "these rows\u201d.",
        *_correlations(data),
        *_unused(data),
        _thin_support(data),
        *reliability_sentences(
            [data.baseline, data.groups, data.ranking, data.error_ranking, data.curves.frame]
            + [one.scenario.outcomes for one in data.scenarios if one.scenario is not None],
            data.outcome_name,
        ),
        f"Intervals have {percent(data.inputs.confidence_level)} confidence. They cover the sampling of the "
        "rows for this model, not the training of the model on other rows. In the findings and rankings they "
        "are simultaneous: they hold together for everything compared, and so do all words on curves: rises, "
        "falls, changes. Intervals on curves, of slopes and in scenarios hold each "
        "on its own and takes the stated averages as exact; at the observed average they are therefore "
        "narrower than in the tables of the observed data.",
        *(
            f"Left out: {feature} \u2013 {reason}."
            for feature, group, reason in data.skipped
            if group is None
        ),
        *(f"Left out: the group {group} of {by} \u2013 {reason}." for group, reason in left_out_groups),
        *(
            f"Missing values: {name} is missing in {proportion} of the rows; its results rest on the others."
            for name, proportion in _missing(data)
        ),
        *(
            f"Not reached: {scenario_heading(result, data)}. {result.problem}"
            for result in data.scenarios
            if result.problem is not None
        ),
    ]


def _correlations(data: ReportData) -> list[str]:
    """The largest correlated shift of each feature in the findings."""
    parts = []
    for row in distinct_changes(data):
        shifts = data.correlated_shifts(row)
        if not shifts:
            continue
        (other, level), by = max(shifts.items(), key=lambda item: abs(item[1]))
        if abs(by) >= _NOTICEABLE:
            shifted = str(row["feature"])
            if row["level"] is not None:
                shifted += f" = {data.level_text(shifted, row['level'])}"
            what = other if level is None else f"the share of {other} = {level}"
            signed = ("+" if by > 0 else MINUS) + f"{abs(by):.2f}"
            parts.append(f"the shift of {shifted} also shifts {what}, by {signed} standard deviations")
    return ["Correlated features: " + "; ".join(parts) + "."] if parts else []


def _unused(data: ReportData) -> list[str]:
    """Columns that the model never sees: their curves show correlation alone."""
    columns = as_predictor(data.projection.model_).columns
    if columns is None:
        return []
    unused = [name for name in data.features if name not in columns]
    if not unused:
        return []
    they = "it changes" if len(unused) == 1 else "they change"
    return [
        f"Not used by the model: {join_words(unused)}; {they} the prediction only through correlated "
        "features. If one of them is the observed outcome, name it as the target."
    ]


def _thin_support(data: ReportData) -> str:
    thin = float(data.curves.frame["status"].isin(["thin", "boundary"]).mean())
    if thin == 0.0:
        return "Thin support: none; every point on the curves rests on enough effective rows."
    by = data.inputs.by
    within = "" if by is None else f" (there is one curve for each group of {by})"
    return (
        f"Thin support: {percent(thin)} of the points on the curves{within} rest on few effective rows: "
        f"fewer than 20{THIN_SPACE}% of the data's, or fewer than 20 among those that gain weight. They are "
        "drawn faint, and their intervals may be too narrow."
    )


def _missing(data: ReportData) -> list[tuple[str, str]]:
    """Columns with missing values, and their proportion."""
    table = data.projection.table_
    columns = {name: column for name, column in table.columns.items() if not column.immovable_reason()}
    proportions = {name: float(table.base[column.missing].sum()) for name, column in columns.items()}
    return [(name, percent(proportion)) for name, proportion in proportions.items() if proportion > 0.0]
