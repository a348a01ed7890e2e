"""What explainers share that hide values of a row behind those of background rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.base.attribution import AttributionExplainer
from agnostix.base.outputs import select_outputs
from agnostix.models import Predictor
from agnostix.perturb import Background, Players, TabularMasker
from agnostix.typing import Codes, Floats
from agnostix.utils.frames import as_table, column_names
from agnostix.utils.sklearn_compat import validate_data


class BackgroundExplainer(AttributionExplainer):
    """Base of the explainers that ask the model about mixtures of rows.

    A subclass says in `_choose_background` which rows stand in.
    """

    feature_groups: Any

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        raise NotImplementedError

    def _learn_background(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """All that does not depend on the method: parameters, model, players, background. Gives the table."""
        self._validate_params()
        table = as_table(X)
        validate_data(self, X=table, skip_check_array=True)
        predictor = self._fit_predictor(table, y, sample_weight)
        self.players_ = Players.of(column_names(table), self.feature_groups)
        background = self._choose_background(table, sample_weight)
        self.background_, self._is_sample = background.rows, background.is_sample
        self._masker = TabularMasker(self.background_, background.weights, self.players_)
        self._predictor, self._background_answers = predictor.trial(self.background_)
        self.base_values_ = self._masker.weights @ self._background_answers
        self.output_names_ = self._predictor.names(self.base_values_.size)
        self.is_binary_ = self._predictor.task == "classification" and self.base_values_.size == 2
        return table

    def _checked_table(self, X: Any, outputs: Any) -> tuple[Any, Any]:
        """The table to be explained and the outputs that are wanted, checked before anything costs."""
        check_is_fitted(self)
        table = as_table(X)
        self._masker.check(table)
        wanted = self.outputs if outputs is None else outputs
        select_outputs(wanted, self.output_names_, np.zeros((1, len(self.output_names_))))
        return table, wanted

    def _picked(self, wanted: Any, answers: Floats) -> tuple[Codes, tuple[str, ...], dict[str, Any]]:
        """Places and names of the wanted outputs of each row, and what `extras` tells of them."""
        which, names = select_outputs(wanted, self.output_names_, answers)
        extras: dict[str, Any] = {"background_size": int(self._masker.weights.size)}
        if names == ("predicted",):
            extras["predicted"] = np.array([self.output_names_[j] for j in which[:, 0]])
        return which, names, extras

    def _recognised(self, predictor: Predictor) -> Predictor:
        predictor, answers = predictor.trial(self.background_)
        base = self._masker.weights @ answers
        if base.shape != self.base_values_.shape or not np.allclose(base, self.base_values_, rtol=1e-6):
            raise ValueError(
                f"attach got another model than fit: {predictor.name} answers the background with "
                f"{np.array2string(base, precision=6)} on average, and the one at fit with "
                f"{np.array2string(self.base_values_, precision=6)}. Fit a new explainer for it."
            )
        return predictor

    def _told_params(self) -> dict[str, Any]:
        """Parameters as plain values."""
        params = self.get_params(deep=False)
        return {name: _plain(value) for name, value in params.items() if name != "model"}


def _plain(value: Any) -> Any:
    """A parameter as numbers, text, None, and lists and dicts of them; others as their text."""
    if isinstance(value, Mapping | pd.Series):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | None) else repr(value)
