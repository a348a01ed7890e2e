"""What explainers share that hide values of a row behind those of background rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.base.attribution import AttributionExplainer
from agnostix.base.outputs import select_outputs
from agnostix.exceptions import DataError
from agnostix.models import Predictor
from agnostix.perturb import Background, Players, TabularMasker
from agnostix.typing import Codes, Floats
from agnostix.utils.frames import as_table, column_names, is_frame
from agnostix.utils.sklearn_compat import validate_data

_N_SHOWN = 2
"""Rows on which a model is tried where a masker has no background."""
_SAME = 1e-5
"""Share of the largest answer by which those of one model may differ, as in single precision they do."""


class BackgroundExplainer(AttributionExplainer):
    """Base of the explainers that ask the model about mixtures of rows.

    A subclass says in `_choose_background` which rows stand in.
    """

    feature_groups: Any
    masker: Any = None

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        raise NotImplementedError

    def _learn_background(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """All that does not depend on the method: model, players, background. Gives the table."""
        table = self._as_rows(X)
        predictor = self._fit_predictor(table, y, sample_weight)
        if self.masker is None:
            validate_data(self, X=table, skip_check_array=True)
            players = Players.of(column_names(table), self.feature_groups)
            background = self._choose_background(table, sample_weight)
            self._masker: Any = TabularMasker(background.rows, background.weights, players)
            self._is_sample = background.is_sample
        else:
            self._check_players_are_its_own()
            self._masker, self._is_sample = self.masker, False
            self._masker.check(table)
            self.n_features_in_ = self._masker.width(table)
        self.players_ = self._masker.players
        self._ask_background(predictor, table)
        return table

    def _ask_background(self, predictor: Predictor, table: Any) -> None:
        """What the model answers where nothing of a row is known, if the masker has rows for it."""
        self.background_ = getattr(self._masker, "background", None)
        shown = table[:_N_SHOWN] if self.background_ is None else self.background_
        self._predictor, answers = predictor.trial(shown)
        self._background_answers = None if self.background_ is None else answers
        self.base_values_: Any = None if self.background_ is None else self._masker.weights @ answers
        self._n_tried, n_outputs = answers.shape
        self.output_names_ = self._predictor.names(n_outputs)
        select_outputs(self.outputs, self.output_names_, answers)  # or an error, before more is asked
        self.is_binary_ = self._predictor.task == "classification" and n_outputs == 2

    def _check_players_are_its_own(self) -> None:
        if self.feature_groups is not None:
            raise DataError(
                f"The 'feature_groups' parameter of {type(self).__name__} must be None where a masker says "
                f"what is hidden together, got {self.feature_groups!r}. Give the groups to the masker."
            )

    def _as_rows(self, X: Any) -> Any:
        if self.masker is None or is_frame(X):
            return as_table(X)
        rows = np.asarray(X)
        if rows.ndim < 2 or rows.shape[0] == 0:
            raise DataError(f"X must be an array of at least one row, got shape {rows.shape}.")
        return rows

    def _checked_table(self, X: Any, outputs: Any) -> tuple[Any, Any]:
        """The table to be explained and the outputs that are wanted, checked before anything costs."""
        check_is_fitted(self)
        self._check_has_model()
        table = self._as_rows(X)
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
        if self.background_ is None:
            return predictor
        predictor, answers = predictor.trial(self.background_)
        known: Any = self._background_answers
        is_like = answers.shape == known.shape
        apart = np.abs(answers - known).max(axis=1) if is_like else np.full(len(answers), np.inf)
        if apart.max() > _SAME * np.abs(known).max():
            row = int(apart.argmax())
            raise ValueError(
                f"attach got another model than fit: {predictor.name} answers row {row} of the background "
                f"with {np.array2string(answers[row], precision=6)}, and the one at fit with "
                f"{np.array2string(known[row], precision=6)}. Fit a new explainer for it."
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
