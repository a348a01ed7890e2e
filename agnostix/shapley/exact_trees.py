"""Exact values over the whole table where the model is a sum of trees: when it is done, and what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.background import BACKGROUND_SIZE, Background
from agnostix.core.frames import checked_weights, take_rows
from agnostix.core.masking import MaskedRows
from agnostix.core.models import Predictor
from agnostix.core.row_sources import TableRows
from agnostix.core.sparse_rows import is_sparse
from agnostix.core.trees import TreeModel, margin_predictor, read_trees
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.estimation import ShapleyResult
from agnostix.shapley.explained_values import ExplainedValues
from agnostix.shapley.trees import (
    TreeBackground,
    TreeForecast,
    forecast_trees,
    seconds_per_row,
    values_over,
)

MOST_SECONDS = 30.0
"""CPU seconds that algorithm="auto" spends in `fit` on what all rows share."""
MOST_SECONDS_PER_CALL = 2.0
"""Those for the first row of a call, up to which it takes trees even if coalitions take less."""
MOST_ROWS = 1_000_000
"""Rows of a background of trees."""
_N_TRIAL_ROWS = 64
_LEAST_SHOWN = 0.1
"""Seconds of preparation that are worth a word."""
_SAME = 1e-9
"""By how much the mean of trees that are read anew may differ."""
_ROUNDING = 1e-5
"""By how much sums of trees may differ from predictions larger than those that were known in `fit`."""


class ExactTrees(ExplainedValues):
    """What KernelShapExplainer does with trees: the whole table is the background, and nothing is sampled.

    A subclass has the parameters `algorithm`, `budget`, `tol`, `kernel` and `link`.
    """

    algorithm: str
    budget: int | str
    tol: float | str | None
    kernel: str
    link: str
    _trees: TreeModel | None = None  # read anew from a copy, which is stored without
    _tree_background: TreeBackground | None = None
    _is_margin: bool = False
    _n_read_rows: int = 0  # that the model predicted while it was read

    def _begin_fit(self) -> None:
        super()._begin_fit()
        self._trees, self._tree_background = None, None
        self._is_margin, self._n_read_rows = False, 0
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
        n_rows = int(np.count_nonzero(checked_weights(sample_weight, table.shape[0])))
        trees = self._find_trees(table, n_rows)
        if trees is None:
            return super()._choose_background(table, sample_weight)
        self._trees, self._is_margin, self.algorithm_ = trees, trees.is_margin, "tree"
        if trees.is_margin:
            self._predictor = trees.margins
        return Background.whole(table, sample_weight)

    def _find_trees(self, table: Any, n_rows: int) -> TreeModel | None:
        """The model as trees where these are to be explained; `algorithm_reason_` says why, or why not.

        n_rows are the rows with a weight. What is chosen depends on the model, the table and the parameters,
        never on the rows that are explained or on a clock.
        """
        if self.algorithm == "kernel":
            return None
        if self.algorithm == "auto" and (reason := self._reason_to_sample()):
            self.algorithm_reason_ = reason
            return None
        if is_sparse(table):
            reason = "Trees are read with rows of an array or a frame: pass X.toarray()."
            if self.algorithm == "tree":
                raise DataError(f"{reason} Or use algorithm='kernel'.")
            self.algorithm_reason_ = reason
            return None
        if n_rows > MOST_ROWS:
            reason = f"Trees take backgrounds of up to {MOST_ROWS:,} rows, and {n_rows:,} were seen in fit."
            if self.algorithm == "tree":
                raise DataError(f"{reason} Fit on a sample of them, or use algorithm='kernel'.")
            self.algorithm_reason_ = f"{reason} Fit on a sample of them for exact values."
            return None
        trees = self._try_to_read(table)
        return None if trees is None else self._choose_way(trees, n_rows)

    def _try_to_read(self, table: Any) -> TreeModel | None:
        """The model as trees; None, and `algorithm_reason_`, where "auto" finds none."""
        try:
            return read_trees(self._predictor, table, self.features_)
        except DataError as error:
            if self.algorithm == "tree":
                raise
            self.algorithm_reason_ = str(error)
        except Exception as error:  # of any step, which names its rows where it is called again
            reason = f"The trees of {self._predictor.name} cannot be read ({type(error).__name__}: {error})."
            if self.algorithm == "tree":
                raise DataError(f"{reason} Use algorithm='kernel'.") from error
            self.algorithm_reason_ = reason
        return None

    def _choose_way(self, trees: TreeModel, n_rows: int) -> TreeModel | None:
        """The trees if they are to be explained, by the parameter or a forecast; else None."""
        self._n_read_rows = trees.n_model_rows
        forecast = forecast_trees(trees, n_rows)
        quantity = "margins (its trees' sums, before the link function)" if trees.is_margin else "predictions"
        cost = f"exactly over all {n_rows:,} rows, in about {_seconds(forecast.first_row)} for the first row"
        cost += " of a call and less for each further one"
        if forecast.preparation > _LEAST_SHOWN:
            cost += f", and {_seconds(forecast.preparation)} in fit"
        if self.algorithm == "tree":
            self.algorithm_reason_ = f"The {quantity} of {trees.name} are explained {cost}."
            self.algorithm_reason_ += self._describe_unused_background()
            return trees
        sampled = seconds_per_row(trees) * self._count_sampled_rows(n_rows)
        of_coalitions = f"coalitions take about {_seconds(sampled)} for each row"
        if not trees.is_margin and _is_cheap(forecast, sampled):
            self.algorithm_reason_ = f"The {quantity} of {trees.name} are explained {cost}; {of_coalitions}."
            self.algorithm_reason_ += self._describe_unused_background()
            return trees
        self.algorithm_reason_ = (
            f"algorithm='tree' explains the {quantity} of {trees.name} {cost}; {of_coalitions}, sampled over "
            f"a background, and explain what {self._predictor.response} returns."
        )
        return None

    def _describe_unused_background(self) -> str:
        set_background = [
            f"{name}={getattr(self, name)!r}"
            for name, default in (("background", "representative"), ("background_size", BACKGROUND_SIZE))
            if getattr(self, name) != default
        ]
        if not set_background:
            return ""
        return f" {' and '.join(set_background)} binds algorithm='kernel' alone: trees take all rows."

    def _count_sampled_rows(self, n_rows: int) -> int:
        """Model rows that a row takes at most by coalitions, with a background of a table of n_rows rows."""
        raise self._not_written("_count_sampled_rows")

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
        self._tree_background = self._prepare()

    def _prepare(self) -> TreeBackground:
        """What rows are looked up in."""
        assert self._trees is not None
        n_features = len(self.features_.names)
        prepared = TreeBackground(self._trees, self.background_, self._masker.weights, n_features)
        prepared.prepare(self.verbose)
        return prepared

    def _check_same_model(self, predictor: Predictor) -> Predictor:
        same = super()._check_same_model(margin_predictor(predictor) if self._is_margin else predictor)
        self._trees, self._tree_background = None, None
        return same

    def __getstate__(self) -> Any:
        kept = super().__getstate__().items()
        return {name: value for name, value in kept if name not in ("_trees", "_tree_background")}

    def _explain_trees(self, rows: MaskedRows) -> tuple[ShapleyResult, int]:
        """Values of all outputs, without an error, and model rows: each is predicted once, as a check."""
        first, which = rows.distinct()
        result = ShapleyResult.zeros(rows.present[first], len(self.output_names_), 0)
        table = take_rows(rows.unmasked, first)
        result.predictions[:] = result.outputs[:] = self._check_trees(rows.unmasked, table, first)[1]
        if self._tree_background is None:
            self._tree_background = self._prepare()
        result.values[:] = values_over(self._tree_background, table, self.verbose, n_jobs=self.n_jobs)
        result.base_values[:] = self.base_values_
        return result.take(which), first.size

    def _check_trees(self, whole: Any, table: Any, rows: Codes) -> tuple[TreeModel, Floats]:
        """The trees, and their sums (n_rows, n_outputs) of a table; DataError where they are wrong."""
        if self._trees is None:
            self._trees = self._read_again()
        predictions = self._check_sums(whole, table, rows)
        self._trees.check_mixtures(table, self.background_, self.features_, rows)
        return self._trees, predictions

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


def _is_cheap(forecast: TreeForecast, sampled: float) -> bool:
    """Whether trees are the cheaper way, or cost so little that exact values are worth it.

    How many rows will be explained is not known, so what all rows of a call share counts for the first.
    """
    per_call = max(sampled, MOST_SECONDS_PER_CALL)
    return forecast.preparation <= MOST_SECONDS and forecast.first_row <= per_call


def _seconds(seconds: float) -> str:
    return f"{seconds:.1g} CPU seconds" if seconds < 10.0 else f"{seconds:,.0f} CPU seconds"
