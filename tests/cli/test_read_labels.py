"""Columns are read with the labels of the model, and what was read otherwise than is usual is said."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.cli.labels import KnownLabels
from agnostix.cli.loading import load_table
from agnostix.cli.read_labels import find_level, read_labels
from agnostix.exceptions import DataError
from tests.messages import refuses


def read(path: Path, **known: KnownLabels | tuple):
    """The columns as lists, and the notes."""
    labels = {name: one if isinstance(one, KnownLabels) else KnownLabels(one) for name, one in known.items()}
    table, notes = read_labels(load_table(path), path, labels)
    return {
        name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in table
    }, notes


def csv(folder: Path, *cells: str) -> Path:
    path = folder / "a.csv"
    path.write_text("a,x\n" + "".join(f"{cell},1\n" for cell in cells), encoding="utf-8")
    return path


def parquet(folder: Path, values) -> Path:
    path = folder / "a.parquet"
    pd.DataFrame({"a": values, "x": 1}).to_parquet(path)
    return path


def typed(values: list) -> list:
    return [(type(value), value) for value in values]


@pytest.mark.parametrize(
    ("cells", "labels", "expected", "facts"),
    [
        (["01", "1", "007"], ("01", "1"), ["01", "1", "007"], ["a as texts such as '01'"]),
        (["True", "False"], ("True", "False"), ["True", "False"], ["a as texts such as 'True'"]),
        (["1e3", "inf", "nan"], ("1e3", "nan"), ["1e3", "inf", "nan"],
         ["texts such as '1e3'", "'nan' in a (1 row)"]),
        (["NA", "u", "NA", ""], ("NA", "u"), ["NA", "u", "NA", None], ["'NA' in a (2 rows) as a label"]),
        (["NA", "u", "None"], ("None", "u"), [None, "u", "None"],
         ["'None' in a (1 row) as a label", "'NA' in a (1 row) as missing", "no such label"]),
        (["", "u"], ("", "u"), ["", "u"], []),
        (["u", "v"], ("u",), ["u", "v"], []),
        (["1", "2"], (1, 2), [1, 2], []),
        (["01", "2.0"], (1, 2), [1.0, 2.0], []),
        (["1", "2", ""], (1, 2), [1.0, 2.0, None], []),
        (["True", "False"], (False, True), [True, False], []),
        (["1", "0", ""], (False, True), [True, False, None], ["'1' in a as True"]),
        (["True", "False"], (0, 1), [1, 0], ["'True' in a as 1"]),
        (["a", "1", "2"], ("a", 1, 2), ["a", 1, 2], ["'1' in a as 1"]),
        (["Zürich", "São Paulo ", "東京"], ("Zürich", "東京"), ["Zürich", "São Paulo ", "東京"], []),
        (["1", "02", "x", ""], (), ["1", "02", "x", None], []),
        (["1", "NA"], KnownLabels(), ["1", "NA"], ["a as texts such as '1'", "'NA' in a (1 row) as a label"]),
    ],
)  # fmt: skip
def test_cells_of_a_csv(cells: list, labels, expected: list, facts: list, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        columns, notes = read(csv(tmp_path, *cells), a=labels)
    assert typed(columns["a"]) == typed(expected)
    assert all(fact in "; ".join(notes) for fact in facts)
    assert bool(notes) == bool(facts)


@pytest.mark.parametrize(
    ("values", "labels", "expected", "facts"),
    [
        ([1, 2, 1], ("1", "2"), ["1", "2", "1"], ["'1' in a as '1'"]),
        ([1234, 56789], ("01234", "56789"), ["01234", "56789"], ["'1234' in a as '01234'"]),
        ([1.0, np.nan, 2.0], ("1", "2"), ["1", None, "2"], ["'1' in a as '1'"]),
        ([1, 7], ("01", "02"), ["01", "7"], ["'1' in a as '01'"]),
        ([True, False], ("True", "False"), ["True", "False"], ["'True' in a as 'True'"]),
        ([True, False], (0, 1), [1, 0], ["'True' in a as 1"]),
        ([0, 1], (False, True), [False, True], ["'0' in a as False"]),
        (["1", "2", None], (1, 2), [1.0, 2.0, None], ["'1' in a as 1"]),
        (pd.Categorical(["1", "2", None]), (1, 2), [1.0, 2.0, None], ["'1' in a as 1"]),
        (["NA", "01", None], ("01",), ["NA", "01", None], []),
        (pd.Categorical(["b", "a"], ["b", "a"], ordered=True), ("a", "b"), ["b", "a"], []),
        ([1, 2], (1.0, 2.0), [1, 2], []),
        ([1, 2], (), [1, 2], []),
    ],
)
def test_values_of_a_parquet(values, labels: tuple, expected: list, facts: list, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        columns, notes = read(parquet(tmp_path, values), a=labels)
    assert typed(columns["a"]) == typed(expected)
    assert all(fact in "; ".join(notes) for fact in facts)
    assert bool(notes) == bool(facts)


def test_a_parquet_of_the_right_type_is_left_as_it_is(tmp_path: Path) -> None:
    values = pd.Categorical(["b", "a"], ["b", "a"], ordered=True)
    path = parquet(tmp_path, values)
    table, _ = read_labels(load_table(path), path, {"a": KnownLabels(("a", "b"))})
    pd.testing.assert_frame_equal(table, load_table(path))


def test_numbers_that_two_labels_have_are_told_to_need_types(tmp_path: Path) -> None:
    known = KnownLabels((1, "1", "b"), as_category=True)
    with refuses(DataError, "line 3", "'1'", "column 'a'", "labels 1, '1'", ".parquet"):
        read(csv(tmp_path, "b", "1"), a=known)
    columns, _ = read(parquet(tmp_path, ["b", "1"]), a=known)  # the remedy
    assert columns["a"] == ["b", "1"]


def test_categories_that_a_model_does_not_keep_are_told_to_need_types(tmp_path: Path) -> None:
    known = KnownLabels((), as_category=True)
    with refuses(DataError, "column 'a'", "categories", "does not keep which", ".parquet"):
        read(csv(tmp_path, "u", "v"), a=known)
    path = parquet(tmp_path, pd.Categorical(["u", "v"], ["v", "u"]))  # the remedy
    table, _ = read_labels(load_table(path), path, {"a": known})
    assert table["a"].cat.categories.tolist() == ["v", "u"]


@pytest.mark.parametrize(
    ("cells", "labels", "facts"),
    [
        (["01", "1"], ("01", "02"), ("line 3", "'1' in column 'a'", "no label", "has '01'")),
        (["female", "Male"], ("Female", "Male"), ("line 2", "'female'", "has 'Female'")),
        (["Female ", "Male"], ("Female", "Male"), ("line 2", "'Female '", "has 'Female'")),
        (["caf\u00e9", "u"], ("cafe\u0301", "u"), ("line 2", "has 'cafe\u0301'")),
        (["1", "2", "two"], (1, 2), ("line 4", "'two' in column 'a'", "no label", "has 1, 2")),
    ],
)
def test_texts_that_are_nearly_labels_are_told(
    cells: list, labels: tuple, facts: tuple, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="no label of the model") as caught:
        columns, _ = read(csv(tmp_path, *cells), a=labels)
    (message,) = [str(one.message) for one in caught]
    assert all(fact in message for fact in facts)
    if isinstance(labels[0], int):
        assert columns["a"] == [1, 2, "two"]


def test_values_of_which_none_is_a_label_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="none is a label") as caught:
        columns, notes = read(parquet(tmp_path, [1, 2, 3, 4, 5]), a=("u", "v"))
    assert all(fact in str(caught[0].message) for fact in ("'a'", "1, 2, 3, ...", "'u', 'v'"))
    assert columns["a"] == [1, 2, 3, 4, 5]
    assert notes == []


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=6)
        | st.sampled_from(["01", "1.0", "NA", "nan", "True", "null", " ", "-0", "1e3", "None"]),
        min_size=1,
        max_size=6,
    )
)
def test_any_texts_that_a_model_knows_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list
) -> None:
    path = tmp_path_factory.mktemp("texts") / "a.csv"
    pd.DataFrame({"a": texts, "x": range(len(texts))}).to_csv(path, index=False)
    columns, _ = read(path, a=tuple(dict.fromkeys(texts)))
    assert columns["a"] == texts


@pytest.mark.parametrize(
    ("text", "levels", "expected"),
    [
        ("Female", ["Female", "Male"], "Female"),
        ("1", [1, 2], 1),
        ("1", [1, "1"], 1),
        ("'1'", [1, "1"], "1"),
        ("True", [False, True], True),
        ("2.5", [1.5, 2.5], 2.5),
        ("caf\u00e9", ["cafe\u0301", "u"], "cafe\u0301"),
        ("caf\u00e9", ["cafe\u0301", "caf\u00e9"], "caf\u00e9"),
        (" Female", ["Female", " Female"], " Female"),
        ("female", ["Female"], "female"),
    ],
)
def test_find_level(text: str, levels: list, expected: object) -> None:
    assert typed([find_level(text, levels)]) == typed([expected])
