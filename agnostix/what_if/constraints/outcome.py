"""Constraints on the model's predictions: what population would have them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Numbers
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Compiled, Context
from agnostix.what_if.constraints.quantiles import (
    check_probability,
    compile_quantile,
    nearest_quantile,
    quantiles_of,
)
from agnostix.what_if.predictions import Predictions


@dataclass(frozen=True)
class Prediction(Average):
    """The mean prediction, a quantile of the predictions, or their share above a threshold.

    The inverse question: in which population, closest to the data, would the
    model predict this? Each is linear in the weights: the mean of the
    predictions, the mean of an indicator, and for a quantile v
    P(prediction < v) <= q <= P(prediction <= v).

    Parameters
    ----------
    target : float, str or pair of these
        What to reach, in the model's output units or as a share, or a range
        (low, high) for it. Relative to the data's: "+5", "-5", "*1.1".
    output : str, default=None
        Which output: a class, or the name of a regression's target. None: the
        only one, or the last of two classes.
    quantile : float, default=None
        The target is that of this quantile, above 0 and below 1.
    above : float, default=None
        The target is that of the share of predictions above this threshold.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The target may be missed, at a cost of penalty / 2 times the squared gap
        in standard deviations, in nats; of a quantile the gap is that of the
        share below the target from the quantile.
    where : mapping, default=None
        Rows that it is taken over: columns and the level, the list of levels or
        the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If both a quantile and a threshold are stated, the target is no number,
        pair or relative target, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.ErrorRate : The share of wrong predictions.

    Notes
    -----
    Second formulation: that of `Mean`, `Quantile` and `Proportion`, on a column
    that holds the predictions.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, Prediction
    >>> X = pd.DataFrame({"age": np.arange(20.0, 80.0)})
    >>> projection = EntropicProjection().fit(X, predictions=(X["age"] / 100) ** 2)
    >>> scenario = projection.what_if([Prediction(0.4), Prediction(0.1, above=0.5)])
    >>> scenario.conditions[["label", "before", "reached"]].round(2)
                               label  before  reached
    0             mean of prediction    0.28      0.4
    1  share of prediction above 0.5    0.15      0.1
    """

    target: Any
    output: Any = None
    quantile: float | None = None
    above: float | None = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantile is not None and self.above is not None:
            raise ValueError(
                "Prediction is about a quantile or about the share above a threshold, got both "
                f"quantile={self.quantile!r} and above={self.above!r}. State a Prediction for each."
            )
        if self.quantile is not None:
            check_probability("prediction", self.quantile)
        if self.above is not None and not (
            isinstance(self.above, int | float | np.integer | np.floating) and np.isfinite(self.above)
        ):
            raise ValueError(f"The threshold above= of Prediction must be a number, got {self.above!r}.")

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Mean, quantile or share."""
        if self.quantile is not None:
            return f"{self.quantile:g} quantile"
        return "mean" if self.above is None else "share"

    @property
    def is_share(self) -> bool:  # type: ignore[override]
        """Whether it is a share of rows."""
        return self.above is not None

    @property
    def named(self) -> tuple[str, Any]:
        """The prediction and its output."""
        return "prediction", self.output

    @property
    def label(self) -> str:
        """Its name: "mean of prediction = 1 where sex = Female"."""
        above = "" if self.above is None else f" above {self.above:g}"
        about = "prediction" if self.output in (None, "prediction") else self.subject
        return self._with_where(f"{self.kind} of {about}{above}")

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes."""
        return (*super().key, self.quantile, self.above)

    @property
    def shifted(self) -> tuple[str, ...]:
        """No column."""
        return ()

    def parts(self, context: Context) -> tuple[Prediction, ...]:
        """The same, its output named."""
        return (replace(self, output=output_name(context.predictions, self.output, self.target)),)

    def numbers(self, context: Context) -> Numbers:
        """The output, or whether it is above the threshold, shape (n_rows,)."""
        name = output_name(context.predictions, self.output, self.target)
        place = context.predictions.output_names.index(name)
        values = context.sample.restrict(context.predictions.values[:, place])
        return values if self.above is None else (values > self.above).astype(np.float64)

    def measure(self, context: Context, weights: np.ndarray) -> float:
        """What it is under weights (n_rows,); of several quantiles the one nearest to the target."""
        if self.quantile is None:
            return super().measure(context, weights)
        return nearest_quantile(
            self.numbers(context), self.members(context), weights, self.quantile, self.bounds(context)
        )

    def at_data(self, context: Context) -> float:
        """What it is in the data."""
        if self.quantile is None:
            return super().at_data(context)
        return quantiles_of(self.numbers(context), self.members(context), context.base, self.quantile)[0]

    def at_fixed_quantiles(self, context: Context) -> Prediction:
        """The same, the target of a quantile as a number."""
        if self.quantile is None:
            return self
        return replace(self, target=self.bounds(context), tolerance=None)

    def compile(self, context: Context) -> Compiled:
        """Conditions on the average, or on the shares below a quantile's target and up to it."""
        if self.quantile is None:
            return super().compile(context)
        numbers, member = self.numbers(context), self.members(context)
        self._check_varies(numbers, member)
        return compile_quantile(self, context, numbers, member, self.quantile)


def output_name(predictions: Predictions, output: Any, target: Any) -> str:
    """The output that is meant; ValueError if there is none of the name, or several and none is named."""
    names = predictions.output_names
    if output is not None:
        if str(output) not in names:
            raise ValueError(f"There is no output {output!r}. The outputs: {', '.join(names)}.")
        return str(output)
    if len(names) > 2 or (len(names) == 2 and not predictions.probabilities):
        raise ValueError(
            f"The model has {len(names)} outputs ({', '.join(names)}): say which, as "
            f"prediction={{{names[-1]!r}: {target!r}}} or Prediction({target!r}, output={names[-1]!r})."
        )
    return names[-1]
