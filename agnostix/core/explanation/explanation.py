"""The result of explaining rows: one number for each row, feature and output, and what it rests on."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import storage
from agnostix.core.explanation.checks import (
    checked_data,
    checked_errors,
    checked_extra,
    checked_floats,
    checked_names,
    checked_row_names,
    counted,
    plain_value,
)
from agnostix.core.explanation.extras import extras_of_features, extras_of_outputs
from agnostix.core.explanation.html import explanation_html
from agnostix.core.explanation.interop import explanation_to_shap
from agnostix.core.explanation.selection import (
    find_places,
    in_order,
    label_series,
    object_array,
    over_rows,
    row_places,
)
from agnostix.core.frames import columns, is_frame, kind_of, take_rows, to_floats
from agnostix.core.typing import Codes, Floats

KINDS = ("additive", "surrogate", "occlusion")
AGGREGATES = ("mean_abs", "mean", "max_abs")


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """What each feature does to each output, row by row.

    Explainers make it; nothing in it changes afterwards: its arrays are
    read-only, and indexing, selecting and loading give new ones. ``exp[rows]``
    keeps rows (an int, a slice, indices or a mask; the row axis stays), ``len(exp)``
    counts them.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_features, n_outputs)
        In explained units (those of `outputs`). Pictures that were explained
        point by point have shape (n_rows, height, width, n_outputs). NaN only
        where a row has fewer features than others (segments of a picture, words of a text).
    std_errors : ndarray shaped as values, or None
        Standard errors of the values, 0 where a value is exact, never NaN; None
        where nothing was sampled.
    base_values : ndarray of shape (n_rows, n_outputs)
        The output where nothing is known of the row, in explained units.
    outputs : ndarray of shape (n_rows, n_outputs)
        The model's answers, in explained units: after the link, if there is one.
    data : DataFrame, ndarray of n_rows rows, or None
        The rows as they were given. A feature's values are found in the frame's
        column of its name, or in the array's column of its place where there are
        as many columns as features.
    feature_names : tuple of str
        Without repetition; empty for pictures explained point by point.
    output_names : tuple of str
        Without repetition.
    row_names : tuple or None
        Labels of the rows.
    kind : {"additive", "surrogate", "occlusion"}
        "additive": values sum to ``outputs - base_values``; "surrogate": they
        tell of a simpler model; "occlusion": each is the effect of hiding one feature.
    method : str
        What made it.
    params : dict
        Its parameters, plain values: numbers, text, None, lists and dicts of them.
    fidelity : dict of str to ndarray of shape (n_rows, n_outputs), or None
        How well the explanation fits the model, by the measure's name.
    n_model_rows : int
        Rows the model was asked about for the whole explanation; parts of it keep the number.
    extras : dict
        What else a method tells: arrays or plain values. Arrays whose first axis
        has n_rows entries go by row and follow ``exp[rows]``.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> exp = Explanation(
    ...     values=[[[0.5], [-0.2]], [[0.1], [0.4]]],
    ...     base_values=[[1.0], [1.0]],
    ...     outputs=[[1.3], [1.5]],
    ...     data=np.array([[3.0, 7.0], [2.0, 9.0]]),
    ...     feature_names=("age", "hours"),
    ...     output_names=("income",),
    ...     kind="additive",
    ...     method="by hand",
    ... )
    >>> exp
    Explanation('by hand', additive: 2 rows x 2 features x 1 output (income))
    >>> exp[0].to_frame(layout="wide")
         age  hours
    row
    0    0.5   -0.2
    """

    values: Floats
    std_errors: Floats | None = None
    base_values: Floats
    outputs: Floats
    data: Any = None
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    row_names: tuple[Hashable, ...] | None = None
    kind: str
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    fidelity: dict[str, Floats] | None = None
    n_model_rows: int = 0
    extras: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {self.kind!r}.")
        values = checked_floats("values", self.values)
        if values.ndim not in (3, 4):
            raise ValueError(
                "values must have shape (n_rows, n_features, n_outputs), or "
                f"(n_rows, height, width, n_outputs) for pictures; got {values.shape}. "
                "One output has an axis of length 1."
            )
        by_output = (values.shape[0], values.shape[-1])
        self._set("values", values)
        self._set("std_errors", checked_errors(self.std_errors, values.shape))
        for name in ("base_values", "outputs"):
            self._set(name, checked_floats(name, getattr(self, name), by_output, "(n_rows, n_outputs)"))
        n_features = values.shape[1] if values.ndim == 3 else 0
        self._set("feature_names", checked_names("feature_names", self.feature_names, n_features))
        self._set("output_names", checked_names("output_names", self.output_names, values.shape[-1]))
        self._set("row_names", checked_row_names(self.row_names, len(self)))
        self._set("data", checked_data(self.data, len(self)))
        self._set(
            "params", {key: plain_value(f"params[{key!r}]", value) for key, value in self.params.items()}
        )
        if self.fidelity is not None:
            self._set(
                "fidelity",
                {
                    key: checked_floats(f"fidelity[{key!r}]", value, by_output, "(n_rows, n_outputs)")
                    for key, value in self.fidelity.items()
                },
            )
        self._set("n_model_rows", operator.index(self.n_model_rows))
        self._set("extras", {key: checked_extra(key, value) for key, value in self.extras.items()})

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # pickled arrays come back writable

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __repr__(self) -> str:
        names = ", ".join(self.output_names[:4]) + (", ..." if len(self.output_names) > 4 else "")
        sampled = "" if self.std_errors is None else ", with standard errors"
        return f"Explanation({self.method!r}, {self.kind}: {self._shape_in_words()} ({names}){sampled})"

    def _shape_in_words(self) -> str:
        *height_width, n_outputs = self.values.shape[1:]
        middle = (
            counted(height_width[0], "feature")
            if len(height_width) == 1
            else "{} x {} points".format(*height_width)
        )
        return f"{counted(len(self), 'row')} x {middle} x {counted(n_outputs, 'output')}"

    def _repr_html_(self) -> str:
        return explanation_html(self)

    def __getitem__(self, rows: Any) -> Explanation:
        index = row_places(rows, len(self))
        n_rows = len(self)

        def kept(value: Any) -> Any:
            by_row = isinstance(value, np.ndarray) and value.ndim > 0 and value.shape[0] == n_rows
            return value[index] if by_row else value

        return replace(
            self,
            values=self.values[index],
            std_errors=kept(self.std_errors),
            base_values=self.base_values[index],
            outputs=self.outputs[index],
            data=None if self.data is None else take_rows(self.data, index),
            row_names=None if self.row_names is None else tuple(self.row_names[i] for i in index),
            fidelity=None if self.fidelity is None else {k: v[index] for k, v in self.fidelity.items()},
            extras={key: kept(value) for key, value in self.extras.items()},
        )

    def sel(self, *, outputs: Any = None, features: Any = None) -> Explanation:
        """Select outputs and features, by name or by place.

        Fidelity follows the outputs, and so do those `extras` of this package's
        explainers that go by output or by feature; segments and spans point to the
        features that are kept, or to none (-1). Of additive values the features that
        are left out take their share of the sum with them. A frame in `data` keeps
        all of its columns, an array those of the features.

        Parameters
        ----------
        outputs, features : str, int or sequence of them, default=None
            Which to keep, in this order; None keeps all.

        Returns
        -------
        Explanation

        Raises
        ------
        KeyError
            If there is no such name or place.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=np.zeros((2, 3, 2)), base_values=np.zeros((2, 2)), outputs=np.zeros((2, 2)),
        ...     feature_names=("a", "b", "c"), output_names=("no", "yes"), kind="occlusion", method="by hand",
        ... )
        >>> exp.sel(outputs="yes", features=["c", 0]).feature_names
        ('c', 'a')
        """
        chosen = self
        if outputs is not None:
            chosen = chosen._with_outputs(find_places("output", outputs, self.output_names))
        if features is not None:
            if self.values.ndim == 4:
                raise ValueError("A picture explained point by point has no named features to select.")
            chosen = chosen._with_features(find_places("feature", features, self.feature_names))
        return chosen

    def _with_outputs(self, places: list[int]) -> Explanation:
        return replace(
            self,
            values=self.values[..., places],
            std_errors=None if self.std_errors is None else self.std_errors[..., places],
            base_values=self.base_values[:, places],
            outputs=self.outputs[:, places],
            output_names=tuple(self.output_names[j] for j in places),
            fidelity=None if self.fidelity is None else {k: v[:, places] for k, v in self.fidelity.items()},
            extras=extras_of_outputs(self.extras, places, len(self.output_names)),
        )

    def _with_features(self, places: list[int]) -> Explanation:
        by_place = isinstance(self.data, np.ndarray) and bool(self._columns())
        return replace(
            self,
            values=self.values[:, places],
            std_errors=None if self.std_errors is None else self.std_errors[:, places],
            data=self.data[:, places] if by_place else self.data,
            feature_names=tuple(self.feature_names[j] for j in places),
            extras=extras_of_features(self.extras, places, len(self.feature_names)),
        )

    def _columns(self) -> dict[str, Any]:
        """Columns of the data by name: Series of pandas or polars."""
        if self.data is None or not (is_frame(self.data) or self.data.ndim == 2):
            return {}
        found = columns(self.data)
        if is_frame(self.data):
            return found
        by_place = len(found) == len(self.feature_names)
        return dict(zip(self.feature_names, found.values(), strict=True)) if by_place else {}

    def _needs_features(self, what: str) -> None:
        if self.values.ndim == 4:
            raise ValueError(
                f"{what} needs one number for each feature; these values are pictures, point by point."
            )

    def aggregate(self, by: Any = None, how: str = "mean_abs") -> pd.DataFrame:
        """Put the rows together: which features matter over all of them, or over groups.

        Parameters
        ----------
        by : str or array-like of shape (n_rows,), default=None
            A column of `data`, or a label for each row: one block for each group,
            rows without a label being one too. None puts all rows together.
        how : {"mean_abs", "mean", "max_abs"}, default="mean_abs"
            Mean of the absolute values, mean of the values, or the largest absolute value.

        Returns
        -------
        DataFrame
            One row for each feature (or group and feature), in explained units.
            Columns are pairs (statistic, output), so that ``["value"]`` and
            ``["std_error"]`` give tables of features x outputs. The standard error
            is that of a mean over rows drawn independently, from their spread: NaN
            for a single row, and for "max_abs", which is no mean.

        Raises
        ------
        ValueError
            If there are no rows, or `by` fits neither the columns nor the rows.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.2]], [[0.1], [0.4]]], base_values=np.ones((2, 1)), outputs=[[1.3], [1.5]],
        ...     feature_names=("age", "hours"), output_names=("income",), kind="additive", method="by hand",
        ... )
        >>> exp.aggregate()["value"]
        output   income
        feature
        age         0.3
        hours       0.3
        """
        self._needs_features("aggregate")
        if how not in AGGREGATES:
            raise ValueError(f"how must be one of {', '.join(map(repr, AGGREGATES))}; got {how!r}.")
        if len(self) == 0:
            raise ValueError("There are no rows to aggregate.")
        if by is None:
            return self._aggregated(np.arange(len(self)), how)
        groups = self._groups(by)
        names = [by if isinstance(by, str) else "group", "feature"]
        blocks = {key: self._aggregated(rows, how) for key, rows in groups}
        return pd.concat(blocks, names=names)

    def _aggregated(self, rows: Codes, how: str) -> pd.DataFrame:
        value, error = over_rows(self.values[rows], how)
        outputs = pd.Index(self.output_names, name="output", dtype=object)
        pairs = pd.MultiIndex.from_product([["value", "std_error"], outputs], names=["statistic", "output"])
        index = pd.Index(self.feature_names, name="feature", dtype=object)
        return pd.DataFrame(np.concatenate([value, error], axis=1), index=index, columns=pairs)

    def _groups(self, by: Any) -> list[tuple[Any, Codes]]:
        labels = by
        if isinstance(by, str):
            found = self._columns()
            if by not in found:
                known = ", ".join(list(found)[:20]) or "none, since data is no table"
                raise ValueError(
                    f"by={by!r} is no column of data. Columns: {known}. Or give an array of labels."
                )
            labels = found[by]
        labels = label_series(labels)
        if labels.shape != (len(self),):
            raise ValueError(f"by must have one label for each of the {len(self)} rows; got {labels.shape}.")
        grouped = labels.groupby(labels, dropna=False, observed=True)
        return [(key, np.asarray(rows)) for key, rows in in_order(grouped)]

    def check_additivity(self, rtol: float = 1e-8) -> float:
        """Check that base values and values sum to the outputs.

        Parameters
        ----------
        rtol : float, default=1e-8
            Allowed gap, relative to the largest of 1, the output and the base value.

        Returns
        -------
        float
            The largest gap, in explained units.

        Raises
        ------
        ValueError
            If a gap is larger, naming the row where it is worst; or if values of
            this kind are not meant to sum to the outputs.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.25]]], base_values=[[1.0]], outputs=[[1.25]],
        ...     feature_names=("age", "hours"), output_names=("income",), kind="additive", method="by hand",
        ... )
        >>> exp.check_additivity()
        0.0
        """
        if self.kind != "additive":
            raise ValueError(_NOT_ADDITIVE[self.kind])
        if len(self) == 0:
            return 0.0
        total = self.base_values + np.nansum(self.values, axis=tuple(range(1, self.values.ndim - 1)))
        gap = np.abs(total - self.outputs)
        scale = np.maximum(1.0, np.maximum(np.abs(self.outputs), np.abs(self.base_values)))
        relative = np.where(np.isnan(gap), np.inf, gap / scale)
        row, output = np.unravel_index(int(np.argmax(relative)), gap.shape)
        if not relative[row, output] <= rtol:
            name = int(row) if self.row_names is None else self.row_names[row]
            raise ValueError(
                f"Base value and values do not sum to the output. Worst is row {name!r}, output "
                f"{self.output_names[output]!r}: {total[row, output]:.10g} instead of "
                f"{self.outputs[row, output]:.10g}, a gap of {gap[row, output]:.3g}. "
                "(Features left out with sel are missing from the sum.)"
            )
        return float(gap.max())

    def to_frame(self, layout: str = "long") -> pd.DataFrame:
        """The values as a table.

        Parameters
        ----------
        layout : {"long", "wide"}, default="long"
            "long": a row for each row, feature and output. "wide": a row for each row.

        Returns
        -------
        DataFrame
            Long: row, feature, output, value, std_error (NaN where nothing was
            sampled), in explained units, and data_value (None where the feature is
            no column of `data`). Wide: the values, a column for each feature, or for
            each pair (feature, output) where there are several outputs. Rows bear
            their names or are counted from 0.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.25]]], base_values=[[1.0]], outputs=[[1.25]],
        ...     data=np.array([[40.0, 38.0]]), feature_names=("age", "hours"), output_names=("income",),
        ...     kind="additive", method="by hand",
        ... )
        >>> exp.to_frame()
           row feature  output  value  std_error  data_value
        0    0     age  income   0.50        NaN        40.0
        1    0   hours  income  -0.25        NaN        38.0
        """
        self._needs_features("to_frame")
        if layout not in ("long", "wide"):
            raise ValueError(f"layout must be 'long' or 'wide'; got {layout!r}.")
        rows = list(range(len(self)) if self.row_names is None else self.row_names)
        return self._long(rows) if layout == "long" else self._wide(rows)

    def _wide(self, rows: list[Any]) -> pd.DataFrame:
        index = pd.Index(rows, name="row", tupleize_cols=False)
        if len(self.output_names) == 1:
            names: pd.Index = pd.Index(self.feature_names, dtype=object)
        else:
            names = pd.MultiIndex.from_product(
                [self.feature_names, self.output_names], names=["feature", "output"]
            )
        return pd.DataFrame(self.values.reshape(len(self), len(names)).copy(), index=index, columns=names)

    def _long(self, rows: list[Any]) -> pd.DataFrame:
        n_rows, n_features, n_outputs = self.values.shape
        place = np.repeat(np.arange(n_rows), n_features * n_outputs)
        labels = pd.Series(pd.Index(rows, tupleize_cols=False))
        errors = np.full(self.values.shape, np.nan) if self.std_errors is None else self.std_errors
        return pd.DataFrame(
            {
                "row": labels.iloc[place].reset_index(drop=True),
                "feature": np.tile(np.repeat(object_array(self.feature_names), n_outputs), n_rows),
                "output": np.tile(object_array(self.output_names), n_rows * n_features),
                "value": self.values.ravel(),
                "std_error": errors.ravel(),
                "data_value": np.repeat(self._data_values().ravel(), n_outputs),
            }
        )

    def _data_values(self) -> np.ndarray:
        """The features' values, (n_rows, n_features): floats where all are numbers, else objects."""
        found = self._columns()
        own = [found.get(name) for name in self.feature_names]
        if own and all(column is not None and kind_of(column) == "numeric" for column in own):
            return np.column_stack([to_floats(column) for column in own])
        told = np.full((len(self), len(own)), None, dtype=object)
        for j, column in enumerate(own):
            if column is not None:
                told[:, j] = object_array(column.to_list())
        return told

    def to_shap(self, output: str | int | None = None) -> Any:
        """Convert to the object that the plots of the package shap take.

        Numbers go to ``data``; other columns go there as codes, NaN where a
        value is missing, and to ``display_data`` as text. Of a feature that is no column of
        `data`, a group for example, all codes are 0 and the text is "…".

        Parameters
        ----------
        output : str or int, default=None
            An output, by name or place, whose axis is dropped, as most plots want
            it. None keeps all; a single one is always dropped.

        Returns
        -------
        shap.Explanation
            With a base value for each row, and the standard errors as ``error_std``.

        Raises
        ------
        ImportError
            If shap is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=np.zeros((2, 3, 2)), base_values=np.zeros((2, 2)), outputs=np.zeros((2, 2)),
        ...     feature_names=("a", "b", "c"), output_names=("no", "yes"), kind="occlusion", method="by hand",
        ... )
        >>> exp.to_shap(output="yes").shape  # doctest: +SKIP
        (2, 3)
        """
        chosen = self if output is None else self.sel(outputs=output)
        return explanation_to_shap(chosen, chosen._columns())

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a file, without pickle.

        The file is a .npz archive: `numpy.load` reads its arrays, and
        ``explanation.json`` in it tells the rest. pandas data keep their dtypes,
        categories, dates and missing values, polars data all of theirs (as Arrow).
        A file that is there already is replaced once the new one is complete.

        Parameters
        ----------
        path : str or path-like
            Where, written as it is; by custom it ends in ``.npz``.

        Raises
        ------
        TypeError
            If `data` or `extras` hold objects that cannot be written without pickle.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=np.ones((2, 3, 1)), base_values=np.zeros((2, 1)), outputs=np.zeros((2, 1)),
        ...     feature_names=("a", "b", "c"), output_names=("yes",), kind="occlusion", method="by hand",
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rows.npz")
        ...     exp.save(path)
        ...     Explanation.load(path)
        Explanation('by hand', occlusion: 2 rows x 3 features x 1 output (yes))
        """
        storage.write(path, {name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Explanation:
        """Read what `save` wrote; nothing in the file is executed.

        Parameters
        ----------
        path : str or path-like
            Where it is.

        Returns
        -------
        Explanation
            Where its data came from polars and polars is not installed, they come
            back as a pandas frame through pyarrow, or, where that cannot be, as None;
            a UserWarning says so.

        Raises
        ------
        ValueError
            If the file is something else, is damaged or cut off, or was written
            by a later version in a form not known here.
        """
        return storage.read(path, cls)


_NOT_ADDITIVE = {
    "occlusion": (
        "Values of kind 'occlusion' are not meant to sum to the outputs: each is the effect of hiding "
        "one feature alone. Only kind 'additive' can be checked."
    ),
    "surrogate": (
        "Values of kind 'surrogate' tell of a simpler model beside the explained one, so they are not "
        "meant to sum to the model's outputs; fidelity says how far the two agree. "
        "Only kind 'additive' can be checked."
    ),
}
