"""Sparse rows, several inputs, a baseline for each row, and predictions that come later.

The code in messages is taken out of them and run.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.exceptions import DataError, ModelOutputError
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.messages import refuses

RNG = np.random.default_rng(0)
ONE, TWO = RNG.random((30, 3)), RNG.random((30, 2))
PICTURES, MORE = RNG.random((3, 6, 6, 3)), RNG.random((3, 6, 6, 2))
EXPLAINERS = {
    "occlusion": lambda model: OcclusionExplainer(model, background_size=8, random_state=0),
    "shapley": lambda model: KernelShapExplainer(model, background_size=8, random_state=0),
    "lime": lambda model: LimeExplainer(model, n_samples=64, random_state=0),
    "mimic": lambda model: MimicTree(model, max_leaf_nodes=4, random_state=0),
    "projection": lambda model: EntropicProjection(model, n_targets=5),
}
OF_PICTURES = {
    "windows": lambda model: OcclusionExplainer(model, masker=SlidingWindow(2, 2)),
    "default windows": lambda model: OcclusionExplainer(model),
    "segments": lambda model: KernelShapExplainer(model, masker=SegmentMasker(n_segments=4), random_state=0),
    "lime": lambda model: LimeExplainer(
        model, masker=SegmentMasker(n_segments=4), n_samples=64, random_state=0
    ),
    "rise": lambda model: RiseExplainer(model, n_masks=32, n_cells=2, random_state=0),
}
NAMES = {"np": np, "pd": pd, "scipy": scipy}


def result(fitted, X):
    """The numbers that an explainer gives."""
    if isinstance(fitted, EntropicProjection):
        return fitted.explain().frame["value"].to_numpy()
    return fitted.explain(X[:2]).values


def first(X):
    return np.asarray(X)[:, 0] * 2.0 + np.asarray(X)[:, 1] ** 2


def of_two(one, two):
    one, two = (np.asarray(part).reshape(len(part), -1) for part in (one, two))
    return one[:, 0] * two[:, 1] + one.sum(axis=1)


def of_dict(given):
    return of_two(given["one"], given["two"])


SPARSE = [scipy.sparse.csr_array, scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix]


@pytest.mark.parametrize("make", SPARSE)
@pytest.mark.parametrize("name", [name for name in EXPLAINERS if name not in ("occlusion", "shapley")])
def test_sparse_rows_are_refused_and_explained_dense(name, make):
    X = make(np.where(ONE > 0.5, ONE, 0.0))
    model = LogisticRegression().fit(X, ONE[:, 0] > 0.5)

    class SparseOnly:
        """A model that takes sparse rows alone."""

        @staticmethod
        def predict_proba(Z):
            assert scipy.sparse.issparse(Z)
            return model.predict_proba(Z)

    with pytest.raises(DataError, match="X is sparse") as caught:
        EXPLAINERS[name](model).fit(X)
    with refuses(DataError, "X is sparse", str(X.shape), "X.toarray()", "X[:100].toarray()"):
        EXPLAINERS[name](model).fit(X.toarray()).explain(X) if name != "projection" else as_predictor(
            model
        ).predict(X)
    function = re.search(r"pass (lambda X: .*)\.$", str(caught.value))[1]
    wrapped = eval(function, NAMES | {"model": SparseOnly()})
    dense = X.toarray()
    known = result(EXPLAINERS[name](model.predict_proba).fit(dense), dense)
    if name != "mimic":  # which takes a function for a regression
        np.testing.assert_allclose(result(EXPLAINERS[name](wrapped).fit(dense), dense), known, atol=1e-9)
    if not isinstance(X, scipy.sparse.coo_matrix):
        assert X[:100].toarray().shape == X.shape


@pytest.mark.parametrize("make", SPARSE)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_sparse_predictions_are_those_of_arrays(name, make):
    def outputs(X):
        return np.column_stack([first(X), np.where(first(X) > 1, first(X), 0.0)])

    ours, known = (EXPLAINERS[name](model).fit(ONE) for model in (lambda X: make(outputs(X)), outputs))
    np.testing.assert_array_equal(result(ours, ONE), result(known, ONE))


INPUTS = {
    "a tuple": ((ONE, TWO), of_two),
    "a tuple of equal shapes": ((ONE, ONE[::-1]), of_two),
    "a list": ([ONE, TWO], of_two),
    "a dict": ({"one": ONE, "two": TWO}, of_dict),
    "frames": ((pd.DataFrame(ONE, columns=list("abc")), pd.DataFrame(TWO, columns=list("de"))), of_two),
    "pictures and a table": ((RNG.random((30, 4, 4)), TWO), of_two),
    "a table and pictures": ((TWO, RNG.random((30, 2, 2, 3))), of_two),
}


def rewritten(error, model, X):
    """The input and the model that a message says to pass."""
    found = re.search(r"Pass (.*), and in place of the model (lambda X: .*?)\.( A tuple.*)?$", str(error))
    return tuple(eval(code, NAMES | {"X": X, "model": model}) for code in found.groups()[:2])


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_several_inputs_are_refused_and_put_side_by_side(name, kind):
    X, model = INPUTS[kind]
    parts = list(X.values()) if isinstance(X, dict) else list(X)
    with pytest.raises(DataError, match="several inputs") as caught:
        EXPLAINERS[name](lambda Z: np.zeros(len(Z))).fit(X)
    for part in parts:
        assert str(tuple(part.shape)) in str(caught.value)
    table, function = rewritten(caught.value, model, X)
    np.testing.assert_array_equal(function(table), of_two(*parts))
    fitted = EXPLAINERS[name](function).fit(table)
    assert np.isfinite(result(fitted, table)).all()
    if name != "projection":
        with refuses(DataError, "several inputs"):
            fitted.explain(X)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_several_pictures_are_refused_and_stacked_by_channels(name):
    def model(one, two):
        return one[:, :3].sum(axis=(1, 2, 3)) * two.sum(axis=(1, 2, 3))

    X = (PICTURES, MORE)
    with pytest.raises(DataError, match="several inputs") as caught:
        OF_PICTURES[name](lambda Z: np.zeros(len(Z))).fit(X)
    stacked, function = rewritten(caught.value, model, X)
    np.testing.assert_array_equal(function(stacked), model(*X))
    explainer = OF_PICTURES[name](function)
    explainer = OF_PICTURES["windows"](function) if name == "default windows" else explainer
    assert np.isfinite(explainer.fit(stacked).explain(stacked).values).all()


def test_a_tuple_that_may_be_two_tables_has_windows_only_if_one_is_passed():
    pair = (PICTURES[0, :, :, 0], PICTURES[1, :, :, 0])
    with refuses(DataError, "several inputs", "list(X)"):
        OcclusionExplainer(lambda P: P.mean(axis=(1, 2))).fit(pair)
    window = SlidingWindow(2, 2)
    fitted = [
        OcclusionExplainer(lambda P: P.mean(axis=(1, 2)), masker=window).fit(X) for X in (pair, list(pair))
    ]
    np.testing.assert_array_equal(fitted[0].explain(pair).values, fitted[1].explain(list(pair)).values)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_dict_of_columns_is_refused_and_made_a_frame(name):
    def model(given):
        return given["a"] * 2.0 + given["b"]

    X = {"a": ONE[:, 0], "b": ONE[:, 1]}
    with pytest.raises(DataError, match="X is a dict with the keys 'a', 'b'") as caught:
        EXPLAINERS[name](lambda Z: np.zeros(len(Z))).fit(X)
    found = re.search(r"Pass (pd\S+); if the model takes a dict, (lambda X: .*)\.$", str(caught.value))
    table, function = (eval(code, NAMES | {"X": X, "model": model}) for code in found.groups())
    assert np.isfinite(result(EXPLAINERS[name](function).fit(table), table)).all()


@pytest.mark.parametrize(
    "model", [of_two, lambda one, two, scale=2.0: one[:, 0], lambda one, *, two: one[:, 0]]
)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_functions_of_several_inputs_are_refused_by_name(name, model):
    with pytest.raises(DataError, match=r"takes 2 inputs \(one, two\)") as caught:
        EXPLAINERS[name](model).fit(np.hstack([ONE, TWO]))
    assert re.search("The model (of_two|function) takes", str(caught.value))
    function = re.search(r"such as (lambda X: .*)\.$", str(caught.value))[1]
    wrapped = eval(function, {"model": of_two})
    assert np.isfinite(
        result(EXPLAINERS[name](wrapped).fit(np.hstack([ONE, TWO])), np.hstack([ONE, TWO]))
    ).all()


def test_functions_with_defaults_are_taken():
    for model in (lambda X, scale=2.0: X[:, 0] * scale, lambda *batches: batches[0][:, 0], np.linalg.norm):
        assert as_predictor(model).name


def in_words(error):
    """The list comprehension that a message ends with."""
    return re.search(r"row by row: (\[.*\])\.$", str(error))[1]


@pytest.mark.parametrize("library", ["numpy", "pandas"])
@pytest.mark.parametrize("name", ["OcclusionExplainer", "KernelShapExplainer"])
def test_a_baseline_for_each_row_is_refused_and_looped_over(name, library):
    def model(X):
        X = np.asarray(X)
        return X[:, 0] * X[:, 1] + X[:, 2]

    X, rows = ONE[:4], ONE[10:14]
    if library == "pandas":
        X, rows = (pd.DataFrame(part, columns=list("abc")) for part in (X, rows))
    kind, parameter = {
        "OcclusionExplainer": (OcclusionExplainer, "fill"),
        "KernelShapExplainer": (KernelShapExplainer, "background"),
    }[name]
    with pytest.raises(DataError, match=f"'{parameter}' parameter of {name}") as caught:
        kind(model, **{parameter: rows}).fit(X)
    names = NAMES | {"model": model, "X": X, parameter: rows, name: kind}
    loop = eval(in_words(caught.value), names)
    for j, exp in enumerate(loop):
        x, b = np.asarray(X)[j], np.asarray(rows)[j]
        np.testing.assert_allclose(exp.base_values[0], model(b[None]), atol=1e-12)
        hidden = np.where(np.eye(3, dtype=bool), b, x)
        single = model(x[None]) - model(hidden)
        if kind is OcclusionExplainer:
            np.testing.assert_allclose(exp.values[0, :, 0], single, atol=1e-12)
        else:
            both = (x[0] - b[0]) * (x[1] + b[1]) / 2, (x[1] - b[1]) * (x[0] + b[0]) / 2, x[2] - b[2]
            np.testing.assert_allclose(exp.values[0, :, 0], both, atol=1e-12)
    fit = re.search(rf"fit(?: on them)?: ({name}\(.*?\)\.fit\(\w+\))", str(caught.value))[1]
    averaged = eval(fit, names)
    np.testing.assert_allclose(averaged.base_values_, model(rows).mean(), atol=1e-12)


POOL = ThreadPoolExecutor(2)


def of_dask(model):
    delayed = pytest.importorskip("dask").delayed
    return lambda X: delayed(model)(X)


def of_dask_array(model):
    array = pytest.importorskip("dask.array")
    return lambda X: array.from_array(model(X))


def of_torch(model):
    torch = pytest.importorskip("torch")

    def later(X):
        future = torch.futures.Future()
        future.set_result(torch.from_numpy(np.array(model(X))))
        return future

    return later


LATER = {
    "a future": lambda model: lambda X: POOL.submit(model, X),
    "a future of a future": lambda model: lambda X: POOL.submit(POOL.submit, model, X),
    "a future for each row": lambda model: lambda X: [POOL.submit(lambda x: model(x)[0], x[None]) for x in X],
    "dask": of_dask,
    "a dask array": of_dask_array,
    "torch": of_torch,
}


@pytest.mark.parametrize("kind", LATER)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_predictions_that_come_later_are_waited_for(name, kind):
    batch_size = {"occlusion": 7, "projection": 7}.get(name)
    model = as_predictor(LATER[kind](first), batch_size=batch_size)
    np.testing.assert_array_equal(
        result(EXPLAINERS[name](model).fit(ONE), ONE), result(EXPLAINERS[name](first).fit(ONE), ONE)
    )


@pytest.mark.parametrize("name", EXPLAINERS)
def test_half_precision_tensors_in_batches_are_those_of_one_call(name):
    torch = pytest.importorskip("torch")

    def half(X):
        return torch.from_numpy(first(X)).bfloat16()

    ours, known = (EXPLAINERS[name](as_predictor(half, batch_size=size)).fit(ONE) for size in (4, None))
    np.testing.assert_array_equal(result(ours, ONE), result(known, ONE))


def test_masked_predictions_that_come_later_are_waited_for():
    class Composer:
        """A model that composes masked rows itself, elsewhere."""

        def __call__(self, X):
            return first(X)

        def predict_masked(self, x, masks, fill, segments):
            shown = masks[:, segments]  # (n_masks, 1, n_columns)
            rows = np.where(shown.transpose(1, 0, 2)[:, :, None], x[:, None, None], fill[:, None])
            return POOL.submit(lambda: first(rows.reshape(-1, x.shape[1])).reshape(rows.shape[:3]))

    ours, known = (OcclusionExplainer(model, random_state=0).fit(ONE) for model in (Composer(), first))
    np.testing.assert_allclose(ours.explain(ONE[:3]).values, known.explain(ONE[:3]).values, atol=1e-12)


def test_what_a_future_raises_is_the_models_failure():
    def failing(X):
        raise ArithmeticError("no such model")

    with pytest.raises(Exception, match="no such model"):
        KernelShapExplainer(lambda X: POOL.submit(failing, X)).fit(ONE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXPLAINERS)
def test_asynchronous_models_are_named_and_run_by_a_function(name):
    async def later(X):
        await asyncio.sleep(0)
        return first(X)

    with pytest.raises(ModelOutputError, match=r"The model later is asynchronous.* a coroutine") as caught:
        EXPLAINERS[name](later).fit(ONE)
    codes = re.findall(r"(lambda X: (?:[^(;,]*\()+.*?\)\))(?=[;,])", str(caught.value))
    assert len(codes) == 2
    known = result(EXPLAINERS[name](first).fit(ONE), ONE)
    for code in codes:
        wrapped = eval(code, {"asyncio": asyncio, "model": later, "pool": POOL})
        np.testing.assert_array_equal(result(EXPLAINERS[name](wrapped).fit(ONE), ONE), known)
