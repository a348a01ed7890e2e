"""What the command line accepts."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from agnostix.core.files import one_line

_WHAT_IF = """\
a scenario, as in "age=50,hours=35..40,sex=Female:0.5" or "recession: income*=0.9,age+=2"; see below. Repeat
the option for more scenarios."""
_SCENARIOS = """\
scenarios of --what-if are constraints separated by commas, and a name before them if you like ("recession:"):
  age=50  age=35..40  age=50+-2     an average, a range for it, a number and how far it may be off
  age+=5  age-=5  income*=1.1       relative to the data ("age=-5" is the number -5)
  sex=Female:0.5;Male:40%..60%      shares of levels, from 0 to 1 or in percent, also sex+=Female:5%
  income[sex=Female,age=30..40]=40  only of rows that meet a condition: a level, several (sex=a;b), a range
  median(age)=40  quantile(age,0.9)=65  variance(age)=100  sd(age)*=1.2  correlation(age,hours)=0.2
  covariance(age,hours)=3  expected_shortfall(loss,0.95)=12
  keep(age,sex)                     averages, or shares of all levels, as in the data
  prediction=0.3  prediction[>50K]=0.3..0.4  median(prediction)=0.2  above(prediction,0.5)=30%
  error_rate=0.2  selection_rate[sex=Female]=0.3  true_positive_rate=0.8  false_positive_rate=0.1
                                    with (positive=CLASS,threshold=0.5) if need be
  disparate_impact(sex,reference=Male)=0.8  also statistical_parity, equal_opportunity, equalized_odds, with
                                    compared=GROUP, favorable=CLASS, threshold=0.5; crossed: (sex,race,...)
put a name in double quotes that contains one of , = : ; [ or is one of these words."""
_ROW = """\
a row to explain: its position, counted from 0, or its label if the index of a parquet table has labels that
are texts. Repeat the option for more rows."""
_POSITIVE = """\
for a classifier: the class whose probability the report is about (default: the last of two classes, or
the one with the largest mean probability of more)"""
_EXPLAIN = """\
method for the rows: "occlusion" replaces one feature at a time by background values; "shapley" gives Shapley
values, which add up to the prediction and cost more model rows; "lime" fits a linear model near each row and
reports its fidelity (default: %(default)s)"""
EXPLAINERS = ("occlusion", "shapley", "lime")
_LEAVES = 16


class _Parser(argparse.ArgumentParser):
    """Parser with the error format of the command, and without abbreviated options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}agnostix: error: {one_line(message)}\n")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Command ("report" or "demo") and its options; SystemExit after help, the version or a usage error."""
    parser = _Parser(
        prog="agnostix",
        description="What if the population were different? Explanations of a fitted model on a table.",
    )
    parser.add_argument("--version", action="version", version=f"agnostix {version('agnostix')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_report(commands)
    _add_demo(commands)
    return parser.parse_args(argv)


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:
    report = commands.add_parser(
        "report",
        help="a what-if report on a fitted model and a table",
        description="Write one offline page that answers: what if the population were different?",
        epilog=_SCENARIOS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument(
        "model", type=Path, metavar="MODEL", help="a fitted model: .skops, or .pkl, .pickle, .joblib"
    )
    report.add_argument("data", type=Path, metavar="DATA", help="the table: .csv with a header, or .parquet")
    report.add_argument(
        "--target", metavar="COLUMN", help="the observed outcome, to measure the model's quality"
    )
    report.add_argument("--positive", metavar="CLASS", help=_POSITIVE)
    report.add_argument("--what-if", action="append", default=[], metavar="SCENARIO", help=_WHAT_IF)
    _add_row(report)
    report.add_argument("--by", metavar="COLUMN", help="a column; each of its groups gets its own curves")
    report.add_argument("--weight", metavar="COLUMN", help="a numeric column of sample weights")
    _add_output(report, "report.html")
    report.add_argument(
        "--trust-pickle", action="store_true", help="load a pickle, which runs the code in it"
    )
    report.add_argument(
        "--trust-type", action="append", default=[], metavar="NAME", help="accept this type in a .skops file"
    )
    report.add_argument("--title", help="the title of the report")


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="the same report on a real table that scikit-learn ships",
        description="Train a model on the diabetes table of scikit-learn, and report on it.",
    )
    _add_row(demo)
    _add_output(demo, "what-if.html")


def _add_row(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--row", action="append", default=[], metavar="ROW", help=_ROW)
    parser.add_argument("--explain", choices=EXPLAINERS, default=EXPLAINERS[0], help=_EXPLAIN)
    parser.add_argument(
        "--mimic",
        type=int,
        nargs="?",
        const=_LEAVES,
        metavar="LEAVES",
        help="add rules that approximate the model: a surrogate tree of at most LEAVES leaves (%(const)s)",
    )


def _add_output(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(name),
        metavar="FILE",
        help="where to write: .html, .json or .md (default: %(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error too")
