"""Reports: a summary, then a page."""

from agnostix.report.what_if_report import WhatIfReport

__all__ = ["WhatIfReport"]
