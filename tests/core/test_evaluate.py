import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn import config_context

from agnostix.core.evaluate import MeanAndVariance, evaluate, mask_cost
from agnostix.core.masking import Features, TabularMasker
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import MaskedRowSource
from agnostix.exceptions import DataError, EngineError
from tests.messages import assert_states, refuses

RNG = np.random.default_rng(0)
X, BACKGROUND = RNG.normal(size=(9, 3)), RNG.integers(0, 3, (8, 3)).astype(float)
WEIGHTS = RNG.dirichlet(np.ones(8))
MASKS = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 1, 0]], dtype=bool)


def answers(X):
    """Outputs of each row, independent of other rows to the bit."""
    X = np.asarray(X)
    return np.stack([X[:, 0] * X[:, 1] - X[:, 2], np.abs(X[:, 2]) + 0.1], axis=1)


PREDICTOR = as_predictor(answers)


def masker_of(background=BACKGROUND, weights=WEIGHTS, groups=None):
    return TabularMasker(background, weights, Features.from_names(["x0", "x1", "x2"], groups))


@dataclass
class Found:
    means: np.ndarray
    variances: np.ndarray
    n_model_rows: int


def run(predictor, masker, masks, X, *, n_outputs, **how):
    source = MaskedRowSource.from_rows(masker, masker.read(X), masks)
    (means, variances), n_model_rows = evaluate(
        predictor, source, MeanAndVariance(), n_outputs=n_outputs, **how
    )
    return Found(means, variances, n_model_rows)


def cost(masks, masker, n_rows):
    return n_rows * mask_cost(masker, None, masks)


def by_loops(X, background, weights, masks):
    means, variances = [], []
    for row in X:
        for mask in masks:
            said = np.array([answers(np.where(mask, row, other)[None])[0] for other in background])
            mean = sum(w * one for w, one in zip(weights, said, strict=True))
            means.append(mean)
            variances.append(sum(w * (one - mean) ** 2 for w, one in zip(weights, said, strict=True)))
    shape = (len(X), len(masks), 2)
    return np.reshape(means, shape), np.reshape(variances, shape)


@pytest.mark.parametrize("memory", [0, 0.001, 0.005, 0.02, 100])
def test_evaluate_means_and_variances_match_loops(memory):
    with config_context(working_memory=memory):
        found = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    means, variances = by_loops(X, BACKGROUND, WEIGHTS, MASKS)
    np.testing.assert_allclose(found.means, means, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.variances, variances, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(found.means[:, 0], answers(X))
    np.testing.assert_array_equal(found.variances[:, [0, 4]], 0.0)
    assert found.n_model_rows < cost(MASKS, masker_of(), 9)  # the row as it is comes up twice


@given(st.data())
def test_evaluate_bits_ignore_batches_and_row_subset(data):
    n, n_background = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    masks = rng.random((data.draw(st.integers(1, 6)), 3)) < 0.5
    masker = masker_of(rng.normal(size=(n_background, 3)).round(1), rng.dirichlet(np.ones(n_background)))
    X = rng.normal(size=(n, 3))
    whole = run(PREDICTOR, masker, masks, X, n_outputs=2)
    with config_context(working_memory=data.draw(st.sampled_from([0, 0.0005, 0.001, 0.005, 0.01, 0.03]))):
        cut = run(PREDICTOR, masker, masks, X, n_outputs=2)
    np.testing.assert_array_equal(cut.means, whole.means)
    np.testing.assert_array_equal(cut.variances, whole.variances)
    rows = rng.permutation(n)[: data.draw(st.integers(1, n))]
    part = run(PREDICTOR, masker, masks, X[rows], n_outputs=2)
    np.testing.assert_array_equal(part.means, whole.means[rows])
    np.testing.assert_array_equal(part.variances, whole.variances[rows])
    assert (whole.variances >= 0).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_outputs", [1, 2, 7])
@pytest.mark.parametrize("n_background", [100, 9000])
def test_evaluate_bits_ignore_memory_layout_of_outputs(order, n_outputs, n_background):
    def model(X):
        return np.array(np.sin(X[:, :1] * np.arange(1, n_outputs + 1)), order=order)

    rng = np.random.default_rng(0)
    masker = masker_of(rng.normal(size=(n_background, 3)), rng.dirichlet(np.ones(n_background)))
    X = rng.normal(size=(5, 3))
    masks = np.zeros((1, 3), dtype=bool)
    whole = run(as_predictor(model), masker, masks, X, n_outputs=n_outputs)
    alone = run(as_predictor(model), masker, masks, X[3:4], n_outputs=n_outputs)
    np.testing.assert_array_equal(alone.means, whole.means[3:4])
    np.testing.assert_array_equal(alone.variances, whole.variances[3:4])


def test_evaluate_equal_outputs_have_zero_variance():
    weights = np.full(7, 1 / 7)
    masker = TabularMasker(RNG.normal(size=(7, 3)), weights, Features.from_names(["x0", "x1", "x2"]))
    found = run(as_predictor(lambda X: np.full(len(X), 0.1)), masker, MASKS, X, n_outputs=1)
    np.testing.assert_array_equal(found.means, 0.1)
    np.testing.assert_array_equal(found.variances, 0.0)


def test_cost_counts_distinct_rows():
    background = np.array([[1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [1.0, 6.0, 0.0]])
    masker = masker_of(background, np.full(3, 1 / 3))
    assert cost(np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=bool), masker, 10) == 10 * (
        1 + 2 + 2 + 1
    )


def test_evaluate_error_names_batch_and_cause():
    def fails_on_the_fifth(given):
        if (given[:, 2] == X[4, 2]).any():
            raise KeyError("lost")
        return given[:, 0]

    facts = ("fails_on_the_fifth", "rows 4 to 4", "masks 0 to 0", "1 model rows", "KeyError: 'lost'")
    with config_context(working_memory=0), refuses(EngineError, *facts) as error:
        run(as_predictor(fails_on_the_fifth), masker_of(), MASKS, X, n_outputs=1)
    assert isinstance(error.value.__cause__, KeyError)


def test_evaluate_refuses_other_number_of_outputs():
    facts = (
        "model answers",
        "rows 0 to 8",
        "masks 0 to 5",
        f"{9 * 20} model rows",
        "2 outputs",
        "3 are expected",
    )
    with refuses(EngineError, "ModelOutputError", *facts):
        run(PREDICTOR, masker_of(), MASKS, X, n_outputs=3)


def test_evaluate_keyboard_interrupt_propagates():
    def interrupted(X):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(as_predictor(interrupted), masker_of(), MASKS, X, n_outputs=1)


def test_evaluate_frames_and_arrays_same_bits():
    names = ["x0", "x1", "x2"]
    frame, background = pd.DataFrame(X, columns=names), pd.DataFrame(BACKGROUND, columns=names)
    one = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    other = run(PREDICTOR, masker_of(background), MASKS, frame, n_outputs=2)
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.variances, other.variances)


def test_evaluate_variance_keeps_digits_with_outlier():
    background = np.array([[1e9, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    masker = masker_of(background, np.array([1e-40, 0.5, 0.5]))
    masks = np.zeros((1, 3), dtype=bool)
    found = run(as_predictor(lambda X: X[:, 0]), masker, masks, X, n_outputs=1)
    np.testing.assert_allclose(found.means, 1.5, rtol=1e-6)
    np.testing.assert_allclose(found.variances, 0.25, rtol=1e-6)


def test_evaluate_equal_rows_once():
    seen = []

    def watching(given):
        seen.append(len(given))
        return answers(given)

    again = X[[3, 0, 3, 3, 5, 0]]
    found = run(as_predictor(watching), masker_of(), MASKS, again, n_outputs=2)
    alone = run(PREDICTOR, masker_of(), MASKS, X[[3, 0, 5]], n_outputs=2)
    assert found.n_model_rows == sum(seen) == alone.n_model_rows
    whole = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    np.testing.assert_array_equal(found.means, whole.means[[3, 0, 3, 3, 5, 0]])
    np.testing.assert_array_equal(found.variances, whole.variances[[3, 0, 3, 3, 5, 0]])


class Composes:
    """A model that composes masked rows itself."""

    def __init__(self, shape=None):
        self.shape, self.masked = shape, 0

    def __call__(self, given):
        raise AssertionError("rows were built")

    def predict_masked(self, X, masks, fill, labels):
        self.masked += len(X) * len(masks) * fill.shape[1]
        rows = np.where(masks[:, labels[0]][None, :, None], X[:, None, None], fill[:, None])
        told = answers(rows.reshape(-1, X.shape[1])).reshape(*rows.shape[:3], 2)
        return told if self.shape is None else np.ones(self.shape)


@pytest.mark.parametrize("groups", [None, {"g": ["x2", "x0"]}])
def test_evaluate_mask_composer_receives_masks(groups):
    masker = masker_of(groups=groups)
    masks = MASKS[:, : len(masker.features.names)]
    model = Composes()
    found = run(as_predictor(model), masker, masks, X, n_outputs=2)
    built = run(PREDICTOR, masker, masks, X, n_outputs=2)
    np.testing.assert_array_equal(found.means, built.means)
    np.testing.assert_array_equal(found.variances, built.variances)
    bound = 9 * sum(part.rows.size for part in masker.draws(masks))
    assert model.masked == found.n_model_rows == bound < 9 * len(masks) * 8


def test_evaluate_mask_composer_refuses_other_shape():
    batch = ("model Composes failed", "rows 0 to 8", "masks 0 to 5", "189 model rows", "ModelOutputError")
    shapes = ("9 rows", "2 masks", "shape (8, 6)", "(9, 2, 1) or (9, 2, 1, n_outputs)")
    with refuses(EngineError, *batch, *shapes):
        run(as_predictor(Composes((8, 6))), masker_of(), MASKS, X, n_outputs=2)


CONTINUOUS = RNG.normal(size=(8, 3))


def clips(given):
    """Changes its input in place if it is writable."""
    given[given < 0.0] = 0.0
    return answers(given)


def writes_through(given):
    """Writes into a read-only input, as compiled code can."""
    told = answers(given)
    if given.flags.owndata:
        return told
    base = given
    while base.base is not None:
        base = base.base
    base[:] = 0.0
    return told


@pytest.mark.parametrize("background", [BACKGROUND, CONTINUOUS], ids=["merged", "in one buffer"])
@pytest.mark.parametrize("memory", [0.002, 100])
def test_evaluate_in_place_model_gets_copies(background, memory):
    before = X.copy(), background.copy()
    with config_context(working_memory=memory):
        found = run(as_predictor(clips), masker_of(background), MASKS, X, n_outputs=2)
        clipped = run(
            as_predictor(lambda given: answers(np.maximum(given, 0.0))),
            masker_of(background),
            MASKS,
            X,
            n_outputs=2,
        )
    np.testing.assert_array_equal(found.means, clipped.means)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(background, before[1])


@pytest.mark.parametrize("memory", [0.002, 100])
def test_evaluate_detects_write_to_read_only_buffer(memory):
    with config_context(working_memory=memory):
        found = run(as_predictor(writes_through), masker_of(CONTINUOUS), MASKS, X, n_outputs=2)
        plain = run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X, n_outputs=2)
    np.testing.assert_array_equal(found.means, plain.means)


class AnswersInItsOwnArray:
    """Returns the same output array each time."""

    def __init__(self):
        self.room = np.empty((1000, 2))

    def __call__(self, given):
        found = self.room[: len(given)]
        found[:] = answers(given)
        return found


@pytest.mark.parametrize("memory", [1e-4, 256])
def test_evaluate_model_may_reuse_output_array(memory):
    expected = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    with config_context(working_memory=memory):
        found = run(as_predictor(AnswersInItsOwnArray()), masker_of(), MASKS, X, n_outputs=2)
    np.testing.assert_array_equal(found.means, expected.means)


def a_column(given):
    """Returns a view of its input."""
    return given[:, 1]


@pytest.mark.parametrize("background", [BACKGROUND, CONTINUOUS], ids=["merged", "in one buffer"])
def test_evaluate_output_may_be_view_of_input(background):
    found = run(as_predictor(a_column), masker_of(background), MASKS, X, n_outputs=1)
    expected = background.T[1] @ WEIGHTS
    np.testing.assert_allclose(found.means[:, 2], expected, rtol=1e-14)


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_evaluate_same_bits_for_any_n_jobs(backend, n_rows):
    whole = run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X[:n_rows], n_outputs=2)
    with parallel_config(backend), config_context(working_memory=0.004):
        found = run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X[:n_rows], n_outputs=2, n_jobs=2)
    np.testing.assert_array_equal(found.means, whole.means)
    np.testing.assert_array_equal(found.variances, whole.variances)
    assert found.n_model_rows == whole.n_model_rows


class Travels:
    """Counts how often it is pickled."""

    packed = 0

    def __call__(self, given):
        return answers(given)

    def __reduce__(self):
        Travels.packed += 1
        return Travels, ()


@pytest.mark.slow
def test_evaluate_pickles_model_once_per_worker():
    Travels.packed = 0
    with parallel_config("loky"), config_context(working_memory=0):
        run(as_predictor(Travels()), masker_of(CONTINUOUS), MASKS, X, n_outputs=2, n_jobs=2)
    assert Travels.packed == 2


def workers_of(pid):
    """Child processes except resource trackers (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and "resource_tracker" not in command:
            found.append(int(stat.parent.name))
    return found


def dies(given):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_evaluate_dead_worker_error_names_batch():
    with parallel_config("loky"), config_context(working_memory=0.002):
        run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X, n_outputs=2, n_jobs=2)  # the pool is there
        with pytest.raises(EngineError) as error:
            run(as_predictor(dies), masker_of(CONTINUOUS), MASKS, X, n_outputs=2, n_jobs=2)
    assert_states(str(error.value), "worker died", "model dies", "SIGKILL", "lower n_jobs", "working_memory")
    assert re.search(r"rows \d to \d under masks \d to \d", str(error.value))
    with parallel_config("loky"):
        found = run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X, n_outputs=2, n_jobs=2)
    np.testing.assert_array_equal(
        found.means, run(PREDICTOR, masker_of(CONTINUOUS), MASKS, X, n_outputs=2).means
    )


INTERRUPTED = """
    import os
    import time
    import numpy as np
    from sklearn import config_context
    from agnostix import OcclusionExplainer

    os.environ["MAIN_PROCESS"] = str(os.getpid())

    def slow(X):
        if os.environ["MAIN_PROCESS"] != str(os.getpid()):
            os.write(1, b"asked\\n")
            time.sleep(0.2)
        return X[:, 0]

    X = np.random.default_rng(0).normal(size=(200, 3))
    try:
        with config_context(working_memory=0.001):
            OcclusionExplainer(slow, random_state=0, n_jobs=2).fit(X).explain(X)
    except KeyboardInterrupt:
        os.write(1, b"interrupted\\n")
        time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_evaluate_interrupt_leaves_no_worker():
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            while process.stdout.readline().strip() != "asked":
                assert process.poll() is None
            workers = len(workers_of(process.pid))
            process.send_signal(signal.SIGINT)
            while process.stdout.readline().strip() != "interrupted":
                assert process.poll() is None
            for _ in range(100):
                left = workers_of(process.pid)
                if not left:
                    break
                time.sleep(0.1)
        finally:
            process.kill()
    assert workers >= 2
    assert not left


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_evaluate_refuses_rows_without_masks(n_jobs):
    masker = masker_of()
    source = MaskedRowSource.from_rows(masker, masker.read(X), MASKS[:0])
    with refuses(DataError, "no masks"):
        evaluate(PREDICTOR, source, MeanAndVariance(), n_outputs=2, n_jobs=n_jobs)


class WithoutFinalize:
    n_kept = 1

    def reduce_block(self, predictions, block):
        return predictions


@pytest.mark.parametrize(
    ("reduce", "lacking"),
    [
        (None, {"n_kept", "reduce_block", "finalize"}),
        (lambda source, item, predictions: predictions, {"n_kept", "reduce_block", "finalize"}),
        (WithoutFinalize(), {"finalize"}),
    ],
)
def test_evaluate_masked_rows_need_a_reducer(reduce, lacking):
    masker = masker_of()
    source = MaskedRowSource.from_rows(masker, masker.read(X), MASKS)
    with refuses(TypeError, "reduce", "Reducer", type(reduce).__name__) as error:
        evaluate(PREDICTOR, source, reduce, n_outputs=2)
    named = {name for name in ("n_kept", "reduce_block", "finalize") if repr(name) in str(error.value)}
    assert named == lacking
