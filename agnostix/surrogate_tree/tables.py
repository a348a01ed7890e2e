"""A copy's leaves and sizes as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.copying import Copy
from agnostix.surrogate_tree.fidelity import clopper_pearson


def leaves_frame(copy: Copy, classes: Sequence[Any] | None) -> pd.DataFrame:
    """A row for each leaf, from left to right.

    Parameters
    ----------
    copy : Copy
        The tree.
    classes : sequence or None
        Labels in the order of the outputs; None for regression.

    Returns
    -------
    DataFrame
        See ``leaves_`` of `MimicTree`.
    """
    tree, material = copy.grown.tree, copy.material
    leaves = tree.leaves
    real = tree.apply_read(material.numbers[: material.n_real])
    n_real = np.array([(real == leaf).sum() for leaf in leaves])
    n_drawn = tree.n_synthetic[leaves]
    told: dict[str, Any] = {
        "rule": [tree.rule(int(leaf)) for leaf in leaves],
        "n_real": n_real,
        "coverage": n_real / material.n_real,
        "n_synthetic": n_drawn,
        "coverage_synthetic": n_drawn / max(int(n_drawn.sum()), 1),
    }
    told |= _tested(copy, leaves, classes is not None)
    if classes is not None:
        told["label"] = [classes[k] for k in tree.values[leaves].argmax(axis=1)]
    told |= _answers(copy, leaves, real)
    return pd.DataFrame(told, index=pd.Index(leaves, name="leaf"))


def frontier_frame(copy: Copy, labelled: bool) -> pd.DataFrame:
    """A row for each size of the tree, from one leaf on.

    Parameters
    ----------
    copy : Copy
        The tree.
    labelled : bool
        Whether its answers have labels.

    Returns
    -------
    DataFrame
        See ``frontier_`` of `MimicTree`.
    """
    found = []
    for n_leaves, price, fidelity in copy.sizes[::-1]:
        row: dict[str, Any] = {"leaves": n_leaves, "price": price}
        if labelled:
            row |= {
                "fidelity": fidelity.label,
                "fidelity_low": fidelity.label_low,
                "fidelity_high": fidelity.label_high,
            }
        row |= {"r2": fidelity.r2, "r2_std_error": fidelity.r2_std_error, "chosen": price == copy.price}
        found.append(row)
    return pd.DataFrame(found)


def _tested(copy: Copy, leaves: Codes, labelled: bool) -> dict[str, Any]:
    """What rows that trees were not grown on tell of each leaf."""
    material, tree = copy.material, copy.grown.tree
    at = tree.apply_read(material.numbers[copy.tested])
    answers = material.answers[copy.tested]
    hits = answers.argmax(axis=1) == copy.copies.argmax(axis=1)
    lost = ((answers - copy.copies) ** 2).mean(axis=1)
    share = copy.fidelity.n_effective / copy.fidelity.n_rows
    n, n_hits, sums = (
        np.bincount(at, part, tree.n_nodes)[leaves] for part in (np.ones(at.size), hits.astype(float), lost)
    )
    told: dict[str, Any] = {"n_tested": n.astype(int)}
    safe = np.where(n > 0, n, np.nan)
    if labelled:
        ends = [clopper_pearson(one * share, all_ * share) for one, all_ in zip(n_hits, n, strict=True)]
        told["fidelity"] = n_hits / safe
        told["fidelity_low"], told["fidelity_high"] = np.array(ends).T
    return told | {"rmse": np.sqrt(sums / safe)}


def _answers(copy: Copy, leaves: Codes, real: Codes) -> dict[str, Floats]:
    """Mean and spread of the model's answers to given rows in each leaf."""
    answers = copy.material.answers[: copy.material.n_real]
    told = {}
    for k, name in enumerate(copy.grown.tree.output_names):
        parts = [answers[real == leaf, k] for leaf in leaves]
        told[f"mean {name}"] = np.array([part.mean() for part in parts])
        told[f"sd {name}"] = np.array([part.std() for part in parts])
    return told
