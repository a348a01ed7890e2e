"""What all explainers share: parameters checked in scikit-learn's way, models treated with care."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone

from agnostix.models import Predictor, as_predictor, is_fitted


class BaseExplainer(BaseEstimator):
    """Base of all explainers.

    A fitted model is handled as by scikit-learn's FrozenEstimator: clones
    share it, and its parameters are not exposed through the explainer's. An
    unfitted estimator is cloned as usual and fitted by `fit` into ``model_``.
    """

    model: Any

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
        if not _is_shared(self.model):
            return params
        return {name: value for name, value in params.items() if not name.startswith("model__")}

    def __sklearn_clone__(self) -> BaseExplainer:
        params = {
            name: value if name == "model" and _is_shared(value) else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        copy = type(self)(**params)
        for state in ("_metadata_request", "_sklearn_output_config"):
            if hasattr(self, state):
                setattr(copy, state, getattr(self, state))
        return copy

    def _fit_predictor(self, X: Any, y: Any, sample_weight: Any = None) -> Predictor:
        """The model, fitted first if it is not, ready to be asked."""
        model = self.model
        if not is_fitted(model):
            if y is None:
                raise ValueError(
                    f"The 'model' of {type(self).__name__} is not fitted: {type(model).__name__}. "
                    "Fit it first, or pass y to fit."
                )
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            model = clone(model).fit(X, y, **weight)
        self.model_ = model
        return as_predictor(model)


def _is_shared(model: Any) -> bool:
    return is_fitted(model)
