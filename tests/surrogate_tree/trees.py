"""Random trees and tables for exports."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.frames import columns
from agnostix.surrogate_tree.rule_tree import RuleFeature, RuleTree, encode_table


def table_of(n_rows: int, seed: int, hostile: bool = False) -> pd.DataFrame:
    """Numbers, integers, labels, dates and missing values."""
    rng = np.random.default_rng(seed)
    names = ['a "b" c', "x'; DROP TABLE t; --", "select", "the day"] if hostile else ["a", "b", "c", "day"]
    labels = np.array(["it's", 'a "q"', "x, y", "", "ok"], dtype=object)
    table = {
        names[0]: rng.normal(size=n_rows),
        names[1]: rng.integers(-3, 4, n_rows),
        names[2]: labels[rng.integers(0, 5, n_rows)],
        names[3]: pd.Timestamp("2020-02-01") + pd.to_timedelta(rng.integers(0, 10**6, n_rows), unit="s"),
    }
    frame = pd.DataFrame(table)
    frame.loc[rng.random(n_rows) < 0.2, names[0]] = np.nan
    frame.loc[rng.random(n_rows) < 0.2, names[2]] = None
    frame.loc[rng.random(n_rows) < 0.2, names[3]] = pd.NaT
    return frame


def random_tree(table: pd.DataFrame, n_leaves: int, seed: int, n_outputs: int = 2) -> RuleTree:
    """A tree with random splits of the table's columns."""
    rng = np.random.default_rng(seed)
    features = tuple(RuleFeature.from_column(str(name), column) for name, column in columns(table).items())
    encoded = encode_table(features, table)
    feature, threshold, levels = [-1], [np.nan], [frozenset()]
    missing, left, right = [False], [-1], [-1]
    while left.count(-1) < n_leaves:
        node = int(rng.choice(np.flatnonzero(np.array(left) < 0)))
        position = int(rng.integers(len(features)))
        feature[node], missing[node] = position, bool(rng.random() < 0.5)
        if features[position].levels is not None:
            n_levels = len(features[position].levels)
            levels[node] = frozenset(np.flatnonzero(rng.random(n_levels) < 0.5).tolist())
        else:
            column = encoded[:, position]
            seen = column[~np.isnan(column)]
            threshold[node] = np.inf if rng.random() < 0.1 else float(rng.choice(seen))
        left[node], right[node] = len(left), len(left) + 1
        feature, threshold, levels = feature + [-1] * 2, threshold + [np.nan] * 2, levels + [frozenset()] * 2
        missing, left, right = missing + [False] * 2, left + [-1] * 2, right + [-1] * 2
    n = len(left)
    counts = rng.integers(1, 50, n)
    return RuleTree(
        features=features,
        output_names=tuple(f"output_{k}" for k in range(n_outputs)),
        feature=np.array(feature),
        threshold=np.array(threshold),
        levels=tuple(levels),
        missing_left=np.array(missing),
        left=np.array(left),
        right=np.array(right),
        values=rng.dirichlet(np.ones(n_outputs), n),
        n_observed=counts,
        n_synthetic=counts * 2,
        weight=counts * 3.0,
        loss=rng.random(n),
    )
