"""LIME's intervals: coefficients, R2, answers and base values by sampling, surrogate, selection and length.

Truths are means over the seeds, of the same statistic; of selected features, of the fit to all features,
since features of a table are independent under the kernel; of masks, what each feature adds.
"""

from __future__ import annotations

import zlib
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from _coverage import Cell, seeds_of
from _lime_cases import Case, cancer, diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import HuberRegressor, Lasso

from agnostix import Explanation, LimeExplainer, as_predictor
from agnostix.core.intervals import interval_ends
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.maskers import SegmentMasker, TextMasker

LEVEL = 0.95
N_ROWS = 6


def cells(args: Namespace) -> Iterator[Cell]:
    """All cells, the cheap ones first."""
    seeds = seeds_of(args, 80, 16)
    for name, case, settings in _runs(args.quick):
        found = [case.explained(seed, verbose=0, **settings) for seed in seeds]
        yield from cells_of(f"{name}, {case.name}", found)
    for name, case, settings, whole in _selections(args.quick):
        found = [case.explained(seed, verbose=0, **settings) for seed in seeds]
        limits = [
            case.explained(100_000 + seed, verbose=0, **whole) for seed in range(max(len(seeds) // 2, 8))
        ]
        yield _selected(f"{name}, {case.name}", found, np.mean([values_of(one) for one in limits], axis=0))
    for name, explainer, row, adds in _masks(args.quick):
        own = seeds if adds.size <= 200 else seeds[: max(len(seeds) // 4, 4)]
        found = [explainer(seed).fit(row).explain(row) for seed in own]
        yield cell_of(name, values_of, errors_of, ends_of, found, adds)
        yield _of_output(name, "R2", found)


# Tables -------------------------------------------------------------------------------------------


def _runs(quick: bool) -> Iterator[tuple[str, Case, dict[str, Any]]]:
    """Names, cases and settings whose values, answers, base values and R2 are measured."""
    samplings = {
        "default": {},
        "500 draws": {"n_samples": 500},
        "128 draws": {"n_samples": 128},
        "tilted": {"sampling": "tilted"},
        "tilted, narrow": {"sampling": TiltedSampling(1.0)},
        "no bins": {"sampling": KernelSampling(discretizer=None)},
        "local": {"sampling": LocalSampling(0.5)},
    }
    for name, settings in samplings.items():
        for case in _cases():
            if "spike" in case.name and "draws" in name:
                continue  # no draw meets it: not determined
            if "mixed" not in case.name or name in ("default", "500 draws", "tilted"):
                yield name, case, settings
    for case in (*_cases(), cancer(N_ROWS)):
        yield "tree", case, {"surrogate": "tree"}
    regressors = {"Lasso": Lasso(0.02), "Huber": HuberRegressor(max_iter=500)}
    for name, regressor in regressors.items():
        for case in [one for one in _cases() if "exp" not in one.name]:
            yield name, case.first(3), {"surrogate": regressor}


def _cases() -> tuple[Case, ...]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(800, 8))
    inside = np.full((2, 8), 1.5)
    skewed = np.column_stack(
        [(rng.random(800) < share).astype(int) for share in (0.3, 0.05, 0.5)]
        + [np.exp(rng.normal(size=800) * sigma) for sigma in (0.8, 1.2)]
    )
    return (
        Case(
            "sum with a product", lambda Z: Z[:, 0] + 0.8 * Z[:, 1] * Z[:, 2] + 0.5 * Z[:, 3], X, X[:N_ROWS]
        ),
        Case("parity of three", lambda Z: np.sign(Z[:, 0] * Z[:, 1] * Z[:, 2]), X, X[:N_ROWS]),
        Case("exp of a sum", lambda Z: np.exp(Z[:, :4].sum(axis=1) / 2.0), X, X[:N_ROWS]),
        Case(
            "spike of four",
            lambda Z: (Z[:, :4] > 0.9).all(axis=1).astype(float),
            X,
            np.vstack([X[:4], inside]),
        ),
        Case("binaries and lognormals", _skewed_model, skewed, skewed[:N_ROWS]),
        diabetes(N_ROWS),
        _mixed(),
    )


def _skewed_model(Z: Any) -> Any:
    one, other = np.maximum(Z[:, 3], 0.0), np.maximum(Z[:, 4], 0.0)  # normal draws may be below 0
    return Z[:, 0] * np.log1p(one) + 2.0 * Z[:, 1] + np.sqrt(other) * (Z[:, 2] - 0.5)


def _mixed() -> Case:
    """Numbers, whole numbers, missing values and levels, and boosted trees."""
    rng = np.random.default_rng(3)
    n = 1_500
    frame = pd.DataFrame(
        {
            "score": rng.normal(size=n),
            "age": rng.integers(18, 80, n),
            "city": rng.choice(list("abcdefg"), n, p=[0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02]),
            "debt": np.where(rng.random(n) < 0.6, 0.0, rng.exponential(size=n)),
            "pay": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
        }
    )

    def codes(table: Any) -> Any:
        return table.assign(city=table["city"].map(ord)).to_numpy(dtype=float)

    y = (
        frame["score"] * (frame["city"] < "c")
        + 0.02 * frame["age"]
        + np.minimum(frame["pay"].fillna(0.0), 5.0)
    )
    model = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(
        codes(frame), y + (frame["debt"] > 0)
    )
    return Case(
        "mixed frame, boosted trees", lambda table: model.predict(codes(table)), frame, frame.head(N_ROWS)
    )


def _selections(quick: bool) -> Iterator[tuple[str, Case, dict[str, Any], dict[str, Any]]]:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(600, 12))
    slopes = np.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0, 0.0, 0.0])
    forest = RandomForestRegressor(30, max_depth=6, random_state=0).fit(X, X @ slopes + X[:, 0] * X[:, 1])
    cases = (
        Case(
            "falling slopes and noise",
            lambda Z: Z @ slopes + 2.0 * np.sin(40.0 * Z.sum(axis=1)),
            X,
            X[:N_ROWS],
        ),
        Case("forest", forest.predict, X, X[:N_ROWS]),
    )
    for case in cases:
        for how in ("forward_selection", "highest_weights", "lasso_path"):
            for n_samples in ("auto", 500):
                shared = {"n_samples": n_samples}
                limits = {"n_samples": 20_000}
                yield (
                    f"3 of 12 by {how}, {n_samples}",
                    case,
                    {**shared, "max_features": 3, "feature_selection": how},
                    limits,
                )
        yield "3 of 12, klasso", case, {"max_features": 3, "surrogate": "klasso"}, {"n_samples": 20_000}
        huber = {"surrogate": HuberRegressor(max_iter=500)}
        yield "3 of 12, Huber", case.first(2), {"max_features": 3, **huber}, {"n_samples": 20_000, **huber}


# Masks --------------------------------------------------------------------------------------------


def _masks(quick: bool) -> Iterator[tuple[str, Callable[[int], LimeExplainer], Any, np.ndarray]]:
    """Names, explainers by seed, the row, and what each feature adds to it."""
    for n_words in (50, 200) if quick else (50, 200, 900):
        adds = np.random.default_rng(n_words).normal(size=n_words) / np.sqrt(n_words)
        text = " ".join(f"w{j}" for j in range(n_words))
        for noise in (0.0, 1.0):

            def words(texts: Any, adds: np.ndarray = adds, noise: float = noise) -> np.ndarray:
                found = [[int(word[1:]) for word in one.split() if word[1:].isdigit()] for one in texts]
                return np.array([adds[one].sum() + noise * _noise(np.array(one)) for one in found])

            def of_words(seed: int, model: Any = words) -> LimeExplainer:
                return LimeExplainer(
                    as_predictor(model, task="regression"), masker=TextMasker(), random_state=seed, verbose=0
                )

            if noise:
                yield f"text of {n_words} words, and noise", of_words, [text], adds
    for side in (7, 14) if quick else (7, 14, 20, 30):
        adds = np.random.default_rng(side).normal(size=side**2) / side
        image = np.ones((1, side, side))

        def pixels(images: Any, adds: np.ndarray = adds) -> np.ndarray:
            on = np.asarray(images).reshape(len(images), -1) > 0.5
            pair = on[:, 0] * on[:, -1] - 0.5 * on[:, 0] - 0.5 * on[:, -1]
            return on @ adds + pair + np.array([_noise(one) for one in on])

        def of_pixels(seed: int, model: Any = pixels, n: int = side**2) -> LimeExplainer:
            masker = SegmentMasker(n_segments=n, fill=0.0)
            return LimeExplainer(
                as_predictor(model, task="regression"), masker=masker, random_state=seed, verbose=0
            )

        yield f"{side**2} segments, and noise", of_pixels, image, adds


def _noise(key: np.ndarray) -> float:
    """A number from a standard normal distribution, which a mask alone decides."""
    return float(np.random.default_rng(zlib.crc32(np.ascontiguousarray(key).tobytes())).normal())


# Cells --------------------------------------------------------------------------------------------


def values_of(one: Explanation) -> np.ndarray:
    return one.values[:, :, 0].ravel()


def errors_of(one: Explanation) -> np.ndarray:
    return one.std_errors[:, :, 0].ravel()


def ends_of(one: Explanation) -> tuple[np.ndarray, np.ndarray]:
    low, high = (end[:, :, 0].ravel() for end in one.interval(LEVEL))
    given = np.isfinite(high)
    return np.where(given, low, np.nan), np.where(given, high, np.nan)


def cell_of(
    name: str, values: Any, errors: Any, ends: Any, found: list[Explanation], truths: Any = None
) -> Cell:
    estimates = np.array([values(one) for one in found])
    low, high = (np.array(side) for side in zip(*(ends(one) for one in found), strict=True))
    truths = _mean(np.where(np.isnan(low), np.nan, estimates)) if truths is None else truths
    return Cell("lime", name, estimates, truths, low, high, np.array([errors(one) for one in found]))


def _mean(runs: np.ndarray) -> np.ndarray:
    counts = (~np.isnan(runs)).sum(axis=0)
    return np.where(counts > 0, np.nansum(runs, axis=0) / np.maximum(counts, 1), 0.0)


_STATISTICS = {
    "R2": (lambda one: one.fidelity["r2"], "r2_std_errors", "r2_degrees_of_freedom", "log_complement"),
    "answer": (
        lambda one: one.extras["surrogate_outputs"].array,
        *("surrogate_std_errors", "surrogate_degrees_of_freedom", "student"),
    ),
    "base": (
        lambda one: one.base_values,
        *("base_value_std_errors", "surrogate_degrees_of_freedom", "student"),
    ),
}


def _of_output(name: str, what: str, found: list[Explanation]) -> Cell:
    """Of R2, the surrogate's answers or base values."""
    number, error, dof, kind = _STATISTICS[what]

    def values(one: Explanation) -> np.ndarray:
        return number(one).ravel()

    def errors(one: Explanation) -> np.ndarray:
        return one.extras[error].array.ravel()

    def ends(one: Explanation) -> tuple[np.ndarray, np.ndarray]:
        return interval_ends(values(one), errors(one), LEVEL, one.extras[dof].array.ravel(), kind)

    return cell_of(f"{name}: {what}", values, errors, ends, found)


def cells_of(name: str, found: list[Explanation]) -> Iterator[Cell]:
    yield cell_of(f"{name}: values", values_of, errors_of, ends_of, found)
    for what in _STATISTICS:
        yield _of_output(name, what, found)


def _selected(name: str, found: list[Explanation], limits: np.ndarray) -> Cell:
    """Of the values of features that were selected, the largest of a row first; limits (n_values,) of all."""
    parts: dict[str, list[np.ndarray]] = {}
    for one in found:
        shape = one.values.shape[:2]
        is_in = one.extras["selected"].array[:, :, 0]
        order = np.argsort(np.where(is_in, -np.abs(one.values[:, :, 0]), np.inf), axis=1)
        order = order[:, : is_in.sum(axis=1).max()]
        low, high = (np.where(is_in, end.reshape(shape), np.nan) for end in ends_of(one))
        arrays = {"estimates": one.values[:, :, 0], "truths": limits.reshape(shape), "low": low, "high": high}
        for key, array in (arrays | {"std_errors": one.std_errors[:, :, 0]}).items():
            parts.setdefault(key, []).append(np.take_along_axis(array, order, axis=1).ravel())
    return Cell("lime", name, **{key: np.array(arrays) for key, arrays in parts.items()})
