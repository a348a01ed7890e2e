"""What explainers share that hide values of a row behind those of background rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.core.base.attribution import AttributionExplainer
from agnostix.core.frames import as_table, column_names
from agnostix.core.masking import Background, MaskedRows, Players, TabularMasker, read_rows
from agnostix.core.models import Predictor
from agnostix.core.sklearn_compat import validate_data
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

_N_SHOWN = 2
"""Rows on which a model is tried where a masker has no background."""


class BackgroundExplainer(AttributionExplainer):
    """Base of the explainers that ask the model about mixtures of rows.

    A subclass says in `_choose_background` which rows are the background.
    """

    feature_groups: Any
    masker: Any = None

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        raise NotImplementedError

    def _own_masker(self, X: Any, sample_weight: Any) -> Any:
        """What hides parts of rows that are no tables; None for tables."""
        return self.masker

    def _learn_background(self, X: Any, y: Any, sample_weight: Any) -> MaskedRows:
        """Learn all that does not depend on the method: model, features, background. Gives the rows of X."""
        masker = self._own_masker(X, sample_weight)
        if masker is None:
            table = as_table(X)
            predictor = self._fit_predictor(table, y, sample_weight)
            validate_data(self, X=table, skip_check_array=True)
            features = Players.from_names(column_names(table), self.feature_groups)
            background = self._choose_background(table, sample_weight)
            self._masker: Any = TabularMasker(background.rows, background.weights, features)
            self._is_sample = background.is_sample
            rows = read_rows(self._masker, table)
        else:
            self._check_players_are_its_own()
            rows = read_rows(masker, X)
            predictor = self._fit_predictor(rows.unmasked, y, sample_weight)
            self._masker, self._is_sample = masker, False
            self.n_features_in_ = int(np.prod(rows.unmasked.shape[1:]))
        self.players_ = rows.features
        self._same_features = self._masker.same_features
        self._ask_background(predictor, rows.unmasked)
        return rows

    def _ask_background(self, predictor: Predictor, rows: Any) -> None:
        """What the model answers where nothing of a row is known, if the masker has rows for it."""
        self.background_ = self._masker.background
        is_known = self.background_ is not None
        shown = self.background_ if is_known else rows[:_N_SHOWN]
        answers = self._try_model(predictor, shown, known_again=is_known)
        self._background_answers = answers if is_known else None
        self.base_values_: Any = self._masker.weights @ answers if is_known else None

    def _check_players_are_its_own(self) -> None:
        if self.feature_groups is not None:
            raise DataError(
                f"The 'feature_groups' parameter of {type(self).__name__} must be None where a masker says "
                f"what is hidden together, got {self.feature_groups!r}. Give the groups to the masker."
            )

    def _read(self, X: Any) -> Any:
        """The rows to be explained, with the features seen in `fit` where all rows have the same."""
        return read_rows(self._masker, X, self.players_)

    def _checked_rows(self, X: Any, outputs: Any) -> tuple[Any, Any]:
        """The rows to be explained and the outputs that are wanted, checked before anything costs."""
        check_is_fitted(self)
        self._check_has_model()
        return self._read(X), self._wanted(outputs)

    def _picked(self, wanted: Any, answers: Floats) -> tuple[Codes, tuple[str, ...], dict[str, Any]]:
        which, names, extras = super()._picked(wanted, answers)
        return which, names, {"background_size": int(self._masker.weights.size)} | extras
