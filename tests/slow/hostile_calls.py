"""Hostile models, weights, targets, parameters, later rows and outcomes, and the report on such tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix import EntropicProjection, WhatIfReport
from agnostix.exceptions import InfeasibleTargetError
from tests.slow import table_answers as ta
from tests.slow.hostile import Case, closeness
from tests.slow.hostile_storages import EXTRAS, NAMES, N, first_two, frame, middle_of, numbers

# ---------------------------------------------------------------- what a model returns

BUFFER = np.empty(10_000)


class Writing:
    """Writes into its input where it can be written to."""

    def __call__(self, X: Any) -> Any:
        outputs = ta.linear(X)
        if isinstance(X, np.ndarray) and X.flags.writeable:
            X *= 0.0
        elif isinstance(X, pd.DataFrame):
            X.iloc[:, 0] = 0.0
            X.columns = range(X.shape[1])
        return outputs


class Reused:
    """Returns the same memory each time."""

    def __call__(self, X: Any) -> Any:
        outputs = ta.linear(X)
        BUFFER[: len(outputs)] = outputs
        return BUFFER[: len(outputs)]


class UnprintableError(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class AtRow:
    """Does something where a row has the marked value; elsewhere it is linear."""

    def __init__(self, does: Callable[[Any, Any], Any], mark: float) -> None:
        self.does = does
        self.mark = mark

    def __call__(self, X: Any) -> Any:
        outputs, at = ta.linear(X), ta.column(X, 0) == self.mark
        return self.does(outputs, at) if at.any() else outputs


def raises(error: BaseException) -> Callable[[Any, Any], Any]:
    def fail(outputs: Any, at: Any) -> Any:
        raise error

    return fail


def half(X: Any) -> Any:
    return ta.probabilities(X).astype(np.float16)


RIGHT_FORMS: dict[str, Callable[[Any], Any]] = {
    "writes into its input": Writing(),
    "reuses its memory": Reused(),
    "list": lambda X: ta.linear(X).tolist(),
    "tuple": lambda X: tuple(ta.linear(X).tolist()),
    "column": lambda X: ta.linear(X)[:, None],
    "Series": lambda X: pd.Series(ta.linear(X)),
    "Series with an index": lambda X: pd.Series(ta.linear(X), index=np.arange(X.shape[0])[::-1]),
    "Series of Float64": lambda X: pd.Series(ta.linear(X), dtype="Float64"),
    "Series of arrow": lambda X: pd.Series(ta.linear(X), dtype="double[pyarrow]"),
    "DataFrame": lambda X: pd.DataFrame({"p": ta.linear(X)}),
    "polars Series": lambda X: pl.Series(ta.linear(X)),
    "polars frame": lambda X: pl.DataFrame({"p": ta.linear(X)}),
    "objects": lambda X: ta.linear(X).astype(object),
    "decimals": lambda X: np.array([Decimal(value) for value in ta.linear(X)], dtype=object),
    "fractions": lambda X: [Fraction(value) for value in ta.linear(X)],
    "list of arrays": lambda X: [np.array([value]) for value in ta.linear(X)],
    "masked, nothing": lambda X: np.ma.masked_array(ta.linear(X), False),
    "matrix": lambda X: np.asarray(ta.linear(X))[:, None].view(np.matrix),
    "read-only": lambda X: np.broadcast_to(ta.linear(X), (1, X.shape[0]))[0],
    "Fortran order": lambda X: np.asfortranarray(ta.linear(X)[:, None]),
    "backward memory": lambda X: ta.linear(X)[::-1].copy()[::-1],
    "big-endian": lambda X: ta.linear(X).astype(">f8"),
    "long double": lambda X: ta.linear(X).astype(np.longdouble),
    "float32": lambda X: ta.linear(X).astype(np.float32),
    "float16": lambda X: ta.linear(X).astype(np.float16),
    "warns": lambda X: (np.log(np.zeros(1)), ta.linear(X))[1],
}
NO_FORMS: dict[str, Callable[[Any], Any]] = {
    "NaN everywhere": lambda X: ta.linear(X) * np.nan,
    "infinite": lambda X: ta.linear(X) + np.inf,
    "too few": lambda X: ta.linear(X)[:-1],
    "too many": lambda X: np.r_[ta.linear(X), 0.0],
    "one number": lambda X: float(ta.linear(X).sum()),
    "None": lambda X: None,
    "text": lambda X: "high",
    "texts": lambda X: np.where(ta.linear(X) > 0, "high", "low"),
    "texts of numbers": lambda X: ta.linear(X).astype(str),
    "bytes": lambda X: ta.linear(X).astype("S"),
    "transposed": lambda X: ta.probabilities(X).T[:, : max(1, X.shape[0] - 1)],
    "no outputs": lambda X: np.empty((X.shape[0], 0)),
    "three axes": lambda X: ta.linear(X)[:, None, None],
    "complex": lambda X: ta.linear(X).astype(complex),
    "dates": lambda X: ta.linear(X).astype("datetime64[D]"),
    "dict": lambda X: {"p": ta.linear(X)},
    "dicts": lambda X: [{"p": value} for value in ta.linear(X)],
    "generator": lambda X: (value for value in ta.linear(X)),
    "set": lambda X: set(ta.linear(X).tolist()),
    "ragged": lambda X: [[1.0] * (1 + j % 2) for j in range(X.shape[0])],
    "Nones": lambda X: [None] * X.shape[0],
    "all masked": lambda X: np.ma.masked_array(ta.linear(X), True),
    "structured": lambda X: np.zeros(X.shape[0], dtype=[("p", float)]),
    "objects of an own kind": lambda X: np.array([object()] * X.shape[0]),
    "sorted": lambda X: np.sort(ta.linear(X)),
    "list of targets": lambda X: [ta.probabilities(X), ta.probabilities(X)],
    "no argument": lambda: 1,
    "two arguments": lambda X, y: 1,
    "KeyError": lambda X: {}["price"],
    "IndexError": lambda X: [][3],
    "AttributeError": lambda X: X.price_of_tea,
    "StopIteration": lambda X: next(iter(())),
    "AssertionError": AtRow(raises(AssertionError()), 0.0),
    "MemoryError": AtRow(raises(MemoryError()), 0.0),
    "unprintable": AtRow(raises(UnprintableError()), 0.0),
    "long message": AtRow(raises(ValueError("x" * 100_000)), 0.0),
    "message of lines": AtRow(raises(ValueError("a\nb\x1b[31m\r\nc")), 0.0),
    "number as message": AtRow(raises(KeyError(3)), 0.0),
    "recursion": lambda X: _recurse(X),
    "not callable": 3,  # type: ignore[dict-item]
    "None model": None,  # type: ignore[dict-item]
    "text model": "model.pkl",  # type: ignore[dict-item]
    "a class": LinearRegression,
    "unfitted": LinearRegression(),  # type: ignore[dict-item]
}


def _recurse(X: Any) -> Any:
    return _recurse(X)


MARKED: dict[str, Callable[[Any, Any], Any]] = {
    "NaN": lambda outputs, at: np.where(at, np.nan, outputs),
    "infinite": lambda outputs, at: np.where(at, np.inf, outputs),
    "None": lambda outputs, at: np.where(at, None, outputs.astype(object)),
    "text": lambda outputs, at: np.where(at, "n/a", outputs.astype(object)),
    "fewer": lambda outputs, at: outputs[~at],
    "masked": lambda outputs, at: np.ma.masked_array(outputs, at),
    "more outputs": lambda outputs, at: np.column_stack([outputs, outputs]),
    "KeyError": raises(KeyError("Paris")),
    "ZeroDivisionError": raises(ZeroDivisionError("division by zero")),
    "StopIteration": raises(StopIteration()),
    "RecursionError": raises(RecursionError("maximum recursion depth exceeded")),
    "unprintable": raises(UnprintableError()),
    "SystemError": raises(SystemError("null argument to internal routine")),
    "TimeoutError": raises(TimeoutError()),
}


def model_cases(seed: int, n: int) -> Iterator[Case]:
    """Functions that answer in every form, well or not, for all rows or for one."""
    rng = np.random.default_rng([seed, 11])
    grid = [
        (kind, form, name)
        for kind, forms in (("right", RIGHT_FORMS), ("no", NO_FORMS), ("marked", MARKED))
        for form in forms
        for name in ta.NAMES
    ]
    for k in range(n):
        kind, form, name = grid[(seed * n + k) % len(grid)]
        own_seed = int(rng.integers(3))
        P = numbers("eighths", own_seed)
        as_frame = bool(rng.integers(2))
        rows: Any = ...
        if kind == "right":
            model = RIGHT_FORMS[form]
            check = partial(_check_form, name, own_seed, P, form)
        elif kind == "no":
            model, check = NO_FORMS[form], lambda found: None
        else:
            # The row that is marked comes after the trial rows, or is only explained.
            P[N - 2, 0] = 9.0
            rows = P[[N - 2]]
            model, check = AtRow(MARKED[form], 9.0), lambda found: None
        table = frame(P) if as_frame else P
        rows = rows if rows is ... or not as_frame else frame(rows)
        target = {"a" if as_frame else "x0": middle_of(P[:, 0])} if name == "EntropicProjection" else None
        yield Case(
            f"{name} of a {'frame' if as_frame else 'array'}, model {kind}: {form}, seed {own_seed}",
            partial(ta.answer, name, model, table, rows, target=target),
            check,
            watched=(table,),
            must_answer=kind == "right",
            must_refuse=kind != "right" and form != "sorted",
        )


def _check_form(name: str, seed: int, P: Any, form: str, found: Any) -> str | None:
    coarse = {"float32": 1e-6, "float16": 1e-2}.get(form, 1e-9)
    known = _plain_linear(name, seed)
    wrong = ta.compare(found, known, ("outputs", "base_values", "values", "baseline", "scenario"), coarse)
    return wrong or (ta.check_identities(name, found) if coarse == 1e-9 else None)


@cache
def _plain_linear(name: str, seed: int) -> dict[str, Any]:
    P = numbers("eighths", seed)
    return ta.answer(name, ta.linear, P, target={"x0": middle_of(P[:, 0])} if name == ta.NAMES[4] else None)


# ---------------------------------------------------------------- estimators, against brute force


@cache
def training() -> tuple[pd.DataFrame, Any, Any]:
    """A table of numbers and labels, with numbers and classes to predict."""
    P = numbers("eighths", 5, 90)
    table = frame(P).assign(kind=np.resize(["red", "green", "blue"], 90))
    y = P[:, 0] * 2.0 - P[:, 1] + (table["kind"] == "red")
    return table, np.asarray(y), np.select([y > 1.0, y > -1.0], [2, 1], 0)


def encoded(estimator: Any) -> Any:
    """A pipeline that encodes labels and scales numbers."""
    parts = ColumnTransformer(
        [
            ("labels", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
            ("numbers", StandardScaler(), make_column_selector(dtype_include="number")),
        ],
        sparse_threshold=0.0,
    )
    return make_pipeline(parts, estimator)


REGRESSORS = {
    "linear": lambda: LinearRegression(),
    "ridge": lambda: Ridge(),
    "elastic net": lambda: ElasticNet(alpha=0.1),
    "tree": lambda: DecisionTreeRegressor(max_depth=4, random_state=0),
    "forest": lambda: RandomForestRegressor(4, random_state=0),
    "extra trees": lambda: ExtraTreesRegressor(4, random_state=0),
    "boosting": lambda: HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5),
    "neighbors": lambda: KNeighborsRegressor(3),
    "support vectors": lambda: SVR(),
    "dummy": lambda: DummyRegressor(),
    "several": lambda: MultiOutputRegressor(Ridge()),
    "several targets": lambda: DecisionTreeRegressor(max_depth=3, random_state=0),
}
CLASSIFIERS = {
    "logistic": lambda: LogisticRegression(),
    "tree": lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
    "forest": lambda: RandomForestClassifier(4, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "neighbors": lambda: KNeighborsClassifier(5),
    "bayes": lambda: GaussianNB(),
    "dummy": lambda: DummyClassifier(),
    "support vectors": lambda: SVC(),
}
OTHERS = {
    "k-means": lambda: KMeans(3, n_init=1, random_state=0),
    "mini-batch k-means": lambda: MiniBatchKMeans(3, n_init=1, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=5, random_state=0),
    "one-class": lambda: OneClassSVM(),
    "outlier factor": lambda: LocalOutlierFactor(5, novelty=True),
    "mixture": lambda: GaussianMixture(2, random_state=0),
}
LABELS: dict[str, Callable[[Any], Any]] = {
    "ints": lambda c: c,
    "texts": lambda c: np.array(["no", "maybe", "<b>yes</b>\n"])[c],
    "bools": lambda c: c > 0,
    "floats": lambda c: c * 1.0,
    "negative": lambda c: c - 5,
    "one class": lambda c: np.zeros_like(c),
}


@cache
def trained(kind: str, which: str, labels: str, form: str) -> tuple[Any, Any]:
    """A fitted estimator and the table (frame or array) that it was fitted on."""
    table, y, classes = training()
    X: Any = table if form == "frame with labels" else table[["a", "b", "c"]]
    X = X.to_numpy() if form == "array" else X
    make = {"regressor": REGRESSORS, "classifier": CLASSIFIERS, "other": OTHERS}[kind][which]
    estimator = encoded(make()) if form == "frame with labels" else make()
    if kind == "regressor":
        return estimator.fit(X, np.column_stack([y, -y]) if which.startswith("several") else y), X
    return estimator.fit(X, LABELS[labels](classes)) if kind == "classifier" else estimator.fit(X), X


def estimator_cases(seed: int, n: int) -> Iterator[Case]:
    """Estimators and pipelines of scikit-learn, compared with brute force on their own predictions."""
    grid = [
        (kind, which, labels, name)
        for kind, models in (("regressor", REGRESSORS), ("classifier", CLASSIFIERS), ("other", OTHERS))
        for which in models
        for labels in (LABELS if kind == "classifier" else ("ints",))
        for name in ta.NAMES
    ]
    forms = ("array", "frame", "frame with labels")
    order = np.random.default_rng(12).permutation(len(grid))
    for k in range(n):
        kind, which, labels, name = grid[order[(seed * n + k) % len(grid)]]
        form = forms[(seed * n + k) % 3]
        if labels == "one class" and which in ("logistic", "boosting", "support vectors"):
            labels = "bools"
        trained(kind, which, labels, form)  # fits may draw from the global random state
        yield Case(
            f"{name}, {kind} {which} of {labels}, {form}",
            partial(_explain_estimator, kind, which, labels, form, name),
            partial(_check_estimator, kind, which, labels, form, name),
            must_answer=not (kind == "classifier" and which == "support vectors")
            and not (labels == "one class" and name == "MimicTree"),
        )


def _explain_estimator(kind: str, which: str, labels: str, form: str, name: str) -> Any:
    model, X = trained(kind, which, labels, form)
    first = "x0" if form == "array" else "a"
    target = {first: 0.125} if name == "EntropicProjection" else None
    return ta.answer(name, model, ta.first_rows(X, N), target=target)


def responses(kind: str, model: Any, X: Any) -> Any:
    """Predictions (n_rows, n_outputs) by the estimator's own methods."""
    if kind == "regressor":
        return np.asarray(model.predict(X), dtype=float).reshape(len(X), -1)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    if kind == "other" and hasattr(model, "decision_function"):
        return model.decision_function(X).reshape(len(X), -1)
    if kind == "other":
        return (model.predict(X)[:, None] == np.arange(3)).astype(float)
    return np.asarray(model.decision_function(X)).reshape(len(X), -1)


def _check_estimator(kind: str, which: str, labels: str, form: str, name: str, found: Any) -> str | None:
    model, X = trained(kind, which, labels, form)
    X = ta.first_rows(X, N)
    outputs = responses(kind, model, X)
    wrong = ta.check_identities(name, found)
    if wrong is not None:
        return wrong
    if name == "EntropicProjection":
        shifted = np.asarray(X if form == "array" else X[["a"]])[:, 0].astype(float)
        return ta.check_population(found, outputs) or ta.check_target(found, shifted, 0.125)
    wrong = closeness(found["outputs"], outputs[: ta.N_EXPLAINED], 1e-9, what="outputs")
    if wrong is not None or name not in ta.OF_BACKGROUND:
        return wrong
    known = _forced(kind, which, labels, form, name)
    return closeness(found["values"], known, 1e-8, 1e-8 * np.abs(outputs).max())


@cache
def _forced(kind: str, which: str, labels: str, form: str, name: str) -> Any:
    """Occlusion or Shapley values by brute force, of rows as lists of cells."""
    model, X = trained(kind, which, labels, form)
    X = ta.first_rows(X, N)
    cells = np.asarray(X, dtype=object)

    def predict(rows: Any) -> Any:
        mixed = np.asarray(rows, dtype=object)
        if form == "array":
            return responses(kind, model, mixed.astype(float))
        own = pd.DataFrame(mixed, columns=X.columns).astype(X.dtypes.to_dict())
        return responses(kind, model, own)

    values = []
    for row in cells[: ta.N_EXPLAINED]:
        masked = ta.shapley.masked_predictions(predict, row, cells)
        if name == "KernelShap":
            values.append(ta.shapley.masked_values(masked))
            continue
        everyone = frozenset(range(cells.shape[1]))
        whole = masked[everyone][0]
        values.append(np.stack([whole - masked[everyone - {j}].mean(axis=0) for j in range(cells.shape[1])]))
    return np.stack(values)


# ---------------------------------------------------------------- weights

WEIGHTS: dict[str, tuple[Callable[[Any], Any], str]] = {  # from weights (n_rows,), and what is promised
    "plain": (lambda w: w, "equal"),
    "float32": (lambda w: w.astype(np.float32), "equal"),
    "ints": (lambda w: w.astype(int), "equal"),
    "uint8": (lambda w: w.astype(np.uint8), "equal"),
    "list": (lambda w: w.tolist(), "equal"),
    "tuple": (lambda w: tuple(w.tolist()), "equal"),
    "objects": (lambda w: w.astype(object), "equal"),
    "decimals": (lambda w: np.array([Decimal(int(x)) for x in w], dtype=object), "equal"),
    "Series": (lambda w: pd.Series(w), "equal"),
    "Series of another index": (lambda w: pd.Series(w, index=np.arange(len(w))[::-1] + 5), "equal"),
    "Int64": (lambda w: pd.Series(w).astype("Int64"), "equal"),
    "arrow": (lambda w: pd.Series(w).astype("double[pyarrow]"), "equal"),
    "polars": (lambda w: pl.Series(w), "equal"),
    "column": (lambda w: w[:, None], "may"),
    "read-only": (lambda w: np.broadcast_to(w, (1, len(w)))[0], "equal"),
    "strided": (lambda w: np.repeat(w, 2)[::2], "equal"),
    "masked, nothing": (lambda w: np.ma.masked_array(w, False), "equal"),
    "tiny": (lambda w: np.ldexp(w, -1060), "equal"),
    "huge": (lambda w: np.ldexp(w, 1015), "equal"),
    "float16": (lambda w: w.astype(np.float16), "equal"),
    "bools": (lambda w: w > 3, "other"),
    "zeros": (lambda w: np.where(np.arange(len(w)) % 3 == 0, 0.0, w), "other"),
    "one row": (lambda w: np.where(np.arange(len(w)) == 3, w, 0.0), "may"),
    "all zero": (lambda w: w * 0.0, "must"),
    "negative": (lambda w: np.where(np.arange(len(w)) == 3, -1.0, w), "must"),
    "minus zero": (lambda w: np.where(np.arange(len(w)) == 3, -0.0, w), "other"),
    "NaN": (lambda w: np.where(np.arange(len(w)) == 3, np.nan, w), "must"),
    "infinite": (lambda w: np.where(np.arange(len(w)) == 3, np.inf, w), "must"),
    "None in it": (lambda w: [None, *w.tolist()[1:]], "must"),
    "NA in it": (lambda w: pd.Series([pd.NA, *w.tolist()[1:]], dtype="Float64"), "must"),
    "texts": (lambda w: w.astype(str), "may"),
    "words": (lambda w: ["heavy"] * len(w), "must"),
    "complex": (lambda w: w + 1j, "must"),
    "dates": (lambda w: w.astype("datetime64[D]"), "must"),
    "too few": (lambda w: w[:-1], "must"),
    "too many": (lambda w: np.r_[w, 1.0], "must"),
    "empty": (lambda w: w[:0], "must"),
    "scalar": (lambda w: 2.0, "must"),
    "name": (lambda w: "weight", "must"),
    "dict": (lambda w: dict(enumerate(w)), "must"),
    "two columns": (lambda w: np.column_stack([w, w]), "must"),
    "generator": (lambda w: (x for x in w), "must"),
    "set": (lambda w: set(w.tolist()), "must"),
    "spanning": (lambda w: 10.0 ** np.linspace(-300, 300, len(w)), "may"),
    "one beside tiny": (lambda w: np.where(np.arange(len(w)) == 3, 1e200, 1e-200), "may"),
}


def weight_cases(seed: int, n: int) -> Iterator[Case]:
    """Weights of rows in every form; the values are those of brute force with these weights."""
    rng = np.random.default_rng([seed, 13])
    grid = [(weight, name) for weight in WEIGHTS for name in ta.NAMES]
    for k in range(n):
        weight, name = grid[(seed * n + k) % len(grid)]
        make, promise = WEIGHTS[weight]
        own_seed = int(rng.integers(3))
        P, w = numbers("eighths", own_seed), 1.0 + (np.arange(N) * 7 + own_seed) % 6
        given = make(w)
        target = {"x0": middle_of(P[:, 0])} if name == "EntropicProjection" and promise != "must" else None
        yield Case(
            f"{name}, weights {weight}, seed {own_seed}",
            partial(ta.answer, name, ta.crossed, P, weights=given, target=target),
            partial(_check_weighted, name, P, given, promise),
            watched=(P,) if weight == "generator" else (P, given),
            must_answer=promise in ("equal", "other"),
            must_refuse=promise == "must",
            facts=("sample_weight", "single row"),
        )


def _check_weighted(name: str, P: Any, given: Any, promise: str, found: Any) -> str | None:
    w = np.asarray(given, dtype=float).ravel()
    w = w / w.max()
    wrong = ta.check_identities(name, found)
    if wrong is None and name in ta.OF_BACKGROUND:
        wrong = ta.check_reference(name, ta.crossed, P, found, w)
    if wrong is None and name == "EntropicProjection":
        wrong = ta.check_population(found, ta.crossed(P), w) or ta.check_target(
            found, P[:, 0], middle_of(P[:, 0])
        )
    if wrong is not None or promise != "equal":
        return wrong
    known = ta.answer(name, ta.crossed, P, weights=w, target={"x0": middle_of(P[:, 0])})
    return ta.compare(found, known, rtol=1e-7)


# ---------------------------------------------------------------- targets of a what-if

TARGETS: dict[str, Any] = {  # what is asked of column a, whose values are in eighths from -2 to 2
    "mean": 0.25,
    "int": 0,
    "bool": True,
    "numpy": np.float32(0.25),
    "decimal": Decimal("0.25"),
    "fraction": Fraction(1, 4),
    "range": (0.1, 0.5),
    "range as list": [0.1, 0.5],
    "range as array": np.array([0.1, 0.5]),
    "one-sided": (None, 0.0),
    "other side": (0.1, None),
    "infinite range": (0.1, np.inf),
    "range without width": (0.25, 0.25),
    "range backward": (0.5, 0.1),
    "extreme": 2.0,
    "beyond": 3.0,
    "far beyond": 1e300,
    "minus infinity": -np.inf,
    "NaN": np.nan,
    "None": None,
    "text": "high",
    "text of a number": "0.25",
    "empty": (),
    "three": (0.1, 0.2, 0.3),
    "NaN range": (np.nan, 1.0),
    "dict": {"high": 0.5},
    "nested": {"a": {"b": 1}},
    "complex": 1j,
    "date": pd.Timestamp("2024-01-01"),
    "array of one": np.array([0.25]),
    "array of many": np.linspace(0.0, 1.0, 5),
    "function": len,
    "huge int": 10**400,
    "set": {0.25},
    "masked": np.ma.masked,
    "NA": pd.NA,
}
SHARES: dict[str, Any] = {  # what is asked of the labels of column k: red, green, blue
    "one": {"red": 0.5},
    "two": {"red": 0.5, "green": 0.2},
    "all": {"red": 0.5, "green": 0.2, "blue": 0.3},
    "not 1": {"red": 0.5, "green": 0.2, "blue": 0.2},
    "more than 1": {"red": 0.8, "green": 0.5},
    "none of one": {"red": 0.0},
    "all of one": {"red": 1.0},
    "negative": {"red": -0.1},
    "percent": {"red": 50},
    "unknown": {"purple": 0.5},
    "unknown at 0": {"purple": 0.0},
    "number": 0.5,
    "text": "red",
    "range": {"red": (0.4, 0.6)},
    "range beyond": {"red": (0.9, 1.5)},
    "NaN": {"red": np.nan},
    "empty": {},
    "list": ["red"],
    "None level": {None: 0.5},
    "nested": {"red": {"x": 0.5}},
    "text share": {"red": "half"},
}
OTHERS_ASKED: dict[str, dict[str, Any]] = {
    "prediction": {"prediction": 0.5},
    "prediction beyond": {"prediction": 1e9},
    "prediction NaN": {"prediction": np.nan},
    "prediction by name": {"prediction": {"prediction": 0.5}},
    "prediction unknown": {"prediction": {"nothing": 0.5}},
    "prediction text": {"prediction": "more"},
    "error rate": {"error_rate": 0.1},
    "unknown column": {"constraints": {"zzz": 1.0}},
    "number column": {"constraints": {3: 1.0}},
    "no mapping": {"constraints": ["a"]},
    "text": {"constraints": "a"},
    "nothing": {},
    "empty": {"constraints": {}},
    "both": {"constraints": {"a": 0.25, "b": -0.25}},
    "contradiction": {"constraints": {"a": 2.0, "b": 2.0, "c": -2.0}},
    "metric unknown": {"constraints": {"a": 0.25}, "metric": "wins"},
    "metric without y": {"constraints": {"a": 0.25}, "metric": "accuracy"},
    "metric of a number": {"constraints": {"a": 0.25}, "metric": 3},
}


def target_cases(seed: int, n: int) -> Iterator[Case]:
    """Scenarios of every form: met to the digit, or refused with a nearest one that works."""
    grid: list[tuple[str, dict[str, Any]]] = [
        *((f"a: {name}", {"constraints": {"a": value}}) for name, value in TARGETS.items()),
        *((f"k: {name}", {"constraints": {"k": value}}) for name, value in SHARES.items()),
        *((f"{name}", value) for name, value in OTHERS_ASKED.items()),
    ]
    for k in range(n):
        number = seed * n + k
        label, asked = grid[number % len(grid)]
        own_seed, library = (number // len(grid)) % 5, (number // len(grid)) % 2
        table = frame(numbers("eighths", own_seed)).assign(k=np.resize(["red", "green", "blue"], N))
        table = pl.from_pandas(table) if library else table
        yield Case(
            f"what_if {label} ({'polars' if library else 'pandas'}), seed {own_seed}",
            partial(_ask, table, asked),
            partial(_check_scenario, table, asked),
            watched=(table,),
        )


def _ask(table: Any, asked: dict[str, Any]) -> Any:
    projection = EntropicProjection(first_two, n_targets=3).fit(table)
    try:
        return projection.what_if(**asked), asked
    except InfeasibleTargetError as error:
        if not error.nearest:
            raise
        projection.what_if(**error.nearest)
        raise


def _check_scenario(table: Any, asked: dict[str, Any], answered: Any) -> str | None:
    scenario, _ = answered
    weights = np.asarray(scenario.weights)
    weights = weights / weights.sum()
    predictions = first_two({name: np.asarray(table[name]) for name in "ab"})
    wrong = closeness(scenario.outcomes["value"].to_numpy()[0], weights @ predictions, 1e-8, 1e-8)
    for name, value in (asked.get("constraints") or {}).items():
        cells = np.asarray(table[name])
        values = value.items() if isinstance(value, dict) else [(None, value)]
        for level, target in values:
            reached = weights @ (cells == level if isinstance(value, dict) else cells)
            pair = target if isinstance(target, tuple | list | np.ndarray) else (target, target)
            low, high = (np.nan if end is None else float(end) for end in pair)
            if reached < low - 1e-8 or reached > high + 1e-8:
                wrong = wrong or f"{name} {level} is {reached}, not {target}"
    return wrong


# ---------------------------------------------------------------- parameters

VALUES: dict[str, Any] = {
    "None": None,
    "-1": -1,
    "0": 0,
    "1": 1,
    "huge": 10**30,
    "float": 2.5,
    "NaN": np.nan,
    "infinite": np.inf,
    "text": "many",
    "empty text": "",
    "list": [1, 2],
    "empty list": [],
    "dict": {"a": 1},
    "empty dict": {},
    "bool": True,
    "array": np.arange(3),
    "numpy int": np.int8(7),
    "numpy float": np.float32(0.5),
    "text array": np.array(["a"]),
    "set": {1},
    "function": len,
    "class": dict,
    "object": object(),
    "NA": pd.NA,
    "complex": 1j,
    "bytes": b"x",
    "decimal": Decimal("0.5"),
    "group": {"g": ["a", "b"]},
    "group twice": {"g": ["a"], "h": ["a"]},
    "group of all": {"g": ["a", "b", "c"]},
    "group of none": {"g": []},
    "group unknown": {"g": ["z"]},
    "group as text": {"g": "ab"},
    "group named as a column": {"b": ["a"]},
}


STARTS_WORKERS = ("-1", "huge", "numpy int")
"""Numbers of jobs for which processes would be started, again and again."""


def parameter_cases(seed: int, n: int) -> Iterator[Case]:
    """Every parameter with every value: an answer that is complete, or a message that names the parameter."""
    grid = [
        (name, parameter, value)
        for name in ta.NAMES
        for parameter in sorted(ta.make(name, None).get_params(deep=False))
        if parameter not in ("model", "verbose")
        for value in VALUES
        if parameter != "n_jobs" or value not in STARTS_WORKERS
    ]
    order = np.random.default_rng(14).permutation(len(grid))
    table = frame(numbers("eighths", 0))
    for k in range(n):
        name, parameter, value = grid[order[(seed * n + k) % len(grid)]]
        yield Case(
            f"{name}, {parameter}={value}",
            partial(ta.answer, name, ta.linear, table, target=None, **{parameter: VALUES[value]}),
            partial(_check_parameter, name, parameter),
            watched=(table,),
            facts=(parameter, "group", "output"),
        )


def _check_parameter(name: str, parameter: str, found: Any) -> str | None:
    if parameter in ("values", "surrogate", "feature_selection", "max_features", "sampling"):
        return None
    return ta.check_identities(name, found)


# ---------------------------------------------------------------- rows that come later

LATER: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "the same": (lambda t: t, "equal"),
    "reordered": (lambda t: t[["c", "k", "a", "b"]], "equal"),
    "an extra column": (lambda t: t.assign(z=1.0), "equal"),
    "an extra column of lists": (lambda t: t.assign(z=[[1]] * len(t)), "equal"),
    "objects": (lambda t: t.astype(object), "equal"),
    "float32": (lambda t: t.astype({"a": "float32"}), "equal"),
    "Float64": (lambda t: t.astype({"a": "Float64"}), "equal"),
    "arrow": (lambda t: t.astype({"b": "double[pyarrow]"}), "equal"),
    "category": (lambda t: t.astype({"k": "category"}), "may"),
    "another index": (lambda t: t.set_axis(range(7, 7 + len(t))), "equal"),
    "view": (lambda t: pd.concat([t, t])[: len(t)], "equal"),
    "lacking a": (lambda t: t.drop(columns="a"), "must"),
    "renamed a": (lambda t: t.rename(columns={"a": "A"}), "must"),
    "a twice": (lambda t: pd.concat([t, t[["a"]]], axis=1), "must"),
    "texts in a": (lambda t: t.assign(a="many"), "must"),
    "dates in a": (lambda t: t.assign(a=pd.Timestamp("2024-01-01")), "must"),
    "lists in a": (lambda t: t.assign(a=[[1]] * len(t)), "must"),
    "texts of numbers in a": (lambda t: t.assign(a=t["a"].astype(str)), "may"),
    "bool in a": (lambda t: t.assign(a=True), "may"),
    "complex in a": (lambda t: t.assign(a=1j), "must"),
    "missing in a": (lambda t: t.assign(a=np.nan), "may"),
    "None in a": (lambda t: t.assign(a=None), "may"),
    "NA in a": (lambda t: t.assign(a=pd.array([pd.NA] * len(t), dtype="Float64")), "may"),
    "infinite a": (lambda t: t.assign(a=np.inf), "may"),
    "huge a": (lambda t: t.assign(a=1e300), "may"),
    "numbers in k": (lambda t: t.assign(k=3), "may"),
    "unseen k": (lambda t: t.assign(k="purple"), "may"),
    "missing k": (lambda t: t.assign(k=None), "may"),
    "lists in k": (lambda t: t.assign(k=[["red"]] * len(t)), "may"),
    "array": (lambda t: t[["a", "b", "c"]].to_numpy(), "must"),
    "polars": (lambda t: pl.from_pandas(t), "must"),
    "dict": (lambda t: t.to_dict("list"), "must"),
    "series": (lambda t: t["a"], "must"),
    "one row as a series": (lambda t: t.iloc[0], "must"),
    "no rows": (lambda t: t[:0], "must"),
    "no columns": (lambda t: t[[]], "must"),
    "None": (lambda t: None, "must"),
}


def three(X: Any) -> Any:
    """A model of the numbers, that reads cell by cell."""
    cells = [np.array([ta.cell(value) for value in list(X[name])]) for name in "abc"]
    return 2.0 * cells[0] - 3.0 * cells[1] + 0.5 * cells[2] * cells[0] + (np.asarray(X["k"]) == "red")


def later_cases(seed: int, n: int) -> Iterator[Case]:
    """Rows that are explained differ from those of fit in types, columns or values."""
    grid = [(later, name) for later in LATER for name in ta.OF_ROWS]
    for k in range(n):
        number = seed * n + k
        later, name = grid[number % len(grid)]
        own_seed = number // len(grid) % 3
        table = frame(numbers("eighths", own_seed)).assign(k=np.resize(["red", "green", "blue"], N))
        make, promise = LATER[later]
        rows = make(table[:2].copy())
        yield Case(
            f"{name}, later rows {later}, seed {own_seed}",
            partial(ta.answer, name, three, table, rows),
            partial(_check_later, name, table, promise),
            watched=(table, rows),
            must_answer=promise == "equal",
            must_refuse=promise == "must",
        )


def _check_later(name: str, table: Any, promise: str, found: Any) -> str | None:
    wrong = None if promise == "may" else ta.check_identities(name, found)
    if wrong is not None or promise != "equal":
        return wrong
    return ta.compare(found, ta.answer(name, three, table, table[:2]))


# ---------------------------------------------------------------- reports

OUTCOMES: dict[str, Callable[[Any], Any]] = {
    "none": lambda y: None,
    "numbers": lambda y: y,
    "list": lambda y: y.tolist(),
    "bools": lambda y: y > 0,
    "texts": lambda y: np.where(y > 0, "<b>yes</b>", "no\n```"),
    "one label": lambda y: np.zeros(len(y), dtype=int),
    "NaN": lambda y: np.where(np.arange(len(y)) == 2, np.nan, y),
    "too few": lambda y: y[:-1],
    "two columns": lambda y: np.column_stack([y, y]),
    "Series with an index": lambda y: pd.Series(y, index=np.arange(len(y)) + 9, name="<i>y</i>\n"),
    "objects": lambda y: y.astype(object),
    "decimals": lambda y: np.array([Decimal(float(v)) for v in y], dtype=object),
    "huge": lambda y: y * 1e160,
    "tiny": lambda y: y * 1e-200,
    "infinite": lambda y: np.where(np.arange(len(y)) == 2, np.inf, y),
    "dates": lambda y: pd.date_range("2024", periods=len(y)),
    "scalar": lambda y: 1.0,
    "name": lambda y: "target",
    "masked": lambda y: np.ma.masked_array(y, np.arange(len(y)) == 1),
    "constant": lambda y: np.full(len(y), 2.0),
    "complex": lambda y: y + 1j,
}


def report_cases(seed: int, n: int) -> Iterator[Case]:
    """Reports on tables with hostile names, columns and outcomes; each format stays well-formed."""
    rng = np.random.default_rng([seed, 15])
    extras = list(EXTRAS)
    outcomes = list(OUTCOMES)
    for k in range(n):
        number = seed * n + k
        names = [NAMES[(3 * number + j) % len(NAMES)] for j in range(3)]
        if any("\ud800" in one for one in names):
            names = ["a", "b", "c"]
        own_seed = int(rng.integers(3))
        P = numbers("eighths", own_seed)
        table: Any = frame(P, names)
        extra = extras[number % len(extras)]
        cells = EXTRAS[extra](N)
        if not isinstance(cells, pl.Series):
            table["odd one"] = cells
        outcome = outcomes[int(rng.integers(len(outcomes)))] if number % 2 else "numbers"
        form = ("html", "markdown", "json", "json", "markdown", "json")[number % 6]
        y = OUTCOMES[outcome](ta.linear(P) + 0.25 * np.sin(np.arange(N)))
        model = _Positions(names) if number % 3 else _Classes(names)
        yield Case(
            f"report as {form}, y {outcome}, beside {extra}, columns {[one[:30] for one in names]!r}",
            partial(_report, form, model, table, y, names[0], middle_of(P[:, 0]), number % 4 == 0),
            partial(_check_report, form, names),
            watched=() if "opaque" in extra else (table, y),
            must_answer=outcome in ("none", "numbers", "list", "Series with an index", "objects")
            and not any(word in extra for word in ("infinit", "complex", "huge"))
            and not isinstance(model, _Classes),
        )


class _Positions:
    """A model of the named columns."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, X: Any) -> Any:
        return ta.linear(X[self.names])


class _Classes(_Positions):
    """Two classes of the named columns."""

    def __call__(self, X: Any) -> Any:
        return ta.probabilities(X[self.names])


def _report(form: str, model: Any, table: Any, y: Any, name: str, target: float, rows: bool) -> Any:
    more = {"rows": [0, 1], "mimic": ta.make("MimicTree", model)} if rows else {}
    report = WhatIfReport(model, table, y, what_if=[{name: target}, {name: 1e9}], **more)
    return report, getattr(report, form)()


SCRIPT = re.compile(r"(?<!\\)<(script>alert|img src=x|b>yes|i>y)|href=.javascript")
LINK = re.compile(r"[^\\]\]\(javascript")


def _check_report(form: str, names: list[str], answered: Any) -> str | None:
    report, text = answered
    summary = json.loads(json.dumps(report.summary, allow_nan=False, ensure_ascii=True))
    if form == "json":
        return None if json.loads(text) == summary else "the JSON is not the summary"
    if not summary["scenarios"]:
        return "scenarios are lost"
    if form == "html" and SCRIPT.search(text):
        return f"markup of a name is in the page: {SCRIPT.search(text)}"
    if form == "html":
        return None if text.count("<table") == text.count("</table>") else "tables are not closed"
    fences = [line for line in text.split("\n") if line.strip().startswith("```")]
    if len(fences) % 2:
        return "a block of code is open"
    inside, outside = False, []
    for line in text.split("\n"):
        if line.startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("    "):
            outside.append(line)
    found = SCRIPT.search("\n".join(outside)) or LINK.search("\n".join(outside))
    return f"markup of a name is in the Markdown: {found}" if found else None
