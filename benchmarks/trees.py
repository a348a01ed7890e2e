"""Exact Shapley values of tree ensembles beside shap's interventional TreeExplainer and woodelf.

- boosters: XGBoost, 100 trees of depth 6; 1,000 rows, backgrounds of 100 and 10,000 rows.
- forests: trees grown to the end on UCI Adult, one-hot inside a Pipeline, the user's columns as players.
- libraries: LightGBM and HistGradientBoosting with missing values and categories.
- few: 1 and 10 rows, as somebody asks who looks at one prediction.
- memory: the peak above what the process held before, in a fresh process.

CPU seconds of one thread, each including the reading of the model. A peer that takes long explains fewer
rows, and its time is scaled to as many as ours. TreeExplainer gets a masker with all background rows, since
it uses 100 at most of a frame. XGBoost, LightGBM and woodelf-explainer are used where they are installed.
Nothing is asserted.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
import pandas as pd
import shap
from _clock import forget_peak, in_a_process, peak_rss_mb, print_table, rss_mb
from _data import add_adult_argument, adult, described
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import read_trees
from agnostix.shapley.trees import tree_values


def ours(model: Any, rows: Any, background: Any) -> np.ndarray:
    """Values (n_rows, n_columns, n_outputs) of the user's columns, over the whole background."""
    features = Features.from_names(column_names(background))
    weights = np.full(len(background), 1.0 / len(background))
    read = read_trees(as_predictor(model), background, features)
    return tree_values(read, rows, background, weights, len(features.names))


def tree_explainer(model: Any, rows: Any, background: Any) -> np.ndarray:
    """Those of shap, over all rows of an array."""
    masker = shap.maskers.Independent(np.asarray(background, dtype=float), max_samples=len(background))
    explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
    values = explainer.shap_values(np.asarray(rows, dtype=float), check_additivity=False)
    return np.atleast_3d(values)


def woodelf(model: Any, rows: Any, background: Any) -> np.ndarray:
    """Those of woodelf-explainer."""
    from woodelf.explainer import WoodelfExplainer

    frames = [
        pd.DataFrame(part, columns=[f"x{j}" for j in range(part.shape[1])]) for part in (rows, background)
    ]
    model.get_booster().feature_names = list(frames[0].columns)
    explainer = WoodelfExplainer(model, frames[1], feature_perturbation="interventional")
    values = np.atleast_3d(explainer.shap_values(frames[0], verbose=False))
    model.get_booster().feature_names = None
    return values


def cpu_seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The least CPU time of some calls, and what the last of them gave."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        taken.append(time.process_time() - start)
    return min(taken), result


def beside(
    model: Any, rows: Any, background: Any, n_theirs: int, peers: dict[str, Any], repeats: int = 3
) -> list:
    """Our time, each peer's scaled to as many rows, and the ratio; how far TreeExplainer's values are."""
    own, values = cpu_seconds(lambda: ours(model, rows, background), repeats)
    cells, apart = [f"{own:.2f}"], 0.0
    for name, peer in peers.items():
        n_rows = len(rows) if name == "woodelf" else n_theirs
        taken, theirs = cpu_seconds(lambda peer=peer, n_rows=n_rows: peer(model, rows[:n_rows], background))
        taken *= len(rows) / n_rows
        if name == "TreeExplainer":
            apart = float(np.abs(values[:n_rows, :, -1] - theirs[:, :, -1]).max())
        cells.append(f"{taken:.1f} ({taken / own:.1f} x)")
    return [*cells, f"{apart:.0e}"]


def has(name: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def boosters(args: Namespace) -> None:
    """XGBoost, margins."""
    if not has("xgboost"):
        return print("XGBoost is not installed.")
    import xgboost

    peers = {"TreeExplainer": tree_explainer} | ({"woodelf": woodelf} if has("woodelf") else {})
    rng, rows = np.random.default_rng(0), []
    for d in args.columns or (8, 20, 50):
        X = rng.normal(size=(12_000, d)).astype(np.float32)
        y = X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.normal(size=len(X))
        model = xgboost.XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1, tree_method="hist").fit(X, y)
        for n_background, n_theirs in ((100, 200), (10_000, 4)):
            background = X[1_000 : 1_000 + n_background]
            rows.append(
                [f"{d} columns", f"{n_background:,}", *beside(model, X[:1_000], background, n_theirs, peers)]
            )
    header = [
        "XGBoost, 100 x depth 6, 1,000 rows",
        "background",
        "agnostix",
        *peers,
        "differ from TreeExplainer by",
    ]
    print_table("Boosters, CPU s for 1,000 rows (and times ours)", header, rows)
    return None


def encoded_forest(args: Namespace, n_trees: int) -> tuple[Any, Any, Any, Any]:
    """A forest grown to the end on one-hot columns, the Pipeline of it, the table, and the encoder."""
    table, y = adult(args.adult)
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    forest = RandomForestClassifier(n_trees, random_state=0, n_jobs=1)
    return make_pipeline(encoder, forest).fit(table, y), forest, table, encoder


def forests(args: Namespace) -> None:
    """Forests grown to the end."""
    n_trees = 2 if args.quick else args.trees
    model, forest, table, encoder = encoded_forest(args, n_trees)
    leaves = np.mean([tree.get_n_leaves() for tree in forest.estimators_])
    rows = []
    for n_background, n_theirs in ((100, 20), (10_000, 1)):
        background = table[20_000 : 20_000 + n_background]
        own, values = cpu_seconds(lambda background=background: ours(model, table[:1_000], background))
        inner = encoder.transform(background), encoder.transform(table[:n_theirs])
        taken, _ = cpu_seconds(lambda inner=inner: tree_explainer(forest, inner[1], inner[0]))
        taken *= 1_000 / n_theirs
        sums = model.predict_proba(table[:1_000])[:, 1] - model.predict_proba(background)[:, 1].mean()
        off = np.abs(values[:, :, 1].sum(axis=1) - sums).max()
        rows.append([f"{n_background:,}", f"{own:.1f}", f"{taken:.1f} ({taken / own:.1f} x)", f"{off:.0e}"])
    title = (
        f"{n_trees} trees grown to the end ({leaves:,.0f} leaves each) on {described(args.adult)}, 1,000 rows"
    )
    print_table(
        title, ["background", "agnostix", "TreeExplainer, on the encoded columns", "sums off by"], rows
    )


def libraries(args: Namespace) -> None:
    """Other libraries, with missing values and categories; shap reads neither kind of category."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12_000, 12))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.normal(size=len(X))
    X[rng.random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(12)])
    frame["level"] = pd.Categorical(rng.choice(list("abcdefgh"), len(frame)))
    models: dict[str, tuple[Any, Any]] = {
        "HistGradientBoosting, 100 x 31 leaves": (HistGradientBoostingRegressor(), X),
        "the same with a column of categories": (
            HistGradientBoostingRegressor(categorical_features="from_dtype"),
            frame,
        ),
    }
    if has("lightgbm"):
        import lightgbm

        models["LightGBM, 100 x 31 leaves"] = (lightgbm.LGBMRegressor(n_jobs=1, verbose=-1), X)
        models["LightGBM, a column of categories"] = (lightgbm.LGBMRegressor(n_jobs=1, verbose=-1), frame)
    rows = []
    for name, (model, table) in models.items():
        model.fit(table, y)
        for n_background, n_theirs in ((100, 100), (10_000, 2)):
            background = table[1_000 : 1_000 + n_background]
            peers = {} if table is frame else {"TreeExplainer": tree_explainer}
            cells = beside(model, table[:1_000], background, n_theirs, peers)
            rows.append([name, f"{n_background:,}", *([cells[0], "-", "-"] if table is frame else cells)])
    header = [
        "1,000 rows x 12 or 13 columns",
        "background",
        "agnostix",
        "TreeExplainer",
        "differ from TreeExplainer by",
    ]
    print_table("Missing values and categories, CPU s for 1,000 rows", header, rows)


def few(args: Namespace) -> None:
    """Few rows, where the trees cost more than the rows."""
    model, forest, table, encoder = encoded_forest(args, 2)
    background, rows = table[20_000:20_100], []
    for n_rows in (1, 10, 100):
        own, _ = cpu_seconds(lambda n_rows=n_rows: ours(model, table[:n_rows], background), 3)
        inner = encoder.transform(background), encoder.transform(table[:n_rows])
        taken, _ = cpu_seconds(lambda inner=inner: tree_explainer(forest, inner[1], inner[0]), 3)
        rows.append([str(n_rows), f"{own:.2f}", f"{taken:.2f} ({taken / own:.1f} x)"])
    print_table(
        "Few rows, 2 trees grown to the end, background 100", ["rows", "agnostix", "TreeExplainer"], rows
    )


def _peak(args: Namespace, n_background: int) -> float:
    model, _, table, _ = encoded_forest(args, 1)
    forget_peak()
    before = rss_mb()
    ours(model, table[:1_000], table[:n_background])
    return peak_rss_mb() - before


def memory(args: Namespace) -> None:
    """Peak memory of a forest's values."""
    rows = [[f"{n:,}", f"{in_a_process(_peak, args, n):.0f}"] for n in (100, 10_000, 32_000)]
    print_table("Memory, a tree grown to the end, 1,000 rows", ["background", "MB above what was held"], rows)


_TABLES = {"boosters": boosters, "forests": forests, "libraries": libraries, "few": few, "memory": memory}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    parser.add_argument("--columns", type=int, action="append", help="of boosters (default: 8, 20 and 50)")
    parser.add_argument("--trees", type=int, default=100, help="of forests (default: 100)")
    parser.add_argument("--quick", action="store_true", help="a trial: few trees")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in args.only or _TABLES:
        _TABLES[name](args)


if __name__ == "__main__":
    main()
