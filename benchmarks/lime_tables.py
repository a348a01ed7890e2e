"""Surrogates near rows: what they cost, how far they move and whether they say so, beside the lime package.

The name of this file is not that of the package, which scripts in this folder could not import then.

- speed: 1,000 rows x 30 columns, 5,000 samples, a model that costs next to nothing.
- adult: a Pipeline on strings and numbers, and what samples of each row's own take outside the model.
- spread: a linear model's coefficients over seeds, beside lime and beside independent samples.
- errors: stated errors beside the spread over seeds, coverage of intervals; coefficients, predictions, R2.
- rare: labels that few rows have, oversampled more or less.
- exact: models whose limit is known in closed form: linear, additive, a box, a tree.
- memory: 784 columns, 100 rows, ten outputs, in fresh processes.
- stability: whether other samples select the same five features.

One thread; times are medians of rounds in which each side takes its turn; nothing is asserted.
"""

from __future__ import annotations

from argparse import ArgumentParser

import _one_thread  # noqa: F401
from _data import add_adult_argument
from _lime_cost import adult, memory, speed
from _lime_errors import errors, exact, spread, stability
from _lime_rare import rare

_TABLES = {
    "speed": speed,
    "adult": adult,
    "spread": spread,
    "errors": errors,
    "rare": rare,
    "exact": exact,
    "memory": memory,
    "stability": stability,
}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    parser.add_argument("--quick", action="store_true", help="a trial: few rows and seeds")
    parser.add_argument("--seeds", type=int, help="of errors, exact (default: 60), rare (30), stability (10)")
    parser.add_argument("--repeats", type=int, help="rounds of the timed tables (default: 3)")
    args = parser.parse_args()
    for name in args.only or _TABLES:
        _TABLES[name](args)


if __name__ == "__main__":
    main()
