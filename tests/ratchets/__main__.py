"""Lower the tables of counts that may only fall to what the package has now.

    python -m tests.ratchets

Run it after names were replaced or docstrings shortened, and after a merge that left conflicts in a table:
take either side and run it. Nothing is written where a count has risen; the command says which and exits
with 1.
"""

from __future__ import annotations

import sys

from tests.ratchets.tables import load, lower


def main() -> int:
    """Lower the tables; returns the exit status."""
    before = load("names")
    risen = lower()
    if risen:
        print("Nothing was written, since these have risen:", *risen, sep="\n  ")
        return 1
    n_before, n_now = (sum(sum(one.values()) for one in table.values()) for table in (before, load("names")))
    print(f"Definitions of old names: {n_before} -> {n_now}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
