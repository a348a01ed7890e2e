"""From Shapley values of all outputs to an Attribution of the selected ones, with their errors."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from agnostix.core.base import Attribution, BackgroundExplainer, OutputSelection
from agnostix.core.explanation import Detail
from agnostix.core.masking import MaskedRows
from agnostix.shapley.coalition_values import find_lacking
from agnostix.shapley.errors import ErrorParts
from agnostix.shapley.estimation import ShapleyResult


class ExplainedValues(BackgroundExplainer):
    """What KernelShapExplainer reports of the values that it has estimated."""

    link: str
    algorithm_: str
    _is_pooled: bool  # whether a design and perhaps a kernel are shared by rows

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
        is_shared = self._is_pooled and self.kernel_ != "row"
        details: dict[str, Any] = {
            "algorithm": self.algorithm_,
            "evaluations": Detail(result.evaluations, ("row",)),
            "forecast": Detail(result.forecast, ("row",)),
            "kernel": self._used_kernel if is_shared else Detail(kernels, ("row",)),
        }
        details |= errors.details(self._masker.weights.size) | rows.details()
        if self.link != "identity":
            details["raw_outputs"] = Detail(pick(result.predictions), ("row", "output"))
        lacking = find_lacking(pick(result.outside), selection.names)
        return Attribution(
            values=np.where(lacking[:, None], np.nan, pick(result.values)),
            std_errors=np.where(lacking[:, None], np.nan, errors.std_errors),
            base_values=pick(result.base_values),
            predictions=result.predictions,
            outputs=np.where(lacking, np.nan, pick(result.outputs)),
            n_model_rows=n_model_rows,
            details=details,
        )
