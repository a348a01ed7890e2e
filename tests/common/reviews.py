"""Reviews in which some words decide, and a pipeline that was trained on them."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def reviews():
    """Short texts in which some words decide, and whether they are good."""
    rng = np.random.default_rng(8)
    good, bad = ["great", "lovely", "fresh"], ["awful", "stale", "rude"]
    plain = ["the", "a", "food", "staff", "was", "and", "our", "table", "very", "place", "with", "again"]
    texts, is_good = [], []
    for number in range(120):
        chosen = [*rng.choice(plain, rng.integers(3, 11)), *rng.choice(good if number % 2 else bad, 2)]
        texts.append(" ".join(rng.permutation(chosen)) + ".")
        is_good.append(["bad", "good"][number % 2])
    return texts, np.array(is_good)


def train():
    """The pipeline."""
    texts, y = reviews()
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0)).fit(texts, y)
