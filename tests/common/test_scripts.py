"""Texts of any script are hidden by whole words, and explained by these in frames, HTML and shap."""

import pickle
import unicodedata
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from tests.messages import assert_states, refuses

SCRIPTS = {  # a text, its words, and the word that decides
    "Hindi": ("यह फिल्म बहुत अच्छी है", "अच्छी"),
    "Thai": ("ไม่ รู้ สู้ หวัง", "รู้"),
    "Tamil": ("இது மிகவும் நல்ல படம்", "மிகவும்"),
    "Arabic": ("الفيلمُ جَمِيلٌ جدًّا", "جَمِيلٌ"),
    "Hebrew": ("שָׁלוֹם לְכֻלָּם וְטוֹב מְאֹד הַיּוֹם", "שָׁלוֹם"),
    "Persian": ("من می‌روم خانه", "می‌روم"),
    "Bengali": ("ছবিটি খুব ভালো", "ভালো"),
    "Burmese": ("ကောင်း သော ရုပ်ရှင်", "ကောင်း"),
    "decomposed": (unicodedata.normalize("NFD", "un été très chaud"), unicodedata.normalize("NFD", "été")),
    "soft hyphen": ("an extra\u00adordinary day", "extra\u00adordinary"),
    "emoji": ("so good 👩\u200d👧 today", "good"),
}
EXPLAINERS = {
    "occlusion": lambda model, masker: OcclusionExplainer(model, masker=masker, random_state=0),
    "shapley": lambda model, masker: KernelShapExplainer(model, masker=masker, random_state=0),
    "lime": lambda model, masker: LimeExplainer(model, masker=masker, random_state=0),
}
CONTAINERS = {
    "list": list,
    "array": np.array,
    "Series": pd.Series,
    "frame": lambda texts: pd.DataFrame({"text": texts}),
    "polars": lambda texts: pl.DataFrame({"text": texts}),
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("bow", [True, False])
@pytest.mark.parametrize("name", EXPLAINERS)
def test_words_with_marks_are_whole(name, bow, script):
    text, word = SCRIPTS[script]

    def model(texts):
        return [float(word in one.split()) for one in texts]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer = EXPLAINERS[name](model, TextMasker(bow=bow)).fit([text])
        explanation = pickle.loads(pickle.dumps(explainer.masker)) and explainer.explain([text])
    words = [one for one in text.split() if any(map(str.isalpha, one))]
    assert explanation.extras["words"].array[0].tolist() == words
    values = dict(zip(words, explanation.values[0, :, 0].tolist(), strict=True))
    assert values.pop(word) > 0.5  # LIME's is shrunk, with two words most
    assert max(map(abs, values.values())) < 0.1


def test_no_expression_cuts_marks_off():
    for pattern, expected in (("", ["अ", "च्", "छी"]), (r"[^a-z]+", ["e\u0301t"])):
        text = "अच्छी" if not pattern else "e\u0301t"
        assert TextMasker(pattern=pattern).read([text]).words.tolist() == [expected]


UNSPACED = ["这部电影非常好看", "この映画はとても面白い", "ภาพยนตร์เรื่องนี้ดีมาก", "好看的电影，非常好看的"]


def cut(text):
    """Pieces of two characters, as a segmenter of words would return them, and blanks."""
    return [text[start : start + 2] for start in range(0, len(text), 2)]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("text", UNSPACED)
def test_text_without_spaces_warns_and_each_advice_works(text, name, container):
    def model(texts):
        return [float(text[0] in one) for one in texts]

    X = CONTAINERS[container](["a fine day", text])
    with pytest.warns(UserWarning, match="without spaces") as caught:
        EXPLAINERS[name](model, TextMasker()).fit(X)
    assert_states(str(caught[0].message), "Row 1 of X", "TextMasker", "pattern=''", "a function")
    for pattern in ("", cut):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            explanation = EXPLAINERS[name](model, TextMasker(pattern=pattern)).fit(X).explain(X)
        assert explanation.extras["words"].array[1][1] != ""
        assert np.nanargmax(np.abs(explanation.values[1, :, 0])) == 0


@pytest.mark.parametrize("texts", [["好看", "電影 很好", "good"], ["東京 大阪 へ 行く"]])
def test_short_words_of_any_script_do_not_warn(texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextMasker().read(texts)


@pytest.mark.parametrize("spans", [False, True])
def test_function_gives_words_or_places(spans):
    def tokens(text):
        words = text.split()
        return words if not spans else [(text.index(word), text.index(word) + len(word)) for word in words]

    rows = TextMasker(pattern=tokens, bow=False).read(["well, it's a-b", " x"])
    assert rows.words.tolist() == [["well,", "it's", "a-b"], ["x", "", ""]]
    assert rows.spans[0, :, :2].tolist() == [[0, 5], [6, 10], [11, 14]]


@pytest.mark.parametrize("wrong", [["WELL"], ["day", "well"], [(0, 99)], [(3, 1)], [3], [None], [(0.5, 2)]])
def test_function_of_other_words_is_refused(wrong):
    with refuses(DataError, "'pattern' of TextMasker", "row 0", "after character", "(start, end)"):
        TextMasker(pattern=lambda text: wrong).read(["well a day"])
    assert TextMasker(pattern=str.split).read(["well a day"]).words.tolist() == [["well", "a", "day"]]


TEXTS = ["great food, rude staff", "not rude at all", "great great day"]


def stars(texts):
    return [3 + 2 * ("great" in x) - 2 * ("rude" in x and "not rude" not in x) for x in texts]


def both(texts):
    return np.column_stack([stars(texts), -np.array(stars(texts))])


def explain(name, model=stars, bow=True, texts=TEXTS):
    return EXPLAINERS[name](model, TextMasker(bow=bow)).fit(texts).explain(texts)


@pytest.mark.parametrize("model", [stars, both])
@pytest.mark.parametrize("bow", [True, False])
@pytest.mark.parametrize("name", EXPLAINERS)
def test_frames_and_html_name_words(name, bow, model):
    explanation = explain(name, model, bow)
    n_outputs, words = len(explanation.output_names), explanation.extras["words"].array
    long = explanation.to_frame()
    assert len(long) == n_outputs * (words != "").sum()
    assert not long["value"].isna().any()
    first = long[(long["row"] == 0) & (long["output"] == explanation.output_names[0])]
    assert first["feature"].tolist() == ["great", "food", "rude", "staff"]
    np.testing.assert_array_equal(first["value"], explanation.values[0, :4, 0])
    wide = explanation.to_frame("wide")
    great = wide["great"] if n_outputs == 1 else wide["great"].iloc[:, 0]
    expected = [explanation.values[0, 0, 0], np.nan, explanation.values[2, 0, 0]]
    np.testing.assert_array_equal(great, expected)
    if not bow:
        assert "great (2)" in wide
        assert (long["feature"] == "great (2)").sum() == n_outputs
    for html in (explanation._repr_html_(), explanation[1]._repr_html_()):
        assert "rude" in html
        assert "word 0" not in html
    total = explanation.aggregate(how="mean").to_frame()
    value = total.loc[total["feature"] == "great", "value"].iloc[0]
    assert value == pytest.approx(np.nanmean(great))


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], ["good food", "bad food"]])
@pytest.mark.parametrize("model", [stars, both])
@pytest.mark.parametrize("bow", [True, False])
@pytest.mark.parametrize("name", EXPLAINERS)
def test_shap_draws_texts(name, bow, model, texts):
    shap = pytest.importorskip("shap")
    explanation = explain(name, model, bow, texts)
    converted = explanation.to_shap()
    words = explanation.extras["words"].array
    for i, text in enumerate(texts):
        one = converted[i]
        assert [token.strip() for token in one.data] == [word for word in words[i] if word]
        np.testing.assert_array_equal(
            np.squeeze(one.values), np.squeeze(explanation.values[i, : len(one.data)])
        )
        html = shap.plots.text(one, display=False)
        assert all(word in html for word in words[i])
        assert text.split()[0] in html
    if model is stars:
        assert "food" in shap.plots.text(converted, display=False)
        shap.plots.bar(converted[0], show=False)
        shap.plots.waterfall(converted[0], show=False)
