"""Shapley values of any model: errors, costs and stated errors beside peers at equal budgets.

A budget m counts evaluations of coalitions for each row, the empty and the full one included; shap,
which does not count these two, is given two fewer. Normalized squared error: the sum of squared
errors over players divided by that of squared true values.

- adult: 14 numeric codes, 100 background rows or one of means; truth by all 16,384 coalitions.
- baseline: boosted trees on four tables, one row of means; truth by interventional TreeSHAP.
- smallest: the same at m=2d+2, which designs fail and how far off they are.
- speed: 1,000 rows, 20 columns, 100 background rows, 3 outputs, a cheap model.
- memory: 784 columns and 100 background rows, in fresh processes.
- frame: model rows that a frame of strings and numbers takes, duplicates merged.
- coverage: intervals about the coalition part over independent designs.
- budgets: games of one row (digits, sentences, votes), errors by budget at default settings.
- background: the background part beside the spread over redrawn backgrounds.

One thread; times are medians of rounds in which each side takes its turn; nothing is asserted.
"""

from __future__ import annotations

from argparse import ArgumentParser

import _one_thread  # noqa: F401
from _data import add_adult_argument
from _shapley_accuracy import adult, baseline, smallest
from _shapley_budgets import budgets
from _shapley_cost import frame, memory, speed
from _shapley_coverage import background, coverage

_TABLES = {
    "adult": adult,
    "baseline": baseline,
    "smallest": smallest,
    "speed": speed,
    "memory": memory,
    "frame": frame,
    "coverage": coverage,
    "background": background,
    "budgets": budgets,
}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    parser.add_argument("--quick", action="store_true", help="a trial: few rows and designs")
    parser.add_argument("--seeds", type=int, help="designs (default: 20 adult, 5 baseline, 100 elsewhere)")
    parser.add_argument("--repeats", type=int, help="rounds of the speed table (default: 3)")
    parser.add_argument("--budget", type=int, default=512, help="of the speed table (default: 512)")
    parser.add_argument(
        "--multiples", type=int, nargs="+", default=[8], help="budgets of baseline, in players (default: 8)"
    )
    parser.add_argument(
        "--kernel",
        nargs="+",
        default=["auto"],
        help="ours in adult and baseline, each a line (auto)",
    )
    args = parser.parse_args()
    for name in args.only or _TABLES:
        _TABLES[name](args)


if __name__ == "__main__":
    main()
