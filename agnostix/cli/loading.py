"""Models and tables from files, or why they cannot be loaded and what to do."""

from __future__ import annotations

import csv
import pickle
import re
import shlex
from collections.abc import Callable, Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.core.files import check_readable, one_line
from agnostix.exceptions import DataError

if TYPE_CHECKING:  # pandas takes half a second: what can be refused without it is refused before
    import pandas as pd

_PICKLES = (".pkl", ".pickle", ".joblib")
_TABLES = (".csv", ".parquet")
_MEND = "Mend the line (a text with a comma must be in double quotes), or delete it."


class MissingExtraError(ImportError):
    """A library that reads this kind of file is not installed."""


class ModelFileError(ValueError):
    """A file does not hold a model that can be used, or not one that was trusted."""


class UntrustedTypesError(ModelFileError):
    """A .skops file has types that were not trusted; its message lists them, one a line."""


def load_model(path: Path, *, trust_pickle: bool = False, trust_types: Collection[str] = ()) -> Any:
    """Load a fitted model from .skops or, as pickles run code, a trusted .pkl, .pickle or .joblib."""
    suffix = path.suffix.lower()
    if suffix != ".skops" and suffix not in _PICKLES:
        raise ModelFileError(
            f"{path}: models are read from .skops, {', '.join(_PICKLES)}, not from {suffix or 'no suffix'!r}."
        )
    _check_exists(path)
    if suffix == ".skops":
        return _checked(_load_skops(path, frozenset(trust_types)), path)
    if not trust_pickle:
        raise ModelFileError(
            f"{path} is a pickle, and loading one runs whatever code is in it. If you made the file, or "
            "trust who did, add --trust-pickle. The safe way is to save the model as .skops: "
            "skops.io.dump(model, 'model.skops')."
        )
    return _checked(_load_pickle(path), path)


def untrusted_types(path: Path) -> list[str]:
    """Types in a .skops file that are not known to be safe, read without loading it."""
    _need("skops", path)
    from skops.io import get_untrusted_types

    return sorted(_read(lambda: get_untrusted_types(file=path), path, "Save it again with skops.io.dump."))


def load_table(path: Path) -> pd.DataFrame:
    """Load a table from .csv (with a header, in UTF-8) or .parquet; DataError where it is broken or empty."""
    suffix = path.suffix.lower()
    if suffix not in _TABLES:
        raise DataError(
            f"{path}: tables are read from {' and '.join(_TABLES)}, not from {suffix or 'no suffix'!r}."
        )
    _check_exists(path)
    table = _load_csv(path) if suffix == ".csv" else _load_parquet(path)
    if min(table.shape) == 0:
        raise DataError(
            f"{path} has {table.shape[0]} rows and {table.shape[1]} columns; nothing to report on."
        )
    return table


def _load_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    check_text(path)
    try:
        check_header(path)
        # Not by pyarrow: it reads texts of dates, times and hexadecimals as dates, times and numbers, and
        # integers with a plus sign or beyond 2^63 as floats, where a model was trained on what pandas reads.
        # Nor is it much faster: 45 MB take 0.2 to 0.3 s instead of 0.3 s.
        table = pd.read_csv(path, low_memory=False)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error}). Save it as UTF-8, or as .parquet.") from None
    except pd.errors.ParserError as error:
        check_lines(path)  # finds the line as an editor counts, where pandas counts rows
        raise DataError(f"{path} cannot be read: {error}") from None
    # pandas pads a line that is too short in silence; such a line always lacks the last column.
    if len(table) and table.iloc[:, -1].isna().any():
        check_lines(path)
    return table


def check_text(path: Path) -> None:
    """Raise DataError where a file has a NUL character: binary, or text in UTF-16 without its mark."""
    n_lines = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            place = part.find(b"\0")
            if place >= 0:
                line = n_lines + part.count(b"\n", 0, place) + 1
                raise DataError(
                    f"{path}, line {line}: a NUL character, which text in UTF-8 does not have. Save the "
                    "table as UTF-8 (it may be in UTF-16), or as .parquet."
                )
            n_lines += part.count(b"\n")


def check_header(path: Path) -> None:
    """Raise DataError where pandas would rename columns, find one column or read values as row names."""
    rows = _rows(path)
    _, header = next(rows, (0, []))
    if not header:
        raise DataError(f"{path} is empty. A header line with the columns' names, then the rows, are needed.")
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path} names columns twice: {', '.join(repeated)}. Rename or drop the repeated ones."
        )
    separator = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if separator:
        raise DataError(
            f"{path} separates its columns by {separator!r}; commas are needed. "
            f"Convert it: pandas.read_csv({path.name!r}, sep={separator!r}{_decimal(rows)})"
            ".to_csv(..., index=False)."
        )
    line, first = next(rows, (0, []))
    if not first:
        raise DataError(f"{path} has a header but no rows.")
    if len(first) > len(header):
        raise _too_many(path, line, len(first), len(header))


def _decimal(rows: Iterator[tuple[int, list[str]]]) -> str:
    """What pandas must be given besides, if the first row has numbers with a decimal comma."""
    _, first = next(rows, (0, []))
    return ", decimal=','" if re.search(r"\d,\d", ",".join(first)) else ""


def check_lines(path: Path) -> None:
    """Raise DataError at the first line with more or fewer values than the header, or that is unreadable."""
    rows = _rows(path)
    _, header = next(rows, (0, []))
    for line, row in rows:
        if len(row) > len(header):
            raise _too_many(path, line, len(row), len(header))
        if len(row) < len(header):
            raise DataError(
                f"{path}, line {line}: {_values(len(row))}, but the header has {len(header)} columns. "
                f"{_MEND} A missing value is an empty place between commas."
            )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line number that they begin on, without blank lines, which pandas skips too."""
    begin = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield begin, row
                begin = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}, line {begin}: {error}. Is a double quote here that is never closed? If not, save "
                "the table as .parquet."
            ) from None


def _too_many(path: Path, line: int, n_values: int, n_columns: int) -> DataError:
    return DataError(
        f"{path}, line {line}: {_values(n_values)}, but the header has {n_columns} columns. {_MEND}"
    )


def _values(n: int) -> str:
    return f"{n} value" if n == 1 else f"{n} values"


def _load_parquet(path: Path) -> pd.DataFrame:
    _need("pyarrow", path)
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # pyarrow's own errors are kinds of these
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None


def _load_skops(path: Path, trusted: frozenset[str]) -> Any:
    listed = untrusted_types(path)
    unknown = [name for name in listed if name not in trusted]
    if unknown:
        raise UntrustedTypesError(_review(path, unknown))
    from skops.io import load

    accepted = [name for name in listed if name in trusted]
    return _read(lambda: load(path, trusted=accepted), path, "Save it again with skops.io.dump.")


def _review(path: Path, unknown: list[str]) -> str:
    shown = "\n".join(f"    {name if name.isprintable() else ascii(name)}" for name in unknown)
    flags = " ".join(f"--trust-type {shlex.quote(name)}" for name in unknown)
    types, them = (
        ("a type that is", "it") if len(unknown) == 1 else (f"{len(unknown)} types that are", "them")
    )
    return (
        f"{one_line(str(path))} holds {types} not known to be safe. Review {them}:\n{shown}\n"
        f"If you trust {them}, append to the command:\n    {flags}"
    )


def _load_pickle(path: Path) -> Any:
    if path.suffix.lower() == ".joblib":
        import joblib

        return _read(lambda: joblib.load(path), path, "Save it again with joblib.dump.")
    with path.open("rb") as file:
        return _read(lambda: pickle.load(file), path, "If joblib wrote it, name it .joblib.")


def _read(load: Callable[[], Any], path: Path, way_out: str) -> Any:
    try:
        return load()
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{path} needs the module {error.name!r}, which is not installed here."
        ) from error
    except Exception as error:  # a file can make its reader fail in any way
        raise ModelFileError(
            f"{path} cannot be read: {type(error).__name__}: {str(error).rstrip('.')}. {way_out}"
        ) from error


def _checked(model: Any, path: Path) -> Any:
    from agnostix.core.models import is_fitted

    kind = type(model).__name__
    if not callable(getattr(model, "predict", None)):
        raise ModelFileError(
            f"{path} holds an object of type {kind}, which has no predict; a model is needed."
        )
    if not is_fitted(model):
        raise ModelFileError(f"{path} holds a {kind} that is not fitted. Call its fit, and save it again.")
    return model


def _check_exists(path: Path) -> None:
    if path.is_file():
        return
    if path.exists() and not path.is_dir():
        check_readable(path)
    leads_nowhere = "is a symbolic link that leads to no file" if path.is_symlink() else "does not exist"
    raise FileNotFoundError(f"{path} {'is a folder, not a file' if path.is_dir() else leads_nowhere}.")


def _need(module: str, path: Path) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(f"{path} needs {module}, which is not installed: pip install 'agnostix[cli]'")
