"""Texts in colors: where words stand, what colors say, and nothing of a text is taken for HTML."""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import norm

from agnostix.core.explanation import Detail
from agnostix.plotting import TextDisplay
from agnostix.plotting.style import CONTRAST, INK, PAPER, diverging, text_color
from agnostix.plotting.text import Token, break_lines, tokenize
from tests.messages import refuses
from tests.plotting.explanations import TEXT, WILD, make, text

from_explanation = TextDisplay.from_explanation
VALUES = {"good": 0.3, "film": 0.01, "script": -0.1, "long": -0.2}


def _plot(display: TextDisplay, **plot: Any) -> TextDisplay:
    return display.plot(Figure(figsize=(6, 3)).add_subplot(), **plot)


def test_text_frame_values_and_occurrences() -> None:
    frame = from_explanation(text(), confidence_level=0.9).frame()
    assert list(frame) == ["word", "n_occurrences", "value", "std_error", "low", "high"]
    assert dict(zip(frame["word"], frame["value"], strict=True)) == VALUES
    assert frame["word"].tolist() == ["good", "long", "script", "film"]
    assert frame["n_occurrences"].tolist() == [2, 2, 2, 1]
    np.testing.assert_allclose(frame["high"] - frame["low"], 2 * 0.02 * norm.ppf(0.95))


def test_text_frame_absent_and_unnamed_words() -> None:
    frame = from_explanation(text((0.3, np.nan, -0.1, -0.2))).frame()
    assert frame["word"].tolist() == ["good", "long", "script"]
    exp = text()
    extras = {key: exp.extras[key] for key in ("spans", "span_features")}
    unnamed = make(exp.values, data=exp.data, extras=extras)
    assert from_explanation(unnamed).frame()["word"].tolist() == ["x0", "x3", "x2", "x1"]


def _tokens(**change: Any) -> Any:
    values = np.array([[[0.5], [-0.2], [0.1]], [[0.3], [9.0], [0.0]]])
    exp = make(values)
    spans = [[(0, 4), (5, 8), (8, 10)], [(0, 3), (3, 3), (0, 0)]]
    given = {"explanation": exp, "texts": ["good script", "bad"], "spans": spans, **change}
    return TextDisplay.from_tokens(given.pop("explanation"), given.pop("texts"), **given)


def test_tokens_have_values_where_they_stand() -> None:
    frame = _tokens().frame()
    assert dict(zip(frame["word"], frame["value"], strict=True)) == {"good": 0.5, "scr": -0.2, "ip": 0.1}
    chunks = _tokens().chunks
    assert chunks[2] == [Token("scr", 1), Token("ip", 2), Token("t", -1)]


def test_tokens_without_characters_are_not_shown() -> None:
    frame = _tokens(row=1).frame()
    assert frame["word"].tolist() == ["bad"]
    assert frame["value"].tolist() == [0.3]


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"texts": ["good"]}, ["1 texts", "2 rows of 3 tokens"]),
        ({"spans": [[(0, 4)], [(0, 3)]]}, ["(2, 3, 2)", "(2, 1, 2)"]),
        ({"spans": np.zeros((2, 3, 2))}, ["integers", "float64"]),
    ],
)
def test_tokens_of_other_rows_are_refused(change: dict[str, Any], facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        _tokens(**change)


# Where words stand


def test_tokenize_keeps_text_and_features() -> None:
    spans, owners = (text().extras[key].array[0] for key in ("spans", "span_features"))
    chunks = tokenize(TEXT, spans, owners)
    assert "".join(piece.text for chunk in chunks for piece in chunk) == TEXT
    assert chunks[0] == [Token("Good", 0), Token(",", -1)]
    assert chunks[5] == [Token("\n", -1)]
    words = {piece.text.lower(): piece.place for chunk in chunks for piece in chunk if piece.place >= 0}
    assert words == {word: place for place, word in enumerate(VALUES)}


@given(st.text(alphabet="ab \n\r\t<\u2028é", max_size=60), st.integers(1, 12), st.data())
def test_break_lines_keeps_text_within_width(words: str, width: int, data: st.DataObject) -> None:
    ends = st.integers(0, len(words))
    spans = data.draw(st.lists(st.tuples(ends, ends, st.integers(0, 2)), max_size=5))
    spans = np.array([(min(a, b), max(a, b), place) for a, b, place in spans] or [(-1, -1, -1)])
    chunks = tokenize(words, spans[:, :2], spans[:, 2])
    assert "".join(piece.text for chunk in chunks for piece in chunk) == words
    placed = break_lines(chunks, width)
    assert re.sub(r"\s", "", "".join(token.text for token, _, _ in placed)) == re.sub(r"\s", "", words)
    assert [line for _, line, _ in placed] == sorted(line for _, line, _ in placed)
    reached: dict[int, int] = {}
    for token, line, column in placed:
        assert column == reached.get(line, 0)
        reached[line] = column + len(token.text)
    assert all(end <= width for end in reached.values())


def test_break_lines_at_spaces_or_within_long_words() -> None:
    spans = np.array([(0, 2, 0), (3, 5, 1)])
    told = break_lines(tokenize("ab-cd ef abcdefgh", spans[:, :2], spans[:, 2]), 5)
    assert [(token.text, token.place, line) for token, line, _ in told[:4]] == [
        ("ab", 0, 0),
        ("-", -1, 0),
        ("cd", 1, 0),
        ("ef", -1, 1),
    ]
    lines = ["".join(token.text for token, line, _ in told if line == j) for j in range(4)]
    assert lines == ["ab-cd", "ef ", "abcde", "fgh"]


def test_break_lines_keeps_line_breaks() -> None:
    told = break_lines(tokenize("a\n\nb\r\nc", np.array([(-1, -1)]), np.array([-1])), 9)
    assert [(token.text, line) for token, line, _ in told] == [("a", 0), ("b", 2), ("c", 3)]


@pytest.mark.parametrize("size", [None, (6, 3), (2, 4), (9, 1.2)])
def test_text_words_side_by_side_within_axes(size: tuple[float, float] | None) -> None:
    display = from_explanation(text()).plot(None if size is None else Figure(size).add_subplot())
    display.figure_.draw_without_rendering()
    written = [t for t in display.ax_.texts if t.get_text().strip()]
    assert "".join(t.get_text() for t in written) == re.sub(r"\s", "", TEXT)
    place = display.ax_.get_window_extent()
    rows: dict[float, list[Any]] = {}
    for one in written:
        box = one.get_window_extent()
        assert place.x0 - 2 <= box.x0
        assert box.x1 <= place.x1 + 2
        rows.setdefault(round(one.get_position()[1], 6), []).append(box)
    assert len(rows) == 2
    for boxes in rows.values():
        for left, right in pairwise(boxes):
            assert right.x0 > left.x1 - 6
    fills = [patch.get_window_extent() for patch in display.ax_.patches]
    words = [one.get_window_extent() for one in written if one.get_text().lower() in VALUES]
    for fill, word in zip(fills, words, strict=True):
        assert word.x0 == pytest.approx(fill.x0, abs=3)
        assert word.x1 == pytest.approx(fill.x1, abs=3)
        assert fill.y0 - 1 <= word.y0
        assert word.y1 <= fill.y1 + 1


def test_text_control_characters_are_replaced() -> None:
    display = from_explanation(text(data=np.array([TEXT.replace("alert", "\ta\x00rt")]))).plot()
    assert "a\ufffdrt(1)</" in [t.get_text() for t in display.ax_.texts]


def test_text_new_figure_height_by_lines() -> None:
    short = from_explanation(text()).plot()
    long = _long(40).plot()
    for display, n_lines in ((short, 2), (long, 40)):
        display.figure_.draw_without_rendering()
        box = display.ax_.get_window_extent()
        (size,) = {one.get_fontsize() for one in display.ax_.texts}
        height = 72 * box.height / display.figure_.dpi
        assert 8 < size < 12
        assert height == pytest.approx(1.5 * size * display.ax_.get_ylim()[0], rel=0.01)
        assert n_lines <= display.ax_.get_ylim()[0] < n_lines + 3


def _long(n_lines: int) -> TextDisplay:
    words = "\n".join(["good film"] * n_lines)
    spans = np.array([[(10 * j, 10 * j + 4, 0) for j in range(n_lines)]])
    return from_explanation(text(data=np.array([words]), extras={"spans": spans}))


def test_text_given_axes_shrink_letters_until_all_fits() -> None:
    sizes = []
    for n_lines in (3, 20, 200):
        ax = Figure(figsize=(5, 3)).add_subplot()
        _long(n_lines).plot(ax)
        sizes.append({t.get_fontsize() for t in ax.texts}.pop())
        assert len({t.get_position()[1] for t in ax.texts}) == n_lines
        assert max(t.get_position()[1] for t in ax.texts) < ax.get_ylim()[0]
    assert sizes[0] > sizes[1] > sizes[2]


def test_text_figure_grows_up_to_60_lines() -> None:
    heights = [_long(n).plot().figure_.get_size_inches()[1] for n in (30, 60, 200)]
    assert heights[0] < heights[1] == heights[2]


# What colors say


def test_text_words_have_colors_of_values() -> None:
    display = _plot(from_explanation(text()), factor=100.0, suffix=" %")
    palette = diverging(pale=True)
    fills = [to_hex(patch.get_facecolor()) for patch in display.ax_.patches]
    order = ["good", "good", "film", "script", "script", "long", "long"]
    assert fills == [to_hex(palette(0.5 + 0.5 * VALUES[word] / 0.3)) for word in order]
    letters = {t.get_text(): t.get_color() for t in display.ax_.texts}
    assert letters["Good"] == PAPER
    assert letters["film"] == INK
    assert display.colorbar_.mappable.get_clim() == (-30.0, 30.0)
    assert _plot(from_explanation(text()), cmap="PuOr").colorbar_.cmap.name == "PuOr"


def test_text_dotted_where_interval_contains_0() -> None:
    for error, n in ((0.02, 1), (0.001, 0), (np.inf, 7)):
        display = _plot(from_explanation(text(error=error)))
        assert len(display.ax_.lines) == n
        label = display.colorbar_.ax.get_xlabel().replace("\n", " ")
        assert label == f"contribution to praise {WILD}" + ("; dotted: the interval contains 0" if n else "")


def test_text_max_features_colors_strongest() -> None:
    display = _plot(from_explanation(text(), max_features=1))
    assert len(display.ax_.patches) == 2
    assert "; 1 of 4 words" in display.colorbar_.ax.get_xlabel()
    assert len(display.frame()) == 4


def test_text_zero_values_and_empty_text() -> None:
    _plot(from_explanation(text((0.0, 0.0, 0.0, 0.0)))).figure_.draw_without_rendering()
    nothing = text(
        (np.nan,) * 4, data=np.array([""]), extras={"spans": np.full((1, 1, 3), -1)}, outputs=[[0.5]]
    )
    display = from_explanation(nothing).plot()
    display.figure_.draw_without_rendering()
    assert len(display.frame()) == 0
    assert "<p" in display.html()


def test_text_title_states_fidelity() -> None:
    exp = text(quantity="contribution", completeness="surrogate", fidelity={"r2": [[0.3]]})
    display = _plot(from_explanation(exp))
    assert display.ax_.get_title(loc="left") == "R² 0.30: the surrogate follows the model poorly"
    assert to_hex(display.ax_._left_title.get_color()) == CONTRAST
    assert f'color:{CONTRAST}">R² 0.30: the surrogate follows the model poorly<' in display.html()


def test_text_color_contrast_on_any_fill() -> None:
    palette = diverging(pale=True)

    def luminance(color: Any) -> float:
        c = np.array([int(color[j : j + 2], 16) / 255 for j in (1, 3, 5)])
        return float(
            np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    for place in np.linspace(0, 1, 21):
        fill = palette(place)
        dark, bright = sorted([luminance(to_hex(fill)), luminance(text_color(fill))])
        assert (bright + 0.05) / (dark + 0.05) > 3.6


# HTML


class _Page(HTMLParser):
    """Elements, and all text that is seen."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.seen = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.seen += data


def test_html_escapes_text_and_words() -> None:
    display = from_explanation(text(extras={"words": np.array([["<script>", '" onx="', "<b>", "</p>"]])}))
    page = _Page(display.html())
    assert {tag for tag, _ in page.elements} == {"div", "p", "span"}
    assert TEXT in page.seen
    assert "<script" not in display.html()
    assert all(set(attributes) <= {"style", "title"} for _, attributes in page.elements)
    titles = [attributes["title"] for _, attributes in page.elements if "title" in attributes]
    assert titles[0].startswith("<script>: +0.300 (")
    assert display._repr_html_() == display.html()


def test_html_words_have_colors_values_and_intervals() -> None:
    display = from_explanation(text(), confidence_level=0.9)
    page = _Page(display.html(factor=100.0, suffix=" %"))
    words = [attributes for tag, attributes in page.elements if "title" in attributes]
    assert len(words) == 7
    half = 100 * 0.02 * norm.ppf(0.95)
    assert words[0]["title"] == f"good: +30.0 % (+{30 - half:.1f} to +{30 + half:.1f}), 2 times"
    assert words[2]["title"] == f"film: +1.0 % (−{half - 1:.1f} to +{1 + half:.1f})"
    assert f"background:{to_hex(diverging(pale=True)(1.0))};color:{PAPER}" in words[0]["style"]
    assert ["dotted" in word["style"] for word in words] == [False, False, True, False, False, False, False]
    assert "−30.0 %0.0 %+30.0 %" in page.seen
    assert f"contribution to praise {WILD}; dotted: the interval contains 0" in page.seen
    assert escape(WILD) in display.html()


def test_html_exact_values_have_no_interval() -> None:
    page = _Page(from_explanation(text(std_errors=None)).html())
    assert [a["title"] for _, a in page.elements if "title" in a][2] == "film: +0.010"
    assert unescape("dotted") not in page.seen


# Bad questions


@pytest.mark.parametrize(
    ("more", "facts"),
    [
        (
            {"extras": {"spans": Detail(np.zeros((1, 3)), ("row", "token"))}},
            [
                *("extras['spans']", "integers", "dims ('row', 'token', 'end')"),
                *("got float64", "shape (1, 3)", "dims ('row', 'token')."),
            ],
        ),
        (
            {"extras": {"spans": np.array([[(0, 90, 1)]])}},
            ["extras['spans']", "character 0 to 90", "the text has 63", "data"],
        ),
        (
            {"extras": {"spans": np.array([[(0, 4, 4)]])}},
            ["extras['span_features']", "feature 4", "there are 4, counted from 0"],
        ),
        (
            {"data": None},
            ["TextDisplay", "data", "array of str", "shape (n_rows,)", "got None"],
        ),
        (
            {"data": np.zeros((1, 4))},
            ["TextDisplay", "data", "array of str", "shape (n_rows,)", "ndarray", "shape (1, 4)"],
        ),
    ],
)
def test_text_refuses_spans_or_data_that_do_not_fit(more: dict, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        from_explanation(text(**more))


def test_text_refuses_bad_parameters() -> None:
    with refuses(ValueError, "TextDisplay", "no spans", "BarDisplay", "WaterfallDisplay"):
        from_explanation(make([[0.1, 0.2]]))
    with refuses(ValueError, "max_features", "at least 1", "got 0"):
        from_explanation(text(), max_features=0)
    with refuses(ValueError, "no row 1", "0 to 0"):
        from_explanation(text(), row=1)
    with refuses(ValueError, "no output 'x'"):
        from_explanation(text(), output="x")


def test_text_from_explainer_explains_one_text() -> None:
    asked = []

    class Explainer:
        def explain(self, X: Any, **more: Any) -> Any:
            asked.append((list(X), more))
            return text()

    display = TextDisplay.from_explainer(Explainer(), ["a", TEXT], row=-1, max_features=2, outputs=0)
    assert asked == [([TEXT], {"outputs": 0})]
    assert display.max_features == 2
