"""What explainers that give each feature a value share: they are transformers too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from agnostix.core.base.explainer import BaseExplainer
from agnostix.core.base.outputs import select_outputs
from agnostix.core.evaluate import Reduce, evaluate
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.models import Predictor
from agnostix.core.progress import ProgressBar
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

_SAME = 1e-5
"""Share of the largest answer by which those of one model may differ, as in single precision they do."""


class AttributionExplainer(TransformerMixin, BaseExplainer):
    """Base of the explainers whose `explain` returns an `Explanation`.

    `transform` gives the attributions as a matrix, so that explanations enter
    Pipelines; of a binary model the second class alone, since the first
    mirrors it.
    """

    outputs: Any
    n_jobs: int | None
    verbose: int
    _same_features: bool = True
    _shown: Any = None
    _shown_answers: Any = None

    def explain(self, X: Any, *, outputs: Any = None) -> Explanation:
        """Explain rows; each explainer says how."""
        raise NotImplementedError

    def transform(self, X: Any) -> Floats:
        """Give the attributions as a matrix.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows to be explained.

        Returns
        -------
        ndarray of shape (n_rows, n_features * n_outputs)
            In model output units; all features of the first output come first.

        Raises
        ------
        ValueError
            If each row has features of its own, as words of texts are.
        """
        check_is_fitted(self)
        self._columns_out()  # or an error, before anything costs
        values = self.explain(X).values[:, :, self._kept_outputs()[0]]
        return values.transpose(0, 2, 1).reshape(values.shape[0], -1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # what the model makes of them is its own affair
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : None
            Not used; there for scikit-learn.

        Returns
        -------
        ndarray of str
            The features; with several outputs "output: feature".

        Raises
        ------
        ValueError
            If each row has features of its own, as words of texts are.
        """
        check_is_fitted(self)
        names, outputs = self._columns_out(), self._kept_outputs()[1]
        if len(outputs) == 1:
            return np.array(names, dtype=object)
        return np.array([f"{output}: {name}" for output in outputs for name in names], dtype=object)

    def _columns_out(self) -> tuple[str, ...]:
        """The features, if they are the same in every row."""
        if not self._same_features:
            raise DataError(
                f"{type(self).__name__} cannot put its values into columns: the masker gives each row "
                "features of its own, so that a column would mean something else in every row. Use "
                "explain(X).values; or, for pictures, SegmentMasker('grid') or one label map for all."
            )
        return self.players_.names

    def _kept_outputs(self) -> tuple[list[int], list[str]]:
        """Places among the explained outputs, and names: all, but of two classes the second."""
        names = self.output_names_
        selected = list(select_outputs(self.outputs, names, np.zeros((1, len(names))))[1])
        if self.is_binary_ and len(selected) == 2:
            return [selected.index(names[1])], [names[1]]
        return list(range(len(selected))), selected

    def _try_model(self, predictor: Predictor, shown: Any, known_again: bool) -> Floats:
        """Show some rows to the model: it is known by its answers, and so are the names of its outputs."""
        self._predictor, answers = predictor.trial(shown)
        self._shown, self._shown_answers = (shown, answers) if known_again else (None, None)
        self._n_tried, n_outputs = answers.shape
        self.output_names_ = self._predictor.names(n_outputs)
        select_outputs(self.outputs, self.output_names_, answers)  # or an error, before more is asked
        self.is_binary_ = self._predictor.task == "classification" and n_outputs == 2
        return answers

    def _evaluate(
        self, source: Any, reduce: Reduce = None, verbose: int | ProgressBar | None = None
    ) -> tuple[Any, int]:
        """Results of a source under the model, and model rows; `verbose` may be a bar that is open."""
        return evaluate(
            self._predictor,
            source,
            reduce,
            n_outputs=len(self.output_names_),
            n_jobs=self.n_jobs,
            verbose=self.verbose if verbose is None else verbose,
        )

    def _wanted(self, outputs: Any) -> Any:
        """The outputs that are wanted, checked before anything costs."""
        wanted = self.outputs if outputs is None else outputs
        select_outputs(wanted, self.output_names_, np.zeros((1, len(self.output_names_))))
        return wanted

    def _picked(self, wanted: Any, answers: Floats) -> tuple[Codes, tuple[str, ...], dict[str, Any]]:
        """Places and names of the wanted outputs of each row, and what `extras` tells of them."""
        which, names = select_outputs(wanted, self.output_names_, answers)
        extras: dict[str, Any] = {}
        if names == ("predicted",):
            predicted = np.array([self.output_names_[j] for j in which[:, 0]])
            extras["predicted"] = Detail(predicted, ("row",))
        return which, names, extras

    def _recognised(self, predictor: Predictor) -> Predictor:
        if self._shown is None:
            return predictor
        predictor, answers = predictor.trial(self._shown)
        known = self._shown_answers
        is_like = answers.shape == known.shape
        apart = np.abs(answers - known).max(axis=1) if is_like else np.full(len(answers), np.inf)
        if apart.max() > _SAME * np.abs(known).max():
            row = int(apart.argmax())
            raise ValueError(
                f"attach got another model than fit: {predictor.name} answers row {row} of those it was "
                f"shown with {np.array2string(answers[row], precision=6)}, and the one at fit with "
                f"{np.array2string(known[row], precision=6)}. Fit a new explainer for it."
            )
        return predictor

    def _told_params(self) -> dict[str, Any]:
        """Parameters as plain values; of the model how it is asked, where that was chosen."""
        params = self.get_params(deep=False)
        told = {name: _plain(value) for name, value in params.items() if name != "model"}
        model_params = self._predictor.params
        return told | ({"model": model_params} if model_params else {})


def _plain(value: Any) -> Any:
    """A parameter as numbers, text, None, and lists and dicts of them; others as their text."""
    if isinstance(value, Mapping | pd.Series):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | None) else repr(value)
