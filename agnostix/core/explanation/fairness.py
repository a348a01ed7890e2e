"""Results of fairness questions: measures of groups, and how far populations with other values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from agnostix.core.explanation.views import table_html

_SHOWN = ("measure", "group", "value", "low", "high", "band_low", "band_high", "n_rows", "status")
_STRESS_SHOWN = ("named", "target", "kl", "ess", "status", "moved")
_MOST_LINES = 40
"""Lines in the HTML and in the text."""


@dataclass(frozen=True, eq=False)
class GroupMeasures:
    """Rates of groups and their comparisons with a reference group.

    Attributes
    ----------
    frame : DataFrame
        One line for each measure and group, rates first: measure ("selection rate", "true positive
        rate", "false positive rate", "error rate"; then "disparate impact", the ratio of selection
        rates, "statistical parity", "equal opportunity", "false positive parity" and "error
        parity", differences of these rates, group less reference, and "equalized odds"), group,
        reference (None for rates), value, std_error, low, high (interval of its own), band_low,
        band_high (interval that holds for all lines together), n_rows and ess (rows, and effective
        rows, of the smallest group that it rests on), status ("ok"; "thin" with fewer than 20
        effective rows). NaN where a ratio has a reference rate of 0.
    reference : str
        The group that others are compared with.
    favorable : object
        The class that is the favorable decision, None for the second of two.
    threshold : float or None
        Score from which on it is decided, None where the most probable class is.
    notes : tuple of str
        What a reader should know.
    confidence_level : float
        Nominal coverage of each interval, and of all bands together.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, measure_fairness
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> measures = measure_fairness(projection, group="sex", reference="Male")
    >>> measures.comparisons[["measure", "value"]].round(2)
                  measure  value
    2    disparate impact   0.50
    3  statistical parity  -0.25
    """

    frame: pd.DataFrame
    reference: str
    favorable: Any
    threshold: float | None
    notes: tuple[str, ...]
    confidence_level: float

    @property
    def rates(self) -> pd.DataFrame:
        """The lines of rates, of each group by itself."""
        return self.frame[self.frame["reference"].isna()]

    @property
    def comparisons(self) -> pd.DataFrame:
        """The lines of ratios and differences to the reference group."""
        return self.frame[self.frame["reference"].notna()]

    def to_frame(self) -> pd.DataFrame:
        """The measures as one table.

        Returns
        -------
        DataFrame
            A copy.
        """
        return self.frame.copy()

    def __repr__(self) -> str:
        shown = self.frame[list(_SHOWN)].head(_MOST_LINES)
        text = shown.to_string(index=False, float_format="{:.3g}".format)
        return "\n".join(
            [f"GroupMeasures(reference {self.reference})", text, *_more(self.frame), *self.notes]
        )

    def _repr_html_(self) -> str:
        """The measures with both intervals."""
        rows = [list(row) for row in self.frame[list(_SHOWN)].head(_MOST_LINES).itertuples(index=False)]
        title = f"Compared with {self.reference}. Bands hold for all lines together."
        return table_html(" ".join([title, *_more(self.frame), *self.notes]), _SHOWN, rows)


@dataclass(frozen=True, eq=False)
class FairnessStress:
    """How far populations are in which a group measure has other values.

    Attributes
    ----------
    frame : DataFrame
        One line for each value of the measure, in increasing order: target, named ("data",
        "parity", "doubled": twice the data's value, of a ratio below 1 half of it, "four fifths",
        else empty), kl (divergence of the closest population from the data in nats), ess and
        ess_fraction (effective rows, and of those of the data), max_weight (largest weight of a
        row, the mean being 1), status ("ok", "thin" or "boundary" as in a `Scenario`; "infeasible"
        where no population has the value, "not solved" where none was found, numbers then NaN),
        moved (columns that move most, in words, those by 0.005 standard deviations or more), reason
        (why it is infeasible).
    shifts : DataFrame
        `Scenario.shifts` of each value, with a column target in front.
    measure : str
        The measure.
    value, low, high : float
        The measure in the data, with its interval.
    parity : float
        The value at which groups are alike: 1 for a ratio, 0 for a difference.
    divergence : str
        What is least among all populations with the value.
    confidence_level : float
        Nominal coverage of the interval.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import DisparateImpact, EntropicProjection, stress_fairness
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> impact = DisparateImpact(group="sex", reference="Male")
    >>> stress = stress_fairness(projection, impact, targets=[0.25, 0.5, 1.0])
    >>> stress.frame[["named", "target", "status"]]
         named  target status
    0  doubled    0.25     ok
    1     data    0.50     ok
    2   parity    1.00     ok
    """

    frame: pd.DataFrame
    shifts: pd.DataFrame
    measure: str
    value: float
    low: float
    high: float
    parity: float
    divergence: str
    confidence_level: float

    def to_frame(self) -> pd.DataFrame:
        """The values and their distances as one table.

        Returns
        -------
        DataFrame
            A copy.
        """
        return self.frame.copy()

    def __repr__(self) -> str:
        shown = self.frame[list(_STRESS_SHOWN)].to_string(index=False, float_format="{:.4g}".format)
        return f"FairnessStress({self._title})\n{shown}"

    def _repr_html_(self) -> str:
        """The distance of each value."""
        rows = [list(row) for row in self.frame[list(_STRESS_SHOWN)].itertuples(index=False)]
        return table_html(f"{self._title}.", _STRESS_SHOWN, rows)

    @property
    def _title(self) -> str:
        return f"{self.measure}: {self.value:.4g} ({self.low:.4g} to {self.high:.4g}) in the data"


def _more(frame: pd.DataFrame) -> list[str]:
    n_more = len(frame) - _MOST_LINES
    return [f"... and {n_more} more lines in `frame`."] if n_more > 0 else []
