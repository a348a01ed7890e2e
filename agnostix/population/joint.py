"""Two averages moved at once, over a grid of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.population.grid import default_targets
from agnostix.population.quantities import MeanQuantity
from agnostix.population.realism import Strain, interval
from agnostix.population.sample import Sample
from agnostix.population.scenario import off_target
from agnostix.population.settings import Settings
from agnostix.population.sweep import Lever, levers, present
from agnostix.solvers.delta import Influence
from agnostix.solvers.dual import Projection, project

Place = str | tuple[str, Any]


def joint_map(
    sample: Sample, settings: Settings, first: Place, second: Place, n_targets: int
) -> pd.DataFrame:
    """Move two averages through the product of their default targets.

    Parameters
    ----------
    sample : Sample
        The rows and the means that are measured on them.
    settings : Settings
        The user's choices.
    first, second : str or tuple of (str, level)
        A numeric column, or a level of a column of labels.
    n_targets : int
        Targets of each.

    Returns
    -------
    DataFrame
        One row for each pair of targets and quantity.
    """
    names = [place[0] if isinstance(place, tuple) else place for place in (first, second)]
    sample = present(sample, names, settings.missing)
    one, two = (_lever(sample, place, settings) for place in (first, second))
    (_, z_one), (_, z_two) = (
        default_targets(lever.statistic, lever.atoms, sample.base, n_targets, settings.quantiles)
        for lever in (one, two)
    )
    phi = np.column_stack([one.statistic.z, two.statistic.z])
    frames = []
    for i, a in enumerate(z_one):
        start = None
        for b in z_two if i % 2 == 0 else z_two[::-1]:  # each from its neighbour's multipliers
            target = np.array([a, b])
            projection = project(phi, target, sample.base, start)
            start = projection.xi if projection.status == "ok" else None
            cell = _cell(sample, phi - target, projection, settings)
            frames.append(
                cell.assign(first_target=one.statistic.from_z(a), second_target=two.statistic.from_z(b))
            )
    frame = pd.concat(frames, ignore_index=True)
    lead = ["first_target", "second_target"]
    frame = frame[lead + [name for name in frame.columns if name not in lead]]
    return frame.sort_values(lead, kind="stable", ignore_index=True)


def _lever(sample: Sample, place: Place, settings: Settings) -> Lever:
    feature, levels = (place[0], [place[1]]) if isinstance(place, tuple) else (place, None)
    found = list(levers(sample, feature, settings.missing, levels))
    if len(found) != 1:
        options = ", ".join(repr(lever.statistic.level) for lever in found[:8])
        raise ValueError(
            f"Column {feature!r} holds labels: say which one is moved, as ({feature!r}, level). "
            f"Its levels: {options}."
        )
    return found[0]


def _cell(sample: Sample, centred: Floats, projection: Projection, settings: Settings) -> pd.DataFrame:
    means = [q for q in sample.quantities if isinstance(q, MeanQuantity)]
    outputs = pd.Series([q.output for q in means], dtype=object)
    named = {"quantity": [q.name for q in means], "output": outputs}
    weights = projection.weights
    if projection.status == "infeasible":
        numbers = ("value", "std_error", "low", "high", "kl", "ess", "max_weight")
        return pd.DataFrame(named | dict.fromkeys(numbers, np.nan) | {"status": "infeasible"})
    live = weights > 0
    influence = Influence.of(off_target(centred, live), weights, sample.base)
    values = sample.centres + sample.scales * (weights @ sample.outcomes)
    errors = sample.scales * influence.errors(sample.outcomes)[0]
    on_edge = projection.status == "boundary"
    strain = Strain.of(weights, sample.base, on_edge, settings.min_ess_fraction * sample.base_ess)
    ess = np.array([strain.ess])
    bounds = [
        interval(values[[j]], errors[[j]], ess, settings.confidence_level, q.bounds, counts=q.counts)
        for j, q in enumerate(means)
    ]
    return pd.DataFrame(
        named
        | {"value": values, "std_error": errors}
        | {"low": [low[0] for low, _ in bounds], "high": [high[0] for _, high in bounds]}
        | {"kl": strain.kl, "ess": strain.ess}
        | {"max_weight": strain.max_weight, "status": strain.status}
    )
