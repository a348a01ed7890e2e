"""What one line of ``--what-if`` states, before it is known which columns and levels a table has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Wanted: TypeAlias = tuple[float, float] | tuple[str, ...]
"""Numbers from low to high, or texts of levels."""
Setting: TypeAlias = float | tuple[str, ...]


@dataclass(frozen=True)
class Amount:
    """Where a quantity must lie; low and high are one number unless it is a range."""

    low: float
    high: float
    relation: str = "="  # or "+=", "-=", "*=": relative to the data's value
    tolerance: float | None = None


@dataclass(frozen=True)
class Statement:
    """One constraint as it is written: ``subject(names, number, settings)[where] = amount``, or shares."""

    subject: str  # "column", or a word such as "quantile" or "error_rate"
    names: tuple[str, ...] = ()  # of columns
    amount: Amount | None = None
    shares: tuple[tuple[str, Amount], ...] = ()  # by level
    number: float | None = None  # the share of a quantile, a threshold
    settings: tuple[tuple[str, Setting], ...] = ()
    where: tuple[tuple[str, Wanted], ...] = ()
    output: str | None = None
    of_prediction: bool = False  # whether it is about the prediction rather than a column
    position: int = field(default=0, compare=False)  # in the text

    @property
    def key(self) -> tuple[object, ...]:
        """What it is about, whatever its target."""
        return (self.subject, self.names, self.number, self.where, self.output, self.of_prediction)


@dataclass(frozen=True)
class ScenarioText:
    """A scenario as it is written, with its name if it has one."""

    statements: tuple[Statement, ...]
    name: str | None = None


@dataclass(frozen=True)
class Form:
    """What a word such as ``quantile`` takes in parentheses."""

    example: str
    n_names: tuple[int, int] = (1, 1)  # least and most columns
    takes_number: bool = False
    settings: tuple[str, ...] = ()
    required: str = ""  # a setting that must be there
    is_share: bool = False  # whether its value may be in percent
    is_outcome: bool = False  # whether an output may stand in brackets
    has_amount: bool = True


_MANY = 99
_RATE = ("positive", "threshold")
_GROUPS = ("reference", "compared", "favorable", "threshold")


def _between_groups(word: str, value: str) -> Form:
    """A word that compares the groups of a column, or of several crossed, with one of them."""
    example = f"{word}(sex,reference=Male)={value}"
    return Form(example, (1, _MANY), settings=_GROUPS, required="reference", is_share=True)


FORMS = {
    "prediction": Form("prediction=0.3", (0, 0), is_share=True, is_outcome=True),
    "error_rate": Form("error_rate=0.2", (0, 0), is_share=True),
    "true_positive_rate": Form("true_positive_rate=0.8", (0, 0), settings=_RATE, is_share=True),
    "false_positive_rate": Form("false_positive_rate=0.1", (0, 0), settings=_RATE, is_share=True),
    "selection_rate": Form("selection_rate[sex=Female]=0.3", (0, 0), settings=_RATE, is_share=True),
    "median": Form("median(age)=40", is_outcome=True),
    "quantile": Form("quantile(age,0.9)=65", takes_number=True, is_outcome=True),
    "above": Form("above(prediction,0.5)=0.3", takes_number=True, is_share=True, is_outcome=True),
    "variance": Form("variance(age)=100"),
    "sd": Form("sd(age)=10"),
    "covariance": Form("covariance(age,hours)=3", (2, 2)),
    "correlation": Form("correlation(age,hours)=0.2", (2, 2)),
    "expected_shortfall": Form("expected_shortfall(loss,0.95)=12", takes_number=True),
    "disparate_impact": _between_groups("disparate_impact", "0.8"),
    "statistical_parity": _between_groups("statistical_parity", "0"),
    "equal_opportunity": _between_groups("equal_opportunity", "0"),
    "equalized_odds": _between_groups("equalized_odds", "0.1"),
    "keep": Form("keep(age,sex)", (1, _MANY), has_amount=False),
}
"""Words that are no columns' names, unless these are in double quotes."""
