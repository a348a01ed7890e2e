"""Base of explainers that replace hidden values by those of background rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from agnostix.core.base.attribution import AttributionExplainer
from agnostix.core.frames import as_table
from agnostix.core.masking import Background, MaskedRows, MaskerConstraint, TabularMasker, read_rows
from agnostix.core.models import Predictor
from agnostix.exceptions import DataError

_N_TRIAL_ROWS = 2
"""Rows on which a model is tried where a masker has no background."""


class BackgroundExplainer(AttributionExplainer):
    """Base of the explainers that predict rows with some features hidden.

    A subclass chooses the background rows in `_choose_background`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "feature_groups": [dict, None],
        "masker": [MaskerConstraint(), None],
    }
    feature_groups: Any
    masker: Any

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        raise NotImplementedError

    def _choose_masker(self, X: Any, sample_weight: Any) -> Any:
        """What hides parts of rows that are no tables; None for tables."""
        return self.masker

    def _learn_background(self, X: Any, y: Any, sample_weight: Any) -> MaskedRows:
        """Learn all that does not depend on the method: model, features, background. Gives the rows of X."""
        masker = self._choose_masker(X, sample_weight)
        if masker is None:
            table = as_table(X)
            predictor = self._fit_predictor(table, y, sample_weight)
            self._learn_columns(table, self.feature_groups)
            background = self._choose_background(table, sample_weight)
            self._masker: Any = TabularMasker(background.rows, background.weights, self.players_)
            self._is_sample = background.is_sample
            rows = read_rows(self._masker, table)
        else:
            self._check_no_groups()
            rows = read_rows(masker, X)
            predictor = self._fit_predictor(rows.unmasked, y, sample_weight)
            self._masker, self._is_sample = masker, False
            self.n_features_in_ = int(np.prod(rows.unmasked.shape[1:]))
        self.players_ = rows.features
        self._same_features = self._masker.same_features
        self._predict_background(predictor, rows.unmasked)
        return rows

    def _predict_background(self, predictor: Predictor, rows: Any) -> None:
        """Try the model on the background, which gives the base values; without one on a few rows."""
        self.background_ = self._masker.background
        is_known = self.background_ is not None
        trial_rows = self.background_ if is_known else rows[:_N_TRIAL_ROWS]
        predictions = self._try_model(predictor, trial_rows, remember=is_known)
        self._background_predictions = predictions if is_known else None
        self.base_values_: Any = self._masker.weights @ predictions if is_known else None

    def _check_no_groups(self) -> None:
        if self.feature_groups is not None:
            raise DataError(
                f"The 'feature_groups' parameter of {type(self).__name__} must be None where a masker says "
                f"what is hidden together, got {self.feature_groups!r}. Give the groups to the masker."
            )

    def _read(self, X: Any) -> MaskedRows:
        """Rows to explain, with the features seen in `fit` where all rows have the same."""
        return read_rows(self._masker, X, self.players_)

    def _data(self, rows: MaskedRows) -> Any:
        return rows.data

    def _feature_names(self, rows: MaskedRows) -> tuple[str, ...]:
        return rows.features.names

    def _describe_fit(self) -> dict[str, Any]:
        return {"background_size": int(self._masker.weights.size)}
