"""Checks of values: completeness, zeros for what has no effect, standard errors, outputs, groups."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any
from unittest import SkipTest

import numpy as np

from agnostix.core.explanation.fields import INTERVAL_KIND, expand
from agnostix.core.intervals import UNDETERMINED
from agnostix.core.typing import Floats
from agnostix.testing.doubles import ConstantModel, IgnoringModel, InteractionModel, ProbabilityModel
from agnostix.testing.harness import (
    assert_identical,
    assert_raises,
    explains_population,
    explanation_arrays,
    fit_clone,
    make_rows,
    population_frame,
    results,
    takes_tables,
)
from agnostix.testing.tables import named, numbers

TOLERANCE = 1e-8
"""Of sums, relative to the larger of 1 and the terms of the sum."""
N_STD_ERRORS = 6.0
"""Half width of the interval that must hold 0, in standard errors: wide enough for many features."""


def check_completeness(explainer: Any) -> None:
    """Values sum to what their ``completeness`` states."""
    X = make_rows(explainer)
    for model in (InteractionModel(), ProbabilityModel()):
        exp = fit_clone(explainer, model, X).explain(X)
        if exp.completeness is None:
            raise SkipTest(f"values of quantity {exp.quantity!r} state no sum")
        try:
            exp.check_additivity(TOLERANCE)
        except ValueError as error:
            raise AssertionError(str(error)) from None


def assert_complete(values: Floats, outputs: Floats, base_values: Floats) -> None:
    """Fail unless values (n_rows, n_features, n_outputs) sum to outputs - base_values (n_rows, n_outputs)."""
    tolerance = TOLERANCE * np.maximum(1.0, np.maximum(np.abs(outputs), np.abs(base_values)))
    gap = np.abs(values.sum(axis=1) - (outputs - base_values))
    assert (gap <= tolerance).all(), (
        f"the sum of values misses outputs - base_values by up to {gap.max():.3g}"
    )


def check_constant_feature_is_zero(explainer: Any) -> None:
    """A feature with one value in the row and the whole background is exactly 0; it has no curve."""
    X = make_rows(explainer)
    X.reshape(len(X), -1)[:, 1] = 0.1
    fitted = fit_clone(explainer, InteractionModel(), X)
    if explains_population(explainer) and not takes_tables(explainer):
        effects = fitted.explain()
        assert effects.status.flat[1] == "not determined", "a constant pixel has an effect"
        assert np.isnan(effects.values[..., 0, 1]).all(), "a constant pixel has a value"
        return
    if explains_population(explainer):
        curves = fitted.explain()
        assert "x1" not in set(curves.frame["feature"]), "a constant column has a curve"
        assert "x1" in {entry[0] for entry in curves.skipped}, "a constant column is not listed in skipped"
        return
    exp = fitted.explain(X)
    _skip_quantities(
        exp,
        sensitivity="a model may be sensitive to it",
        relevance="there is no background that it is equal to",
        mask=_MASKS_ARE_SMOOTH,
    )
    assert_zero(_select_feature(exp, 1), 0.0, "a constant feature")


_MASKS_ARE_SMOOTH = "a mask covers neighboring pixels alike"


def _skip_quantities(exp: Any, **reasons: str) -> None:
    """Skip a check for quantities of which its claim is not true."""
    if exp.quantity in reasons:
        raise SkipTest(f"quantity {exp.quantity!r}: {reasons[exp.quantity]}")


def _select_feature(exp: Any, feature: int) -> Any:
    """Values and errors (n_rows, ..., 1, n_outputs) of one feature, or of the pixel at its place."""
    if "feature" in exp.dims:
        return exp.sel(features=feature)

    def select(array: Any) -> Any:
        # Methods and layers come before the pixels.
        flat = None if array is None else array.reshape(*array.shape[:-3], -1, array.shape[-1])
        return None if flat is None else flat[..., [feature], :]

    return SimpleNamespace(values=select(exp.values), std_errors=select(exp.std_errors), extras={})


def check_ignored_feature(explainer: Any) -> None:
    """A feature that the model ignores is 0, or has 0 in its interval where values are sampled."""
    X = make_rows(explainer)
    exp = fit_clone(explainer, IgnoringModel(1), X).explain(X)
    _skip_quantities(exp, mask=_MASKS_ARE_SMOOTH)
    assert_interval_holds_zero(_select_feature(exp, 1))


def assert_interval_holds_zero(exp: Any) -> None:
    """Fail unless the values of an ignored feature are 0 within their errors."""
    errors = 0.0 if exp.std_errors is None else _known_errors(exp)
    excess = np.abs(exp.values) - N_STD_ERRORS * errors
    assert (excess <= 1e-12).all(), f"the value of an ignored feature is off by up to {excess.max():.3g}"


def check_values_sum_to_zero_over_outputs(explainer: Any) -> None:
    """Where outputs sum to 1, the values of each feature sum to 0 over the outputs."""
    X = make_rows(explainer)
    for n_outputs in (2, 3):
        fitted = fit_clone(explainer, ProbabilityModel(n_outputs), X)
        if explains_population(explainer) and not takes_tables(explainer):
            gap = np.abs(fitted.explain().values.sum(axis=0)).max()
            assert gap <= 1e-9, f"effects on outputs that sum to 1 sum to {gap:.3g}"
        elif explains_population(explainer):
            _assert_curves_sum_to_one(fitted.explain().frame)
        else:
            exp = fitted.explain(X)
            _skip_quantities(
                exp,
                sensitivity="absolute values do not cancel",
                relevance="rules do not keep sums over outputs",
                mask="masks do not cancel",
            )
            assert_zero_sum_over_outputs(exp)


def _assert_curves_sum_to_one(frame: Any) -> None:
    frame = frame[frame["value"].notna()]
    sums = frame.groupby(["feature", "target"])[["value", "slope"]].sum()
    gap = np.abs(sums.to_numpy() - [1.0, 0.0])
    assert (gap <= TOLERANCE).all(), f"the sum of curves over outputs misses 1 by up to {gap.max():.3g}"


def assert_zero_sum_over_outputs(exp: Any) -> None:
    """Fail unless values sum to 0 over the outputs, which sum to 1."""
    for name, total in (("values", 0.0), ("base_values", 1.0), ("outputs", 1.0)):
        array = getattr(exp, name)
        if array is not None:
            gap = np.abs(array.sum(axis=-1) - total).max()
            assert gap <= TOLERANCE, f"the sum of {name} over outputs misses {total} by up to {gap:.3g}"


def check_constant_model_is_zero(explainer: Any) -> None:
    """Under a constant model all values are 0, and errors too, or not known."""
    X = make_rows(explainer)
    for value in (0.1, -7.0):
        fitted = fit_clone(explainer, ConstantModel(value), X)
        if explains_population(explainer):
            frame = population_frame(fitted).dropna(subset="value")
            numbers_of = ["value", "std_error", *(["slope"] if takes_tables(explainer) else [])]
            expected = [value if takes_tables(explainer) else 0.0, *[0.0] * (len(numbers_of) - 1)]
            gap = np.abs(frame[numbers_of].to_numpy() - expected)
            assert (gap <= 1e-12 * abs(value)).all(), (
                f"results of a constant model vary by up to {gap.max():.3g}"
            )
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a method may say that there is nothing to explain
            exp = fitted.explain(X)
        tolerance = 1e-12 * abs(value) if exp.completeness == "surrogate" else 0.0
        assert_zero(exp, tolerance, "a constant model")


def assert_zero(exp: Any, tolerance: float, case: str) -> None:
    """Fail unless values are 0, and standard errors too or of no determined interval."""
    for name, array in (("values", exp.values), ("std_errors", _known_errors(exp))):
        largest = 0.0 if array is None else float(np.abs(array).max())
        assert largest <= tolerance, f"{case}: {name} must be 0, the largest is {largest:.3g}"


def check_std_errors(explainer: Any) -> None:
    """Standard errors are finite and not negative, one for every value or none at all."""
    X = make_rows(explainer)
    fitted = fit_clone(explainer, InteractionModel(), X)
    if not explains_population(explainer):
        assert_valid_std_errors(fitted.explain(X))
        return
    frame = population_frame(fitted)
    solved = frame[frame["status"].isin(["ok", "thin"])]
    errors = solved["std_error"].to_numpy()
    assert np.isfinite(errors).all(), "a standard error is NaN or infinite where the value is finite"
    assert (errors >= 0).all(), "a standard error is negative"
    inside = (solved["low"] <= solved["value"]) & (solved["value"] <= solved["high"])
    assert inside.all(), "a value lies outside its interval"


def assert_valid_std_errors(exp: Any) -> None:
    """Fail if standard errors have another shape than the values, or are NaN, infinite or negative.

    They are NaN where the kind of the interval is "undetermined".
    """
    errors = _known_errors(exp)
    if errors is None:
        return
    assert errors.shape == exp.values.shape, f"std_errors have shape {errors.shape}, not {exp.values.shape}"
    assert np.isfinite(errors).all(), "std_errors hold NaN or infinity"
    assert (errors >= 0).all(), "std_errors hold negative numbers"


def _known_errors(exp: Any) -> Any:
    """Standard errors, 0 where they are NaN since the interval is undetermined."""
    kinds, errors = exp.extras.get(INTERVAL_KIND), exp.std_errors
    if errors is None or kinds is None:
        return errors
    return np.where((expand(kinds, exp.dims) == UNDETERMINED) & np.isnan(errors), 0.0, errors)


def check_outputs_parameter(explainer: Any) -> None:
    """Selected outputs are those of the whole explanation; "predicted" is each row's own."""
    X = make_rows(explainer)
    fitted = fit_clone(explainer, ProbabilityModel(), X)
    whole = fitted.explain(X)
    names = whole.output_names
    for selected in (names[1], 1, [names[2], names[0]], [2, 0]):
        actual, expected = fitted.explain(X, outputs=selected), whole.sel(outputs=selected)
        assert_identical(_main_arrays(actual), _main_arrays(expected), f"outputs={selected!r}")
    predicted = fitted.explain(X, outputs="predicted")
    best = whole.outputs.argmax(1)
    expected_values = np.take_along_axis(
        whole.values, best.reshape(-1, *[1] * (whole.values.ndim - 1)), axis=-1
    )
    assert_identical(
        {"outputs": predicted.outputs[:, 0], "values": predicted.values},
        {"outputs": whole.outputs.max(1), "values": expected_values},
        "outputs='predicted'",
    )
    with assert_raises("an unknown output", "'unknown'"):
        fitted.explain(X, outputs="unknown")


def _main_arrays(exp: Any) -> dict[str, Any]:
    arrays = explanation_arrays(exp)
    return {
        name: arrays[name] for name in ("values", "std_errors", "base_values", "outputs") if name in arrays
    }


def check_feature_groups(explainer: Any) -> None:
    """A group has one value whatever the order of its columns; a group of all columns has the whole sum."""
    X = named(numbers())

    def explain(groups: dict[str, list[str]]) -> Any:
        return fit_clone(explainer, InteractionModel(), X, feature_groups=groups).explain(X)

    pair = explain({"pair": ["x0", "x2"]})
    assert pair.feature_names == ("pair", "x1", "x3"), f"the features are {pair.feature_names}"
    reordered = explanation_arrays(explain({"pair": ["x2", "x0"]}))
    assert_identical(reordered, explanation_arrays(pair), "the columns of a group in another order")
    ungrouped = results(fit_clone(explainer, InteractionModel(), X), X)
    assert_identical(explanation_arrays(explain({"only": ["x1"]})), ungrouped, "a group of one column")
    everything = explain({"all": list(X.columns)})
    is_difference = everything.quantity in ("contribution", "effect") and everything.base_values is not None
    if is_difference and everything.completeness != "surrogate":
        assert_complete(everything.values, everything.outputs, everything.base_values)
    for columns, words in ((["x0", "unknown"], ["'unknown'"]), (["x0", "x0"], ["'x0'", "twice"])):
        with assert_raises(f"the group {columns}", "feature_groups", *words):
            explain({"pair": columns})
