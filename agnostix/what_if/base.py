"""What explainers of populations share: the model's predictions of all rows, or what there is instead."""

from __future__ import annotations

from typing import Any

from agnostix.core.base import BaseExplainer
from agnostix.core.base.explainer import take_examples
from agnostix.core.models import NamedFailure
from agnostix.core.models.outputs import varying_outputs
from agnostix.what_if.predictions import Predictions, from_model, from_outcome, from_predictions


class PopulationExplainer(BaseExplainer):
    """Base of explainers that evaluate a model on all rows in `fit`, and never again."""

    n_model_rows_: int

    def _predict(self, rows: Any, y: Any, sample_weight: Any, predictions: Any) -> Predictions:
        """Predictions of a model, recorded ones, or the outcome itself; sets `n_model_rows_`."""
        n_rows, self.n_model_rows_ = rows.shape[0], 0
        if self.model is not None and predictions is not None:
            raise ValueError("Pass either a model or predictions, not both.")
        if self.model is not None:
            predictor = self._fit_predictor(rows, y, sample_weight)
            with NamedFailure(predictor.name, n_rows):
                outputs = predictor.predict(rows)
            predictor, tried, n_trial_rows = predictor.trial(take_examples(rows))
            if tried.shape[1] != outputs.shape[1]:
                raise varying_outputs(predictor.name, outputs.shape, tried.shape)
            self.n_model_rows_ = n_rows + n_trial_rows
            return from_model(predictor, outputs, y)
        if predictions is not None:
            return from_predictions(predictions, y, n_rows)
        if y is None:
            raise ValueError(
                "There is no outcome: pass a model, predictions, or y. For weights alone, any column of X "
                "will do as y."
            )
        return from_outcome(y, n_rows)
