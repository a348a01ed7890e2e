"""The same numbers in another storage have the same explanations, from every explainer of tables."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
)
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling, LocalSampling
from tests.messages import refuses

RNG = np.random.default_rng(0)
N = 80
X = pd.DataFrame(
    {
        "score": RNG.normal(650, 50, N).round(1),
        "age": RNG.integers(18, 80, N),
        "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 90, N), unit="D"),
    }
).astype({"since": "datetime64[ns]"})
GAPS = X.assign(score=X.score.mask(X.index % 7 == 3), age=X.age.astype(float).mask(X.index % 5 == 1))


def with_decimals(table):
    cells = [None if np.isnan(value) else Decimal(str(value)) for value in table["score"]]
    return table.assign(score=pd.Series(cells, dtype=object))


def with_fractions(table):
    cells = [None if np.isnan(value) else Fraction(str(value)) for value in table["score"]]
    return table.assign(score=pd.Series(cells, dtype=object))


def with_decimals_and_floats(table):
    cells = [None if np.isnan(value) else value for value in table["score"]]
    mixed = [Decimal(str(cell)) if j % 2 and cell is not None else cell for j, cell in enumerate(cells)]
    return table.assign(score=pd.Series(mixed, dtype=object))


def with_polars_objects(table):
    cells = [None if np.isnan(value) else Fraction(str(value)) for value in table["score"]]
    return pl.from_pandas(table).with_columns(pl.Series("score", cells, dtype=pl.Object))


def with_none(table):
    return table.astype(object).where(table.notna(), None)


STORAGES = {
    "objects": lambda table: table.astype(object),
    "objects with None": with_none,
    "decimals": with_decimals,
    "fractions": with_fractions,
    "decimals and floats": with_decimals_and_floats,
    "polars objects": with_polars_objects,
    "nullable": lambda table: table.convert_dtypes(),
    "Float64 alone": lambda table: table.astype({"score": "Float64"}),
    "pyarrow": lambda table: table.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda table: pl.from_pandas(table),
    "polars objects of two columns": lambda table: pl.from_pandas(table).with_columns(
        pl.Series(name, [None if pd.isna(cell) else cell for cell in table[name].to_list()], dtype=pl.Object)
        for name in ("score", "age")
    ),
}
EXPLAINERS = {
    "KernelShap": lambda model: KernelShapExplainer(model, random_state=0),
    "KernelShap with medoids": lambda model: KernelShapExplainer(
        model, background="medoids", background_size=5, random_state=0
    ),
    "Occlusion": lambda model: OcclusionExplainer(model, random_state=0),
    "LIME": lambda model: LimeExplainer(model, n_samples=256, random_state=0),
    "LIME by deciles": lambda model: LimeExplainer(
        model,
        n_samples=256,
        sampling=KernelSampling(discretizer="decile"),
        feature_groups={"both": ["score", "age"]},
        random_state=0,
    ),
    "MimicTree": lambda model: MimicTree(model, max_leaf_nodes=4, synthetic="bootstrap", random_state=0),
    "EntropicProjection": lambda model: EntropicProjection(model, missing="omit"),
}


def number(cell):
    return 0.0 if cell is None or pd.isna(cell) else float(cell)


def model(X):
    """A model of any storage, which reads cell by cell."""
    score = np.array([number(cell) for cell in X["score"].to_list()])
    age = np.array([number(cell) for cell in X["age"].to_list()])
    return score / 100 + 2.0 * (age > 40) * (score > 600)


def results(explainer, table):
    if isinstance(explainer, EntropicProjection):
        fitted = explainer.fit(table)
        frame = fitted.what_if({"score": 655.0}).outcomes
        return frame.select_dtypes("number").to_numpy(), tuple(fitted.table_.columns["age"].values[:3])
    explanation = explainer.fit(table).explain(table[:4])
    conditions = explanation.extras.get("conditions")
    return explanation.values, None if conditions is None else np.asarray(conditions.array).tolist()


@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
@pytest.mark.parametrize("table", [X, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
def test_numbers_in_another_storage_have_the_same_results(explainer, table, storage):
    stored = storage(table)
    if isinstance(stored, pd.DataFrame) and str(stored["age"].dtype) in ("Int64", "int64[pyarrow]"):
        table = table.astype({"age": "Int64"})  # whole numbers with gaps are not numbers with fractions
    if isinstance(explainer(model), LimeExplainer) and not isinstance(stored, pl.DataFrame):
        stored = stored.assign(since=table["since"])
        stored = stored if str(stored["age"].dtype) != "object" else stored.assign(age=table["age"])
    ours, known = results(explainer(model), stored), results(explainer(model), table)
    np.testing.assert_allclose(ours[0].astype(float), known[0].astype(float), rtol=1e-10, atol=1e-12)


def test_objects_that_are_numbers_are_read_as_those_in_arrays_too():
    numbers = X[["score", "age"]].to_numpy()
    first = LimeExplainer(lambda X: X[:, 0].astype(float), n_samples=256, random_state=0)
    for table in (numbers, numbers.astype(object)):
        found = first.fit(table).explain(table[:3])
        assert found.extras["conditions"].array[0, 0].startswith(("x0", "6"))
    np.testing.assert_array_equal(found.values, first.fit(numbers).explain(numbers[:3]).values)


def test_local_sampling_of_objects_is_that_of_floats():
    def score(X):
        return np.array([number(cell) for cell in X["score"].to_list()])

    one = LimeExplainer(score, sampling=LocalSampling(1.0), n_samples=200, random_state=0)
    tables = X[["score"]], X[["score"]].astype(object), X[["score"]].astype("Float64")
    values = [one.fit(table).explain(table[:2]).values for table in tables]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


def test_models_see_the_storage_that_fit_saw():
    for table in (X.astype(object), GAPS.convert_dtypes(), pl.from_pandas(GAPS)):
        seen = []

        def watching(Z, seen=seen):
            seen.append(Z[:0])
            return np.ones(Z.shape[0])

        for make in EXPLAINERS.values():
            results(make(watching), table) if make is not EXPLAINERS["EntropicProjection"] else None
        own = table.schema if isinstance(table, pl.DataFrame) else table.dtypes.to_dict()
        for part in seen:
            assert (part.schema if isinstance(part, pl.DataFrame) else part.dtypes.to_dict()) == own


@pytest.mark.parametrize("make", [EXPLAINERS["LIME"], EXPLAINERS["MimicTree"]], ids=["LIME", "MimicTree"])
def test_text_in_a_column_of_numbers_is_named(make):
    table = X[["score", "age"]].astype(object)
    fitted = make(lambda X: np.ones(len(X))).fit(table)
    later = table[:2].copy()
    later.iloc[1, 0] = "none"
    with refuses(DataError, "Column 'score'", "numbers in fit", "none"):
        fitted.explain(later) if make is EXPLAINERS["LIME"] else fitted.predict(later)
