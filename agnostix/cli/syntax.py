"""The syntax of ``--what-if``: a scenario in one line of text.

Constraints are separated by commas, and a name for the scenario may stand before them, as in
``recession: age=50, hours=35..40``. A constraint is a column and its average, ``age=50``; a range,
``age=35..40``; a tolerance, ``age=50+-2``; a change, ``age+=5``, ``age-=5``, ``income*=1.1``; or a level and
its share, ``sex=Female:0.5``, several levels separated by semicolons and shares written as 0.5 or 50%.
Brackets have a condition, ``income[sex=Female,age=30..40]=40``. Words such as ``median(age)=40`` or
``prediction=0.3`` (those in `FORMS`) are about something else than an average; a column of such a name is in
double quotes, as is a name that contains one of ``,=:;[``, a double quote in it doubled.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agnostix.cli.statements import FORMS, Amount, Form, ScenarioText, Setting, Statement, Wanted
from agnostix.cli.text_reader import NUMBER, QUOTES, SPECIAL, TextReader

_COLUMN_ENDS = SPECIAL + "["
_IN_BRACKETS = SPECIAL + "[]"
_IN_PARENTHESES = SPECIAL + "()[]"
_RELATIONS = ("+=", "-=", "*=", "=")
_RANGE = re.compile(rf"\s*([-+]?{NUMBER})\s*\.\.\s*([-+]?{NUMBER})\s*(?=[,\]]|$)")
_WORD = re.compile(rf"({'|'.join(FORMS)})\(")
_AS_NUMBER = re.compile(rf"\s*[-+*]?{NUMBER}\s*%?\s*")


def parse_scenario(text: str) -> ScenarioText:
    """What a scenario states, and its name.

    >>> one = parse_scenario("older: age+=5, sex=Female:50%")
    >>> one.name, one.statements[0].amount, one.statements[1].shares[0][0]
    ('older', Amount(low=5.0, high=5.0, relation='+=', tolerance=None), 'Female')
    """
    return _Parser(text).scenario()


class _Parser(TextReader):
    """A recursive-descent parser of one scenario."""

    def scenario(self) -> ScenarioText:
        name = self._scenario_name()
        statements: list[Statement] = []
        while True:
            statement = self._statement()
            if statement.key in [one.key for one in statements]:
                self._fail_twice(statement)
            statements.append(statement)
            if self.at_end():
                return ScenarioText(tuple(statements), name)
            self.expect(",", "',' is expected before the next column, ';' before the next level")

    def _scenario_name(self) -> str | None:
        self.skip_spaces()
        is_name = self.peek() == '"' or (self.peek() and self.peek() not in _COLUMN_ENDS)
        if not is_name or _WORD.match(self.text, self.at):
            return None
        name = self.name("a column's name is expected", _COLUMN_ENDS)
        if self.take(":"):
            return name
        self.at = 0
        return None

    def _fail_twice(self, statement: Statement) -> None:
        if statement.subject != "column":
            self.fail("the same is stated twice; keep one of them", statement.position)
        self.fail(
            f"the column {statement.names[0]!r} is stated twice; several levels of one column are joined "
            "by ';', as in sex=Female:0.5;Male:0.5",
            statement.position,
        )

    def _statement(self) -> Statement:
        start = self.skip_spaces()
        word = _WORD.match(self.text, self.at)
        if word:
            self.at = word.end()
            return self._of_word(word[1], start)
        is_quoted = self.peek() == '"'
        name = self.name("a column's name is expected", _COLUMN_ENDS)
        if self.peek() == "=" and not is_quoted and self.text[self.at - 1] in "+-*":
            self.at -= 1  # of a relation such as +=
            name = self.text[start : self.at].strip()
            if not name:
                self.fail("a column's name is expected", start)
        if name in FORMS and FORMS[name].n_names == (0, 0) and not is_quoted:
            return self._with_amount(Statement(name, position=start, of_prediction=name == "prediction"))
        where, _ = self._brackets(takes_output=False)
        relation = self._relation(f"'=' is expected after the column's name {name!r}")
        return self._of_column(name, where, relation, start)

    def _of_word(self, word: str, start: int) -> Statement:
        """What follows a word and its opening parenthesis."""
        form = FORMS[word]
        places: list[tuple[str, bool, int]] = []
        settings: dict[str, Setting] = {}
        while not self.take(")"):
            if places or settings:
                self.expect(",", f"',' or ')' is expected; it is written as in {form.example}")
            begin, is_quoted = self.skip_spaces(), self.peek() == '"'
            name = self.name(f"a column's name is expected, as in {form.example}", _IN_PARENTHESES)
            if self.take("="):
                if name not in form.settings or name in settings:
                    self.fail(f"{word} takes no {name!r} here; it is written as in {form.example}", begin)
                settings[name] = self._setting(name)
            else:
                places.append((name, is_quoted, begin))
        number = self._last_number(word, form, places) if form.takes_number else None
        if not form.n_names[0] <= len(places) <= form.n_names[1]:
            self.fail(f"{word} is written as in {form.example}", start)
        if form.required and form.required not in settings:
            self.fail(f"{word} needs a {form.required}, as in {form.example}", start)
        of_prediction = word == "prediction" or (
            form.is_outcome and len(places) == 1 and places[0][0] == "prediction" and not places[0][1]
        )
        if word == "above" and not of_prediction:
            self.fail(f"{word} is about the prediction, as in {form.example}", start)
        names = () if of_prediction else tuple(name for name, _, _ in places)
        statement = Statement(
            word,
            names,
            number=number,
            settings=tuple(settings.items()),
            of_prediction=of_prediction,
            position=start,
        )
        return self._with_amount(statement) if form.has_amount else statement

    def _last_number(self, word: str, form: Form, places: list[tuple[str, bool, int]]) -> float:
        text, is_quoted, begin = places.pop() if places else ("", False, self.at)
        if is_quoted or not _AS_NUMBER.fullmatch(text) or text.startswith("*"):
            self.fail(f"a number is expected last, as in {form.example}", begin)
        percent = text.endswith("%")
        value = float(text.rstrip("% ")) / (100 if percent else 1)
        if word != "above" and not 0.0 < value < 1.0:
            self.fail(f"a number between 0 and 1 is expected last, as in {form.example}", begin)
        return value

    def _setting(self, name: str) -> Setting:
        """A threshold, or names separated by semicolons."""
        if name == "threshold":
            text, percent = self.number("a number is expected")
            return float(text) / (100 if percent else 1)
        names = [self.name("a value is expected", _IN_PARENTHESES)]
        while self.take(";"):
            names.append(self.name("a value is expected", _IN_PARENTHESES))
        return tuple(names)

    def _with_amount(self, statement: Statement) -> Statement:
        """A statement about no column's average, with its brackets and amount."""
        form = FORMS[statement.subject]
        output: str | None = None
        takes_output = form.is_outcome and statement.of_prediction
        where, output = self._brackets(takes_output)
        relation = self._relation(f"'=' is expected, as in {form.example}")
        amount = self._amount(relation, statement.subject, in_percent=form.is_share)
        return replace(statement, amount=amount, where=where, output=output)

    def _brackets(self, takes_output: bool) -> tuple[tuple[tuple[str, Wanted], ...], str | None]:
        """Conditions on columns, and before them an output of the model, in brackets."""
        self.skip_spaces()
        if not self.take("["):
            return (), None
        where: dict[str, Wanted] = {}
        output: str | None = None
        while not self.take("]"):
            if where or output is not None:
                self.expect(",", "',' or ']' is expected")
            start = self.skip_spaces()
            name = self.name("a column and its value are expected, as in [sex=Female]", _IN_BRACKETS)
            if self.take("="):
                if name in where:
                    self.fail(f"the column {name!r} is stated twice in the brackets", start)
                where[name] = self._wanted(name)
            elif takes_output and output is None and not where:
                output = name
            else:
                self.expect("=", f"'=' is expected after the column's name {name!r}, as in [sex=Female]")
        if not where and output is None:
            self.fail("the brackets are empty; a condition is written as in [sex=Female]", self.at - 1)
        self.skip_spaces()
        return tuple(where.items()), output

    def _wanted(self, name: str) -> Wanted:
        """A range of numbers, or levels separated by semicolons."""
        start = self.skip_spaces()
        match = _RANGE.match(self.text, self.at)
        if match:
            self.at = match.end()
            low, high = float(match[1]), float(match[2])
            if low > high:
                self.fail("the range runs downwards; the smaller bound comes first", start)
            return low, high
        levels = [self.name(f"a level or a range is expected after '{name}='", _IN_BRACKETS)]
        while self.take(";"):
            levels.append(self.name("a level's name is expected", _IN_BRACKETS))
        return tuple(levels)

    def _relation(self, expected: str) -> str:
        self.skip_spaces()
        for relation in _RELATIONS:
            if self.take(relation):
                return relation
        self.expect("=", expected)
        return "="

    def _of_column(
        self, column: str, where: tuple[tuple[str, Wanted], ...], relation: str, begin: int
    ) -> Statement:
        start = self.skip_spaces()
        is_quoted = self.peek() == '"'
        name = self.name(f"a number, or a level and its share, is expected after '{column}='")
        if self.peek() == ":":
            self.at = start
            shares = self._shares(column, relation)
            return Statement("column", (column,), shares=shares, where=where, position=begin)
        is_number = not is_quoted and _AS_NUMBER.match(name)
        if self.peek() == "=" and not is_number:
            self.fail("':' and a share are expected after the level's name" + QUOTES, self.at)
        if not is_number:
            level = self.text[start : self.at].strip()
            self.fail(
                f"a number is expected after '{column}=', got {name!r}; for a level, state its share, "
                f"as in {column}={level}:0.5",
                start,
            )
        self.at = start
        amount = self._amount(relation, column)
        return Statement("column", (column,), amount, where=where, position=begin)

    def _shares(self, column: str, relation: str) -> tuple[tuple[str, Amount], ...]:
        shares: dict[str, Amount] = {}
        while True:
            start = self.skip_spaces()
            level = self.name("a level's name is expected")
            if level in shares:
                self.fail(f"the level {level!r} of {column!r} is stated twice", start)
            self.expect(":", f"':' and a share are expected after the level's name {level!r}")
            shares[level] = self._amount(relation, column, in_percent=True, share=True)
            if not self.take(";"):
                return tuple(shares.items())

    def _amount(
        self, relation: str, subject: str, *, in_percent: bool = False, share: bool = False
    ) -> Amount:
        """A number, a range, or a number and its tolerance."""
        start = self.skip_spaces()
        self._refuse_sign(relation, subject)
        in_percent = in_percent and relation != "*="
        is_bounded = share and relation != "*="
        low, percent = self._value(in_percent, is_bounded, share)
        if self.take("+-"):
            after = self.at
            width, also = self._value(in_percent, is_bounded, share)
            self._check_alike(percent, also, start)
            if width < 0.0:
                self.fail("the tolerance after '+-' is a number of 0 or more", after)
            self._end_of_number()
            return Amount(low, low, relation, width)
        high = low
        if self.take(".."):
            high, also = self._value(in_percent, is_bounded, share)
            self._check_alike(percent, also, start)
            if self.text.startswith("+-", self.at):
                self.fail("a tolerance widens one number, not a range; widen the range itself", self.at)
        self._end_of_number()
        if low > high:
            self.fail("the range runs downwards; the smaller bound comes first", start)
        return Amount(low, high, relation)

    def _refuse_sign(self, relation: str, subject: str) -> None:
        """Refuse signs that could be a change or a number, and say how each is written."""
        sign = self.peek()
        if relation == "=" and sign in "+*" and sign:
            rest = "5" if sign == "+" else "1.1"
            self.fail(
                f"a change is written with the sign before '=', as in {subject}{sign}={rest}"
                + (f"; for the number itself write {subject}=5" if sign == "+" else ""),
                self.at,
            )
        if relation != "=" and sign in "+-*" and sign:
            self.fail(f"a number without a sign is expected after '{relation}'", self.at)

    def _check_alike(self, percent: bool, also: bool, start: int) -> None:
        if percent != also:
            self.fail("one bound is in percent and the other is not; write both alike", start)

    def _value(self, in_percent: bool, is_bounded: bool, share: bool) -> tuple[float, bool]:
        start = self.skip_spaces()
        number, percent = self.number(
            "a share between 0 and 1 is expected" if share else "a number is expected"
        )
        value = float(number) / 100 if percent else float(number)
        if percent and not in_percent:
            self.fail("percent are for shares, as in sex=Female:50%", start)
        if is_bounded and not 0 <= value <= 1:
            hint = f"; for percent write {number}%" if not percent and 1 < value <= 100 else ""
            self.fail(f"a share lies between 0 and 1{hint}", start)
        return value, percent

    def _end_of_number(self) -> None:
        """Refuse what trails a number, as the letters in ``50years``."""
        if not (self.at_end() or self.peek() in ",;"):
            self.fail("',' is expected after a number", self.at)
