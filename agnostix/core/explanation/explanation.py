"""Attributions of a model's outputs to features, with standard errors, costs and details."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import fields, storage
from agnostix.core.explanation.conversion import explanation_to_shap, long_frame, wide_frame
from agnostix.core.explanation.fields import check_interval_details, checked_dims
from agnostix.core.explanation.selection import fields_of_rows, selected_fields
from agnostix.core.explanation.statistics import largest_gap
from agnostix.core.explanation.summaries import Summaries
from agnostix.core.explanation.views import PlotAccessor, describe_shape, explanation_html
from agnostix.core.typing import Floats

QUANTITIES = ("contribution", "effect", "sensitivity", "relevance", "coefficient", "mask")


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation(Summaries):
    """An array of attributions whose axes have names, and what it rests on.

    Explainers make it; it never changes: arrays are read-only, and indexing,
    selecting and loading give new explanations. ``exp[rows]`` keeps rows (an
    int, a slice, indices or a mask; the row axis stays), ``len(exp)`` counts them.

    Attributes
    ----------
    values : ndarray with an axis for each of dims
        In `units`. NaN only where a row has fewer features than others
        (segments of an image, words of a text).
    dims : tuple of str, default=("row", "feature", "output")
        Names of the axes, an open vocabulary: ("row", "y", "x", "output") for
        images explained pixel by pixel, ("feature", "output") for global
        results, ("feature", "feature") for interactions, ("feature", "grid")
        for effects. "row", "feature" and "output" have names in fields of their own.
    std_errors : ndarray shaped as values, or None
        Standard errors: 0 where a value is exact, NaN where the error is unknown
        (a mean over a single row); None where nothing was sampled.
    base_values, outputs : ndarray with an axis for each of "row", "output" in dims, in this order, or None
        Where the attribution starts, and the model's outputs, in `units`.
    data : DataFrame, ndarray of n_rows rows, or None
        The explained rows as they were given. A feature's values are found in
        the frame's column of its name, or in the array's column of its place
        where there are as many columns as features.
    feature_names, output_names : tuple of str
        Without repetition; empty where there is no such dim.
    row_names : tuple or None
        Labels of the rows.
    coords : dict of str to ndarray
        Coordinates of other dims, such as ``{"grid": values}``.
    quantity : {"contribution", "effect", "sensitivity", "relevance", "coefficient", "mask"}
        What a value is: a part of a sum, the effect of hiding a feature, a
        gradient, relevance propagated back, a regression coefficient, or how
        visible a learned mask leaves a feature.
    completeness : {None, "outputs - base_values", "outputs", "surrogate"}
        What the values of a row and output sum to; "surrogate" is the output of
        a surrogate model minus the base value. None where they need not sum to anything.
    completeness_gap : ndarray shaped as outputs, or None
        What is missing from the sum, where a method is not exact.
    units : str
        Of values, base values and outputs: "model output", "log-odds", ...
    method : str
        What made it.
    params : dict
        Its parameters: numbers, text, None, lists and dicts of them.
    fidelity : dict of str to ndarray shaped as outputs, or None
        How well a surrogate fits the model, by the measure's name.
    n_model_rows : int
        Rows the model evaluated for the whole explanation; parts of it keep the number.
    extras : dict of str to Detail or plain value
        What else the method reports. A `Detail` is an array with named axes,
        which follow indexing, selection and storage.

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
    ...     quantity="contribution",
    ...     completeness="outputs - base_values",
    ...     method="by hand",
    ... )
    >>> exp
    Explanation('by hand', contribution: 2 rows x 2 features x 1 output (income))
    >>> exp[0].to_frame(layout="wide")
         age  hours
    row
    0    0.5   -0.2
    """

    values: Floats
    dims: tuple[str, ...] = ("row", "feature", "output")
    std_errors: Floats | None = None
    base_values: Floats | None = None
    outputs: Floats | None = None
    data: Any = None
    feature_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    row_names: tuple[Hashable, ...] | None = None
    coords: dict[str, np.ndarray] = field(default_factory=dict)
    quantity: str
    completeness: str | None = None
    completeness_gap: Floats | None = None
    units: str = "model output"
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    fidelity: dict[str, Floats] | None = None
    n_model_rows: int = 0
    extras: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            known = ", ".join(map(repr, QUANTITIES))
            raise ValueError(f"quantity must be one of {known}; got {self.quantity!r}.")
        dims = checked_dims("dims", self.dims)
        values = fields.checked_values(self.values, dims)
        sizes = dict(zip(dims, values.shape, strict=True))
        self._set(dims=dims, values=values, std_errors=fields.checked_errors(self.std_errors, values.shape))
        ends = tuple(sizes[dim] for dim in self.end_dims)
        axes = f"({', '.join(f'n_{dim}s' for dim in self.end_dims)})"
        for name in ("base_values", "outputs", "completeness_gap"):
            value = getattr(self, name)
            self._set(**{name: None if value is None else fields.checked_floats(name, value, ends, axes)})
        fields.checked_completeness(
            self.completeness, {name: getattr(self, name) is not None for name in ("base_values", "outputs")}
        )
        n_rows = sizes.get("row")
        self._set(
            feature_names=fields.checked_names("feature_names", self.feature_names, sizes.get("feature", 0)),
            output_names=fields.checked_names("output_names", self.output_names, sizes.get("output", 0)),
            row_names=fields.checked_row_names(self.row_names, n_rows),
            data=fields.checked_data(self.data, n_rows),
            coords=fields.checked_coords(self.coords, dims, values.shape),
            params={key: fields.plain_value(f"params[{key!r}]", value) for key, value in self.params.items()},
            n_model_rows=operator.index(self.n_model_rows),
            extras={key: fields.checked_extra(key, value, sizes) for key, value in self.extras.items()},
        )
        check_interval_details(self.extras, dims)
        if self.fidelity is not None:
            metrics = self.fidelity.items()
            self._set(
                fidelity={k: fields.checked_floats(f"fidelity[{k!r}]", v, ends, axes) for k, v in metrics}
            )

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # pickled arrays come back writable

    @property
    def end_dims(self) -> tuple[str, ...]:
        """Dims of base values, outputs, completeness gap and fidelity: "row" and "output", where present."""
        return tuple(dim for dim in ("row", "output") if dim in self.dims)

    def labels(self, dim: str) -> Any:
        """Give the names or coordinates of a dim's entries, or count them from 0.

        Parameters
        ----------
        dim : str
            One of `dims`.

        Returns
        -------
        tuple, range or ndarray

        Raises
        ------
        ValueError
            If there is no such dim.
        """
        if dim not in self.dims:
            raise ValueError(f"There is no dim {dim!r}; this explanation has dims {self.dims}.")
        if dim in ("feature", "output"):
            return self.feature_names if dim == "feature" else self.output_names
        known = self.row_names if dim == "row" else self.coords.get(dim)
        return range(self.values.shape[self.dims.index(dim)]) if known is None else known

    def _check_rows(self, what: str) -> None:
        if "row" not in self.dims:
            raise TypeError(f"{what} needs a dim 'row'; this explanation has dims {self.dims}.")

    def __len__(self) -> int:
        self._check_rows("len()")
        return int(self.values.shape[self.dims.index("row")])

    def __repr__(self) -> str:
        names = ", ".join(self.output_names[:4]) + (", ..." if len(self.output_names) > 4 else "")
        sampled = "" if self.std_errors is None else ", with standard errors"
        if self.std_errors is not None and not np.any(self.std_errors):
            sampled = ", exact"
        shape = describe_shape(self) + (f" ({names})" if names else "")
        return f"Explanation({self.method!r}, {self.quantity}: {shape}{sampled})"

    def _repr_html_(self) -> str:
        return explanation_html(self)

    def __getitem__(self, rows: Any) -> Explanation:
        self._check_rows("Indexing")
        return replace(self, **fields_of_rows(self, rows))

    def sel(self, *, outputs: Any = None, features: Any = None) -> Explanation:
        """Select outputs and features, by name or by place.

        Details follow by their dims; pointers to features, such as the segments
        of an image, point to the features that are kept, or to none (-1).
        Features that are left out take their part of the sum with them. A frame
        in `data` keeps all of its columns, an array those of the features.

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
        ValueError
            If there is no such dim.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=np.zeros((2, 3, 2)), feature_names=("a", "b", "c"), output_names=("no", "yes"),
        ...     quantity="effect", method="by hand",
        ... )
        >>> exp.sel(outputs="yes", features=["c", 0]).feature_names
        ('c', 'a')
        """
        chosen = self
        for dim, wanted in (("output", outputs), ("feature", features)):
            if wanted is not None:
                chosen = replace(chosen, **selected_fields(chosen, dim, wanted))
        return chosen

    @property
    def plot(self) -> PlotAccessor:
        """Plots as methods, such as ``exp.plot.waterfall(row=3)``; see `PlotAccessor`."""
        return PlotAccessor(self)

    def check_additivity(self, rtol: float = 1e-8) -> float:
        """Check that values sum to what `completeness` says.

        Parameters
        ----------
        rtol : float, default=1e-8
            Allowed gap, relative to the largest of 1, the output and the base value.

        Returns
        -------
        float
            The largest gap, in explained units, beyond `completeness_gap`.

        Raises
        ------
        ValueError
            If a gap is larger, naming the row and output where it is worst; or
            if the values are not meant to sum to anything.

        Examples
        --------
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.25]]], base_values=[[1.0]], outputs=[[1.25]],
        ...     feature_names=("age", "hours"), output_names=("income",), quantity="contribution",
        ...     completeness="outputs - base_values", method="by hand",
        ... )
        >>> exp.check_additivity()
        0.0
        """
        return largest_gap(self, rtol)

    def to_frame(self, layout: str = "long", level: float | None = None) -> pd.DataFrame:
        """The values as a table.

        Parameters
        ----------
        layout : {"long", "wide"}, default="long"
            "long": a row for each value. "wide": a row for each entry of the
            first dim, a column for each entry of the others.
        level : float, default=None
            Adds the columns low and high to the long layout: `interval` of that
            coverage, between 0 and 1.

        Returns
        -------
        DataFrame
            Long: a column for each dim, with names or coordinates where it has
            some; value and std_error (NaN where unknown or nothing was sampled);
            and data_value where there are rows and features (None where the
            feature is no column of `data`). Wide: an output that is the only one
            has no level of its own in the columns.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.25]]], data=np.array([[40.0, 38.0]]), feature_names=("age", "hours"),
        ...     output_names=("income",), quantity="effect", method="by hand",
        ... )
        >>> exp.to_frame()
           row feature  output  value  std_error  data_value
        0    0     age  income   0.50        NaN        40.0
        1    0   hours  income  -0.25        NaN        38.0
        """
        if layout not in ("long", "wide"):
            raise ValueError(f"layout must be 'long' or 'wide'; got {layout!r}.")
        if level is not None and layout == "wide":
            raise ValueError(f"layout='wide' has one number a cell and no intervals; got level={level}.")
        return long_frame(self, level) if layout == "long" else wide_frame(self)

    def to_shap(self, output: str | int | None = None) -> Any:
        """Convert to the object that the plots of the package shap take.

        Numbers go to ``data``; other columns as codes, NaN where a value is missing,
        and to ``display_data`` as text. Of a feature that is no column, all codes are 0
        and the text is "…". Texts are words, as many as each has. Images have axes for
        channels and outputs, and a segment's value is divided among its pixels.

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
        ValueError
            If the first dim is not "row", as shap's objects need.

        Examples
        --------
        >>> import numpy as np
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=np.zeros((2, 3, 2)), feature_names=("a", "b", "c"), output_names=("no", "yes"),
        ...     quantity="effect", method="by hand",
        ... )
        >>> exp.to_shap(output="yes").shape  # doctest: +SKIP
        (2, 3)
        """
        return explanation_to_shap(self if output is None else self.sel(outputs=output))

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a file, without pickle.

        The file is a .npz archive: `numpy.load` reads its arrays, and
        ``explanation.json`` in it holds the rest. pandas data keep their dtypes,
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
        ...     values=np.ones((2, 3, 1)), feature_names=("a", "b", "c"), output_names=("yes",),
        ...     quantity="effect", method="by hand",
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rows.npz")
        ...     exp.save(path)
        ...     Explanation.load(path)
        Explanation('by hand', effect: 2 rows x 3 features x 1 output (yes))
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
            by a version whose files are not read here.
        """
        return storage.read(path, cls)
