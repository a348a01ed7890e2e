"""Record what the package computes, and compare with a recording of another commit.

A refactoring must not change a number. The recorder runs every explainer, Display and report on fixed inputs
and stores what comes out, so that two commits can be compared::

    python -m tests.recorder record /tmp/before --checkout ../at_main   # code of another checkout
    python -m tests.recorder record /tmp/before                         # or on the commit before the change
    python -m tests.recorder compare /tmp/before                        # on the commit after it

`compare` records the code at hand first (or reads a second folder: `compare BEFORE AFTER`), prints each
difference and exits with 1 if there are any. Arrays agree up to 1e-12 of their largest absolute value,
results of float32 modules up to 1e-6, learned masks by the score that they reach; text agrees letter by
letter. Pictures of Displays are compared pixel by pixel, and those that differ are stored side by side
(before, after, difference) in `recorder-differences/` or the folder given by `--differences`.

A change that is made on purpose is listed in `exceptions.json`, with what changed and why; `compare` prints
the exceptions that it applied. An entry has patterns of the case and of the key as they are printed::

    {"case": "mimic/*", "key": "pruning_path_/*", "change": "has a column more", "why": "..."}

Recording all cases takes about a minute on one core and 20 megabytes. `--only 'lime/*'` takes a part of
them, `--no-pictures` leaves out the drawing, `--n-jobs 2` must not change anything. Recordings are not
committed.

Cases construct explainers by their public API, and leaves have the names of the results' fields and columns
(`reading.py`). A field that is renamed is therefore one key missing and one new, which `exceptions.json` says
until the next recording; `--checkout` needs code of the same public API.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

# One thread, before numpy is loaded: sums then have the same order on every machine.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.checkout is not None:
        _use_checkout(options.checkout)
    from tests.recorder.recording import record

    if options.command == "record":
        return record(options.folder, options.only, options.pictures, options.n_jobs)

    from tests.recorder.comparison import compare_recordings

    with tempfile.TemporaryDirectory() as scratch:
        after = options.after
        if after is None:
            after = Path(scratch) / "after"
            record(after, options.only, options.pictures, options.n_jobs)
        return compare_recordings(options.folder, after, options.only, options.differences)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.recorder", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="store what the package computes in a folder")
    record.add_argument("folder", type=Path)
    compare = commands.add_parser("compare", help="compare with a recording")
    compare.add_argument("folder", type=Path, help="the recording to compare with")
    compare.add_argument("after", type=Path, nargs="?", help="a second recording; default: the code at hand")
    compare.add_argument(
        "--differences",
        type=Path,
        default=Path("recorder-differences"),
        help="where pictures that differ are stored",
    )
    for command in (record, compare):
        command.add_argument("--only", default="*", help="cases to take, such as 'lime/*'")
        command.add_argument("--no-pictures", dest="pictures", action="store_false")
        command.add_argument("--n-jobs", type=int, default=None, help="of every explainer")
        command.add_argument("--checkout", type=Path, default=None, help="root of the code to record")
    return parser


def _use_checkout(root: Path) -> None:
    """Import the package from another checkout, here and in workers; the recorder stays the one at hand."""
    path = str(root.resolve())
    os.environ["PYTHONPATH"] = os.pathsep.join([path, *filter(None, [os.environ.get("PYTHONPATH")])])
    sys.path.insert(0, path)
    importlib.import_module("agnostix")
    sys.path.remove(path)


if __name__ == "__main__":
    sys.exit(main())
