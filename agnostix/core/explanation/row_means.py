"""Means over rows, and differences of values or means, with the errors that rows share.

A mean over rows has an error by itself, of the rows as draws from a population, and what all rows share:
components of a background's error, which are averaged with their signs, and the errors of a design, which
add up at worst. Sizes of noisy values are too large: what noise adds is taken off as far as it is known.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.dependencies import is_polars_series
from scipy.special import ndtr

from agnostix.core.explanation.conversion import data_columns
from agnostix.core.explanation.error_parts import OF_ERRORS, Parts, summary
from agnostix.core.explanation.fields import (
    DEGREES_OF_FREEDOM,
    DESIGN_DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    INTERVAL_KIND,
    IS_SIGNED,
    SHARED_DEGREES_OF_FREEDOM,
    SHARED_ERRORS,
    SKEWNESS,
    Detail,
)
from agnostix.core.explanation.selection import object_array
from agnostix.core.explanation.words import by_words
from agnostix.core.intervals import satterthwaite, skewness_of_mean
from agnostix.core.names import did_you_mean
from agnostix.core.typing import Codes, Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

AGGREGATES = ("mean_abs", "mean", "max_abs")


@dataclass(frozen=True)
class Means:
    """Means (...) over rows of what each row contributes (n_rows, ...), and the parts of their errors."""

    values: Floats
    scores: Floats  # NaN where a row has no value
    shared: Floats  # (..., n_components)
    design: Floats
    noise: Floats  # what noise may still add to sizes
    shared_dof: Floats
    design_dof: Floats

    @classmethod
    def from_parts(cls, parts: Parts, how: str) -> Means:
        """Means of values, or with how "mean_abs" of their sizes without what noise adds."""
        values, there = parts.values, ~np.isnan(parts.values)
        n = there.sum(axis=0)
        signs = np.where(there, 1.0 if how == "mean" else np.sign(values), 0.0)
        weights = np.divide(signs, n, out=np.zeros_like(signs), where=n > 0)
        scores = values if how == "mean" else np.abs(values)
        means, noise = _mean(scores), np.zeros(n.shape)
        if how == "mean_abs":
            means, noise = _without_noise(values, parts.errors)
        shared = np.einsum("i...c,i...->...c", parts.shared, weights)
        design = np.divide(parts.design.sum(axis=0), n, out=np.zeros(n.shape), where=n > 0)
        squares = np.einsum("i...c,i...c->i...", parts.shared, parts.shared, dtype=float)
        shared_dof = _joint_dof(np.sqrt(squares) * there, parts.shared_dof)
        design_dof = _joint_dof(parts.design * there, parts.design_dof)
        return cls(means, scores, shared, design, noise, shared_dof, design_dof)

    def minus(self, other: Means) -> Means:
        """The difference of means over the same rows, paired row by row and component by component."""
        shared_dof, design_dof = (
            np.minimum(*pair)
            for pair in ((self.shared_dof, other.shared_dof), (self.design_dof, other.design_dof))
        )
        return Means(
            self.values - other.values,
            self.scores - other.scores,
            self.shared - other.shared,
            self.design + other.design,
            np.hypot(self.noise, other.noise),
            shared_dof,
            design_dof,
        )

    def errors(self) -> tuple[Floats, Floats, Floats]:
        """Standard errors, degrees of freedom and skewness; NaN where fewer than two rows have a value."""
        n = (~np.isnan(self.scores)).sum(axis=0)
        spread = self.scores - _mean(self.scores)
        squares = np.nansum(spread**2, axis=0)
        of_rows = np.divide(squares, n * (n - 1.0), out=np.full(n.shape, np.nan), where=n > 1)
        variances = of_rows, np.square(self.shared).sum(axis=-1), self.design**2, self.noise**2
        dof = satterthwaite(variances, (n - 1.0, self.shared_dof, self.design_dof, np.inf))
        # Of rows alone, whether or not they differ, it is their number.
        alone = sum(variances[1:]) == 0
        whole = np.sum(np.broadcast_arrays(*variances), axis=0)
        share = np.divide(of_rows, whole, out=np.zeros(n.shape), where=whole > 0)
        skewness = skewness_of_mean(np.nan_to_num(spread), n) * share**1.5  # what is shared has none
        return np.sqrt(whole), np.where(alone | (n < 2), np.maximum(n - 1.0, 0.0), dof), skewness


def _without_noise(values: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Means of sizes over rows without what noise adds, and what of it may be left.

    What noise adds at the noisy values is right on average where true values are spread evenly about 0. Where
    all are 0 it is short by sqrt(2) of itself. There the mean of squares knows better: less squared errors
    it is that of the true ones, whose root no mean size exceeds. No estimator gets rid of it all:

    Cai, T. T. and Low, M. G. (2011). Testing composite hypotheses, Hermite polynomials and optimal estimation
    of a nonsmooth functional. Annals of Statistics, 39. https://doi.org/10.1214/10-AOS849
    """
    means, added = _mean(np.abs(values)), np.nan_to_num(_mean(folding(values, errors)))
    squares = values**2 - errors**2
    n = (~np.isnan(squares)).sum(axis=0)
    spread = np.nansum((squares - _mean(squares)) ** 2, axis=0)
    reach = np.sqrt(np.divide(spread, n * (n - 1.0), out=np.full(n.shape, np.inf), where=n > 1))
    most = np.sqrt(np.maximum(_mean(squares) + reach, 0.0))
    least = np.where(added > 0, np.maximum(np.minimum(means - added, most), 0.0), means)
    return least, np.maximum(added, np.minimum(np.sqrt(2.0) * added, least))


def folding(values: Floats, errors: Floats) -> Floats:
    """What normal noise of these errors adds to the mean size of a value: 0 without noise, largest at 0.

    Leone, F. C., Nelson, L. S. and Nottingham, R. B. (1961). The folded normal distribution. Technometrics,
    3. https://doi.org/10.1080/00401706.1961.10489974
    """
    ratio = np.abs(np.divide(values, errors, out=np.full(values.shape, np.inf), where=errors > 0))
    with np.errstate(invalid="ignore"):
        tail = np.where(np.isinf(ratio), 0.0, ratio * ndtr(-ratio))
    return np.asarray(errors * (np.sqrt(2.0 / np.pi) * np.exp(-0.5 * ratio**2) - 2.0 * tail))


def _mean(numbers: Floats) -> Floats:
    """Means over the first axis of what is not NaN, NaN where nothing is."""
    n = (~np.isnan(numbers)).sum(axis=0)
    return np.divide(np.nansum(numbers, axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)


def _joint_dof(sizes: Floats, dof: Floats) -> Floats:
    """Degrees of freedom of errors (n_rows, ...) that add up: harmonic means, weighted by the errors."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(sizes > 0, sizes / dof, 0.0).sum(axis=0)
        return np.asarray(np.where(terms > 0, sizes.sum(axis=0) / terms, np.inf))


def aggregated_fields(explanation: Explanation, by: Any, how: str) -> dict[str, Any]:
    """Fields of the explanation without rows, as `dataclasses.replace` takes them."""
    check_how(how)
    if len(explanation) == 0:
        raise ValueError("There are no rows to aggregate.")
    explanation = by_words(explanation)
    parts = Parts.from_explanation(explanation)
    dims = tuple(dim for dim in explanation.dims if dim != "row")
    coords = dict(explanation.coords)
    if by is None:
        groups = [np.arange(len(explanation))]
    else:
        _check_no_groups(explanation)
        labels, groups = _groups(explanation, by)
        dims, coords["group"] = ("group", *dims), labels
    own = [_aggregate(parts.take(rows), how) for rows in groups]
    arrays = {key: own[0][key] if by is None else np.stack([one[key] for one in own]) for key in own[0]}
    extras = {
        key: value
        for key, value in explanation.extras.items()
        if not (isinstance(value, Detail) and "row" in (*value.dims, value.points_to))
        and key not in OF_ERRORS
    }
    if how != "mean":  # of absolute values
        extras.pop(IS_SIGNED, None)
    if how == "mean_abs":
        extras[INTERVAL_KIND] = Detail(np.array("nonnegative"), ())
    return summary(arrays, dims, extras | {"aggregate": how}) | {
        "coords": coords,
        "feature_names": explanation.feature_names,
    }


def mean_difference(
    explanation: Explanation, places: tuple[int, ...], axis: int, how: str
) -> dict[str, Floats]:
    """Means over rows of one entry less those of another along an axis, paired row by row."""
    parts = Parts.from_explanation(explanation)
    one, other = (Means.from_parts(parts.entry(place, axis + 1), how) for place in places)
    return _fields_of(one.minus(other))


def check_how(how: str) -> None:
    """Raise ValueError unless `how` is known."""
    if how not in AGGREGATES:
        raise ValueError(f"how must be one of {', '.join(map(repr, AGGREGATES))}; got {how!r}.")


def _aggregate(parts: Parts, how: str) -> dict[str, Floats]:
    """Values, errors and details, by the name of the field or of the extra."""
    if how == "max_abs":
        there = ~np.isnan(parts.values)
        largest = np.where(there, np.abs(parts.values), 0.0).max(axis=0)
        values = np.where(there.any(axis=0), largest, np.nan)
        return {"values": values, "std_errors": np.full(values.shape, np.nan)}
    return _fields_of(Means.from_parts(parts, how))


def _fields_of(means: Means) -> dict[str, Floats]:
    """Values, errors and details of means, by the name of the field or of the extra."""
    errors, dof, skewness = means.errors()
    fields = {"values": means.values, "std_errors": errors, DEGREES_OF_FREEDOM: dof, SKEWNESS: skewness}
    if means.shared.shape[-1]:
        shared_dof = np.broadcast_to(means.shared_dof, means.values.shape)
        fields |= {SHARED_ERRORS: means.shared, SHARED_DEGREES_OF_FREEDOM: shared_dof}
    if np.any(means.design):
        design_dof = np.broadcast_to(means.design_dof, means.values.shape)
        fields |= {DESIGN_ERRORS: means.design, DESIGN_DEGREES_OF_FREEDOM: design_dof}
    return fields


def _check_no_groups(explanation: Explanation) -> None:
    own = {"dims": explanation.dims} | {
        f"extras[{key!r}]": (*value.dims, value.points_to)
        for key, value in explanation.extras.items()
        if isinstance(value, Detail)
    }
    for name, dims in own.items():
        if "group" in dims:
            raise ValueError(
                f"aggregate(by=...) adds a dim 'group', but {name} has one already. Rename that dim, or drop "
                "what has it: dataclasses.replace(explanation, ...)."
            )


def _groups(explanation: Explanation, by: Any) -> tuple[np.ndarray, list[Codes]]:
    """Labels of the groups in their order, and the rows of each."""
    labels = by
    if isinstance(by, str):
        by_name = data_columns(explanation)
        if by not in by_name:
            known = ", ".join(list(by_name)[:20]) or "none, since data is no table"
            raise ValueError(
                f"by={by!r} is no column of data. Columns: {known}. Or give an array of labels."
                f"{did_you_mean(by, by_name)}"
            )
        labels = by_name[by]
    series = _label_series(labels)
    n_rows = len(explanation)
    if series.shape != (n_rows,):
        raise ValueError(f"by must have one label for each of the {n_rows} rows; got {series.shape}.")
    grouped = series.groupby(series, dropna=False, observed=True)
    number, keys = grouped.ngroup().to_numpy(), [key for key, _ in grouped]
    index = pd.Index(keys, tupleize_cols=False)
    coordinate = index.to_numpy() if index.dtype.kind in "biuf" else object_array(keys)
    return coordinate, [np.flatnonzero(number == j) for j in range(len(keys))]


def _label_series(labels: Any) -> pd.Series:
    """Labels of groups as a pandas Series that knows the order of its categories."""
    if is_polars_series(labels):
        column = nw.from_native(labels, series_only=True)
        if not isinstance(column.dtype, nw.Enum):
            return pd.Series(column.to_list())
        categories = column.cat.get_categories().to_list()
        return pd.Series(pd.Categorical(column.to_list(), categories=categories, ordered=True))
    if isinstance(labels, list | tuple | range) and all(isinstance(label, Hashable) for label in labels):
        return pd.Series(object_array(labels)).infer_objects()  # numpy makes text of None beside text
    if not isinstance(labels, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"by must have one dimension, a label for each row; got shape {labels.shape}.")
    return pd.Series(labels).reset_index(drop=True)
