import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer

from agnostix.core.evaluate import MeanAndVariance, evaluate
from agnostix.core.masking import MaskBlock, TextMasker
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import MaskedRowSource
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.reference import texts as ref

TEXTS = ["The cat saw the cat.", "dogs", "  well, well -- it's a_b 3 times: été "]


def block_of(masker, masks):
    return MaskBlock(slice(0, len(masks)), masks, tuple(masker.draws(masks)))


def built(masker, X, masks):
    """Every text under every mask, mask by mask."""
    rows = masker.read(X)
    builder = rows.builder(np.arange(len(rows)), 0)
    assert builder.distinct(block_of(masker, masks)) is None
    found = builder.build(block_of(masker, masks), slice(0, len(masks) * len(rows)))
    assert builder.is_whole(found)
    return found


TEXT = st.text(st.sampled_from("ab_Ä3 ,.\n'"), max_size=30).filter(ref.words_of)


@given(
    X=st.lists(TEXT, min_size=1, max_size=4),
    bow=st.booleans(),
    mask_token=st.sampled_from([None, "", "[MASK]", "a"]),
    data=st.data(),
)
def test_builder_matches_loops_over_characters(X, bow, mask_token, data):
    masker = TextMasker(bow=bow, mask_token=mask_token)
    rows = masker.read(X)
    names = rows.features.names
    expected = [ref.features_of(text, bow) for text in X]
    assert names == tuple(f"word {j}" for j in range(max(map(len, expected))))
    masks = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=len(names), max_size=len(names)),
                                        min_size=1, max_size=4)))  # fmt: skip
    stand_in = ("" if bow else "UNKWORDZ") if mask_token is None else mask_token
    by_hand = [ref.hidden(text, mask, bow, stand_in) for mask in masks.tolist() for text in X]
    assert built(masker, X, masks).tolist() == by_hand
    for text, players, present, varying in zip(X, expected, rows.present, rows.varying, strict=True):
        assert present.tolist() == [j < len(players) for j in range(len(names))]
        words = [text[slice(*places[0])] for places in players]
        assert varying[: len(players)].tolist() == [word != stand_in for word in words]
        assert not varying[len(players) :].any()


@given(X=st.lists(TEXT, min_size=1, max_size=4), bow=st.booleans())
def test_details_state_words_and_spans(X, bow):
    masker = TextMasker(bow=bow)
    rows = masker.read(X)
    extras = rows.details()
    assert extras["words"].array.dtype.kind == "U"
    n_tokens = max(len(ref.words_of(text)) for text in X)
    assert extras["words"].array.shape == rows.present.shape
    assert extras["spans"].array.shape == (len(X), n_tokens, 2)
    assert extras["span_features"].points_to == "feature"
    assert extras["spans"].array.dtype.kind == "i"
    told_spans = np.dstack([extras["spans"].array, extras["span_features"].array])
    for text, words, spans in zip(X, extras["words"].array, told_spans, strict=True):
        players = ref.features_of(text, bow)
        told = [text[slice(*places[0])] for places in players]
        assert words.tolist() == told + [""] * (len(words) - len(told))
        owners = {place: j for j, places in enumerate(players) for place in places}
        by_hand = [[start, stop, owners[start, stop]] for start, stop, _ in ref.words_of(text)]
        assert spans.tolist() == by_hand + [[-1] * 3] * (n_tokens - len(by_hand))


def test_words_in_order_of_occurrence_with_case():
    rows = TextMasker().read(TEXTS)
    assert rows.words.tolist() == [
        ["The", "cat", "saw", "the", "", "", ""],
        ["dogs", "", "", "", "", "", ""],
        ["well", "it", "s", "a_b", "3", "times", "été"],
    ]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, "The  saw the ."),
        ({"bow": False}, "The UNKWORDZ saw the cat."),
        ({"mask_token": "_"}, "The _ saw the _."),
        ({"bow": False, "mask_token": "[MASK]"}, "The [MASK] saw the cat."),
        ({"bow": False, "mask_token": ""}, "The  saw the cat."),
    ],
)
def test_mask_token_and_bow(how, expected):
    masker = TextMasker(**how)
    n_players = len(masker.read(TEXTS[:1]).features.names)
    assert built(masker, TEXTS[:1], np.arange(n_players)[None] != 1).tolist() == [expected]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [(r"\s+", ["a-b", "c"]), (r"", list("a-b  c")), (r"(-)|(\s)", ["a", "b", "c"]), ("x", ["a-b  c"])],
)
def test_pattern_splits_words(pattern, words):
    masker = TextMasker(pattern=pattern, bow=False, mask_token="")
    rows = masker.read(["a-b  c"])
    assert rows.words.tolist() == [words]
    assert built(masker, ["a-b  c"], np.ones((1, len(words)), dtype=bool)).tolist() == ["a-b  c"]


FORMS = {
    "list": list,
    "tuple": tuple,
    "objects": lambda texts: np.array(texts, dtype=object),
    "strings": np.array,
    "series": lambda texts: pd.Series(texts, index=[7, 7, 7]),
    "strings of pandas": lambda texts: pd.Series(texts, dtype="string"),
    "frame": lambda texts: pd.DataFrame({"text": texts}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_read_texts_of_many_types(form):
    check_read(form(TEXTS))


def test_read_texts_from_polars():
    pl = pytest.importorskip("polars")
    check_read(pl.Series(TEXTS))
    check_read(pl.DataFrame({"text": TEXTS}))


def check_read(X):
    masker = TextMasker()
    rows = masker.read(X)
    assert len(rows) == 3
    assert rows.unmasked.dtype == object
    assert [type(text) for text in rows.unmasked] == [str] * 3
    assert rows.unmasked.tolist() == rows.data.tolist() == TEXTS
    assert rows.data.dtype.kind == "U"
    np.testing.assert_array_equal(rows.words, masker.read(TEXTS).words)


def test_masker_and_rows_contract():
    masker = TextMasker()
    rows = masker.read(["b a", "c", "b a", "d", "c"])
    first, which = rows.distinct()
    assert (first.tolist(), which.tolist()) == ([0, 1, 3], [0, 1, 0, 2, 1])
    assert masker.weights.tolist() == [1.0]
    assert not masker.merges
    assert not masker.same_features
    assert rows.n_values == 64
    assert masker.read(["a", "b" * 100]).n_values == 100
    assert rows.compose(np.array([0])) is None
    for draw in masker.draws(np.ones((2, 2), dtype=bool)):
        assert (draw.rows.tolist(), draw.weights.tolist(), draw.which.tolist()) == ([0], [1.0], [0])


def test_builder_of_slice_and_positions():
    masker, masks = TextMasker(), np.random.default_rng(0).random((5, 7)) < 0.5
    rows, block = masker.read(TEXTS), block_of(masker, masks)
    whole = built(masker, TEXTS, masks).reshape(5, 3)
    builder = rows.builder(np.array([2, 0]), 0)
    cells = whole[:, [2, 0]].ravel()
    assert builder.build(block, slice(3, 8)).tolist() == cells[3:8].tolist()
    assert builder.build(block, np.array([9, 0, 4])).tolist() == cells[[9, 0, 4]].tolist()


@pytest.mark.parametrize("vectorizer", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
def test_builder_output_fits_sklearn_vectorizers(vectorizer):
    masks = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0]], dtype=bool)
    texts = built(TextMasker(), TEXTS, masks)
    of_list = vectorizer().fit(TEXTS).transform(texts.tolist())
    assert (vectorizer().fit(TEXTS).transform(texts) != of_list).nnz == 0


def n_letters(texts):
    return [[len(text), text.count("a")] for text in texts]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_evaluation_of_subset_uses_own_words(n_jobs):
    """A later call with fewer words than an earlier one has narrower masks."""
    X, masker, rng = ["a bb a", "c a dd eee", "b", "xx y zz yy"], TextMasker(), np.random.default_rng(1)
    rows = masker.read(X)
    for chosen in ([1, 3], [0], [2]):
        some = rows[np.array(chosen)]
        masks = rng.random((6, len(some.features.names))) < 0.5
        source = MaskedRowSource.from_rows(masker, some, masks)
        (means, variances), n_model_rows = evaluate(
            as_predictor(n_letters), source, MeanAndVariance(), n_outputs=2, n_jobs=n_jobs
        )
        expected = [n_letters([ref.hidden(X[i], mask, True, "") for mask in masks]) for i in chosen]
        np.testing.assert_array_equal(means, expected)
        np.testing.assert_array_equal(variances, 0.0)
        assert n_model_rows == 6 * len(chosen)


NO_TEXTS = ("X must be texts", "list", "array of one dimension", "Series", "DataFrame of one column")


@pytest.mark.parametrize(
    ("X", "got"),
    [
        ("one text", "a str"),
        ([], "an empty list"),
        (np.array([], dtype=str), "a ndarray of shape (0,)"),
        (np.array([["a"]]), "a ndarray of shape (1, 1)"),
        (np.array("a"), "a ndarray of shape ()"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "a DataFrame of shape (1, 2)"),
        (3.0, "a float"),
        ({"a": "b"}, "a dict"),
    ],
)
def test_read_refuses_what_is_not_texts(X, got):
    with refuses(DataError, *NO_TEXTS, f"got {got}"):
        TextMasker().read(X)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, "3, of type int"),
        (b"abc", "b'abc', of type bytes"),
        (None, "a missing value"),
        (np.nan, "a missing value"),
        (["a"], "['a'], of type list"),
    ],
)
def test_read_names_row_that_is_not_text(value, shown):
    with refuses(DataError, "Row 1 of X is no text", shown, "Convert it, or leave it out"):
        TextMasker().read(["a", value])


@pytest.mark.parametrize(
    ("text", "shown"), [("", "''"), (" .,!", "' .,!'"), ("-" * 41, repr("-" * 37 + "..."))]
)
def test_read_names_text_without_words(text, shown):
    with refuses(DataError, "Row 2 of X", f"hidden: {shown}", repr(r"\W+"), "TextMasker", "another pattern"):
        TextMasker().read(["a", "b", text])


@pytest.mark.parametrize(
    ("parameter", "facts"),
    [
        (
            {"pattern": "("},
            ["'pattern'", "regular expression", "got '('", "missing ), unterminated subpattern"],
        ),
        ({"pattern": None}, ["'pattern'", "str", "got None"]),
        ({"bow": "yes"}, ["'bow'", "True or False", "got 'yes'"]),
        ({"bow": None}, ["'bow'", "True or False", "got None"]),
        ({"mask_token": 0}, ["'mask_token'", "str or None", "got 0"]),
    ],
)
def test_masker_refuses_bad_parameters(parameter, facts):
    with refuses(DataError, "TextMasker", *facts):
        TextMasker(**parameter)
