"""Explanations made by hand, for tests of pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from agnostix import Explanation, MimicTree, as_predictor
from tests.details import details

WILD = "a_b^2 $x$ <script>"


def make(values: Any, **given: Any) -> Explanation:
    """One that adds up by default, from values of shape (n_rows, n_features) or more."""
    values = np.asarray(values, dtype=float)
    values = values[:, :, None] if values.ndim == 2 else values
    base = np.full((values.shape[0], values.shape[2]), 0.5)
    known: dict[str, Any] = {
        "base_values": base,
        "outputs": base + np.nansum(values, axis=1),
        "feature_names": tuple(f"x{j}" for j in range(values.shape[1])),
        "output_names": tuple(f"out_$put$ {j}" for j in range(values.shape[2])),
        "quantity": "contribution",
        "completeness": "outputs - base_values",
        "method": "by hand",
    }
    given["extras"] = details(given.get("extras", {}))
    return Explanation(values=values, **(known | given))


def people(n_rows: int = 60, **given: Any) -> Explanation:
    """Numbers, missing ones, labels and a name with signs; two outputs that mirror each other."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows).round(1),
            "hours": np.where(np.arange(n_rows) % 5 == 2, np.nan, rng.integers(10, 60, n_rows)),
            "town": rng.choice(["north", "south", "west"], n_rows),
            WILD: rng.normal(size=n_rows),
        }
    )
    own = [0.02 * (data["age"] - 40), 0.01 * (data["hours"].fillna(30) - 35)]
    own += [0.1 * (data["town"] == "west") - 0.03, 0.01 * data[WILD]]
    values = np.stack(own, axis=1)
    errors = np.abs(rng.normal(0.02, 0.005, values.shape))
    known = {
        "std_errors": np.stack([errors, errors], axis=2),
        "data": data,
        "feature_names": tuple(data.columns),
        "output_names": ("no", "out_$put$"),
    }
    return make(np.stack([-values, values], axis=2), **(known | given))


def interacting() -> Explanation:
    """A row's features and pairs of features, one of them not known from 0."""
    values = np.array([[0.4, 0.2, -0.1], [0.2, -0.3, 0.02], [-0.1, 0.02, 0.05]])[None, :, :, None]
    return make(
        values,
        std_errors=np.full(values.shape, 0.03),
        dims=("row", "feature", "feature", "output"),
        feature_names=("age", "hours", WILD),
        output_names=("out_$put$",),
        base_values=None,
        outputs=None,
        completeness=None,
        quantity="interaction",
    )


def surrogate(r2: float = 0.9, r2_error: float = 0.02, n_rows: int = 2, **given: Any) -> Explanation:
    """Rows of `people` with a surrogate: conditions, its predictions beside the model's, R²."""
    exp = people(n_rows)
    conditions = [
        ["age > 40.5", "hours missing", f"town = {town}", f"{WILD} <= 0"] for town in exp.data["town"]
    ]
    shape = (n_rows, 2)
    known = {
        "quantity": "contribution",
        "completeness": "surrogate",
        "outputs": exp.outputs + np.array([-0.125, 0.125]),
        "fidelity": {"r2": np.full(shape, r2)},
        "extras": {
            "surrogate_outputs": exp.outputs,
            "r2_std_errors": np.full(shape, r2_error),
            "conditions": np.array(conditions),
        },
    }
    known["extras"] |= given.pop("extras", {})
    return people(n_rows, **(known | given))


TEXT = "Good, good film.\nBut <script>alert(1)</script> long & too\tlong."
_TOKENS = {
    "good": ["Good", "good"],
    "film": ["film"],
    "script": ["script", "script"],
    "long": ["long", "long"],
}


def text(values: Any = (0.3, 0.01, -0.1, -0.2), error: float = 0.02, **given: Any) -> Explanation:
    """One text of four words, of which "film" is unsure; as spans an explainer would give them."""
    spans = []
    for place, (word, tokens) in enumerate(_TOKENS.items()):
        start = 0
        for token in tokens:
            start = TEXT.index(token, start)
            spans.append((start, start + len(word), place))
            start += len(word)
    known = {
        "std_errors": np.full((1, 4, 1), error),
        "data": np.array([TEXT]),
        "output_names": (f"praise {WILD}",),
        "extras": {"words": np.array([list(_TOKENS)]), "spans": np.array([[*spans, (-1, -1, -1)]])},
    }
    known["extras"] |= given.pop("extras", {})
    return make([values], **(known | given))


def picture(values: Any = ((0.3, -0.2, 0.01, np.nan),), error: float = 0.02, **given: Any) -> Explanation:
    """Pictures of 4 x 6 pixels in three segments, of which the third is unsure; the fourth is not there."""
    values = np.asarray(values, dtype=float)
    values = values if values.ndim == 3 else values[:, :, None]
    segments = np.zeros((len(values), 4, 6), dtype=int)
    segments[:, :2, 3:] = 1
    segments[:, 2:, 4:] = 2
    known = {
        "std_errors": np.full(values.shape, error),
        "data": np.random.default_rng(0).random((len(values), 4, 6)),
        "feature_names": tuple(f"segment {j}" for j in range(values.shape[1])),
        "output_names": tuple(f"c{j} {WILD}" for j in range(values.shape[2])),
        "extras": {"segments": segments},
    }
    known["extras"] |= given.pop("extras", {})
    return make(values, **(known | given))


def pixels(n_outputs: int = 1, **given: Any) -> Explanation:
    """Two pictures of 4 x 6 pixels that were explained point by point."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 4, 6, n_outputs))
    known = {
        "std_errors": np.abs(rng.normal(size=values.shape)),
        "base_values": np.zeros((2, n_outputs)),
        "outputs": np.ones((2, n_outputs)),
        "data": rng.random((2, 4, 6, 3)),
        "feature_names": (),
        "output_names": tuple(f"c{j} {WILD}" for j in range(n_outputs)),
        "quantity": "effect",
        "method": "by hand",
    }
    given["extras"] = details(given.get("extras", {}))
    return Explanation(**({"values": values, "dims": ("row", "y", "x", "output")} | known | given))


def layered(n_outputs: int = 2, **given: Any) -> Explanation:
    """The same pictures with a map for each of three layers."""
    known = {
        "values": np.random.default_rng(1).normal(size=(2, 3, 4, 6, n_outputs)),
        "dims": ("row", "layer", "y", "x", "output"),
        "coords": {"layer": np.array(["conv1", "conv2", "conv3"])},
        "std_errors": None,
        "quantity": "sensitivity",
    }
    return pixels(n_outputs, **(known | given))


def intervals(ax: Any, color: str) -> dict[float, tuple[float, float]]:
    """Horizontal lines of a color by their height, dotted ones as infinite."""
    found = {}
    for line in ax.lines:
        x, y = line.get_xdata(), line.get_ydata()
        if len(x) == 2 and y[0] == y[1] and to_hex(line.get_color()) == color:
            dotted = line.get_linestyle() == ":"
            found[round(float(y[0]), 9)] = (-np.inf, np.inf) if dotted else (float(x[0]), float(x[1]))
    return found


@cache
def fitted_mimic(task: str = "classification") -> MimicTree:
    """A surrogate tree of a model, with names and labels that hold markup."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({WILD: rng.normal(size=200), "town": rng.choice(["<b>", "$a$", "ok", "x_y"], 200)})

    def model(X: pd.DataFrame) -> Any:
        probability = 0.1 + 0.5 * (X[WILD].to_numpy() > 0.2) + 0.3 * (X["town"] == "$a$").to_numpy()
        is_number = task == "regression"
        return probability if is_number else np.column_stack([1.0 - probability, probability])

    names = ["out_$put$ 0", "out_$put$ 1"] if task == "classification" else None
    predictor = as_predictor(model, task=task, output_names=names)
    return MimicTree(predictor, max_leaf_nodes=5, random_state=0).fit(table)
