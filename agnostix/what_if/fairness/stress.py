"""stress_fairness: how far populations are that hide, or double, what a group measure shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import FairnessStress, Scenario
from agnostix.core.names import label_text
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError, InfeasibleTargetError
from agnostix.what_if.baseline import measure_baseline
from agnostix.what_if.checks import light_weights_named
from agnostix.what_if.constraints.comparisons import GroupComparison
from agnostix.what_if.constraints.short_forms import read_statement
from agnostix.what_if.explainer import EntropicProjection
from agnostix.what_if.fairness.measures import check_projection
from agnostix.what_if.metrics import quantities_for
from agnostix.what_if.sample import Sample, keep_complete_rows
from agnostix.what_if.scenario import solve_scenario
from agnostix.what_if.solving import Closeness

FOUR_FIFTHS = 0.8
_N_MOVED = 3
_LEAST_SHIFT = 0.005
"""In standard deviations, below which a column is not said to move."""
_NUMBERS = ("kl", "ess", "ess_fraction", "max_weight")


@one_blas_thread
def stress_fairness(
    projection: EntropicProjection,
    measure: GroupComparison,
    targets: Sequence[float] | None = None,
    *,
    n_targets: int = 13,
    divergence: str = "kullback_leibler",
    weight_bounds: tuple[float, float] | None = None,
) -> FairnessStress:
    """How far the closest populations are in which a group measure has other values.

    Toward parity a reweighting hides what the measure shows, away from it the
    gap doubles. Values that are close to the data in divergence are those that
    another sample of people may well show.

    Parameters
    ----------
    projection : EntropicProjection
        Fitted on the population.
    measure : DisparateImpact, StatisticalParity, EqualOpportunity or EqualizedOdds
        The measure, without a target.
    targets : sequence of float, default=None
        Values to reach. By default from the data's value doubled (a ratio below
        1 halved), over the data's value, to parity, with four fifths on the way
        of a ratio.
    n_targets : int, default=13
        Number of default values, besides four fifths.
    divergence : {"kullback_leibler", "chi_square", "empirical_likelihood"}, \
            default="kullback_leibler"
        What is least among all populations with the value.
    weight_bounds : tuple of float, default=None
        Least and largest ratio of a row's weight to its base weight.

    Returns
    -------
    FairnessStress
        A value that no population has is "infeasible", and its reason is said.

    Raises
    ------
    DataError
        If a group has no rows, or the same decision in all of its rows.
    TypeError
        If the projection or the measure is none.
    ValueError
        If the measure has a target, or targets are no numbers.

    See Also
    --------
    measure_fairness : All measures with their intervals.
    EntropicProjection.what_if : One of the populations, with its outcomes.

    Notes
    -----
    Each value is the scenario ``projection.what_if([measure])`` with this
    target: linear given the reference group's rate, which is searched over [1]_.
    That a reweighted sample can hide a disparity and hardly be told from the
    data is shown in [2]_. The four-fifths rule looks closer at a ratio of
    selection rates below 0.8.

    References
    ----------
    .. [1] Feldman, Friedler, Moeller, Scheidegger and Venkatasubramanian,
       "Certifying and removing disparate impact", KDD 2015.
       https://doi.org/10.1145/2783258.2783311
    .. [2] Fukuchi, Hara and Maehara, "Faking fairness via stealthily biased
       sampling", AAAI 2020. https://doi.org/10.1609/aaai.v34i01.5377

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import DisparateImpact, EntropicProjection, stress_fairness
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> stress = stress_fairness(projection, DisparateImpact(group="sex", reference="Male"), n_targets=5)
    >>> stress.frame[["named", "target", "kl", "ess"]].round(3)
             named  target     kl      ess
    0      doubled   0.250  0.018  194.041
    1                0.375  0.004  198.536
    2         data   0.500  0.000  200.000
    3                0.750  0.011  195.668
    4  four fifths   0.800  0.015  194.086
    5       parity   1.000  0.034  186.826
    """
    check_projection(projection, "stress_fairness")
    _check(measure, n_targets)
    stress = _Stress(projection, measure, Closeness.parse(divergence, weight_bounds))
    value, low, high = stress.in_data()
    landmarks = stress.landmarks(value)
    wanted = stress.grid(value, landmarks, int(n_targets)) if targets is None else _numbers(targets)
    reached = [stress.reach(target, landmarks) for target in np.unique(wanted).tolist()]
    frame = pd.DataFrame([line for line, _ in reached])
    shifts = [one.shifts.assign(target=line["target"]) for line, one in reached if one is not None]
    together = pd.concat(shifts, ignore_index=True) if shifts else pd.DataFrame({"target": []})
    together.insert(0, "target", together.pop("target"))
    return FairnessStress(
        frame=frame,
        shifts=together,
        measure=measure.label,
        value=value,
        low=low,
        high=high,
        parity=stress.parity,
        divergence=divergence,
        confidence_level=projection.config_.confidence_level,
    )


def _check(measure: Any, n_targets: Any) -> None:
    if not isinstance(measure, GroupComparison):
        raise TypeError(
            "stress_fairness takes a comparison of groups, such as DisparateImpact(group='sex', "
            f"reference='Male'), got {measure!r}."
        )
    if measure.target is not None:
        raise ValueError(
            f"The {measure.label} has the target {measure.target!r}: leave it out, and pass "
            f"targets=[{measure.target!r}] to stress_fairness."
        )
    if not isinstance(n_targets, Integral) or n_targets < 3:
        raise ValueError(f"n_targets must be an int of 3 or more, got {n_targets!r}.")


def _numbers(targets: Any) -> Floats:
    try:
        numbers = np.atleast_1d(np.asarray(targets, dtype=float))
    except (TypeError, ValueError, OverflowError):
        numbers = np.array([np.nan])
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"targets must be one or more numbers, values of the measure, got {targets!r}.")
    return numbers


@dataclass(frozen=True)
class _Stress:
    """A measure that is to reach other values."""

    projection: EntropicProjection
    measure: GroupComparison
    near: Closeness

    @property
    def parity(self) -> float:
        """The measure's value where groups are alike."""
        return 1.0 if self.measure.is_ratio else 0.0

    def in_data(self) -> tuple[float, float, float]:
        """The measure in the data, on the rows that scenarios use, with its interval."""
        projection = self.projection
        quantities = quantities_for(self.measure, projection.predictions_, projection.table_)
        sample = Sample.from_table(projection.table_, quantities)
        config = projection.config_
        sample = keep_complete_rows(sample, self.measure.shifted, config.missing, self.measure.features)
        line = measure_baseline(sample, config).iloc[0]
        return float(line["value"]), float(line["low"]), float(line["high"])

    def landmarks(self, value: float) -> dict[str, float]:
        """Values with a name."""
        if self.measure.is_ratio:
            named = {"doubled": 0.5 * value if value < 1.0 else 2.0 * value, "four fifths": FOUR_FIFTHS}
        else:
            named = {"doubled": float(np.clip(2.0 * value, -1.0, 1.0))}
        return {"data": value, "parity": self.parity} | named

    def grid(self, value: float, landmarks: dict[str, float], n_targets: int) -> Floats:
        """Values from the doubled over the data's value to parity."""
        n_out = n_targets // 2
        out = np.linspace(value, landmarks["doubled"], n_out + 1)[1:]
        back = np.linspace(value, self.parity, n_targets - n_out)
        on_the_way = [FOUR_FIFTHS] if self.measure.is_ratio and value < FOUR_FIFTHS else []
        return np.concatenate([out, back, on_the_way])

    def reach(self, target: float, landmarks: dict[str, float]) -> tuple[dict[str, Any], Scenario | None]:
        """The line of a value, and the closest population that has it, None if there is none."""
        named = [name for name, value in landmarks.items() if value == target]
        line: dict[str, Any] = {"target": target, "named": named[0] if named else ""}
        try:
            scenario = self._solve(target)
        except (InfeasibleTargetError, ConvergenceError) as error:
            status = "infeasible" if isinstance(error, InfeasibleTargetError) else "not solved"
            missing = dict.fromkeys(_NUMBERS, np.nan)
            return line | missing | {"status": status, "moved": "", "reason": str(error)}, None
        numbers = {name: getattr(scenario, name) for name in _NUMBERS}
        return line | numbers | {"status": scenario.status, "moved": _moved(scenario), "reason": ""}, scenario

    def _solve(self, target: float) -> Scenario:
        projection = self.projection
        statement = read_statement(
            projection.table_, [self.measure.with_target(target)], options=self.near.options
        )
        sample = Sample.from_table(projection.table_, quantities_for(None, projection.predictions_))
        config = replace(projection.config_, std_errors="delta")
        with light_weights_named(projection.table_.base):
            return solve_scenario(sample, statement, projection.predictions_, config, self.near)


def _moved(scenario: Scenario) -> str:
    """The columns that move most, in words: "sex = Female +0.21 sd, age +0.10 sd"."""
    shifts = scenario.shifts[scenario.shifts["shift"].abs() >= _LEAST_SHIFT]
    order = shifts["shift"].abs().sort_values(ascending=False, kind="stable").index
    largest = shifts.loc[order].drop_duplicates("feature").head(_N_MOVED)
    words = []
    for row in largest.to_dict("records"):
        levels = scenario.shifts.loc[scenario.shifts["feature"] == row["feature"], "level"]
        name = row["feature"]
        if row["level"] is not None:
            name = f"{name} = {label_text(row['level'], tuple(levels))}"
        words.append(f"{name} {row['shift']:+.2f} sd")
    return ", ".join(words)
