"""The demo command: the report on a real table that scikit-learn ships, by the same path."""

from __future__ import annotations

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.cli.arguments import parse_arguments
from agnostix.cli.loading import untrusted_types
from agnostix.cli.run import check_output, run_report

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

TARGET = "progression"
ROW = "0"
SCENARIOS = ("leaner: bmi-=2,blood_pressure=90..93", "bmi_band=30 and over:10%", "prediction=130")

# The source describes its columns s1 to s6 by these names, s5 only as "possibly log of serum triglycerides".
_NAMES = {
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_per_hdl",
    "s5": "ltg",
    "s6": "glucose",
}
_BANDS = ("under 18.5", "18.5-25", "25-30", "30 and over")


def run_demo(arguments: argparse.Namespace) -> Any:
    """Train a model, write it and the held-out rows to files, and report on these."""
    check_output(arguments.output)  # before scikit-learn is imported and the model is trained

    from sklearn.model_selection import train_test_split

    X, y = diabetes()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    with tempfile.TemporaryDirectory(prefix="agnostix-demo-") as folder:
        model = write_model(pipeline().fit(X_train, y_train), Path(folder))
        data = write_table(X_test.assign(**{TARGET: y_test}), Path(folder))
        command = ["report", *model, str(data), "--target", TARGET, "--by", "sex"]
        for scenario in SCENARIOS:
            command += ["--what-if", scenario]
        for row in arguments.row or [ROW]:
            command += ["--row", row]
        command += ["--explain", arguments.explain]
        if arguments.mimic is not None:
            command += ["--mimic", str(arguments.mimic)]
        command += ["--title", "Diabetes: what if the patients were different?"]
        command += [
            "--output",
            str(arguments.output),
            *["--quiet"][: arguments.quiet],
            *["--debug"][: arguments.debug],
        ]
        return run_report(parse_arguments(command))


def diabetes() -> tuple[pd.DataFrame, pd.Series]:
    """442 diabetes patients in the units of measurement, (442, 11), and progression after a year, (442,)."""
    import pandas as pd
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(scaled=False, as_frame=True).frame
    X = frame.drop(columns="target").rename(columns=_NAMES)
    # Neither scikit-learn nor the article by Efron et al. (2004) says which code is which sex.
    X["sex"] = X["sex"].map({1.0: "coded 1", 2.0: "coded 2"})
    band = pd.cut(X["bmi"], [0, 18.5, 25, 30, float("inf")], right=False, labels=list(_BANDS))
    X.insert(X.columns.get_loc("bmi") + 1, "bmi_band", band)
    return X, frame["target"].rename(TARGET)


def pipeline() -> Pipeline:
    """An unfitted Pipeline of one-hot encoding and gradient boosting."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    labels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer((labels, ["sex", "bmi_band"]), remainder="passthrough"),
        # Small trees and a low rate: the defaults are meant for larger tables than 309 rows.
        HistGradientBoostingRegressor(learning_rate=0.05, max_leaf_nodes=4, random_state=0),
    )


def write_model(model: Any, folder: Path) -> list[str]:
    """Write a model as .skops or .joblib; returns the file and the options that trust it."""
    if find_spec("skops") is not None:
        import skops.io

        path = folder / "model.skops"
        skops.io.dump(model, path)
        # Reviewed, so to speak: the file was written on the line above.
        flags = [word for name in untrusted_types(path) for word in ("--trust-type", name)]
        return [str(path), *flags]
    import joblib

    path = folder / "model.joblib"
    joblib.dump(model, path)
    return [str(path), "--trust-pickle"]


def write_table(table: pd.DataFrame, folder: Path) -> Path:
    """Write a table as .parquet, which keeps the order of levels, or .csv where pyarrow is missing."""
    if find_spec("pyarrow") is not None:
        path = folder / "patients.parquet"
        table.to_parquet(path, index=False)
    else:
        path = folder / "patients.csv"
        table.to_csv(path, index=False)
    return path
