"""Numbers as a reader wants them."""

from __future__ import annotations

import numpy as np
import pytest

from agnostix.report.formatting import (
    Scale,
    count,
    describe_ess,
    distinguishing_digits,
    is_known,
    join_words,
    number,
    percent,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.00"),
        (-1.0, "−1.00"),
        (38.64, "38.6"),
        (0.000123, "0.000123"),
        (0.0000123, "1.23e−05"),
        (-0.0000123, "−1.23e−05"),
        (1146.2, "1 146"),
        (-1146.2, "−1 146"),
        (123456789.0, "123 456 789"),
        (1e9, "1.00e+09"),
        (-2.5e12, "−2.50e+12"),
        (1e300, "1.00e+300"),
        (9.996, "10.0"),
        (99.96, "100"),
        (999.6, "1 000"),
        (0.09996, "0.100"),
        (999999999.7, "1.00e+09"),
        (NAN, "–"),
        (INF, "–"),
        (-INF, "–"),
        (None, "–"),
        (np.float64(2.5), "2.50"),
        (7, "7.00"),
    ],
)
def test_number_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text.replace(" ", "\u202f")


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(9.96, 2, "10"), (0.5, 1, "0.5"), (1.6e9 + 0.25, 12, "1 600 000 000.25")]
)
def test_number_with_other_digits(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text.replace(" ", "\u202f")


@pytest.mark.parametrize("value", [1.0, -3.7e-3, 12.34, 4321.0, 9.99e-5, 6.02e23])
def test_number_reads_back(value: float) -> None:
    read = float(number(value, 4).replace("−", "-").replace("\u202f", ""))
    assert read == pytest.approx(value, rel=5e-4)


def test_whole_rounds_and_groups() -> None:
    assert count(1234567.4) == "1\u202f234\u202f567"
    assert count(0) == "0"
    assert count(NAN) == count(None) == "–"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.5, "50"),
        (0.954, "95"),
        (0.004, "0.4"),
        (0.0004, "0.04"),
        (0.000004, "0.0004"),
        (1e-9, "0"),
        (0.997, "99.7"),
        (0.99996, "99.996"),
        (1.0 - 1e-9, "100"),
        (1.0 + 1e-12, "100"),
        (-0.25, "−25"),
        (1.5, "150"),
    ],
)
def test_percent_digits_near_ends(share: float, text: str) -> None:
    assert percent(share) == text + "\u202f%"


def test_percent_with_decimals_and_missing() -> None:
    assert percent(0.12345, 1) == "12.3\u202f%"
    assert percent(NAN) == percent(None) == percent(INF) == "–"


@pytest.mark.parametrize(
    ("values", "half", "share", "decimals"),
    [
        ([156.0], 12.0, False, 0),
        ([156.0], 2.0, False, 1),
        ([0.35], 0.18, False, 2),
        ([5e6], 4e5, False, 0),
        ([1e-9], 1e-10, False, 6),
        ([0.24], 0.02, True, 1),
        ([0.24], 0.04, True, 0),
        ([0.24], 1e-7, True, 2),
        ([0.24], 0.0, True, 2),
        ([0.0, 0.0], 0.0, False, 2),
        ([100.0], INF, False, 1),
        ([100.0, NAN], NAN, False, 1),
        ([NAN], NAN, False, 2),
        ([INF], INF, False, 2),
    ],
)
def test_scale_decimals_follow_error(values: list[float], half: float, share: bool, decimals: int) -> None:
    assert Scale.from_interval(values, half, share).decimals == decimals


def test_scale_value_and_change() -> None:
    share, plain = Scale(True, 1), Scale(False, 2)
    assert share.value(0.2346) == "23.5\u202f%"
    assert plain.value(-1234.567) == "−1\u202f234.57"
    assert plain.value(-0.001) == "0.00"
    assert plain.change(1.5) == "+1.50"
    assert plain.change(-1.5) == "−1.50"
    assert plain.change(0.001) == plain.change(-0.001) == plain.change(0.0) == "0.00"
    assert share.change(-0.05) == "−5.0 points"
    assert share.change(0.05) == "+5.0 points"
    for scale in (share, plain):
        for unknown in (NAN, INF, -INF, None):
            assert scale.value(unknown) == scale.change(unknown) == "–"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 2.0, "1.0–2.0"),
        (-1.0, 2.0, "−1.0 to 2.0"),
        (-2.0, -1.0, "−2.0 to −1.0"),
        (-2.0, -0.001, "−2.0 to 0.0"),
        (-0.001, 2.0, "0.0–2.0"),
        (0.0, 0.0, "0.0–0.0"),
        (1000.0, 2000.0, "1\u202f000.0–2\u202f000.0"),
        (-INF, 2.0, "–"),
        (0.0, INF, "–"),
        (None, 1.0, "–"),
        (0.0, None, "–"),
        (NAN, NAN, "–"),
    ],
)
def test_scale_interval(low: float | None, high: float | None, text: str) -> None:
    assert Scale(False, 1).interval(low, high) == text


def test_scale_interval_of_shares_has_one_unit() -> None:
    assert Scale(True, 0).interval(0.28, 0.32) == "28–32\u202f%"


def test_scale_factor_and_suffix() -> None:
    assert (Scale(True, 0).factor, Scale(True, 0).suffix) == (100.0, "\u202f%")
    assert (Scale(False, 0).factor, Scale(False, 0).suffix) == (1.0, "")


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([20.0, 50.0], 3),
        ([1990.0, 2000.0], 4),
        ([1999.5, 2000.5], 5),
        ([1.6e9, 1.6e9 + 0.5], 12),
        ([5.0, 5.0], 3),
        ([], 3),
        ([NAN, 1.0], 3),
        ([-1.0, 1.0], 3),
        ([1e20, 1e20 + 1e5], 12),
    ],
)
def test_digits_apart_are_enough(values: list[float], digits: int) -> None:
    assert distinguishing_digits(values) == digits
    texts = {number(value, digits) for value in values if np.isfinite(value)}
    assert len(texts) == len({value for value in values if np.isfinite(value)}) or digits == 12


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcdef"), "a, b, c, d, e and f"),
        (list("abcdefg"), "a, b, c, d, e, f and 1 more"),
        (list("abcdefghij"), "a, b, c, d, e, f and 4 more"),
    ],
)
def test_listed_joins_and_counts_rest(words: list[str], text: str) -> None:
    assert join_words(words) == text


def test_listed_does_not_change_input() -> None:
    words = list("abcdefgh")
    assert join_words(words, most=2) == "a, b and 6 more"
    assert words == list("abcdefgh")


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (1.0, "100\u202f%: close to the data."),
        (1.2, "100\u202f%: close to the data."),
        (0.5, "50\u202f%: close to the data."),
        (0.49, "49\u202f%: some way from the data."),
        (0.2, "20\u202f%: some way from the data."),
        (0.19, "19\u202f%: far from the data, with few rows to rest on."),
    ],
)
def test_describe_ess_states_fraction_and_distance(fraction: float, text: str) -> None:
    assert describe_ess(fraction) == f"Effective sample size {text}"


def test_is_known_only_finite() -> None:
    assert is_known(0.0)
    assert not any(is_known(value) for value in (None, NAN, INF, -INF))


def test_scale_of_parts_decimals() -> None:
    assert Scale.from_contributions([0.312, -0.05], True).value(0.5) == "50.0\u202f%"
    assert Scale.from_contributions([3120.0], False).value(1.5) == "2"
    assert Scale.from_contributions([0.0, np.inf], False).value(1.5) == "1.50"
    assert Scale(True, 1).change_interval(-0.05, 0.1) == "\u22125.0 to +10.0"
    assert Scale(True, 1).change_interval(-np.inf, 0.1) == "\u2013"
