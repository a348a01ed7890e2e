"""Checks of an explainer's life: cloned, fitted, pickled, parted from its model, saved, in a Pipeline."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agnostix.testing.asking import (
    answers,
    assert_same,
    fitted,
    is_population,
    refused,
    rows_for,
    takes_tables,
    told,
    with_model,
)
from agnostix.testing.doubles import (
    AdditiveModel,
    CountingModel,
    InteractionModel,
    MixedFrameModel,
    ProbabilityModel,
    UnpicklableModel,
)
from agnostix.testing.tables import mixed, named, numbers, polars


def check_pickle_round_trip(explainer: Any) -> None:
    """A fitted explainer, and what it returned, are the same to the bit after a round trip through pickle.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, model = _mixed_rows(explainer)
    own = fitted(explainer, model, X, missing="omit")
    expected = answers(own, X)
    again = pickle.loads(pickle.dumps(own))
    assert_same(answers(again, X), expected, "after a round trip through pickle")
    if is_population(explainer):
        frame = pickle.loads(pickle.dumps(own.explain())).frame
        pd.testing.assert_frame_equal(frame, own.explain().frame, check_exact=True, obj="the pickled curves")
    else:
        assert_same(told(pickle.loads(pickle.dumps(own.explain(X)))), expected, "the pickled explanation")


def _mixed_rows(explainer: Any) -> tuple[Any, Any]:
    """A table with columns of every type, or images, and a model of them."""
    if not takes_tables(explainer):
        return rows_for(explainer), InteractionModel()
    X = mixed()
    return X, MixedFrameModel.of(X)


def check_without_model_and_attach(explainer: Any) -> None:
    """A copy without its model pickles whatever the model is, and explains as before with it attached.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, model = rows_for(explainer), UnpicklableModel(InteractionModel())
    own = fitted(explainer, model, X)
    expected = answers(own, X)
    parted = pickle.loads(pickle.dumps(own.without_model()))
    if not is_population(explainer):  # a population has been asked about already, in fit
        with refused("to explain without the model", kinds=NotFittedError):
            parted.explain(X)
    assert_same(answers(parted.attach(own.model), X), expected, "with the model attached again")
    assert_same(answers(own, X), expected, "after without_model, the explainer itself")


def check_clone_shares_fitted_model(explainer: Any) -> None:
    """Clones share a model that can answer; one that is not fitted is cloned, and fitted by fit.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = numbers()
    y = (X[:, 0] > 0).astype(int)
    ready = LogisticRegression(C=0.5).fit(X, y)
    for model in (ready, AdditiveModel()):
        own = with_model(explainer, model)
        assert clone(own).model is own.model, f"a clone does not share its {type(model).__name__}"
        assert not [name for name in own.get_params() if name.startswith("model__")], "its parameters show"
    if not takes_tables(explainer):  # no estimator of images is at hand that could be fitted
        return
    raw = LogisticRegression(C=0.5)
    own = with_model(explainer, raw)
    assert clone(own).model is not raw, "a clone shares a model that is not fitted"
    with refused("a model that is not fitted, without y", "'model'", type(explainer).__name__, "not fitted"):
        clone(own).fit(X)
    own.fit(X, y)
    assert own.model is raw, "fit replaces the parameter 'model'"
    assert not hasattr(raw, "coef_"), "fit fits the model itself, and not a clone"
    expected = answers(with_model(explainer, ready).fit(X, y), X)
    assert_same(answers(own, X), expected, "a model fitted by fit, and not beforehand")


def check_random_state_untouched(explainer: Any) -> None:
    """The global random states are neither read nor written.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, at_first = rows_for(explainer), (np.random.get_state(), random.getstate())  # noqa: NPY002
    found = []
    try:
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            found.append(answers(fitted(explainer, ProbabilityModel(), X), X))
            answers(fitted(explainer, ProbabilityModel(), X, random_state=None), X)
            _assert_untouched(seed)
    finally:
        np.random.set_state(at_first[0])  # noqa: NPY002
        random.setstate(at_first[1])
    assert_same(found[0], found[1], "another global random state")


def _assert_untouched(seed: int) -> None:
    global_numbers, python_number = np.random.random(3), random.random()  # noqa: NPY002
    expected = np.random.RandomState(seed).random(3)
    assert np.array_equal(global_numbers, expected), "numpy's global random state is drawn from"
    assert python_number == random.Random(seed).random(), "Python's global random state is drawn from"


def check_random_state_none_draws_once(explainer: Any) -> None:
    """With ``random_state=None`` or a generator one seed is drawn, in fit; explain repeats itself.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    for state in (None, np.random.default_rng(0), np.random.RandomState(0)):
        own = fitted(explainer, ProbabilityModel(), X, random_state=state)
        first = answers(own, X)
        assert_same(answers(own, X), first, f"explained again, random_state={state!r}")
        assert own.get_params(deep=False).get("random_state", state) is state, "random_state is replaced"


def check_cost_is_an_upper_bound(explainer: Any) -> None:
    """``cost(X)`` is not below the rows the model sees, and ``n_model_rows`` is their number.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, model = rows_for(explainer), CountingModel(InteractionModel())
    own = fitted(explainer, model, X)
    if is_population(explainer):
        answers(own, X)
        stated = own.explain().n_model_rows
        assert model.n_rows == stated, f"the model saw {model.n_rows} rows, and n_model_rows is {stated}"
        return
    for rows in (X[:1], X[:7]):
        model.sizes.clear()
        bound = own.cost(rows)
        assert model.n_rows == 0, "cost asks the model"
        assert_counted(own.explain(rows), model.n_rows, bound)


def assert_counted(exp: Any, seen: int, bound: int) -> None:
    """Complain unless an explanation cost what it says, and not more than was said before.

    Parameters
    ----------
    exp : Explanation
        Which.
    seen : int
        Rows the model saw.
    bound : int
        What ``cost`` said.

    Raises
    ------
    AssertionError
        If the numbers do not fit.
    """
    assert exp.n_model_rows == seen, f"the model saw {seen} rows, and n_model_rows is {exp.n_model_rows}"
    assert seen <= bound, f"the model saw {seen} rows, and cost said {bound}"


def check_explanation_storage(explainer: Any) -> None:
    """An explanation is the same after it was saved and loaded, its data and parameters too.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, model = _mixed_rows(explainer)
    exp = fitted(explainer, model, X).explain(X)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npz"
        exp.save(path)
        again = type(exp).load(path)
    assert_same(told(again), told(exp), "after save and load")
    if isinstance(exp.data, pd.DataFrame):
        pd.testing.assert_frame_equal(again.data, exp.data, obj="the data after save and load")
    else:
        assert_same({"data": again.data}, {"data": exp.data}, "after save and load")
    names = (
        "feature_names",
        "output_names",
        "row_names",
        "dims",
        "quantity",
        "completeness",
        "units",
        "method",
        "params",
        "n_model_rows",
    )
    for name in names:
        one, other = getattr(again, name), getattr(exp, name)
        assert one == other, f"{name} after save and load: {one!r} instead of {other!r}"


def check_transform(explainer: Any) -> None:
    """``transform`` gives explain's values under the names of ``get_feature_names_out``, in a Pipeline too.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = named(numbers())
    X.index = pd.Index(range(100, 124))
    for model in (InteractionModel(), ProbabilityModel()):
        own = fitted(explainer, model, X)
        names = list(own.get_feature_names_out())
        expected = _matrix(own.explain(X), names)
        _same_matrix(own.transform(X), expected, "transform")
        pipeline = make_pipeline(with_model(explainer, model)).set_output(transform="pandas")
        frame = pipeline.fit_transform(X)
        _same_matrix(frame.to_numpy(), expected, "a Pipeline's fit_transform")
        assert list(frame.columns) == names, f"set_output: the columns are {list(frame.columns)}"
        assert frame.index.equals(X.index), "set_output: the rows have other labels than those of X"
        if polars() is not None:
            own.set_output(transform="polars")
            assert own.transform(X).columns == names, "set_output: the columns of the polars frame"


def _matrix(exp: Any, names: list[str]) -> np.ndarray:
    single = len(exp.output_names) == 1
    expected = [
        feature if single else f"{output}: {feature}"
        for output in exp.output_names
        for feature in exp.feature_names
    ]
    assert names == expected, f"get_feature_names_out gives {names} instead of {expected}"
    return exp.values.transpose(0, 2, 1).reshape(len(exp), -1)


def _same_matrix(found: np.ndarray, expected: np.ndarray, where: str) -> None:
    assert_same({"values": found}, {"values": expected}, where)
