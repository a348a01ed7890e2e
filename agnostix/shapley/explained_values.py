"""From Shapley values of all outputs to an Attribution of the selected ones, with their errors."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.base import Attribution, BackgroundExplainer, OutputSelection
from agnostix.core.explanation import Detail
from agnostix.core.masking import MaskedRows
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_values import describe_outside
from agnostix.shapley.errors import ErrorParts
from agnostix.shapley.estimation import ShapleyResult


class ExplainedValues(BackgroundExplainer):
    """What KernelShapExplainer reports of the values that it has estimated."""

    link: str
    algorithm_: str

    def _to_attribution(
        self,
        rows: MaskedRows,
        selection: OutputSelection,
        result: ShapleyResult,
        kernels: Any,
        n_model_rows: int,
    ) -> Attribution:
        pick = partial(selection.pick, predictions=result.predictions)
        elsewhere = self._elsewhere(rows, result.predictions, selection)
        errors = ErrorParts.from_result(result, self._errors, elsewhere, pick)
        details: dict[str, Any] = {
            "algorithm": self.algorithm_,
            "evaluations": Detail(result.evaluations, ("row",)),
            "forecast": Detail(result.forecast, ("row",)),
            "kernel": self._used_kernel if self._masker.same_features else Detail(kernels, ("row",)),
        }
        details |= errors.details(self._masker.weights.size) | rows.details()
        if self.link != "identity":
            details["raw_outputs"] = Detail(pick(result.predictions), ("row", "output"))
        values, std_errors = pick(result.values), errors.std_errors
        outputs, lacking = pick(result.outputs), self._lack_log_odds(pick(result.outside), selection)
        if lacking.any():
            values = np.where(lacking[:, None], np.nan, values)
            std_errors = np.where(lacking[:, None], np.nan, std_errors)
            outputs = np.where(lacking, np.nan, outputs)
        return Attribution(
            values=values,
            std_errors=std_errors,
            base_values=pick(result.base_values),
            predictions=result.predictions,
            outputs=outputs,
            n_model_rows=n_model_rows,
            details=details,
        )

    def _lack_log_odds(self, outside: Floats, selection: OutputSelection) -> Bools:
        """Rows and outputs (n_rows, n_selected) with a mean outside (0, 1); DataError if all rows."""
        lacking = ~np.isnan(outside)
        if not lacking.any():
            return lacking
        rows = np.flatnonzero(lacking.any(axis=1))
        message = describe_outside(float(outside[lacking][0]))
        names = ", ".join(np.array(selection.names)[lacking.any(axis=0)])
        if rows.size == len(outside):
            raise DataError(f"{message} This is so in every row, for the output {names}.")
        shown = ", ".join(map(str, rows[:10])) + (", ..." if rows.size > 10 else "")
        warnings.warn(
            f"{message} Rows {shown} of X have NaN as values of the output {names}; others are explained.",
            UserWarning,
            stacklevel=4,
        )
        return lacking
