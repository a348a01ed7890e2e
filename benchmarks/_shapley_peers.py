"""Estimators of Shapley values: ours, other people's, and those of `_plain_shapley`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shap
from _plain_shapley import leverage_pairs, permutations
from _shapley_games import Game, Setting
from shapiq import KernelSHAP

from agnostix import KernelShapExplainer, as_predictor
from agnostix.core.masking import Features, TabularMasker

Estimator = Callable[[Game, int, int], np.ndarray]
"""From a game, a budget and a seed to one value a player."""


def explainer_for(setting: Setting, budget: int, seed: int, **params: Any) -> KernelShapExplainer:
    """Ours, fitted on the other rows, with the setting's own background."""
    background = setting.background
    names = [f"x{j}" for j in range(setting.n_players)]
    weights = np.full(len(background), 1.0 / len(background))
    masker = TabularMasker(background, weights, Features.from_names(names, None))
    predictor = as_predictor(setting.predict)
    explainer = KernelShapExplainer(predictor, budget=budget, masker=masker, random_state=seed, **params)
    return explainer.fit(setting.others)


def ours(setting: Setting, budget: int, seed: int, **params: Any) -> np.ndarray:
    """All rows under one design: values of shape (n_rows, n_players)."""
    return explainer_for(setting, budget, seed, **params).explain(setting.rows).values[:, :, 0]


def theirs(estimator: Estimator, setting: Setting, budget: int, seed: int) -> np.ndarray:
    """Each row with a design of its own: values of shape (n_rows, n_players)."""
    return np.array([estimator(game, budget, 1_000 * seed + i) for i, game in enumerate(setting.games)])


def shap_kernel(game: Game, budget: int, seed: int) -> np.ndarray:
    """shap.KernelExplainer without selection of features; it does not count the empty and the full one.

    It is shown the game as a model of bits, with one background row of zeros: the same estimator as on
    the model and its background, which `shap_on_the_model` checks, without evaluating them each time.
    """
    np.random.seed(seed)  # noqa: NPY002, shap draws from numpy's global state
    explainer = shap.KernelExplainer(game, np.zeros((1, game.n_players)))
    return _shap_values(explainer, np.ones(game.n_players), budget)


def shap_on_the_model(game: Game, budget: int, seed: int) -> np.ndarray:
    """The same on the model and the background themselves."""
    np.random.seed(seed)  # noqa: NPY002
    return _shap_values(shap.KernelExplainer(game.predict, game.background), game.row, budget)


def _shap_values(explainer: shap.KernelExplainer, row: np.ndarray, budget: int) -> np.ndarray:
    return explainer.shap_values(row, nsamples=budget - 2, l1_reg=False, silent=True)


def shapiq_kernel(game: Game, budget: int, seed: int) -> np.ndarray:
    """Shapiq's KernelSHAP by its defaults."""
    return _shapiq(game, budget, seed, pairing_trick=False)


def shapiq_pairs(game: Game, budget: int, seed: int) -> np.ndarray:
    """Shapiq's KernelSHAP with its pairing trick."""
    return _shapiq(game, budget, seed, pairing_trick=True)


def _shapiq(game: Game, budget: int, seed: int, *, pairing_trick: bool) -> np.ndarray:
    estimator = KernelSHAP(n=game.n_players, pairing_trick=pairing_trick, random_state=seed)
    return estimator.approximate(budget=budget, game=game).get_n_order_values(1)


PEERS: dict[str, Estimator] = {
    "leverage pairs": leverage_pairs,
    "antithetic permutations": permutations,
    "shap.KernelExplainer, l1_reg=False": shap_kernel,
    "shapiq KernelSHAP": shapiq_kernel,
    "shapiq KernelSHAP, pairs": shapiq_pairs,
}
