"""Base of all explainers: scikit-learn's parameters, and models fitted or not."""

from __future__ import annotations

from copy import copy
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from agnostix.core.base.doc_link import page_address
from agnostix.core.models import Predictor, as_predictor, is_fitted


class BaseExplainer(BaseEstimator):
    """Base of all explainers.

    A fitted model is handled as by scikit-learn's FrozenEstimator: clones
    share it, and its parameters are not exposed through the explainer's. An
    unfitted estimator is cloned as usual and fitted by `fit` into ``model_``.
    """

    model: Any
    _predictor: Any = None
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
            model = clone(model).fit(X, y, **weight)
        self.model_ = model
        self._predictor = as_predictor(model)
        return self._predictor
