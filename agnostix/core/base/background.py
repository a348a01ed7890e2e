"""What explainers share that predict rows with some features hidden behind background rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import Tags

from agnostix.core.background import (
    BACKGROUND_SIZE,
    Background,
    Elsewhere,
    ErrorMap,
    Probes,
    choose_background,
    read_columns,
    weighted_kurtosis,
)
from agnostix.core.base.attribution import AttributionExplainer
from agnostix.core.base.explainer import OutputSelection
from agnostix.core.frames import as_table, build_table, column_values, take_rows, without_index
from agnostix.core.masking import MaskedRows, MaskerConstraint, SparseMasker, TabularMasker, read_rows
from agnostix.core.models import Predictor, is_fitted
from agnostix.core.models.sparse_inputs import for_sparse
from agnostix.core.reproducibility import own_order
from agnostix.core.row_order import check_row_order
from agnostix.core.sparse_rows import as_sparse, is_sparse, row_keys
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_N_TRIAL_ROWS = 2
"""Rows on which a model is tried where a masker has no background."""
_N_OTHER_ROWS = 4
"""Rows that show whether predictions are independent, where the background is a single row."""

_ROUNDING = 1e-12
"""Differences of predictions, relative to these, that are none."""


@dataclass(frozen=True)
class Probed:
    """What was seen where no background row is."""

    typical: Floats  # (n_features + 1, n_outputs), variance of what values of a feature, or of all, do
    spread: Floats  # (n_outputs,), standard deviation of all predictions
    is_exact: Bools  # (n_features,), whether the background rows have all that matters of a feature
    is_constant: Bools  # (n_features,), whether all rows of the table have one value
    kurtosis: Floats  # (n_features + 1, n_outputs), of what single rows contribute


class BackgroundExplainer(AttributionExplainer):
    """Base of the explainers that predict rows with some features hidden.

    A subclass with parameters of its own has an `__init__`, such as `background` and
    `background_size`. Rows are chosen in `_choose_background`; more is learned in a `fit`, which starts with
    `_begin_fit` and `_learn_background`.

    Parameters
    ----------
    model, outputs, n_jobs, random_state, verbose : object
        As in `AttributionExplainer`.
    masker : Masker, default=None
        What hides parts of rows; None: background rows, for tables.
    feature_groups : mapping from names to lists of columns, default=None
        Columns of a table that are hidden together.
    """

    background: str = "representative"
    background_size: int = BACKGROUND_SIZE
    """How rows of a table are chosen, where a method has no parameters for it."""
    _takes_sparse: ClassVar[bool] = False
    """Whether sparse rows are taken as they are."""
    _depends_alone: ClassVar[bool] = False
    """Whether the effect of a feature rests on the background's values of this feature alone."""
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "feature_groups": [dict, None],
        "masker": [None, MaskerConstraint()],
    }

    def __init__(
        self,
        model: Any,
        *,
        masker: Any = None,
        feature_groups: Any = None,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.masker = masker
        self.feature_groups = feature_groups

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Choose the background among the rows and predict it.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or what the masker takes
            Rows like those to explain.
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, for the background and an unfitted model.

        Returns
        -------
        self : BackgroundExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used.
        """
        self._begin_fit()
        self._learn_background(X, y, sample_weight)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse and self.masker is None
        return tags

    def _choose_background(self, table: Any, sample_weight: Any) -> Background:
        """Background rows of a table, by `background` and `background_size` where a method has them."""
        return choose_background(self.background, table, self.background_size, self._seed, sample_weight)

    def _choose_masker(self, X: Any, sample_weight: Any) -> Any:
        """What hides parts of rows that are no tables; None for tables."""
        return self.masker

    def _errors_of_fills(self, masker: Any) -> ErrorMap:
        """The error of means over a masker's fills: by default none, as if these were all."""
        return ErrorMap.none(masker.weights.size)

    def _learn_background(self, X: Any, y: Any, sample_weight: Any) -> MaskedRows:
        """Learn all that does not depend on the method: model, features, background. Gives the rows of X."""
        check_row_order(X, y=None if is_fitted(self.model) else y, sample_weight=sample_weight)
        masker = self._choose_masker(X, sample_weight)
        if masker is None:
            table = as_sparse(X) if self._takes_sparse and is_sparse(X) else as_table(X)
            predictor = self._fit_predictor(table, y, sample_weight)
            self._learn_columns(table, self.feature_groups)
            background = self._choose_background(table, sample_weight)
            if is_sparse(X):
                predictor = for_sparse(predictor, as_sparse(table[:_N_TRIAL_ROWS]))
                self._masker: Any = SparseMasker(
                    background.rows, background.weights, self.features_, make=predictor.sparse
                )
            else:
                self._masker = TabularMasker(background.rows, background.weights, self.features_)
            self._errors = background.errors.of_features(self.features_.columns, self._depends_alone)
            rows = read_rows(self._masker, table)
        else:
            self._check_no_groups()
            rows = read_rows(masker, X)
            predictor = self._fit_predictor(rows.unmasked, y, sample_weight)
            self._masker, self._errors = masker, self._errors_of_fills(masker)
            self.n_features_in_ = int(np.prod(rows.unmasked.shape[1:]))
        self.features_ = rows.features
        self._same_features = self._masker.same_features
        self._predict_background(predictor, rows.unmasked)
        self._probed = self._probe(rows, background.places, sample_weight) if masker is None else None
        return rows

    def _probe(self, rows: MaskedRows, background: Codes | None, sample_weight: Any) -> Probed | None:
        """What values of a feature, or of all, do to predictions of rows of the table.

        Rows get a feature of other rows, whether or not these are background rows. None where the background
        is all there is.
        """
        if not self._errors.n_components or background is None:
            return None
        of_background: Any = self._background_predictions
        table = rows.unmasked
        probes = Probes.draw(table, self.features_.columns, background, self._seed, sample_weight)
        first = _as_rows(table, probes.rows)
        before = self._predict(first)
        typical: list[Floats] = []
        kurtosis: list[Floats] = []
        seen: list[Floats] = [before, of_background]
        for feature, others, weights in zip(probes.probed, probes.others, probes.weights, strict=True):
            after = self._predict(_mixed(first, _as_rows(table, others), self.features_.columns[feature]))
            changes = after - before
            typical.append(0.5 * weights @ np.square(changes))
            # Changes are differences of two rows' contributions, whose excess kurtosis is half that of one.
            kurtosis.append(2.0 * weighted_kurtosis(changes, weights) - 3.0)
            seen.append(after)
        self._n_trial_rows += len(before) * (1 + len(typical))
        # Of the mean prediction, with everything hidden.
        equal = np.full(len(before), 1.0 / len(before))
        centered = before - before[:1]
        of_all = centered.var(axis=0), weighted_kurtosis(centered - equal @ centered, equal)
        whole: Floats = np.concatenate(seen)
        spread = (whole - whole[:1]).std(axis=0)
        is_exact = probes.is_complete if self._depends_alone else np.zeros_like(probes.is_constant)
        parts = (
            np.vstack([probes.of_all(np.array(of_probed)), whole_row])
            for of_probed, whole_row in zip((typical, kurtosis), of_all, strict=True)
        )
        return Probed(next(parts), spread, is_exact, probes.is_constant, next(parts))

    @property
    def _slope(self) -> Any:
        """By how much explained units change with an output (n_outputs,), about the mean prediction."""
        return 1.0

    def _elsewhere(
        self, rows: MaskedRows, predictions: Floats, selection: OutputSelection
    ) -> Elsewhere | None:
        """The same of the selected outputs, (n_features + 1, n_rows, n_selected)."""
        probed = self._probed
        if probed is None:
            return None
        shape = (len(predictions), *probed.typical.shape)
        typical = np.broadcast_to(probed.typical * self._slope**2, shape)
        apart = np.hypot(probed.spread, predictions - self.base_values_)
        apart = np.where(apart > _ROUNDING * np.abs(predictions), apart, 0.0) * self._slope
        spread = np.broadcast_to(apart[:, None], shape)
        is_exact = probed.is_exact | (probed.is_constant & ~rows.varying)
        is_exact = np.column_stack([is_exact, np.zeros(len(is_exact), dtype=bool)])
        kurtosis = np.broadcast_to(probed.kurtosis, shape)
        parts: list[Any] = [selection.pick(part, predictions) for part in (typical, spread, kurtosis)]
        parts.insert(2, np.broadcast_to(is_exact[:, :, None], parts[0].shape))
        return Elsewhere(*(np.moveaxis(part, 0, 1) for part in parts))

    def _own_order(self, rows: MaskedRows) -> Codes:
        """Rows (n_rows,) of a table in an order that does not depend on where they are in it."""
        if self.masker is not None:
            return np.arange(len(rows))
        if is_sparse(rows.unmasked):
            return np.argsort(row_keys(rows.unmasked), kind="stable")
        return own_order([one.key for one in read_columns(rows.unmasked)])

    def _predict_background(self, predictor: Predictor, rows: Any) -> None:
        """Try the model on the background, which gives the base values; without one on a few rows."""
        self.background_ = self._masker.background
        is_known = self.background_ is not None
        trial_rows = self.background_ if is_known else rows[:_N_TRIAL_ROWS]
        others = rows[:_N_OTHER_ROWS]
        predictions = self._try_model(predictor, trial_rows, remember=is_known, others=others)
        self._background_predictions = predictions if is_known else None
        self.background_weights_: Any = self._masker.weights if is_known else None
        self.base_values_: Any = self._masker.weights @ predictions if is_known else None

    def _check_no_groups(self) -> None:
        if self.feature_groups is not None:
            raise DataError(
                f"The 'feature_groups' parameter of {type(self).__name__} must be None where a masker says "
                f"what is hidden together, got {self.feature_groups!r}. Give the groups to the masker."
            )

    def _read(self, X: Any) -> MaskedRows:
        """Rows to explain, with the features seen in `fit` where all rows have the same."""
        return read_rows(self._masker, X, self.features_)

    def _data(self, rows: MaskedRows) -> Any:
        return rows.data

    def _feature_names(self, rows: MaskedRows) -> tuple[str, ...]:
        return rows.features.names

    def _describe_fit(self) -> dict[str, Any]:
        return {"background_size": int(self._masker.weights.size)}

    def _check_same_model(self, predictor: Predictor) -> Predictor:
        form = getattr(self._masker, "make", None)
        return super()._check_same_model(predictor if form is None else replace(predictor, sparse=form))


def _as_rows(table: Any, places: Codes) -> Any:
    """Some rows of a table; of sparse ones as an array."""
    rows = take_rows(table, places)
    return rows.toarray() if is_sparse(rows) else rows


def _mixed(first: Any, second: Any, positions: Sequence[int]) -> Any:
    """Rows with the values that others have in some columns."""
    if isinstance(first, np.ndarray):
        mixed = first.copy()
        mixed[:, list(positions)] = second[:, list(positions)]
        return mixed
    columns = {
        place: column_values(source, place)
        for place, source in enumerate(second if j in positions else first for j in range(first.shape[1]))
    }
    return build_table(without_index(first), columns)
