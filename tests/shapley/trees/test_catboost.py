"""CatBoost's models are explained by KernelSHAP."""

from __future__ import annotations

import pytest

from tests.shapley.trees.booster_cases import X, Y, refused

catboost = pytest.importorskip("catboost")


def test_catboost_is_refused_by_name() -> None:
    model = catboost.CatBoostRegressor(iterations=3, verbose=False, allow_writing_files=False).fit(X, Y)
    refused(model, X, "CatBoostRegressor")
