"""Surrogate trees: fidelity on test rows, compared with peers in one run; cost; coverage.

- fidelity: five splits of 70/30. scikit-learn's tree on the model's labels, the same on its probabilities,
  the peers where they run (`trustee`; `imodels`, which approximates one number of two classes), MimicTree.
- adult: the same for boosted trees on mixed types, 32 leaves, by both criteria of selection.
- cost: wall time of fitting besides the model's own, for 22,000 rows and 40,000 synthetic ones.
- coverage: how often the interval that `fit` reports contains the fidelity on 100,000 new rows.

Nothing is asserted. Peers are left out where they are not installed.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from _clock import ModelClock, interleave_inside, print_table, seconds, shown
from _data import add_adult_argument, adult, described
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix import MimicTree, as_predictor

SMALL = {"breast cancer": load_breast_cancer, "wine": load_wine}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--splits", type=int, default=5, help="of each data set (default: 5)")
    parser.add_argument("--seeds", type=int, default=100, help="for coverage (default: 100)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds for cost (default: 3)")
    parser.add_argument("--quick", action="store_true", help="a trial: one split, few seeds, one round")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    if args.quick:
        args.splits, args.seeds, args.repeats = 1, 5, 1
    for name in args.only or _TABLES:
        _TABLES[name](args)


# Fidelity ---------------------------------------------------------------------------------------


def fidelity(args: Namespace) -> None:
    """Small data, random forests of 100 trees, 16 leaves."""
    for name, load in SMALL.items():
        X, y = load(return_X_y=True)
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(args.splits):
            train, test, y_train, _ = train_test_split(X, y, test_size=0.3, random_state=seed)
            model = RandomForestClassifier(100, random_state=seed).fit(train, y_train)
            methods = _peers(model, train, y_train, 16, seed)
            methods["agnostix"] = lambda m=model, a=train, s=seed: (
                MimicTree(m, random_state=s).fit(a).predict_proba
            )
            for method, fit in methods.items():
                rows.setdefault(method, []).append(_measure(fit, test, model.predict_proba(test)))
        _print_fidelity(f"{name}, random forest of 100, 16 leaves, {args.splits} splits", rows)


def _peers(model: Any, X: Any, y: Any, n_leaves: int, seed: int) -> dict[str, Callable[[], Any]]:
    """Fits by method; each returns a function from rows to probabilities."""
    classes = np.eye(len(model.classes_))

    def hard() -> Any:
        labels = np.searchsorted(model.classes_, model.predict(X))
        tree = DecisionTreeClassifier(max_leaf_nodes=n_leaves, random_state=seed).fit(X, labels)
        return lambda rows: tree.predict_proba(rows)

    def soft() -> Any:
        tree = DecisionTreeRegressor(max_leaf_nodes=n_leaves, random_state=seed)
        return tree.fit(X, model.predict_proba(X)).predict

    def trustee() -> Any:
        from trustee import ClassificationTrustee

        approximator = ClassificationTrustee(expert=model)
        approximator.fit(X, y, num_iter=10, num_stability_iter=5, samples_size=0.7, max_leaf_nodes=n_leaves)
        tree = approximator.explain()[0]
        return lambda rows: classes[np.searchsorted(model.classes_, tree.predict(rows))]

    def imodels() -> Any:
        from imodels import DistilledRegressor

        student = DecisionTreeRegressor(max_leaf_nodes=n_leaves, random_state=seed)
        tree = DistilledRegressor(teacher=model, student=student).fit(X, y)
        return lambda rows: np.column_stack([1.0 - tree.predict(rows), tree.predict(rows)])

    fits = {"scikit-learn, labels": hard, "scikit-learn, probabilities": soft, "trustee": trustee}
    return fits | ({"imodels": imodels} if len(classes) == 2 else {})


def _measure(fit: Callable[[], Any], test: Any, predictions: np.ndarray) -> tuple[float, float, float]:
    """Agreement of labels, R2 of probabilities, seconds."""
    predict: list[Any] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            duration = seconds(lambda: predict.append(fit()))
            outputs = np.asarray(predict[-1](test))
    except ImportError:
        return (np.nan,) * 3
    total = ((predictions - predictions.mean(axis=0)) ** 2).sum()
    agreement = (outputs.argmax(axis=1) == predictions.argmax(axis=1)).mean()
    return float(agreement), float(1.0 - ((outputs - predictions) ** 2).sum() / total), duration


def _print_fidelity(title: str, rows: dict[str, list[tuple[float, float, float]]]) -> None:
    means = {name: np.mean(measures, axis=0) for name, measures in rows.items()}
    first = next(iter(means.values()))
    print_table(
        title,
        ["", "label fidelity", "over labels", "R2 of probabilities", "fit"],
        [
            [name, f"{agreement:.3f}", f"{agreement - first[0]:+.3f}", f"{r2:.3f}", shown(duration)]
            for name, (agreement, r2, duration) in means.items()
        ],
    )


# Adult ------------------------------------------------------------------------------------------


def mixed(args: Namespace) -> None:
    """Boosted trees on mixed types, 32 leaves."""
    table, income = _adult(args)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(args.splits):
        train, test, y_train, _ = train_test_split(table, income, test_size=0.3, random_state=seed)
        model = _boosted().fit(train, y_train)
        methods = {
            "scikit-learn, labels": lambda m=model, a=train: _ordinal(
                DecisionTreeClassifier, a, m.predict(a)
            ),
            "scikit-learn, probabilities": lambda m=model, a=train: _ordinal(
                DecisionTreeRegressor, a, m.predict_proba(a)
            ),
        } | {
            f"agnostix, selection={criterion!r}": lambda m=model, a=train, s=seed, by=criterion: (
                MimicTree(m, max_leaf_nodes=32, selection=by, random_state=s).fit(a).predict_proba
            )
            for criterion in ("label", "r2")
        }
        predictions = model.predict_proba(test)
        for method, fit in methods.items():
            rows.setdefault(method, []).append(_measure(fit, test, predictions))
    _print_fidelity(f"{described(args.adult)}, boosted trees, 32 leaves, {args.splits} splits", rows)


def _adult(args: Namespace) -> tuple[pd.DataFrame, np.ndarray]:
    table, income = adult(args.adult)
    labels = table.select_dtypes(exclude="number").columns
    return table.astype(dict.fromkeys(labels, "category")), np.asarray(income).astype(int)


def _boosted() -> Any:
    return HistGradientBoostingClassifier(max_iter=60, categorical_features="from_dtype", random_state=0)


def _ordinal(estimator: Any, train: pd.DataFrame, targets: Any) -> Any:
    """scikit-learn's tree on codes of labels."""

    def numbers(rows: pd.DataFrame) -> np.ndarray:
        return np.column_stack(
            [rows[name].cat.codes if rows[name].dtype == "category" else rows[name] for name in rows]
        )

    tree = estimator(max_leaf_nodes=32, random_state=0).fit(numbers(train), targets)
    predict = tree.predict_proba if hasattr(tree, "predict_proba") else tree.predict
    return lambda rows: predict(numbers(rows))


# Cost -------------------------------------------------------------------------------------------


def cost(args: Namespace) -> None:
    """Wall time of fitting, inside and outside the model."""
    table, income = _adult(args)
    train = table.iloc[:22_000]
    model = _boosted().fit(train, income[:22_000])
    clock = ModelClock(model.predict_proba)
    predictor = as_predictor(clock, task="classification")

    def fit() -> None:
        MimicTree(predictor, max_leaf_nodes=32, max_queries=62_040, random_state=0).fit(train)

    ((name, (walls, inside)),) = interleave_inside({"agnostix": (clock, fit)}, args.repeats).items()
    print_table(
        f"{described(args.adult)}, 22,000 rows and 40,000 synthetic ones, 32 leaves",
        ["", "wall", "in the model", "outside it", "model rows"],
        [
            [
                name,
                shown(float(np.median(walls))),
                shown(float(np.median(inside))),
                shown(float(np.median(walls - inside))),
                f"{clock.rows:,}",
            ]
        ],
    )


# Coverage ---------------------------------------------------------------------------------------


def coverage(args: Namespace) -> None:
    """Designs of two and three classes, a new model and new rows for each seed."""
    rows = []
    for n, make in ((200, _gradient), (1000, _gradient), (500, _forest), (6000, _gradient)):
        covered = np.array([_is_covered(n, make, seed) for seed in range(args.seeds)])
        label, r2, width, true = covered.mean(axis=0)
        rows.append(
            [
                f"{n:,} rows, {make.__name__.strip('_')}",
                f"{true:.3f}",
                f"{width:.3f}",
                f"{label:.2f}",
                f"{r2:.2f}",
            ]
        )
    print_table(
        f"95 % intervals of the fidelity on 100,000 new rows, {args.seeds} seeds each",
        ["", "true label fidelity", "width", "label covered", "R2 covered"],
        rows,
    )


def _gradient() -> Any:
    return HistGradientBoostingClassifier(max_iter=40, random_state=0)


def _forest() -> Any:
    return RandomForestClassifier(20, random_state=0, max_depth=10)


def _is_covered(n: int, make: Callable[[], Any], seed: int) -> tuple[float, float, float, float]:
    X, y = make_classification(
        n + 100_500,
        8,
        n_informative=4,
        n_classes=2 + seed % 2,
        flip_y=0.05,
        shift=None,
        scale=None,
        random_state=seed,
    )
    model = make().fit(X[:500], y[:500])
    mimic = MimicTree(model, random_state=seed).fit(X[500 : n + 500])
    reported, true = mimic.fidelity_, mimic.fidelity(X[n + 500 :])
    (low, high), (r2_low, r2_high) = (reported.measures[name].ends() for name in ("label", "r2"))
    assert true.label is not None
    return float(low <= true.label <= high), float(r2_low <= true.r2 <= r2_high), high - low, true.label


_TABLES = {"fidelity": fidelity, "adult": mixed, "cost": cost, "coverage": coverage}

if __name__ == "__main__":
    main()
