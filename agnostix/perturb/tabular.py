"""Hiding columns of a table behind the values of background rows, whatever their types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.exceptions import DataError
from agnostix.perturb.plan import Plan
from agnostix.perturb.players import Players
from agnostix.typing import Bools, Codes, Floats
from agnostix.utils.frames import column_names, columns, is_frame, kind_of, to_codes, to_floats


@dataclass(frozen=True)
class Draws:
    """Background rows that differ in what a mask hides, with their weights.

    Attributes
    ----------
    rows : ndarray of int of shape (n_draws,)
        One background row for each distinct set of hidden values.
    weights : ndarray of shape (n_draws,)
        Their weights, summing to 1.
    """

    rows: Codes
    weights: Floats


@dataclass(frozen=True)
class TabularMasker:
    """A background, and the players whose columns it can stand in for.

    Attributes
    ----------
    background : DataFrame or ndarray of shape (n_background, n_columns)
        Real rows.
    weights : ndarray of shape (n_background,)
        Their weights, summing to 1.
    players : Players
        What is hidden as one.
    """

    background: Any
    weights: Floats
    players: Players

    @cached_property
    def _codes(self) -> Codes:
        """The background's values as codes, equal where the values are."""
        series = columns(self.background).values()
        return np.column_stack([_coded(column) for column in series])

    def draws(self, plan: Plan) -> list[Draws]:
        """For each mask, background rows merged where they agree in all that it hides.

        Parameters
        ----------
        plan : Plan
            The masks.

        Returns
        -------
        list of Draws
        """
        return [self._merged(mask) for mask in plan.masks]

    def check(self, X: Any) -> None:
        """Check that a table has the background's columns and types.

        Parameters
        ----------
        X : DataFrame or ndarray
            The table to be explained.

        Raises
        ------
        DataError
            If it does not.
        """
        if is_frame(X) != is_frame(self.background):
            kinds = ("a DataFrame", "an array") if is_frame(self.background) else ("an array", "a DataFrame")
            raise DataError(f"The background is {kinds[0]} and X is {kinds[1]}. Pass both in the same form.")
        own, given = column_names(self.background), column_names(X)
        if own != given:
            missing = [name for name in own if name not in given]
            extra = [name for name in given if name not in own]
            what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(extra)} more"
            what = what if missing or extra else "has them in another order"
            raise DataError(f"X must have the columns that fit saw ({', '.join(own)}), but it {what}.")
        if not is_frame(X):
            _check_arrays(X, self.background)
            return
        for name in X.columns:
            _check_types(str(name), X[name].dtype, self.background[name].dtype)

    def build(self, X: Any, rows: Codes, masks: Bools, draws: list[Draws]) -> Any:
        """The model's input for some rows under some masks.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.
        rows : ndarray of int of shape (n,)
            Which rows.
        masks : ndarray of bool of shape (n_masks, n_players)
            Which masks.
        draws : list of Draws
            One for each mask.

        Returns
        -------
        DataFrame or ndarray
            For each mask, for each row, one row for each draw, in this order.
        """
        sizes = np.array([rows.size * part.rows.size for part in draws])
        ends = np.cumsum(sizes)
        spans = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        X = X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
        own = np.concatenate([np.repeat(np.arange(rows.size), part.rows.size) for part in draws])
        if not is_frame(X):
            return self._build_array(X, own, rows.size, masks, draws, spans)
        return self._build_frame(X, own, rows.size, masks, draws, spans)

    def _merged(self, mask: Bools) -> Draws:
        hidden = [column for player in np.flatnonzero(~mask) for column in self.players.columns[player]]
        if not hidden:
            return Draws(np.zeros(1, dtype=np.intp), np.ones(1))
        _, first, which = np.unique(self._codes[:, hidden], axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        weights = np.bincount(which.ravel(), self.weights, first.size)
        return Draws(first[order], weights[order])

    def _build_array(
        self, X: Any, own: Codes, n: int, masks: Bools, draws: list[Draws], spans: list[slice]
    ) -> Any:
        out = X[own].astype(np.result_type(X.dtype, self.background.dtype), copy=False)
        for mask, part, span in zip(masks, draws, spans, strict=True):
            block = out[span].reshape(n, part.rows.size, out.shape[1])
            for player in np.flatnonzero(~mask):
                for column in self.players.columns[player]:
                    block[:, :, column] = self.background[part.rows, column]
        return out

    def _build_frame(
        self, X: Any, own: Codes, n: int, masks: Bools, draws: list[Draws], spans: list[slice]
    ) -> Any:
        """Column by column, each taken out of the table's own values followed by the background's."""
        taken: dict[Any, Any] = {}
        names = list(X.columns)
        for player, positions in enumerate(self.players.columns):
            index = own
            for mask, part, span in zip(masks, draws, spans, strict=True):
                if not mask[player]:
                    index = own.copy() if index is own else index
                    index[span] = np.tile(len(X) + part.rows, n)
            for position in positions:
                name = names[position]
                taken[name] = _take(X[name], self.background[name], index)
        ordered = {name: taken[name] for name in names}
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(ordered, copy=False)
        return type(X)(ordered)


def _check_arrays(X: Any, background: Any) -> None:
    texts = [part.dtype.kind in "SU" for part in (X, background)]
    if texts[0] != texts[1] and object not in (X.dtype, background.dtype):
        raise DataError(
            f"X holds values of type {X.dtype} and the background of type {background.dtype}. "
            "Convert one of them."
        )


def _check_types(name: str, given: Any, own: Any) -> None:
    if given == own:
        return
    if isinstance(given, pd.CategoricalDtype) and isinstance(own, pd.CategoricalDtype):
        what = "the categories"
        shown = [", ".join(map(repr, dtype.categories)) for dtype in (given, own)]
    else:
        what, shown = "dtype", [str(given), str(own)]
    raise DataError(
        f"Column {name!r} has {what} {shown[0]} in X and {shown[1]} in the background. Convert one of them."
    )


def _take(own: Any, background: Any, index: Codes) -> Any:
    if isinstance(own, pd.Series):
        if isinstance(own.dtype, pd.CategoricalDtype):  # equal, but perhaps in another order
            own = own.cat.set_categories(background.cat.categories)
        both = pd.concat([own, background], ignore_index=True)
        return both.take(index).reset_index(drop=True)
    return own.clone().append(background).gather(index)


def _coded(column: Any) -> Codes:
    if kind_of(column) != "numeric":
        return to_codes(column)[0]
    numbers = np.asarray(column)
    if numbers.dtype.kind not in "iu":  # as floats, large integers that differ would look alike
        numbers = to_floats(column)
    return np.unique(numbers, return_inverse=True)[1].ravel()
