"""What the command line accepts."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

_WHAT_IF = """\
a scenario: "age=50,hours=35..40,sex=Female:0.5". Constraints are joined by commas: an average, a range for
an average, or a level and its share (0.5 or 50%%, or a range of them); several levels of one column are
joined by semicolons. A name that holds one of , = : ; stands in double quotes. Once per scenario."""
_ROW = """\
a row to explain by itself: its position, counted from 0, or its label where a parquet table has labels that
are texts. Once per row."""

_POSITIVE = """\
for a classifier: the class whose probability the report is about (default: the last of two classes, or
the one with the largest mean probability of more)"""
_EXPLAIN = """\
what explains the rows: "occlusion" hides each feature in turn; "shapley" shares the prediction out
among them and asks the model more often; "lime" fits a simpler model near each row, and says how far
that one may be believed (default: %(default)s)"""
EXPLAINERS = ("occlusion", "shapley", "lime")
_LEAVES = 16


class _Parser(argparse.ArgumentParser):
    """A parser whose errors read like all others of the command, and that guesses no option's name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}agnostix: error: {message}\n")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Parameters
    ----------
    argv : list of str, default=None
        The arguments without the program's name; None takes them from the system.

    Returns
    -------
    argparse.Namespace
        ``command`` ("report" or "demo") and that command's options.

    Raises
    ------
    SystemExit
        Where there is nothing to run: status 0 after help or the version, 2 after a usage error.
    """
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
    )
    report.add_argument(
        "model", type=Path, metavar="MODEL", help="a fitted model: .skops, or .pkl, .pickle, .joblib"
    )
    report.add_argument("data", type=Path, metavar="DATA", help="the table: .csv with a header, or .parquet")
    report.add_argument(
        "--target", metavar="COLUMN", help="the outcome that was observed, for the model's quality"
    )
    report.add_argument("--positive", metavar="CLASS", help=_POSITIVE)
    report.add_argument("--what-if", action="append", default=[], metavar="SCENARIO", help=_WHAT_IF)
    _add_row(report)
    report.add_argument("--by", metavar="COLUMN", help="a column whose groups get a curve each")
    report.add_argument("--weight", metavar="COLUMN", help="a numeric column of sample weights")
    _add_output(report, "report.html")
    report.add_argument(
        "--trust-pickle", action="store_true", help="load a pickle, which runs the code that is in it"
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
        help="write the model as rules too, of so many leaves at most (without a number: %(const)s)",
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
