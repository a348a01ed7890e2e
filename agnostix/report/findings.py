"""What the numbers say, in sentences written from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agnostix.report.material import Asked, Material
from agnostix.report.words import Scale, digits_apart, listed, number, percent, realism

_N_FINDINGS = 3
_HARDLY = 0.1
_ECHO = 0.33
"""Standard deviations, of the 0.45 that a feature is moved by itself, from which another echoes it."""
_QUALITY_WORDS = {"error_rate": "error rate", "mean_absolute_error": "mean absolute error"}


def outcome_name(material: Material) -> str:
    """The outcome in words.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    str
    """
    return f"mean {answer_name(material)}"


def answer_name(material: Material) -> str:
    """The outcome of a single row in words.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    str
    """
    name, output = target_name(material), material.output
    if output == "prediction":
        return output if name is None else f"predicted {name}"
    if material.projection.predictions_.task == "classification":
        event = f"class {output}" if name is None else f"{name} = {output}"
        event = output if output == name else event  # one score has the name of the truth, and no class
        return f"P({event})" if material.is_share else f"score of {event}"
    return f"predicted {output}"


def target_name(material: Material) -> str | None:
    """Name of the column of the truth, where it has one."""
    name = getattr(material.request.y, "name", None)
    return None if name is None else str(name)


def name_truth(material: Material, truth: str) -> str:
    """A true class with the name of its column; other truths as they are."""
    name = target_name(material)
    is_class = material.projection.predictions_.task == "classification"
    return f"{name} = {truth}" if is_class and name is not None else truth


def outcome_scale(material: Material) -> Scale:
    """How the outcome's values are written.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    Scale
    """
    half = (material.ranking["high"] - material.ranking["low"]).median() / 2.0
    return Scale.fitting(material.ranking["value"], float(half), material.is_share)


def quality_scale(material: Material) -> Scale:
    """How the model's errors are written.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    Scale
    """
    quality = material.quality
    half = (quality["high"] - quality["low"]).median() / 2.0
    share = bool((quality["quantity"] == "error_rate").all())
    return Scale.fitting(quality["value"], float(half), share)


def quality_name(material: Material) -> str:
    """The model's error in words."""
    return _QUALITY_WORDS[str(material.quality["quantity"].iloc[0])]


def headline_findings(material: Material) -> list[str]:
    """Three to five sentences for a reader who reads nothing else.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    list of str
    """
    name, scale = outcome_name(material), outcome_scale(material)
    sentences = [
        f"{_moved(row)}, the model's {name} is {_instead(row, scale)}. "
        + realism(row["ess"] / material.projection.table_.base_ess)
        for row in telling_apart(material)
    ]
    if not sentences:
        sentences = [
            f"No feature moves the {name} by more than chance could explain, when each is moved equally "
            "far and all are judged together."
        ]
    sentences += _about_quality(material) + _about_the_rest(material, scale)
    return sentences


def _instead(row: Mapping[Any, Any], scale: Scale) -> str:
    interval = scale.interval(row["low"], row["high"])
    return f"{scale.value(row['value'])} ({interval}) instead of {scale.value(row['base'])}"


def _telling(ranking: pd.DataFrame, most: int) -> list[dict[Any, Any]]:
    """The largest certain changes, one a feature."""
    certain = ranking[
        (ranking["status"] == "ok") & ((ranking["change_low"] > 0) | (ranking["change_high"] < 0))
    ]
    order = certain["change"].abs().sort_values(ascending=False, kind="stable").index
    return certain.loc[order].drop_duplicates("feature").head(most).to_dict("records")


def telling_apart(material: Material) -> list[dict[Any, Any]]:
    """The largest certain changes, without those that only echo a larger one.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    list of dict
        Rows of the ranking.
    """
    kept: list[dict[Any, Any]] = []
    for row in _telling(material.ranking, 4 * _N_FINDINGS):
        if not any(abs(_carried_along(material, earlier, row)) > _ECHO for earlier in kept):
            kept.append(row)
    return kept[:_N_FINDINGS]


def _carried_along(material: Material, mover: Mapping[Any, Any], moved: Mapping[Any, Any]) -> float:
    """How many standard deviations one average goes when another is moved as in the ranking."""
    goes_along = material.goes_along(mover)
    level = None if moved["level"] is None else str(moved["level"])
    return goes_along.get((moved["feature"], level), 0.0)


def _moved(row: Mapping[Any, Any]) -> str:
    if row["level"] is None:
        digits = digits_apart([row["start"], row["target"]])
        return (
            f"Reweighted so that {row['feature']} averages {number(row['target'], digits)} instead of "
            f"{number(row['start'], digits)}"
        )
    return (
        f"With {row['feature']} = {row['level']} in {percent(row['target'])} of the rows instead of "
        f"{percent(row['start'])}"
    )


def _about_quality(material: Material) -> list[str]:
    if material.quality.empty:
        return []
    scale = quality_scale(material)
    worse = material.quality[material.quality["change"] > 0]
    found = _telling(worse, 1)
    word = quality_name(material)
    if not found:
        return [
            f"No feature moves the model's {word}, {scale.value(_first_base(material))}, upwards by more "
            "than chance could explain, when each is moved equally far."
        ]
    row = found[0]
    return [
        f"{_moved(row)}, the model's {word} is {_instead(row, scale)}; of the increases that are certain, "
        "this is the largest."
    ]


def _first_base(material: Material) -> float:
    return float(material.quality["base"].iloc[0])


def _about_the_rest(material: Material, scale: Scale) -> list[str]:
    ranking = material.ranking[np.isfinite(material.ranking["change"].astype(float))]
    reach = np.maximum(ranking["change_low"].abs(), ranking["change_high"].abs())
    by_feature = ranking.assign(reach=reach).groupby("feature", sort=False)["reach"].max()
    limit = _HARDLY * float(ranking["change"].abs().max()) if len(ranking) else 0.0
    idle = [str(name) for name in by_feature.index[by_feature < limit]]
    if not idle:
        return []
    within = Scale(scale.share, max(scale.decimals, 1)) if scale.share else scale
    bound = within.change(float(by_feature[by_feature < limit].max())).lstrip("+")
    they = "it changes the outcome" if len(idle) == 1 else "they change the outcome"
    return [f"Hardly any change: {listed(idle)}; shifted as far, {they} by at most {bound}."]


def curve_sentence(feature: str, curve: pd.DataFrame, name: str, scale: Scale) -> str:
    """What a numeric feature's curve shows.

    Parameters
    ----------
    feature : str
        The column.
    curve : DataFrame
        Its curve, without groups.
    name : str
        The outcome in words.
    scale : Scale
        How its values are written.

    Returns
    -------
    str
    """
    solid = curve[curve["status"] == "ok"]
    if len(solid) < 3:
        return (
            f"Too few rows carry a different average of {feature} to say much; read the band, not the line."
        )
    x, y = solid["target"].to_numpy(dtype=float), solid["value"].to_numpy(dtype=float)
    start = int(np.argmin(np.abs(solid["kl"].to_numpy(dtype=float))))
    slope = float(solid["slope"].iloc[start])
    digits = digits_apart(x)
    head = f"As the average moves from {number(x[0], digits)} to {number(x[-1], digits)}, the {name} "
    here = f"Around the data's own average, {number(x[start], digits)}"
    step = 10.0 ** np.floor(np.log10(max(np.ptp(x) / 4.0, 1e-300)))
    change = _signed_change(step * slope, scale)
    tail = f" {here}, raising it by {number(step, 1)} goes with a change of {change}."
    return head + _course(x, y, float(np.nanmax(solid["std_error"])), scale) + "." + tail


def _course(x: np.ndarray, y: np.ndarray, error: float, scale: Scale) -> str:
    first, last, digits = scale.value(y[0]), scale.value(y[-1]), digits_apart(x)
    top, bottom = int(y.argmax()), int(y.argmin())
    edges = (0, y.size - 1)
    if np.ptp(y) <= 2.0 * error:
        return f"stays near {scale.value(float(y.mean()))}"
    if top not in edges and y[top] - max(y[0], y[-1]) > 2.0 * error:
        peak = f"{scale.value(y[top])} at {number(x[top], digits)}"
        return f"rises from {first} to {peak} and falls to {last}"
    if bottom not in edges and min(y[0], y[-1]) - y[bottom] > 2.0 * error:
        trough = f"{scale.value(y[bottom])} at {number(x[bottom], digits)}"
        return f"falls from {first} to {trough} and rises to {last}"
    if abs(y[-1] - y[0]) <= 2.0 * error:
        return f"stays between {scale.value(y[bottom])} and {scale.value(y[top])}"
    return f"{'rises' if y[-1] > y[0] else 'falls'} from {first} to {last}"


def _signed_change(change: float, scale: Scale) -> str:
    value = scale.factor * change
    sign = "+" if value > 0 else ""
    return f"{sign}{number(value, 2)}" + (" points" if scale.share else "")


def levels_sentence(feature: str, ranking: pd.DataFrame, scale: Scale) -> str:
    """Which levels of a column move the outcome.

    Parameters
    ----------
    feature : str
        The column.
    ranking : DataFrame
        Its rows of the ranking.
    scale : Scale
        How changes are written.

    Returns
    -------
    str
    """
    up = ranking[(ranking["direction"] == "up") & np.isfinite(ranking["change"].astype(float))]
    if ranking["level"].nunique() == 2:
        up = up[up["level"] == ranking["level"].iloc[-1]]
    order = up["change"].abs().sort_values(ascending=False, kind="stable").index
    certain = [r for r in up.loc[order].to_dict("records") if r["change_low"] > 0 or r["change_high"] < 0][:3]
    if not certain:
        return f"No level of {feature} moves the outcome by more than chance could explain."
    parts = [
        f"{row['level']} ({scale.change(row['change'])} at {percent(row['target'])} instead of "
        f"{percent(row['start'])})"
        for row in certain
    ]
    return "A larger share of a level moves it most for " + listed(parts) + "."


def scenario_sentence(asked: Asked, material: Material) -> str:
    """What a scenario says, or why it cannot be.

    Parameters
    ----------
    asked : Asked
        The scenario.
    material : Material
        Results.

    Returns
    -------
    str
    """
    if asked.scenario is None:
        return f"This cannot be reached. {asked.problem}"
    outcomes = asked.scenario.outcomes
    row = outcomes[outcomes["output"] == material.output].iloc[0].to_dict()
    scale = Scale.fitting([row["value"]], float(row["high"] - row["low"]) / 2.0, material.is_share)
    text = f"The {outcome_name(material)} is {_instead(row, scale)}. {realism(asked.scenario.ess_fraction)}"
    if asked.scenario.status == "thin":
        text += " Support is thin: the interval may be too narrow."
    if asked.scenario.status == "boundary":
        text += " The targets lie on the edge of the data: only some of the rows keep any weight."
    return text


def question(constraints: Mapping[str, Any]) -> str:
    """A scenario as its reader would ask it.

    Parameters
    ----------
    constraints : mapping
        The scenario.

    Returns
    -------
    str
    """
    parts = []
    for feature, wanted in constraints.items():
        if isinstance(wanted, Mapping):
            parts += [
                f"{feature} = {level} in {_share(share)} of the rows" for level, share in wanted.items()
            ]
        else:
            parts.append(f"an average {feature} {_amount(wanted)}")
    return listed(parts, most=12)


def _share(wanted: Any) -> str:
    if isinstance(wanted, tuple | list):
        return f"{percent(float(wanted[0]))} to {percent(float(wanted[1]))}"
    return percent(float(wanted))


def _amount(wanted: Any) -> str:
    if isinstance(wanted, tuple | list):
        low, high = wanted
        return f"between {low:.12g} and {high:.12g}"
    return f"of {wanted:.12g}"
