"""One page that answers: what if the population were different?"""

from __future__ import annotations

import json
import os
import tempfile
import time
import webbrowser
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from agnostix.core.base import AttributionExplainer
from agnostix.report.figures import draw_figures
from agnostix.report.material import Material, gather
from agnostix.report.render import render
from agnostix.report.request import Request
from agnostix.report.summary import summarise


class WhatIfReport:
    """A report on a model and a table, for a reader who must decide something.

    Says what moves the model's mean prediction, by how much and with what
    certainty, when the population's averages and proportions change; one
    offline HTML file, or JSON, or Markdown. Nothing is computed before it is
    first asked for, and then once.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        What is reported on; a callable may be wrapped by `as_predictor`.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The population. Columns that the model does not use are moved too.
    y : array-like of shape (n_rows,), default=None
        What is true; without it nothing is said on the model's quality.
    what_if : sequence of mapping, default=()
        Scenarios, as for `EntropicProjection.what_if`. One that cannot be
        reached is reported with the reason.
    by : str, default=None
        Column whose groups get a curve each.
    output : str, default=None
        Output that the report is about, of a classifier the class as text: by
        default the last of two, or the one with the largest mean of more.
    sample_weight : array-like of shape (n_rows,), default=None
        Base weights.
    title : str, default=None
        Heading of the page.
    confidence_level : float, default=0.95
        Nominal coverage of every interval.
    rows : int, label, sequence of them, or DataFrame, default=None
        Single rows to explain, at most 20: positions in `X`, counted from 0;
        labels of a pandas index, which are no whole numbers; or new rows with
        the columns of `X`.
    explainers : sequence of AttributionExplainer, default=None
        What explains them, each in a part of its own. One that is not fitted is
        cloned, and fitted on the columns of `X` that the model uses. By default
        an `OcclusionExplainer` with 100 background rows.
    random_state : int, RandomState, Generator or None, default=0
        Of the background that the default explainer draws.
    mimic : MimicTree, default=None
        A tree whose rules are told, in a part of their own that begins with how
        far they may be believed. One that is not fitted is cloned, and fitted on
        the columns of `X` that the model uses.

    Attributes
    ----------
    summary : dict
        All that the report says, as plain values.
    timings : dict of str to float
        Seconds spent on the model, on solving, on single rows if any, and on drawing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from agnostix import WhatIfReport
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> report = WhatIfReport(model, X, y, output="2", what_if=[{"petal width (cm)": 1.5}])
    >>> report.summary["scenarios"][0]["question"]
    'an average petal width (cm) of 1.5'

    Single rows are explained too, and the real rows nearest to them found:

    >>> report = WhatIfReport(model, X, y, output="2", rows=[100])
    >>> report.summary["rows"][0]["nearest"]["sentences"][0]
    "Row 100 is one of the data's own; no other row is equal to it in all 4 columns."
    """

    def __init__(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        *,
        what_if: Sequence[Mapping[str, Any]] = (),
        by: str | None = None,
        output: str | None = None,
        sample_weight: Any = None,
        title: str | None = None,
        confidence_level: float = 0.95,
        rows: Any = None,
        explainers: Sequence[AttributionExplainer] | None = None,
        random_state: Any = 0,
        mimic: Any = None,
    ) -> None:
        scenarios = [what_if] if isinstance(what_if, Mapping) else list(what_if)
        self._request = Request(
            model,
            X,
            y,
            sample_weight,
            scenarios,
            by,
            output,
            title,
            confidence_level,
            rows,
            explainers,
            random_state,
            mimic,
        )
        self._drawing = 0.0

    @cached_property
    def _material(self) -> Material:
        return gather(self._request)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All that the report says, as plain values."""
        return summarise(self._material)

    @cached_property
    def _figures(self) -> dict[str, str]:
        start = time.perf_counter()
        figures = draw_figures(self._material)
        self._drawing = time.perf_counter() - start
        return figures

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent on the model, on solving, on single rows if any, and on drawing so far."""
        return {**self._material.timings, "drawing": self._drawing}

    def html(self) -> str:
        """The page.

        Returns
        -------
        str
            One HTML document that needs nothing else.
        """
        return render("report.html", self.summary, self._figures)

    def json(self) -> str:
        """The summary as JSON.

        Returns
        -------
        str
        """
        return json.dumps(self.summary, ensure_ascii=False, allow_nan=False, indent=1)

    def markdown(self) -> str:
        """The sentences and the main tables, without pictures.

        Returns
        -------
        str
        """
        return render("report.md", self.summary, {})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report whole, or not at all.

        Parameters
        ----------
        path : str or path-like
            Ends in .html, .json or .md.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        ValueError
            If the path has another ending.
        OSError
            If it cannot be written; what was there before is left as it was.
        """
        target = Path(path)
        makers = {".html": self.html, ".htm": self.html, ".json": self.json, ".md": self.markdown}
        if target.suffix.lower() not in makers:
            raise ValueError(f"The path must end in .html, .json or .md, got {str(path)!r}.")
        if not target.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {str(target.parent)!r} to write {target.name!r} in.")
        _write_whole(target, makers[target.suffix.lower()]())
        return target

    def open(self) -> Path:
        """Show the page in a browser.

        Returns
        -------
        Path
            Of the temporary file.
        """
        folder = Path(tempfile.mkdtemp(prefix="agnostix-"))
        page = self.save(folder / "report.html")
        webbrowser.open(page.as_uri())
        return page

    def _repr_html_(self) -> str:
        from markupsafe import escape

        page = escape(self.html())
        style = "width:100%;height:720px;border:0"
        return f'<iframe srcdoc="{page}" style="{style}" title="What-if report"></iframe>'


def _write_whole(target: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
