"""Columns of a table with their labels as the model was trained on them, and what was read in this way."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.cli.csv_texts import check_decimal_commas, line_of, read_texts, warn_of_changes
from agnostix.cli.labels import KnownLabels
from agnostix.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = "save the table as .parquet, which keeps types"
_N_SHOWN = 3
_MOST_COMPARED = 1000


def read_labels(
    table: pd.DataFrame, path: Path, known: Mapping[str, KnownLabels]
) -> tuple[pd.DataFrame, list[str]]:
    """The table with labels as the model knows them, and by column what was read otherwise than is usual.

    Of a .csv the texts of the file count. Where the model does not say, a warning tells what reading changed.
    """
    texts = None
    if path.suffix.lower() == ".csv":
        texts = read_texts(path, list(table.columns))
        check_decimal_commas(table, path, [name for name in table if not _are_text(known.get(str(name)))])
        warn_of_changes(table, texts, path, [name for name in table if str(name) not in known])
    notes: list[str] = []
    for name in table.columns:
        labels = known.get(str(name))
        if labels is None:
            continue
        cells = None if texts is None else texts[name]
        reader = _ColumnReader(str(name), table[name], cells, labels, path, table)
        table[name] = reader.read()
        notes += reader.notes
    return table, notes


def find_level(text: str, levels: Iterable[Any]) -> Any:
    """The one of a column's levels that a text on the command line means, or the text itself.

    A level goes by its text, with 1 and '1' told apart where both are levels; else by the only level that
    differs from the text in nothing but the form of its accents.
    """
    from agnostix.core.names import label_texts

    listed = list(levels)
    by_text = dict(zip(label_texts(listed), listed, strict=True))
    if text in by_text:
        return by_text[text]
    composed = [level for shown, level in by_text.items() if _composed(shown) == _composed(text)]
    return composed[0] if len(composed) == 1 else text


class _ColumnReader:
    """One column: its values as they were loaded, the cells of the file, and the labels of the model."""

    def __init__(
        self,
        name: str,
        column: pd.Series,
        cells: pd.Series | None,
        known: KnownLabels,
        path: Path,
        table: pd.DataFrame,
    ) -> None:
        self.name, self.column, self.cells, self.known = name, column, cells, known
        self.path, self.table = path, table
        self.match = _Matcher(known.labels)
        self.notes: list[str] = []

    def read(self) -> pd.Series:
        """The column with its labels."""
        if self._is_as_known():
            out = self.column
        elif self.cells is None:
            out = self._from_values()
        elif _are_text(self.known) and (self.known.labels or not self.known.as_category):
            out = self._from_texts(self.cells)
        elif self.known.labels:
            out = self._from_cells(self.cells)
        else:
            out = self.column
        return self._as_category(out) if self.known.as_category else out

    def _is_as_known(self) -> bool:
        """Whether the loaded values are of the only type that the labels have."""
        kinds = {_kind_of(label) for label in self.known.labels}
        kind = self.column.dtype.kind
        if self.known.labels and kind in "iuf":
            return kinds == {"number"}
        return bool(self.known.labels) and kind == "b" and kinds == {"bool"}

    def _from_texts(self, cells: pd.Series) -> pd.Series:
        """Cells of the file; a missing value stays one, unless its text is a label."""
        # CatBoost does not keep which texts are labels, but takes no missing value among them.
        is_label = cells.isin(list(self.known.labels)) if self.known.labels else cells.str.strip() != ""
        out = cells.where(self.column.notna() | is_label)
        if self.column.dtype.kind in "iufb" and out.notna().any():
            self.notes.append(f"{self.name} as texts such as {self._example(cells, out)!r}")
        self._note_words(cells, out)
        self._warn_of_look_alikes(out)
        return out

    def _example(self, cells: pd.Series, out: pd.Series) -> str:
        """A text that as a number would be written otherwise, if there is one."""
        first = ~cells.duplicated() & self.column.notna()
        pairs = zip(cells[first].head(_MOST_COMPARED), self.column[first], strict=False)
        return next((text for text, value in pairs if text != _plain(value)), out.dropna().iloc[0])

    def _note_words(self, cells: pd.Series, out: pd.Series) -> None:
        """Words that may mean a missing value: which are labels, which are missing."""
        words = cells[self.column.isna() & (cells.str.strip() != "")]
        for subset, meaning in (
            (words[out.notna()], "as a label"),
            (words[out.isna()], "as missing, since the model has no such label"),
        ):
            if len(subset):
                rows = "1 row" if len(subset) == 1 else f"{len(subset):,} rows"
                self.notes.append(f"{_shown(subset.unique())} in {self.name} ({rows}) {meaning}")

    def _warn_of_look_alikes(self, out: pd.Series) -> None:
        """Warn of a text that is no label of the model, but nearly one."""
        unknown = [text for text in out.dropna().unique() if text not in self.match.by_text]
        alike = {_loose(label): label for label in self.known.labels}
        for text in unknown[:_MOST_COMPARED]:
            if _loose(text) in alike:
                warnings.warn(
                    f"{self._place(text)}: {text!r} in column {self.name!r} is no label of the model, which "
                    f"has {alike[_loose(text)]!r}. If they are the same, correct the cell.",
                    UserWarning,
                    stacklevel=2,
                )
                return

    def _from_cells(self, cells: pd.Series) -> pd.Series:
        """Labels of the cells' texts, where not all labels are texts; else what was loaded."""
        matched, found = {}, self.match
        for text in cells.unique():
            labels = found.of_text(text)
            if len(labels) > 1:
                raise DataError(
                    f"{self._place(text)}: {text!r} in column {self.name!r} may be any of the labels "
                    f"{', '.join(map(repr, labels))} of the model, which a .csv does not tell apart; "
                    f"{_PARQUET}."
                )
            if labels:
                matched[text] = labels[0]
        out = self.column.astype(object)
        is_label = cells.isin(list(matched))
        out[is_label] = cells[is_label].map(matched).astype(object)
        self._warn_of_strays(out, matched)
        return self._noted(out)

    def _from_values(self) -> pd.Series:
        """Labels of loaded values of another type."""
        values = self.column.dropna().unique().tolist()
        kinds = {_kind_of(label) for label in self.known.labels}
        if not self.known.labels or {_kind_of(value) for value in values} <= kinds:
            return self.column
        matched = {value: label for value in values for label in self.match.of_value(value)}
        if not matched:
            warnings.warn(
                f"Column {self.name!r} of {self.path} holds {_shown(values)}, and none is a label of the "
                f"model, which has {_shown(self.known.labels)}.",
                UserWarning,
                stacklevel=2,
            )
            return self.column
        if kinds == {"text"}:
            matched = {value: matched.get(value, _plain(value)) for value in values}
        out = self.column.astype(object)
        is_label = out.isin(list(matched))
        out[is_label] = out[is_label].map(matched).astype(object)
        return self._noted(out)

    def _noted(self, out: pd.Series) -> pd.Series:
        """The column, with a note of the first value that was read otherwise."""
        before, after = self.column.astype(object), out
        same = [type(a) is type(b) and (a == b or a != a) for a, b in zip(before, after, strict=True)]
        if all(same):
            return self.column
        place = same.index(False)
        self.notes.append(f"{_plain(before.iloc[place])!r} in {self.name} as {after.iloc[place]!r}")
        return out.infer_objects()

    def _warn_of_strays(self, out: pd.Series, matched: Mapping[str, Any]) -> None:
        """Warn of a text among labels that are numbers."""
        if any(isinstance(label, str) for label in self.known.labels):
            return
        strays = [value for value in out.dropna().unique() if isinstance(value, str)]
        if strays and matched:
            warnings.warn(
                f"{self._place(strays[0])}: {strays[0]!r} in column {self.name!r} is no label of the model, "
                f"which has {_shown(self.known.labels)}. Correct the cell, or empty it.",
                UserWarning,
                stacklevel=2,
            )

    def _as_category(self, out: pd.Series) -> pd.Series:
        """A column of dtype category: the labels of the model in their order, then the others."""
        import pandas as pd

        if not self.known.labels:
            if isinstance(self.column.dtype, pd.CategoricalDtype):
                return self.column
            raise DataError(
                f"{self.path}: the model takes column {self.name!r} as categories, but does not keep which. "
                f"Make it of dtype category, with the categories of the training table, and {_PARQUET}."
            )
        known = list(self.known.labels)
        if all(type(label) is int for label in known):  # as floats, if the column has missing values
            is_whole = {value: int(value) for value in out.dropna().unique() if _is_whole(value)}
            out = out.astype(object).map(lambda value: is_whole.get(value, value))
        others = sorted((value for value in out.dropna().unique() if value not in known), key=str)
        return out.astype(object).astype(pd.CategoricalDtype([*known, *others]))

    def _place(self, text: str) -> str:
        """Where a text stands in the file."""
        if self.cells is None:
            return str(self.path)
        return f"{self.path}, line {line_of(self.path, self.table, self.column.name, text)}"


class _Matcher:
    """Labels by their texts and numbers."""

    def __init__(self, labels: Iterable[Any]) -> None:
        self.labels = tuple(labels)
        self.by_text: dict[str, list[Any]] = {}
        self.by_number: dict[float, list[Any]] = {}
        for label in self.labels:
            self.by_text.setdefault(str(label), []).append(label)
            number = _number(label)
            if number is not None:
                self.by_number.setdefault(number, []).append(label)

    def of_text(self, text: str) -> list[Any]:
        """Labels that the text of a cell may mean."""
        if text in self.by_text:
            return self.by_text[text]
        same = self.by_number.get(_number(text, words=True), [])  # type: ignore[arg-type]
        return [label for label in same if not isinstance(label, str)][:1]

    def of_value(self, value: Any) -> list[Any]:
        """The label that a loaded value means, if there is one."""
        own = [label for label in self.labels if _kind_of(label) == _kind_of(value) and label == value]
        texts = self.by_text.get(str(value), [])
        if own or len(texts) == 1:
            return (own or texts)[:1]
        same = self.by_number.get(_number(value), [])  # type: ignore[arg-type]
        other = [label for label in same if _kind_of(label) != _kind_of(value)]
        return other if len(other) == 1 else []


def _are_text(known: KnownLabels | None) -> bool:
    """Whether all labels are texts, as those are that a model keeps no list of."""
    return known is not None and all(isinstance(label, str) for label in known.labels)


def _kind_of(value: Any) -> str:
    """What a label is; 1 is neither "1" nor True."""
    name = type(value).__name__
    if isinstance(value, str):
        return "text"
    if name.startswith("bool"):
        return "bool"
    return "number" if isinstance(value, int | float) or hasattr(value, "dtype") else name


def _number(value: Any, *, words: bool = False) -> float | None:
    """A number, or that which a text is of; None if it is of none."""
    if words and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == number else None


def _plain(value: Any) -> str:
    """A value as text, a whole number without a decimal point."""
    return f"{value:.0f}" if _is_whole(value) else str(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _loose(text: str) -> str | float:
    """What two texts have in common that differ in zeros, capitals, spaces or the form of accents."""
    number = _number(text)
    return " ".join(_composed(text).casefold().split()) if number is None else number


def _shown(values: Iterable[Any]) -> str:
    listed = list(values)
    texts = ", ".join(map(repr, listed[:_N_SHOWN]))
    return f"{texts}, ..." if len(listed) > _N_SHOWN else texts
