"""Applicants whose scores and true classes depend on sex and job."""

import numpy as np
import pandas as pd


def people(n=240, seed=0):
    """Columns, true classes and scores."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], n, p=[0.4, 0.6]),
            "job": rng.choice(["clerk", "farmer", "teacher"], n, p=[0.5, 0.2, 0.3]),
            "age": rng.normal(40.0, 10.0, n),
        }
    )
    signal = 0.05 * (X["age"] - 41.0) + 0.7 * (X["sex"] == "Male") - 0.5 * (X["job"] == "farmer")
    score = 1.0 / (1.0 + np.exp(-(signal + 0.6 * rng.normal(size=n))))
    y = (rng.random(n) < score).astype(int)
    return X, y, score.to_numpy()
