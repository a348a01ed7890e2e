"""Fits of surrogates near rows, as arrays, and how one of them is put together output by output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.evidence import (
    FEW_DEGREES,
    is_nearly_constant,
    rare_changes,
    rare_loss,
    read_evidence,
)
from agnostix.lime.influences import N_COMPONENTS, Spread, r2_score
from agnostix.lime.weighted_regression import WeightedRegression

FILLS: dict[str, Any] = {
    "coefficients": 0.0,
    "std_errors": 0.0,
    "dof": np.inf,
    "is_unused": False,
    "shared": 0.0,
    "selected": False,
    "row_design": 1.0,
}
"""Fields with an axis of features, and what a feature has that is not in the regression."""
_WITHOUT_OUTPUTS = ("row_design", "effective_samples", "n_samples")


class LocalFits(NamedTuple):
    """Surrogates near rows, in model output units; a single fit lacks the first axis.

    Attributes
    ----------
    coefficients, std_errors, dof : (n_rows, n_features, n_outputs)
        Errors are those of the draws, for the selected features; with their degrees of freedom.
    is_unused : bool (n_rows, n_features, n_outputs)
        Features whose effect next to no sample or fit shows: the interval is that of the rule of three.
    shared : (n_rows, n_features, n_outputs, n_components)
        Components of the errors, which rows share.
    row_design : (n_rows, n_features)
        Design of the explained rows: coefficient times design is the contribution.
    surrogate_outputs, surrogate_std_errors : (n_rows, n_outputs)
        The surrogate's predictions for the rows.
    base_std_errors, output_dof : (n_rows, n_outputs)
        Errors of the surrogate at the base, and degrees of freedom of both.
    r2, r2_std_errors, r2_dof : (n_rows, n_outputs)
        Weighted, of predictions for samples that were left out.
    is_determined : bool (n_rows, n_outputs)
        Whether samples are like the row, so that the errors speak of it.
    selected : bool (n_rows, n_features, n_outputs)
    margin : (n_rows, n_outputs)
        Smallest lead of a selected feature over the best one left out, in standard errors; infinite if none
        is left out.
    effective_samples, n_samples : (n_rows,)
    """

    coefficients: Floats
    std_errors: Floats
    dof: Floats
    is_unused: Bools
    shared: Floats
    row_design: Floats
    surrogate_outputs: Floats
    surrogate_std_errors: Floats
    base_std_errors: Floats
    output_dof: Floats
    r2: Floats
    r2_std_errors: Floats
    r2_dof: Floats
    is_determined: Bools
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

    @classmethod
    def join_outputs(cls, fits: Sequence[LocalFits]) -> LocalFits:
        """A single fit of several outputs from those of each."""
        joined = {
            name: np.concatenate([getattr(one, name) for one in fits], axis=_axis_of_outputs(name))
            for name in cls._fields
            if name not in _WITHOUT_OUTPUTS
        }
        return fits[0]._replace(**joined)

    def take_outputs(self, outputs: Codes) -> LocalFits:
        """Some outputs (n_rows, n_taken) of each row."""

        def take(name: str, array: Any) -> Any:
            axis, shape = _axis_of_outputs(name), [len(outputs), *[1] * (array.ndim - 1)]
            shape[axis] = outputs.shape[1]
            return np.take_along_axis(array, outputs.reshape(shape), axis)

        fields = self._asdict().items()
        return self._replace(
            **{name: take(name, one) for name, one in fields if name not in _WITHOUT_OUTPUTS}
        )

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

        return self._replace(**{name: scatter(getattr(self, name), fill) for name, fill in FILLS.items()})

    def rescale(self, units: Floats, row_design: Floats) -> LocalFits:
        """A single fit on a design multiplied by `units` (n_features,), where the row's is `row_design`."""
        return self._replace(
            coefficients=self.coefficients / units[:, None],
            std_errors=self.std_errors / units[:, None],
            shared=self.shared / units[:, None, None],
            row_design=row_design,
        )


class OpenFit:
    """A fit near one row that is put together, some outputs after others.

    Attributes
    ----------
    regression, whole : WeightedRegression
        Of the samples that estimate, and of all.
    selected : bool (n_features, n_outputs)
    margin : (n_outputs,)
    residuals, left_out : (n_samples, n_outputs)
        Of the surrogate, and of surrogates fitted without the sample.
    """

    def __init__(
        self, regression: WeightedRegression, selected: Bools, margin: Floats, whole: WeightedRegression
    ) -> None:
        self.regression, self.whole = regression, whole
        self.selected, self.margin = selected, margin
        shape, n_outputs = selected.shape, selected.shape[1]
        self.coefficients, self.errors = np.zeros(shape), np.zeros(shape)
        self.dof, self.is_unused = np.full(shape, np.inf), np.zeros(shape, dtype=bool)
        self.shared = np.zeros((*shape, N_COMPONENTS))
        self.at_row, self.output_dof = np.zeros(n_outputs), np.full(n_outputs, np.inf)
        self.row_errors, self.base_errors = np.zeros(n_outputs), np.zeros(n_outputs)
        self.residuals = np.zeros(regression.targets.shape)
        self.left_out = np.zeros(regression.targets.shape)
        self._r2_jackknife, self._n_groups = np.zeros(n_outputs), 0

    def put(self, features: Codes, outputs: Codes, coefficients: Floats, at_row: Floats) -> None:
        """Coefficients (n, n_columns) and the surrogate's targets at the row (n_columns,)."""
        self.coefficients[features[:, None], outputs] = coefficients
        self.at_row[outputs] = at_row

    def put_spread(self, features: Codes, outputs: Codes, spread: Spread) -> None:
        """Errors (n + 2, n_columns): of coefficients, of the prediction for the row, and of the base."""
        cells = features[:, None], outputs
        self.errors[cells], self.dof[cells] = spread.errors[:-2], spread.dof[:-2]
        self.shared[cells] = spread.components[:-2]
        self.row_errors[outputs], self.base_errors[outputs] = spread.errors[-2], spread.errors[-1]
        self.output_dof[outputs] = np.minimum(spread.dof[-2], spread.dof[-1])

    def put_r2(self, outputs: Codes, without: Floats) -> None:
        """R2 (n_groups, n_columns) without each group of samples, for the error of a surrogate that jumps.

        The jackknife's variance is too large (Efron and Stein, 1981), that of a given surrogate too small.
        """
        self._r2_jackknife[outputs] = (without.shape[0] - 1.0) * without.var(axis=0)
        self._n_groups = without.shape[0]

    def close(self) -> LocalFits:
        """The fit; errors are NaN where samples do not tell what the row is like."""
        one = self.regression
        determined, few = np.ones(self.at_row.size, dtype=bool), np.zeros(self.at_row.size, dtype=bool)
        if one.n_blocks:
            determined, few = read_evidence(one, self.residuals, -self.at_row - one.row_effects)
            self._allow_for_rare(np.flatnonzero(few))
        unknown = np.where(determined, 0.0, np.nan)
        r2, r2_errors, r2_dof = r2_score(one, self.left_out)
        if few.any():
            r2 = np.where(few & is_nearly_constant(one), np.nan, r2)
            r2_errors = np.where(few, np.maximum(r2_errors, rare_loss(one, self.left_out)), r2_errors)
            r2_dof = np.where(few, np.minimum(r2_dof, FEW_DEGREES), r2_dof)
        if self._n_groups:
            r2_errors = np.sqrt((r2_errors**2 + self._r2_jackknife) / 2.0)
            r2_dof = np.minimum(r2_dof, self._n_groups - 1.0)
        return LocalFits(
            coefficients=self.coefficients,
            std_errors=np.where(self.selected, self.errors + unknown, 0.0),
            dof=self.dof,
            is_unused=self.is_unused,
            shared=self.shared,
            row_design=one.row_design,
            surrogate_outputs=one.row_predictions + self.at_row,
            surrogate_std_errors=self.row_errors + unknown,
            base_std_errors=self.base_errors + unknown,
            output_dof=self.output_dof,
            r2=r2 + unknown,
            r2_std_errors=np.where(np.isnan(r2), np.nan, r2_errors + unknown),
            r2_dof=r2_dof,
            is_determined=determined,
            selected=self.selected,
            margin=self.margin,
            effective_samples=self.whole.effective_samples,
            n_samples=self.whole.n_samples,
        )

    def _allow_for_rare(self, outputs: Codes) -> None:
        """Errors of outputs of which next to no sample differs: one more may."""
        if not outputs.size:
            return
        changes = rare_changes(self.regression, np.arange(len(self.selected)), outputs)
        errors = np.sqrt(self.errors[:, outputs] ** 2 + changes[:-2] ** 2)
        self.shared[:, outputs] = _of_length(self.shared[:, outputs], errors)
        self.errors[:, outputs], self.dof[:, outputs] = errors, np.inf
        self.is_unused[:, outputs] = changes[:-2] != 0
        for numbers, change in ((self.row_errors, changes[-2]), (self.base_errors, changes[-1])):
            numbers[outputs] = np.sqrt(numbers[outputs] ** 2 + change**2)
        self.output_dof[outputs] = FEW_DEGREES


def _axis_of_outputs(name: str) -> int:
    """Axis of a field of LocalFits that outputs are along."""
    return -2 if name == "shared" else -1


def _of_length(components: Floats, errors: Floats) -> Floats:
    """Components (..., N_COMPONENTS) whose squares sum to those of errors (...), in the same direction."""
    length = np.sqrt(np.square(components).sum(axis=-1))
    along_first = np.eye(N_COMPONENTS)[0]
    direction = np.where(length[..., None] > 0, components, along_first)
    length = np.where(length > 0, length, 1.0)
    return direction * (errors / length)[..., None]
