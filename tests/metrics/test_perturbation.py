"""Masks of each row by itself: shared work, fills that are averaged, models that compose, failures."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix import KernelShapExplainer, as_predictor
from agnostix.core.masking.fills import noise_fills
from agnostix.exceptions import EngineError
from agnostix.metrics import deletion, insertion
from agnostix.metrics.orders import comparable, groups_of, masks_of, ranked, row_seeds, ties_matter
from agnostix.metrics.perturbation import MaskJob, RowMasks, predict_jobs
from agnostix.metrics.read import read_explanation
from tests.messages import refuses
from tests.metrics.explanations import of_maps, of_table

RNG = np.random.default_rng(3)
TABLE, BACKGROUND = RNG.normal(size=(4, 5)), RNG.normal(size=(6, 5))
VALUES = RNG.normal(size=(4, 5, 1))
PICTURES = RNG.random((3, 6, 5))
MAPS = RNG.normal(size=(3, 6, 5, 1))


def _product(X):
    return np.asarray(X)[:, :2].prod(axis=1) + np.asarray(X)[:, 2:].sum(axis=1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n_masks=st.integers(1, 6), n_jobs=st.integers(1, 3))
def test_means_over_the_background_are_those_of_loops(seed, n_masks, n_jobs):
    rng = np.random.default_rng(seed)
    explained = read_explanation(_product, TABLE, of_table(VALUES, TABLE), by="test", masker=BACKGROUND)
    jobs = [
        MaskJob(int(rng.integers(4)), rng.integers(0, 3, 5), rng.random((n_masks, 3)) < 0.5)
        for _ in range(n_jobs)
    ]
    answers, _ = predict_jobs(
        explained.predictor, explained.units, jobs, explained.outputs, explained.predictions
    )
    for job, answer in zip(jobs, answers, strict=True):
        for mask, mean in zip(job.masks[:, job.groups], answer[:, 0], strict=True):
            mixed = np.where(mask, TABLE[job.row], BACKGROUND)
            assert mean == pytest.approx(_product(mixed).mean(), abs=1e-12)


def test_equal_masks_of_a_row_are_evaluated_once_and_empty_ones_never():
    masks = np.array([[True, True], [False, True], [False, False]])
    one = MaskJob(0, np.array([0, 0, 1]), masks)
    other = MaskJob(0, np.array([1, 1, 0]), masks)
    shared = RowMasks.from_jobs([one, other])
    assert len(shared.units) == 3
    assert [part.tolist() for part in shared.places] == [[-1, 0, 1], [-1, 2, 1]]
    assert [len(part) for part in shared.masks] == [2, 1]


def test_noise_is_averaged_over_its_draws():
    def model(X):
        return (X**2).sum(axis=(1, 2))

    exp = of_maps(MAPS, model(PICTURES)[:, None])
    result = deletion(model, PICTURES, exp, fill="noise", step=15, least=False, n_random=0)
    scores = []
    for noise in np.swapaxes(noise_fills(PICTURES, 10, 0), 0, 1):
        own = deletion(model, PICTURES, exp, fill=lambda _, n=noise: n, step=15, least=False, n_random=0)
        scores.append(own.scores)
    np.testing.assert_allclose(result.scores, np.mean(scores, axis=0), rtol=1e-12)


def test_network_of_tables_composes_what_a_function_is_given():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = (
        torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double().eval()
    )
    predictor = as_predictor(network)
    exp = of_table(VALUES, TABLE, predictor.predict(TABLE))
    composed = deletion(predictor, TABLE, exp, masker=BACKGROUND)
    plain = deletion(lambda X: predictor.predict(X), TABLE, exp, masker=BACKGROUND)
    np.testing.assert_allclose(composed.curve.values, plain.curve.values, rtol=1e-12)
    assert composed.n_model_rows == plain.n_model_rows


def test_processes_give_the_same_bits():
    exp = KernelShapExplainer(_product, random_state=0).fit(BACKGROUND).explain(TABLE)
    alone = insertion(_product, TABLE, exp, masker=BACKGROUND)
    shared = insertion(_product, TABLE, exp, masker=BACKGROUND, n_jobs=2)
    np.testing.assert_array_equal(alone.curve.values, shared.curve.values)
    np.testing.assert_array_equal(alone.references["random"], shared.references["random"])


def test_failure_names_the_row():
    def model(X):
        if len(X) > 1:
            raise RuntimeError("out of ink")
        return X.sum(axis=(1, 2))

    with refuses(EngineError, "out of ink", "rows"):
        deletion(model, PICTURES, of_maps(MAPS), step=10)

    def later(X):
        if np.isclose(X, 7.0).any():
            raise RuntimeError("out of ink")
        return X.sum(axis=(1, 2))

    with refuses(EngineError, "out of ink", "pixels hidden", "rows 0 to 2"):
        deletion(later, PICTURES, of_maps(MAPS), fill=7.0, step=10)


@given(n=st.integers(1, 40), step=st.integers(1, 45), seed=st.integers(0, 100))
def test_groups_and_masks_hide_as_many_units_as_counted(n, step, seed):
    order = np.random.default_rng(seed).permutation(n)
    counts = np.append(np.arange(0, n, step), n)
    groups = groups_of(order, counts, n + 2)  # of which two are absent
    for reveals in (False, True):
        masks = masks_of(counts.size, reveals=reveals)[:, groups]
        np.testing.assert_array_equal(masks.sum(axis=1), 2 + (counts if reveals else n - counts))
        for mask, count in zip(masks, counts, strict=True):
            assert (mask[order[:count]] == reveals).all()


def test_order_is_by_value_and_ties_by_the_seed():
    values = np.array([1.0, 3.0, 1.0, 2.0, 1.0])
    order = ranked(values, 5)
    assert order[:2].tolist() == [1, 3]
    assert sorted(order[2:].tolist()) == [0, 2, 4]
    assert ranked(values, 5).tolist() == order.tolist()
    assert len({tuple(ranked(values, seed)) for seed in range(20)}) > 1
    assert ranked(values, 5, descending=False)[-2:].tolist() == [3, 1]
    assert ties_matter(values, np.array([0, 3, 5]))
    assert not ties_matter(values, np.array([0, 2, 5]))


def test_rounding_makes_no_order():
    values = np.array([0.1 + 0.2, 0.3, -1.0])
    assert values[0] != values[1]
    assert comparable(values)[0] == comparable(values)[1]
    assert ties_matter(comparable(values), np.array([0, 1, 3]))
    np.testing.assert_array_equal(comparable(np.zeros(3)), np.zeros(3))


def test_seeds_are_those_of_what_rows_hold():
    seeds = row_seeds(TABLE)
    np.testing.assert_array_equal(row_seeds(TABLE[[2, 0]]), seeds[[2, 0]])
    assert len(set(seeds)) == 4
    assert (row_seeds(TABLE, 1) != seeds).all()
    texts = np.array(["a", "b", "a"], dtype=object)
    assert row_seeds(texts)[0] == row_seeds(texts)[2] != row_seeds(texts)[1]


def test_seeds_of_a_frame_do_not_depend_on_the_rows_beside():
    columns = {
        "number": [1.5, np.nan, 2.0],
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "label": ["x", None, "z"],
        "any": [1, "1", 2.5],
        "date": pd.to_datetime(["2020-01-01", "2021-01-01", None]),
        "missing": [None, None, "a"],
    }
    frame = pd.DataFrame(columns)
    alone = np.concatenate([row_seeds(frame.iloc[[row]]) for row in range(3)])
    np.testing.assert_array_equal(alone, row_seeds(frame))
    np.testing.assert_array_equal(row_seeds(frame.iloc[[0, 2]]), alone[[0, 2]])
    without = frame.drop(columns="any")
    np.testing.assert_array_equal(row_seeds(pl.from_pandas(without)), row_seeds(without))
    assert len(set(alone.tolist())) == 3
