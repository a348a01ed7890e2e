"""Local surrogates as arrays, near one row or many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats


class LocalFits(NamedTuple):
    """Surrogates near rows, in model output units; a single fit lacks the first axis.

    Attributes
    ----------
    coefficients, std_errors : (n_rows, n_features, n_outputs)
        Errors are conditional on the selected features.
    row_design : (n_rows, n_features)
        Design of the explained rows: coefficient times design is the contribution.
    predictions : (n_rows, n_outputs)
        The model's own predictions for the rows.
    surrogate_outputs, surrogate_std_errors : (n_rows, n_outputs)
        The surrogate's predictions for the rows.
    r2, r2_std_errors : (n_rows, n_outputs)
        Weighted, on the samples.
    selected : bool (n_rows, n_features, n_outputs)
    margin : (n_rows, n_outputs)
        Smallest lead of a selected feature over the best one left out, in standard errors; infinite if none
        is left out.
    effective_samples, n_samples : (n_rows,)
    """

    coefficients: Floats
    std_errors: Floats
    row_design: Floats
    predictions: Floats
    surrogate_outputs: Floats
    surrogate_std_errors: Floats
    r2: Floats
    r2_std_errors: Floats
    selected: Bools
    margin: Floats
    effective_samples: Any
    n_samples: Any

    @classmethod
    def stack(cls, fits: Iterable[LocalFits]) -> LocalFits:
        """Many rows from single fits."""
        return cls._make(np.stack(arrays) for arrays in zip(*fits, strict=True))

    def take(self, rows: Codes) -> LocalFits:
        """Some rows, in this order."""
        return LocalFits._make(array[rows] for array in self)

    def put(self, rows: Codes, other: LocalFits) -> None:
        """Replace some rows in place."""
        for array, new in zip(self, other, strict=True):
            array[rows] = new

    def insert_features(self, is_fitted: Bools) -> LocalFits:
        """A single fit with features of coefficient 0 where `is_fitted` (n_all_features,) is False."""
        if is_fitted.all():
            return self

        def scatter(array: Any, fill: Any) -> Any:
            whole = np.full((is_fitted.size, *array.shape[1:]), fill, dtype=array.dtype)
            whole[is_fitted] = array
            return whole

        return self._replace(
            coefficients=scatter(self.coefficients, 0.0),
            std_errors=scatter(self.std_errors, 0.0),
            selected=scatter(self.selected, False),
            row_design=scatter(self.row_design, 1.0),
        )

    def rescale(self, units: Floats, row_design: Floats) -> LocalFits:
        """A single fit on a design multiplied by `units` (n_features,), where the row's is `row_design`."""
        return self._replace(
            coefficients=self.coefficients / units[:, None],
            std_errors=self.std_errors / units[:, None],
            row_design=row_design,
        )
