"""The what-if report: data -> summary (with sentences) -> page.

Where to find what:

- parameters and selected rows: `inputs`; results: `data` (population), `single_rows` (explanations of rows)
  and `neighbors` (Gower's distance);
- how far explanations may be trusted: `trust` (rows, measured here) and `pictures_trust` (images, measured
  before), in the summary by `trust_summary`;
- what is stated: `summary` (plain values), `sentences_population`, `sentences_rows`, `sentences_trust`,
  `sentences_pictures`, `sentences_measured`; how numbers are written: `formatting`;
- how it looks: `page` (figures, templates) and the folder `templates`.
"""

from agnostix.report.what_if_report import WhatIfReport

__all__ = ["WhatIfReport"]
