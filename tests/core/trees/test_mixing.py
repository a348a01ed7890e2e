"""Mixtures of rows, and which columns they show to be mixed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.core.features import Features
from agnostix.core.trees.mixing import find_mixing, mix_rows, moved_features, telling_rows

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": RNG.normal(size=90), "k": RNG.choice(list("uv"), 90), "n": np.arange(90) % 7})
FEATURES = Features.from_names(["x0", "x1", "x2"])
OWNER = np.arange(3)


@pytest.mark.parametrize("make", [lambda table: table, pl.from_pandas, lambda table: table.to_numpy(object)])
def test_mixtures_have_each_feature_of_one_of_the_rows(make) -> None:
    own = RNG.random((90, 3)) < 0.5
    second = TABLE.iloc[::-1].reset_index(drop=True)
    mixed = pd.DataFrame(np.asarray(mix_rows(make(TABLE), make(second), own, FEATURES)), columns=list("akn"))
    expected = np.where(own, TABLE.to_numpy(object), second.to_numpy(object))
    assert mixed.to_numpy(object).tolist() == expected.tolist()


def test_categories_of_two_tables_are_joined() -> None:
    first = TABLE.assign(k=pd.Categorical(TABLE.k, categories=["u", "v"]))
    second = first[first.k == "u"][:5].reset_index(drop=True)
    second["k"] = second.k.cat.remove_unused_categories()
    mixed = mix_rows(first[:5], second, np.tile([True, False, True], (5, 1)), FEATURES)
    assert mixed.k.tolist() == ["u"] * 5


def test_ends_rare_levels_and_missing_values_are_told_of() -> None:
    table = pd.DataFrame({"a": RNG.normal(size=5000), "k": "often"})
    table.loc[[17, 4001], "a"] = [99.0, np.nan]
    table.loc[333, "k"] = "rare"
    table.loc[334, "k"] = None
    rows = telling_rows(table, 2)
    assert {17, 4001, 333, 334} <= set(rows.tolist())
    assert len(rows) <= 12


def read(mixing):
    def reader(table):
        return mixing(np.array(table, dtype=float)).T

    return reader


def test_features_that_others_move_are_found() -> None:
    table = RNG.normal(size=(40, 3))

    def product(rows):
        return np.stack([rows[:, 0], rows[:, 1] * rows[:, 2], rows[:, 2]], axis=1)

    assert find_mixing(read(np.exp), OWNER, table, FEATURES)[0].tolist() == []
    assert find_mixing(read(product), OWNER, table, FEATURES)[0].tolist() == [1]
    assert moved_features(read(product), OWNER, table, table[::-1], FEATURES, False).tolist() == [1]
    pair = Features.from_names(["x0", "x1", "x2"], {"pair": ["x1", "x2"]})
    owner = np.array([pair.names.index(name) for name in ("x0", "pair", "pair")])
    assert find_mixing(read(product), owner, table, pair)[0].tolist() == []


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan, 1e6])
def test_columns_of_one_value_get_others(value) -> None:
    table = np.full((1, 3), value)

    def latter(rows):
        return np.stack(
            [rows[:, 0], np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]), rows[:, 2]], axis=1
        )

    moved, unproved = find_mixing(read(latter), OWNER, table, FEATURES)
    assert (moved.tolist(), unproved.tolist()) == ([1], [])
    assert find_mixing(read(np.cbrt), OWNER, table, FEATURES)[0].tolist() == []


def test_levels_of_one_value_have_no_other() -> None:
    table = TABLE.assign(k="u")

    def numbers(rows):
        return np.stack([rows.a, rows.k == "u", rows.n], axis=1).astype(float).T

    moved, unproved = find_mixing(numbers, OWNER, table, FEATURES)
    assert (moved.tolist(), unproved.tolist()) == ([], [1])
