"""Base of all explainers: their parameters, the model, the rows that they read, the outputs to explain."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from agnostix.core.explanation import Detail
from agnostix.core.features import read_like
from agnostix.core.frames import as_table, checked_weights, copy_table, is_frame, take_rows
from agnostix.core.masking.fills import as_pixels
from agnostix.core.models import Predictor, as_predictor, is_fitted
from agnostix.core.names import did_you_mean
from agnostix.core.state import with_pandas, without_pandas
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.exceptions import DataError

_N_TABLE_ROWS = 20
_N_IMAGES = 2
_SMALLEST, _LARGEST = 1e-150, 1e150
"""Sizes of predictions whose squares, times weights, are neither 0 nor infinite."""
MAX_OUTPUTS = 20
"""Outputs up to which all are explained by default; beyond, the predicted one."""


class BaseExplainer(BaseEstimator):
    """Base of all explainers.

    A fitted model is handled as by scikit-learn's FrozenEstimator: clones
    share it, and its parameters are not exposed through the explainer's. An
    unfitted estimator is cloned as usual and fitted by `fit` into ``model_``.
    """

    model: Any
    _predictor: Any = None
    _squares_predictions = True
    """Whether predictions are squared as they are, which limits their size."""
    _doc_page = ""
    _doc_link_module = "agnostix"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the explainer's parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of an unfitted model are included.

        Returns
        -------
        dict
        """
        params = super().get_params(deep=deep)
        if not is_fitted(self.model):
            return params
        return {name: value for name, value in params.items() if not name.startswith("model__")}

    def set_params(self, **params: Any) -> BaseExplainer:
        """Set the explainer's parameters.

        Parameters
        ----------
        **params : dict
            By name; those of an unfitted model as ``model__<name>``.

        Returns
        -------
        self : BaseExplainer

        Raises
        ------
        ValueError
            If there is no such parameter, or it is one of a fitted model.
        """
        inner = [name for name in params if name.startswith("model__")]
        if inner and is_fitted(params.get("model", self.model)):
            name = inner[0].removeprefix("model__")
            raise ValueError(
                f"The model of {type(self).__name__} is fitted, so its {name!r} cannot be set. "
                "Pass an unfitted one, which fit will fit."
            )
        return super().set_params(**params)

    def __getstate__(self) -> Any:
        return without_pandas(super().__getstate__())

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(with_pandas(state))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # A callable that returns NaN for missing values is refused in `fit`, which predicts all rows.
        tags.input_tags.allow_nan = allows_nan(self.model, if_unknown=False)
        return tags

    def __sklearn_clone__(self) -> BaseExplainer:
        params = {
            name: value if name == "model" and is_fitted(value) else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        copy = type(self)(**params)
        for state in ("_metadata_request", "_sklearn_output_config"):
            if hasattr(self, state):
                setattr(copy, state, getattr(self, state))
        return copy

    def without_model(self) -> BaseExplainer:
        """Leave the model out, to store a fitted explainer whose model cannot be.

        Returns
        -------
        BaseExplainer
            A fitted copy that pickles and cannot explain before `attach` gives it a model.
        """
        check_is_fitted(self)
        twin = copy(self)
        twin.model = twin.model_ = twin._predictor = None
        return twin

    def attach(self, model: Any) -> BaseExplainer:
        """Give a model to a fitted explainer that was stored without.

        Parameters
        ----------
        model : fitted estimator, Pipeline, callable or Predictor
            The one that the explainer was fitted with.

        Returns
        -------
        self : BaseExplainer

        Raises
        ------
        ValueError
            If the model does not predict as the one that the explainer was fitted with.
        """
        check_is_fitted(self)
        predictor = self._check_same_model(as_predictor(model))
        self.model = self.model_ = model
        self._predictor = predictor
        return self

    def _check_has_model(self) -> None:
        if self._predictor is None:
            raise NotFittedError(
                f"This {type(self).__name__} was stored without its model. Call attach(model) first."
            )

    def _check_same_model(self, predictor: Predictor) -> Predictor:
        """The predictor; ValueError if it does not predict trial rows as the one at fit did."""
        return predictor

    def _get_doc_link(self) -> str:
        """Where the "?" of the HTML representation leads."""
        own = type(self).__module__.split(".")[0] == self._doc_link_module
        return page_address(self._doc_page) if own and self._doc_page else ""

    def _fit_predictor(self, X: Any, y: Any, sample_weight: Any = None) -> Predictor:
        """The model as a Predictor, fitted first if it is not."""
        checked_weights(sample_weight, X.shape[0])  # also where nothing uses them
        model = self.model
        if not is_fitted(model):
            if y is None:
                raise ValueError(
                    f"The 'model' of {type(self).__name__} is not fitted: {type(model).__name__}. "
                    "Fit it first, or pass y to fit."
                )
            if sample_weight is not None and not has_fit_parameter(model, "sample_weight"):
                raise ValueError(
                    f"The 'model' of {type(self).__name__} is not fitted, and {type(model).__name__}.fit "
                    "takes no sample_weight. Fit it first, or leave sample_weight out."
                )
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            # Copies: scikit-learn's copy=False lets a model write into what it is fitted on.
            model = clone(model).fit(copy_table(X), deepcopy(y), **deepcopy(weight))
        self.model_ = model
        self._predictor = as_predictor(model)
        return self._predictor

    def _check_sizes(
        self, predictions: Floats, known: Floats | None = None, values: Any = None, base_values: Any = None
    ) -> None:
        """DataError if squares of differences between predictions (n_rows, n_outputs) are infinite or 0.

        Only large ones are refused before there are values. Of an output that is constant, as far as is
        known, the differences are 0 whatever its size.
        """
        if not self._squares_predictions:
            return
        largest = max(_size(predictions), _size(values), _size(base_values))
        is_small = values is not None and 0 < largest < _SMALLEST
        if not is_small and largest <= _LARGEST:
            return
        seen = predictions if known is None else np.concatenate([known, predictions])
        differing = max(_size(seen[:, (seen != seen[:1]).any(axis=0)]), _size(values))
        are_lost = values is not None and bool(np.isnan(values).all())
        if differing > _LARGEST or are_lost or (is_small and differing > 0):
            raise DataError(
                f"{type(self).__name__} squares predictions, which must be between {_SMALLEST:g} and "
                f"{_LARGEST:g} in size, and those of the model {self._predictor.name} reach {largest:.3g}. "
                f"Pass a function that divides them by 1e{int(np.floor(np.log10(largest)))}."
            )


def _size(array: Any) -> float:
    """The largest absolute number, 0 for None; NaN are features that a row has not got."""
    return 0.0 if array is None else float(np.abs(array).max(initial=0.0, where=~np.isnan(array)))


def page_address(page: str) -> str:
    """Address of a page of the documentation, in a checkout or as installed; "" where it is not there."""
    checkout = Path(__file__).parents[3] / "docs"
    installed = Path(sysconfig.get_path("data")) / "share" / "doc" / "agnostix"
    for folder in (checkout, installed):
        if (folder / page).is_file():
            return (folder / page).as_uri()
    return ""


def count_axes(X: Any) -> int:
    """Axes of a table (2) or of images (3 or 4), be they arrays, frames or nested lists."""
    if is_frame(X):
        return 2
    if hasattr(X, "ndim"):
        return int(X.ndim)
    is_list = isinstance(X, list | tuple) and len(X) > 0
    return 1 + count_axes(X[0]) if is_list else np.asarray(X, dtype=object).ndim


def read_rows_or_images(X: Any) -> Any:
    """A checked table, or images if X has more than two axes."""
    return as_pixels(X) if count_axes(X) > 2 else as_table(X)


def take_examples(rows: Any) -> Any:
    """The first rows (of images few), whose predictions identify a model."""
    most = _N_TABLE_ROWS if count_axes(rows) == 2 else _N_IMAGES
    return take_rows(rows, np.arange(min(most, rows.shape[0])))


def read_rows_like(X: Any, examples: Any, owner: str) -> Any:
    """X read as `examples` were, a table or images; DataError if columns, types or the size differ."""
    if count_axes(examples) == 2:
        return read_like(X, examples)
    pixels = as_pixels(X)
    check_image_shape(pixels, examples.shape[1:], owner)
    return pixels


def check_image_shape(pixels: Any, shape: tuple[int, ...], owner: str) -> None:
    """Raise DataError unless images have the shape that those seen in `fit` had."""
    if pixels.shape[1:] != shape:
        what = "pictures" if len(shape) > 1 else "series"
        raise DataError(
            f"X has {what} of shape {pixels.shape[1:]}, and {owner} was fitted on {what} of shape "
            f"{shape}. Resize them, or fit again."
        )


def to_plain(value: Any) -> Any:
    """A parameter as numbers, text, None, and lists and dicts of them; others as their text."""
    if isinstance(value, Mapping | pd.Series):
        return {str(name): to_plain(entry) for name, entry in value.items()}
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value  # what is masked is None
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | None) else repr(value)


@dataclass(frozen=True)
class OutputSelection:
    """Outputs to explain: the same in every row, or the one that each row's prediction is largest in."""

    all_names: tuple[str, ...]  # of all of the model's outputs
    places: tuple[int, ...] | None  # which of them; None for each row's predicted one

    @classmethod
    def from_parameter(cls, outputs: Any, all_names: Sequence[str]) -> OutputSelection:
        """Read the parameter `outputs`: None, "predicted", a name, an index or several; else ValueError."""
        names = tuple(all_names)
        if outputs is None:
            return cls(names, None if len(names) > MAX_OUTPUTS else tuple(range(len(names))))
        if isinstance(outputs, str) and outputs == "predicted" and outputs not in names:
            return cls(names, None)
        listed = [outputs] if isinstance(outputs, str) or not np.iterable(outputs) else outputs
        places = tuple(_find_output(one, names) for one in listed)
        if not places or len(set(places)) < len(places):
            raise ValueError(
                f"The 'outputs' parameter must name at least one output, and none twice, got {outputs!r}."
            )
        return cls(names, places)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the selected outputs; "predicted" where it is another for each row."""
        return ("predicted",) if self.places is None else tuple(self.all_names[j] for j in self.places)

    @property
    def n_selected(self) -> int:
        """Outputs that are explained for each row."""
        return 1 if self.places is None else len(self.places)

    def indices(self, predictions: Floats) -> Codes:
        """Places (n_rows, n_selected) of the outputs, given predictions (n_rows, n_outputs)."""
        if self.places is None:
            return predictions.argmax(axis=1)[:, None]
        return np.tile(np.array(self.places, dtype=np.intp), (predictions.shape[0], 1))

    def pick(self, array: Numbers, predictions: Floats) -> Numbers:
        """From an array (n_rows, ..., n_outputs) to (n_rows, ..., n_selected)."""
        if self.places == tuple(range(array.shape[-1])):
            return array
        indices = self.indices(predictions)
        between = (1,) * (array.ndim - 2)
        return np.take_along_axis(array, indices.reshape(len(indices), *between, -1), axis=-1)

    def details(self, predictions: Floats) -> dict[str, Detail]:
        """Names of the predicted outputs (n_rows,), where each row has its own."""
        if self.places is not None:
            return {}
        predicted = np.array([self.all_names[j] for j in predictions.argmax(axis=1)])
        return {"predicted": Detail(predicted, ("row",))}


def _find_output(one: Any, names: tuple[str, ...]) -> int:
    one = one.item() if isinstance(one, np.ndarray) and one.ndim == 0 else one
    if isinstance(one, int | np.integer) and not isinstance(one, bool) and 0 <= one < len(names):
        return int(one)
    if str(one) in names:
        return names.index(str(one))
    raise ValueError(
        f"There is no output {one!r}. The outputs: {', '.join(names)}.{did_you_mean(one, names)}"
    )


def allows_nan(model: Any, *, if_unknown: bool) -> bool:
    """Whether a model takes missing values, by its tags, if it has any; no model does not mind them."""
    if model is None or isinstance(model, type):  # a class, which is refused in `fit`
        return True
    owner = getattr(getattr(model, "function", model), "__self__", model)  # of a Predictor's function
    for _, step in getattr(owner, "steps", ()):  # a Pipeline's tags do not say that an imputer fills them
        if type(step).__module__.startswith("sklearn.impute"):
            return True
        if hasattr(step, "__sklearn_tags__") and not get_tags(step).input_tags.allow_nan:
            return False
    return bool(get_tags(owner).input_tags.allow_nan) if hasattr(owner, "__sklearn_tags__") else if_unknown
