"""Sentences on single rows, written from the numbers: predictions, explanations, fidelity and neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import LAYER
from agnostix.plotting.fidelity import ROUGH, Fidelity
from agnostix.plotting.words import format_value, label_feature, label_in_row
from agnostix.report.data import ReportData
from agnostix.report.formatting import LABEL_WIDTH, Scale, count, join_words, number, percent
from agnostix.report.sentences_absorbed import has_absorbed
from agnostix.report.single_rows import ExplainedRow, ExplanationView, RowRecord

_N_NAMED = 3
_TITLES = {
    "effect": "How does the prediction change when a feature is hidden?",
    "background effect": "How does the prediction change when a feature is replaced by background values?",
    "contribution": "How much does each feature contribute to the prediction?",
    "additive contribution": "How much does each feature contribute to the prediction?",
    "sensitivity": "How sensitive is the prediction to each feature?",
    "relevance": "How relevant is each feature to the prediction?",
    "coefficient": "What is the coefficient of each feature?",
    "mask": "Which features does the mask keep?",
    "surrogate": "How does a surrogate model near this row come to its prediction?",
    "surrogate tree": "How does the surrogate tree come to its prediction?",
}
_QUANTITIES = {
    "contribution": ("the contribution of each feature to {}", "contributions"),
    "effect": ("the effect of each feature on {}", "effects"),
    "sensitivity": ("the sensitivity of {} to each feature", "sensitivities"),
    "relevance": ("the relevance of each feature for {}", "relevance scores"),
    "coefficient": ("the coefficient of each feature for {}", "coefficients"),
    "mask": ("the mask of each feature for {}", "mask values"),
}
"""What the values are, and their plural."""
_MEANINGS = {
    "effect": "The effect of a feature is how the prediction changes when the feature is hidden.",
    "contribution": "A contribution is the part of the prediction that is attributed to the feature.",
    "sensitivity": (
        "A sensitivity states how strongly the prediction reacts to changes of the feature, not how much of "
        "the prediction is due to the feature."
    ),
    "relevance": "The relevance of a feature is what is propagated back to it from the prediction.",
    "coefficient": (
        "A coefficient is the weight of the feature in a linear model. What the feature adds to the "
        "prediction also depends on its value."
    ),
    "mask": "The mask is near 1 where a feature counts for the prediction, and near 0 elsewhere.",
    "background effect": (
        "The effect of a feature is the prediction less the mean prediction when the feature takes its "
        "values from the background rows and all others keep theirs. It answers \u201cwhat if the model had "
        "not known this value\u201d, not \u201cwhat if this value were different\u201d."
    ),
    "additive contribution": (
        "The contributions divide the difference between the prediction and the base value among the "
        "features; an interaction is divided among the features that take part in it. A contribution says "
        "what the model relies on here, not \u201cwhat if this value were different\u201d."
    ),
    "surrogate": (
        "A contribution is what the feature's value in this row adds to the prediction of a surrogate: {}, "
        "fitted to the model's predictions for rows sampled near this one, with larger weights for closer "
        "rows. It describes the model only as far as the two agree."
    ),
    "surrogate tree": (
        "The contribution of a feature sums, over the splits on it along the row's path through the "
        "surrogate tree, the change of the mean prediction from node to node. It describes the model only as "
        "far as the two agree, and a feature that is not on the path has none."
    ),
}


def row_name(row: RowRecord) -> str:
    """A row in a sentence."""
    return f"new row {row.number}" if row.is_new else f"row {row.number}"


def row_heading(row: RowRecord) -> str:
    """A row in a heading, with its label."""
    return _capitalized(row_name(row)) + ("" if row.label is None else f", labeled {row.label}")


def prediction_sentence(row: RowRecord, data: ReportData, scale: Scale) -> str:
    """The prediction, and the observed outcome if there is one."""
    name, value = data.prediction_name.removeprefix("predicted "), scale.value(row.prediction)
    equals = value if name == "prediction" else f"{name} = {value}"
    observed = "" if row.observed is None else f" (observed: {_observed(format_value(row.observed), data)})"
    return f"For {row_name(row)} the model predicts {equals}{observed}."


def _observed(value: str, data: ReportData) -> str:
    """An observed class with the name of its column; numbers as they are."""
    return f"{data.target_name} = {value}" if data.is_classification and data.target_name else value


def explanation_title(view: ExplanationView) -> str:
    """The question that an explanation answers."""
    return _TITLES[view.kind]


def explanation_sentences(view: ExplanationView) -> list[str]:
    """What is explained, and which values raise and lower it by more than their error."""
    up, down = view.significant
    is_sampled = (pd.concat([up, down])["std_error"] > 0).any()
    intervals = f", with {percent(view.confidence_level)} intervals" if is_sampled else ""
    first, second = (intervals, "") if len(up) else ("", intervals)
    if view.explanation.quantity in ("contribution", "effect"):
        raises, lowers = f"What raises it most{first}", f"What lowers it most{second}"
        no_up, no_down = "No feature clearly raises it.", "No feature clearly lowers it."
    else:
        values = _QUANTITIES[view.explanation.quantity][1]
        raises, lowers = f"The largest {values}{first}", f"Negative {values}{second}"
        no_up = f"No {values} are clearly above 0."
        # Masks and absolute gradients have no sign.
        no_down = f"No {values} are clearly below 0." if (view.written["value"] < 0).any() else ""
    sentences = [
        _start(view),
        _largest(raises, up, view.scale) if len(up) else no_up,
        _largest(lowers, down, view.scale) if len(down) else no_down,
    ]
    return [sentence for sentence in sentences if sentence]


def _start(view: ExplanationView) -> str:
    """Where values lead from and to, or what they are."""
    if view.kind.startswith("surrogate"):
        return _surrogate_difference(view)
    return _difference(view) if view.is_waterfall else _stated(view)


def _stated(view: ExplanationView) -> str:
    """What the values are, of which output, and their units."""
    name = view.prediction_name
    what = _QUANTITIES[view.explanation.quantity][0].format(name if name.startswith("P(") else f"the {name}")
    return f"The values are {what}{f', in {view.units}' if view.units else ''}."


def _difference(view: ExplanationView) -> str:
    """How far the prediction is from the base value."""
    scale = view.scale
    base, output = scale.value(view.base), scale.value(view.output)
    size = scale.change(abs(view.difference)).removeprefix("+")
    where = (
        "equal to" if size == scale.change(0.0) else f"{size} {'above' if view.difference > 0 else 'below'}"
    )
    sentence = f"The prediction, {output}, is {where} {_base_name(view)}, {base}"
    if view.in_log_odds:
        probability = float(expit(view.base))
        shown = Scale.from_contributions([probability], view.in_percent).value(probability)
        return f"{sentence} (log-odds; the latter is a probability of {shown})."
    return f"{sentence}, in {view.units}." if view.in_other_units else f"{sentence}."


def _base_name(view: ExplanationView) -> str:
    n_background = view.explanation.extras.get("background_size")
    if n_background is None:
        return "the base value"
    rows = f"{count(n_background)} background rows" if n_background > 1 else "the one background row"
    return f"the mean prediction of {rows}"


def _surrogate_difference(view: ExplanationView) -> str:
    """How far the surrogate's prediction is from its base value."""
    base = f"The base value of the surrogate{_meaning_of_base(view)} is {view.scale.value(view.base)}"
    unit = f" in {view.units}" if view.units else ""
    change = view.scale.change(view.difference)
    if view.is_additive:
        values = _QUANTITIES[view.explanation.quantity][1]
        return f"{base}{unit}; its {values} for the row add up to {change}."
    return f"{base}{unit}; its prediction for the row differs from it by {change}."


def _meaning_of_base(view: ExplanationView) -> str:
    if view.rule is not None:
        return ", its mean prediction for all rows,"
    if view.explanation.params.get("surrogate") == "tree":
        return ", its mean prediction near the row,"
    has_conditions = len(view.values) > 0 and view.values["condition"].notna().all()
    return ", its prediction where none of these conditions holds," if has_conditions else ""


def _largest(what: str, values: pd.DataFrame, scale: Scale) -> str:
    parts = []
    for step in values.head(_N_NAMED).to_dict("records"):
        text = scale.change(step["value"])
        if step["std_error"] > 0:
            text += f", {scale.change_interval(step['low'], step['high'])}"
        parts.append(f"{_label(step)} ({text})")
    return f"{what}: {join_words(parts)}."


def _label(step: dict[Any, Any]) -> str:
    return label_in_row(step["label"], step["data"], step["condition"], LABEL_WIDTH)


def explanation_remarks(view: ExplanationView) -> list[str]:
    """What cannot be claimed, and whether the values add up."""
    written, values = view.written, view.values
    unclear = np.isneginf(written["low"]) & np.isposinf(written["high"])
    uncertain = (written["low"] <= 0) & (written["high"] >= 0) & ~unclear
    is_small = written["value"] == 0
    remarks = [f"Not determined: {_names(values[unclear])}."] if unclear.any() else []
    remarks += [*_uncertain(values[uncertain & ~is_small]), *_small(values[uncertain & is_small], view.scale)]
    if view.rule is not None:
        remarks.append(f"The rule of this row: {view.rule}.")
    elif view.is_surrogate:
        remarks += [*_not_selected(view), *_unseen_values(view)]
    if view.target is not None and not (view.is_surrogate and view.is_additive):
        remarks += [] if has_absorbed(view.explanation) else [_additivity(view)]
    return remarks


def _uncertain(values: pd.DataFrame) -> list[str]:
    if values.empty:
        return []
    intervals = "its interval contains" if len(values) == 1 else "their intervals contain"
    return [f"Not distinguishable from 0: {_names(values)}; {intervals} it."]


def _small(values: pd.DataFrame, scale: Scale) -> list[str]:
    if values.empty:
        return []
    least = Scale(scale.in_percent, scale.decimals + 1).change(0.5 * 10.0**-scale.decimals / scale.factor)
    return [f"Near 0, below {least.lstrip('+')}: {_names(values)}."]


def _names(values: pd.DataFrame) -> str:
    steps = values.assign(data=None).to_dict("records")
    return join_words([_label(step) for step in steps], most=4)


def _additivity(view: ExplanationView) -> str:
    """Whether the values sum to what is explained, and for effects why not."""
    scale, total, difference = view.scale, view.total, view.target
    assert difference is not None
    is_whole = view.explanation.completeness == "outputs"
    expected = scale.value(difference) if is_whole else scale.change(difference)
    values = _QUANTITIES[view.explanation.quantity][1]
    if view.is_additive:
        return f"The {values} add up to the {'prediction' if is_whole else 'difference'}, {expected}."
    sums = f"their sum is {scale.value(total) if is_whole else scale.change(total)} instead of {expected}"
    if view.explanation.quantity != "effect":
        gap = view.explanation.completeness_gap
        stated = "" if gap is None else f" The explainer reports a gap of {scale.change(float(gap[0, 0]))}."
        return f"The {values} do not add up: {sums}.{stated}"
    if total * difference >= 0 and abs(total) < abs(difference):
        why = "features change less than all at once, as where two carry the same information"
    elif total * difference >= 0:
        why = "features change more than all at once, as where two matter only together"
    else:
        why = "features need not change what all of them change at once"
    return f"The {values} do not add up: {sums}. Replaced one at a time, {why}."


def _not_selected(view: ExplanationView) -> list[str]:
    names = [label_in_row(name, None, None, LABEL_WIDTH) for name in view.not_selected]
    n = len(view.values)
    limit = f"The surrogate is limited to {count(n)} feature{'' if n == 1 else 's'}"
    return [f"{limit}; not selected: {join_words(names, most=4)}."] if names else []


def _unseen_values(view: ExplanationView) -> list[str]:
    """Values of which the samples say too little, and what their contributions are instead."""
    unseen, contrasted = _flags(view, "unseen"), _flags(view, "contrasted")
    return [
        *_unseen(view, unseen, "not among the samples"),
        *_unseen(view, contrasted & ~unseen, "too rare among the samples"),
    ]


def _flags(view: ExplanationView, name: str) -> Any:
    """Flags (n_features,) of the row; False where there are none."""
    detail: Any = view.explanation.extras.get(name)
    return np.zeros(len(view.explanation.feature_names), dtype=bool) if detail is None else detail.array[0]


def _unseen(view: ExplanationView, which: Any, why: str) -> list[str]:
    names = np.array(view.explanation.feature_names)[which]
    if not names.size:
        return []
    labels = join_words([label_in_row(name, None, None, LABEL_WIDTH) for name in names], most=4)
    values = "A value that is" if len(names) == 1 else "Values that are"
    return [
        f"{values} {why}: {labels}. The contribution is the mean change of the model's prediction for rows "
        "near this one when the value is put into them."
    ]


def explanation_note(view: ExplanationView) -> str:
    """What an explanation means, and what it cost."""
    explanation, n = view.explanation, view.explanation.n_model_rows
    is_tree = explanation.params.get("surrogate") == "tree"
    together = "" if view.n_rows == 1 else f" for {view.n_rows} rows together"
    return " ".join(
        [
            _MEANINGS[view.kind].format("a small decision tree" if is_tree else "a weighted sum of features"),
            *_layer_note(explanation),
            *_exact_note(explanation),
            f"Cost: {count(n)} model row{'' if n == 1 else 's'}{together}{_evaluated(view)}, by "
            f"{explanation.method}.",
        ]
    )


def _layer_note(explanation: Explanation) -> list[str]:
    """What features are where they are no columns, but a layer's units."""
    return (
        [f"Features are units of layer {explanation.extras[LAYER]}."] if LAYER in explanation.extras else []
    )


def _exact_note(explanation: Explanation) -> list[str]:
    """Over what values are exact that are read from a model's own trees."""
    extras = explanation.extras
    if extras.get("algorithm") != "tree":
        return []
    size = int(extras["background_size"])
    table = f"the whole table of {count(size)} rows" if size > 1 else "the only row of the table"
    return [
        f"They are exact over {table}: read from the model's own trees, checked against its prediction, "
        "without sampling."
    ]


def _evaluated(view: ExplanationView) -> str:
    """Background rows, coalitions and samples that the values rest on."""
    extras = view.explanation.extras
    if extras.get("algorithm") == "tree":
        return ""
    size, evaluations, samples = (
        extras.get(name) for name in ("background_size", "evaluations", "n_samples")
    )
    parts = []
    if size is not None:
        parts.append(f"{count(size)} background row{'' if size == 1 else 's'}")
    if evaluations is not None:
        parts.append(f"{count(np.max(evaluations.array))} coalitions of this row's features")
    if samples is not None:
        # Samples that all rows share are evaluated once, before any row is explained.
        is_shared = np.max(samples.array) > view.explanation.n_model_rows
        where = "evaluated before" if is_shared else "sampled near it"
        parts.append(f"{count(np.max(samples.array))} rows {where}")
    return f", with {join_words(parts)}" if parts else ""


def fidelity_sentence(view: ExplanationView) -> str:
    """How closely a surrogate follows the model, and the predictions of both for the row."""
    fidelity, scale = view.fidelity, view.scale
    if not view.in_output_units:  # the scale is that of coefficients
        in_percent = view.in_percent and not view.in_other_units
        scale = Scale.from_contributions([view.end, view.output], in_percent)
    surrogate, model = scale.value(view.end), scale.value(view.output)
    if fidelity is not None and fidelity.is_constant:
        return f"The model predicts {model} everywhere near the row: there is nothing for a surrogate to fit."
    if fidelity is not None and fidelity.is_undetermined:
        return (
            f"The model predicts {model} for the row, and no sample drawn near it meets what the row has: "
            "how well a surrogate follows the model there, and the values, are not determined."
        )
    subject = (
        "A surrogate fitted to the model's predictions near the row"
        if view.rule is None
        else "A surrogate tree fitted to the model's predictions for all rows"
    )
    both = f"predicts {surrogate} for the row itself, where the model predicts {model}"
    if fidelity is None:
        return f"{subject} {both}."
    explained = percent(fidelity.r2) if fidelity.r2 > 0.0 else "none"
    return (
        f"{subject} follows them {fidelity.follows}: it explains {explained} of their variance, "
        f"{fidelity.r2_words}, and {both}."
    )


def fidelity_warnings(view: ExplanationView) -> list[str]:
    """Why a surrogate should not be relied on, if so."""
    fidelity = view.fidelity
    if fidelity is None or fidelity.is_constant or fidelity.is_undetermined:
        return []
    warnings = []
    if fidelity.is_poor:
        warnings.append(
            f"Do not rely on these {_QUANTITIES[view.explanation.quantity][1]} alone: the surrogate "
            f"{_misfit(fidelity, view.rule is None)}. Occlusion and Shapley values explain the model itself."
        )
    if fidelity.is_off and view.in_output_units:
        gap = view.scale.change(abs(fidelity.output - fidelity.surrogate_output)).lstrip("+")
        warnings.append(
            f"For the row itself the two predictions differ by {gap}, more than the largest contribution."
        )
    return warnings


def _misfit(fidelity: Fidelity, is_local: bool) -> str:
    where = "near the row" if is_local else "over all rows"
    if fidelity.r2 < 0.0:
        return f"fits worse than a constant {where}"
    if fidelity.r2 < ROUGH:
        return f"leaves more than half of the variance of the predictions {where} unexplained"
    return (
        f"may leave more than half of the variance of the predictions {where} unexplained, as its interval "
        "shows"
    )


def neighbor_sentences(row: ExplainedRow, data: ReportData, scale: Scale) -> list[str]:
    """Whether a row is in the data, how near its neighbors are, and what is predicted for them."""
    sentences = [_in_data(row, data)]
    near = row.neighbors
    if near.distances[0] > 0.0:
        differing = [name for name, part in zip(row.compared, near.parts[0], strict=True) if part > 0]
        names = join_words([label_feature(name, most=LABEL_WIDTH) for name in differing], most=4)
        sentences.append(
            f"The nearest neighbor, {row_name(row.neighbor_records[0])}, differs in {names}. Its distance, "
            f"from 0 (equal) to 1, is {number(near.distances[0], 2)}; the median distance of the "
            f"{count(near.n_compared)} rows is {number(near.median, 2)}."
        )
    return [*sentences, _neighbor_predictions(row.neighbor_records, data, scale)]


def _in_data(row: ExplainedRow, data: ReportData) -> str:
    n, record = row.neighbors.n_equal, row.record
    other = "" if record.is_new else "other "
    rows = f"{'no' if n == 0 else 'one'} {other}row equals" if n <= 1 else f"{count(n)} {other}rows equal"
    n_compared, n_columns = len(row.compared), len(data.projection.table_.columns)
    if n_compared == n_columns:
        where = f"all {n_compared} columns" if n_compared > 1 else "the only column"
    else:
        columns = f"the {n_compared} columns" if n_compared > 1 else "the one column"
        where = f"{columns} that the model uses"
    known = "is not in the data" if record.is_new and n == 0 else "is in the data"
    return f"{_capitalized(row_name(record))} {known}; {rows} it in {where}."


def _neighbor_predictions(records: list[RowRecord], data: ReportData, scale: Scale) -> str:
    predictions = [row.prediction for row in records]
    low, high = scale.value(min(predictions)), scale.value(max(predictions))
    predicted = low if low == high else scale.interval(min(predictions), max(predictions))
    neighbors = "this neighbor" if len(records) == 1 else f"the {len(records)} nearest neighbors"
    return f"For {neighbors} the model predicts {predicted}{_neighbor_outcomes(records, data)}."


def _neighbor_outcomes(records: list[RowRecord], data: ReportData) -> str:
    observed = [row.observed for row in records]
    if observed[0] is None:
        return ""
    if data.is_classification:
        n = sum(str(value) == data.output for value in observed)
        return f"; {_observed(data.output, data)} is observed for {n} of {len(observed)}"
    numbers = np.asarray(observed, dtype=float)
    low, high = format_value(numbers.min()), format_value(numbers.max())
    return f"; observed is {low}" if low == high else f"; observed values range from {low} to {high}"


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]
