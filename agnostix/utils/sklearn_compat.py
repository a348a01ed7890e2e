"""The one place that reaches into scikit-learn beyond its public face."""

from __future__ import annotations

from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import validate_data

__all__ = ["HasMethods", "Interval", "InvalidParameterError", "StrOptions", "validate_data"]
