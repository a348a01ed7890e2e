"""Exact values over the whole table where the model is a sum of trees: when it is done, and what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.background import BACKGROUND_SIZE, Background
from agnostix.core.base import BackgroundExplainer
from agnostix.core.frames import take_rows
from agnostix.core.masking import MaskedRows
from agnostix.core.models import Predictor
from agnostix.core.row_sources import TableRows
from agnostix.core.trees import TreeModel, margin_predictor, read_trees
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.estimation import ShapleyResult
from agnostix.shapley.trees import forecast_seconds, tree_values

MOST_SECONDS = 30.0
"""Forecast of CPU time for a first row, up to which algorithm="auto" explains trees exactly."""
_N_TRIAL_ROWS = 64
_SAME = 1e-9
"""By how much the mean of trees that are read anew may differ."""
_ROUNDING = 1e-5
"""By how much sums of trees may differ from predictions larger than those that were known in `fit`."""


class ExactTrees(BackgroundExplainer):
    """What KernelShapExplainer does with trees: the whole table is the background, and nothing is sampled.

    A subclass has the parameters `algorithm`, `budget`, `tol`, `kernel` and `link`.
    """

    algorithm: str
    budget: int | str
    tol: float | str | None
    kernel: str
    link: str
    _trees: TreeModel | None = None  # read anew from a copy, which is stored without
    _is_margin: bool = False
    _n_read_rows: int = 0  # that the model predicted while it was read

    def _begin_fit(self) -> None:
        super()._begin_fit()
        self._trees, self._is_margin, self._n_read_rows = None, False, 0
        self.algorithm_, self.algorithm_reason_ = "kernel", "algorithm='kernel' was chosen."
        if self.algorithm == "auto" and self.masker is not None:
            self.algorithm_reason_ = "Trees are of tables, and a masker is given."
        if self.algorithm != "tree":
            return
        if self.masker is not None:
            raise self._refuse("with a masker", "Trees are of tables: leave masker out")
        if self.link != "identity":
            raise self._refuse(
                f"with link={self.link!r}",
                "Trees are explained without a link, those of boosted classifiers as margins: leave link out",
            )

    def _refuse(self, what: str, remedy: str) -> DataError:
        return DataError(
            f"The 'algorithm' parameter of {type(self).__name__} must be 'auto' or 'kernel' {what}, got "
            f"'tree'. {remedy}, or use algorithm='kernel'."
        )

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        """The whole table where its model is explained as trees, else as the parameters say."""
        trees = self._find_trees(table)
        if trees is None:
            return super()._choose_background(table, sample_weight)
        self._trees, self._is_margin, self.algorithm_ = trees, trees.is_margin, "tree"
        if trees.is_margin:
            self._predictor = trees.margins
        return Background.whole(table, sample_weight)

    def _find_trees(self, table: Any) -> TreeModel | None:
        """The model as trees where these are to be explained; `algorithm_reason_` says why, or why not."""
        if self.algorithm == "kernel":
            return None
        if self.algorithm == "auto" and (reason := self._reason_to_sample()):
            self.algorithm_reason_ = reason
            return None
        try:
            trees = read_trees(self._predictor, table, self.features_)
        except Exception as error:  # of any step, which names its rows where it is called again
            reason = (
                str(error)
                if isinstance(error, DataError)
                else (
                    f"The trees of {self._predictor.name} cannot be read ({type(error).__name__}: {error})."
                )
            )
            if self.algorithm == "tree":
                if isinstance(error, DataError):
                    raise
                raise DataError(f"{reason} Use algorithm='kernel'.") from error
            self.algorithm_reason_ = reason
            return None
        self._n_read_rows = trees.n_model_rows
        seconds = forecast_seconds(trees, int(table.shape[0]))
        shown = f"{seconds:.1g}" if seconds < 10.0 else f"{seconds:,.0f}"
        cost = f"exactly over all {table.shape[0]:,} rows, in about {shown} CPU seconds for the first row"
        quantity = "margins (its trees' sums, before the link function)" if trees.is_margin else "predictions"
        self.algorithm_reason_ = f"The {quantity} of {trees.name} are explained {cost}."
        set_background = [
            f"{name}={getattr(self, name)!r}"
            for name, default in (("background", "representative"), ("background_size", BACKGROUND_SIZE))
            if getattr(self, name) != default
        ]
        if set_background:
            self.algorithm_reason_ += (
                f" {' and '.join(set_background)} binds algorithm='kernel' alone: trees take all rows."
            )
        if self.algorithm == "tree" or (not trees.is_margin and seconds <= MOST_SECONDS):
            return trees
        self.algorithm_reason_ = (
            f"algorithm='tree' explains the {quantity} of {trees.name} {cost}; KernelSHAP samples coalitions "
            f"and explains what {self._predictor.response} returns."
        )
        return None

    def _reason_to_sample(self) -> str:
        """What was set that trees have no use for; empty if nothing was."""
        if self.link != "identity":
            return f"link={self.link!r} explains a function of mean predictions, which is no sum of trees."
        defaults: dict[str, Any] = {"budget": "auto", "tol": "auto", "kernel": "auto"}
        given = [name for name, default in defaults.items() if getattr(self, name) != default]
        if not given:
            return ""
        return f"{given[0]}={getattr(self, given[0])!r} is of sampled coalitions, which trees do without."

    def _predict_background(self, predictor: Predictor, rows: Any) -> None:
        if self._trees is None:
            super()._predict_background(predictor, rows)
            return
        self.background_, self.background_weights_ = self._masker.background, self._masker.weights
        self._try_model(self._predictor, take_rows(self.background_, slice(0, _N_TRIAL_ROWS)))
        self._background_predictions = None
        self.base_values_ = self.background_weights_ @ self._trees.predict(self.background_)

    def _check_same_model(self, predictor: Predictor) -> Predictor:
        same = super()._check_same_model(margin_predictor(predictor) if self._is_margin else predictor)
        self._trees = None
        return same

    def __getstate__(self) -> Any:
        return {name: value for name, value in super().__getstate__().items() if name != "_trees"}

    def _explain_trees(self, rows: MaskedRows) -> tuple[ShapleyResult, int]:
        """Values of all outputs, without an error, and model rows: each is predicted once, as a check."""
        if self._trees is None:
            self._trees = self._read_again()
        first, which = rows.distinct()
        result = ShapleyResult.zeros(rows.present[first], len(self.output_names_), 0)
        table = take_rows(rows.unmasked, first)
        result.predictions[:] = result.outputs[:] = self._check_sums(rows.unmasked, table, first)
        self._trees.check_mixtures(table, self.background_, self.features_, first)
        result.values[:] = tree_values(
            self._trees,
            table,
            self.background_,
            self._masker.weights,
            len(self.features_.names),
            self.verbose,
        )
        result.base_values[:] = self.base_values_
        return result.take(which), first.size

    def _read_again(self) -> TreeModel:
        """The trees of a model that was put to a stored explainer; DataError if they are not those of fit."""
        assert self.base_values_ is not None
        trees = read_trees(self._predictor, self.background_, self.features_)
        base_values = self._masker.weights @ trees.predict(self.background_)
        apart = np.abs(base_values - self.base_values_).max()
        if apart > max(trees.rounding, _SAME * np.abs(self.base_values_).max()):
            raise DataError(
                f"The trees of {trees.name} are not those of fit: their mean over the background differs by "
                f"{apart:.3g}. Call fit again."
            )
        return trees

    def _check_sums(self, whole: Any, table: Any, rows: Codes) -> Floats:
        """Sums of the trees (n_rows, n_outputs), as the model must predict; DataError names the rows."""
        assert self._trees is not None
        predictions = self._evaluate(TableRows(whole, rows))[0]
        sums = self._trees.predict(table)
        largest = float(np.abs(predictions).max(initial=0.0))
        apart = np.abs(predictions - sums).max(axis=1)
        wrong = np.flatnonzero(apart > max(self._trees.rounding, _ROUNDING * largest))
        if wrong.size:
            raise DataError(
                f"The trees read of {self._trees.name} do not predict row {rows[wrong[0]]} of X as it does, "
                f"and {wrong.size - 1} others (the model may have been fitted again): "
                f"off by up to {apart.max():.3g}. Use algorithm='kernel'."
            )
        return sums
