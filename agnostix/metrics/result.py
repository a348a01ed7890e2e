"""Results of metrics: scores of rows, their mean with an interval, and how it was made."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import checked_floats, plain_value, read_only
from agnostix.core.explanation.views import table_html
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.intervals import KINDS, MeanInterval


@dataclass(frozen=True, eq=False)
class MetricCurve:
    """Predictions along a perturbation, or what is made of them, of each row and of references.

    Attributes
    ----------
    x : ndarray of shape (n_points,)
        How far the perturbation has gone, such as the proportion of hidden pixels.
    values : ndarray of shape (n_rows, n_points) or (n_rows, n_points, n_outputs)
        Predictions, shaped as the scores with an axis of points; NaN where undefined.
    references : dict of str to ndarray shaped as values
        The same in another order, by its name: "least", "random".
    x_label : str
        What x counts.
    y_label : str or None
        What the values are; None: the predicted output.
    """

    x: Floats
    values: Floats
    references: dict[str, Floats] = field(default_factory=dict)
    x_label: str = "proportion hidden"
    y_label: str | None = None

    def __post_init__(self) -> None:
        values = checked_floats("values of a MetricCurve", self.values)
        x = checked_floats("x of a MetricCurve", self.x, (values.shape[1],), "(n_points,)")
        references = {
            name: checked_floats(f"references[{name!r}]", one, values.shape, "of values")
            for name, one in self.references.items()
        }
        for name, value in (("x", x), ("values", values), ("references", references)):
            object.__setattr__(self, name, value)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes of values."""
        return ("row", "point", "output")[: self.values.ndim]


@dataclass(frozen=True, eq=False, kw_only=True)
class MetricResult:
    """A metric of explanations: a score for each row, their mean and its interval.

    Attributes
    ----------
    name : str
        The metric.
    scores : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Of each row, and output where several were chosen; NaN where a row has
        none, which is left out of the mean.
    greater_is_better : bool or None
        None where neither is.
    made_for : tuple of str
        Quantities of explanations that the metric is made for.
    quantity : str
        That of the explanation.
    draw_errors : ndarray shaped as scores, or None
        Standard error of each row's score over the metric's own draws, which are
        independent between rows; None where nothing was drawn.
    shared_error : float, ndarray of shape (n_outputs,), or None
        What draws that all rows share, such as networks that were reset, add to the
        standard error of the mean; None where there are none.
    n_draws : int
        Draws for each row, or that all share; 0 for none.
    interval_kind : {"student", "wilson"}
        Student's, its ends moved outwards where scores are skewed, or Wilson's for the
        proportion of rows with score 1.
    curve : MetricCurve or None
        Predictions along the perturbation.
    references : dict of str to ndarray shaped as scores
        Scores to hold it against, such as those of a "random" order.
    fill : str or None
        What replaced what was hidden, or the background.
    mask : str or None
        How a map became a mask.
    n_model_rows : int
        Rows that the model evaluated, all rows of the metric together.
    output_names : tuple of str
        Of the outputs; "predicted" where each row has its own.
    row_names : tuple or None
        Labels of the rows.
    row_keys : ndarray of uint64 of shape (n_rows,), or None
        A hash of each row, by which results of the same rows are paired.
    params : dict
        Parameters of the metric: numbers, text, None, lists and dicts of them.
    details : dict of str to Detail
        What else it reports, arrays with named axes.
    verdict : str or None
        What the metric concludes, in words, with its level; None where it concludes nothing.
    notes : tuple of str
        What a reader should know: conversions, ties, rows without a score.
    """

    name: str
    scores: Floats
    greater_is_better: bool | None
    made_for: tuple[str, ...]
    quantity: str
    draw_errors: Floats | None = None
    shared_error: Any = None
    n_draws: int = 0
    interval_kind: str = "student"
    curve: MetricCurve | None = None
    references: dict[str, Floats] = field(default_factory=dict)
    fill: str | None = None
    mask: str | None = None
    n_model_rows: int = 0
    output_names: tuple[str, ...] = ("predicted",)
    row_names: tuple[Hashable, ...] | None = None
    row_keys: Codes | None = None
    params: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Detail] = field(default_factory=dict)
    verdict: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        scores = checked_floats("scores", self.scores)
        n_outputs = len(self.output_names)
        if scores.ndim not in (1, 2) or scores.size == 0 or (scores.ndim == 2) != (n_outputs > 1):
            raise ValueError(
                f"scores must have shape (n_rows,), or (n_rows, n_outputs) for several outputs; got "
                f"{scores.shape} and {n_outputs} output_names."
            )
        if self.interval_kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise ValueError(f"interval_kind must be one of {known}; got {self.interval_kind!r}.")
        errors = self.draw_errors
        references = self.references.items()
        shared = self.shared_error
        if shared is not None:
            shared = checked_floats("shared_error", np.atleast_1d(shared), (n_outputs,), "(n_outputs,)")
        checked: dict[str, Any] = {
            "scores": scores,
            "shared_error": shared,
            "draw_errors": None if errors is None else self._shaped("draw_errors", errors, scores),
            "references": {key: self._shaped(f"references[{key!r}]", one, scores) for key, one in references},
            "row_keys": None if self.row_keys is None else read_only(np.asarray(self.row_keys)),
            "params": {key: plain_value(f"params[{key!r}]", one) for key, one in self.params.items()},
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def _shaped(name: str, value: Any, scores: Floats) -> Floats:
        return checked_floats(name, value, scores.shape, "of scores")

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    @cached_property
    def _interval(self) -> MeanInterval:
        n_rows = len(self)
        errors = None if self.draw_errors is None else self.draw_errors.reshape(n_rows, -1)
        return MeanInterval.from_scores(
            self.scores.reshape(n_rows, -1), errors, self.n_draws, self.interval_kind, self.shared_error
        )

    def _by_output(self, values: Floats) -> Any:
        """A number for each output, or the only one."""
        return values.copy() if self.scores.ndim == 2 else float(values[0])

    @property
    def score(self) -> Any:
        """Mean of the scores over rows: float, or ndarray of shape (n_outputs,)."""
        return self._by_output(self._interval.mean)

    @property
    def std_error(self) -> Any:
        """Standard error of `score`: float, or ndarray of shape (n_outputs,)."""
        return self._by_output(self._interval.std_error)

    @property
    def degrees_of_freedom(self) -> Any:
        """Of the standard error: float, or ndarray of shape (n_outputs,)."""
        return self._by_output(self._interval.degrees_of_freedom)

    @property
    def interval_source(self) -> str:
        """What the interval is over: "rows" (draws included), "draws" (of a single row) or "none"."""
        return self._interval.source

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Confidence interval of the mean score.

        Parameters
        ----------
        level : float, default=0.95
            Nominal coverage, between 0 and 1.

        Returns
        -------
        low, high : float, or ndarray of shape (n_outputs,)
            For rows drawn as these are, with the spread of the metric's own draws
            inside. Of a single row over these draws alone; both equal `score`
            where there are none.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.

        Notes
        -----
        Each end is the outer one of Student's interval and of Hall's [1]_, which corrects for the
        skewness of scores. Of proportions it is Wilson's.

        References
        ----------
        .. [1] Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal
           Statistical Society B, 54. https://doi.org/10.1111/j.2517-6161.1992.tb01876.x
        """
        low, high = self._interval.ends(level)
        return self._by_output(low), self._by_output(high)

    def difference(self, other: MetricResult) -> MetricResult:
        """Subtract another result, row by row.

        Parameters
        ----------
        other : MetricResult
            Of the same metric, rows and outputs, for another explanation.

        Returns
        -------
        MetricResult
            Its interval is that of the mean of paired differences.

        Raises
        ------
        DataError
            If rows, outputs or metrics differ.
        """
        self._check_like(other)
        errors = [one.draw_errors for one in (self, other) if one.draw_errors is not None]
        shared = [one.shared_error for one in (self, other) if one.shared_error is not None]
        return replace(
            self,
            name=f"{self.name}, difference",
            scores=self.scores - other.scores,
            draw_errors=np.sqrt(sum(np.square(one) for one in errors)) if errors else None,
            shared_error=np.sqrt(sum(np.square(one) for one in shared)) if shared else None,
            n_draws=min((one.n_draws for one in (self, other) if one.n_draws), default=0),
            interval_kind="student",
            curve=None,
            references={},
            n_model_rows=self.n_model_rows + other.n_model_rows,
            details={},
            verdict=None,
            notes=(),
        )

    def against(self, reference: str) -> MetricResult:
        """Give the advantage over a reference, row by row: positive where the explanation is better.

        Parameters
        ----------
        reference : str
            A key of `references`, such as "random".

        Returns
        -------
        MetricResult
            Its interval is that of the mean of paired differences.

        Raises
        ------
        DataError
            If there is no such reference.
        """
        if reference not in self.references:
            known = ", ".join(map(repr, self.references)) or "none"
            raise DataError(f"{self.name} has no reference {reference!r}; it has {known}.")
        sign = -1.0 if self.greater_is_better is False else 1.0
        return replace(
            self,
            name=f"{self.name}, against {reference}",
            scores=sign * (self.scores - self.references[reference]),
            greater_is_better=True,
            draw_errors=None,
            shared_error=None,
            n_draws=0,
            interval_kind="student",
            curve=None,
            references={},
            details={},
            verdict=None,
            notes=(),
        )

    def _check_like(self, other: MetricResult) -> None:
        if not isinstance(other, MetricResult):
            raise TypeError(f"other must be a MetricResult, got {type(other).__name__}.")
        for what in ("name", "output_names"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(
                    f"difference needs results of one metric for the same outputs; {what} are "
                    f"{getattr(self, what)!r} and {getattr(other, what)!r}."
                )
        if len(self) != len(other):
            raise DataError(f"difference needs results of the same rows, got {len(self)} and {len(other)}.")
        if self.row_keys is None or other.row_keys is None:
            return
        apart = np.flatnonzero(self.row_keys != other.row_keys)
        if apart.size:
            raise DataError(
                f"difference needs results of the same rows in the same order; {apart.size} of {len(self)} "
                f"differ, the first of them row {apart[0]}."
            )

    def to_frame(self) -> pd.DataFrame:
        """Give the scores as a table.

        Returns
        -------
        DataFrame
            A line for each row and output: row, output, score, draw_error, and a column for
            each reference.
        """
        rows = range(len(self)) if self.row_names is None else self.row_names
        n_outputs = len(self.output_names)
        table: dict[str, Any] = {
            "row": [row for row in rows for _ in range(n_outputs)],
            "output": list(self.output_names) * len(self),
            "score": self.scores.ravel(),
        }
        if self.draw_errors is not None:
            table["draw_error"] = self.draw_errors.ravel()
        return pd.DataFrame(table | {name: one.ravel() for name, one in self.references.items()})

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the curve with its references, or the scores of the rows with their mean.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        **style : dict
            Passed to the Display.

        Returns
        -------
        MetricCurveDisplay or MetricScoresDisplay
        """
        from agnostix.plotting import MetricCurveDisplay, MetricScoresDisplay

        display = MetricScoresDisplay if self.curve is None else MetricCurveDisplay
        return display.from_result(self).plot(ax=ax, **style)

    def __repr__(self) -> str:
        lines = [
            f"{type(self).__name__}({self.name!r}: {self._describe_scores()}{self._describe_direction()}"
        ]
        lines[0] += f"; {len(self):,} row{'s' * (len(self) != 1)}, {self.n_model_rows:,} model rows)"
        return "\n  ".join([*lines, *([self.verdict] if self.verdict else []), *self.notes])

    def _repr_html_(self) -> str:
        low, high = (np.atleast_1d(end) for end in self.interval())
        means = np.atleast_1d(self.score)
        names = {key: np.nanmean(one.reshape(len(self), -1), axis=0) for key, one in self.references.items()}
        lines = [
            (name, mean, start, end, *(one[j] for one in names.values()))
            for j, (name, mean, start, end) in enumerate(
                zip(self.output_names, means, low, high, strict=True)
            )
        ]
        said = " ".join([*([self.verdict] if self.verdict else []), *self.notes])
        title = f"{self.name}{self._describe_direction()}: {self._describe_interval()}. {said}"
        return table_html(title, ("output", "mean", "low", "high", *names), lines)

    def _describe_scores(self) -> str:
        low, high = (np.atleast_1d(end) for end in self.interval())
        means = np.atleast_1d(self.score)
        has_ends = self.interval_source != "none"
        parts = []
        for name, mean, start, end in list(zip(self.output_names, means, low, high, strict=True))[:4]:
            label = f"{name} " if len(means) > 1 else ""
            parts.append(f"{label}{mean:.4g}" + (f" ({start:.4g} to {end:.4g})" if has_ends else ""))
        more = ", ..." if len(means) > 4 else ""
        return (
            ", ".join(parts)
            + more
            + ("" if self.interval_source == "rows" else f", {self._describe_interval()}")
        )

    def _describe_interval(self) -> str:
        return {
            "rows": "95% interval over rows" + (", draws included" if self.n_draws else ""),
            "draws": f"interval over {self.n_draws} draws for this one row",
            "none": "one row and no draws: no interval",
        }[self.interval_source]

    def _describe_direction(self) -> str:
        words = {True: ", greater is better", False: ", less is better", None: ""}
        return words[self.greater_is_better]
