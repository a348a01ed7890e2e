"""Base classes of the Displays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from numbers import Integral
from typing import Any, ClassVar, Self

import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.intervals import check_level
from agnostix.plotting.attributions import take_row
from agnostix.plotting.style import axes_for, figure_style


class Display:
    """Base class of all Displays.

    A subclass is a dataclass whose first field is the table that is drawn. It writes
    `_figsize` (width and height of a new figure in inches) and `_draw`, whose keyword
    parameters `plot` passes on.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    """

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None, **style: Any) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure. `PixelsDisplay` and `SegmentsDisplay` take a
            sequence of Axes, one for each output; `PixelsGridDisplay` an array of
            them, or an empty Figure.
        **style : dict
            Depending on the Display: `factor` (float, default=1.0) multiplies all
            numbers, such as 100 for percent; `suffix` (str, default="") is their unit;
            `cmap` (str or Colormap); `intervals` (bool) draws the intervals of a
            `ScatterDisplay`, by default of up to 200 rows.

        Returns
        -------
        self : Display

        Raises
        ------
        TypeError
            If the Display has no such style.
        """
        known = inspect.signature(self._draw).parameters
        for name in style.keys() - known.keys():
            takes = ", ".join(["ax", *known])
            raise TypeError(f"{type(self).__name__}.plot has no parameter {name!r}; it takes {takes}.")
        with figure_style():
            self._set_axes(ax)
            self._draw(**style)
        return self

    def frame(self) -> pd.DataFrame:
        """The numbers that are drawn.

        Returns
        -------
        DataFrame
            A copy, in the order of the figure.
        """
        table: pd.DataFrame = getattr(self, fields(self)[0].name)  # type: ignore[arg-type]
        return table.copy()

    def _set_axes(self, ax: Any) -> None:
        self.ax_, self.figure_ = axes_for(ax, *self._figsize())

    def _figsize(self) -> tuple[float, float]:
        raise NotImplementedError

    def _draw(self, *args: Any, **style: Any) -> None:
        raise NotImplementedError


class ExplanationDisplay(Display):
    """Base class of the Displays of an `Explanation`.

    Attributes
    ----------
    name : str
        Its name in ``explanation.plot``.
    dims : tuple of tuples of str
        Dims of the explanations that it draws.
    needs : tuple of str
        Fields or details that these must have, such as outputs or segments.
    """

    name: ClassVar[str]
    dims: ClassVar[tuple[tuple[str, ...], ...]]
    needs: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_explanation(cls, explanation: Explanation, *args: Any, **parameters: Any) -> Self:
        """Select what is drawn.

        Parameters
        ----------
        explanation : Explanation
            The result of `explain`.
        *args, **parameters : tuple, dict
            Parameters of the Display.

        Returns
        -------
        ExplanationDisplay
        """
        raise NotImplementedError

    @classmethod
    def from_explainer(cls, explainer: Any, X: Any, *args: Any, **parameters: Any) -> Self:
        """Explain rows and select what is drawn.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted explainer.
        X : DataFrame or array-like
            The rows; if `row` is an integer, only that row is explained.
        *args, **parameters : tuple, dict
            Parameters of `from_explanation`; others, and `outputs`, are passed to `explain`.

        Returns
        -------
        ExplanationDisplay
        """
        known = inspect.signature(cls.from_explanation).parameters
        own = {name: parameters.pop(name) for name in known if name in parameters and name != "outputs"}
        row = own.get("row", known["row"].default) if "row" in known else None
        if isinstance(row, Integral):
            X, own["row"] = take_row(X, row), 0
        explanation = explainer.explain(X, **parameters)
        if "outputs" in known and parameters.get("outputs") is not None:
            own["outputs"] = explanation.output_names
        return cls.from_explanation(explanation, *args, **own)

    @classmethod
    def _fits(cls, explanation: Explanation) -> bool:
        """Whether the Display draws such explanations."""
        return explanation.dims in cls.dims and not _missing(cls, explanation)

    @classmethod
    def _check(
        cls, explanation: Explanation, max_features: int | None = None, confidence_level: float = 0.95
    ) -> None:
        """Raise ValueError unless there is something to draw with these parameters."""
        if not cls._fits(explanation):
            raise ValueError(_misfit(cls, explanation))
        for dim, n in zip(explanation.dims, explanation.values.shape, strict=True):
            if n == 0:
                raise ValueError(f"The explanation has no {dim}s: there is nothing to draw.")
        if max_features is not None and max_features < 1:
            raise ValueError(f"max_features must be at least 1, got {max_features}.")
        check_level(confidence_level, "confidence_level")


def draw(explanation: Explanation, name: str, options: dict[str, Any]) -> ExplanationDisplay:
    """Draw by the Display of that name, with parameters of its `from_explanation` and `plot`."""
    display = next(cls for cls in _subclasses(ExplanationDisplay) if cls.name == name)
    known = {"ax", *inspect.signature(display._draw).parameters} - {"self"}
    selected = {key: value for key, value in options.items() if key not in known}
    style = {key: value for key, value in options.items() if key in known}
    return display.from_explanation(explanation, **selected).plot(**style)


def displays_of(explanation: Explanation) -> dict[str, type[ExplanationDisplay]]:
    """Displays that draw such explanations, by their name in ``explanation.plot``."""
    return {
        display.name: display for display in _subclasses(ExplanationDisplay) if display._fits(explanation)
    }


def _subclasses(cls: type[ExplanationDisplay]) -> Iterator[type[ExplanationDisplay]]:
    """Concrete subclasses in the order of their definition."""
    for subclass in cls.__subclasses__():
        if "name" in vars(subclass):
            yield subclass
        yield from _subclasses(subclass)


def _missing(cls: type[ExplanationDisplay], explanation: Explanation) -> list[str]:
    """Fields and details that the Display needs and the explanation lacks."""
    fields_ = vars(explanation)
    return [name for name in cls.needs if fields_.get(name) is None and name not in explanation.extras]


def _misfit(cls: type[ExplanationDisplay], explanation: Explanation) -> str:
    missing = _missing(cls, explanation) if explanation.dims in cls.dims else []
    drawn, given = " or ".join(map(str, cls.dims)), str(explanation.dims)
    if missing:
        drawn, given = f"{drawn} and {missing[0]}", f"{given} and no {missing[0]}"
    others = ", ".join(sorted(display.__name__ for display in displays_of(explanation).values()))
    remedy = f"Use {others}." if others else "No Display draws it; `to_frame` gives its numbers."
    return f"{cls.__name__} draws explanations with dims {drawn}; this one has {given}. {remedy}"
