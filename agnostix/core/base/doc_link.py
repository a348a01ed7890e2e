"""Where the documentation is on this machine."""

from __future__ import annotations

import sysconfig
from pathlib import Path


def page_address(page: str) -> str:
    """Find a page of the documentation, which is installed with the package.

    Parameters
    ----------
    page : str
        Its file name.

    Returns
    -------
    str
        An address that a browser opens, or "" where the page is not there.
    """
    checkout = Path(__file__).parents[3] / "docs"
    installed = Path(sysconfig.get_path("data")) / "share" / "doc" / "agnostix"
    for folder in (checkout, installed):
        if (folder / page).is_file():
            return (folder / page).as_uri()
    return ""
