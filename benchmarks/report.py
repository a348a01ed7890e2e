"""Time, memory and size of the full report on all rows of Adult.

What is measured, each run in a process of its own: `WhatIfReport.save` for a
Pipeline of a ColumnTransformer and histogram gradient boosting, trained here
on the raw strings, with `y`, three scenarios and, if asked, groups. The shares
are those that the report itself records: asking the model, solving, drawing;
the rest is wording and writing the page. The peak is the most resident memory
that the process ever held, and, beside it, what it held before the report
began (libraries, table and model).
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pandas as pd
from _clock import in_a_process, peak_rss_mb, print_table, rss_mb, seconds, shown
from _data import add_adult_argument, adult, described
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from agnostix import WhatIfReport

SCENARIOS = (
    {"age": 45},
    {"sex": {"Female": 0.5}},
    {"education-num": 12, "hours-per-week": (41, 45)},
)
N_TRAIN = 20_000


def main() -> None:
    """Run the report a few times and print the medians."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--encoder", choices=_ENCODERS, default="ordinal", help="how labels reach the model")
    parser.add_argument("--by", help="a column whose groups get a curve each")
    parser.add_argument("--repeats", type=int, default=3, help="processes (default: 3)")
    args = parser.parse_args()
    runs = pd.DataFrame([in_a_process(_one_run, args) for _ in range(args.repeats)])
    _print(args, runs)


def _one_run(args: Namespace) -> dict[str, float]:
    """Train, write the report, and say what it took."""
    X, rich = adult(args.adult)
    model = _model(args.encoder)
    training = seconds(lambda: model.fit(X[:N_TRAIN], rich[:N_TRAIN]))
    before = rss_mb()
    report = WhatIfReport(model, X, rich, what_if=_scenarios(X), by=args.by)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        wall = seconds(lambda: report.save(path))
        size = path.stat().st_size / 1e6
    stages = report.timings
    rest = {"words and writing": wall - sum(stages.values())}
    memory = {"before": before, "peak": peak_rss_mb()}
    return {"training": training, "wall": wall, "size": size} | memory | stages | rest


def _scenarios(X: pd.DataFrame) -> list[dict]:
    """The scenarios; where the table is made up, its own label in the place of "Female"."""
    label = "Female" if (X["sex"] == "Female").any() else X["sex"].unique()[0]
    return [{"sex": {label: 0.5}} if "sex" in scenario else dict(scenario) for scenario in SCENARIOS]


def _model(encoder: str) -> Pipeline:
    labels = make_column_selector(dtype_exclude=np.number)
    columns = ColumnTransformer([("labels", _ENCODERS[encoder](), labels)], remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(random_state=0))


def _print(args: Namespace, runs: pd.DataFrame) -> None:
    middle = runs.median()
    stages = [name for name in runs if name not in ("training", "wall", "size", "before", "peak")]
    print_table(
        f"The report on all rows of {described(args.adult)}, {args.encoder} encoding"
        + (f", by {args.by}" if args.by else ""),
        ("", "median", "fastest", "share"),
        [
            (name, shown(middle[name]), shown(runs[name].min()), f"{middle[name] / middle['wall']:.0%}")
            for name in ("wall", *stages)
        ],
    )
    print(
        f"\n{len(runs)} processes. Peak resident memory {middle['peak']:.0f} MB, of which "
        f"{middle['before']:.0f} MB before the report. The page has {middle['size']:.2f} MB. "
        f"Training took {shown(middle['training'])} and is not counted."
    )


_ENCODERS = {
    "ordinal": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "onehot": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
}

if __name__ == "__main__":
    main()
