"""Columns whose levels have few rows each: they do not empty the tree, and the rules say what is left out."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import MimicTree, as_predictor
from tests.messages import assert_states

WORDS = ["good", "bad", "fine", "slow", "rude", "cheap", "dear", "quick", "cold", "warm"]


def reviews(n=300, n_words=5, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "text": [" ".join(rng.choice(WORDS, n_words)) for _ in range(n)],
            "town": rng.choice(list("abc"), n),
            "age": rng.normal(40, 9, n),
        }
    )


def stars(Z):
    """Of two words, the town and the age."""
    Z = pd.DataFrame({name: list(Z[name]) for name in Z.columns})
    words = Z["text"].str.contains("good") - 1.5 * Z["text"].str.contains("rude")
    return (words + 2.0 * (Z["town"] == "b") + Z["age"] / 10).to_numpy()


KINDS = {
    "words": lambda X: X,
    "category": lambda X: X.astype({"text": "category"}),
    "object": lambda X: X.astype({"text": object}),
    "polars": lambda X: pl.DataFrame(X),
}


def likely(Z):
    yes = 1 / (1 + np.exp(5 - stars(Z)))
    return np.column_stack([1 - yes, yes])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("synthetic", ["auto", "none", "bootstrap", "leaf"])
@pytest.mark.parametrize(
    "model", [stars, as_predictor(likely, task="classification")], ids=["numbers", "labels"]
)
def test_near_unique_levels_leave_the_tree_its_other_rules(kind, synthetic, model):
    X = KINDS[kind](reviews())
    mimic = MimicTree(model, synthetic=synthetic, max_queries=3000, random_state=0)
    with pytest.warns(UserWarning, match="no rules on the columns") as caught:
        mimic.fit(X)
    assert_states(str(caught[0].message), "'text'", "levels", "in 300 rows")
    assert caught[0].filename == __file__
    assert mimic.n_model_rows_ <= 3000
    assert len(mimic.leaves_) >= 3
    assert mimic.fidelity_.r2 > 0.15
    assert set(mimic.rule_tree_.feature) == {-1, 1, 2}


def test_near_unique_levels_advice_is_followed():
    X = reviews()
    flags = X.assign(text=None, **{word: X["text"].str.contains(word) for word in ("good", "rude")})

    def described(Z):
        texts = np.where(Z["good"], "good ", "") + np.where(Z["rude"], "rude", "").astype(object)
        return stars(Z.assign(text=texts))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mimic = MimicTree(described, random_state=0).fit(flags.drop(columns="text"))
    assert mimic.fidelity_.r2 > 0.6


def test_levels_with_few_rows_are_split_on_where_they_help():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": rng.choice([f"s{k}" for k in range(60)], 240), "age": rng.normal(40, 9, 240)})
    number = X["shop"].str[1:].astype(int)

    def model(Z):
        return (Z["shop"].str[1:].astype(int) % 2) * 3.0 + Z["age"] / 30

    assert number.nunique() * 5 > len(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mimic = MimicTree(model, random_state=0).fit(X)
    assert 0 in mimic.rule_tree_.feature
    assert mimic.fidelity_.r2 > 0.8
