"""The public face of the report: one page that answers, what if the population were different?"""

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
from agnostix.core.explanation import Explanation
from agnostix.core.files import check_writable, replacing
from agnostix.metrics import ComparisonResult
from agnostix.report.data import ReportData, compute_report_data
from agnostix.report.inputs import ReportInputs
from agnostix.report.page import draw_figures, render
from agnostix.report.summary import summarize


class WhatIfReport:
    """A report on a model and a table, for a reader who must decide something.

    It states which shifts of the population's averages and proportions change
    the mean prediction most, by how much and with what certainty; what happens
    in the scenarios given; whether the model is still accurate there; and on
    demand why single rows are predicted as they are, the model as rules, and where
    in images a model looks. Explanations of rows are measured, too: does the prediction
    change more without the features that they name than without others?
    The result is one offline HTML file, or JSON, or Markdown. Nothing is
    computed before it is needed, and then once.

    Parameters
    ----------
    model : fitted estimator, Pipeline or callable
        The model; a callable may be wrapped by `as_predictor`.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        The population. Columns that the model does not use are shifted too.
    y : array-like of shape (n_rows,), default=None
        The observed outcome. Without it, the report states no metric of the
        model.
    what_if : scenario, sequence of scenarios or mapping of these, default=()
        Scenarios, each as for `EntropicProjection.what_if`: a mapping of
        columns, a list of constraints such as `Mean("age", "+5")`, or a table
        or its averages. A mapping without a column among its keys has scenarios
        by name: ``{"recession": {"income": "*0.9"}}``. Of one that no reweighting
        reaches, the report gives the reason, and the nearest that one does.
    by : str, default=None
        Column whose groups get a curve each.
    output : str, default=None
        Output that the report is about; for a classifier the class as text.
        By default the last of two, or the one with the largest mean of more.
    sample_weight : array-like of shape (n_rows,), default=None
        Base weights.
    title : str, default=None
        Heading of the page.
    confidence_level : float, default=0.95
        Confidence level of every interval.
    rows : int, label, sequence of them, or DataFrame, default=None
        Single rows to explain, at most 20: positions in `X`, counted from 0;
        labels of a pandas index that are not integers; or new rows with the
        columns of `X`.
    explainers : sequence of AttributionExplainer, default=None
        Explainers of the single rows, each with a part of its own. One that is
        not fitted is cloned and fitted on the columns of `X` that the model
        uses. By default an `OcclusionExplainer` with 50 background rows.
    random_state : int, RandomState, Generator or None, default=0
        For the background rows of the default explainer.
    mimic : MimicTree, default=None
        A surrogate tree, whose rules and fidelity are reported. If it is not
        fitted, it is cloned and fitted on the columns of `X` that the model
        uses, with `sample_weight`.
    pictures : dict of str to Explanation, default=None
        Explanations of the same images and outputs by the names of their methods,
        each of dims ("row", "y", "x", "output"), such as those of `CamExplainer`,
        `RiseExplainer` or windows; at most 20 maps. They are drawn as they are,
        and need not be of `model`.
    pictures_comparison : ComparisonResult or dict of str to MetricResult or list, default=None
        What was measured of these pictures, or of more that include them: a result of
        `compare_explainers` with the names in `pictures`, or one or more results of
        metrics by these names.
    data_notes : sequence of str, default=()
        Sentences on how the data were read, which the page has beside their size.

    Attributes
    ----------
    summary : dict
        Everything that the report states, as plain values.
    timings : dict of str to float
        Seconds spent on the model, on solving, on rules and single rows if any,
        and on drawing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from agnostix import WhatIfReport
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> report = WhatIfReport(model, X, y, output="2", what_if=[{"petal width (cm)": 1.5}])
    >>> report.summary["scenarios"][0]["description"]
    'an average petal width (cm) of 1.5'

    Scenarios may have names, and targets may be relative to the data:

    >>> report = WhatIfReport(model, X, y, output="2", what_if={"wider": {"petal width (cm)": "+0.1"}})
    >>> report.summary["scenarios"][0]["description"]
    'an average petal width (cm) 0.1 higher than in the data'

    Single rows are explained, and compared with their nearest neighbors:

    >>> report = WhatIfReport(model, X, y, output="2", rows=[100])
    >>> report.summary["rows"][0]["neighbors"]["sentences"][0]
    'Row 100 is in the data; no other row equals it in all 4 columns.'
    """

    def __init__(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        *,
        what_if: Any = (),
        by: str | None = None,
        output: str | None = None,
        sample_weight: Any = None,
        title: str | None = None,
        confidence_level: float = 0.95,
        rows: Any = None,
        explainers: Sequence[AttributionExplainer] | None = None,
        random_state: Any = 0,
        mimic: Any = None,
        pictures: Mapping[str, Explanation] | None = None,
        pictures_comparison: ComparisonResult | Mapping[str, Any] | None = None,
        data_notes: Sequence[str] = (),
    ) -> None:
        self._inputs = ReportInputs(
            model,
            X,
            y,
            what_if,
            by,
            output,
            sample_weight,
            title,
            confidence_level,
            rows,
            explainers,
            random_state,
            mimic,
            pictures,
            pictures_comparison,
            data_notes,
        )
        self._drawing = 0.0

    @cached_property
    def _data(self) -> ReportData:
        return compute_report_data(self._inputs)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Everything that the report states, as plain values."""
        return summarize(self._data)

    @cached_property
    def _figures(self) -> dict[str, str]:
        start = time.perf_counter()
        figures = draw_figures(self._data)
        self._drawing = time.perf_counter() - start
        return figures

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent on the model, on solving, on rules and single rows if any, and on drawing so far."""
        return {**self._data.timings, "drawing": self._drawing}

    def html(self) -> str:
        """The page.

        Returns
        -------
        str
            One HTML document that loads nothing else.
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
        """The sentences and the main tables, without figures.

        Returns
        -------
        str
        """
        return render("report.md", self.summary, {})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a file, completely or not at all.

        Parameters
        ----------
        path : str or path-like
            Ends in .html, .json or .md.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            If the path has another ending.
        OSError
            If it cannot be written; an existing file is left as it was.
        """
        target = Path(path)
        writers = {".html": self.html, ".htm": self.html, ".json": self.json, ".md": self.markdown}
        if target.suffix.lower() not in writers:
            raise ValueError(f"The path must end in .html, .json or .md, got {str(path)!r}.")
        check_writable(target)  # before the model runs, which may take long
        text = writers[target.suffix.lower()]()
        with replacing(target) as part:
            # Half a surrogate pair, which names may hold, has no UTF-8; as \ud800 it is right in JSON too.
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
        return target

    def open(self) -> Path:
        """Show the page in a browser.

        Returns
        -------
        Path
            The temporary file.
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
