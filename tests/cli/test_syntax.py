"""The syntax of ``--what-if``: what is read, where it is wrong, and that what is written is read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.cli.statements import FORMS, Amount, ScenarioText, Statement
from agnostix.cli.syntax import parse_scenario
from agnostix.cli.text_reader import ConstraintSyntaxError
from agnostix.cli.text_writer import write_scenario
from tests.messages import refuses


def is_(low: float, high: float | None = None, relation: str = "=", tolerance: float | None = None) -> Amount:
    return Amount(low, low if high is None else high, relation, tolerance)


def column(name: str, amount: Amount | None = None, shares: dict | None = None, **more) -> Statement:
    return Statement("column", (name,), amount, tuple((shares or {}).items()), **more)


COLUMNS = [
    ("age=50", [column("age", is_(50))]),
    ("age=50,hours=35..40,sex=Female:0.5",
     [column("age", is_(50)), column("hours", is_(35, 40)), column("sex", shares={"Female": is_(0.5)})]),
    ("sex=Female:0.5;Male:0.5", [column("sex", shares={"Female": is_(0.5), "Male": is_(0.5)})]),
    ("sex=Female:0.4..0.6", [column("sex", shares={"Female": is_(0.4, 0.6)})]),
    ("sex=Female:50%", [column("sex", shares={"Female": is_(0.5)})]),
    ("sex=Female:40%..60%;Male:12.5%", [column("sex", shares={"Female": is_(0.4, 0.6), "Male": is_(0.125)})]),
    ("sex=Female:0;Male:1", [column("sex", shares={"Female": is_(0), "Male": is_(1)})]),
    ("  age =  50 , sex = Not listed : 50 % ; Male : 0.1 .. 0.2 ",
     [column("age", is_(50)), column("sex", shares={"Not listed": is_(0.5), "Male": is_(0.1, 0.2)})]),
    ("t=-5", [column("t", is_(-5))]),
    ("t=-5..-2.5", [column("t", is_(-5, -2.5))]),
    ("t=-1e3..+2.5E-1", [column("t", is_(-1000, 0.25))]),
    ("t=.5..1.", [column("t", is_(0.5, 1))]),
    ("t=1...5e1", [column("t", is_(1, 5))]),
    ("t=3..3", [column("t", is_(3))]),
    ("hours-per-week=40", [column("hours-per-week", is_(40))]),
    ("band=18.5-25:0.3;30 and over:10%",
     [column("band", shares={"18.5-25": is_(0.3), "30 and over": is_(0.1)})]),
    ("grade=1:0.5;-2:0.25", [column("grade", shares={"1": is_(0.5), "-2": is_(0.25)})]),
    ('"pay, net"=3', [column("pay, net", is_(3))]),
    ('income="<=50K":0.5', [column("income", shares={"<=50K": is_(0.5)})]),
    ('"a:b;c=d"="x""y":0.5', [column("a:b;c=d", shares={'x"y': is_(0.5)})]),
    ('" padded "=1', [column(" padded ", is_(1))]),
    ("petal width (cm)=1", [column("petal width (cm)", is_(1))]),
    ("age=50+-2", [column("age", is_(50, tolerance=2))]),
    ("age = 50 +- .5, t=-1+-0", [column("age", is_(50, tolerance=0.5)), column("t", is_(-1, tolerance=0))]),
    ("sex=F:50%+-2%;M:0.3", [column("sex", shares={"F": is_(0.5, tolerance=0.02), "M": is_(0.3)})]),
    ("age+=5", [column("age", is_(5, relation="+="))]),
    ("age -= 5.5", [column("age", is_(5.5, relation="-="))]),
    ("income*=1.1..1.2", [column("income", is_(1.1, 1.2, "*="))]),
    ("income*=0.9+-.05", [column("income", is_(0.9, relation="*=", tolerance=0.05))]),
    ("sex+=F:5%;M:0.01",
     [column("sex", shares={"F": is_(0.05, relation="+="), "M": is_(0.01, relation="+=")})]),
    ("sex*=F:1.5", [column("sex", shares={"F": is_(1.5, relation="*=")})]),
    ('"age"+=5', [column("age", is_(5, relation="+="))]),
    ('"c+"=5', [column("c+", is_(5))]),
    ("age+ =5", [column("age+", is_(5))]),
    ("income[sex=Female]=40", [column("income", is_(40), where=(("sex", ("Female",)),))]),
    ('income [ sex = Female ; "A;B" , age = 30 .. 40 ] += 2',
     [column("income", is_(2, relation="+="), where=(("sex", ("Female", "A;B")), ("age", (30.0, 40.0))))]),
    ("sex[band=18..25]=F:0.5", [column("sex", shares={"F": is_(0.5)}, where=(("band", (18.0, 25.0)),))]),
    ('sex[band="18..25"]=F:0.5', [column("sex", shares={"F": is_(0.5)}, where=(("band", ("18..25",)),))]),
    ("income[children=2]=40", [column("income", is_(40), where=(("children", ("2",)),))]),
]  # fmt: skip
WOMEN = (("sex", ("F",)),)
PREDICTED = {"of_prediction": True}
OTHERS = [
    ("prediction=0.3", Statement("prediction", (), is_(0.3), **PREDICTED)),
    ("prediction=30%..40%", Statement("prediction", (), is_(0.3, 0.4), **PREDICTED)),
    ("prediction=-3", Statement("prediction", (), is_(-3), **PREDICTED)),
    ("prediction[>50K]=0.3..0.4", Statement("prediction", (), is_(0.3, 0.4), output=">50K", **PREDICTED)),
    ('prediction["<=50K",sex=F]+=5%',
     Statement("prediction", (), is_(0.05, relation="+="), output="<=50K", where=WOMEN, **PREDICTED)),
    ("error_rate=0.2", Statement("error_rate", (), is_(0.2))),
    ("error_rate[sex=F]=20%+-1%", Statement("error_rate", (), is_(0.2, tolerance=0.01), where=WOMEN)),
    ("selection_rate(threshold=0.4,positive=yes)[sex=F]*=1.2",
     Statement("selection_rate", (), is_(1.2, relation="*="), where=WOMEN,
               settings=(("threshold", 0.4), ("positive", ("yes",))))),
    ("median(age)=40", Statement("median", ("age",), is_(40))),
    ("median(prediction)[a]=40", Statement("median", (), is_(40), output="a", **PREDICTED)),
    ('median("prediction")=40', Statement("median", ("prediction",), is_(40))),
    ("quantile(age,0.9)[sex=F]=60..70",
     Statement("quantile", ("age",), is_(60, 70), number=0.9, where=WOMEN)),
    ("quantile( age , 90% )+=1", Statement("quantile", ("age",), is_(1, relation="+="), number=0.9)),
    ("above(prediction,200)=10%", Statement("above", (), is_(0.1), number=200.0, **PREDICTED)),
    ("variance(age)=100", Statement("variance", ("age",), is_(100))),
    ("sd(age)*=1.2", Statement("sd", ("age",), is_(1.2, relation="*="))),
    ("covariance(age,hours)=-3", Statement("covariance", ("age", "hours"), is_(-3))),
    ('correlation("a,b",hours)=0.2', Statement("correlation", ("a,b", "hours"), is_(0.2))),
    ("expected_shortfall(loss,.95)=12", Statement("expected_shortfall", ("loss",), is_(12), number=0.95)),
    ("disparate_impact(sex,reference=Male)=80%",
     Statement("disparate_impact", ("sex",), is_(0.8), settings=(("reference", ("Male",)),))),
    ("equalized_odds(sex,band,reference=M;01,favorable=yes,threshold=50%)=0.1",
     Statement("equalized_odds", ("sex", "band"), is_(0.1),
               settings=(("reference", ("M", "01")), ("favorable", ("yes",)), ("threshold", 0.5)))),
    ("keep(age,sex)", Statement("keep", ("age", "sex"))),
    ('"prediction"=3', column("prediction", is_(3))),
    ('"median(age)"=3', column("median(age)", is_(3))),
    ("mean(age)=3", column("mean(age)", is_(3))),
    ("medians=3", column("medians", is_(3))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), COLUMNS)
def test_parse_scenario_reads_columns(text: str, expected: list) -> None:
    assert parse_scenario(text) == ScenarioText(tuple(expected))


@pytest.mark.parametrize(("text", "expected"), OTHERS)
def test_parse_scenario_reads_words(text: str, expected: Statement) -> None:
    assert parse_scenario(text) == ScenarioText((expected,))
    assert parse_scenario(f"age=50, {text} ,hours=3").statements[1] == expected


def test_every_word_is_read_as_in_its_example() -> None:
    for word, form in FORMS.items():
        (statement,) = parse_scenario(form.example).statements
        assert statement.subject == word


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("recession: age=50", "recession"),
        ("  A b-c 1 : keep(age)", "A b-c 1"),
        ('"a: b, c=d":age=50', "a: b, c=d"),
        ("median:median(age)=3", "median"),
        ("age=50", None),
        ('"a":age=50', "a"),
    ],
)
def test_parse_scenario_reads_its_name(text: str, name: str | None) -> None:
    scenario = parse_scenario(text)
    assert scenario.name == name
    assert len(scenario.statements) == 1


QUOTES = ", = : ; [ must be in double quotes"
ERRORS = [
    ("", 0, ["column's name is expected"]),
    ("age", 3, ["'='", "after the column's name 'age'"]),
    ("age:5", 5, ["'='", "after the column's name '5'"]),
    ("sex:F:0.5", 5, ["'='", "after the column's name 'F'", QUOTES]),
    ("age:", 4, ["column's name is expected"]),
    ("=5", 0, ["column's name is expected"]),
    ("age=", 4, ["a number, or a level and its share", "after 'age='"]),
    ("age==5", 4, ["a number, or a level and its share", "after 'age='"]),
    ("age=fifty", 4, ["number", "after 'age='", "got 'fifty'", "level", "age=fifty:0.5"]),
    ("age=nan", 4, ["number", "after 'age='", "got 'nan'"]),
    ('sex="F"', 4, ["number", "after 'sex='", "got 'F'", "level", 'sex="F":0.5']),
    ("age=50years", 6, ["','", "after a number"]),
    ("age=5 hours=4", 6, ["','", "after a number"]),
    ("age=1e999", 4, ["1e999", "too large"]),
    ("age=50%", 4, ["percent", "shares", "sex=Female:50%"]),
    ("age=40..35", 4, ["range", "smaller bound comes first"]),
    ("age=40..", 8, ["a number is expected"]),
    ("age=1,", 6, ["column's name is expected"]),
    ("age=1,,b=2", 6, ["column's name is expected"]),
    ("age=1;b=2", 5, ["','", "before the next column", "';'", "before the next level", QUOTES]),
    ("age=1,age=2", 6, ["column 'age'", "twice", "sex=Female:0.5;Male:0.5"]),
    ("sex=F:", 6, ["share between 0 and 1"]),
    ("sex=F:half", 6, ["share between 0 and 1"]),
    ("sex=F:60", 6, ["share lies between 0 and 1", "60%"]),
    ("sex=F:-0.1", 6, ["share lies between 0 and 1"]),
    ("sex=F:120%", 6, ["share lies between 0 and 1"]),
    ("sex=F:40%..0.6", 6, ["percent", "both alike"]),
    ("sex=F:0.6..0.4", 6, ["range", "smaller bound comes first"]),
    ("sex=F:0.5;", 10, ["level's name is expected"]),
    ("sex=F:0.5;F:0.5", 10, ["level 'F' of 'sex'", "twice"]),
    ("sex=F:0.5;M", 11, ["':'", "share", "after the level's name 'M'"]),
    ("income=<=50K:0.5", 8, ["':'", "share", "after the level's name", QUOTES]),
    ('"age=5', 0, ["double quote", "never closed"]),
    ('""=5', 0, ["between the double quotes", "empty"]),
    ('a"b"=5', 1, ["double quote", "whole name"]),
    ("age=+5", 4, ["change", "age+=5", "number itself", "age=5"]),
    ("age=*1.1", 4, ["change", "age*=1.1"]),
    ("age+=-5", 5, ["number without a sign", "'+='"]),
    ("+=5", 0, ["column's name is expected"]),
    ("age=5..6+-1", 8, ["tolerance", "one number", "range"]),
    ("age=5+-", 7, ["a number is expected"]),
    ("age=5+--1", 7, ["tolerance", "0 or more"]),
    ("sex=F:50%+-0.1", 6, ["percent", "both alike"]),
    ("sex*=F:50%", 7, ["percent"]),
    ("income[sex=F=40", 12, ["',' or ']'"]),
    ("income[sex]=4", 10, ["'='", "'sex'", "[sex=Female]"]),
    ("income[]=4", 7, ["brackets are empty"]),
    ("income[age=4..3]=4", 11, ["range", "smaller bound comes first"]),
    ("income[sex=F,sex=M]=4", 13, ["'sex'", "twice", "brackets"]),
    ("income[usd]=4", 10, ["'='", "'usd'", QUOTES]),
    ("error_rate[a]=4", 12, ["'='", "'a'"]),
    ("quantile(age)=3", 9, ["a number is expected last", "quantile(age,0.9)=65"]),
    ("quantile(age,1.5)=3", 13, ["between 0 and 1", "quantile(age,0.9)=65"]),
    ("quantile(age,*1)=3", 13, ["a number is expected last"]),
    ("correlation(age)=3", 0, ["correlation(age,hours)=0.2"]),
    ("median(a,b)=3", 0, ["median(age)=40"]),
    ("median(age=3", 7, ["takes no 'age'", "median(age)=40"]),
    ("median(age", 10, ["',' or ')'", "median(age)=40"]),
    ("keep()", 0, ["keep(age,sex)"]),
    ("above(age,.5)=.3", 0, ["the prediction", "above(prediction,0.5)=0.3"]),
    ("disparate_impact(sex)=.8", 0, ["needs a reference", "disparate_impact(sex,reference=Male)=0.8"]),
    ("equalized_odds(sex,reference=M,reference=F)=.8", 31, ["takes no 'reference' here"]),
    ("selection_rate(threshold=high)=.8", 25, ["a number is expected"]),
    ("prediction=0.3,prediction=0.4", 15, ["same", "twice"]),
    ("median(age)=3,quantile(age,0.5)=3,median(age)=4", 34, ["same", "twice"]),
]


@pytest.mark.parametrize(("text", "position", "facts"), ERRORS)
def test_constraint_syntax_error_points_to_position(text: str, position: int, facts: list[str]) -> None:
    with refuses(ConstraintSyntaxError, "--what-if", *facts) as caught:
        parse_scenario(text)
    _, shown, caret = str(caught.value).split("\n")
    assert shown == f"    {text}"
    assert caret == f"    {' ' * position}^"
    assert caught.value.position == position


def test_constraint_syntax_error_message_lines() -> None:
    with refuses(ValueError, "after 'hours='", "got 'long'", "hours=long:0.5\n") as caught:
        parse_scenario("age=50,\thours=long")
    assert str(caught.value).endswith("\n    age=50, hours=long\n                  ^")  # a tab is a space


_names = st.text(min_size=1, max_size=8)
_numbers = st.floats(-1e9, 1e9).map(lambda value: value + 0.0)
_sizes = st.floats(0, 1e9)
_shares = st.floats(0, 1)


def _amounts(values: st.SearchStrategy, sizes: st.SearchStrategy = _sizes) -> st.SearchStrategy:
    """Numbers, ranges, tolerances and changes."""
    pairs = st.lists(values, min_size=2, max_size=2).map(lambda pair: Amount(*sorted(pair)))
    wide = st.builds(lambda value, width: Amount(value, value, "=", width), values, sizes)
    return values.map(is_) | pairs | wide


def _changes(relation: str) -> st.SearchStrategy:
    return _amounts(_sizes).map(lambda one: Amount(one.low, one.high, relation, one.tolerance))


_any_amount = _amounts(_numbers) | _changes("+=") | _changes("-=") | _changes("*=")
_wanted = st.lists(_names, min_size=1, max_size=3, unique=True).map(tuple) | st.lists(
    _numbers, min_size=2, max_size=2
).map(lambda pair: tuple(sorted(pair)))
_where = st.dictionaries(_names, _wanted, max_size=2).map(lambda one: tuple(one.items()))
_level_shares = st.dictionaries(_names, _amounts(_shares, _shares), min_size=1, max_size=3)


def _column(name, amount, shares, where):
    about = {"amount": amount} if shares is None else {"shares": tuple(shares.items())}
    return Statement("column", (name,), where=where, **about)


@st.composite
def _words(draw) -> Statement:
    """A statement of any word in its form."""
    word = draw(st.sampled_from(sorted(FORMS)))
    form = FORMS[word]
    of_prediction = word in ("prediction", "above") or (form.is_outcome and draw(st.booleans()))
    n_names = 0 if of_prediction else draw(st.integers(form.n_names[0], min(form.n_names[1], 3)))
    names = tuple(draw(st.lists(_names, min_size=n_names, max_size=n_names)))
    number = None
    if form.takes_number:
        number = draw(_numbers if word == "above" else st.floats(0.001, 0.999))
    texts = st.lists(_names, min_size=1, max_size=2).map(tuple)
    chosen = draw(st.sets(st.sampled_from(form.settings))) if form.settings else set()
    chosen |= {form.required} - {""}
    settings = {name: draw(_numbers if name == "threshold" else texts) for name in sorted(chosen)}
    return Statement(
        word,
        names,
        draw(_any_amount) if form.has_amount else None,
        number=number,
        settings=tuple(settings.items()),
        where=draw(_where) if form.has_amount else (),
        output=draw(st.none() | _names) if of_prediction else None,
        of_prediction=of_prediction,
    )


_columns = st.builds(_column, _names, _any_amount, st.none() | _level_shares, _where)
_scenarios = st.builds(
    lambda statements, name: ScenarioText(tuple(statements), name),
    st.lists(_columns | _words(), min_size=1, max_size=3, unique_by=lambda one: one.key),
    st.none() | _names,
)


@given(_scenarios)
def test_what_is_written_is_read_again(scenario: ScenarioText) -> None:
    assert parse_scenario(write_scenario(scenario)) == scenario


@given(st.text(alphabet='ab=:;,." %0123456789-+e*[]()\t', max_size=30) | st.sampled_from(sorted(FORMS)))
def test_parse_scenario_any_text(text: str) -> None:
    for tried in (text, f"median({text})=3", f"prediction[{text}]=3", f"error_rate{text}"):
        try:
            outcome = len(parse_scenario(tried).statements) > 0
        except ConstraintSyntaxError as error:
            outcome = 0 <= error.position <= len(tried)
        assert outcome
