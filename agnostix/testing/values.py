"""Checks of what the numbers must satisfy, whatever the method."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import SkipTest

import numpy as np

from agnostix.core.typing import Floats
from agnostix.testing.asking import answers, assert_same, fitted, is_population, refused, rows_for, told
from agnostix.testing.doubles import ConstantModel, IgnoringModel, InteractionModel, ProbabilityModel
from agnostix.testing.tables import named, numbers

ROUNDING = 1e-8
"""Up to which sums must agree, relative to the larger of 1 and what is summed up to."""
INTERVAL = 6.0
"""Standard errors between which and zero an ignored feature lies: all of them together, nearly always."""


def check_additive(explainer: Any) -> None:
    """Values sum to what their completeness says.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    for model in (InteractionModel(), ProbabilityModel()):
        exp = fitted(explainer, model, X).explain(X)
        if exp.completeness is None:
            raise SkipTest(f"values of quantity {exp.quantity!r} need not sum to anything")
        try:
            exp.check_additivity(ROUNDING)
        except ValueError as error:
            raise AssertionError(str(error)) from None


def assert_adds_up(values: Floats, outputs: Floats, base_values: Floats) -> None:
    """Complain unless values sum to outputs less base values.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features, n_outputs)
        The parts.
    outputs, base_values : ndarray of shape (n_rows, n_outputs)
        The ends.

    Raises
    ------
    AssertionError
        If they do not, beyond rounding.
    """
    room = ROUNDING * np.maximum(1.0, np.maximum(np.abs(outputs), np.abs(base_values)))
    apart = np.abs(values.sum(axis=1) - (outputs - base_values))
    assert (apart <= room).all(), f"values miss outputs less base values by up to {apart.max():.3g}"


def check_feature_equal_everywhere_is_zero(explainer: Any) -> None:
    """A feature with one value in the row and the whole background is exactly 0; it cannot be moved.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    X.reshape(len(X), -1)[:, 1] = 0.1
    own = fitted(explainer, InteractionModel(), X)
    if is_population(explainer):
        curves = own.explain()
        assert "x1" not in set(curves.frame["feature"]), "a column that does not vary has a curve"
        assert "x1" in {entry[0] for entry in curves.skipped}, "a column without a curve is not in skipped"
        return
    exp = own.explain(X)
    _skip_sensitivities(exp, "a model may be sensitive to a feature that does not vary")
    assert_zero(_of_column(exp, 1), 0.0, "a feature that does not vary")


def _skip_sensitivities(exp: Any, reason: str) -> None:
    """Skip what is not said of derivatives."""
    if exp.quantity == "sensitivity":
        raise SkipTest(f"{reason}, and quantity is 'sensitivity'")


def _of_column(exp: Any, column: int) -> Any:
    """The explanation of one column, or of the pixel that stands for it."""
    if "feature" in exp.dims:
        return exp.sel(features=column)

    def pick(array: Any) -> Any:
        return None if array is None else array.reshape(len(exp), -1, array.shape[-1])[:, [column]]

    return SimpleNamespace(values=pick(exp.values), std_errors=pick(exp.std_errors))


def check_ignored_feature(explainer: Any) -> None:
    """A feature the model does not look at is 0, or has 0 within its interval where values are sampled.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    exp = _of_column(fitted(explainer, IgnoringModel(1), X).explain(X), 1)
    errors = 0.0 if exp.std_errors is None else exp.std_errors
    beyond = np.abs(exp.values) - INTERVAL * errors
    assert (beyond <= 1e-12).all(), f"the value of an ignored feature is off by up to {beyond.max():.3g}"


def check_outputs_mirror(explainer: Any) -> None:
    """Where the outputs of every row sum to 1, what each feature does to them sums to 0.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    for n_outputs in (2, 3):
        own = fitted(explainer, ProbabilityModel(n_outputs), X)
        if is_population(explainer):
            _assert_curves_mirror(own.explain().frame)
        else:
            exp = own.explain(X)
            _skip_sensitivities(exp, "sizes of derivatives do not cancel")
            assert_mirrors(exp)


def _assert_curves_mirror(frame: Any) -> None:
    frame = frame[frame["value"].notna()]
    sums = frame.groupby(["feature", "target"])[["value", "slope"]].sum()
    apart = np.abs(sums.to_numpy() - [1.0, 0.0])
    assert (apart <= ROUNDING).all(), f"over the outputs, curves miss 1 by up to {apart.max():.3g}"


def assert_mirrors(exp: Any) -> None:
    """Complain unless values sum to 0 over outputs that sum to 1.

    Parameters
    ----------
    exp : Explanation
        Of such outputs, all of them.

    Raises
    ------
    AssertionError
        If they do not, beyond rounding.
    """
    for name, total in (("values", 0.0), ("base_values", 1.0), ("outputs", 1.0)):
        apart = np.abs(getattr(exp, name).sum(axis=-1) - total)
        assert (apart <= ROUNDING).all(), f"over the outputs, {name} miss {total} by up to {apart.max():.3g}"


def check_constant_model_is_zero(explainer: Any) -> None:
    """Under a model that always answers the same nothing has an effect, nor an error.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    for value in (0.1, -7.0):
        own = fitted(explainer, ConstantModel(value), X)
        if is_population(explainer):
            frame = own.explain().frame.dropna(subset="value")
            apart = np.abs(frame[["value", "std_error", "slope"]].to_numpy() - [value, 0.0, 0.0])
            assert (apart <= 1e-12 * abs(value)).all(), f"a constant moves by up to {apart.max():.3g}"
            continue
        exp = own.explain(X)
        rounding = 1e-12 * abs(value) if exp.completeness == "surrogate" else 0.0
        assert_zero(exp, rounding, "under a constant model")


def assert_zero(exp: Any, rounding: float, where: str) -> None:
    """Complain unless values and errors are 0.

    Parameters
    ----------
    exp : Explanation
        Whose.
    rounding : float
        How far off they may be.
    where : str
        Why they must be 0, for the message.

    Raises
    ------
    AssertionError
        If they are not.
    """
    for name in ("values", "std_errors"):
        found = getattr(exp, name)
        largest = 0.0 if found is None else float(np.abs(found).max())
        assert largest <= rounding, f"{where}, {name} must be 0 and reach {largest:.3g}"


def check_std_errors(explainer: Any) -> None:
    """Standard errors are finite and not negative, and there is one for every value, or for none.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    own = fitted(explainer, InteractionModel(), X)
    if not is_population(explainer):
        assert_errors(own.explain(X))
        return
    frame = own.explain().frame
    there = frame[frame["status"].isin(["ok", "thin"])]
    errors = there["std_error"].to_numpy()
    assert np.isfinite(errors).all(), "a standard error is NaN or infinite where there is an answer"
    assert (errors >= 0).all(), "a standard error is negative"
    assert ((there["low"] <= there["value"]) & (there["value"] <= there["high"])).all(), (
        "a value lies outside its interval"
    )


def assert_errors(exp: Any) -> None:
    """Complain of standard errors that are none.

    Parameters
    ----------
    exp : Explanation
        Whose.

    Raises
    ------
    AssertionError
        If there is one too many or too few, or one is NaN, infinite or negative.
    """
    errors = exp.std_errors
    if errors is None:
        return
    assert errors.shape == exp.values.shape, f"std_errors have shape {errors.shape}, not {exp.values.shape}"
    assert np.isfinite(errors).all(), "std_errors hold NaN or infinity"
    assert (errors >= 0).all(), "std_errors hold negative numbers"


def check_outputs_parameter(explainer: Any) -> None:
    """Outputs asked for by name or place are those of the whole explanation, "predicted" each row's own.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    own = fitted(explainer, ProbabilityModel(), X)
    whole, names = own.explain(X), own.explain(X).output_names
    for wanted in (names[1], 1, [names[2], names[0]], [2, 0]):
        kept = told(whole.sel(outputs=wanted))
        assert_same(_core(told(own.explain(X, outputs=wanted))), _core(kept), f"outputs={wanted!r}")
    predicted = own.explain(X, outputs="predicted")
    assert_same(
        {"outputs": predicted.outputs[:, 0]}, {"outputs": whole.outputs.max(1)}, "the predicted output"
    )
    best = whole.outputs.argmax(1).reshape(-1, *[1] * (whole.values.ndim - 1))
    expected = np.take_along_axis(whole.values, best, axis=-1)
    assert_same({"values": predicted.values}, {"values": expected}, "the predicted output")
    with refused("an output that is not there", "'nowhere'"):
        own.explain(X, outputs="nowhere")


def _core(said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in ("values", "std_errors", "base_values", "outputs") if name in said}


def check_groups(explainer: Any) -> None:
    """Columns of a group have one value, whatever their order; one group of all columns has everything.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = named(numbers())

    def exp(groups: dict[str, list[str]]) -> Any:
        return fitted(explainer, InteractionModel(), X, feature_groups=groups).explain(X)

    pair = exp({"pair": ["x0", "x2"]})
    assert pair.feature_names == ("pair", "x1", "x3"), f"the features are {pair.feature_names}"
    assert_same(told(exp({"pair": ["x2", "x0"]})), told(pair), "the columns of a group in another order")
    alone = answers(fitted(explainer, InteractionModel(), X), X)
    assert_same(told(exp({"only": ["x1"]})), alone, "a group of one column")
    everything = exp({"all": list(X.columns)})
    if everything.completeness != "surrogate":
        assert_adds_up(everything.values, everything.outputs, everything.base_values)
    for columns, words in ((["x0", "nowhere"], ["'nowhere'"]), (["x0", "x0"], ["'x0'", "twice"])):
        with refused(f"the group {columns}", "feature_groups", *words):
            exp({"pair": columns})
